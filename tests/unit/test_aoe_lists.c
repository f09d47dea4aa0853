/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AoE commands 2 and 3: mask and reserve lists, and what they do to everybody else. */
#include "aoe_client.h"

static struct rig_frame frame;

static const uint8_t host_b[6] = {2, 0, 0, 0, 0, 0x0b};

struct directive {
	uint8_t command;
	uint8_t host; /* last byte of the MAC */
};

static void put_mac(struct rig_frame *f, uint8_t host)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, host};

	rig_put(f, mac, 6);
}

static void from(struct rig_frame *f, const uint8_t mac[6])
{
	memcpy(f->data + 6, mac, 6);
}

static void mask_frame(uint8_t command, const struct directive *directives, uint8_t count)
{
	const struct wire_aoe_mask head = {.command = command, .count = count};

	client_frame(&frame, AOE_CMD_MASK);
	rig_put(&frame, &head, sizeof(head));
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t start[2] = {0, directives[i].command};

		rig_put(&frame, start, 2);
		put_mac(&frame, directives[i].host);
	}
}

static struct wire_aoe_mask ask_mask(struct rig *rig, uint8_t command,
				     const struct directive *directives, uint8_t count)
{
	struct wire_aoe_mask head;

	mask_frame(command, directives, count);
	memcpy(&head, ask(rig, &frame, 0).body, sizeof(head));
	assert_int_equal(head.command, command);
	return head;
}

