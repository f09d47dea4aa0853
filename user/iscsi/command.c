/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SCSI Command and Data-Out as they arrive (RFC 7143 11.3, 11.7). */
#include "iscsi/internal.h"

#include "scsi/sense.h"
#include <string.h>

/* Its data is read and forgotten. */
static bool header_ignore(struct iscsi_conn *conn)
{
	conn->rx.ignore = true;
	return true;
}

/* A command that cannot be one: rejected, but its number has been used. */
static bool command_refuse(struct iscsi_conn *conn, uint8_t reason)
{
	const uint8_t *bhs = conn->rx.head;

	iscsi_conn_reject(conn, bhs, reason);
	if (!(bhs[ISCSI_AT_OPCODE] & ISCSI_IMMEDIATE))
		iscsi_session_fill(conn->session, get_be32(bhs + ISCSI_AT_CMDSN));
	return header_ignore(conn);
}

/* ---- a command's header ---- */

/* RFC 7143 11.2.2: additional header segments; false: they are none, or there is one too many. */
static bool command_read_ahs(struct iscsi_task *task, const uint8_t *ahs, uint32_t len)
{
	struct scsi_command *scsi = &task->cmd.scsi;

	while (len >= 4) {
		uint32_t bytes = get_be16(ahs), total = (3 + bytes + 3) & ~3u;

		if (!bytes || total > len)
			return false;
		/* Behind the length and the type is a reserved byte, which the length counts. */
		if ((ahs[2] & 0x3f) == ISCSI_AHS_EXTENDED_CDB) {
			uint32_t more = bytes - 1, room = SCSI_CDB_MAX - ISCSI_CDB;

			if (scsi->cdb_len != ISCSI_CDB || more > UINT8_MAX - ISCSI_CDB)
				return false;
			memcpy(scsi->cdb + ISCSI_CDB, ahs + 4, more < room ? more : room);
			scsi->cdb_len = (uint8_t)(ISCSI_CDB + more);
		}
		ahs += total;
		len -= total;
	}
	return !len;
}

static uint8_t command_attribute(uint8_t flags)
{
	switch (flags & ISCSI_COMMAND_ATTR) {
	case ISCSI_ORDERED:
		return SCSI_ORDERED;
	case ISCSI_HEAD_OF_QUEUE:
		return SCSI_HEAD_OF_QUEUE;
	case ISCSI_ACA:
		return SCSI_ACA;
	default:
		return SCSI_SIMPLE;
	}
}

static bool command_read(struct iscsi_task *task, const uint8_t *head)
{
	struct scsi_command *scsi = &task->cmd.scsi;
	bool read = task->flags & ISCSI_COMMAND_READ, write = task->flags & ISCSI_COMMAND_WRITE;

	memcpy(scsi->cdb, head + ISCSI_COMMAND_AT_CDB, ISCSI_CDB);
	scsi->cdb_len = ISCSI_CDB;
	scsi->attribute = command_attribute(task->flags);
	scsi->lun = get_be64(head + ISCSI_AT_LUN);
	task->expected = get_be32(head + ISCSI_COMMAND_AT_EXPECTED);
	scsi->out_len = write ? task->expected : 0;
	scsi->in_len = read ? task->expected : 0;
	/* Commands of both directions are none of SBC's. */
	if (read && write) {
		scsi->out_len = scsi->in_len = 0;
		iscsi_task_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD_IN_IU);
	}
	return command_read_ahs(task, head + ISCSI_BHS, head[ISCSI_AT_AHS_LENGTH] * 4u);
}

/* RFC 7143 11.4.7.2: data that comes unsolicited must have been agreed upon. */
static void command_check_data(struct iscsi_task *task, uint32_t len)
{
	const struct iscsi_params *params = &task->session->params;
	bool follows = !(task->flags & ISCSI_FINAL);

	if ((len && (!params->value[ISCSI_IMMEDIATE_DATA] || !(task->flags & ISCSI_COMMAND_WRITE) ||
		     len > params->value[ISCSI_FIRST_BURST])) ||
	    (follows && (params->value[ISCSI_INITIAL_R2T] || !(task->flags & ISCSI_COMMAND_WRITE))))
		iscsi_task_fail(task, SCSI_KEY_ABORTED_COMMAND, ISCSI_ASC_UNEXPECTED_DATA);
	else if (len > task->expected)
		iscsi_task_fail(task, SCSI_KEY_ABORTED_COMMAND, ISCSI_ASC_INCORRECT_AMOUNT);
	else
		task->unsolicited = follows;
}

