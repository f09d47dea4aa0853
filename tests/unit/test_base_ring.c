/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/list.h"
#include "base/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct counted {
	struct ring_event event;
	struct ring *ring;
	unsigned int *completed;
	unsigned int again; /* nops to follow this one */
	int res;
};

static void counted_done(struct ring_event *ev, int res, unsigned int flags)
{
	struct counted *c = container_of(ev, struct counted, event);

	c->res = res;
	(*c->completed)++;
	if (c->again) {
		c->again--;
		io_uring_prep_nop(ring_sqe(c->ring, ev));
	}
}

static void test_more_than_the_queue_holds(void **state)
{
	struct counted many[20];
	unsigned int completed = 0;
	struct ring ring;

	assert_int_equal(ring_open(&ring, 4), 0);
	for (unsigned int i = 0; i < 20; i++) {
		many[i] = (struct counted){
			.event.done = counted_done, .ring = &ring, .completed = &completed};
		many[i].res = -1;
		io_uring_prep_nop(ring_sqe(&ring, &many[i].event));
	}
	while (completed < 20)
		assert_true(ring_wait(&ring, 0) > 0);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(many[i].res, 0);
	assert_int_equal(ring_run(&ring), 0);
	ring_close(&ring);
}

static void test_completion_may_submit(void **state)
{
	unsigned int completed = 0;
	struct ring ring;
	struct counted c = {
		.event.done = counted_done, .ring = &ring, .completed = &completed, .again = 100};

	assert_int_equal(ring_open(&ring, 4), 0);
	io_uring_prep_nop(ring_sqe(&ring, &c.event));
	while (completed < 101)
		assert_true(ring_wait(&ring, 0) > 0);
	ring_close(&ring);
}

static void test_wait_ends_without_completion(void **state)
{
	struct ring ring;

	assert_int_equal(ring_open(&ring, 4), 0);
	assert_false(ring_pending(&ring));
	assert_int_equal(ring_wait(&ring, 1000000), 0);
	ring_close(&ring);
}

static void test_pending_tells_of_work(void **state)
{
	unsigned int completed = 0;
	struct ring ring;
	struct counted c = {.event.done = counted_done, .ring = &ring, .completed = &completed};

	assert_int_equal(ring_open(&ring, 4), 0);
	io_uring_prep_nop(ring_sqe(&ring, &c.event));
	assert_true(ring_pending(&ring));
	while (!completed)
		ring_run(&ring);
	assert_false(ring_pending(&ring));
	ring_close(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_than_the_queue_holds),
		cmocka_unit_test(test_completion_may_submit),
		cmocka_unit_test(test_wait_ends_without_completion),
		cmocka_unit_test(test_pending_tells_of_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
