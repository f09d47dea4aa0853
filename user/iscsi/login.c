/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Login (RFC 7143 6.3, 11.12, 11.13): from the first request to the full feature phase. */
#include "iscsi/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define EXCHANGES_MAX 64u
#define SEGMENT_MAX   8192u

enum login_method {
	METHOD_OPEN, /* nothing was said of it */
	METHOD_NONE,
	METHOD_CHAP,
};

struct iscsi_login {
	/* The same in every request. */
	bool begun;
	uint8_t isid[ISCSI_ISID];
	uint16_t tsih;
	uint32_t itt, cmdsn;

	enum iscsi_stage stage;
	unsigned int exchanges;
	struct iscsi_text in, out;
	size_t sent;	/* of out */
	bool answering; /* the rest of out is to be asked for */
	uint8_t flags;	/* of the request that out answers */
	bool transit;	/* out ends the stage */

	/* Who, and where to. */
	char initiator[ISCSI_NAME_MAX + 1], alias[ISCSI_NAME_MAX + 1];
	char target[ISCSI_NAME_MAX + 1];
	bool discovery, admitted, declared;
	struct iscsi_admission admission;
	struct iscsi_session_id id;

	enum login_method method;
	bool authenticated;
	struct iscsi_chap chap;

	const char *why; /* it fails, where that is known better than its status tells */
};

int iscsi_login_begin(struct iscsi_conn *conn)
{
	conn->login = calloc(1, sizeof(*conn->login));
	conn->state = ISCSI_CONN_LOGIN;
	return conn->login ? 0 : -ENOMEM;
}

void iscsi_login_end(struct iscsi_conn *conn)
{
	iscsi_text_fini(&conn->login->in);
	iscsi_text_fini(&conn->login->out);
	explicit_bzero(conn->login, sizeof(*conn->login));
	free(conn->login);
	conn->login = NULL;
}

bool iscsi_login_concerns(const struct iscsi_conn *conn, const struct iscsi_target *target)
{
	return conn->login->admission.target == target;
}

/* ---- answers ---- */

static struct iscsi_reply *login_reply(const struct iscsi_conn *conn, uint32_t len)
{
	const struct iscsi_login *login = conn->login;
	struct iscsi_reply *reply = iscsi_reply_new(ISCSI_LOGIN_RESPONSE, login->itt, len);

	if (!reply)
		return NULL;
	reply->login = true;
	reply->bhs[ISCSI_AT_FLAGS] = (uint8_t)(login->stage << 2);
	memcpy(reply->bhs + ISCSI_LOGIN_AT_ISID, login->isid, ISCSI_ISID);
	put_be16(reply->bhs + ISCSI_LOGIN_AT_TSIH, login->tsih);
	put_be32(reply->bhs + ISCSI_AT_EXPCMDSN, login->cmdsn);
	put_be32(reply->bhs + ISCSI_AT_MAXCMDSN, login->cmdsn);
	return reply;
}

static const char *login_why(uint16_t status)
{
	switch (status) {
	case ISCSI_LOGIN_AUTHENTICATION:
		return "it did not prove who it is, by CHAP, as is asked here";
	case ISCSI_LOGIN_AUTHORIZATION:
		return "it is not on the access list";
	case ISCSI_LOGIN_NOT_FOUND:
		return "there is no such target here";
	case ISCSI_LOGIN_MISSING:
		return "it did not say who it is, or which target it wants";
	case ISCSI_LOGIN_MOVED_TEMPORARILY:
	case ISCSI_LOGIN_MOVED_PERMANENTLY:
		return "it is sent to another portal";
	case ISCSI_LOGIN_NO_SESSION:
	case ISCSI_LOGIN_CANNOT_JOIN:
		return "there is no such session to join";
	case ISCSI_LOGIN_SESSION_TYPE:
		return "it wants a kind of session that there is not";
	case ISCSI_LOGIN_VERSION:
		return "it speaks another version of iSCSI";
	case ISCSI_LOGIN_NO_RESOURCES:
		return "there are no random numbers or no memory";
	default:
		return "its request breaks the rules of the protocol";
	}
}

