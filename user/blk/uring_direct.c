/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct I/O is planned from what the kernel says it needs, never from errors: a misaligned request
 * may succeed by luck. What does not fit goes through an aligned copy and stays direct, because
 * mixing in the page cache is not safe: a page made dirty beside a direct write in flight would
 * later write that one's old data back. Where a sector is less than the store's block, writes read
 * the block around it first, and disk->atom keeps two of them out of the same block.
 */
#include "blk/uring_disk.h"

#include <stdlib.h>

struct uring_extent uring_extent(const struct blk_io *io)
{
	uint64_t off = io->lba << BLK_SECTOR_SHIFT, end = off + io->sgl.len;
	uint64_t block = uring_disk(io->disk)->offset_align;

	if (io->bounce) {
		off &= ~(block - 1);
		end = (end + block - 1) & ~(block - 1);
	}
	return (struct uring_extent){.off = off, .len = (uint32_t)(end - off)};
}

bool uring_direct_fits(const struct blk_io *io)
{
	const struct uring_disk *u = uring_disk(io->disk);
	struct uring_extent whole = uring_extent(io);

	if ((whole.off | whole.len) & (u->offset_align - 1))
		return false;
	for (uint32_t i = 0; i < io->sgl.nspans; i++) {
		const struct span *span = &io->sgl.spans[i];
		uintptr_t at = (uintptr_t)arena_ptr(io->queue->arena, span->addr);

		if (at & (u->mem_align - 1) || span->len & (u->offset_align - 1))
			return false;
	}
	return true;
}

bool uring_bounce_partial(const struct blk_io *io)
{
	uint64_t off = io->lba << BLK_SECTOR_SHIFT;

	return (off | io->sgl.len) & (uring_disk(io->disk)->offset_align - 1);
}

bool uring_bounce_get(struct blk_io *io)
{
	const struct uring_disk *u = uring_disk(io->disk);
	size_t align = u->mem_align > BLK_SECTOR ? u->mem_align : BLK_SECTOR;

	/* Room for the blocks that both ends may add; a multiple of the alignment. */
	io->bounce = aligned_alloc(align, (io->sgl.len + 2ull * u->offset_align + align - 1) &
						  ~(align - 1));
	if (!io->bounce)
		return false;
	io->queue->bounces++;
	return true;
}

void uring_bounce_copy(const struct blk_io *io)
{
	uint64_t skip = (io->lba << BLK_SECTOR_SHIFT) - uring_extent(io).off;
	uint8_t *at = (uint8_t *)io->bounce + skip;

	if (io->op == BLK_READ)
		sgl_copy_in(io->queue->arena, &io->sgl, 0, at, io->sgl.len);
	else
		sgl_copy_out(io->queue->arena, &io->sgl, 0, at, io->sgl.len);
}
