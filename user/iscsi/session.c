/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sessions: the command window, the order of requests, birth and end. */
#include "iscsi/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSPORT_ID_PORT 0x40 /* format: an initiator port, not all of an initiator's */

/* ---- birth ---- */

/* SPC-5 7.6.4.6: an initiator port's name, NUL-terminated and padded to four bytes. */
static uint32_t session_transport_id(const struct iscsi_session_id *id,
				     uint8_t out[SCSI_TRANSPORT_ID_MAX])
{
	const uint8_t *isid = id->isid;
	char *text = (char *)out + 4;
	uint32_t len;

	memset(out, 0, SCSI_TRANSPORT_ID_MAX);
	len = (uint32_t)snprintf(text, SCSI_TRANSPORT_ID_MAX - 4, "%s,i,0x%02x%02x%02x%02x%02x%02x",
				 id->initiator, isid[0], isid[1], isid[2], isid[3], isid[4],
				 isid[5]);
	len = (len + 1 + 3) & ~3u;
	if (len < 20)
		len = 20;
	out[0] = TRANSPORT_ID_PORT | SCSI_PROTOCOL_ISCSI;
	put_be16(out + 2, (uint16_t)len);
	return 4 + len;
}

static int session_open_nexus(struct iscsi_session *session,
			      const struct iscsi_admission *admission)
{
	uint8_t transport_id[SCSI_TRANSPORT_ID_MAX];
	struct scsi_nexus_config config = {
		.nexus = &session->nexus,
		.queue = session->worker->config.queue,
		.transport_id = transport_id,
		.transport_id_len = session_transport_id(&session->id, transport_id),
		.mask = session->mask,
	};

	session->nexus.id = session->id.nexus;
	return scsi_nexus_open(admission->scsi, &config, &session->scsi);
}

static struct iscsi_session *session_new(struct iscsi_conn *conn, const struct iscsi_session_id *id)
{
	struct iscsi_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->id = *id;
	session->worker = session->id.worker = conn->worker;
	session->target = (struct iscsi_target *)id->target;
	session->params = conn->params;
	session->queue_depth = session->target ? session->target->settings.queue_depth : 8;
	session->nexus_closed = !session->target;
	session->since = session->last = conn->worker->now;
	list_init(&session->link);
	list_init(&session->conns);
	list_init(&session->held);
	list_init(&session->ready);
	iscsi_share_init(&session->share);
	for (unsigned int i = 0; i < ISCSI_TASK_BUCKETS; i++)
		list_init(&session->tasks[i]);
	return session;
}

int iscsi_session_open(struct iscsi_conn *conn, const struct iscsi_session_id *id,
		       const struct iscsi_admission *admission, struct iscsi_session **out,
		       struct iscsi_worker **there)
{
	struct iscsi_node *node = conn->worker->config.node;
	struct iscsi_session *session = session_new(conn, id);
	int ret;

	if (!session)
		return -ENOMEM;
	ret = iscsi_node_register(node, &session->id, there);
	if (ret) {
		free(session);
		return ret;
	}
	session->mask = admission->mask;
	if (session->target && session_open_nexus(session, admission)) {
		iscsi_node_unregister(node, &session->id);
		free(session);
		return -ENOMEM;
	}
	session->registered = true;
	list_add_tail(&conn->worker->sessions, &session->link);
	iscsi_session_join(session, conn);
	*out = session;
	return 0;
}

void iscsi_session_join(struct iscsi_session *session, struct iscsi_conn *conn)
{
	conn->session = session;
	list_add_tail(&session->conns, &conn->session_link);
	session->nconns++;
}

struct iscsi_session *iscsi_session_find(struct iscsi_worker *worker, uint16_t tsih)
{
	struct iscsi_session *session;

	list_for_each_entry (session, &worker->sessions, link)
		if (session->id.tsih == tsih)
			return session;
	return NULL;
}

struct iscsi_session *iscsi_session_twin(struct iscsi_worker *worker,
					 const struct iscsi_session_id *id)
{
	struct iscsi_session *session;

	list_for_each_entry (session, &worker->sessions, link)
		if (session->registered && iscsi_session_same(&session->id, id))
			return session;
	return NULL;
}

