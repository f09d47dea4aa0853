/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests on a file through io_uring, with and without a registered arena. */
#include "blk/uring_disk.h"
#include "blk_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int bench_open_fixed(void **state)
{
	if (bench_open(state))
		return -1;
	return ring_register_buffer(&bench.ring, bench.arena.base, bench.arena.size);
}

/* What other programs see in the file. */
static void assert_file_pattern(uint64_t lba, uint32_t nblocks, unsigned int seed)
{
	uint8_t bytes[16 * BLK_SECTOR], expected[sizeof(bytes)];
	int fd = open(bench.file, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	bench_pattern(expected, lba, nblocks, seed);
	assert_int_equal(pread(fd, bytes, nblocks * BLK_SECTOR, (off_t)(lba * BLK_SECTOR)),
			 nblocks * BLK_SECTOR);
	close(fd);
	assert_memory_equal(bytes, expected, nblocks * BLK_SECTOR);
}

static void test_round_trip(void **state)
{
	struct disk *disk = bench_disk("%s,size=64M", bench.file);

	for (unsigned int flags = 0; flags <= BLK_FUA; flags += BLK_FUA) {
		bench_write_pattern(disk, 0, 1, flags + 1, flags);
		bench_write_pattern(disk, 131056, 16, flags + 1, flags);
		bench_write_pattern(disk, 77, 16, flags + 1, flags);
		bench_assert_pattern(disk, 0, 1, flags + 1);
		bench_assert_pattern(disk, 131056, 16, flags + 1);
		bench_assert_pattern(disk, 77, 16, flags + 1);
		bench_assert_pattern(disk, 80, 3, flags + 1);
		bench_assert_zero(disk, 1, 16);
		assert_file_pattern(77, 16, flags + 1);
	}
	assert_int_equal(bench_range(disk, BLK_FLUSH, 0, 0, 0), BLK_OK);
	assert_int_equal(bench.queue.bounces, 0);
	disk_put(disk);
}

/* As a jumbo frame arrives: pieces of several frames, cut anywhere. */
static void write_pieces(struct disk *disk, uint64_t lba, unsigned int seed, unsigned int flags)
{
	uint8_t bytes[16 * BLK_SECTOR];
	struct bench_io b;

	bench_pattern(bytes, lba, 16, seed);
	bench_io_init(&b, BLK_WRITE, lba, 16, flags);
	bench_io_span(&b, 3 * ARENA_FRAME_SIZE + 512, 3584);
	bench_io_span(&b, 1 * ARENA_FRAME_SIZE + 476, 3620);
	bench_io_span(&b, 7 * ARENA_FRAME_SIZE + 476, 988);
	sgl_copy_in(&bench.arena, &b.io.sgl, 0, bytes, sizeof(bytes));
	assert_int_equal(bench_io_run(disk, &b), BLK_OK);
	bench_assert_pattern(disk, lba, 16, seed);
	assert_file_pattern(lba, 16, seed);
}

static void test_payload_in_pieces(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);

	write_pieces(disk, 5, 1, 0);
	write_pieces(disk, 5, 2, BLK_FUA);
	/* The same where the kernel has no vectored writes from registered buffers. */
	bench.ring.vectored_fixed = false;
	write_pieces(disk, 5, 3, BLK_FUA);
	assert_int_equal(bench.queue.bounces, 0);
	disk_put(disk);
}

static void test_read_into_pieces(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t bytes[2 * BLK_SECTOR], expected[sizeof(bytes)];
	struct bench_io b;

	bench_write_pattern(disk, 9, 2, 1, 0);
	bench_io_init(&b, BLK_READ, 9, 2, 0);
	bench_io_span(&b, 3 * ARENA_FRAME_SIZE, 500);
	bench_io_span(&b, 1 * ARENA_FRAME_SIZE, 524);
	assert_int_equal(bench_io_run(disk, &b), BLK_OK);
	sgl_copy_out(&bench.arena, &b.io.sgl, 0, bytes, sizeof(bytes));
	bench_pattern(expected, 9, 2, 1);
	assert_memory_equal(bytes, expected, sizeof(bytes));
	disk_put(disk);
}

