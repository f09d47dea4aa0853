/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What each command meets with under another's reservation (SPC-5 table 66, SBC-4 table 13). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

enum conflicts {
	NEVER,
	WITH_READING, /* under types that keep others from reading, too */
	WITH_WRITING, /* under every type */
};

struct entry {
	uint8_t cdb[16], len;
	enum conflicts conflicts;
	bool past_reserve; /* not even under RESERVE(6) */
};

static const struct entry entries[] = {
	{{0x00}, 6, NEVER, false},
	{{0x03}, 6, NEVER, true},
	{{0x08}, 6, WITH_READING, false},
	{{0x0a}, 6, WITH_WRITING, false},
	{{0x12}, 6, NEVER, true},
	{{0x15, 0x10}, 6, WITH_WRITING, false},
	{{0x1a, 0, 0x3f}, 6, WITH_READING, false},
	{{0x1b, 0, 0, 0, 1}, 6, NEVER, true},		 /* START STOP UNIT: starts */
	{{0x1b, 0, 0, 0, 0}, 6, WITH_WRITING, false},	 /* stops */
	{{0x1b, 0, 0, 0, 0x21}, 6, WITH_WRITING, false}, /* another power condition */
	{{0x1c}, 6, WITH_READING, false},
	{{0x1d}, 6, WITH_WRITING, false},
	{{0x1e, 0, 0, 0, 0}, 6, NEVER, true}, /* PREVENT ALLOW: allows */
	{{0x1e, 0, 0, 0, 1}, 6, WITH_WRITING, false},
	{{0x25}, 10, NEVER, true},
	{{0x28}, 10, WITH_READING, false},
	{{0x2a}, 10, WITH_WRITING, false},
	{{0x2e}, 10, WITH_WRITING, false},
	{{0x2f}, 10, WITH_READING, false},
	{{0x34}, 10, WITH_READING, false},
	{{0x35}, 10, WITH_WRITING, false},
	{{0x37}, 10, WITH_READING, false},
	{{0x41}, 10, WITH_WRITING, false},
	{{0x42}, 10, WITH_WRITING, false},
	{{0x48, 1}, 10, WITH_WRITING, false},
	{{0x48, 2}, 10, WITH_WRITING, false},
	{{0x48, 3}, 10, WITH_WRITING, false},
	{{0x48, 0x1f}, 10, WITH_WRITING, false},
	{{0x4c, 0, 0x40}, 10, WITH_WRITING, false},
	{{0x4d, 0, 0x40}, 10, NEVER, true},
	{{0x55}, 10, WITH_WRITING, false},
	{{0x5a, 0, 0x3f}, 10, WITH_READING, false},
	{{0x5e, 0}, 10, NEVER, false},
	{{0x5e, 1}, 10, NEVER, false},
	{{0x5e, 2}, 10, NEVER, false},
	{{0x5e, 3}, 10, NEVER, false},
	{{0x83}, 16, WITH_WRITING, false},
	{{0x84, 0}, 16, WITH_WRITING, false},
	{{0x84, 3}, 16, WITH_WRITING, false},
	{{0x84, 4}, 16, WITH_WRITING, false},
	{{0x88}, 16, WITH_READING, false},
	{{0x89}, 16, WITH_WRITING, false},
	{{0x8a}, 16, WITH_WRITING, false},
	{{0x8b}, 16, WITH_WRITING, false},
	{{0x8e}, 16, WITH_WRITING, false},
	{{0x8f}, 16, WITH_READING, false},
	{{0x90}, 16, WITH_READING, false},
	{{0x91}, 16, WITH_WRITING, false},
	{{0x93}, 16, WITH_WRITING, false},
	{{0x9c}, 16, WITH_WRITING, false},
	{{0x9e, 0x10}, 16, NEVER, true},
	{{0x9e, 0x12}, 16, WITH_READING, false},
	{{0xa0, 0, 0, 0, 0, 0, 0, 0, 1}, 12, NEVER, true},
	{{0xa3, 0x0a}, 12, NEVER, true},
	{{0xa3, 0x0c}, 12, WITH_READING, false},
	{{0xa3, 0x0d}, 12, WITH_READING, false},
	{{0xa4, 0x0a}, 12, WITH_WRITING, false},
	{{0xa8}, 12, WITH_READING, false},
	{{0xaa}, 12, WITH_WRITING, false},
	{{0xae}, 12, WITH_WRITING, false},
	{{0xaf}, 12, WITH_READING, false},
	{{0xb7}, 12, WITH_READING, false},
};

