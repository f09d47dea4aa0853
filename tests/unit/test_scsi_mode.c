/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* MODE SENSE and MODE SELECT: what pages say, what can be set, and what is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

#define CACHING 0x08
#define CONTROL 0x0a
#define ALL	0x3f

enum {
	CURRENT,
	CHANGEABLE,
	DEFAULT,
	SAVED
};

static struct fixture_scsi fs;
static struct fixture_scsi_kept kept;
static const uint8_t block[512];

static int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static int setup_kept(void **state)
{
	fixture_scsi_open_kept(&fs, &kept, NULL);
	return 0;
}

static int teardown_kept(void **state)
{
	fixture_scsi_close_kept(&fs, &kept);
	return 0;
}

static struct fixture_scsi_answer sense_6(uint8_t flags, uint8_t page, uint8_t subpage,
					  uint8_t control, uint8_t alloc)
{
	const uint8_t cdb[6] = {0x1a, flags, (uint8_t)(control << 6 | page), subpage, alloc};

	return fixture_scsi_run(&fs, 0, cdb, 6, NULL, 0, alloc);
}

static struct fixture_scsi_answer sense_10(uint8_t flags, uint8_t page, uint16_t alloc)
{
	uint8_t cdb[10] = {0x5a, flags, page};

	put_be16(cdb + 7, alloc);
	return fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, alloc);
}

/* A page as it is, to be changed and sent back. */
static uint8_t list[64];
static uint8_t list_len;

static void fetch(uint8_t page)
{
	struct fixture_scsi_answer a = sense_6(0x08, page, 0, CURRENT, 64);

	assert_int_equal(a.status, SCSI_GOOD);
	list_len = (uint8_t)a.len;
	memcpy(list, a.data, a.len);
	list[0] = 0;
	list[4] &= 0x7f;
}

static struct fixture_scsi_answer select_6(unsigned int n, uint8_t flags)
{
	const uint8_t cdb[6] = {0x15, (uint8_t)(0x10 | flags), 0, 0, list_len};

	return fixture_scsi_run(&fs, n, cdb, 6, list, list_len, 0);
}

static struct fixture_scsi_answer write_block(unsigned int n)
{
	static const uint8_t cdb[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1};

	return fixture_scsi_run(&fs, n, cdb, 10, block, 512, 0);
}

static uint16_t attention_of(unsigned int n)
{
	static const uint8_t test_unit_ready[6];

	return fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).asc;
}

static void assert_refused(struct fixture_scsi_answer a, uint16_t asc, uint16_t byte,
			   unsigned int bit)
{
	assert_int_equal(a.status, SCSI_CHECK_CONDITION);
	assert_int_equal(a.key, SCSI_KEY_ILLEGAL_REQUEST);
	assert_int_equal(a.asc, asc);
	assert_int_equal(a.sense[15] & 0x0f, 0x08 | bit);
	assert_int_equal(get_be16(a.sense + 16), byte);
}

static void test_all_pages(void **state)
{
	struct fixture_scsi_answer a = sense_6(0, ALL, 0, CURRENT, 255);
	static const uint8_t header[] = {4 + 8 + 12 + 20 + 12 + 12 - 1, 0, 0x10, 8};
	static const uint8_t descriptor[] = {0, 0, 0x10, 0, 0, 0, 2, 0};
	static const uint8_t order[] = {0x01, 0x08, 0x0a, 0x1c};
	const uint8_t *at = a.data + 12;

	assert_int_equal(a.len, a.data[0] + 1);
	assert_memory_equal(a.data, header, 4);
	assert_memory_equal(a.data + 4, descriptor, 8);
	for (unsigned int i = 0; i < 4; i++, at += 2 + at[1])
		assert_int_equal(at[0], order[i]);
	assert_ptr_equal(at, a.data + a.len);
	assert_int_equal(sense_6(0, ALL, 0, CURRENT, 4).len, 4);
}

static void test_subpages(void **state)
{
	struct fixture_scsi_answer a = sense_6(0x08, ALL, 0xff, CURRENT, 255);

	assert_int_equal(a.len, 4 + 12 + 20 + 12 + 32 + 12);
	a = sense_6(0x08, CONTROL, 0xff, CURRENT, 255);
	assert_int_equal(a.len, 4 + 12 + 32);
	a = sense_6(0x08, CONTROL, 1, CURRENT, 255);
	assert_int_equal(a.len, 4 + 32);
	assert_memory_equal(a.data + 4, "\x4a\x01\0\x1c", 4);
	assert_refused(sense_6(0x08, CONTROL, 2, CURRENT, 255), SCSI_ASC_INVALID_FIELD_CDB, 3, 7);
	assert_refused(sense_6(0x08, 0x02, 0, CURRENT, 255), SCSI_ASC_INVALID_FIELD_CDB, 2, 5);
	assert_refused(sense_6(0x08, ALL, 1, CURRENT, 255), SCSI_ASC_INVALID_FIELD_CDB, 3, 7);
}

