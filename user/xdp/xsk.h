/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One AF_XDP socket over one arena: frames of one RX queue in, any frames out.
 *
 * xsk_open() and xsk_close() are for any one thread at a time; the rest is for the worker's. A
 * worker's turn:
 *
 *	xsk_complete();				 replies that left free their requests
 *	while (xsk_rx_peek(&view)) {
 *		if (port_rx(&view) == -EAGAIN)
 *			break;			 the frame stays at the head of the ring
 *		xsk_rx_release();
 *	}
 *	xsk_fill();				 free frames back to the kernel
 *	xsk_kick();				 what was sent leaves
 */
#ifndef STGT_XDP_XSK_H
#define STGT_XDP_XSK_H

#include "arena/sink.h"
#include "tap/tap.h"
#include "xdp/steer.h"

#define XSK_MAX_SPANS 8 /* descriptors of one received frame */

/* How frames get between card and arena, best first. */
enum xsk_mode {
	XSK_ZEROCOPY_SG, /* SG: a frame may span several arena frames */
	XSK_ZEROCOPY,
	XSK_COPY_SG,
	XSK_COPY,
	XSK_GENERIC_SG,
	XSK_GENERIC,
};

/* "zerocopy+sg", "zerocopy", "copy+sg", "copy", "generic+sg", "generic" */
const char *xsk_mode_name(enum xsk_mode mode);

struct xsk_config {
	const struct netif *netif;
	unsigned int queue;
	enum steer_request request;
	bool generic;	/* as steer_generic() says: the modes must match */
	bool busy_poll; /* the worker will spin in xsk_busy_poll(); the kernel need not wake it */
	unsigned int spans; /* most fragments of a received frame, up to XSK_MAX_SPANS; 0: that */
};

struct xsk;

/*
 * Registers `arena` (which must outlive the socket) and binds to the queue in the best mode that
 * the request allows; the rings hold the whole arena. No frame arrives before xsk_fill() and
 * steer_xsk_set(). Waits up to 3 s for a socket of a process that just ended to let go of the
 * queue.
 *
 *	-EBUSY	    another process's socket has the queue
 *	-EOPNOTSUPP the interface cannot do what was asked for (zero-copy, busy polling)
 *	-ENOBUFS    the memlock limit is below the arena's size
 */
int xsk_open(const struct xsk_config *config, struct arena *arena, struct xsk **xsk,
	     struct error *err);

/*
 * Frames lent for reception do not come back: the arena ends with the socket. tx->done is called
 * for what was sent and not completed.
 */
void xsk_close(struct xsk *xsk);

enum xsk_mode xsk_mode(const struct xsk *xsk);
/* The mode is one with SG: frames larger than an arena frame can be received and sent. */
bool xsk_multi_buffer(const struct xsk *xsk);
/* For poll(), io_uring's poll and steer_xsk_set(). */
int xsk_fd(const struct xsk *xsk);
/* Where transports send; sink->arena is the arena. */
struct sink *xsk_sink(struct xsk *xsk);

/*
 * The oldest received frame that is not released, whole, with one reference on each of its arena
 * frames; false when there is none. The same one again until xsk_rx_release(); the view is valid
 * until then. Frames of too many fragments never show up: they are released and counted.
 */
bool xsk_rx_peek(struct xsk *xsk, struct frame_view *view);

/* Done with the frame that was peeked: drops its references; what was held lives on. */
void xsk_rx_release(struct xsk *xsk);

/*
 * Gives the consumed part of the RX ring and as many of the arena's free frames as there are back
 * to the kernel; returns how many frames. Once a turn, and once before the first frame can come.
 */
unsigned int xsk_fill(struct xsk *xsk);

/*
 * Makes the kernel send what was queued and receive into what was filled, with a system call only
 * where one is needed. Returns true when frames are left that the kernel could not take now: wait
 * for POLLOUT or a moment and kick again.
 */
bool xsk_kick(struct xsk *xsk);

/* Takes back transmitted runs and calls their tx->done; returns how many. */
unsigned int xsk_complete(struct xsk *xsk);

/* Frames were sent, or filled, that the kernel handles only after a system call (poll, kick). */
bool xsk_needs_wakeup(const struct xsk *xsk);

/* With config.busy_poll: lets the kernel poll the card from here, for at most some microseconds. */
void xsk_busy_poll(struct xsk *xsk);

/* Runs that were sent and not completed. */
unsigned int xsk_tx_pending(const struct xsk *xsk);

/*
 * Copies every frame that is received or sent, up to `snaplen` bytes of it, to the ring; NULL: no
 * more. Between xsk_open() and xsk_close(), the worker's thread.
 */
void xsk_set_tap(struct xsk *xsk, struct tap_ring *ring, uint32_t snaplen);

struct xsk_stats {
	/* the kernel's (XDP_STATISTICS) */
	uint64_t rx_dropped; /* frames lost while the RX ring had room, most often to the next */
	uint64_t rx_fill_ring_empty; /* the kernel found no free frame */
	uint64_t rx_ring_full;	     /* frames lost: we did not consume in time */
	uint64_t rx_invalid_descs;   /* of ours in the fill ring */
	uint64_t tx_invalid_descs;   /* of ours in the TX ring */
	/* ours */
	uint64_t rx_frames, tx_frames;
	uint64_t rx_too_many_spans;    /* frames released unseen */
	uint64_t tx_stray_completions; /* addresses that were not being sent */
};

/* The worker's thread. */
int xsk_stats(const struct xsk *xsk, struct xsk_stats *stats);

/* Descriptors in each ring at this moment. The worker's thread. */
struct xsk_levels {
	uint32_t rx;	     /* received frames that we have not looked at */
	uint32_t fill;	     /* free frames for the kernel to receive into */
	uint32_t tx;	     /* replies that the kernel has not taken */
	uint32_t completion; /* transmitted frames that we have not taken back */
};
void xsk_levels(const struct xsk *xsk, struct xsk_levels *levels);

#endif
