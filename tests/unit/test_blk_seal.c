/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A sealed disk: who gets past, what came before, and what comes afterwards and is of before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "blk/overlap.h"
#include "fixture.h"
#include "mailbox_thread.h"
#include <pthread.h>
#include <sched.h>

static struct fixture f;
static struct fixture_disk *fd;

static int setup(void **state)
{
	fixture_open(&f);
	fd = fixture_disk_open(64, 64);
	fd->disk.can_crypto_erase = true;
	return 0;
}

static int teardown(void **state)
{
	fixture_disk_close(fd);
	fixture_close(&f);
	return 0;
}

struct request {
	struct blk_io io;
	struct span span;
	unsigned int done, steps;
};

static void request_done(struct blk_io *io)
{
	container_of(io, struct request, io)->done++;
}

static bool request_next(struct blk_io *io)
{
	container_of(io, struct request, io)->steps++;
	return false;
}

/* Of two sectors; data nobody looks at, in memory that all share. */
static void submit(struct request *r, enum blk_op op, uint64_t lba, uint32_t era)
{
	bool transfer = op == BLK_READ || op == BLK_WRITE;

	*r = (struct request){.span = {.len = transfer ? 2 * BLK_SECTOR : 0}};
	r->io = (struct blk_io){.op = op, .lba = lba, .nblocks = 2, .era = era};
	r->io.done = request_done;
	r->io.sgl = (struct sgl){.spans = &r->span, .nspans = transfer, .len = r->span.len};
	if (op == BLK_FLUSH || op == BLK_CRYPTO_ERASE)
		r->io.lba = r->io.nblocks = 0;
	blk_submit(&fd->disk, &f.queue, &r->io);
}

static enum blk_status outcome(enum blk_op op, uint32_t era)
{
	struct request r;

	submit(&r, op, 10, era);
	assert_int_equal(r.done, 1);
	return r.io.status;
}

static void test_only_who_sealed_gets_past(void **state)
{
	static const enum blk_op all[] = {BLK_READ, BLK_WRITE, BLK_UNMAP, BLK_WRITE_ZEROES,
					  BLK_CRYPTO_ERASE};
	uint32_t past = disk_era(&fd->disk), own = disk_seal(&fd->disk);

	assert_true(disk_sealed(&fd->disk));
	for (unsigned int i = 0; i < sizeof(all) / sizeof(*all); i++) {
		assert_int_equal(outcome(all[i], past), BLK_ESEALED);
		assert_int_equal(outcome(all[i], disk_era(&fd->disk)), BLK_ESEALED);
	}
	assert_int_equal(fd->requests, 0);
	for (unsigned int i = 0; i < sizeof(all) / sizeof(*all); i++)
		assert_int_equal(outcome(all[i], own), BLK_OK);
	/* What was written before may still be made durable. */
	assert_int_equal(outcome(BLK_FLUSH, past), BLK_OK);
}

static void test_what_began_before_stays_out(void **state)
{
	uint32_t past = disk_era(&fd->disk), own = disk_seal(&fd->disk);

	disk_unseal(&fd->disk);
	assert_false(disk_sealed(&fd->disk));
	assert_int_equal(outcome(BLK_WRITE, past), BLK_ESEALED);
	assert_int_equal(outcome(BLK_WRITE, own), BLK_ESEALED);
	assert_int_equal(fd->requests, 0);
	assert_int_equal(outcome(BLK_WRITE, disk_era(&fd->disk)), BLK_OK);
}

/* Who seals what is sealed is alone from then on; one unseal is enough. */
static void test_sealed_twice(void **state)
{
	uint32_t first = disk_seal(&fd->disk), second = disk_seal(&fd->disk);

	assert_int_equal(outcome(BLK_WRITE, first), BLK_ESEALED);
	assert_int_equal(outcome(BLK_WRITE, second), BLK_OK);
	disk_unseal(&fd->disk);
	assert_false(disk_sealed(&fd->disk));
}

