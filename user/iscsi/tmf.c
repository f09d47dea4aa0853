/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Task management (RFC 7143 11.5, 11.6; RFC 7144). */
#include "iscsi/internal.h"

#include <stdlib.h>

/* A function that the device server carries out. */
struct tmf_request {
	struct scsi_tmf tmf;
	struct iscsi_session *session;
	struct iscsi_task *task; /* pinned, or NULL */
	struct iscsi_conn *conn; /* NULL: nobody to answer */
	struct list conn_link;
	uint32_t itt, cmdsn;
	bool close; /* the session ends with the answer */
};

static unsigned int tmf_function(const uint8_t *bhs)
{
	return bhs[ISCSI_AT_FLAGS] & 0x7f;
}

static void tmf_answer(struct iscsi_conn *conn, uint32_t itt, uint8_t response)
{
	struct iscsi_reply *reply = iscsi_reply_new(ISCSI_TMF_RESPONSE, itt, 0);

	if (reply)
		reply->bhs[ISCSI_TMF_AT_RESPONSE] = response;
	iscsi_conn_reply(conn, reply);
}

static uint8_t tmf_response(enum scsi_tmf_response response)
{
	switch (response) {
	case SCSI_TMF_COMPLETE:
		return ISCSI_TMF_COMPLETE;
	case SCSI_TMF_SUCCEEDED:
		return ISCSI_TMF_SUCCEEDED;
	case SCSI_TMF_NO_TASK:
		return ISCSI_TMF_NO_TASK;
	case SCSI_TMF_NO_LUN:
		return ISCSI_TMF_NO_LUN;
	default:
		return ISCSI_TMF_REJECTED;
	}
}

static void tmf_orphan(struct tmf_request *request)
{
	list_del(&request->conn_link);
	request->conn = NULL;
}

void iscsi_tmf_orphan_all(struct iscsi_conn *conn)
{
	while (!list_empty(&conn->tmfs))
		tmf_orphan(container_of(conn->tmfs.next, struct tmf_request, conn_link));
}

static void tmf_done(struct scsi_tmf *tmf)
{
	struct tmf_request *request = container_of(tmf, struct tmf_request, tmf);
	struct iscsi_session *session = request->session;
	struct iscsi_conn *conn = request->conn;

	if (conn)
		tmf_orphan(request);
	if (conn && conn->state == ISCSI_CONN_FULL) {
		tmf_answer(conn, request->itt, tmf_response(tmf->response));
		if (request->close)
			iscsi_conn_finish(conn);
	}
	if (request->close)
		iscsi_session_close(session);
	if (request->task)
		iscsi_task_unpin(request->task);
	free(request);
	session->ntmfs--;
	iscsi_session_put(session);
}

/*
 * RFC 7143 4.2.3.3: it is about what was numbered before it. Later ones that another connection
 * brought sooner are answered as if nothing had been. So are immediate ones that came while it had
 * to wait, if a number was used up meanwhile; with the same number, who is to say.
 */
static bool task_is_later(const struct iscsi_task *task, uint32_t cmdsn)
{
	return task->immediate ? sn_before(cmdsn, task->cmdsn) : !sn_before(task->cmdsn, cmdsn);
}

static bool tmf_spares(const struct scsi_tmf *tmf, const struct command *cmd)
{
	return task_is_later(container_of(cmd, const struct iscsi_task, cmd),
			     container_of(tmf, const struct tmf_request, tmf)->cmdsn);
}

static void tmf_execute(struct iscsi_conn *conn, const uint8_t *bhs,
			enum scsi_tmf_function function, struct iscsi_task *task)
{
	struct tmf_request *request =
		conn->session->ntmfs < ISCSI_TMF_MAX ? calloc(1, sizeof(*request)) : NULL;

