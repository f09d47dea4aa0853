/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Steering: storage frames for us go to the RX queue's AF_XDP socket, frames from senders that an
 * export does not admit are dropped, and everything else passes to the kernel.
 *
 * A queue without a socket passes everything, so that a process that ends, however it ends, leaves
 * a working interface.
 */
#ifndef STGT_STEER_BPF_H
#define STGT_STEER_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "stgt/abi.h"

#include "maps.bpf.h"

/* A tag that is not in the frame; type 0: there is none. */
struct stripped_tag {
	__be16 type;
	__u16 tci;
};

/* What is known of a frame once it is one of our protocols. */
struct frame {
	struct stgt_class class;
	__u8 dst[WIRE_MAC_LEN];
	__u8 src[WIRE_MAC_LEN];
	__u64 len;
	const struct stgt_port *port; /* once a socket serves the queue */
};

static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] &&
	       a[5] == b[5];
}

static __always_inline void count(const struct frame *frame, enum stgt_verdict verdict)
{
	__u32 index = frame->class.proto * STGT_VERDICTS + verdict;
	struct stgt_counter *counter = bpf_map_lookup_elem(&counters, &index);

	if (counter) {
		counter->frames++;
		counter->bytes += frame->len;
	}
}

static __always_inline void initiator_key(const struct frame *frame, struct stgt_initiator_key *key)
{
	__builtin_memcpy(key->mac, frame->src, sizeof(key->mac));
	key->proto = frame->class.proto;
	key->vlan = frame->class.vlan;
}

/*
 * A token bucket kept as time: every frame takes its share of a second, from now on at the
 * earliest, and may take it ahead of time by no more than the burst. `rate` is not 0.
 */
static __always_inline int flood_admits(struct stgt_initiator *known, __u64 rate, __u64 now)
{
	__u64 frame_ns = 1000000000ull / rate;
	__u64 burst_ns = frame_ns * STGT_FLOOD_BURST_FRAMES;
	__u64 used = known->flood_used_ns;
	int admits;

	if (burst_ns < STGT_FLOOD_BURST_NS)
		burst_ns = STGT_FLOOD_BURST_NS;
	if (used < now)
		used = now;
	/* Under a lower rate it may have run further ahead than this one lets it. */
	if (used > now + burst_ns)
		used = now + burst_ns;
	admits = used + frame_ns <= now + burst_ns;
	known->flood_used_ns = admits ? used + frame_ns : used;
	return admits;
}

/* An admitted sender's frame goes to the engine, unless there are too many of them. */
static __always_inline enum stgt_verdict initiator_admitted(const struct frame *frame)
{
	__u64 rate = frame->port->flood_guard;
	struct stgt_initiator_key key;
	struct stgt_initiator *known;
	struct stgt_initiator first = {};
	__u64 now;

	initiator_key(frame, &key);
	known = bpf_map_lookup_elem(&initiators, &key);
	if (!known) {
		bpf_map_update_elem(&initiators, &key, &first, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&initiators, &key);
		if (!known)
			return STGT_REDIRECT;
	}
	now = bpf_ktime_get_ns();
	known->last_seen_ns = now;
	if (rate && !flood_admits(known, rate, now)) {
		known->drops++;
		return STGT_DROP_FLOOD;
	}
	known->frames++;
	known->bytes += frame->len;
	return STGT_REDIRECT;
}

/* Strangers get no entry of their own: a flood of made-up senders must evict nobody. */
static __always_inline void initiator_dropped(const struct frame *frame)
{
	struct stgt_initiator_key key;
	struct stgt_initiator *known;

	initiator_key(frame, &key);
	known = bpf_map_lookup_elem(&initiators, &key);
	if (known) {
		known->drops++;
		known->last_seen_ns = bpf_ktime_get_ns();
	}
}

static __always_inline int export_admits(const struct stgt_export_key *export, const __u8 *mac)
{
	struct stgt_acl_key key = {
		.proto = export->proto,
		.vlan = export->vlan,
		.address = export->address,
	};
	struct stgt_acl *entry;

	__builtin_memcpy(key.mac, mac, sizeof(key.mac));
	entry = bpf_map_lookup_elem(&acl, &key);
	if (!entry) {
		__builtin_memset(key.mac, 0xff, sizeof(key.mac));
		entry = bpf_map_lookup_elem(&acl, &key);
	}
	return entry && entry->access != STGT_ACCESS_DENY;
}

/* A frame to a wildcard address, against all exports. */
struct wildcard {
	__u32 vlan;
	__u32 address;
	__u8 src[WIRE_MAC_LEN];
	__u8 admitted; /* an export that answers to the address admits the sender */
};

static __always_inline int wildcard_covers(__u32 asked, __u32 own)
{
	int shelf = (asked >> 8) == AOE_SHELF_ANY || (asked >> 8) == (own >> 8);
	int slot = (asked & 0xff) == AOE_SLOT_ANY || (asked & 0xff) == (own & 0xff);

	return shelf && slot;
}

/* bpf_for_each_map_elem(): 0 goes on, 1 stops. */
static long wildcard_visit(void *map, const struct stgt_export_key *key, struct stgt_export *export,
			   struct wildcard *wild)
{
	struct stgt_export_key own = *key;

