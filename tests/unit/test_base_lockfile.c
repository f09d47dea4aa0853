/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lock between processes: who holds it, who can get at it, and that nothing of it is left. */
#include "base/lockfile.h"
#include "fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
	char *dir;
	char path[96];
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->dir = fixture_dir_make();
	snprintf(rig->path, sizeof(rig->path), "%s/it.lock", rig->dir);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	fixture_dir_remove(rig->dir);
	free(rig);
	return 0;
}

static void test_holder_is_named_until_it_lets_go(void **state)
{
	struct rig *rig = *state;
	pid_t holder = 0;
	int lock = lockfile_take(rig->path, &holder);

	assert_true(lock >= 0);
	assert_int_equal(lockfile_take(rig->path, &holder), -EBUSY);
	assert_int_equal(holder, getpid());
	lockfile_release(rig->path, lock);
	assert_int_equal(access(rig->path, F_OK), -1);
	lock = lockfile_take(rig->path, &holder);
	assert_true(lock >= 0);
	lockfile_release(rig->path, lock);
}

/* Its directory was moved away, say, and somebody else has the one that is there by now. */
static void test_what_others_hold_is_left_alone(void **state)
{
	struct rig *rig = *state;
	pid_t holder;
	char away[128];
	int lock = lockfile_take(rig->path, &holder), others;

	snprintf(away, sizeof(away), "%s.away", rig->path);
	assert_int_equal(rename(rig->path, away), 0);
	others = lockfile_take(rig->path, &holder);
	assert_true(others >= 0);
	lockfile_release(rig->path, lock);
	assert_int_equal(lockfile_take(rig->path, &holder), -EBUSY);
	lockfile_release(rig->path, others);
}

/* Whoever may open the file can lock it, if only for reading, and so keep others from serving. */
static void test_other_users_cannot_lock_it(void **state)
{
	struct rig *rig = *state;
	pid_t holder;
	int lock = lockfile_take(rig->path, &holder);
	struct stat st;

	assert_int_equal(fstat(lock, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	lockfile_release(rig->path, lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_holder_is_named_until_it_lets_go, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_others_hold_is_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_other_users_cannot_lock_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
