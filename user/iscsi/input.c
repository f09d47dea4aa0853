/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a connection receives: PDUs out of a stream of bytes. */
#include "iscsi/internal.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define DIRECT_MIN    4096u /* bytes that are worth a transfer of their own */
#define LOGIN_SEGMENT 8192u /* RFC 7143 13.12: what holds before anything is declared */

static void rx_reset(struct iscsi_rx *rx)
{
	free(rx->buffer);
	rx->buffer = NULL;
	rx->task = NULL;
	rx->ignore = false;
	rx->state = ISCSI_RX_HEAD;
	rx->got = 0;
	rx->need = ISCSI_BHS;
	rx->len = rx->off = rx->room = 0;
	rx->moved = 0;
}

bool iscsi_input_open(const struct iscsi_conn *conn)
{
	return iscsi_conn_open_for_requests(conn) && conn->rx.state != ISCSI_RX_STUCK &&
	       conn->nreplies < ISCSI_REPLIES_MAX && conn->reply_bytes < ISCSI_REPLIES_BYTES_MAX;
}

static uint8_t rx_opcode(const struct iscsi_rx *rx)
{
	return rx->head[ISCSI_AT_OPCODE] & ISCSI_OPCODE_MASK;
}

/* It takes its turn; SNACK (RFC 7143 11.16) has no number, and where others have it is reserved. */
static bool rx_is_numbered(const struct iscsi_rx *rx)
{
	return !(rx->head[ISCSI_AT_OPCODE] & ISCSI_IMMEDIATE) && rx_opcode(rx) != ISCSI_SNACK;
}

/* ---- a whole PDU ---- */

/* An immediate request names the number that the next one will have. */
static void rx_take_number(struct iscsi_conn *conn)
{
	uint32_t cmdsn = get_be32(conn->rx.head + ISCSI_AT_CMDSN);

	if (rx_opcode(&conn->rx) != ISCSI_SNACK && sn_before(conn->cmdsn, cmdsn))
		conn->cmdsn = cmdsn;
}

static void rx_dispatch(struct iscsi_conn *conn, struct iscsi_task *task)
{
	struct iscsi_rx *rx = &conn->rx;
	uint32_t len = rx->len < rx->room ? rx->len : rx->room;

	if (conn->state == ISCSI_CONN_LOGIN) {
		iscsi_login_request(conn, rx->head, rx->buffer, len);
		return;
	}
	rx_take_number(conn);
	if (!rx_is_numbered(rx))
		iscsi_request(conn, rx->head, rx->buffer, len, task);
	else
		iscsi_session_deliver(conn->session, conn, rx->head, rx->buffer, len, task);
	iscsi_session_review(conn->session);
}

/* A command that was aborted while it arrived: its number, if it has one, counts as received. */
static void rx_aborted(struct iscsi_conn *conn, const struct iscsi_task *task)
{
	if (!task->immediate)
		iscsi_session_fill(conn->session, task->cmdsn);
}

/*
 * RFC 7143 7.8: a PDU whose data is bad is rejected and otherwise as if it had not come. Where its
 * number is missing then, nothing that follows may begin, and at recovery level 0 nobody sends it
 * again on this connection. Initiators log the reject and wait, for half a minute or for ever; with
 * a new session all goes on at once.
 */
static void rx_reject_data(struct iscsi_conn *conn)
{
	struct iscsi_rx *rx = &conn->rx;

	conn->worker->stats.data_digest_errors++;
	if (rx->ignore)
		return;
	iscsi_conn_reject(conn, rx->head, ISCSI_REJECT_DATA_DIGEST);
	if (!rx_is_numbered(rx) || rx_opcode(rx) == ISCSI_DATA_OUT ||
	    conn->state != ISCSI_CONN_FULL)
		return;
	iscsi_conn_log(conn, LOG_NOTICE, "dropping %s: the digest of a request's data was wrong",
		       conn->peer);
	conn->worker->stats.sessions_lost++;
	iscsi_conn_finish(conn);
	iscsi_session_close(conn->session);
}

