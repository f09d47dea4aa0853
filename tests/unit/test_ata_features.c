/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SET FEATURES, SET MULTIPLE MODE, power modes and native size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_ata.h"
#include <string.h>

static struct fixture_answer run(struct fixture_ata *fa, uint8_t command, uint8_t feature,
				 uint16_t count)
{
	struct ata_taskfile tf = {.command = command, .feature = feature, .count = count};

	return fixture_ata_run(fa, &tf, NULL, 0);
}

static void assert_ok(struct fixture_answer a)
{
	assert_int_equal(a.status, 0x40);
	assert_int_equal(a.error, 0);
}

static void assert_abort(struct fixture_answer a)
{
	assert_int_equal(a.status, 0x41);
	assert_int_equal(a.error, 0x04);
}

static unsigned int flags_of_a_write(struct fixture_ata *fa)
{
	static uint8_t data[512];
	struct ata_taskfile tf = {.command = 0x34, .count = 1};

	assert_ok(fixture_ata_run(fa, &tf, data, 512));
	return fa->disk->log[fa->disk->requests - 1].flags & BLK_FUA;
}

static uint16_t identify_word(struct fixture_ata *fa, unsigned int i)
{
	struct fixture_answer a = run(fa, 0xec, 0, 1);

	return (uint16_t)(a.data[2 * i] | a.data[2 * i + 1] << 8);
}

static void test_write_cache_of_a_durable_unit(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_abort(run(&fa, 0xef, 0x02, 0));
	assert_int_equal(flags_of_a_write(&fa), BLK_FUA);
	assert_ok(run(&fa, 0xef, 0x82, 0));
	assert_int_equal(flags_of_a_write(&fa), BLK_FUA);
	fixture_ata_close(&fa);
}

static void test_write_cache_off_and_on(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, false, NULL);
	assert_int_equal(flags_of_a_write(&fa), 0);
	assert_ok(run(&fa, 0xef, 0x82, 0));
	assert_int_equal(fixture_disk_count(fa.disk, BLK_FLUSH), 1);
	assert_int_equal(flags_of_a_write(&fa), BLK_FUA);
	assert_int_equal(identify_word(&fa, 85) & 0x20, 0);
	assert_ok(run(&fa, 0xef, 0x02, 0));
	assert_int_equal(flags_of_a_write(&fa), 0);
	assert_int_equal(identify_word(&fa, 85) & 0x20, 0x20);
	fixture_ata_close(&fa);
}

/* What was cached is durable before the command ends, and writes that come meanwhile are too. */
static void test_write_cache_off_waits_for_the_flush(void **unused)
{
	struct ata_taskfile disable = {.command = 0xef, .feature = 0x82};
	struct ata_taskfile write = {.command = 0x34, .count = 1};
	struct fixture_command second;
	struct fixture_ata fa;
	uint8_t data[512] = {0};

	fixture_ata_open(&fa, 1000, 0, false, NULL);
	fixture_command_init(&fa.f, &fa.lu, &second);
	fa.disk->hold = true;
	fixture_ata_start(&fa, &fa.fc, &disable, NULL, 0);
	assert_int_equal(fa.fc.delivered, 0);
	fixture_ata_start(&fa, &second, &write, data, 512);
	assert_int_equal(fa.disk->log[0].op, BLK_FLUSH);
	assert_int_equal(fa.disk->log[1].flags & BLK_FUA, BLK_FUA);
	fixture_disk_release(fa.disk);
	assert_int_equal(fa.fc.delivered, 1);
	assert_int_equal(fa.fc.cmd.ata.status, 0x40);
	fixture_command_fini(&second);
	fixture_ata_close(&fa);
}

