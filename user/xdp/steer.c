/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/steer.h"
#include "base/cleanup.h"
#include "xdp/pins.h"
#include "xdp/steer_program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct steer {
	struct netif netif;
	int lock;
	int pins; /* the directory, held */
	int link;
	struct steer_program program;
	struct steer_variant variant;
	enum steer_vlan vlan;
	bool restore_rxvlan;
	unsigned int flood_guard;
	bool taken_over;
	bool pinned; /* ours to remove */
};

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const request_names[] = {
	[STEER_AUTO] = "auto",
	[STEER_ZEROCOPY] = "zerocopy",
	[STEER_NATIVE] = "native",
	[STEER_GENERIC] = "generic",
};

const char *steer_request_name(enum steer_request request)
{
	return request_names[request];
}

int steer_request_parse(const char *text, enum steer_request *request, struct error *err)
{
	unsigned int i;

	for (i = 0; i < sizeof(request_names) / sizeof(request_names[0]); i++) {
		if (!strcmp(text, request_names[i])) {
			*request = (enum steer_request)i;
			return 0;
		}
	}
	return error_set(err, EINVAL,
			 "`%s` is no XDP mode: there are auto, zerocopy, native and generic", text);
}

const char *steer_vlan_name(enum steer_vlan vlan)
{
	static const char *const names[] = {
		[STEER_VLAN_KFUNC] = "metadata",
		[STEER_VLAN_RXVLAN_OFF] = "rxvlan-off",
		[STEER_VLAN_IN_FRAME] = "in-frame",
		[STEER_VLAN_BLIND] = "blind",
	};

	return names[vlan];
}

/* ---- what must hold before anything is touched ------------------------------------------------
 */

/*
 * PERFMON for what the verifier then leaves as it is: guards against speculation would slow the
 * program down and let one that is bound to its device outgrow its pages (steer_program.c).
 */
static const struct privilege {
	unsigned int bit;
	const char *name;
} privileges[] = {
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{CAP_NET_RAW, "CAP_NET_RAW"},
	{CAP_BPF, "CAP_BPF"},
	{CAP_PERFMON, "CAP_PERFMON"},
};

static int check_privileges(struct error *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {};
	char missing[80] = "";
	uint64_t have;

	if (syscall(SYS_capget, &head, caps) < 0)
		return error_set(err, errno, "cannot read this process's capabilities: %s",
				 strerror(errno));
	have = (uint64_t)caps[1].effective << 32 | caps[0].effective;
	for (unsigned int i = 0; i < sizeof(privileges) / sizeof(privileges[0]); i++) {
		size_t len = strlen(missing);

		if (!(have & 1ull << privileges[i].bit))
			snprintf(missing + len, sizeof(missing) - len, " %s", privileges[i].name);
	}
	if (missing[0])
		return error_set(err, EPERM,
				 "must be root, or have what stgt-xdp.service gives; missing:%s",
				 missing);
	return 0;
}

/* Old kernels charge maps, and all kernels AF_XDP memory, to a limit that defaults to little. */
static void raise_memlock(void)
{
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

	/* Where this is refused the limit may do; if not, that failure says so. */
	setrlimit(RLIMIT_MEMLOCK, &none);
}

/* ---- leftovers --------------------------------------------------------------------------------
 */

static void leftover_drop(const char *name, struct steer_leftover *left)
{
	if (left->link >= 0)
		bpf_link_detach(left->link);
	cleanup_close(&left->link);
	left->link = -1;
	pins_remove(name);
}

static int refuse_elsewhere(const struct netif *netif, struct error *err)
{
	return error_set(err, EEXIST,
			 "an interface %s of another network namespace has the pins " STGT_BPFFS
			 "/%s: run `stgt-xdp detach %s` first if nothing serves it",
			 netif->name, netif->name, netif->name);
}

/* Decides what becomes of a killed process's link, given that we hold the lock. */
static int leftover_settle(const struct netif *netif, struct steer_leftover *left,
			   struct error *err)
{
	if (left->link >= 0 && left->ifindex && left->has_port && left->port.netns != netif->netns)
		return refuse_elsewhere(netif, err);
	if (left->link >= 0 && left->ifindex == netif->ifindex)
		return 0;
	leftover_drop(netif->name, left);
	return 0;
}

