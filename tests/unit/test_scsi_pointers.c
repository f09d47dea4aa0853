/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ILLEGAL REQUEST says which field it is about (SPC-5 4.5.2.4.2): of the CDB, or of the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

#define IN_CDB	0x40
#define IN_LIST 0x00

static struct fixture_scsi fs;

static int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.thin = true});
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static const struct {
	const char *what;
	uint8_t cdb[16], cdb_len;
	uint32_t out_len; /* of zeroes, but for `list` */
	uint8_t list[32];
	uint16_t asc;
	uint8_t where;
	uint16_t byte;
	uint8_t bit;
} cases[] = {
	{"no such opcode", {0xc1}, 6, 0, {}, SCSI_ASC_OPCODE, IN_CDB, 0, 7},
	{"no such service action",
	 {0x9e, 0x1f},
	 16,
	 0,
	 {},
	 SCSI_ASC_INVALID_FIELD_CDB,
	 IN_CDB,
	 1,
	 4},
	{"NACA", {0x00, 0, 0, 0, 0, 0x04}, 6, 0, {}, SCSI_ASC_INVALID_FIELD_CDB, IN_CDB, 5, 2},
	{"RDPROTECT", {0x28, 0x20}, 10, 0, {}, SCSI_ASC_INVALID_FIELD_CDB, IN_CDB, 1, 7},
	{"INQUIRY, page without EVPD",
	 {0x12, 0, 0x80},
	 6,
	 0,
	 {},
	 SCSI_ASC_INVALID_FIELD_CDB,
	 IN_CDB,
	 2,
	 7},
	{"INQUIRY, no such page",
	 {0x12, 1, 0xd7},
	 6,
	 0,
	 {},
	 SCSI_ASC_INVALID_FIELD_CDB,
	 IN_CDB,
	 2,
	 7},
	{"MODE SENSE, no such page",
	 {0x1a, 0, 0x3d},
	 6,
	 0,
	 {},
	 SCSI_ASC_INVALID_FIELD_CDB,
	 IN_CDB,
	 2,
	 5},
	{"MODE SENSE, no such subpage",
	 {0x1a, 0, 0x08, 7},
	 6,
	 0,
	 {},
	 SCSI_ASC_INVALID_FIELD_CDB,
	 IN_CDB,
	 3,
	 7},
	{"MODE SENSE, nothing is saved",
	 {0x1a, 0, 0xff},
	 6,
	 0,
	 {},
	 SCSI_ASC_SAVING_NOT_SUPPORTED,
	 IN_CDB,
	 2,
	 7},
	{"LOG SENSE, no such page",
	 {0x4d, 0, 0x7d},
	 10,
	 0,
	 {},
	 SCSI_ASC_INVALID_FIELD_CDB,
	 IN_CDB,
	 2,
	 5},
	{"MODE SELECT without PF",
	 {0x15, 0, 0, 0, 4},
	 6,
	 4,
	 {},
	 SCSI_ASC_INVALID_FIELD_CDB,
	 IN_CDB,
	 1,
	 4},
	{"MODE SELECT, less than it says",
	 {0x15, 0x10, 0, 0, 8},
	 6,
	 4,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 4,
	 7},
	{"MODE SELECT, a page cut off",
	 {0x55, 0x10, 0, 0, 0, 0, 0, 0, 10},
	 10,
	 10,
	 {[8] = 0x08, [9] = 0x12},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 7,
	 7},
	{"MODE SELECT, no such page",
	 {0x55, 0x10, 0, 0, 0, 0, 0, 0, 10},
	 10,
	 10,
	 {[8] = 0x3d},
	 SCSI_ASC_INVALID_FIELD_LIST,
	 IN_LIST,
	 8,
	 5},
	{"UNMAP, no list",
	 {0x42, 0, 0, 0, 0, 0, 0, 0, 4},
	 10,
	 4,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 7,
	 7},
	{"PERSISTENT RESERVE OUT, a short list",
	 {0x5f, 0, 0, 0, 0, 0, 0, 0, 8},
	 10,
	 8,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 5,
	 7},
	{"SET TARGET PORT GROUPS, a short list",
	 {0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 2},
	 12,
	 2,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 6,
	 7},
	{"EXTENDED COPY, a short list",
	 {0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4},
	 16,
	 4,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 10,
	 7},
	{"SEND DIAGNOSTIC, a short page",
	 {0x1d, 0x10, 0, 0, 2},
	 6,
	 2,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 3,
	 7},
	{"VERIFY, less data than a block",
	 {0x2f, 6, 0, 0, 0, 0, 0, 0, 2},
	 10,
	 256,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 7,
	 7},
	{"COMPARE AND WRITE, data for one half",
	 {0x89, [13] = 1},
	 16,
	 512,
	 {},
	 SCSI_ASC_LIST_LENGTH,
	 IN_CDB,
	 13,
	 7},
};

static void test_fields(void **state)
{
	static uint8_t out[4096];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture_scsi_answer a;

		memcpy(out, cases[i].list, sizeof(cases[i].list));
		a = fixture_scsi_run(&fs, 0, cases[i].cdb, cases[i].cdb_len, out, cases[i].out_len,
				     0);
		if (a.key != SCSI_KEY_ILLEGAL_REQUEST || a.asc != cases[i].asc ||
		    a.sense[15] != (0x88 | cases[i].where | cases[i].bit) ||
		    get_be16(a.sense + 16) != cases[i].byte)
			fail_msg("%s: key %u, code %04x, %02x, byte %u", cases[i].what, a.key,
				 a.asc, a.sense[15], get_be16(a.sense + 16));
	}
}

/* Nothing of the CDB is wrong where there is no unit. */
static void test_no_pointer(void **state)
{
	static const uint8_t cdb[6];
	struct fixture_scsi_answer a;

	fs.fc.cmd.scsi.lun = 7ull << 48;
	a = fixture_scsi_run(&fs, 0, cdb, 6, NULL, 0, 0);
	fs.fc.cmd.scsi.lun = 0;
	assert_int_equal(a.asc, SCSI_ASC_LUN_NOT_SUPPORTED);
	assert_int_equal(a.sense[15] & 0x80, 0);
}

/* An address beyond the last is the information, as READ and WRITE count. */
static void test_information(void **state)
{
	static const uint8_t beyond[10] = {0x28, 0, 0, 0, 0x20, 0, 0, 0, 1};
	static const uint8_t across[10] = {0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 2};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, beyond, 10, NULL, 0, 512);

	assert_int_equal(a.asc, SCSI_ASC_LBA_RANGE);
	assert_int_equal(a.sense[0], 0xf0);
	assert_int_equal(get_be32(a.sense + 3), 0x2000);
	a = fixture_scsi_run(&fs, 0, across, 10, NULL, 0, 1024);
	assert_int_equal(a.asc, SCSI_ASC_LBA_RANGE);
	assert_int_equal(get_be32(a.sense + 3), 0x1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fields),
		TEST(test_no_pointer),
		TEST(test_information),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
