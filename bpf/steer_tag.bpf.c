/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steering program for drivers that hand over the tags they strip. A program of its own because
 * the kernel admits the call, even one never reached, only in a program that is bound to one
 * device; an object of its own because libbpf reads all the kernel's types for one that names a
 * kernel function, and those of the modules, which takes CAP_SYS_ADMIN, where there is no such
 * function.
 */
#include "steer.bpf.h"

/* Reads the VLAN tag that the driver took out of the frame (Linux 6.8). */
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *vlan_proto,
					__u16 *vlan_tci) __ksym;

static __always_inline void read_stripped_tag(struct xdp_md *ctx, struct stripped_tag *tag)
{
	if (bpf_xdp_metadata_rx_vlan_tag(ctx, &tag->type, &tag->tci))
		tag->type = 0;
}

/* Always 0, which only the verifier knows. */
const volatile __u32 never;

/*
 * The instructions that never run buy room: kernels (6.18 for one) lose track of such a program if
 * the verifier's rewriting outgrows the pages it was loaded into, and crash when the device is
 * deleted. The loader checks that it did not.
 */
SEC("xdp.frags")
int stgt_steer_tag(struct xdp_md *ctx)
{
	if (never)
		asm volatile(".rept 512; r0 = 0; .endr" ::: "r0");
	return steer(ctx, read_stripped_tag);
}
