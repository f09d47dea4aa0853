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

int disk_space_look(int fd, struct disk_space *space)
{
	struct statfs fs;
	struct stat st;
	uint64_t unit;

	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return -errno;
	unit = (uint64_t)(fs.f_frsize ? fs.f_frsize : fs.f_bsize);
	space->used = (uint64_t)st.st_blocks * STAT_BLOCK;
	space->free = fs.f_bavail * unit;
	/* What is kept for root is neither. */
	space->total = space->free + (fs.f_blocks - fs.f_bfree) * unit;
	return 0;
}

/* The same file by a descriptor without the lock, whose copies may outlive the disk. */
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
	struct disk_space space;
	int ret = open_path(disk, fd);

	if (ret < 0)
		return ret;
	disk->space.fd = ret;
	ret = disk_space_look(fd, &space);
	if (ret) {
		disk_space_close(disk);
		return ret;
	}
	disk->space.known = true;
	disk_space_note(disk, &space);
	return 0;
}

void disk_space_close(struct disk *disk)
{
	if (!disk->space.known)
		return;
	close(disk->space.fd);
	disk->space.known = false;
}

static int percent_of(const struct disk *disk)
{
	int percent = disk->spec.soft_threshold;

	return percent ? percent : PERCENT_DEFAULT;
}

uint64_t disk_space_threshold(const struct disk *disk)
{
	int percent = percent_of(disk);

	return percent < 0 ? 0 : atomic_load(&disk->space.total) / 100 * (uint64_t)(100 - percent);
}

/* A file that has all its blocks takes no more. */
static bool may_grow(const struct disk *disk, const struct disk_space *space)
{
	return !disk->read_only && space->used < atomic_load(&disk->nblocks) << BLK_SECTOR_SHIFT;
}

bool disk_space_note(struct disk *disk, const struct disk_space *space)
{
	bool was = atomic_load(&disk->space.low), low;
	uint64_t threshold;

	atomic_store(&disk->space.used, space->used);
	atomic_store(&disk->space.free, space->free);
	atomic_store(&disk->space.total, space->total);
	threshold = disk_space_threshold(disk);
	low = threshold && may_grow(disk, space) &&
	      space->free <= threshold + (was ? space->total / 100 * PERCENT_BACK : 0);
	if (low == was)
		return false;
	atomic_store(&disk->space.low, low);
	if (low)
		log_warning("disk '%s': its file system is more than %d%% full, %llu MiB are left: "
			    "make room before writes fail",
			    disk->name, percent_of(disk),
			    (unsigned long long)(space->free >> MIB_SHIFT));
	else
		log_notice("disk '%s': its file system has room again, %llu MiB", disk->name,
			   (unsigned long long)(space->free >> MIB_SHIFT));
	return low;
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
