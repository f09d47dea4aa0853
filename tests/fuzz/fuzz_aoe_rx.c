/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A whole port against a hostile network. The input is a script: an operation's byte, then what it
 * needs (see OP_*). Whatever it says, nothing leaks, every reply is well formed and goes to one
 * station, and nothing that was addressed to many writes.
 */
#include "aoe_rig.h"
#include "cursor.h"
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTORS	 256u
#define REQUESTS 8u
#define CUTS	 16u
#define MTU_MIN	 548u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
};

static void require(int holds)
{
	if (!holds)
		abort();
}

static void bench_open(struct bench *b)
{
	const struct rig_config config = {.requests = REQUESTS, .rx_frames = 512, .keep_tx = true};

	memset(b, 0, sizeof(*b));
	b->disk = fixture_disk_open(SECTORS, SECTORS);
	rig_open(&b->rig, &config);
	rig_export_disk(&b->rig, "7.1", "any", NULL, &b->disk->disk);
	b->limiter = aoe_limiter_open(rig_host);
	if (!b->limiter)
		abort();
	rig_export_disk(&b->rig, "5:7.2", "any/ro,02:00:00:00:00:0a", NULL, &b->disk->disk);
}

/* Lets everything end, after which nothing may be in use. */
static void bench_close(struct bench *b)
{
	b->disk->hold = false;
	fixture_disk_release(b->disk);
	aoe_port_run_due(b->rig.port, UINT64_MAX);
	rig_tx_complete(&b->rig);
	require(rig_idle(&b->rig));
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
		require(!memcmp(reply.eth->src, rig_mac, sizeof(rig_mac)));
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
	check_replies(b);
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
