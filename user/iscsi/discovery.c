/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text requests of the full feature phase (RFC 7143 11.10, 11.11), SendTargets above all. */
#include "iscsi/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void text_clear(struct iscsi_conn *conn)
{
	iscsi_text_fini(&conn->text_in);
	iscsi_text_fini(&conn->text_out);
	conn->text_sent = 0;
}

static void text_reset(struct iscsi_conn *conn)
{
	text_clear(conn);
	conn->text_ttt = ISCSI_NO_TAG;
}

/* Another request is to come, which names the tag. */
static void text_take_tag(struct iscsi_conn *conn)
{
	conn->text_ttt = conn->session->last_ttt = conn->session->last_ttt % 0x7fffffff + 1;
}

/* RFC 7143 appendix C: All only in a discovery session, an empty value only in another. */
static void send_targets(struct iscsi_conn *conn, const char *value)
{
	struct iscsi_session *session = conn->session;
	const char *own = session->target ? session->target->name : NULL;

	if (!strcmp(value, "All") ? own != NULL : !value[0] && !own) {
		iscsi_text_put(&conn->text_out, "SendTargets", "Reject");
		return;
	}
	if (!strcmp(value, "All"))
		value = NULL;
	else if (!value[0])
		value = own;
	iscsi_node_list(conn->worker->config.node, value, session->id.initiator, conn->local,
			&conn->text_out);
}

static int text_key(struct iscsi_conn *conn, const char *key, const char *value)
{
	int ret;

	if (!strcmp(key, "SendTargets")) {
		send_targets(conn, value);
		return 0;
	}
	if (!strcmp(key, "InitiatorAlias")) {
		snprintf(conn->session->alias, sizeof(conn->session->alias), "%s", value);
		return 0;
	}
	ret = iscsi_params_negotiate(&conn->params, ISCSI_PHASE_FULL, !conn->session->target, key,
				     value, &conn->text_out);
	if (!ret)
		iscsi_text_put(&conn->text_out, key, "NotUnderstood");
	return ret < 0 ? ret : 0;
}

static int text_read(struct iscsi_conn *conn)
{
	char *at = conn->text_in.bytes, *end = iscsi_text_end(&conn->text_in), *key, *value;
	int ret;

	while ((ret = iscsi_text_next(&at, end, &key, &value)) > 0) {
		ret = text_key(conn, key, value);
		if (ret)
			return ret;
	}
	return ret;
}

/*
 * The next part of the answer; what does not fit yet is asked for with the tag. It ends the
 * exchange only for who has said that theirs is over (RFC 7143 11.11.1).
 */
static void text_answer(struct iscsi_conn *conn, const uint8_t *bhs)
{
	size_t left = conn->text_out.len - conn->text_sent;
	uint32_t max = conn->params.value[ISCSI_MAX_RECV], n;
	struct iscsi_reply *reply;
	bool more, over;

	if (max > ISCSI_TEXT_MAX)
		max = ISCSI_TEXT_MAX;
	more = left > max;
	over = !more && bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL;
	n = more ? max : (uint32_t)left;
	if (over)
		conn->text_ttt = ISCSI_NO_TAG;
	else
		text_take_tag(conn);
	reply = iscsi_reply_new(ISCSI_TEXT_RESPONSE, get_be32(bhs + ISCSI_AT_ITT), n);
	if (reply) {
		memcpy(reply->bhs + ISCSI_AT_LUN, bhs + ISCSI_AT_LUN, 8);
		reply->bhs[ISCSI_AT_FLAGS] = more ? ISCSI_CONTINUE : over ? ISCSI_FINAL : 0;
		put_be32(reply->bhs + ISCSI_AT_TTT, conn->text_ttt);
		if (n)
			memcpy(reply->data, conn->text_out.bytes + conn->text_sent, n);
	}
	conn->text_sent += n;
	iscsi_conn_reply(conn, reply);
	if (!more)
		text_clear(conn);
}

/* Their text goes on: an empty answer asks for the rest. */
static void text_more(struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_reply *reply =
		iscsi_reply_new(ISCSI_TEXT_RESPONSE, get_be32(bhs + ISCSI_AT_ITT), 0);

	text_take_tag(conn);
	if (reply) {
		reply->bhs[ISCSI_AT_FLAGS] = 0;
		put_be32(reply->bhs + ISCSI_AT_TTT, conn->text_ttt);
	}
	iscsi_conn_reply(conn, reply);
}

void iscsi_text_request(struct iscsi_conn *conn, const uint8_t *bhs, const uint8_t *data,
			uint32_t len)
{
	uint32_t ttt = get_be32(bhs + ISCSI_AT_TTT);
	bool goes_on = bhs[ISCSI_AT_FLAGS] & ISCSI_CONTINUE;

	if (ttt == ISCSI_NO_TAG)
		text_reset(conn);
	if (ttt != conn->text_ttt || (goes_on && bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL)) {
		text_reset(conn);
		iscsi_conn_reject(conn, bhs, ISCSI_REJECT_PROTOCOL);
		return;
	}
	/* Our answer is not all sent: what else they say now is not heard. */
	if (conn->text_out.len) {
		text_answer(conn, bhs);
		return;
	}
	if (!iscsi_text_append(&conn->text_in, data, len, ISCSI_TEXT_MAX)) {
		text_reset(conn);
		iscsi_conn_reject(conn, bhs, ISCSI_REJECT_RESOURCES);
		return;
	}
	if (goes_on) {
		text_more(conn, bhs);
		return;
	}
	if (text_read(conn) < 0 || conn->text_out.failed) {
		text_reset(conn);
		iscsi_conn_reject(conn, bhs, ISCSI_REJECT_PROTOCOL);
		return;
	}
	text_answer(conn, bhs);
}
