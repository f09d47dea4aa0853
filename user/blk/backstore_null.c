/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A disk that stores nothing and reads as zeroes: what the rest of the path costs by itself.
 */
#include "blk/backstore.h"
#include "blk/identity.h"

#include <string.h>

static int null_open(struct disk *disk, struct error *err)
{
	disk->nblocks = disk->spec.size >> BLK_SECTOR_SHIFT;
	disk->physical_block = disk->spec.block_size ? disk->spec.block_size : 4096;
	disk->atomic_max = UINT32_MAX; /* nothing outlives a power cut */
	disk->read_only = disk->spec.read_only;
	disk->can_unmap = true;
	disk_identity_init(disk, disk->name);
	return 0;
}

static void null_close(struct disk *disk)
{
}

static int64_t null_size(struct disk *disk, struct error *err)
{
	return (int64_t)(disk->spec.size >> BLK_SECTOR_SHIFT);
}

static void null_submit(struct disk *disk, struct blk_io *io)
{
	/* Without this the reply would carry what another initiator left in the frames. */
	if (io->op == BLK_READ)
		for (uint32_t i = 0; i < io->sgl.nspans; i++)
			memset(arena_ptr(io->queue->arena, io->sgl.spans[i].addr), 0,
			       io->sgl.spans[i].len);
	blk_complete(io, BLK_OK);
}

const struct backstore_ops backstore_null = {
	.name = "null",
	.instance = sizeof(struct disk),
	.open = null_open,
	.close = null_close,
	.size = null_size,
	.submit = null_submit,
};
