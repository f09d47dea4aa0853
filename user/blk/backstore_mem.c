/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/backstore.h"
#include "blk/identity.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct mem_disk {
	struct disk disk;
	uint8_t *base;
	uint64_t size;
};

static struct mem_disk *mem_disk(struct disk *disk)
{
	return container_of(disk, struct mem_disk, disk);
}

/* Pages are taken when they are first written, so a large disk costs what is in it. */
static int mem_open(struct disk *disk, struct error *err)
{
	struct mem_disk *mem = mem_disk(disk);

	mem->size = disk->spec.size;
	mem->base = mmap(NULL, mem->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->base == MAP_FAILED)
		return error_set(err, errno, "no address space for %llu bytes: %s",
				 (unsigned long long)mem->size, strerror(errno));
	disk->nblocks = mem->size >> BLK_SECTOR_SHIFT;
	disk->physical_block = disk->spec.block_size ? disk->spec.block_size : 4096;
	disk->read_only = disk->spec.read_only;
	disk->can_unmap = true;
	disk_identity_init(disk, disk->name);
	return 0;
}

static void mem_close(struct disk *disk)
{
	struct mem_disk *mem = mem_disk(disk);

	munmap(mem->base, mem->size);
}

static int64_t mem_size(struct disk *disk, struct error *err)
{
	return (int64_t)(mem_disk(disk)->size >> BLK_SECTOR_SHIFT);
}

/* Whole pages go back to the system and read as zeroes; what is left at the ends is cleared. */
static void mem_zero(struct mem_disk *mem, uint64_t from, uint64_t to)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t first = (from + page - 1) & ~(page - 1), last = to & ~(page - 1);

	if (first >= last || madvise(mem->base + first, last - first, MADV_DONTNEED)) {
		memset(mem->base + from, 0, to - from);
		return;
	}
	memset(mem->base + from, 0, first - from);
	memset(mem->base + last, 0, to - last);
}

static void mem_submit(struct disk *disk, struct blk_io *io)
{
	struct mem_disk *mem = mem_disk(disk);
	uint64_t from = io->lba << BLK_SECTOR_SHIFT, len = io->nblocks << BLK_SECTOR_SHIFT;

	switch (io->op) {
	case BLK_READ:
		sgl_copy_in(io->queue->arena, &io->sgl, 0, mem->base + from, io->sgl.len);
		break;
	case BLK_WRITE:
		sgl_copy_out(io->queue->arena, &io->sgl, 0, mem->base + from, io->sgl.len);
		break;
	case BLK_UNMAP:
	case BLK_WRITE_ZEROES:
		mem_zero(mem, from, from + len);
		break;
	case BLK_FLUSH:
		break;
	}
	blk_complete(io, BLK_OK);
}

const struct backstore_ops backstore_mem = {
	.name = "ram",
	.instance = sizeof(struct mem_disk),
	.open = mem_open,
	.close = mem_close,
	.size = mem_size,
	.submit = mem_submit,
};
