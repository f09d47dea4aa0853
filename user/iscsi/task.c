/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A SCSI command between a connection and the device server: its memory and its life. */
#include "iscsi/internal.h"

#include <stdlib.h>
#include <string.h>

#define SPARE_TASKS 256u /* kept for the next commands */

static struct list *task_bucket(struct iscsi_session *session, uint32_t itt)
{
	return &session->tasks[(itt ^ itt >> 8 ^ itt >> 16) % ISCSI_TASK_BUCKETS];
}

struct iscsi_task *iscsi_task_find(struct iscsi_session *session, uint32_t itt)
{
	struct iscsi_task *task;

	list_for_each_entry (task, task_bucket(session, itt), bucket)
		if (task->itt == itt)
			return task;
	return NULL;
}

static struct iscsi_task *task_alloc(struct iscsi_worker *worker)
{
	struct iscsi_task *task;

	if (list_empty(&worker->free_tasks))
		return calloc(1, sizeof(*task));
	task = container_of(list_pop(&worker->free_tasks), struct iscsi_task, bucket);
	worker->nfree_tasks--;
	memset(task, 0, sizeof(*task));
	return task;
}

struct iscsi_task *iscsi_task_new(struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_session *session = conn->session;
	struct iscsi_task *task = task_alloc(conn->worker);

	if (!task)
		return NULL;
	task->session = session;
	task->conn = conn;
	task->itt = get_be32(bhs + ISCSI_AT_ITT);
	task->cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);
	task->immediate = bhs[ISCSI_AT_OPCODE] & ISCSI_IMMEDIATE;
	task->flags = bhs[ISCSI_AT_FLAGS];
	task->taken = conn->worker->now;
	task->cmd.ops = &iscsi_task_ops;
	task->cmd.nexus = &session->nexus;
	task->cmd.queue = conn->worker->config.queue;
	task->tx.build = iscsi_task_build;
	task->r2t_tx.build = iscsi_task_build_r2t;
	list_add_tail(task_bucket(session, task->itt), &task->bucket);
	list_add_tail(&conn->tasks, &task->conn_link);
	task->counted = true;
	if (task->immediate)
		session->nimmediate++;
	else
		session->ntasks++;
	session->nlive++;
	return task;
}

void iscsi_task_uncount(struct iscsi_task *task)
{
	if (!task->counted)
		return;
	task->counted = false;
	if (task->immediate)
		task->session->nimmediate--;
	else
		task->session->ntasks--;
}

void iscsi_task_heard(struct iscsi_task *task)
{
	struct iscsi_worker *worker = task->session->worker;

	task->heard = worker->now;
	iscsi_worker_due_by(worker, worker->now + ISCSI_STALL_NS);
}

void iscsi_task_receiving(struct iscsi_task *task, bool receiving)
{
	if (task->receiving == receiving)
		return;
	task->receiving = receiving;
	if (receiving) {
		iscsi_task_heard(task);
		task->asked = task->heard;
	}
	if (task->conn)
		task->conn->owed += receiving ? 1 : -1u;
}

static void task_free(struct iscsi_task *task)
{
	struct iscsi_session *session = task->session;
	struct iscsi_worker *worker = session->worker;

	iscsi_pool_cancel(&worker->pool, &task->waiter);
	if (task->reserved)
		iscsi_pool_put(&worker->pool, &session->share, task->runs, task->nruns);
	if (worker->nfree_tasks < SPARE_TASKS) {
		worker->nfree_tasks++;
		list_add_head(&worker->free_tasks, &task->bucket);
	} else {
		free(task);
	}
	iscsi_session_put(session);
}

void iscsi_task_over(struct iscsi_task *task)
{
	struct iscsi_conn *conn = task->conn;
	bool ready = list_linked(&task->ready);

	iscsi_task_pin(task);
	task->state = ISCSI_TASK_OVER;
	iscsi_task_uncount(task);
	iscsi_task_receiving(task, false);
	if (list_linked(&task->tx.link))
		list_del(&task->tx.link);
	if (list_linked(&task->r2t_tx.link))
		list_del(&task->r2t_tx.link);
	if (list_linked(&task->ready))
		list_del(&task->ready);
	if (list_linked(&task->conn_link))
		list_del(&task->conn_link);
	if (list_linked(&task->bucket))
		list_del(&task->bucket);
	iscsi_pool_cancel(&task->session->worker->pool, &task->waiter);
	task->conn = NULL;
	/* What has waited for its memory, and those that have waited behind it. */
	if (conn && conn->rx.task == task && iscsi_conn_open_for_requests(conn))
		iscsi_input_resume(conn);
	if (ready)
		iscsi_session_dispatch(task->session);
	iscsi_task_unpin(task);
}

