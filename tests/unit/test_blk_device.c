/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Block devices, on a loop device over a file. Skipped where the system grants no loop device. */
#include "blk/uring_disk.h"
#include "blk_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

struct loop {
	int fd;
	char path[32];
};

static struct loop loop;

static int loop_setup(uint32_t block_size)
{
	struct loop_config config = {.block_size = block_size, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n = -1;
	int file = open(bench.file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	loop.fd = -1;
	if (file < 0 || ftruncate(file, 4 << 20))
		return -1;
	/* Another process may take the free one first. */
	for (unsigned int tries = 0; control >= 0 && loop.fd < 0 && tries < 100; tries++) {
		n = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(loop.path, sizeof(loop.path), "/dev/loop%d", n);
		loop.fd = n < 0 ? -1 : open(loop.path, O_RDWR | O_CLOEXEC);
		config.fd = (uint32_t)file;
		if (loop.fd >= 0 && ioctl(loop.fd, LOOP_CONFIGURE, &config)) {
			close(loop.fd);
			loop.fd = -1;
		}
	}
	if (control >= 0)
		close(control);
	close(file);
	return 0;
}

static int setup_512(void **state)
{
	return bench_open(state) || loop_setup(512) ? -1 : 0;
}

static int setup_4096(void **state)
{
	return bench_open(state) || loop_setup(4096) ? -1 : 0;
}

static int teardown(void **state)
{
	if (loop.fd >= 0)
		close(loop.fd);
	return bench_close(state);
}

/*
 * The kernel may hold a device for a request that was answered until its ring is looked at, which
 * is this thread's, so who opens the device again cannot only wait.
 */
static struct disk *loop_disk(const char *options)
{
	char text[256];
	struct disk *disk;

	if (loop.fd < 0)
		skip();
	snprintf(text, sizeof(text), "%s%s", loop.path, options);
	if (disk_get(&bench.disks, text, &disk, NULL) == 0)
		return disk;
	ring_run(&bench.ring);
	return bench_disk("%s", text);
}

static void test_is_found_to_be_a_device(void **state)
{
	struct disk *disk = loop_disk("");
	struct disk *same = bench_disk("block:%s", loop.path);

	assert_ptr_equal(disk, same);
	assert_int_equal(disk->spec.kind, DISK_BLOCK);
	assert_true(disk->nblocks == 8192);
	assert_int_equal(disk->physical_block, 512);
	disk_put(disk);
	disk_put(same);
	bench_refused(EINVAL, "write block:", "file:%s", loop.path);
	bench_refused(EINVAL, "own size", "%s,size=1M", loop.path);
}

static void test_round_trip(void **state)
{
	static const char *const options[] = {"", ",direct=off", ",cache=writeback"};

	for (unsigned int i = 0; i < 3; i++) {
		struct disk *disk = loop_disk(options[i]);

		bench_write_pattern(disk, 5, 14, i, 0);
		bench_write_pattern(disk, 8176, 16, i, BLK_FUA);
		bench_assert_pattern(disk, 5, 14, i);
		bench_assert_pattern(disk, 8176, 16, i);
		assert_int_equal(bench_range(disk, BLK_FLUSH, 0, 0, 0), BLK_OK);
		if (disk->can_unmap) {
			assert_int_equal(bench_range(disk, BLK_UNMAP, 8, 8, BLK_FUA), BLK_OK);
			bench_assert_zero(disk, 8, 8);
			bench_assert_pattern(disk, 5, 3, i);
			bench_assert_pattern(disk, 16, 3, i);
		}
		disk_put(disk);
	}
}

static void test_large_blocks(void **state)
{
	struct disk *disk = loop_disk("");

	assert_int_equal(disk->physical_block, 4096);
	bench_write_pattern(disk, 0, 32, 1, 0);
	bench_write_pattern(disk, 5, 14, 2, 0);
	bench_write_pattern(disk, 31, 1, 3, BLK_FUA);
	bench_assert_pattern(disk, 0, 5, 1);
	bench_assert_pattern(disk, 5, 14, 2);
	bench_assert_pattern(disk, 19, 12, 1);
	bench_assert_pattern(disk, 31, 1, 3);
	/* Nor can it be zeroed but by a write, which is whoever asks for it to do. */
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 6, 12, 0), BLK_ENOTSUP);
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 6, 12, BLK_GIVE_BACK), BLK_ENOTSUP);
	bench_assert_pattern(disk, 5, 14, 2);
	if (disk->can_unmap) {
		/* Less than a block cannot be freed: its data stays. */
		assert_int_equal(bench_range(disk, BLK_UNMAP, 6, 12, 0), BLK_OK);
		bench_assert_pattern(disk, 5, 3, 2);
		bench_assert_zero(disk, 8, 8);
		bench_assert_pattern(disk, 16, 3, 2);
		assert_int_equal(bench_range(disk, BLK_UNMAP, 17, 2, BLK_FUA), BLK_OK);
		bench_assert_pattern(disk, 16, 3, 2);
	}
	disk_put(disk);
}

