/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The arena: the memory that frames live in, from the network card to the disk and back.
 *
 * One mapping, cut in 4096-byte frames, registered as the AF_XDP UMEM and as io_uring's fixed
 * buffer. An address is a byte offset into it (the AF_XDP descriptors' own notion). The first
 * `rx_frames` are single frames that circulate through the fill ring; the rest are runs of
 * `run_frames` adjacent frames, so that a reply's payload is contiguous and one fixed read
 * fills it.
 *
 * A side table holds each frame's state, never the frame itself: the peer writes there. Every move
 * between states is asserted, because a frame with two owners is silent data corruption.
 *
 *	FREE --get--> FILL --received--> RX --hold--> HELD --put--> FREE
 *	FREE --run_get--> IO --sent--> TX --completed--> IO --run_put--> FREE
 *
 * An arena belongs to one worker; only that thread calls these functions. Frames in state HELD may
 * be read by other threads (the duplicate check of writes) for as long as the I/O that holds them.
 */
#ifndef STGT_ARENA_H
#define STGT_ARENA_H

#include "base/error.h"
#include "base/list.h"
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_FRAME_SIZE  4096u
#define ARENA_FRAME_SHIFT 12
#define ARENA_NONE	  UINT32_MAX

/*
 * Where a frame's bytes begin. XDP takes 256 bytes of headroom and the UMEM asks for 220 more, so a
 * received frame starts at 476 and the payload of an untagged AoE ATA frame (36 bytes in) at 512.
 */
#define ARENA_XDP_HEADROOM  256u
#define ARENA_UMEM_HEADROOM 220u
#define ARENA_RX_OFFSET	    (ARENA_XDP_HEADROOM + ARENA_UMEM_HEADROOM)
#define ARENA_PAYLOAD	    512u /* where data-in lands within a run */
#define ARENA_RX_CAPACITY   (ARENA_FRAME_SIZE - ARENA_RX_OFFSET)

/*
 * The longest frame, Ethernet header included, that reaches a socket which takes one buffer a
 * frame. Drivers receive into a page that also holds XDP's headroom and 320 bytes of bookkeeping
 * (struct skb_shared_info); what is longer comes in pieces and is dropped, though it would fit a
 * frame here.
 */
#define ARENA_RX_SINGLE (ARENA_FRAME_SIZE - ARENA_XDP_HEADROOM - 320u - 2u)

enum frame_state {
	FRAME_FREE,
	FRAME_FILL, /* lent to the kernel for reception */
	FRAME_RX,   /* received, being parsed */
	FRAME_HELD, /* received payload that an I/O still needs */
	FRAME_IO,   /* a run owned by a request */
	FRAME_TX,   /* lent to the kernel for transmission */
};

struct frame {
	uint8_t state; /* enum frame_state */
	uint8_t refs;  /* holders, in RX and HELD */
	void *owner;   /* of a run: whose transmission this is (see sink.h) */
};

/* `len` bytes at arena address `addr`; only within a run may it cross a frame's end. */
struct span {
	uint32_t addr;
	uint32_t len;
};

/* A scatter-gather list; the spans belong to whoever embeds their array. */
struct sgl {
	const struct span *spans;
	uint32_t nspans;
	uint32_t len; /* bytes, the sum over the spans */
};

struct arena_config {
	uint32_t rx_frames;
	uint32_t runs;
	uint32_t run_frames; /* frames in a run */
};

struct arena {
	uint8_t *base;
	size_t size;
	struct arena_config config;
	struct frame *frames;
	uint32_t *free_frames, nfree_frames;
	uint32_t *free_runs, nfree_runs;
	struct list waiters; /* struct arena_waiter */
};

/*
 * Whoever wants a run when one comes free. `freed` is called within arena_run_put(), by whomever
 * and as often as one does, the longest wait first; it may take runs, and does nothing else here.
 */
struct arena_waiter {
	struct list link;
	void (*freed)(struct arena_waiter *waiter);
};

/* Maps and cuts the arena; pages are touched by use, not here. 0 or negative errno with `err` set.
 */
int arena_open(struct arena *arena, const struct arena_config *config, struct error *err);
void arena_close(struct arena *arena);

static inline void *arena_ptr(const struct arena *arena, uint32_t addr)
{
	return arena->base + addr;
}

static inline uint32_t arena_index(uint32_t addr)
{
	return addr >> ARENA_FRAME_SHIFT;
}

static inline struct frame *arena_frame(const struct arena *arena, uint32_t addr)
{
	return &arena->frames[arena_index(addr)];
}

/* A single frame's address (FREE -> FILL), or ARENA_NONE. */
uint32_t arena_fill_get(struct arena *arena);

/* The kernel returned the frame around `addr` filled: FILL -> RX, one reference. */
void arena_frame_received(struct arena *arena, uint32_t addr);

/* One more reference on a received frame, whose payload is needed beyond its parsing. */
void arena_frame_hold(struct arena *arena, uint32_t addr);

/* Drops a reference; the last one frees the frame. */
void arena_frame_put(struct arena *arena, uint32_t addr);

/* The address of a run's first frame (FREE -> IO), or ARENA_NONE. */
uint32_t arena_run_get(struct arena *arena);
void arena_run_put(struct arena *arena, uint32_t addr);

/* Waits for one, until arena_wait_end(), which may also be called of who does not. */
void arena_wait(struct arena *arena, struct arena_waiter *waiter);
void arena_wait_end(struct arena_waiter *waiter);
/* Calls those that wait, for another reason than a run. */
void arena_wake(struct arena *arena);

/* The run at `addr` goes to the kernel (IO -> TX) on behalf of `owner`, and comes back. */
void arena_run_sent(struct arena *arena, uint32_t addr, void *owner);
/* False, changing nothing, when the frame around `addr` does not begin a run in TX. */
bool arena_run_completed(struct arena *arena, uint32_t addr, void **owner);

/* The number of bytes a run holds from ARENA_PAYLOAD on. */
static inline uint32_t arena_run_payload(const struct arena *arena)
{
	return arena->config.run_frames * ARENA_FRAME_SIZE - ARENA_PAYLOAD;
}

/* Copies from / to the bytes of an sgl starting `off` bytes in; the caller has checked the length.
 */
void sgl_copy_out(const struct arena *arena, const struct sgl *sgl, uint32_t off, void *to,
		  uint32_t len);
void sgl_copy_in(const struct arena *arena, const struct sgl *sgl, uint32_t off, const void *from,
		 uint32_t len);

/*
 * `len` bytes of a list from `off` on, as a list of at most `max` spans in `spans`. False when the
 * list is shorter or in more pieces.
 */
bool sgl_part(const struct sgl *from, uint32_t off, uint32_t len, struct span *spans, uint32_t max,
	      struct sgl *part);

/* True when both lists hold the same bytes (their arenas may differ). */
bool sgl_equal(const struct arena *arena_a, const struct sgl *a, const struct arena *arena_b,
	       const struct sgl *b);

#endif