/* There is memory for its data, or none is needed. */
static void command_receive(struct iscsi_conn *conn, struct iscsi_task *task)
{
	struct iscsi_rx *rx = &conn->rx;

	rx->task = task;
	rx->off = 0;
	rx->room = task->reserved ? iscsi_task_room(task) : 0;
	task->first = rx->len < rx->room ? rx->len : rx->room;
	task->received = rx->len;
	iscsi_task_heard(task);
	task->asked = task->heard;
	if (task->unsolicited) {
		task->receiving = true;
		conn->owed++;
	}
}

static void command_granted(struct iscsi_waiter *waiter)
{
	struct iscsi_task *task = container_of(waiter, struct iscsi_task, waiter);
	struct iscsi_conn *conn = task->conn;

	task->reserved = true;
	command_receive(conn, task);
	iscsi_input_resume(conn);
}

/* More data-out of the task may be asked for: now, or when its turn or its next piece comes. */
static bool task_wants_data(const struct iscsi_task *task)
{
	uint32_t asked = task->solicited ? task->want_off : task->want_off + task->want_len;

	return task->flags & ISCSI_COMMAND_WRITE && task->state < ISCSI_TASK_ANSWERING &&
	       !task->failed && !task->full && task->first < task->expected &&
	       asked < task->expected;
}

static bool conn_wants_data(const struct iscsi_conn *conn, const struct iscsi_task *but)
{
	const struct iscsi_task *task;

	list_for_each_entry (task, &conn->tasks, conn_link)
		if (task != but && task_wants_data(task))
			return true;
	return false;
}

/*
 * Commands that bring data have their memory before it is read. The connection may stop for that
 * only while nothing that holds memory, or will, waits for what comes behind.
 */
static bool command_make_room(struct iscsi_conn *conn, struct iscsi_task *task)
{
	if (iscsi_task_reserve(task, command_granted)) {
		command_receive(conn, task);
		return true;
	}
	if (!conn_wants_data(conn, task) && conn->session->nconns == 1) {
		conn->rx.task = task;
		return false;
	}
	iscsi_pool_cancel(&conn->worker->pool, &task->waiter);
	conn->worker->stats.task_set_full++;
	task->full = true;
	task->unsolicited = false;
	command_receive(conn, task);
	return true;
}

bool iscsi_command_header(struct iscsi_conn *conn)
{
	struct iscsi_session *session = conn->session;
	const uint8_t *head = conn->rx.head;
	bool immediate = head[ISCSI_AT_OPCODE] & ISCSI_IMMEDIATE;
	uint32_t itt = get_be32(head + ISCSI_AT_ITT);
	struct iscsi_task *task;

	if (!immediate && !iscsi_session_expects(session, get_be32(head + ISCSI_AT_CMDSN)))
		return header_ignore(conn);
	if (immediate && session->nimmediate >= ISCSI_IMMEDIATE_MAX)
		return command_refuse(conn, ISCSI_REJECT_TOO_MANY_IMMEDIATE);
	if (itt == ISCSI_NO_TAG)
		return command_refuse(conn, ISCSI_REJECT_FIELD);
	if (iscsi_task_find(session, itt))
		return command_refuse(conn, ISCSI_REJECT_TASK_IN_PROGRESS);
	task = iscsi_task_new(conn, head);
	if (!task) {
		iscsi_conn_drop(conn, "no memory for a command");
		return true;
	}
	if (!command_read(task, head)) {
		iscsi_task_abort(task);
		return command_refuse(conn, ISCSI_REJECT_FIELD);
	}
	if (!task->failed)
		command_check_data(task, conn->rx.len);
	if (!task->failed && (conn->rx.len || task->unsolicited))
		return command_make_room(conn, task);
	command_receive(conn, task);
	return true;
}

/* ---- a whole command ---- */

void iscsi_command_whole(struct iscsi_task *task)
{
	struct iscsi_session *session = task->session;

	if (task->full)
		task->cmd.scsi.status = SCSI_TASK_SET_FULL;
	if (task->failed || task->full) {
		iscsi_task_answer(task);
		return;
	}
	task->state = ISCSI_TASK_READY;
	list_add_tail(&session->ready, &task->ready);
	iscsi_session_dispatch(session);
}

static void ready_granted(struct iscsi_waiter *waiter)
{
	struct iscsi_task *task = container_of(waiter, struct iscsi_task, waiter);

	task->reserved = true;
	iscsi_session_dispatch(task->session);
}

/*
 * In order: one that waits for memory holds back those behind it, so that the task set gets them
 * as they were numbered. Commands that end at once only lengthen the loop.
 */