/* A write that was under way when the cache went off is durable when it is answered, too. */
static void test_write_cache_off_during_a_write(void **unused)
{
	struct ata_taskfile write = {.command = 0x34, .count = 1};
	struct ata_taskfile disable = {.command = 0xef, .feature = 0x82};
	struct fixture_command second;
	struct fixture_ata fa;
	uint8_t data[512] = {0};

	fixture_ata_open(&fa, 1000, 0, false, NULL);
	fixture_command_init(&fa.f, &fa.lu, &second);
	fa.disk->hold = true;
	fixture_ata_start(&fa, &fa.fc, &write, data, 512);
	fixture_ata_start(&fa, &second, &disable, NULL, 0);
	assert_int_equal(fa.disk->requests, 2);
	fixture_disk_release(fa.disk);
	assert_int_equal(second.delivered, 1);
	assert_int_equal(fa.fc.delivered, 0);
	assert_int_equal(fa.disk->log[2].op, BLK_FLUSH);
	fixture_disk_release(fa.disk);
	assert_int_equal(fa.fc.delivered, 1);
	assert_int_equal(fa.fc.cmd.ata.status, 0x40);
	fixture_command_fini(&second);
	fixture_ata_close(&fa);
}

static void test_write_cache_off_with_a_failing_flush(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;

	fixture_ata_open(&fa, 1000, 0, false, NULL);
	fa.disk->fail[BLK_FLUSH] = BLK_EIO;
	a = run(&fa, 0xef, 0x82, 0);
	assert_int_equal(a.status, 0x61);
	assert_int_equal(a.error, 0x04);
	fixture_ata_close(&fa);
}

static void test_transfer_modes(void **unused)
{
	static const uint8_t good[] = {0x00, 0x01, 0x08, 0x0c, 0x20, 0x22, 0x40, 0x46};
	static const uint8_t bad[] = {0x02, 0x0d, 0x0f, 0x10, 0x23, 0x30, 0x47, 0x48, 0x80, 0xff};
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_int_equal(identify_word(&fa, 88), 0x407f);
	for (i = 0; i < sizeof(bad); i++)
		assert_abort(run(&fa, 0xef, 0x03, bad[i]));
	for (i = 0; i < sizeof(good); i++)
		assert_ok(run(&fa, 0xef, 0x03, good[i]));
	assert_ok(run(&fa, 0xef, 0x03, 0x45));
	assert_int_equal(identify_word(&fa, 88), 0x207f);
	assert_int_equal(identify_word(&fa, 63), 0x0007);
	assert_ok(run(&fa, 0xef, 0x03, 0x22));
	assert_int_equal(identify_word(&fa, 88), 0x007f);
	assert_int_equal(identify_word(&fa, 63), 0x0407);
	fixture_ata_close(&fa);
}

static void test_read_ahead(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_ok(run(&fa, 0xef, 0x55, 0));
	assert_int_equal(identify_word(&fa, 85) & 0x40, 0);
	assert_ok(run(&fa, 0xef, 0xaa, 0));
	assert_int_equal(identify_word(&fa, 85) & 0x40, 0x40);
	fixture_ata_close(&fa);
}

static void test_other_features_abort(void **unused)
{
	struct fixture_ata fa;
	unsigned int feature;

	fixture_ata_open(&fa, 1000, 0, false, NULL);
	for (feature = 0; feature < 256; feature++)
		if (!strchr("\x02\x03\x55\x82\xaa", (int)feature) || !feature)
			assert_abort(run(&fa, 0xef, (uint8_t)feature, 0));
	fixture_ata_close(&fa);
}

static void test_multiple_mode(void **unused)
{
	struct ata_taskfile write = {.command = 0xc5, .count = 1};
	uint8_t data[512] = {0};
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_abort(run(&fa, 0xc4, 0, 1));
	assert_abort(run(&fa, 0x29, 0, 1));
	assert_abort(fixture_ata_run(&fa, &write, data, 512));
	assert_int_equal(fa.disk->requests, 0);
	assert_abort(run(&fa, 0xc6, 0, 3));
	assert_abort(run(&fa, 0xc6, 0, 32));
	assert_int_equal(identify_word(&fa, 59), 0);
	assert_ok(run(&fa, 0xc6, 0, 8));
	assert_int_equal(identify_word(&fa, 59), 0x0108);
	assert_ok(run(&fa, 0xc4, 0, 1));
	assert_ok(fixture_ata_run(&fa, &write, data, 512));
	assert_ok(run(&fa, 0xc6, 0, 0));
	assert_abort(run(&fa, 0xc4, 0, 1));
	fixture_ata_close(&fa);
}

