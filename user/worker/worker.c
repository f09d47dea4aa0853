/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "worker/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/ring.h"
#include "base/thread.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKER_RX_FACTOR    4u /* arena frames to receive into, for each request */
#define WORKER_RUN_FRAMES   3u /* 8 KiB of payload, its header, and what alignment takes */
#define WORKER_RING_ENTRIES 256u
#define WORKER_RX_BATCH	    64u	       /* frames between two looks at completions */
#define WORKER_RETRY_NS	    200000u    /* how soon to look again for what has no wake-up */
#define WORKER_RETRY_MAX_NS 100000000u /* and how seldom, after looking in vain again and again */
#define WORKER_DRAIN_NS	    500000000u /* how long a stopping worker waits for its last replies */

struct worker {
	struct worker_config config;
	struct thread thread;

	struct arena arena;
	struct ring ring;
	struct blk_queue blk;
	struct xsk *xsk;
	struct aoe_port *port;

	struct ring_event rx_event, mail_event; /* one-shot polls, armed before sleeping */
	bool rx_armed, mail_armed;
	bool rx_stalled; /* a frame waits because no request was free */
	bool tx_backlog; /* frames wait because the kernel took no more */
	bool stopping;
	uint64_t stop_deadline_ns; /* for replies that are still being sent */
	uint64_t last_work_ns;
	uint64_t retry_ns; /* when to look again, if that is all there is to do */
};

static void worker_rx_ready(struct ring_event *ev, int res, unsigned int flags)
{
	container_of(ev, struct worker, rx_event)->rx_armed = false;
}

static void worker_mail_ready(struct ring_event *ev, int res, unsigned int flags)
{
	container_of(ev, struct worker, mail_event)->mail_armed = false;
}

/* ---- opening, on the worker's own thread: an io_uring belongs to the thread that makes it ---- */

static int worker_open_port(struct worker *w, struct error *err)
{
	const struct aoe_port_config config = {
		.sink = xsk_sink(w->xsk),
		.queue = &w->blk,
		.mailbox = &w->thread.mailbox,
		.access = w->config.access,
		.requests = w->config.requests,
		.mac = {w->config.netif->mac[0], w->config.netif->mac[1], w->config.netif->mac[2],
			w->config.netif->mac[3], w->config.netif->mac[4], w->config.netif->mac[5]},
		.mtu = w->config.netif->mtu,
		.multi_buffer = xsk_multi_buffer(w->xsk),
	};

	return aoe_port_open(&config, &w->port, err);
}

static int worker_open_memory(struct worker *w, struct error *err)
{
	const struct arena_config memory = {
		.rx_frames = w->config.requests * WORKER_RX_FACTOR,
		.runs = w->config.requests,
		.run_frames = WORKER_RUN_FRAMES,
	};

	blk_queue_init(&w->blk, &w->arena, &w->ring, &w->thread.mailbox);
	return blk_queue_open(&w->blk, &memory, WORKER_RING_ENTRIES, err);
}

static struct worker *worker_of(struct thread *thread)
{
	return container_of(thread, struct worker, thread);
}

static int worker_open_parts(struct thread *thread, struct error *err)
{
	struct worker *w = worker_of(thread);
	const struct xsk_config config = {
		.netif = w->config.netif,
		.queue = w->config.queue,
		.request = w->config.xdp,
		.generic = w->config.generic,
		.busy_poll = w->config.busy_poll_us != 0,
		.spans = BLK_MAX_SPANS,
	};
	int ret = worker_open_memory(w, err);

	if (ret)
		return ret;
	ret = xsk_open(&config, &w->arena, &w->xsk, err);
	if (ret)
		goto out_memory;
	ret = worker_open_port(w, err);
	if (ret)
		goto out_xsk;
	xsk_fill(w->xsk);
	return 0;
out_xsk:
	xsk_close(w->xsk);
out_memory:
	blk_queue_close(&w->blk);
	return ret;
}

static void worker_close_parts(struct worker *w)
{
	/* The socket first: it returns the replies that it never sent to the port. */
	xsk_close(w->xsk);
	aoe_port_close(w->port);
	blk_queue_close(&w->blk);
}

/* ---- the loop ---- */

/* Hands received frames to the transport; true when there were any. */
static bool worker_receive(struct worker *w)
{
	struct frame_view view;
	unsigned int n = 0;
	uint64_t now = 0;

	w->rx_stalled = false;
	while (n < WORKER_RX_BATCH && xsk_rx_peek(w->xsk, &view)) {
		if (!n)
			now = clock_now_ns();
		if (aoe_port_rx(w->port, &view, now) == -EAGAIN) {
			w->rx_stalled = true;
			break;
		}
		xsk_rx_release(w->xsk);
		n++;
	}
	return n != 0;
}

static void worker_arm(struct worker *w, struct ring_event *ev, int fd, bool *armed)
{
	if (*armed)
		return;
	io_uring_prep_poll_add(ring_sqe(&w->ring, ev), fd, POLLIN);
	*armed = true;
}

/* Replies whose time has come; a stopping worker keeps none back. True when there were any. */
static bool worker_send_due(struct worker *w)
{
	if (aoe_port_next_due(w->port) == AOE_NOTHING_DUE)
		return false;
	return aoe_port_run_due(w->port, w->stopping ? UINT64_MAX : clock_now_ns());
}

/* One turn; true when there was something to do. */
static bool worker_turn(struct worker *w)
{
	bool worked = xsk_complete(w->xsk) != 0;

	worked |= worker_receive(w);
	worked |= worker_send_due(w);
	if (!w->mail_armed) {
		/* Armed even while busy: asking the ring is free, asking the eventfd is not. */
		worked |= mailbox_drain(&w->thread.mailbox);
		worker_arm(w, &w->mail_event, w->thread.mailbox.eventfd, &w->mail_armed);
	}
	if (ring_pending(&w->ring))
		worked |= ring_run(&w->ring) != 0;
	if (aoe_port_unstamped(w->port))
		aoe_port_stamp(w->port, clock_now_ns());
	/* Every turn: completed writes free frames too. */
	xsk_fill(w->xsk);
	w->tx_backlog = xsk_kick(w->xsk);
	return worked;
}

