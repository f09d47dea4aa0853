/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "arena/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct arena_config small = {.rx_frames = 4, .runs = 3, .run_frames = 3};

static int setup(void **state)
{
	static struct arena arena;

	*state = &arena;
	return arena_open(&arena, &small, NULL);
}

static int teardown(void **state)
{
	arena_close(*state);
	return 0;
}

static void test_frames_go_round(void **state)
{
	struct arena *arena = *state;
	uint32_t addr[4];

	for (unsigned int i = 0; i < 4; i++) {
		addr[i] = arena_fill_get(arena);
		assert_int_equal(addr[i], i * ARENA_FRAME_SIZE);
	}
	assert_int_equal(arena_fill_get(arena), ARENA_NONE);

	/* The kernel returns an address within the frame, not its base. */
	arena_frame_received(arena, addr[2] + ARENA_RX_OFFSET);
	arena_frame_hold(arena, addr[2] + 512);
	arena_frame_put(arena, addr[2] + ARENA_RX_OFFSET);
	assert_int_equal(arena_fill_get(arena), ARENA_NONE);
	arena_frame_put(arena, addr[2] + 512);
	assert_int_equal(arena_fill_get(arena), addr[2]);
}

static void test_runs_are_adjacent_and_apart(void **state)
{
	struct arena *arena = *state;
	uint32_t run[3];

	for (unsigned int i = 0; i < 3; i++) {
		run[i] = arena_run_get(arena);
		assert_int_equal(run[i], (4 + 3 * i) * ARENA_FRAME_SIZE);
		/* All of its memory is there and its own. */
		memset(arena_ptr(arena, run[i]), (int)i, 3 * ARENA_FRAME_SIZE);
	}
	assert_int_equal(arena_run_get(arena), ARENA_NONE);
	assert_int_equal(*(uint8_t *)arena_ptr(arena, run[1] - 1), 0);
	assert_int_equal(*(uint8_t *)arena_ptr(arena, run[1]), 1);
	assert_int_equal(arena_run_payload(arena), 3 * 4096 - 512);
	arena_run_put(arena, run[1]);
	assert_int_equal(arena_run_get(arena), run[1]);
}

static void test_completion_is_believed_only_for_what_was_sent(void **state)
{
	struct arena *arena = *state;
	uint32_t run = arena_run_get(arena);
	int me;
	void *owner = NULL;

	assert_false(arena_run_completed(arena, run, &owner)); /* not sent */
	arena_run_sent(arena, run, &me);
	assert_false(arena_run_completed(arena, run + ARENA_FRAME_SIZE, &owner)); /* inside */
	assert_false(arena_run_completed(arena, 0, &owner));			  /* not a run */
	assert_false(arena_run_completed(arena, arena->size, &owner));		  /* past the end */
	assert_false(arena_run_completed(arena, UINT32_MAX, &owner));
	assert_null(owner);
	assert_true(arena_run_completed(arena, run + 476, &owner));
	assert_ptr_equal(owner, &me);
	assert_false(arena_run_completed(arena, run + 476, &owner)); /* twice */
	arena_run_put(arena, run);
}

static void fill_put(struct arena *arena)
{
	arena_frame_put(arena, arena_fill_get(arena));
}

static void put_twice(struct arena *arena)
{
	uint32_t addr = arena_fill_get(arena);

	arena_frame_received(arena, addr);
	arena_frame_put(arena, addr);
	arena_frame_put(arena, addr);
}

static void received_twice(struct arena *arena)
{
	uint32_t addr = arena_fill_get(arena);

	arena_frame_received(arena, addr);
	arena_frame_received(arena, addr);
}

static void run_put_in_flight(struct arena *arena)
{
	uint32_t run = arena_run_get(arena);

	arena_run_sent(arena, run, arena);
	arena_run_put(arena, run);
}

static void run_sent_twice(struct arena *arena)
{
	uint32_t run = arena_run_get(arena);

	arena_run_sent(arena, run, arena);
	arena_run_sent(arena, run, arena);
}

static void run_put_as_frame(struct arena *arena)
{
	arena_frame_put(arena, arena_run_get(arena));
}

/* A frame with two owners would corrupt data in silence: the process must stop instead. */
static void test_wrong_moves_abort(void **state)
{
	void (*const wrong[])(struct arena *) = {fill_put,	 put_twice,
						 received_twice, run_put_in_flight,
						 run_sent_twice, run_put_as_frame};

	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (!pid) {
			const struct rlimit none = {0, 0};

			setrlimit(RLIMIT_CORE, &none);
			signal(SIGABRT, SIG_DFL);
			close(STDERR_FILENO);
			wrong[i](*state);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		print_message("move %u\n", i);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static void test_sizes_that_make_no_arena(void **state)
{
	static const struct arena_config bad[] = {
		{.rx_frames = 0, .runs = 0, .run_frames = 3},
		{.rx_frames = 4, .runs = 4, .run_frames = 0},
		{.rx_frames = 1u << 18, .runs = 1, .run_frames = 1},
		{.rx_frames = UINT32_MAX, .runs = UINT32_MAX, .run_frames = UINT32_MAX},
	};
	struct arena arena;
	struct error err;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(arena_open(&arena, &bad[i], &err), -EINVAL);
		assert_non_null(strstr(err.text, "arena"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames_go_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs_are_adjacent_and_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_completion_is_believed_only_for_what_was_sent,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_moves_abort, setup, teardown),
		cmocka_unit_test(test_sizes_that_make_no_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
