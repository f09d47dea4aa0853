/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What blk promises about order, on a backstore that completes when the test says so and notes
 * which bytes a write would leave on the medium.
 */
#include "blk/backstore.h"
#include "blk/overlap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECTORS 4096u
#define LOG_MAX 64u

struct slow_disk {
	struct disk disk;
	struct blk_io *started[LOG_MAX]; /* in the order the backstore got them */
	unsigned int nstarted;
	bool inline_done;	 /* complete within submit */
	uint8_t medium[SECTORS]; /* the first byte of each sector */
};

struct request {
	struct blk_io io;
	struct span span;
	unsigned int done;
};

static struct arena arena;
static struct blk_queue queue;
static struct slow_disk slow;

static void slow_submit(struct disk *disk, struct blk_io *io)
{
	assert_true(slow.nstarted < LOG_MAX);
	slow.started[slow.nstarted++] = io;
	if (slow.inline_done) {
		slow.nstarted = 0;
		blk_complete(io, BLK_OK);
	}
}

static const struct backstore_ops slow_ops = {.submit = slow_submit};

/* The write reaches the medium now and ends. */
static void finish(struct request *r, enum blk_status status)
{
	if (r->io.op == BLK_WRITE)
		for (uint64_t i = 0; i < r->io.nblocks; i++)
			slow.medium[r->io.lba + i] = *(uint8_t *)arena_ptr(
				&arena, r->span.addr + (uint32_t)i * BLK_SECTOR);
	blk_complete(&r->io, status);
}

static int setup(void **state)
{
	const struct arena_config config = {.rx_frames = 64, .runs = 1, .run_frames = 1};

	memset(&slow, 0, sizeof(slow));
	slow.disk.ops = &slow_ops;
	slow.disk.nblocks = SECTORS;
	slow.disk.can_unmap = true;
	slow.disk.overlap = overlap_open(1);
	if (!slow.disk.overlap || arena_open(&arena, &config, NULL))
		return -1;
	blk_queue_init(&queue, &arena, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(queue.inflight, 0);
	overlap_close(slow.disk.overlap);
	arena_close(&arena);
	return 0;
}

static void request_done(struct blk_io *io)
{
	container_of(io, struct request, io)->done++;
}

/* A request whose payload, in frame `frame`, is all `fill`. */
static void submit(struct request *r, enum blk_op op, uint64_t lba, uint64_t nblocks,
		   unsigned int frame, uint8_t fill)
{
	uint32_t len = nblocks <= 8 ? (uint32_t)nblocks * BLK_SECTOR : 0;

	*r = (struct request){
		.span = {.addr = frame * ARENA_FRAME_SIZE, .len = len},
		.io = {.op = op, .lba = lba, .nblocks = nblocks, .done = request_done},
	};
	r->io.sgl = (struct sgl){.spans = &r->span, .nspans = 1, .len = len};
	memset(arena_ptr(&arena, r->span.addr), fill, len);
	blk_submit(&slow.disk, &queue, &r->io);
}

static void submit_dedup(struct request *r, uint64_t origin, uint64_t lba, unsigned int frame,
			 uint8_t fill)
{
	*r = (struct request){
		.span = {.addr = frame * ARENA_FRAME_SIZE, .len = 2 * BLK_SECTOR},
		.io = {.op = BLK_WRITE,
		       .flags = BLK_FUA | BLK_DEDUP,
		       .lba = lba,
		       .nblocks = 2,
		       .origin = origin,
		       .done = request_done},
	};
	r->io.sgl = (struct sgl){.spans = &r->span, .nspans = 1, .len = r->span.len};
	memset(arena_ptr(&arena, r->span.addr), fill, r->span.len);
	blk_submit(&slow.disk, &queue, &r->io);
}

static void assert_started(unsigned int n, ...)
{
	va_list ap;

	assert_int_equal(slow.nstarted, n);
	va_start(ap, n);
	for (unsigned int i = 0; i < n; i++)
		assert_ptr_equal(slow.started[i], &va_arg(ap, struct request *)->io);
	va_end(ap);
}

static void test_range(void **state)
{
	static const struct {
		uint64_t lba, nblocks;
	} bad[] = {
		{SECTORS, 1},	       {SECTORS - 1, 2},	 {0, SECTORS + 1},
		{1ull << 28, 1},       {1ull << 31, 1},		 {1ull << 48, 1},
		{UINT64_MAX, 1},       {1, UINT64_MAX},		 {UINT64_MAX, UINT64_MAX},
		{(1ull << 55) + 1, 1}, {1ull << 63, 1ull << 63},
	};
	static const enum blk_op ops[] = {BLK_READ, BLK_WRITE, BLK_UNMAP, BLK_WRITE_ZEROES};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (unsigned int k = 0; k < 4; k++) {
			struct request r;

			submit(&r, ops[k], bad[i].lba, bad[i].nblocks, 0, 0);
			assert_int_equal(r.done, 1);
			assert_int_equal(r.io.status, BLK_ERANGE);
		}
	}
	assert_started(0);
}

