/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a transport's frames go: the worker's AF_XDP socket, or a test's recorder.
 *
 * A transport takes a run from the arena, writes the frame into it (its header ends right where the
 * payload begins), and hands the run to send(). The run and everything else that `tx` names belong
 * to the sink until it calls tx->done on the same thread, once the last byte has left.
 */
#ifndef STGT_SINK_H
#define STGT_SINK_H

#include "arena/arena.h"

/* Embedded in the request whose frame it is. */
struct tx {
	uint32_t run;  /* the run's address */
	uint32_t addr; /* the frame's first byte, within the run */
	uint32_t len;  /* bytes, contiguous over the run's frames */
	void (*done)(struct tx *tx);
};

struct sink;

struct sink_ops {
	/*
	 * Queues the frame. Never fails: the TX ring has room for every run of the arena. done may
	 * not be called before send returns.
	 */
	void (*send)(struct sink *sink, struct tx *tx);
};

struct sink {
	const struct sink_ops *ops;
	struct arena *arena;
};

/*
 * A received Ethernet frame: `data` lists its fragments in order, the first of which begins with
 * the destination MAC. Valid during rx; a transport that needs the payload longer holds the frames
 * (arena_frame_hold) and puts them later.
 */
struct frame_view {
	struct sgl data;
};

#endif
