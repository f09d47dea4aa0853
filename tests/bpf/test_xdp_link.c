/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The program's life on an interface: attached, pinned, left behind, taken over, refused. */
#include "veth.h"
#include "xdp/steer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct veth *veth;

/* ---- looking from outside ---------------------------------------------------------------------
 */

static unsigned int program_on(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(name), 0, &opts), 0);
	return opts.prog_id;
}

static bool program_is_generic(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(name), 0, &opts), 0);
	return opts.attach_mode == XDP_ATTACHED_SKB;
}

static bool pinned(const char *entry)
{
	char path[128];

	snprintf(path, sizeof(path), STGT_BPFFS "/%s/%s", veth->near, entry);
	return access(path, F_OK) == 0;
}

static unsigned int link_id(void)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[128];
	int fd;

	snprintf(path, sizeof(path), STGT_BPFFS "/%s/link", veth->near);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

static void assert_nothing_left(void)
{
	char lock[64];

	assert_int_equal(program_on(veth->near), 0);
	assert_false(pinned(""));
	snprintf(lock, sizeof(lock), "/run/stgt-xdp/%s.lock", veth->near);
	assert_int_not_equal(access(lock, F_OK), 0);
}

/* ---- doing ------------------------------------------------------------------------------------
 */

static int try_open(enum steer_request request, struct steer **steer, struct error *err)
{
	struct netif netif;
	int rc = netif_query(veth->near, &netif, err);

	return rc ? rc : steer_open(&netif, request, steer, err);
}

static struct steer *must_open(enum steer_request request)
{
	struct steer *steer = NULL;
	struct error err;

	if (try_open(request, &steer, &err))
		fail_msg("%s", err.text);
	return steer;
}

static const struct stgt_export_key export_key = {STGT_PROTO_AOE, 0, 7 << 8 | 1};

/* A server that has an export and has counted a hundred frames on each CPU. */
static void serve(void *ctx)
{
	struct steer *steer = must_open(*(enum steer_request *)ctx);
	struct stgt_counter counted[256];
	uint32_t index = STGT_PROTO_AOE * STGT_VERDICTS + STGT_REDIRECT;
	int cpu;

	for (cpu = 0; cpu < 256; cpu++)
		counted[cpu] = (struct stgt_counter){100, 6000};
	assert_int_equal(bpf_map_update_elem(steer_maps(steer)->counters, &index, counted, BPF_ANY),
			 0);
	assert_int_equal(steer_export_set(steer, &export_key, 0), 0);
}

static void serve_and_die(enum steer_request request)
{
	child_kill(child_serving(serve, &request));
}

static void count_entry(void *ctx, const struct stgt_export_key *key,
			const struct stgt_export *value)
{
	++*(unsigned int *)ctx;
}

static unsigned int exports_in(const struct steer_maps *maps)
{
	unsigned int n = 0;

	assert_int_equal(steer_exports_each(maps, count_entry, &n), 0);
	return n;
}

