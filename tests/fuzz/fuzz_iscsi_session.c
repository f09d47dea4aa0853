/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole sessions of hostile initiators. The first byte says what the target insists on (KIND_*);
 * then comes a script: an operation's byte, then what it needs (OP_*).
 *
 * Whatever it says, nothing leaks, every answer is a whole PDU with good digests, StatSN goes up by
 * one, MaxCmdSN never goes back, no command is answered twice, and none gets more data than it
 * expects; and what session_look.h says. As long as the initiators do as RFC 7143 says, every
 * command is answered. Connections of one session have their tags and CmdSNs from one counter.
 */
#include "cursor.h"
#include "scsi_make.h"
#include "session_admin.h"
#include "session_login.h"
#include "session_look.h"

#include <stdlib.h>
#include <string.h>

#define CONNS	4u
#define OPS_MAX 200u
#define TAGS	1024u
#define R2TS	16u
#define ROOM	(256u << 10) /* for what one operation sends */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

enum kind {
	KIND_R2T = 1,	  /* Data-Out only after an R2T, no immediate data */
	KIND_DIGESTS = 2, /* insists on them */
	KIND_NARROW = 4,  /* few commands, small bursts */
	KIND_PINGS = 8,
	KIND_POOR = 16,	       /* little memory from the beginning */
	KIND_CHAP = 32,	       /* discovery asks for it */
	KIND_TARGET_CHAP = 64, /* the target asks for it */
	KIND_TIGHT = 128,      /* no more memory than one command needs beside small ones */
};

enum op {
	OP_PDU,	     /* opcode, flags, 8 bytes at the tags, as many bytes as the last of them */
	OP_COMMAND,  /* flags, expected (16 bits, times 512), length of immediate data (16), CDB */
	OP_DATA_OUT, /* for a command's next R2T: DataSN, distance, what is wrong with it */
	OP_LOGIN,    /* worker, kind */
	OP_RAW,	     /* length, bytes */
	OP_DISCONNECT, /* */
	OP_PIECE,      /* bytes at a time */
	OP_DISK,       /* the disk holds requests, or ends those it holds */
	OP_MEMORY,     /* others leave so many runs */
	OP_SLEEP,      /* so many tenths of a second */
	OP_READ,       /* all answers are looked at */
	OP_LIST,       /* LUN, flags, expected (16), CDB, length of immediate data (16), the data */
	OP_TMF,	       /* function, distance of the task's tag, LUN */
	OP_TEXT,       /* flags, length, text */
	OP_ADMIN,      /* what the administrator does */
	OP_ANSWER,     /* which of the disk's requests is answered */
	OP_SPOIL,      /* the next PDU's digests are wrong: of its header, of its data */
	OP_LUN,	       /* the administrator takes it away or brings it back */
	OP_NUMBER,     /* leaves out a CmdSN, or has the next request here take the one left out */
	OP_LOOKS,      /* so many times, the workers look at their timers, 0.2 s apart */
	OP_DEAF,       /* takes nothing that is sent from now on; is not closed once it is over */
	OPS
};

/* All but OP_READ's are behind the connection's number. */
struct step {
	uint8_t op, conn, bytes[10];
	uint8_t cdb[ISCSI_CDB];
	uint16_t numbers[2];
	const uint8_t *data;
	uint16_t len;
};

enum tag_state {
	TAG_FREE,
	TAG_SENT,
	TAG_ANSWERED,
	TAG_WILD, /* of more than one task perhaps */
};

struct host {
	struct host_conn c;
	struct host_pdu r2ts[R2TS]; /* of the command that was asked for data last */
	unsigned int nr2ts, answered;
	bool counted;
	bool wild;	   /* anything may have been sent */
	bool hole, filler; /* a CmdSN of the session was left out; the next request has it */
	uint32_t hole_cmdsn;
	uint32_t statsn, max_cmdsn;
	uint8_t tags[TAGS]; /* enum tag_state */
	uint32_t expected[TAGS], got[TAGS];
};

struct bench {
	struct iscsi_rig rig;
	struct host hosts[CONNS];
	/* Somebody did something after which a command may stay without an answer. */
	bool odd;
	struct session_admin admin;
	struct session_look look;
};

static uint8_t filler[128u << 10];

static void require(int holds)
{
	if (!holds)
		abort();
}

/* ---- answers ---- */