unsigned int iscsi_session_open_conns(const struct iscsi_session *session)
{
	const struct iscsi_conn *conn;
	unsigned int n = 0;

	list_for_each_entry (conn, &session->conns, session_link)
		n += conn->state == ISCSI_CONN_FULL;
	return n;
}

/* ---- end ---- */

static void session_settle(struct iscsi_session *session)
{
	struct iscsi_worker *worker = session->worker;

	if (!session->closing || !session->nexus_closed || session->nlive)
		return;
	/* From here on another one may have its place. */
	if (session->registered) {
		session->registered = false;
		iscsi_node_unregister(worker->config.node, &session->id);
		iscsi_worker_session_gone(worker);
	}
	if (session->nconns || session->settling)
		return;
	list_del(&session->link);
	iscsi_count_end(session);
	free(session);
	iscsi_worker_session_gone(worker);
}

static void session_nexus_closed(void *ctx)
{
	struct iscsi_session *session = ctx;

	session->nexus_closed = true;
	session_settle(session);
}

static void held_drop(struct iscsi_held *held)
{
	list_del(&held->link);
	if (held->task)
		iscsi_task_abort(held->task);
	free(held);
}

static void session_drop_held(struct iscsi_session *session)
{
	while (!list_empty(&session->held))
		held_drop(container_of(session->held.next, struct iscsi_held, link));
}

void iscsi_session_forget(struct iscsi_session *session, const struct iscsi_conn *conn)
{
	struct iscsi_held *held, *next;

	iscsi_pool_pause(&session->worker->pool);
	list_for_each_entry_safe (held, next, &session->held, link)
		if (held->conn == conn)
			held_drop(held);
	iscsi_pool_go_on(&session->worker->pool);
}

void iscsi_session_close(struct iscsi_session *session)
{
	struct scsi_nexus *scsi = session->scsi;
	struct iscsi_conn *conn, *next;

	if (session->closing)
		return;
	session->closing = true;
	/* Held, as the last of what ends here would free it. */
	session->settling = true;
	list_for_each_entry_safe (conn, next, &session->conns, session_link)
		if (conn->state == ISCSI_CONN_FULL)
			iscsi_conn_drop(conn, NULL);
	session_drop_held(session);
	while (!list_empty(&session->ready))
		iscsi_task_abort(container_of(session->ready.next, struct iscsi_task, ready));
	session->scsi = NULL;
	if (scsi)
		scsi_nexus_close(scsi, session_nexus_closed, session);
	session->settling = false;
	session_settle(session);
}

void iscsi_session_put(struct iscsi_session *session)
{
	session->nlive--;
	session_settle(session);
}

/* The last connection takes its session along (DefaultTime2Retain is 0). */
void iscsi_session_leave(struct iscsi_session *session, struct iscsi_conn *conn)
{
	list_del(&conn->session_link);
	conn->session = NULL;
	session->nconns--;
	if (session->closing)
		session_settle(session);
	else if (!session->nconns)
		iscsi_session_close(session);
}

/* ---- the command window (RFC 7143 4.2.2.1) ---- */

void iscsi_session_window(struct iscsi_session *session)
{
	uint32_t depth = session->queue_depth;
	uint32_t free_slots = session->ntasks < depth ? depth - session->ntasks : 0;
	uint32_t max = session->exp_cmdsn + free_slots - 1;

	if (sn_before(session->max_cmdsn, max))
		session->max_cmdsn = max;
}

static bool session_holds(const struct iscsi_session *session, uint32_t cmdsn)
{
	const struct iscsi_held *held;

	list_for_each_entry (held, &session->held, link)
		if (held->cmdsn == cmdsn && !held->immediate)
			return true;
	return false;
}

bool iscsi_session_expects(const struct iscsi_session *session, uint32_t cmdsn)
{
	return !session->closing && !sn_before(cmdsn, session->exp_cmdsn) &&
	       !sn_before(session->max_cmdsn, cmdsn) && !session_holds(session, cmdsn);
}

