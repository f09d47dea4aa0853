/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The initiator against a hostile network. The input is a script: an operation's byte, then what it
 * needs. A frame comes whole from the input, or with the head of the latest command's reply already
 * right, so that the fuzzer need not guess tags.
 */
#include "cursor.h"
#include "initiator/aoe_initiator.h"
#include <stdlib.h>

#define REQUESTS	8
#define REQUEST_SECTORS 40
#define TICK_UNIT_NS	10000000ull

enum operation {
	OP_FRAME,
	OP_REPLY,
	OP_TICK,
	OP_SUBMIT,
	OP_DISCOVER,
	OP_REVALIDATE,
	OPERATIONS
};

struct request {
	struct initiator_io io;
	bool lent;
	uint8_t data[REQUEST_SECTORS * INITIATOR_SECTOR];
};

struct scene {
	struct initiator *ini;
	struct initiator_target *target; /* one that was up */
	uint64_t now;
	uint8_t head[sizeof(struct wire_eth) + sizeof(struct wire_aoe)]; /* of the reply due */
	struct request requests[REQUESTS];
};

static void scene_send(void *ctx, unsigned int port, const void *header, size_t header_len,
		       const void *payload, size_t payload_len)
{
	struct scene *scene = ctx;
	uint8_t *head = scene->head;
	const uint8_t *sent = header;
	volatile uint8_t sum = 0;
	size_t i;

	if (header_len < sizeof(scene->head))
		abort();
	/* The payload must be readable to its end. */
	for (i = 0; i < payload_len; i++)
		sum ^= ((const uint8_t *)payload)[i];
	memcpy(head, sent, sizeof(scene->head));
	memcpy(head, sent + WIRE_MAC_LEN, WIRE_MAC_LEN);
	memcpy(head + WIRE_MAC_LEN, sent, WIRE_MAC_LEN);
	head[sizeof(struct wire_eth)] |= AOE_FLAG_RESPONSE;
}

static void scene_changed(void *ctx, const struct initiator_target *target)
{
	struct scene *scene = ctx;

	if (target->state == INITIATOR_UP)
		scene->target = initiator_find(scene->ini, target->shelf, target->slot);
}

static void scene_done(struct initiator_io *io)
{
	struct request *request = container_of(io, struct request, io);

	if (!request->lent)
		abort();
	request->lent = false;
}

static void rx(struct scene *scene, struct cursor *c, size_t head_len)
{
	size_t len = cursor_be16(c) % 9100;
	size_t split = cursor_u8(c);
	const uint8_t *bytes;
	uint8_t *frame;

	if (len > cursor_left(c))
		len = cursor_left(c);
	bytes = cursor_bytes(c, len);
	frame = malloc(head_len + len ? head_len + len : 1);
	if (!frame)
		return;
	memcpy(frame, scene->head, head_len);
	memcpy(frame + head_len, bytes, len);
	len += head_len;
	if (split > len)
		split = len;
	initiator_rx(scene->ini, 0,
		     (const struct iovec[]){{frame, split}, {frame + split, len - split}}, 2,
		     scene->now);
	free(frame);
}

static void submit(struct scene *scene, struct cursor *c)
{
	struct request *request = &scene->requests[cursor_u8(c) % REQUESTS];
	uint8_t how = cursor_u8(c);

	if (request->lent || !scene->target)
		return;
	request->io = (struct initiator_io){
		.target = scene->target,
		.write = how & 1,
		.lba = cursor_be16(c),
		.sectors = (how >> 1) % (REQUEST_SECTORS + 1),
		.data = request->data,
		.done = scene_done,
	};
	request->lent = true;
	if (initiator_submit(scene->ini, &request->io, scene->now))
		request->lent = false;
}

static void operate(struct scene *scene, struct cursor *c)
{
	switch ((enum operation)(cursor_u8(c) % OPERATIONS)) {
	case OP_FRAME:
		rx(scene, c, 0);
		break;
	case OP_REPLY:
		rx(scene, c, sizeof(scene->head));
		break;
	case OP_TICK:
		scene->now += cursor_be16(c) * TICK_UNIT_NS;
		initiator_tick(scene->ini, scene->now);
		break;
	case OP_SUBMIT:
		submit(scene, c);
		break;
	case OP_DISCOVER:
		initiator_discover(scene->ini);
		break;
	case OP_REVALIDATE:
		if (scene->target)
			initiator_revalidate(scene->ini, scene->target, scene->now);
		break;
	case OPERATIONS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct initiator_ops ops = {.send = scene_send,
						 .target_changed = scene_changed};
	struct cursor c = cursor_over(data, size);
	struct scene *scene = calloc(1, sizeof(*scene));
	struct initiator_config config = {
		.ops = &ops, .ctx = scene, .nports = 1, .targets_max = 2, .frames_max = 16};
	unsigned int i;

	config.ports[0].mtu = 9000;
	if (!scene || initiator_open(&config, &scene->ini, NULL))
		abort();
	while (cursor_left(&c))
		operate(scene, &c);
	initiator_close(scene->ini);
	for (i = 0; i < REQUESTS; i++) {
		if (scene->requests[i].lent)
			abort();
	}
	free(scene);
	return 0;
}
