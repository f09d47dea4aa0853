/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct I/O is planned from what the kernel says it needs, never from errors: a misaligned request
 * may succeed by luck. What does not fit goes through an aligned copy and stays direct, because
 * mixing in the page cache is not safe: a page made dirty beside a direct write in flight would
 * later write that one's old data back. Where a sector is less than the store's block, writes read
 * the block around it first, and disk->atom keeps two of them out of the same block.
 */
#include "blk/encryption.h"
#include "blk/uring_disk.h"

struct uring_extent uring_extent(const struct blk_io *io)
{
	uint64_t off = io->lba << BLK_SECTOR_SHIFT, end = off + io->sgl.len;
	uint64_t block = uring_disk(io->disk)->offset_align;

	if (io->bounce && block) {
		off &= ~(block - 1);
		end = (end + block - 1) & ~(block - 1);
	}
	return (struct uring_extent){.off = off, .len = (uint32_t)(end - off)};
}

bool uring_direct_fits(const struct blk_io *io)
{
	const struct uring_disk *u = uring_disk(io->disk);

	if (!u->offset_align)
		return true;
	if (((io->lba << BLK_SECTOR_SHIFT) | io->sgl.len) & (u->offset_align - 1))
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
	uint64_t off = io->lba << BLK_SECTOR_SHIFT, block = uring_disk(io->disk)->offset_align;

	return block && (off | io->sgl.len) & (block - 1);
}

bool uring_is_copied(const struct blk_io *io)
{
	if (!uring_direct_fits(io))
		return true;
	/* The initiator's frame stays as it is: nothing is encrypted in place. */
	if (!io->disk->encryption || io->op == BLK_WRITE)
		return io->disk->encryption;
	for (uint32_t i = 0; i < io->sgl.nspans; i++)
		if (io->sgl.spans[i].len % BLK_SECTOR)
			return true;
	return false;
}

/* Where the bounce buffer has the payload. */
static uint8_t *uring_bounce_payload(const struct blk_io *io)
{
	uint64_t skip = (io->lba << BLK_SECTOR_SHIFT) - uring_extent(io).off;

	return (uint8_t *)io->bounce + skip;
}

bool uring_bounce_fill(const struct blk_io *io)
{
	uint8_t *at = uring_bounce_payload(io);

	sgl_copy_out(io->queue->arena, &io->sgl, 0, at, io->sgl.len);
	return encryption_encrypt(io->disk, io->lba, at, io->sgl.len);
}

bool uring_read_finish(const struct blk_io *io)
{
	uint64_t lba = io->lba;

	if (io->bounce) {
		uint8_t *at = uring_bounce_payload(io);
		bool good = encryption_decrypt(io->disk, lba, at, io->sgl.len);

		sgl_copy_in(io->queue->arena, &io->sgl, 0, at, io->sgl.len);
		return good;
	}
	for (uint32_t i = 0; io->disk->encryption && i < io->sgl.nspans; i++) {
		const struct span *span = &io->sgl.spans[i];

		if (!encryption_decrypt(io->disk, lba, arena_ptr(io->queue->arena, span->addr),
					span->len))
			return false;
		lba += span->len >> BLK_SECTOR_SHIFT;
	}
	return true;
}
