/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a SANITIZE is at, and what comes just then: what is answered, what the file says to the
 * next process, and what becomes of the medium.
 *
 *	at		file		SANITIZE  EXIT	    READ      killed	 thread or unit ends
 *	nothing		none		begins	  GOOD	    GOOD      none	 -
 *	beginning	none -> runs	2/04/1B	  2/04/1B   2/04/1B   as file	 once saved
 *	its pieces	runs		2/04/1B	  2/04/1B   2/04/1B   runs	 left
 *	its end		runs -> outcome	2/04/1B	  2/04/1B   2/04/1B   as file	 once saved
 *	left, waiting	runs		2/04/1B	  2/04/1B   2/04/1B   runs	 left
 *	failed		failed		begins	  by AUSE   3/31/03   failed	 -
 *	EXIT		failed -> none	BUSY	  BUSY	    3/31/03   as file	 once saved
 *
 * A command that was let in before, and is at its own beginning only now (its parameter list came,
 * it lost a race), is answered as one that comes now. By several threads:
 *test_scsi_sanitize_threads.
 */
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
#define EXIT	  0x1f
#define IMMED	  0x80
#define AUSE	  0x20
#define SECTORS	  4096u
#define PATTERN	  0x3c
#define LATE	  0x77 /* the pattern of who comes second */

static struct fixture_scsi fs, next;
static struct mailbox writer;
static struct fixture_scsi_kept kept, next_kept;
static struct fixture_scsi_command first, late, leave;

static int setup(void **state)
{
	assert_int_equal(mailbox_open(&writer), 0);
	fixture_scsi_open_kept(&fs, &kept, &writer);
	memset(fs.disk->data, 0xa5, SECTORS * 512);
	memset(&first, 0, sizeof(first));
	memset(&late, 0, sizeof(late));
	memset(&leave, 0, sizeof(leave));
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close_kept(&fs, &kept);
	mailbox_close(&writer);
	return 0;
}

static void start(struct fixture_scsi_command *fc, unsigned int n, uint8_t how)
{
	static const uint8_t lists[2][5] = {{0x01, 0, 0, 1, PATTERN}, {0x01, 0, 0, 1, LATE}};
	bool exits = (how & 0x1f) == EXIT;
	const uint8_t cdb[10] = {0x48, how, [8] = exits ? 0 : 5};

	fixture_scsi_start(&fs, fc, n, cdb, 10, lists[fc == &late], exits ? 0 : 5, NULL, 0);
}

static struct fixture_scsi_answer end(struct fixture_scsi_command *fc)
{
	struct fixture_scsi_answer a;

	assert_int_equal(fc->delivered, 1);
	a = fixture_scsi_answer_of(fc);
	fixture_scsi_end(fc);
	return a;
}

/* All that is under way gets to its end. */
static void settle(void)
{
	fs.disk->hold = false;
	do {
		fixture_disk_release(fs.disk);
		while (mailbox_drain(&writer))
			;
		fixture_scsi_turn(&fs);
	} while (fs.queue.inflight);
}

/* Key and code of a command that needs the medium, or of an EXIT; or its status. */
static uint32_t answer(struct fixture_scsi *of, uint8_t opcode, uint8_t action)
{
	const uint8_t cdb[10] = {opcode, action, [8] = opcode == 0x28};
	struct fixture_scsi_answer a =
		fixture_scsi_run(of, 1, cdb, 10, NULL, 0, opcode == 0x28 ? 512 : 0);

	return a.key ? (uint32_t)a.key << 16 | a.asc : a.status;
}

#define RUNS   (SCSI_KEY_NOT_READY << 16 | SCSI_ASC_SANITIZE_IN_PROGRESS)
#define FAILED (SCSI_KEY_MEDIUM_ERROR << 16 | SCSI_ASC_SANITIZE_FAILED)

static uint32_t answer_of_next_process(void)
{
	uint32_t said;

	fixture_scsi_open_next(&next, &next_kept, &kept);
	said = answer(&next, 0x28, 0);
	assert_int_equal(disk_sealed(&next.disk->disk), said != SCSI_GOOD);
	fixture_scsi_close_kept(&next, &next_kept);
	return said;
}

/* ---- the stages ---- */

static void at_beginning(void)
{
	start(&first, 0, AUSE | OVERWRITE);
}

static void at_beginning_saved(void)
{
	at_beginning();
	assert_true(mailbox_drain(&writer));
}

static void at_pieces(void)
{
	fs.disk->hold = true;
	at_beginning_saved();
	fixture_scsi_turn(&fs);
}

static void at_end(void)
{
	at_beginning_saved();
	fixture_scsi_turn(&fs);
}

