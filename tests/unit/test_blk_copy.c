/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copies that stores carry out: files, memory, and what they refuse. */
#include "blk/copy.h"
#include "blk_bench.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct mailbox box;
static struct copier *copier;
static char other[160];
static bool mail_armed;

static int setup(void **state)
{
	if (bench_open(state) || mailbox_open(&box) || copier_open(&copier, NULL))
		return -1;
	snprintf(other, sizeof(other), "%s/other.img", bench.dir);
	bench.queue.mailbox = &box;
	bench.queue.copier = copier;
	mail_armed = false;
	return 0;
}

static int teardown(void **state)
{
	copier_close(copier, NULL);
	mailbox_close(&box);
	unlink(other);
	return bench_close(state);
}

/* ---- copies ---- */

static bool ended;

static void note_ended(struct blk_copy *copy)
{
	ended = true;
}

static void mail_ready(struct ring_event *event, int res, unsigned int flags)
{
	mail_armed = false;
}

static struct ring_event mail_event = {.done = mail_ready};

static void turn(void)
{
	if (!mail_armed)
		io_uring_prep_poll_add(ring_sqe(&bench.ring, &mail_event), box.eventfd, POLLIN);
	mail_armed = true;
	ring_wait(&bench.ring, 0);
	mailbox_drain(&box);
}

static enum blk_status copy_flagged(struct disk *from, uint64_t from_lba, struct disk *to,
				    uint64_t to_lba, uint64_t nblocks, unsigned int flags)
{
	struct blk_copy copy = {
		.from = from,
		.to = to,
		.from_lba = from_lba,
		.to_lba = to_lba,
		.nblocks = nblocks,
		.flags = flags,
		.done = note_ended,
	};

	ended = false;
	blk_copy(&bench.queue, &copy);
	while (!ended)
		turn();
	return copy.status;
}

static enum blk_status copy(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
			    uint64_t nblocks)
{
	return copy_flagged(from, from_lba, to, to_lba, nblocks, 0);
}

/* ---- files ---- */

static void test_file_to_file(void **state)
{
	struct disk *a = bench_disk("%s,size=8M", bench.file);
	struct disk *b = bench_disk("%s,size=8M", other);

	for (uint64_t lba = 0; lba < 64; lba += 16)
		bench_write_pattern(a, 1000 + lba, 16, 1, 0);
	bench_write_pattern(b, 5000, 16, 2, 0);
	assert_int_equal(copy(a, 1000, b, 5003, 60), BLK_OK);
	bench_assert_pattern(a, 1000, 16, 1);
	for (uint64_t i = 0; i < 60; i++) {
		uint8_t expected[BLK_SECTOR], found[BLK_SECTOR];

		bench_pattern(expected, 1000 + i, 1, 1);
		assert_int_equal(bench_transfer(b, BLK_READ, 5003 + i, 1, 0, found), BLK_OK);
		assert_memory_equal(found, expected, BLK_SECTOR);
	}
	bench_assert_pattern(b, 5000, 3, 2);
	bench_assert_zero(b, 5063, 16);
	disk_put(a);
	disk_put(b);
}

static void test_within_a_file(void **state)
{
	struct disk *a = bench_disk("%s,size=8M", bench.file);
	uint8_t expected[16 * BLK_SECTOR], found[sizeof(expected)];

	bench_write_pattern(a, 16, 16, 1, 0);
	assert_int_equal(copy_flagged(a, 16, a, 0, 16, BLK_FUA), BLK_OK);
	assert_int_equal(copy(a, 0, a, 16 + 4096, 16), BLK_OK);
	bench_pattern(expected, 16, 16, 1);
	assert_int_equal(bench_transfer(a, BLK_READ, 16 + 4096, 16, 0, found), BLK_OK);
	assert_memory_equal(found, expected, sizeof(expected));
	/* By a sector, by all but one. */
	assert_int_equal(copy(a, 16, a, 17, 16), BLK_ENOTSUP);
	assert_int_equal(copy(a, 16, a, 1, 16), BLK_ENOTSUP);
	bench_assert_pattern(a, 16, 16, 1);
	disk_put(a);
}

