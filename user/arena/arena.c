/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "arena/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* io_uring registers at most 1 GiB as one buffer; it also keeps every address in 32 bits. */
#define ARENA_MAX (1ull << 30)

/* Both stacks hand out the lowest address first, which makes traces easy to read. */
static void arena_stack(uint32_t *stack, uint32_t n, uint32_t base, uint32_t frames_each)
{
	for (uint32_t i = 0; i < n; i++)
		stack[i] = (base + (n - 1 - i) * frames_each) << ARENA_FRAME_SHIFT;
}

int arena_open(struct arena *arena, const struct arena_config *config, struct error *err)
{
	uint64_t frames = config->rx_frames + (uint64_t)config->runs * config->run_frames;
	uint64_t size = frames << ARENA_FRAME_SHIFT;
	void *base;

	if (!frames || !config->run_frames || frames > ARENA_MAX >> ARENA_FRAME_SHIFT)
		return error_set(err, EINVAL, "%llu frames do not make an arena (1 GiB at most)",
				 (unsigned long long)frames);
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return error_set(err, errno, "no memory for an arena of %llu bytes: %s",
				 (unsigned long long)size, strerror(errno));
	/* All of it is in use all the time, and every frame touched is another TLB entry. */
	madvise(base, size, MADV_HUGEPAGE);
	*arena = (struct arena){
		.base = base,
		.size = size,
		.config = *config,
		.frames = calloc(frames, sizeof(*arena->frames)),
		.free_frames = calloc(config->rx_frames + 1ull, sizeof(*arena->free_frames)),
		.free_runs = calloc(config->runs + 1ull, sizeof(*arena->free_runs)),
		.nfree_frames = config->rx_frames,
		.nfree_runs = config->runs,
	};
	list_init(&arena->waiters);
	if (!arena->frames || !arena->free_frames || !arena->free_runs) {
		arena_close(arena);
		return error_set(err, ENOMEM, "no memory for an arena's tables");
	}
	arena_stack(arena->free_frames, config->rx_frames, 0, 1);
	arena_stack(arena->free_runs, config->runs, config->rx_frames, config->run_frames);
	return 0;
}

void arena_close(struct arena *arena)
{
	munmap(arena->base, arena->size);
	free(arena->frames);
	free(arena->free_frames);
	free(arena->free_runs);
	memset(arena, 0, sizeof(*arena));
}

static uint32_t arena_frame_base(uint32_t addr)
{
	return addr & ~(ARENA_FRAME_SIZE - 1);
}

static bool arena_is_single(const struct arena *arena, uint32_t addr)
{
	return arena_index(addr) < arena->config.rx_frames;
}

static bool arena_is_run(const struct arena *arena, uint32_t addr)
{
	uint32_t index = arena_index(addr);

	return index >= arena->config.rx_frames && addr < arena->size &&
	       (index - arena->config.rx_frames) % arena->config.run_frames == 0;
}

uint32_t arena_fill_get(struct arena *arena)
{
	struct frame *frame;
	uint32_t addr;

	if (!arena->nfree_frames)
		return ARENA_NONE;
	addr = arena->free_frames[--arena->nfree_frames];
	frame = arena_frame(arena, addr);
	assert(frame->state == FRAME_FREE);
	frame->state = FRAME_FILL;
	return addr;
}

void arena_frame_received(struct arena *arena, uint32_t addr)
{
	struct frame *frame = arena_frame(arena, addr);

	assert(arena_is_single(arena, addr) && frame->state == FRAME_FILL);
	frame->state = FRAME_RX;
	frame->refs = 1;
}

void arena_frame_hold(struct arena *arena, uint32_t addr)
{
	struct frame *frame = arena_frame(arena, addr);

	assert(arena_is_single(arena, addr));
	assert(frame->state == FRAME_RX || frame->state == FRAME_HELD);
	assert(frame->refs < UINT8_MAX);
	frame->state = FRAME_HELD;
	frame->refs++;
}

void arena_frame_put(struct arena *arena, uint32_t addr)
{
	struct frame *frame = arena_frame(arena, addr);

	assert(arena_is_single(arena, addr) && frame->refs);
	assert(frame->state == FRAME_RX || frame->state == FRAME_HELD);
	if (--frame->refs)
		return;
	frame->state = FRAME_FREE;
	arena->free_frames[arena->nfree_frames++] = arena_frame_base(addr);
}

/* A run's state is that of its first frame; the others stay FREE and are never looked at. */
uint32_t arena_run_get(struct arena *arena)
{
	struct frame *frame;
	uint32_t addr;

	if (!arena->nfree_runs)
		return ARENA_NONE;
	addr = arena->free_runs[--arena->nfree_runs];
	frame = arena_frame(arena, addr);
	assert(frame->state == FRAME_FREE);
	frame->state = FRAME_IO;
	return addr;
}

void arena_run_put(struct arena *arena, uint32_t addr)
{
	struct frame *frame = arena_frame(arena, addr);

	assert(arena_is_run(arena, addr) && frame->state == FRAME_IO);
	frame->state = FRAME_FREE;
	arena->free_runs[arena->nfree_runs++] = arena_frame_base(addr);
	arena_wake(arena);
}

void arena_wait(struct arena *arena, struct arena_waiter *waiter)
{
	list_add_tail(&arena->waiters, &waiter->link);
}

void arena_wait_end(struct arena_waiter *waiter)
{
	if (list_linked(&waiter->link))
		list_del(&waiter->link);
}

void arena_wake(struct arena *arena)
{
	struct arena_waiter *waiter;

	list_for_each_entry (waiter, &arena->waiters, link)
		waiter->freed(waiter);
}

void arena_run_sent(struct arena *arena, uint32_t addr, void *owner)
{
	struct frame *frame = arena_frame(arena, addr);

	assert(arena_is_run(arena, addr) && frame->state == FRAME_IO);
	frame->state = FRAME_TX;
	frame->owner = owner;
}

bool arena_run_completed(struct arena *arena, uint32_t addr, void **owner)
{
	struct frame *frame;

	if (!arena_is_run(arena, addr))
		return false;
	frame = arena_frame(arena, addr);
	if (frame->state != FRAME_TX)
		return false;
	frame->state = FRAME_IO;
	*owner = frame->owner;
	frame->owner = NULL;
	return true;
}
