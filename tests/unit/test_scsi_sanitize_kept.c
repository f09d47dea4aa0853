/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SANITIZE and the end of the process: what is saved before what, and what the next one finds. */
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
#define SECTORS	  4096u

/* The process, and the one after it: another state directory that the file is copied to. */
static struct fixture_scsi fs, next;
static struct mailbox writer;
static struct fixture_scsi_kept kept, next_kept;
static struct fixture_scsi_command fc;
static uint8_t list[4 + 512];

static int setup(void **state)
{
	assert_int_equal(mailbox_open(&writer), 0);
	fixture_scsi_open_kept(&fs, &kept, &writer);
	memset(fs.disk->data, 0xa5, SECTORS * 512);
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close_kept(&fs, &kept);
	mailbox_close(&writer);
	return 0;
}

static void save(void)
{
	while (mailbox_drain(&writer))
		;
	fixture_scsi_turn(&fs);
}

static void sanitize_start(uint8_t how)
{
	uint8_t cdb[10] = {0x48, how};
	uint32_t len = (how & 0x1f) == OVERWRITE ? 6 : 0;

	list[0] = 0x01;
	put_be16(list + 2, 2);
	list[4] = 0x12;
	list[5] = 0x34;
	put_be16(cdb + 7, (uint16_t)len);
	fixture_scsi_start(&fs, &fc, 0, cdb, 10, list, len, NULL, 0);
	fixture_scsi_turn(&fs);
}

static struct fixture_scsi_answer sanitize_end(void)
{
	struct fixture_scsi_answer a;

	assert_int_equal(fc.delivered, 1);
	a = fixture_scsi_answer_of(&fc);
	fixture_scsi_end(&fc);
	return a;
}

static struct fixture_scsi_answer sanitize(uint8_t how)
{
	sanitize_start(how);
	save();
	save();
	return sanitize_end();
}

static uint16_t ready(struct fixture_scsi *of)
{
	static const uint8_t cdb[6] = {0x00};

	return fixture_scsi_run(of, 1, cdb, 6, NULL, 0, 0).asc;
}

static uint16_t read_one(struct fixture_scsi *of)
{
	static const uint8_t cdb[10] = {0x28, [8] = 1};

	return fixture_scsi_run(of, 1, cdb, 10, NULL, 0, 512).asc;
}

static bool is(const struct fixture_scsi *of, uint8_t even, uint8_t odd)
{
	for (uint32_t i = 0; i < SECTORS * 512; i += 2)
		if (of->disk->data[i] != even || of->disk->data[i + 1] != odd)
			return false;
	return true;
}

/* As kill -9 leaves it: what the file says, and nothing of what is in memory. */
static void start_next(void)
{
	fixture_scsi_open_next(&next, &next_kept, &kept);
	memset(next.disk->data, 0xa5, SECTORS * 512);
}

static void end_next(void)
{
	fixture_scsi_close_kept(&next, &next_kept);
}

/* ---- what is saved before what ---- */

static void test_saved_before_it_begins(void **state)
{
	static const uint8_t how[] = {OVERWRITE, IMMED | OVERWRITE, ERASE, IMMED | ERASE};

	for (unsigned int i = 0; i < 4; i++) {
		unsigned int before = fs.disk->requests;

		sanitize_start(how[i]);
		assert_int_equal(fc.delivered, 0);
		assert_int_equal(fs.disk->requests, before);
		assert_int_equal(read_one(&fs), SCSI_ASC_SANITIZE_IN_PROGRESS);
		save();
		assert_true(fs.disk->requests > before);
		save();
		assert_int_equal(sanitize_end().status, SCSI_GOOD);
		assert_int_equal(ready(&fs), 0);
	}
}

/* Nobody may write before the file says that it is over: it would be done again, over that. */
static void test_over_when_that_is_saved(void **state)
{
	sanitize_start(OVERWRITE);
	assert_true(mailbox_drain(&writer));
	fixture_scsi_turn(&fs);
	assert_true(is(&fs, 0x12, 0x34));
	assert_int_equal(fc.delivered, 0);
	assert_int_equal(ready(&fs), SCSI_ASC_SANITIZE_IN_PROGRESS);
	save();
	assert_int_equal(sanitize_end().status, SCSI_GOOD);
	assert_int_equal(ready(&fs), 0);
	start_next();
	assert_int_equal(ready(&next), 0);
	end_next();
}

static void test_beginning_cannot_be_saved(void **state)
{
	struct fixture_scsi_answer a;

	fixture_scsi_kept_block(&kept, true);
	a = sanitize(IMMED | OVERWRITE);
	assert_int_equal(a.key, SCSI_KEY_HARDWARE_ERROR);
	assert_int_equal(a.asc, SCSI_ASC_TARGET_FAILURE);
	assert_true(is(&fs, 0xa5, 0xa5));
	assert_int_equal(ready(&fs), 0);
	assert_false(disk_sealed(&fs.disk->disk));
	fixture_scsi_kept_block(&kept, false);
	assert_int_equal(sanitize(OVERWRITE).status, SCSI_GOOD);
}

static void test_end_cannot_be_saved(void **state)
{
	sanitize_start(AUSE | OVERWRITE);
	assert_true(mailbox_drain(&writer));
	fixture_scsi_kept_block(&kept, true);
	fixture_scsi_turn(&fs);
	save();
	assert_int_equal(sanitize_end().asc, SCSI_ASC_SANITIZE_FAILED);
	assert_int_equal(read_one(&fs), SCSI_ASC_SANITIZE_FAILED);
	assert_true(disk_sealed(&fs.disk->disk));
	assert_int_equal(sanitize(EXIT).key, SCSI_KEY_HARDWARE_ERROR);
	assert_int_equal(read_one(&fs), SCSI_ASC_SANITIZE_FAILED);
	fixture_scsi_kept_block(&kept, false);
	assert_int_equal(sanitize(EXIT).status, SCSI_GOOD);
	assert_int_equal(read_one(&fs), 0);
	assert_false(disk_sealed(&fs.disk->disk));
}

