/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sparse file on a file system that has no room for all that the file promises, and no direct
 * I/O. The file system is a small tmpfs in a mount namespace of the test's own; skipped without the
 * right.
 */
#include "blk/space.h"
#include "blk_bench.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static bool mounted;

static int setup(void **state)
{
	if (bench_open(state))
		return -1;
	mounted = unshare(CLONE_NEWNS) == 0 &&
		  mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		  mount("tmpfs", bench.dir, "tmpfs", 0, "size=256k") == 0;
	return 0;
}

static int teardown(void **state)
{
	if (mounted && umount2(bench.dir, MNT_DETACH))
		return -1;
	return bench_close(state);
}

static void fill(unsigned int flags)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t bytes[16 * BLK_SECTOR];
	uint64_t lba;

	memset(bytes, 1, sizeof(bytes));
	for (lba = 0; lba < 2048; lba += 16)
		if (bench_transfer(disk, BLK_WRITE, lba, 16, flags, bytes) != BLK_OK)
			break;
	assert_in_range(lba, 256, 512);
	assert_int_equal(bench_transfer(disk, BLK_WRITE, 1024, 16, flags, bytes), BLK_ENOSPC);
	/* What is there can still be written and read; freed space can be used. */
	bench_write_pattern(disk, 0, 16, 1, flags);
	bench_assert_pattern(disk, 0, 16, 1);
	if (disk->can_unmap) {
		assert_int_equal(bench_range(disk, BLK_UNMAP, 0, 128, 0), BLK_OK);
		bench_write_pattern(disk, 1024, 16, 2, flags);
		bench_assert_pattern(disk, 1024, 16, 2);
	}
	disk_put(disk);
}

static void test_cached_writes(void **state)
{
	if (!mounted)
		skip();
	fill(0);
}

static void test_durable_writes(void **state)
{
	if (!mounted)
		skip();
	fill(BLK_FUA);
}

/* A file made for a disk that then cannot be opened goes away again; one that was there stays. */
static void test_refused_after_creation(void **state)
{
	if (!mounted)
		skip();
	bench_refused(EOPNOTSUPP, "direct=off", "%s,size=128K,direct=on", bench.file);
	assert_int_equal(access(bench.file, F_OK), -1);
	disk_put(bench_disk("%s,size=128K", bench.file));
	bench_refused(EOPNOTSUPP, "direct=off", "%s,direct=on", bench.file);
	assert_int_equal(access(bench.file, F_OK), 0);
}

static void test_space_in_advance(void **state)
{
	uint8_t bytes[16 * BLK_SECTOR];
	struct disk *disk;
	struct stat st;

	if (!mounted)
		skip();
	bench_refused(ENOSPC, "cannot take 1048576 bytes", "%s,size=1M,prealloc", bench.file);
	assert_int_equal(access(bench.file, F_OK), -1);
	disk = bench_disk("%s,size=128K,prealloc", bench.file);
	assert_int_equal(stat(bench.file, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 >= 128 << 10);
	memset(bytes, 1, sizeof(bytes));
	for (uint64_t lba = 0; lba < 256; lba += 16)
		assert_int_equal(bench_transfer(disk, BLK_WRITE, lba, 16, 0, bytes), BLK_OK);
	disk_put(disk);
	bench_refused(EINVAL, "prealloc", "%s,prealloc,ro", bench.file);
}

/* ---- the soft threshold ---- */

static bool look(struct disk *disk)
{
	return disk_space_look(disk->space) == DISK_SPACE_SHORT;
}

static void put(struct disk *disk, uint64_t from, uint64_t to)
{
	uint8_t bytes[16 * BLK_SECTOR];

	memset(bytes, 1, sizeof(bytes));
	for (uint64_t lba = from; lba < to; lba += 16)
		assert_int_equal(bench_transfer(disk, BLK_WRITE, lba, 16, 0, bytes), BLK_OK);
}

static void test_threshold(void **state)
{
	struct disk *disk;

	if (!mounted)
		skip();
	disk = bench_disk("%s,size=1M,soft_threshold=50%%", bench.file);
	assert_non_null(disk->space);
	assert_int_equal(disk->space->total, 256 << 10);
	assert_in_range(disk_space_threshold(disk), (128 << 10) - 4096, 128 << 10);
	assert_false(look(disk));
	put(disk, 0, 192);
	assert_false(look(disk));
	assert_int_equal(disk->space->used, 96 << 10);
	put(disk, 192, 288);
	/* Crossed, which is told once. */
	assert_true(look(disk));
	assert_true(disk->space->low);
	assert_int_equal(disk->space->used, 144 << 10);
	assert_in_range(disk->space->free, 1, 112 << 10);
	assert_false(look(disk));
	/* Over, and crossed anew. */
	assert_int_equal(bench_range(disk, BLK_UNMAP, 0, 256, 0), BLK_OK);
	assert_false(look(disk));
	assert_false(disk->space->low);
	put(disk, 0, 256);
	assert_true(look(disk));
	/* Another threshold holds from the next look on. */
	disk_space_set(disk, 95);
	assert_false(look(disk));
	assert_false(disk->space->low);
	disk_space_set(disk, 50);
	assert_true(look(disk));
	disk_put(disk);
}

/* Who never needs more is never short of it; nor who does not want to hear of it. */
static void test_no_threshold(void **state)
{
	struct disk *disk;

	if (!mounted)
		skip();
	disk = bench_disk("%s,size=128K,prealloc,soft_threshold=20%%", bench.file);
	assert_false(look(disk));
	assert_false(disk->space->low);
	disk_put(disk);
	disk = bench_disk("%s,size=1M,soft_threshold=off", bench.file);
	assert_int_equal(disk_space_threshold(disk), 0);
	assert_false(look(disk));
	assert_false(disk->space->low);
	disk_put(disk);
	disk = bench_disk("%s,ro,soft_threshold=20%%", bench.file);
	assert_false(look(disk));
	disk_put(disk);
	disk = bench_disk("ram:1M");
	assert_null(disk->space);
	disk_put(disk);
}

/* What was crossed before anybody looked is known, but nobody is told of a change. */
static void test_short_from_the_beginning(void **state)
{
	struct disk *disk;

	if (!mounted)
		skip();
	disk = bench_disk("%s,size=1M", bench.file);
	put(disk, 0, 448);
	disk_put(disk);
	disk = bench_disk("%s,soft_threshold=50%%", bench.file);
	assert_true(disk->space->low);
	assert_false(look(disk));
	disk_put(disk);
}

/* Who watches may do so for longer than there is a disk, and does not keep its file open. */
static void test_closed_while_watched(void **state)
{
	struct disk_room *room;
	struct disk *disk;

	if (!mounted)
		skip();
	disk = bench_disk("%s,size=1M", bench.file);
	room = disk_space_hold(disk);
	assert_int_equal(disk_space_look(room), DISK_SPACE_NONE);
	disk_put(disk);
	assert_int_equal(room->fd, -1);
	assert_int_equal(disk_space_look(room), DISK_SPACE_GONE);
	disk_space_put(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cached_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_durable_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_after_creation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_space_in_advance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threshold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_threshold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_from_the_beginning, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_while_watched, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