/* What a StatSN of its own goes with. */
static bool counts(const struct host_pdu *pdu)
{
	switch (pdu->bhs[0]) {
	case ISCSI_R2T:
		return false;
	case ISCSI_DATA_IN:
		return pdu->bhs[1] & ISCSI_DATA_STATUS;
	case ISCSI_NOP_IN:
		return get_be32(pdu->bhs + ISCSI_AT_ITT) != ISCSI_NO_TAG;
	default:
		return true;
	}
}

/* The end of a command whose tag is no other's. */
static void look_at_status(struct host *h, const struct host_pdu *pdu, uint32_t tag, uint8_t status)
{
	require(h->tags[tag] == TAG_SENT);
	h->tags[tag] = TAG_ANSWERED;
	if (status == SCSI_CHECK_CONDITION)
		require(pdu->bhs[0] == ISCSI_RESPONSE && pdu->len > 2 + 8 &&
			get_be16(pdu->data) + 2u == pdu->len);
	if (status == SCSI_GOOD && !(pdu->bhs[1] & ISCSI_UNDERFLOW) && h->got[tag])
		require(h->got[tag] == h->expected[tag]);
	require((pdu->bhs[1] & 6) != 6);
}

static void look_at_command(struct host *h, const struct host_pdu *pdu)
{
	uint32_t tag = get_be32(pdu->bhs + ISCSI_AT_ITT);

	if (h->wild || tag >= TAGS || h->tags[tag] == TAG_WILD)
		return;
	if (pdu->bhs[0] == ISCSI_RESPONSE) {
		look_at_status(h, pdu, tag, pdu->bhs[ISCSI_RESPONSE_AT_STATUS]);
		return;
	}
	require(h->tags[tag] == TAG_SENT);
	require(get_be32(pdu->bhs + ISCSI_DATA_AT_OFFSET) == h->got[tag]);
	h->got[tag] += pdu->len;
	require(h->got[tag] <= h->expected[tag]);
	if (pdu->bhs[1] & ISCSI_DATA_STATUS)
		look_at_status(h, pdu, tag, pdu->bhs[ISCSI_DATA_AT_STATUS]);
}

static void look_at_numbers(struct host *h, const struct host_pdu *pdu)
{
	uint32_t statsn = get_be32(pdu->bhs + ISCSI_AT_STATSN);
	uint32_t max = get_be32(pdu->bhs + ISCSI_AT_MAXCMDSN);

	require((int32_t)(max - get_be32(pdu->bhs + ISCSI_AT_EXPCMDSN)) >= -1);
	if (!counts(pdu))
		return;
	require(!h->counted || statsn == h->statsn + 1);
	require(!h->counted || (int32_t)(max - h->max_cmdsn) >= 0);
	h->counted = true;
	h->statsn = statsn;
	h->max_cmdsn = max;
}

static void note_r2t(struct host *h, const struct host_pdu *r2t)
{
	require(get_be32(r2t->bhs + ISCSI_R2T_AT_LENGTH) > 0);
	if (h->nr2ts == R2TS && h->answered) {
		h->nr2ts -= h->answered;
		memmove(h->r2ts, h->r2ts + h->answered, h->nr2ts * sizeof(h->r2ts[0]));
		h->answered = 0;
	}
	if (h->nr2ts == R2TS || memcmp(h->r2ts[0].bhs + ISCSI_AT_ITT, r2t->bhs + ISCSI_AT_ITT, 4))
		h->nr2ts = h->answered = 0;
	h->r2ts[h->nr2ts++] = *r2t;
}

static void answer_ping(struct host *h, const struct host_pdu *ping)
{
	uint8_t bhs[ISCSI_BHS];

	if (get_be32(ping->bhs + ISCSI_AT_TTT) == ISCSI_NO_TAG)
		return;
	host_request(&h->c, ISCSI_NOP_OUT | ISCSI_IMMEDIATE, ISCSI_FINAL, bhs);
	h->c.itt--;
	put_be32(bhs + ISCSI_AT_ITT, ISCSI_NO_TAG);
	memcpy(bhs + ISCSI_AT_TTT, ping->bhs + ISCSI_AT_TTT, 4);
	host_send(&h->c, bhs, NULL, 0);
}

