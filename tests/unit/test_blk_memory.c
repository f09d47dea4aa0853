/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ram: and null: disks. */
#include "blk_bench.h"

#include <errno.h>

static void test_ram_keeps_what_is_written(void **state)
{
	struct disk *disk = bench_disk("ram:1M");
	uint8_t bytes[2 * BLK_SECTOR];

	assert_true(disk->nblocks == 2048);
	assert_false(disk->read_only);
	assert_false(disk->writeback);
	bench_assert_zero(disk, 0, 8);
	bench_write_pattern(disk, 0, 16, 1, 0);
	bench_write_pattern(disk, 2032, 16, 2, BLK_FUA);
	bench_write_pattern(disk, 3, 2, 3, 0);
	bench_assert_pattern(disk, 0, 3, 1);
	bench_assert_pattern(disk, 3, 2, 3);
	bench_assert_pattern(disk, 5, 11, 1);
	bench_assert_pattern(disk, 2032, 16, 2);
	assert_int_equal(bench_range(disk, BLK_FLUSH, 0, 0, 0), BLK_OK);
	assert_int_equal(bench_transfer(disk, BLK_READ, 2047, 2, 0, bytes), BLK_ERANGE);
	disk_put(disk);
}

static void test_ram_unmaps(void **state)
{
	static const enum blk_op ops[] = {BLK_UNMAP, BLK_WRITE_ZEROES};
	struct disk *disk = bench_disk("ram:1M");

	assert_true(disk->can_unmap);
	for (unsigned int i = 0; i < 2; i++) {
		for (uint64_t lba = 0; lba < 64; lba += 16)
			bench_write_pattern(disk, lba, 16, i, 0);
		/* Page ends, the middle of pages, within one page. */
		assert_int_equal(bench_range(disk, ops[i], 5, 30, 0), BLK_OK);
		assert_int_equal(bench_range(disk, ops[i], 41, 2, BLK_FUA), BLK_OK);
		assert_int_equal(bench_range(disk, ops[i], 48, 8, 0), BLK_OK);
		bench_assert_pattern(disk, 0, 5, i);
		bench_assert_zero(disk, 5, 24);
		bench_assert_zero(disk, 29, 6);
		bench_assert_pattern(disk, 35, 6, i);
		bench_assert_zero(disk, 41, 2);
		bench_assert_pattern(disk, 43, 5, i);
		bench_assert_zero(disk, 48, 8);
		bench_assert_pattern(disk, 56, 8, i);
	}
	disk_put(disk);
}

static void test_ram_larger_than_memory(void **state)
{
	struct disk *disk = bench_disk("ram:1T");

	bench_write_pattern(disk, (1ull << 31) - 8, 8, 1, 0);
	bench_assert_pattern(disk, (1ull << 31) - 8, 8, 1);
	assert_int_equal(bench_range(disk, BLK_UNMAP, 0, 1ull << 31, 0), BLK_OK);
	bench_assert_zero(disk, (1ull << 31) - 8, 8);
	disk_put(disk);
}

/* Bytes, counted page by page: what statm says may be off by some pages for each processor. */
static size_t resident(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kib = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*[^\n]\nRss: %lu kB", &kib), 1);
	fclose(f);
	return (size_t)kib << 10;
}

static void test_ram_in_advance(void **state)
{
	size_t before = resident();
	struct disk *disk = bench_disk("ram:16M,prealloc");

	assert_true(resident() >= before + (15u << 20));
	bench_assert_zero(disk, 0, 8);
	bench_write_pattern(disk, 8, 8, 1, 0);
	bench_assert_pattern(disk, 8, 8, 1);
	/* It is given back only to who wants to. */
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 0, 32768, 0), BLK_ENOTSUP);
	bench_assert_pattern(disk, 8, 8, 1);
	assert_true(resident() >= before + (15u << 20));
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 0, 32768, BLK_GIVE_BACK), BLK_OK);
	bench_assert_zero(disk, 8, 8);
	assert_true(resident() < before + (15u << 20));
	disk_put(disk);
	bench_refused(ENOMEM, "memory", "ram:100T,prealloc");
}

