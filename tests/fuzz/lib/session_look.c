/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "session_look.h"

#include "iscsi/internal.h"
#include <stdlib.h>

static void require(bool holds)
{
	if (!holds)
		abort();
}

void session_look_init(struct session_look *look, struct iscsi_rig *rig)
{
	look->rig = rig;
	for (unsigned int i = 0; i < SESSION_LOOK_RIVALS; i++)
		iscsi_share_init(&look->rivals[i].share);
}

/* ---- sessions ---- */

static void look_at_window(struct session_look *look, const struct iscsi_session *session)
{
	uint32_t exp = session->exp_cmdsn, max = session->max_cmdsn;
	unsigned int i = session->id.nexus % SESSION_LOOK_SEEN;

	require((int32_t)(max - exp) >= -1);
	require(max - exp + 1 <= session->queue_depth);
	if (look->seen[i].nexus == session->id.nexus) {
		require(!sn_before(exp, look->seen[i].exp_cmdsn));
		require(!sn_before(max, look->seen[i].max_cmdsn));
	}
	look->seen[i].nexus = session->id.nexus;
	look->seen[i].exp_cmdsn = exp;
	look->seen[i].max_cmdsn = max;
}

static void look_at_held(const struct iscsi_session *session)
{
	uint32_t last = session->exp_cmdsn;
	const struct iscsi_held *held;

	list_for_each_entry (held, &session->held, link) {
		require(!sn_before(held->cmdsn, last));
		require(!held->conn ||
			(held->conn->session == session && held->conn->state == ISCSI_CONN_FULL));
		require(!sn_before(session->max_cmdsn, held->cmdsn) || held->immediate);
		last = held->cmdsn + !held->immediate;
	}
}

static void look_at_tasks(const struct iscsi_session *session)
{
	unsigned int counted = 0, immediate = 0, runs = 0;
	const struct iscsi_task *task;

	for (unsigned int i = 0; i < ISCSI_TASK_BUCKETS; i++)
		list_for_each_entry (task, &session->tasks[i], bucket) {
			require(task->session == session);
			counted += task->counted && !task->immediate;
			immediate += task->counted && task->immediate;
			runs += task->nruns * task->reserved;
		}
	require(counted <= session->ntasks && session->ntasks <= session->queue_depth);
	require(immediate <= session->nimmediate && session->nimmediate <= ISCSI_IMMEDIATE_MAX);
	require(runs <= session->share.held);
}

static void look_at_conns(const struct iscsi_session *session)
{
	const struct iscsi_conn *conn;
	unsigned int n = 0;

	list_for_each_entry (conn, &session->conns, session_link) {
		require(conn->session == session && conn->worker == session->worker);
		n++;
	}
	require(n == session->nconns);
}

/* ---- memory ---- */

static unsigned int look_at_sessions(struct session_look *look, const struct iscsi_worker *worker)
{
	const struct iscsi_session *session;
	unsigned int held = 0;

	list_for_each_entry (session, &worker->sessions, link) {
		look_at_window(look, session);
		look_at_held(session);
		look_at_tasks(session);
		look_at_conns(session);
		held += session->share.held;
	}
	return held;
}

static void look_at_memory(const struct iscsi_pool *pool, unsigned int lent, unsigned int taken)
{
	const struct arena *arena = pool->arena;

	require(lent + taken + arena->nfree_runs == arena->config.runs);
	require(pool->singles <= lent && !pool->granting);
	/* Who waits for more than there is waits for somebody. */
	require(lent || !iscsi_pool_waited_for(pool));
}

void session_look(struct session_look *look)
{
	const struct iscsi_rig *rig = look->rig;

	for (unsigned int i = 0; i < RIG_WORKERS; i++) {
		const struct blk_queue *queue = iscsi_worker_queue(rig->workers[i]);
		unsigned int lent = look_at_sessions(look, rig->workers[i]) + queue->lent_long;

		for (unsigned int r = 0; !i && r < SESSION_LOOK_RIVALS; r++)
			lent += look->rivals[r].share.held;
		look_at_memory(&rig->workers[i]->pool, lent, i ? 0 : rig->ntaken);
	}
}

/* ---- rivals ---- */

void session_look_rivals(struct session_look *look, unsigned int runs)
{
	struct iscsi_pool *pool = &look->rig->workers[0]->pool;

	for (unsigned int i = 0; i < SESSION_LOOK_RIVALS; i++) {
		struct session_rival *rival = &look->rivals[i];

		while (rival->pairs && pool->arena->nfree_runs < runs)
			iscsi_pool_put(pool, &rival->share, rival->runs[--rival->pairs], 2);
		while (pool->arena->nfree_runs > 1 && pool->arena->nfree_runs - 2 >= runs &&
		       iscsi_pool_take(pool, &rival->share, rival->runs[rival->pairs], 2))
			rival->pairs++;
	}
}
