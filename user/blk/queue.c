/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a thread that does block I/O needs: memory that frames and data share, a ring, buffers. */
#include "base/ring.h"
#include "blk/bounce.h"

#include <errno.h>
#include <string.h>

int blk_queue_open(struct blk_queue *queue, const struct arena_config *memory,
		   unsigned int ring_entries, struct error *err)
{
	int ret = arena_open(queue->arena, memory, err);

	if (ret)
		return ret;
	ret = bounces_open(queue, err);
	if (ret)
		goto out_arena;
	ret = ring_open(queue->ring, ring_entries);
	if (ret) {
		ret = error_set(err, -ret, "cannot set up io_uring: %s%s", strerror(-ret),
				ret == -EPERM ? " (see sysctl kernel.io_uring_disabled)" : "");
		goto out_bounces;
	}
	/* Without it everything works, with one more copy of page tables per I/O. */
	ring_register_buffer(queue->ring, queue->arena->base, queue->arena->size);
	return 0;
out_bounces:
	bounces_close(queue);
out_arena:
	arena_close(queue->arena);
	return ret;
}

void blk_queue_close(struct blk_queue *queue)
{
	ring_close(queue->ring);
	bounces_close(queue);
	arena_close(queue->arena);
}

void blk_queue_stop(struct blk_queue *queue)
{
	queue->closing = true;
	arena_wake(queue->arena);
}
