/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lines that `top` shows: they fit, and say what the table does. */
#include "top_text.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAC "02:00:00:00:00:0a"

static struct top_row row_of(const char *disk)
{
	return (struct top_row){
		.name = {"4094.4094:65534.254", MAC, "enp129s0f1np123"},
		.note = disk,
		.measured = true,
		.rate = {[TOP_OPS] = 12345678.9,
			 [TOP_READS] = 0.5,
			 [TOP_READ_BYTES] = 123456789,
			 [TOP_WRITE_BYTES] = 1500000},
		.p50_us = 47.4,
		.p99_us = 1234,
	};
}

/* A table of this row alone, its titles and the row as lines of this width. */
struct lines {
	char *titles, *row;
};

static char *printed(const struct top_layout *layout, const struct top_row *row)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (row)
		top_text_row(layout, row, out);
	else
		top_text_titles(layout, out);
	fclose(out);
	return text;
}

static struct lines lines_of(struct top_row row, enum top_view view, int width)
{
	const struct top_table table = {.rows = &row, .nrows = 1, .beyond_us = 10e6};
	struct top_layout layout;

	top_text_layout(&layout, &table, view, width);
	return (struct lines){printed(&layout, NULL), printed(&layout, &row)};
}

static void lines_free(struct lines lines)
{
	free(lines.titles);
	free(lines.row);
}

static void expect(struct top_row row, enum top_view view, int width, const char *titles,
		   const char *text)
{
	struct lines lines = lines_of(row, view, width);

	assert_string_equal(lines.titles, titles);
	assert_string_equal(lines.row, text);
	lines_free(lines);
}

static void test_a_usual_row_in_80_columns(void **state)
{
	struct top_row row = row_of("vol0");

	row.name.export = "7.1";
	row.name.interface = "eth1";
	expect(row, TOP_EXPORTS, 80,
	       "EXPORT INTERFACE     IOPS    rMB/s    wMB/s      p50      p99 DISK",
	       "7.1    eth1      12345679    123.5     1.50     47us    1.2ms vol0");
	expect(row, TOP_INITIATORS, 80,
	       "INITIATOR         INTERFACE     IOPS    rMB/s    wMB/s      p50      p99",
	       "02:00:00:00:00:0a eth1      12345679    123.5     1.50     47us    1.2ms");
}

static void test_lines_fit_any_width(void **state)
{
	static const char *const disks[] = {"", "vol0", "/srv/a/very/long/path/to/some/disk.img"};

	for (size_t d = 0; d < sizeof(disks) / sizeof(disks[0]); d++) {
		for (enum top_view view = 0; view < TOP_VIEWS; view++) {
			for (int width = 1; width < 200; width++) {
				struct lines lines = lines_of(row_of(disks[d]), view, width);

				assert_true((int)strlen(lines.titles) <= width);
				assert_true((int)strlen(lines.row) <= width);
				lines_free(lines);
			}
		}
	}
}

static void test_60_columns_keep_what_matters(void **state)
{
	for (enum top_view view = 0; view < TOP_PAIRS; view++) {
		struct lines lines = lines_of(row_of("vol0"), view, 60);

		assert_non_null(strstr(lines.titles, "IOPS"));
		assert_non_null(strstr(lines.titles, "wMB/s"));
		assert_non_null(strstr(lines.titles, "p99"));
		assert_non_null(strstr(lines.row, "1.2ms"));
		lines_free(lines);
	}
}

static void test_a_wide_line_says_more(void **state)
{
	struct lines lines = lines_of(row_of("vol0"), TOP_EXPORTS, 160);

	assert_non_null(strstr(lines.titles, "r/s"));
	assert_non_null(strstr(lines.titles, "err/s"));
	lines_free(lines);
}

static void test_scripts_get_all_in_one_unit(void **state)
{
	struct top_row row = row_of("/srv/a/very/long/path/to/some/disk.img");

	expect(row, TOP_EXPORTS, 0,
	       "EXPORT              INTERFACE           IOPS      r/s      w/s    rMB/s    wMB/s"
	       "   p50_us   p99_us    err/s DISK",
	       "4094.4094:65534.254 enp129s0f1np123 12345679     0.50        0    123.5     1.50"
	       "       47     1234        0 /srv/a/very/long/path/to/some/disk.img");
	row.p99_us = INFINITY;
	row.note = "";
	expect(row, TOP_PAIRS, 0,
	       "EXPORT              INITIATOR         INTERFACE           IOPS      r/s      w/s"
	       "    rMB/s    wMB/s   p50_us   p99_us    err/s DISK",
	       "4094.4094:65534.254 02:00:00:00:00:0a enp129s0f1np123 12345679     0.50        0"
	       "    123.5     1.50       47 >10000000        0 -");
}

