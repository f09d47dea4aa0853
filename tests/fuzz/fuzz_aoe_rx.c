/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A whole port against a hostile network. The input is a script: an operation's byte, then what it
 * needs (see OP_*). Whatever it says, nothing leaks, every reply is well formed and goes to one
 * station, nothing that was addressed to many writes, what a trace follows it follows to its end,
 * and counters only grow.
 */
#include "aoe/trace.h"
#include "aoe_rig.h"
#include "cursor.h"
#include "fixture.h"
#include "script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTORS	 256u
#define REQUESTS 8u
#define CUTS	 16u
#define MTU_MIN	 548u
#define EXPORTS	 2u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

enum operation {
	OP_FRAME,    /* cuts (8 bits), that many distances (8 bits), length (16 bits), bytes */
	OP_RELEASE,  /* the disk ends what it holds */
	OP_HOLD,     /* from now on the disk holds requests, or no longer does */
	OP_SENT,     /* the network takes what the port sent */
	OP_ANNOUNCE, /* every export is announced */
	OP_MTU,	     /* another MTU (16 bits) */
	OP_TUNE,     /* one of tunings[] (8 bits) */
	OP_TIME,     /* so many ms (16 bits) go by */
	OPERATIONS
};

struct bench {
	struct rig rig;
	struct fixture_disk *disk;
	struct aoe_limiter *limiter; /* of rig_host */
	bool limited;
	unsigned int announced; /* frames that may go to everybody */
	bool served[EXPORTS], leaving[EXPORTS];
	bool moved; /* the port has other_mac */
	bool traced;
	unsigned int followed; /* requests, by the trace */
	uint64_t counted[EXPORTS];
};

static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x77};

static void require(int holds)
{
	if (!holds)
		abort();
}

static void bench_open(struct bench *b)
{
	const struct rig_config config = {.requests = REQUESTS, .rx_frames = 512, .keep_tx = true};

	memset(b, 0, sizeof(*b));
	b->served[0] = b->served[1] = true;
	b->disk = fixture_disk_open(SECTORS, SECTORS);
	rig_open(&b->rig, &config);
	rig_export_disk(&b->rig, "7.1", "any", NULL, &b->disk->disk);
	b->limiter = aoe_limiter_open(rig_host);
	if (!b->limiter)
		abort();
	rig_export_disk(&b->rig, "5:7.2", "any/ro,02:00:00:00:00:0a", NULL, &b->disk->disk);
}

/* What the port tells itself and its owner. */
static void turn(struct bench *b)
{
	while (mailbox_drain(&b->rig.mailbox))
		;
}

/* Lets everything end, after which nothing may be in use. */
static void bench_close(struct bench *b)
{
	b->disk->hold = false;
	fixture_disk_release(b->disk);
	aoe_port_run_due(b->rig.port, UINT64_MAX);
	rig_tx_complete(&b->rig);
	turn(b);
	require(rig_idle(&b->rig));
	require(!b->followed && !b->leaving[0] && !b->leaving[1]);
	rig_close(&b->rig);
	aoe_limiter_close(b->limiter);
	fixture_disk_close(b->disk);
}

static unsigned int changes(const struct fixture_disk *disk)
{
	return fixture_disk_count(disk, BLK_WRITE) + fixture_disk_count(disk, BLK_UNMAP) +
	       fixture_disk_count(disk, BLK_WRITE_ZEROES);
}

static bool addressed_to_many(const struct rig_frame *frame)
{
	struct stgt_class class;

	stgt_classify(frame->data, frame->data + frame->len, &class);
	return class.proto == STGT_PROTO_AOE &&
	       (class.aoe_shelf == AOE_SHELF_ANY || class.aoe_slot == AOE_SLOT_ANY ||
		frame->data[0] & 1);
}

static void check_replies(struct bench *b)
{
	static struct rig_frame frame;
	struct rig_reply reply;

	while (rig_take(&b->rig, &frame)) {
		require(rig_read(&frame, &reply));
		require(reply.aoe.ver_flags >> 4 == AOE_VERSION);
		require(reply.class.aoe_shelf == 7 && reply.class.aoe_slot >= 1 &&
			reply.class.aoe_slot <= 2);
		require(reply.class.vlan == (reply.class.aoe_slot == 2 ? 5 : 0));
		require(!memcmp(reply.eth->src, rig_mac, sizeof(rig_mac)) ||
			!memcmp(reply.eth->src, other_mac, sizeof(other_mac)));
		if (reply.eth->dst[0] & 1)
			require(b->announced-- > 0);
		require(!(reply.aoe.ver_flags & AOE_FLAG_ERROR) == !reply.aoe.error);
	}
}