static void test_more_in_flight_than_the_ring_holds(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	static struct bench_io many[200];

	for (unsigned int i = 0; i < 200; i++) {
		uint32_t addr = i % (4 * BENCH_RX_FRAMES) * 1024;

		bench_io_init(&many[i], i % 2 ? BLK_WRITE : BLK_READ, i / 3, 2,
			      i % 4 ? BLK_FUA : 0);
		bench_io_span(&many[i], addr, 1024);
		blk_submit(disk, &bench.queue, &many[i].io);
	}
	for (unsigned int i = 0; i < 200; i++) {
		bench_io_wait(&many[i]);
		assert_int_equal(many[i].io.status, BLK_OK);
	}
	disk_put(disk);
}

static void test_writes_on_one_place_keep_their_order(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	struct bench_io writes[16];

	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < 16; i++) {
			uint8_t bytes[BLK_SECTOR];

			bench_io_init(&writes[i], BLK_WRITE, 3, 1, i % 2 ? BLK_FUA : 0);
			bench_io_span(&writes[i], i * ARENA_FRAME_SIZE, BLK_SECTOR);
			bench_pattern(bytes, 3, 1, round * 16 + i);
			sgl_copy_in(&bench.arena, &writes[i].io.sgl, 0, bytes, sizeof(bytes));
			blk_submit(disk, &bench.queue, &writes[i].io);
		}
		for (unsigned int i = 0; i < 16; i++)
			bench_io_wait(&writes[i]);
		bench_assert_pattern(disk, 3, 1, round * 16 + 15);
	}
	disk_put(disk);
}

static void test_unmap_and_zeroes(void **state)
{
	struct disk *disk = bench_disk("%s,size=64M", bench.file);
	struct stat before, after;

	if (!disk->can_unmap) {
		disk_put(disk);
		skip();
	}
	for (uint64_t lba = 0; lba < 1024; lba += 16)
		bench_write_pattern(disk, lba, 16, 1, 0);
	assert_int_equal(bench_range(disk, BLK_FLUSH, 0, 0, 0), BLK_OK);
	stat(bench.file, &before);
	assert_int_equal(bench_range(disk, BLK_UNMAP, 3, 1000, BLK_FUA), BLK_OK);
	stat(bench.file, &after);
	assert_true(after.st_blocks < before.st_blocks - 900);
	assert_int_equal(after.st_size, 64 << 20);
	bench_assert_pattern(disk, 0, 3, 1);
	bench_assert_zero(disk, 3, 16);
	bench_assert_zero(disk, 987, 16);
	bench_assert_pattern(disk, 1003, 13, 1);

	bench_write_pattern(disk, 200, 16, 2, 0);
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 201, 2, 0), BLK_OK);
	bench_assert_pattern(disk, 200, 1, 2);
	bench_assert_zero(disk, 201, 2);
	bench_assert_pattern(disk, 203, 13, 2);
	/* The whole disk, and its very end. */
	assert_int_equal(bench_range(disk, BLK_UNMAP, 0, 131072, 0), BLK_OK);
	bench_assert_zero(disk, 131056, 16);
	/* Zeroes that take no space, and give back what there was. */
	stat(bench.file, &before);
	bench_write_pattern(disk, 200, 16, 2, BLK_FUA);
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 3, 131000, BLK_GIVE_BACK), BLK_OK);
	bench_assert_zero(disk, 200, 16);
	stat(bench.file, &after);
	assert_true(after.st_blocks <= before.st_blocks);
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 131071, 1, BLK_FUA), BLK_OK);
	assert_int_equal(bench_range(disk, BLK_UNMAP, 131071, 2, 0), BLK_ERANGE);
	stat(bench.file, &after);
	assert_int_equal(after.st_size, 64 << 20);
	disk_put(disk);
}

static void test_truncated_file_is_an_error(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t bytes[16 * BLK_SECTOR];

	bench_write_pattern(disk, 0, 16, 1, 0);
	assert_int_equal(truncate(bench.file, 4 * BLK_SECTOR + 100), 0);
	bench_assert_pattern(disk, 0, 4, 1);
	assert_int_equal(bench_transfer(disk, BLK_READ, 0, 16, 0, bytes), BLK_EIO);
	assert_int_equal(bench_transfer(disk, BLK_READ, 4, 1, 0, bytes), BLK_EIO);
	assert_int_equal(bench_transfer(disk, BLK_READ, 100, 1, 0, bytes), BLK_EIO);
	disk_put(disk);
}