/*
 * How long a worker may sleep: until the next reply is due, and not beyond `retry_ns` if that is
 * not 0. 0: for ever.
 */
static uint64_t worker_sleep_ns(const struct worker *w, uint64_t retry_ns)
{
	uint64_t due_ns = aoe_port_next_due(w->port);
	uint64_t now_ns, left_ns;

	if (due_ns == AOE_NOTHING_DUE)
		return retry_ns;
	now_ns = clock_now_ns();
	left_ns = due_ns > now_ns ? due_ns - now_ns : 1;
	return retry_ns && retry_ns < left_ns ? retry_ns : left_ns;
}

/*
 * Nothing to do: sleep until a frame, a message, a completed I/O or a reply's time. The kernel does
 * not say when a transmitted frame comes back, so a worker that waits for one (no request is free,
 * the kernel took no more frames, or it is stopping) looks again shortly, and ever less often: an
 * interface that is down takes nothing for as long as it is. A poll that is armed while a frame is
 * already there completes at once, so nothing is missed between the last look and the sleep.
 */
static void worker_sleep(struct worker *w)
{
	bool retry = w->rx_stalled || w->tx_backlog || w->stopping;

	/* A stalled frame is there all the time; only a freed request makes it worth a look. */
	if (!w->rx_stalled)
		worker_arm(w, &w->rx_event, xsk_fd(w->xsk), &w->rx_armed);
	if (ring_wait(&w->ring, worker_sleep_ns(w, retry ? w->retry_ns : 0)))
		w->retry_ns = WORKER_RETRY_NS;
	else if (w->retry_ns < WORKER_RETRY_MAX_NS)
		w->retry_ns *= 2;
}

static void worker_idle(struct worker *w)
{
	uint64_t spin_ns = (uint64_t)w->config.busy_poll_us * 1000u;

	if (spin_ns && clock_now_ns() - w->last_work_ns < spin_ns)
		xsk_busy_poll(w->xsk);
	else
		worker_sleep(w);
}

/*
 * Whether a stopping worker must go on: for requests that execute, always, as memory is lent to the
 * kernel and answers are owed to the disk; for replies on their way out, for a moment, as an
 * interface that is down or gone never sends them.
 */
static bool worker_must_go_on(const struct worker *w)
{
	unsigned int sending = xsk_tx_pending(w->xsk);

	if (!w->stopping || w->blk.inflight || aoe_port_inflight(w->port) > sending)
		return true;
	return sending && clock_now_ns() < w->stop_deadline_ns;
}

static void worker_main(struct thread *thread)
{
	struct worker *w = worker_of(thread);

	while (worker_must_go_on(w)) {
		if (!worker_turn(w)) {
			worker_idle(w);
			continue;
		}
		w->retry_ns = WORKER_RETRY_NS;
		if (w->config.busy_poll_us)
			w->last_work_ns = clock_now_ns();
	}
	worker_close_parts(w);
}

static void worker_stop(struct thread *thread)
{
	struct worker *w = worker_of(thread);

	w->stopping = true;
	blk_queue_stop(&w->blk);
	w->stop_deadline_ns = clock_now_ns() + WORKER_DRAIN_NS;
}

/* ---- the control thread's side ---- */

int worker_open(const struct worker_config *config, struct worker **worker, struct error *err)
{
	struct worker *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return error_set(err, ENOMEM, "out of memory");
	w->config = *config;
	w->retry_ns = WORKER_RETRY_NS;
	w->rx_event.done = worker_rx_ready;
	w->mail_event.done = worker_mail_ready;
	w->thread.open = worker_open_parts;
	w->thread.run = worker_main;
	w->thread.stop = worker_stop;
	ret = thread_start(&w->thread, err);
	if (ret)
		free(w);
	else
		*worker = w;
	return ret;
}

void worker_close(struct worker *worker, struct mailbox *control)
{
	thread_end(&worker->thread, control);
	free(worker);
}

/* ---- calls from other threads ---- */

struct worker_call {
	void (*fn)(const struct worker_view *view, void *arg);
	void *arg;
};

static void worker_call_run(struct thread *thread, void *arg)
{
	struct worker *w = worker_of(thread);
	const struct worker_view view = {.port = w->port, .xsk = w->xsk, .blk = &w->blk};
	const struct worker_call *call = arg;

	call->fn(&view, call->arg);
}

void worker_run(struct worker *worker, void (*fn)(const struct worker_view *view, void *arg),
		void *arg)
{
	struct worker_call call = {.fn = fn, .arg = arg};

	thread_call(&worker->thread, worker_call_run, &call);
}

bool worker_ask(struct worker *worker, void (*fn)(const struct worker_view *view, void *arg),
		void *arg)
{
	struct worker_call call = {.fn = fn, .arg = arg};
	char name[IF_NAMESIZE + sizeof(" queue 4294967295")];

	snprintf(name, sizeof(name), "%s queue %u", worker->config.netif->name,
		 worker->config.queue);
	return thread_hear(&worker->thread, worker_call_run, &call, name);
}

int worker_xsk_fd(const struct worker *worker)
{
	return xsk_fd(worker->xsk);
}

enum xsk_mode worker_xsk_mode(const struct worker *worker)
{
	return xsk_mode(worker->xsk);
}

unsigned int worker_queue(const struct worker *worker)
{
	return worker->config.queue;
}
