/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Target port groups: what is told of them, what they refuse, and who changes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

static struct fixture_scsi fs;
static struct scsi_target *other; /* group 5, port 9 */

static int setup(void **state)
{
	const struct scsi_target_config port = {.relative_port = 9,
						.group = 5,
						.access.access = SCSI_ACCESS_NONOPTIMIZED,
						.protocol = SCSI_PROTOCOL_ISCSI,
						.port_name = "other",
						.device_name = "other"};

	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	assert_int_equal(scsi_target_open(&port, &other, NULL), 0);
	assert_int_equal(scsi_target_add_lun(other, 3, fs.dev, false), 0);
	return 0;
}

static int teardown(void **state)
{
	scsi_target_close(other);
	fixture_scsi_close(&fs);
	return 0;
}

static struct fixture_scsi_answer report(uint8_t format)
{
	const uint8_t cdb[12] = {0xa3, (uint8_t)(format | 0x0a), [9] = 128};

	return fixture_scsi_run(&fs, 0, cdb, 12, NULL, 0, 128);
}

static struct fixture_scsi_answer set(const uint8_t *list, uint8_t len)
{
	const uint8_t cdb[12] = {0xa4, 0x0a, [9] = len};

	return fixture_scsi_run(&fs, 0, cdb, 12, list, len, 0);
}

static struct fixture_scsi_answer six(unsigned int n, uint8_t opcode)
{
	const uint8_t cdb[6] = {opcode, [4] = 64};

	return fixture_scsi_run(&fs, n, cdb, 6, NULL, 0, 64);
}

static struct fixture_scsi_answer read_block(void)
{
	static const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};

	return fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, 512);
}

static void set_access(enum scsi_access access, bool preferred)
{
	scsi_target_set_access(fs.target, (struct scsi_access_state){.access = access,
								     .preferred = preferred});
}

static void test_groups_and_their_ports(void **state)
{
	static const uint8_t expected[] = {
		0, 0,	 0, 24, 0, 0xcf, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, /* group 0 */
		1, 0xcf, 0, 5,	0, 0,	 0, 1, 0, 0, 0, 9,
	};
	struct fixture_scsi_answer a = report(0);

	assert_int_equal(a.len, sizeof(expected));
	assert_memory_equal(a.data, expected, sizeof(expected));
	a = report(0x20);
	assert_int_equal(a.len, sizeof(expected) + 4);
	assert_int_equal(get_be32(a.data), 28);
	assert_int_equal(a.data[4], 0x10);
	assert_memory_equal(a.data + 8, expected + 4, sizeof(expected) - 4);
	assert_int_equal(report(0x40).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(six(0, 0x12).data[5] & 0x30, 0x30);
}

static void test_what_each_state_refuses(void **state)
{
	static const struct {
		enum scsi_access access;
		uint16_t unit_ready, read, mode_sense;
	} states[] = {
		{SCSI_ACCESS_NONOPTIMIZED, 0, 0, 0},
		{SCSI_ACCESS_STANDBY, SCSI_ASC_TARGET_PORT_STANDBY, SCSI_ASC_TARGET_PORT_STANDBY,
		 0},
		{SCSI_ACCESS_UNAVAILABLE, SCSI_ASC_TARGET_PORT_UNAVAILABLE,
		 SCSI_ASC_TARGET_PORT_UNAVAILABLE, SCSI_ASC_TARGET_PORT_UNAVAILABLE},
		{SCSI_ACCESS_OFFLINE, SCSI_ASC_UNIT_OFFLINE, SCSI_ASC_UNIT_OFFLINE,
		 SCSI_ASC_UNIT_OFFLINE},
		{SCSI_ACCESS_TRANSITIONING, SCSI_ASC_ACCESS_STATE_TRANSITION,
		 SCSI_ASC_ACCESS_STATE_TRANSITION, SCSI_ASC_ACCESS_STATE_TRANSITION},
		{SCSI_ACCESS_OPTIMIZED, 0, 0, 0},
	};

	for (unsigned int i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		set_access(states[i].access, false);
		for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++)
			assert_int_equal(six(n, 0).asc, SCSI_ASC_ACCESS_STATE_CHANGED);
		assert_int_equal(six(0, 0).asc, states[i].unit_ready);
		assert_int_equal(read_block().asc, states[i].read);
		assert_int_equal(fixture_scsi_run(&fs, 0, (uint8_t[6]){0x1a, 0, 0x3f, 0, 64}, 6,
						  NULL, 0, 64)
					 .asc,
				 states[i].mode_sense);
		assert_int_equal(six(0, 0x12).status, SCSI_GOOD);
		assert_int_equal(report(0).data[4], states[i].access);
	}
	/* What is no change is no news. */
	set_access(SCSI_ACCESS_OPTIMIZED, false);
	assert_int_equal(six(1, 0).asc, 0);
}

