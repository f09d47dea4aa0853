/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/steer_program.h"
#include "base/cleanup.h"
#include "bpf/steer.skel.h"
#include "bpf/steer_tag.skel.h"
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

static struct bpf_object *object_open(const struct steer_variant *variant)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "stgt");
	const void *elf;
	size_t size;

	elf = variant->read_tag ? steer_tag_bpf__elf_bytes(&size) : steer_bpf__elf_bytes(&size);
	return bpf_object__open_mem(elf, size, &opts);
}

static void bind_to_device(struct bpf_program *prog, const struct netif *netif)
{
	bpf_program__set_ifindex(prog, netif->ifindex);
	bpf_program__set_flags(prog, bpf_program__flags(prog) | PROG_XDP_DEV_BOUND_ONLY);
}

static int object_load(struct bpf_object *object, struct error *err)
{
	int rc = bpf_object__load(object);

	if (rc == -EMFILE)
		error_set(err, EMFILE, "cannot load the XDP program: %s", strerror(EMFILE));
	else if (rc)
		error_set(err, -rc,
			  "the kernel does not take the XDP program: %s; Linux 6.1 or later with "
			  "CONFIG_DEBUG_INFO_BTF is needed (STGT_XDP_DEBUG=1 shows its words)",
			  strerror(-rc));
	return rc;
}

static void program_take(struct steer_program *program, struct bpf_object *object)
{
	const struct {
		const char *name;
		int *fd;
	} maps[] = {
		{"port", &program->maps.port},
		{"exports", &program->maps.exports},
		{"acl", &program->maps.acl},
		{"counters", &program->maps.counters},
		{"initiators", &program->maps.initiators},
		{"xsks", &program->xsks},
	};

	program->object = object;
	program->fd = bpf_program__fd(bpf_object__next_program(object, NULL));
	for (unsigned int i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		*maps[i].fd = bpf_object__find_map_fd_by_name(object, maps[i].name);
}

int steer_program_load(const struct netif *netif, const struct steer_variant *variant,
		       const struct steer_leftover *left, struct steer_program *program,
		       struct error *err)
{
	struct bpf_object *object;
	struct bpf_program *prog;
	int rc;

	libbpf_set_print(libbpf_print);
	memset(program, 0, sizeof(*program));
	if (variant->read_tag && constants_blinded())
		return error_set(
			err, EOPNOTSUPP,
			"VLAN tags cannot be read where sysctl net.core.bpf_jit_harden is 2");
	object = object_open(variant);
	if (!object)
		return error_set(err, errno, "cannot read the built-in XDP program: %s",
				 strerror(errno));
	prog = bpf_object__next_program(object, NULL);
	if (variant->read_tag)
		bind_to_device(prog, netif);
	map_reuse(bpf_object__find_map_by_name(object, "counters"), left->counters);
	map_reuse(bpf_object__find_map_by_name(object, "initiators"), left->initiators);
	rc = object_load(object, err);
	if (!rc && variant->read_tag && !program_stayed(prog))
		rc = error_set(err, EOPNOTSUPP, "the program that reads VLAN tags is too large");
	if (rc) {
		bpf_object__close(object);
		return rc;
	}
	program_take(program, object);
	return 0;
}

void steer_program_close(struct steer_program *program)
{
	bpf_object__close(program->object);
	program->object = NULL;
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
