/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages between threads: work handed to the thread that owns the data it touches.
 *
 * A mailbox belongs to one thread, which drains it; any thread may post. The eventfd is readable
 * while messages wait, so the owner can wait for it beside everything else it waits for.
 */
#ifndef STGT_BASE_MAILBOX_H
#define STGT_BASE_MAILBOX_H

#include "base/list.h"
#include <pthread.h>
#include <stdbool.h>

/* Embedded in what the receiver needs. The poster lends it until `run` is called on the owner. */
struct message {
	struct list link;
	void (*run)(struct message *msg);
};

struct mailbox {
	pthread_mutex_t lock;
	struct list waiting;
	int eventfd;
};

/* 0 or negative errno. mailbox_close() drops what still waits without running it. */
int mailbox_open(struct mailbox *box);
void mailbox_close(struct mailbox *box);

/* Any thread. Messages of one poster run in the order posted; none is posted twice before it ran.
 */
void mailbox_post(struct mailbox *box, struct message *msg);

/*
 * Any thread: takes a message back, which is the poster's again then. False: too late, it runs or
 * is about to.
 */
bool mailbox_withdraw(struct mailbox *box, struct message *msg);

/* Owner only: runs all that waits, in order, without holding the lock; false if nothing waited. */
bool mailbox_drain(struct mailbox *box);

#endif
