/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The other side of the wire for the initiator's tests: records what it sends, answers as told,
 * and owns the clock. Fails the test where it cannot go on.
 */
#ifndef STGT_INITIATOR_PEER_H
#define STGT_INITIATOR_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "initiator/aoe_initiator.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define MS	     1000000ull
#define SECOND	     (1000 * MS)
#define PEER_SHELF   7
#define PEER_SLOT    1
#define PEER_SECTORS 0x123456789ull /* needs more than 32 bits */
#define PEER_FRAMES  512

static const uint8_t peer_mac[WIRE_MAC_LEN] = {2, 0, 0, 0, 0, 0x71};
static const uint8_t peer_mac2[WIRE_MAC_LEN] = {2, 0, 0, 0, 0, 0x72};
static const uint8_t local_mac[WIRE_MAC_LEN] = {2, 0, 0, 0, 0, 1};

struct peer_frame {
	unsigned int port;
	size_t len;
	size_t payload_len;
	struct wire_eth eth;
	struct wire_aoe aoe;
	struct wire_aoe_ata ata;
	uint8_t payload[9000];
};

struct peer {
	struct initiator *ini;
	uint64_t now;
	struct peer_frame frames[PEER_FRAMES];
	unsigned int sent, taken;
	unsigned int changes;
	enum initiator_state state; /* of the last change */
};

static inline void peer_record(void *ctx, unsigned int port, const void *header, size_t header_len,
			       const void *payload, size_t payload_len)
{
	struct peer *peer = ctx;
	struct peer_frame *frame = &peer->frames[peer->sent % PEER_FRAMES];
	const uint8_t *at = header;

	assert_true(peer->sent - peer->taken < PEER_FRAMES);
	peer->sent++;
	frame->port = port;
	frame->len = header_len + payload_len;
	frame->payload_len = payload_len;
	memcpy(&frame->eth, at, sizeof(frame->eth));
	memcpy(&frame->aoe, at + sizeof(frame->eth), sizeof(frame->aoe));
	if (frame->aoe.command == AOE_CMD_ATA) {
		assert_int_equal(header_len, INITIATOR_HEADER_LEN);
		memcpy(&frame->ata, at + header_len - sizeof(frame->ata), sizeof(frame->ata));
	}
	if (payload_len)
		memcpy(frame->payload, payload, payload_len);
}

static inline void peer_changed(void *ctx, const struct initiator_target *target)
{
	struct peer *peer = ctx;

	peer->changes++;
	peer->state = target->state;
}

static const struct initiator_ops peer_ops = {.send = peer_record, .target_changed = peer_changed};

/* `config` may be NULL; ops, ctx and, if it has none, a port of MTU 9000 are filled in. */
static inline struct peer *peer_open(const struct initiator_config *config)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct initiator_config c = config ? *config : (struct initiator_config){0};

	assert_non_null(peer);
	c.ops = &peer_ops;
	c.ctx = peer;
	if (!c.nports) {
		c.nports = 1;
		c.ports[0].mtu = 9000;
		memcpy(c.ports[0].mac, local_mac, WIRE_MAC_LEN);
	}
	peer->now = 1000 * SECOND;
	assert_int_equal(initiator_open(&c, &peer->ini, NULL), 0);
	return peer;
}

static inline void peer_close(struct peer *peer)
{
	initiator_close(peer->ini);
	free(peer);
}

/* The oldest frame sent that was not looked at yet, or NULL. */
static inline struct peer_frame *peer_next(struct peer *peer)
{
	return peer->taken < peer->sent ? &peer->frames[peer->taken++ % PEER_FRAMES] : NULL;
}

static inline struct peer_frame *peer_expect(struct peer *peer, uint8_t command)
{
	struct peer_frame *frame = peer_next(peer);

	assert_non_null(frame);
	assert_int_equal(frame->aoe.command, AOE_CMD_ATA);
	assert_int_equal(frame->ata.command, command);
	return frame;
}

static inline void peer_expect_silence(struct peer *peer)
{
	assert_null(peer_next(peer));
}

static inline void peer_tick(struct peer *peer, uint64_t ns)
{
	peer->now += ns;
	initiator_tick(peer->ini, peer->now);
}

/* What a reply is made of; a test bends it before peer_deliver(). */
struct peer_reply {
	unsigned int port;
	size_t len;
	uint8_t data[10000];
};

static inline void peer_deliver(struct peer *peer, const struct peer_reply *reply)
{
	/* Malloced, so that the sanitizer sees a read past the end; in two odd pieces. */
	size_t first = reply->len > 40 ? 37 : reply->len;
	size_t second = reply->len - first;
	uint8_t *a = malloc(first ? first : 1);
	uint8_t *b = malloc(second ? second : 1);
	const struct iovec frags[2] = {{a, first}, {b, second}};

	assert_true(a && b);
	memcpy(a, reply->data, first);
	memcpy(b, reply->data + first, second);
	initiator_rx(peer->ini, reply->port, frags, second ? 2 : 1, peer->now);
	free(a);
	free(b);
}

