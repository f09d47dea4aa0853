/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker: the thread that serves one RX queue of one interface, and all that it owns: arena,
 * io_uring, AF_XDP socket and AoE port. It has one place to sleep, its io_uring, which waits for
 * the socket, the mailbox and block I/O alike; an idle worker costs no CPU and has no timer.
 */
#ifndef STGT_WORKER_H
#define STGT_WORKER_H

#include "aoe/aoe.h"
#include "base/error.h"
#include "base/mailbox.h"
#include "xdp/xsk.h"

struct worker;

/* Borrowed until the worker is closed. */
struct worker_config {
	const struct netif *netif;
	unsigned int queue;
	enum steer_request xdp;
	bool generic;		   /* as steer_generic() says */
	unsigned int requests;	   /* most in flight; decides the memory, about 28 KiB each */
	unsigned int busy_poll_us; /* spin so long after the last work before sleeping; 0: do not */
	struct aoe_access_source access;
};

/*
 * Starts the thread and waits until it has everything it needs: then it serves whatever arrives,
 * which is nothing until the program knows its socket. 0 or negative errno with nothing left.
 */
int worker_open(const struct worker_config *config, struct worker **worker, struct error *err);

/*
 * Ends what is in flight and then the thread. The caller has seen to it that no new frame comes,
 * and goes on draining `control` meanwhile: saves of state may be under way.
 */
void worker_close(struct worker *worker, struct mailbox *control);

/* For steer_xsk_set(), and to show. Valid for as long as the worker is open. */
int worker_xsk_fd(const struct worker *worker);
enum xsk_mode worker_xsk_mode(const struct worker *worker);
unsigned int worker_queue(const struct worker *worker);

/*
 * Runs `fn` on the worker's thread, between two frames, and waits for it. For everything that
 * another thread wants to read or change of a worker's.
 */
struct worker_view {
	struct aoe_port *port;
	struct xsk *xsk;
	struct blk_queue *blk;
};
void worker_run(struct worker *worker, void (*fn)(const struct worker_view *view, void *arg),
		void *arg);

/*
 * The same for who only looks: false when the worker does not come to it within a second, as it
 * waits for a file system that hangs. `fn` does not run then. One that was found so is not waited
 * for again until it answers. Control thread.
 */
bool worker_ask(struct worker *worker, void (*fn)(const struct worker_view *view, void *arg),
		void *arg);

#endif
