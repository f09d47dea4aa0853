/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests of several steps: nothing that conflicts gets between them, whatever the steps are. */
#include "blk/backstore.h"
#include "blk/overlap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECTORS 1024u
#define LOG_MAX 16u

static struct arena arena;
static struct blk_queue queue;
static struct disk disk;
static struct {
	enum blk_op op;
	struct blk_io *io;
} started[LOG_MAX];
static unsigned int nstarted;

static void log_submit(struct disk *d, struct blk_io *io)
{
	assert_true(nstarted < LOG_MAX);
	started[nstarted].op = io->op;
	started[nstarted++].io = io;
}

static const struct backstore_ops log_ops = {.submit = log_submit};

static int setup(void **state)
{
	const struct arena_config config = {.rx_frames = 8, .runs = 1, .run_frames = 1};

	nstarted = 0;
	disk = (struct disk){.ops = &log_ops, .nblocks = SECTORS, .overlap = overlap_open(1)};
	if (!disk.overlap || arena_open(&arena, &config, NULL))
		return -1;
	blk_queue_init(&queue, &arena, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(queue.inflight, 0);
	overlap_close(disk.overlap);
	arena_close(&arena);
	return 0;
}

struct request {
	struct blk_io io;
	struct span span;
	const enum blk_op *steps;
	unsigned int nsteps, step, done;
};

static void request_done(struct blk_io *io)
{
	container_of(io, struct request, io)->done++;
}

static void request_step(struct request *r, enum blk_op op)
{
	bool transfer = op == BLK_READ || op == BLK_WRITE;

	r->span.len = transfer ? 2 * BLK_SECTOR : 0;
	r->io.op = op;
	r->io.lba = op == BLK_FLUSH ? 0 : 10;
	r->io.nblocks = op == BLK_FLUSH ? 0 : 2;
	r->io.sgl = (struct sgl){.spans = &r->span, .nspans = transfer, .len = r->span.len};
}

static bool request_next(struct blk_io *io)
{
	struct request *r = container_of(io, struct request, io);

	if (r->step == r->nsteps)
		return false;
	request_step(r, r->steps[r->step++]);
	return true;
}

static void submit(struct request *r, enum blk_op op, const enum blk_op *steps, unsigned int nsteps)
{
	*r = (struct request){.steps = steps, .nsteps = nsteps};
	r->io.next = nsteps ? request_next : NULL;
	r->io.done = request_done;
	request_step(r, op);
	blk_submit(&disk, &queue, &r->io);
}

static const enum blk_op compare_and_write[] = {BLK_READ, BLK_WRITE, BLK_FLUSH};

static void test_nothing_gets_between(void **state)
{
	struct request atomic, writer, reader;

	submit(&atomic, BLK_WRITE, compare_and_write, 3);
	submit(&writer, BLK_WRITE, NULL, 0);
	submit(&reader, BLK_READ, NULL, 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(nstarted, i + 1);
		assert_ptr_equal(started[i].io, &atomic.io);
		assert_int_equal(started[i].op, compare_and_write[i]);
		assert_int_equal(atomic.done, 0);
		blk_complete(&atomic.io, BLK_OK);
	}
	assert_int_equal(atomic.done, 1);
	assert_int_equal(nstarted, 4);
	assert_ptr_equal(started[3].io, &writer.io);
	blk_complete(&writer.io, BLK_OK);
	assert_ptr_equal(started[4].io, &reader.io);
	blk_complete(&reader.io, BLK_OK);
}

/* It reads first, but it will write: another's read before it must be over. */
static void test_waits_for_readers(void **state)
{
	struct request reader, atomic;

	submit(&reader, BLK_READ, NULL, 0);
	submit(&atomic, BLK_WRITE, compare_and_write, 3);
	assert_int_equal(nstarted, 1);
	blk_complete(&reader.io, BLK_OK);
	assert_int_equal(nstarted, 2);
	assert_int_equal(started[1].op, BLK_READ);
	for (unsigned int i = 0; i < 3; i++)
		blk_complete(&atomic.io, BLK_OK);
	assert_int_equal(atomic.done, 1);
}

static void test_two_of_them_take_turns(void **state)
{
	struct request a, b;

	submit(&a, BLK_WRITE, compare_and_write, 2);
	submit(&b, BLK_WRITE, compare_and_write, 2);
	blk_complete(&a.io, BLK_OK);
	assert_int_equal(nstarted, 2);
	assert_ptr_equal(started[1].io, &a.io);
	blk_complete(&a.io, BLK_OK);
	assert_ptr_equal(started[2].io, &b.io);
	blk_complete(&b.io, BLK_OK);
	blk_complete(&b.io, BLK_OK);
	assert_int_equal(b.done, 1);
}

static void test_a_failed_step_is_the_last(void **state)
{
	struct request atomic, writer;

	submit(&atomic, BLK_WRITE, compare_and_write, 3);
	submit(&writer, BLK_WRITE, NULL, 0);
	blk_complete(&atomic.io, BLK_EIO);
	assert_int_equal(atomic.done, 1);
	assert_int_equal(atomic.io.status, BLK_EIO);
	assert_int_equal(nstarted, 2);
	blk_complete(&writer.io, BLK_OK);
}

/* What it will do is what it asks for: no step of it runs on a read-only disk. */
static void test_read_only_refuses_the_whole(void **state)
{
	struct request atomic;

	disk.read_only = true;
	submit(&atomic, BLK_WRITE, compare_and_write, 3);
	assert_int_equal(atomic.done, 1);
	assert_int_equal(atomic.io.status, BLK_EROFS);
	assert_int_equal(nstarted, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_gets_between),	TEST(test_waits_for_readers),
		TEST(test_two_of_them_take_turns),	TEST(test_a_failed_step_is_the_last),
		TEST(test_read_only_refuses_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
