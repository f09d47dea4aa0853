/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AoE command 0: data in and out, and what a frame may not ask for. */
#include "aoe_client.h"

#define MIB_SECTORS 2048u /* of the rig's disk */

static struct rig_frame frame;
static uint8_t data[32 * 512];

static void test_identify(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata identify = {
		.command = ATA_IDENTIFY_DEVICE, .count = 1, .lba = 0xa0000000};
	uint8_t expected[ATA_IDENTIFY_LEN];
	struct rig_reply reply = ask_ata(rig, &identify, NULL, 0, ATA_OK, 0);

	ata_identify(rig->exports[0].ata, expected);
	assert_int_equal(reply.body_len, sizeof(struct wire_aoe_ata) + ATA_IDENTIFY_LEN);
	assert_memory_equal(reply.body + sizeof(struct wire_aoe_ata), expected, sizeof(expected));
}

static void test_read_back(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata read = {
		.command = ATA_READ_SECTORS_EXT, .aflags = AOE_ATA_LBA48, .count = 16, .lba = 100};
	const struct rig_ata write = {.command = ATA_WRITE_SECTORS_EXT,
				      .aflags = AOE_ATA_LBA48 | AOE_ATA_WRITE | AOE_ATA_ASYNC,
				      .count = 16,
				      .lba = 100};
	struct rig_reply reply;

	for (unsigned int i = 0; i < 16 * 512; i++)
		data[i] = (uint8_t)(i * 7 + i / 512);
	ask_ata(rig, &write, data, 16 * 512, ATA_OK, 0);
	reply = ask_ata(rig, &read, NULL, 0, ATA_OK, 0);
	assert_int_equal(reply.body_len, sizeof(struct wire_aoe_ata) + 16 * 512);
	assert_memory_equal(reply.body + sizeof(struct wire_aoe_ata), data, 16 * 512);
	expect_sector(rig, 99, 0);
	expect_sector(rig, 116, 0);
}

static void test_registers_are_echoed(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata read = {.command = ATA_READ_SECTORS_EXT,
				     .aflags = AOE_ATA_LBA48 | AOE_ATA_DEVICE,
				     .count = 1,
				     .lba = 0x0000000003ff};
	struct rig_reply reply = ask_ata(rig, &read, NULL, 0, ATA_OK, 0);
	struct wire_aoe_ata regs;

	memcpy(&regs, reply.body, sizeof(regs));
	assert_int_equal(regs.aflags, AOE_ATA_LBA48 | AOE_ATA_DEVICE);
	assert_int_equal(regs.count, 1);
	assert_memory_equal(regs.lba, "\xff\x03\0\0\0\0", 6);
}

static void test_registers_that_answer(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata power = {.command = ATA_CHECK_POWER_MODE};
	const struct rig_ata native = {.command = ATA_READ_NATIVE_MAX_EXT, .aflags = AOE_ATA_LBA48};
	struct wire_aoe_ata regs;

	memcpy(&regs, ask_ata(rig, &power, NULL, 0, ATA_OK, 0).body, sizeof(regs));
	assert_int_equal(regs.count, 0xff);
	memcpy(&regs, ask_ata(rig, &native, NULL, 0, ATA_OK, 0).body, sizeof(regs));
	assert_memory_equal(regs.lba, "\xff\x07\0\0\0\0", 6);
}

/* aoeping skips SMART replies without room for a sector, also of subcommands that return none. */
static void test_smart_replies_have_room_for_a_sector(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata enable = {.command = ATA_SMART, .feature = 0xd8, .lba = 0xc24f00};
	const struct rig_ata unknown = {.command = ATA_SMART, .feature = 0x01, .lba = 0xc24f00};
	struct rig_reply reply = ask_ata(rig, &enable, NULL, 0, ATA_OK, 0);

	assert_int_equal(reply.body_len, sizeof(struct wire_aoe_ata) + 512);
	reply = ask_ata(rig, &unknown, NULL, 0, ATA_OK | ATA_ERR, ATA_ABRT);
	assert_int_equal(reply.body_len, sizeof(struct wire_aoe_ata) + 512);
}

/* The W flag says one thing, the command another: the command is right. */
static void test_write_flag_does_not_matter(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata write = {.command = ATA_WRITE_SECTORS, .count = 1, .lba = 9};
	const struct rig_ata read = {
		.command = ATA_READ_SECTORS, .aflags = AOE_ATA_WRITE, .count = 1, .lba = 9};

	memset(data, 0x77, 512);
	ask_ata(rig, &write, data, 512, ATA_OK, 0);
	memset(data, 0x88, 512);
	ask_ata(rig, &read, data, 512, ATA_OK, 0);
	expect_sector(rig, 9, 0x77);
}

