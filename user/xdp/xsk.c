/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/xsk.h"
#include "base/list.h"
#include "xdp/xsk_socket.h"

#include <errno.h>
#include <sys/socket.h>

#define TX_BATCH 32 /* descriptors that one call sends in copy mode */

/* ---- receive ----------------------------------------------------------------------------------
 */

/* The number of descriptors of the oldest frame, or 0 while its last one has not come. */
static uint32_t rx_chain(struct xsk *xsk)
{
	uint32_t i = xsk->rx_at, idx, n;

	for (;;) {
		for (; i != xsk->rx_end; i++)
			if (!(xsk_ring_cons__rx_desc(&xsk->rx, i)->options & XSK_PKT_CONTD))
				return i + 1 - xsk->rx_at;
		n = xsk_ring_cons__peek(&xsk->rx, xsk->rx.size, &idx);
		if (!n)
			return 0;
		xsk->rx_end = idx + n;
	}
}

static void rx_skip(struct xsk *xsk, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t addr = (uint32_t)xsk_ring_cons__rx_desc(&xsk->rx, xsk->rx_at + i)->addr;

		arena_frame_received(xsk->sink.arena, addr);
		arena_frame_put(xsk->sink.arena, addr);
	}
	xsk->rx_at += n;
	xsk->rx_used += n;
	xsk->stats.rx_too_many_spans++;
}

bool xsk_rx_peek(struct xsk *xsk, struct frame_view *view)
{
	uint32_t n, i;

	if (!xsk->rx_current) {
		while ((n = rx_chain(xsk)) > xsk->max_spans)
			rx_skip(xsk, n);
		if (!n)
			return false;
		xsk->rx_len = 0;
		for (i = 0; i < n; i++) {
			const struct xdp_desc *desc =
				xsk_ring_cons__rx_desc(&xsk->rx, xsk->rx_at + i);

			xsk->rx_spans[i] = (struct span){(uint32_t)desc->addr, desc->len};
			xsk->rx_len += desc->len;
			arena_frame_received(xsk->sink.arena, (uint32_t)desc->addr);
		}
		xsk->rx_current = n;
		if (__builtin_expect(xsk->tap != NULL, 0)) {
			const struct sgl frame = {xsk->rx_spans, n, xsk->rx_len};

			xsk_tap_frame(xsk, &frame, TAP_RECEIVED);
		}
	}
	view->data = (struct sgl){xsk->rx_spans, xsk->rx_current, xsk->rx_len};
	return true;
}

void xsk_rx_release(struct xsk *xsk)
{
	uint32_t i;

	for (i = 0; i < xsk->rx_current; i++)
		arena_frame_put(xsk->sink.arena, xsk->rx_spans[i].addr);
	xsk->rx_at += xsk->rx_current;
	xsk->rx_used += xsk->rx_current;
	xsk->rx_current = 0;
	xsk->stats.rx_frames++;
}

unsigned int xsk_fill(struct xsk *xsk)
{
	uint32_t room, idx, n;

	if (xsk->rx_used) {
		xsk_ring_cons__release(&xsk->rx, xsk->rx_used);
		xsk->rx_used = 0;
	}
	n = xsk->sink.arena->nfree_frames;
	if (!n)
		return 0;
	room = xsk_prod_nb_free(&xsk->fill, n);
	if (n > room)
		n = room;
	if (!n || !xsk_ring_prod__reserve(&xsk->fill, n, &idx))
		return 0;
	for (room = n; room; room--)
		*xsk_ring_prod__fill_addr(&xsk->fill, idx++) = arena_fill_get(xsk->sink.arena);
	xsk_ring_prod__submit(&xsk->fill, n);
	xsk->filled = true;
	return n;
}

/* ---- transmit ---------------------------------------------------------------------------------
 */

static uint32_t run_of(const struct arena *arena, uint32_t addr)
{
	return (arena_index(addr) - arena->config.rx_frames) / arena->config.run_frames;
}

/*
 * One descriptor for each arena frame that the bytes touch, as none may cross an arena frame's end.
 * The kernel sees them at xsk_kick(): a turn's replies cost one store.
 */
static void xsk_send(struct sink *sink, struct tx *tx)
{
	struct xsk *xsk = container_of(sink, struct xsk, sink);
	uint32_t addr = tx->addr, left = tx->len, idx;
	uint64_t outstanding = 0;

	assert(left && addr >= tx->run &&
	       run_of(sink->arena, addr + left - 1) == run_of(sink->arena, tx->run));
	if (__builtin_expect(xsk->tap != NULL, 0)) {
		const struct span span = {addr, left};

		xsk_tap_frame(xsk, &(struct sgl){&span, 1, left}, TAP_SENT);
	}
	while (left) {
		uint32_t room = ARENA_FRAME_SIZE - (addr & (ARENA_FRAME_SIZE - 1));
		uint32_t len = left < room ? left : room;
		uint32_t got = xsk_ring_prod__reserve(&xsk->tx, 1, &idx);

		assert(got == 1); /* the ring holds every run */
		(void)got;
		left -= len;
		*xsk_ring_prod__tx_desc(&xsk->tx, idx) =
			(struct xdp_desc){addr, len, left ? XSK_PKT_CONTD : 0};
		outstanding |= 1ull << (arena_index(addr) - arena_index(tx->run));
		xsk->tx_unpublished++;
		addr += len;
	}
	xsk->tx_outstanding[run_of(sink->arena, tx->run)] = outstanding;
	xsk->tx_runs++;
	xsk->stats.tx_frames++;
	arena_run_sent(sink->arena, tx->run, tx);
}

