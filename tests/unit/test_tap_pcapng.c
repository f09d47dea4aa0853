/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The blocks of a pcapng as tshark reads them, and a file that takes no more. */
#include "fixture.h"
#include "tap/pcapng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A query configuration request, padded to the shortest frame. */
static const uint8_t query[60] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1,
	0x88, 0xa2, 0x10, 0,	0,    7,    1, 1, 0, 0, 0, 9,
};

#define BEGIN_NS 1700000000123456789u

static void write_file(const char *path)
{
	struct pcapng_frame frame = {
		.ns = BEGIN_NS, .data = query, .captured = 60, .len = 60, .queue = 3, .inbound = 1};
	const struct pcapng_totals totals = {
		.begin_ns = BEGIN_NS, .end_ns = BEGIN_NS + 5, .seen = 9, .lost = 4};
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(pcapng_begin(file, "eth0", 2048), 0);
	assert_int_equal(pcapng_frame(file, &frame), 0);
	frame.ns++;
	frame.inbound = 0;
	frame.captured = 33; /* cut, and no multiple of four */
	frame.len = 1500;
	assert_int_equal(pcapng_frame(file, &frame), 0);
	assert_int_equal(pcapng_end(file, &totals), 0);
	assert_int_equal(fclose(file), 0);
}

/* What the command prints must be `want`. */
static void expect_output(const char *command, const char *want)
{
	FILE *pipe = popen(command, "r");
	char got[1000] = {0};
	size_t len = fread(got, 1, sizeof(got) - 1, pipe);

	assert_int_equal(pclose(pipe), 0);
	got[len] = 0;
	assert_string_equal(got, want);
}

static void test_tshark_reads_it(void **state)
{
	char *dir = fixture_dir_make(), path[128], command[512];

	snprintf(path, sizeof(path), "%s/two.pcapng", dir);
	write_file(path);
	snprintf(command, sizeof(command),
		 "tshark -n -r %s -T fields -e frame.time_epoch -e frame.len -e frame.cap_len "
		 "-e frame.interface_name -e frame.packet_flags_direction "
		 "-e frame.interface_queue -e aoe.major 2>&1 | grep -v Running",
		 path);
	expect_output(command, "1700000000.123456789\t60\t60\teth0\t0x00000001\t3\t0x0007\n"
			       "1700000000.123456790\t1500\t33\teth0\t0x00000002\t3\t0x0007\n");
	snprintf(command, sizeof(command),
		 "capinfos -M %s | sed -n '"
		 "s/^File type: *//p; s/^Number of packets: *//p; s/^ *Time precision = //p; "
		 "s/^ *Capture length = //p; s/^ *Number of stat entries = //p'",
		 path);
	expect_output(command, "pcapng\n2\n2048\nnanoseconds (9)\n1\n");
	fixture_dir_remove(dir);
}

static uint32_t u32_at(const uint8_t *data, size_t at)
{
	uint32_t value;

	memcpy(&value, data + at, sizeof(value));
	return value;
}

/* Every block begins and ends with its length, a multiple of four; the last holds the losses. */
static void test_blocks(void **state)
{
	static const uint32_t types[] = {0x0a0d0d0a, 1, 6, 6, 5};
	char *dir = fixture_dir_make(), path[128];
	uint8_t data[2000];
	size_t len, at = 0;
	uint64_t value;
	FILE *file;

	snprintf(path, sizeof(path), "%s/two.pcapng", dir);
	write_file(path);
	file = fopen(path, "rb");
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	for (unsigned int i = 0; i < 5; i++) {
		uint32_t block = u32_at(data, at + 4);

		assert_int_equal(u32_at(data, at), types[i]);
		assert_int_equal(block % 4, 0);
		assert_true(block <= len - at);
		assert_int_equal(u32_at(data, at + block - 4), block);
		at += block;
	}
	assert_int_equal(at, len);
	/* The options isb_ifrecv and isb_ifdrop, before the end of options and the length. */
	memcpy(&value, data + len - 28, 8);
	assert_int_equal(value, 9);
	memcpy(&value, data + len - 16, 8);
	assert_int_equal(value, 4);
	fixture_dir_remove(dir);
}

static void test_file_that_is_full(void **state)
{
	const struct pcapng_frame frame = {.data = query, .captured = 60, .len = 60};
	FILE *file = fopen("/dev/full", "wb");

	assert_non_null(file);
	setvbuf(file, NULL, _IONBF, 0);
	assert_int_equal(pcapng_begin(file, "eth0", 2048), -ENOSPC);
	assert_int_equal(pcapng_frame(file, &frame), -ENOSPC);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tshark_reads_it),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_file_that_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