static void look_at_answers(struct bench *b, struct host *h)
{
	struct host_pdu pdu;

	while (h->c.answers && host_receive(&h->c, &pdu)) {
		require(pdu.header_ok && pdu.data_ok);
		require(pdu.bhs[0] & 0x20);
		if (pdu.bhs[0] != ISCSI_LOGIN_RESPONSE)
			look_at_numbers(h, &pdu);
		switch (pdu.bhs[0]) {
		case ISCSI_R2T:
			note_r2t(h, &pdu);
			break;
		case ISCSI_DATA_IN:
		case ISCSI_RESPONSE:
			look_at_command(h, &pdu);
			break;
		case ISCSI_LOGIN_RESPONSE:
			session_login_note(&h->c, &pdu);
			break;
		case ISCSI_NOP_IN:
			if (h != &b->hosts[0])
				answer_ping(h, &pdu);
			break;
		case ISCSI_REJECT:
		case ISCSI_ASYNC:
			b->odd = true;
			break;
		}
	}
}

/* ---- what initiators send ---- */

static void note_command(struct bench *b, struct host *h, uint8_t flags, const uint8_t *cdb,
			 uint32_t expected)
{
	uint32_t tag = h->c.itt + 1;

	/* Those that nobody is sure to hear of: outside the window; data still to come; PREEMPT AND
	 * ABORT. */
	if ((int32_t)(h->c.cmdsn - h->c.max_cmdsn) > 0 || flags & ISCSI_COMMAND_WRITE ||
	    !(flags & ISCSI_FINAL) || cdb[0] == 0x5f)
		b->odd = true;
	if (tag >= TAGS) {
		h->wild = true;
		return;
	}
	h->tags[tag] = h->tags[tag] == TAG_FREE ? TAG_SENT : TAG_WILD;
	h->expected[tag] = flags & ISCSI_COMMAND_READ ? expected : 0;
	h->got[tag] = 0;
}

static void note_wild(struct bench *b, struct host *h, uint32_t tag)
{
	b->odd = true;
	if (tag < TAGS)
		h->tags[tag] = TAG_WILD;
}

static void op_pdu(struct bench *b, struct host *h, const struct step *s)
{
	const uint8_t *tags = s->bytes + 2;
	struct host_conn *c = &h->c;
	uint8_t bhs[ISCSI_BHS];

	host_request(c, s->bytes[0] & 0x7f, s->bytes[1], bhs);
	memcpy(bhs + 8, tags, 2);
	if (tags[2])
		put_be32(bhs + ISCSI_AT_ITT, c->itt - tags[2] % 8);
	note_wild(b, h, get_be32(bhs + ISCSI_AT_ITT));
	put_be32(bhs + ISCSI_AT_TTT, tags[3] % 2 ? tags[4] : ISCSI_NO_TAG);
	put_be32(bhs + ISCSI_AT_CMDSN,
		 get_be32(bhs + ISCSI_AT_CMDSN) + tags[5] % 4 - (tags[5] > 250));
	put_be32(bhs + 20, tags[6] % 2 ? c->itt - tags[6] / 2 : get_be32(bhs + 20));
	if ((bhs[0] & 0x3f) == ISCSI_LOGOUT)
		put_be16(bhs + ISCSI_LOGOUT_AT_CID, tags[0] % CONNS);
	put_be32(bhs + ISCSI_TMF_AT_REFCMDSN, c->cmdsn - tags[6]);
	host_send(c, bhs, s->len ? s->data : filler, tags[7]);
}

static void op_command(struct bench *b, struct host *h, const struct step *s)
{
	uint32_t expected = s->numbers[0] * 512u;

	note_command(b, h, s->bytes[0], s->cdb, expected);
	host_command(&h->c, s->bytes[0], s->cdb, expected, filler, s->numbers[1]);
}

static void op_list(struct bench *b, struct host *h, const struct step *s)
{
	uint8_t bhs[ISCSI_BHS], flags = s->bytes[1];

	note_command(b, h, flags, s->cdb, s->numbers[0]);
	host_request(&h->c, ISCSI_COMMAND, flags, bhs);
	put_be16(bhs + ISCSI_AT_LUN, s->bytes[0] & 3);
	put_be32(bhs + ISCSI_COMMAND_AT_EXPECTED, s->numbers[0]);
	memcpy(bhs + ISCSI_COMMAND_AT_CDB, s->cdb, ISCSI_CDB);
	host_send(&h->c, bhs, s->data, s->len);
}

