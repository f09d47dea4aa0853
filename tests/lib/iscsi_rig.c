/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi_rig.h"

#include <assert.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGING	  8192u /* bytes that the environment takes at once without knowing what they are */
#define TAKEN_MAX (64u << 10)

/* ---- the environment ---- */

static struct host_conn *host_of(struct iscsi_conn *conn)
{
	return iscsi_conn_ctx(conn);
}

static void ops_nothing(struct iscsi_conn *conn)
{
}

static void ops_hang_up(struct iscsi_conn *conn, bool polite)
{
	host_of(conn)->hung_up = true;
	host_of(conn)->polite = polite;
}

static void ops_adopt(struct iscsi_conn *conn, struct iscsi_worker *to)
{
	host_of(conn)->adopt = to;
}

static uint64_t ops_moved(struct iscsi_conn *conn)
{
	return host_of(conn)->moved;
}

static void ops_log(struct iscsi_conn *conn, int priority, const char *text)
{
	struct iscsi_rig *rig = host_of(conn)->rig;

	snprintf(rig->log, sizeof(rig->log), "%s", text);
}

static bool ops_random(struct iscsi_worker *worker, uint8_t *bytes, size_t len)
{
	struct iscsi_rig *rig = iscsi_worker_ctx(worker);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + 3);
	return !rig->no_random;
}

static const struct iscsi_conn_ops ops = {
	.output = ops_nothing,
	.input = ops_nothing,
	.hang_up = ops_hang_up,
	.adopt = ops_adopt,
	.moved = ops_moved,
	.log = ops_log,
	.random = ops_random,
};

/* ---- the target ---- */

static void open_target(struct iscsi_rig *rig, const struct iscsi_rig_config *config)
{
	struct iscsi_rule rule = {.pattern = "iqn.2026-11.example:*"};
	const struct iscsi_portal portals[] = {{"0.0.0.0:3260", 1}, {"[2001:db8::1]:3260", 2}};
	const struct iscsi_port ports[] = {{1, rig->fs.target}, {2, rig->fs.target}};
	struct iscsi_target_config target = {
		.name = RIG_TARGET,
		.alias = "a disk",
		.portals = portals,
		.nportals = 2,
		.ports = ports,
		.nports = 2,
		.settings = config->settings,
		.access = {.rules = &rule, .nrules = 1, .auth = config->auth},
	};

	if (!target.settings.max_burst)
		iscsi_settings_default(&target.settings);
	memset(rule.mask.visible, 0xff, sizeof(rule.mask.visible));
	assert(!iscsi_target_open(rig->node, &target, &rig->target, NULL));
}

void iscsi_rig_open(struct iscsi_rig *rig, const struct iscsi_rig_config *config)
{
	const struct arena_config memory = {
		.rx_frames = 1, .runs = 32, .run_frames = ISCSI_RUN_FRAMES};
	struct iscsi_worker_config worker = {
		.ops = &ops, .ctx = rig, .max_conns = 16, .max_logins = 4};

	memset(rig, 0, offsetof(struct iscsi_rig, fs));
	fixture_scsi_open(&rig->fs, &(struct fixture_scsi_config){});
	assert(!arena_open(&rig->arena, &memory, NULL));
	assert(!mailbox_open(&rig->mailbox));
	blk_queue_init(&rig->queue, &rig->arena, NULL, &rig->mailbox);
	assert(!iscsi_node_open(&rig->node, NULL));
	open_target(rig, config);
	worker.node = rig->node;
	worker.queue = &rig->fs.queue;
	assert(!iscsi_worker_open(&worker, &rig->workers[0], NULL));
	worker.queue = &rig->queue;
	assert(!iscsi_worker_open(&worker, &rig->workers[1], NULL));
	rig->now = 1000000000;
	if (config->runs)
		iscsi_rig_take(rig, config->runs);
}

void iscsi_rig_turn(struct iscsi_rig *rig)
{
	while (mailbox_drain(&rig->fs.mailbox) || mailbox_drain(&rig->mailbox))
		;
}

