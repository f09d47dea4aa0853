/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DATA SET MANAGEMENT: TRIM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_ata.h"
#include <string.h>

#define STORED 256u
#define ABRT   0x04
#define IDNF   0x10

struct range {
	uint64_t lba;
	uint16_t sectors;
};

static void put_range(uint8_t *block, unsigned int i, struct range r)
{
	unsigned int byte;

	for (byte = 0; byte < 6; byte++)
		block[8 * i + byte] = (uint8_t)(r.lba >> 8 * byte);
	block[8 * i + 6] = (uint8_t)r.sectors;
	block[8 * i + 7] = (uint8_t)(r.sectors >> 8);
}

static struct fixture_answer trim(struct fixture_ata *fa, const struct range *ranges,
				  unsigned int n)
{
	uint8_t block[512] = {0};
	unsigned int i;

	for (i = 0; i < n; i++)
		put_range(block, i, ranges[i]);
	return fixture_ata_run(
		fa, &(struct ata_taskfile){.command = 0x06, .feature = 1, .count = 1}, block, 512);
}

static void assert_refused(struct fixture_ata *fa, struct fixture_answer a, uint8_t error)
{
	assert_int_equal(a.status, 0x41);
	assert_int_equal(a.error, error);
	assert_int_equal(fa->disk->requests, 0);
}

static void test_ranges_are_freed_and_nothing_else(void **unused)
{
	static const struct range ranges[] = {{3, 2}, {0, 0}, {100, 1}, {STORED - 1, 1}};
	struct fixture_ata fa;
	struct fixture_answer a;
	unsigned int i;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	memset(fa.disk->data, 0xaa, STORED * 512);
	a = trim(&fa, ranges, 4);
	assert_int_equal(a.status, 0x40);
	assert_int_equal(fixture_disk_count(fa.disk, BLK_UNMAP), 3);
	for (i = 0; i < STORED; i++) {
		bool freed = i == 3 || i == 4 || i == 100 || i == STORED - 1;

		assert_int_equal(fa.disk->data[i * 512], freed ? 0 : 0xaa);
	}
	fixture_ata_close(&fa);
}

static void test_empty_list(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	assert_int_equal(trim(&fa, NULL, 0).status, 0x40);
	assert_int_equal(fa.disk->requests, 0);
	fixture_ata_close(&fa);
}

static void test_full_list(void **unused)
{
	struct range ranges[64];
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, 64 * 65535ull, 0, true, NULL);
	for (i = 0; i < 64; i++)
		ranges[i] = (struct range){i * 65535ull, 65535};
	assert_int_equal(trim(&fa, ranges, 64).status, 0x40);
	assert_int_equal(fixture_disk_count(fa.disk, BLK_UNMAP), 64);
	for (i = 0; i < 64; i++) {
		assert_int_equal(fa.disk->log[i].lba, i * 65535ull);
		assert_int_equal(fa.disk->log[i].nblocks, 65535);
		assert_int_equal(fa.disk->log[i].flags & BLK_FUA, 0);
	}
	/* Durable like every write, but not 64 times. */
	assert_int_equal(fa.disk->requests, 65);
	assert_int_equal(fa.disk->log[64].op, BLK_FLUSH);
	fixture_ata_close(&fa);
}

/* One bad range anywhere, and nothing is trimmed. */
static void test_bad_ranges_change_nothing(void **unused)
{
	static const struct range bad[] = {
		{STORED, 1},	       {STORED - 1, 2},		  {0, STORED + 1},
		{(1ull << 48) - 1, 1}, {(1ull << 48) - 1, 65535}, {1ull << 28, 1},
		{1ull << 31, 1},       {(1ull << 32) + 1, 1}};
	struct range ranges[64];
	struct fixture_ata fa;
	unsigned int i, at;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (at = 0; at < 64; at += 63) {
			memset(ranges, 0, sizeof(ranges));
			ranges[5] = (struct range){1, 1};
			ranges[at] = bad[i];
			assert_refused(&fa, trim(&fa, ranges, 64), IDNF);
		}
	fixture_ata_close(&fa);
}

static void test_wrong_registers(void **unused)
{
	static const struct {
		uint8_t feature;
		uint16_t count;
		uint32_t len;
	} cases[] = {{0, 1, 512}, {2, 1, 512}, {3, 1, 512},  {0xff, 1, 512}, {1, 0, 512},
		     {1, 1, 511}, {1, 1, 0},   {1, 2, 1024}, {1, 256, 1024}, {1, 65535, 1024}};
	uint8_t block[1024] = {0};
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	put_range(block, 0, (struct range){1, 1});
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ata_taskfile tf = {
			.command = 0x06, .feature = cases[i].feature, .count = cases[i].count};

		assert_refused(&fa, fixture_ata_run(&fa, &tf, block, cases[i].len), ABRT);
	}
	fixture_ata_close(&fa);
}

