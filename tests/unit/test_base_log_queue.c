/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The log's queue: complete and in order while lines are taken, and nobody's obstacle while not. */
#include "base/clock.h"
#include "base/log_queue.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY   1000u
#define A_LOT  (10 * CLOCK_NS_PER_S) /* far more than who logs waits in all */
#define LITTLE (CLOCK_NS_PER_S / 10) /* less than he does for a line */

static struct {
	sem_t taken; /* the reader takes a line for each; or all */
	atomic_bool all;
	unsigned int n;
	char lines[2 * MANY][64];
} reader;

static void take(int priority, const char *line)
{
	if (!reader.all)
		sem_wait(&reader.taken);
	snprintf(reader.lines[reader.n++], sizeof(reader.lines[0]), "%d %.50s", priority, line);
}

static void put(unsigned int number)
{
	char line[32];

	snprintf(line, sizeof(line), "line %u", number);
	assert_true(log_queue_put(3, line));
}

static void assert_line(unsigned int place, unsigned int number)
{
	char line[32];

	snprintf(line, sizeof(line), "3 line %u", number);
	assert_string_equal(reader.lines[place], line);
}

static int setup(void **state)
{
	reader.n = 0;
	reader.all = false;
	return sem_init(&reader.taken, 0, 0);
}

static void test_without_it_lines_are_the_callers(void **state)
{
	assert_false(log_queue_put(3, "line"));
	log_queue_stop();
}

/*
 * What was logged is written when the call returns: an answer never comes before its line. Unless
 * the machine is so busy that the thread did not come to it, for once.
 */
static void test_lines_are_written_at_once_and_in_order(void **state)
{
	bool at_once = true;

	reader.all = true;
	assert_true(log_queue_start(take));
	for (unsigned int i = 0; i < MANY; i++) {
		uint64_t began = clock_now_ns();

		put(i);
		at_once = at_once && clock_now_ns() - began < LITTLE;
		if (at_once)
			assert_int_equal(reader.n, i + 1);
	}
	log_queue_stop();
	assert_int_equal(reader.n, MANY);
	for (unsigned int i = 0; i < MANY; i++)
		assert_line(i, i);
	assert_false(log_queue_put(3, "line"));
}

static void test_nobody_waits_for_who_does_not_read(void **state)
{
	uint64_t began = clock_now_ns();
	unsigned int kept;

	assert_true(log_queue_start(take));
	for (unsigned int i = 0; i < MANY; i++)
		put(i);
	assert_in_range(clock_now_ns() - began, 0, A_LOT);
	assert_int_equal(reader.n, 0);
	/* Then all that there was room for, and what was not, counted. */
	reader.all = true;
	sem_post(&reader.taken);
	log_queue_stop();
	kept = reader.n - 1;
	assert_in_range(kept, 2, MANY - 1);
	for (unsigned int i = 0; i < kept; i++)
		assert_line(i, i);
	assert_int_equal(strtoul(reader.lines[kept] + 2, NULL, 10), MANY - kept);
	assert_non_null(strstr(reader.lines[kept], "lines of the log are lost"));
}

/* The last: the thread hangs on. */
static void test_its_end_waits_for_nobody(void **state)
{
	uint64_t began = clock_now_ns();

	assert_true(log_queue_start(take));
	put(0);
	log_queue_stop();
	assert_in_range(clock_now_ns() - began, 0, A_LOT);
	/* Whoever logs still has no reader either. */
	put(1);
	assert_int_equal(reader.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_it_lines_are_the_callers),
		cmocka_unit_test_setup(test_lines_are_written_at_once_and_in_order, setup),
		cmocka_unit_test_setup(test_nobody_waits_for_who_does_not_read, setup),
		cmocka_unit_test_setup(test_its_end_waits_for_nobody, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
