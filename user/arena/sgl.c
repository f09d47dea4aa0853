/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "arena/arena.h"

#include <string.h>

/* A position in an sgl: the piece of a span from there on. */
struct sgl_cursor {
	const struct span *span;
	uint32_t off;
};

static struct sgl_cursor sgl_seek(const struct sgl *sgl, uint32_t off)
{
	struct sgl_cursor at = {.span = sgl->spans, .off = off};

	while (at.span < sgl->spans + sgl->nspans && at.off >= at.span->len)
		at.off -= at.span++->len;
	return at;
}

/* The next contiguous piece of at most `want` bytes; the cursor moves past it. */
static void *sgl_next(const struct arena *arena, struct sgl_cursor *at, uint32_t want,
		      uint32_t *len)
{
	uint8_t *piece;

	while (at->off == at->span->len) {
		at->span++;
		at->off = 0;
	}
	piece = (uint8_t *)arena_ptr(arena, at->span->addr) + at->off;
	*len = at->span->len - at->off < want ? at->span->len - at->off : want;
	at->off += *len;
	return piece;
}

void sgl_copy_out(const struct arena *arena, const struct sgl *sgl, uint32_t off, void *to,
		  uint32_t len)
{
	struct sgl_cursor at = sgl_seek(sgl, off);
	uint8_t *out = to;
	uint32_t n;

	assert(off <= sgl->len && len <= sgl->len - off);
	for (; len; len -= n, out += n) {
		const void *piece = sgl_next(arena, &at, len, &n);

		memcpy(out, piece, n);
	}
}

void sgl_copy_in(const struct arena *arena, const struct sgl *sgl, uint32_t off, const void *from,
		 uint32_t len)
{
	struct sgl_cursor at = sgl_seek(sgl, off);
	const uint8_t *in = from;
	uint32_t n;

	assert(off <= sgl->len && len <= sgl->len - off);
	for (; len; len -= n, in += n) {
		void *piece = sgl_next(arena, &at, len, &n);

		memcpy(piece, in, n);
	}
}

bool sgl_part(const struct sgl *from, uint32_t off, uint32_t len, struct span *spans, uint32_t max,
	      struct sgl *part)
{
	struct sgl_cursor at = sgl_seek(from, off);
	uint32_t n = 0, left = len;

	for (; left; at.span++, at.off = 0) {
		if (n == max || at.span == from->spans + from->nspans)
			return false;
		spans[n] = (struct span){at.span->addr + at.off, at.span->len - at.off};
		if (spans[n].len > left)
			spans[n].len = left;
		left -= spans[n++].len;
	}
	*part = (struct sgl){.spans = spans, .nspans = n, .len = len};
	return true;
}

bool sgl_equal(const struct arena *arena_a, const struct sgl *a, const struct arena *arena_b,
	       const struct sgl *b)
{
	struct sgl_cursor at_a = {.span = a->spans}, at_b = {.span = b->spans};
	uint32_t left = a->len, n, got;

	if (a->len != b->len)
		return false;
	for (; left; left -= got) {
		const void *piece_a = sgl_next(arena_a, &at_a, left, &n);
		const void *piece_b = sgl_next(arena_b, &at_b, n, &got);

		if (memcmp(piece_a, piece_b, got))
			return false;
		/* b's piece may be the shorter one: go back to where it ended. */
		at_a.off -= n - got;
	}
	return true;
}