static void op_data_out(struct host *h, const struct step *s)
{
	uint8_t distance = s->bytes[1], flags = s->bytes[2];
	bool again = h->nr2ts && h->answered == h->nr2ts;
	const struct host_pdu *r2t = &h->r2ts[again ? h->nr2ts - 1 : h->answered];
	uint32_t len = get_be32(r2t->bhs + ISCSI_R2T_AT_LENGTH);
	uint32_t offset = get_be32(r2t->bhs + ISCSI_DATA_AT_OFFSET);

	if (len > sizeof(filler))
		len = sizeof(filler);
	if (flags & 2)
		len = len / 2 + distance;
	if (flags & 4)
		offset += distance * 512u;
	if (flags & 1 && h->answered < h->nr2ts)
		h->answered++;
	host_data_out(&h->c, r2t, s->bytes[0], offset, filler, len % sizeof(filler), flags & 1);
}

static void op_tmf(struct bench *b, struct host *h, const struct step *s)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(&h->c, ISCSI_TMF | (s->bytes[0] & ISCSI_IMMEDIATE),
		     (s->bytes[0] & 0xf) | ISCSI_FINAL, bhs);
	put_be16(bhs + ISCSI_AT_LUN, s->bytes[2] & 3);
	put_be32(bhs + ISCSI_TMF_AT_REFTAG, h->c.itt - s->bytes[1] % 16);
	put_be32(bhs + ISCSI_TMF_AT_REFCMDSN, h->c.cmdsn - s->bytes[1] / 16);
	b->odd = true;
	host_send(&h->c, bhs, NULL, 0);
}

static void op_text(struct bench *b, struct host *h, const struct step *s)
{
	uint8_t bhs[ISCSI_BHS];

	b->odd = true;
	host_request(&h->c, ISCSI_TEXT | ISCSI_IMMEDIATE, s->bytes[0], bhs);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_send(&h->c, bhs, s->data, s->len);
}

/* ---- connections ---- */

static void open_conn(struct bench *b, struct host *h, unsigned int worker)
{
	if (h->c.answers)
		host_disconnect(&h->c);
	memset(h, 0, sizeof(*h));
	host_connect(&b->rig, &h->c, worker);
}

/* One more connection of a session, which it disturbs in nothing. */
static bool only_joins(const struct bench *b, const struct host *h, const struct host *next,
		       uint8_t kind, uint8_t isid, uint16_t cid)
{
	if (h->c.answers || (kind & 0xc) != 4 || !next->c.conn || !next->c.tsih ||
	    isid != next->c.isid[5])
		return false;
	for (unsigned int i = 0; i < CONNS; i++)
		if (b->hosts[i].c.answers && b->hosts[i].c.cid == cid)
			return false;
	return true;
}

static void op_login(struct bench *b, struct host *h, const struct step *s)
{
	static const char *const keys[] = {
		"MaxConnections=4\n",
		"HeaderDigest=CRC32C,None\nDataDigest=CRC32C\n",
		"InitialR2T=No\nImmediateData=No\nMaxBurstLength=1024\nFirstBurstLength=512\n"
		"MaxOutstandingR2T=4\n",
		"MaxRecvDataSegmentLength=512\nMaxConnections=3\niSCSIProtocolLevel=2\n"
		"TaskReporting=ResponseFence\n",
	};
	const struct host *next = &b->hosts[(s->conn + 1) % CONNS];
	uint8_t isid = (s->bytes[1] & 1) | (s->bytes[0] >> 4 & 2);
	uint16_t cid = (s->bytes[1] >> 1 & 1) | (s->bytes[0] >> 3 & 2);
	uint8_t kind = s->bytes[1];
	struct host_conn *c = &h->c;
	char text[256];

	/* One that joins or replaces a session, or makes another unit attention for all. */
	for (unsigned int i = 0; i < CONNS && !only_joins(b, h, next, kind, isid, cid); i++)
		b->odd |= b->hosts[i].c.answers != NULL;
	open_conn(b, h, s->bytes[0] % RIG_WORKERS);
	c->isid[5] = isid;
	c->cid = cid;
	if (kind & 4) {
		c->tsih = next->c.tsih;
		c->cmdsn = next->c.cmdsn;
		c->itt = next->c.itt;
		h->hole = next->hole;
		h->hole_cmdsn = next->hole_cmdsn;
	} else {
		c->cmdsn = 100;
	}
	snprintf(text, sizeof(text), "%s%s", keys[kind >> 4 & 3],
		 kind & 64 ? "X-odd=1\nOFMarker=No\n" : "");
	session_login(c, kind & 8 ? SESSION_DISCOVERY : SESSION_NORMAL, text,
		      kind & 128 ? s->bytes[0] >> 1 & 7 : -1);
}

