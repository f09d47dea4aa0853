/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memory of a worker's sessions, in random orders: who waits, who passes, who is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi/pool.h"
#include <stdlib.h>

#define RUNS	 40u
#define MOST	 9u
#define SESSIONS 6u
#define REQUESTS 48u
#define STEPS	 20000u
#define SEEDS	 20u

struct request {
	struct iscsi_waiter waiter;
	enum {
		FREE,
		WAITS,
		HAS
	} state;
	unsigned int session;
	uint64_t began;
	uint32_t runs[MOST];
};

static struct arena arena;
static struct iscsi_pool pool;
static struct iscsi_share shares[SESSIONS];
static struct request requests[REQUESTS];
static uint64_t now;
static bool draining;

static unsigned int below(unsigned int n)
{
	return (unsigned int)rand() % n;
}

static void put(struct request *request)
{
	request->state = FREE;
	iscsi_pool_put(&pool, &shares[request->session], request->runs, request->waiter.runs);
}

/* Who holds nothing and has nothing else to wait for. */
static bool is_next_of_session(const struct request *request)
{
	return request->state == WAITS && !shares[request->session].held &&
	       shares[request->session].waiters.next == &request->waiter.share_link;
}

/* Who holds nothing is not passed by those of its kind that came later. */
static void assert_nobody_was_passed(const struct request *by)
{
	for (unsigned int i = 0; i < REQUESTS; i++) {
		const struct request *other = &requests[i];

		if (is_next_of_session(other) && other->began < by->began)
			assert_true((other->waiter.runs == 1) != (by->waiter.runs == 1));
	}
}

static void granted(struct iscsi_waiter *waiter)
{
	struct request *request = container_of(waiter, struct request, waiter);

	assert_int_equal(request->state, WAITS);
	request->state = HAS;
	assert_nobody_was_passed(request);
	/* A command may end at once. */
	if (!below(8))
		put(request);
}

static void ask(struct request *request)
{
	unsigned int n = below(2) ? 1 : 2 + below(MOST - 1);

	request->session = below(SESSIONS);
	request->began = ++now;
	request->waiter = (struct iscsi_waiter){.share = &shares[request->session],
						.runs = n,
						.into = request->runs,
						.since = now,
						.granted = granted};
	request->state = HAS;
	if (iscsi_pool_take(&pool, request->waiter.share, request->runs, n)) {
		assert_nobody_was_passed(request);
		return;
	}
	request->state = WAITS;
	iscsi_pool_wait(&pool, &request->waiter);
}

static void step(struct request *request)
{
	if (request->state == FREE && !draining) {
		ask(request);
	} else if (request->state == HAS) {
		put(request);
	} else if (request->state == WAITS && !draining && !below(20)) {
		request->state = FREE;
		iscsi_pool_cancel(&pool, &request->waiter);
	}
}

static void assert_counted(void)
{
	unsigned int held = 0, singles = 0, of_sessions = 0;

	for (unsigned int i = 0; i < REQUESTS; i++)
		if (requests[i].state == HAS) {
			held += requests[i].waiter.runs;
			singles += requests[i].waiter.runs == 1;
		}
	for (unsigned int i = 0; i < SESSIONS; i++)
		of_sessions += shares[i].held;
	assert_int_equal(held, of_sessions);
	assert_int_equal(held + arena.nfree_runs, RUNS);
	assert_int_equal(singles, pool.singles);
}

static bool any(int state)
{
	for (unsigned int i = 0; i < REQUESTS; i++)
		if ((int)requests[i].state == state)
			return true;
	return false;
}

static void run(unsigned int seed)
{
	srand(seed);
	draining = false;
	iscsi_pool_init(&pool, &arena, MOST);
	for (unsigned int i = 0; i < SESSIONS; i++)
		iscsi_share_init(&shares[i]);
	for (unsigned int i = 0; i < STEPS; i++) {
		step(&requests[below(REQUESTS)]);
		assert_counted();
		assert_true(any(HAS) || !any(WAITS));
	}
	draining = true;
	while (any(HAS))
		step(&requests[below(REQUESTS)]);
	assert_false(any(WAITS));
	assert_false(iscsi_pool_waited_for(&pool));
}

static void test_everybody_gets_memory_in_the_end(void **state)
{
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		run(seed);
}

static int setup(void **state)
{
	const struct arena_config memory = {.rx_frames = 1, .runs = RUNS, .run_frames = 1};

	return arena_open(&arena, &memory, NULL);
}

static int teardown(void **state)
{
	arena_close(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_gets_memory_in_the_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
