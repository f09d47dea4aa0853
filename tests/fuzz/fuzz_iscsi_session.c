/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole sessions of hostile initiators. The first byte says what the target insists on (KIND_*);
 * then comes a script: an operation's byte, then what it needs (OP_*).
 *
 * Whatever it says, nothing leaks, every answer is a whole PDU with good digests, StatSN goes up by
 * one, MaxCmdSN never goes back, no command is answered twice, and none gets more data than it
 * expects. As long as the initiators do as RFC 7143 says, every command is answered.
 */
#include "cursor.h"
#include "iscsi_rig.h"
#include "scsi_make.h"

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
	KIND_POOR = 16, /* little memory from the beginning */
	KIND_CHAP = 32, /* discovery asks for it */
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
	OP_MEMORY,     /* so many runs remain */
	OP_SLEEP,      /* so many tenths of a second */
	OP_READ,       /* all answers are looked at */
	OP_LIST,       /* LUN, flags, expected (16), CDB, length of immediate data (16), the data */
	OP_TMF,	       /* function, distance of the task's tag, LUN */
	OP_TEXT,       /* flags, length, text */
	OP_ADMIN,      /* what the administrator does */
	OP_ANSWER,     /* which of the disk's requests is answered */
	OP_SPOIL,      /* the next PDU's digests are wrong: of its header, of its data */
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
	bool wild; /* anything may have been sent */
	uint32_t statsn, max_cmdsn;
	uint8_t tags[TAGS]; /* enum tag_state */
	uint32_t expected[TAGS], got[TAGS];
};

