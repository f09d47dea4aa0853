/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "session_login.h"

#include "base/hex.h"
#include "host_chap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512u

const struct iscsi_auth session_login_auth = {.initiator = {"host", "the host's secret"},
					      .target = {"disk", "the disk's secret"}};

static void require(bool holds)
{
	if (!holds)
		abort();
}

void session_login_note(struct host_conn *c, const struct host_pdu *answer)
{
	const char *digest;

	if (get_be16(answer->bhs + ISCSI_LOGIN_AT_STATUS) || (answer->bhs[1] & 0x83) != 0x83)
		return;
	c->tsih = get_be16(answer->bhs + ISCSI_LOGIN_AT_TSIH);
	require(c->tsih);
	digest = host_key(answer, "HeaderDigest");
	c->header_digest = digest && !strcmp(digest, "CRC32C");
	digest = host_key(answer, "DataDigest");
	c->data_digest = digest && !strcmp(digest, "CRC32C");
}

static bool login_step(struct host_conn *c, uint8_t flags, const char *text,
		       struct host_pdu *answer)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, flags};
	uint32_t len = (uint32_t)strlen(text);
	char keys[TEXT_MAX];

	require(len < sizeof(keys));
	for (uint32_t i = 0; i < len; i++)
		keys[i] = text[i] == '\n' ? '\0' : text[i];
	memcpy(bhs + ISCSI_LOGIN_AT_ISID, c->isid, ISCSI_ISID);
	put_be16(bhs + ISCSI_LOGIN_AT_TSIH, c->tsih);
	put_be16(bhs + ISCSI_LOGIN_AT_CID, c->cid);
	put_be32(bhs + ISCSI_AT_CMDSN, c->cmdsn);
	host_send(c, bhs, keys, len);
	if (!host_receive(c, answer))
		return false;
	require(answer->bhs[0] == ISCSI_LOGIN_RESPONSE);
	session_login_note(c, answer);
	return !get_be16(answer->bhs + ISCSI_LOGIN_AT_STATUS);
}

static void prove(struct host_conn *c, const struct host_challenge *challenge, bool both_ways)
{
	char text[TEXT_MAX], response[2 * HOST_CHAP_MAX + 1];
	uint8_t hash[HOST_CHAP_MAX];
	struct host_pdu answer;

	hex_format(hash, host_chap_hash(challenge, session_login_auth.initiator.secret, hash),
		   response);
	snprintf(text, sizeof(text), "CHAP_N=host\nCHAP_R=0x%s\n%s", response,
		 both_ways ? "CHAP_I=9\nCHAP_C=0x0102030405060708090a0b0c0d0e0f10\n" : "");
	require(login_step(c, 0x81, text, &answer));
	require(!both_ways || host_key(&answer, "CHAP_R"));
}

/* The stage that comes then; -1: there is none. */
static int pass_security(struct host_conn *c, const char *names, int how)
{
	static const char *const algorithms[] = {"CHAP_A=7,5\n", "CHAP_A=5\n", "CHAP_A=6\n",
						 "CHAP_A=8\n"};
	struct host_challenge challenge;
	struct host_pdu answer;
	char text[TEXT_MAX];
	const char *method;

	snprintf(text, sizeof(text), "%sAuthMethod=CHAP,None\n", names);
	if (!login_step(c, 0, text, &answer))
		return -1;
	method = host_key(&answer, "AuthMethod");
	require(method != NULL);
	if (!strcmp(method, "None"))
		return 0;
	if (!login_step(c, 0, algorithms[how & 3], &answer))
		return -1;
	require(host_challenge_read(&answer, &challenge));
	prove(c, &challenge, how & 4);
	return 1;
}

void session_login(struct host_conn *c, enum session_type type, const char *keys, int how)
{
	char names[TEXT_MAX / 2], text[TEXT_MAX];
	struct host_pdu answer;
	int stage = 1;

	snprintf(names, sizeof(names), "InitiatorName=" RIG_INITIATOR "\n%s",
		 type == SESSION_DISCOVERY ? "SessionType=Discovery\n"
					   : "TargetName=" RIG_TARGET "\n");
	if (how >= 0)
		stage = pass_security(c, names, how);
	snprintf(text, sizeof(text), "%s%s", how < 0 ? names : "", keys);
	if (stage >= 0)
		login_step(c, (uint8_t)(0x83 | stage << 2), text, &answer);
}