static uint64_t redirected(const struct steer_maps *maps)
{
	struct stgt_counter counters[STGT_PROTOS][STGT_VERDICTS];

	assert_int_equal(steer_counters_read(maps, counters), 0);
	return counters[STGT_PROTO_AOE][STGT_REDIRECT].frames;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void open_attaches_and_close_leaves_nothing(void **state)
{
	static const char *const entries[] = {"link", "port",	  "exports",   "acl",
					      "xsks", "counters", "initiators"};
	struct steer *steer = must_open(STEER_AUTO);
	struct stgt_port port;
	struct netif netif;
	size_t i;

	assert_int_not_equal(program_on(veth->near), 0);
	assert_false(program_is_generic(veth->near));
	assert_false(steer_generic(steer));
	assert_false(steer_taken_over(steer));
	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		assert_true(pinned(entries[i]));
	assert_int_equal(netif_query(veth->near, &netif, NULL), 0);
	assert_int_equal(steer_port_read(steer_maps(steer), &port), 0);
	assert_int_equal(port.ifindex, netif.ifindex);
	assert_int_equal(port.netns, netif.netns);
	assert_memory_equal(port.mac, netif.mac, 6);
	assert_int_equal(port.flood_guard, 0);
	assert_int_equal(steer_flood_guard_set(steer, 777), 0);
	assert_int_equal(steer_port_update(steer, (uint8_t[]){2, 3, 4, 5, 6, 7}), 0);
	assert_int_equal(steer_port_read(steer_maps(steer), &port), 0);
	assert_memory_equal(port.mac, ((uint8_t[]){2, 3, 4, 5, 6, 7}), 6);
	assert_int_equal(port.flood_guard, 777);
	steer_close(steer);
	assert_nothing_left();
}

static void generic_mode_is_had_by_asking(void **state)
{
	struct steer *steer = must_open(STEER_GENERIC);

	assert_true(program_is_generic(veth->near));
	assert_true(steer_generic(steer));
	/* A veth hands on stripped tags, and only native mode can read them. */
	assert_int_equal(steer_vlan(steer), STEER_VLAN_BLIND);
	steer_close(steer);
	assert_nothing_left();
}

static void maps_take_entries(void **state)
{
	struct stgt_acl_key acl = {.proto = STGT_PROTO_AOE, .address = 7 << 8 | 1, .mac = {2}};
	struct steer *steer = must_open(STEER_AUTO);

	assert_int_equal(steer_export_set(steer, &export_key, STGT_EXPORT_READ_ONLY), 0);
	assert_int_equal(exports_in(steer_maps(steer)), 1);
	assert_int_equal(steer_acl_set(steer, &acl, STGT_ACCESS_RW), 0);
	assert_int_equal(steer_acl_del(steer, &acl), 0);
	assert_int_equal(steer_acl_del(steer, &acl), 0);
	assert_int_equal(steer_export_del(steer, &export_key), 0);
	assert_int_equal(exports_in(steer_maps(steer)), 0);
	steer_close(steer);
}

static void one_process_serves_an_interface(void **state)
{
	enum steer_request request = STEER_AUTO;
	pid_t pid = child_serving(serve, &request);
	unsigned int program = program_on(veth->near);
	struct steer *steer;
	struct error err;
	char named[32];

	snprintf(named, sizeof(named), "(pid %d)", pid);
	assert_int_equal(try_open(STEER_AUTO, &steer, &err), -EBUSY);
	assert_non_null(strstr(err.text, named));
	assert_int_equal(steer_remove_stale(veth->near, &err), -EBUSY);
	assert_non_null(strstr(err.text, named));
	assert_int_equal(program_on(veth->near), program);
	assert_true(pinned("link"));
	child_kill(pid);
	assert_int_equal(steer_remove_stale(veth->near, &err), 1);
	assert_nothing_left();
	assert_int_equal(steer_remove_stale(veth->near, &err), 0);
}

static void killed_servers_link_is_taken_over(void **state)
{
	struct steer *steer;
	unsigned int link, program;
	uint64_t counted;

	serve_and_die(STEER_AUTO);
	program = program_on(veth->near);
	assert_int_not_equal(program, 0);
	link = link_id();
	steer = must_open(STEER_AUTO);
	assert_true(steer_taken_over(steer));
	/* The same link, so no frame went past it, with another program. */
	assert_int_equal(link_id(), link);
	assert_int_not_equal(program_on(veth->near), program);
	counted = redirected(steer_maps(steer));
	assert_int_equal(counted, 100 * libbpf_num_possible_cpus());
	assert_int_equal(exports_in(steer_maps(steer)), 0);
	steer_close(steer);
	assert_nothing_left();
}

/* Puts a map of another shape in the place of a pinned one and returns it. */
static int repin(const char *entry, enum bpf_map_type type, uint32_t key, uint32_t value,
		 uint32_t entries)
{
	int fd = bpf_map_create(type, entry, key, value, entries, NULL);
	char path[128];

	snprintf(path, sizeof(path), STGT_BPFFS "/%s/%s", veth->near, entry);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	return fd;
}

/* A server of version 1, which had turned rxvlan off and counted a hundred frames on each CPU. */
static void serve_as_version_1(void *ctx)
{
	struct steer *steer = must_open(STEER_AUTO);
	struct stgt_counter counted[256];
	struct stgt_port port;
	struct netif netif;
	int counters, own;
	uint32_t i;

	assert_int_equal(steer_port_read(steer_maps(steer), &port), 0);
	port.abi_version = 1;
	port.restore_rxvlan = 1;
	own = repin("port", BPF_MAP_TYPE_ARRAY, 4, 24, 1);
	i = 0;
	assert_int_equal(bpf_map_update_elem(own, &i, &port, BPF_ANY), 0);
	for (i = 0; i < 256; i++)
		counted[i] = (struct stgt_counter){100, 6000};
	counters = repin("counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, STGT_PROTOS * 5);
	for (i = 0; i < STGT_PROTOS * 5; i++)
		assert_int_equal(bpf_map_update_elem(counters, &i, counted, BPF_ANY), 0);
	repin("initiators", BPF_MAP_TYPE_LRU_PERCPU_HASH, 12, 32, STGT_MAX_INITIATORS);
	assert_int_equal(netif_query(veth->near, &netif, NULL), 0);
	assert_int_equal(netif_rxvlan_set(&netif, false), 0);
}

static void another_versions_link_is_taken_over(void **state)
{
	struct steer_maps maps;
	unsigned int link, program;
	struct steer *steer;
	struct netif netif;
	struct error err;

	child_kill(child_serving(serve_as_version_1, NULL));
	assert_int_equal(steer_maps_open(veth->near, &maps, &err), -EPROTO);
	program = program_on(veth->near);
	link = link_id();
	steer = must_open(STEER_AUTO);
	assert_true(steer_taken_over(steer));
	assert_int_equal(link_id(), link);
	assert_int_not_equal(program_on(veth->near), program);
	/* What it counted means something else now. */
	assert_int_equal(redirected(steer_maps(steer)), 0);
	assert_int_equal(steer_maps_open(veth->near, &maps, &err), 0);
	steer_maps_close(&maps);
	steer_close(steer);
	assert_nothing_left();
	/* What it did to the interface is undone all the same. */
	assert_int_equal(netif_query(veth->near, &netif, NULL), 0);
	assert_int_equal(netif_rxvlan_get(&netif), 1);
}

static void another_versions_leftovers_are_removed(void **state)
{
	struct netif netif;
	struct error err;

	child_kill(child_serving(serve_as_version_1, NULL));
	assert_int_equal(steer_remove_stale(veth->near, &err), 1);
	assert_nothing_left();
	assert_int_equal(netif_query(veth->near, &netif, NULL), 0);
	assert_int_equal(netif_rxvlan_get(&netif), 1);
}

static void another_mode_replaces_a_killed_servers_link(void **state)
{
	struct steer *steer;

	serve_and_die(STEER_NATIVE);
	assert_false(program_is_generic(veth->near));
	steer = must_open(STEER_GENERIC);
	assert_true(program_is_generic(veth->near));
	assert_false(steer_taken_over(steer));
	assert_true(redirected(steer_maps(steer)) >= 100);
	steer_close(steer);
	assert_nothing_left();
}

static void pins_of_a_vanished_interface_are_replaced(void **state)
{
	struct steer *steer;

	serve_and_die(STEER_AUTO);
	veth_delete(veth);
	assert_true(pinned("link"));
	veth_make(veth, 1500);
	steer = must_open(STEER_AUTO);
	assert_false(steer_taken_over(steer));
	assert_int_not_equal(program_on(veth->near), 0);
	steer_close(steer);
	assert_nothing_left();
}

static void close_after_the_interface_vanished(void **state)
{
	struct steer *steer = must_open(STEER_AUTO);

	veth_delete(veth);
	steer_close(steer);
	assert_false(pinned(""));
	veth_make(veth, 1500);
}

static int foreign_program(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 /* XDP_PASS */},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass, 2, NULL);
}

