/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SANITIZE: the medium's bytes, what others are told meanwhile, and what becomes of a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

#define OVERWRITE 0x01
#define ERASE	  0x02
#define CRYPTO	  0x03
#define EXIT	  0x1f
#define IMMED	  0x80
#define AUSE	  0x20

static struct fixture_scsi fs;
static struct fixture_scsi_command waiting;
static uint8_t list[4 + 512 + 8];

static int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.thin = true});
	memset(fs.disk->data, 0xa5, 4096 * 512);
	memset(list, 0, sizeof(list));
	memset(&waiting, 0, sizeof(waiting));
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

/* The parameter list of OVERWRITE; returns its length. */
static uint16_t pattern(uint8_t how, uint16_t len, uint8_t byte)
{
	list[0] = how;
	put_be16(list + 2, len);
	memset(list + 4, byte, len < 512 ? len : 512);
	return (uint16_t)(4 + len);
}

static struct fixture_scsi_answer sanitize(uint8_t how, uint16_t len)
{
	uint8_t cdb[10] = {0x48, how};

	put_be16(cdb + 7, len);
	return fixture_scsi_run(&fs, 0, cdb, 10, list, len, 0);
}

static struct fixture_scsi_answer run(unsigned int n, uint8_t opcode, uint32_t in_len)
{
	uint8_t cdb[10] = {opcode, [4] = (uint8_t)in_len};

	return fixture_scsi_run(&fs, n, cdb, opcode < 0x20 ? 6 : 10, NULL, 0, in_len);
}

static void release(void)
{
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
}

static void release_all(void)
{
	while (fs.queue.inflight)
		release();
}

/* ---- bytes ---- */

static void test_overwrite(void **state)
{
	assert_int_equal(sanitize(OVERWRITE, pattern(0x01, 512, 0x3c)).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0x3c));
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 1);
	/* Inverted from pass to pass, each on the store before the next. */
	assert_int_equal(sanitize(OVERWRITE, pattern(0x82, 4, 0x0f)).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0xf0));
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 3);
	/* Each block begins with the pattern. */
	pattern(0x01, 3, 1);
	list[4] = 7;
	assert_int_equal(sanitize(OVERWRITE, 7).status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 5 * 512, "\x07\x01\x01\x07\x01\x01", 6);
}

static void test_block_erase(void **state)
{
	assert_int_equal(sanitize(ERASE, 0).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0));
	assert_true(fs.disk->log[0].flags & BLK_GIVE_BACK);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 1);
}

/* What is no whole logical block can be read over AoE. */
static void test_the_rest_behind_the_last_block(void **state)
{
	fixture_scsi_close(&fs);
	fixture_scsi_open(&fs,
			  &(struct fixture_scsi_config){.nblocks = 4099, .logical_block = 4096});
	memset(fs.disk->data, 0xa5, 4099 * 512);
	assert_int_equal(sanitize(OVERWRITE, pattern(0x01, 512, 0x3c)).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 4099, 0x3c));
	assert_int_equal(sanitize(ERASE, 0).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 4099, 0));
}

/* It becomes part of one, with the pattern from its beginning. */
static void test_the_rest_of_a_disk_that_grows(void **state)
{
	fixture_scsi_close(&fs);
	fixture_scsi_open(&fs,
			  &(struct fixture_scsi_config){.nblocks = 4112, .logical_block = 4096});
	atomic_store(&fs.disk->disk.nblocks, 4099);
	fs.disk->hold = true;
	pattern(0x01, 3, 1);
	list[4] = 7;
	assert_int_equal(sanitize(IMMED | OVERWRITE, 7).status, SCSI_GOOD);
	while (!fixture_disk_count(fs.disk, BLK_FLUSH))
		release();
	atomic_store(&fs.disk->disk.nblocks, 4112);
	release_all();
	for (unsigned int lba = 0; lba < 4112; lba += 8)
		assert_memory_equal(fs.disk->data + lba * 512, "\x07\x01\x01\x07\x01\x01", 6);
	assert_memory_equal(fs.disk->data + 4112 * 512 - 4, "\x07\x01\x01\x07", 4);
}

