/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The steering program where tags are in the frame, or cannot be had. */
#include "steer.bpf.h"

static __always_inline void read_no_tag(struct xdp_md *ctx, struct stripped_tag *tag)
{
}

SEC("xdp.frags")
int stgt_steer(struct xdp_md *ctx)
{
	return steer(ctx, read_no_tag);
}
