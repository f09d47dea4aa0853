/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file or block device served through io_uring: shared by its opening (uring_open.c), its
 * requests (backstore_uring.c) and the plan for direct I/O (uring_direct.c).
 */
#ifndef STGT_BLK_URING_DISK_H
#define STGT_BLK_URING_DISK_H

#include "blk/backstore.h"

struct uring_disk {
	struct disk disk;
	int fd;	      /* holds the lock */
	bool created; /* the file was not there before */
	/* Direct I/O, from STATX_DIOALIGN, in bytes; offset_align 0: through the page cache. */
	uint32_t mem_align;
	uint32_t offset_align;
	uint32_t punch_align;	       /* bytes: what holes begin and end at; a power of two */
	_Atomic uint64_t inline_after; /* CLOCK_MONOTONIC, ns: see uring_write_inline() */
	_Atomic uint64_t warn_after;   /* the same clock: when the next failure is logged */
	_Atomic uint64_t unlogged;     /* failures since the last one logged */
};

static inline struct uring_disk *uring_disk(struct disk *disk)
{
	return container_of(disk, struct uring_disk, disk);
}

/* The disk is to have all its space for itself, and keeps it until an initiator gives it back. */
static inline bool uring_keeps_space(const struct disk_spec *spec)
{
	return spec->prealloc || spec->thin == DISK_THIN_OFF;
}

/* The backstore's open, close and size: see struct backstore_ops. */
int uring_open(struct disk *disk, struct error *err);
void uring_close(struct disk *disk);
void uring_unmake(struct disk *disk);
int64_t uring_size(struct disk *disk, struct error *err);
int uring_grow(struct disk *disk, uint64_t size, struct error *err);
bool uring_mapped(struct disk *disk, uint64_t lba, uint64_t limit, uint64_t *n);
/* uring_copy.c: the same; see struct backstore_ops. */
int uring_copy(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
	       uint64_t nblocks);

/* The bytes of the store that a transfer covers. */
struct uring_extent {
	uint64_t off;
	uint32_t len;
};

/* Of the payload, or with io->bounce of the aligned blocks around it. */
struct uring_extent uring_extent(const struct blk_io *io);

/* True when the payload's address, offset and lengths suit the store as they are, by page cache or
 * direct. */
bool uring_direct_fits(const struct blk_io *io);

/* True when a READ or WRITE needs a bounce buffer: for its alignment, or to be encrypted in. */
bool uring_is_copied(const struct blk_io *io);

/* True when a WRITE's ends cut blocks in two, so that the blocks must be read first. */
bool uring_bounce_partial(const struct blk_io *io);

/* Brings a WRITE's payload into its bounce buffer. False: it could not be encrypted. */
bool uring_bounce_fill(const struct blk_io *io);

/* Makes the payload of what a READ has read, wherever that is. False: it could not be decrypted. */
bool uring_read_finish(const struct blk_io *io);

#endif
