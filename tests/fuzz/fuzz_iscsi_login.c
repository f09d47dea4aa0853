/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Logins of targets that ask for CHAP, both ways. The first byte says what they ask for (KIND_*);
 * then comes a list of requests: flags, the low bits of the header's fields, length (16 bits),
 * text.
 *
 * Nobody can guess a response, so the byte HERE in a text, and one that says how (HOW_*), stand for
 * one: what the challenge before wants, or nearly that. What got in with the right ones runs once
 * more with others in their place.
 *
 * Nobody gets in without the secret, nor hears a proof of who the target is; such a proof is right,
 * and never an answer to the target's own challenge. Every request gets one answer, and the login
 * ends.
 */
#include "base/hex.h"
#include "cursor.h"
#include "host_chap.h"
#include "iscsi/text.h"
#include "script.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define HERE	 0x01
#define TEXT_MAX (48u << 10)
#define LONGEST	 (2 + 2 * HOST_CHAP_MAX + 1) /* what stands in the place of HERE */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

enum kind {
	KIND_ONE_WAY = 1,   /* the target has nothing to prove itself with */
	KIND_OPEN = 2,	    /* the target asks for nothing */
	KIND_DISCOVERY = 4, /* discovery sessions have to prove who they are, too */
	KIND_DIGESTS = 8,
	KIND_NO_RANDOM = 16,
	KIND_MOVED = 32,
};

enum how {
	HOW_RIGHT,
	HOW_OTHER_ID,	  /* the identifier is the next */
	HOW_OTHER_SECRET, /* the target's */
	HOW_OTHER_BIT,
	HOW_OTHER_HASH,
	HOW_CUT,     /* a byte is missing */
	HOW_REFLECT, /* the challenge itself */
	HOW_BASE64,  /* right */
	HOWS
};

static const struct iscsi_auth both_ways = {.initiator = {"host", "the host's secret"},
					    .target = {"disk", "the disk's secret"}};

struct bench {
	struct iscsi_rig rig;
	struct host_conn c;
	uint8_t kind;
	enum how right; /* what stands in the place of a right response */
	bool asked;
	struct host_challenge challenge; /* the latest, if asked */
	bool able;			 /* the right response has been sent */
	char text[TEXT_MAX + LONGEST + 1];
	uint32_t len;
	bool whole; /* the text is all that is said in this exchange */
};

static void require(int holds)
{
	if (!holds)
		abort();
}

/* ---- requests ---- */

static void put_response(struct bench *b, enum how how)
{
	struct host_challenge challenge = b->challenge;
	uint8_t hash[HOST_CHAP_MAX];
	char *at = b->text + b->len;
	size_t len;

	if (how == HOW_RIGHT || how == HOW_BASE64)
		how = b->right ? b->right : how;
	challenge.id += how == HOW_OTHER_ID;
	if (how == HOW_OTHER_HASH)
		challenge.algorithm = 5 + (challenge.algorithm - 4) % 4;
	len = host_chap_hash(&challenge,
			     how == HOW_OTHER_SECRET ? both_ways.target.secret
						     : both_ways.initiator.secret,
			     hash);
	hash[len / 2] ^= how == HOW_OTHER_BIT;
	b->able |= how == HOW_RIGHT || how == HOW_BASE64;
	memcpy(at, how == HOW_BASE64 ? "0b" : "0x", 2);
	if (how == HOW_BASE64)
		EVP_EncodeBlock((uint8_t *)at + 2, hash, (int)len);
	else if (how == HOW_REFLECT)
		hex_format(challenge.bytes, challenge.len, at + 2);
	else
		hex_format(hash, len - (how == HOW_CUT), at + 2);
	b->len += (uint32_t)strlen(at);
}

static void put_text(struct bench *b, const uint8_t *text, size_t len)
{
	b->len = 0;
	for (size_t i = 0; i < len && b->len < TEXT_MAX; i++)
		if (text[i] == HERE && i + 1 < len && b->asked)
			put_response(b, text[++i] % HOWS);
		else
			b->text[b->len++] = (char)text[i];
	b->text[b->len] = '\0';
}

