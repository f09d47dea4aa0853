/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests of the full feature phase but for SCSI commands, text and task management. */
#include "iscsi/internal.h"

#include <string.h>

/* ---- NOP (RFC 7143 11.18, 11.19) ---- */

static void nop_out(struct iscsi_conn *conn, const uint8_t *bhs, const uint8_t *data, uint32_t len)
{
	uint32_t itt = get_be32(bhs + ISCSI_AT_ITT);
	uint32_t max = conn->params.value[ISCSI_MAX_RECV];
	struct iscsi_reply *reply;

	/* The answer to our ping: that it came is all. */
	if (itt == ISCSI_NO_TAG)
		return;
	if (max > ISCSI_TEXT_MAX)
		max = ISCSI_TEXT_MAX;
	if (len > max)
		len = max;
	reply = iscsi_reply_new(ISCSI_NOP_IN, itt, len);
	if (reply) {
		memcpy(reply->bhs + ISCSI_AT_LUN, bhs + ISCSI_AT_LUN, 8);
		put_be32(reply->bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
		if (len)
			memcpy(reply->data, data, len);
	}
	iscsi_conn_reply(conn, reply);
}

void iscsi_conn_ping(struct iscsi_conn *conn)
{
	struct iscsi_reply *reply = iscsi_reply_new(ISCSI_NOP_IN, ISCSI_NO_TAG, 0);

	if (reply) {
		reply->counted = false;
		if (++conn->last_ping == ISCSI_NO_TAG)
			conn->last_ping = 0;
		put_be32(reply->bhs + ISCSI_AT_TTT, conn->last_ping);
	}
	iscsi_conn_reply(conn, reply);
}

void iscsi_conn_async(struct iscsi_conn *conn, enum iscsi_async_event event, uint16_t parameter1,
		      uint16_t parameter2, uint16_t parameter3)
{
	struct iscsi_reply *reply = iscsi_reply_new(ISCSI_ASYNC, ISCSI_NO_TAG, 0);

	if (reply) {
		reply->bhs[ISCSI_ASYNC_AT_EVENT] = (uint8_t)event;
		put_be16(reply->bhs + ISCSI_ASYNC_AT_PARAMETER1, parameter1);
		put_be16(reply->bhs + ISCSI_ASYNC_AT_PARAMETER2, parameter2);
		put_be16(reply->bhs + ISCSI_ASYNC_AT_PARAMETER3, parameter3);
	}
	iscsi_conn_reply(conn, reply);
}

/* ---- Logout (RFC 7143 11.14, 11.15) ---- */

static void logout_answer(struct iscsi_conn *conn, const uint8_t *bhs, uint8_t response)
{
	struct iscsi_reply *reply =
		iscsi_reply_new(ISCSI_LOGOUT_RESPONSE, get_be32(bhs + ISCSI_AT_ITT), 0);

	if (reply) {
		reply->bhs[ISCSI_LOGOUT_AT_RESPONSE] = response;
		put_be16(reply->bhs + ISCSI_LOGOUT_AT_TIME2WAIT,
			 (uint16_t)conn->session->params.value[ISCSI_TIME2WAIT]);
	}
	iscsi_conn_reply(conn, reply);
}

static struct iscsi_conn *logout_find(struct iscsi_session *session, uint16_t cid)
{
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &session->conns, session_link)
		if (conn->cid == cid && conn->state == ISCSI_CONN_FULL)
			return conn;
	return NULL;
}

void iscsi_conn_retire(struct iscsi_conn *conn, bool polite)
{
	struct iscsi_session *session = conn->session;
	struct iscsi_task *task, *next;

	/* First, so that nothing which ends now makes it read on. */
	iscsi_conn_finish(conn);
	if (!polite)
		iscsi_conn_drop(conn, NULL);
	iscsi_session_pause(session);
	iscsi_session_forget(session, conn);
	iscsi_tmf_orphan_all(conn);
	/* Answers that are queued still go out. */
	list_for_each_entry_safe (task, next, &conn->tasks, conn_link)
		if (!polite || task->state != ISCSI_TASK_ANSWERING)
			iscsi_task_orphan(task);
	iscsi_session_go_on(session);
}

static void logout_conn(struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_session *session = conn->session;
	struct iscsi_conn *other = logout_find(session, get_be16(bhs + ISCSI_LOGOUT_AT_CID));

	if (!other) {
		logout_answer(conn, bhs, ISCSI_LOGOUT_NO_CID);
		return;
	}
	logout_answer(conn, bhs, ISCSI_LOGOUT_CLOSED);
	conn->worker->stats.logouts++;
	iscsi_conn_retire(other, other == conn);
	iscsi_session_review(session);
}

static void logout(struct iscsi_conn *conn, const uint8_t *bhs)
{
	switch (bhs[ISCSI_AT_FLAGS] & 0x7f) {
	case ISCSI_LOGOUT_SESSION:
		logout_answer(conn, bhs, ISCSI_LOGOUT_CLOSED);
		conn->worker->stats.logouts++;
		iscsi_conn_finish(conn);
		iscsi_session_close(conn->session);
		break;
	case ISCSI_LOGOUT_CONN:
		logout_conn(conn, bhs);
		break;
	case ISCSI_LOGOUT_RECOVERY:
		logout_answer(conn, bhs, ISCSI_LOGOUT_NO_RECOVERY);
		break;
	default:
		iscsi_conn_reject(conn, bhs, ISCSI_REJECT_FIELD);
	}
}

/* ---- all ---- */

void iscsi_request(struct iscsi_conn *conn, const uint8_t *bhs, const uint8_t *data, uint32_t len,
		   struct iscsi_task *task)
{
	if (conn->state != ISCSI_CONN_FULL) {
		if (task)
			iscsi_task_abort(task);
		return;
	}
	if (task) {
		iscsi_command_whole(task);
		return;
	}
	switch (bhs[ISCSI_AT_OPCODE] & ISCSI_OPCODE_MASK) {
	case ISCSI_NOP_OUT:
		nop_out(conn, bhs, data, len);
		break;
	case ISCSI_TEXT:
		iscsi_text_request(conn, bhs, data, len);
		break;
	case ISCSI_LOGOUT:
		logout(conn, bhs);
		break;
	case ISCSI_TMF:
		if (conn->session->scsi)
			iscsi_tmf_request(conn, bhs);
		else
			iscsi_conn_reject(conn, bhs, ISCSI_REJECT_PROTOCOL);
		break;
	case ISCSI_COMMAND:
	case ISCSI_LOGIN:
		conn->worker->stats.protocol_errors++;
		iscsi_conn_reject(conn, bhs, ISCSI_REJECT_PROTOCOL);
		break;
	default:
		conn->worker->stats.protocol_errors++;
		iscsi_conn_reject(conn, bhs, ISCSI_REJECT_UNSUPPORTED);
	}
}