/* By number, and before a number what waits for those before it. */
static void held_sort_in(struct iscsi_session *session, struct iscsi_held *held)
{
	struct list *before = &session->held;
	struct iscsi_held *other;

	list_for_each_entry (other, &session->held, link)
		if (sn_before(held->cmdsn, other->cmdsn) ||
		    (held->immediate && !other->immediate && held->cmdsn == other->cmdsn)) {
			before = &other->link;
			break;
		}
	list_add_tail(before, &held->link);
}

static uint32_t session_held_bytes(const struct iscsi_session *session)
{
	const struct iscsi_held *held;
	uint32_t bytes = 0;

	list_for_each_entry (held, &session->held, link)
		bytes += held->len;
	return bytes;
}

/* Every one has its number within the window, so the list is no longer than that. */
static bool session_hold(struct iscsi_session *session, struct iscsi_conn *conn, uint32_t cmdsn,
			 const uint8_t *bhs, const uint8_t *data, uint32_t len,
			 struct iscsi_task *task)
{
	struct iscsi_held *held;

	if (task)
		len = 0;
	if (len && len > ISCSI_HELD_BYTES_MAX - session_held_bytes(session))
		return false;
	held = calloc(1, sizeof(*held) + len);
	if (!held)
		return false;
	held->cmdsn = cmdsn;
	held->conn = conn;
	held->task = task;
	held->len = len;
	if (conn)
		memcpy(held->bhs, bhs, sizeof(held->bhs));
	if (len)
		memcpy(held->data, data, len);
	held_sort_in(session, held);
	return true;
}

static bool session_keep(struct iscsi_session *session, struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_held *held;
	unsigned int n = 0;

	list_for_each_entry (held, &session->held, link)
		n += held->immediate;
	held = n < ISCSI_TMF_MAX ? calloc(1, sizeof(*held)) : NULL;
	if (!held)
		return false;
	held->cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);
	held->immediate = true;
	held->conn = conn;
	memcpy(held->bhs, bhs, sizeof(held->bhs));
	held_sort_in(session, held);
	return true;
}

/*
 * RFC 7143 4.2.3.3: what ends the commands of a unit ends all that were numbered before it, and
 * waits for those that have not come. On each connection the numbers only rise (4.2.2.1). So what
 * is missing does not come where this number or a later one was heard already, nor on a connection
 * that has left: it was lost. Only a command that is sent again has a number out of that order.
 *
 * A connection that fails ends its session (recovery level 0). One that logs out or is replaced
 * leaves a gap where a command was lost with it. The gap is not ours to close: the initiator alone
 * knows what it sent, and brings it again on another connection (7.2.1), which would be passed over
 * were its number taken for received. But that may be never, or after an answer to this request.
 * So nothing waits for it: what was ended before it came ends when it comes.
 */
bool iscsi_session_awaits(const struct iscsi_session *session, uint32_t cmdsn)
{
	const struct iscsi_conn *conn;

	if (!sn_before(session->exp_cmdsn, cmdsn))
		return false;
	list_for_each_entry (conn, &session->conns, session_link)
		if (conn->state == ISCSI_CONN_FULL && sn_before(conn->cmdsn, cmdsn))
			return true;
	return false;
}

/*
 * Those that have brought nothing of late are asked how far they are: the answer to a ping names
 * the number. Once is enough for each number.
 */
static void session_ask(struct iscsi_session *session, uint32_t cmdsn)
{
	struct iscsi_conn *conn;

	list_for_each_entry (conn, &session->conns, session_link)
		if (conn->state == ISCSI_CONN_FULL && sn_before(conn->cmdsn, cmdsn) &&
		    sn_before(conn->asked_cmdsn, cmdsn)) {
			conn->asked_cmdsn = cmdsn;
			iscsi_conn_ping(conn);
		}
}

bool iscsi_session_postpone(struct iscsi_session *session, struct iscsi_conn *conn,
			    const uint8_t *bhs)
{
	if (!session_keep(session, conn, bhs))
		return false;
	session_ask(session, get_be32(bhs + ISCSI_AT_CMDSN));
	return true;
}

