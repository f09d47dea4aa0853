/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening files: creation, size, lock, sharing, and what is refused with which words. */
#include "between_tries.h"
#include "blk_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void make_file(off_t size)
{
	int fd = open(bench.file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static struct stat look(void)
{
	struct stat st;

	assert_int_equal(stat(bench.file, &st), 0);
	return st;
}

static void test_creates_sparse(void **state)
{
	struct disk *disk = bench_disk("%s,size=1G", bench.file);
	struct stat st = look();

	assert_true(disk->nblocks == 1ull << 21);
	assert_true(disk->writeback);
	assert_int_equal(disk->physical_block, 4096);
	assert_int_equal(st.st_size, 1 << 30);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_blocks < 128);
	disk_put(disk);
	/* The second time it is simply there. */
	disk = bench_disk("%s,size=1G", bench.file);
	disk_put(disk);
	disk = bench_disk("%s", bench.file);
	assert_true(disk->nblocks == 1ull << 21);
	disk_put(disk);
}

static void test_missing(void **state)
{
	bench_refused(ENOENT, "add size=", "%s", bench.file);
	bench_refused(ENOENT, "add size=", "file:%s,ro", bench.file);
	bench_refused(ENOENT, "ro", "%s,ro,size=1M", bench.file);
	bench_refused(ENOENT, "cannot create", "%s/none/x,size=1M", bench.dir);
	assert_int_equal(access(bench.file, F_OK), -1);
	bench_refused(ENOENT, "No such file", "block:%s", bench.file);
}

static void test_creation_that_fails_leaves_nothing(void **state)
{
	const struct rlimit limit = {1 << 20, RLIM_INFINITY};
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	bench_refused(EFBIG, "File too large", "%s,size=2M", bench.file);
	assert_int_equal(access(bench.file, F_OK), -1);
	setrlimit(RLIMIT_FSIZE, &before);
}

static void test_grows_and_never_shrinks(void **state)
{
	struct disk *disk;

	make_file(1 << 20);
	bench_refused(EINVAL, "smaller", "%s,size=2M,ro", bench.file);
	disk = bench_disk("%s,size=512K", bench.file);
	assert_true(disk->nblocks == 2048);
	assert_true(disk->spec.size == 1 << 20);
	assert_int_equal(disk_grow(disk, 512 << 10, NULL), -EINVAL);
	assert_int_equal(look().st_size, 1 << 20);
	disk_put(disk);
	disk = bench_disk("%s,size=2M", bench.file);
	assert_true(disk->nblocks == 4096);
	assert_int_equal(look().st_size, 2 << 20);
	disk_put(disk);
}

/* Only what the opening itself made, and only while there is nothing in it. */
static void test_undone_creation(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file), *other;

	disk_undo(disk);
	disk_put(disk);
	assert_int_equal(access(bench.file, F_OK), -1);

	disk = bench_disk("%s,size=1M,prealloc", bench.file);
	other = disk_hold(disk);
	disk_undo(disk);
	disk_put(disk);
	look(); /* still in use */
	disk_put(other);
	assert_int_equal(access(bench.file, F_OK), -1);

	disk = bench_disk("%s,size=1M", bench.file);
	bench_write_pattern(disk, 2040, 8, 1, 0);
	disk_undo(disk);
	disk_put(disk);
	disk = bench_disk("%s,size=1M", bench.file);
	bench_assert_pattern(disk, 2040, 8, 1);
	disk_put(disk);

	make_file(1 << 20);
	disk = bench_disk("%s,size=1M", bench.file);
	disk_undo(disk);
	disk_put(disk);
	look();

	unlink(bench.file);
	disk = bench_disk("%s,size=1M", bench.file);
	unlink(bench.file);
	make_file(2 << 20);
	disk_undo(disk);
	disk_put(disk);
	assert_int_equal(look().st_size, 2 << 20);
}

static void test_odd_sizes(void **state)
{
	struct disk *disk;

	make_file(0);
	bench_refused(EINVAL, "empty", "%s", bench.file);
	make_file(511);
	bench_refused(EINVAL, "empty", "%s", bench.file);
	make_file(1024 + 511);
	disk = bench_disk("%s", bench.file);
	assert_true(disk->nblocks == 2);
	disk_put(disk);
}

