/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/backstore.h"
#include "blk/identity.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

struct mem_disk {
	struct disk disk;
	uint8_t *base;
	uint64_t size;
	_Atomic uint64_t *written; /* a bit for each page of MEM_PAGE bytes; mapped like base */
};

#define MEM_PAGE 4096u

static struct mem_disk *mem_disk(struct disk *disk)
{
	return container_of(disk, struct mem_disk, disk);
}

/* ---- which pages take space ---- */

static size_t map_bytes(const struct mem_disk *mem)
{
	return (mem->size / MEM_PAGE / 64 + 1) * sizeof(uint64_t);
}

static void note_written(struct mem_disk *mem, uint64_t from, uint64_t to)
{
	for (uint64_t page = from / MEM_PAGE; page * MEM_PAGE < to; page++) {
		uint64_t bit = 1ull << page % 64;

		/* Mostly it is known: a look costs less than the bus does. */
		if (!(atomic_load_explicit(&mem->written[page / 64], memory_order_relaxed) & bit))
			atomic_fetch_or(&mem->written[page / 64], bit);
	}
}

static void note_freed(struct mem_disk *mem, uint64_t from, uint64_t to)
{
	for (uint64_t page = (from + MEM_PAGE - 1) / MEM_PAGE; (page + 1) * MEM_PAGE <= to; page++)
		atomic_fetch_and(&mem->written[page / 64], ~(1ull << page % 64));
}

static bool page_written(const struct mem_disk *mem, uint64_t page)
{
	return atomic_load(&mem->written[page / 64]) >> page % 64 & 1;
}

static bool mem_mapped(struct disk *disk, uint64_t lba, uint64_t limit, uint64_t *n)
{
	const struct mem_disk *mem = mem_disk(disk);
	uint64_t page = (lba << BLK_SECTOR_SHIFT) / MEM_PAGE;
	uint64_t end = (lba + limit) << BLK_SECTOR_SHIFT;
	bool mapped = page_written(mem, page);

	do
		page++;
	while (page * MEM_PAGE < end && page_written(mem, page) == mapped);
	*n = (page * MEM_PAGE < end ? page * MEM_PAGE >> BLK_SECTOR_SHIFT : lba + limit) - lba;
	return mapped;
}

/*
 * All of it now, in huge pages where there are any: random access in small ones pays more for
 * finding the memory than for copying it.
 */
static int mem_populate(struct mem_disk *mem, struct error *err)
{
	struct sysinfo system;

	/* Asking for more than there is would have the kernel kill somebody. */
	if (sysinfo(&system) == 0 &&
	    mem->size > ((uint64_t)system.totalram + system.totalswap) * system.mem_unit)
		return error_set(err, ENOMEM, "this machine has no %llu bytes of memory",
				 (unsigned long long)mem->size);
	madvise(mem->base, mem->size, MADV_HUGEPAGE);
	if (madvise(mem->base, mem->size, MADV_POPULATE_WRITE))
		return error_set(err, errno, "no memory for %llu bytes: %s",
				 (unsigned long long)mem->size, strerror(errno));
	return 0;
}

/*
 * Unless all of it is asked for, memory is taken when it is first written, so a large disk costs
 * what is in it; huge pages then would make some first writes wait while 2 MiB are cleared.
 */
static int mem_map(struct mem_disk *mem, bool all, struct error *err)
{
	int ret = 0;

	mem->base = mmap(NULL, mem->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->base == MAP_FAILED)
		return error_set(err, errno, "no address space for %llu bytes: %s",
				 (unsigned long long)mem->size, strerror(errno));
	if (all)
		ret = mem_populate(mem, err);
	if (ret)
		munmap(mem->base, mem->size);
	return ret;
}

static int mem_open(struct disk *disk, struct error *err)
{
	struct mem_disk *mem = mem_disk(disk);
	int ret;

	mem->size = disk->spec.size;
	ret = mem_map(mem, disk->spec.prealloc, err);
	if (ret)
		return ret;
	mem->written = mmap(NULL, map_bytes(mem), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->written == MAP_FAILED) {
		munmap(mem->base, mem->size);
		return error_set(err, errno, "no memory for a map of the disk");
	}
	disk->nblocks = mem->size >> BLK_SECTOR_SHIFT;
	disk->physical_block = disk->spec.block_size ? disk->spec.block_size : 4096;
	disk->atomic_max = UINT32_MAX; /* nothing outlives a power cut */
	disk->read_only = disk->spec.read_only;
	disk->can_unmap = true;
	disk->copy_align = BLK_SECTOR;
	disk_identity_init(disk, disk->name);
	return 0;
}

static void mem_close(struct disk *disk)
{
	struct mem_disk *mem = mem_disk(disk);

	munmap((void *)mem->written, map_bytes(mem));
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

static void mem_clear(struct mem_disk *mem, uint64_t from, uint64_t to)
{
	mem_zero(mem, from, to);
	note_freed(mem, from, to);
}

/* Memory that was taken in advance stays taken: whoever asks writes the zeroes, piece by piece. */
static bool mem_cannot_zero(const struct mem_disk *mem, const struct blk_io *io)
{
	return io->op == BLK_WRITE_ZEROES && !(io->flags & BLK_GIVE_BACK) &&
	       mem->disk.spec.prealloc;
}

static int mem_copy(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
		    uint64_t nblocks)
{
	struct mem_disk *mem = mem_disk(to);
	uint64_t n;

	for (; nblocks; nblocks -= n, from_lba += n, to_lba += n) {
		bool mapped = mem_mapped(from, from_lba, nblocks, &n);
		uint64_t at = to_lba << BLK_SECTOR_SHIFT, end = at + (n << BLK_SECTOR_SHIFT);

		if (mapped) {
			note_written(mem, at, end);
			memcpy(mem->base + at,
			       mem_disk(from)->base + (from_lba << BLK_SECTOR_SHIFT), end - at);
		} else {
			mem_clear(mem, at, end);
		}
	}
	return 0;
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
		note_written(mem, from, from + len);
		sgl_copy_out(io->queue->arena, &io->sgl, 0, mem->base + from, io->sgl.len);
		break;
	case BLK_UNMAP:
	case BLK_WRITE_ZEROES:
		if (mem_cannot_zero(mem, io)) {
			blk_complete(io, BLK_ENOTSUP);
			return;
		}
		mem_clear(mem, from, from + len);
		break;
	case BLK_FLUSH:
	case BLK_CRYPTO_ERASE: /* refused before, as there is no key */
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
	.mapped = mem_mapped,
	.copy = mem_copy,
	.submit = mem_submit,
};
