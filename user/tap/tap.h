/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tap: records that the workers of a serving process leave for another process that watches.
 *
 * The watcher brings the memory, a memfd that cannot shrink, which is cut into rings, one for each
 * worker. A worker never waits: a record for which there is no room is lost and counted. It makes
 * no system call either, so the watcher has to look again now and then.
 *
 * A watcher can lose its own records and nothing else: what a producer relies on is kept in its own
 * memory, and what the watcher writes is checked. The watcher checks what it reads likewise.
 */
#ifndef STGT_TAP_H
#define STGT_TAP_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAP_SIZE_MAX	(64u << 20) /* bytes of a watcher's memory, at most */
#define TAP_SNAPLEN_MAX 262144u	    /* of a frame, for who captures: no frame is longer */

/* ---- the serving process -------------------------------------------------------------------- */

struct tap;
struct tap_ring;

/*
 * Maps the watcher's memory and cuts it into `rings`, empty. The descriptor stays the caller's and
 * is not needed any more. -EINVAL: it is no such memory; -ENOSPC: too little for so many rings.
 * Control thread, like the three after it.
 */
int tap_open(int fd, unsigned int rings, struct tap **tap, struct error *err);
/* No producer uses a ring any more. */
void tap_close(struct tap *tap);
/* Tells the watcher that nothing comes after what is there. */
void tap_end(struct tap *tap);
/* Valid as long as the tap; lent to the one thread that produces. */
struct tap_ring *tap_ring(struct tap *tap, unsigned int i);

/*
 * Memory for a record of `len` bytes, 8-byte aligned, to be filled before tap_commit(); `ns` is its
 * CLOCK_MONOTONIC time. NULL: no room, counted. The producer's thread.
 */
void *tap_reserve(struct tap_ring *ring, uint64_t ns, uint32_t len);
void tap_commit(struct tap_ring *ring);

/* ---- the watcher, one thread ---------------------------------------------------------------- */

struct tap_watch;

struct tap_record {
	uint64_t ns;
	unsigned int ring;
	uint32_t len;
	const void *data;
};

/* Makes the memory: `size` bytes, a little more than the rings will have together. */
int tap_watch_open(size_t size, struct tap_watch **watch, struct error *err);
void tap_watch_close(struct tap_watch *watch);
/* For the serving process. */
int tap_watch_fd(const struct tap_watch *watch);

/*
 * The earliest record of all rings: 1, and valid until tap_watch_done() lets go of it; 0: there is
 * none; -EPROTO: what is there makes no sense. To be called when the serving process has the
 * memory.
 */
int tap_watch_next(struct tap_watch *watch, struct tap_record *record);
void tap_watch_done(struct tap_watch *watch, const struct tap_record *record);

/* What is there when this turns true is all that ever will be. */
bool tap_watch_ended(const struct tap_watch *watch);
/* Records for which there was no room. */
uint64_t tap_watch_lost(const struct tap_watch *watch);

/* ---- what the records are ------------------------------------------------------------------- */

enum tap_direction {
	TAP_RECEIVED = 1,
	TAP_SENT = 2,
};

/* A frame: this, then as much of it as was asked for. */
struct tap_frame {
	uint32_t len; /* bytes of the whole frame */
	uint32_t direction;
};

#endif
