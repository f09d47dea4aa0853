/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker of TCP connections. It sleeps in its io_uring and nowhere else; a connection that is
 * idle has one receive there, which takes a staging buffer only when bytes come.
 */
#include "tcp/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#define RING_ENTRIES   1024u
#define RUNS_PER_MIB   ((1u << 20) / ISCSI_RUN_BYTES)
#define CONNECTIONS    4096u
#define LOGINS	       256u
#define PAGE	       4096u
#define LOOK_NS	       20000u /* as long as an initiator takes to ask again */
#define LOOK_PAUSE_MAX 1024u  /* sleeps */
#define STAGING_MEMORY (STAGINGS * STAGING_BYTES)

/* Tells the CPU that this loop waits. */
static void pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static struct tcp_worker *worker_of(struct thread *thread)
{
	return container_of(thread, struct tcp_worker, thread);
}

/* ---- staging ---- */

uint8_t *tcp_staging(struct tcp_worker *worker, uint16_t index)
{
	return worker->staging_memory + (size_t)index * STAGING_BYTES;
}

void tcp_staging_put(struct tcp_worker *worker, uint16_t index)
{
	io_uring_buf_ring_add(worker->stagings, tcp_staging(worker, index), STAGING_BYTES, index,
			      (int)io_uring_buf_ring_mask(STAGINGS), 0);
	io_uring_buf_ring_advance(worker->stagings, 1);
}