static void somebody_elses_program_stays(void **state)
{
	int prog = foreign_program(), link;
	struct steer *steer;
	unsigned int id;
	struct error err;
	char named[32];

	assert_true(prog >= 0);
	link = bpf_link_create(prog, (int)if_nametoindex(veth->near), BPF_XDP, NULL);
	assert_true(link >= 0);
	id = program_on(veth->near);
	snprintf(named, sizeof(named), "(id %u)", id);
	assert_int_equal(try_open(STEER_AUTO, &steer, &err), -EBUSY);
	assert_non_null(strstr(err.text, named));
	assert_int_equal(try_open(STEER_GENERIC, &steer, &err), -EBUSY);
	assert_int_equal(program_on(veth->near), id);
	assert_false(pinned(""));
	close(link);
	close(prog);
	assert_nothing_left();
}

static int open_in_another_namespace(void *ctx)
{
	struct error *err = ctx;
	struct steer *steer;
	int rc;

	if (unshare(CLONE_NEWNET) < 0)
		return 255;
	veth_make(veth, 1500);
	rc = try_open(STEER_AUTO, &steer, err);
	if (!rc)
		steer_close(steer);
	else if (!strstr(err->text, "another network namespace"))
		return 254;
	return -rc;
}

static void the_same_name_elsewhere_is_refused(void **state)
{
	enum steer_request request = STEER_AUTO;
	pid_t pid = child_serving(serve, &request);
	unsigned int program = program_on(veth->near);
	struct error err;

	assert_int_equal(child_returns(open_in_another_namespace, &err), EEXIST);
	child_kill(pid);
	assert_int_equal(child_returns(open_in_another_namespace, &err), EEXIST);
	assert_int_equal(program_on(veth->near), program);
	/* With the interface gone the pins are nobody's. */
	veth_delete(veth);
	assert_int_equal(child_returns(open_in_another_namespace, &err), 0);
	assert_false(pinned(""));
	veth_make(veth, 1500);
}

