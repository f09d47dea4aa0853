/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/bounce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define POOL ((size_t)BOUNCES * BOUNCE_SIZE)

struct bounces {
	void *memory;
	void *free[BOUNCES]; /* the last one given back is the first to be taken: it is in the cache
			      */
	unsigned int nfree;
	struct list waiting; /* by blk_io.ready */
};

int bounces_open(struct blk_queue *queue, struct error *err)
{
	struct bounces *b = calloc(1, sizeof(*b));
	uint8_t *first;

	if (!b)
		return error_set(err, ENOMEM, "no memory");
	b->memory = mmap(NULL, POOL + BOUNCE_ALIGN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->memory == MAP_FAILED) {
		free(b);
		return error_set(err, ENOMEM, "no memory for copies of payloads: %s",
				 strerror(errno));
	}
	first = (uint8_t *)(((uintptr_t)b->memory + BOUNCE_ALIGN - 1) & ~(BOUNCE_ALIGN - 1));
	for (; b->nfree < BOUNCES; b->nfree++)
		b->free[b->nfree] = first + (size_t)(BOUNCES - 1 - b->nfree) * BOUNCE_SIZE;
	list_init(&b->waiting);
	queue->buffers = b;
	return 0;
}

void bounces_close(struct blk_queue *queue)
{
	struct bounces *b = queue->buffers;

	assert(b->nfree == BOUNCES && list_empty(&b->waiting));
	munmap(b->memory, POOL + BOUNCE_ALIGN);
	free(b);
	queue->buffers = NULL;
}

bool bounce_get(struct blk_io *io)
{
	struct bounces *b = io->queue->buffers;

	if (io->bounce)
		return true;
	if (b->nfree)
		io->bounce = b->free[--b->nfree];
	else
		list_add_tail(&b->waiting, &io->ready);
	return io->bounce;
}

void bounce_put(struct blk_io *io)
{
	struct bounces *b = io->queue->buffers;
	struct blk_io *next;

	if (list_empty(&b->waiting)) {
		b->free[b->nfree++] = io->bounce;
	} else {
		next = container_of(list_pop(&b->waiting), struct blk_io, ready);
		next->bounce = io->bounce;
		list_add_tail(&io->queue->ready, &next->ready);
	}
	io->bounce = NULL;
}
