/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/log_queue.h"

#include "base/clock.h"
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

#define LINES	    256u
#define PATIENCE_NS (CLOCK_NS_PER_S / 5) /* of who logs */
#define END_NS	    CLOCK_NS_PER_S	 /* of who stops, for a line */

struct line {
	int priority;
	char text[LOG_LINE];
};

/* The process's, as the log is. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t put, written;
	pthread_t thread;
	void (*write)(int priority, const char *line);
	uint64_t first, next; /* numbers of lines: the oldest not written, the next to come */
	unsigned int lost;    /* since the queue was full */
	bool open, ending, ended;
	bool late; /* somebody waited in vain, and not all is written since */
	struct line lines[LINES];
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.put = PTHREAD_COND_INITIALIZER,
	.written = PTHREAD_COND_INITIALIZER,
};

/* ---- the thread; with the lock held, but while it writes ---- */

static void write_unlocked(const struct line *line)
{
	pthread_mutex_unlock(&queue.lock);
	queue.write(line->priority, line->text);
	pthread_mutex_lock(&queue.lock);
}

static void write_lost(void)
{
	struct line line = {.priority = LOG_WARNING};

	snprintf(line.text, sizeof(line.text), "%u lines of the log are lost: nobody read it",
		 queue.lost);
	queue.lost = 0;
	write_unlocked(&line);
}

static void write_first(void)
{
	struct line line = queue.lines[queue.first % LINES];

	write_unlocked(&line);
	queue.first++;
	if (queue.first == queue.next && queue.lost)
		write_lost();
	if (queue.first == queue.next)
		queue.late = false;
	pthread_cond_broadcast(&queue.written);
}

static void *queue_main(void *arg)
{
	pthread_mutex_lock(&queue.lock);
	while (!queue.ending || queue.first != queue.next) {
		if (queue.first == queue.next)
			pthread_cond_wait(&queue.put, &queue.lock);
		else
			write_first();
	}
	queue.ended = true;
	pthread_cond_broadcast(&queue.written);
	pthread_mutex_unlock(&queue.lock);
	return arg;
}

/* ---- all others ---- */

/* Until all before line `number` are written, or the thread has ended; false: not in time. */
static bool wait_locked(uint64_t number, uint64_t patience_ns)
{
	const uint64_t until_ns = clock_now_ns() + patience_ns;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(until_ns % CLOCK_NS_PER_S),
	};
	int ret = 0;

	while (queue.first < number && !queue.ended && ret != ETIMEDOUT)
		ret = pthread_cond_clockwait(&queue.written, &queue.lock, CLOCK_MONOTONIC, &until);
	return queue.first >= number || queue.ended;
}

bool log_queue_start(void (*write)(int priority, const char *line))
{
	queue.write = write;
	queue.first = queue.next = 0;
	queue.lost = 0;
	queue.ending = queue.ended = queue.late = false;
	queue.open = !pthread_create(&queue.thread, NULL, queue_main, NULL);
	return queue.open;
}

static void put_locked(int priority, const char *text)
{
	struct line *line = &queue.lines[queue.next % LINES];

	if (queue.next - queue.first == LINES || queue.ending) {
		queue.lost++;
		return;
	}
	line->priority = priority;
	snprintf(line->text, sizeof(line->text), "%s", text);
	queue.next++;
	pthread_cond_signal(&queue.put);
	if (!queue.late && !wait_locked(queue.next, PATIENCE_NS))
		queue.late = true;
}

bool log_queue_put(int priority, const char *line)
{
	bool open;

	pthread_mutex_lock(&queue.lock);
	open = queue.open;
	if (open)
		put_locked(priority, line);
	pthread_mutex_unlock(&queue.lock);
	return open;
}

void log_queue_stop(void)
{
	bool ended;

	pthread_mutex_lock(&queue.lock);
	if (!queue.open) {
		pthread_mutex_unlock(&queue.lock);
		return;
	}
	queue.ending = true;
	pthread_cond_signal(&queue.put);
	while (!queue.ended && wait_locked(queue.first + 1, END_NS))
		;
	ended = queue.ended;
	queue.open = !ended;
	pthread_mutex_unlock(&queue.lock);
	/* It may hang for ever, and ends with the process. */
	if (ended)
		pthread_join(queue.thread, NULL);
	else
		pthread_detach(queue.thread);
}
