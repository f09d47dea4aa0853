/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SMART: its structures, logs and self-tests, and what of it survives a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_ata.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PASSED 0xc24f00ull
#define FAILED 0x2cf400ull

static struct fixture_answer smart_data(struct fixture_ata *fa, uint8_t feature, uint16_t count,
					uint8_t low, const void *data, uint32_t len)
{
	struct ata_taskfile tf = {
		.command = 0xb0, .feature = feature, .count = count, .lba = PASSED | low};

	return fixture_ata_run(fa, &tf, data, len);
}

static struct fixture_answer smart(struct fixture_ata *fa, uint8_t feature, uint16_t count,
				   uint8_t low)
{
	return smart_data(fa, feature, count, low, NULL, 0);
}

static void assert_ok(struct fixture_answer a, uint32_t len)
{
	assert_int_equal(a.status, 0x40);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.len, len);
}

static void assert_abort(struct fixture_answer a)
{
	assert_int_equal(a.status, 0x41);
	assert_int_equal(a.error, 0x04);
	assert_int_equal(a.len, 0);
}

static void assert_checksum(const uint8_t *page)
{
	uint8_t sum = 0;
	unsigned int i;

	for (i = 0; i < 512; i++)
		sum += page[i];
	assert_int_equal(sum, 0);
}

static void open_disk(struct fixture_ata *fa)
{
	fixture_ata_open(fa, 100000, 0, true, NULL);
}

/* The signature in LBA mid and high guards every subcommand. */
static void test_signature(void **unused)
{
	static const uint64_t bad[] = {0, 0x4fc200, 0xc20000, 0x004f00, 0xc24e00};
	struct fixture_ata fa;
	unsigned int feature, i;

	open_disk(&fa);
	for (feature = 0; feature < 256; feature++)
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			struct ata_taskfile tf = {.command = 0xb0,
						  .feature = (uint8_t)feature,
						  .count = 1,
						  .lba = bad[i]};

			assert_abort(fixture_ata_run(&fa, &tf, NULL, 0));
		}
	fixture_ata_close(&fa);
}

static void test_unknown_subcommands(void **unused)
{
	static const uint8_t known[] = {0xd0, 0xd1, 0xd2, 0xd4, 0xd5, 0xd6, 0xd8, 0xd9, 0xda};
	struct fixture_ata fa;
	unsigned int feature;

	open_disk(&fa);
	for (feature = 0; feature < 256; feature++)
		if (!memchr(known, (int)feature, sizeof(known)))
			assert_abort(smart(&fa, (uint8_t)feature, 1, 0));
	fixture_ata_close(&fa);
}

static void test_disabled(void **unused)
{
	struct fixture_ata fa;
	unsigned int feature;

	open_disk(&fa);
	assert_ok(smart(&fa, 0xd9, 0, 0), 0);
	for (feature = 0xd0; feature < 0xe0; feature++)
		if (feature != 0xd8)
			assert_abort(smart(&fa, (uint8_t)feature, 1, 0));
	assert_int_equal(fixture_ata_run(&fa, &(struct ata_taskfile){.command = 0xec}, NULL, 0)
					 .data[2 * 85] &
				 1,
			 0);
	assert_ok(smart(&fa, 0xd8, 0, 0), 0);
	assert_ok(smart(&fa, 0xda, 0, 0), 0);
	assert_int_equal(fixture_ata_run(&fa, &(struct ata_taskfile){.command = 0xec}, NULL, 0)
					 .data[2 * 85] &
				 1,
			 1);
	fixture_ata_close(&fa);
}

static void test_status_is_good(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;

	open_disk(&fa);
	a = smart(&fa, 0xda, 0, 0);
	assert_ok(a, 0);
	assert_int_equal(a.lba & 0xffff00, PASSED);
	fixture_ata_close(&fa);
}

static void test_data_and_thresholds(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;
	uint8_t ids[30];
	unsigned int i;

	open_disk(&fa);
	a = smart(&fa, 0xd0, 1, 0);
	assert_ok(a, 512);
	assert_checksum(a.data);
	assert_int_equal(a.data[367] & 0x11, 0x11); /* self-tests */
	assert_int_equal(a.data[370] & 1, 1);	    /* error log */
	for (i = 0; i < 30; i++)
		ids[i] = a.data[2 + 12 * i];
	assert_int_equal(ids[0], 1);
	assert_int_equal(ids[1], 9);
	assert_int_equal(ids[2], 0);
	a = smart(&fa, 0xd1, 1, 0);
	assert_ok(a, 512);
	assert_checksum(a.data);
	for (i = 0; i < 30; i++)
		assert_int_equal(a.data[2 + 12 * i], ids[i]);
	fixture_ata_close(&fa);
}

