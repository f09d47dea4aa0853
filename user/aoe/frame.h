/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The codec: an AoE request out of a received frame's fragments, a reply's headers into memory.
 *
 * Received bytes may be cut into fragments anywhere; whatever is looked at was copied out first,
 * within the bounds of the frame.
 */
#ifndef STGT_AOE_FRAME_H
#define STGT_AOE_FRAME_H

#include "arena/sink.h"
#include "stgt/classify.h"

/* Ethernet and AoE header with every tag, and the longest fixed header of a command behind them. */
#define AOE_HEADER_MAX                                                            \
	(sizeof(struct wire_eth) + CLASSIFY_TAGS_MAX * sizeof(struct wire_vlan) + \
	 sizeof(struct wire_aoe))
#define AOE_HEAD_MAX (AOE_HEADER_MAX + sizeof(struct wire_aoe_ata))

_Static_assert(AOE_HEAD_MAX <= ARENA_PAYLOAD, "a run has room for the head before its payload");

/* A request's frame. The numbers in `class` are in host order. */
struct aoe_frame {
	const struct arena *arena;
	const struct sgl *data;
	struct stgt_class class;
	uint8_t head[AOE_HEAD_MAX]; /* the frame's first bytes, as far as it has them */
	uint32_t body;		    /* where the command's header begins */
};

/*
 * Reads the headers; the frame and what it points to must live as long as `out` is used. 0, or
 * -EBADMSG when it is not an AoE frame with a whole AoE header.
 */
int aoe_frame_read(const struct arena *arena, const struct sgl *data, struct aoe_frame *out);

static inline const struct wire_eth *aoe_frame_eth(const struct aoe_frame *frame)
{
	return (const struct wire_eth *)frame->head;
}

/* Bytes behind the AoE header, Ethernet padding included. */
static inline uint32_t aoe_frame_body_len(const struct aoe_frame *frame)
{
	return frame->data->len - frame->body;
}

/* Copies [off, off + len) of what is behind the AoE header; false when the frame ends before. */
bool aoe_frame_copy(const struct aoe_frame *frame, uint32_t off, void *to, uint32_t len);

/*
 * The spans of what lies `off` bytes and more behind the AoE header. Returns their number, or
 * -E2BIG when it is over `max`; `len` gets the sum of their bytes.
 */
int aoe_frame_spans(const struct aoe_frame *frame, uint32_t off, struct span *spans,
		    unsigned int max, uint32_t *len);

/*
 * Writes the Ethernet and AoE header of the answer to `frame`: to its sender, under the same VLAN
 * tags, with the same command and tag, from `mac`, `shelf` and `slot`. Returns its length.
 */
uint32_t aoe_frame_answer(const struct aoe_frame *frame, const uint8_t mac[WIRE_MAC_LEN],
			  uint16_t shelf, uint8_t slot, uint8_t head[AOE_HEADER_MAX]);

/* The same for a message nobody asked for: broadcast on `vlan` (see struct stgt_class), tag 0. */
uint32_t aoe_frame_announce(uint32_t vlan, const uint8_t mac[WIRE_MAC_LEN], uint16_t shelf,
			    uint8_t slot, uint8_t command, uint8_t head[AOE_HEADER_MAX]);

/* Sets the E flag and the error of a head made by one of the two. */
void aoe_frame_set_error(uint8_t *head, uint32_t len, uint8_t error);

/* The VLAN tags that an export on `vlan` is behind. */
static inline unsigned int aoe_vlan_tags(uint32_t vlan)
{
	return vlan > WIRE_VID_MASK ? 2 : vlan != 0;
}

#endif
