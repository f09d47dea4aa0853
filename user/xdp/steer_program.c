/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/steer_program.h"
#include "base/cleanup.h"
#include "bpf/steer.skel.h"
#include "xdp/pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Linux 6.3; not in older headers. */
#define PROG_XDP_DEV_BOUND_ONLY (1u << 6)

static int link_read(int fd, struct steer_leftover *left)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (info.type != BPF_LINK_TYPE_XDP)
		return -EINVAL;
	left->ifindex = info.xdp.ifindex;
	left->prog_id = info.prog_id;
	return 0;
}

/* Another version's port is longer or shorter than ours, and begins the same. */
static void port_read(const char *name, struct steer_leftover *left)
{
	const size_t same = offsetof(struct stgt_port, flood_guard);
	_cleanup_close_ int fd = pins_get(name, "port");
	_cleanup_free_ void *value = NULL;
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), zero = 0;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.value_size < same)
		return;
	value = malloc(info.value_size);
	if (!value || bpf_map_lookup_elem(fd, &zero, value) < 0)
		return;
	memcpy(&left->port, value, same);
	left->has_port = left->port.abi_version != 0;
}

void steer_leftover_open(const char *name, struct steer_leftover *left)
{
	memset(left, 0, sizeof(*left));
	left->link = pins_get(name, STGT_PIN_LINK);
	if (left->link >= 0 && link_read(left->link, left)) {
		close(left->link);
		left->link = -1;
	}
	left->counters = left->initiators = -1;
	port_read(name, left);
	/* The shapes may be the same and mean something else. */
	if (!left->has_port || left->port.abi_version != STGT_ABI_VERSION)
		return;
	left->counters = pins_get(name, "counters");
	left->initiators = pins_get(name, "initiators");
}

void steer_leftover_close(struct steer_leftover *left)
{
	cleanup_close(&left->link);
	cleanup_close(&left->counters);
	cleanup_close(&left->initiators);
}

/* Counting goes on where it stopped, if the map that was left is the one we would make. */
static void map_reuse(struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return;
	if (info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map))
		bpf_map__reuse_fd(map, fd);
}

/* libbpf's messages are for developers; ours say what to do. */
static int libbpf_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return secure_getenv("STGT_XDP_DEBUG") ? vfprintf(stderr, fmt, ap) : 0;
}

/*
 * The kernel remembers a program that is bound to a device by its address, and forgets to follow
 * when the verifier's rewriting outgrows the program's pages and moves it; deleting the device then
 * reads freed memory and takes the machine down (seen with 6.18). True when ours surely stayed.
 */
static bool program_stayed(const struct bpf_program *prog)
{
	/* More than struct bpf_prog, which precedes the instructions in those pages. */
	const uint64_t head = 1024;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t loaded = bpf_program__insn_cnt(prog) * sizeof(struct bpf_insn);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) < 0)
		return false;
	return info.xlated_prog_len + head <= (loaded / page + 1) * page;
}

/*
 * Constant blinding (sysctl net.core.bpf_jit_harden) makes the JIT replace a program by a copy: the
 * remembered address goes stale whatever the size. Found out with a program that blinding
 * lengthens, as the sysctl is out of sight in all network namespaces but the first. True when in
 * doubt.
 */
static bool constants_blinded(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	const size_t count = sizeof(insns) / sizeof(insns[0]);
	_cleanup_close_ int fd =
		bpf_prog_load(BPF_PROG_TYPE_XDP, "stgt_probe", "GPL", insns, count, NULL);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ||
	       info.xlated_prog_len != sizeof(insns);
}

/*
 * A kernel that lacks the function which reads tags may do so: the symbol is weak. But libbpf 1.1
 * also looks for it in the modules' types, which takes CAP_SYS_ADMIN, and when that is refused the
 * load fails. It looks there once for each object. So it does here, for a name that is nowhere,
 * where the refusal is of no consequence; `prog` must be one that is not loaded.
 */
static void look_into_modules(struct bpf_program *prog)
{
	bpf_program__set_attach_target(prog, 0, "stgt_nowhere");
}

struct steer_bpf *steer_program_load(const struct netif *netif, const struct steer_variant *variant,
				     const struct steer_leftover *left, struct error *err)
{
	struct steer_bpf *skel;
	int rc;

	libbpf_set_print(libbpf_print);
	if (variant->read_tag && constants_blinded()) {
		error_set(err, EOPNOTSUPP,
			  "VLAN tags cannot be read where sysctl net.core.bpf_jit_harden is 2");
		errno = EOPNOTSUPP;
		return NULL;
	}
	skel = steer_bpf__open();
	if (!skel) {
		error_set(err, errno, "cannot read the built-in XDP program: %s", strerror(errno));
		return NULL;
	}
	if (!variant->read_tag)
		look_into_modules(skel->progs.stgt_steer_tag);
	bpf_program__set_autoload(skel->progs.stgt_steer, !variant->read_tag);
	bpf_program__set_autoload(skel->progs.stgt_steer_tag, variant->read_tag);
	if (variant->read_tag) {
		bpf_program__set_ifindex(skel->progs.stgt_steer_tag, netif->ifindex);
		bpf_program__set_flags(skel->progs.stgt_steer_tag,
				       bpf_program__flags(skel->progs.stgt_steer_tag) |
					       PROG_XDP_DEV_BOUND_ONLY);
	}
	map_reuse(skel->maps.counters, left->counters);
	map_reuse(skel->maps.initiators, left->initiators);
	rc = steer_bpf__load(skel);
	if (rc) {
		error_set(err, -rc,
			  "the kernel does not take the XDP program: %s; Linux 6.1 or later with "
			  "CONFIG_DEBUG_INFO_BTF is needed (STGT_XDP_DEBUG=1 shows its words)",
			  strerror(-rc));
		steer_bpf__destroy(skel);
		errno = -rc;
		return NULL;
	}
	if (variant->read_tag && !program_stayed(skel->progs.stgt_steer_tag)) {
		error_set(err, EOPNOTSUPP, "the program that reads VLAN tags is too large");
		steer_bpf__destroy(skel);
		errno = EOPNOTSUPP;
		return NULL;
	}
	return skel;
}

int steer_program_fd(const struct steer_bpf *skel, const struct steer_variant *variant)
{
	return bpf_program__fd(variant->read_tag ? skel->progs.stgt_steer_tag
						 : skel->progs.stgt_steer);
}

int steer_program_query(unsigned int ifindex, unsigned int *prog_id, bool *generic)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int rc = bpf_xdp_query((int)ifindex, 0, &opts);

	if (rc)
		return rc;
	*generic = opts.attach_mode == XDP_ATTACHED_SKB;
	*prog_id = opts.prog_id;
	if (opts.attach_mode == XDP_ATTACHED_MULTI)
		*prog_id = opts.drv_prog_id ? opts.drv_prog_id : opts.skb_prog_id;
	return 0;
}
