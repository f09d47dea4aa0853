/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole sessions of hostile initiators. The input is a script: an operation's byte, then what it
 * needs (see OP_*). Whatever it says, nothing leaks, every answer is a whole PDU with good digests,
 * StatSN goes up by one, and no DataSN is left out.
 */
#include "cursor.h"
#include "iscsi_rig.h"

#include <stdlib.h>
#include <string.h>

#define CONNS	4u
#define OPS_MAX 200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum operation {
	OP_PDU,	       /* connection, opcode, flags, 8 bytes at the tags, a CmdSN's distance, ... */
	OP_COMMAND,    /* connection, flags, expected (16 bits, times 512), CDB, immediate data */
	OP_DATA_OUT,   /* connection, for the last R2T: distances, length */
	OP_LOGIN,      /* connection, worker, kind, keys */
	OP_RAW,	       /* connection, length (16 bits), bytes */
	OP_DISCONNECT, /* connection */
	OP_PIECE,      /* connection, bytes at a time */
	OP_DISK,       /* the disk holds requests, or ends those it holds */
	OP_MEMORY,     /* so many runs remain */
	OP_SLEEP,      /* so many tenths of a second */
	OP_READ,       /* connection: all its answers are looked at */
	OPERATIONS
};

struct bench {
	struct iscsi_rig rig;
	struct host_conn conns[CONNS];
	struct host_pdu r2t[CONNS];
	bool counted[CONNS];
	uint32_t statsn[CONNS];
};

static uint8_t filler[128u << 10];

static void require(int holds)
{
	if (!holds)
		abort();
}

static struct host_conn *pick(struct bench *b, struct cursor *in, unsigned int *i)
{
	*i = cursor_u8(in) % CONNS;
	return &b->conns[*i];
}

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

static void look_at_answers(struct bench *b, unsigned int i)
{
	struct host_conn *c = &b->conns[i];
	struct host_pdu pdu;

	while (c->answers && host_receive(c, &pdu)) {
		uint32_t statsn = get_be32(pdu.bhs + ISCSI_AT_STATSN);

		require(pdu.header_ok && pdu.data_ok);
		require(pdu.bhs[0] & 0x20);
		if (pdu.bhs[0] == ISCSI_R2T) {
			b->r2t[i] = pdu;
			require(get_be32(pdu.bhs + ISCSI_R2T_AT_LENGTH) > 0);
		}
		if (!counts(&pdu))
			continue;
		require(!b->counted[i] || statsn == b->statsn[i] + 1);
		b->counted[i] = true;
		b->statsn[i] = statsn;
	}
}

static void op_pdu(struct bench *b, struct cursor *in)
{
	unsigned int i;
	struct host_conn *c = pick(b, in, &i);
	uint8_t opcode = cursor_u8(in), flags = cursor_u8(in), bhs[ISCSI_BHS];
	const uint8_t *tags = cursor_bytes(in, 8), *rest;
	uint32_t len;

	if (!c->answers || !tags)
		return;
	host_request(c, opcode & 0x7f, flags, bhs);
	memcpy(bhs + 8, tags, 2);
	if (tags[2])
		put_be32(bhs + ISCSI_AT_ITT, c->itt - tags[2] % 8);
	put_be32(bhs + ISCSI_AT_TTT, tags[3] % 2 ? tags[4] : ISCSI_NO_TAG);
	put_be32(bhs + ISCSI_AT_CMDSN,
		 get_be32(bhs + ISCSI_AT_CMDSN) + tags[5] % 4 - (tags[5] > 250));
	put_be32(bhs + 20, tags[6] % 2 ? c->itt - tags[6] / 2 : get_be32(bhs + 20));
	put_be32(bhs + ISCSI_TMF_AT_REFCMDSN, c->cmdsn - tags[6]);
	len = tags[7];
	rest = cursor_bytes(in, len);
	host_send(c, bhs, rest ? rest : filler, len);
}

static void op_command(struct bench *b, struct cursor *in)
{
	unsigned int i;
	struct host_conn *c = pick(b, in, &i);
	uint8_t flags = cursor_u8(in);
	uint32_t expected = cursor_be16(in) * 512u, immediate = cursor_be16(in);
	const uint8_t *cdb = cursor_bytes(in, ISCSI_CDB);

	if (c->answers && cdb)
		host_command(c, flags, cdb, expected, filler, immediate);
}

