/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "initiator_peer.h"

#include <errno.h>
#include <stdio.h>

static void test_query_is_broadcast_on_every_port(void **state)
{
	struct initiator_config config = {.nports = 2};
	struct peer *peer;
	unsigned int port;

	config.ports[0] = (struct initiator_port){{2, 0, 0, 0, 0, 1}, 1500};
	config.ports[1] = (struct initiator_port){{2, 0, 0, 0, 0, 2}, 1500};
	peer = peer_open(&config);
	initiator_discover(peer->ini);
	for (port = 0; port < 2; port++) {
		struct peer_frame *frame = peer_next(peer);
		const uint8_t everyone[WIRE_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

		assert_non_null(frame);
		assert_int_equal(frame->port, port);
		assert_int_equal(frame->len, 32);
		assert_memory_equal(frame->eth.dst, everyone, WIRE_MAC_LEN);
		assert_memory_equal(frame->eth.src, config.ports[port].mac, WIRE_MAC_LEN);
		assert_int_equal(be16toh(frame->eth.type), 0x88a2);
		assert_int_equal(frame->aoe.ver_flags, 0x10);
		assert_int_equal(be16toh(frame->aoe.shelf), 0xffff);
		assert_int_equal(frame->aoe.slot, 0xff);
		assert_int_equal(frame->aoe.command, AOE_CMD_CONFIG);
	}
	peer_expect_silence(peer);
	peer_close(peer);
}

static void test_target_comes_up(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct peer_reply reply = peer_config_reply(peer_mac, 64, 16, "backup disk");
	const struct initiator_target *target;
	struct peer_frame *frame;

	peer_deliver(peer, &reply);
	target = initiator_find(peer->ini, PEER_SHELF, PEER_SLOT);
	assert_non_null(target);
	assert_int_equal(target->state, INITIATOR_NEW);
	assert_int_equal(peer->changes, 0);
	frame = peer_expect(peer, 0xec);
	assert_int_equal(frame->ata.count, 1);
	assert_int_equal(frame->ata.lba[3], 0xa0);
	assert_int_equal(frame->ata.aflags, 0);
	assert_memory_equal(frame->eth.dst, peer_mac, WIRE_MAC_LEN);
	peer_answers_identify(peer, frame, PEER_SECTORS, true);

	assert_int_equal(target->state, INITIATOR_UP);
	assert_int_equal(peer->changes, 1);
	assert_true(target->sectors == PEER_SECTORS);
	assert_true(target->lba48);
	assert_string_equal(target->model, "Fake disk");
	assert_string_equal(target->serial, "");
	assert_int_equal(target->config_len, 11);
	assert_memory_equal(target->config, "backup disk", 11);
	assert_int_equal(target->paths[0].buffers, 64);
	assert_int_equal(target->firmware, 0x4001);
	assert_null(initiator_find(peer->ini, PEER_SHELF, PEER_SLOT + 1));
	peer_close(peer);
}

static void test_sectors_a_frame(void **state)
{
	static const struct {
		unsigned int mtu, advertised, expected;
	} cases[] = {
		{1500, 2, 2}, {1500, 16, 2}, {9000, 16, 16}, {9000, 255, 17}, {9000, 1, 1},
		{9000, 0, 2}, {4132, 17, 8}, {4131, 17, 7},  {548, 2, 1},
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct initiator_config config = {.nports = 1};
		struct initiator_target *target;
		struct peer *peer;

		config.ports[0].mtu = cases[i].mtu;
		peer = peer_open(&config);
		target = peer_bring_up(peer, 16, cases[i].advertised);
		assert_int_equal(target->frame_sectors, cases[i].expected);
		peer_close(peer);
	}
}

static void test_impossible_ports_are_refused(void **state)
{
	struct initiator_config config = {.ops = &peer_ops};
	struct initiator *ini;
	struct error err;

	assert_int_equal(initiator_open(&config, &ini, &err), -EINVAL);
	config.nports = INITIATOR_PORTS_MAX + 1;
	assert_int_equal(initiator_open(&config, &ini, &err), -EINVAL);
	config.nports = 1;
	config.ports[0].mtu = 547;
	assert_int_equal(initiator_open(&config, &ini, &err), -EINVAL);
}

static void test_paths_are_told_apart(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 16, 16);
	struct peer_reply again = peer_config_reply(peer_mac, 16, 16, "");
	struct peer_reply other = peer_config_reply(peer_mac2, 8, 2, "");
	uint8_t mac[WIRE_MAC_LEN] = {4};

	peer_deliver(peer, &again);
	assert_int_equal(target->npaths, 1);
	peer_deliver(peer, &other);
	assert_int_equal(target->npaths, 2);
	assert_int_equal(target->paths[1].buffers, 8);
	/* A request must fit whichever path it takes. */
	assert_int_equal(target->frame_sectors, 2);
	for (mac[5] = 0; mac[5] < 20; mac[5]++) {
		struct peer_reply more = peer_config_reply(mac, 8, 2, "");

		peer_deliver(peer, &more);
	}
	assert_int_equal(target->npaths, INITIATOR_PATHS_MAX);
	peer_close(peer);
}

static void test_only_so_many_targets(void **state)
{
	struct peer *peer = peer_open(&(struct initiator_config){.targets_max = 2});
	unsigned int slot;

	for (slot = 0; slot < 4; slot++) {
		struct peer_reply reply = peer_config_reply(peer_mac, 16, 2, "");

		peer_aoe(&reply)->slot = slot;
		peer_deliver(peer, &reply);
	}
	assert_non_null(initiator_find(peer->ini, PEER_SHELF, 1));
	assert_null(initiator_find(peer->ini, PEER_SHELF, 2));
	assert_int_equal(initiator_stats(peer->ini)->ignored, 2);
	peer_close(peer);
}