/* The lock is held: say so, and where, when it is not the interface that was meant. */
static int refuse_served(const struct netif *netif, int rc, struct error *err)
{
	struct steer_leftover left;
	bool elsewhere;

	steer_leftover_open(netif->name, &left);
	elsewhere = left.has_port && left.port.netns != netif->netns;
	steer_leftover_close(&left);
	if (rc != -EBUSY || !elsewhere)
		return rc;
	return error_prefix(err, EEXIST, "in another network namespace");
}

/* Another user's pins look like none at all: say so before its program looks like a stranger's. */
static int refuse_unreadable(const struct netif *netif, struct error *err)
{
	if (pins_readable(netif->name))
		return 0;
	return error_set(err, EACCES,
			 STGT_BPFFS "/%s belongs to another user: run `stgt-xdp detach %s` as "
				    "root first",
			 netif->name, netif->name);
}

static int refuse_foreign(const struct netif *netif, const struct steer_leftover *left,
			  bool *generic, struct error *err)
{
	unsigned int prog_id;
	int rc = steer_program_query(netif->ifindex, &prog_id, generic);

	if (rc)
		return error_set(err, -rc, "%s: cannot ask for its XDP program: %s", netif->name,
				 strerror(-rc));
	/* The link's interface has our index, but it is not ours: indexes are a namespace's. */
	if (!prog_id && left->link >= 0)
		return refuse_elsewhere(netif, err);
	if (prog_id && (left->link < 0 || left->prog_id != prog_id))
		return error_set(err, EBUSY,
				 "%s already runs another XDP program (id %u): look with "
				 "`ip link show dev %s` or `bpftool net`, and remove it first",
				 netif->name, prog_id, netif->name);
	return 0;
}

/* ---- attaching --------------------------------------------------------------------------------
 */

static int port_write(const struct steer *steer)
{
	struct stgt_port port = {
		.abi_version = STGT_ABI_VERSION,
		.ifindex = steer->netif.ifindex,
		.netns = steer->netif.netns,
		.vlan_from_metadata = steer->variant.read_tag,
		.restore_rxvlan = steer->restore_rxvlan,
		.flood_guard = steer->flood_guard,
	};
	__u32 zero = 0;

	memcpy(port.mac, steer->netif.mac, sizeof(port.mac));
	return bpf_map_update_elem(steer->program.maps.port, &zero, &port, BPF_ANY) < 0 ? -errno
											: 0;
}

/* A link of our own, or the one that was left with its program replaced between two frames. */
static int link_make(struct steer *steer, struct steer_leftover *left, bool left_generic,
		     struct error *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);

	if (left->link >= 0 && left_generic == steer->variant.generic &&
	    bpf_link_update(left->link, steer->program.fd, NULL) == 0) {
		steer->link = cleanup_steal_fd(&left->link);
		steer->taken_over = true;
		return 0;
	}
	/* The interface takes one program: that of another mode has to go first. */
	if (left->link >= 0)
		leftover_drop(steer->netif.name, left);
	opts.flags = steer->variant.generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	steer->link = bpf_link_create(steer->program.fd, (int)steer->netif.ifindex, BPF_XDP, &opts);
	if (steer->link >= 0)
		return 0;
	if (errno == EOPNOTSUPP && !steer->variant.generic)
		return error_set(
			err, EOPNOTSUPP,
			"%s (driver %s) cannot run XDP natively: use --xdp generic or auto",
			steer->netif.name, steer->netif.driver);
	return error_set(err, errno, "cannot attach the XDP program to %s in %s mode: %s",
			 steer->netif.name, steer->variant.generic ? "generic" : "native",
			 strerror(errno));
}

static int try_variant(struct steer *steer, const struct steer_variant *variant,
		       struct steer_leftover *left, bool left_generic, struct error *err)
{
	int rc;

	steer->variant = *variant;
	rc = steer_program_load(&steer->netif, variant, left, &steer->program, err);
	if (rc)
		return rc;
	rc = port_write(steer);
	if (rc)
		error_set(err, -rc, "cannot write the port map: %s", strerror(-rc));
	else
		rc = link_make(steer, left, left_generic, err);
	if (rc)
		steer_program_close(&steer->program);
	return rc;
}

/* Software interfaces hand on tags that a sender's offload kept out of the frame; rxvlan is moot.
 */
static bool tags_bypass_rxvlan(const struct netif *netif)
{
	static const char *const drivers[] = {"veth", "bridge", "macvlan",    "bonding",
					      "team", "ipvlan", "openvswitch"};
	unsigned int i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(netif->driver, drivers[i]))
			return true;
	return false;
}

