/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SANITIZE that was left unfinished, by another process or by a thread that has ended, begins
 * again: at once where there is memory for it, or as soon as there is some.
 */
#include "scsi/sanitize.h"

bool scsi_device_unfinished(struct scsi_device *dev)
{
	bool left;

	pthread_mutex_lock(&dev->lock);
	left = dev->sanitize_left;
	pthread_mutex_unlock(&dev->lock);
	return left;
}

/* What was left is at work again, on this thread; the unit's lock is held. */
static void take_up_locked(struct scsi_device *dev, struct scsi_sanitize *s)
{
	dev->sanitize_left = NULL;
	scsi_sanitize_claim_locked(s, SANITIZE_RUNS);
}

bool scsi_device_resume(struct scsi_device *dev, struct blk_queue *queue)
{
	struct scsi_sanitize *s;

	pthread_mutex_lock(&dev->lock);
	s = dev->sanitize_left;
	if (s) {
		s->queue = queue;
		if (scsi_sanitize_take_memory(s, true))
			take_up_locked(dev, s);
		else
			s = NULL;
	}
	pthread_mutex_unlock(&dev->lock);
	if (s)
		scsi_sanitize_go(s);
	return s;
}

/* ---- waiting for memory ---- */

/* Whoever ends the waiting sends this, once: there is memory, or what it waits for is over. */
static void park_over(struct message *message)
{
	struct scsi_sanitize *s = container_of(message, struct scsi_sanitize, message);

	s->queue->inflight--;
	arena_wait_end(&s->waiter);
	scsi_sanitize_go(s);
}

static void unpark_locked(struct scsi_sanitize *s)
{
	s->parked = false;
	s->message.run = park_over;
	mailbox_post(s->queue->mailbox, &s->message);
}

static void memory_freed(struct arena_waiter *waiter)
{
	struct scsi_sanitize *s = container_of(waiter, struct scsi_sanitize, waiter);

	pthread_mutex_lock(&s->dev->lock);
	if (s->parked && (s->queue->closing || scsi_sanitize_take_memory(s, true)))
		unpark_locked(s);
	pthread_mutex_unlock(&s->dev->lock);
}

bool scsi_device_resume_later(struct scsi_device *dev, struct blk_queue *queue)
{
	struct scsi_sanitize *s;

	pthread_mutex_lock(&dev->lock);
	s = dev->sanitize_left;
	if (s) {
		take_up_locked(dev, s);
		s->queue = queue;
		s->run = ARENA_NONE;
		s->parked = true;
		s->waiter.freed = memory_freed;
		/* No thread ends before it knows of it. */
		queue->inflight++;
	}
	pthread_mutex_unlock(&dev->lock);
	if (!s)
		return false;
	arena_wait(queue->arena, &s->waiter);
	/* Perhaps there is some by now. */
	memory_freed(&s->waiter);
	return true;
}

/* ---- the unit goes ---- */

void scsi_device_stop(struct scsi_device *dev, void (*stopped)(void *ctx), void *ctx)
{
	bool none;

	atomic_store(&dev->sanitize_stop, true);
	pthread_mutex_lock(&dev->lock);
	none = !dev->sanitize;
	if (!none) {
		dev->stopped = stopped;
		dev->stopped_ctx = ctx;
		if (dev->sanitize->parked)
			unpark_locked(dev->sanitize);
	}
	pthread_mutex_unlock(&dev->lock);
	if (none)
		stopped(ctx);
}