enum spoil {
	REQUEST,
	VERSION,
	SHELF_ANY,
	SLOT_ANY,
	LENGTH_PAST_FRAME,
	LENGTH_PAST_LIMIT,
	ETHERTYPE,
	COMMAND,
	PORT,
	SPOILS
};

static void spoil(struct peer_reply *reply, enum spoil how)
{
	switch (how) {
	case REQUEST:
		peer_aoe(reply)->ver_flags &= ~AOE_FLAG_RESPONSE;
		break;
	case VERSION:
		peer_aoe(reply)->ver_flags += 0x10;
		break;
	case SHELF_ANY:
		peer_aoe(reply)->shelf = 0xffff;
		break;
	case SLOT_ANY:
		peer_aoe(reply)->slot = 0xff;
		break;
	case LENGTH_PAST_FRAME:
		peer_config(reply)->length = htobe16(5);
		break;
	case LENGTH_PAST_LIMIT:
		peer_config(reply)->length = htobe16(AOE_CONFIG_MAX + 1);
		reply->len += AOE_CONFIG_MAX + 1;
		break;
	case ETHERTYPE:
		reply->data[12] = 0x08;
		break;
	case COMMAND:
		peer_aoe(reply)->command = AOE_CMD_RESERVE;
		break;
	case PORT:
		reply->port = 1;
		break;
	case SPOILS:
		break;
	}
}

static void test_bad_responses_make_no_target(void **state)
{
	unsigned int how;

	for (how = 0; how < SPOILS; how++) {
		struct peer_reply reply = peer_config_reply(peer_mac, 16, 16, "four");
		struct peer *peer = peer_open(NULL);

		spoil(&reply, how);
		peer_deliver(peer, &reply);
		peer_expect_silence(peer);
		assert_int_equal(initiator_stats(peer->ini)->ignored, 1);
		peer_close(peer);
	}
}

static void test_truncated_responses_make_no_target(void **state)
{
	struct peer_reply reply = peer_config_reply(peer_mac, 16, 16, "four");
	struct peer *peer = peer_open(NULL);
	size_t whole = reply.len;

	for (reply.len = 0; reply.len < whole; reply.len++)
		peer_deliver(peer, &reply);
	peer_expect_silence(peer);
	assert_int_equal(initiator_stats(peer->ini)->ignored, whole);
	peer_deliver(peer, &reply);
	peer_expect(peer, 0xec);
	peer_close(peer);
}

static void test_error_response_makes_no_target(void **state)
{
	struct peer_reply reply = peer_config_reply(peer_mac, 16, 16, "");
	struct peer *peer = peer_open(NULL);

	peer_aoe(&reply)->ver_flags |= AOE_FLAG_ERROR;
	peer_deliver(peer, &reply);
	peer_expect_silence(peer);
	assert_int_equal(initiator_stats(peer->ini)->aoe_errors, 1);
	peer_close(peer);
}

static void test_failed_identify_is_tried_at_the_next_response(void **state)
{
	struct peer_reply config = peer_config_reply(peer_mac, 16, 16, "");
	struct peer *peer = peer_open(NULL);
	struct peer_reply failure;

	peer_deliver(peer, &config);
	/* Not twice at a time. */
	peer_deliver(peer, &config);
	failure = peer_answer(peer_expect(peer, 0xec));
	peer_expect_silence(peer);
	peer_ata(&failure)->command = 0x41;
	peer_deliver(peer, &failure);
	assert_int_equal(initiator_find(peer->ini, PEER_SHELF, PEER_SLOT)->state, INITIATOR_NEW);
	peer_expect_silence(peer);
	peer_bring_up(peer, 16, 16);
	peer_close(peer);
}

static void test_revalidate_sees_a_new_size(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 16, 16);

	initiator_revalidate(peer->ini, target, peer->now);
	peer_answers_identify(peer, peer_expect(peer, 0xec), PEER_SECTORS + 8, true);
	assert_true(target->sectors == PEER_SECTORS + 8);
	assert_int_equal(peer->changes, 2);
	peer_close(peer);
}

static void test_new_configuration_is_told(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 16, 16);
	struct peer_reply reply = peer_config_reply(peer_mac, 32, 8, "renamed");

	peer_deliver(peer, &reply);
	assert_int_equal(peer->changes, 2);
	assert_int_equal(target->config_len, 7);
	assert_memory_equal(target->config, "renamed", 7);
	assert_int_equal(target->frame_sectors, 8);
	peer_expect_silence(peer);
	peer_close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query_is_broadcast_on_every_port),
		cmocka_unit_test(test_target_comes_up),
		cmocka_unit_test(test_sectors_a_frame),
		cmocka_unit_test(test_impossible_ports_are_refused),
		cmocka_unit_test(test_paths_are_told_apart),
		cmocka_unit_test(test_only_so_many_targets),
		cmocka_unit_test(test_bad_responses_make_no_target),
		cmocka_unit_test(test_truncated_responses_make_no_target),
		cmocka_unit_test(test_error_response_makes_no_target),
		cmocka_unit_test(test_failed_identify_is_tried_at_the_next_response),
		cmocka_unit_test(test_revalidate_sees_a_new_size),
		cmocka_unit_test(test_new_configuration_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