	if (!request) {
		tmf_answer(conn, get_be32(bhs + ISCSI_AT_ITT), ISCSI_TMF_REJECTED);
		return;
	}
	request->session = conn->session;
	request->conn = conn;
	list_add_tail(&conn->tmfs, &request->conn_link);
	request->itt = get_be32(bhs + ISCSI_AT_ITT);
	request->cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);
	request->close = tmf_function(bhs) == ISCSI_COLD_RESET;
	request->task = task;
	request->tmf = (struct scsi_tmf){.function = function,
					 .lun = get_be64(bhs + ISCSI_AT_LUN),
					 .task = task ? &task->cmd : NULL,
					 .done = tmf_done,
					 .spares = tmf_spares};
	if (task)
		iscsi_task_pin(task);
	conn->session->nlive++;
	conn->session->ntmfs++;
	scsi_task_management(conn->session->scsi, &request->tmf);
}

/* A command that waits for its turn is taken out of its place, which counts as filled. */
static void held_forget(struct iscsi_session *session, const struct iscsi_task *task)
{
	struct iscsi_held *held;

	list_for_each_entry (held, &session->held, link)
		if (held->task == task) {
			held->task = NULL;
			held->conn = NULL;
		}
}

static bool tmf_is_about(const struct iscsi_task *task, uint64_t lun, bool all_luns)
{
	return all_luns || iscsi_session_same_unit(task->session, task->cmd.scsi.lun, lun);
}

/* Of those numbered before the function. */
static void held_abort(struct iscsi_session *session, uint32_t before, uint64_t lun, bool all_luns)
{
	struct iscsi_held *held;

	/* What gets its memory now could be the one that those here wait for. */
	iscsi_pool_pause(&session->worker->pool);
	list_for_each_entry (held, &session->held, link) {
		struct iscsi_task *task = held->task;

		if (!task || !sn_before(held->cmdsn, before) || !tmf_is_about(task, lun, all_luns))
			continue;
		held->task = NULL;
		held->conn = NULL;
		iscsi_task_abort(task);
	}
	iscsi_pool_go_on(&session->worker->pool);
}

/* What has not come counts as received: it is for the same target, which is reset. */
static void gaps_fill(struct iscsi_session *session, uint32_t before)
{
	while (sn_before(session->exp_cmdsn, before))
		if (!iscsi_session_fill(session, session->exp_cmdsn))
			return;
}

/* Commands that have not reached the device server yet. */
static void ready_abort(struct iscsi_session *session, uint32_t before, uint64_t lun, bool all_luns)
{
	struct iscsi_task *task, *next;

	iscsi_session_pause(session);
	list_for_each_entry_safe (task, next, &session->ready, ready)
		if (!task_is_later(task, before) && tmf_is_about(task, lun, all_luns))
			iscsi_task_abort(task);
	iscsi_session_go_on(session);
}

/* RFC 7143 11.5.5, 11.6.1: what became of the task decides. */
static void abort_task(struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_session *session = conn->session;
	struct iscsi_task *task = iscsi_task_find(session, get_be32(bhs + ISCSI_TMF_AT_REFTAG));
	uint32_t ref = get_be32(bhs + ISCSI_TMF_AT_REFCMDSN);
	uint32_t itt = get_be32(bhs + ISCSI_AT_ITT);
	bool lost;

	if (task && task->state == ISCSI_TASK_EXECUTING) {
		tmf_execute(conn, bhs, SCSI_ABORT_TASK, task);
	} else if (task && task->state != ISCSI_TASK_ANSWERING) {
		held_forget(session, task);
		iscsi_task_abort(task);
		tmf_answer(conn, itt, ISCSI_TMF_COMPLETE);
	} else {
		/* One that has not come: it counts as received now, and aborted. */
		lost = !task && sn_before(ref, get_be32(bhs + ISCSI_AT_CMDSN)) &&
		       iscsi_session_fill(session, ref);
		tmf_answer(conn, itt, lost ? ISCSI_TMF_COMPLETE : ISCSI_TMF_NO_TASK);
	}
}

static void query_task(struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_task *task =
		iscsi_task_find(conn->session, get_be32(bhs + ISCSI_TMF_AT_REFTAG));

	if (task && task->state == ISCSI_TASK_EXECUTING)
		tmf_execute(conn, bhs, SCSI_QUERY_TASK, task);
	else
		tmf_answer(conn, get_be32(bhs + ISCSI_AT_ITT),
			   task ? ISCSI_TMF_SUCCEEDED : ISCSI_TMF_COMPLETE);
}

