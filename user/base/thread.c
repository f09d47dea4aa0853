/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/thread.h"

#include "base/clock.h"
#include <errno.h>
#include <string.h>
#include <time.h>

#define POLL_NS 10000000

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
	struct timespec soon;

	thread->stop_message.run = stop_run;
	mailbox_post(&thread->mailbox, &thread->stop_message);
	do {
		if (control)
			mailbox_drain(control);
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += POLL_NS;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
	} while (pthread_timedjoin_np(thread->id, NULL, &soon));
	mailbox_close(&thread->mailbox);
	sem_destroy(&thread->opened);
}

struct thread_call {
	struct message message;
	struct thread *thread;
	void (*fn)(struct thread *thread, void *arg);
	void *arg;
	sem_t done;
};

static void call_run(struct message *msg)
{
	struct thread_call *call = container_of(msg, struct thread_call, message);

	call->fn(call->thread, call->arg);
	sem_post(&call->done);
}

static void call_post(struct thread_call *call)
{
	call->message.run = call_run;
	sem_init(&call->done, 0, 0);
	mailbox_post(&call->thread->mailbox, &call->message);
}

static void call_wait(struct thread_call *call)
{
	while (sem_wait(&call->done))
		;
}

void thread_call(struct thread *thread, void (*fn)(struct thread *thread, void *arg), void *arg)
{
	struct thread_call call = {.thread = thread, .fn = fn, .arg = arg};

	call_post(&call);
	call_wait(&call);
	sem_destroy(&call.done);
}

bool thread_ask(struct thread *thread, void (*fn)(struct thread *thread, void *arg), void *arg,
		uint64_t wait_ns)
{
	struct thread_call call = {.thread = thread, .fn = fn, .arg = arg};
	uint64_t until_ns = clock_now_ns() + wait_ns;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(until_ns % CLOCK_NS_PER_S),
	};
	bool answered = true;

	call_post(&call);
	while (sem_clockwait(&call.done, CLOCK_MONOTONIC, &until)) {
		if (errno == EINTR)
			continue;
		answered = !mailbox_withdraw(&thread->mailbox, &call.message);
		/* It has begun: then it ends. */
		if (answered)
			call_wait(&call);
		break;
	}
	sem_destroy(&call.done);
	return answered;
}