static void test_not_a_file(void **state)
{
	bench_refused(EISDIR, "directory", "%s", bench.dir);
	bench_refused(EISDIR, "directory", "block:%s", bench.dir);
	bench_refused(EINVAL, "regular file", "/dev/null");
	bench_refused(ENOTBLK, "not a block device", "block:/dev/null");
	assert_int_equal(mkfifo(bench.file, 0600), 0);
	bench_refused(EINVAL, "regular file", "%s", bench.file);
}

/* Runs in a process of its own: opens, tells what came of it, holds until it is told to end. */
struct holder {
	pid_t pid;
	int tell;
};

static int hold(struct holder *holder, const char *options)
{
	int result[2], end[2], ret = 1;

	assert_int_equal(pipe(result), 0);
	assert_int_equal(pipe(end), 0);
	holder->pid = fork();
	assert_true(holder->pid >= 0);
	if (!holder->pid) {
		struct list disks;
		struct disk *disk;
		char text[256], c;

		list_init(&disks);
		close(end[1]);
		snprintf(text, sizeof(text), "%s%s", bench.file, options);
		ret = disk_get(&disks, text, &disk, NULL);
		if (write(result[1], &ret, sizeof(ret)) < 0 || read(end[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(result[1]);
	close(end[0]);
	holder->tell = end[1];
	assert_int_equal(read(result[0], &ret, sizeof(ret)), sizeof(ret));
	close(result[0]);
	return ret;
}

static void let_go(struct holder *holder, int sig)
{
	if (sig)
		assert_int_equal(kill(holder->pid, sig), 0);
	else
		assert_int_equal(write(holder->tell, "", 1), 1);
	close(holder->tell);
	assert_int_equal(waitpid(holder->pid, NULL, 0), holder->pid);
}

static void test_two_processes(void **state)
{
	struct holder writer, reader, second;
	struct disk *disk;

	make_file(1 << 20);
	assert_int_equal(hold(&writer, ""), 0);
	bench_refused(EBUSY, "in use by another process", "%s", bench.file);
	bench_refused(EBUSY, "in use by another process", "%s,ro", bench.file);
	/* Refused before anything was changed. */
	bench_refused(EBUSY, "in use by another process", "%s,size=2M", bench.file);
	assert_int_equal(look().st_size, 1 << 20);
	let_go(&writer, SIGKILL);

	assert_int_equal(hold(&reader, ",ro"), 0);
	assert_int_equal(hold(&second, ",ro"), 0);
	bench_refused(EBUSY, "in use by another process", "%s", bench.file);
	disk = bench_disk("%s,ro", bench.file);
	let_go(&reader, 0);
	let_go(&second, 0);
	disk_put(disk);
	disk = bench_disk("%s", bench.file);
	disk_put(disk);
}

static struct holder late;

static void late_lets_go(void)
{
	let_go(&late, SIGKILL);
}

/* As a process that was killed does: the kernel closes what an io_uring held a little later. */
static void test_holder_that_is_about_to_let_go(void **state)
{
	struct disk *disk;

	make_file(1 << 20);
	assert_int_equal(hold(&late, ""), 0);
	between_tries = late_lets_go;
	disk = bench_disk("%s", bench.file);
	assert_null(between_tries);
	disk_put(disk);
}

/* As the kernel keeps the open file for an io_uring that it has answered: here, a child has it. */
static void test_closed_while_something_holds_the_open_file(void **state)
{
	struct disk *disk;
	int end[2];
	pid_t pid;
	char c;

	make_file(1 << 20);
	disk = bench_disk("%s", bench.file);
	assert_int_equal(pipe(end), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(end[1]);
		_exit(read(end[0], &c, 1) != 0);
	}
	close(end[0]);
	disk_put(disk);
	disk = bench_disk("%s", bench.file);
	disk_put(disk);
	close(end[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_one_process_shares(void **state)
{
	struct disk *a = bench_disk("%s,size=1M,cache=writeback", bench.file), *b, *c;
	char other[256];

	b = bench_disk("file:%s/../%s/disk.img,size=1M,cache=writeback", bench.dir,
		       strrchr(bench.dir, '/') + 1);
	assert_ptr_equal(a, b);
	snprintf(other, sizeof(other), "%s/link", bench.dir);
	assert_int_equal(symlink("disk.img", other), 0);
	c = bench_disk("%s,cache=writeback,size=1M", other);
	unlink(other);
	assert_ptr_equal(a, c);
	bench_refused(EBUSY, "already open as", "%s,size=1M", bench.file);
	bench_refused(EBUSY, "already open as", "%s,size=1M,cache=writeback,ro", bench.file);
	disk_put(b);
	disk_put(c);
	bench_write_pattern(a, 0, 8, 1, 0); /* still open */
	disk_put(a);
	assert_true(list_empty(&bench.disks));
}

static void test_read_only(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t bytes[BLK_SECTOR] = {0};

	bench_write_pattern(disk, 0, 8, 1, 0);
	disk_put(disk);
	disk = bench_disk("%s,ro", bench.file);
	assert_true(disk->read_only);
	assert_false(disk->can_unmap);
	assert_int_equal(bench_transfer(disk, BLK_WRITE, 0, 1, 0, bytes), BLK_EROFS);
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 0, 1, 0), BLK_EROFS);
	assert_int_equal(bench_range(disk, BLK_FLUSH, 0, 0, 0), BLK_OK);
	bench_assert_pattern(disk, 0, 8, 1);
	disk_put(disk);
}

/* Root may write everything, so the attempt is another user's. */
static void test_no_permission_suggests_ro(void **state)
{
	pid_t pid;
	int status;

	if (geteuid())
		skip();
	make_file(1 << 20);
	assert_int_equal(chmod(bench.file, 0444), 0);
	assert_int_equal(chmod(bench.dir, 0755), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct error err = {""};
		struct disk *disk;
		struct list disks;
		char name[300];
		int ret;

		list_init(&disks);
		/* The directories above may be closed to others. */
		if (chdir(bench.dir) || setgid(65534) || setuid(65534))
			_exit(1);
		snprintf(name, sizeof(name), "disk.img");
		ret = disk_get(&disks, name, &disk, &err);
		_exit(ret == -EACCES && strstr(err.text, "add ro") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_resize_is_followed(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t bytes[BLK_SECTOR] = {0};

	assert_int_equal(disk_resize(disk, NULL), 0);
	assert_int_equal(truncate(bench.file, 2 << 20), 0);
	assert_int_equal(bench_transfer(disk, BLK_READ, 2048, 1, 0, bytes), BLK_ERANGE);
	assert_int_equal(disk_resize(disk, NULL), 1);
	assert_true(disk->nblocks == 4096);
	bench_write_pattern(disk, 4088, 8, 1, 0);
	assert_int_equal(truncate(bench.file, 4096), 0);
	assert_int_equal(disk_resize(disk, NULL), 1);
	assert_true(disk->nblocks == 8);
	assert_int_equal(bench_transfer(disk, BLK_WRITE, 8, 1, 0, bytes), BLK_ERANGE);
	bench_assert_zero(disk, 0, 8);
	disk_put(disk);
}

static void test_identity_is_the_paths(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	char serial[21], *full = realpath(bench.file, NULL);
	uint64_t wwn = disk->wwn;

	assert_int_equal(strlen(disk->serial), 16);
	assert_int_equal(wwn >> 60, 3);
	snprintf(serial, sizeof(serial), "%s", disk->serial);
	disk_put(disk);
	/* Another spelling, another size, another inode. */
	unlink(bench.file);
	disk = bench_disk("file:%s,size=2M,block_size=512", full);
	assert_string_equal(disk->serial, serial);
	assert_true(disk->wwn == wwn);
	assert_int_equal(disk->physical_block, 512);
	disk_put(disk);
	free(full);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_creates_sparse),
		TEST(test_missing),
		TEST(test_creation_that_fails_leaves_nothing),
		TEST(test_grows_and_never_shrinks),
		TEST(test_undone_creation),
		TEST(test_odd_sizes),
		TEST(test_not_a_file),
		TEST(test_two_processes),
		TEST(test_holder_that_is_about_to_let_go),
		TEST(test_closed_while_something_holds_the_open_file),
		TEST(test_one_process_shares),
		TEST(test_read_only),
		TEST(test_no_permission_suggests_ro),
		TEST(test_resize_is_followed),
		TEST(test_identity_is_the_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
