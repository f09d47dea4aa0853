/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which frames are answered, by whom, and what every answer has in common. */
#include "aoe_client.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static struct rig_frame frame, answer;

static void query_of(struct rig_frame *f, uint16_t shelf, uint8_t slot, uint32_t vlan)
{
	rig_eth(f, broadcast, rig_host, vlan);
	rig_aoe(f, shelf, slot, AOE_CMD_CONFIG, CLIENT_TAG);
	rig_config(f, AOE_CONFIG_READ, NULL, 0);
}

static void test_reply_head(void **state)
{
	struct rig *rig = *state;
	struct rig_reply reply;

	query_of(&frame, 0xffff, 0xff, 0);
	reply = ask(rig, &frame, 0);
	assert_memory_equal(reply.eth->dst, rig_host, 6);
	assert_int_equal(reply.tag, CLIENT_TAG);
	assert_int_equal(reply.aoe.command, AOE_CMD_CONFIG);
	assert_int_equal(reply.class.tags, 0);
}

static void test_replies_are_padded_with_zeroes(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata flush = {.command = ATA_FLUSH};
	struct rig_reply reply;
	struct wire_aoe_ata regs;

	/* Fill every run with what must not leak. */
	for (unsigned int i = 0; i < 64; i++)
		write_sectors(rig, i, 1, 0xaa);
	for (unsigned int i = 0; i < 64; i++)
		expect_sector(rig, i, 0xaa);
	client_ata(&frame, &flush, NULL, 0);
	assert_int_equal(rig_rx(rig, &frame), 0);
	expect_reply(rig, &answer, &reply);
	assert_int_equal(answer.len, WIRE_ETH_MIN);
	memcpy(&regs, reply.body, sizeof(regs));
	assert_int_equal(regs.command, ATA_OK);
	for (uint32_t i = 36; i < answer.len; i++)
		assert_int_equal(answer.data[i], 0);
}

static void test_responses_are_not_answered(void **state)
{
	struct rig *rig = *state;

	query_of(&frame, 7, 1, 0);
	frame.data[14] |= AOE_FLAG_RESPONSE;
	ask_silence(rig, &frame);
	assert_int_equal(reason(rig, AOE_IGNORED_RESPONSE), 1);
}

static void test_unknown_versions(void **state)
{
	struct rig *rig = *state;

	for (unsigned int version = 0; version < 16; version++) {
		if (version == AOE_VERSION)
			continue;
		query_of(&frame, 7, 1, 0);
		frame.data[14] = (uint8_t)(version << 4);
		ask(rig, &frame, AOE_ERR_VERSION);
	}
	assert_int_equal(reason(rig, AOE_REFUSED_VERSION), 15);
	/* Not ours: whatever its version. */
	query_of(&frame, 7, 2, 0);
	frame.data[14] = 0x20;
	ask_silence(rig, &frame);
	/* No write either. */
	write_sectors(rig, 3, 1, 0x11);
	client_ata(&frame, &(struct rig_ata){.command = ATA_WRITE_SECTORS, .count = 1, .lba = 3},
		   NULL, 0);
	memset(frame.data + frame.len, 0x22, 512);
	frame.len += 512;
	frame.data[14] = 0x20;
	ask(rig, &frame, AOE_ERR_VERSION);
	expect_sector(rig, 3, 0x11);
}

static void test_unknown_commands(void **state)
{
	struct rig *rig = *state;

	for (unsigned int command = 4; command < 256; command++) {
		client_frame(&frame, (uint8_t)command);
		assert_int_equal(ask(rig, &frame, AOE_ERR_COMMAND).aoe.command, command);
	}
	assert_int_equal(reason(rig, AOE_REFUSED_COMMAND), 252);
}