static void tmf_level2(struct iscsi_conn *conn, const uint8_t *bhs, unsigned int function)
{
	if (conn->session->params.value[ISCSI_PROTOCOL_LEVEL] < 2)
		tmf_answer(conn, get_be32(bhs + ISCSI_AT_ITT), ISCSI_TMF_UNSUPPORTED);
	else if (function == ISCSI_QUERY_TASK)
		query_task(conn, bhs);
	else
		tmf_execute(conn, bhs,
			    function == ISCSI_QUERY_TASK_SET ? SCSI_QUERY_TASK_SET
							     : SCSI_QUERY_UNIT_ATTENTION,
			    NULL);
}

/* What is about a unit waits for, or ends later, what was numbered before it and has not come. */
static bool unit_may_begin(struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_session *session = conn->session;
	uint32_t cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);
	bool wait = iscsi_session_awaits(session, cmdsn), kept = true;

	if (wait)
		kept = iscsi_session_postpone(session, conn, bhs);
	else if (sn_before(session->exp_cmdsn, cmdsn))
		kept = iscsi_session_bar(session, bhs);
	if (!kept)
		tmf_answer(conn, get_be32(bhs + ISCSI_AT_ITT), ISCSI_TMF_REJECTED);
	return kept && !wait;
}

static void tmf_of_many(struct iscsi_conn *conn, const uint8_t *bhs,
			enum scsi_tmf_function function)
{
	struct iscsi_session *session = conn->session;
	uint32_t cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);
	uint64_t lun = get_be64(bhs + ISCSI_AT_LUN);
	bool all_luns = function == SCSI_TARGET_RESET;

	if (!all_luns && !unit_may_begin(conn, bhs))
		return;
	held_abort(session, cmdsn, lun, all_luns);
	if (all_luns)
		gaps_fill(session, cmdsn);
	/* Its turn has come for what may have ended the connection. */
	if (conn->state != ISCSI_CONN_FULL)
		return;
	ready_abort(session, cmdsn, lun, all_luns);
	tmf_execute(conn, bhs, function, NULL);
}

static void tmf_begin(struct iscsi_conn *conn, const uint8_t *bhs)
{
	uint32_t itt = get_be32(bhs + ISCSI_AT_ITT);
	unsigned int function = tmf_function(bhs);

	switch (function) {
	case ISCSI_ABORT_TASK:
		abort_task(conn, bhs);
		break;
	case ISCSI_ABORT_TASK_SET:
		tmf_of_many(conn, bhs, SCSI_ABORT_TASK_SET);
		break;
	case ISCSI_CLEAR_TASK_SET:
		tmf_of_many(conn, bhs, SCSI_CLEAR_TASK_SET);
		break;
	case ISCSI_LU_RESET:
		tmf_of_many(conn, bhs, SCSI_LU_RESET);
		break;
	case ISCSI_WARM_RESET:
	case ISCSI_COLD_RESET:
		tmf_of_many(conn, bhs, SCSI_TARGET_RESET);
		break;
	case ISCSI_QUERY_TASK:
	case ISCSI_QUERY_TASK_SET:
	case ISCSI_QUERY_ASYNC_EVENT:
		tmf_level2(conn, bhs, function);
		break;
	case ISCSI_REASSIGN:
		tmf_answer(conn, itt, ISCSI_TMF_NO_REASSIGN);
		break;
	default:
		tmf_answer(conn, itt, ISCSI_TMF_UNSUPPORTED);
	}
}

void iscsi_tmf_request(struct iscsi_conn *conn, const uint8_t *bhs)
{
	conn->worker->stats.tmf[tmf_function(bhs) % 16]++;
	tmf_begin(conn, bhs);
}

void iscsi_tmf_resume(struct iscsi_conn *conn, const uint8_t *bhs)
{
	if (conn->state == ISCSI_CONN_FULL)
		tmf_begin(conn, bhs);
}