#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

static struct fixture_scsi fs;

static int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.thin = true, .removable = true});
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static void out(unsigned int n, uint8_t action, uint8_t type, uint8_t key, uint8_t action_key)
{
	const uint8_t cdb[10] = {0x5f, action, type, 0, 0, 0, 0, 0, 24};
	const uint8_t list[24] = {[7] = key, [15] = action_key};

	assert_int_equal(fixture_scsi_run(&fs, n, cdb, 10, list, 24, 0).status, SCSI_GOOD);
}

/* Not every unit has every command. */
static bool there(const struct entry *entry)
{
	uint8_t action = entry->len > 6 ? entry->cdb[1] & 0x1f : 0;
	const uint8_t cdb[12] = {0xa3, 0x0c, 3, entry->cdb[0], 0, action, 0, 0, 0, 4};
	struct fixture_scsi_answer a;

	a = fixture_scsi_run(&fs, 0, cdb, 12, NULL, 0, 4);
	return a.status == SCSI_GOOD && a.data[1] == 3;
}

static bool conflicts(unsigned int n, const struct entry *entry)
{
	uint8_t status = fixture_scsi_run(&fs, n, entry->cdb, entry->len, NULL, 0, 0).status;

	return status == SCSI_RESERVATION_CONFLICT;
}

static void assert_conflicts(unsigned int n, const struct entry *entry, uint8_t type, bool expected)
{
	if (there(entry) && conflicts(n, entry) != expected)
		fail_msg("%02x %02x of nexus %u under type %u", entry->cdb[0], entry->cdb[1], n,
			 type);
}

/* What others have done is told first. */
static void hear(unsigned int n)
{
	static const uint8_t test_unit_ready[6];

	while (fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).key ==
	       SCSI_KEY_UNIT_ATTENTION)
		;
}

/* Nexus 0 holds, 1 is registered, 2 is not. */
static void test_each_command_under_each_type(void **state)
{
	static const uint8_t types[] = {1, 3, 5, 6, 7, 8};

	out(0, 0, 0, 0, 0xa);
	out(1, 0, 0, 0, 0xb);
	for (unsigned int i = 0; i < sizeof(types); i++) {
		bool reading = types[i] == 3 || types[i] == 6 || types[i] == 8;

		out(0, 1, types[i], 0xa, 0);
		for (unsigned int e = 0; e < ENTRIES; e++) {
			bool stops = entries[e].conflicts == WITH_WRITING ||
				     (entries[e].conflicts == WITH_READING && reading);

			assert_conflicts(2, &entries[e], types[i], stops);
			assert_conflicts(1, &entries[e], types[i], stops && types[i] < 5);
		}
		hear(0);
		out(0, 2, types[i], 0xa, 0);
		hear(1);
	}
}

static void test_each_command_under_reserve(void **state)
{
	static const struct entry reserve = {{0x16}, 6, NEVER, false};

	assert_false(conflicts(0, &reserve));
	for (unsigned int e = 0; e < ENTRIES; e++)
		assert_conflicts(2, &entries[e], 0, !entries[e].past_reserve);
}

/* Every command that there is has its place above; those that reserve have tests of their own. */
static void test_each_command_is_here(void **state)
{
	static const uint8_t report[12] = {0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0x20};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, report, 12, NULL, 0, 8192);

	for (const uint8_t *at = a.data + 4; at < a.data + a.len; at += 8) {
		bool here = at[0] == 0x16 || at[0] == 0x17 || at[0] == 0x56 || at[0] == 0x57 ||
			    at[0] == 0x5f;

		for (unsigned int e = 0; e < ENTRIES; e++)
			here |= entries[e].cdb[0] == at[0] &&
				(!(at[5] & 1) || entries[e].cdb[1] == at[3]);
		if (!here)
			fail_msg("%02x %02x is not in the table", at[0], at[3]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_command_under_each_type),
		TEST(test_each_command_under_reserve),
		TEST(test_each_command_is_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
