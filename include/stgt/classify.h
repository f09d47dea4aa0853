/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The frame classifier: what the first bytes of an Ethernet frame say about who should get it.
 * Compiled for BPF, for the engine and for the fuzzers alike: one reading of the wire everywhere.
 *
 * Reads only [data, end), which need not be the whole frame. No state, no allocation, no loop that
 * depends on the frame.
 */
#ifndef STGT_CLASSIFY_H
#define STGT_CLASSIFY_H

#include "stgt/wire/aoe.h"
#include "stgt/wire/eth.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define classify_be16(x) ((__u16)(x))
#else
#define classify_be16(x) __builtin_bswap16(x)
#endif
#define classify_inline static inline __attribute__((always_inline))

enum stgt_proto {
	STGT_PROTO_NONE, /* not ours: another EtherType, more than two tags, or too short to tell */
	STGT_PROTO_AOE,
	STGT_PROTO_FCOE,
	STGT_PROTO_FIP,
	STGT_PROTOS,
};

#define CLASSIFY_TAGS_MAX 2

/* VLANs as map keys and exports name them: 0 untagged, VID, or outer VID << 12 | inner VID. */
struct stgt_class {
	__u8 proto;	/* enum stgt_proto */
	__u8 tags;	/* VLAN tags in the frame, priority tags (VID 0) included */
	__u8 truncated; /* the protocol's fixed header does not fit before `end` */
	__u8 aoe_ver_flags;
	__u8 aoe_slot;
	__u8 aoe_command;
	__u16 offset;	 /* of the protocol's header: 14 + 4 * tags */
	__u16 aoe_shelf; /* host order */
	__u32 vlan;
};

/* Adds a tag's VID to the VLAN read so far; a priority tag adds nothing. */
classify_inline __u32 stgt_vlan_add(__u32 vlan, __u16 tci)
{
	__u32 vid = tci & WIRE_VID_MASK;

	return vid ? vlan << 12 | vid : vlan;
}

classify_inline int stgt_is_tag(__u16 type)
{
	return type == WIRE_TYPE_8021Q || type == WIRE_TYPE_8021AD;
}

classify_inline __u8 stgt_proto_of(__u16 type)
{
	switch (type) {
	case WIRE_TYPE_AOE:
		return STGT_PROTO_AOE;
	case WIRE_TYPE_FCOE:
		return STGT_PROTO_FCOE;
	case WIRE_TYPE_FIP:
		return STGT_PROTO_FIP;
	default:
		return STGT_PROTO_NONE;
	}
}

/* Fills `out` in full; out->proto says whether the rest means anything. */
classify_inline void stgt_classify(const void *data, const void *end, struct stgt_class *out)
{
	const struct wire_eth *eth = data;
	const __u8 *at = (const __u8 *)data + sizeof(*eth);
	__u16 type;
	int i;

	__builtin_memset(out, 0, sizeof(*out));
	if ((const void *)at > end)
		return;
	type = classify_be16(eth->type);
#pragma GCC unroll 2
	for (i = 0; i < CLASSIFY_TAGS_MAX; i++) {
		const struct wire_vlan *tag = (const void *)at;

		if (!stgt_is_tag(type))
			break;
		if ((const void *)(tag + 1) > end)
			return;
		out->vlan = stgt_vlan_add(out->vlan, classify_be16(tag->tci));
		out->tags++;
		type = classify_be16(tag->type);
		at += sizeof(*tag);
	}
	out->proto = stgt_proto_of(type);
	out->offset = sizeof(*eth) + out->tags * sizeof(struct wire_vlan);
	if (out->proto == STGT_PROTO_AOE) {
		const struct wire_aoe *aoe = (const void *)at;

		if ((const void *)(aoe + 1) > end) {
			out->truncated = 1;
			return;
		}
		out->aoe_ver_flags = aoe->ver_flags;
		out->aoe_shelf = classify_be16(aoe->shelf);
		out->aoe_slot = aoe->slot;
		out->aoe_command = aoe->command;
	}
}

#endif