/* One mapping: the ring that the kernel takes buffers from, then the buffers. */
static int staging_open(struct tcp_worker *worker, struct error *err)
{
	struct io_uring_buf_reg reg = {.ring_entries = STAGINGS};
	void *base = mmap(NULL, PAGE + STAGING_MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (base == MAP_FAILED)
		return error_set(err, errno, "no memory for receiving: %s", strerror(errno));
	worker->stagings = base;
	worker->staging_memory = (uint8_t *)base + PAGE;
	reg.ring_addr = (uintptr_t)base;
	ret = io_uring_register_buf_ring(&worker->ring.uring, &reg, 0);
	if (ret) {
		munmap(base, PAGE + STAGING_MEMORY);
		return error_set(err, -ret, "cannot lend io_uring buffers (Linux 5.19): %s",
				 strerror(-ret));
	}
	io_uring_buf_ring_init(worker->stagings);
	for (uint16_t i = 0; i < STAGINGS; i++)
		tcp_staging_put(worker, i);
	return 0;
}

static void staging_close(struct tcp_worker *worker)
{
	io_uring_unregister_buf_ring(&worker->ring.uring, 0);
	munmap(worker->stagings, PAGE + STAGING_MEMORY);
}

/* ---- opening ---- */

static int open_memory(struct tcp_worker *worker, struct error *err)
{
	const struct arena_config memory = {
		.runs = worker->server->config.memory_mib * RUNS_PER_MIB,
		.run_frames = ISCSI_RUN_FRAMES,
	};

	blk_queue_init(&worker->blk, &worker->arena, &worker->ring, &worker->thread.mailbox);
	worker->blk.copier = worker->server->copier;
	return blk_queue_open(&worker->blk, &memory, RING_ENTRIES, err);
}

static int worker_open(struct thread *thread, struct error *err)
{
	struct tcp_worker *worker = worker_of(thread);
	const struct iscsi_worker_config config = {
		.node = worker->server->config.node,
		.queue = &worker->blk,
		.ops = &tcp_conn_ops,
		.ctx = worker,
		.max_conns = CONNECTIONS,
		.max_logins = LOGINS,
	};
	int ret = open_memory(worker, err);

	if (ret)
		return ret;
	ret = staging_open(worker, err);
	if (ret)
		goto out_memory;
	ret = iscsi_worker_open(&config, &worker->iscsi, err);
	if (ret)
		goto out_staging;
	return 0;
out_staging:
	staging_close(worker);
out_memory:
	blk_queue_close(&worker->blk);
	return ret;
}

/* ---- the loop ---- */

static void mail_ready(struct ring_event *ev, int res, unsigned int flags)
{
	container_of(ev, struct tcp_worker, mail_event)->mail_armed = false;
}

static void worker_mail(struct tcp_worker *worker)
{
	if (worker->mail_armed)
		return;
	mailbox_drain(&worker->thread.mailbox);
	io_uring_prep_poll_add(ring_sqe(&worker->ring, &worker->mail_event),
			       worker->thread.mailbox.eventfd, POLLIN);
	worker->mail_armed = true;
}

/* Connections whose initiator does not take our last words. Returns when the next is to go. */
static uint64_t worker_end_conns(struct tcp_worker *worker)
{
	uint64_t next_ns = UINT64_MAX;
	struct tcp_conn *conn;

	list_for_each_entry (conn, &worker->conns, link) {
		if (conn->state != TCP_ENDING)
			continue;
		if (conn->end_ns <= worker->now_ns)
			tcp_conn_abort(conn);
		else if (conn->end_ns < next_ns)
			next_ns = conn->end_ns;
	}
	worker->ending = next_ns != UINT64_MAX;
	return next_ns;
}

static void worker_turns(struct tcp_worker *worker)
{
	while (!list_empty(&worker->dirty))
		tcp_conn_turn(container_of(list_pop(&worker->dirty), struct tcp_conn, dirty));
}

/*
 * Looks whose time is over. We may have been stopped for long ourselves, and what lies in the
 * sockets came before we knew: it is heard first.
 */
static void worker_tick(struct tcp_worker *worker)
{
	if (iscsi_worker_next_due(worker->iscsi) > worker->now_ns)
		return;
	ring_run(&worker->ring);
	worker_turns(worker);
	iscsi_worker_tick(worker->iscsi, worker->now_ns);
}

/* Until something is to be done, in ns from now; 0: for ever. */
static uint64_t worker_sleep_ns(struct tcp_worker *worker)
{
	uint64_t due_ns = iscsi_worker_next_due(worker->iscsi);
	uint64_t end_ns = worker->ending ? worker_end_conns(worker) : UINT64_MAX;

	if (end_ns < due_ns)
		due_ns = end_ns;
	if (due_ns == UINT64_MAX)
		return 0;
	return due_ns > worker->now_ns ? due_ns - worker->now_ns : 1;
}

static bool worker_must_go_on(const struct tcp_worker *worker)
{
	return !worker->stopping || worker->portals || !list_empty(&worker->conns) ||
	       worker->blk.inflight || iscsi_worker_busy(worker->iscsi);
}

/*
 * True: something came while we looked, which spares falling asleep and being woken: more than a
 * small request costs otherwise. Where looking was in vain it is given up for twice as many sleeps
 * as the last time, so that who is idle, or answers seldom, pays for next to none of it.
 */
static bool worker_look(struct tcp_worker *worker)
{
	uint64_t until_ns;

	if (worker->looks_left_out) {
		worker->looks_left_out--;
		return false;
	}
	if (ring_run(&worker->ring))
		return true;
	until_ns = clock_now_ns() + LOOK_NS;
	while (!ring_pending(&worker->ring)) {
		if (clock_now_ns() > until_ns) {
			worker->looks_left_out = worker->look_pause;
			if (worker->look_pause < LOOK_PAUSE_MAX)
				worker->look_pause *= 2;
			return false;
		}
		pause_cpu();
	}
	worker->look_pause = 1;
	ring_run(&worker->ring);
	return true;
}

static void worker_turn(struct tcp_worker *worker)
{
	uint64_t sleep_ns;

	worker->now_ns = clock_now_ns();
	worker_tick(worker);
	worker_mail(worker);
	worker_turns(worker);
	if (iscsi_worker_unstamped(worker->iscsi))
		iscsi_worker_stamp(worker->iscsi, clock_now_ns());
	sleep_ns = worker_sleep_ns(worker);
	/* What was just done may have been the last there was. */
	if (!list_empty(&worker->dirty) || !worker_must_go_on(worker))
		ring_run(&worker->ring);
	else if (!worker_look(worker))
		ring_wait(&worker->ring, sleep_ns);
}

static void worker_run(struct thread *thread)
{
	struct tcp_worker *worker = worker_of(thread);

	while (worker_must_go_on(worker))
		worker_turn(worker);
	iscsi_worker_close(worker->iscsi);
	staging_close(worker);
	blk_queue_close(&worker->blk);
}

static void worker_stop(struct thread *thread)
{
	worker_of(thread)->stopping = true;
}

static void worker_empty(struct thread *thread, void *arg)
{
	struct tcp_worker *worker = worker_of(thread);
	struct tcp_conn *conn;

	worker->closing = true;
	blk_queue_stop(&worker->blk);
	list_for_each_entry (conn, &worker->conns, link)
		tcp_conn_abort(conn);
}

void tcp_worker_empty(struct tcp_worker *worker)
{
	thread_call(&worker->thread, worker_empty, NULL);
}

int tcp_worker_open(struct tcp_server *server, struct tcp_worker *worker, struct error *err)
{
	worker->server = server;
	worker->thread.open = worker_open;
	worker->thread.run = worker_run;
	worker->thread.stop = worker_stop;
	worker->mail_event.done = mail_ready;
	worker->look_pause = 1;
	list_init(&worker->conns);
	list_init(&worker->dirty);
	return thread_start(&worker->thread, err);
}

void tcp_worker_close(struct tcp_worker *worker, struct mailbox *control)
{
	thread_end(&worker->thread, control);
}
