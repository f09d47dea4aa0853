/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much room the file systems under the disks have, asked every few seconds. One that hangs
 * answers never: so each has a thread of its own that asks, by descriptors of its own, and that
 * nobody waits for. What it found becomes of use on the control thread.
 */
#include "target/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "blk/space.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS (5 * CLOCK_NS_PER_S)

/* A look at one disk, which may be gone when it is over. */
struct look {
	const struct disk *disk; /* not to be followed */
	struct disk_store store; /* of it, to know it again by */
	int fd;			 /* a copy, ours */
	int result;
	struct disk_space space;
};

/* Who has the looks, and is to do something next. */
enum watch_state {
	WATCH_SLEEPING, /* the thread, until the next look is due */
	WATCH_DUE,	/* the control thread says at what to look */
	WATCH_ASKED,	/* the thread looks */
	WATCH_LOOKED,	/* the control thread reads what was found */
};

struct target_watch {
	struct list link; /* in the target's; the control thread, with the next two */
	struct target *target;
	dev_t dev;
	struct message message; /* to the control thread: the state is DUE or LOOKED */
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	enum watch_state state;
	bool ending;
	struct look *looks; /* belong to the thread while ASKED */
	unsigned int nlooks;
};

static void looks_free(struct target_watch *watch)
{
	for (unsigned int i = 0; i < watch->nlooks; i++)
		close(watch->looks[i].fd);
	free(watch->looks);
	watch->looks = NULL;
	watch->nlooks = 0;
}

static void watch_free(struct target_watch *watch)
{
	looks_free(watch);
	pthread_cond_destroy(&watch->changed);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

/* ---- the thread ---- */

/* Until the state is this one; false: it is over. With the lock held. */
static bool watch_await(struct target_watch *watch, enum watch_state state)
{
	while (!watch->ending && watch->state != state)
		pthread_cond_wait(&watch->changed, &watch->lock);
	return !watch->ending;
}

static bool watch_sleep(struct target_watch *watch)
{
	const uint64_t until_ns = clock_now_ns() + LOOK_NS;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(until_ns % CLOCK_NS_PER_S),
	};
	int ret = 0;

	while (!watch->ending && ret != ETIMEDOUT)
		ret = pthread_cond_clockwait(&watch->changed, &watch->lock, CLOCK_MONOTONIC,
					     &until);
	return !watch->ending;
}

static void watch_tell(struct target_watch *watch, enum watch_state state)
{
	watch->state = state;
	mailbox_post(&watch->target->mailbox, &watch->message);
}

/* Whoever ends the watch meanwhile leaves it to the thread. Without the lock. */
static void watch_look(struct target_watch *watch)
{
	for (unsigned int i = 0; i < watch->nlooks; i++) {
		struct look *look = &watch->looks[i];

		look->result = disk_space_look(look->fd, &look->space);
	}
}

static void *watch_main(void *arg)
{
	struct target_watch *watch = arg;
	bool abandoned = false;

	pthread_mutex_lock(&watch->lock);
	while (watch_await(watch, WATCH_SLEEPING) && watch_sleep(watch)) {
		watch_tell(watch, WATCH_DUE);
		if (!watch_await(watch, WATCH_ASKED))
			break;
		pthread_mutex_unlock(&watch->lock);
		watch_look(watch);
		pthread_mutex_lock(&watch->lock);
		abandoned = watch->ending;
		if (abandoned)
			break;
		watch_tell(watch, WATCH_LOOKED);
	}
	pthread_mutex_unlock(&watch->lock);
	if (abandoned)
		watch_free(watch);
	return NULL;
}

/* ---- the control thread ---- */

static struct disk *disk_of(const struct target *target, const struct look *look)
{
	struct disk *disk;

	list_for_each_entry (disk, &target->disks, link)
		if (disk == look->disk && disk->store.dev == look->store.dev &&
		    disk->store.ino == look->store.ino)
			return disk;
	return NULL;
}

static void watch_read(struct target_watch *watch)
{
	for (unsigned int i = 0; i < watch->nlooks; i++) {
		const struct look *look = &watch->looks[i];
		struct disk *disk = disk_of(watch->target, look);

		if (disk && !look->result && disk_space_note(disk, &look->space))
			target_unit_short_of_space(watch->target, disk);
	}
	looks_free(watch);
}

static bool is_watched(const struct disk *disk, dev_t dev)
{
	return disk->space.known && disk->store.dev == dev;
}

static unsigned int disks_on(const struct target *target, dev_t dev)
{
	const struct disk *disk;
	unsigned int n = 0;

	list_for_each_entry (disk, &target->disks, link)
		n += is_watched(disk, dev);
	return n;
}

/* The disks that there are now; one less where descriptors or memory are short. */
static void watch_fill(struct target_watch *watch)
{
	const struct disk *disk;

	watch->looks = calloc(disks_on(watch->target, watch->dev), sizeof(*watch->looks));
	list_for_each_entry (disk, &watch->target->disks, link) {
		int fd = watch->looks && is_watched(disk, watch->dev)
				 ? fcntl(disk->space.fd, F_DUPFD_CLOEXEC, 0)
				 : -1;

		if (fd >= 0)
			watch->looks[watch->nlooks++] =
				(struct look){.disk = disk, .store = disk->store, .fd = fd};
	}
}

static void watch_end(struct target_watch *watch)
{
	bool looking;

	pthread_mutex_lock(&watch->lock);
	watch->ending = true;
	looking = watch->state == WATCH_ASKED;
	pthread_cond_signal(&watch->changed);
	list_del(&watch->link);
	/* A thread that may hang for ever is left alone; it takes the rest with it. */
	if (looking)
		pthread_detach(watch->thread);
	pthread_mutex_unlock(&watch->lock);
	if (looking)
		return;
	pthread_join(watch->thread, NULL);
	mailbox_withdraw(&watch->target->mailbox, &watch->message);
	watch_free(watch);
}

static void watch_run(struct message *message)
{
	struct target_watch *watch = container_of(message, struct target_watch, message);

	if (watch->state == WATCH_DUE && !disks_on(watch->target, watch->dev)) {
		watch_end(watch);
		return;
	}
	pthread_mutex_lock(&watch->lock);
	if (watch->state == WATCH_DUE) {
		watch_fill(watch);
		watch->state = WATCH_ASKED;
	} else {
		watch_read(watch);
		watch->state = WATCH_SLEEPING;
	}
	pthread_cond_signal(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
}

static int watch_start(struct target *target, dev_t dev)
{
	struct target_watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (!watch)
		return -ENOMEM;
	watch->target = target;
	watch->dev = dev;
	watch->message.run = watch_run;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_cond_init(&watch->changed, NULL);
	ret = -pthread_create(&watch->thread, NULL, watch_main, watch);
	if (ret) {
		watch_free(watch);
		return ret;
	}
	list_add_tail(&target->watches, &watch->link);
	return 0;
}

void target_space_watch(struct target *target, const struct disk *disk)
{
	const struct target_watch *watch;
	int ret;

	if (!disk->space.known)
		return;
	list_for_each_entry (watch, &target->watches, link)
		if (watch->dev == disk->store.dev)
			return;
	ret = watch_start(target, disk->store.dev);
	if (ret)
		log_warning("disk '%s': nobody watches how full its file system is: %s", disk->name,
			    strerror(-ret));
}

void target_space_close(struct target *target)
{
	while (!list_empty(&target->watches))
		watch_end(container_of(target->watches.next, struct target_watch, link));
}
