/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Copying from file to file, or within one: the file system lets both share the blocks where it
 * can, and else copies without the data leaving the kernel. It blocks: see copy.h.
 */
#include "blk/uring_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

/* What reads as zeroes takes no space in the copy either; false: it has to be copied. */
static bool copy_hole(struct disk *to, off_t off, size_t len)
{
	return to->can_unmap &&
	       !fallocate(uring_disk(to)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
			  (off_t)len);
}

/* 0 or negative errno. */
static int copy_data(int from, off_t from_off, int to, off_t to_off, size_t len)
{
	while (len) {
		/* It moves the offsets on. */
		ssize_t n = copy_file_range(from, &from_off, to, &to_off, len, 0);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		/* The end of the file inside the disk: somebody truncated it. */
		if (!n)
			return -EIO;
		if (n > 0)
			len -= (size_t)n;
	}
	return 0;
}

int uring_copy(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
	       uint64_t nblocks)
{
	int ret = 0;

	while (nblocks && !ret) {
		off_t from_off = (off_t)(from_lba << BLK_SECTOR_SHIFT);
		off_t to_off = (off_t)(to_lba << BLK_SECTOR_SHIFT);
		uint64_t n;
		bool data = uring_mapped(from, from_lba, nblocks, &n);

		if (data || !copy_hole(to, to_off, n << BLK_SECTOR_SHIFT))
			ret = copy_data(uring_disk(from)->fd, from_off, uring_disk(to)->fd, to_off,
					n << BLK_SECTOR_SHIFT);
		from_lba += n;
		to_lba += n;
		nblocks -= n;
	}
	return ret;
}