static void test_disks_that_cannot(void **unused)
{
	struct range range = {1, 1};
	struct fixture_ata fa;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	fa.disk->disk.can_unmap = false;
	assert_refused(&fa, trim(&fa, &range, 1), ABRT);
	fa.disk->disk.can_unmap = true;
	fa.disk->disk.read_only = true;
	assert_refused(&fa, trim(&fa, &range, 1), ABRT);
	fixture_ata_close(&fa);
}

/* The list is read while the store works on its beginning. */
static void test_one_after_the_other(void **unused)
{
	static const struct range ranges[] = {{10, 1}, {20, 1}, {30, 1}};
	uint8_t block[512] = {0};
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	fa.disk->hold = true;
	for (i = 0; i < 3; i++)
		put_range(block, i, ranges[i]);
	fixture_ata_start(&fa, &fa.fc,
			  &(struct ata_taskfile){.command = 0x06, .feature = 1, .count = 1}, block,
			  512);
	for (i = 0; i < 3; i++) {
		assert_int_equal(fa.disk->requests, i + 1);
		assert_int_equal(fa.disk->log[i].lba, ranges[i].lba);
		assert_int_equal(fa.fc.delivered, 0);
		fixture_disk_release(fa.disk);
	}
	assert_int_equal(fa.fc.delivered, 0);
	fixture_disk_release(fa.disk); /* the flush */
	assert_int_equal(fa.fc.delivered, 1);
	assert_int_equal(fa.fc.cmd.ata.status, 0x40);
	fixture_ata_close(&fa);
}

static void test_store_fails_half_way(void **unused)
{
	static const struct range ranges[] = {{10, 1}, {20, 1}};
	struct fixture_ata fa;
	struct fixture_answer a;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	fa.disk->fail[BLK_UNMAP] = BLK_EIO;
	a = trim(&fa, ranges, 2);
	assert_int_equal(a.status, 0x61);
	assert_int_equal(a.error, ABRT);
	assert_int_equal(fa.disk->requests, 1);
	fixture_ata_close(&fa);
}

/*
 * A write that comes while the list is worked on belongs behind all of it, the ranges not begun yet
 * included: an initiator may repeat a TRIM, be answered for the first one, and write.
 */
static void test_later_write_is_not_trimmed(void **unused)
{
	static const struct ata_taskfile trim = {.command = 0x06, .feature = 1, .count = 1};
	static const struct ata_taskfile write = {.command = 0x30, .count = 1, .lba = 20};
	uint8_t block[512] = {0}, data[512];
	struct fixture_command later;
	struct fixture_ata fa;

	fixture_ata_open(&fa, STORED, STORED, true, NULL);
	fixture_command_init(&fa.f, &fa.lu, &later);
	fa.disk->hold = true;
	put_range(block, 0, (struct range){10, 1});
	put_range(block, 1, (struct range){20, 1});
	memset(data, 0x55, sizeof(data));
	fixture_ata_start(&fa, &fa.fc, &trim, block, sizeof(block));
	fixture_ata_start(&fa, &later, &write, data, sizeof(data));
	while (!fa.fc.delivered || !later.delivered)
		fixture_disk_release(fa.disk);
	assert_int_equal(fa.fc.cmd.ata.status, 0x40);
	assert_int_equal(later.cmd.ata.status, 0x40);
	assert_int_equal(fa.disk->data[20 * 512], 0x55);
	fixture_command_fini(&later);
	fixture_ata_close(&fa);
}

/* The write cache is turned off, and its flush over, while the TRIM is still under way. */
static void test_durable_when_the_cache_goes_off(void **unused)
{
	static const struct ata_taskfile trim = {.command = 0x06, .feature = 1, .count = 1};
	static const struct ata_taskfile disable = {.command = 0xef, .feature = 0x82};
	struct fixture_command other;
	struct fixture_ata fa;
	uint8_t block[512] = {0};

	fixture_ata_open(&fa, STORED, STORED, false, NULL);
	fixture_command_init(&fa.f, &fa.lu, &other);
	fa.disk->hold = true;
	put_range(block, 0, (struct range){10, 1});
	fixture_ata_start(&fa, &fa.fc, &trim, block, sizeof(block));
	fixture_ata_start(&fa, &other, &disable, NULL, 0);
	while (!fa.fc.delivered || !other.delivered)
		fixture_disk_release(fa.disk);
	assert_int_equal(fa.fc.cmd.ata.status, 0x40);
	assert_int_equal(fixture_disk_count(fa.disk, BLK_FLUSH), 2);
	fixture_command_fini(&other);
	fixture_ata_close(&fa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges_are_freed_and_nothing_else),
		cmocka_unit_test(test_empty_list),
		cmocka_unit_test(test_full_list),
		cmocka_unit_test(test_bad_ranges_change_nothing),
		cmocka_unit_test(test_wrong_registers),
		cmocka_unit_test(test_disks_that_cannot),
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_store_fails_half_way),
		cmocka_unit_test(test_later_write_is_not_trimmed),
		cmocka_unit_test(test_durable_when_the_cache_goes_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