static void test_read_errors_are_counted(void **unused)
{
	struct ata_taskfile read = {.command = 0x24, .count = 1};
	struct fixture_ata fa;
	unsigned int i;

	open_disk(&fa);
	assert_int_equal(smart(&fa, 0xd0, 1, 0).data[2 + 5], 0);
	fa.disk->fail[BLK_READ] = BLK_EIO;
	for (i = 0; i < 3; i++)
		fixture_ata_run(&fa, &read, NULL, 0);
	assert_int_equal(smart(&fa, 0xd0, 1, 0).data[2 + 5], 3);
	fixture_ata_close(&fa);
}

static void test_autosave(void **unused)
{
	struct fixture_ata fa;

	open_disk(&fa);
	assert_ok(smart(&fa, 0xd2, 0xf1, 0), 0);
	assert_ok(smart(&fa, 0xd2, 0x00, 0), 0);
	assert_abort(smart(&fa, 0xd2, 0x01, 0));
	fixture_ata_close(&fa);
}

static void test_logs(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;
	unsigned int log;

	open_disk(&fa);
	a = smart(&fa, 0xd5, 1, 0x00);
	assert_ok(a, 512);
	assert_int_equal(a.data[0] | a.data[1] << 8, 1);
	for (log = 1; log < 256; log++) {
		uint16_t pages = (uint16_t)(a.data[2 * log] | a.data[2 * log + 1] << 8);
		struct fixture_answer read = smart(&fa, 0xd5, pages ? pages : 1, (uint8_t)log);

		/* What the directory lists can be read whole, and nothing else. */
		if (pages)
			assert_ok(read, pages * 512u);
		else
			assert_abort(read);
		assert_abort(smart(&fa, 0xd5, (uint16_t)(pages + 1), (uint8_t)log));
		assert_abort(smart(&fa, 0xd5, 0, (uint8_t)log));
		a = smart(&fa, 0xd5, 1, 0x00);
	}
	a = smart(&fa, 0xd5, 1, 0x01);
	assert_checksum(a.data);
	assert_int_equal(a.data[1], 0); /* no error was logged */
	fixture_ata_close(&fa);
}

static void test_host_logs(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[3 * 512], zeroes[512] = {0};
	struct fixture_answer a;

	open_disk(&fa);
	memset(data, 0x5a, sizeof(data));
	assert_ok(smart_data(&fa, 0xd6, 2, 0x80, data, sizeof(data)), 0);
	assert_ok(smart_data(&fa, 0xd6, 1, 0x9f, data, 512), 0);
	a = smart(&fa, 0xd5, 3, 0x80);
	assert_ok(a, 1536);
	assert_memory_equal(a.data, data, 1024);
	assert_memory_equal(a.data + 1024, zeroes, 512);
	/* A shorter write leaves the pages behind it. */
	assert_ok(smart_data(&fa, 0xd6, 1, 0x80, zeroes, 512), 0);
	a = smart(&fa, 0xd5, 2, 0x80);
	assert_memory_equal(a.data, zeroes, 512);
	assert_memory_equal(a.data + 512, data, 512);
	a = smart(&fa, 0xd5, 1, 0x81);
	assert_memory_equal(a.data, zeroes, 512);
	fixture_ata_close(&fa);
}

static void test_bad_log_writes(void **unused)
{
	static uint8_t data[17 * 512];
	struct fixture_ata fa;

	open_disk(&fa);
	assert_abort(smart_data(&fa, 0xd6, 1, 0x7f, data, 512));
	assert_abort(smart_data(&fa, 0xd6, 1, 0xa0, data, 512));
	assert_abort(smart_data(&fa, 0xd6, 1, 0x06, data, 512));
	assert_abort(smart_data(&fa, 0xd6, 0, 0x80, data, 512));
	assert_abort(smart_data(&fa, 0xd6, 1, 0x80, data, 511));
	assert_abort(smart_data(&fa, 0xd6, 1, 0x80, NULL, 0));
	assert_abort(smart_data(&fa, 0xd6, 17, 0x80, data, sizeof(data)));
	assert_abort(smart_data(&fa, 0xd6, 0xffff, 0x80, data, sizeof(data)));
	fixture_ata_close(&fa);
}