static uint16_t power_mode(struct fixture_ata *fa)
{
	struct fixture_answer a = run(fa, 0xe5, 0, 0x33);

	assert_ok(a);
	return a.count;
}

static void test_power_modes(void **unused)
{
	static const struct {
		uint8_t command;
		uint16_t mode;
	} cases[] = {{0xe0, 0x00}, {0xe2, 0x00}, {0xe6, 0x00}, {0xe1, 0x80}, {0xe3, 0x80}};
	static const uint8_t wakers[] = {0x20, 0x24, 0x40, 0xe7, 0xea};
	struct fixture_ata fa;
	unsigned int i, j;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_int_equal(power_mode(&fa), 0xff);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (j = 0; j < sizeof(wakers); j++) {
			assert_ok(run(&fa, cases[i].command, 0, 5));
			assert_int_equal(power_mode(&fa), cases[i].mode);
			run(&fa, 0xec, 0, 1);
			assert_int_equal(power_mode(&fa), cases[i].mode);
			assert_ok(run(&fa, wakers[j], 0, 1));
			assert_int_equal(power_mode(&fa), 0xff);
		}
	fixture_ata_close(&fa);
}

/* A drive that spins down has written its cache. */
static void test_standby_flushes(void **unused)
{
	static const uint8_t commands[] = {0xe0, 0xe2, 0xe6};
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, 1000, 0, false, NULL);
	for (i = 0; i < sizeof(commands); i++) {
		assert_ok(run(&fa, commands[i], 0, 0));
		assert_int_equal(fixture_disk_count(fa.disk, BLK_FLUSH), i + 1);
	}
	assert_ok(run(&fa, 0xe1, 0, 0));
	fa.disk->fail[BLK_FLUSH] = BLK_EIO;
	assert_int_equal(run(&fa, 0xe0, 0, 0).status, 0x61);
	assert_int_equal(power_mode(&fa), 0x80);
	fixture_ata_close(&fa);
}

static uint64_t native_max(struct fixture_ata *fa, uint8_t command, uint64_t nblocks)
{
	struct fixture_answer a;

	atomic_store(&fa->disk->disk.nblocks, nblocks);
	a = run(fa, command, 0, 0);
	assert_ok(a);
	return a.lba;
}

static void test_native_size(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_int_equal(native_max(&fa, 0xf8, 1000), 999);
	assert_int_equal(native_max(&fa, 0x27, 1000), 999);
	assert_int_equal(native_max(&fa, 0xf8, 1ull << 28), 0x0fffffff);
	assert_int_equal(native_max(&fa, 0xf8, 1ull << 40), 0x0fffffff);
	assert_int_equal(native_max(&fa, 0x27, 1ull << 40), (1ull << 40) - 1);
	assert_int_equal(native_max(&fa, 0x27, 1ull << 50), (1ull << 48) - 1);
	fixture_ata_close(&fa);
}

static void test_diagnostic_leaves_the_signature(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	a = run(&fa, 0x90, 0, 0);
	assert_int_equal(a.status, 0x40);
	assert_int_equal(a.error, 0x01);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.lba, 1);
	fixture_ata_close(&fa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_cache_of_a_durable_unit),
		cmocka_unit_test(test_write_cache_off_and_on),
		cmocka_unit_test(test_write_cache_off_waits_for_the_flush),
		cmocka_unit_test(test_write_cache_off_during_a_write),
		cmocka_unit_test(test_write_cache_off_with_a_failing_flush),
		cmocka_unit_test(test_transfer_modes),
		cmocka_unit_test(test_read_ahead),
		cmocka_unit_test(test_other_features_abort),
		cmocka_unit_test(test_multiple_mode),
		cmocka_unit_test(test_power_modes),
		cmocka_unit_test(test_standby_flushes),
		cmocka_unit_test(test_native_size),
		cmocka_unit_test(test_diagnostic_leaves_the_signature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
