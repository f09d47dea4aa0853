/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a fuzzer's bytes: a cursor that never runs past its end.
 *
 * A read past the end yields zero (or NULL), sets `short_read` and consumes nothing, so a parser
 * may read a whole header and check once. Values are returned in host order.
 */
#ifndef STGT_TEST_CURSOR_H
#define STGT_TEST_CURSOR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool short_read;
};

static inline struct cursor cursor_over(const void *data, size_t len)
{
	return (struct cursor){.at = data, .end = (const uint8_t *)data + len};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* The next `len` bytes in place, or NULL when fewer are left. */
static inline const void *cursor_bytes(struct cursor *c, size_t len)
{
	const uint8_t *here = c->at;

	if (cursor_left(c) < len) {
		c->short_read = true;
		return NULL;
	}
	c->at += len;
	return here;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, 1);

	return p ? *p : 0;
}

static inline uint16_t cursor_be16(struct cursor *c)
{
	const void *p = cursor_bytes(c, 2);
	uint16_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t cursor_be32(struct cursor *c)
{
	const void *p = cursor_bytes(c, 4);
	uint32_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

#endif
