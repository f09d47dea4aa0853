/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SEND DIAGNOSTIC, RECEIVE DIAGNOSTIC RESULTS, and the results of self-tests in the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

#define SELFTEST 0x04
#define PF	 0x10

enum {
	BACKGROUND_SHORT = 1 << 5,
	BACKGROUND_EXTENDED = 2 << 5,
	ABORT = 4 << 5,
	SHORT = 5 << 5,
	EXTENDED = 6 << 5,
};

static struct fixture_scsi fs;

static int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	return 0;
}

static int setup_4k(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.logical_block = 4096});
	return 0;
}

static int setup_tiny(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.nblocks = 3});
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static struct fixture_scsi_answer diagnose(uint8_t flags, const void *list, uint8_t len)
{
	const uint8_t cdb[6] = {0x1d, flags, 0, 0, len};

	return fixture_scsi_run(&fs, 0, cdb, 6, list, len, 0);
}

static struct fixture_scsi_answer results(uint8_t flags, uint8_t page)
{
	const uint8_t cdb[6] = {0x1c, flags, page, 0, 64};

	return fixture_scsi_run(&fs, 0, cdb, 6, NULL, 0, 64);
}

/* The results from number `first` on: the first one's parameter, without its head. */
static const uint8_t *result(uint8_t first)
{
	const uint8_t cdb[10] = {0x4d, 0, 0x50, 0, 0, 0, first, 2, 0};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, 512);

	assert_int_equal(a.len, 4u + 20 * (21 - first));
	assert_int_equal(get_be16(a.data + 2), 20 * (21 - first));
	assert_int_equal(get_be16(a.data + 4), first);
	assert_int_equal(a.data[7], 16);
	return a.data + 8;
}

static void refused(struct fixture_scsi_answer a, uint16_t asc, uint8_t pointer, uint16_t byte)
{
	assert_int_equal(a.key, SCSI_KEY_ILLEGAL_REQUEST);
	assert_int_equal(a.asc, asc);
	assert_int_equal(a.sense[15] & 0xf8, pointer);
	assert_int_equal(get_be16(a.sense + 16), byte);
}

static void test_self_tests_read_the_medium(void **state)
{
	static const struct {
		uint8_t flags;
		unsigned int samples;
	} tests[] = {
		{SELFTEST, 2},	{SHORT, 2}, {BACKGROUND_SHORT, 2}, {BACKGROUND_EXTENDED, 64},
		{EXTENDED, 64},
	};

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		unsigned int before = fixture_disk_count(fs.disk, BLK_READ);

		assert_int_equal(diagnose(tests[i].flags, NULL, 0).status, SCSI_GOOD);
		assert_int_equal(fixture_disk_count(fs.disk, BLK_READ) - before, tests[i].samples);
	}
	/* The first and the last block. */
	assert_int_equal(fs.disk->log[0].lba, 0);
	assert_int_equal(fs.disk->log[1].lba + fs.disk->log[1].nblocks, 4096);
	/* The latest comes first; all went well, and nothing was aborted. */
	assert_int_equal(result(1)[0], EXTENDED);
	assert_int_equal(get_be64(result(1) + 4), UINT64_MAX);
	assert_int_equal(result(5)[0], 0);
	assert_int_equal(get_be64(result(5) + 4), UINT64_MAX);
	assert_int_equal(get_be64(result(6) + 4), 0);
	assert_int_equal(result(20)[0], 0);
}

static void test_a_medium_that_fails(void **state)
{
	struct fixture_scsi_answer a;

	fs.disk->fail[BLK_READ] = BLK_EIO;
	a = diagnose(SELFTEST, NULL, 0);
	assert_int_equal(a.key, SCSI_KEY_HARDWARE_ERROR);
	assert_int_equal(a.asc, SCSI_ASC_SELF_TEST_FAILED);
	/* In the background it is only the log that tells. */
	assert_int_equal(diagnose(BACKGROUND_SHORT, NULL, 0).status, SCSI_GOOD);
	assert_int_equal(result(1)[0], BACKGROUND_SHORT | 7);
	assert_int_equal(get_be64(result(1) + 4), 0);
	assert_int_equal(result(1)[12], SCSI_KEY_MEDIUM_ERROR);
	assert_int_equal(get_be16(result(1) + 13), SCSI_ASC_READ_ERROR);
}

static void test_the_log_keeps_twenty(void **state)
{
	for (unsigned int i = 0; i < 30; i++)
		assert_int_equal(diagnose(SHORT, NULL, 0).status, SCSI_GOOD);
	assert_int_equal(diagnose(SELFTEST, NULL, 0).status, SCSI_GOOD);
	assert_int_equal(result(1)[0], 0);
	assert_int_equal(result(2)[0], SHORT);
	assert_int_equal(result(20)[0], SHORT);
}

static void test_a_tiny_medium(void **state)
{
	assert_int_equal(diagnose(EXTENDED, NULL, 0).status, SCSI_GOOD);
	assert_int_equal(fs.disk->log[0].nblocks, 3);
}

static void test_pages(void **state)
{
	struct fixture_scsi_answer a = results(0x01, 0);

	assert_int_equal(a.len, 5);
	assert_memory_equal(a.data, "\0\0\0\x01\0", 5);
	assert_int_equal(results(0, 0).len, 5);
	refused(results(0x01, 0x40), SCSI_ASC_INVALID_FIELD_CDB, 0xc8, 2);
	assert_int_equal(diagnose(PF, "\0\0\0\0", 4).status, SCSI_GOOD);
	assert_int_equal(diagnose(PF, NULL, 0).status, SCSI_GOOD);
	refused(diagnose(PF, "\x40\0\0\0", 4), SCSI_ASC_INVALID_FIELD_LIST, 0x88, 0);
	refused(diagnose(PF, "\0\0\0\x01", 4), SCSI_ASC_INVALID_FIELD_LIST, 0x88, 2);
	refused(diagnose(0, "\0\0\0\0", 4), SCSI_ASC_INVALID_FIELD_CDB, 0xc8, 1);
	assert_int_equal(diagnose(PF, "\0\0\0", 3).asc, SCSI_ASC_LIST_LENGTH);
}

static void test_what_there_is_not(void **state)
{
	refused(diagnose(SELFTEST | SHORT, NULL, 0), SCSI_ASC_INVALID_FIELD_CDB, 0xc8, 1);
	refused(diagnose(3 << 5, NULL, 0), SCSI_ASC_INVALID_FIELD_CDB, 0xc8, 1);
	refused(diagnose(SELFTEST, "\0\0\0\0", 4), SCSI_ASC_INVALID_FIELD_CDB, 0xc8, 3);
	/* There is none to be aborted. */
	refused(diagnose(ABORT, NULL, 0), SCSI_ASC_INVALID_FIELD_CDB, 0xc8, 1);
	assert_int_equal(fs.disk->requests, 0);
}

#define TEST(name, up) cmocka_unit_test_setup_teardown(name, up, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_self_tests_read_the_medium, setup),
		TEST(test_self_tests_read_the_medium, setup_4k),
		TEST(test_a_medium_that_fails, setup),
		TEST(test_the_log_keeps_twenty, setup),
		TEST(test_a_tiny_medium, setup_tiny),
		TEST(test_pages, setup),
		TEST(test_what_there_is_not, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