static void test_set_by_an_initiator(void **state)
{
	static const uint8_t list[12] = {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 5};
	struct fixture_scsi_answer a;

	assert_int_equal(set(list, sizeof(list)).status, SCSI_GOOD);
	assert_int_equal(six(1, 0).asc, SCSI_ASC_ACCESS_STATE_CHANGED);
	assert_int_equal(read_block().asc, SCSI_ASC_TARGET_PORT_STANDBY);
	a = report(0);
	assert_int_equal(a.data[4], 2);
	assert_int_equal(a.data[4 + 5], 1);
	assert_int_equal(a.data[16], 0);
}

static void test_who_joins_a_group_has_its_state(void **state)
{
	static const uint8_t list[8] = {0, 0, 0, 0, 2, 0, 0, 5};
	const struct scsi_target_config port = {.relative_port = 10,
						.group = 5,
						.protocol = SCSI_PROTOCOL_ISCSI,
						.port_name = "third",
						.device_name = "third"};
	struct scsi_target *third;
	struct fixture_scsi_answer a;

	assert_int_equal(set(list, sizeof(list)).status, SCSI_GOOD);
	assert_int_equal(scsi_target_open(&port, &third, NULL), 0);
	assert_int_equal(scsi_target_add_lun(third, 0, fs.dev, false), 0);
	a = report(0);
	assert_int_equal(a.data[16], 2);
	assert_int_equal(a.data[16 + 7], 2);
	/* Alone in it, the newcomer has it still. */
	scsi_target_close(other);
	other = NULL;
	a = report(0);
	assert_int_equal(a.data[16], 2);
	assert_int_equal(get_be16(a.data + 16 + 8 + 2), 10);
	scsi_target_close(third);
}

#define MORE 60u /* sessions, so that it takes a while to tell them all */

static struct scsi_nexus *nexus_open(unsigned int i)
{
	static struct nexus transport;
	const uint8_t id[24] = {0x05, 0, 0, 20, 'm', (uint8_t)('0' + i)};
	const struct scsi_nexus_config config = {.nexus = &transport,
						 .queue = &fs.queue,
						 .transport_id = id,
						 .transport_id_len = sizeof(id)};
	struct scsi_nexus *nexus;

	assert_int_equal(scsi_nexus_open(fs.target, &config, &nexus), 0);
	return nexus;
}

static atomic_bool all_shown;
static atomic_uint idle; /* times that the thread had nothing to do */

static void *initiators_thread(void *arg)
{
	while (!atomic_load(&all_shown))
		if (!mailbox_drain(&fs.mailbox))
			atomic_fetch_add(&idle, 1);
	return NULL;
}

/* Whatever the initiators' thread does while the control thread shows it. */
static void test_a_unit_that_comes_is_in_its_groups_state(void **state)
{
	static const uint8_t test_unit_ready[6];
	struct fixture_scsi_command fc = {};
	struct scsi_nexus *more[MORE];
	pthread_t thread;

	set_access(SCSI_ACCESS_STANDBY, false);
	for (unsigned int i = 0; i < MORE; i++)
		more[i] = nexus_open(i);
	atomic_store(&all_shown, false);
	assert_int_equal(pthread_create(&thread, NULL, initiators_thread, NULL), 0);
	for (uint16_t lun = 1; lun < SCSI_LUNS_MAX; lun++) {
		unsigned int before = atomic_load(&idle);

		while (atomic_load(&idle) - before < 2)
			sched_yield();
		assert_int_equal(scsi_target_add_lun(fs.target, lun, fs.dev, false), 0);
	}
	atomic_store(&all_shown, true);
	pthread_join(thread, NULL);
	fixture_scsi_turn(&fs);
	for (uint64_t i = 1; i < SCSI_LUNS_MAX * FIXTURE_SCSI_NEXUSES; i++) {
		do {
			fc.cmd.scsi.lun = i / FIXTURE_SCSI_NEXUSES << 48;
			fixture_scsi_start(&fs, &fc, i % FIXTURE_SCSI_NEXUSES, test_unit_ready, 6,
					   NULL, 0, NULL, 0);
			fixture_scsi_end(&fc);
		} while (fixture_scsi_answer_of(&fc).key == SCSI_KEY_UNIT_ATTENTION);
		assert_int_equal(fixture_scsi_answer_of(&fc).asc, SCSI_ASC_TARGET_PORT_STANDBY);
	}
	for (unsigned int i = 0; i < MORE; i++)
		scsi_nexus_close(more[i], NULL, NULL);
}