static void request(struct bench *b, struct cursor *in)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE};
	bool more = !b->whole;
	uint8_t odd;
	uint16_t len;

	bhs[1] = cursor_u8(in);
	odd = cursor_u8(in);
	len = cursor_be16(in);
	if (len > cursor_left(in))
		len = (uint16_t)cursor_left(in);
	put_text(b, cursor_bytes(in, len), len);
	b->whole = !(bhs[1] & ISCSI_CONTINUE);
	bhs[ISCSI_LOGIN_AT_VERSION_MIN] = odd & 1;
	bhs[ISCSI_LOGIN_AT_TSIH + 1] = odd >> 1 & 1;
	bhs[ISCSI_LOGIN_AT_ISID] = odd >> 2 & 1;
	bhs[ISCSI_LOGIN_AT_CID + 1] = odd >> 3 & 1;
	host_send(&b->c, bhs, b->text, b->len);
	if (more)
		b->len = 0; /* what came before is part of it */
}

/* ---- answers ---- */

/* What they prove is what was asked in the request before, if all of that is known. */
static void look_at_proof(const struct bench *b, const char *response, bool cut)
{
	struct host_pdu said = {.data = (const uint8_t *)b->text, .len = b->len};
	const char *id = host_key(&said, "CHAP_I"), *bytes = host_key(&said, "CHAP_C");
	struct host_challenge theirs = {.algorithm = b->challenge.algorithm};
	uint8_t hash[HOST_CHAP_MAX];
	char expected[LONGEST];
	uint32_t number;
	int len;

	require(b->able && !(b->kind & KIND_ONE_WAY));
	if (cut || !id || !bytes || !iscsi_text_number(id, 255, &number))
		return;
	len = iscsi_text_binary(bytes, theirs.bytes, sizeof(theirs.bytes));
	if (len < 0)
		return;
	theirs.id = (uint8_t)number;
	theirs.len = (size_t)len;
	require(theirs.len != b->challenge.len ||
		memcmp(theirs.bytes, b->challenge.bytes, theirs.len));
	hex_format(hash, host_chap_hash(&theirs, both_ways.target.secret, hash), expected);
	require(!strncmp(response, "0x", 2) && !strcmp(response + 2, expected));
}

static void answer(struct bench *b)
{
	struct host_pdu pdu;
	const char *response;

	if (!host_receive(&b->c, &pdu)) {
		/* Too long a segment, or the connection is over. */
		require(!b->c.conn);
		return;
	}
	require(pdu.bhs[0] == ISCSI_LOGIN_RESPONSE);
	response = host_key(&pdu, "CHAP_R");
	require(!response || get_be16(pdu.bhs + ISCSI_LOGIN_AT_STATUS) == 0);
	if (response && strcmp(response, "NotUnderstood"))
		look_at_proof(b, response, pdu.bhs[1] & ISCSI_CONTINUE);
	b->asked |= host_challenge_read(&pdu, &b->challenge);
	require(!host_receive(&b->c, &pdu));
}

/* True: somebody is in, and may be. */
static bool is_in(struct bench *b)
{
	struct iscsi_session_report report;
	bool needs;

	if (!iscsi_worker_sessions(b->rig.workers[0], &report, 1))
		return false;
	needs = report.target[0] ? !(b->kind & KIND_OPEN) : b->kind & KIND_DISCOVERY;
	require(!needs || (b->able && report.chap));
	return true;
}

/* ---- mutations ---- */

static size_t request_length(const uint8_t *at, size_t left)
{
	size_t len = left < 4 ? left : 4u + get_be16(at + 2);

	return len < left ? len : left;
}

#define NAMES	   "InitiatorName=" RIG_INITIATOR "\n"
#define THE_TARGET "TargetName=" RIG_TARGET "\n"
#define DISCOVERY  "SessionType=Discovery\n"