/* Interface indexes are a namespace's: without the port map only the program tells whose it is. */
static int open_same_index_elsewhere(void *ctx)
{
	struct steer *steer;
	struct error err;
	int rc;

	if (unshare(CLONE_NEWNET) < 0)
		return 255;
	shell("ip link add %s index %u type veth peer name %s", veth->near, *(unsigned int *)ctx,
	      veth->far);
	rc = try_open(STEER_AUTO, &steer, &err);
	if (!rc)
		steer_close(steer);
	return -rc;
}

static void the_same_name_and_index_elsewhere_is_refused(void **state)
{
	unsigned int index = if_nametoindex(veth->near), program;
	struct error err;
	char port[128];

	serve_and_die(STEER_AUTO);
	program = program_on(veth->near);
	snprintf(port, sizeof(port), STGT_BPFFS "/%s/port", veth->near);
	assert_int_equal(unlink(port), 0);
	assert_int_equal(child_returns(open_same_index_elsewhere, &index), EEXIST);
	assert_int_equal(program_on(veth->near), program);
	assert_int_equal(steer_remove_stale(veth->near, &err), 1);
	assert_nothing_left();
}

struct harden {
	pid_t outside; /* a process in the first network namespace, where alone the sysctl exists */
	char level;
};

/* Returns the level there was. */
static int set_jit_harden(void *ctx)
{
	const struct harden *harden = ctx;
	char ns[64], before = 0;
	int fd;

	snprintf(ns, sizeof(ns), "/proc/%d/ns/net", harden->outside);
	fd = open(ns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return 255;
	fd = open("/proc/sys/net/core/bpf_jit_harden", O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, &before, 1) != 1 || pwrite(fd, &harden->level, 1, 0) != 1)
		return 255;
	return before;
}

/* A blinded program is a copy, and kernels crash over copies of programs bound to a device. */
static void no_bound_program_where_constants_are_blinded(void **state)
{
	struct harden harden = {.outside = getppid(), .level = '2'};
	struct steer *steer = must_open(STEER_AUTO);
	enum steer_vlan usual = steer_vlan(steer);
	struct error err;
	int before, rc;

	steer_close(steer);
	if (usual != STEER_VLAN_KFUNC)
		skip(); /* a kernel before 6.8 */
	before = child_returns(set_jit_harden, &harden);
	assert_int_not_equal(before, 255);
	rc = try_open(STEER_AUTO, &steer, &err);
	harden.level = (char)before;
	assert_int_equal(child_returns(set_jit_harden, &harden), '2');
	assert_int_equal(rc, 0);
	assert_int_equal(steer_vlan(steer), STEER_VLAN_BLIND);
	steer_close(steer);
}

static int open_without_privilege(void *ctx)
{
	struct steer *steer;
	struct error err;
	int rc;

	if (setgid(65534) || setuid(65534))
		return 255;
	rc = try_open(STEER_AUTO, &steer, &err);
	if (rc && !strstr(err.text, "must be root"))
		return 254;
	return -rc;
}

static void privilege_is_asked_for(void **state)
{
	assert_int_equal(child_returns(open_without_privilege, NULL), EPERM);
	assert_nothing_left();
}

static void note_name(void *ctx, const char *name)
{
	*(bool *)ctx |= !strcmp(name, veth->near);
}

static void others_read_the_pins(void **state)
{
	struct steer *steer;
	struct steer_maps maps;
	struct stgt_port port;
	bool listed = false;
	struct error err;
	uint32_t zero = 0;

	assert_int_equal(steer_maps_open(veth->near, &maps, &err), -ENOENT);
	steer = must_open(STEER_AUTO);
	assert_int_equal(steer_export_set(steer, &export_key, 0), 0);
	assert_int_equal(steer_maps_list(note_name, &listed), 0);
	assert_true(listed);
	assert_int_equal(steer_maps_open(veth->near, &maps, &err), 0);
	assert_int_equal(exports_in(&maps), 1);
	assert_int_equal(steer_port_read(&maps, &port), 0);
	port.abi_version++;
	assert_int_equal(bpf_map_update_elem(maps.port, &zero, &port, BPF_ANY), 0);
	steer_maps_close(&maps);
	assert_int_equal(steer_maps_open(veth->near, &maps, &err), -EPROTO);
	steer_close(steer);
}

