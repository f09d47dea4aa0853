/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* direct=on: what is aligned goes straight, what is not is copied and counted. */
#include "blk/overlap.h"
#include "blk/uring_disk.h"
#include "blk_bench.h"

#include <errno.h>
#include <sys/mman.h>

static struct disk *direct_disk(void)
{
	struct disk *disk;
	struct error err;
	char text[256];

	snprintf(text, sizeof(text), "%s,size=1M,direct=on", bench.file);
	if (disk_get(&bench.disks, text, &disk, &err)) {
		print_message("%s\n", err.text);
		skip();
	}
	return disk;
}

static int bench_open_fixed(void **state)
{
	if (bench_open(state))
		return -1;
	return ring_register_buffer(&bench.ring, bench.arena.base, bench.arena.size);
}

static void test_aligned_goes_straight(void **state)
{
	struct disk *disk = direct_disk();

	/* Wherever frames put it, a payload at 512 suits a store of 512-byte blocks. */
	if (uring_disk(disk)->offset_align > 512 || uring_disk(disk)->mem_align > 512) {
		disk_put(disk);
		skip();
	}
	bench_write_pattern(disk, 1, 16, 1, 0);
	bench_write_pattern(disk, 40, 3, 2, BLK_FUA);
	bench_assert_pattern(disk, 1, 16, 1);
	bench_assert_pattern(disk, 40, 3, 2);
	bench_assert_pattern(disk, 2, 1, 1);
	assert_int_equal(bench.queue.bounces, 0);
	disk_put(disk);
}

/* Payload at `at` of a frame, cut once at `cut` bytes. */
static enum blk_status transfer_at(struct disk *disk, enum blk_op op, uint64_t lba, uint32_t n,
				   uint32_t at, uint32_t cut, unsigned int seed)
{
	uint8_t bytes[8 * BLK_SECTOR], expected[sizeof(bytes)];
	struct bench_io b;
	enum blk_status status;

	bench_pattern(expected, lba, n, seed);
	bench_io_init(&b, op, lba, n, 0);
	bench_io_span(&b, 2 * ARENA_FRAME_SIZE + at, cut);
	if (cut < n * BLK_SECTOR)
		bench_io_span(&b, 6 * ARENA_FRAME_SIZE + 476, n * BLK_SECTOR - cut);
	if (op == BLK_WRITE)
		sgl_copy_in(&bench.arena, &b.io.sgl, 0, expected, n * BLK_SECTOR);
	status = bench_io_run(disk, &b);
	sgl_copy_out(&bench.arena, &b.io.sgl, 0, bytes, n * BLK_SECTOR);
	assert_memory_equal(bytes, expected, n * BLK_SECTOR);
	return status;
}

static void test_misaligned_is_copied(void **state)
{
	struct disk *disk = direct_disk();

	bench_write_pattern(disk, 0, 24, 9, 0);
	bench.queue.bounces = 0;
	assert_int_equal(transfer_at(disk, BLK_WRITE, 8, 8, 477, 3619, 1), BLK_OK);
	assert_int_equal(bench.queue.bounces, 1);
	assert_int_equal(transfer_at(disk, BLK_WRITE, 3, 1, 501, 512, 2), BLK_OK);
	assert_int_equal(bench.queue.bounces, 2);
	assert_int_equal(transfer_at(disk, BLK_READ, 8, 8, 477, 3619, 1), BLK_OK);
	assert_int_equal(transfer_at(disk, BLK_READ, 3, 1, 501, 512, 2), BLK_OK);
	assert_int_equal(bench.queue.bounces, 4);
	bench_assert_pattern(disk, 0, 3, 9);
	bench_assert_pattern(disk, 3, 1, 2);
	bench_assert_pattern(disk, 4, 4, 9);
	bench_assert_pattern(disk, 8, 8, 1);
	bench_assert_pattern(disk, 16, 8, 9);
	disk_put(disk);
}

/* A store of 4096-byte blocks, made believe: sectors in a block are written by reading it first. */
static void test_sectors_within_blocks(void **state)
{
	struct disk *disk = direct_disk();

	uring_disk(disk)->offset_align = 4096;
	for (uint64_t lba = 0; lba < 32; lba += 8)
		bench_write_pattern(disk, lba, 8, 1, 0);
	bench.queue.bounces = 0;
	bench_write_pattern(disk, 5, 14, 2, 0);
	bench_write_pattern(disk, 30, 1, 3, BLK_FUA);
	assert_int_equal(bench.queue.bounces, 2);
	bench_assert_pattern(disk, 0, 5, 1);
	bench_assert_pattern(disk, 5, 14, 2);
	bench_assert_pattern(disk, 19, 11, 1);
	bench_assert_pattern(disk, 30, 1, 3);
	bench_assert_pattern(disk, 31, 1, 1);
	disk_put(disk);
}

/* One block, eight writers of a sector each, all in flight at once. */
static void test_writers_within_one_block(void **state)
{
	struct disk *disk = direct_disk();
	struct overlap *plain = disk->overlap;
	struct bench_io writes[8];

	uring_disk(disk)->offset_align = 4096;
	disk->overlap = overlap_open(8);
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < 8; i++) {
			uint8_t bytes[BLK_SECTOR];

			bench_io_init(&writes[i], BLK_WRITE, 8 + i, 1, 0);
			bench_io_span(&writes[i], i * ARENA_FRAME_SIZE, BLK_SECTOR);
			bench_pattern(bytes, 8 + i, 1, round);
			sgl_copy_in(&bench.arena, &writes[i].io.sgl, 0, bytes, sizeof(bytes));
			blk_submit(disk, &bench.queue, &writes[i].io);
		}
		for (unsigned int i = 0; i < 8; i++) {
			bench_io_wait(&writes[i]);
			assert_int_equal(writes[i].io.status, BLK_OK);
		}
		bench_assert_pattern(disk, 8, 8, round);
	}
	overlap_close(disk->overlap);
	disk->overlap = plain;
	disk_put(disk);
}

static void test_truncated_file_is_an_error(void **state)
{
	struct disk *disk = direct_disk();
	uint8_t bytes[16 * BLK_SECTOR];

	bench_write_pattern(disk, 0, 16, 1, 0);
	assert_int_equal(truncate(bench.file, 4196), 0);
	assert_int_equal(bench_transfer(disk, BLK_READ, 0, 16, 0, bytes), BLK_EIO);
	assert_int_equal(bench_transfer(disk, BLK_READ, 100, 1, 0, bytes), BLK_EIO);
	disk_put(disk);
}

static void test_where_there_is_none(void **state)
{
	struct error err = {""};
	struct disk *disk;
	char text[128];
	int ret, fd;

	/* A file in memory has no direct I/O on older kernels; newer ones pretend. */
	fd = memfd_create("disk", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	snprintf(text, sizeof(text), "/proc/self/fd/%d,direct=on", fd);
	ret = disk_get(&bench.disks, text, &disk, &err);
	if (ret) {
		print_message("%s\n", err.text);
		assert_int_equal(ret, -EOPNOTSUPP);
		assert_non_null(strstr(err.text, "direct=off"));
	} else {
		bench_write_pattern(disk, 0, 8, 1, 0);
		bench_assert_pattern(disk, 0, 8, 1);
		disk_put(disk);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TESTS(test_aligned_goes_straight),
		BENCH_TESTS(test_misaligned_is_copied),
		BENCH_TESTS(test_sectors_within_blocks),
		BENCH_TESTS(test_writers_within_one_block),
		BENCH_TESTS(test_truncated_file_is_an_error),
		BENCH_TESTS(test_where_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