/* ---- the input ---- */

static void read_step(struct cursor *in, struct step *s)
{
	static const uint8_t lengths[OPS] = {
		[OP_PDU] = 10,	 [OP_COMMAND] = 1, [OP_DATA_OUT] = 3, [OP_LOGIN] = 2,
		[OP_RAW] = 1,	 [OP_PIECE] = 1,   [OP_DISK] = 1,     [OP_MEMORY] = 1,
		[OP_SLEEP] = 1,	 [OP_LIST] = 2,	   [OP_TMF] = 3,      [OP_TEXT] = 2,
		[OP_ADMIN] = 1,	 [OP_ANSWER] = 1,  [OP_SPOIL] = 1,    [OP_LUN] = 1,
		[OP_NUMBER] = 1, [OP_LOOKS] = 1,   [OP_DEAF] = 1,
	};
	const uint8_t *cdb;

	memset(s, 0, sizeof(*s));
	s->op = cursor_u8(in) % OPS;
	s->conn = cursor_u8(in) % CONNS;
	for (unsigned int i = 0; i < lengths[s->op]; i++)
		s->bytes[i] = cursor_u8(in);
	if (s->op == OP_COMMAND || s->op == OP_LIST) {
		s->numbers[0] = cursor_be16(in);
		s->numbers[1] = cursor_be16(in);
		cdb = cursor_bytes(in, ISCSI_CDB);
		if (cdb)
			memcpy(s->cdb, cdb, ISCSI_CDB);
	}
	s->len = s->op == OP_PDU    ? s->bytes[9]
		 : s->op == OP_RAW  ? s->bytes[0]
		 : s->op == OP_TEXT ? s->bytes[1]
		 : s->op == OP_LIST ? s->numbers[1]
				    : 0;
	if (s->len > cursor_left(in))
		s->len = s->op == OP_PDU ? 0 : (uint16_t)cursor_left(in);
	s->data = cursor_bytes(in, s->len);
}

static size_t step_length(const uint8_t *at, size_t left)
{
	struct cursor in = cursor_over(at, left);
	struct step s;

	read_step(&in, &s);
	return left - cursor_left(&in);
}

static size_t make_command(struct script_random *random, uint8_t *out)
{
	static const uint8_t attributes[] = {1, 1, 1, 2, 3, 0, 4};
	struct scsi_made made;
	uint32_t expected;
	uint8_t flags = ISCSI_FINAL;

	scsi_make(random, &made);
	expected = made.out_len ? made.out_len : made.in_len;
	flags |= made.out_len ? ISCSI_COMMAND_WRITE : made.in_len ? ISCSI_COMMAND_READ : 0;
	flags |= attributes[script_random(random, sizeof(attributes))];
	if (made.list_len > expected)
		made.list_len = (uint16_t)expected;
	out[0] = OP_LIST;
	out[1] = (uint8_t)script_random(random, 2);
	out[2] = script_chance(random, 16);
	out[3] = flags;
	put_be16(out + 4, (uint16_t)(expected < UINT16_MAX ? expected : UINT16_MAX));
	put_be16(out + 6, made.list_len);
	memcpy(out + 8, made.cdb, ISCSI_CDB);
	memcpy(out + 8 + ISCSI_CDB, made.list, made.list_len);
	return 8u + ISCSI_CDB + made.list_len;
}

static size_t make_text(struct script_random *random, uint8_t *out)
{
	static const char *const texts[] = {
		"SendTargets=All",  "SendTargets=" RIG_TARGET,
		"SendTargets=",	    "MaxRecvDataSegmentLength=4096",
		"InitiatorAlias=x", "X-odd=1",
	};
	const char *text = texts[script_random(random, sizeof(texts) / sizeof(texts[0]))];
	uint8_t len = (uint8_t)(strlen(text) + 1);

	out[0] = OP_TEXT;
	out[1] = (uint8_t)script_random(random, 2);
	out[2] = script_chance(random, 4) ? ISCSI_CONTINUE : ISCSI_FINAL;
	out[3] = len;
	memcpy(out + 4, text, len);
	return 4u + len;
}