static void test_self_tests_read_the_medium(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;
	unsigned int i;

	open_disk(&fa);
	assert_int_equal(smart(&fa, 0xd5, 1, 0x06).data[508], 0);
	assert_ok(smart(&fa, 0xd4, 0, 0x01), 0);
	assert_int_equal(fa.disk->requests, 2);
	assert_int_equal(fa.disk->log[0].lba, 0);
	assert_int_equal(fa.disk->log[1].lba + fa.disk->log[1].nblocks, 100000);
	assert_ok(smart(&fa, 0xd4, 0, 0x82), 0);
	assert_int_equal(fa.disk->requests, 66);
	for (i = 3; i < 66; i++)
		assert_true(fa.disk->log[i].lba > fa.disk->log[i - 1].lba);
	assert_int_equal(fa.disk->log[65].lba + fa.disk->log[65].nblocks, 100000);
	a = smart(&fa, 0xd5, 1, 0x06);
	assert_ok(a, 512);
	assert_checksum(a.data);
	assert_int_equal(a.data[508], 2);
	assert_int_equal(a.data[2], 0x01);
	assert_int_equal(a.data[2 + 1], 0);
	assert_int_equal(a.data[2 + 24], 0x82);
	fixture_ata_close(&fa);
}

static void test_self_test_of_a_tiny_disk(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1, 0, true, NULL);
	assert_ok(smart(&fa, 0xd4, 0, 0x02), 0);
	assert_int_equal(fa.disk->log[0].lba, 0);
	assert_int_equal(fa.disk->log[0].nblocks, 1);
	fixture_ata_close(&fa);
}

static void test_failing_self_test(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;

	open_disk(&fa);
	fa.disk->fail[BLK_READ] = BLK_EIO;
	assert_ok(smart(&fa, 0xd4, 0, 0x01), 0);
	a = smart(&fa, 0xd5, 1, 0x06);
	assert_int_equal(a.data[2 + 1], 0x70);
	assert_int_equal(smart(&fa, 0xd0, 1, 0).data[363], 0x70);
	/* Captive: the command itself fails. */
	a = smart(&fa, 0xd4, 0, 0x81);
	assert_abort(a);
	assert_int_equal(a.lba & 0xffff00, FAILED);
	fixture_ata_close(&fa);
}

/* The disk is being sanitized: that says nothing of the medium. */
static void test_self_test_of_a_sealed_disk(void **unused)
{
	struct fixture_ata fa;

	open_disk(&fa);
	disk_seal(&fa.disk->disk);
	assert_abort(smart(&fa, 0xd4, 0, 0x01));
	disk_unseal(&fa.disk->disk);
	assert_int_equal(smart(&fa, 0xd5, 1, 0x06).data[2], 0);
	assert_int_equal(smart(&fa, 0xd0, 1, 0).data[363], 0);
	assert_ok(smart(&fa, 0xd4, 0, 0x01), 0);
	assert_int_equal(smart(&fa, 0xd5, 1, 0x06).data[2], 0x01);
	fixture_ata_close(&fa);
}

static void test_self_test_log_wraps(void **unused)
{
	struct fixture_ata fa;
	struct fixture_answer a;
	unsigned int i;

	open_disk(&fa);
	for (i = 0; i < 21; i++)
		assert_ok(smart(&fa, 0xd4, 0, 0x01), 0);
	assert_int_equal(smart(&fa, 0xd5, 1, 0x06).data[508], 21);
	assert_ok(smart(&fa, 0xd4, 0, 0x81), 0);
	a = smart(&fa, 0xd5, 1, 0x06);
	assert_int_equal(a.data[508], 1);
	assert_int_equal(a.data[2], 0x81);
	assert_int_equal(a.data[2 + 24], 0x01);
	fixture_ata_close(&fa);
}

static void test_other_self_tests(void **unused)
{
	struct fixture_ata fa;
	unsigned int test;

	open_disk(&fa);
	assert_ok(smart(&fa, 0xd4, 0, 0x00), 0);
	assert_ok(smart(&fa, 0xd4, 0, 0x7f), 0);
	for (test = 3; test < 256; test++)
		if (test != 0x7f && test != 0x81 && test != 0x82)
			assert_abort(smart(&fa, 0xd4, 0, (uint8_t)test));
	assert_int_equal(fa.disk->requests, 0);
	fixture_ata_close(&fa);
}

static struct state *state_ok(const char *dir)
{
	struct state *state = NULL;
	struct error err;

	if (state_open(dir, "disk", NULL, &state, &err))
		fail_msg("%s", err.text);
	return state;
}