static int attach(struct steer *steer, enum steer_request request, struct steer_leftover *left,
		  bool left_generic, struct error *err)
{
	static const struct steer_variant native_tag = {.read_tag = true};
	static const struct steer_variant native = {};
	static const struct steer_variant generic = {.generic = true};
	int rc = -EOPNOTSUPP;

	/* Only where turning rxvlan off is no help: programs bound to a device are delicate. */
	if (request != STEER_GENERIC && tags_bypass_rxvlan(&steer->netif) &&
	    netif_has_vlan_metadata(&steer->netif))
		rc = try_variant(steer, &native_tag, left, left_generic, err);
	if (rc && request != STEER_GENERIC)
		rc = try_variant(steer, &native, left, left_generic, err);
	if (rc && (request == STEER_GENERIC || request == STEER_AUTO))
		rc = try_variant(steer, &generic, left, left_generic, err);
	return rc;
}

static void vlan_settle(struct steer *steer)
{
	int rxvlan = netif_rxvlan_get(&steer->netif);

	if (steer->variant.read_tag) {
		steer->vlan = STEER_VLAN_KFUNC;
	} else if (tags_bypass_rxvlan(&steer->netif)) {
		steer->vlan = STEER_VLAN_BLIND;
	} else if (rxvlan == 1) {
		steer->vlan = STEER_VLAN_BLIND;
		if (!netif_rxvlan_set(&steer->netif, false)) {
			steer->vlan = STEER_VLAN_RXVLAN_OFF;
			steer->restore_rxvlan = true;
		}
	} else if (rxvlan == 0 || rxvlan == -EOPNOTSUPP) {
		steer->vlan = steer->restore_rxvlan ? STEER_VLAN_RXVLAN_OFF : STEER_VLAN_IN_FRAME;
	} else {
		steer->vlan = STEER_VLAN_BLIND;
	}
}

/* A killed process's directory, if there is one, or ours. */
static int pins_take(struct steer *steer, struct error *err)
{
	cleanup_close(&steer->pins);
	steer->pins = pins_hold(steer->netif.name, err);
	return steer->pins < 0 ? steer->pins : 0;
}

static int pin_all(struct steer *steer, struct error *err)
{
	const char *name = steer->netif.name;
	const struct {
		const char *entry;
		int fd;
	} pins[] = {
		{"port", steer->program.maps.port},
		{"exports", steer->program.maps.exports},
		{"acl", steer->program.maps.acl},
		{"counters", steer->program.maps.counters},
		{"initiators", steer->program.maps.initiators},
		{"xsks", steer->program.xsks},
		/* Last: leftovers without a link are incomplete and nobody's. */
		{STGT_PIN_LINK, steer->link},
	};
	unsigned int i;
	int rc = pins_make(name, err);

	steer->pinned = true;
	if (!rc)
		rc = pins_take(steer, err);
	for (i = 0; !rc && i < sizeof(pins) / sizeof(pins[0]); i++)
		rc = pins_put(name, pins[i].entry, pins[i].fd, err);
	return rc;
}

static int open_locked(struct steer *steer, enum steer_request request, struct error *err)
{
	struct steer_leftover left;
	bool left_generic = false;
	int rc = refuse_unreadable(&steer->netif, err);

	if (!rc)
		rc = pins_take(steer, err);
	if (rc && rc != -ENOENT)
		return rc;
	steer_leftover_open(steer->netif.name, &left);
	if (left.has_port && left.port.ifindex == steer->netif.ifindex &&
	    left.port.netns == steer->netif.netns)
		steer->restore_rxvlan = left.port.restore_rxvlan;
	rc = leftover_settle(&steer->netif, &left, err);
	if (!rc)
		rc = refuse_foreign(&steer->netif, &left, &left_generic, err);
	if (!rc)
		rc = attach(steer, request, &left, left_generic, err);
	steer_leftover_close(&left);
	if (rc)
		return rc;
	vlan_settle(steer);
	rc = port_write(steer);
	if (rc)
		return error_set(err, -rc, "cannot write the port map: %s", strerror(-rc));
	return pin_all(steer, err);
}

int steer_open(const struct netif *netif, enum steer_request request, struct steer **out,
	       struct error *err)
{
	struct steer *steer;
	int rc = check_privileges(err);

