/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_there_and_back(void **state)
{
	uint8_t bytes[256], back[256];
	char text[513];

	for (unsigned int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	hex_format(bytes, 256, text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text, "000102", 6);
	assert_string_equal(text + 506, "fdfeff");
	assert_true(hex_parse(text, 512, back, 256));
	assert_memory_equal(back, bytes, 256);
	hex_format(bytes, 0, text);
	assert_string_equal(text, "");
}

static void test_what_is_read(void **state)
{
	static const char *const bad[] = {"0",	  "0g", "g0", " 0", "0x",
					  "00 0", "-1", "@0", "`0", ":0"};
	uint8_t bytes[2] = {0};

	assert_true(hex_parse("aBCd", 4, bytes, 2));
	assert_true(bytes[0] == 0xab && bytes[1] == 0xcd);
	assert_true(hex_parse("", 0, bytes, 0));
	assert_true(hex_parse("12zz", 2, bytes, 1));
	assert_int_equal(bytes[0], 0x12);
	assert_false(hex_parse("1234", 4, bytes, 1));
	assert_int_equal(bytes[1], 0xcd);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(hex_parse(bad[i], strlen(bad[i]), bytes, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