/* Nothing tells whether a device has data, so no key is made for one. */
static void test_encrypted(void **state)
{
	char key[192], option[256];
	uint8_t bytes[64];
	struct disk *disk;
	int fd;

	if (loop.fd < 0)
		skip();
	snprintf(key, sizeof(key), "%s/key", bench.dir);
	snprintf(option, sizeof(option), ",key_file=%s", key);
	bench_refused(ENOENT, "does not exist", "%s%s", loop.path, option);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(7 * i + 1);
	fd = open(key, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	close(fd);
	disk = loop_disk(option);
	bench_write_pattern(disk, 0, 32, 1, 0);
	bench_write_pattern(disk, 5, 14, 2, BLK_FUA);
	bench_assert_pattern(disk, 0, 5, 1);
	bench_assert_pattern(disk, 5, 14, 2);
	bench_assert_pattern(disk, 19, 12, 1);
	bench_assert_zero(disk, 64, 16);
	disk_put(disk);
	disk = loop_disk(option);
	bench_assert_pattern(disk, 5, 14, 2);
	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_OK);
	bench_assert_zero(disk, 64, 16);
	bench_write_pattern(disk, 5, 14, 3, 0);
	bench_assert_pattern(disk, 5, 14, 3);
	disk_put(disk);
	unlink(key);
}

static void test_exclusive(void **state)
{
	struct disk *disk = loop_disk("");
	int other = open(loop.path, O_RDWR | O_EXCL | O_CLOEXEC);

	/* What mount(8) and mkfs(8) would meet. */
	assert_int_equal(other, -1);
	assert_int_equal(errno, EBUSY);
	disk_put(disk);
	other = open(loop.path, O_RDWR | O_EXCL | O_CLOEXEC);
	assert_true(other >= 0);
	bench_refused(EBUSY, "in use", "%s", loop.path);
	close(other);
}

static void test_write_protected(void **state)
{
	struct disk *disk;
	int on = 1;

	if (loop.fd < 0)
		skip();
	assert_int_equal(ioctl(loop.fd, BLKROSET, &on), 0);
	bench_refused(EROFS, "add ro", "%s", loop.path);
	disk = loop_disk(",ro");
	assert_true(disk->read_only);
	bench_assert_zero(disk, 0, 8);
	disk_put(disk);
	on = 0;
	assert_int_equal(ioctl(loop.fd, BLKROSET, &on), 0);
}

static void test_resize(void **state)
{
	struct disk *disk = loop_disk("");

	assert_int_equal(truncate(bench.file, 8 << 20), 0);
	assert_int_equal(disk_resize(disk, NULL), 0);
	assert_int_equal(ioctl(loop.fd, LOOP_SET_CAPACITY, 0), 0);
	assert_int_equal(disk_resize(disk, NULL), 1);
	assert_true(disk->nblocks == 16384);
	bench_write_pattern(disk, 16368, 16, 1, 0);
	bench_assert_pattern(disk, 16368, 16, 1);
	disk_put(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_is_found_to_be_a_device, setup_512, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup_512, teardown),
		cmocka_unit_test_setup_teardown(test_large_blocks, setup_4096, teardown),
		cmocka_unit_test_setup_teardown(test_encrypted, setup_512, teardown),
		cmocka_unit_test_setup_teardown(test_encrypted, setup_4096, teardown),
		cmocka_unit_test_setup_teardown(test_exclusive, setup_512, teardown),
		cmocka_unit_test_setup_teardown(test_write_protected, setup_512, teardown),
		cmocka_unit_test_setup_teardown(test_resize, setup_512, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