void iscsi_rig_settle(struct iscsi_rig *rig)
{
	rig->fs.disk->hold = false;
	fixture_disk_release(rig->fs.disk);
	iscsi_rig_turn(rig);
}

void iscsi_rig_sleep(struct iscsi_rig *rig, uint64_t ns)
{
	rig->now += ns;
	for (unsigned int i = 0; i < RIG_WORKERS; i++)
		iscsi_worker_tick(rig->workers[i], rig->now);
	iscsi_rig_turn(rig);
}

void iscsi_rig_take(struct iscsi_rig *rig, unsigned int leave)
{
	while (rig->fs.arena.nfree_runs > leave)
		rig->taken[rig->ntaken++] = arena_run_get(&rig->fs.arena);
}

void iscsi_rig_give(struct iscsi_rig *rig)
{
	while (rig->ntaken)
		arena_run_put(&rig->fs.arena, rig->taken[--rig->ntaken]);
}

void iscsi_rig_close(struct iscsi_rig *rig)
{
	iscsi_rig_give(rig);
	iscsi_rig_turn(rig);
	for (unsigned int i = 0; i < RIG_WORKERS; i++) {
		assert(!iscsi_worker_busy(rig->workers[i]));
		iscsi_worker_close(rig->workers[i]);
	}
	iscsi_target_close(rig->target);
	iscsi_node_close(rig->node);
	assert(rig->arena.nfree_runs == rig->arena.config.runs);
	mailbox_close(&rig->mailbox);
	arena_close(&rig->arena);
	fixture_scsi_close(&rig->fs);
}

/* ---- bytes ---- */

void host_connect(struct iscsi_rig *rig, struct host_conn *c, unsigned int worker)
{
	const struct iscsi_conn_config config = {
		.worker = rig->workers[worker],
		.ctx = c,
		.peer = "192.0.2.7:40000",
		.local = "192.0.2.1:3260",
		.group = 1,
	};

	memset(c, 0, sizeof(*c));
	c->rig = rig;
	c->answers = malloc(RIG_ANSWERS);
	c->unread = malloc(RIG_ANSWERS);
	c->isid[0] = 0x80;
	c->cmdsn = 100;
	assert(c->answers && c->unread);
	assert(!iscsi_conn_open(&config, rig->now, &c->conn));
}

static void host_close_conn(struct host_conn *c)
{
	if (c->conn)
		iscsi_conn_close(c->conn);
	c->conn = NULL;
	iscsi_rig_turn(c->rig);
}

void host_disconnect(struct host_conn *c)
{
	host_close_conn(c);
	free(c->answers);
	free(c->unread);
	c->answers = c->unread = NULL;
}

static void pump_output(struct host_conn *c)
{
	struct iovec iov[7];
	unsigned int n;

	while (c->conn && !c->deaf && (n = iscsi_conn_output(c->conn, iov, c->piece ? 4 : 7))) {
		size_t sent = 0;

		for (unsigned int i = 0; i < n; i++) {
			size_t len = iov[i].iov_len;

			if (c->piece && len > c->piece)
				len = c->piece;
			if (len > RIG_ANSWERS - c->nanswers)
				len = RIG_ANSWERS - c->nanswers;
			memcpy(c->answers + c->nanswers, iov[i].iov_base, len);
			c->nanswers += len;
			c->moved += len;
			sent += len;
			if (len < iov[i].iov_len)
				break;
		}
		if (!sent)
			break;
		iscsi_conn_sent(c->conn, sent, c->rig->now);
		iscsi_rig_turn(c->rig);
	}
}

static size_t pump_direct(struct host_conn *c, const struct iscsi_want *want, const uint8_t *unread)
{
	size_t done = 0;

	c->direct = true;
	for (unsigned int i = 0; i < want->niov; i++) {
		size_t len = want->iov[i].iov_len;

		if (len > c->nunread - done)
			len = c->nunread - done;
		if (c->piece && len > c->piece)
			len = c->piece;
		memcpy(want->iov[i].iov_base, unread + done, len);
		done += len;
		if (len < want->iov[i].iov_len)
			break;
	}
	iscsi_conn_landed(c->conn, (uint32_t)done, c->rig->now);
	return done;
}