static void test_large_disks_are_reached(void **state)
{
	static const uint64_t last[] = {(1ull << 28) - 1, 1ull << 28,	    (1ull << 31) - 1,
					1ull << 31,	  (1ull << 48) - 1, (1ull << 55) - 1};

	slow.disk.nblocks = 1ull << 55;
	slow.inline_done = true;
	for (unsigned int i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		struct request r;

		submit(&r, BLK_READ, last[i], 1, 0, 0);
		assert_int_equal(r.done, 1);
		assert_int_equal(r.io.status, BLK_OK);
	}
}

static void test_read_only(void **state)
{
	static const enum blk_op ops[] = {BLK_WRITE, BLK_UNMAP, BLK_WRITE_ZEROES};
	struct request r;

	slow.disk.read_only = true;
	for (unsigned int i = 0; i < 3; i++) {
		submit(&r, ops[i], 0, 1, 0, 0);
		assert_int_equal(r.done, 1);
		assert_int_equal(r.io.status, BLK_EROFS);
	}
	slow.inline_done = true;
	submit(&r, BLK_READ, 0, 1, 0, 0);
	assert_int_equal(r.io.status, BLK_OK);
	submit(&r, BLK_FLUSH, 0, 0, 0, 0);
	assert_int_equal(r.io.status, BLK_OK);
	assert_int_equal(r.done, 1);
}

static void test_unmap_without_support(void **state)
{
	struct request r;

	slow.disk.can_unmap = false;
	submit(&r, BLK_UNMAP, 0, 8, 0, 0);
	assert_int_equal(r.done, 1);
	assert_int_equal(r.io.status, BLK_ENOTSUP);
	assert_started(0);
}

static void test_nothing_asked_is_done(void **state)
{
	struct request r;

	submit(&r, BLK_WRITE, SECTORS, 0, 0, 0);
	assert_int_equal(r.done, 1);
	assert_int_equal(r.io.status, BLK_OK);
	assert_started(0);
}

static void test_overlapping_writes_run_in_order(void **state)
{
	struct request a, b, c, apart;

	submit(&a, BLK_WRITE, 10, 4, 0, 'a');
	submit(&b, BLK_WRITE, 12, 4, 1, 'b');
	submit(&c, BLK_WRITE, 13, 1, 2, 'c');
	submit(&apart, BLK_WRITE, 20, 4, 3, 'd');
	assert_started(2, &a, &apart);
	finish(&a, BLK_OK);
	assert_started(3, &a, &apart, &b);
	finish(&b, BLK_OK);
	assert_started(4, &a, &apart, &b, &c);
	finish(&c, BLK_OK);
	finish(&apart, BLK_OK);
	assert_memory_equal(slow.medium + 10, "aabcbb", 6);
}

static void test_reads_share_and_writes_wait_for_them(void **state)
{
	struct request r1, r2, w, r3;

	submit(&r1, BLK_READ, 0, 8, 0, 0);
	submit(&r2, BLK_READ, 4, 8, 1, 0);
	submit(&w, BLK_WRITE, 6, 1, 2, 'w');
	submit(&r3, BLK_READ, 6, 1, 3, 0);
	assert_started(2, &r1, &r2);
	finish(&r2, BLK_OK);
	assert_started(2, &r1, &r2);
	finish(&r1, BLK_OK);
	assert_started(3, &r1, &r2, &w);
	finish(&w, BLK_OK);
	assert_started(4, &r1, &r2, &w, &r3);
	finish(&r3, BLK_OK);
}

static void test_failed_request_lets_others_go_on(void **state)
{
	struct request a, b;

	submit(&a, BLK_WRITE, 0, 1, 0, 'a');
	submit(&b, BLK_WRITE, 0, 1, 1, 'b');
	finish(&a, BLK_EIO);
	assert_int_equal(a.io.status, BLK_EIO);
	assert_started(2, &a, &b);
	finish(&b, BLK_OK);
	assert_int_equal(b.io.status, BLK_OK);
}