static void login_fail(struct iscsi_conn *conn, uint16_t status, const char *why)
{
	struct iscsi_login *login = conn->login;
	struct iscsi_text out = {};
	struct iscsi_reply *reply;

	if (login->why)
		why = login->why;
	conn->worker->stats.logins_failed++;
	if (status == ISCSI_LOGIN_AUTHENTICATION || status == ISCSI_LOGIN_AUTHORIZATION)
		conn->worker->stats.logins_denied++;
	iscsi_conn_log(conn, LOG_NOTICE, "%s (%s) may not log in to %s: %s", conn->peer,
		       login->initiator[0] ? login->initiator : "no name",
		       login->target[0] ? login->target : "discovery", why);
	if (status >> 8 == 1)
		iscsi_text_put(&out, "TargetAddress", login->admission.redirect);
	reply = login_reply(conn, (uint32_t)out.len);
	if (reply) {
		put_be16(reply->bhs + ISCSI_LOGIN_AT_STATUS, status);
		if (out.len)
			memcpy(reply->data, out.bytes, out.len);
	}
	iscsi_text_fini(&out);
	conn->state = ISCSI_CONN_LOGIN;
	iscsi_conn_reply(conn, reply);
	iscsi_conn_finish(conn);
}

/* The last part of the text, and with it perhaps the end of the stage. */
static void login_send_last(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	uint32_t n = (uint32_t)(login->out.len - login->sent);
	struct iscsi_reply *reply = login_reply(conn, n);
	enum iscsi_stage next = login->flags & 3;

	if (reply) {
		if (n)
			memcpy(reply->data, login->out.bytes + login->sent, n);
		if (login->transit)
			reply->bhs[ISCSI_AT_FLAGS] |= (uint8_t)(ISCSI_TRANSIT | next);
		if (conn->session) {
			iscsi_session_window(conn->session);
			put_be16(reply->bhs + ISCSI_LOGIN_AT_TSIH, conn->session->id.tsih);
			put_be32(reply->bhs + ISCSI_AT_EXPCMDSN, conn->session->exp_cmdsn);
			put_be32(reply->bhs + ISCSI_AT_MAXCMDSN, conn->session->max_cmdsn);
		}
	}
	if (login->transit)
		login->stage = next;
	login->answering = false;
	iscsi_text_clear(&login->in);
	iscsi_text_clear(&login->out);
	login->sent = 0;
	iscsi_conn_reply(conn, reply);
}

/* ---- the full feature phase ---- */

static void login_succeed(struct iscsi_conn *conn, struct iscsi_session *session)
{
	struct iscsi_login *login = conn->login;

	login_send_last(conn);
	if (conn->state == ISCSI_CONN_DEAD)
		return;
	/* A connection that joins need not say it again. */
	if (login->alias[0])
		snprintf(session->alias, sizeof(session->alias), "%s", login->alias);
	conn->header_digest = conn->params.value[ISCSI_HEADER_DIGEST];
	conn->data_digest = conn->params.value[ISCSI_DATA_DIGEST];
	conn->chap = login->method == METHOD_CHAP;
	conn->cmdsn = conn->asked_cmdsn = login->cmdsn;
	conn->worker->stats.logins++;
	conn->worker->nlogins--;
	iscsi_login_end(conn);
	conn->drop_at = 0;
	conn->state = ISCSI_CONN_FULL;
	iscsi_worker_due_by(conn->worker, iscsi_conn_due(conn));
	iscsi_conn_wake(conn);
}

static void login_adopt(struct iscsi_conn *conn, struct iscsi_worker *there)
{
	conn->state = ISCSI_CONN_MOVING;
	iscsi_worker_depart(conn);
	conn->worker->config.ops->adopt(conn, there);
}

/* Session reinstatement (RFC 7143 6.3.5): the older session goes first. */
static void login_replace(struct iscsi_conn *conn, struct iscsi_worker *there)
{
	struct iscsi_session *twin;

	if (there != conn->worker) {
		login_adopt(conn, there);
		return;
	}
	conn->state = ISCSI_CONN_MOVING;
	twin = iscsi_session_twin(there, &conn->login->id);
	/* When it is closing already, we are told of its end. */
	if (twin && !twin->closing)
		iscsi_session_close(twin);
}