static void pump_input(struct host_conn *c)
{
	const uint8_t *at = c->unread;

	while (c->conn && c->nunread) {
		struct iscsi_want want;
		size_t most = c->piece ? c->piece : STAGING;
		size_t len = most < c->nunread ? most : c->nunread;

		iscsi_conn_want(c->conn, &want);
		if (want.kind == ISCSI_WANT_NOTHING)
			break;
		if (want.kind == ISCSI_WANT_DIRECT)
			len = pump_direct(c, &want, at);
		else
			len = iscsi_conn_input(c->conn, at, len, c->rig->now);
		c->nunread -= len;
		at += len;
		iscsi_rig_turn(c->rig);
	}
	memmove(c->unread, at, c->nunread);
}

static void pump(struct host_conn *c)
{
	size_t before;

	do {
		before = c->nunread + c->nanswers;
		pump_input(c);
		if (c->adopt && c->conn) {
			struct iscsi_worker *to = c->adopt;

			c->adopt = NULL;
			iscsi_conn_adopt(c->conn, to, c->rig->now);
		}
		iscsi_rig_turn(c->rig);
		pump_output(c);
	} while (before != c->nunread + c->nanswers);
	if (c->hung_up && !c->lingers)
		host_close_conn(c);
}

void host_send_bytes(struct host_conn *c, const void *bytes, size_t len)
{
	assert(c->nunread + len <= RIG_ANSWERS);
	if (len)
		memcpy(c->unread + c->nunread, bytes, len);
	c->nunread += len;
	c->moved += len;
	pump(c);
}

static void crc_bytes(const void *bytes, size_t len, uint8_t out[4])
{
	uint32_t crc = ~crc32_iscsi((unsigned char *)bytes, (int)len, 0xffffffff);

	for (unsigned int i = 0; i < 4; i++)
		out[i] = (uint8_t)(crc >> 8 * i);
}

void host_send(struct host_conn *c, uint8_t *bhs, const void *data, uint32_t len)
{
	uint32_t padded = (len + 3) & ~3u, n = ISCSI_BHS;
	uint8_t *pdu = calloc(1, ISCSI_BHS + padded + 8);

	assert(pdu);
	put_be24(bhs + ISCSI_AT_DATA_LENGTH, len);
	memcpy(pdu, bhs, ISCSI_BHS);
	if (c->header_digest) {
		crc_bytes(pdu, ISCSI_BHS, pdu + n);
		pdu[n] ^= c->spoil_header;
		n += 4;
	}
	if (len)
		memcpy(pdu + n, data, len);
	if (len && c->data_digest) {
		crc_bytes(pdu + n, padded, pdu + n + padded);
		pdu[n + padded] ^= c->spoil_data;
	}
	c->spoil_header = c->spoil_data = false;
	host_send_bytes(c, pdu, n + padded + (len && c->data_digest ? 4 : 0));
	free(pdu);
}

/* Not at once: what is behind has to be moved. */
static void forget_taken(struct host_conn *c)
{
	if (c->taken < TAKEN_MAX && c->taken < c->nanswers)
		return;
	c->nanswers -= c->taken;
	memmove(c->answers, c->answers + c->taken, c->nanswers);
	c->taken = 0;
}