/* Every command cut at every length: an answer only when its header is whole. */
static void test_truncated_headers(void **state)
{
	static const unsigned int header[] = {36, 32, 28, 26};
	struct rig *rig = *state;

	for (unsigned int command = 0; command < 4; command++) {
		client_frame(&frame, (uint8_t)command);
		memset(frame.data + frame.len, 0, 64);
		if (command == AOE_CMD_ATA)
			frame.data[27] = ATA_IDENTIFY_DEVICE;
		for (frame.len = 0; frame.len < header[command]; frame.len++)
			ask_silence(rig, &frame);
		ask(rig, &frame, 0);
	}
	assert_int_equal(reason(rig, AOE_IGNORED_SHORT), 36 + 32 + 28 + 26);
	assert_int_equal(aoe_port_stats(rig->port)->rx_frames, 36 + 32 + 28 + 26 + 4);
}

static void test_senders_that_cannot_be_answered(void **state)
{
	static const uint8_t sources[][6] = {
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x01, 0, 0x5e, 0, 0, 1}, {0}};
	struct rig *rig = *state;

	for (unsigned int i = 0; i < 3; i++) {
		query_of(&frame, 0xffff, 0xff, 0);
		memcpy(frame.data + 6, sources[i], 6);
		ask_silence(rig, &frame);
	}
	assert_int_equal(reason(rig, AOE_IGNORED_SOURCE), 3);
}

static void test_frames_for_other_stations(void **state)
{
	struct rig *rig = *state;

	query_of(&frame, 0xffff, 0xff, 0);
	memcpy(frame.data, rig_host, 6);
	ask_silence(rig, &frame);
	assert_int_equal(reason(rig, AOE_IGNORED_ADDRESS), 1);
}

/* The replies to `frame`, in the order of the exports, as bits. */
static unsigned int answering(struct rig *rig, uint16_t shelf, uint8_t slot, uint32_t vlan)
{
	unsigned int found = 0;
	struct rig_reply reply;

	query_of(&frame, shelf, slot, vlan);
	assert_int_equal(rig_rx(rig, &frame), 0);
	while (rig_take(rig, &answer)) {
		unsigned int i = 0;

		assert_true(rig_read(&answer, &reply));
		while (aoe_export_address(rig->exports[i].aoe)->shelf != reply.class.aoe_shelf ||
		       aoe_export_address(rig->exports[i].aoe)->slot != reply.class.aoe_slot ||
		       aoe_export_address(rig->exports[i].aoe)->vlan != reply.class.vlan)
			assert_true(++i < rig->nexports);
		assert_false(found & 1u << i);
		found |= 1u << i;
	}
	return found;
}

static void test_wildcards(void **state)
{
	struct rig *rig = *state;

	rig_export(rig, "7.2", "any", NULL);
	rig_export(rig, "8.1", "any", NULL);
	assert_int_equal(answering(rig, 7, 1, 0), 1);
	assert_int_equal(answering(rig, 7, 0xff, 0), 3);
	assert_int_equal(answering(rig, 0xffff, 1, 0), 5);
	assert_int_equal(answering(rig, 0xffff, 0xff, 0), 7);
	assert_int_equal(answering(rig, 0xffff, 2, 0), 2);
	assert_int_equal(answering(rig, 8, 2, 0), 0);
	/* 0xfff is a wildcard nowhere. */
	assert_int_equal(answering(rig, 0xfff, 1, 0), 0);
}

static void test_vlans(void **state)
{
	struct rig *rig = *state;

	rig_export(rig, "5:7.1", "any", NULL);
	rig_export(rig, "100.5:7.1", "any", NULL);
	assert_int_equal(answering(rig, 7, 1, 0), 1);
	assert_int_equal(answering(rig, 7, 1, 5), 2);
	assert_int_equal(answering(rig, 7, 1, 6), 0);
	assert_int_equal(answering(rig, 7, 1, 100), 0);
	assert_int_equal(answering(rig, 7, 1, 100 << 12 | 5), 4);
	assert_int_equal(answering(rig, 7, 1, 5 << 12 | 100), 0);
	assert_int_equal(answering(rig, 0xffff, 0xff, 5), 2);
}

static void test_tags_come_back_as_they_were(void **state)
{
	struct rig *rig = *state;
	struct rig_reply reply;

	rig_export(rig, "100.5:7.1", "any", NULL);
	query_of(&frame, 7, 1, 100 << 12 | 5);
	/* Two C-tags with priorities, as some switches stack them. */
	frame.data[12] = 0x81;
	frame.data[13] = 0x00;
	frame.data[14] |= 0xa0;
	frame.data[18] |= 0x60;
	assert_int_equal(rig_rx(rig, &frame), 0);
	expect_reply(rig, &answer, &reply);
	assert_memory_equal(answer.data + 12, frame.data + 12, 10);
}

