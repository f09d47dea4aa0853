/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int iscsi_worker_open(const struct iscsi_worker_config *config, struct iscsi_worker **out,
		      struct error *err)
{
	const struct arena_config *arena = &config->queue->arena->config;
	struct iscsi_worker *worker;

	if (arena->run_frames != ISCSI_RUN_FRAMES || arena->runs < ISCSI_TASK_RUNS)
		return error_set(err, EINVAL,
				 "iSCSI takes an arena with at least %u runs of %u frames",
				 (unsigned int)ISCSI_TASK_RUNS, ISCSI_RUN_FRAMES);
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return error_set(err, ENOMEM, "no memory for an iSCSI worker");
	worker->config = *config;
	worker->due = UINT64_MAX;
	iscsi_pool_init(&worker->pool, config->queue->arena, ISCSI_TASK_RUNS);
	list_init(&worker->conns);
	list_init(&worker->sessions);
	list_init(&worker->leavings);
	list_init(&worker->free_tasks);
	list_init(&worker->pasts);
	*out = worker;
	return 0;
}

void iscsi_worker_close(struct iscsi_worker *worker)
{
	assert(!iscsi_worker_busy(worker));
	while (!list_empty(&worker->free_tasks))
		free(container_of(list_pop(&worker->free_tasks), struct iscsi_task, bucket));
	iscsi_count_forget(worker, NULL);
	free(worker);
}

void *iscsi_worker_ctx(const struct iscsi_worker *worker)
{
	return worker->config.ctx;
}

struct blk_queue *iscsi_worker_queue(const struct iscsi_worker *worker)
{
	return worker->config.queue;
}

bool iscsi_worker_busy(const struct iscsi_worker *worker)
{
	return !list_empty(&worker->conns) || !list_empty(&worker->sessions);
}

const struct iscsi_worker_stats *iscsi_worker_stats(struct iscsi_worker *worker)
{
	worker->stats.copied_by_store = worker->config.queue->copied_by_store;
	worker->stats.copied_by_memory = worker->config.queue->copied_by_memory;
	return &worker->stats;
}

void iscsi_worker_enter(struct iscsi_worker *worker, struct iscsi_conn *conn)
{
	conn->worker = worker;
	list_add_tail(&worker->conns, &conn->link);
	worker->nconns++;
	worker->nlogins += conn->login != NULL;
}

void iscsi_worker_depart(struct iscsi_conn *conn)
{
	struct iscsi_worker *worker = conn->worker;

	if (!list_linked(&conn->link))
		return;
	list_del(&conn->link);
	worker->nconns--;
	worker->nlogins -= conn->login != NULL;
}

/* ---- leaving ---- */

static bool target_is(const struct iscsi_target *which, const struct iscsi_target *target)
{
	return !which || which == target;
}

static bool worker_serves(const struct iscsi_worker *worker, const struct iscsi_target *target)
{
	const struct iscsi_session *session;
	const struct iscsi_conn *conn;

	list_for_each_entry (session, &worker->sessions, link)
		if (target_is(target, session->target))
			return true;
	list_for_each_entry (conn, &worker->conns, link)
		if (conn->login && (!target || iscsi_login_concerns(conn, target)))
			return true;
	return false;
}

static void leavings_check(struct iscsi_worker *worker)
{
	struct iscsi_leaving *leaving, *next;

	list_for_each_entry_safe (leaving, next, &worker->leavings, link) {
		if (worker_serves(worker, leaving->target))
			continue;
		list_del(&leaving->link);
		iscsi_count_forget(worker, leaving->target);
		leaving->gone(leaving);
		/* What was called may have changed the list. */
		leavings_check(worker);
		return;
	}
}

/* One at a time, as each may wake others: those woken are no longer MOVING. */
static bool worker_wake_login(struct iscsi_worker *worker)
{
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &worker->conns, link)
		if (conn->state == ISCSI_CONN_MOVING && !conn->waiting) {
			conn->waiting = true;
			iscsi_login_finish(conn);
			return true;
		}
	return false;
}

void iscsi_worker_session_gone(struct iscsi_worker *worker)
{
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &worker->conns, link)
		conn->waiting = false;
	while (worker_wake_login(worker))
		;
	leavings_check(worker);
}

static void session_ask_to_leave(struct iscsi_session *session, uint64_t grace_ns)
{
	struct iscsi_worker *worker = session->worker;
	uint64_t seconds = grace_ns / 1000000000u;
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &session->conns, session_link) {
		if (conn->state != ISCSI_CONN_FULL)
			continue;
		conn->drop_at = worker->now + grace_ns;
		iscsi_worker_due_by(worker, conn->drop_at);
		iscsi_conn_async(conn, ISCSI_ASYNC_LOGOUT, 0, 0,
				 seconds > UINT16_MAX ? UINT16_MAX : (uint16_t)seconds);
	}
}