bool host_receive(struct host_conn *c, struct host_pdu *pdu)
{
	const uint8_t *at;
	uint8_t digest[4];
	size_t need = ISCSI_BHS + (c->header_digest ? 4 : 0);
	uint32_t padded;

	forget_taken(c);
	pump(c);
	if (c->nanswers - c->taken < ISCSI_BHS)
		return false;
	at = c->answers + c->taken;
	memcpy(pdu->bhs, at, ISCSI_BHS);
	pdu->len = get_be24(at + ISCSI_AT_DATA_LENGTH);
	padded = (pdu->len + 3) & ~3u;
	assert(!at[ISCSI_AT_AHS_LENGTH]);
	/* Only the end of a connection cuts a PDU short. */
	if (c->nanswers - c->taken < need + padded + (c->data_digest && pdu->len ? 4 : 0)) {
		assert(!c->conn);
		return false;
	}
	crc_bytes(at, ISCSI_BHS, digest);
	pdu->header_ok = !c->header_digest || !memcmp(digest, at + ISCSI_BHS, 4);
	pdu->data = at + need;
	need += padded;
	crc_bytes(pdu->data, padded, digest);
	pdu->data_ok = !c->data_digest || !pdu->len || !memcmp(digest, at + need, 4);
	need += c->data_digest && pdu->len ? 4 : 0;
	c->taken += need;
	c->max_cmdsn = get_be32(pdu->bhs + ISCSI_AT_MAXCMDSN);
	return true;
}

void host_expect(struct host_conn *c, uint8_t opcode, struct host_pdu *pdu)
{
	if (!host_receive(c, pdu)) {
		fprintf(stderr, "no PDU came, 0x%02x was due; last log: %s\n", opcode, c->rig->log);
		abort();
	}
	if (pdu->bhs[0] != opcode) {
		fprintf(stderr, "0x%02x came, 0x%02x was due; last log: %s\n", pdu->bhs[0], opcode,
			c->rig->log);
		abort();
	}
	assert(pdu->header_ok && pdu->data_ok);
}

void host_expect_nothing(struct host_conn *c)
{
	struct host_pdu pdu;

	if (!host_receive(c, &pdu))
		return;
	fprintf(stderr, "0x%02x came, nothing was due\n", pdu.bhs[0]);
	abort();
}

/* ---- requests ---- */

void host_request(struct host_conn *c, uint8_t opcode, uint8_t flags, uint8_t *bhs)
{
	memset(bhs, 0, ISCSI_BHS);
	bhs[0] = opcode;
	bhs[1] = flags;
	put_be32(bhs + ISCSI_AT_ITT, ++c->itt);
	put_be32(bhs + ISCSI_AT_CMDSN, c->cmdsn);
	put_be32(bhs + ISCSI_AT_EXPSTATSN, c->exp_statsn);
	if (!(opcode & ISCSI_IMMEDIATE))
		c->cmdsn++;
}

void host_ping(struct host_conn *c, uint32_t cmdsn)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(c, ISCSI_NOP_OUT, ISCSI_FINAL, bhs);
	put_be32(bhs + ISCSI_AT_CMDSN, cmdsn);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_send(c, bhs, NULL, 0);
}

uint16_t host_login_step(struct host_conn *c, uint8_t flags, const char *text,
			 struct host_pdu *answer)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, flags};
	char *keys = strdup(text);
	size_t len = strlen(text);

	assert(keys);
	for (size_t i = 0; i < len; i++)
		if (keys[i] == '\n')
			keys[i] = '\0';
	memcpy(bhs + ISCSI_LOGIN_AT_ISID, c->isid, ISCSI_ISID);
	put_be16(bhs + ISCSI_LOGIN_AT_TSIH, c->tsih);
	put_be16(bhs + ISCSI_LOGIN_AT_CID, c->cid);
	put_be32(bhs + ISCSI_AT_CMDSN, c->cmdsn);
	host_send(c, bhs, keys, (uint32_t)len);
	free(keys);
	host_expect(c, ISCSI_LOGIN_RESPONSE, answer);
	return get_be16(answer->bhs + ISCSI_LOGIN_AT_STATUS);
}

const char *host_key(const struct host_pdu *pdu, const char *key)
{
	const char *at = (const char *)pdu->data, *end = at + pdu->len;

	while (at < end) {
		if (!strncmp(at, key, strlen(key)) && at[strlen(key)] == '=')
			return at + strlen(key) + 1;
		at += strlen(at) + 1;
	}
	return NULL;
}