/* Whoever takes the tags off must be left with a frame that its own tools do not call short. */
static void test_tagged_replies_are_whole_without_tags(void **state)
{
	static const uint32_t vlans[] = {0, 5, 100 << 12 | 5};
	struct rig *rig = *state;
	struct rig_reply reply;

	rig_export(rig, "5:7.1", "any", NULL);
	rig_export(rig, "100.5:7.1", "any", NULL);
	for (unsigned int tags = 0; tags < 3; tags++) {
		query_of(&frame, 7, 1, vlans[tags]);
		assert_int_equal(rig_rx(rig, &frame), 0);
		expect_reply(rig, &answer, &reply);
		assert_int_equal(answer.len, WIRE_ETH_MIN + 4 * tags);
	}
	aoe_port_announce(rig->port);
	for (unsigned int tags = 0; tags < 3; tags++) {
		assert_true(rig_take(rig, &answer));
		assert_int_equal(answer.len, WIRE_ETH_MIN + 4 * tags);
	}
}

static void test_priority_tag_is_untagged(void **state)
{
	struct rig *rig = *state;
	struct rig_reply reply;

	query_of(&frame, 7, 1, 1);
	frame.data[14] = 0xe0;
	frame.data[15] = 0;
	assert_int_equal(rig_rx(rig, &frame), 0);
	expect_reply(rig, &answer, &reply);
	assert_memory_equal(answer.data + 12, frame.data + 12, 6);
	assert_int_equal(reply.class.tags, 1);
	assert_int_equal(reply.class.vlan, 0);
}

static void test_strangers_hear_nothing(void **state)
{
	struct rig *rig = *state;

	rig_export(rig, "8.1", "02:00:00:00:00:0b", NULL);
	assert_int_equal(answering(rig, 8, 1, 0), 0);
	assert_int_equal(answering(rig, 0xffff, 0xff, 0), 1);
	assert_int_equal(reason(rig, AOE_IGNORED_ACCESS), 2);
	/* Not even that the version is unknown. */
	query_of(&frame, 8, 1, 0);
	frame.data[14] = 0x20;
	ask_silence(rig, &frame);
}

static void test_address_is_taken_once(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(aoe_port_add(rig->port, rig->exports[0].aoe), -EEXIST);
}

static void test_new_mac(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
	struct rig *rig = *state;
	struct rig_reply reply;

	aoe_port_set_mac(rig->port, mac);
	query_of(&frame, 7, 1, 0);
	memcpy(frame.data, rig_mac, 6);
	ask_silence(rig, &frame);
	memcpy(frame.data, mac, 6);
	assert_int_equal(rig_rx(rig, &frame), 0);
	assert_true(rig_take(rig, &answer));
	assert_true(rig_read(&answer, &reply));
	assert_memory_equal(reply.eth->src, mac, 6);
}

static void test_every_reason_has_a_name(void **state)
{
	for (unsigned int i = 0; i < AOE_REASONS; i++) {
		assert_non_null(aoe_reason_name(i));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(aoe_reason_name(i), aoe_reason_name(j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_reply_head),
		rig_test(test_replies_are_padded_with_zeroes),
		rig_test(test_responses_are_not_answered),
		rig_test(test_unknown_versions),
		rig_test(test_unknown_commands),
		rig_test(test_truncated_headers),
		rig_test(test_senders_that_cannot_be_answered),
		rig_test(test_frames_for_other_stations),
		rig_test(test_wildcards),
		rig_test(test_vlans),
		rig_test(test_tags_come_back_as_they_were),
		rig_test(test_tagged_replies_are_whole_without_tags),
		rig_test(test_priority_tag_is_untagged),
		rig_test(test_strangers_hear_nothing),
		rig_test(test_address_is_taken_once),
		rig_test(test_new_mac),
		cmocka_unit_test(test_every_reason_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
