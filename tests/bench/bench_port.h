/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An interface whose AoE frames all come to one AF_XDP socket: what load generator and echo stand
 * on. The socket is the target's own (xdp/xsk.h), so that all three are limited by the same thing.
 */
#ifndef STGT_BENCH_PORT_H
#define STGT_BENCH_PORT_H

#include "arena/sink.h"
#include "base/list.h"
#include "xdp/netif.h"
#include "xdp/xsk.h"

struct recv_bpf;
struct bpf_link;

struct bench_port {
	struct netif netif;
	struct arena arena;
	struct xsk *xsk;
	struct recv_bpf *recv;
	struct bpf_link *link;
	bool spin;
};

/* A frame of `runs` that may be on their way out; its header ends where the payload begins. */
struct bench_frame {
	struct tx tx;
	struct list link; /* in `free` */
	struct list *free;
};

/* Attaches to queue 0 of `ifname`. With `spin`, bench_port_wait() never sleeps. */
int bench_port_open(struct bench_port *port, const char *ifname, unsigned int runs, bool spin,
		    struct error *err);
void bench_port_close(struct bench_port *port);

/* Makes `n` frames, each with a run of its own for good, and puts them into `free`. */
void bench_frames_init(struct bench_port *port, struct bench_frame *frames, unsigned int n,
		       struct list *free);

/* Where a header of `header_len` bytes begins so that its payload follows at ARENA_PAYLOAD. */
void *bench_frame_header(struct bench_port *port, struct bench_frame *frame, size_t header_len);

/* Sends `len` bytes from bench_frame_header(); the frame is in its free list again once sent. */
void bench_frame_send(struct bench_port *port, struct bench_frame *frame, size_t header_len,
		      size_t len);

/*
 * Ends a turn: gives frames back, lets what was queued leave and, when `idle`, sleeps until there
 * is something to receive or `timeout_ns` have passed (UINT64_MAX: for good).
 */
void bench_port_turn(struct bench_port *port, bool idle, uint64_t timeout_ns);

/* CLOCK_MONOTONIC */
uint64_t bench_now(void);

#endif