static void test_retransmission_in_flight_is_executed_once(void **state)
{
	struct request a, again, third;

	submit_dedup(&a, 7, 0, 0, 'a');
	submit_dedup(&again, 7, 0, 1, 'a');
	submit_dedup(&third, 7, 0, 2, 'a');
	assert_started(1, &a);
	assert_int_equal(again.done, 0);
	finish(&a, BLK_ENOSPC);
	assert_started(1, &a);
	/* Each is answered, with what became of the one execution. */
	assert_int_equal(a.done + again.done + third.done, 3);
	assert_int_equal(again.io.status, BLK_ENOSPC);
	assert_int_equal(third.io.status, BLK_ENOSPC);
}

static void test_retransmission_after_an_overlapping_write(void **state)
{
	struct request a, b, again, third;

	submit_dedup(&a, 7, 0, 0, 'a');
	submit(&b, BLK_WRITE, 1, 1, 1, 'b');
	submit_dedup(&again, 7, 0, 2, 'a');
	submit_dedup(&third, 7, 0, 3, 'a');
	finish(&a, BLK_OK);
	assert_int_equal(again.done, 0);
	assert_started(2, &a, &b);
	finish(&b, BLK_OK);
	assert_memory_equal(slow.medium, "ab", 2);
	/* It is a write of its own; only the third is the same as the latest. */
	assert_started(3, &a, &b, &again);
	finish(&again, BLK_OK);
	assert_memory_equal(slow.medium, "aa", 2);
	assert_started(3, &a, &b, &again);
	assert_int_equal(third.done, 1);
}

static void test_read_between_does_not_part_a_retransmission(void **state)
{
	struct request a, read, again;

	submit_dedup(&a, 7, 0, 0, 'a');
	submit(&read, BLK_READ, 0, 1, 1, 0);
	submit_dedup(&again, 7, 0, 2, 'a');
	finish(&a, BLK_OK);
	assert_int_equal(again.done, 1);
	assert_started(2, &a, &read);
	finish(&read, BLK_OK);
}

static void test_retransmission_after_completion_is_executed_again(void **state)
{
	struct request a, b, again;

	submit_dedup(&a, 7, 0, 0, 'a');
	finish(&a, BLK_OK);
	submit_dedup(&b, 7, 0, 1, 'b');
	finish(&b, BLK_OK);
	assert_memory_equal(slow.medium, "bb", 2);
	submit_dedup(&again, 7, 0, 2, 'a');
	assert_started(3, &a, &b, &again);
	finish(&again, BLK_OK);
	assert_memory_equal(slow.medium, "aa", 2);
}

static void test_only_the_same_write_is_a_retransmission(void **state)
{
	struct request a, bytes, origin, moved, plain, zeroes, after;

	submit_dedup(&a, 7, 0, 0, 'a');
	submit_dedup(&bytes, 7, 0, 1, 'A');
	submit_dedup(&origin, 8, 0, 2, 'A');
	submit_dedup(&moved, 8, 1, 3, 'A');
	submit(&plain, BLK_WRITE, 1, 2, 4, 'A');
	submit(&zeroes, BLK_WRITE_ZEROES, 1, 2, 5, 0);
	submit_dedup(&after, 8, 1, 6, 0);
	finish(&a, BLK_OK);
	finish(&bytes, BLK_OK);
	finish(&origin, BLK_OK);
	finish(&moved, BLK_OK);
	finish(&plain, BLK_OK);
	finish(&zeroes, BLK_OK);
	finish(&after, BLK_OK);
	assert_started(7, &a, &bytes, &origin, &moved, &plain, &zeroes, &after);
}

/* A write that promises durability is not answered by one that does not. */
static void test_retransmission_that_asks_for_more(void **state)
{
	struct request a, again;

	submit_dedup(&a, 7, 0, 0, 'a');
	slow.started[0]->flags &= ~(unsigned int)BLK_FUA;
	submit_dedup(&again, 7, 0, 1, 'a');
	finish(&a, BLK_OK);
	assert_int_equal(again.done, 0);
	finish(&again, BLK_OK);
	assert_int_equal(again.done, 1);
}

#define MIX_SLOTS   32u
#define MIX_SECTORS 16u

/* A request of the random mix; `before` is what a read must find if arrival order holds. */
struct mixed {
	struct request r;
	bool used;
	uint8_t before[MIX_SECTORS];
};

static struct mixed mix[MIX_SLOTS];
static uint8_t serial[MIX_SECTORS]; /* the medium, had each request run as it arrived */

static void mix_submit(unsigned int slot)
{
	struct mixed *m = &mix[slot];
	uint64_t lba = (uint64_t)rand() % (MIX_SECTORS - 1);
	uint8_t fill = (uint8_t)('a' + rand() % 3);

	m->used = true;
	memcpy(m->before, serial, sizeof(serial));
	if (rand() % 3 == 0) {
		submit(&m->r, BLK_READ, lba, 2, slot, 0);
		return;
	}
	/* Few places and few contents, so that many are as if retransmitted. */
	lba &= ~3ull;
	memset(serial + lba, fill, 2);
	submit_dedup(&m->r, (uint64_t)rand() % 2, lba, slot, fill);
}

