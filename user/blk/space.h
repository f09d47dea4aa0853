/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much room a file's file system has left: what tells an administrator, and SCSI initiators
 * (SBC-4 4.7.3.7), that a thin disk will soon have none, before writes fail.
 *
 * A file system that hangs does not answer when it is asked, so that is done by a thread that
 * nobody waits for, and which may still be at it when the disk is closed. The same look tells
 * whether the file is still there.
 */
#ifndef STGT_BLK_SPACE_H
#define STGT_BLK_SPACE_H

#include "blk/file_loss.h"
#include <pthread.h>

/* What is known of the file system under a disk, shared by the disk and who watches it. */
struct disk_room {
	/* To be read by any thread; bytes. */
	_Atomic uint64_t used;	/* by the file */
	_Atomic uint64_t free;	/* by nobody */
	_Atomic uint64_t total; /* free, and used by anybody, as df(1) counts */
	atomic_bool low;	/* less is free than the soft threshold says, see below */
	atomic_int percent;	/* the threshold: as in struct disk_spec, but 0 is 0 */
	atomic_uint loss;	/* of the file: enum file_loss */
	atomic_uint refs;
	pthread_mutex_t lock;	 /* for what follows */
	const struct disk *disk; /* NULL: it was closed */
	bool looking;		 /* without the lock */
	int fd;			 /* of the file, but without the disk's lock on it */
	char *path;		 /* where it was opened */
};

/* When a file is opened: looks for the first time. 0 or negative errno. Control thread. */
int disk_space_open(struct disk *disk, int fd);
void disk_space_close(struct disk *disk);

/* Another user of disk->space, which outlives the disk for as long as need be. */
struct disk_room *disk_space_hold(const struct disk *disk);
void disk_space_put(struct disk_room *room);

enum disk_space_news {
	DISK_SPACE_NONE,
	DISK_SPACE_SHORT, /* the soft threshold was crossed just now */
	DISK_SPACE_GONE,  /* the disk was closed */
};

/*
 * Looks, which may take for ever, and logs what changed. Short of space is a disk that may still
 * grow when no more is free than the threshold; and until somewhat more is. One thread at a time.
 */
enum disk_space_news disk_space_look(struct disk_room *room);

/* Another threshold, as in struct disk_spec, from the next look on. Control thread. */
void disk_space_set(struct disk *disk, int soft_threshold);

/* Free bytes; 0: there is no threshold. Any thread. */
uint64_t disk_space_threshold(const struct disk *disk);

/* "90%", "90" or "off", as in struct disk_spec. False: it is something else. */
bool disk_space_parse(const char *text, int *soft_threshold);
#define DISK_SPACE_TEXT 16
void disk_space_format(int soft_threshold, char text[DISK_SPACE_TEXT]);

#endif
