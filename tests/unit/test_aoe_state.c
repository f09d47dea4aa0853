/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What initiators set survives a restart, is durable before the answer, and changes in turn. */
#include "aoe_client.h"

#include "fixture.h"
#include <stdio.h>

static struct rig_frame frame;

struct bench {
	char *dir;
	struct mailbox writer;
	struct state *state;
	struct rig rig, other; /* two ports of one export, each with its own mailbox */
};

static void bench_start(struct bench *b, bool threaded)
{
	assert_int_equal(state_open(b->dir, "7.1", threaded ? &b->writer : NULL, &b->state, NULL),
			 0);
	rig_open(&b->rig, NULL);
	rig_export(&b->rig, "7.1", "any", b->state);
	rig_open(&b->other, NULL);
	rig_borrow(&b->other, &b->rig);
}

static void bench_stop(struct bench *b)
{
	rig_tx_complete(&b->other);
	assert_true(rig_idle(&b->rig));
	assert_true(rig_idle(&b->other));
	rig_close(&b->other);
	rig_close(&b->rig);
	state_close(b->state);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->dir = fixture_dir_make();
	assert_int_equal(mailbox_open(&b->writer), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	if (b->dir)
		fixture_dir_remove(b->dir);
	mailbox_close(&b->writer);
	free(b);
	return 0;
}

static void send_config(struct rig *rig, uint8_t subcommand, const char *string)
{
	client_config(&frame, subcommand, string);
	assert_int_equal(rig_rx(rig, &frame), 0);
}

/* The next reply's error and string. */
static void expect_config(struct rig *rig, uint8_t error, const char *string)
{
	struct rig_reply reply;

	expect_reply(rig, &frame, &reply);
	assert_int_equal(reply.aoe.error, error);
	assert_int_equal(reply.body[7], strlen(string));
	assert_memory_equal(reply.body + 8, string, strlen(string));
}

static void test_survives_a_restart(void **state)
{
	static const uint8_t add[] = {0, AOE_MASK_EDIT, 0, 2, 0, 1, 2, 0, 0, 0,
				      0, 0x0a,		0, 1, 2, 0, 0, 0, 0, 0x0b};
	static const uint8_t set[] = {AOE_RESERVE_SET, 1, 2, 0, 0, 0, 0, 0x0b};
	struct aoe_export_settings settings;
	struct bench *b = *state;

	bench_start(b, false);
	send_config(&b->rig, AOE_CONFIG_SET, "mine \x01\xff");
	expect_config(&b->rig, 0, "mine \x01\xff");
	client_frame(&frame, AOE_CMD_MASK);
	rig_put(&frame, add, sizeof(add));
	ask(&b->rig, &frame, 0);
	client_frame(&frame, AOE_CMD_RESERVE);
	rig_put(&frame, set, sizeof(set));
	ask(&b->rig, &frame, 0);
	bench_stop(b);

	bench_start(b, false);
	send_config(&b->rig, AOE_CONFIG_READ, "");
	expect_config(&b->rig, 0, "mine \x01\xff");
	aoe_export_settings(b->rig.exports[0].aoe, &settings);
	assert_int_equal(settings.masks, 2);
	assert_int_equal(settings.reserves, 1);
	client_ata(&frame, &(struct rig_ata){.command = ATA_FLUSH}, NULL, 0);
	ask(&b->rig, &frame, AOE_ERR_RESERVED);
	frame.data[11] = 0x0c;
	ask_silence(&b->rig, &frame);
	bench_stop(b);
}

static void test_durable_before_the_answer(void **state)
{
	struct bench *b = *state;

	bench_start(b, true);
	send_config(&b->rig, AOE_CONFIG_SET, "mine");
	expect_silence(&b->rig);
	/* Until it is durable it does not hold. */
	send_config(&b->rig, AOE_CONFIG_READ, "");
	expect_config(&b->rig, 0, "");
	assert_int_not_equal(aoe_port_inflight(b->rig.port), 0);
	assert_true(mailbox_drain(&b->writer));
	expect_silence(&b->rig);
	assert_true(mailbox_drain(&b->rig.mailbox));
	rig_tx_complete(&b->rig);
	expect_config(&b->rig, 0, "mine");
	/* What changes nothing waits for nothing. */
	send_config(&b->rig, AOE_CONFIG_SET, "mine");
	expect_config(&b->rig, 0, "mine");
	send_config(&b->rig, AOE_CONFIG_FORCE, "mine");
	expect_config(&b->rig, 0, "mine");
	assert_false(mailbox_drain(&b->writer));
	bench_stop(b);
}

/* Changes through two ports take turns, and each is answered on its own port's thread. */
static void test_changes_take_turns(void **state)
{
	struct bench *b = *state;

	bench_start(b, true);
	send_config(&b->rig, AOE_CONFIG_SET, "first");
	send_config(&b->other, AOE_CONFIG_SET, "second");
	send_config(&b->other, AOE_CONFIG_FORCE, "third");
	send_config(&b->rig, AOE_CONFIG_FORCE, "fourth");
	assert_true(mailbox_drain(&b->writer));
	assert_false(mailbox_drain(&b->other.mailbox));
	assert_true(mailbox_drain(&b->rig.mailbox));
	expect_config(&b->rig, 0, "first");
	expect_silence(&b->rig);
	/* The second finds the first's string and needs no save; the third's turn comes next. */
	assert_true(mailbox_drain(&b->other.mailbox));
	expect_config(&b->other, AOE_ERR_CONFIG_PRESENT, "first");
	assert_true(mailbox_drain(&b->other.mailbox));
	expect_silence(&b->other);
	assert_true(mailbox_drain(&b->writer));
	assert_true(mailbox_drain(&b->other.mailbox));
	expect_config(&b->other, 0, "third");
	assert_true(mailbox_drain(&b->rig.mailbox));
	assert_true(mailbox_drain(&b->writer));
	assert_true(mailbox_drain(&b->rig.mailbox));
	rig_tx_complete(&b->rig);
	expect_config(&b->rig, 0, "fourth");
	assert_false(mailbox_drain(&b->writer));
	bench_stop(b);
}

/* When it cannot be saved, nothing has changed and the initiator is told. */
static void test_cannot_be_saved(void **state)
{
	struct bench *b = *state;
	char place[256];
	int fd;

	bench_start(b, false);
	send_config(&b->rig, AOE_CONFIG_SET, "mine");
	expect_config(&b->rig, 0, "mine");
	/* What is in the directory's place keeps it from being made anew. */
	snprintf(place, sizeof(place), "%s", b->dir);
	fixture_dir_remove(b->dir);
	b->dir = NULL;
	fd = open(place, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	send_config(&b->rig, AOE_CONFIG_FORCE, "yours");
	expect_config(&b->rig, AOE_ERR_UNAVAILABLE, "");
	assert_int_equal(reason(&b->rig, AOE_REFUSED_UNAVAILABLE), 1);
	send_config(&b->rig, AOE_CONFIG_READ, "");
	expect_config(&b->rig, 0, "mine");
	/* The next change gets its turn all the same. */
	send_config(&b->rig, AOE_CONFIG_SET, "mine");
	expect_config(&b->rig, 0, "mine");
	bench_stop(b);
	assert_int_equal(unlink(place), 0);
}

static void test_bad_state_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"config\": 5}",
		"{\"config\": \"abc\"}",
		"{\"config\": \"zz\"}",
		"{\"masks\": {}}",
		"{\"masks\": [\"02:00:00:00:00\"]}",
		"{\"masks\": [7]}",
		"{\"reserves\": [\"\"]}",
		"[]",
	};
	struct bench *b = *state;
	const struct aoe_address addr = {.shelf = 7, .slot = 1};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct aoe_export *export;
		struct state_save save = {.done = NULL};
		struct error err = {""};

		bench_start(b, true);
		save.reply = &b->rig.mailbox;
		state_save(b->state, &save, "aoe", json_loads(bad[i], 0, NULL));
		assert_true(mailbox_drain(&b->writer));
		assert_int_equal(save.result, 0);
		assert_int_equal(aoe_export_open(&addr, &b->rig.exports[0].lu,
						 b->rig.exports[0].ata, b->state, &export, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, "7.1"));
		assert_non_null(strstr(err.text, "aoe"));
		bench_stop(b);
		fixture_dir_remove(b->dir);
		b->dir = fixture_dir_make();
	}
}

int main(void)
{
#define bench_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		bench_test(test_survives_a_restart),   bench_test(test_durable_before_the_answer),
		bench_test(test_changes_take_turns),   bench_test(test_cannot_be_saved),
		bench_test(test_bad_state_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
