/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether writes are durable before their reply: disk option, transport, store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture.h"

static void test_durability_is_decided_once(void **unused)
{
	static const struct {
		enum disk_cache cache;
		bool default_durable, volatile_store, durable;
	} cases[] = {
		{DISK_CACHE_DEFAULT, true, true, true},	  {DISK_CACHE_DEFAULT, false, true, false},
		{DISK_CACHE_DEFAULT, false, false, true}, {DISK_WRITETHROUGH, false, true, true},
		{DISK_WRITEBACK, true, true, false},	  {DISK_WRITEBACK, true, false, true},
	};
	struct fixture_disk *disk = fixture_disk_open(1, 0);
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lu lu;

		disk->disk.spec.cache = cases[i].cache;
		disk->disk.writeback = cases[i].volatile_store;
		lu_init(&lu, &disk->disk, cases[i].default_durable);
		assert_int_equal(lu.durable, cases[i].durable);
		assert_int_equal(lu_write_flags(&lu), cases[i].durable ? BLK_FUA : 0);
		lu_fini(&lu);
	}
	fixture_disk_close(disk);
}

static void test_write_cache_switch(void **unused)
{
	struct fixture_disk *disk = fixture_disk_open(1, 0);
	struct lu lu;

	disk->disk.spec.cache = DISK_WRITEBACK;
	lu_init(&lu, &disk->disk, true);
	atomic_store(&lu.write_cache, false);
	assert_int_equal(lu_write_flags(&lu), BLK_FUA);
	atomic_store(&lu.write_cache, true);
	assert_int_equal(lu_write_flags(&lu), 0);
	lu_fini(&lu);
	fixture_disk_close(disk);
}

/* More than are told apart: none of those who are known is forgotten for them. */
static void test_crowd_of_writers(void **unused)
{
	struct fixture_disk *disk = fixture_disk_open(1, 0);
	unsigned int told = 0;
	struct lu lu;

	disk->disk.spec.cache = DISK_WRITEBACK;
	lu_init(&lu, &disk->disk, true);
	for (uint64_t who = LU_WRITERS + 10; who-- > 0;)
		lu_write_begins(&lu, who * 7);
	atomic_fetch_add(&disk->disk.flush_errors, 1);
	for (uint64_t who = 10; who < LU_WRITERS + 10; who++)
		assert_int_equal(lu_flush_ended(&lu, who * 7, BLK_OK), BLK_EIO);
	for (uint64_t who = 0; who < 10; who++)
		told += lu_flush_ended(&lu, who * 7, BLK_OK) == BLK_EIO;
	assert_int_equal(told, 1);
	for (uint64_t who = 0; who < LU_WRITERS + 10; who++)
		assert_int_equal(lu_flush_ended(&lu, who * 7, BLK_OK), BLK_OK);
	lu_fini(&lu);
	fixture_disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durability_is_decided_once),
		cmocka_unit_test(test_write_cache_switch),
		cmocka_unit_test(test_crowd_of_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