/* Linux probes a path with a READ that carries payload, aoe-sancheck an IDENTIFY. */
static void test_payload_where_none_belongs(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata read = {.command = ATA_READ_SECTORS, .count = 1};
	const struct rig_ata identify = {.command = ATA_IDENTIFY_DEVICE, .count = 1};
	struct rig_reply reply;

	write_sectors(rig, 0, 1, 0x5a);
	memset(data, 0xed, sizeof(data));
	for (uint32_t len = 0; len <= 16 * 512; len += 512) {
		reply = ask_ata(rig, &read, data, len, ATA_OK, 0);
		assert_int_equal(reply.body_len, sizeof(struct wire_aoe_ata) + 512);
		assert_int_equal(reply.body[sizeof(struct wire_aoe_ata)], 0x5a);
		ask_ata(rig, &identify, data, len, ATA_OK, 0);
	}
	expect_sector(rig, 0, 0x5a);
}

static void test_count_out_of_bounds(void **state)
{
	struct rig *rig = *state;
	static const uint8_t counts[] = {0, 17, 255};
	static const uint8_t commands[] = {ATA_READ_SECTORS, ATA_READ_SECTORS_EXT,
					   ATA_WRITE_SECTORS, ATA_WRITE_SECTORS_EXT};

	memset(data, 0x66, sizeof(data));
	for (unsigned int i = 0; i < 12; i++)
		ask_ata(rig, &(struct rig_ata){.command = commands[i / 3], .count = counts[i % 3]},
			data, 17 * 512 < RIG_FRAME ? 17 * 512 : 0, ATA_BAD, ATA_ABRT);
	assert_int_equal(reason(rig, AOE_ABORTED_COUNT), 12);
	expect_sector(rig, 0, 0);
}

static void test_address_out_of_bounds(void **state)
{
	struct rig *rig = *state;
	static const struct {
		uint64_t lba;
		uint8_t count;
		bool good;
	} cases[] = {
		{MIB_SECTORS - 1, 1, true},    {MIB_SECTORS - 2, 2, true},
		{MIB_SECTORS - 1, 2, false},   {MIB_SECTORS, 1, false},
		{0xfffffff, 1, false},	       {1ull << 28, 1, false},
		{1ull << 31, 1, false},	       {(1ull << 32) - 1, 1, false},
		{1ull << 32, 1, false},	       {(1ull << 48) - 1, 1, false},
		{(1ull << 48) - 1, 16, false},
	};

	memset(data, 0x42, sizeof(data));
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rig_ata read = {.command = ATA_READ_SECTORS_EXT,
					     .aflags = AOE_ATA_LBA48,
					     .count = cases[i].count,
					     .lba = cases[i].lba};
		const struct rig_ata write = {.command = ATA_WRITE_SECTORS_EXT,
					      .aflags = AOE_ATA_LBA48 | AOE_ATA_WRITE,
					      .count = cases[i].count,
					      .lba = cases[i].lba};
		uint8_t status = cases[i].good ? ATA_OK : ATA_BAD;
		uint8_t error = cases[i].good ? 0 : ATA_IDNF;

		ask_ata(rig, &read, NULL, 0, status, error);
		ask_ata(rig, &write, data, cases[i].count * 512u, status, error);
	}
	for (unsigned int lba = 0; lba < MIB_SECTORS - 2; lba += 61)
		expect_sector(rig, lba, 0);
	expect_sector(rig, MIB_SECTORS - 1, 0x42);
}

/* Initiators put the device register's 0xe0 where an LBA28 ends. */
static void test_lba28_is_masked(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata write = {.command = ATA_WRITE_SECTORS,
				      .aflags = AOE_ATA_WRITE,
				      .count = 1,
				      .lba = 0xe0000005};

	memset(data, 0x28, 512);
	ask_ata(rig, &write, data, 512, ATA_OK, 0);
	expect_sector(rig, 5, 0x28);
}