/* In the order of arrival, as ever. */
static void test_what_came_before_is_before(void **state)
{
	struct request write, waiting, own;

	fd->hold = true;
	submit(&write, BLK_WRITE, 10, disk_era(&fd->disk));
	submit(&waiting, BLK_WRITE, 11, disk_era(&fd->disk));
	submit(&own, BLK_WRITE_ZEROES, 11, disk_seal(&fd->disk));
	assert_int_equal(fd->requests, 1);
	fixture_disk_release(fd);
	assert_int_equal(write.done, 1);
	assert_int_equal(fd->requests, 2);
	assert_int_equal(fd->log[1].op, BLK_WRITE);
	assert_int_equal(own.done, 0);
	fixture_disk_release(fd);
	assert_int_equal(waiting.io.status, BLK_OK);
	assert_int_equal(fd->log[2].op, BLK_WRITE_ZEROES);
	fixture_disk_release(fd);
	assert_int_equal(own.done, 1);
}

/* One of several steps that is refused takes none. */
static void test_no_step_of_what_is_refused(void **state)
{
	struct request r = {.io = {.op = BLK_WRITE, .nblocks = 2, .done = request_done}};

	r.io.next = request_next;
	disk_seal(&fd->disk);
	blk_submit(&fd->disk, &f.queue, &r.io);
	assert_int_equal(r.io.status, BLK_ESEALED);
	assert_int_equal(r.steps, 0);
}

/* ---- threads ---- */

#define WRITERS 3u
#define WRITES	4000u /* of each, or more until one is refused */
#define SEALS	200u

/* A store that looks at the eras of what reaches it: they never go back. */
struct watching_disk {
	struct disk disk;
	_Atomic uint32_t newest; /* of who sealed it */
	atomic_uint late, refused, ended;
};

static struct watching_disk watching;

static void watch_submit(struct disk *disk, struct blk_io *io)
{
	if (io->op == BLK_WRITE_ZEROES)
		atomic_store(&watching.newest, io->era);
	else if (io->era < atomic_load(&watching.newest))
		atomic_fetch_add(&watching.late, 1);
	blk_complete(io, BLK_OK);
}

static const struct backstore_ops watching_ops = {.submit = watch_submit};

static void run_one(struct fixture *thread, enum blk_op op, uint64_t nblocks, uint32_t era)
{
	struct request r = {.span = {.len = op == BLK_WRITE ? BLK_SECTOR : 0}};

	r.io = (struct blk_io){.op = op, .nblocks = nblocks, .era = era, .done = request_done};
	r.io.sgl = (struct sgl){&r.span, op == BLK_WRITE, r.span.len};
	blk_submit(&watching.disk, &thread->queue, &r.io);
	while (!r.done)
		mailbox_wait(&thread->mailbox);
	if (r.io.status == BLK_ESEALED)
		atomic_fetch_add(&watching.refused, 1);
}

static void *write_on(void *arg)
{
	struct fixture thread;

	fixture_open(&thread);
	for (unsigned int i = 0; i < WRITES || !atomic_load(&watching.refused); i++) {
		uint32_t era = disk_era(&watching.disk);

		/* Here a device model finds that nothing stands against the write. */
		sched_yield();
		run_one(&thread, BLK_WRITE, 1, era);
	}
	atomic_fetch_add(&watching.ended, 1);
	fixture_close(&thread);
	return NULL;
}

/* No write that was found good before a seal reaches the store behind what the sealer writes. */
static void test_writers_and_a_sealer(void **state)
{
	pthread_t writers[WRITERS];

	watching = (struct watching_disk){.disk = {.ops = &watching_ops, .nblocks = 64}};
	watching.disk.overlap = overlap_open(1);
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_on, NULL), 0);
	for (unsigned int i = 0; i < SEALS || atomic_load(&watching.ended) < WRITERS; i++) {
		run_one(&f, BLK_WRITE_ZEROES, 64, disk_seal(&watching.disk));
		disk_unseal(&watching.disk);
		sched_yield();
	}
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(writers[i], NULL), 0);
	assert_int_equal(watching.late, 0);
	overlap_close(watching.disk.overlap);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_who_sealed_gets_past),
		TEST(test_what_began_before_stays_out),
		TEST(test_sealed_twice),
		TEST(test_what_came_before_is_before),
		TEST(test_no_step_of_what_is_refused),
		TEST(test_writers_and_a_sealer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
