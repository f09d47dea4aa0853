/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ethernet (IEEE 802.3, 802.1Q) as it lies on the wire; multi-byte fields are big-endian. */
#ifndef STGT_WIRE_ETH_H
#define STGT_WIRE_ETH_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define WIRE_MAC_LEN	 6
#define WIRE_ETH_MIN	 60 /* the shortest frame, without its check sequence */
#define WIRE_VID_MASK	 0x0fff
#define WIRE_TYPE_8021Q	 0x8100
#define WIRE_TYPE_8021AD 0x88a8
#define WIRE_TYPE_AOE	 0x88a2
#define WIRE_TYPE_FCOE	 0x8906
#define WIRE_TYPE_FIP	 0x8914

struct wire_eth {
	__u8 dst[WIRE_MAC_LEN];
	__u8 src[WIRE_MAC_LEN];
	__be16 type;
} __attribute__((packed));

struct wire_vlan {
	__be16 tci;
	__be16 type; /* of what follows */
} __attribute__((packed));

_Static_assert(sizeof(struct wire_eth) == 14, "Ethernet header");
_Static_assert(sizeof(struct wire_vlan) == 4, "802.1Q tag");

#endif