static void test_write_without_its_data(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata write = {
		.command = ATA_WRITE_SECTORS, .aflags = AOE_ATA_WRITE, .count = 2, .lba = 8};

	memset(data, 0x13, sizeof(data));
	ask_ata(rig, &write, data, 0, ATA_BAD, ATA_ABRT);
	ask_ata(rig, &write, data, 1, ATA_BAD, ATA_ABRT);
	ask_ata(rig, &write, data, 512, ATA_BAD, ATA_ABRT);
	ask_ata(rig, &write, data, 1023, ATA_BAD, ATA_ABRT);
	assert_int_equal(reason(rig, AOE_ABORTED_DATA), 4);
	expect_sector(rig, 8, 0);
	ask_ata(rig, &write, data, 1024, ATA_OK, 0);
	expect_sector(rig, 9, 0x13);
	/* What follows the data is not written. */
	ask_ata(rig, &write, data, 1500, ATA_OK, 0);
	expect_sector(rig, 10, 0);
}

static void test_write_to_a_wildcard(void **state)
{
	static const struct {
		uint16_t shelf;
		uint8_t slot;
		uint8_t dst0;
	} cases[] = {{0xffff, 1, 0}, {7, 0xff, 0}, {0xffff, 0xff, 0}, {7, 1, 0xff}};
	static const uint8_t commands[] = {ATA_WRITE_SECTORS, ATA_WRITE_SECTORS_EXT, ATA_WRITE_DMA,
					   ATA_DATA_SET_MANAGEMENT};
	struct rig *rig = *state;

	write_sectors(rig, 0, 1, 0x01);
	memset(data, 0x99, 512);
	for (unsigned int i = 0; i < 16; i++) {
		client_ata(&frame,
			   &(struct rig_ata){.command = commands[i / 4], .feature = 1, .count = 1},
			   data, 512);
		if (cases[i % 4].dst0)
			memset(frame.data, 0xff, 6);
		frame.data[16] = (uint8_t)(cases[i % 4].shelf >> 8);
		frame.data[17] = (uint8_t)cases[i % 4].shelf;
		frame.data[18] = cases[i % 4].slot;
		ask_silence(rig, &frame);
	}
	assert_int_equal(reason(rig, AOE_IGNORED_BROADCAST_WRITE), 16);
	expect_sector(rig, 0, 0x01);
}

/* WinAoE asks everybody for IDENTIFY. */
static void test_read_from_a_wildcard(void **state)
{
	struct rig *rig = *state;

	client_ata(&frame, &(struct rig_ata){.command = ATA_IDENTIFY_DEVICE, .count = 1}, NULL, 0);
	memset(frame.data, 0xff, 6);
	memset(frame.data + 16, 0xff, 3);
	assert_int_equal(ask(rig, &frame, 0).body_len, sizeof(struct wire_aoe_ata) + 512);
}

static void test_read_only_initiator(void **state)
{
	struct rig *rig = *state;
	static const uint8_t commands[][2] = {
		{ATA_WRITE_SECTORS, 0}, {ATA_WRITE_DMA_EXT, 0}, {ATA_DATA_SET_MANAGEMENT, 1}};

	rig_export(rig, "8.1", "any/ro", NULL);
	memset(data, 0x31, 512);
	for (unsigned int i = 0; i < 3; i++) {
		static struct rig_frame answer;
		struct rig_reply reply;

		client_ata(&frame,
			   &(struct rig_ata){.command = commands[i][0],
					     .feature = commands[i][1],
					     .count = 1},
			   data, 512);
		frame.data[17] = 8;
		assert_int_equal(rig_rx(rig, &frame), 0);
		expect_reply(rig, &answer, &reply);
		assert_int_equal(reply.aoe.ver_flags & AOE_FLAG_ERROR, 0);
		assert_int_equal(reply.body[3], ATA_BAD);
		assert_int_equal(reply.body[1], ATA_ABRT);
	}
	assert_int_equal(reason(rig, AOE_ABORTED_READ_ONLY), 3);
	client_ata(&frame, &(struct rig_ata){.command = ATA_READ_SECTORS, .count = 1}, NULL, 0);
	frame.data[17] = 8;
	assert_int_equal(rig_rx(rig, &frame), 0);
	while (rig_take(rig, &frame))
		for (unsigned int i = 36; i < frame.len; i++)
			assert_int_equal(frame.data[i], 0);
}

static void test_read_only_disk(void **state)
{
	const struct rig_config config = {.disk = "ram:1M,ro"};
	const struct rig_ata write = {.command = ATA_WRITE_SECTORS, .count = 1};
	struct rig *rig = *state;

	rig_close(rig);
	rig_open(rig, &config);
	rig_export(rig, "7.1", "any", NULL);
	ask_ata(rig, &write, data, 512, ATA_BAD, ATA_ABRT);
	assert_int_equal(reason(rig, AOE_ABORTED_READ_ONLY), 1);
	expect_sector(rig, 0, 0);
}