static void login_lead(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	struct iscsi_worker *there = NULL;
	struct iscsi_session *session;
	int ret;

	login->id.worker = conn->worker;
	ret = iscsi_session_open(conn, &login->id, &login->admission, &session, &there);
	if (ret == -EEXIST) {
		login_replace(conn, there);
		return;
	}
	if (ret) {
		login_fail(conn, ISCSI_LOGIN_NO_RESOURCES, "there is no memory for a session");
		return;
	}
	session->exp_cmdsn = login->cmdsn;
	session->max_cmdsn = login->cmdsn - 1;
	login_succeed(conn, session);
}

/* A session's parameters are those of its leading connection. */
static void login_take_over(struct iscsi_conn *conn, const struct iscsi_session *session)
{
	struct iscsi_params own = conn->params;

	conn->params = session->params;
	conn->params.value[ISCSI_HEADER_DIGEST] = own.value[ISCSI_HEADER_DIGEST];
	conn->params.value[ISCSI_DATA_DIGEST] = own.value[ISCSI_DATA_DIGEST];
	conn->params.value[ISCSI_MAX_RECV] = own.value[ISCSI_MAX_RECV];
}

static void login_join(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	struct iscsi_worker *there = iscsi_node_find(conn->worker->config.node, &login->id);
	struct iscsi_session *session;
	struct iscsi_conn *other;

	if (there && there != conn->worker) {
		login_adopt(conn, there);
		return;
	}
	session = there ? iscsi_session_find(there, login->tsih) : NULL;
	if (!session || session->closing) {
		login_fail(conn, ISCSI_LOGIN_NO_SESSION, "there is no such session");
		return;
	}
	/* Connection reinstatement (RFC 7143 6.3.4). */
	list_for_each_entry (other, &session->conns, session_link)
		if (other->cid == conn->cid && other->state == ISCSI_CONN_FULL) {
			iscsi_session_join(session, conn);
			iscsi_conn_retire(other, false);
			login_take_over(conn, session);
			login_succeed(conn, session);
			iscsi_session_review(session);
			return;
		}
	if (iscsi_session_open_conns(session) >= session->params.value[ISCSI_MAX_CONNECTIONS]) {
		login_fail(conn, ISCSI_LOGIN_TOO_MANY, "the session has all its connections");
		return;
	}
	iscsi_session_join(session, conn);
	login_take_over(conn, session);
	login_succeed(conn, session);
}

void iscsi_login_finish(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	uint16_t status = ISCSI_LOGIN_SUCCESS;

	conn->state = ISCSI_CONN_LOGIN;
	/* Since it was admitted the target may have gone, or its access list may be another. */
	if (!login->discovery)
		status = iscsi_node_admit(conn->worker->config.node, login->target,
					  login->initiator, conn->group, &login->admission);
	login->id.target = login->admission.target;
	if (status)
		login_fail(conn, status, login_why(status));
	else if (!iscsi_params_settled(&conn->params))
		login_fail(conn, ISCSI_LOGIN_INITIATOR_ERROR, "it does not agree to digests");
	else if (login->tsih)
		login_join(conn);
	else
		login_lead(conn);
}

/* The next part of what we have to say. */
static void login_answer(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	uint32_t max = conn->params.value[ISCSI_MAX_RECV];
	struct iscsi_reply *reply;

	if (login->out.failed) {
		login_fail(conn, ISCSI_LOGIN_NO_RESOURCES, "there is no memory for an answer");
		return;
	}
	if (max > SEGMENT_MAX)
		max = SEGMENT_MAX;
	if (login->out.len - login->sent > max) {
		reply = login_reply(conn, max);
		if (reply) {
			reply->bhs[ISCSI_AT_FLAGS] |= ISCSI_CONTINUE;
			memcpy(reply->data, login->out.bytes + login->sent, max);
		}
		login->sent += max;
		login->answering = true;
		iscsi_conn_reply(conn, reply);
	} else if (login->transit && (login->flags & 3) == ISCSI_STAGE_FULL) {
		iscsi_login_finish(conn);
	} else {
		login_send_last(conn);
	}
}

