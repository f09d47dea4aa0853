/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tap's memory, which a serving process and a watcher share, each of whom may be anybody's: the
 * input is a script of what both do with it, and of what is written into it behind their backs.
 * Neither reads or writes outside it. As long as nobody meddles, every record arrives once, in
 * order, as it was, or is counted as lost.
 */
#include "cursor.h"
#include "tap/layout.h"
#include "tap/tap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RINGS_MAX 3u
#define SIZE	  (TAP_PAGE + RINGS_MAX * (TAP_PAGE + (32u << 10)))
#define SENT_MAX  512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum op {
	OP_RECORD, /* ring, length (16 bits): a record is left */
	OP_READ,   /* the watcher takes one */
	OP_WRITE,  /* where (16 bits, times 4), 4 bytes: in the heads mostly */
	OP_END,
	OPS
};

struct sent {
	uint32_t len;
	uint8_t filler;
};

struct bench {
	struct tap *tap;
	struct tap_watch *watch;
	uint8_t *memory;
	unsigned int rings;
	uint64_t ns, lost;
	bool meddled;
	struct sent sent[RINGS_MAX][SENT_MAX]; /* what the watcher has to see */
	unsigned int nsent[RINGS_MAX], nseen[RINGS_MAX];
};

static void require(int holds)
{
	if (!holds)
		abort();
}

static void leave_record(struct bench *b, struct cursor *c)
{
	unsigned int ring = cursor_u8(c) % b->rings;
	uint32_t len = cursor_be16(c);
	void *to = tap_reserve(tap_ring(b->tap, ring), ++b->ns, len);

	if (!to) {
		b->lost++;
		return;
	}
	require((uintptr_t)to % 8 == 0);
	memset(to, (int)(b->ns & 0xff), len);
	tap_commit(tap_ring(b->tap, ring));
	if (b->nsent[ring] == SENT_MAX)
		b->meddled = true;
	else
		b->sent[ring][b->nsent[ring]++] =
			(struct sent){.len = len, .filler = (uint8_t)b->ns};
}

static void check_record(struct bench *b, const struct tap_record *record)
{
	const struct sent *sent = &b->sent[record->ring][b->nseen[record->ring]++];
	const uint8_t *data = record->data;

	require(b->nseen[record->ring] <= b->nsent[record->ring] && record->len == sent->len);
	for (uint32_t i = 0; i < record->len; i++)
		require(data[i] == sent->filler);
}

static bool read_record(struct bench *b)
{
	struct tap_record record;
	int ret = tap_watch_next(b->watch, &record);
	volatile uint8_t sum = 0;

	require(b->meddled || ret >= 0);
	if (ret <= 0)
		return false;
	for (uint32_t i = 0; i < record.len; i++)
		sum ^= ((const uint8_t *)record.data)[i];
	if (!b->meddled)
		check_record(b, &record);
	tap_watch_done(b->watch, &record);
	return true;
}

/* The first page, or the head of a ring as it is now, or anywhere. */
static void meddle(struct bench *b, struct cursor *c)
{
	uint16_t where = cursor_be16(c);
	uint32_t value = cursor_be32(c);
	size_t at = where & 0x8000 ? (size_t)(where & 0x7fff) * 4 : (size_t)(where & 7) * 4;

	if (!(where & 0x8000) && where & 8)
		at += tap_ring_offset(where >> 4 & 3, SIZE / 4 / RINGS_MAX);
	if (!(where & 0x8000) && where & 0x40)
		at = TAP_PAGE + (where & 0x3f) * 4;
	if (at + sizeof(value) > SIZE)
		return;
	memcpy(b->memory + at, &value, sizeof(value));
	b->meddled = true;
}

static void run(struct bench *b, struct cursor *c)
{
	switch ((enum op)(cursor_u8(c) % OPS)) {
	case OP_RECORD:
		leave_record(b, c);
		break;
	case OP_READ:
		read_record(b);
		break;
	case OP_WRITE:
		meddle(b, c);
		break;
	case OP_END:
		tap_end(b->tap);
		require(tap_watch_ended(b->watch));
		break;
	case OPS:
		break;
	}
	if (!b->meddled)
		require(tap_watch_lost(b->watch) == b->lost);
	tap_watch_lost(b->watch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench b;
	struct cursor c = cursor_over(data, size);
	struct error err;

	memset(&b, 0, sizeof(b));
	b.rings = 1 + cursor_u8(&c) % RINGS_MAX;
	require(!tap_watch_open(SIZE, &b.watch, &err));
	require(!tap_open(tap_watch_fd(b.watch), b.rings, &b.tap, &err));
	b.memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, tap_watch_fd(b.watch), 0);
	require(b.memory != MAP_FAILED);
	while (cursor_left(&c))
		run(&b, &c);
	while (!b.meddled && read_record(&b))
		;
	for (unsigned int i = 0; i < b.rings; i++)
		require(b.meddled || b.nseen[i] == b.nsent[i]);
	munmap(b.memory, SIZE);
	tap_close(b.tap);
	tap_watch_close(b.watch);
	return 0;
}
