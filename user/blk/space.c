/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/space.h"

#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PERCENT_DEFAULT 90
#define PERCENT_BACK	1 /* of the file system, free beyond the threshold: it is over */
#define STAT_BLOCK	512u
#define MIB_SHIFT	20

/* ---- opening ---- */

/* The same file by a descriptor without the lock. */
static int open_path(const struct disk *disk, int fd)
{
	struct stat st, there;
	int path = open(disk->spec.path, O_PATH | O_CLOEXEC);

	if (path < 0)
		return -errno;
	if (!fstat(fd, &st) && !fstat(path, &there) && st.st_dev == there.st_dev &&
	    st.st_ino == there.st_ino)
		return path;
	close(path);
	return -ESTALE;
}

int disk_space_open(struct disk *disk, int fd)
{
	struct disk_room *room = calloc(1, sizeof(*room));

	if (!room)
		return -ENOMEM;
	pthread_mutex_init(&room->lock, NULL);
	atomic_init(&room->refs, 1);
	room->disk = disk;
	room->path = strdup(disk->spec.path);
	room->fd = room->path ? open_path(disk, fd) : -ENOMEM;
	if (room->fd < 0) {
		int ret = room->fd;

		disk_space_put(room);
		return ret;
	}
	disk->space = room;
	disk_space_set(disk, disk->spec.soft_threshold);
	disk_space_look(room);
	return 0;
}

void disk_space_close(struct disk *disk)
{
	struct disk_room *room = disk->space;

	if (!room)
		return;
	pthread_mutex_lock(&room->lock);
	room->disk = NULL;
	/* Nothing of the disk is left to keep its file system busy, unless that hangs. */
	if (!room->looking) {
		close(room->fd);
		room->fd = -1;
	}
	pthread_mutex_unlock(&room->lock);
	disk->space = NULL;
	disk_space_put(room);
}

struct disk_room *disk_space_hold(const struct disk *disk)
{
	if (disk->space)
		atomic_fetch_add(&disk->space->refs, 1);
	return disk->space;
}

void disk_space_put(struct disk_room *room)
{
	if (atomic_fetch_sub(&room->refs, 1) != 1)
		return;
	if (room->fd >= 0)
		close(room->fd);
	pthread_mutex_destroy(&room->lock);
	free(room->path);
	free(room);
}

/* ---- looking ---- */

static uint64_t threshold_of(const struct disk_room *room, uint64_t total)
{
	int percent = atomic_load(&room->percent);

	return percent < 0 ? 0 : total / 100 * (uint64_t)(100 - percent);
}

uint64_t disk_space_threshold(const struct disk *disk)
{
	return disk->space ? threshold_of(disk->space, atomic_load(&disk->space->total)) : 0;
}

static int percent_of(int soft_threshold)
{
	return soft_threshold ? soft_threshold : PERCENT_DEFAULT;
}

void disk_space_set(struct disk *disk, int soft_threshold)
{
	disk->spec.soft_threshold = soft_threshold;
	if (disk->space)
		atomic_store(&disk->space->percent, percent_of(soft_threshold));
}

/* What the file system says. */
struct found {
	uint64_t used, free, total;
	uint64_t size;	/* of the file */
	uint64_t bytes; /* of the disk, before: it may grow meanwhile */
	enum file_loss loss;
};

static uint64_t bytes_of(const struct disk *disk)
{
	return atomic_load(&disk->nblocks) << BLK_SECTOR_SHIFT;
}

static bool ask(const struct disk_room *room, struct found *found)
{
	struct statfs fs;
	struct stat st;
	uint64_t unit;

	if (fstatfs(room->fd, &fs) || fstat(room->fd, &st))
		return false;
	unit = (uint64_t)(fs.f_frsize ? fs.f_frsize : fs.f_bsize);
	found->used = (uint64_t)st.st_blocks * STAT_BLOCK;
	found->free = fs.f_bavail * unit;
	/* What is kept for root is neither. */
	found->total = found->free + (fs.f_blocks - fs.f_bfree) * unit;
	found->size = (uint64_t)st.st_size;
	found->loss = file_loss_look(room->path, &st);
	return true;
}

/* A file that has all its blocks takes no more. */
static bool may_grow(const struct disk *disk, uint64_t used)
{
	return !disk->read_only && used < bytes_of(disk);
}

static void log_change(const struct disk_room *room, bool low, uint64_t left)
{
	unsigned long long mib = left >> MIB_SHIFT;

	if (low)
		log_warning("disk '%s': its file system is more than %d%% full, %llu MiB are left: "
			    "make room before writes fail",
			    room->disk->name, atomic_load(&room->percent), mib);
	else
		log_notice("disk '%s': its file system has room again, %llu MiB", room->disk->name,
			   mib);
}

/* The room's lock is held, and the disk is there; so it is below. */
static void note_loss_locked(struct disk_room *room, const struct found *found)
{
	bool cut = found->loss == FILE_HERE && found->size < found->bytes &&
		   found->size < bytes_of(room->disk);
	enum file_loss loss = cut ? FILE_CUT : found->loss;

	/* First: who sees it in `status` finds it in the log. */
	if (atomic_load(&room->loss) != loss)
		file_loss_log(room->disk, loss);
	atomic_store(&room->loss, loss);
}

static enum disk_space_news note_locked(struct disk_room *room, const struct found *found)
{
	uint64_t threshold = threshold_of(room, found->total);
	bool was = atomic_load(&room->low), low;

	note_loss_locked(room, found);
	atomic_store(&room->used, found->used);
	atomic_store(&room->free, found->free);
	atomic_store(&room->total, found->total);
	low = threshold && may_grow(room->disk, found->used) &&
	      found->free <= threshold + (was ? found->total / 100 * PERCENT_BACK : 0);
	atomic_store(&room->low, low);
	if (low != was)
		log_change(room, low, found->free);
	return low && !was ? DISK_SPACE_SHORT : DISK_SPACE_NONE;
}

enum disk_space_news disk_space_look(struct disk_room *room)
{
	enum disk_space_news news = DISK_SPACE_GONE;
	struct found found;
	bool answered;

	pthread_mutex_lock(&room->lock);
	if (!room->disk)
		goto out;
	room->looking = true;
	found.bytes = bytes_of(room->disk);
	pthread_mutex_unlock(&room->lock);
	answered = ask(room, &found);
	pthread_mutex_lock(&room->lock);
	room->looking = false;
	if (room->disk)
		news = answered ? note_locked(room, &found) : DISK_SPACE_NONE;
	if (!room->disk && room->fd >= 0) {
		close(room->fd);
		room->fd = -1;
	}
out:
	pthread_mutex_unlock(&room->lock);
	return news;
}

/* ---- as text ---- */

bool disk_space_parse(const char *text, int *soft_threshold)
{
	char *end;
	long percent;

	if (!strcmp(text, "off")) {
		*soft_threshold = -1;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	percent = strtol(text, &end, 10);
	if ((*end && strcmp(end, "%")) || percent < 1 || percent > 99)
		return false;
	*soft_threshold = (int)percent;
	return true;
}

void disk_space_format(int soft_threshold, char text[DISK_SPACE_TEXT])
{
	if (soft_threshold < 0)
		snprintf(text, DISK_SPACE_TEXT, "off");
	else
		snprintf(text, DISK_SPACE_TEXT, "%d%%", soft_threshold);
}