void iscsi_session_dispatch(struct iscsi_session *session)
{
	if (session->dispatching)
		return;
	session->dispatching = true;
	while (!list_empty(&session->ready) && !session->closing) {
		struct iscsi_task *task =
			container_of(session->ready.next, struct iscsi_task, ready);

		if (list_linked(&task->waiter.link))
			break;
		if (!task->reserved && !iscsi_task_reserve(task, ready_granted))
			break;
		list_del(&task->ready);
		task->state = ISCSI_TASK_EXECUTING;
		scsi_execute(session->scsi, &task->cmd);
	}
	session->dispatching = false;
}

void iscsi_session_pause(struct iscsi_session *session)
{
	session->dispatching = true;
	iscsi_pool_pause(&session->worker->pool);
}

void iscsi_session_go_on(struct iscsi_session *session)
{
	session->dispatching = false;
	iscsi_pool_go_on(&session->worker->pool);
	iscsi_session_dispatch(session);
}

/* ---- Data-Out ---- */

/* What the sequence under way still may bring, or -1: none is. *at is its place in memory. */
static int64_t data_expected(const struct iscsi_task *task, uint32_t ttt, uint32_t offset,
			     uint32_t *at)
{
	if (ttt == ISCSI_NO_TAG) {
		uint32_t burst = task->session->params.value[ISCSI_FIRST_BURST];

		if (!task->unsolicited)
			return -1;
		*at = offset;
		if (task->expected < burst)
			burst = task->expected;
		return offset == task->received && offset <= burst ? burst - offset : 0;
	}
	if (ttt - task->ttt >= task->r2ts)
		return -1;
	/* It is asked for, but its turn has not come. */
	if (ttt != task->ttt)
		return 0;
	*at = task->base + offset - task->want_off;
	return offset == task->r2t_off + task->received ? task->r2t_len - task->received : 0;
}

/*
 * A PDU of the sequence is missing or one comes twice: at recovery level 0 that is the end of the
 * task. So is data that was not asked for.
 */
static uint16_t data_wrong(const struct iscsi_task *task, const uint8_t *head, uint32_t len,
			   int64_t left)
{
	bool final = head[ISCSI_AT_FLAGS] & ISCSI_FINAL;

	if (get_be32(head + ISCSI_DATA_AT_SN) != task->data_sn_out)
		return ISCSI_ASC_CRC_ERROR;
	if (len > left)
		return ISCSI_ASC_INCORRECT_AMOUNT;
	if (get_be32(head + ISCSI_AT_TTT) != ISCSI_NO_TAG && final != (len == left))
		return ISCSI_ASC_INCORRECT_AMOUNT;
	return 0;
}

bool iscsi_data_header(struct iscsi_conn *conn)
{
	struct iscsi_rx *rx = &conn->rx;
	uint32_t ttt = get_be32(rx->head + ISCSI_AT_TTT);
	uint32_t offset = get_be32(rx->head + ISCSI_DATA_AT_OFFSET);
	struct iscsi_task *task = iscsi_task_find(conn->session, get_be32(rx->head + ISCSI_AT_ITT));
	uint16_t wrong;
	int64_t left;

	/* For a task that was aborted or ends: nobody is interested (RFC 7143 4.2.3.3). */
	if (!task || task->conn != conn || task->failed || task->full ||
	    task->state == ISCSI_TASK_ANSWERING)
		return header_ignore(conn);
	left = data_expected(task, ttt, offset, &rx->off);
	if (left < 0) {
		conn->worker->stats.protocol_errors++;
		iscsi_conn_reject(conn, rx->head, ISCSI_REJECT_FIELD);
		return header_ignore(conn);
	}
	wrong = data_wrong(task, rx->head, rx->len, left);
	if (wrong) {
		conn->worker->stats.protocol_errors++;
		iscsi_task_fail(task, SCSI_KEY_ABORTED_COMMAND, wrong);
		return header_ignore(conn);
	}
	rx->task = task;
	rx->room = iscsi_task_room(task);
	return true;
}

void iscsi_data_whole(struct iscsi_conn *conn, bool good)
{
	struct iscsi_rx *rx = &conn->rx;
	struct iscsi_task *task = rx->task;
	bool unsolicited = get_be32(rx->head + ISCSI_AT_TTT) == ISCSI_NO_TAG;

	/* It may have been aborted while the data came. */
	if (!task || task->state == ISCSI_TASK_OVER || task->failed ||
	    (unsolicited ? !task->unsolicited : !task->r2t_len))
		return;
	iscsi_task_heard(task);
	task->spoiled |= !good;
	task->received += rx->len;
	task->data_sn_out++;
	if (unsolicited) {
		task->first = task->received < rx->room ? task->received : rx->room;
		task->unsolicited = !(rx->head[ISCSI_AT_FLAGS] & ISCSI_FINAL);
		if (!task->unsolicited && !task->solicited)
			iscsi_task_data_ends(task);
	}
	iscsi_task_data_arrived(task);
}