static void test_ten_bytes_and_long_descriptors(void **state)
{
	struct fixture_scsi_answer a = sense_10(0x10, CACHING, 255);

	assert_int_equal(a.len, 8 + 16 + 20);
	assert_int_equal(get_be16(a.data), a.len - 2);
	assert_int_equal(a.data[4], 1);
	assert_int_equal(get_be16(a.data + 6), 16);
	assert_int_equal(get_be64(a.data + 8), 4096);
	assert_int_equal(get_be32(a.data + 20), 512);
	a = sense_10(0x08, CACHING, 255);
	assert_int_equal(a.len, 8 + 20);
	assert_int_equal(get_be16(a.data + 6), 0);
}

static void test_what_can_be_changed(void **state)
{
	static const uint8_t control[12] = {CONTROL, 10, 0x04, 0, 0x08, 0x40};
	struct fixture_scsi_answer a = sense_6(0x08, CONTROL, 0, CHANGEABLE, 64);

	assert_memory_equal(a.data + 4, control, 12);
	a = sense_6(0x08, CACHING, 0, CHANGEABLE, 64);
	assert_int_equal(a.data[4 + 2], fs.lu.durable ? 0 : 4);
	a = sense_6(0x08, CONTROL, 0, SAVED, 64);
	assert_int_equal(a.asc, SCSI_ASC_SAVING_NOT_SUPPORTED);
}

static void test_software_write_protect(void **state)
{
	fetch(CONTROL);
	list[4 + 4] |= 0x08;
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(0), 0);
	assert_int_equal(attention_of(1), SCSI_ASC_MODE_CHANGED);
	assert_int_equal(attention_of(1), 0);
	assert_int_equal(write_block(0).asc, SCSI_ASC_WRITE_PROTECTED);
	assert_int_equal(sense_6(0, ALL, 0, CURRENT, 255).data[2] & 0x80, 0x80);
	list[4 + 4] = 0;
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	assert_int_equal(write_block(0).status, SCSI_GOOD);
	/* What changes nothing is nobody's news. */
	attention_of(1);
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(1), 0);
}

static void test_descriptor_sense(void **state)
{
	static const uint8_t beyond[16] = {0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
	struct fixture_scsi_answer a;

	fetch(CONTROL);
	list[4 + 2] |= 0x04;
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	a = fixture_scsi_run(&fs, 0, beyond, 16, NULL, 0, 512);
	assert_int_equal(a.sense[0], 0x72);
	assert_int_equal(get_be64(a.sense + 12), 1ull << 32);
}

/* Without a cache every write is durable; what the cache held is, too. */
static void test_the_write_cache(void **state)
{
	fs.lu.durable = false;
	atomic_store(&fs.lu.write_cache, true);
	fetch(CACHING);
	assert_int_equal(list[4 + 2], 4);
	list[4 + 2] = 0;
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 1);
	assert_int_equal(write_block(0).status, SCSI_GOOD);
	assert_true(fs.disk->log[1].flags & BLK_FUA);
	assert_int_equal(sense_6(0x08, CACHING, 0, CURRENT, 64).data[4 + 2], 0);
	assert_int_equal(sense_6(0x08, CACHING, 0, DEFAULT, 64).data[4 + 2], 4);
}

/* On its way into the cache when that is turned off: durable before it is acknowledged. */
static void test_a_write_that_comes_too_late(void **state)
{
	static struct fixture_scsi_command write, select;
	static const uint8_t write_10[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1};
	const uint8_t select_6_cdb[6] = {0x15, 0x10, 0, 0, 24};

	fs.lu.durable = false;
	atomic_store(&fs.lu.write_cache, true);
	fetch(CACHING);
	list[4 + 2] = 0;
	fs.disk->hold = true;
	fixture_scsi_start(&fs, &write, 1, write_10, 10, block, 512, NULL, 0);
	fixture_scsi_start(&fs, &select, 0, select_6_cdb, 6, list, list_len, NULL, 0);
	fixture_disk_release(fs.disk);
	assert_int_equal(write.delivered, 0);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 2);
	fixture_disk_release(fs.disk);
	assert_int_equal(write.delivered, 1);
	assert_int_equal(write.cmd.scsi.status, SCSI_GOOD);
	fixture_scsi_end(&write);
	fixture_scsi_end(&select);
}

static void test_a_cache_that_must_not_be(void **state)
{
	fs.lu.durable = true;
	atomic_store(&fs.lu.write_cache, false);
	fetch(CACHING);
	list[4 + 2] = 4;
	assert_refused(select_6(0, 0), SCSI_ASC_INVALID_FIELD_LIST, 4 + 2, 2);
	assert_false(atomic_load(&fs.lu.write_cache));
}

