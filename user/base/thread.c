/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/thread.h"

#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <string.h>
#include <time.h>

#define POLL_NS	  1000000
#define HEAR_NS	  1000000000u /* how long who only looks waits for an answer */
#define GLANCE_NS 20000000u   /* and when there was none the last time */

static void *thread_main(void *arg)
{
	struct thread *thread = arg;

	thread->open_result = thread->open(thread, &thread->open_error);
	sem_post(&thread->opened);
	if (!thread->open_result)
		thread->run(thread);
	return NULL;
}

int thread_start(struct thread *thread, struct error *err)
{
	int ret = mailbox_open(&thread->mailbox);

	if (ret)
		return error_set(err, -ret, "cannot make an eventfd: %s", strerror(-ret));
	sem_init(&thread->opened, 0, 0);
	ret = -pthread_create(&thread->id, NULL, thread_main, thread);
	if (ret) {
		error_set(err, -ret, "cannot start a thread: %s", strerror(-ret));
		goto out;
	}
	while (sem_wait(&thread->opened))
		;
	ret = thread->open_result;
	if (!ret)
		return 0;
	pthread_join(thread->id, NULL);
	if (err)
		*err = thread->open_error;
out:
	sem_destroy(&thread->opened);
	mailbox_close(&thread->mailbox);
	return ret;
}

static void stop_run(struct message *msg)
{
	struct thread *thread = container_of(msg, struct thread, stop_message);

	thread->stop(thread);
}

void thread_end(struct thread *thread, struct mailbox *control)
{
	const struct timespec soon = {.tv_nsec = POLL_NS};

	thread->stop_message.run = stop_run;
	mailbox_post(&thread->mailbox, &thread->stop_message);
	/* Not until a time of day, which somebody may set back. */
	while (pthread_tryjoin_np(thread->id, NULL)) {
		if (control)
			mailbox_drain(control);
		nanosleep(&soon, NULL);
	}
	mailbox_close(&thread->mailbox);
	sem_destroy(&thread->opened);
}

struct thread_call {
	struct message message;
	struct thread *thread;
	void (*fn)(struct thread *thread, void *arg);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done;
};

static void call_run(struct message *msg)
{
	struct thread_call *call = container_of(msg, struct thread_call, message);

	call->fn(call->thread, call->arg);
	/* Told with the lock held, as the call is gone once its caller has it. */
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->ended);
	pthread_mutex_unlock(&call->lock);
}

/* True once it is done; false when clock_now_ns() comes to `until_ns`, unless that is 0, before. */
static bool call_wait(struct thread_call *call, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(until_ns % CLOCK_NS_PER_S),
	};
	bool done;
	int ret = 0;

	pthread_mutex_lock(&call->lock);
	while (!call->done && ret != ETIMEDOUT) {
		if (until_ns)
			ret = pthread_cond_clockwait(&call->ended, &call->lock, CLOCK_MONOTONIC,
						     &until);
		else
			pthread_cond_wait(&call->ended, &call->lock);
	}
	done = call->done;
	pthread_mutex_unlock(&call->lock);
	return done;
}

static bool call_make(struct thread *thread, void (*fn)(struct thread *thread, void *arg),
		      void *arg, uint64_t until_ns)
{
	struct thread_call call = {
		.message.run = call_run,
		.thread = thread,
		.fn = fn,
		.arg = arg,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ended = PTHREAD_COND_INITIALIZER,
	};
	bool done;

	mailbox_post(&thread->mailbox, &call.message);
	done = call_wait(&call, until_ns);
	/* What has begun ends. */
	if (!done && !mailbox_withdraw(&thread->mailbox, &call.message))
		done = call_wait(&call, 0);
	pthread_cond_destroy(&call.ended);
	pthread_mutex_destroy(&call.lock);
	return done;
}

void thread_call(struct thread *thread, void (*fn)(struct thread *thread, void *arg), void *arg)
{
	call_make(thread, fn, arg, 0);
}

bool thread_hear(struct thread *thread, void (*fn)(struct thread *thread, void *arg), void *arg,
		 const char *name)
{
	uint64_t wait_ns = thread->silent ? GLANCE_NS : HEAR_NS;
	bool silent = !call_make(thread, fn, arg, clock_now_ns() + wait_ns);

	if (silent && !thread->silent)
		log_error("%s does not answer: the file system of one of its disks hangs", name);
	else if (!silent && thread->silent)
		log_notice("%s answers again", name);
	thread->silent = silent;
	return !silent;
}