static void test_payload_in_pieces(void **state)
{
	struct disk *disk = bench_disk("ram:1M");
	uint8_t bytes[8 * BLK_SECTOR];
	struct bench_io b;

	bench_pattern(bytes, 7, 8, 4);
	bench_io_init(&b, BLK_WRITE, 7, 8, 0);
	bench_io_span(&b, 0 * ARENA_FRAME_SIZE + 512, 3584);
	bench_io_span(&b, 5 * ARENA_FRAME_SIZE + 476, 11);
	bench_io_span(&b, 2 * ARENA_FRAME_SIZE + 477, 501);
	sgl_copy_in(&bench.arena, &b.io.sgl, 0, bytes, sizeof(bytes));
	assert_int_equal(bench_io_run(disk, &b), BLK_OK);
	bench_assert_pattern(disk, 7, 8, 4);
	disk_put(disk);
}

static void test_null_reads_as_zeroes(void **state)
{
	struct disk *disk = bench_disk("null:1T");

	assert_true(disk->nblocks == 1ull << 31);
	/* The run holds what was sent before: it must not be what the next reader gets. */
	bench_write_pattern(disk, 100, 16, 1, BLK_FUA);
	bench_assert_zero(disk, 100, 16);
	assert_int_equal(bench_range(disk, BLK_FLUSH, 0, 0, 0), BLK_OK);
	assert_int_equal(bench_range(disk, BLK_UNMAP, 0, 1ull << 31, 0), BLK_OK);
	assert_int_equal(bench_range(disk, BLK_UNMAP, 1, 1ull << 31, 0), BLK_ERANGE);
	disk_put(disk);
}

static void test_read_only_words(void **state)
{
	uint8_t bytes[BLK_SECTOR];
	struct disk *ram = bench_disk("ram:1M,ro"), *null = bench_disk("null:1M,ro");

	assert_int_equal(bench_transfer(ram, BLK_WRITE, 0, 1, 0, bytes), BLK_EROFS);
	assert_int_equal(bench_transfer(null, BLK_WRITE, 0, 1, 0, bytes), BLK_EROFS);
	assert_int_equal(bench_range(ram, BLK_UNMAP, 0, 1, 0), BLK_EROFS);
	bench_assert_zero(ram, 0, 1);
	disk_put(ram);
	disk_put(null);
}

static void test_same_words_are_two_disks(void **state)
{
	struct disk *a = bench_disk("ram:1M"), *b = bench_disk("ram:1M");

	assert_ptr_not_equal(a, b);
	bench_write_pattern(a, 0, 1, 1, 0);
	bench_assert_zero(b, 0, 1);
	/* An initiator that took them for two paths to one disk would spoil both. */
	assert_true(a->wwn != b->wwn);
	assert_string_not_equal(a->serial, b->serial);
	disk_put(a);
	disk_put(b);
}

static void test_identity(void **state)
{
	struct disk *a = bench_disk("ram:1M"), *b = bench_disk("ram:2M");
	struct disk *named = bench_disk("null:1M,serial=SN 1,wwn=50014ee2b5c7d9a1,block_size=512");

	char serial[21];
	uint64_t wwn;

	assert_int_equal(strlen(a->serial), 16);
	assert_string_not_equal(a->serial, b->serial);
	assert_int_equal(a->wwn >> 60, 3); /* NAA: locally assigned */
	assert_true(a->wwn != b->wwn);
	snprintf(serial, sizeof(serial), "%s", a->serial);
	wwn = a->wwn;
	disk_put(a);
	a = bench_disk("ram:1M"); /* as after a restart */
	assert_string_equal(a->serial, serial);
	assert_true(a->wwn == wwn);
	assert_string_equal(named->serial, "SN 1");
	assert_true(named->wwn == 0x50014ee2b5c7d9a1);
	assert_int_equal(named->physical_block, 512);
	assert_int_equal(a->physical_block, 4096);
	assert_int_equal(disk_resize(a, NULL), 0);
	disk_put(a);
	disk_put(b);
	disk_put(named);
}

static void test_more_than_addresses(void **state)
{
	bench_refused(ENOMEM, "ram:1000000T", "ram:1000000T");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ram_keeps_what_is_written), TEST(test_ram_unmaps),
		TEST(test_ram_larger_than_memory),    TEST(test_payload_in_pieces),
		TEST(test_null_reads_as_zeroes),      TEST(test_read_only_words),
		TEST(test_same_words_are_two_disks),  TEST(test_identity),
		TEST(test_more_than_addresses),	      TEST(test_ram_in_advance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