static void run_frame(struct bench *b, struct cursor *c)
{
	static struct rig_frame frame;
	uint32_t cuts[CUTS], ncuts = cursor_u8(c) % CUTS, at = 0;
	unsigned int sent = b->rig.nsent, before;
	const uint8_t *bytes;
	int ret;

	for (uint32_t i = 0; i < ncuts; i++)
		cuts[i] = at += cursor_u8(c);
	frame.len = cursor_be16(c) % sizeof(frame.data);
	if (frame.len > cursor_left(c))
		frame.len = (uint32_t)cursor_left(c);
	bytes = cursor_bytes(c, frame.len);
	if (!frame.len)
		return;
	memcpy(frame.data, bytes, frame.len);
	b->disk->requests = 0;
	before = changes(b->disk);
	b->rig.now++;
	ret = rig_rx_cut(&b->rig, &frame, cuts, ncuts);
	require(ret == 0 || ret == -EAGAIN);
	if (ret)
		require(b->rig.nsent == sent && !b->disk->requests);
	if (addressed_to_many(&frame))
		require(changes(b->disk) == before);
}

/* ---- limits and faults ---- */

static void limit(struct bench *b, const char *text)
{
	struct aoe_limit limit;

	require(!aoe_limit_parse(text, &limit, NULL));
	aoe_limiter_set(b->limiter, &limit);
	if (b->limited)
		aoe_port_release_limited(b->rig.port, rig_host);
	else
		require(!aoe_port_add_limiter(b->rig.port, b->limiter));
	b->limited = true;
}

static void unlimit(struct bench *b, const char *text)
{
	aoe_port_remove_limiter(b->rig.port, b->limiter);
	b->limited = false;
}

static void fault(struct bench *b, const char *text)
{
	struct aoe_fault fault;

	require(!aoe_fault_parse(text, &fault, NULL));
	aoe_faults_add(aoe_export_faults(b->rig.exports[0].aoe), &fault);
}

static void mend(struct bench *b, const char *text)
{
	aoe_faults_clear(aoe_export_faults(b->rig.exports[0].aoe));
	aoe_port_release_faulty(b->rig.port, b->rig.exports[0].aoe);
}

/* ---- the control thread: exports, access, traces, counters ---- */

static void note_gone(void *ctx)
{
	bool *leaving = ctx;

	require(*leaving);
	*leaving = false;
}

static void unserve(struct bench *b, const char *which)
{
	unsigned int i = *which - '0';
	int ret;

	if (b->leaving[i])
		return;
	b->leaving[i] = b->served[i];
	ret = aoe_port_remove(b->rig.port, b->rig.exports[i].aoe, &b->rig.mailbox, note_gone,
			      &b->leaving[i]);
	require(ret == (b->served[i] ? 0 : -ENOENT));
	b->served[i] = false;
	b->counted[i] = 0;
}

static void serve(struct bench *b, const char *which)
{
	unsigned int i = *which - '0';
	int ret;

	if (b->leaving[i])
		return;
	ret = aoe_port_add(b->rig.port, b->rig.exports[i].aoe);
	require(ret == (b->served[i] ? -EEXIST : 0));
	b->served[i] = true;
}

static void admit(struct bench *b, const char *whom)
{
	struct rig_export *export = &b->rig.exports[0];

	aoe_acl_fini(&export->acl);
	require(!aoe_acl_parse(whom, &export->acl, NULL));
	aoe_port_access_changed(b->rig.port, export->aoe);
}

static void move(struct bench *b, const char *text)
{
	b->moved = !b->moved;
	aoe_port_set_mac(b->rig.port, b->moved ? other_mac : rig_mac);
}

static void look_at_step(void *ctx, const struct aoe_step *step)
{
	struct bench *b = ctx;

	require(step->point < AOE_TRACE_POINTS && step->shelf == 7 && step->reserved == 0);
	require(!step->status || step->point >= AOE_TRACE_COMPLETED);
	b->followed += step->point == AOE_TRACE_RECEIVED;
	require(b->followed > 0);
	b->followed -= step->point == AOE_TRACE_RELEASED || step->point == AOE_TRACE_DROPPED;
}