static bool is_hole(struct disk *disk, uint64_t lba, uint64_t nblocks)
{
	uint64_t n;

	return !disk_mapped(disk, lba, nblocks, &n) && n == nblocks;
}

/* What takes no space takes none in the copy, even where there was something before. */
static void test_holes_stay_holes(void **state)
{
	struct disk *a = bench_disk("%s,size=8M", bench.file);
	struct disk *b = bench_disk("%s,size=8M", other);
	struct stat before, after;

	bench_write_pattern(a, 2048, 16, 1, BLK_FUA);
	for (uint64_t lba = 0; lba < 4096; lba += 16)
		bench_write_pattern(b, lba, 16, 2, 0);
	assert_int_equal(bench_range(b, BLK_FLUSH, 0, 0, 0), BLK_OK);
	assert_int_equal(stat(other, &before), 0);
	assert_int_equal(copy(a, 0, b, 0, 4096), BLK_OK);
	assert_int_equal(bench_range(b, BLK_FLUSH, 0, 0, 0), BLK_OK);
	assert_int_equal(stat(other, &after), 0);
	assert_true(after.st_blocks < before.st_blocks / 16);
	assert_true(is_hole(b, 0, 2048));
	bench_assert_zero(b, 2032, 16);
	bench_assert_pattern(b, 2048, 16, 1);
	bench_assert_zero(b, 2064, 16);
	disk_put(a);
	disk_put(b);
}

static int digs = -1; /* once it is known where data begins, a hole is dug into this file */