/* Also where no column has to be shown whatever the width. */
static void test_scripts_get_all_of_interfaces(void **state)
{
	struct top_row row = row_of("copy+sg");

	row.name.interface = "eth1";
	expect(row, TOP_INTERFACES, 0,
	       "INTERFACE     IOPS      r/s      w/s    rMB/s    wMB/s   p50_us   p99_us    err/s XDP    ",
	       "eth1      12345679     0.50        0    123.5     1.50       47     1234        0 copy+sg");
}

static void test_what_is_not_known(void **state)
{
	struct top_row row = row_of("vol0");

	row.name.export = "7.1";
	row.name.interface = "eth1";
	row.p50_us = row.p99_us = -1;
	expect(row, TOP_EXPORTS, 66,
	       "EXPORT INTERFACE     IOPS    rMB/s    wMB/s      p50      p99",
	       "7.1    eth1      12345679    123.5     1.50        -        -");
	row.measured = false;
	expect(row, TOP_EXPORTS, 66,
	       "EXPORT INTERFACE     IOPS    rMB/s    wMB/s      p50      p99",
	       "7.1    eth1             -        -        -        -        -");
}

static void test_durations(void **state)
{
	static const struct {
		double us;
		const char *text;
	} durations[] = {
		{0.4, " 0us"},	  {999, " 999us"},  {1000, " 1.0ms"},	 {15300, " 15ms"},
		{1.5e6, " 1.5s"}, {9.9e6, " 9.9s"}, {INFINITY, " >10s"},
	};

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		struct top_row row = row_of("");
		struct lines lines;

		row.p99_us = durations[i].us;
		lines = lines_of(row, TOP_INITIATORS, 80);
		assert_string_equal(lines.row + strlen(lines.row) - strlen(durations[i].text),
				    durations[i].text);
		lines_free(lines);
	}
}

static void test_the_end_of_a_long_disk_shows(void **state)
{
	struct lines lines =
		lines_of(row_of("/srv/a/very/long/path/to/some/disk.img"), TOP_EXPORTS, 100);

	assert_non_null(strstr(lines.row, ".."));
	assert_string_equal(lines.row + strlen(lines.row) - 8, "disk.img");
	assert_int_equal(strlen(lines.row), 100);
	lines_free(lines);
}

/* A disk may be called anything; the terminal must not be told what to do. */
static void test_disks_of_any_name(void **state)
{
	struct lines lines = lines_of(row_of("a\x1b[2J\nb\xff\xc3"), TOP_EXPORTS, 0);

	assert_non_null(strstr(lines.row, " a?[2J?b??"));
	lines_free(lines);
	lines = lines_of(row_of("caf\xc3\xa9"), TOP_EXPORTS, 0);
	assert_non_null(strstr(lines.row, " caf\xc3\xa9"));
	lines_free(lines);
}

static void test_fit_counts_columns(void **state)
{
	assert_int_equal(top_text_fit("abc", 2), 2);
	assert_int_equal(top_text_fit("abc", 5), 3);
	assert_int_equal(top_text_fit("\xc3\xa9\xc3\xa9", 1), 2);
	/* A wide character is not cut in two. */
	assert_int_equal(top_text_fit("a\xe4\xb8\xad", 2), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_usual_row_in_80_columns),
		cmocka_unit_test(test_lines_fit_any_width),
		cmocka_unit_test(test_60_columns_keep_what_matters),
		cmocka_unit_test(test_a_wide_line_says_more),
		cmocka_unit_test(test_scripts_get_all_in_one_unit),
		cmocka_unit_test(test_scripts_get_all_of_interfaces),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_the_end_of_a_long_disk_shows),
		cmocka_unit_test(test_disks_of_any_name),
		cmocka_unit_test(test_fit_counts_columns),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