static void at_end_saved(void)
{
	at_end();
	assert_true(mailbox_drain(&writer));
}

static void at_failing_end(void)
{
	fs.disk->fail[BLK_WRITE] = BLK_EIO;
	at_end();
	fs.disk->fail[BLK_WRITE] = BLK_OK;
}

static void left(void)
{
	at_pieces();
	fs.queue.closing = true;
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	fs.queue.closing = fs.disk->hold = false;
	assert_true(scsi_device_unfinished(fs.dev));
}

static void failed(void)
{
	at_failing_end();
	settle();
}

static void at_exit(void)
{
	failed();
	start(&leave, 2, EXIT);
}

static void at_exit_saved(void)
{
	at_exit();
	assert_true(mailbox_drain(&writer));
}

/* ---- what is answered ---- */

static const struct {
	void (*enter)(void);
	uint32_t sanitize, exit, read, killed;
} stages[] = {
	{at_beginning, RUNS, RUNS, RUNS, SCSI_GOOD},
	{at_beginning_saved, RUNS, RUNS, RUNS, RUNS},
	{at_pieces, RUNS, RUNS, RUNS, RUNS},
	{at_end, RUNS, RUNS, RUNS, RUNS},
	{at_end_saved, RUNS, RUNS, RUNS, SCSI_GOOD},
	{at_failing_end, RUNS, RUNS, RUNS, RUNS},
	{left, RUNS, RUNS, RUNS, RUNS},
	{at_exit, SCSI_BUSY, SCSI_BUSY, FAILED, FAILED},
	{at_exit_saved, SCSI_BUSY, SCSI_BUSY, FAILED, SCSI_GOOD},
};

static uint32_t said_to(struct fixture_scsi_command *fc)
{
	struct fixture_scsi_answer a = end(fc);

	return a.key ? (uint32_t)a.key << 16 | a.asc : a.status;
}

/* Nothing goes on meanwhile. */
static void ask(unsigned int stage)
{
	static const uint8_t read[10] = {0x28, [8] = 1};
	static uint8_t data[512];
	struct fixture_scsi_command fc = {};

	fixture_scsi_start(&fs, &fc, 1, read, 10, NULL, 0, data, 512);
	assert_int_equal(said_to(&fc), stages[stage].read);
	start(&fc, 1, EXIT);
	assert_int_equal(said_to(&fc), stages[stage].exit);
	start(&fc, 1, OVERWRITE);
	assert_int_equal(said_to(&fc), stages[stage].sanitize);
	fixture_scsi_answer_solicit(&late);
	assert_int_equal(said_to(&late), stages[stage].sanitize);
}

static void test_what_comes_just_then(void **state)
{
	for (unsigned int i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
		uint32_t now;

		setup(state);
		/* Let in while nothing stood against it; its list comes too late. */
		late.hold_out = true;
		start(&late, 1, IMMED | OVERWRITE);
		stages[i].enter();
		assert_int_equal(answer_of_next_process(), stages[i].killed);
		ask(i);
		if (scsi_device_unfinished(fs.dev))
			assert_true(scsi_device_resume(fs.dev, &fs.queue));
		settle();
		fixture_scsi_end(&first);
		if (leave.cmd.ops)
			assert_int_equal(end(&leave).status, SCSI_GOOD);
		/* What is said, what the file says and what is on the medium agree. */
		now = answer(&fs, 0x28, 0);
		assert_int_equal(answer_of_next_process(), now);
		assert_true(now == FAILED || leave.cmd.ops ||
			    fixture_disk_is(fs.disk, 0, SECTORS, PATTERN));
		teardown(state);
	}
}

/* ---- what was left, and who came second ---- */

/* Over data of later, that is, which nothing must overwrite. */
static void test_what_was_left_is_done_once(void **state)
{
	late.hold_out = true;
	start(&late, 1, IMMED | OVERWRITE);
	left();
	fixture_scsi_answer_solicit(&late);
	assert_int_equal(said_to(&late), RUNS);
	assert_int_equal(answer(&fs, 0x48, EXIT), RUNS);
	assert_true(scsi_device_resume(fs.dev, &fs.queue));
	settle();
	fixture_scsi_end(&first);
	assert_true(fixture_disk_is(fs.disk, 0, SECTORS, PATTERN));
	assert_false(scsi_device_unfinished(fs.dev));
	assert_false(scsi_device_resume(fs.dev, &fs.queue));
}

