/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The overlap table against a model that compares every pair of requests. */
#include "blk/overlap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS 48u

struct slot {
	struct blk_io io;
	bool used;    /* in the table */
	bool running; /* the table said so */
	unsigned long arrival;
};

struct model {
	struct overlap *table;
	uint32_t atom;
	struct slot slots[SLOTS];
	unsigned long arrivals;
	unsigned int used;
};

static bool model_conflict(const struct model *m, const struct blk_io *a, const struct blk_io *b)
{
	if (a->op == BLK_READ && b->op == BLK_READ)
		return false;
	for (uint64_t lba = a->lba / m->atom; lba <= (a->lba + a->nblocks - 1) / m->atom; lba++)
		if (lba >= b->lba / m->atom && lba <= (b->lba + b->nblocks - 1) / m->atom)
			return true;
	return false;
}

static unsigned int model_blockers(const struct model *m, const struct slot *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SLOTS; i++) {
		const struct slot *other = &m->slots[i];

		if (other->used && other->arrival < s->arrival &&
		    model_conflict(m, &s->io, &other->io))
			n++;
	}
	return n;
}

static void assert_matches_model(const struct model *m)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		const struct slot *s = &m->slots[i];

		if (!s->used)
			continue;
		assert_int_equal(s->io.overlap.blockers, model_blockers(m, s));
		assert_int_equal(s->running, model_blockers(m, s) == 0);
	}
}

/* Crowded around a few granules, some across them, some spanning many. */
static void random_request(struct blk_io *io)
{
	static const enum blk_op ops[] = {BLK_READ, BLK_WRITE, BLK_WRITE, BLK_UNMAP,
					  BLK_WRITE_ZEROES};

	memset(io, 0, sizeof(*io));
	io->op = ops[rand() % 5];
	io->lba = (uint64_t)rand() % 1024;
	switch (rand() % 4) {
	case 0:
		io->nblocks = 1;
		break;
	case 1:
		io->nblocks = 1 + (uint64_t)rand() % 16;
		break;
	case 2:
		io->nblocks = 1 + (uint64_t)rand() % 128;
		break;
	default:
		io->nblocks = rand() % 4 ? 8 : 1 + (uint64_t)rand() % 1024;
	}
	if (rand() % 8 == 0)
		io->lba += 1ull << 54; /* other granules, perhaps the same buckets */
}

static void model_enter(struct model *m)
{
	struct slot *s = m->slots;
	enum overlap_verdict verdict;

	while (s->used)
		s++;
	random_request(&s->io);
	s->arrival = m->arrivals++;
	s->used = true;
	verdict = overlap_enter(m->table, &s->io);
	assert_true(verdict == OVERLAP_RUN || verdict == OVERLAP_WAIT);
	s->running = verdict == OVERLAP_RUN;
	m->used++;
}

/* Ends one of the running requests, whichever. */
static void model_leave(struct model *m)
{
	unsigned int i = (unsigned int)rand() % SLOTS;
	struct list runnable, twins;

	while (!m->slots[i].used || !m->slots[i].running)
		i = (i + 1) % SLOTS;
	list_init(&runnable);
	list_init(&twins);
	overlap_leave(m->table, &m->slots[i].io, &runnable, &twins);
	m->slots[i].used = false;
	m->used--;
	assert_true(list_empty(&twins));
	while (!list_empty(&runnable)) {
		struct slot *s = container_of(list_pop(&runnable), struct slot, io.ready);

		assert_true(s->used && !s->running);
		s->running = true;
	}
}

static void run_model(uint32_t atom, unsigned int seed)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	srand(seed);
	m->atom = atom;
	m->table = overlap_open(atom);
	assert_non_null(m->table);
	for (unsigned int op = 0; op < 6000; op++) {
		/* Fills and drains in turns, so that both crowds and solitude happen. */
		bool filling = op / 200 % 2 == 0;

		if (m->used == 0 || (m->used < SLOTS && rand() % 4 < (filling ? 3 : 1)))
			model_enter(m);
		else
			model_leave(m);
		assert_matches_model(m);
	}
	/* The oldest request is never blocked, so it always drains. */
	while (m->used) {
		model_leave(m);
		assert_matches_model(m);
	}
	overlap_close(m->table);
	free(m);
}

static void test_random_requests(void **state)
{
	for (unsigned int seed = 1; seed <= 4; seed++)
		run_model(1, seed);
}

static void test_random_requests_by_atoms(void **state)
{
	run_model(8, 5);
	run_model(128, 6);
}

static void enter(struct overlap *table, struct blk_io *io, enum blk_op op, uint64_t lba,
		  uint64_t nblocks, enum overlap_verdict expected)
{
	*io = (struct blk_io){.op = op, .lba = lba, .nblocks = nblocks};
	assert_int_equal(overlap_enter(table, io), expected);
}

static unsigned int leave(struct overlap *table, struct blk_io *io)
{
	struct list runnable, twins;
	unsigned int n = 0;

	list_init(&runnable);
	list_init(&twins);
	overlap_leave(table, io, &runnable, &twins);
	for (; !list_empty(&runnable); n++)
		list_pop(&runnable);
	return n;
}

static void test_flush_waits_for_nothing_and_blocks_nothing(void **state)
{
	struct overlap *table = overlap_open(1);
	struct blk_io write, flush, after;

	enter(table, &write, BLK_WRITE, 0, 8, OVERLAP_RUN);
	enter(table, &flush, BLK_FLUSH, 0, 0, OVERLAP_RUN);
	enter(table, &after, BLK_WRITE, 0, 8, OVERLAP_WAIT);
	assert_int_equal(leave(table, &flush), 0);
	assert_int_equal(leave(table, &write), 1);
	assert_int_equal(leave(table, &after), 0);
	overlap_close(table);
}

static void test_pair_in_two_granules_blocks_once(void **state)
{
	struct overlap *table = overlap_open(1);
	struct blk_io a, b;

	enter(table, &a, BLK_WRITE, 124, 8, OVERLAP_RUN);
	enter(table, &b, BLK_WRITE, 120, 16, OVERLAP_WAIT);
	assert_int_equal(b.overlap.blockers, 1);
	assert_int_equal(leave(table, &a), 1);
	assert_int_equal(leave(table, &b), 0);
	overlap_close(table);
}

static void test_end_of_the_largest_disk(void **state)
{
	const uint64_t last = (1ull << 55) - 1;
	struct overlap *table = overlap_open(1);
	struct blk_io all, write, read;

	enter(table, &all, BLK_UNMAP, 0, last + 1, OVERLAP_RUN);
	enter(table, &write, BLK_WRITE, last, 1, OVERLAP_WAIT);
	enter(table, &read, BLK_READ, last - 1, 1, OVERLAP_WAIT);
	assert_int_equal(leave(table, &all), 2);
	leave(table, &write);
	leave(table, &read);
	overlap_close(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_requests),
		cmocka_unit_test(test_random_requests_by_atoms),
		cmocka_unit_test(test_flush_waits_for_nothing_and_blocks_nothing),
		cmocka_unit_test(test_pair_in_two_granules_blocks_once),
		cmocka_unit_test(test_end_of_the_largest_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
