/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the AoE tests say to a port and what they expect to hear. Each function fails the test when
 * it hears something else. The peer speaks to address 7.1, untagged, unless told otherwise.
 */
#ifndef STGT_TEST_AOE_CLIENT_H
#define STGT_TEST_AOE_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aoe_rig.h"
#include "fixture.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_SHELF 7
#define CLIENT_SLOT  1
#define CLIENT_TAG   0xdeadbeefu

static inline uint64_t reason(const struct rig *rig, enum aoe_reason r)
{
	return aoe_port_stats(rig->port)->reasons[r];
}

static inline void expect_silence(struct rig *rig)
{
	static struct rig_frame frame;

	assert_false(rig_take(rig, &frame));
}

/*
 * Takes the next reply into `frame` and checks what holds for every one: length, sender, the tag.
 */
static inline void expect_reply(struct rig *rig, struct rig_frame *frame, struct rig_reply *reply)
{
	assert_true(rig_take(rig, frame));
	assert_true(rig_read(frame, reply));
	assert_memory_equal(reply->eth->src, rig_mac, 6);
	assert_int_equal(reply->eth->dst[0] & 1, 0);
	assert_int_equal(reply->aoe.ver_flags >> 4, AOE_VERSION);
}

/* Sends the frame and expects one reply from 7.1 with the E flag and `error`, or without for 0. */
static inline struct rig_reply ask(struct rig *rig, const struct rig_frame *request, uint8_t error)
{
	static struct rig_frame answer;
	struct rig_reply reply;

	assert_int_equal(rig_rx(rig, request), 0);
	expect_reply(rig, &answer, &reply);
	assert_int_equal(reply.class.aoe_shelf, CLIENT_SHELF);
	assert_int_equal(reply.class.aoe_slot, CLIENT_SLOT);
	assert_int_equal(reply.aoe.ver_flags,
			 AOE_VERSION << 4 | AOE_FLAG_RESPONSE | (error ? AOE_FLAG_ERROR : 0));
	assert_int_equal(reply.aoe.error, error);
	expect_silence(rig);
	return reply;
}

static inline void ask_silence(struct rig *rig, const struct rig_frame *request)
{
	assert_int_equal(rig_rx(rig, request), 0);
	expect_silence(rig);
}

static inline void client_frame(struct rig_frame *frame, uint8_t command)
{
	rig_eth(frame, rig_mac, rig_host, 0);
	rig_aoe(frame, CLIENT_SHELF, CLIENT_SLOT, command, CLIENT_TAG);
}

static inline void client_ata(struct rig_frame *frame, const struct rig_ata *ata, const void *data,
			      uint32_t len)
{
	client_frame(frame, AOE_CMD_ATA);
	rig_ata(frame, ata);
	rig_put(frame, data, len);
}

/* Makes it a frame of another initiator: the last two bytes of the MAC. */
static inline void client_host(struct rig_frame *frame, unsigned int host)
{
	frame->data[10] = (uint8_t)(host >> 8);
	frame->data[11] = (uint8_t)host;
}

/* As client_ata(), of that initiator and with that tag. */
static inline void client_ata_of(struct rig_frame *frame, unsigned int host, uint32_t tag,
				 const struct rig_ata *ata, const void *data, uint32_t len)
{
	rig_eth(frame, rig_mac, rig_host, 0);
	client_host(frame, host);
	rig_aoe(frame, CLIENT_SHELF, CLIENT_SLOT, AOE_CMD_ATA, tag);
	rig_ata(frame, ata);
	rig_put(frame, data, len);
}

static inline void client_config(struct rig_frame *frame, uint8_t subcommand, const char *string)
{
	client_frame(frame, AOE_CMD_CONFIG);
	rig_config(frame, subcommand, string, (uint16_t)strlen(string));
}

/* An ATA command that must be answered with this status and error register. */
static inline struct rig_reply ask_ata(struct rig *rig, const struct rig_ata *ata, const void *data,
				       uint32_t len, uint8_t status, uint8_t error)
{
	static struct rig_frame frame;
	struct rig_reply reply;
	struct wire_aoe_ata regs;

	client_ata(&frame, ata, data, len);
	reply = ask(rig, &frame, 0);
	assert_true(reply.body_len >= sizeof(regs));
	memcpy(&regs, reply.body, sizeof(regs));
	assert_int_equal(regs.command, status);
	assert_int_equal(regs.feature, error);
	assert_int_equal(reply.tag, CLIENT_TAG);
	return reply;
}

#define ATA_OK	ATA_DRDY
#define ATA_BAD (ATA_DRDY | ATA_ERR)

static inline void write_sectors(struct rig *rig, uint64_t lba, uint8_t count, uint8_t fill)
{
	static uint8_t data[16 * 512];
	const struct rig_ata ata = {.command = ATA_WRITE_SECTORS_EXT,
				    .aflags = AOE_ATA_LBA48 | AOE_ATA_WRITE,
				    .count = count,
				    .lba = lba};

	memset(data, fill, count * 512u);
	ask_ata(rig, &ata, data, count * 512u, ATA_OK, 0);
}

/* Reads one sector and expects every byte of it to be `fill`. */
static inline void expect_sector(struct rig *rig, uint64_t lba, uint8_t fill)
{
	const struct rig_ata ata = {
		.command = ATA_READ_SECTORS_EXT, .aflags = AOE_ATA_LBA48, .count = 1, .lba = lba};
	struct rig_reply reply = ask_ata(rig, &ata, NULL, 0, ATA_OK, 0);
	const uint8_t *data = reply.body + sizeof(struct wire_aoe_ata);

	assert_int_equal(reply.body_len, sizeof(struct wire_aoe_ata) + 512);
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(data[i], fill);
}

/* Fixtures: `*state` is a rig at its defaults with 7.1 exported to everybody. */
static inline int rig_setup(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_open(rig, NULL);
	rig_export(rig, "7.1", "any", NULL);
	*state = rig;
	return 0;
}

/* Whatever a test did, nothing may be left in use. */
static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;
	bool idle;

	rig_tx_complete(rig);
	idle = rig_idle(rig);
	rig_close(rig);
	free(rig);
	return idle ? 0 : -1;
}

#define rig_test(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* A rig whose export 7.1 is a disk that holds requests until the test lets them end. */
struct held_rig {
	struct rig rig;
	struct fixture_disk *disk;
};

static inline void held_open(struct held_rig *held, const struct rig_config *config)
{
	held->disk = fixture_disk_open(2048, 2048);
	rig_open(&held->rig, config);
	rig_export_disk(&held->rig, "7.1", "any", NULL, &held->disk->disk);
	held->disk->hold = true;
}

/* For a cmocka teardown function: 0 when nothing was left over. */
static inline int held_close(struct held_rig *held)
{
	bool idle = rig_idle(&held->rig);

	rig_close(&held->rig);
	fixture_disk_close(held->disk);
	return idle ? 0 : -1;
}

/* All requests end, and their answers are on the wire. */
static inline void held_release(struct held_rig *held)
{
	fixture_disk_release(held->disk);
	rig_tx_complete(&held->rig);
}

#endif