/* The thread ends, and the command with it: it has not failed. */
static void test_thread_ends_under_a_command(void **state)
{
	left();
	assert_int_equal(said_to(&first), RUNS);
	assert_true(scsi_device_resume(fs.dev, &fs.queue));
	settle();
	assert_int_equal(answer(&fs, 0x28, 0), SCSI_GOOD);
}

/* ---- another size ---- */

static void test_disk_grows(void **state)
{
	fs.disk->disk.nblocks = SECTORS / 2;
	at_pieces();
	fs.disk->disk.nblocks = SECTORS;
	settle();
	assert_int_equal(end(&first).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, SECTORS, PATTERN));
}

static void test_disk_shrinks(void **state)
{
	for (uint64_t size = SECTORS / 2; size > 8; size /= 8) {
		at_pieces();
		fixture_disk_release(fs.disk);
		fixture_scsi_turn(&fs);
		fs.disk->disk.nblocks = size;
		settle();
		assert_int_equal(end(&first).status, SCSI_GOOD);
		assert_true(fixture_disk_is(fs.disk, 0, size, PATTERN));
		assert_int_equal(answer(&fs, 0x28, 0), SCSI_GOOD);
		fs.disk->disk.nblocks = SECTORS;
	}
}

/* ---- no memory ---- */

static uint32_t taken[64];
static unsigned int ntaken;

static void take_all_memory(void)
{
	ntaken = 0;
	while (fs.arena.nfree_runs)
		taken[ntaken++] = arena_run_get(&fs.arena);
}

static void give_back(unsigned int until)
{
	while (ntaken > until)
		arena_run_put(&fs.arena, taken[--ntaken]);
	fixture_scsi_turn(&fs);
}

static void left_without_memory(void)
{
	left();
	fixture_scsi_end(&first);
	take_all_memory();
	assert_false(scsi_device_resume(fs.dev, &fs.queue));
	assert_true(scsi_device_unfinished(fs.dev));
}

static void test_memory_comes_free(void **state)
{
	left_without_memory();
	memset(fs.disk->data, 0xa5, SECTORS * 512);
	scsi_device_resume_later(fs.dev, &fs.queue);
	assert_false(scsi_device_unfinished(fs.dev));
	fixture_scsi_turn(&fs);
	assert_int_equal(answer(&fs, 0x28, 0), RUNS);
	assert_int_equal(answer(&fs, 0x48, EXIT), RUNS);
	give_back(ntaken - 1);
	settle();
	assert_true(fixture_disk_is(fs.disk, 0, SECTORS, PATTERN));
	assert_int_equal(answer_of_next_process(), SCSI_GOOD);
	/* And it is given back. */
	assert_int_equal(fs.arena.nfree_runs, 1);
	give_back(0);
}

/* It came between two looks. */
static void test_memory_is_there_by_then(void **state)
{
	left_without_memory();
	give_back(0);
	scsi_device_resume_later(fs.dev, &fs.queue);
	settle();
	assert_int_equal(answer(&fs, 0x28, 0), SCSI_GOOD);
	scsi_device_resume_later(fs.dev, &fs.queue);
	assert_int_equal(fs.queue.inflight, 0);
}

static void test_thread_ends_while_it_waits(void **state)
{
	left_without_memory();
	scsi_device_resume_later(fs.dev, &fs.queue);
	assert_int_equal(fs.queue.inflight, 1);
	blk_queue_stop(&fs.queue);
	fixture_scsi_turn(&fs);
	assert_int_equal(fs.queue.inflight, 0);
	assert_true(scsi_device_unfinished(fs.dev));
	assert_int_equal(answer_of_next_process(), RUNS);
	give_back(0);
	fs.queue.closing = false;
	assert_true(scsi_device_resume(fs.dev, &fs.queue));
	settle();
}

static void note(void *ctx)
{
	*(bool *)ctx = true;
}

static void test_unit_goes_while_it_waits(void **state)
{
	bool stopped = false;

	left_without_memory();
	scsi_device_resume_later(fs.dev, &fs.queue);
	scsi_device_stop(fs.dev, note, &stopped);
	assert_false(stopped);
	/* Memory that comes now finds nobody. */
	give_back(0);
	assert_true(stopped);
	assert_int_equal(fs.queue.inflight, 0);
	assert_int_equal(answer(&fs, 0x28, 0), RUNS);
	assert_int_equal(answer_of_next_process(), RUNS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_comes_just_then),
		TEST(test_what_was_left_is_done_once),
		TEST(test_thread_ends_under_a_command),
		TEST(test_disk_grows),
		TEST(test_disk_shrinks),
		TEST(test_memory_comes_free),
		TEST(test_memory_is_there_by_then),
		TEST(test_thread_ends_while_it_waits),
		TEST(test_unit_goes_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