static void rx_whole(struct iscsi_conn *conn, bool good)
{
	struct iscsi_rx *rx = &conn->rx;
	struct iscsi_task *task = rx->task;

	if (task && rx->len)
		conn->brought_at = conn->worker->now;
	if (!good)
		rx_reject_data(conn);
	if (rx->ignore)
		;
	else if (rx_opcode(rx) == ISCSI_DATA_OUT && conn->state == ISCSI_CONN_FULL)
		iscsi_data_whole(conn, good);
	else if (good && task && task->state == ISCSI_TASK_OVER)
		rx_aborted(conn, task);
	else if (good)
		rx_dispatch(conn, task);
	else if (task)
		iscsi_task_abort(task);
	if (task)
		iscsi_task_unpin(task);
	rx_reset(rx);
}

static bool rx_digest_good(const struct iscsi_conn *conn)
{
	const struct iscsi_rx *rx = &conn->rx;
	uint32_t pad = -rx->len & 3;
	uint8_t digest[ISCSI_DIGEST];

	if (!conn->data_digest || !rx->len)
		return true;
	iscsi_crc_put(iscsi_crc(rx->crc, rx->tail, pad), digest);
	return !memcmp(digest, rx->tail + pad, sizeof(digest));
}

static void rx_data_end(struct iscsi_conn *conn)
{
	struct iscsi_rx *rx = &conn->rx;

	rx->state = ISCSI_RX_TAIL;
	rx->got = 0;
	rx->need = rx->len ? (-rx->len & 3) + (conn->data_digest ? ISCSI_DIGEST : 0) : 0;
	if (!rx->need)
		rx_whole(conn, true);
}

/* ---- a whole header ---- */

static void rx_data_begin(struct iscsi_conn *conn)
{
	struct iscsi_rx *rx = &conn->rx;

	rx->state = ISCSI_RX_DATA;
	rx->got = 0;
	rx->crc = ISCSI_CRC_SEED;
	if (!rx->len)
		rx_data_end(conn);
}

/* A request that is neither command nor data: its data is text, or for NOP-Out anything. */
static bool rx_other_header(struct iscsi_conn *conn)
{
	struct iscsi_rx *rx = &conn->rx;
	uint8_t opcode = rx->head[ISCSI_AT_OPCODE];

	if (conn->state == ISCSI_CONN_FULL && rx_is_numbered(rx) &&
	    !iscsi_session_expects(conn->session, get_be32(rx->head + ISCSI_AT_CMDSN))) {
		rx->ignore = true;
		return true;
	}
	if ((opcode & ISCSI_OPCODE_MASK) == ISCSI_TEXT && rx->len > ISCSI_TEXT_MAX) {
		iscsi_conn_reject(conn, rx->head, ISCSI_REJECT_RESOURCES);
		if (!(opcode & ISCSI_IMMEDIATE))
			iscsi_session_fill(conn->session, get_be32(rx->head + ISCSI_AT_CMDSN));
		rx->ignore = true;
		return true;
	}
	rx->room = rx->len < ISCSI_TEXT_MAX ? rx->len : ISCSI_TEXT_MAX;
	rx->buffer = malloc(rx->room + 1);
	if (!rx->buffer)
		iscsi_conn_drop(conn, "no memory for a request");
	return true;
}

static bool rx_header(struct iscsi_conn *conn)
{
	uint8_t opcode = rx_opcode(&conn->rx);

	if (conn->state != ISCSI_CONN_LOGIN && conn->session->scsi) {
		if (opcode == ISCSI_COMMAND)
			return iscsi_command_header(conn);
		if (opcode == ISCSI_DATA_OUT)
			return iscsi_data_header(conn);
	}
	return rx_other_header(conn);
}

