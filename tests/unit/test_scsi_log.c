/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* LOG SENSE and LOG SELECT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

static struct fixture_scsi fs;

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

static struct fixture_scsi_answer sense(uint8_t page, uint8_t subpage, uint16_t pointer)
{
	uint8_t cdb[10] = {0x4d, 0, page, subpage, [8] = 128};

	put_be16(cdb + 5, pointer);
	return fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, 128);
}

static struct fixture_scsi_answer ten(unsigned int n, uint8_t opcode, uint8_t flags, uint8_t page)
{
	const uint8_t cdb[10] = {opcode, flags, page, [8] = opcode == 0x4c ? 0 : 1};

	return fixture_scsi_run(&fs, n, cdb, 10, NULL, 0, 512);
}

static uint64_t errors(uint8_t page)
{
	struct fixture_scsi_answer a = sense(0x40 | page, 0, 0);

	assert_int_equal(a.len, 16);
	assert_int_equal(a.data[0], 0x80 | page);
	assert_int_equal(get_be16(a.data + 2), 12);
	assert_int_equal(get_be16(a.data + 4), 6);
	return get_be64(a.data + 8);
}

static void test_what_there_is(void **state)
{
	struct fixture_scsi_answer a = sense(0x40, 0, 0);

	assert_int_equal(a.len, 9);
	assert_memory_equal(a.data, "\x80\0\0\x05\0\x02\x03\x10\x2f", 9);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(sense(0x40 | "\0\x02\x03\x10\x2f"[i], 0, 0).status, SCSI_GOOD);
	a = sense(0x40, 0xff, 0);
	assert_memory_equal(a.data, "\xc0\xff\0\x0c\0\0\0\xff\x02\0\x03\0\x10\0\x2f\0", 16);
	a = sense(0x6f, 0, 0);
	assert_memory_equal(a.data, "\xaf\0\0\x07\0\0\x03\x03\0\0\xff", 11);
}

static void test_errors_of_the_medium(void **state)
{
	fs.disk->fail[BLK_READ] = BLK_EIO;
	assert_int_equal(ten(0, 0x28, 0, 0).key, SCSI_KEY_MEDIUM_ERROR);
	assert_int_equal(ten(0, 0x28, 0, 0).key, SCSI_KEY_MEDIUM_ERROR);
	assert_int_equal(errors(0x03), 2);
	assert_int_equal(errors(0x02), 0);
	assert_int_equal(get_be64(sense(0xc3, 0, 0).data + 8), 0);
	/* Set to zero, which the others learn. */
	assert_int_equal(ten(0, 0x4c, 0x02, 0x02).status, SCSI_GOOD);
	assert_int_equal(errors(0x03), 2);
	assert_int_equal(ten(0, 0x4c, 0x02, 0x00).status, SCSI_GOOD);
	assert_int_equal(errors(0x03), 0);
	assert_int_equal(ten(1, 0x28, 0, 0).asc, SCSI_ASC_LOG_CHANGED);
}

/* Whoever resets what has no counters leaves those of others alone. */
static void test_pages_without_counters(void **state)
{
	fs.disk->fail[BLK_READ] = BLK_EIO;
	assert_int_equal(ten(0, 0x28, 0, 0).key, SCSI_KEY_MEDIUM_ERROR);
	assert_int_equal(ten(1, 0x00, 0, 0).status, SCSI_GOOD);
	assert_int_equal(ten(0, 0x4c, 0x02, 0x10).status, SCSI_GOOD);
	assert_int_equal(ten(0, 0x4c, 0x02, 0x2f).status, SCSI_GOOD);
	assert_int_equal(errors(0x03), 1);
	assert_int_equal(ten(1, 0x00, 0, 0).status, SCSI_GOOD);
}

static void test_what_there_is_not(void **state)
{
	static const uint8_t list[10] = {0x4c, 0, 0x40, 0, 0, 0, 0, 0, 4};

	assert_int_equal(sense(0x40 | 0x0d, 0, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sense(0x43, 1, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sense(0x03, 0, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sense(0x43, 0, 6).status, SCSI_GOOD);
	assert_int_equal(sense(0x43, 0, 7).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(ten(0, 0x4d, 1, 0x43).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(ten(0, 0x4c, 1, 0x43).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(fixture_scsi_run(&fs, 0, list, 10, "abcd", 4, 0).asc,
			 SCSI_ASC_INVALID_FIELD_CDB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_there_is),
		TEST(test_errors_of_the_medium),
		TEST(test_pages_without_counters),
		TEST(test_what_there_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