static void test_settings_survive_a_restart(void **unused)
{
	char *dir = fixture_dir_make();
	struct state *state = state_ok(dir);
	uint8_t data[1024], zeroes[512] = {0};
	struct fixture_ata fa;
	struct fixture_answer a;
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	fixture_ata_open(&fa, 1000, 0, true, state);
	assert_ok(smart_data(&fa, 0xd6, 2, 0x85, data, sizeof(data)), 0);
	assert_ok(smart_data(&fa, 0xd6, 1, 0x90, zeroes, 512), 0);
	assert_ok(smart(&fa, 0xd9, 0, 0), 0);
	fixture_ata_close(&fa);
	state_close(state);

	state = state_ok(dir);
	fixture_ata_open(&fa, 1000, 0, true, state);
	assert_abort(smart(&fa, 0xda, 0, 0));
	assert_ok(smart(&fa, 0xd8, 0, 0), 0);
	a = smart(&fa, 0xd5, 2, 0x85);
	assert_ok(a, sizeof(data));
	assert_memory_equal(a.data, data, sizeof(data));
	assert_memory_equal(smart(&fa, 0xd5, 1, 0x90).data, zeroes, 512);
	fixture_ata_close(&fa);
	state_close(state);
	fixture_dir_remove(dir);
}

/* Nothing is promised that would not be there after a restart. */
static void test_settings_that_cannot_be_saved(void **unused)
{
	char *dir = fixture_dir_make();
	struct state *state = state_ok(dir);
	uint8_t data[512] = {1}, zeroes[512] = {0};
	struct rlimit before, none;
	struct fixture_ata fa;

	signal(SIGXFSZ, SIG_IGN);
	fixture_ata_open(&fa, 1000, 0, true, state);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_abort(smart_data(&fa, 0xd6, 1, 0x80, data, 512));
	assert_abort(smart(&fa, 0xd9, 0, 0));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_memory_equal(smart(&fa, 0xd5, 1, 0x80).data, zeroes, 512);
	assert_ok(smart(&fa, 0xda, 0, 0), 0);
	fixture_ata_close(&fa);
	state_close(state);
	fixture_dir_remove(dir);
}

static void save_done(struct state_save *save)
{
	assert_int_equal(save->result, 0);
}

static void test_foreign_settings_are_refused(void **unused)
{
	static const char *const sections[] = {
		"[]",
		"{}",
		"{\"smart\": 1, \"autosave\": true, \"host_logs\": {}}",
		"{\"smart\": true, \"autosave\": true, \"host_logs\": []}",
		"{\"smart\": true, \"autosave\": true, \"host_logs\": {\"7f\": \"00\"}}",
		"{\"smart\": true, \"autosave\": true, \"host_logs\": {\"80\": \"0\"}}",
		"{\"smart\": true, \"autosave\": true, \"host_logs\": {\"80\": \"0g\"}}",
		"{\"smart\": true, \"autosave\": true, \"host_logs\": {\"80\": 5}}"};
	char *dir = fixture_dir_make();
	struct fixture_disk *disk = fixture_disk_open(1, 0);
	struct ata_device *dev;
	unsigned int i;
	struct lu lu;

	lu_init(&lu, &disk->disk, true);
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		struct state *state = state_ok(dir);
		struct state_save save = {.done = save_done};
		struct error err = {0};

		state_save(state, &save, "ata", json_loads(sections[i], 0, NULL));
		assert_int_equal(ata_device_open(&lu, state, &dev, &err), -EINVAL);
		assert_int_not_equal(err.text[0], '\0');
		state_close(state);
	}
	lu_fini(&lu);
	fixture_disk_close(disk);
	fixture_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_unknown_subcommands),
		cmocka_unit_test(test_disabled),
		cmocka_unit_test(test_status_is_good),
		cmocka_unit_test(test_data_and_thresholds),
		cmocka_unit_test(test_read_errors_are_counted),
		cmocka_unit_test(test_autosave),
		cmocka_unit_test(test_logs),
		cmocka_unit_test(test_host_logs),
		cmocka_unit_test(test_bad_log_writes),
		cmocka_unit_test(test_self_tests_read_the_medium),
		cmocka_unit_test(test_self_test_of_a_tiny_disk),
		cmocka_unit_test(test_failing_self_test),
		cmocka_unit_test(test_self_test_of_a_sealed_disk),
		cmocka_unit_test(test_self_test_log_wraps),
		cmocka_unit_test(test_other_self_tests),
		cmocka_unit_test(test_settings_survive_a_restart),
		cmocka_unit_test(test_settings_that_cannot_be_saved),
		cmocka_unit_test(test_foreign_settings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