static void test_failing_writes(void **state)
{
	const struct rlimit limit = {64 * BLK_SECTOR, RLIM_INFINITY};
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t bytes[16 * BLK_SECTOR];
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN);
	bench_pattern(bytes, 56, 16, 1);
	getrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned int flags = 0; flags <= BLK_FUA; flags += BLK_FUA) {
		assert_int_equal(bench_transfer(disk, BLK_WRITE, 64, 1, flags, bytes), BLK_EIO);
		/* Half of it fits: the rest is tried, and fails. */
		assert_int_equal(bench_transfer(disk, BLK_WRITE, 56, 16, flags, bytes), BLK_EIO);
		assert_int_equal(bench_transfer(disk, BLK_WRITE, 48, 16, flags, bytes), BLK_OK);
	}
	setrlimit(RLIMIT_FSIZE, &before);
	bench_write_pattern(disk, 56, 16, 2, 0);
	bench_assert_pattern(disk, 56, 16, 2);
	disk_put(disk);
}

/* Quick writes to the page cache need no second look at the ring; after a slow one they take it. */
static void test_cached_writes_are_done_at_once(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	struct bench_io b;

	bench_io_init(&b, BLK_WRITE, 0, 8, 0);
	bench_io_span(&b, ARENA_PAYLOAD, 8 * BLK_SECTOR);
	blk_submit(disk, &bench.queue, &b.io);
	assert_true(b.done);
	assert_int_equal(b.io.status, BLK_OK);

	bench_io_init(&b, BLK_WRITE, 0, 8, BLK_FUA);
	bench_io_span(&b, ARENA_PAYLOAD, 8 * BLK_SECTOR);
	blk_submit(disk, &bench.queue, &b.io);
	assert_false(b.done);
	bench_io_wait(&b);

	atomic_store(&uring_disk(disk)->inline_after, UINT64_MAX);
	bench_io_init(&b, BLK_WRITE, 0, 8, 0);
	bench_io_span(&b, ARENA_PAYLOAD, 8 * BLK_SECTOR);
	blk_submit(disk, &bench.queue, &b.io);
	assert_false(b.done);
	bench_io_wait(&b);
	assert_int_equal(b.io.status, BLK_OK);
	disk_put(disk);
}

/* Against a model in memory, everything mixed. */
static void test_sequence_of_everything(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t model[2048][BLK_SECTOR] = {0};
	uint8_t bytes[16 * BLK_SECTOR];

	srand(3);
	for (unsigned int i = 0; i < 1500; i++) {
		uint32_t n = 1 + (uint32_t)rand() % 16;
		uint64_t lba = (uint64_t)rand() % (64 - n);

		switch (rand() % 6) {
		case 0:
		case 1:
			bench_pattern(bytes, lba, n, i);
			memcpy(model[lba], bytes, n * BLK_SECTOR);
			assert_int_equal(bench_transfer(disk, BLK_WRITE, lba, n,
							rand() % 8 ? 0 : BLK_FUA, bytes),
					 BLK_OK);
			break;
		case 2:
			memset(model[lba], 0, n * BLK_SECTOR);
			assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, lba, n, 0), BLK_OK);
			break;
		case 3:
			if (rand() % 16 == 0)
				assert_int_equal(bench_range(disk, BLK_FLUSH, 0, 0, 0), BLK_OK);
			break;
		default:
			assert_int_equal(bench_transfer(disk, BLK_READ, lba, n, 0, bytes), BLK_OK);
			assert_memory_equal(bytes, model[lba], n * BLK_SECTOR);
		}
	}
	disk_put(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TESTS(test_round_trip),
		BENCH_TESTS(test_payload_in_pieces),
		BENCH_TESTS(test_read_into_pieces),
		BENCH_TESTS(test_more_in_flight_than_the_ring_holds),
		BENCH_TESTS(test_writes_on_one_place_keep_their_order),
		BENCH_TESTS(test_unmap_and_zeroes),
		BENCH_TESTS(test_truncated_file_is_an_error),
		BENCH_TESTS(test_failing_writes),
		BENCH_TESTS(test_cached_writes_are_done_at_once),
		BENCH_TESTS(test_sequence_of_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
