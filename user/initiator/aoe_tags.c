/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "initiator/aoe_tags.h"

#include <errno.h>
#include <stdlib.h>

#define TAGS_PER_FRAME 4 /* how far the history reaches back */

int tag_ring_open(struct tag_ring *ring, unsigned int frames, uint32_t first)
{
	uint32_t size = 1;
	uint32_t i;

	while (size < frames * TAGS_PER_FRAME)
		size *= 2;
	ring->tags = calloc(size, sizeof(*ring->tags));
	if (!ring->tags)
		return -ENOMEM;
	ring->mask = size - 1;
	ring->next = first;
	/* No place may answer to a tag that was never given out. */
	for (i = 0; i < size; i++)
		ring->tags[i].value = ~i;
	return 0;
}

void tag_ring_close(struct tag_ring *ring)
{
	free(ring->tags);
	ring->tags = NULL;
}

uint32_t tag_ring_get(struct tag_ring *ring, struct frame_in_flight *frame, uint64_t now_ns)
{
	struct tag *tag;
	uint32_t value;

	do {
		value = ring->next++;
		tag = &ring->tags[value & ring->mask];
	} while (tag->frame);
	tag->value = value;
	tag->superseded = false;
	tag->frame = frame;
	tag->sent_ns = now_ns;
	return value;
}

void tag_ring_supersede(struct tag_ring *ring, uint32_t value)
{
	struct tag *tag = &ring->tags[value & ring->mask];

	tag->frame = NULL;
	tag->superseded = true;
}

void tag_ring_put(struct tag_ring *ring, uint32_t value)
{
	ring->tags[value & ring->mask].frame = NULL;
}

struct tag *tag_ring_lookup(const struct tag_ring *ring, uint32_t value)
{
	struct tag *tag = &ring->tags[value & ring->mask];

	return tag->value == value ? tag : NULL;
}