struct bench {
	struct iscsi_rig rig;
	struct host hosts[CONNS];
	/* Somebody did something after which a command may stay without an answer. */
	bool odd;
	struct iscsi_leaving leaving[RIG_WORKERS];
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

static void look_at_answers(struct bench *b, struct host *h)
{
	struct host_pdu pdu;

	while (h->c.answers && host_receive(&h->c, &pdu)) {
		require(pdu.header_ok && pdu.data_ok);
		require(pdu.bhs[0] & 0x20);
		look_at_numbers(h, &pdu);
		switch (pdu.bhs[0]) {
		case ISCSI_R2T:
			note_r2t(h, &pdu);
			break;
		case ISCSI_DATA_IN:
		case ISCSI_RESPONSE:
			look_at_command(h, &pdu);
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

/* A digest is in force from the last login response on. */
static void read_login(struct host *h)
{
	struct host_conn *c = &h->c;
	struct host_pdu pdu;
	const char *digest;

	if (!host_receive(c, &pdu))
		return;
	require(pdu.bhs[0] == ISCSI_LOGIN_RESPONSE);
	if (get_be16(pdu.bhs + ISCSI_LOGIN_AT_STATUS) || (pdu.bhs[1] & 0x83) != 0x83)
		return;
	c->tsih = get_be16(pdu.bhs + ISCSI_LOGIN_AT_TSIH);
	require(c->tsih);
	digest = host_key(&pdu, "HeaderDigest");
	c->header_digest = digest && !strcmp(digest, "CRC32C");
	digest = host_key(&pdu, "DataDigest");
	c->data_digest = digest && !strcmp(digest, "CRC32C");
}

static void op_login(struct bench *b, struct host *h, const struct step *s)
{
	static const char *const keys[] = {
		"",
		"HeaderDigest=CRC32C,None\nDataDigest=CRC32C\n",
		"InitialR2T=No\nImmediateData=No\nMaxBurstLength=1024\nFirstBurstLength=512\n"
		"MaxOutstandingR2T=4\n",
		"MaxRecvDataSegmentLength=512\nMaxConnections=3\niSCSIProtocolLevel=2\n"
		"TaskReporting=ResponseFence\n",
	};
	const struct host *next = &b->hosts[(s->conn + 1) % CONNS];
	uint8_t kind = s->bytes[1], bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, 0x87};
	struct host_conn *c = &h->c;
	char text[512];
	int len;

	/* One that joins or replaces a session, or makes another unit attention for all. */
	for (unsigned int i = 0; i < CONNS; i++)
		b->odd |= b->hosts[i].c.answers != NULL;
	open_conn(b, h, s->bytes[0] % RIG_WORKERS);
	c->isid[5] = kind & 1;
	c->cid = kind >> 1 & 1;
	c->tsih = kind & 4 ? next->c.tsih : 0;
	c->cmdsn = kind & 4 ? next->c.cmdsn : 100;
	len = snprintf(text, sizeof(text), "InitiatorName=%s\n%s%s%s", RIG_INITIATOR,
		       kind & 8 ? "SessionType=Discovery\n" : "TargetName=" RIG_TARGET "\n",
		       keys[kind >> 4 & 3], kind & 64 ? "X-odd=1\nOFMarker=No\n" : "");
	for (int k = 0; k < len; k++)
		if (text[k] == '\n')
			text[k] = '\0';
	memcpy(bhs + ISCSI_LOGIN_AT_ISID, c->isid, ISCSI_ISID);
	put_be16(bhs + ISCSI_LOGIN_AT_TSIH, c->tsih);
	put_be16(bhs + ISCSI_LOGIN_AT_CID, c->cid);
	put_be32(bhs + ISCSI_AT_CMDSN, c->cmdsn);
	host_send(c, bhs, text, (uint32_t)len);
	read_login(h);
}

/* ---- the administrator ---- */

static void note_left(struct iscsi_leaving *leaving)
{
	leaving->target = NULL;
}

static void leave(struct bench *b, unsigned int worker)
{
	struct iscsi_leaving *leaving = &b->leaving[worker];

	if (leaving->target)
		return;
	*leaving = (struct iscsi_leaving){.target = b->rig.target, .gone = note_left};
	iscsi_worker_leave_target(b->rig.workers[worker], leaving, b->rig.now, 1000000000);
}

static void set_access(struct bench *b, uint8_t how)
{
	struct iscsi_rule rules[] = {{.pattern = "iqn.1999-01.other:*"},
				     {.pattern = "iqn.2026-11.example:*"}};
	const struct iscsi_access access = {.rules = rules, .nrules = how & 16 ? 1 : 2};

	memset(rules[1].mask.visible, how & 32 ? 0xfe : 0xff, sizeof(rules[1].mask.visible));
	memset(rules[1].mask.read_only, how & 64 ? 0xff : 0, sizeof(rules[1].mask.read_only));
	require(!iscsi_target_set_access(b->rig.target, &access));
	for (unsigned int i = 0; i < RIG_WORKERS; i++)
		iscsi_worker_recheck_target(b->rig.workers[i], b->rig.target);
}

static void look_at_reports(struct bench *b)
{
	static struct iscsi_session_report sessions[4];
	static struct iscsi_lun_report luns[4];

	for (unsigned int i = 0; i < RIG_WORKERS; i++) {
		struct iscsi_worker *worker = b->rig.workers[i];

		iscsi_worker_stamp(worker, b->rig.now);
		require(!iscsi_worker_unstamped(worker));
		iscsi_worker_sessions(worker, sessions, 4);
		iscsi_worker_luns(worker, luns, 4);
		iscsi_worker_stats(worker);
	}
}

static void op_admin(struct bench *b, uint8_t what)
{
	static const char *const elsewhere[] = {NULL, "192.0.2.9:3260,1"};
	struct fixture_scsi *fs = &b->rig.fs;

	b->odd = true;
	switch (what & 7) {
	case 0:
		leave(b, what >> 3 & 1);
		break;
	case 1:
		require(!iscsi_target_set_redirect(b->rig.target, elsewhere[what >> 3 & 1],
						   what & 16));
		break;
	case 2:
		set_access(b, what);
		break;
	case 3:
		iscsi_worker_close_session(b->rig.workers[what >> 3 & 1],
					   b->hosts[what >> 4 & 3].c.tsih);
		break;
	case 4:
		scsi_target_set_access(fs->target,
				       (struct scsi_access_state){.access = what >> 3 & 3});
		break;
	case 5:
		atomic_store(&fs->disk->disk.nblocks, 4096 >> (what >> 3 & 3));
		scsi_device_resized(fs->dev);
		break;
	case 6:
		b->rig.no_random = what & 8;
		break;
	default:
		look_at_reports(b);
	}
}

/* ---- the input ---- */

static void read_step(struct cursor *in, struct step *s)
{
	static const uint8_t lengths[OPS] = {
		[OP_PDU] = 10,	[OP_COMMAND] = 1, [OP_DATA_OUT] = 3, [OP_LOGIN] = 2,
		[OP_RAW] = 1,	[OP_PIECE] = 1,	  [OP_DISK] = 1,     [OP_MEMORY] = 1,
		[OP_SLEEP] = 1, [OP_LIST] = 2,	  [OP_TMF] = 3,	     [OP_TEXT] = 2,
		[OP_ADMIN] = 1, [OP_ANSWER] = 1,  [OP_SPOIL] = 1,
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
		out[3] &= 0x30;
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
		/* Nobody tells who waits for memory of what is given back here. */
		b->odd = true;
		iscsi_rig_give(&b->rig);
		iscsi_rig_take(&b->rig, value % 32);
		break;
	case OP_SLEEP:
		b->odd = true;
		iscsi_rig_sleep(&b->rig, value * 100000000ull);
		break;
	case OP_ADMIN:
		op_admin(b, value);
		break;
	}
}

static void run_step(struct bench *b, const struct step *s)
{
	struct host *h = &b->hosts[s->conn];

	if (!h->c.answers || h->c.nunread > RIG_ANSWERS - ROOM) {
		run_beside(b, s);
		return;
	}
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
	case OP_DATA_OUT:
		op_data_out(h, s);
		break;
	case OP_TMF:
		op_tmf(b, h, s);
		break;
	case OP_TEXT:
		op_text(b, h, s);
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
}

static void let_end(struct bench *b)
{
	iscsi_rig_give(&b->rig);
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

		if (b->odd || h->wild || !h->c.conn || !h->c.tsih)
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
	static const struct iscsi_auth auth = {.initiator = {"host", "the host's secret"}};
	struct cursor in = cursor_over(data, size);
	struct bench *b = calloc(1, sizeof(*b));
	uint8_t kind = cursor_u8(&in);
	struct iscsi_rig_config config = {};
	struct step s;

	require(b != NULL);
	settings_for(kind, &config.settings);
	require(!iscsi_settings_check(&config.settings, NULL));
	iscsi_rig_open(&b->rig, &config);
	if (kind & KIND_POOR)
		iscsi_rig_take(&b->rig, 36);
	if (kind & KIND_CHAP)
		iscsi_node_set_discovery_auth(b->rig.node, &auth);
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
	for (unsigned int i = 0; i < RIG_WORKERS; i++)
		require(!b->leaving[i].target);
	iscsi_rig_close(&b->rig);
	free(b);
	return 0;
}
