/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A thread that does nothing but run what is posted to its mailbox, as the control thread would. */
#ifndef STGT_TESTS_MAILBOX_THREAD_H
#define STGT_TESTS_MAILBOX_THREAD_H

#include "base/mailbox.h"
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct mailbox_thread {
	struct mailbox box; /* open from mailbox_thread_open() to mailbox_thread_close() */
	struct message stop;
	bool stopped;
	pthread_t thread;
};

/* Runs what is posted next; ends the test when nothing is for a minute. */
static inline void mailbox_wait(struct mailbox *box)
{
	struct pollfd poll_box = {.fd = box->eventfd, .events = POLLIN};

	if (poll(&poll_box, 1, 60000) != 1)
		abort();
	mailbox_drain(box);
}

static inline void mailbox_thread_stopped(struct message *message)
{
	container_of(message, struct mailbox_thread, stop)->stopped = true;
}

static inline void *mailbox_thread_run(void *arg)
{
	struct mailbox_thread *thread = arg;

	while (!thread->stopped)
		mailbox_wait(&thread->box);
	return NULL;
}

static inline void mailbox_thread_open(struct mailbox_thread *thread)
{
	*thread = (struct mailbox_thread){.stop.run = mailbox_thread_stopped};
	assert(!mailbox_open(&thread->box));
}

static inline void mailbox_thread_start(struct mailbox_thread *thread)
{
	assert(!pthread_create(&thread->thread, NULL, mailbox_thread_run, thread));
}

/* What was posted before is done. */
static inline void mailbox_thread_stop(struct mailbox_thread *thread)
{
	mailbox_post(&thread->box, &thread->stop);
	pthread_join(thread->thread, NULL);
}

static inline void mailbox_thread_close(struct mailbox_thread *thread)
{
	mailbox_close(&thread->box);
}

#endif
