/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much room the file systems under the disks have, asked every few seconds. One that hangs
 * never answers, so each has a thread of its own that asks, and that nobody waits for. The control
 * thread hears of it only when SCSI initiators are to be told something.
 */
#include "target/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "blk/space.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_NS (5 * CLOCK_NS_PER_S)

struct target_watch {
	struct list link; /* in the target's; the control thread, with the next two */
	struct target *target;
	dev_t dev;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct list disks; /* struct watched */
	bool looking;	   /* the thread is at a disk, without the lock */
	bool ending;
};

/* A disk, which may be gone. */
struct watched {
	struct list link; /* only the thread takes it out */
	struct target_watch *watch;
	struct disk_room *room;
	const struct disk *disk; /* not to be followed; with its store, to find it again */
	struct disk_store store;
	struct message message; /* to the control thread: it is short of space */
	bool posted;
};

static void watched_free(struct watched *watched)
{
	list_del(&watched->link);
	disk_space_put(watched->room);
	free(watched);
}

static void watch_free(struct target_watch *watch)
{
	struct watched *watched, *next;

	list_for_each_entry_safe (watched, next, &watch->disks, link)
		watched_free(watched);
	pthread_cond_destroy(&watch->changed);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

/* ---- the thread; with the lock held, but while it looks ---- */

static bool watch_sleep(struct target_watch *watch)
{
	const uint64_t until_ns = clock_now_ns() + LOOK_NS;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(until_ns % CLOCK_NS_PER_S),
	};
	int ret = 0;

	while (!watch->ending && list_empty(&watch->disks))
		pthread_cond_wait(&watch->changed, &watch->lock);
	while (!watch->ending && ret != ETIMEDOUT)
		ret = pthread_cond_clockwait(&watch->changed, &watch->lock, CLOCK_MONOTONIC,
					     &until);
	return !watch->ending;
}

static enum disk_space_news watch_look(struct target_watch *watch, struct watched *watched)
{
	enum disk_space_news news;

	watch->looking = true;
	pthread_mutex_unlock(&watch->lock);
	news = disk_space_look(watched->room);
	pthread_mutex_lock(&watch->lock);
	watch->looking = false;
	return news;
}

/* False: it is over, and whoever said so has not waited. */
static bool watch_round(struct target_watch *watch)
{
	struct watched *watched, *next;

	list_for_each_entry_safe (watched, next, &watch->disks, link) {
		enum disk_space_news news = watch_look(watch, watched);

		if (watch->ending)
			return false;
		if (watched->posted)
			continue;
		if (news == DISK_SPACE_GONE) {
			watched_free(watched);
		} else if (news == DISK_SPACE_SHORT) {
			watched->posted = true;
			mailbox_post(&watch->target->mailbox, &watched->message);
		}
	}
	return true;
}

static void *watch_main(void *arg)
{
	struct target_watch *watch = arg;
	bool waited_for = true;

	pthread_mutex_lock(&watch->lock);
	while (waited_for && watch_sleep(watch))
		waited_for = watch_round(watch);
	pthread_mutex_unlock(&watch->lock);
	if (!waited_for)
		watch_free(watch);
	return NULL;
}

/* ---- the control thread ---- */

static void short_of_space(struct message *message)
{
	struct watched *watched = container_of(message, struct watched, message);
	struct target_watch *watch = watched->watch;
	const struct disk *disk;

	list_for_each_entry (disk, &watch->target->disks, link)
		if (disk == watched->disk && disk->store.dev == watched->store.dev &&
		    disk->store.ino == watched->store.ino)
			target_unit_short_of_space(watch->target, disk);
	pthread_mutex_lock(&watch->lock);
	watched->posted = false;
	pthread_mutex_unlock(&watch->lock);
}

static struct target_watch *watch_start(struct target *target, dev_t dev)
{
	struct target_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->target = target;
	watch->dev = dev;
	list_init(&watch->disks);
	pthread_mutex_init(&watch->lock, NULL);
	pthread_cond_init(&watch->changed, NULL);
	if (pthread_create(&watch->thread, NULL, watch_main, watch)) {
		watch_free(watch);
		return NULL;
	}
	list_add_tail(&target->watches, &watch->link);
	return watch;
}

static struct target_watch *watch_of(struct target *target, dev_t dev)
{
	struct target_watch *watch;

	list_for_each_entry (watch, &target->watches, link)
		if (watch->dev == dev)
			return watch;
	return watch_start(target, dev);
}

static bool is_watched(const struct target_watch *watch, const struct disk *disk)
{
	const struct watched *watched;

	list_for_each_entry (watched, &watch->disks, link)
		if (watched->room == disk->space)
			return true;
	return false;
}

static bool watch_add(struct target_watch *watch, const struct disk *disk)
{
	struct watched *watched = calloc(1, sizeof(*watched));

	if (!watched)
		return false;
	*watched = (struct watched){.watch = watch,
				    .room = disk_space_hold(disk),
				    .disk = disk,
				    .store = disk->store,
				    .message.run = short_of_space};
	list_add_tail(&watch->disks, &watched->link);
	pthread_cond_signal(&watch->changed);
	return true;
}

void target_space_watch(struct target *target, const struct disk *disk)
{
	struct target_watch *watch = disk->space ? watch_of(target, disk->store.dev) : NULL;
	bool done = !disk->space;

	if (watch) {
		pthread_mutex_lock(&watch->lock);
		done = is_watched(watch, disk) || watch_add(watch, disk);
		pthread_mutex_unlock(&watch->lock);
	}
	if (!done)
		log_warning("disk '%s': out of memory: nobody watches how full its file system is",
			    disk->name);
}

static void watch_end(struct target_watch *watch)
{
	struct watched *watched;
	bool looking;

	pthread_mutex_lock(&watch->lock);
	list_del(&watch->link);
	list_for_each_entry (watched, &watch->disks, link)
		if (watched->posted)
			mailbox_withdraw(&watch->target->mailbox, &watched->message);
	watch->ending = true;
	looking = watch->looking;
	pthread_cond_signal(&watch->changed);
	/* A thread that may hang for ever is left alone; it takes the rest with it. */
	if (looking)
		pthread_detach(watch->thread);
	pthread_mutex_unlock(&watch->lock);
	if (looking)
		return;
	pthread_join(watch->thread, NULL);
	watch_free(watch);
}

void target_space_close(struct target *target)
{
	while (!list_empty(&target->watches))
		watch_end(container_of(target->watches.next, struct target_watch, link));
}
