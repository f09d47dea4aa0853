/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "script.h"

#include <string.h>

#define OPERATIONS_MAX 256u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

struct script {
	const struct script_format *format;
	struct script_random random;
	uint8_t *data;
	size_t size, max;
	size_t at[OPERATIONS_MAX + 1]; /* where operations begin, and the end */
	unsigned int n;
};

uint32_t script_random(struct script_random *random, uint32_t below)
{
	random->state = random->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random->state >> 33) % below;
}

bool script_chance(struct script_random *random, uint32_t times)
{
	return !script_random(random, times);
}

static void find_operations(struct script *s)
{
	size_t at = s->format->head;

	s->n = 0;
	while (at < s->size && s->n < OPERATIONS_MAX) {
		s->at[s->n++] = at;
		at += s->format->length(s->data + at, s->size - at);
	}
	s->at[s->n] = at < s->size ? at : s->size;
}

/* Puts `len` bytes in the place of `old` ones. */
static void replace(struct script *s, size_t at, size_t old, const uint8_t *bytes, size_t len)
{
	if (s->size - old + len > s->max)
		return;
	memmove(s->data + at + len, s->data + at + old, s->size - at - old);
	if (len)
		memcpy(s->data + at, bytes, len);
	s->size += len - old;
}

static size_t take(const struct script *s, unsigned int i, uint8_t *out)
{
	size_t len = s->at[i + 1] - s->at[i];

	if (len > SCRIPT_OPERATION_MAX)
		len = SCRIPT_OPERATION_MAX;
	memcpy(out, s->data + s->at[i], len);
	return len;
}

static void insert(struct script *s)
{
	size_t at = s->at[script_random(&s->random, s->n + 1)];
	uint8_t made[SCRIPT_OPERATION_MAX];

	replace(s, at, 0, made, s->format->make(&s->random, made));
}

static void change(struct script *s)
{
	unsigned int i = script_random(&s->random, s->n);
	uint8_t bytes[SCRIPT_OPERATION_MAX];
	size_t len = take(s, i, bytes), room = sizeof(bytes) - 1, now;

	/* Most stay as long as they are, or a byte more. */
	if (len < room && !script_chance(&s->random, 4))
		room = len;
	/* The operation's byte stays. */
	now = 1 + LLVMFuzzerMutate(bytes + 1, len - 1, room);
	replace(s, s->at[i], s->at[i + 1] - s->at[i], bytes, now);
}

static void copy(struct script *s)
{
	uint8_t bytes[SCRIPT_OPERATION_MAX];
	size_t len = take(s, script_random(&s->random, s->n), bytes);

	replace(s, s->at[script_random(&s->random, s->n + 1)], 0, bytes, len);
}

static void drop(struct script *s)
{
	unsigned int i = script_random(&s->random, s->n);

	replace(s, s->at[i], s->at[i + 1] - s->at[i], NULL, 0);
}

static void mutate_head(struct script *s)
{
	if (s->format->head && s->size >= s->format->head)
		s->data[script_random(&s->random, (uint32_t)s->format->head)] ^=
			(uint8_t)(1u << script_random(&s->random, 8));
}

static void step(struct script *s)
{
	unsigned int which = script_random(&s->random, 16);

	find_operations(s);
	if (s->size < s->format->head)
		s->size = LLVMFuzzerMutate(s->data, s->size, s->max);
	else if (!s->n || which < 6)
		insert(s);
	else if (which < 11)
		change(s);
	else if (which < 13)
		copy(s);
	else if (which < 15)
		drop(s);
	else
		mutate_head(s);
}

size_t script_mutate(const struct script_format *format, uint8_t *data, size_t size, size_t max,
		     unsigned int seed)
{
	struct script s = {.format = format,
			   .random = {seed * 2654435761u + 1},
			   .data = data,
			   .size = size,
			   .max = max};
	unsigned int steps;

	if (script_chance(&s.random, 16))
		return LLVMFuzzerMutate(data, size, max);
	steps = 1 + script_random(&s.random, 4);
	for (unsigned int i = 0; i < steps; i++)
		step(&s);
	return s.size ? s.size : LLVMFuzzerMutate(data, size, max);
}