static size_t make_step(struct script_random *random, uint8_t *out)
{
	static const uint8_t opcodes[] = {ISCSI_NOP_OUT, ISCSI_LOGOUT, ISCSI_TMF, ISCSI_SNACK,
					  ISCSI_NOP_OUT | ISCSI_IMMEDIATE};

	if (script_chance(random, 2))
		return make_command(random, out);
	if (script_chance(random, 12))
		return make_text(random, out);
	memset(out, 0, 64);
	out[0] = (uint8_t)script_random(random, OPS);
	out[1] = (uint8_t)script_random(random, 2);
	for (unsigned int i = 2; i < 5; i++)
		out[i] = (uint8_t)script_random(random, 256);
	if (out[0] == OP_LOGIN && script_chance(random, 2))
		out[3] = (out[3] & 0x36) | (script_chance(random, 4) ? 128 : 0);
	if (out[0] == OP_DATA_OUT && !script_chance(random, 3))
		memcpy(out + 2, (uint8_t[]){0, 0, 1}, 3);
	if (out[0] == OP_PDU) {
		out[2] = opcodes[script_random(random, sizeof(opcodes))];
		out[3] = (uint8_t)(ISCSI_FINAL | script_random(random, 3));
	}
	return step_length(out, 64);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const struct script_format format = {
		.head = 1, .length = step_length, .make = make_step};

	return script_mutate(&format, data, size, max, seed);
}

/* ---- a run ---- */

/* What has no connection to be sent on. */
static void run_beside(struct bench *b, const struct step *s)
{
	struct host *h = &b->hosts[s->conn];
	uint8_t value = s->bytes[0];

	switch (s->op) {
	case OP_LOGIN:
		op_login(b, h, s);
		break;
	case OP_RAW:
		b->odd = true;
		if (!h->c.answers)
			open_conn(b, h, 0);
		h->wild = true;
		if (s->len)
			host_send_bytes(&h->c, s->data, s->len);
		break;
	case OP_PIECE:
		/* The rig takes no pieces smaller than what makes progress worthwhile. */
		h->c.piece = value * 16u;
		break;
	case OP_DISK:
		b->rig.fs.disk->hold = value & 1;
		if (!b->rig.fs.disk->hold)
			fixture_disk_release(b->rig.fs.disk);
		break;
	case OP_ANSWER:
		fixture_disk_release_one(b->rig.fs.disk, value);
		break;
	case OP_MEMORY:
		session_look_rivals(&b->look, value % 64);
		break;
	case OP_SLEEP:
		b->odd = true;
		iscsi_rig_sleep(&b->rig, value * 100000000ull);
		break;
	case OP_LOOKS:
		b->odd = true;
		for (unsigned int i = 0; i <= value % 64; i++)
			iscsi_rig_sleep(&b->rig, 200000000);
		break;
	case OP_ADMIN:
		b->odd = true;
		session_admin_do(&b->admin, value, b->hosts[value >> 4 & 3].c.tsih);
		break;
	case OP_LUN:
		b->odd = true;
		session_admin_lun(&b->admin, value);
		break;
	}
}

static bool run_request(struct bench *b, struct host *h, const struct step *s)
{
	switch (s->op) {
	case OP_PDU:
		op_pdu(b, h, s);
		break;
	case OP_COMMAND:
		op_command(b, h, s);
		break;
	case OP_LIST:
		op_list(b, h, s);
		break;
	case OP_TMF:
		op_tmf(b, h, s);
		break;
	case OP_TEXT:
		op_text(b, h, s);
		break;
	default:
		return false;
	}
	return true;
}

/* With the number that was left out, if it is to have that. */
static bool run_numbered(struct bench *b, struct host *h, const struct step *s)
{
	uint32_t next = h->c.cmdsn;
	bool fills = h->filler && h->hole, sent;

	if (fills)
		h->c.cmdsn = h->hole_cmdsn;
	sent = run_request(b, h, s);
	if (!fills)
		return sent;
	h->hole = h->c.cmdsn == h->hole_cmdsn;
	h->filler = h->hole;
	h->c.cmdsn = next;
	return sent;
}

/* Connections of a session go on where one of them left off. */
static void share_numbers(struct bench *b, const struct host *from)
{
	for (unsigned int i = 0; i < CONNS; i++) {
		struct host *h = &b->hosts[i];

		if (h == from || !h->c.answers || !h->c.tsih || h->c.tsih != from->c.tsih)
			continue;
		h->c.cmdsn = from->c.cmdsn;
		h->c.itt = from->c.itt;
		h->hole = from->hole;
		h->hole_cmdsn = from->hole_cmdsn;
	}
}