void iscsi_task_pin(struct iscsi_task *task)
{
	task->pins++;
}

void iscsi_task_unpin(struct iscsi_task *task)
{
	task->pins--;
	if (!task->pins && task->state == ISCSI_TASK_OVER)
		task_free(task);
}

/* ---- memory ---- */

unsigned int iscsi_task_spans(const struct iscsi_task *task, uint32_t off, uint32_t len,
			      struct span *spans)
{
	unsigned int n = 0;

	assert(off <= iscsi_task_room(task) && len <= iscsi_task_room(task) - off);
	while (len) {
		uint32_t at = off % ISCSI_RUN_BYTES, left = ISCSI_RUN_BYTES - at;
		uint32_t piece = left < len ? left : len;

		assert(n < ISCSI_TASK_SPANS);
		spans[n++] = (struct span){task->runs[off / ISCSI_RUN_BYTES] + at, piece};
		off += piece;
		len -= piece;
	}
	return n;
}

bool iscsi_task_reserve(struct iscsi_task *task, void (*granted)(struct iscsi_waiter *waiter))
{
	struct iscsi_worker *worker = task->session->worker;
	uint32_t memory = scsi_memory(task->session->scsi, &task->cmd);

	task->nruns = (memory + ISCSI_RUN_BYTES - 1) / ISCSI_RUN_BYTES;
	task->reserved = !task->nruns || iscsi_pool_take(&worker->pool, &task->session->share,
							 task->runs, task->nruns);
	if (task->reserved)
		return true;
	worker->stats.memory_waits++;
	task->waiter.share = &task->session->share;
	task->waiter.runs = task->nruns;
	task->waiter.into = task->runs;
	task->waiter.granted = granted;
	task->waiter.since = worker->now;
	iscsi_pool_wait(&worker->pool, &task->waiter);
	iscsi_reclaim_watch(worker);
	return false;
}

/* ---- aborting ---- */

static void abort_done(struct scsi_tmf *tmf)
{
	iscsi_task_unpin(container_of(tmf, struct iscsi_task, abort));
}

/* The device server lets go of it soon, by drop or deliver. */
static void task_revoke(struct iscsi_task *task)
{
	if (task->aborting || !task->session->scsi)
		return;
	task->aborting = true;
	task->abort = (struct scsi_tmf){.function = SCSI_ABORT_TASK,
					.lun = task->cmd.scsi.lun,
					.task = &task->cmd,
					.done = abort_done};
	iscsi_task_pin(task);
	scsi_task_management(task->session->scsi, &task->abort);
}

void iscsi_task_abort(struct iscsi_task *task)
{
	if (task->state == ISCSI_TASK_EXECUTING)
		task_revoke(task);
	else if (task->state != ISCSI_TASK_OVER)
		iscsi_task_over(task);
}

void iscsi_task_orphan(struct iscsi_task *task)
{
	iscsi_task_receiving(task, false);
	if (task->state != ISCSI_TASK_EXECUTING) {
		iscsi_task_over(task);
		return;
	}
	if (list_linked(&task->tx.link))
		list_del(&task->tx.link);
	if (list_linked(&task->r2t_tx.link))
		list_del(&task->r2t_tx.link);
	list_del(&task->conn_link);
	/* Its tag is free for other commands (RFC 7143 11.14.5). */
	list_del(&task->bucket);
	task->conn = NULL;
	task_revoke(task);
}

void iscsi_task_fail(struct iscsi_task *task, uint8_t key, uint16_t asc)
{
	struct iscsi_session *session = task->session;

	if (task->failed)
		return;
	task->failed = true;
	task->failed_key = key;
	task->failed_asc = asc;
	task->unsolicited = false;
	if (task->state == ISCSI_TASK_READY) {
		list_del(&task->ready);
		iscsi_pool_cancel(&task->session->worker->pool, &task->waiter);
		iscsi_task_answer(task);
		iscsi_session_dispatch(session);
	} else if (task->state == ISCSI_TASK_EXECUTING) {
		task_revoke(task);
	}
}