/* One that waits no longer, or NULL. */
static struct iscsi_held *session_postponed(struct iscsi_session *session)
{
	struct iscsi_held *held;

	list_for_each_entry (held, &session->held, link)
		if (held->immediate && held->conn && !iscsi_session_awaits(session, held->cmdsn))
			return held;
	return NULL;
}

void iscsi_session_review(struct iscsi_session *session)
{
	struct iscsi_held *held;

	while (!session->closing && (held = session_postponed(session))) {
		list_del(&held->link);
		iscsi_tmf_resume(held->conn, held->bhs);
		free(held);
	}
}

bool iscsi_session_same_unit(const struct iscsi_session *session, uint64_t lun, uint64_t other)
{
	uint16_t number, others;

	return lun == other ||
	       (scsi_nexus_shows(session->scsi, lun, &number) &&
		scsi_nexus_shows(session->scsi, other, &others) && number == others);
}

static bool held_bars(const struct iscsi_session *session, const struct iscsi_held *held,
		      uint64_t lun)
{
	return held->immediate && !held->conn &&
	       iscsi_session_same_unit(session, get_be64(held->bhs + ISCSI_AT_LUN), lun);
}

bool iscsi_session_bar(struct iscsi_session *session, const uint8_t *bhs)
{
	uint32_t cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);
	struct iscsi_held *held;

	list_for_each_entry (held, &session->held, link) {
		if (!held_bars(session, held, get_be64(bhs + ISCSI_AT_LUN)))
			continue;
		if (sn_before(held->cmdsn, cmdsn)) {
			list_del(&held->link);
			held->cmdsn = cmdsn;
			held_sort_in(session, held);
		}
		return true;
	}
	return session_keep(session, NULL, bhs);
}

static bool session_bars(const struct iscsi_session *session, const struct iscsi_task *task)
{
	const struct iscsi_held *held;

	list_for_each_entry (held, &session->held, link)
		if (sn_before(task->cmdsn, held->cmdsn) &&
		    held_bars(session, held, task->cmd.scsi.lun))
			return true;
	return false;
}

/* Those whose turn has come. */
static void session_release(struct iscsi_session *session)
{
	while (!list_empty(&session->held) && !session->closing) {
		struct iscsi_held *held = container_of(session->held.next, struct iscsi_held, link);

		if (sn_before(session->exp_cmdsn, held->cmdsn))
			return;
		session->exp_cmdsn += !held->immediate;
		list_del(&held->link);
		if (held->conn && held->immediate)
			iscsi_tmf_resume(held->conn, held->bhs);
		else if (held->conn)
			iscsi_request(held->conn, held->bhs, held->data, held->len, held->task);
		free(held);
	}
}

void iscsi_session_deliver(struct iscsi_session *session, struct iscsi_conn *conn,
			   const uint8_t *bhs, const uint8_t *data, uint32_t len,
			   struct iscsi_task *task)
{
	uint32_t cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);

	/* Another connection may have brought the same number since the header came. */
	if (!iscsi_session_expects(session, cmdsn)) {
		if (task)
			iscsi_task_abort(task);
		return;
	}
	if (task && session_bars(session, task)) {
		iscsi_task_abort(task);
		iscsi_session_fill(session, cmdsn);
		return;
	}
	if (cmdsn != session->exp_cmdsn) {
		if (!session_hold(session, conn, cmdsn, bhs, data, len, task))
			iscsi_conn_drop(conn, "no room for a request that comes before its turn");
		return;
	}
	session->exp_cmdsn++;
	iscsi_request(conn, bhs, data, len, task);
	session_release(session);
}

bool iscsi_session_fill(struct iscsi_session *session, uint32_t cmdsn)
{
	if (!iscsi_session_expects(session, cmdsn))
		return false;
	if (!session_hold(session, NULL, cmdsn, NULL, NULL, 0, NULL))
		return false;
	session_release(session);
	return true;
}