static void op_number(struct host *h, uint8_t how)
{
	if (how & 1 && !h->hole) {
		h->hole = true;
		h->hole_cmdsn = h->c.cmdsn++;
	}
	h->filler = how & 2;
}

static void run_step(struct bench *b, const struct step *s)
{
	struct host *h = &b->hosts[s->conn];

	if (!h->c.answers || h->c.nunread > RIG_ANSWERS - ROOM) {
		run_beside(b, s);
		return;
	}
	if (run_numbered(b, h, s)) {
		share_numbers(b, h);
		return;
	}
	switch (s->op) {
	case OP_DATA_OUT:
		op_data_out(h, s);
		break;
	case OP_NUMBER:
		op_number(h, s->bytes[0]);
		share_numbers(b, h);
		break;
	case OP_DEAF:
		h->c.deaf = s->bytes[0] & 1;
		h->c.lingers = s->bytes[0] & 2;
		break;
	case OP_SPOIL:
		b->odd = true;
		h->c.spoil_header = s->bytes[0] & 1;
		h->c.spoil_data = s->bytes[0] & 2;
		break;
	case OP_DISCONNECT:
		b->odd = true;
		host_disconnect(&h->c);
		break;
	default:
		run_beside(b, s);
	}
}

static void look_at_all(struct bench *b)
{
	iscsi_rig_turn(&b->rig);
	for (unsigned int i = 0; i < CONNS; i++)
		look_at_answers(b, &b->hosts[i]);
	b->rig.fs.disk->requests = 0;
	session_look(&b->look);
}

static void let_end(struct bench *b)
{
	session_look_rivals(&b->look, UINT32_MAX);
	for (unsigned int i = 0; i < CONNS; i++)
		b->hosts[i].c.deaf = b->hosts[i].c.lingers = false;
	b->rig.fs.disk->hold = false;
	for (unsigned int i = 0; i < 8; i++) {
		fixture_disk_release(b->rig.fs.disk);
		look_at_all(b);
	}
}

static void look_at_end(const struct bench *b)
{
	for (unsigned int i = 0; i < CONNS; i++) {
		const struct host *h = &b->hosts[i];

		if (b->odd || h->wild || h->hole || !h->c.conn || !h->c.tsih)
			continue;
		for (uint32_t tag = 0; tag < TAGS; tag++)
			require(h->tags[tag] != TAG_SENT);
	}
}

static void settings_for(uint8_t kind, struct iscsi_settings *settings)
{
	iscsi_settings_default(settings);
	settings->initial_r2t = kind & KIND_R2T;
	settings->immediate_data = !(kind & KIND_R2T);
	settings->header_digest = settings->data_digest = kind & KIND_DIGESTS;
	settings->max_connections = 4;
	if (kind & KIND_NARROW) {
		settings->queue_depth = 4;
		settings->max_burst = 8192;
		settings->first_burst = 4096;
		settings->max_recv_segment = 1024;
	}
	settings->nop_interval_ns = kind & KIND_PINGS ? 1000000000 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	struct bench *b = calloc(1, sizeof(*b));
	uint8_t kind = cursor_u8(&in);
	struct iscsi_rig_config config = {};
	struct step s;

	require(b != NULL);
	settings_for(kind, &config.settings);
	require(!iscsi_settings_check(&config.settings, NULL));
	if (kind & KIND_TARGET_CHAP)
		config.auth = session_login_auth;
	config.runs = kind & KIND_TIGHT ? 16 : kind & KIND_POOR ? 36 : 0;
	iscsi_rig_open(&b->rig, &config);
	b->admin = (struct session_admin){.rig = &b->rig, .auth = config.auth};
	session_look_init(&b->look, &b->rig);
	if (kind & KIND_CHAP)
		iscsi_node_set_discovery_auth(b->rig.node, &session_login_auth);
	for (unsigned int n = 0; n < OPS_MAX && cursor_left(&in); n++) {
		read_step(&in, &s);
		run_step(b, &s);
		look_at_all(b);
	}
	let_end(b);
	look_at_end(b);
	for (unsigned int i = 0; i < CONNS; i++)
		if (b->hosts[i].c.answers)
			host_disconnect(&b->hosts[i].c);
	let_end(b);
	require(session_admin_done(&b->admin));
	iscsi_rig_close(&b->rig);
	free(b);
	return 0;
}
