/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every AoE frame to the queue's AF_XDP socket: the least that a steering program can do. */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "stgt/wire/eth.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

SEC("xdp.frags")
int recv(struct xdp_md *ctx)
{
	const struct wire_eth *eth = (const void *)(long)ctx->data;

	if ((const void *)(eth + 1) > (const void *)(long)ctx->data_end ||
	    eth->type != bpf_htons(WIRE_TYPE_AOE))
		return XDP_PASS;
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
