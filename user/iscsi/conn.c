/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection's life. */
#include "iscsi/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define LOGIN_NS  15000000000ull /* from accept() to the full feature phase */
#define LINGER_NS 5000000000ull	 /* for what is still to be sent */
#define MOVES	  4096u		 /* bytes that more than the ping itself went through */

static void conn_make_room(struct iscsi_worker *worker)
{
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &worker->conns, link)
		if (conn->state == ISCSI_CONN_LOGIN || conn->state == ISCSI_CONN_MOVING) {
			iscsi_conn_drop(conn, "others want to log in too");
			return;
		}
}

int iscsi_conn_open(const struct iscsi_conn_config *config, uint64_t now_ns,
		    struct iscsi_conn **out)
{
	struct iscsi_worker *worker = config->worker;
	struct iscsi_settings settings;
	struct iscsi_conn *conn;

	worker->now = now_ns;
	if (worker->nconns >= worker->config.max_conns) {
		worker->stats.conns_refused++;
		return -EAGAIN;
	}
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	if (worker->nlogins >= worker->config.max_logins)
		conn_make_room(worker);
	conn->ctx = config->ctx;
	snprintf(conn->peer, sizeof(conn->peer), "%s", config->peer);
	snprintf(conn->local, sizeof(conn->local), "%s", config->local);
	conn->group = config->group;
	conn->opened = conn->last_rx = now_ns;
	conn->stat_sn = 1;
	conn->text_ttt = ISCSI_NO_TAG;
	conn->rx.need = ISCSI_BHS;
	list_init(&conn->session_link);
	list_init(&conn->tasks);
	list_init(&conn->tmfs);
	list_init(&conn->out);
	list_init(&conn->batch.tasks);
	list_init(&conn->batch.replies);
	iscsi_settings_default(&settings);
	iscsi_params_init(&conn->params, &settings);
	if (iscsi_login_begin(conn)) {
		free(conn);
		return -ENOMEM;
	}
	iscsi_worker_enter(worker, conn);
	worker->stats.conns++;
	conn->drop_at = now_ns + LOGIN_NS;
	iscsi_worker_due_by(worker, conn->drop_at);
	*out = conn;
	return 0;
}

void *iscsi_conn_ctx(const struct iscsi_conn *conn)
{
	return conn->ctx;
}

struct iscsi_worker *iscsi_conn_worker(const struct iscsi_conn *conn)
{
	return conn->worker;
}

void iscsi_conn_log(struct iscsi_conn *conn, int priority, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	if (!conn->worker->config.ops->log)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	conn->worker->config.ops->log(conn, priority, text);
}

void iscsi_conn_drop(struct iscsi_conn *conn, const char *why)
{
	struct iscsi_session *session = conn->session;

	if (conn->state == ISCSI_CONN_DEAD)
		return;
	if (why && conn->state != ISCSI_CONN_LOGOUT)
		iscsi_conn_log(conn, LOG_NOTICE, "dropping %s: %s", conn->peer, why);
	/* Recovery level 0: with a connection goes its session (RFC 7143 7.1.4.4). */
	if (session && conn->state == ISCSI_CONN_FULL && !session->closing) {
		conn->worker->stats.sessions_lost++;
		iscsi_session_close(session);
		return;
	}
	conn->state = ISCSI_CONN_DEAD;
	conn->worker->config.ops->hang_up(conn, false);
}

void iscsi_conn_finish(struct iscsi_conn *conn)
{
	if (conn->state == ISCSI_CONN_DEAD || conn->state == ISCSI_CONN_LOGOUT)
		return;
	conn->state = ISCSI_CONN_LOGOUT;
	conn->drop_at = conn->worker->now + LINGER_NS;
	iscsi_worker_due_by(conn->worker, conn->drop_at);
	conn->worker->config.ops->hang_up(conn, true);
}

void iscsi_conn_wake(struct iscsi_conn *conn)
{
	if (!conn->idle || !iscsi_input_open(conn))
		return;
	conn->idle = false;
	conn->worker->config.ops->input(conn);
}

void iscsi_conn_reject(struct iscsi_conn *conn, const uint8_t *bhs, uint8_t reason)
{
	struct iscsi_reply *reply = iscsi_reply_new(ISCSI_REJECT, ISCSI_NO_TAG, ISCSI_BHS);

	conn->worker->stats.rejects++;
	if (reply) {
		reply->bhs[ISCSI_REJECT_AT_REASON] = reason;
		memcpy(reply->data, bhs, ISCSI_BHS);
	}
	iscsi_conn_reply(conn, reply);
}