/* ---- what the next process finds ---- */

/* Killed in the middle, with or without a command that waits. */
static void test_killed_in_the_middle(void **state)
{
	static const uint8_t how[] = {OVERWRITE, IMMED | OVERWRITE, ERASE, IMMED | ERASE,
				      CRYPTO,	 IMMED | CRYPTO};
	/* What the medium holds then: a pattern, zeroes, or what another key makes of it. */
	static const uint8_t even[] = {[OVERWRITE] = 0x12, [CRYPTO] = 0xa5};
	static const uint8_t odd[] = {[OVERWRITE] = 0x34, [CRYPTO] = 0xa5};

	fs.disk->disk.can_crypto_erase = true;
	for (unsigned int i = 0; i < sizeof(how); i++) {
		uint8_t method = how[i] & 0x1f;

		fs.disk->hold = true;
		sanitize_start(how[i]);
		save();
		assert_false(list_empty(&fs.disk->held));
		start_next();
		assert_int_equal(ready(&next), SCSI_ASC_SANITIZE_IN_PROGRESS);
		assert_int_equal(read_one(&next), SCSI_ASC_SANITIZE_IN_PROGRESS);
		assert_true(disk_sealed(&next.disk->disk));
		assert_true(scsi_device_unfinished(next.dev));
		next.disk->disk.can_crypto_erase = true;
		assert_true(scsi_device_resume(next.dev, &next.queue));
		fixture_scsi_turn(&next);
		assert_true(is(&next, even[method], odd[method]));
		assert_int_equal(fixture_disk_count(next.disk, BLK_CRYPTO_ERASE), method == CRYPTO);
		assert_int_equal(ready(&next), 0);
		assert_false(disk_sealed(&next.disk->disk));
		assert_false(scsi_device_resume(next.dev, &next.queue));
		end_next();
		fs.disk->hold = false;
		while (fs.queue.inflight) {
			fixture_disk_release(fs.disk);
			save();
		}
		sanitize_end();
	}
}

static void note(void *ctx)
{
	*(bool *)ctx = true;
}

/* For who shows the disk without its unit. */
static void test_told_without_the_unit(void **state)
{
	char *key = "disk";

	assert_int_equal(scsi_state_sealed("/nonexistent", key, NULL), 0);
	assert_int_equal(scsi_state_sealed(kept.dir, "another", NULL), 0);
	assert_int_equal(scsi_state_sealed(kept.dir, key, NULL), 0);
	sanitize_start(OVERWRITE);
	assert_true(mailbox_drain(&writer));
	assert_int_equal(scsi_state_sealed(kept.dir, key, NULL), 1);
	fs.disk->fail[BLK_WRITE] = BLK_EIO;
	save();
	save();
	assert_int_equal(sanitize_end().asc, SCSI_ASC_SANITIZE_FAILED);
	assert_int_equal(scsi_state_sealed(kept.dir, key, NULL), 1);
	fs.disk->fail[BLK_WRITE] = BLK_OK;
	assert_int_equal(sanitize(ERASE).status, SCSI_GOOD);
	assert_int_equal(scsi_state_sealed(kept.dir, key, NULL), 0);
}

/* The unit goes, and comes back: it is not finished, and not failed either. */
static void test_stopped_in_the_middle(void **state)
{
	bool stopped = false;

	fs.disk->hold = true;
	sanitize_start(IMMED | OVERWRITE);
	save();
	assert_int_equal(sanitize_end().status, SCSI_GOOD);
	scsi_device_stop(fs.dev, note, &stopped);
	assert_false(stopped);
	fixture_disk_release(fs.disk);
	save();
	assert_true(stopped);
	start_next();
	assert_int_equal(read_one(&next), SCSI_ASC_SANITIZE_IN_PROGRESS);
	end_next();
	stopped = false;
	scsi_device_stop(fs.dev, note, &stopped);
	assert_true(stopped);
}

static void test_failure_is_kept(void **state)
{
	for (unsigned int ause = 0; ause <= AUSE; ause += AUSE) {
		uint8_t cdb[10] = {0x48, EXIT};

		fs.disk->fail[BLK_WRITE] = BLK_EIO;
		assert_int_equal(sanitize(ause | OVERWRITE).asc, SCSI_ASC_SANITIZE_FAILED);
		fs.disk->fail[BLK_WRITE] = BLK_OK;
		start_next();
		assert_int_equal(read_one(&next), SCSI_ASC_SANITIZE_FAILED);
		assert_true(disk_sealed(&next.disk->disk));
		assert_false(scsi_device_unfinished(next.dev));
		assert_int_equal(fixture_scsi_run(&next, 0, cdb, 10, NULL, 0, 0).status,
				 ause ? SCSI_GOOD : SCSI_CHECK_CONDITION);
		assert_int_equal(read_one(&next), ause ? 0 : SCSI_ASC_SANITIZE_FAILED);
		end_next();
	}
	assert_int_equal(sanitize(ERASE).status, SCSI_GOOD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_saved_before_it_begins),    TEST(test_over_when_that_is_saved),
		TEST(test_beginning_cannot_be_saved), TEST(test_end_cannot_be_saved),
		TEST(test_killed_in_the_middle),      TEST(test_stopped_in_the_middle),
		TEST(test_failure_is_kept),	      TEST(test_told_without_the_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
