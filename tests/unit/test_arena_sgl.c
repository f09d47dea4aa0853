/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "arena/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES 3000u

static struct arena arena;

static int setup(void **state)
{
	const struct arena_config config = {.rx_frames = 16, .runs = 1, .run_frames = 4};

	return arena_open(&arena, &config, NULL);
}

static int teardown(void **state)
{
	arena_close(&arena);
	return 0;
}

/* BYTES cut into up to 8 spans of random lengths (some empty), each in a frame of its own. */
static struct sgl cut(struct span spans[8], unsigned int first_frame)
{
	uint32_t left = BYTES;

	for (unsigned int i = 0; i < 8; i++) {
		uint32_t len = i == 7 ? left : (uint32_t)rand() % (left + 1);

		if (rand() % 4 == 0 && i != 7)
			len = 0;
		spans[i] = (struct span){.addr = (first_frame + i) * ARENA_FRAME_SIZE +
						 (uint32_t)rand() % 1000,
					 .len = len};
		left -= len;
	}
	return (struct sgl){.spans = spans, .nspans = 8, .len = BYTES};
}

static void test_copies_are_the_bytes_between(void **state)
{
	uint8_t model[BYTES], out[BYTES], in[BYTES];

	srand(1);
	for (unsigned int round = 0; round < 2000; round++) {
		uint32_t off = (uint32_t)rand() % (BYTES + 1);
		uint32_t len = (uint32_t)rand() % (BYTES - off + 1);
		struct span spans[8];
		struct sgl sgl = cut(spans, 0);

		for (unsigned int i = 0; i < BYTES; i++) {
			model[i] = (uint8_t)rand();
			in[i] = (uint8_t)rand();
		}
		sgl_copy_in(&arena, &sgl, 0, model, BYTES);
		sgl_copy_in(&arena, &sgl, off, in, len);
		memcpy(model + off, in, len);
		sgl_copy_out(&arena, &sgl, 0, out, BYTES);
		assert_memory_equal(out, model, BYTES);
		memset(out, 0, sizeof(out));
		sgl_copy_out(&arena, &sgl, off, out, len);
		assert_memory_equal(out, model + off, len);
	}
}

static void test_equality_ignores_the_cuts(void **state)
{
	uint8_t bytes[BYTES], other[1];

	srand(2);
	for (unsigned int round = 0; round < 2000; round++) {
		struct span spans_a[8], spans_b[8];
		struct sgl a = cut(spans_a, 0), b = cut(spans_b, 8);
		uint32_t at = (uint32_t)rand() % BYTES;

		for (unsigned int i = 0; i < BYTES; i++)
			bytes[i] = (uint8_t)rand();
		sgl_copy_in(&arena, &a, 0, bytes, BYTES);
		sgl_copy_in(&arena, &b, 0, bytes, BYTES);
		assert_true(sgl_equal(&arena, &a, &arena, &b));
		other[0] = bytes[at] ^ 1;
		sgl_copy_in(&arena, &b, at, other, 1);
		assert_false(sgl_equal(&arena, &a, &arena, &b));
	}
}

static void test_lengths_differ(void **state)
{
	const struct span one = {.addr = 0, .len = 512}, two = {.addr = 0, .len = 1024};
	const struct sgl a = {.spans = &one, .nspans = 1, .len = 512};
	const struct sgl b = {.spans = &two, .nspans = 1, .len = 1024};
	const struct sgl empty = {0};

	assert_false(sgl_equal(&arena, &a, &arena, &b));
	assert_false(sgl_equal(&arena, &a, &arena, &empty));
	assert_true(sgl_equal(&arena, &empty, &arena, &empty));
}

static void test_part(void **state)
{
	const struct span spans[] = {{100, 10}, {300, 20}, {500, 30}};
	const struct sgl all = {.spans = spans, .nspans = 3, .len = 60};
	struct span room[3];
	struct sgl part;

	assert_true(sgl_part(&all, 5, 30, room, 3, &part));
	assert_int_equal(part.nspans, 3);
	assert_int_equal(part.len, 30);
	assert_int_equal(room[0].addr, 105);
	assert_int_equal(room[0].len, 5);
	assert_int_equal(room[1].addr, 300);
	assert_int_equal(room[1].len, 20);
	assert_int_equal(room[2].addr, 500);
	assert_int_equal(room[2].len, 5);
	assert_true(sgl_part(&all, 10, 20, room, 1, &part));
	assert_int_equal(room[0].addr, 300);
	assert_true(sgl_part(&all, 0, 60, room, 3, &part));
	assert_false(sgl_part(&all, 0, 61, room, 3, &part));
	assert_false(sgl_part(&all, 5, 30, room, 2, &part));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_are_the_bytes_between),
		cmocka_unit_test(test_equality_ignores_the_cuts),
		cmocka_unit_test(test_lengths_differ),
		cmocka_unit_test(test_part),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
