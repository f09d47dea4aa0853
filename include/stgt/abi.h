/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the XDP program, the engine and whoever reads the pinned maps (bpftool,
 * programs of others): map names, keys, values, pin paths. Any change to a shape raises
 * STGT_ABI_VERSION; the version is in the `port` map and is checked at attach and by every reader.
 *
 * Pins of interface IFACE live in STGT_BPFFS/IFACE/: the maps by name, and `link`.
 * All fields are in host byte order; MAC addresses are in wire order.
 */
#ifndef STGT_ABI_H
#define STGT_ABI_H

#include "stgt/classify.h"

#define STGT_ABI_VERSION 2
#define STGT_BPFFS	 "/sys/fs/bpf/stgt-xdp"
#define STGT_PIN_LINK	 "link"

#define STGT_MAX_EXPORTS    1024
#define STGT_MAX_ACL	    65536
#define STGT_MAX_INITIATORS 4096
#define STGT_MAX_QUEUES	    64

/*
 * `port`: array of one entry. What stands before flood_guard stays where it is in every version:
 * whoever takes over from another version reads it.
 */
struct stgt_port {
	__u32 abi_version;
	__u32 ifindex;
	__u64 netns;		 /* inode of the network namespace */
	__u8 mac[6];		 /* frames to other unicast addresses pass */
	__u8 vlan_from_metadata; /* 1: stripped tags are read by the kfunc and put back */
	__u8 restore_rxvlan;	 /* 1: whoever detaches the program turns rxvlan on again */
	__u64 flood_guard;	 /* frames a second that one initiator may send; 0: any number */
};

/* What an initiator has saved up at most: an eighth of a second's frames, and at least so many. */
#define STGT_FLOOD_BURST_NS	125000000ull
#define STGT_FLOOD_BURST_FRAMES 64

/* `exports`: hash; says which addresses are ours */
struct stgt_export_key {
	__u32 proto; /* enum stgt_proto */
	__u32 vlan;
	__u32 address; /* AoE: shelf << 8 | slot */
};

struct stgt_export {
	__u32 flags; /* STGT_EXPORT_* */
};

#define STGT_EXPORT_READ_ONLY (1u << 0)

/* `acl`: hash; who may talk to which export. No entry for the MAC: the all-ones MAC's entry. */
struct stgt_acl_key {
	__u32 proto;
	__u32 vlan;
	__u32 address;
	__u8 mac[6];
	__u16 zero;
};

enum stgt_access {
	STGT_ACCESS_DENY = 0,
	STGT_ACCESS_RO = 1,
	STGT_ACCESS_RW = 2,
};

struct stgt_acl {
	__u32 access; /* enum stgt_access */
};

/* What the program did with a frame of one of our protocols. */
enum stgt_verdict {
	STGT_REDIRECT,	   /* to the queue's AF_XDP socket */
	STGT_PASS_IDLE,	   /* nobody serves this queue: to the kernel */
	STGT_PASS_FOREIGN, /* a response, or for another address: to the kernel */
	STGT_PASS_SHORT,   /* header truncated: to the kernel */
	STGT_DROP_ACL,	   /* for an export of ours that the sender may not use: dropped */
	STGT_DROP_FLOOD,   /* beyond what one initiator may send in a second: dropped */
	STGT_VERDICTS,
};

/* `counters`: per-CPU array, index proto * STGT_VERDICTS + verdict */
struct stgt_counter {
	__u64 frames;
	__u64 bytes; /* of the whole Ethernet frame */
};

/* `initiators`: LRU per-CPU hash of the senders that an ACL admits */
struct stgt_initiator_key {
	__u8 mac[6];
	__u16 proto;
	__u32 vlan;
};

struct stgt_initiator {
	__u64 frames; /* steered to the engine */
	__u64 bytes;
	__u64 drops;	     /* for exports that the sender may not use, or by the flood guard */
	__u64 last_seen_ns;  /* CLOCK_MONOTONIC */
	__u64 flood_used_ns; /* the flood guard: up to when its frames have used the time up */
};

#endif