/* Ends one of those that the backstore has, whichever. */
static void mix_finish(void)
{
	unsigned int i = (unsigned int)rand() % slow.nstarted;
	struct blk_io *io = slow.started[i];
	struct mixed *m = container_of(container_of(io, struct request, io), struct mixed, r);

	slow.started[i] = slow.started[--slow.nstarted];
	if (io->op == BLK_READ)
		assert_memory_equal(slow.medium + io->lba, m->before + io->lba, io->nblocks);
	finish(&m->r, BLK_OK);
}

static void test_random_mix_looks_serial(void **state)
{
	unsigned int submitted = 0, executed = 0, answered = 0;

	srand(4);
	memset(serial, 0, sizeof(serial));
	while (answered < 20000) {
		unsigned int slot = (unsigned int)rand() % MIX_SLOTS;

		if (!mix[slot].used) {
			mix_submit(slot);
			submitted++;
		} else {
			/* Something always can run. */
			assert_true(slow.nstarted > 0);
			mix_finish();
			executed++;
		}
		for (unsigned int i = 0; i < MIX_SLOTS; i++) {
			answered += mix[i].used && mix[i].r.done;
			assert_true(!mix[i].used || mix[i].r.done <= 1);
			mix[i].used = mix[i].used && !mix[i].r.done;
		}
	}
	for (; slow.nstarted; executed++)
		mix_finish();
	assert_memory_equal(slow.medium, serial, sizeof(serial));
	assert_true(executed < submitted);
}

#define CROWD 1000u

static struct request crowd[CROWD];
static char *stack_top;
static size_t stack_most;

static void crowd_done(struct blk_io *io)
{
	char here;
	size_t depth = (size_t)(stack_top - &here);

	if (depth > stack_most && depth < 1u << 30)
		stack_most = depth;
	container_of(io, struct request, io)->done++;
}

static void __attribute__((noinline)) crowd_run(unsigned int n)
{
	char here;

	stack_top = &here;
	slow.inline_done = false;
	for (unsigned int i = 0; i < n; i++) {
		crowd[i] = (struct request){
			.io = {.op = BLK_UNMAP, .lba = 5, .nblocks = 1, .done = crowd_done}};
		blk_submit(&slow.disk, &queue, &crowd[i].io);
	}
	/* The first ends; all the others, each waiting for those before it, run inline. */
	slow.inline_done = true;
	slow.nstarted = 0;
	blk_complete(&crowd[0].io, BLK_OK);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(crowd[i].done, 1);
}

static void test_stack_does_not_grow_with_waiters(void **state)
{
	size_t few;

	stack_most = 0;
	crowd_run(10);
	few = stack_most;
	stack_most = 0;
	crowd_run(CROWD);
	assert_int_equal(stack_most, few);
}

static unsigned int chain_left;

static void chain_done(struct blk_io *io)
{
	struct request *r = container_of(io, struct request, io);
	char here;

	stack_most = (size_t)(stack_top - &here);
	if (chain_left--) {
		/* Good and refused ones in turns. */
		io->lba = chain_left % 2 ? SECTORS : 0;
		blk_submit(&slow.disk, &queue, io);
	} else {
		r->done++;
	}
}

static void test_stack_does_not_grow_with_a_chain(void **state)
{
	struct request r = {.io = {.op = BLK_UNMAP, .nblocks = 1, .done = chain_done}};
	char here;

	stack_top = &here;
	slow.inline_done = true;
	chain_left = 1000000;
	blk_submit(&slow.disk, &queue, &r.io);
	assert_int_equal(r.done, 1);
	assert_true(stack_most < 16384);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_range),
		TEST(test_large_disks_are_reached),
		TEST(test_read_only),
		TEST(test_unmap_without_support),
		TEST(test_nothing_asked_is_done),
		TEST(test_overlapping_writes_run_in_order),
		TEST(test_reads_share_and_writes_wait_for_them),
		TEST(test_failed_request_lets_others_go_on),
		TEST(test_retransmission_in_flight_is_executed_once),
		TEST(test_retransmission_after_an_overlapping_write),
		TEST(test_read_between_does_not_part_a_retransmission),
		TEST(test_retransmission_after_completion_is_executed_again),
		TEST(test_only_the_same_write_is_a_retransmission),
		TEST(test_retransmission_that_asks_for_more),
		TEST(test_random_mix_looks_serial),
		TEST(test_stack_does_not_grow_with_waiters),
		TEST(test_stack_does_not_grow_with_a_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
