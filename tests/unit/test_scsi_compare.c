/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Commands that compare: what they find, what they change, and that nothing gets between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

#define BIG (768u << 10)

static struct fixture_scsi fs;
static uint8_t data[BIG];

static int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 512 * 7 + i);
	memcpy(fs.disk->data, data, sizeof(data));
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static struct fixture_scsi_answer verify(uint8_t bytchk, uint32_t blocks, uint32_t out_len)
{
	uint8_t cdb[16] = {0x8f, (uint8_t)(bytchk << 1)};

	put_be32(cdb + 10, blocks);
	return fixture_scsi_run(&fs, 0, cdb, 16, data, out_len, 0);
}

static void test_verify_reads_it_all(void **state)
{
	struct fixture_scsi_answer a = verify(0, BIG / 512, 0);

	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(a.wanted, 0);
	assert_int_equal(a.len, 0);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_READ), BIG / SCSI_PIECE_MAX);
	fs.disk->fail[BLK_READ] = BLK_EIO;
	assert_int_equal(verify(0, 1, 0).asc, SCSI_ASC_READ_ERROR);
}

static void test_verify_compares_every_byte(void **state)
{
	struct fixture_scsi_answer a = verify(1, BIG / 512, BIG);

	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(a.wanted, BIG);
	fs.disk->data[BIG - 1] ^= 1;
	a = verify(1, BIG / 512, BIG);
	assert_int_equal(a.key, SCSI_KEY_MISCOMPARE);
	assert_int_equal(a.asc, SCSI_ASC_MISCOMPARE);
	assert_int_equal(get_be32(a.sense + 3), BIG - 1);
}

static void test_verify_against_one_block(void **state)
{
	for (unsigned int i = 0; i < 2000; i++)
		memcpy(fs.disk->data + i * 512, data, 512);
	assert_int_equal(verify(3, 2000, 512).status, SCSI_GOOD);
	fs.disk->data[1999 * 512 + 17] ^= 1;
	assert_int_equal(verify(3, 2000, 512).key, SCSI_KEY_MISCOMPARE);
	assert_int_equal(verify(2, 1, 512).asc, SCSI_ASC_INVALID_FIELD_CDB);
}

static struct fixture_scsi_answer swap(uint32_t lba, uint8_t blocks, const uint8_t *both,
				       uint32_t len)
{
	uint8_t cdb[16] = {0x89};

	put_be32(cdb + 6, lba);
	cdb[13] = blocks;
	return fixture_scsi_run(&fs, 0, cdb, 16, both, len, 0);
}

static void test_compare_and_write(void **state)
{
	static uint8_t both[2 * 255 * 512];
	struct fixture_scsi_answer a;

	memcpy(both, data + 3 * 512, 255 * 512);
	memset(both + 255 * 512, 0x5a, 255 * 512);
	a = swap(3, 255, both, sizeof(both));
	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(a.wanted, sizeof(both));
	assert_memory_equal(fs.disk->data + 3 * 512, both + 255 * 512, 255 * 512);
	/* It is not what it was any more. */
	a = swap(3, 255, both, sizeof(both));
	assert_int_equal(a.key, SCSI_KEY_MISCOMPARE);
	assert_int_equal(get_be32(a.sense + 3), 0);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_WRITE), 1);
	assert_int_equal(swap(0, 0, NULL, 0).status, SCSI_GOOD);
	assert_int_equal(swap(4096, 1, both, 1024).asc, SCSI_ASC_LBA_RANGE);
}

/* The initiator and the CDB must mean the same number of blocks. */
static void test_compare_and_write_of_another_length(void **state)
{
	static uint8_t both[512 * 512];

	memcpy(both, data, 1024);
	memcpy(both + 1024, data, 1024);
	assert_int_equal(swap(0, 2, both, 1024).asc, SCSI_ASC_LIST_LENGTH);
	assert_int_equal(swap(0, 1, both, 2048).asc, SCSI_ASC_INVALID_FIELD_CDB);
	/* 256 blocks do not fit the CDB's byte. */
	assert_int_equal(swap(0, 0, both, sizeof(both)).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(fs.disk->requests, 0);
}

/* Two initiators want the same lock: one gets it. */
static void test_compare_and_write_is_one_step(void **state)
{
	static struct fixture_scsi_command fc[2];
	static uint8_t both[2][1024];
	uint8_t cdb[16] = {0x89};
	unsigned int good = 0;

	cdb[13] = 1;
	memset(fc, 0, sizeof(fc));
	fs.disk->hold = true;
	for (unsigned int i = 0; i < 2; i++) {
		memcpy(both[i], data, 512);
		memset(both[i] + 512, (int)i + 1, 512);
		fixture_scsi_start(&fs, &fc[i], i, cdb, 16, both[i], 1024, NULL, 0);
	}
	while (!fc[0].delivered || !fc[1].delivered)
		fixture_disk_release(fs.disk);
	for (unsigned int i = 0; i < 2; i++) {
		good += fc[i].cmd.scsi.status == SCSI_GOOD;
		fixture_scsi_end(&fc[i]);
	}
	assert_int_equal(good, 1);
	assert_int_equal(fs.disk->data[0], 1);
}

static void test_write_and_verify(void **state)
{
	uint8_t cdb[16] = {0x8e};

	put_be32(cdb + 10, BIG / 512);
	memset(fs.disk->data, 0, BIG);
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, BIG, 0).status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data, data, BIG);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_READ), BIG / SCSI_PIECE_MAX);
	assert_true(fs.disk->log[0].flags & BLK_FUA);
}

static void test_orwrite(void **state)
{
	static uint8_t ones[BIG];
	uint8_t cdb[16] = {0x8b};

	put_be32(cdb + 10, BIG / 512);
	memset(ones, 0x11, sizeof(ones));
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, ones, BIG, 0).status, SCSI_GOOD);
	for (uint32_t i = 0; i < BIG; i++)
		assert_int_equal(fs.disk->data[i], data[i] | 0x11);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_verify_reads_it_all),
		TEST(test_verify_compares_every_byte),
		TEST(test_verify_against_one_block),
		TEST(test_compare_and_write),
		TEST(test_compare_and_write_of_another_length),
		TEST(test_compare_and_write_is_one_step),
		TEST(test_write_and_verify),
		TEST(test_orwrite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