/* ---- what they say ---- */

/* Names are the same whatever the case of their letters (RFC 3722); ours are in lower case. */
static bool login_copy_name(char *into, const char *value)
{
	char name[ISCSI_NAME_MAX + 1];
	size_t len = strlen(value);

	if (len > ISCSI_NAME_MAX)
		return false;
	for (size_t i = 0; i <= len; i++)
		name[i] = value[i] >= 'A' && value[i] <= 'Z' ? (char)(value[i] | 0x20) : value[i];
	if (iscsi_name_check(name, NULL) || (into[0] && strcmp(into, name)))
		return false;
	strcpy(into, name);
	return true;
}

/* Who they are and where they want to go, which decides how the rest is read. */
static uint16_t login_name(struct iscsi_login *login, const char *key, const char *value)
{
	char *into;

	if (!strcmp(key, "SessionType")) {
		login->discovery = !strcmp(value, "Discovery");
		return login->discovery || !strcmp(value, "Normal") ? 0 : ISCSI_LOGIN_SESSION_TYPE;
	}
	if (!strcmp(key, "InitiatorName"))
		into = login->initiator;
	else if (!strcmp(key, "TargetName"))
		into = login->target;
	else
		return 0;
	if (login_copy_name(into, value))
		return 0;
	login->why =
		into == login->initiator
			? "its InitiatorName is no iSCSI name (iqn., eui. or naa.)"
			: "the TargetName that it asks for is no iSCSI name (iqn., eui. or naa.)";
	return ISCSI_LOGIN_INITIATOR_ERROR;
}

static uint16_t login_read_names(struct iscsi_login *login)
{
	char *at = login->in.bytes, *end = iscsi_text_end(&login->in), *key, *value;
	uint16_t status;
	int ret;

	while ((ret = iscsi_text_next(&at, end, &key, &value)) > 0) {
		/* Later ones are looked at where keys are. */
		if (login->admitted)
			continue;
		status = login_name(login, key, value);
		if (status)
			return status;
	}
	return ret ? ISCSI_LOGIN_INITIATOR_ERROR : 0;
}

/* Whether they may come in at all, apart from what they have to prove. */
static uint16_t login_admit(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	struct iscsi_node *node = conn->worker->config.node;
	uint16_t status;

	if (!login->initiator[0] || (!login->discovery && !login->target[0]))
		return ISCSI_LOGIN_MISSING;
	login->admitted = true;
	strcpy(login->id.initiator, login->initiator);
	memcpy(login->id.isid, login->isid, ISCSI_ISID);
	login->id.tsih = login->tsih;
	login->id.group = conn->group;
	if (login->discovery) {
		iscsi_node_discovery_auth(node, &login->admission.auth);
		return login->tsih ? ISCSI_LOGIN_CANNOT_JOIN : ISCSI_LOGIN_SUCCESS;
	}
	status = iscsi_node_admit(node, login->target, login->initiator, conn->group,
				  &login->admission);
	if (status)
		return status;
	login->id.target = login->admission.target;
	iscsi_params_init(&conn->params, &login->admission.target->settings);
	if (login->tsih && !iscsi_node_find(node, &login->id))
		return ISCSI_LOGIN_NO_SESSION;
	iscsi_text_put_number(&login->out, "TargetPortalGroupTag", conn->group);
	if (login->admission.target->alias[0])
		iscsi_text_put(&login->out, "TargetAlias", login->admission.target->alias);
	return ISCSI_LOGIN_SUCCESS;
}

static bool login_needs_chap(const struct iscsi_login *login)
{
	return login->admission.auth.initiator.name[0];
}

