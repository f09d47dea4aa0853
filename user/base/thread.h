/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A thread that owns what it works with: opened and closed on the thread itself (an io_uring
 * belongs to the thread that makes it), called from others through its mailbox.
 */
#ifndef STGT_BASE_THREAD_H
#define STGT_BASE_THREAD_H

#include "base/error.h"
#include "base/mailbox.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded in the worker that it is. */
struct thread {
	/* Set by the owner before thread_start(). On the thread: */
	int (*open)(struct thread *thread, struct error *err); /* 0 or negative errno */
	void (*run)(struct thread *thread);  /* until `stop` was called; closes what open opened */
	void (*stop)(struct thread *thread); /* `run` is to end soon */

	struct mailbox mailbox; /* the thread drains it in `run` */
	pthread_t id;
	sem_t opened;
	int open_result;
	struct error open_error;
	struct message stop_message;
	bool silent; /* whoever calls thread_hear(): it did not answer the last time */
};

/* Returns once `open` has: 0, or negative errno with `err` set and nothing left. */
int thread_start(struct thread *thread, struct error *err);

/* Stops, and waits for the end; goes on draining `control`, if any, the caller's own, meanwhile. */
void thread_end(struct thread *thread, struct mailbox *control);

/* Runs `fn` on the thread and waits for it. */
void thread_call(struct thread *thread, void (*fn)(struct thread *thread, void *arg), void *arg);

/*
 * The same for who only looks: it waits a second at most for the thread to begin, and for one that
 * was silent the last time next to nothing; false: `fn` did not run. That `name` fell silent or
 * answers again is logged. One thread at a time.
 */
bool thread_hear(struct thread *thread, void (*fn)(struct thread *thread, void *arg), void *arg,
		 const char *name);

#endif
