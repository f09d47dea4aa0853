/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AoE command 1: what is advertised, and the configuration string. */
#include "aoe_client.h"

static struct rig_frame frame;

/* Asks and expects the string (NULL: silence). */
static void ask_config(struct rig *rig, uint8_t subcommand, const char *string, uint8_t error,
		       const char *expected)
{
	struct wire_aoe_config config;
	struct rig_reply reply;

	client_config(&frame, subcommand, string);
	if (!expected) {
		ask_silence(rig, &frame);
		return;
	}
	reply = ask(rig, &frame, error);
	assert_int_equal(reply.aoe.command, AOE_CMD_CONFIG);
	memcpy(&config, reply.body, sizeof(config));
	assert_int_equal(config.ver_command, AOE_VERSION << 4 | subcommand);
	assert_int_equal(be16toh(config.length), strlen(expected));
	assert_memory_equal(reply.body + sizeof(config), expected, strlen(expected));
}

static void test_advertised(void **state)
{
	struct rig *rig = *state;
	struct wire_aoe_config config;

	client_config(&frame, AOE_CONFIG_READ, "");
	memcpy(&config, ask(rig, &frame, 0).body, sizeof(config));
	assert_int_equal(be16toh(config.buffers), 16);
	assert_int_equal(config.sectors, 16);
	assert_int_equal(config.ver_command, 0x10);
	assert_int_equal(config.length, 0);
}

static void test_set_and_read(void **state)
{
	struct rig *rig = *state;

	ask_config(rig, AOE_CONFIG_READ, "", 0, "");
	ask_config(rig, AOE_CONFIG_SET, "mine", 0, "mine");
	ask_config(rig, AOE_CONFIG_READ, "", 0, "mine");
	ask_config(rig, AOE_CONFIG_SET, "mine", 0, "mine");
	ask_config(rig, AOE_CONFIG_SET, "yours", AOE_ERR_CONFIG_PRESENT, "mine");
	ask_config(rig, AOE_CONFIG_SET, "min", AOE_ERR_CONFIG_PRESENT, "mine");
	ask_config(rig, AOE_CONFIG_SET, "", AOE_ERR_CONFIG_PRESENT, "mine");
	assert_int_equal(reason(rig, AOE_REFUSED_CONFIG_PRESENT), 3);
	ask_config(rig, AOE_CONFIG_FORCE, "yours", 0, "yours");
	ask_config(rig, AOE_CONFIG_READ, "", 0, "yours");
	ask_config(rig, AOE_CONFIG_FORCE, "", 0, "");
	ask_config(rig, AOE_CONFIG_SET, "again", 0, "again");
}

static void test_tests(void **state)
{
	struct rig *rig = *state;

	ask_config(rig, AOE_CONFIG_FORCE, "mine", 0, "mine");
	ask_config(rig, AOE_CONFIG_TEST, "mine", 0, "mine");
	ask_config(rig, AOE_CONFIG_TEST, "min", 0, NULL);
	ask_config(rig, AOE_CONFIG_TEST, "mined", 0, NULL);
	ask_config(rig, AOE_CONFIG_TEST, "", 0, NULL);
	ask_config(rig, AOE_CONFIG_TEST_PREFIX, "", 0, "mine");
	ask_config(rig, AOE_CONFIG_TEST_PREFIX, "mi", 0, "mine");
	ask_config(rig, AOE_CONFIG_TEST_PREFIX, "mine", 0, "mine");
	ask_config(rig, AOE_CONFIG_TEST_PREFIX, "mined", 0, NULL);
	ask_config(rig, AOE_CONFIG_TEST_PREFIX, "mo", 0, NULL);
	assert_int_equal(reason(rig, AOE_IGNORED_CONFIG_TEST), 5);
}

static void test_longest_string(void **state)
{
	struct rig *rig = *state;
	char longest[AOE_CONFIG_MAX + 2];

	memset(longest, 'x', sizeof(longest));
	longest[AOE_CONFIG_MAX] = '\0';
	ask_config(rig, AOE_CONFIG_SET, longest, 0, longest);
	ask_config(rig, AOE_CONFIG_TEST, longest, 0, longest);
	longest[AOE_CONFIG_MAX] = 'x';
	longest[AOE_CONFIG_MAX + 1] = '\0';
	ask_config(rig, AOE_CONFIG_FORCE, longest, AOE_ERR_ARGUMENT, "");
	longest[AOE_CONFIG_MAX] = '\0';
	ask_config(rig, AOE_CONFIG_READ, "", 0, longest);
}

static void test_length_past_the_frame(void **state)
{
	struct rig *rig = *state;

	for (uint8_t sub = AOE_CONFIG_TEST; sub <= AOE_CONFIG_FORCE; sub++) {
		client_config(&frame, sub, "abc");
		frame.data[31] = 4;
		ask(rig, &frame, AOE_ERR_ARGUMENT);
		frame.data[30] = frame.data[31] = 0xff;
		ask(rig, &frame, AOE_ERR_ARGUMENT);
	}
	assert_int_equal(reason(rig, AOE_REFUSED_ARGUMENT), 8);
	ask_config(rig, AOE_CONFIG_READ, "", 0, "");
	/* On a read, length and data are rubbish that one tool sends. */
	client_config(&frame, AOE_CONFIG_READ, "");
	frame.data[30] = frame.data[31] = 0xed;
	ask(rig, &frame, 0);
}

static void test_unknown_subcommands(void **state)
{
	struct rig *rig = *state;

	for (uint8_t sub = AOE_CONFIG_FORCE + 1; sub < 16; sub++)
		ask_config(rig, sub, "", AOE_ERR_ARGUMENT, "");
}

static void test_read_only_initiator(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	rig_open(rig, NULL);
	rig_export(rig, "7.1", "any/ro", NULL);
	ask_config(rig, AOE_CONFIG_SET, "mine", AOE_ERR_UNAVAILABLE, "");
	ask_config(rig, AOE_CONFIG_FORCE, "mine", AOE_ERR_UNAVAILABLE, "");
	assert_int_equal(reason(rig, AOE_REFUSED_READ_ONLY), 2);
	ask_config(rig, AOE_CONFIG_READ, "", 0, "");
	ask_config(rig, AOE_CONFIG_TEST, "", 0, "");
}

/* The string crosses a fragment's end. */
static void test_fragments(void **state)
{
	struct rig *rig = *state;

	for (uint32_t cut = 15; cut < 48; cut++) {
		client_config(&frame, AOE_CONFIG_FORCE, "a longer string");
		assert_int_equal(rig_rx_cut(rig, &frame, &cut, 1), 0);
		assert_true(rig_take(rig, &frame));
		ask_config(rig, AOE_CONFIG_TEST, "a longer string", 0, "a longer string");
		ask_config(rig, AOE_CONFIG_FORCE, "", 0, "");
	}
}

static void test_seen_by_status(void **state)
{
	struct rig *rig = *state;
	struct aoe_export_settings settings;

	ask_config(rig, AOE_CONFIG_SET, "mine", 0, "mine");
	aoe_export_settings(rig->exports[0].aoe, &settings);
	assert_int_equal(settings.config_len, 4);
	assert_memory_equal(settings.config, "mine", 4);
	assert_int_equal(settings.masks, 0);
	assert_int_equal(settings.reserves, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_advertised),
		rig_test(test_set_and_read),
		rig_test(test_tests),
		rig_test(test_longest_string),
		rig_test(test_length_past_the_frame),
		rig_test(test_unknown_subcommands),
		rig_test(test_read_only_initiator),
		rig_test(test_fragments),
		rig_test(test_seen_by_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