/* libc's for the whole program. */
off_t lseek(int fd, off_t offset, int whence)
{
	off_t found = syscall(SYS_lseek, fd, offset, whence);

	if (whence == SEEK_DATA && digs >= 0) {
		assert_int_equal(
			fallocate(digs, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
		digs = -1;
	}
	return found;
}

/* Another host's UNMAP comes in the middle of the question. */
static void test_what_is_unmapped_meanwhile_is_told_in_some_way(void **state)
{
	struct disk *a = bench_disk("%s,size=1M", bench.file);
	int fd = open(bench.file, O_RDWR | O_CLOEXEC);
	uint64_t n = 0;

	assert_true(fd >= 0);
	bench_write_pattern(a, 0, 16, 1, BLK_FUA);
	digs = fd;
	disk_mapped(a, 0, 16, &n);
	assert_int_equal(digs, -1);
	assert_true(n > 0);
	assert_true(is_hole(a, 0, 16));
	close(fd);
	disk_put(a);
}

static void test_direct_files_copy_whole_pages(void **state)
{
	struct disk *a = bench_disk("%s,size=8M,direct=on", bench.file);
	struct disk *b = bench_disk("%s,size=8M", other);
	uint64_t unit = a->copy_align / BLK_SECTOR;

	bench_write_pattern(a, 0, 16, 1, 0);
	assert_int_equal(copy(a, 0, b, 0, 16), BLK_OK);
	bench_assert_pattern(b, 0, 16, 1);
	bench_write_pattern(b, 0, 16, 2, 0);
	assert_int_equal(copy(b, 0, a, 0, 16), BLK_OK);
	bench_assert_pattern(a, 0, 16, 2);
	/* A part of a page that it made dirty would be written back over what went past it. */
	assert_int_equal(unit % (unsigned long)(sysconf(_SC_PAGESIZE) / BLK_SECTOR), 0);
	assert_int_equal(copy(a, 1, b, 1, unit), BLK_ENOTSUP);
	assert_int_equal(copy(a, 0, b, 1, unit), BLK_ENOTSUP);
	assert_int_equal(copy(b, 0, a, 0, unit - 1), BLK_ENOTSUP);
	disk_put(a);
	disk_put(b);
}

/* ---- memory ---- */

static void test_memory_to_memory(void **state)
{
	struct disk *a = bench_disk("ram:8M"), *b = bench_disk("ram:8M");

	bench_write_pattern(a, 80, 16, 1, 0);
	bench_write_pattern(b, 64, 16, 2, 0);
	bench_write_pattern(b, 96, 16, 2, 0);
	assert_int_equal(copy(a, 66, b, 66, 64), BLK_OK);
	bench_assert_pattern(b, 64, 2, 2);
	bench_assert_zero(b, 66, 14);
	bench_assert_pattern(b, 80, 16, 1);
	bench_assert_zero(b, 96, 16);
	assert_true(is_hole(b, 96, 16));
	assert_false(is_hole(b, 80, 16));
	assert_int_equal(copy(b, 80, b, 8000, 16), BLK_OK);
	assert_int_equal(copy(b, 8000, a, 80, 16), BLK_OK);
	bench_assert_pattern(a, 80, 16, 1);
	disk_put(a);
	disk_put(b);
}

/* ---- what is not copied ---- */

/* A disk that keeps all its space would need more once what it shares is written. */
static void test_who_shares_no_space(void **state)
{
	static const char *const words[] = {"prealloc", "thin=off"};
	struct disk *b = bench_disk("%s,size=1M", other);

	for (unsigned int i = 0; i < 2; i++) {
		struct disk *a = bench_disk("%s,size=1M,%s", bench.file, words[i]);

		assert_int_equal(copy(a, 0, b, 0, 8), BLK_ENOTSUP);
		assert_int_equal(copy(b, 0, a, 0, 8), BLK_ENOTSUP);
		disk_put(a);
	}
	disk_put(b);
}

static void test_unlike_stores(void **state)
{
	struct disk *file = bench_disk("%s,size=1M", bench.file);
	struct disk *ram = bench_disk("ram:1M"), *null = bench_disk("null:1M");

	assert_int_equal(copy(file, 0, ram, 0, 8), BLK_ENOTSUP);
	assert_int_equal(copy(ram, 0, file, 0, 8), BLK_ENOTSUP);
	assert_int_equal(copy(null, 0, null, 8, 8), BLK_ENOTSUP);
	disk_put(file);
	disk_put(ram);
	disk_put(null);
}

static void test_out_of_bounds(void **state)
{
	struct disk *a = bench_disk("ram:1M"), *b = bench_disk("ram:1M,ro");

	assert_int_equal(copy(a, 2041, a, 0, 8), BLK_ERANGE);
	assert_int_equal(copy(a, 0, a, 2041, 8), BLK_ERANGE);
	assert_int_equal(copy(a, 0, b, 0, 8), BLK_EROFS);
	assert_int_equal(copy(b, 0, a, 0, 8), BLK_OK);
	bench.queue.copier = NULL;
	assert_int_equal(copy(b, 0, a, 0, 8), BLK_ENOTSUP);
	disk_put(a);
	disk_put(b);
}

/* A file that somebody cut off ends where the disk does not. */
static void test_truncated_source(void **state)
{
	struct disk *a = bench_disk("%s,size=1M", bench.file);
	struct disk *b = bench_disk("%s,size=1M", other);

	assert_int_equal(truncate(bench.file, 4096), 0);
	bench_write_pattern(a, 0, 8, 1, 0);
	assert_int_equal(copy(a, 0, b, 0, 8), BLK_OK);
	assert_int_equal(truncate(bench.file, 0), 0);
	b->can_unmap = false;
	assert_int_equal(copy(a, 0, b, 0, 8), BLK_ENOTSUP);
	/* It is asked again: another request may fare better. */
	bench_write_pattern(a, 0, 8, 3, 0);
	assert_int_equal(copy(a, 0, b, 0, 8), BLK_OK);
	bench_assert_pattern(b, 0, 8, 3);
	disk_put(a);
	disk_put(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file_to_file),
		TEST(test_within_a_file),
		TEST(test_holes_stay_holes),
		TEST(test_direct_files_copy_whole_pages),
		TEST(test_memory_to_memory),
		TEST(test_who_shares_no_space),
		TEST(test_unlike_stores),
		TEST(test_out_of_bounds),
		TEST(test_truncated_source),
		TEST(test_what_is_unmapped_meanwhile_is_told_in_some_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
