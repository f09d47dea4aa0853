/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is promised from the MTU and the number of requests, and announcements of it. */
#include "aoe_client.h"

static struct rig_frame frame;

/* The sector count and the buffer count that the export at `slot` of shelf 7 on `vlan` claims. */
static struct wire_aoe_config claims(struct rig *rig, uint8_t slot, uint32_t vlan)
{
	struct wire_aoe_config config;
	struct rig_reply reply;

	rig_eth(&frame, rig_mac, rig_host, vlan);
	rig_aoe(&frame, CLIENT_SHELF, slot, AOE_CMD_CONFIG, 1);
	rig_config(&frame, AOE_CONFIG_READ, NULL, 0);
	assert_int_equal(rig_rx(rig, &frame), 0);
	expect_reply(rig, &frame, &reply);
	memcpy(&config, reply.body, sizeof(config));
	return config;
}

static void test_sectors(void **state)
{
	static const struct {
		unsigned int mtu, multi, single;
	} cases[] = {
		{548, 1, 1},  {1059, 1, 1},  {1060, 2, 2},  {1500, 2, 2},  {3107, 5, 5},
		{3108, 6, 6}, {3506, 6, 6},  {3620, 7, 6},  {4131, 7, 6},  {4132, 8, 6},
		{8227, 8, 6}, {8228, 16, 6}, {9000, 16, 6}, {9216, 16, 6}, {65535, 16, 6},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig rig;

		for (unsigned int single = 0; single < 2; single++) {
			const struct rig_config config = {.mtu = cases[i].mtu,
							  .single_buffer = single};
			rig_open(&rig, &config);
			rig_export(&rig, "7.1", "any", NULL);
			rig_export(&rig, "5:7.1", "any", NULL);
			assert_int_equal(claims(&rig, 1, 0).sectors,
					 single ? cases[i].single : cases[i].multi);
			assert_int_equal(claims(&rig, 1, 5).sectors,
					 single ? cases[i].single : cases[i].multi);
			assert_int_equal(aoe_port_sectors(rig.port), claims(&rig, 1, 0).sectors);
			rig_close(&rig);
		}
	}
}

/* The most that is advertised is accepted, received whole and sent whole. */
static void test_what_is_promised_works(void **state)
{
	static const unsigned int mtus[] = {548, 1500, 4132, 9000};
	struct rig rig;

	for (unsigned int i = 0; i < 8; i++) {
		const struct rig_config config = {.mtu = mtus[i / 2], .single_buffer = i % 2};
		struct rig_ata read = {.command = ATA_READ_SECTORS};
		struct rig_reply reply;

		rig_open(&rig, &config);
		rig_export(&rig, "7.1", "any", NULL);
		read.count = (uint8_t)aoe_port_sectors(rig.port);
		write_sectors(&rig, 0, read.count, 0x3c);
		reply = ask_ata(&rig, &read, NULL, 0, ATA_OK, 0);
		assert_int_equal(reply.body_len, sizeof(struct wire_aoe_ata) + read.count * 512u);
		assert_true(sizeof(struct wire_aoe) + reply.body_len <= config.mtu);
		assert_int_equal(reply.body[reply.body_len - 1], 0x3c);
		read.count++;
		ask_ata(&rig, &read, NULL, 0, ATA_BAD, ATA_ABRT);
		rig_close(&rig);
	}
}

static void test_buffers(void **state)
{
	static const struct {
		unsigned int requests, buffers;
	} cases[] = {{1, 16}, {64, 16}, {256, 16}, {512, 32}, {1024, 64}, {4096, 64}};

	for (unsigned int i = 0; i < 6; i++) {
		const struct rig_config config = {.requests = cases[i].requests};
		struct rig rig;

		rig_open(&rig, &config);
		rig_export(&rig, "7.1", "any", NULL);
		assert_int_equal(be16toh(claims(&rig, 1, 0).buffers), cases[i].buffers);
		assert_int_equal(aoe_port_buffers(rig.port), cases[i].buffers);
		rig_close(&rig);
	}
}

static void test_mtu_too_small(void **state)
{
	struct rig *rig = *state;
	struct aoe_port_config config = {
		.sink = &rig->sink, .queue = &rig->queue, .requests = 1, .mtu = 547};
	struct aoe_port *port;
	struct error err = {""};

	assert_int_equal(aoe_port_open(&config, &port, &err), -EINVAL);
	assert_non_null(strstr(err.text, "548"));
}

static void expect_announcement(struct rig *rig, uint32_t vlan, uint8_t slot, uint8_t sectors)
{
	struct wire_aoe_config config;
	struct rig_reply reply;

	assert_true(rig_take(rig, &frame));
	assert_true(rig_read(&frame, &reply));
	assert_memory_equal(reply.eth->dst, "\xff\xff\xff\xff\xff\xff", 6);
	assert_memory_equal(reply.eth->src, rig_mac, 6);
	assert_int_equal(reply.class.vlan, vlan);
	assert_int_equal(reply.class.aoe_shelf, 7);
	assert_int_equal(reply.class.aoe_slot, slot);
	assert_int_equal(reply.aoe.ver_flags, AOE_VERSION << 4 | AOE_FLAG_RESPONSE);
	assert_int_equal(reply.aoe.command, AOE_CMD_CONFIG);
	assert_int_equal(reply.tag, 0);
	memcpy(&config, reply.body, sizeof(config));
	assert_int_equal(config.sectors, sectors);
	assert_int_equal(config.ver_command, AOE_VERSION << 4);
}

static void test_announcements(void **state)
{
	struct rig *rig = *state;

	rig_export(rig, "5:7.2", "any", NULL);
	rig_export(rig, "100.5:7.3", "any", NULL);
	aoe_port_announce(rig->port);
	expect_announcement(rig, 0, 1, 16);
	expect_announcement(rig, 5, 2, 16);
	assert_memory_equal(frame.data + 12, "\x81\x00\x00\x05\x88\xa2", 6);
	expect_announcement(rig, 100 << 12 | 5, 3, 16);
	assert_memory_equal(frame.data + 12, "\x88\xa8\x00\x64\x81\x00\x00\x05\x88\xa2", 10);
	aoe_port_set_mtu(rig->port, 1500);
	rig_tx_complete(rig);
	aoe_port_announce(rig->port);
	expect_announcement(rig, 0, 1, 2);
	expect_announcement(rig, 5, 2, 2);
	assert_int_equal(aoe_port_stats(rig->port)->announcements, 6);
}

static void test_announcement_without_a_free_request(void **state)
{
	const struct rig_config config = {.requests = 1};
	struct rig rig;

	rig_open(&rig, &config);
	rig_export(&rig, "7.1", "any", NULL);
	rig_export(&rig, "7.2", "any", NULL);
	aoe_port_announce(rig.port);
	expect_announcement(&rig, 0, 1, 16);
	expect_silence(&rig);
	assert_int_equal(aoe_port_stats(rig.port)->announcements_lost, 1);
	rig_tx_complete(&rig);
	assert_true(rig_idle(&rig));
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sectors),
		cmocka_unit_test(test_what_is_promised_works),
		cmocka_unit_test(test_buffers),
		rig_test(test_mtu_too_small),
		rig_test(test_announcements),
		cmocka_unit_test(test_announcement_without_a_free_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