/* A jumbo WRITE cut anywhere, into the header and at odd places, writes the same bytes. */
static void test_fragments(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata write = {
		.command = ATA_WRITE_SECTORS, .aflags = AOE_ATA_WRITE, .count = 16, .lba = 32};

	for (uint32_t cut = 1; cut < 600; cut++) {
		const uint32_t cuts[] = {cut, cut + 1, cut + 17, 4001};

		memset(data, (int)cut, 16 * 512);
		client_ata(&frame, &write, data, 16 * 512);
		assert_int_equal(rig_rx_cut(rig, &frame, cuts, 4), 0);
		assert_true(rig_take(rig, &frame));
		assert_int_equal(frame.data[27], ATA_OK);
		expect_sector(rig, 32, (uint8_t)cut);
		expect_sector(rig, 40, (uint8_t)cut);
		expect_sector(rig, 47, (uint8_t)cut);
	}
}

static void test_too_many_fragments(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata write = {
		.command = ATA_WRITE_SECTORS, .aflags = AOE_ATA_WRITE, .count = 1, .lba = 3};
	uint32_t cuts[20];

	for (unsigned int i = 0; i < 20; i++)
		cuts[i] = 40 + 2 * i;
	memset(data, 0x44, 512);
	client_ata(&frame, &write, data, 512);
	assert_int_equal(rig_rx_cut(rig, &frame, cuts, 20), 0);
	assert_true(rig_take(rig, &frame));
	assert_int_equal(frame.data[27], ATA_BAD);
	assert_int_equal(reason(rig, AOE_ABORTED_DATA), 1);
	expect_sector(rig, 3, 0);
}

static void test_counters(void **state)
{
	struct rig *rig = *state;
	const struct aoe_export_stats *stats;
	const struct aoe_initiator_stats *initiator;
	struct aoe_export *export;

	rig->now = 1234;
	write_sectors(rig, 0, 4, 1);
	expect_sector(rig, 0, 1);
	expect_sector(rig, 1, 1);
	ask_ata(rig, &(struct rig_ata){.command = ATA_FLUSH}, NULL, 0, ATA_OK, 0);
	ask_ata(rig, &(struct rig_ata){.command = ATA_IDENTIFY_DEVICE, .count = 1}, NULL, 0, ATA_OK,
		0);
	ask_ata(rig, &(struct rig_ata){.command = 0xff}, NULL, 0, ATA_BAD, ATA_ABRT);
	stats = aoe_port_export_stats(rig->port, 0, &export);
	assert_ptr_equal(export, rig->exports[0].aoe);
	assert_int_equal(stats->writes, 1);
	assert_int_equal(stats->write_bytes, 4 * 512);
	assert_int_equal(stats->reads, 2);
	assert_int_equal(stats->read_bytes, 2 * 512);
	assert_int_equal(stats->flushes, 1);
	assert_int_equal(stats->other, 2);
	assert_int_equal(stats->ata_errors, 1);
	assert_null(aoe_port_export_stats(rig->port, 1, &export));

	initiator = aoe_port_initiator(rig->port, 0);
	assert_memory_equal(initiator->mac, rig_host, 6);
	assert_int_equal(initiator->vlan, 0);
	assert_int_equal(initiator->requests, 6);
	assert_int_equal(initiator->read_bytes, 2 * 512);
	assert_int_equal(initiator->write_bytes, 4 * 512);
	assert_int_equal(initiator->errors, 1);
	assert_int_equal(initiator->last_seen_ns, 1234);
	assert_null(aoe_port_initiator(rig->port, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_identify),
		rig_test(test_read_back),
		rig_test(test_registers_are_echoed),
		rig_test(test_registers_that_answer),
		rig_test(test_smart_replies_have_room_for_a_sector),
		rig_test(test_write_flag_does_not_matter),
		rig_test(test_payload_where_none_belongs),
		rig_test(test_count_out_of_bounds),
		rig_test(test_address_out_of_bounds),
		rig_test(test_lba28_is_masked),
		rig_test(test_write_without_its_data),
		rig_test(test_write_to_a_wildcard),
		rig_test(test_read_from_a_wildcard),
		rig_test(test_read_only_initiator),
		rig_test(test_read_only_disk),
		rig_test(test_fragments),
		rig_test(test_too_many_fragments),
		rig_test(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