void host_login(struct host_conn *c, const char *keys)
{
	static const char names[] =
		"InitiatorName=" RIG_INITIATOR "\nTargetName=" RIG_TARGET "\nSessionType=Normal\n";
	char text[2048];
	struct host_pdu answer;
	const char *digest;

	snprintf(text, sizeof(text), "%s%s", names, keys ? keys : "");
	assert(host_login_step(c, 0x87, text, &answer) == 0);
	assert(answer.bhs[1] == 0x87);
	c->tsih = get_be16(answer.bhs + ISCSI_LOGIN_AT_TSIH);
	digest = host_key(&answer, "HeaderDigest");
	c->header_digest = digest && !strcmp(digest, "CRC32C");
	digest = host_key(&answer, "DataDigest");
	c->data_digest = digest && !strcmp(digest, "CRC32C");
}

void host_command(struct host_conn *c, uint8_t flags, const uint8_t *cdb, uint32_t expected,
		  const void *data, uint32_t len)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(c, ISCSI_COMMAND, flags, bhs);
	put_be32(bhs + ISCSI_COMMAND_AT_EXPECTED, expected);
	memcpy(bhs + ISCSI_COMMAND_AT_CDB, cdb, ISCSI_CDB);
	host_send(c, bhs, data, len);
}

void host_ready(struct iscsi_rig *rig, struct host_conn *c, uint8_t port, const char *keys)
{
	struct host_pdu answer;

	host_connect(rig, c, 0);
	c->isid[ISCSI_ISID - 1] = port;
	host_login(c, keys);
	host_test_unit_ready(c);
	host_expect(c, ISCSI_RESPONSE, &answer);
}

void host_read(struct host_conn *c, uint32_t lba, uint16_t blocks)
{
	uint8_t cdb[ISCSI_CDB] = {0x28};

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	host_command(c, 0xc1, cdb, blocks * 512u, NULL, 0);
}

void host_write(struct host_conn *c, uint32_t lba, uint16_t blocks, const void *data, uint32_t len)
{
	uint8_t cdb[ISCSI_CDB] = {0x2a};

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	host_command(c, 0xa1, cdb, blocks * 512u, data, len);
}

void host_test_unit_ready(struct host_conn *c)
{
	static const uint8_t cdb[ISCSI_CDB];

	host_command(c, 0x81, cdb, 0, NULL, 0);
}

void host_data_out(struct host_conn *c, const struct host_pdu *r2t, uint32_t sn, uint32_t offset,
		   const void *data, uint32_t len, bool final)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_DATA_OUT, final ? ISCSI_FINAL : 0};

	memcpy(bhs + ISCSI_AT_ITT, r2t->bhs + ISCSI_AT_ITT, 8);
	put_be32(bhs + ISCSI_DATA_AT_SN, sn);
	put_be32(bhs + ISCSI_DATA_AT_OFFSET, offset);
	host_send(c, bhs, data, len);
}

uint8_t host_status(struct host_conn *c, uint8_t *in, uint32_t *len)
{
	struct host_pdu pdu;
	uint32_t sn = 0;

	*len = 0;
	for (;;) {
		if (!host_receive(c, &pdu))
			abort();
		if (pdu.bhs[0] == ISCSI_RESPONSE)
			return pdu.bhs[ISCSI_RESPONSE_AT_STATUS];
		assert(pdu.bhs[0] == ISCSI_DATA_IN && pdu.data_ok && pdu.header_ok);
		assert(get_be32(pdu.bhs + ISCSI_DATA_AT_SN) == sn++);
		assert(get_be32(pdu.bhs + ISCSI_DATA_AT_OFFSET) == *len);
		memcpy(in + *len, pdu.data, pdu.len);
		*len += pdu.len;
		if (pdu.bhs[1] & ISCSI_DATA_STATUS)
			return pdu.bhs[ISCSI_DATA_AT_STATUS];
	}
}

uint16_t host_asc(const struct host_pdu *pdu)
{
	assert(pdu->len >= 2 + 14);
	return get_be16(pdu->data + 2 + 12);
}
