/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a kind of store provides. A backstore sees checked ranges and requests that do not conflict
 * with any other in flight; it knows nothing of SCSI, ATA, initiators or ordering.
 */
#ifndef STGT_BLK_BACKSTORE_H
#define STGT_BLK_BACKSTORE_H

#include "blk/blk.h"

struct backstore_ops {
	const char *name;
	size_t instance; /* bytes of the backstore's own struct, which begins with `struct disk` */
	/*
	 * Opens disk->spec and sets nblocks, physical_block, atomic_max, read_only, writeback,
	 * can_unmap, serial and wwn, and has encryption_open() look at its key file. 0 or negative
	 * errno with `err` set. Control thread.
	 */
	int (*open)(struct disk *disk, struct error *err);
	void (*close)(struct disk *disk);
	/* Takes away what opening made, unless it has been written to; NULL: opening makes nothing.
	 */
	void (*unmake)(struct disk *disk);
	/* The size in sectors as the store has it now, or negative errno. Control thread. */
	int64_t (*size)(struct disk *disk, struct error *err);
	/* Makes the store larger; NULL: it cannot be. 0 or negative errno. Control thread. */
	int (*grow)(struct disk *disk, uint64_t size, struct error *err);
	/*
	 * Whether the sector at `lba` takes space, and in *n how many from there, at most `limit`,
	 * are alike. NULL: all do. Any thread.
	 */
	bool (*mapped)(struct disk *disk, uint64_t lba, uint64_t limit, uint64_t *n);
	/*
	 * Copies between two disks of this backstore, or within one, whose copy_align is not 0:
	 * ranges that do not overlap, of whole units of both. Blocks; any thread. 0 or negative
	 * errno. NULL: it cannot.
	 */
	int (*copy)(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
		    uint64_t nblocks);
	/* Starts the request; ends in one blk_complete(), perhaps before it returns. */
	void (*submit)(struct disk *disk, struct blk_io *io);
};

extern const struct backstore_ops backstore_uring; /* files and block devices */
extern const struct backstore_ops backstore_mem;   /* ram: */
extern const struct backstore_ops backstore_null;  /* null: */

#endif