const struct sink_ops xsk_sink_ops = {.send = xsk_send};

/*
 * The kernel gives back an address, of somewhere in a frame. True when that was expected; then
 * *done is the transmission that it ends, or NULL while other parts of it are out.
 */
static bool tx_returned(struct xsk *xsk, uint64_t addr, struct tx **done)
{
	struct arena *arena = xsk->sink.arena;
	uint32_t run, first;
	uint64_t bit;
	void *owner;

	*done = NULL;
	if (addr >= arena->size || arena_index((uint32_t)addr) < arena->config.rx_frames)
		return false;
	run = run_of(arena, (uint32_t)addr);
	first = arena->config.rx_frames + run * arena->config.run_frames;
	bit = 1ull << (arena_index((uint32_t)addr) - first);
	if (!(xsk->tx_outstanding[run] & bit))
		return false;
	xsk->tx_outstanding[run] &= ~bit;
	if (xsk->tx_outstanding[run])
		return true;
	if (!arena_run_completed(arena, first << ARENA_FRAME_SHIFT, &owner))
		return false;
	*done = owner;
	return true;
}

unsigned int xsk_complete(struct xsk *xsk)
{
	unsigned int runs = 0;
	uint32_t idx, n, i;
	struct tx *tx;

	n = xsk_ring_cons__peek(&xsk->comp, xsk->comp.size, &idx);
	if (!n)
		return 0;
	for (i = 0; i < n; i++) {
		if (!tx_returned(xsk, *xsk_ring_cons__comp_addr(&xsk->comp, idx + i), &tx))
			xsk->stats.tx_stray_completions++;
		if (!tx)
			continue;
		xsk->tx_runs--;
		runs++;
		tx->done(tx);
	}
	xsk_ring_cons__release(&xsk->comp, n);
	return runs;
}

unsigned int xsk_tx_pending(const struct xsk *xsk)
{
	return xsk->tx_runs;
}

/* ---- system calls -----------------------------------------------------------------------------
 */

/* Descriptors that the kernel has not taken out of the TX ring. */
static uint32_t tx_backlog(struct xsk *xsk)
{
	return xsk->tx.size - xsk_prod_nb_free(&xsk->tx, xsk->tx.size);
}

/*
 * In copy mode a call sends so many descriptors and says EAGAIN, and so does a full socket or
 * device queue: going on is worth it as long as the backlog shrinks. Kernels before 6.17 show that
 * it did only when they have taken everything, so as many calls are made as it may need.
 */
static uint32_t tx_push(struct xsk *xsk, uint32_t backlog)
{
	uint32_t before, calls = backlog / TX_BATCH;

	do {
		before = backlog;
		if (sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != EBUSY && errno != ENOBUFS && errno != EINTR)
			break;
		backlog = tx_backlog(xsk);
	} while (backlog && (backlog < before || calls--));
	return backlog;
}

bool xsk_kick(struct xsk *xsk)
{
	uint32_t backlog;

	if (xsk->tx_unpublished) {
		xsk_ring_prod__submit(&xsk->tx, xsk->tx_unpublished);
		xsk->tx_unpublished = 0;
	}
	if (xsk->filled && xsk_ring_prod__needs_wakeup(&xsk->fill))
		recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	xsk->filled = false;
	if (!xsk->tx_runs || !xsk_ring_prod__needs_wakeup(&xsk->tx))
		return false;
	backlog = tx_backlog(xsk);
	if (!backlog)
		return false;
	/* A zero-copy driver goes on by itself once it is awake, or asks to be woken again. */
	return tx_push(xsk, backlog) && xsk_ring_prod__needs_wakeup(&xsk->tx);
}

bool xsk_needs_wakeup(const struct xsk *xsk)
{
	return (xsk->tx_unpublished && xsk_ring_prod__needs_wakeup(&xsk->tx)) ||
	       (xsk->filled && xsk_ring_prod__needs_wakeup(&xsk->fill));
}

void xsk_busy_poll(struct xsk *xsk)
{
	recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

int xsk_stats(const struct xsk *xsk, struct xsk_stats *stats)
{
	struct xdp_statistics kernel = {};
	socklen_t len = sizeof(kernel);

	if (getsockopt(xsk->fd, SOL_XDP, XDP_STATISTICS, &kernel, &len) < 0)
		return -errno;
	*stats = xsk->stats;
	stats->rx_dropped = kernel.rx_dropped;
	stats->rx_ring_full = kernel.rx_ring_full;
	stats->rx_fill_ring_empty = kernel.rx_fill_ring_empty_descs;
	stats->rx_invalid_descs = kernel.rx_invalid_descs;
	stats->tx_invalid_descs = kernel.tx_invalid_descs;
	return 0;
}

static uint32_t ring_level(const uint32_t *producer, const uint32_t *consumer)
{
	return __atomic_load_n(producer, __ATOMIC_RELAXED) -
	       __atomic_load_n(consumer, __ATOMIC_RELAXED);
}

void xsk_levels(const struct xsk *xsk, struct xsk_levels *levels)
{
	levels->rx = ring_level(xsk->rx.producer, xsk->rx.consumer);
	levels->fill = ring_level(xsk->fill.producer, xsk->fill.consumer);
	levels->tx = ring_level(xsk->tx.producer, xsk->tx.consumer);
	levels->completion = ring_level(xsk->comp.producer, xsk->comp.consumer);
}