/* Which is told, and stays when an initiator sets the state. */
static void test_preferred(void **state)
{
	static const uint8_t list[8] = {0, 0, 0, 0, 1};

	set_access(SCSI_ACCESS_OPTIMIZED, true);
	for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++)
		assert_int_equal(six(n, 0).asc, SCSI_ASC_ACCESS_STATE_CHANGED);
	assert_int_equal(report(0).data[4], 0x80);
	assert_int_equal(set(list, sizeof(list)).status, SCSI_GOOD);
	assert_int_equal(report(0).data[4], 0x81);
	set_access(SCSI_ACCESS_OPTIMIZED, false);
	assert_int_equal(six(0, 0).asc, SCSI_ASC_ACCESS_STATE_CHANGED);
	assert_int_equal(report(0).data[4], 0);
}

static void test_implicit(void **state)
{
	static const uint8_t list[12] = {0, 0, 0, 0, 1, 0, 0, 5, 1};
	struct fixture_scsi_answer a;

	scsi_target_set_access(fs.target, (struct scsi_access_state){.implicit = true});
	assert_int_equal(six(0, 0).asc, SCSI_ASC_ACCESS_STATE_CHANGED);
	assert_int_equal(six(0, 0x12).data[5] & 0x30, 0x10);
	a = set(list, sizeof(list));
	assert_int_equal(a.asc, SCSI_ASC_INVALID_FIELD_LIST);
	assert_int_equal(get_be16(a.sense + 16), 10);
	a = report(0);
	assert_int_equal(a.data[4], 0);
	/* The other group can be set, still. */
	assert_int_equal(set(list, 8).status, SCSI_GOOD);
	set_access(SCSI_ACCESS_OPTIMIZED, false);
	assert_int_equal(six(0, 0).asc, SCSI_ASC_ACCESS_STATE_CHANGED);
	assert_int_equal(six(0, 0x12).data[5] & 0x30, 0x30);
	assert_int_equal(set(list, sizeof(list)).status, SCSI_GOOD);
}

static void test_words(void **state)
{
	static const char *const wrong[] = {"",
					    "active",
					    "Standby",
					    "standby,",
					    "standby,pref",
					    ",preferred",
					    "standby,preferred,preferred"};
	struct scsi_access_state access;
	struct error err;

	assert_int_equal(scsi_access_parse("active/nonoptimized", &access, &err), 0);
	assert_int_equal(access.access, SCSI_ACCESS_NONOPTIMIZED);
	assert_false(access.preferred);
	assert_int_equal(scsi_access_parse("standby,implicit,preferred", &access, &err), 0);
	assert_true(access.preferred && access.implicit);
	assert_int_equal(scsi_access_parse("transitioning,preferred", &access, &err), 0);
	assert_false(access.implicit);
	assert_int_equal(access.access, SCSI_ACCESS_TRANSITIONING);
	assert_true(access.preferred);
	assert_string_equal(scsi_access_name(SCSI_ACCESS_OFFLINE), "offline");
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(scsi_access_parse(wrong[i], &access, &err), -EINVAL);
		assert_non_null(strstr(err.text, "active/nonoptimized"));
	}
}

/* The second descriptor is wrong: the first counts for nothing. */
static void test_wrong_lists(void **state)
{
	uint8_t list[12] = {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 6};
	struct fixture_scsi_answer a = set(list, sizeof(list));

	assert_int_equal(a.asc, SCSI_ASC_INVALID_FIELD_LIST);
	assert_int_equal(get_be16(a.sense + 16), 10);
	list[11] = 5;
	list[8] = 0x0e;
	a = set(list, sizeof(list));
	assert_int_equal(a.asc, SCSI_ASC_INVALID_FIELD_LIST);
	assert_int_equal(get_be16(a.sense + 16), 8);
	assert_int_equal(set(list, 7).asc, SCSI_ASC_LIST_LENGTH);
	assert_int_equal(set(list, 0).status, SCSI_GOOD);
	assert_int_equal(read_block().status, SCSI_GOOD);
	assert_int_equal(six(1, 0).asc, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_groups_and_their_ports),
		TEST(test_what_each_state_refuses),
		TEST(test_set_by_an_initiator),
		TEST(test_who_joins_a_group_has_its_state),
		TEST(test_a_unit_that_comes_is_in_its_groups_state),
		TEST(test_preferred),
		TEST(test_implicit),
		TEST(test_words),
		TEST(test_wrong_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