/* Each after flags that go with it; \n is a key's end, \1 and what follows as above. */
static const struct {
	uint8_t flags;
	const char *text;
} makings[] = {
	{0x00, NAMES THE_TARGET "AuthMethod=CHAP,None\n"},
	{0x81, NAMES THE_TARGET "AuthMethod=CHAP\nCHAP_A=7\n"},
	{0x81, NAMES DISCOVERY "AuthMethod=None,CHAP\n"},
	{0x87, NAMES THE_TARGET "SessionType=Normal\nHeaderDigest=CRC32C,None\n"},
	{0x00, "CHAP_A=5\n"},
	{0x00, "CHAP_A=99,6,5\n"},
	{0x00, "CHAP_A=7,5\n"},
	{0x81, "CHAP_A=8\n"},
	{0x81, "CHAP_N=host\nCHAP_R=\1\n"},
	{0x83, "CHAP_N=host\nCHAP_R=\1\n"},
	{0x81, "CHAP_N=host\nCHAP_R=\1\nCHAP_I=9\nCHAP_C=0x0102030405060708090a0b0c0d0e0f10\n"},
	{0x83, "CHAP_N=host\nCHAP_R=\1\nCHAP_I=255\nCHAP_C=0bAAECAwQFBgcICQoLDA0ODw==\n"},
	{0x81, "CHAP_N=host\nCHAP_R=\1\nCHAP_I=3\nCHAP_C=\1\n"},
	{0x87, "InitialR2T=No\nImmediateData=Yes\nMaxBurstLength=262144\nFirstBurstLength=512\n"},
	{0x87, "HeaderDigest=None\nDataDigest=CRC32C,None\nMaxRecvDataSegmentLength=1024\n"},
	{0x87, "MaxConnections=4\nDefaultTime2Wait=0\nDefaultTime2Retain=0\nMaxOutstandingR2T=1\n"},
	{0x04, "DataPDUInOrder=Yes\nDataSequenceInOrder=No\nErrorRecoveryLevel=2\n"},
	{0x87, "TaskReporting=ResponseFence\niSCSIProtocolLevel=2\nX-odd=1\nIFMarker=No\n"},
	{0x87, ""},
};

static size_t make_request(struct script_random *random, uint8_t *out)
{
	uint32_t which = script_random(random, sizeof(makings) / sizeof(makings[0]));
	const char *text = makings[which].text;
	uint16_t len = 0;

	out[0] = makings[which].flags;
	if (script_chance(random, 8))
		out[0] = (uint8_t)(out[0] ^ 1u << script_random(random, 8));
	out[1] = script_chance(random, 16) ? (uint8_t)script_random(random, 16) : 0;
	for (; *text; text++) {
		out[4 + len++] = *text == '\n' ? 0 : (uint8_t)*text;
		if (*text == HERE)
			out[4 + len++] = script_chance(random, 2)
						 ? HOW_RIGHT
						 : (uint8_t)script_random(random, HOWS);
	}
	put_be16(out + 2, len);
	return 4u + len;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const struct script_format format = {
		.head = 1, .length = request_length, .make = make_request};

	return script_mutate(&format, data, size, max, seed);
}

/* ---- a run ---- */

static void open_bench(struct bench *b, uint8_t kind, enum how right)
{
	struct iscsi_rig_config config = {};
	struct iscsi_auth auth = both_ways;

	b->kind = kind;
	b->right = right;
	b->whole = true;
	if (kind & KIND_ONE_WAY)
		memset(&auth.target, 0, sizeof(auth.target));
	if (!(kind & KIND_OPEN))
		config.auth = auth;
	iscsi_settings_default(&config.settings);
	config.settings.header_digest = config.settings.data_digest = kind & KIND_DIGESTS;
	iscsi_rig_open(&b->rig, &config);
	if (kind & KIND_DISCOVERY)
		iscsi_node_set_discovery_auth(b->rig.node, &auth);
	if (kind & KIND_MOVED)
		require(!iscsi_target_set_redirect(b->rig.target, "192.0.2.9:3260,1", true));
	b->rig.no_random = kind & KIND_NO_RANDOM;
	host_connect(&b->rig, &b->c, 0);
}

/* Whether somebody got in. */
static bool run(const uint8_t *data, size_t size, enum how right)
{
	struct cursor in = cursor_over(data, size);
	struct bench *b = calloc(1, sizeof(*b));
	bool got_in;

	require(b != NULL);
	open_bench(b, cursor_u8(&in), right);
	for (unsigned int n = 0; n < 80 && b->c.conn && cursor_left(&in) && !is_in(b); n++) {
		request(b, &in);
		answer(b);
	}
	got_in = is_in(b);
	host_disconnect(&b->c);
	iscsi_rig_close(&b->rig);
	free(b);
	return got_in;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (run(data, size, HOW_RIGHT))
		run(data, size, HOW_OTHER_ID + size % (HOW_REFLECT - HOW_OTHER_ID));
	return 0;
}