void iscsi_conn_close(struct iscsi_conn *conn)
{
	struct iscsi_session *session = conn->session;
	struct iscsi_worker *worker = conn->worker;

	if (session && conn->state == ISCSI_CONN_FULL && !session->closing) {
		iscsi_conn_log(conn, LOG_NOTICE, "%s closed the connection without logging out",
			       conn->peer);
		worker->stats.sessions_lost++;
		conn->state = ISCSI_CONN_DEAD;
		iscsi_session_close(session);
	}
	conn->state = ISCSI_CONN_DEAD;
	if (session)
		iscsi_session_forget(session, conn);
	iscsi_tmf_orphan_all(conn);
	while (!list_empty(&conn->tasks))
		iscsi_task_orphan(container_of(conn->tasks.next, struct iscsi_task, conn_link));
	iscsi_input_drop(conn);
	iscsi_output_drop(conn);
	iscsi_worker_depart(conn);
	if (conn->login)
		iscsi_login_end(conn);
	iscsi_text_fini(&conn->text_in);
	iscsi_text_fini(&conn->text_out);
	if (session)
		iscsi_session_leave(session, conn);
	free(conn);
	iscsi_worker_session_gone(worker);
}

void iscsi_conn_adopt(struct iscsi_conn *conn, struct iscsi_worker *worker, uint64_t now_ns)
{
	iscsi_worker_enter(worker, conn);
	worker->now = now_ns;
	iscsi_worker_due_by(worker, conn->drop_at);
	iscsi_login_finish(conn);
}

/* ---- timers ---- */

/*
 * When the connection is given up for data that memory is kept for and that does not come. One
 * command's data comes after that of others, so those wait longer, but not for ever.
 */
static uint64_t conn_stall(const struct iscsi_conn *conn)
{
	uint64_t heard = UINT64_MAX, last;
	const struct iscsi_task *task;

	if (conn->state != ISCSI_CONN_FULL || conn->rx.state == ISCSI_RX_STUCK)
		return UINT64_MAX;
	if (conn->rx.task)
		heard = conn->rx.task->heard;
	if (conn->owed)
		list_for_each_entry (task, &conn->tasks, conn_link)
			if (task->receiving && task->heard < heard)
				heard = task->heard;
	if (heard == UINT64_MAX)
		return UINT64_MAX;
	last = heard + ISCSI_STALL_MAX_NS;
	if (conn->brought_at > heard)
		heard = conn->brought_at;
	return heard + ISCSI_STALL_NS < last ? heard + ISCSI_STALL_NS : last;
}

uint64_t iscsi_conn_due(const struct iscsi_conn *conn)
{
	const struct iscsi_settings *settings;
	uint64_t due = conn->drop_at ? conn->drop_at : UINT64_MAX, stall = conn_stall(conn), ping;

	if (conn->state == ISCSI_CONN_DEAD)
		return UINT64_MAX;
	if (stall < due)
		due = stall;
	if (conn->state != ISCSI_CONN_FULL || !conn->session->target)
		return due;
	/* It is we who do not listen. */
	if (conn->rx.state == ISCSI_RX_STUCK)
		return due;
	settings = &conn->session->target->settings;
	if (!settings->nop_interval_ns)
		return due;
	ping = conn->pinged ? conn->pinged + settings->nop_timeout_ns
			    : conn->last_rx + settings->nop_interval_ns;
	return ping < due ? ping : due;
}

/*
 * Part of a long PDU has come since this was asked the last time, which only TCP knows. The first
 * time cannot tell, and counts as if it had.
 */
static bool conn_brings(struct iscsi_conn *conn)
{
	struct iscsi_rx *rx = &conn->rx;
	uint64_t moved = conn->worker->config.ops->moved(conn);
	bool brings = rx->state == ISCSI_RX_DATA && rx->task &&
		      (!rx->moved || moved - rx->moved >= MOVES);

	rx->moved = moved;
	if (brings)
		conn->brought_at = conn->worker->now;
	return brings;
}

/*
 * Its ping, or the answer, is behind data that a slow network has to carry first; so as long as
 * much more than that moves, the initiator is there. One that has hung takes what TCP has room for.
 */
static bool conn_moves(struct iscsi_conn *conn)
{
	uint64_t moved = conn->worker->config.ops->moved(conn);
	bool moves = moved - conn->pinged_moved >= MOVES;

	conn->pinged_moved = moved;
	return moves;
}

void iscsi_conn_tick(struct iscsi_conn *conn)
{
	uint64_t now = conn->worker->now;

	if (iscsi_conn_due(conn) > now)
		return;
	if (conn->drop_at && conn->drop_at <= now) {
		iscsi_conn_drop(conn,
				conn->state == ISCSI_CONN_LOGIN || conn->state == ISCSI_CONN_MOVING
					? "the login took too long"
					: "its time was over");
	} else if (conn_stall(conn) <= now) {
		if (!conn_brings(conn) || conn_stall(conn) <= now)
			iscsi_conn_drop(conn, "it does not send the data of a command");
	} else if (!conn->pinged) {
		conn->pinged = now;
		conn->pinged_moved = conn->worker->config.ops->moved(conn);
		iscsi_conn_ping(conn);
	} else if (conn_moves(conn)) {
		conn->pinged = now;
	} else {
		iscsi_conn_drop(conn, "it did not answer a ping");
	}
}
