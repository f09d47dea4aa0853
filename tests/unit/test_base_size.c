/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/size.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_good(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"1", 1},
		{"512", 512},
		{"1K", 1024},
		{"1KiB", 1024},
		{"007M", 7ull << 20},
		{"64MiB", 64ull << 20},
		{"3G", 3ull << 30},
		{"3GiB", 3ull << 30},
		{"2T", 2ull << 40},
		{"16777215TiB", 16777215ull << 40},
		{"18446744073709551615", UINT64_MAX},
	};

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes = ~good[i].bytes;

		print_message("%s\n", good[i].text);
		assert_int_equal(size_parse(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		int ret;
	} bad[] = {
		{"", -EINVAL},		{"K", -EINVAL},
		{"-1", -EINVAL},	{"+1", -EINVAL},
		{" 1", -EINVAL},	{"1 ", -EINVAL},
		{"1k", -EINVAL},	{"1KB", -EINVAL},
		{"1Ki", -EINVAL},	{"1KiBB", -EINVAL},
		{"1.5G", -EINVAL},	{"0x10", -EINVAL},
		{"1P", -EINVAL},	{"18446744073709551616", -ERANGE},
		{"16777216T", -ERANGE},
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t bytes;

		print_message("'%s'\n", bad[i].text);
		assert_int_equal(size_parse(bad[i].text, &bytes), bad[i].ret);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
