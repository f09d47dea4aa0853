/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a connection sends: a queue of things to send, and the batch that is on its way. */
#include "iscsi/internal.h"

#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

#define COPY_MAX 256u /* bytes of data that are cheaper to copy than to name */

uint32_t iscsi_crc(uint32_t crc, const void *bytes, size_t len)
{
	return crc32_iscsi((unsigned char *)bytes, (int)len, crc);
}

void iscsi_crc_put(uint32_t crc, uint8_t digest[ISCSI_DIGEST])
{
	crc = ~crc;
	for (unsigned int i = 0; i < ISCSI_DIGEST; i++)
		digest[i] = (uint8_t)(crc >> 8 * i);
}

/* ---- the batch ---- */

static bool batch_empty(const struct iscsi_batch *batch)
{
	return batch->sent == batch->niov;
}

static void batch_name(struct iscsi_batch *batch, void *base, size_t len)
{
	struct iovec *last = batch->niov ? &batch->iov[batch->niov - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == base)
		last->iov_len += len;
	else
		batch->iov[batch->niov++] = (struct iovec){base, len};
}

static uint8_t *batch_put(struct iscsi_batch *batch, const void *bytes, size_t len)
{
	uint8_t *at = batch->bytes + batch->used;

	memcpy(at, bytes, len);
	batch->used += len;
	batch_name(batch, at, len);
	return at;
}

static bool batch_room(const struct iscsi_batch *batch, uint32_t copied, unsigned int named)
{
	return batch->used + ISCSI_BHS + copied + 3 + 2 * ISCSI_DIGEST <= ISCSI_BATCH_BYTES &&
	       batch->niov + named + 2 <= ISCSI_BATCH_IOV;
}

static void batch_head(struct iscsi_conn *conn, uint8_t *bhs, uint32_t len, bool digests)
{
	uint8_t digest[ISCSI_DIGEST];

	put_be24(bhs + ISCSI_AT_DATA_LENGTH, len);
	batch_put(&conn->batch, bhs, ISCSI_BHS);
	if (!digests || !conn->header_digest)
		return;
	iscsi_crc_put(iscsi_crc(ISCSI_CRC_SEED, bhs, ISCSI_BHS), digest);
	batch_put(&conn->batch, digest, sizeof(digest));
}

static void batch_tail(struct iscsi_conn *conn, uint32_t len, uint32_t crc, bool digests)
{
	static const uint8_t zeroes[3];
	uint8_t digest[ISCSI_DIGEST];
	uint32_t pad = -len & 3;

	if (pad)
		batch_put(&conn->batch, zeroes, pad);
	if (!len || !digests || !conn->data_digest)
		return;
	iscsi_crc_put(iscsi_crc(crc, zeroes, pad), digest);
	batch_put(&conn->batch, digest, sizeof(digest));
}

/* A login response is numbered by the login. */
static void batch_number(struct iscsi_conn *conn, uint8_t *bhs, bool counted)
{
	if (bhs[ISCSI_AT_OPCODE] != ISCSI_DATA_IN || counted)
		put_be32(bhs + ISCSI_AT_STATSN, conn->stat_sn);
	if (counted)
		conn->stat_sn++;
	if (!conn->session || bhs[ISCSI_AT_OPCODE] == ISCSI_LOGIN_RESPONSE)
		return;
	iscsi_session_window(conn->session);
	put_be32(bhs + ISCSI_AT_EXPCMDSN, conn->session->exp_cmdsn);
	put_be32(bhs + ISCSI_AT_MAXCMDSN, conn->session->max_cmdsn);
}

bool iscsi_batch_pdu(struct iscsi_conn *conn, uint8_t *bhs, const void *data, uint32_t len,
		     bool counted, bool digests)
{
	bool copy = len <= COPY_MAX;

	if (!batch_room(&conn->batch, copy ? len : 0, 1))
		return false;
	batch_number(conn, bhs, counted);
	batch_head(conn, bhs, len, digests);
	if (len && copy)
		batch_put(&conn->batch, data, len);
	else if (len)
		batch_name(&conn->batch, (void *)data, len);
	batch_tail(conn, len,
		   digests && conn->data_digest ? iscsi_crc(ISCSI_CRC_SEED, data, len) : 0,
		   digests);
	return true;
}

bool iscsi_batch_data(struct iscsi_conn *conn, uint8_t *bhs, const struct sgl *sgl, uint32_t off,
		      uint32_t len, bool counted)
{
	struct arena *arena = conn->worker->pool.arena;
	uint32_t crc = ISCSI_CRC_SEED, left = len;

	if (!batch_room(&conn->batch, 0, sgl->nspans))
		return false;
	batch_number(conn, bhs, counted);
	batch_head(conn, bhs, len, true);
	for (const struct span *span = sgl->spans; left; span++) {
		uint32_t n;
		uint8_t *at;

		if (off >= span->len) {
			off -= span->len;
			continue;
		}
		n = span->len - off < left ? span->len - off : left;
		at = (uint8_t *)arena_ptr(arena, span->addr) + off;
		batch_name(&conn->batch, at, n);
		if (conn->data_digest)
			crc = iscsi_crc(crc, at, n);
		off = 0;
		left -= n;
	}
	batch_tail(conn, len, crc, true);
	return true;
}

