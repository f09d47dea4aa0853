/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tags: which command in flight a reply is for, and when a command was sent whose reply comes too
 * late. Internal to the initiator.
 *
 * A ring of the latest tags, indexed by their low bits. A tag whose place is still taken by a
 * command in flight is skipped, so a lookup never searches and two commands never share a tag.
 */
#ifndef STGT_AOE_TAGS_H
#define STGT_AOE_TAGS_H

#include <stdbool.h>
#include <stdint.h>

struct frame_in_flight;

struct tag {
	uint32_t value;
	bool superseded; /* retransmitted under another tag, no reply yet */
	struct frame_in_flight *frame;
	uint64_t sent_ns;
};

struct tag_ring {
	struct tag *tags;
	uint32_t mask;
	uint32_t next;
};

/* Room for `frames` commands in flight and some history; 0 or -ENOMEM. */
int tag_ring_open(struct tag_ring *ring, unsigned int frames, uint32_t first);
void tag_ring_close(struct tag_ring *ring);

/* A tag for `frame`, sent now. There are never more frames than the ring was opened for. */
uint32_t tag_ring_get(struct tag_ring *ring, struct frame_in_flight *frame, uint64_t now_ns);

/* The frame is about to be sent again under another tag. */
void tag_ring_supersede(struct tag_ring *ring, uint32_t value);

/* The frame was answered or given up. */
void tag_ring_put(struct tag_ring *ring, uint32_t value);

/* What is known about a tag that a reply carries; NULL: nothing, or too long ago. */
struct tag *tag_ring_lookup(const struct tag_ring *ring, uint32_t value);

#endif