/* One request, which conflicts with all others; no bytes are written. */
static void test_crypto_erase(void **state)
{
	fs.disk->disk.can_crypto_erase = true;
	assert_int_equal(sanitize(CRYPTO, 8).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sanitize(0x40 | CRYPTO, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(fs.disk->requests, 0);
	assert_int_equal(sanitize(CRYPTO, 0).status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_CRYPTO_ERASE), 1);
	assert_int_equal(fs.disk->requests, 1);
	assert_int_equal(run(1, 0x00, 0).status, SCSI_GOOD);

	fs.disk->hold = true;
	assert_int_equal(sanitize(IMMED | CRYPTO, 0).status, SCSI_GOOD);
	assert_int_equal(run(1, 0x28, 0).asc, SCSI_ASC_SANITIZE_IN_PROGRESS);
	assert_true(disk_sealed(&fs.disk->disk));
	release_all();
	fs.disk->hold = false;
	assert_int_equal(run(1, 0x00, 0).status, SCSI_GOOD);

	fs.disk->fail[BLK_CRYPTO_ERASE] = BLK_EIO;
	assert_int_equal(sanitize(CRYPTO, 0).asc, SCSI_ASC_SANITIZE_FAILED);
	assert_int_equal(run(1, 0x28, 0).asc, SCSI_ASC_SANITIZE_FAILED);
	fs.disk->fail[BLK_CRYPTO_ERASE] = BLK_OK;
	assert_int_equal(sanitize(CRYPTO, 0).status, SCSI_GOOD);
}

/* Whether REPORT SUPPORTED OPERATION CODES has it: among all, and asked for it. */
static void assert_reported(bool all, bool one)
{
	static const uint8_t report_all[12] = {0xa3, 0x0c, [8] = 0x10};
	static const uint8_t report_one[12] = {0xa3, 0x0c, 2, 0x48, 0, CRYPTO, [9] = 64};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, report_all, 12, NULL, 0, 4096);
	bool found = false;

	assert_int_equal(get_be32(a.data), a.len - 4);
	for (uint32_t at = 4; at < a.len; at += 8)
		found |= a.data[at] == 0x48 && a.data[at + 3] == CRYPTO;
	assert_int_equal(found, all);
	a = fixture_scsi_run(&fs, 0, report_one, 12, NULL, 0, 64);
	assert_int_equal(a.data[1] & 7, one ? 3 : 1);
}

