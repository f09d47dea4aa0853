/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Overlapping requests execute in the order they arrived, across workers and transports.
 *
 * Every request of a disk is in this table from blk_submit() to its completion. Two requests
 * conflict when their ranges meet and at least one of them changes data; a FLUSH conflicts with
 * nothing (it promises only what was completed before it came). A request runs once the conflicting
 * ones that arrived before it have ended. One of several steps counts as what was submitted until
 * the last of them has ended.
 *
 * Retransmissions (BLK_DEDUP): AoE initiators send a request again under a new tag when the answer
 * is late. A write that equals the latest request in the table that changes any of its range (same
 * origin, lba, nblocks, flags and bytes) becomes its twin: executed once, both are answered with
 * the one result. Reads in between see the same bytes either way. Nothing is remembered after
 * completion, so no write is ever skipped because of what was written earlier.
 *
 * The table takes a lock because its disk may be shared by workers; a request's `done` never runs
 * under it. Lookups cost the requests in the same 64 KiB granule, not all that are in flight.
 */
#ifndef STGT_BLK_OVERLAP_H
#define STGT_BLK_OVERLAP_H

#include "blk/blk.h"

enum overlap_verdict {
	OVERLAP_RUN,	 /* no conflict: start it now */
	OVERLAP_WAIT,	 /* it will be in a later overlap_leave()'s list */
	OVERLAP_TWIN,	 /* it will be in the original's twins */
	OVERLAP_REFUSED, /* of another era than the table's: it is not in there */
};

/*
 * `atom` is a power of two, at most 128: a store that can only rewrite that many sectors together
 * makes requests meet that touch the same atom. NULL: no memory.
 */
struct overlap *overlap_open(uint32_t atom);
/* NULL is fine. The table must be empty. */
void overlap_close(struct overlap *table);

/*
 * Begins an era: from the return on only its requests enter. *era is set to it, under the table's
 * lock, unless it is NULL. Any thread.
 */
uint32_t overlap_begin_era(struct overlap *table, _Atomic uint32_t *era);
/* The one that has begun last; at first 0. Any thread. */
uint32_t overlap_era(struct overlap *table);

/* Takes `io` into the table. Any worker. */
enum overlap_verdict overlap_enter(struct overlap *table, struct blk_io *io);

/*
 * The same for two of a thread, as one: whoever conflicts with both is before both or after both,
 * so that no two pairs wait for each other. They do not conflict; tables may be one and the same.
 * When one of them is refused, both are.
 */
void overlap_enter_pair(struct overlap *table_a, struct blk_io *a, struct overlap *table_b,
			struct blk_io *b, enum overlap_verdict verdicts[2]);

/*
 * Takes `io`, which has ended, out of the table. Requests that may run now are appended to
 * `runnable` (by blk_io.ready), the twins it answers to `twins` (by blk_io.ready likewise).
 */
void overlap_leave(struct overlap *table, struct blk_io *io, struct list *runnable,
		   struct list *twins);

#endif