static void test_lists_that_are_wrong(void **state)
{
	fetch(CONTROL);
	list[4 + 3] ^= 0x01;
	assert_refused(select_6(0, 0), SCSI_ASC_INVALID_FIELD_LIST, 4 + 3, 0);
	fetch(CONTROL);
	list[4] = 0x02;
	assert_refused(select_6(0, 0), SCSI_ASC_INVALID_FIELD_LIST, 4, 5);
	fetch(CONTROL);
	list[5] = 9;
	assert_refused(select_6(0, 0), SCSI_ASC_INVALID_FIELD_LIST, 5, 7);
	fetch(CONTROL);
	list[1] = 1;
	assert_refused(select_6(0, 0), SCSI_ASC_INVALID_FIELD_LIST, 1, 7);
	fetch(CONTROL);
	list_len -= 3;
	assert_int_equal(select_6(0, 0).asc, SCSI_ASC_LIST_LENGTH);
	list_len = 3;
	assert_int_equal(select_6(0, 0).asc, SCSI_ASC_LIST_LENGTH);
	list_len = 0;
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	assert_refused(select_6(0, 1), SCSI_ASC_INVALID_FIELD_CDB, 1, 0);
	assert_int_equal(attention_of(1), 0);
}

/* The second page is wrong: the first counts for nothing. */
static void test_all_or_nothing(void **state)
{
	fetch(CONTROL);
	list[4 + 4] |= 0x08;
	memcpy(list + 16, "\x3e\x02\0\0", 4);
	list_len += 4;
	assert_refused(select_6(0, 0), SCSI_ASC_INVALID_FIELD_LIST, 16, 5);
	assert_int_equal(write_block(0).status, SCSI_GOOD);
}

static void test_block_descriptors(void **state)
{
	uint8_t cdb[6] = {0x15, 0x10, 0, 0, 12}, with[12] = {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0};

	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 6, with, 12, 0).status, SCSI_GOOD);
	put_be32(with + 4, 4096);
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 6, with, 12, 0).status, SCSI_GOOD);
	put_be32(with + 4, 4095);
	assert_refused(fixture_scsi_run(&fs, 0, cdb, 6, with, 12, 0), SCSI_ASC_INVALID_FIELD_LIST,
		       4, 7);
	put_be32(with + 4, UINT32_MAX);
	with[10] = 4;
	assert_refused(fixture_scsi_run(&fs, 0, cdb, 6, with, 12, 0), SCSI_ASC_INVALID_FIELD_LIST,
		       9, 7);
}

static void test_saved_over_a_restart(void **state)
{
	fetch(CONTROL);
	list[4 + 2] |= 0x04;
	assert_int_equal(select_6(0, 1).status, SCSI_GOOD);
	list[4 + 5] |= 0x40;
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	assert_int_equal(sense_6(0x08, CONTROL, 0, SAVED, 64).data[4], 0x80 | CONTROL);
	fixture_scsi_restart(&fs, &kept);
	fetch(CONTROL);
	assert_int_equal(list[4 + 2] & 0x04, 0x04);
	assert_int_equal(list[4 + 5], 0);
	assert_int_equal(sense_6(0x08, CONTROL, 0, DEFAULT, 64).data[4 + 2] & 0x04, 0);
}

static void managed(struct scsi_tmf *tmf)
{
}

static void test_a_reset_goes_back(void **state)
{
	struct scsi_tmf tmf = {.function = SCSI_LU_RESET, .done = managed};

	fetch(CONTROL);
	list[4 + 4] |= 0x08;
	assert_int_equal(select_6(0, 0).status, SCSI_GOOD);
	scsi_task_management(fs.nexus[0], &tmf);
	fixture_scsi_turn(&fs);
	assert_int_equal(attention_of(0), SCSI_ASC_RESET_OCCURRED);
	assert_int_equal(write_block(0).status, SCSI_GOOD);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_KEPT(name) cmocka_unit_test_setup_teardown(name, setup_kept, teardown_kept)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_pages),
		TEST(test_subpages),
		TEST(test_ten_bytes_and_long_descriptors),
		TEST(test_what_can_be_changed),
		TEST(test_software_write_protect),
		TEST(test_descriptor_sense),
		TEST(test_the_write_cache),
		TEST(test_a_write_that_comes_too_late),
		TEST(test_a_cache_that_must_not_be),
		TEST(test_lists_that_are_wrong),
		TEST(test_all_or_nothing),
		TEST(test_block_descriptors),
		TEST_KEPT(test_saved_over_a_restart),
		TEST(test_a_reset_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
