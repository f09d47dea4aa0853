/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The AoE codec over a frame in one piece and the same frame in fragments: both must say the same.
 * Input: the number of cuts, that many distances of 16 bits from one cut to the next, the frame.
 */
#include "aoe/frame.h"
#include "cursor.h"

#include <stdlib.h>
#include <string.h>

#define SPANS	  16u
#define FRAME_MAX ARENA_RX_CAPACITY

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t port_mac[WIRE_MAC_LEN] = {2, 0, 0, 0, 0, 1};

static void require(int holds)
{
	if (!holds)
		abort();
}

/* One piece in the first arena frame, and each fragment at the very end of another. */
static void lay_out(struct arena *arena, struct cursor *c, struct span *whole, struct sgl *pieces,
		    struct span *spans)
{
	uint32_t distance[SPANS] = {0};
	uint32_t ncuts = cursor_u8(c) % (SPANS - 1), done = 0;

	for (uint32_t i = 0; i < ncuts; i++)
		distance[i] = cursor_be16(c) % 512;
	whole->addr = 0;
	whole->len = cursor_left(c) < FRAME_MAX ? (uint32_t)cursor_left(c) : FRAME_MAX;
	memcpy(arena->base, c->at, whole->len);
	for (uint32_t i = 0; i <= ncuts; i++) {
		uint32_t left = whole->len - done;
		uint32_t len = i == ncuts || distance[i] > left ? left : distance[i];
		uint32_t end = (i + 2) * ARENA_FRAME_SIZE;

		spans[i] = (struct span){.addr = end - len, .len = len};
		memcpy(arena_ptr(arena, spans[i].addr), c->at + done, len);
		done += len;
	}
	*pieces = (struct sgl){.spans = spans, .nspans = ncuts + 1, .len = whole->len};
}

static void compare_bodies(const struct aoe_frame *a, const struct aoe_frame *b)
{
	static uint8_t x[FRAME_MAX], y[FRAME_MAX];
	struct span spans[SPANS];
	uint32_t len = aoe_frame_body_len(a), sum, at = 0;
	int n;

	require(len == aoe_frame_body_len(b));
	require(aoe_frame_copy(a, 0, x, len) && aoe_frame_copy(b, 0, y, len));
	require(!memcmp(x, y, len));
	require(!aoe_frame_copy(b, 0, y, len + 1) && !aoe_frame_copy(b, len + 1, y, 0));
	n = aoe_frame_spans(b, 0, spans, SPANS, &sum);
	require(n >= 0 && sum == len);
	for (int i = 0; i < n; at += spans[i++].len)
		require(spans[i].len &&
			!memcmp(x + at, arena_ptr(b->arena, spans[i].addr), spans[i].len));
	if (n > 1)
		require(aoe_frame_spans(b, 0, spans, (unsigned int)n - 1, &sum) < 0);
}

static void check_answer(const struct aoe_frame *frame)
{
	uint8_t head[AOE_HEADER_MAX];
	uint32_t len = aoe_frame_answer(frame, port_mac, 7, 1, head);
	struct stgt_class class;

	require(len == frame->body);
	aoe_frame_set_error(head, len, AOE_ERR_COMMAND);
	stgt_classify(head, head + len, &class);
	require(class.proto == STGT_PROTO_AOE && !class.truncated);
	require(class.vlan == frame->class.vlan && class.tags == frame->class.tags);
	require(class.aoe_shelf == 7 && class.aoe_slot == 1);
	require(class.aoe_command == frame->class.aoe_command);
	require(class.aoe_ver_flags == (0x10 | AOE_FLAG_RESPONSE | AOE_FLAG_ERROR));
	require(!memcmp(head, aoe_frame_eth(frame)->src, WIRE_MAC_LEN));
	require(!memcmp(head + len - 4, frame->head + len - 4, 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct arena_config config = {.rx_frames = SPANS + 1, .run_frames = 1};
	struct cursor c = cursor_over(data, size);
	struct aoe_frame one, cut;
	struct span whole, spans[SPANS];
	struct sgl in_one = {.spans = &whole, .nspans = 1}, in_pieces;
	struct arena arena;
	int ret;

	require(!arena_open(&arena, &config, NULL));
	lay_out(&arena, &c, &whole, &in_pieces, spans);
	in_one.len = whole.len;
	ret = aoe_frame_read(&arena, &in_one, &one);
	require(ret == aoe_frame_read(&arena, &in_pieces, &cut));
	if (!ret) {
		require(!memcmp(&one.class, &cut.class, sizeof(one.class)));
		require(one.body <= whole.len);
		compare_bodies(&one, &cut);
		check_answer(&cut);
	}
	arena_close(&arena);
	return 0;
}
