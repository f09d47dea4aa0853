/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All 256 opcodes: each ends exactly once, and only the known ones do something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_ata.h"
#include <string.h>

#define NBLOCKS 300u

/* Obsolete, optional and packet commands that an initiator may try, all to be aborted. */
static const uint8_t unknown[] = {0x01, 0x03, 0x0b, 0x10, 0x1f, 0x22, 0x23, 0x26, 0x2f,
				  0x32, 0x33, 0x37, 0x3f, 0x44, 0x45, 0x47, 0x57, 0x5c,
				  0x60, 0x61, 0x70, 0x7f, 0x92, 0x93, 0xa0, 0xa1, 0xb1,
				  0xb4, 0xc7, 0xcc, 0xe4, 0xe8, 0xf1, 0xf6, 0xf9, 0xff};

static void test_unknown_commands_abort(void **unused)
{
	uint8_t data[512] = {0};
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, NBLOCKS, NBLOCKS, true, NULL);
	for (i = 0; i < sizeof(unknown); i++) {
		struct ata_taskfile tf = {.command = unknown[i], .count = 1};
		struct fixture_answer a = fixture_ata_run(&fa, &tf, data, sizeof(data));

		assert_int_equal(a.status, 0x41);
		assert_int_equal(a.error, 0x04);
		assert_int_equal(a.len, 0);
	}
	assert_int_equal(fa.disk->requests, 0);
	fixture_ata_close(&fa);
}

static void test_nop_aborts(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, NBLOCKS, 0, true, NULL);
	assert_int_equal(fixture_ata_run(&fa, &(struct ata_taskfile){.command = 0}, NULL, 0).error,
			 0x04);
	fixture_ata_close(&fa);
}

static void run_one(struct fixture_ata *fa, const struct ata_taskfile *tf, uint32_t len)
{
	static uint8_t data[FIXTURE_LIMIT * 512];
	unsigned int writes =
		fixture_disk_count(fa->disk, BLK_WRITE) + fixture_disk_count(fa->disk, BLK_UNMAP);
	struct fixture_answer a = fixture_ata_run(fa, tf, data, len);

	assert_int_equal(a.status & ~0x61, 0);
	assert_int_equal(a.status & 0x40, 0x40);
	if (a.status & 0x01)
		assert_int_equal(a.len, 0);
	else
		assert_true(tf->command == 0x90 || !a.error);
	/* Nothing changes the medium that is not known to. */
	if (!ata_command_writes(tf->command, tf->feature))
		assert_int_equal(fixture_disk_count(fa->disk, BLK_WRITE) +
					 fixture_disk_count(fa->disk, BLK_UNMAP),
				 writes);
	fa->disk->requests = 0;
}

static void test_every_command_ends_once(void **unused)
{
	static const uint8_t features[] = {0x00, 0x01, 0x02, 0x03, 0x55, 0x82, 0xaa, 0xd0, 0xd1,
					   0xd2, 0xd4, 0xd5, 0xd6, 0xd9, 0xd8, 0xda, 0xff};
	static const uint16_t counts[] = {0, 1, FIXTURE_LIMIT, FIXTURE_LIMIT + 1, 0xff, 0xffff};
	static const uint64_t lbas[] = {0,	    1,		 0xc24f01,
					0xc24f80,   NBLOCKS - 1, NBLOCKS,
					1ull << 28, 1ull << 31,	 (1ull << 48) - 1,
					~0ull};
	static const uint32_t lens[] = {0, 511, 512, FIXTURE_LIMIT * 512};
	struct fixture_ata fa;
	unsigned int c, f, n, l, d;

	fixture_ata_open(&fa, NBLOCKS, NBLOCKS, true, NULL);
	for (c = 0; c < 256; c++)
		for (f = 0; f < sizeof(features); f++)
			for (n = 0; n < 6; n++)
				for (l = 0; l < 10; l++)
					for (d = 0; d < 4; d++)
						run_one(&fa,
							&(struct ata_taskfile){
								.command = (uint8_t)c,
								.feature = features[f],
								.count = counts[n],
								.lba = lbas[l]},
							lens[d]);
	fixture_ata_close(&fa);
}

static void test_what_writes(void **unused)
{
	static const uint8_t writes[] = {0x06, 0x30, 0x31, 0x34, 0x35, 0x39,
					 0x3d, 0xc5, 0xca, 0xcb, 0xce};
	unsigned int c;

	for (c = 0; c < 256; c++) {
		if (c == 0xb0 || c == 0xef)
			continue;
		assert_int_equal(ata_command_writes((uint8_t)c, 0),
				 memchr(writes, (int)c, sizeof(writes)) != NULL);
	}
	assert_true(ata_command_writes(0xb0, 0xd6));
	assert_true(ata_command_writes(0xb0, 0xd9));
	assert_false(ata_command_writes(0xb0, 0xd0));
	assert_false(ata_command_writes(0xb0, 0xd5));
	assert_true(ata_command_writes(0xef, 0x82));
	assert_false(ata_command_writes(0xef, 0x03));
}

static void test_classes(void **unused)
{
	assert_int_equal(ata_command_class(0x24), ATA_CLASS_READ);
	assert_int_equal(ata_command_class(0xca), ATA_CLASS_WRITE);
	assert_int_equal(ata_command_class(0xea), ATA_CLASS_FLUSH);
	assert_int_equal(ata_command_class(0xec), ATA_CLASS_OTHER);
	assert_int_equal(ata_command_class(0xff), ATA_CLASS_OTHER);
}

static int no_room(struct command *cmd, uint32_t len, struct sgl *data_in)
{
	return -EMSGSIZE;
}

static void count_delivery(struct command *cmd)
{
	container_of(cmd, struct fixture_command, cmd)->delivered++;
}

/* A transport whose frames are too small for an answer gets an error to send, not silence. */
static void test_no_room_for_the_answer(void **unused)
{
	static const struct transport_ops ops = {.place = no_room, .deliver = count_delivery};
	static const struct ata_taskfile commands[] = {
		{.command = 0xec},
		{.command = 0x24, .count = 1},
		{.command = 0x42, .count = 1},
		{.command = 0xb0, .feature = 0xd0, .lba = 0xc24f00},
		{.command = 0xb0, .feature = 0xd5, .count = 1, .lba = 0xc24f80},
		{.command = 0xb0, .feature = 0xd4, .lba = 0xc24f01}};
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, NBLOCKS, 0, true, NULL);
	fa.fc.cmd.ops = &ops;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct fixture_answer a = fixture_ata_run(&fa, &commands[i], NULL, 0);

		assert_int_equal(a.status, 0x41);
		assert_int_equal(a.error, 0x04);
		assert_int_equal(a.len, 0);
	}
	assert_int_equal(fa.disk->requests, 0);
	fixture_ata_close(&fa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_commands_abort),
		cmocka_unit_test(test_nop_aborts),
		cmocka_unit_test(test_every_command_ends_once),
		cmocka_unit_test(test_what_writes),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_no_room_for_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
