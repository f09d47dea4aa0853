/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Copies that the store carries out itself: within a disk, or from one to another of the same
 * backstore. No file system copies without blocking whoever asks, so it is asked on a thread of its
 * own, one copy after the other; others go on while it hangs.
 *
 * Both ranges are in their disks' tables (overlap.h) while a copy waits and runs: what would change
 * the source, and whatever touches the destination, executes before it or after it.
 */
#ifndef STGT_BLK_COPY_H
#define STGT_BLK_COPY_H

#include "blk/blk.h"

/* Sectors of one copy, at most: nothing stops it once it has begun. */
#define BLK_COPY_MAX ((4u << 20) >> BLK_SECTOR_SHIFT)

/* Starts the threads. 0 or negative errno. Control thread. */
int copier_open(struct copier **copier, struct error *err);
/* NULL is fine. Every copy has ended. Drains `control`, if any, meanwhile. */
void copier_close(struct copier *copier, struct mailbox *control);

/* The submitter owns it until `done`, which runs once, as that of struct blk_io. */
struct blk_copy {
	struct disk *from, *to;
	uint64_t from_lba, to_lba, nblocks; /* one at least, BLK_COPY_MAX at most */
	uint32_t from_era, to_era;	    /* see struct blk_io */
	unsigned int flags;		    /* BLK_FUA or 0 */
	void (*done)(struct blk_copy *copy);
	/*
	 * Valid in done. BLK_ENOTSUP: the store does not copy this, or failed to and does not say
	 * which of the two it was; the destination's content is undefined then, and whoever reads
	 * and writes instead will find out. BLK_EIO and BLK_ENOSPC are the destination's.
	 */
	enum blk_status status;

	/* From here on: blk's own while it is submitted. */
	struct blk_queue *queue;
	struct message message;	   /* to a thread of the copier's and back */
	struct blk_io read, write; /* its places in the tables */
	unsigned int granted, ended;
};

/*
 * Copies; what cannot be done is said by copy->status. Without a queue->copier, nothing is copied
 * by the store. Ranges of one disk that overlap are refused with BLK_ENOTSUP.
 */
void blk_copy(struct blk_queue *queue, struct blk_copy *copy);

#endif