	if (rc)
		return rc;
	raise_memlock();
	rc = pins_mount(err);
	if (rc)
		return rc;
	steer = calloc(1, sizeof(*steer));
	if (!steer)
		return error_set(err, ENOMEM, "out of memory");
	steer->netif = *netif;
	steer->link = steer->pins = -1;
	steer->lock = pins_lock(netif->name, err);
	if (steer->lock < 0)
		rc = refuse_served(netif, steer->lock, err);
	else
		rc = open_locked(steer, request, err);
	if (rc) {
		steer_close(steer);
		return rc;
	}
	*out = steer;
	return 0;
}

void steer_close(struct steer *steer)
{
	if (steer->link >= 0)
		bpf_link_detach(steer->link);
	cleanup_close(&steer->link);
	if (steer->pinned)
		pins_remove(steer->netif.name);
	if (steer->program.object && steer->restore_rxvlan)
		netif_rxvlan_set(&steer->netif, true);
	steer_program_close(&steer->program);
	cleanup_close(&steer->pins);
	if (steer->lock >= 0)
		pins_unlock(steer->netif.name, steer->lock);
	free(steer);
}

static void leftover_remove(const char *name)
{
	struct steer_leftover left;
	struct netif netif;

	steer_leftover_open(name, &left);
	leftover_drop(name, &left);
	if (left.has_port && left.port.restore_rxvlan && !netif_query(name, &netif, NULL) &&
	    netif.ifindex == left.port.ifindex && netif.netns == left.port.netns)
		netif_rxvlan_set(&netif, true);
	steer_leftover_close(&left);
}

int steer_remove_stale(const char *name, struct error *err)
{
	int lock, pins, rc = netif_name_check(name, err);

	if (!rc)
		rc = check_privileges(err);
	if (rc)
		return rc;
	lock = pins_lock(name, err);
	if (lock < 0)
		return lock;
	rc = pins = pins_hold(name, err);
	if (pins >= 0) {
		leftover_remove(name);
		cleanup_close(&pins);
		rc = 1;
	}
	pins_unlock(name, lock);
	return rc == -ENOENT ? 0 : rc;
}

/* ---- while it runs ----------------------------------------------------------------------------
 */

bool steer_generic(const struct steer *steer)
{
	return steer->variant.generic;
}

enum steer_vlan steer_vlan(const struct steer *steer)
{
	return steer->vlan;
}

bool steer_taken_over(const struct steer *steer)
{
	return steer->taken_over;
}

bool steer_attached(const struct steer *steer)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	/* A link that was detached has no interface; one that cannot be asked is as it was. */
	return bpf_obj_get_info_by_fd(steer->link, &info, &len) || info.xdp.ifindex;
}

const struct steer_maps *steer_maps(const struct steer *steer)
{
	return &steer->program.maps;
}

static int map_set(int fd, const void *key, const void *value)
{
	return bpf_map_update_elem(fd, key, value, BPF_ANY) < 0 ? -errno : 0;
}

static int map_del(int fd, const void *key)
{
	return bpf_map_delete_elem(fd, key) < 0 && errno != ENOENT ? -errno : 0;
}

int steer_export_set(struct steer *steer, const struct stgt_export_key *key, uint32_t flags)
{
	const struct stgt_export value = {.flags = flags};

	return map_set(steer->program.maps.exports, key, &value);
}

int steer_export_del(struct steer *steer, const struct stgt_export_key *key)
{
	return map_del(steer->program.maps.exports, key);
}

int steer_acl_set(struct steer *steer, const struct stgt_acl_key *key, enum stgt_access access)
{
	const struct stgt_acl value = {.access = access};

	return map_set(steer->program.maps.acl, key, &value);
}

int steer_acl_del(struct steer *steer, const struct stgt_acl_key *key)
{
	return map_del(steer->program.maps.acl, key);
}

int steer_xsk_set(struct steer *steer, unsigned int queue, int fd)
{
	return map_set(steer->program.xsks, &queue, &fd);
}

int steer_xsk_clear(struct steer *steer, unsigned int queue)
{
	return map_del(steer->program.xsks, &queue);
}

int steer_rename(struct steer *steer, const char *name)
{
	int ret = pins_rename(steer->netif.name, name);

	if (!ret)
		strcpy(steer->netif.name, name);
	return ret;
}

int steer_port_update(struct steer *steer, const uint8_t mac[6])
{
	memcpy(steer->netif.mac, mac, sizeof(steer->netif.mac));
	return port_write(steer);
}

int steer_flood_guard_set(struct steer *steer, unsigned int frames)
{
	steer->flood_guard = frames;
	return port_write(steer);
}