static void op_data_out(struct bench *b, struct cursor *in)
{
	unsigned int i;
	struct host_conn *c = pick(b, in, &i);
	uint8_t sn = cursor_u8(in), distance = cursor_u8(in), flags = cursor_u8(in);
	uint32_t len = get_be32(b->r2t[i].bhs + ISCSI_R2T_AT_LENGTH);
	uint32_t offset = get_be32(b->r2t[i].bhs + ISCSI_DATA_AT_OFFSET);

	if (!c->answers)
		return;
	if (len > sizeof(filler))
		len = sizeof(filler);
	if (flags & 2)
		len = len / 2 + distance;
	if (flags & 4)
		offset += distance * 512u;
	host_data_out(c, &b->r2t[i], sn, offset, filler, len % sizeof(filler), flags & 1);
}

static void open_conn(struct bench *b, unsigned int i, unsigned int worker)
{
	struct host_conn *c = &b->conns[i];

	if (c->answers)
		host_disconnect(c);
	b->counted[i] = false;
	memset(&b->r2t[i], 0, sizeof(b->r2t[i]));
	host_connect(&b->rig, c, worker);
}

/* A digest is in force from the last login response on. */
static void read_login(struct bench *b, unsigned int i)
{
	struct host_conn *c = &b->conns[i];
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

static void op_login(struct bench *b, struct cursor *in)
{
	static const char *const keys[] = {
		"",
		"HeaderDigest=CRC32C,None\nDataDigest=CRC32C\n",
		"InitialR2T=No\nImmediateData=No\nMaxBurstLength=1024\nFirstBurstLength=512\n",
		"MaxRecvDataSegmentLength=512\nMaxConnections=3\n",
	};
	unsigned int i = cursor_u8(in) % CONNS, worker = cursor_u8(in) % RIG_WORKERS;
	uint8_t kind = cursor_u8(in);
	struct host_conn *c = &b->conns[i];
	uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, 0x87};
	char text[512];
	int len;

	open_conn(b, i, worker);
	c->isid[5] = kind & 1;
	c->cid = kind >> 1 & 1;
	c->tsih = kind & 4 ? b->conns[(i + 1) % CONNS].tsih : 0;
	c->cmdsn = kind & 4 ? b->conns[(i + 1) % CONNS].cmdsn : 100;
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
	read_login(b, i);
}

static void op_other(struct bench *b, uint8_t op, struct cursor *in)
{
	unsigned int i = cursor_u8(in) % CONNS;
	struct host_conn *c = &b->conns[i];
	uint8_t value = op == OP_READ || op == OP_DISCONNECT ? 0 : cursor_u8(in);
	const void *bytes;

	switch (op) {
	case OP_RAW:
		bytes = cursor_bytes(in, value);
		if (!c->answers)
			open_conn(b, i, 0);
		if (bytes)
			host_send_bytes(c, bytes, value);
		break;
	case OP_DISCONNECT:
		if (c->answers)
			host_disconnect(c);
		break;
	case OP_PIECE:
		/* The rig takes no pieces smaller than what makes progress worthwhile. */
		c->piece = value * 16u;
		break;
	case OP_DISK:
		b->rig.fs.disk->hold = value & 1;
		if (!b->rig.fs.disk->hold)
			fixture_disk_release(b->rig.fs.disk);
		break;
	case OP_MEMORY:
		iscsi_rig_give(&b->rig);
		iscsi_rig_take(&b->rig, value % 32);
		break;
	case OP_SLEEP:
		iscsi_rig_sleep(&b->rig, value * 100000000ull);
		break;
	default:
		look_at_answers(b, i);
	}
}

static void run(struct bench *b, struct cursor *in)
{
	for (unsigned int n = 0; n < OPS_MAX && cursor_left(in); n++) {
		uint8_t op = cursor_u8(in) % OPERATIONS;

		/* The recording disk's log is bounded. */
		if (b->rig.fs.disk->requests > FIXTURE_LOG - 2100)
			return;
		switch (op) {
		case OP_PDU:
			op_pdu(b, in);
			break;
		case OP_COMMAND:
			op_command(b, in);
			break;
		case OP_DATA_OUT:
			op_data_out(b, in);
			break;
		case OP_LOGIN:
			op_login(b, in);
			break;
		default:
			op_other(b, op, in);
		}
		iscsi_rig_turn(&b->rig);
		for (unsigned int i = 0; i < CONNS; i++)
			look_at_answers(b, i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	struct bench *b = calloc(1, sizeof(*b));

	require(b != NULL);
	iscsi_rig_open(&b->rig, &(struct iscsi_rig_config){});
	run(b, &in);
	iscsi_rig_give(&b->rig);
	for (unsigned int i = 0; i < CONNS; i++)
		if (b->conns[i].answers)
			host_disconnect(&b->conns[i]);
	b->rig.fs.disk->hold = false;
	for (unsigned int i = 0; i < 4; i++) {
		fixture_disk_release(b->rig.fs.disk);
		iscsi_rig_turn(&b->rig);
	}
	iscsi_rig_close(&b->rig);
	free(b);
	return 0;
}
