/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A port on a bench: an arena, memory disks, exports, a sink that records what leaves, and a clock
 * that stands still until it is moved. Nothing here needs cmocka, so fuzzers use it too.
 */
#ifndef STGT_TEST_AOE_RIG_H
#define STGT_TEST_AOE_RIG_H

#include "aoe/aoe.h"

#define RIG_EXPORTS 4
#define RIG_FRAME   (16 * 1024)

/* A frame as bytes: built by a test to be received, or recorded as it left. */
struct rig_frame {
	uint32_t len;
	uint8_t data[RIG_FRAME];
};

struct rig_config {
	unsigned int mtu;	/* 0: 9000 */
	unsigned int requests;	/* 0: 64 */
	unsigned int rx_frames; /* 0: 256 */
	bool single_buffer;
	bool keep_tx;	  /* what was sent stays with the sink until rig_tx_complete() */
	const char *disk; /* of every export that names none; NULL: ram:1M */
};

struct rig_export {
	struct disk *disk;
	bool disk_lent; /* the test's own */
	struct lu lu;
	struct ata_device *ata;
	struct aoe_export *aoe;
	struct aoe_acl acl; /* may be changed by the test */
};

struct rig {
	struct rig_config config;
	struct arena arena;
	struct sink sink;
	struct blk_queue queue;
	struct mailbox mailbox;
	struct list disks;
	struct aoe_port *port;
	struct rig_export exports[RIG_EXPORTS];
	unsigned int nexports;
	const struct rig *lender; /* whose exports and access lists these are */
	uint64_t now;
	struct tx **tx; /* with the sink */
	unsigned int ntx;
	struct rig_frame *sent; /* recorded; those from `taken` on are not taken yet */
	unsigned int nsent, taken, sent_max;
};

extern const uint8_t rig_mac[6];  /* the port's */
extern const uint8_t rig_host[6]; /* an initiator */

/* Aborts where it cannot go on: a broken bench is nothing to test on. */
void rig_open(struct rig *rig, const struct rig_config *config);
void rig_close(struct rig *rig);

/* Exports a disk at `address` to `acl`; both as users write them. `state` may be NULL. */
struct rig_export *rig_export(struct rig *rig, const char *address, const char *acl,
			      struct state *state);
/* The same with a disk that the test keeps. */
struct rig_export *rig_export_disk(struct rig *rig, const char *address, const char *acl,
				   struct state *state, struct disk *disk);

/* Serves another rig's exports too, as another worker would. */
void rig_borrow(struct rig *rig, const struct rig *lender);

/* What aoe_port_rx() says to the frame, cut before the byte offsets in `cuts` (ascending). */
int rig_rx_cut(struct rig *rig, const struct rig_frame *frame, const uint32_t *cuts,
	       unsigned int ncuts);
/* The same, cut only where an arena frame ends. */
int rig_rx(struct rig *rig, const struct rig_frame *frame);

/* Completes the transmission of all that the sink has. */
void rig_tx_complete(struct rig *rig);

/* Takes the oldest recorded frame; false when there is none. */
bool rig_take(struct rig *rig, struct rig_frame *frame);

/* True when every frame and run of the arena is back where it began. */
bool rig_idle(const struct rig *rig);

/* ---- building requests ---------------------------------------------------------------------- */

void rig_put(struct rig_frame *frame, const void *data, uint32_t len);
void rig_put_be16(struct rig_frame *frame, uint16_t value);

/* Ethernet header; `vlan` as in struct stgt_class puts one or two tags in. */
void rig_eth(struct rig_frame *frame, const uint8_t dst[6], const uint8_t src[6], uint32_t vlan);
void rig_aoe(struct rig_frame *frame, uint16_t shelf, uint8_t slot, uint8_t command, uint32_t tag);

struct rig_ata {
	uint8_t command, feature, count, aflags;
	uint64_t lba;
};
void rig_ata(struct rig_frame *frame, const struct rig_ata *ata);
void rig_config(struct rig_frame *frame, uint8_t subcommand, const void *string, uint16_t len);

/* ---- reading replies ------------------------------------------------------------------------ */

/* A reply taken apart; pointers into the frame. */
struct rig_reply {
	struct stgt_class class;
	const struct wire_eth *eth;
	struct wire_aoe aoe;
	uint32_t tag;
	const uint8_t *body; /* behind the AoE header */
	uint32_t body_len;
};

/* False unless the frame is an AoE response of at least the shortest length. */
bool rig_read(const struct rig_frame *frame, struct rig_reply *reply);

#endif
