/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the initiator's files share: requests in aoe_initiator.c, targets in aoe_discovery.c, both
 * over the frames in flight of aoe_frames.c.
 */
#ifndef STGT_AOE_INITIATOR_IMPL_H
#define STGT_AOE_INITIATOR_IMPL_H

#include "initiator/aoe_initiator.h"
#include "initiator/aoe_path.h"
#include "initiator/aoe_tags.h"

/* One ATA command that was sent, or waits to be sent again. */
struct frame_in_flight {
	struct list link; /* free, in the target's in_flight by time sent, or in its resend */
	struct initiator_io *io;
	struct initiator_path *path; /* whose window it counts in, while in flight */
	uint32_t offset;	     /* of its first sector within the request */
	uint32_t sectors;
	uint32_t tag;
	uint64_t first_ns, sent_ns; /* first and latest transmission */
};

struct target {
	struct initiator_target public;
	struct initiator *owner;
	struct list waiting;   /* requests with sectors not yet given to frames */
	struct list sent;      /* requests all of whose sectors are with frames */
	struct list in_flight; /* frames, oldest transmission first */
	struct list resend;    /* frames found lost, waiting for a window */
	unsigned int next_path;
	bool identifying;
	struct initiator_io identify;
	uint8_t identify_data[INITIATOR_SECTOR];
};

struct initiator {
	struct initiator_config config;
	struct target *targets;
	unsigned int ntargets;
	struct frame_in_flight *frames;
	struct list free_frames;
	bool starved; /* some target found no free frame */
	struct tag_ring tags;
	struct initiator_stats stats;
};

static inline struct target *target_of(struct initiator_target *target)
{
	return container_of(target, struct target, public);
}

/* The fixed part of a received frame, read with its length checked. */
struct reply {
	struct wire_eth eth;
	struct wire_aoe aoe;
	unsigned int port;
	const struct iovec *frags;
	unsigned int nfrags;
	size_t len; /* of the whole frame */
};

/* Copies up to `len` bytes from `off` bytes into the frame; returns how many there were. */
size_t reply_copy(const struct reply *reply, size_t off, void *to, size_t len);

/* Sends what waits and the windows allow. */
void frames_pump(struct initiator *ini, struct target *target, uint64_t now_ns);

/* The frame's command was answered: it leaves the window and is free again. */
void frames_answered(struct initiator *ini, struct frame_in_flight *frame, uint64_t now_ns);

/* Frees every frame of the target, unanswered. */
void frames_drop(struct initiator *ini, struct target *target);

/* Takes what is overdue out of flight; true when the target has to be given up. */
bool frames_expire(struct initiator *ini, struct target *target, uint64_t now_ns);

/* A configuration response: a new target, another path, or a change. */
void discovery_rx(struct initiator *ini, const struct reply *reply, uint64_t now_ns);

/* Starts IDENTIFY DEVICE unless it is under way. */
void discovery_identify(struct initiator *ini, struct target *target, uint64_t now_ns);

void discovery_notify(struct initiator *ini, const struct target *target);

/* Puts a request at the end of its target's queue, unchecked. */
void request_queue(struct initiator *ini, struct initiator_io *io, uint64_t now_ns);

#endif