	if (own.proto != STGT_PROTO_AOE || own.vlan != wild->vlan ||
	    !wildcard_covers(wild->address, own.address))
		return 0;
	wild->admitted = export_admits(&own, wild->src);
	return wild->admitted;
}

static __always_inline enum stgt_verdict judge_wildcard(const struct frame *frame, __u32 address)
{
	struct wildcard wild = {
		.vlan = frame->class.vlan,
		.address = address,
	};

	__builtin_memcpy(wild.src, frame->src, sizeof(wild.src));
	bpf_for_each_map_elem(&exports, wildcard_visit, &wild, 0);
	/* It asks everybody: whoever else listens behind this port may well admit the sender. */
	return wild.admitted ? STGT_REDIRECT : STGT_PASS_FOREIGN;
}

static __always_inline enum stgt_verdict judge_aoe(const struct frame *frame)
{
	const struct stgt_class *class = &frame->class;
	struct stgt_export_key key = {
		.proto = STGT_PROTO_AOE,
		.vlan = class->vlan,
		.address = (__u32) class->aoe_shelf << 8 | class->aoe_slot,
	};

	if (class->truncated)
		return STGT_PASS_SHORT;
	if (class->aoe_ver_flags & AOE_FLAG_RESPONSE)
		return STGT_PASS_FOREIGN;
	if (class->aoe_shelf == AOE_SHELF_ANY || class->aoe_slot == AOE_SLOT_ANY)
		return judge_wildcard(frame, key.address);
	if (!bpf_map_lookup_elem(&exports, &key))
		return STGT_PASS_FOREIGN;
	return export_admits(&key, frame->src) ? STGT_REDIRECT : STGT_DROP_ACL;
}

static __always_inline enum stgt_verdict judge(struct frame *frame, __u32 queue)
{
	struct stgt_port *own;
	__u32 zero = 0;

	if (!bpf_map_lookup_elem(&xsks, &queue))
		return STGT_PASS_IDLE;
	own = bpf_map_lookup_elem(&port, &zero);
	if (!own)
		return STGT_PASS_IDLE;
	frame->port = own;
	if (!(frame->dst[0] & 1) && !mac_equal(frame->dst, own->mac))
		return STGT_PASS_FOREIGN;
	return frame->class.proto == STGT_PROTO_AOE ? judge_aoe(frame) : STGT_PASS_FOREIGN;
}

/*
 * The stripped tag is the outermost: it comes before those in the frame. 0 when that makes more
 * tags than we take.
 */
static __always_inline int class_add_outer(struct stgt_class *class, const struct stripped_tag *tag)
{
	__u32 outer = stgt_vlan_add(0, tag->tci);

	if (class->tags >= CLASSIFY_TAGS_MAX)
		return 0;
	if (outer)
		class->vlan = class->vlan ? outer << 12 | class->vlan : outer;
	return 1;
}

/* Puts the tag back where it was, so that the engine reads what was on the wire. */
static __always_inline int frame_push_tag(struct xdp_md *ctx, const struct stripped_tag *tag)
{
	struct wire_vlan vlan;
	__u8 macs[2 * WIRE_MAC_LEN];
	__u8 *data, *end;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(vlan)))
		return 0;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(vlan) + sizeof(macs) > end)
		return 0;
	__builtin_memcpy(macs, data + sizeof(vlan), sizeof(macs));
	__builtin_memcpy(data, macs, sizeof(macs));
	/* A tag's TPID stands where the EtherType would; the TCI follows. */
	vlan.tci = tag->type;
	vlan.type = bpf_htons(tag->tci);
	__builtin_memcpy(data + sizeof(macs), &vlan, sizeof(vlan));
	return 1;
}

/* `read_tag` fills in the tag that the driver took out of the frame; it finds the type 0. */
static __always_inline int steer(struct xdp_md *ctx,
				 void (*read_tag)(struct xdp_md *ctx, struct stripped_tag *tag))
{
	const struct wire_eth *eth = (void *)(long)ctx->data;
	const void *end = (void *)(long)ctx->data_end;
	struct stripped_tag tag = {};
	enum stgt_verdict verdict;
	struct frame frame;

	stgt_classify(eth, end, &frame.class);
	if (frame.class.proto == STGT_PROTO_NONE || (const void *)(eth + 1) > end)
		return XDP_PASS;
	read_tag(ctx, &tag);
	if (tag.type && !class_add_outer(&frame.class, &tag))
		return XDP_PASS;
	__builtin_memcpy(frame.dst, eth->dst, sizeof(frame.dst));
	__builtin_memcpy(frame.src, eth->src, sizeof(frame.src));
	frame.len = bpf_xdp_get_buff_len(ctx) + (tag.type ? sizeof(struct wire_vlan) : 0);

	verdict = judge(&frame, ctx->rx_queue_index);
	if (verdict == STGT_REDIRECT)
		verdict = initiator_admitted(&frame);
	count(&frame, verdict);
	switch (verdict) {
	case STGT_REDIRECT:
		if (tag.type && !frame_push_tag(ctx, &tag))
			return XDP_DROP;
		return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
	case STGT_DROP_ACL:
		initiator_dropped(&frame);
		return XDP_DROP;
	case STGT_DROP_FLOOD:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
