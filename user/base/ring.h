/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One io_uring of one thread, and what its completions call.
 *
 * Set up SINGLE_ISSUER | DEFER_TASKRUN where the kernel has them, so completions run only inside
 * ring_run(). Every function is for the owning thread.
 */
#ifndef STGT_BASE_RING_H
#define STGT_BASE_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded in whatever waits for a completion; `res` and `flags` are the CQE's. */
struct ring_event {
	void (*done)(struct ring_event *ev, int res, unsigned int flags);
};

struct ring {
	struct io_uring uring;
	bool fixed_buffer;   /* buffer 0 is the thread's arena */
	bool vectored_fixed; /* READV_FIXED and WRITEV_FIXED exist (Linux 6.15) */
};

/* 0 or negative errno. `entries` is the submission queue's size; completions get four times as
 * many. */
int ring_open(struct ring *ring, unsigned int entries);
void ring_close(struct ring *ring);

/* Registers [base, base + len) as fixed buffer 0; 0 or negative errno (-ENOMEM: memlock limit). */
int ring_register_buffer(struct ring *ring, void *base, size_t len);

/* A submission entry for `ev`; submits what waits when the queue is full, so it never fails. */
struct io_uring_sqe *ring_sqe(struct ring *ring, struct ring_event *ev);

/* True when ring_run() would find something to do; reads shared memory, makes no system call. */
bool ring_pending(struct ring *ring);

/* Submits what was prepared, runs `done` of what completed; returns the number of completions. */
unsigned int ring_run(struct ring *ring);

/*
 * The same, but sleeps until at least one completion is there or `timeout_ns` have passed
 * (0: no limit).
 */
unsigned int ring_wait(struct ring *ring, uint64_t timeout_ns);

#endif