/* RFC 7143 12.1: the first of their methods that will do. */
static uint16_t login_choose_method(struct iscsi_login *login, const char *list)
{
	const char *word;
	size_t len;

	if (login->method != METHOD_OPEN)
		return ISCSI_LOGIN_INITIATOR_ERROR;
	while (iscsi_text_word(&list, &word, &len)) {
		if (iscsi_text_is(word, len, "CHAP") && login_needs_chap(login))
			login->method = METHOD_CHAP;
		else if (iscsi_text_is(word, len, "None") && !login_needs_chap(login))
			login->method = METHOD_NONE;
		else
			continue;
		iscsi_text_put(&login->out, "AuthMethod",
			       login->method == METHOD_CHAP ? "CHAP" : "None");
		return 0;
	}
	if (!login_needs_chap(login))
		login->why = "it insists on CHAP, for which there is no account here";
	return ISCSI_LOGIN_AUTHENTICATION;
}

/* Keys that say nothing to be answered. */
static bool login_passive_key(struct iscsi_login *login, const char *key, const char *value)
{
	if (!strcmp(key, "InitiatorAlias")) {
		snprintf(login->alias, sizeof(login->alias), "%s", value);
		return true;
	}
	return !strcmp(key, "InitiatorName") || !strcmp(key, "TargetName") ||
	       !strcmp(key, "SessionType");
}

static uint16_t login_key(struct iscsi_conn *conn, struct iscsi_chap_keys *chap, const char *key,
			  const char *value)
{
	struct iscsi_login *login = conn->login;
	enum iscsi_phase phase = login->tsih ? ISCSI_PHASE_JOINING : ISCSI_PHASE_LEADING;
	int ret;

	if (login_passive_key(login, key, value))
		return 0;
	if (!strcmp(key, "AuthMethod") && login->stage == ISCSI_STAGE_SECURITY)
		return login_choose_method(login, value);
	ret = login->stage == ISCSI_STAGE_SECURITY ? iscsi_chap_key(chap, key, value) : 0;
	if (!ret)
		ret = iscsi_params_negotiate(&conn->params, phase, login->discovery, key, value,
					     &login->out);
	if (!ret)
		iscsi_text_put(&login->out, key, "NotUnderstood");
	return ret < 0 ? ISCSI_LOGIN_INITIATOR_ERROR : 0;
}

static uint16_t login_authenticate(struct iscsi_conn *conn, const struct iscsi_chap_keys *keys)
{
	struct iscsi_login *login = conn->login;
	uint8_t fresh[ISCSI_CHALLENGE + 1];
	int ret;

	if (!keys->algorithms && !keys->name && !keys->response && !keys->id && !keys->challenge)
		return 0;
	if (login->method != METHOD_CHAP)
		return ISCSI_LOGIN_INITIATOR_ERROR;
	if (!conn->worker->config.ops->random(conn->worker, fresh, sizeof(fresh)))
		return ISCSI_LOGIN_NO_RESOURCES;
	ret = iscsi_chap_step(&login->chap, &login->admission.auth, keys, fresh, &login->out,
			      &login->why);
	if (ret)
		return ret == -EACCES ? ISCSI_LOGIN_AUTHENTICATION : ISCSI_LOGIN_INITIATOR_ERROR;
	login->authenticated = login->chap.state == ISCSI_CHAP_DONE;
	return 0;
}

/* Every pair in the text has NULs where it had its `=` and its end, see login_read_names(). */
static uint16_t login_read_keys(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	char *at = login->in.bytes, *end = iscsi_text_end(&login->in);
	struct iscsi_chap_keys chap = {};
	uint16_t status;

	while (at < end) {
		char *key = at, *value;

		if (!*key) {
			at++;
			continue;
		}
		value = key + strlen(key) + 1;
		at = value + strlen(value) + 1;
		status = login_key(conn, &chap, key, value);
		if (status)
			return status;
	}
	return login_authenticate(conn, &chap);
}

/* ---- stages ---- */