static void rx_head_whole(struct iscsi_conn *conn)
{
	struct iscsi_rx *rx = &conn->rx;
	uint32_t max = conn->params.ours[ISCSI_MAX_RECV];
	uint8_t digest[ISCSI_DIGEST];
	bool ready;

	if (conn->header_digest) {
		uint32_t len = rx->need - ISCSI_DIGEST;

		iscsi_crc_put(iscsi_crc(ISCSI_CRC_SEED, rx->head, len), digest);
		if (memcmp(digest, rx->head + len, sizeof(digest))) {
			conn->worker->stats.header_digest_errors++;
			iscsi_conn_drop(conn, "a header's digest was wrong");
			return;
		}
	}
	rx->len = get_be24(rx->head + ISCSI_AT_DATA_LENGTH);
	if (conn->state == ISCSI_CONN_LOGIN) {
		max = LOGIN_SEGMENT;
		if (rx_opcode(rx) != ISCSI_LOGIN) {
			iscsi_conn_drop(conn, "the first request was no login");
			return;
		}
	}
	if (rx->len > max) {
		iscsi_conn_drop(conn, "a data segment was longer than we take");
		return;
	}
	ready = rx_header(conn);
	if (rx->task)
		iscsi_task_pin(rx->task);
	if (!iscsi_conn_open_for_requests(conn))
		return;
	if (ready)
		rx_data_begin(conn);
	else
		rx->state = ISCSI_RX_STUCK;
}

void iscsi_input_resume(struct iscsi_conn *conn)
{
	/* Nothing is taken in any more where the connection leaves. */
	if (conn->rx.state != ISCSI_RX_STUCK || !iscsi_conn_open_for_requests(conn))
		return;
	/* Nobody could be heard meanwhile. */
	conn->last_rx = conn->worker->now;
	conn->pinged = 0;
	rx_data_begin(conn);
	iscsi_worker_due_by(conn->worker, iscsi_conn_due(conn));
	iscsi_conn_wake(conn);
}

void iscsi_input_drop(struct iscsi_conn *conn)
{
	struct iscsi_task *task = conn->rx.task;

	rx_reset(&conn->rx);
	if (task)
		iscsi_task_unpin(task);
}

/* ---- bytes ---- */

static size_t rx_take_head(struct iscsi_conn *conn, const uint8_t *bytes, size_t len)
{
	struct iscsi_rx *rx = &conn->rx;
	size_t n = rx->need - rx->got < len ? rx->need - rx->got : len;

	memcpy(rx->head + rx->got, bytes, n);
	rx->got += (uint32_t)n;
	if (rx->got == ISCSI_BHS && rx->need == ISCSI_BHS)
		rx->need += rx->head[ISCSI_AT_AHS_LENGTH] * 4u +
			    (conn->header_digest ? ISCSI_DIGEST : 0);
	if (rx->got == rx->need)
		rx_head_whole(conn);
	return n;
}

/* The part of `len` bytes, from rx->got on, that there is memory for. */
static uint32_t rx_wanted(const struct iscsi_rx *rx, uint32_t len)
{
	uint32_t at = rx->off + rx->got;

	if (at >= rx->room)
		return 0;
	return rx->room - at < len ? rx->room - at : len;
}

static void rx_task_copy(struct iscsi_conn *conn, const uint8_t *bytes, uint32_t len)
{
	struct iscsi_rx *rx = &conn->rx;
	struct span spans[ISCSI_TASK_SPANS];
	unsigned int n = iscsi_task_spans(rx->task, rx->off + rx->got, len, spans);

	for (unsigned int i = 0; i < n; i++) {
		memcpy(arena_ptr(conn->worker->pool.arena, spans[i].addr), bytes, spans[i].len);
		bytes += spans[i].len;
	}
}

static size_t rx_take_data(struct iscsi_conn *conn, const uint8_t *bytes, size_t len)
{
	struct iscsi_rx *rx = &conn->rx;
	uint32_t n = rx->len - rx->got < len ? rx->len - rx->got : (uint32_t)len;
	uint32_t wanted = rx_wanted(rx, n);

	if (wanted && rx->task)
		rx_task_copy(conn, bytes, wanted);
	else if (wanted)
		memcpy(rx->buffer + rx->off + rx->got, bytes, wanted);
	if (conn->data_digest)
		rx->crc = iscsi_crc(rx->crc, bytes, n);
	rx->got += n;
	if (rx->got == rx->len)
		rx_data_end(conn);
	return n;
}