/* What: all, one initiator, one export, some sectors. */
static void trace(struct bench *b, const char *what)
{
	struct aoe_trace_config config = {.step = look_at_step, .ctx = b};
	int ret;

	config.filter.by_mac = *what == 'm';
	memcpy(config.filter.mac, rig_host, sizeof(rig_host));
	config.filter.by_export = *what == 'e';
	config.filter.export = *aoe_export_address(b->rig.exports[0].aoe);
	config.filter.by_lba = *what == 's';
	config.filter.first = 3;
	config.filter.last = 9;
	ret = aoe_port_trace(b->rig.port, &config);
	require(ret == (b->traced ? -EBUSY : 0));
	b->traced = true;
}

static void untrace(struct bench *b, const char *text)
{
	aoe_port_untrace(b->rig.port);
	b->traced = false;
	b->followed = 0;
}

static uint64_t requests(const struct lu_op_stats *op)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i <= LU_LATENCY_BOUNDS; i++)
		n += op->latency[i];
	return n;
}

static void look_at_pairs(struct bench *b)
{
	static struct aoe_pair_stats pairs[256];
	uint64_t sums[EXPORTS] = {0};
	unsigned int n;

	require(aoe_port_pairs_max(b->rig.port) <= 256);
	n = aoe_port_pairs(b->rig.port, pairs, 256);
	require(n <= aoe_port_pairs_max(b->rig.port));
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int op = 0; op < LU_OPS; op++)
			sums[pairs[i].export == b->rig.exports[1].aoe] +=
				requests(&pairs[i].ops[op]);
	for (unsigned int i = 0; i < EXPORTS; i++) {
		require(sums[i] >= b->counted[i]);
		b->counted[i] = sums[i];
	}
}

static void look_at_counters(struct bench *b, const char *text)
{
	const struct aoe_port *port = b->rig.port;
	struct aoe_export *export;

	aoe_port_stamp(b->rig.port, b->rig.now);
	require(!aoe_port_unstamped(port));
	require(aoe_port_exports(port) == 0u + b->served[0] + b->served[1]);
	require(!aoe_port_export_stats(port, aoe_port_exports(port), &export));
	for (unsigned int i = 0; i < aoe_port_exports(port); i++)
		require(aoe_port_export_stats(port, i, &export) != NULL);
	require(!aoe_port_initiator(port, aoe_port_initiators(port)));
	look_at_pairs(b);
}

static const struct {
	void (*tune)(struct bench *b, const char *text);
	const char *text;
} tunings[] = {
	{limit, "iops=2"},
	{limit, "bytes=1500,iops=100"},
	{unlimit, NULL},
	{fault, "delay=1s,every=2"},
	{fault, "error,lba=3-9,count=2"},
	{fault, "drop,op=write,percent=50"},
	{mend, NULL},
	{unserve, "0"},
	{unserve, "1"},
	{serve, "0"},
	{serve, "1"},
	{admit, "any/ro"},
	{admit, "02:00:00:00:00:0a,any/ro"},
	{admit, "02:00:00:00:00:0b"},
	{admit, "any"},
	{move, NULL},
	{trace, "all"},
	{trace, "mac"},
	{trace, "export"},
	{trace, "sectors"},
	{untrace, NULL},
	{look_at_counters, NULL},
};

#define TUNINGS (sizeof(tunings) / sizeof(tunings[0]))

static void tune(struct bench *b, uint8_t which)
{
	tunings[which % TUNINGS].tune(b, tunings[which % TUNINGS].text);
}

static void run(struct bench *b, struct cursor *c)
{
	switch (cursor_u8(c) % OPERATIONS) {
	case OP_FRAME:
		run_frame(b, c);
		break;
	case OP_RELEASE:
		b->disk->requests = 0;
		fixture_disk_release(b->disk);
		break;
	case OP_HOLD:
		b->disk->hold = !b->disk->hold;
		break;
	case OP_SENT:
		rig_tx_complete(&b->rig);
		break;
	case OP_ANNOUNCE:
		b->announced += b->rig.nexports;
		aoe_port_announce(b->rig.port);
		break;
	case OP_MTU:
		aoe_port_set_mtu(b->rig.port, MTU_MIN + cursor_be16(c) % 9000);
		break;
	case OP_TUNE:
		tune(b, cursor_u8(c));
		break;
	case OP_TIME:
		b->rig.now += cursor_be16(c) * 1000000ull;
		aoe_port_run_due(b->rig.port, b->rig.now);
		require(aoe_port_next_due(b->rig.port) > b->rig.now);
		break;
	}
	turn(b);
	check_replies(b);
}

/* ---- mutations ---- */