static void test_crypto_erase_is_offered_where_it_can_be(void **state)
{
	static const uint8_t characteristics[6] = {0x12, 1, 0xb1, 0, 64};

	assert_reported(false, false);
	assert_int_equal(fixture_scsi_run(&fs, 0, characteristics, 6, NULL, 0, 64).data[7] & 0x30,
			 0);
	assert_int_equal(sanitize(CRYPTO, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	fs.disk->disk.can_crypto_erase = true;
	assert_reported(true, true);
	assert_int_equal(fixture_scsi_run(&fs, 0, characteristics, 6, NULL, 0, 64).data[7] & 0x30,
			 0x10);
}

static void test_refused(void **state)
{
	uint8_t reserved[10] = {0x48, ERASE, 0, 0, 1};

	for (uint16_t len = 0; len < 5; len++)
		assert_int_equal(sanitize(OVERWRITE, len).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sanitize(OVERWRITE, 517).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sanitize(OVERWRITE, pattern(0x00, 512, 0)).asc,
			 SCSI_ASC_INVALID_FIELD_LIST);
	assert_int_equal(sanitize(OVERWRITE, pattern(0x01, 512, 0) - 1).asc, SCSI_ASC_LIST_LENGTH);
	pattern(0x01, 513, 0);
	assert_int_equal(sanitize(OVERWRITE, 516).asc, SCSI_ASC_INVALID_FIELD_LIST);
	assert_int_equal(sanitize(ERASE, 8).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sanitize(0x03, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sanitize(0x40 | ERASE, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(fixture_scsi_run(&fs, 0, reserved, 10, NULL, 0, 0).asc,
			 SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(sanitize(EXIT, 0).status, SCSI_GOOD);
	assert_int_equal(fs.disk->requests, 0);
}

/* ---- meanwhile ---- */

static void test_others_wait(void **state)
{
	struct fixture_scsi_answer a;
	uint32_t before;

	fs.disk->hold = true;
	assert_int_equal(sanitize(IMMED | OVERWRITE, pattern(0x01, 4, 0)).status, SCSI_GOOD);
	assert_true(disk_sealed(&fs.disk->disk));
	a = run(1, 0x00, 0);
	assert_int_equal(a.key, SCSI_KEY_NOT_READY);
	assert_int_equal(a.asc, SCSI_ASC_SANITIZE_IN_PROGRESS);
	before = get_be16(a.sense + 16);
	for (unsigned int i = 0; i < 16; i++)
		release();
	a = run(1, 0x28, 0);
	assert_int_equal(a.asc, SCSI_ASC_SANITIZE_IN_PROGRESS);
	assert_true(get_be16(a.sense + 16) > before + 20000);
	assert_int_equal(sanitize(ERASE, 0).asc, SCSI_ASC_SANITIZE_IN_PROGRESS);
	assert_int_equal(run(1, 0x12, 96).status, SCSI_GOOD);
	a = run(1, 0x03, 18);
	assert_int_equal(a.data[2], SCSI_KEY_NOT_READY);
	assert_int_equal(get_be16(a.data + 12), SCSI_ASC_SANITIZE_IN_PROGRESS);
	release_all();
	assert_int_equal(run(1, 0x00, 0).status, SCSI_GOOD);
	assert_false(disk_sealed(&fs.disk->disk));
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0));
}

/* Also on a store that never makes anybody wait. */
static void test_thread_is_shared(void **state)
{
	uint8_t cdb[10] = {0x48, IMMED | OVERWRITE};

	put_be16(cdb + 7, pattern(0x01, 4, 0x11));
	fixture_scsi_start(&fs, &waiting, 0, cdb, 10, list, 8, NULL, 0);
	assert_int_equal(waiting.delivered, 1);
	fixture_scsi_end(&waiting);
	for (unsigned int i = 1; i < 4; i++) {
		assert_int_equal(fs.disk->requests, i);
		assert_true(mailbox_drain(&fs.mailbox));
	}
	fixture_scsi_turn(&fs);
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0x11));
}

/* A write that began before and whose data comes now. */
static void test_old_data_does_not_land(void **state)
{
	static const uint8_t write[10] = {0x2a, [8] = 1};
	static uint8_t data[512];

	waiting.hold_out = true;
	fixture_scsi_start(&fs, &waiting, 1, write, 10, data, 512, NULL, 0);
	fs.disk->hold = true;
	assert_int_equal(sanitize(IMMED | OVERWRITE, pattern(0x01, 4, 0x22)).status, SCSI_GOOD);
	fixture_scsi_answer_solicit(&waiting);
	assert_int_equal(waiting.delivered, 1);
	assert_int_equal(fixture_scsi_answer_of(&waiting).asc, SCSI_ASC_SANITIZE_IN_PROGRESS);
	fixture_scsi_end(&waiting);
	release_all();
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0x22));
}

static void another_begins_one(void)
{
	assert_int_equal(sanitize(IMMED | OVERWRITE, pattern(0x01, 4, 0x22)).status, SCSI_GOOD);
}

