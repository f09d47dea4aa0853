/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What REPORT SUPPORTED OPERATION CODES says is what the unit does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

#define LONGEST 8192u

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

static struct fixture_scsi_answer report(uint8_t options, uint8_t opcode, uint16_t action,
					 uint32_t alloc)
{
	uint8_t cdb[12] = {0xa3, 0x0c, options, opcode};

	put_be16(cdb + 4, action);
	put_be32(cdb + 6, alloc);
	return fixture_scsi_run(&fs, 0, cdb, 12, NULL, 0, alloc);
}

/* Every command of the list can be asked after in one way and not in the other. */
static void test_each_command_by_itself(void **state)
{
	uint8_t all[LONGEST];
	struct fixture_scsi_answer a = report(0, 0, 0, LONGEST);
	uint32_t len = get_be32(a.data);

	assert_int_equal(a.len, len + 4);
	assert_int_equal(len % 8, 0);
	memcpy(all, a.data, a.len);
	for (const uint8_t *at = all + 4; at < all + 4 + len; at += 8) {
		bool actions = at[5] & 1;

		assert_int_equal(at[5] & ~1, 0);
		a = report(actions ? 2 : 1, at[0], get_be16(at + 2), 64);
		assert_int_equal(a.status, SCSI_GOOD);
		assert_int_equal(a.data[1], 3);
		assert_int_equal(get_be16(a.data + 2), get_be16(at + 6));
		assert_int_equal(a.len, 4 + get_be16(at + 6));
		assert_int_equal(a.data[4], at[0]);
		if (actions)
			assert_int_equal(a.data[5] & 0x1f, at[3]);
		a = report(actions ? 1 : 2, at[0], get_be16(at + 2), 64);
		assert_int_equal(a.asc, SCSI_ASC_INVALID_FIELD_CDB);
		assert_int_equal(report(3, at[0], get_be16(at + 2), 64).data[1], 3);
	}
}

static void test_bits_of_a_read(void **state)
{
	static const uint8_t expected[] = {0,	 3,    0,    10, 0x28, 0xf8, 0xff,
					   0xff, 0xff, 0xff, 0,	 0xff, 0xff, 0x04};
	struct fixture_scsi_answer a = report(1, 0x28, 0, 64);

	assert_int_equal(a.len, sizeof(expected));
	assert_memory_equal(a.data, expected, sizeof(expected));
}

static void test_timeouts(void **state)
{
	struct fixture_scsi_answer a = report(0x80, 0, 0, LONGEST);
	uint32_t len = get_be32(a.data);

	assert_int_equal(len % 20, 0);
	for (const uint8_t *at = a.data + 4; at < a.data + 4 + len; at += 20) {
		assert_int_equal(at[5] & 2, 2);
		assert_int_equal(get_be16(at + 8), 10);
	}
	a = report(0x81, 0x28, 0, 64);
	assert_int_equal(a.data[1], 0x83);
	assert_int_equal(a.len, 4 + 10 + 12);
	assert_int_equal(get_be16(a.data + 14), 10);
}

/* What only other units have is not listed, and not executed. */
static void test_of_other_units(void **state)
{
	static const uint8_t opcodes[] = {0x42, 0x1e};

	for (unsigned int i = 0; i < 2; i++) {
		const uint8_t cdb[10] = {opcodes[i]};
		struct fixture_scsi_answer a = report(0, 0, 0, LONGEST);

		for (const uint8_t *at = a.data + 4; at < a.data + a.len; at += 8)
			assert_int_not_equal(at[0], opcodes[i]);
		assert_int_equal(report(1, opcodes[i], 0, 64).data[1], 1);
		assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, 0).asc,
				 SCSI_ASC_OPCODE);
	}
}

static void test_what_is_not_there(void **state)
{
	assert_int_equal(report(1, 0xff, 0, 64).data[1], 1);
	assert_int_equal(report(2, 0x9e, 0x1f, 64).data[1], 1);
	assert_int_equal(report(2, 0x9e, 0x110, 64).data[1], 1);
	assert_int_equal(report(3, 0x28, 1, 64).data[1], 1);
	assert_int_equal(report(4, 0x28, 0, 64).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(report(0, 0, 0, 4).len, 4);
}

static void test_task_management_functions(void **state)
{
	uint8_t cdb[12] = {0xa3, 0x0d, [9] = 16};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, cdb, 12, NULL, 0, 16);

	assert_int_equal(a.len, 4);
	assert_memory_equal(a.data, "\xde\x06\0\0", 4);
	cdb[2] = 0x80;
	a = fixture_scsi_run(&fs, 0, cdb, 12, NULL, 0, 16);
	assert_int_equal(a.len, 16);
	assert_int_equal(a.data[3], 12);
	cdb[9] = 3;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 12, NULL, 0, 16).asc,
			 SCSI_ASC_INVALID_FIELD_CDB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_command_by_itself),
		TEST(test_bits_of_a_read),
		TEST(test_timeouts),
		TEST(test_of_other_units),
		TEST(test_what_is_not_there),
		TEST(test_task_management_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