static size_t operation_length(const uint8_t *at, size_t left)
{
	struct cursor c = cursor_over(at, left);

	switch (cursor_u8(&c) % OPERATIONS) {
	case OP_FRAME:
		left = cursor_u8(&c) % CUTS;
		cursor_bytes(&c, left < cursor_left(&c) ? left : cursor_left(&c));
		left = cursor_be16(&c) % RIG_FRAME;
		cursor_bytes(&c, left < cursor_left(&c) ? left : cursor_left(&c));
		break;
	case OP_MTU:
	case OP_TIME:
		cursor_be16(&c);
		break;
	case OP_TUNE:
		cursor_u8(&c);
		break;
	}
	return (size_t)(c.at - at);
}

static void put_ata(struct script_random *random, struct rig_frame *frame)
{
	static const struct {
		uint8_t command, aflags;
	} commands[] = {
		{0x20, 0},
		{0x30, AOE_ATA_WRITE},
		{0x24, AOE_ATA_LBA48},
		{0xec, 0},
		{0xea, 0},
		{0x34, AOE_ATA_LBA48 | AOE_ATA_WRITE},
		{0x40, 0},
		{0xe5, 0},
	};
	uint32_t i = script_random(random, sizeof(commands) / sizeof(commands[0]));
	const struct rig_ata ata = {.command = commands[i].command,
				    .aflags = commands[i].aflags,
				    .count = (uint8_t)script_random(random, 3),
				    .lba = script_random(random, 12)};
	uint8_t data[1024];

	rig_ata(frame, &ata);
	memset(data, (int)script_random(random, 3), sizeof(data));
	if (ata.aflags & AOE_ATA_WRITE)
		rig_put(frame, data, ata.count * 512u);
}

static void put_list(struct script_random *random, struct rig_frame *frame, bool mask)
{
	uint8_t n = (uint8_t)script_random(random, 3), command = (uint8_t)script_random(random, 3);
	uint8_t bytes[4 + 2 * 8] = {0};
	uint32_t len = mask ? 4 : 2;

	bytes[mask] = command;
	bytes[mask ? 3 : 1] = n;
	for (uint8_t i = 0; i < n; i++) {
		bytes[len + 1] = (uint8_t)(1 + script_random(random, 2));
		len += mask ? 2 : 0;
		memcpy(bytes + len, rig_host, 6);
		bytes[len + 5] ^= (uint8_t)script_random(random, 2);
		len += 6;
	}
	rig_put(frame, bytes, len);
}

static size_t make_frame(struct script_random *random, uint8_t *out)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t slots[] = {1, 1, 1, 2, AOE_SLOT_ANY};
	static struct rig_frame frame;
	uint8_t slot = slots[script_random(random, sizeof(slots))], src[6];
	uint8_t command =
		script_chance(random, 3) ? (uint8_t)script_random(random, 4) : AOE_CMD_ATA;

	memcpy(src, rig_host, sizeof(src));
	src[5] ^= script_chance(random, 4);
	rig_eth(&frame, slot == AOE_SLOT_ANY ? everybody : rig_mac, src, slot == 2 ? 5 : 0);
	rig_aoe(&frame, 7, slot, command, script_random(random, 100));
	if (command == AOE_CMD_ATA)
		put_ata(random, &frame);
	else if (command == AOE_CMD_CONFIG)
		rig_config(&frame, (uint8_t)script_random(random, 5), "any", 3);
	else
		put_list(random, &frame, command == AOE_CMD_MASK);
	out[0] = OP_FRAME;
	out[1] = 0;
	out[2] = (uint8_t)(frame.len >> 8);
	out[3] = (uint8_t)frame.len;
	memcpy(out + 4, frame.data, frame.len);
	return 4 + frame.len;
}

static size_t make_operation(struct script_random *random, uint8_t *out)
{
	if (!script_chance(random, 3))
		return make_frame(random, out);
	out[0] = (uint8_t)(1 + script_random(random, OPERATIONS - 1));
	if (script_chance(random, 2))
		out[0] = OP_TUNE;
	out[1] = (uint8_t)script_random(random, out[0] == OP_TUNE ? TUNINGS : 8);
	out[2] = (uint8_t)script_random(random, 256);
	return operation_length(out, 3);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const struct script_format format = {.length = operation_length,
						    .make = make_operation};

	return script_mutate(&format, data, size, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(data, size);
	struct bench b;

	bench_open(&b);
	while (cursor_left(&c))
		run(&b, &c);
	bench_close(&b);
	return 0;
}