/*
 * Once it was found that nothing stands against a write, and before that reaches the disk, another
 * thread begins a SANITIZE, or brings one to its end.
 */
static void test_no_write_slips_through(void **state)
{
	static const uint8_t and_verify[10] = {0x2e, [8] = 1};
	static const uint8_t or [16] = {0x8b, [13] = 1};
	static const uint8_t same[10] = {0x41, [8] = 8};
	static uint8_t data[512];
	const struct {
		const uint8_t *cdb;
		uint8_t len;
	} writes[] = {{and_verify, 10}, { or, 16}, {same, 10}};

	memset(data, 0xee, sizeof(data));
	for (unsigned int i = 0; i < 6; i++) {
		memset(fs.disk->data, 0xa5, 4096 * 512);
		fs.disk->hold = i % 2;
		waiting.placing = another_begins_one;
		fixture_scsi_start(&fs, &waiting, 1, writes[i / 2].cdb, writes[i / 2].len, data,
				   512, NULL, 0);
		assert_int_equal(waiting.delivered, 1);
		assert_int_equal(fixture_scsi_answer_of(&waiting).key, SCSI_KEY_NOT_READY);
		assert_int_equal(fixture_scsi_answer_of(&waiting).asc,
				 SCSI_ASC_SANITIZE_IN_PROGRESS);
		fixture_scsi_end(&waiting);
		release_all();
		assert_true(fixture_disk_is(fs.disk, 0, 4096, 0x22));
	}
}

/* What waits for its turn behind the SANITIZE comes after it. */
static void test_later_in_the_queue_is_later(void **state)
{
	static const uint8_t write[10] = {0x2a, [8] = 1};
	static uint8_t data[512];
	uint8_t cdb[10] = {0x48, OVERWRITE};
	static struct fixture_scsi_command behind;

	put_be16(cdb + 7, pattern(0x01, 4, 0x11));
	memset(data, 0x77, sizeof(data));
	fs.disk->hold = true;
	fixture_scsi_start(&fs, &waiting, 0, cdb, 10, list, 8, NULL, 0);
	behind.cmd.scsi.attribute = SCSI_ORDERED;
	fixture_scsi_start(&fs, &behind, 0, write, 10, data, 512, NULL, 0);
	release_all();
	assert_int_equal(fixture_scsi_answer_of(&waiting).status, SCSI_GOOD);
	assert_int_equal(fixture_scsi_answer_of(&behind).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 1, 0x77));
	assert_true(fixture_disk_is(fs.disk, 1, 4095, 0x11));
	fixture_scsi_end(&waiting);
	fixture_scsi_end(&behind);
}

static void reset_done(struct scsi_tmf *tmf)
{
}

/* The command goes, and its initiator; what was begun is brought to its end. */
static void test_goes_on_after_its_command(void **state)
{
	struct scsi_tmf reset = {.function = SCSI_LU_RESET, .done = reset_done};
	uint8_t cdb[10] = {0x48, OVERWRITE};

	put_be16(cdb + 7, pattern(0x01, 4, 0x11));
	fs.disk->hold = true;
	fixture_scsi_start(&fs, &waiting, 0, cdb, 10, list, 8, NULL, 0);
	fixture_disk_release(fs.disk);
	assert_int_equal(waiting.delivered, 0);
	scsi_task_management(fs.nexus[1], &reset);
	scsi_nexus_close(fs.nexus[0], NULL, NULL);
	fs.nexus[0] = NULL;
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(waiting.dropped, 1);
	fixture_scsi_end(&waiting);
	assert_int_equal(run(1, 0x00, 0).asc, SCSI_ASC_RESET_OCCURRED);
	assert_int_equal(run(1, 0x00, 0).asc, SCSI_ASC_SANITIZE_IN_PROGRESS);
	release_all();
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0x11));
	assert_int_equal(run(1, 0x00, 0).status, SCSI_GOOD);
}

/* ---- failure ---- */