static inline struct wire_aoe *peer_aoe(struct peer_reply *reply)
{
	return (struct wire_aoe *)(reply->data + sizeof(struct wire_eth));
}

static inline struct wire_aoe_ata *peer_ata(struct peer_reply *reply)
{
	return (struct wire_aoe_ata *)(peer_aoe(reply) + 1);
}

static inline struct wire_aoe_config *peer_config(struct peer_reply *reply)
{
	return (struct wire_aoe_config *)(peer_aoe(reply) + 1);
}

static inline void peer_reply_head(struct peer_reply *reply, const uint8_t *src, uint8_t command,
				   uint32_t tag)
{
	struct wire_eth *eth = (struct wire_eth *)reply->data;

	memset(reply, 0, sizeof(*reply));
	memcpy(eth->dst, local_mac, WIRE_MAC_LEN);
	memcpy(eth->src, src, WIRE_MAC_LEN);
	eth->type = htobe16(WIRE_TYPE_AOE);
	*peer_aoe(reply) = (struct wire_aoe){
		.ver_flags = AOE_VERSION << 4 | AOE_FLAG_RESPONSE,
		.shelf = htobe16(PEER_SHELF),
		.slot = PEER_SLOT,
		.command = command,
		.tag = tag,
	};
}

/* A good answer to an ATA command; a read's payload is the low byte of each sector's number. */
static inline struct peer_reply peer_answer(const struct peer_frame *frame)
{
	struct peer_reply reply;
	bool data = !(frame->ata.aflags & AOE_ATA_WRITE);
	unsigned int i;

	peer_reply_head(&reply, frame->eth.dst, AOE_CMD_ATA, frame->aoe.tag);
	reply.port = frame->port;
	*peer_ata(&reply) = (struct wire_aoe_ata){.command = 0x40, .count = frame->ata.count};
	reply.len = INITIATOR_HEADER_LEN;
	for (i = 0; data && i < frame->ata.count; i++) {
		memset(reply.data + reply.len, frame->ata.lba[0] + i, INITIATOR_SECTOR);
		reply.len += INITIATOR_SECTOR;
	}
	if (reply.len < WIRE_ETH_MIN)
		reply.len = WIRE_ETH_MIN;
	return reply;
}

static inline void peer_answers(struct peer *peer, const struct peer_frame *frame)
{
	struct peer_reply reply = peer_answer(frame);

	peer_deliver(peer, &reply);
}

static inline struct peer_reply peer_config_reply(const uint8_t *mac, unsigned int buffers,
						  unsigned int sectors, const char *string)
{
	struct peer_reply reply;

	peer_reply_head(&reply, mac, AOE_CMD_CONFIG, 0);
	*peer_config(&reply) = (struct wire_aoe_config){
		.buffers = htobe16(buffers),
		.firmware = htobe16(0x4001),
		.sectors = sectors,
		.ver_command = AOE_VERSION << 4,
		.length = htobe16(strlen(string)),
	};
	reply.len =
		sizeof(struct wire_eth) + sizeof(struct wire_aoe) + sizeof(struct wire_aoe_config);
	memcpy(reply.data + reply.len, string, strlen(string));
	reply.len += strlen(string);
	return reply;
}

static inline void peer_put_word(uint8_t *identify, unsigned int word, uint16_t value)
{
	identify[2 * word] = value & 0xff;
	identify[2 * word + 1] = value >> 8;
}

/* Answers IDENTIFY DEVICE as a disk of `sectors` with or without 48-bit addresses. */
static inline void peer_answers_identify(struct peer *peer, const struct peer_frame *frame,
					 uint64_t sectors, bool lba48)
{
	struct peer_reply reply = peer_answer(frame);
	uint8_t *identify = reply.data + INITIATOR_HEADER_LEN;
	const char model[] = "Fake disk  ";
	unsigned int i;

	memset(identify, 0, INITIATOR_SECTOR);
	memset(identify + 54, ' ', 40);
	for (i = 0; model[i]; i++)
		identify[54 + (i ^ 1)] = model[i];
	peer_put_word(identify, 83, lba48 ? 1 << 10 : 0);
	peer_put_word(identify, 86, lba48 ? 1 << 10 : 0);
	for (i = 0; i < 2; i++)
		peer_put_word(identify, 60 + i, sectors >> (16 * i));
	for (i = 0; i < 4; i++)
		peer_put_word(identify, 100 + i, lba48 ? sectors >> (16 * i) : 0);
	peer_deliver(peer, &reply);
}

/* Brings the target up as most tests want it: all found, one path. */
static inline struct initiator_target *peer_bring_up(struct peer *peer, unsigned int buffers,
						     unsigned int sectors)
{
	struct peer_reply reply = peer_config_reply(peer_mac, buffers, sectors, "");
	struct initiator_target *target;

	peer_deliver(peer, &reply);
	peer_answers_identify(peer, peer_expect(peer, 0xec), PEER_SECTORS, true);
	target = initiator_find(peer->ini, PEER_SHELF, PEER_SLOT);
	assert_non_null(target);
	assert_int_equal(target->state, INITIATOR_UP);
	return target;
}

#endif
