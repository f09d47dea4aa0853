/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prometheus' text format (exposition format 0.0.4) written into memory that grows. A scrape of a
 * large target has a hundred thousand lines, so numbers do not go through printf.
 *
 * Running out of memory is remembered, not reported: text_take() tells. Any one thread.
 */
#ifndef STGT_METRICS_TEXT_H
#define STGT_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *data;
	size_t len, size;
	bool failed;
};

/* So many bytes are about to come: one large piece of memory is cheaper than growing to it. */
void text_reserve(struct text *text, size_t len);
void text_put(struct text *text, const char *s);
void text_putn(struct text *text, const char *s, size_t len);
void text_number(struct text *text, uint64_t value);
/* `value` / 10^`digits`, without trailing zeroes: 1500 with 3 digits is 1.5. */
void text_decimal(struct text *text, uint64_t value, unsigned int digits);

/* Appends name="value" to what is there, escaped, with a comma before it if it is not the first. */
void text_label(struct text *text, const char *name, const char *value);

/* The bytes, which the caller frees, and their number; NULL when memory ran out. NUL terminated. */
char *text_take(struct text *text, size_t *len);

#endif