static void expect_masks(struct rig *rig, unsigned int count, const uint8_t *hosts)
{
	struct rig_reply reply;

	mask_frame(AOE_MASK_READ, NULL, 0);
	reply = ask(rig, &frame, 0);
	assert_int_equal(reply.body[2], 0);
	assert_int_equal(reply.body[3], count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(reply.body[4 + 8 * i + 7], hosts[i]);
}

static bool answered(struct rig *rig, const uint8_t who[6])
{
	client_config(&frame, AOE_CONFIG_READ, "");
	from(&frame, who);
	assert_int_equal(rig_rx(rig, &frame), 0);
	return rig_take(rig, &frame);
}

static void test_mask_edit(void **state)
{
	struct rig *rig = *state;
	const struct directive edit[] = {{AOE_MASK_ADD, 0x0a},	  {AOE_MASK_NOP, 0x77},
					 {AOE_MASK_ADD, 0x0c},	  {AOE_MASK_ADD, 0x0a},
					 {AOE_MASK_DELETE, 0x0d}, {AOE_MASK_ADD, 0x0d},
					 {AOE_MASK_DELETE, 0x0c}};
	struct wire_aoe_mask head = ask_mask(rig, AOE_MASK_EDIT, edit, 7);

	assert_int_equal(head.error, 0);
	assert_int_equal(head.count, 2);
	expect_masks(rig, 2, (const uint8_t[]){0x0a, 0x0d});
}

static void test_mask_silences(void **state)
{
	struct rig *rig = *state;

	assert_true(answered(rig, host_b));
	ask_mask(rig, AOE_MASK_EDIT, &(struct directive){AOE_MASK_ADD, 0x0a}, 1);
	assert_false(answered(rig, host_b));
	assert_true(answered(rig, rig_host));
	/* Not the command that would let him in, either. */
	mask_frame(AOE_MASK_EDIT, &(struct directive){AOE_MASK_ADD, 0x0b}, 1);
	from(&frame, host_b);
	ask_silence(rig, &frame);
	assert_int_equal(reason(rig, AOE_IGNORED_MASKED), 2);
	ask_mask(rig, AOE_MASK_EDIT, &(struct directive){AOE_MASK_DELETE, 0x0a}, 1);
	assert_true(answered(rig, host_b));
}

/* Being listened to is one thing, being reserved another. */
static void test_mask_reserves_nothing(void **state)
{
	struct rig *rig = *state;

	ask_mask(rig, AOE_MASK_EDIT, &(struct directive){AOE_MASK_ADD, 0x0a}, 1);
	write_sectors(rig, 0, 1, 0x21);
	expect_sector(rig, 0, 0x21);
}

/* Directives before the failing one hold, it and what follows do not. */
static void test_mask_stops_at_the_first_failure(void **state)
{
	struct rig *rig = *state;
	const struct directive edit[] = {
		{AOE_MASK_ADD, 0x0a}, {AOE_MASK_ADD, 0x0b}, {3, 0x0c}, {AOE_MASK_ADD, 0x0d}};
	struct wire_aoe_mask head = ask_mask(rig, AOE_MASK_EDIT, edit, 4);

	assert_int_equal(head.error, AOE_MASK_BAD_DIRECTIVE);
	assert_int_equal(head.count, 2);
	expect_masks(rig, 2, (const uint8_t[]){0x0a, 0x0b});
	assert_int_equal(reason(rig, AOE_REFUSED_DIRECTIVE), 1);
}

static void test_mask_full(void **state)
{
	struct rig *rig = *state;
	struct directive edit[255];
	struct wire_aoe_mask head;

	for (unsigned int i = 0; i < 255; i++)
		edit[i] = (struct directive){AOE_MASK_ADD, (uint8_t)i};
	assert_int_equal(ask_mask(rig, AOE_MASK_EDIT, edit, 255).error, 0);
	head = ask_mask(rig, AOE_MASK_EDIT,
			(const struct directive[]){{AOE_MASK_ADD, 3}, {AOE_MASK_ADD, 255}}, 2);
	assert_int_equal(head.error, AOE_MASK_FULL);
	assert_int_equal(head.count, 1);
}

static void test_mask_group_address(void **state)
{
	struct rig *rig = *state;
	struct rig_reply reply;

	mask_frame(AOE_MASK_EDIT, &(struct directive){AOE_MASK_ADD, 0x0a}, 1);
	memset(frame.data + 30, 0xff, 6);
	reply = ask(rig, &frame, 0);
	assert_int_equal(reply.body[2], AOE_MASK_UNSPECIFIED);
	assert_true(answered(rig, host_b));
}

static void test_mask_count_past_the_frame(void **state)
{
	struct rig *rig = *state;

	mask_frame(AOE_MASK_EDIT, &(struct directive){AOE_MASK_ADD, 0x0a}, 1);
	frame.data[27] = 2;
	ask(rig, &frame, AOE_ERR_ARGUMENT);
	frame.data[27] = 255;
	ask(rig, &frame, AOE_ERR_ARGUMENT);
	frame.data[27] = 1;
	frame.data[25] = 2;
	ask(rig, &frame, AOE_ERR_ARGUMENT);
	assert_int_equal(reason(rig, AOE_REFUSED_ARGUMENT), 3);
	expect_masks(rig, 0, NULL);
}

/* ---- reserve -------------------------------------------------------------------------------- */

static void reserve_frame(const uint8_t who[6], uint8_t command, const uint8_t *hosts,
			  uint8_t count)
{
	const struct wire_aoe_reserve head = {.command = command, .count = count};

	client_frame(&frame, AOE_CMD_RESERVE);
	from(&frame, who);
	rig_put(&frame, &head, sizeof(head));
	for (unsigned int i = 0; i < count; i++)
		put_mac(&frame, hosts[i]);
}

static void reserve(struct rig *rig, const uint8_t who[6], uint8_t command, const uint8_t *hosts,
		    uint8_t count, uint8_t error)
{
	struct rig_reply reply;

	reserve_frame(who, command, hosts, count);
	reply = ask(rig, &frame, error);
	assert_int_equal(reply.body[0], command);
	if (error || command == AOE_RESERVE_READ)
		return;
	assert_int_equal(reply.body[1], count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(reply.body[2 + 6 * i + 5], hosts[i]);
}

/* The AoE error of an ATA command by `who`. */
static uint8_t ata_error(struct rig *rig, const uint8_t who[6], uint8_t command)
{
	struct rig_reply reply;

	client_ata(&frame, &(struct rig_ata){.command = command, .count = 1}, NULL, 0);
	from(&frame, who);
	assert_int_equal(rig_rx(rig, &frame), 0);
	expect_reply(rig, &frame, &reply);
	assert_int_equal(reply.body[3], reply.aoe.error ? ATA_BAD : ATA_OK);
	return reply.aoe.error;
}

static void test_reserve_keeps_others_out(void **state)
{
	struct rig *rig = *state;

	reserve(rig, rig_host, AOE_RESERVE_SET, (const uint8_t[]){0x0a}, 1, 0);
	assert_int_equal(ata_error(rig, rig_host, ATA_READ_SECTORS), 0);
	assert_int_equal(ata_error(rig, host_b, ATA_READ_SECTORS), AOE_ERR_RESERVED);
	assert_int_equal(ata_error(rig, host_b, ATA_WRITE_SECTORS), AOE_ERR_RESERVED);
	assert_int_equal(ata_error(rig, host_b, ATA_FLUSH), AOE_ERR_RESERVED);
	assert_int_equal(ata_error(rig, host_b, ATA_IDENTIFY_DEVICE), 0);
	assert_true(answered(rig, host_b));
	assert_int_equal(reason(rig, AOE_REFUSED_RESERVED), 3);
}

static void test_reserve_rules(void **state)
{
	struct rig *rig = *state;
	const uint8_t both[] = {0x0a, 0x0c};

	reserve(rig, rig_host, AOE_RESERVE_SET, both, 2, 0);
	reserve(rig, host_b, AOE_RESERVE_SET, (const uint8_t[]){0x0b}, 1, AOE_ERR_RESERVED);
	reserve(rig, host_b, AOE_RESERVE_SET, NULL, 0, AOE_ERR_RESERVED);
	reserve_frame(host_b, AOE_RESERVE_READ, NULL, 0);
	assert_memory_equal(ask(rig, &frame, 0).body, "\x00\x02\x02\0\0\0\0\x0a\x02\0\0\0\0\x0c",
			    14);
	/* On the list: may change it. */
	reserve(rig, rig_host, AOE_RESERVE_SET, (const uint8_t[]){0x0b}, 1, 0);
	assert_int_equal(ata_error(rig, rig_host, ATA_READ_SECTORS), AOE_ERR_RESERVED);
	reserve(rig, rig_host, AOE_RESERVE_SET, NULL, 0, AOE_ERR_RESERVED);
	reserve(rig, rig_host, AOE_RESERVE_FORCE, (const uint8_t[]){0x0a}, 1, 0);
	assert_int_equal(ata_error(rig, host_b, ATA_READ_SECTORS), AOE_ERR_RESERVED);
	reserve(rig, rig_host, AOE_RESERVE_SET, NULL, 0, 0);
	assert_int_equal(ata_error(rig, host_b, ATA_READ_SECTORS), 0);
}

static void test_reserve_bad_arguments(void **state)
{
	struct rig *rig = *state;

	for (unsigned int command = 3; command < 256; command++)
		reserve(rig, rig_host, (uint8_t)command, NULL, 0, AOE_ERR_ARGUMENT);
	reserve_frame(rig_host, AOE_RESERVE_FORCE, (const uint8_t[]){0x0a}, 1);
	frame.data[25] = 2;
	ask(rig, &frame, AOE_ERR_ARGUMENT);
	frame.data[25] = 255;
	ask(rig, &frame, AOE_ERR_ARGUMENT);
	assert_int_equal(ata_error(rig, host_b, ATA_READ_SECTORS), 0);
}

/* Two hundred and fifty-five entries do not fit a frame of 1500 bytes; it is never longer. */
static void test_lists_stay_within_the_mtu(void **state)
{
	struct rig *rig = *state;
	struct directive edit[255];
	uint8_t hosts[255];

	for (unsigned int i = 0; i < 255; i++) {
		edit[i] = (struct directive){AOE_MASK_ADD, (uint8_t)i};
		hosts[i] = (uint8_t)i;
	}
	ask_mask(rig, AOE_MASK_EDIT, edit, 255);
	reserve(rig, rig_host, AOE_RESERVE_FORCE, hosts, 255, 0);
	aoe_port_set_mtu(rig->port, 1500);
	mask_frame(AOE_MASK_READ, NULL, 0);
	assert_true(ask(rig, &frame, 0).body_len <= 1500 - 10);
	reserve_frame(rig_host, AOE_RESERVE_READ, NULL, 0);
	assert_true(ask(rig, &frame, 0).body_len <= 1500 - 10);
}

static void test_read_only_initiator(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	rig_open(rig, NULL);
	rig_export(rig, "7.1",
		   "any,"
		   "02:00:00:00:00:0a/ro",
		   NULL);
	mask_frame(AOE_MASK_EDIT, &(struct directive){AOE_MASK_ADD, 0x0a}, 1);
	ask(rig, &frame, AOE_ERR_UNAVAILABLE);
	reserve(rig, rig_host, AOE_RESERVE_FORCE, (const uint8_t[]){0x0a}, 1, AOE_ERR_UNAVAILABLE);
	assert_int_equal(reason(rig, AOE_REFUSED_READ_ONLY), 2);
	assert_true(answered(rig, host_b));
	assert_int_equal(ata_error(rig, host_b, ATA_READ_SECTORS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_mask_edit),
		rig_test(test_mask_silences),
		rig_test(test_mask_reserves_nothing),
		rig_test(test_mask_stops_at_the_first_failure),
		rig_test(test_mask_full),
		rig_test(test_mask_group_address),
		rig_test(test_mask_count_past_the_frame),
		rig_test(test_reserve_keeps_others_out),
		rig_test(test_reserve_rules),
		rig_test(test_reserve_bad_arguments),
		rig_test(test_lists_stay_within_the_mtu),
		rig_test(test_read_only_initiator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
