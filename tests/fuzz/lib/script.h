/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mutations of inputs that are scripts: some bytes of head, then operations of a length that shows.
 * libFuzzer's own mutations shift whatever stands behind them into nonsense; these put operations
 * in, take them out, move them and change them where they are. What makes a new one knows what
 * lengths, digests and fields have to be for it to get past the first check.
 */
#ifndef STGT_FUZZ_SCRIPT_H
#define STGT_FUZZ_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script_random {
	uint64_t state;
};

/* A number below `below`, which is not 0. */
uint32_t script_random(struct script_random *random, uint32_t below);
/* Once in `times`. */
bool script_chance(struct script_random *random, uint32_t times);

/* No operation that is made or changed grows beyond it. */
#define SCRIPT_OPERATION_MAX 2048u

struct script_format {
	size_t head; /* bytes before the first operation */
	/* Bytes of the operation at `at`: 1 at least, `left` at most. */
	size_t (*length)(const uint8_t *at, size_t left);
	/* A new one, of at most SCRIPT_OPERATION_MAX bytes; returns how many. */
	size_t (*make)(struct script_random *random, uint8_t *out);
};

/* What LLVMFuzzerCustomMutator() returns. */
size_t script_mutate(const struct script_format *format, uint8_t *data, size_t size, size_t max,
		     unsigned int seed);

#endif
