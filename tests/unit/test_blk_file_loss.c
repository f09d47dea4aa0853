/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a disk's file is all there, asked while it changes. */
#include "blk_bench.h"

#include "blk/space.h"
#include <fcntl.h>
#include <sys/stat.h>

#define SIZE (1u << 20)

static struct disk *grows; /* once its file's size was read */

/* libc's for the whole program: the path is looked at after the file. */
int stat(const char *restrict path, struct stat *restrict st)
{
	struct error err;

	if (grows) {
		assert_int_equal(disk_grow(grows, 2ul * SIZE, &err), 0);
		assert_int_equal(disk_resize(grows, &err), 1);
		grows = NULL;
	}
	return fstatat(AT_FDCWD, path, st, 0);
}

static void test_a_disk_that_grows_has_lost_nothing(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);

	grows = disk;
	disk_space_look(disk->space);
	assert_null(grows);
	assert_int_equal(disk->space->loss, FILE_HERE);
	disk_space_look(disk->space);
	assert_int_equal(disk->space->loss, FILE_HERE);
	disk_put(disk);
}

static void test_a_file_is_cut_and_the_disk_made_as_small(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	struct error err;

	assert_int_equal(truncate(bench.file, SIZE / 2), 0);
	disk_space_look(disk->space);
	assert_int_equal(disk->space->loss, FILE_CUT);
	assert_int_equal(disk_resize(disk, &err), 1);
	disk_space_look(disk->space);
	assert_int_equal(disk->space->loss, FILE_HERE);
	disk_put(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_disk_that_grows_has_lost_nothing, bench_open,
						bench_close),
		cmocka_unit_test_setup_teardown(test_a_file_is_cut_and_the_disk_made_as_small,
						bench_open, bench_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