static void test_failure(void **state)
{
	fs.disk->fail[BLK_WRITE] = BLK_EIO;
	assert_int_equal(sanitize(OVERWRITE, pattern(0x01, 4, 0)).asc, SCSI_ASC_SANITIZE_FAILED);
	assert_int_equal(run(1, 0x28, 0).asc, SCSI_ASC_SANITIZE_FAILED);
	assert_int_equal(run(1, 0x28, 0).key, SCSI_KEY_MEDIUM_ERROR);
	/* Without AUSE there is no way but another one that succeeds. */
	assert_int_equal(sanitize(EXIT, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	fs.disk->fail[BLK_WRITE] = BLK_OK;
	assert_int_equal(sanitize(OVERWRITE, pattern(0x01, 4, 0)).status, SCSI_GOOD);
	assert_int_equal(run(1, 0x00, 0).status, SCSI_GOOD);
	fs.disk->fail[BLK_FLUSH] = BLK_EIO;
	assert_int_equal(sanitize(AUSE | ERASE, 0).asc, SCSI_ASC_SANITIZE_FAILED);
	assert_int_equal(sanitize(EXIT, 0).status, SCSI_GOOD);
	assert_int_equal(run(1, 0x00, 0).status, SCSI_GOOD);
}

/* A thread that is to end does not wait for the end of the medium: another does it anew. */
static void test_thread_ends(void **state)
{
	fs.disk->hold = true;
	assert_int_equal(sanitize(IMMED | OVERWRITE, pattern(0x01, 4, 0)).status, SCSI_GOOD);
	fs.queue.closing = true;
	release();
	assert_int_equal(fs.queue.inflight, 0);
	assert_int_equal(run(1, 0x28, 0).asc, SCSI_ASC_SANITIZE_IN_PROGRESS);
	assert_true(disk_sealed(&fs.disk->disk));
	memset(fs.disk->data, 0xa5, 4096 * 512);
	fs.queue.closing = fs.disk->hold = false;
	assert_true(scsi_device_unfinished(fs.dev));
	assert_true(scsi_device_resume(fs.dev, &fs.queue));
	assert_false(scsi_device_unfinished(fs.dev));
	fixture_scsi_turn(&fs);
	assert_true(fixture_disk_is(fs.disk, 0, 4096, 0));
	assert_int_equal(run(1, 0x28, 0).status, SCSI_GOOD);
}

/* Many units may be at it on one thread, which goes on serving others. */
static void test_memory_is_left_for_commands(void **state)
{
	unsigned int runs = fs.arena.config.runs, left = runs / 8 + 16 + 1, n = 0;
	uint32_t taken[64];

	assert_in_range(runs, left, sizeof(taken) / sizeof(taken[0]));
	while (fs.arena.nfree_runs > left)
		taken[n++] = arena_run_get(&fs.arena);
	assert_int_equal(sanitize(OVERWRITE, pattern(0x01, 4, 0)).status, SCSI_BUSY);
	arena_run_put(&fs.arena, taken[--n]);
	assert_int_equal(sanitize(OVERWRITE, pattern(0x01, 4, 0)).status, SCSI_GOOD);
	while (n)
		arena_run_put(&fs.arena, taken[--n]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_overwrite),
		TEST(test_block_erase),
		TEST(test_the_rest_behind_the_last_block),
		TEST(test_the_rest_of_a_disk_that_grows),
		TEST(test_crypto_erase),
		TEST(test_crypto_erase_is_offered_where_it_can_be),
		TEST(test_refused),
		TEST(test_others_wait),
		TEST(test_thread_is_shared),
		TEST(test_old_data_does_not_land),
		TEST(test_no_write_slips_through),
		TEST(test_later_in_the_queue_is_later),
		TEST(test_goes_on_after_its_command),
		TEST(test_failure),
		TEST(test_thread_ends),
		TEST(test_memory_is_left_for_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