static size_t rx_take_tail(struct iscsi_conn *conn, const uint8_t *bytes, size_t len)
{
	struct iscsi_rx *rx = &conn->rx;
	size_t n = rx->need - rx->got < len ? rx->need - rx->got : len;

	memcpy(rx->tail + rx->got, bytes, n);
	rx->got += (uint32_t)n;
	if (rx->got == rx->need)
		rx_whole(conn, rx_digest_good(conn));
	return n;
}

static void input_heard(struct iscsi_conn *conn, uint64_t now_ns)
{
	bool pinged = conn->pinged;

	conn->worker->now = conn->last_rx = now_ns;
	conn->pinged = 0;
	if (conn->session)
		conn->session->last = now_ns;
	/* The next ping is due before this one's time would have been over. */
	if (pinged)
		iscsi_worker_due_by(conn->worker, iscsi_conn_due(conn));
}

size_t iscsi_conn_input(struct iscsi_conn *conn, const void *bytes, size_t len, uint64_t now_ns)
{
	const uint8_t *at = bytes;
	size_t left = len, n;

	input_heard(conn, now_ns);
	while (left && iscsi_input_open(conn)) {
		switch (conn->rx.state) {
		case ISCSI_RX_HEAD:
			n = rx_take_head(conn, at, left);
			break;
		case ISCSI_RX_DATA:
			n = rx_take_data(conn, at, left);
			break;
		default:
			n = rx_take_tail(conn, at, left);
			break;
		}
		at += n;
		left -= n;
	}
	if (left)
		conn->idle = true;
	return len - left;
}

/* Memory of the task that the rest of its data goes to straight. */
static bool rx_direct(struct iscsi_conn *conn, struct iscsi_want *want)
{
	const struct iscsi_rx *rx = &conn->rx;
	struct span spans[ISCSI_TASK_SPANS];
	uint32_t len;

	if (rx->state != ISCSI_RX_DATA || !rx->task)
		return false;
	len = rx_wanted(rx, rx->len - rx->got);
	if (len < DIRECT_MIN)
		return false;
	want->niov = iscsi_task_spans(rx->task, rx->off + rx->got, len, spans);
	want->len = 0;
	for (unsigned int i = 0; i < want->niov; i++) {
		void *base = arena_ptr(conn->worker->pool.arena, spans[i].addr);

		want->iov[i] = (struct iovec){base, spans[i].len};
		want->len += spans[i].len;
	}
	return true;
}

void iscsi_conn_want(struct iscsi_conn *conn, struct iscsi_want *want)
{
	want->niov = 0;
	want->len = 0;
	conn->idle = !iscsi_input_open(conn);
	if (conn->idle)
		want->kind = ISCSI_WANT_NOTHING;
	else
		want->kind = rx_direct(conn, want) ? ISCSI_WANT_DIRECT : ISCSI_WANT_BYTES;
}

void iscsi_conn_landed(struct iscsi_conn *conn, uint32_t n, uint64_t now_ns)
{
	struct iscsi_rx *rx = &conn->rx;
	struct span spans[ISCSI_TASK_SPANS];
	unsigned int nspans;

	input_heard(conn, now_ns);
	/* The connection may have ended meanwhile. */
	if (rx->state != ISCSI_RX_DATA || !rx->task || !iscsi_conn_open_for_requests(conn))
		return;
	assert(n <= rx->len - rx->got);
	nspans = iscsi_task_spans(rx->task, rx->off + rx->got, n, spans);
	for (unsigned int i = 0; conn->data_digest && i < nspans; i++)
		rx->crc = iscsi_crc(rx->crc, arena_ptr(conn->worker->pool.arena, spans[i].addr),
				    spans[i].len);
	rx->got += n;
	if (rx->got == rx->len)
		rx_data_end(conn);
}