/* The batch is gone, one way or the other. */
static void batch_release(struct iscsi_conn *conn)
{
	struct iscsi_batch *batch = &conn->batch;
	struct list tasks, replies;

	list_init(&tasks);
	list_init(&replies);
	list_splice_tail(&tasks, &batch->tasks);
	list_splice_tail(&replies, &batch->replies);
	batch->used = batch->niov = batch->sent = 0;
	while (!list_empty(&replies)) {
		struct iscsi_reply *reply =
			container_of(list_pop(&replies), struct iscsi_reply, tx.link);

		conn->nreplies--;
		conn->reply_bytes -= reply->len;
		free(reply);
	}
	while (!list_empty(&tasks))
		iscsi_task_sent(container_of(list_pop(&tasks), struct iscsi_task, batch));
}

/* ---- the queue ---- */

void iscsi_conn_queue(struct iscsi_conn *conn, struct iscsi_tx *tx)
{
	list_add_tail(&conn->out, &tx->link);
	if (conn->announced || conn->state == ISCSI_CONN_DEAD)
		return;
	conn->announced = true;
	conn->worker->config.ops->output(conn);
}

static bool reply_build(struct iscsi_conn *conn, struct iscsi_tx *tx)
{
	struct iscsi_reply *reply = container_of(tx, struct iscsi_reply, tx);

	if (!iscsi_batch_pdu(conn, reply->bhs, reply->data, reply->len, reply->counted,
			     !reply->login))
		return false;
	list_add_tail(&conn->batch.replies, &reply->tx.link);
	return true;
}

struct iscsi_reply *iscsi_reply_new(enum iscsi_opcode opcode, uint32_t itt, uint32_t len)
{
	struct iscsi_reply *reply = calloc(1, sizeof(*reply) + len);

	if (!reply)
		return NULL;
	reply->tx.build = reply_build;
	reply->counted = true;
	reply->bhs[ISCSI_AT_OPCODE] = (uint8_t)opcode;
	reply->bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL;
	put_be32(reply->bhs + ISCSI_AT_ITT, itt);
	reply->len = len;
	return reply;
}

void iscsi_conn_reply(struct iscsi_conn *conn, struct iscsi_reply *reply)
{
	if (!reply) {
		iscsi_conn_drop(conn, "no memory for an answer");
		return;
	}
	conn->nreplies++;
	conn->reply_bytes += reply->len;
	iscsi_conn_queue(conn, &reply->tx);
}

static void output_build(struct iscsi_conn *conn)
{
	while (!list_empty(&conn->out)) {
		struct iscsi_tx *tx = container_of(list_pop(&conn->out), struct iscsi_tx, link);

		if (!tx->build(conn, tx)) {
			list_add_head(&conn->out, &tx->link);
			break;
		}
	}
}

unsigned int iscsi_conn_output(struct iscsi_conn *conn, struct iovec *iov, unsigned int max)
{
	struct iscsi_batch *batch = &conn->batch;
	unsigned int n;

	if (conn->state == ISCSI_CONN_DEAD || conn->state == ISCSI_CONN_MOVING) {
		conn->announced = false;
		return 0;
	}
	if (batch_empty(batch))
		output_build(conn);
	n = batch->niov - batch->sent;
	if (n > max)
		n = max;
	memcpy(iov, batch->iov + batch->sent, n * sizeof(*iov));
	if (!n)
		conn->announced = false;
	return n;
}

void iscsi_conn_sent(struct iscsi_conn *conn, size_t n, uint64_t now_ns)
{
	struct iscsi_batch *batch = &conn->batch;

	conn->worker->now = now_ns;
	while (n && !batch_empty(batch)) {
		struct iovec *at = &batch->iov[batch->sent];

		if (n < at->iov_len) {
			at->iov_base = (uint8_t *)at->iov_base + n;
			at->iov_len -= n;
			return;
		}
		n -= at->iov_len;
		batch->sent++;
	}
	assert(!n);
	if (batch->niov && batch_empty(batch)) {
		batch_release(conn);
		iscsi_conn_wake(conn);
	}
}

/* Tasks take themselves out when they are orphaned; what is left are replies. */
void iscsi_output_drop(struct iscsi_conn *conn)
{
	while (!list_empty(&conn->out)) {
		struct iscsi_tx *tx = container_of(list_pop(&conn->out), struct iscsi_tx, link);

		assert(tx->build == reply_build);
		free(container_of(tx, struct iscsi_reply, tx));
	}
	batch_release(conn);
}