/* The first session of the target that is not closing yet. */
static struct iscsi_session *session_to_close(struct iscsi_worker *worker,
					      const struct iscsi_target *target)
{
	struct iscsi_session *session;

	list_for_each_entry (session, &worker->sessions, link)
		if (target_is(target, session->target) && !session->closing)
			return session;
	return NULL;
}

void iscsi_worker_leave_target(struct iscsi_worker *worker, struct iscsi_leaving *leaving,
			       uint64_t now_ns, uint64_t grace_ns)
{
	const struct iscsi_target *target = leaving->target;
	struct iscsi_session *session;
	struct iscsi_conn *conn;

	worker->now = now_ns;
	list_add_tail(&worker->leavings, &leaving->link);
	list_for_each_entry (conn, &worker->conns, link)
		if (conn->login && (!target || iscsi_login_concerns(conn, target)))
			iscsi_conn_drop(conn, "the target is being taken away");
	if (grace_ns) {
		list_for_each_entry (session, &worker->sessions, link)
			if (target_is(target, session->target))
				session_ask_to_leave(session, grace_ns);
	} else {
		while ((session = session_to_close(worker, target)))
			iscsi_session_close(session);
	}
	leavings_check(worker);
}

static struct iscsi_session *session_to_revoke(struct iscsi_worker *worker)
{
	struct iscsi_session *session;

	list_for_each_entry (session, &worker->sessions, link)
		if (session->revoked && !session->closing)
			return session;
	return NULL;
}

/* All are looked at before one is closed, as what that wakes may change the list. */
void iscsi_worker_recheck_target(struct iscsi_worker *worker, struct iscsi_target *target)
{
	struct iscsi_session *session;
	struct scsi_lun_mask mask;

	list_for_each_entry (session, &worker->sessions, link)
		if (session->target == target)
			session->revoked =
				!iscsi_target_allows(target, session->id.initiator, &mask) ||
				memcmp(&mask, &session->mask, sizeof(mask));
	while ((session = session_to_revoke(worker)))
		iscsi_session_close(session);
}

int iscsi_worker_close_session(struct iscsi_worker *worker, uint16_t tsih)
{
	struct iscsi_session *session = iscsi_session_find(worker, tsih);

	if (!session || session->closing)
		return -ENOENT;
	iscsi_session_close(session);
	return 0;
}

/* ---- timers ---- */

uint64_t iscsi_worker_next_due(const struct iscsi_worker *worker)
{
	return worker->due;
}

/* Dropping one connection may end others, but takes none out of the list: that is close's. */
void iscsi_worker_tick(struct iscsi_worker *worker, uint64_t now_ns)
{
	struct iscsi_conn *conn;

	worker->now = now_ns;
	if (now_ns < worker->due)
		return;
	worker->due = UINT64_MAX;
	list_for_each_entry (conn, &worker->conns, link) {
		iscsi_conn_tick(conn);
		iscsi_worker_due_by(worker, iscsi_conn_due(conn));
	}
	iscsi_reclaim_tick(worker);
}

/* ---- report ---- */

static void session_report(const struct iscsi_session *session, struct iscsi_session_report *out)
{
	const struct iscsi_conn *conn = NULL;

	memset(out, 0, sizeof(*out));
	strcpy(out->initiator, session->id.initiator);
	strcpy(out->alias, session->alias);
	if (session->target)
		strcpy(out->target, session->target->name);
	memcpy(out->isid, session->id.isid, sizeof(out->isid));
	out->tsih = session->id.tsih;
	out->conns = session->nconns;
	out->inflight = session->ntasks + session->nimmediate;
	out->since_ns = session->since;
	out->last_ns = session->last;
	out->commands = session->count.commands;
	out->reads = session->count.reads;
	out->writes = session->count.writes;
	out->read_bytes = session->count.read_bytes;
	out->write_bytes = session->count.write_bytes;
	out->errors = session->count.errors;
	if (list_empty(&session->conns))
		return;
	conn = container_of(session->conns.next, struct iscsi_conn, session_link);
	strcpy(out->peer, conn->peer);
	strcpy(out->local, conn->local);
	out->header_digest = conn->header_digest;
	out->data_digest = conn->data_digest;
	out->chap = conn->chap;
}

unsigned int iscsi_worker_sessions(const struct iscsi_worker *worker,
				   struct iscsi_session_report *out, unsigned int max)
{
	const struct iscsi_session *session;
	unsigned int n = 0;

	list_for_each_entry (session, &worker->sessions, link) {
		if (session->closing)
			continue;
		if (n < max)
			session_report(session, &out[n]);
		n++;
	}
	return n;
}
