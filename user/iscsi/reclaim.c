/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Memory of commands whose initiators do not send, or do not read. As long as there is enough, they
 * have all the time that TCP and ISCSI_STALL_NS give them. But when a session that has none has
 * waited for PATIENCE_NS, those lose their connection whose initiators have been idle with some for
 * just as long: the idlest first, and about as many as wait.
 *
 * Idle is who moves less than MOVES bytes in that time, whatever it was asked for and whatever
 * waits in line on its connection. So a byte now and then is nothing. Where many initiators share a
 * slow network, as when all of a cluster boots, some cannot move as much. But together they do, and
 * then patience lasts until the network has carried two commands of each that is active, and idle
 * is who has moved less than a small part of that: whoever waits then waits for the network.
 */
#include "iscsi/internal.h"

#define PATIENCE_NS	2000000000ull
#define PATIENCE_MAX_NS ISCSI_STALL_NS
#define ACTIVE_NS	(8 * PATIENCE_NS) /* it may take so long until it is somebody's turn */
#define ACTIVE		512u		  /* bytes from one look to the next */
#define MOVES		(64u << 10)
#define MOVES_SLOW	(8u << 10)
#define COMMANDS	(2u * (256u << 10)) /* as TCP divides a network unfairly */
#define BUSY		(128u << 10) /* what all move in RECENT looks on the slowest of networks */
#define RECENT		8u	     /* looks, of which the last weighs most */
#define LOOK_NS		200000000ull /* from one look to the next */
#define LATE_NS		500000000ull /* after such a gap we did not listen, and nobody is to blame */

/* Its memory is lent until its initiator sends or takes something. */
static bool task_depends(const struct iscsi_task *task)
{
	return task->reserved && task->nruns &&
	       (task->state == ISCSI_TASK_ARRIVING || task->receiving ||
		list_linked(&task->tx.link) || list_linked(&task->batch));
}

static bool conn_holds(const struct iscsi_conn *conn)
{
	return conn->state == ISCSI_CONN_FULL && conn->session->share.held;
}

/* For how long the connection has kept memory that its initiator could have set free; 0: none. */
static uint64_t conn_idle_ns(const struct iscsi_conn *conn)
{
	uint64_t now = conn->worker->now, since = now;
	const struct iscsi_task *task;

	list_for_each_entry (task, &conn->tasks, conn_link)
		if (task_depends(task) && task->asked < since)
			since = task->asked;
	list_for_each_entry (task, &conn->batch.tasks, batch)
		if (task_depends(task) && task->asked < since)
			since = task->asked;
	return now - (conn->moved_at > since ? conn->moved_at : since);
}

/* What moved since the last look, if that saw the connection, too. */
static uint64_t conn_look(struct iscsi_conn *conn, uint64_t last)
{
	uint64_t moved = conn->worker->config.ops->moved(conn);
	uint64_t since = conn->looked == last ? moved - conn->seen : 0;

	conn->seen = moved;
	conn->looked = conn->worker->now;
	if (since >= ACTIVE)
		conn->active_until = conn->looked + ACTIVE_NS;
	return since;
}

/* How long two commands of so many take, as fast as all move now. */
static uint64_t patience_ns(uint64_t active, uint64_t all)
{
	uint64_t ns;

	if (all < BUSY)
		return PATIENCE_NS;
	ns = active * COMMANDS * RECENT * (LOOK_NS / 1000) / all * 1000;
	if (ns < PATIENCE_NS)
		return PATIENCE_NS;
	return ns < PATIENCE_MAX_NS ? ns : PATIENCE_MAX_NS;
}

/* What moved while nobody looked counts as of now. `last` is when it was looked before. */
static void reclaim_note_moves(struct iscsi_worker *worker, uint64_t last)
{
	struct iscsi_reclaim *reclaim = &worker->reclaim;
	uint64_t moves = reclaim->patience_ns > PATIENCE_NS ? MOVES_SLOW : MOVES;
	uint64_t all = 0, active = 0;
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &worker->conns, link) {
		if (!conn_holds(conn))
			continue;
		all += conn_look(conn, last);
		active += conn->active_until > worker->now;
		if (conn->seen - conn->moved < moves)
			continue;
		conn->moved = conn->seen;
		conn->moved_at = worker->now;
	}
	reclaim->all = reclaim->all - reclaim->all / RECENT + all;
	reclaim->patience_ns = patience_ns(active, reclaim->all);
}

/*
 * Ends as many sessions as wait, and more where that is not enough. Not fewer, however much they
 * hold: of what comes back from one, a single waiter may get some, and the rest goes to sessions
 * that hold something, have not used up their share and came earlier.
 */
static void reclaim_from(struct iscsi_worker *worker, uint64_t idle_ns, struct iscsi_lack *lack)
{
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &worker->conns, link) {
		unsigned int held;

		if (!lack->waiters && !lack->runs)
			return;
		if (!conn_holds(conn) || conn_idle_ns(conn) < idle_ns)
			continue;
		held = conn->session->share.held;
		iscsi_conn_drop(conn, "others wait for memory that its commands leave idle");
		lack->runs -= held < lack->runs ? held : lack->runs;
		lack->waiters -= lack->waiters > 0;
	}
}

static void reclaim_look(struct iscsi_worker *worker)
{
	struct iscsi_lack lack = iscsi_pool_lack(&worker->pool, worker->now - PATIENCE_NS);

	for (uint64_t ns = 16 * worker->reclaim.patience_ns; ns >= worker->reclaim.patience_ns;
	     ns /= 2)
		reclaim_from(worker, ns, &lack);
}

void iscsi_reclaim_watch(struct iscsi_worker *worker)
{
	struct iscsi_reclaim *reclaim = &worker->reclaim;

	if (reclaim->watching)
		return;
	reclaim->watching = true;
	reclaim->looked = reclaim->awake = worker->now;
	reclaim->all = 0;
	reclaim->patience_ns = PATIENCE_NS;
	iscsi_worker_due_by(worker, worker->now + LOOK_NS);
}

void iscsi_reclaim_tick(struct iscsi_worker *worker)
{
	struct iscsi_reclaim *reclaim = &worker->reclaim;
	uint64_t last = reclaim->looked;

	if (!reclaim->watching)
		return;
	if (worker->now - last > LATE_NS)
		reclaim->awake = worker->now;
	reclaim->looked = worker->now;
	reclaim_note_moves(worker, last);
	if (worker->now - reclaim->awake >= PATIENCE_NS)
		reclaim_look(worker);
	reclaim->watching = iscsi_pool_waited_for(&worker->pool);
	if (reclaim->watching)
		iscsi_worker_due_by(worker, worker->now + LOOK_NS);
}