/* ---- interfaces -------------------------------------------------------------------------------
 */

static void interfaces_are_described(void **state)
{
	struct netif netif;
	struct error err;

	assert_int_equal(netif_query(veth->near, &netif, &err), 0);
	assert_string_equal(netif.name, veth->near);
	assert_int_equal(netif.ifindex, if_nametoindex(veth->near));
	assert_int_equal(netif.mtu, 1500);
	assert_int_equal(netif.rx_queues, 1);
	assert_string_equal(netif.driver, "veth");
	assert_true(netif.up);
	assert_int_equal(netif_query("nosuch0", &netif, &err), -ENODEV);
	assert_non_null(strstr(err.text, "no such interface nosuch0"));
	assert_int_equal(netif_query("lo", &netif, &err), -EINVAL);
	assert_int_equal(netif_query("a-name-that-is-too-long", &netif, &err), -EINVAL);
	assert_int_equal(netif_query("../x", &netif, &err), -EINVAL);
	assert_int_equal(netif_query("", &netif, &err), -EINVAL);
}

static void rxvlan_can_be_turned(void **state)
{
	struct netif netif;

	assert_int_equal(netif_query(veth->near, &netif, NULL), 0);
	assert_int_equal(netif_rxvlan_get(&netif), 1);
	assert_int_equal(netif_rxvlan_set(&netif, false), 0);
	assert_int_equal(netif_rxvlan_get(&netif), 0);
	assert_int_equal(netif_rxvlan_set(&netif, true), 0);
	assert_int_equal(netif_rxvlan_get(&netif), 1);
}

struct seen {
	unsigned int ifindex, mtu;
	uint8_t mac[6];
	bool gone;
};

static void note_event(void *ctx, const struct netif_event *event)
{
	struct seen *seen = ctx;

	if (event->ifindex != seen->ifindex)
		return;
	seen->gone = event->gone;
	if (event->gone)
		return;
	seen->mtu = event->mtu;
	memcpy(seen->mac, event->mac, 6);
}

static void a_monitor_tells_of_changes(void **state)
{
	int fd = netif_monitor_open();
	struct seen seen = {.ifindex = if_nametoindex(veth->near)};

	assert_true(fd >= 0);
	/* Events are queued before the command that caused them returns. */
	shell("ip link set %s mtu 1400", veth->near);
	assert_int_equal(netif_monitor_read(fd, note_event, &seen), 0);
	assert_int_equal(seen.mtu, 1400);
	shell("ip link set %s address 02:00:00:00:00:77", veth->near);
	assert_int_equal(netif_monitor_read(fd, note_event, &seen), 0);
	assert_memory_equal(seen.mac, ((uint8_t[]){2, 0, 0, 0, 0, 0x77}), 6);
	assert_false(seen.gone);
	veth_delete(veth);
	assert_int_equal(netif_monitor_read(fd, note_event, &seen), 0);
	assert_true(seen.gone);
	close(fd);
	veth_make(veth, 1500);
}

static int setup(void **state)
{
	veth_make(veth, 1500);
	return 0;
}

static int tests(struct veth *pair)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(interfaces_are_described),
		cmocka_unit_test(rxvlan_can_be_turned),
		cmocka_unit_test(a_monitor_tells_of_changes),
		cmocka_unit_test(open_attaches_and_close_leaves_nothing),
		cmocka_unit_test(generic_mode_is_had_by_asking),
		cmocka_unit_test(maps_take_entries),
		cmocka_unit_test(one_process_serves_an_interface),
		cmocka_unit_test(killed_servers_link_is_taken_over),
		cmocka_unit_test(another_versions_link_is_taken_over),
		cmocka_unit_test(another_versions_leftovers_are_removed),
		cmocka_unit_test(another_mode_replaces_a_killed_servers_link),
		cmocka_unit_test(pins_of_a_vanished_interface_are_replaced),
		cmocka_unit_test(close_after_the_interface_vanished),
		cmocka_unit_test(somebody_elses_program_stays),
		cmocka_unit_test(the_same_name_elsewhere_is_refused),
		cmocka_unit_test(the_same_name_and_index_elsewhere_is_refused),
		cmocka_unit_test(no_bound_program_where_constants_are_blinded),
		cmocka_unit_test(privilege_is_asked_for),
		cmocka_unit_test(others_read_the_pins),
	};

	veth = pair;
	return cmocka_run_group_tests(all, setup, NULL);
}

int main(void)
{
	return veth_run(tests);
}