/* What has to be said or proven before they may go on; sets login->transit. */
static uint16_t login_transit(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	bool proven = login->authenticated || !login_needs_chap(login);

	login->transit = login->flags & ISCSI_TRANSIT;
	if (login->stage == ISCSI_STAGE_SECURITY) {
		if (login->transit && !proven && login->method != METHOD_CHAP)
			return ISCSI_LOGIN_AUTHENTICATION;
		login->transit &= proven;
		return 0;
	}
	if (!proven)
		return ISCSI_LOGIN_AUTHENTICATION;
	if (iscsi_params_refused(&conn->params))
		return ISCSI_LOGIN_INITIATOR_ERROR;
	if (!login->declared)
		iscsi_text_put_number(&login->out, "MaxRecvDataSegmentLength",
				      conn->params.ours[ISCSI_MAX_RECV]);
	login->declared = true;
	if (!login->discovery && !login->tsih && iscsi_params_offer(&conn->params, &login->out))
		login->transit = false;
	if (conn->params.offered)
		login->transit = false;
	return 0;
}

static uint16_t login_process(struct iscsi_conn *conn)
{
	struct iscsi_login *login = conn->login;
	uint16_t status = login_read_names(login);

	if (!status && !login->admitted)
		status = login_admit(conn);
	if (!status)
		status = login_read_keys(conn);
	return status ? status : login_transit(conn);
}

/* RFC 7143 11.12: what a request's header may say. */
static uint16_t login_check(struct iscsi_conn *conn, const uint8_t *bhs)
{
	struct iscsi_login *login = conn->login;
	uint8_t flags = bhs[ISCSI_AT_FLAGS], csg = flags >> 2 & 3, nsg = flags & 3;

	if (!login->begun) {
		login->begun = true;
		login->stage = csg;
		memcpy(login->isid, bhs + ISCSI_LOGIN_AT_ISID, ISCSI_ISID);
		login->tsih = get_be16(bhs + ISCSI_LOGIN_AT_TSIH);
		login->cmdsn = get_be32(bhs + ISCSI_AT_CMDSN);
		conn->cid = get_be16(bhs + ISCSI_LOGIN_AT_CID);
	}
	login->itt = get_be32(bhs + ISCSI_AT_ITT);
	if (bhs[ISCSI_LOGIN_AT_VERSION_MIN])
		return ISCSI_LOGIN_VERSION;
	if (csg > ISCSI_STAGE_OPERATIONAL || csg != login->stage ||
	    memcmp(login->isid, bhs + ISCSI_LOGIN_AT_ISID, ISCSI_ISID) ||
	    login->tsih != get_be16(bhs + ISCSI_LOGIN_AT_TSIH) ||
	    conn->cid != get_be16(bhs + ISCSI_LOGIN_AT_CID))
		return ISCSI_LOGIN_INVALID_REQUEST;
	if (flags & ISCSI_TRANSIT && (flags & ISCSI_CONTINUE || nsg <= csg || nsg == 2))
		return ISCSI_LOGIN_INITIATOR_ERROR;
	return ++login->exchanges > EXCHANGES_MAX ? ISCSI_LOGIN_INITIATOR_ERROR : 0;
}

void iscsi_login_request(struct iscsi_conn *conn, const uint8_t *bhs, const uint8_t *data,
			 uint32_t len)
{
	struct iscsi_login *login = conn->login;
	uint16_t status = login_check(conn, bhs);
	struct iscsi_reply *reply;

	if (!status && login->answering && len)
		status = ISCSI_LOGIN_INITIATOR_ERROR;
	if (!status && !iscsi_text_append(&login->in, data, len, ISCSI_TEXT_MAX))
		status = ISCSI_LOGIN_INITIATOR_ERROR;
	if (status) {
		login_fail(conn, status, login_why(status));
		return;
	}
	if (login->answering) {
		login_answer(conn);
		return;
	}
	if (bhs[ISCSI_AT_FLAGS] & ISCSI_CONTINUE) {
		reply = login_reply(conn, 0);
		iscsi_conn_reply(conn, reply);
		return;
	}
	login->flags = bhs[ISCSI_AT_FLAGS];
	status = login_process(conn);
	if (status)
		login_fail(conn, status, login_why(status));
	else
		login_answer(conn);
}
