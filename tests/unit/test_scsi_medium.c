/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* READ, WRITE and what tells the size: what moves, what is refused, in pieces and with residuals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fixture_scsi fs;
static uint8_t data[1 << 20];

static int setup_with(const struct fixture_scsi_config *config)
{
	fixture_scsi_open(&fs, config);
	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 512 * 7 + i);
	return 0;
}

static int setup(void **state)
{
	return setup_with(&(struct fixture_scsi_config){});
}

static int setup_4k(void **state)
{
	return setup_with(&(struct fixture_scsi_config){.logical_block = 4096});
}

static int setup_read_only(void **state)
{
	return setup_with(&(struct fixture_scsi_config){.read_only = true});
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static const struct {
	uint8_t read, write, len;
} widths[] = {{0x08, 0x0a, 6}, {0x28, 0x2a, 10}, {0xa8, 0xaa, 12}, {0x88, 0x8a, 16}};

static void make_cdb(uint8_t *cdb, uint8_t opcode, uint8_t len, uint64_t lba, uint32_t blocks)
{
	memset(cdb, 0, 16);
	if (len == 6) {
		put_be24(cdb + 1, (uint32_t)lba);
		cdb[4] = (uint8_t)blocks;
	} else if (len == 10) {
		put_be32(cdb + 2, (uint32_t)lba);
		put_be16(cdb + 7, (uint16_t)blocks);
	} else if (len == 12) {
		put_be32(cdb + 2, (uint32_t)lba);
		put_be32(cdb + 6, blocks);
	} else {
		put_be64(cdb + 2, lba);
		put_be32(cdb + 10, blocks);
	}
	cdb[0] = opcode;
}

static struct fixture_scsi_answer move(uint8_t opcode, uint8_t len, uint64_t lba, uint32_t blocks,
				       const void *out, uint32_t out_len, uint32_t in_len)
{
	uint8_t cdb[16];

	make_cdb(cdb, opcode, len, lba, blocks);
	return fixture_scsi_run(&fs, 0, cdb, len, out, out_len, in_len);
}

static void test_what_was_written_is_read(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct fixture_scsi_answer a;
		uint64_t lba = 100 * i;

		a = move(widths[i].write, widths[i].len, lba, 9, data + i, 9 * 512, 0);
		assert_int_equal(a.status, SCSI_GOOD);
		assert_int_equal(a.wanted, 9 * 512);
		assert_memory_equal(fs.disk->data + lba * 512, data + i, 9 * 512);
		a = move(widths[i].read, widths[i].len, lba, 9, NULL, 0, 9 * 512);
		assert_int_equal(a.status, SCSI_GOOD);
		assert_int_equal(a.len, 9 * 512);
		assert_memory_equal(a.data, data + i, 9 * 512);
	}
}

static void test_a_transfer_of_many_pieces(void **state)
{
	const uint32_t blocks = sizeof(data) / 512;
	struct fixture_scsi_answer a = move(0x8a, 16, 3, blocks, data, sizeof(data), 0);

	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_WRITE), sizeof(data) / SCSI_PIECE_MAX);
	a = move(0x88, 16, 3, blocks, NULL, 0, sizeof(data));
	assert_int_equal(a.len, sizeof(data));
	assert_memory_equal(a.data, data, sizeof(data));
}

static void test_six_byte_length_of_zero_is_256(void **state)
{
	assert_int_equal(move(0x08, 6, 0, 0, NULL, 0, 256 * 512).len, 256 * 512);
	assert_int_equal(move(0x28, 10, 0, 0, NULL, 0, 256 * 512).len, 0);
}

static void assert_beyond(uint8_t opcode, uint8_t len, uint64_t lba, uint32_t blocks)
{
	struct fixture_scsi_answer a = move(opcode, len, lba, blocks, data, 512, 512);

	assert_int_equal(a.status, SCSI_CHECK_CONDITION);
	assert_int_equal(a.key, SCSI_KEY_ILLEGAL_REQUEST);
	assert_int_equal(a.asc, SCSI_ASC_LBA_RANGE);
	assert_int_equal(a.len, 0);
}

static void test_beyond_the_end(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		for (unsigned int w = 0; w < 2; w++) {
			uint8_t opcode = w ? widths[i].write : widths[i].read;

			assert_beyond(opcode, widths[i].len, 4095, 2);
			assert_beyond(opcode, widths[i].len, 4096, 1);
			if (widths[i].len > 6)
				assert_beyond(opcode, widths[i].len, 4096, 0);
		}
	}
	assert_beyond(0x88, 16, UINT64_MAX, 1);
	assert_beyond(0x88, 16, UINT64_MAX - 1, UINT32_MAX);
	assert_beyond(0xa8, 12, 1, UINT32_MAX);
	assert_int_equal(fs.disk->requests, 0);
}

/* The initiator expects more, or less, than the command moves. */
static void test_residuals(void **state)
{
	struct fixture_scsi_answer a = move(0x28, 10, 0, 1, NULL, 0, 4096);

	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(a.len, 512);
	assert_int_equal(a.wanted, 512);
	a = move(0x28, 10, 0, 2, NULL, 0, 700);
	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(a.len, 700);
	assert_int_equal(a.wanted, 1024);
	a = move(0x2a, 10, 8, 2, data, 512, 0);
	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(a.wanted, 1024);
	assert_memory_equal(fs.disk->data + 8 * 512, data, 512);
	assert_int_equal(fs.disk->log[fs.disk->requests - 1].nblocks, 1);
	/* A part of a block is not written, and nobody is told that it was. */
	for (uint32_t len = 200; len <= 712; len += 512) {
		a = move(0x2a, 10, 8, 2, data + 512, len, 0);
		assert_int_equal(a.asc, SCSI_ASC_INVALID_FIELD_IN_IU);
		assert_int_equal(a.wanted, 1024);
		assert_memory_equal(fs.disk->data + 8 * 512, data, 512);
	}
}

/* A write whose initiator only takes data: nothing is written, and nobody is told that it was. */
static void test_a_write_in_the_other_direction(void **state)
{
	assert_int_equal(move(0x2a, 10, 8, 2, NULL, 0, 1024).asc, SCSI_ASC_INVALID_FIELD_IN_IU);
	assert_int_equal(fs.disk->requests, 0);
}

static void test_large_logical_blocks(void **state)
{
	static const uint8_t capacity[10] = {0x25};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, capacity, 10, NULL, 0, 8);

	assert_int_equal(get_be32(a.data), 4096 / 8 - 1);
	assert_int_equal(get_be32(a.data + 4), 4096);
	a = move(0x2a, 10, 5, 2, data, 8192, 0);
	assert_int_equal(a.status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 5 * 4096, data, 8192);
	a = move(0x28, 10, 511, 1, NULL, 0, 4096);
	assert_int_equal(a.len, 4096);
	a = move(0x28, 10, 512, 1, NULL, 0, 4096);
	assert_int_equal(a.asc, SCSI_ASC_LBA_RANGE);
}

/* READ CAPACITY has no way to say that there is no block at all. */
static void test_a_disk_without_a_block(void **state)
{
	struct fixture_disk *disk = fixture_disk_open(7, 7);
	struct lu lu;
	struct scsi_device_config config = {.lu = &lu, .logical_block = 4096};
	struct scsi_device *dev;

	lu_init(&lu, &disk->disk, false);
	assert_int_equal(scsi_device_open(&config, &dev, NULL), -EINVAL);
	lu_fini(&lu);
	fixture_disk_close(disk);
}

/* A file that somebody cut off. */
static void test_a_disk_that_loses_its_last_block(void **state)
{
	static const uint8_t ready[6], inquiry[6] = {0x12, [4] = 96}, capacity[10] = {0x25};
	static const uint8_t capacity_16[16] = {0x9e, 0x10, [13] = 32};
	struct fixture_scsi_answer a;

	atomic_store(&fs.disk->disk.nblocks, 0);
	a = fixture_scsi_run(&fs, 0, capacity, 10, NULL, 0, 8);
	assert_int_equal(a.key, SCSI_KEY_NOT_READY);
	assert_int_equal(a.asc, SCSI_ASC_MEDIUM_NOT_PRESENT);
	a = fixture_scsi_run(&fs, 0, capacity_16, 16, NULL, 0, 32);
	assert_int_equal(a.asc, SCSI_ASC_MEDIUM_NOT_PRESENT);
	a = fixture_scsi_run(&fs, 0, ready, 6, NULL, 0, 0);
	assert_int_equal(a.asc, SCSI_ASC_MEDIUM_NOT_PRESENT);
	a = fixture_scsi_run(&fs, 0, inquiry, 6, NULL, 0, 96);
	assert_int_equal(a.status, SCSI_GOOD);
	atomic_store(&fs.disk->disk.nblocks, 4096);
	a = fixture_scsi_run(&fs, 0, capacity, 10, NULL, 0, 8);
	assert_int_equal(get_be32(a.data), 4095);
}

static void test_force_unit_access(void **state)
{
	uint8_t cdb[16];

	assert_int_equal(move(0x2a, 10, 0, 1, data, 512, 0).status, SCSI_GOOD);
	assert_false(fs.disk->log[0].flags & BLK_FUA);
	make_cdb(cdb, 0x2a, 10, 0, 1);
	cdb[1] = 0x08;
	fixture_scsi_run(&fs, 0, cdb, 10, data, 512, 0);
	assert_true(fs.disk->log[1].flags & BLK_FUA);
}

static void test_errors_of_the_medium(void **state)
{
	struct fixture_scsi_answer a;

	fs.disk->fail[BLK_READ] = BLK_EIO;
	a = move(0x28, 10, 77, 1, NULL, 0, 512);
	assert_int_equal(a.key, SCSI_KEY_MEDIUM_ERROR);
	assert_int_equal(a.asc, SCSI_ASC_READ_ERROR);
	assert_int_equal(a.sense[0], 0xf0);
	assert_int_equal(get_be32(a.sense + 3), 77);
	fs.disk->fail[BLK_WRITE] = BLK_ENOSPC;
	a = move(0x2a, 10, 0, 1, data, 512, 0);
	assert_int_equal(a.key, SCSI_KEY_DATA_PROTECT);
	assert_int_equal(a.asc, SCSI_ASC_SPACE_ALLOCATION_FAILED);
	fs.disk->fail[BLK_FLUSH] = BLK_EIO;
	a = move(0x35, 10, 0, 0, NULL, 0, 0);
	assert_int_equal(a.key, SCSI_KEY_MEDIUM_ERROR);
	assert_int_equal(a.asc, SCSI_ASC_WRITE_ERROR);
}

/* The store tells it once; each initiator whose writes it may have lost hears of it. */
static void test_flush_error_is_told_to_all_who_wrote(void **state)
{
	uint8_t write[16], flush[16];

	make_cdb(write, 0x2a, 10, 0, 1);
	make_cdb(flush, 0x35, 10, 0, 0);
	for (unsigned int n = 0; n < 2; n++)
		assert_int_equal(fixture_scsi_run(&fs, n, write, 10, data, 512, 0).status,
				 SCSI_GOOD);
	fs.disk->fail[BLK_FLUSH] = BLK_EIO;
	assert_int_equal(fixture_scsi_run(&fs, 0, flush, 10, NULL, 0, 0).key,
			 SCSI_KEY_MEDIUM_ERROR);
	fs.disk->fail[BLK_FLUSH] = BLK_OK;
	assert_int_equal(fixture_scsi_run(&fs, 0, flush, 10, NULL, 0, 0).status, SCSI_GOOD);
	assert_int_equal(fixture_scsi_run(&fs, 1, flush, 10, NULL, 0, 0).key,
			 SCSI_KEY_MEDIUM_ERROR);
	assert_int_equal(fixture_scsi_run(&fs, 1, flush, 10, NULL, 0, 0).status, SCSI_GOOD);
}

static void test_read_only(void **state)
{
	struct fixture_scsi_answer a = move(0x2a, 10, 0, 1, data, 512, 0);

	assert_int_equal(a.key, SCSI_KEY_DATA_PROTECT);
	assert_int_equal(a.asc, SCSI_ASC_WRITE_PROTECTED);
	/* UNMAP, too. */
	a = move(0x42, 10, 0, 24, data, 24, 0);
	assert_int_equal(a.asc, SCSI_ASC_WRITE_PROTECTED);
	assert_int_equal(move(0x28, 10, 0, 1, NULL, 0, 512).status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_WRITE), 0);
}

/* The longest is the physical block, which VPD page B0h says. */
static void test_write_atomic(void **state)
{
	uint8_t cdb[16] = {0x9c, [13] = 8};
	const uint8_t inquiry[6] = {0x12, 1, 0xb0, 0, 64};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, inquiry, 6, NULL, 0, 64);

	assert_int_equal(get_be32(a.data + 44), 8);
	assert_int_equal(get_be32(a.data + 48), 8);
	cdb[9] = 16;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 4096, 0).status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 16 * 512, data, 4096);
	assert_int_equal(fs.disk->requests, 1);
	cdb[9] = 17;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 4096, 0).asc,
			 SCSI_ASC_INVALID_FIELD_CDB);
	cdb[9] = 16;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 2048, 0).asc,
			 SCSI_ASC_INVALID_FIELD_IN_IU);
	cdb[11] = 4;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 4096, 0).asc,
			 SCSI_ASC_INVALID_FIELD_CDB);
	cdb[11] = 0;
	cdb[13] = 9;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 9 * 512, 0).asc,
			 SCSI_ASC_INVALID_FIELD_CDB);
	cdb[2] = 0x80;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 9 * 512, 0).asc,
			 SCSI_ASC_LBA_RANGE);
	assert_int_equal(fs.disk->requests, 1);
}

/* A store that keeps any write whole: as much as goes to it in one request, wherever it begins. */
static void test_write_atomic_of_many_blocks(void **state)
{
	uint8_t cdb[16] = {0x9c, [9] = 17, [12] = 2};
	const uint8_t inquiry[6] = {0x12, 1, 0xb0, 0, 64};
	struct fixture_scsi_answer a;

	fs.disk->disk.atomic_max = UINT32_MAX;
	a = fixture_scsi_run(&fs, 0, inquiry, 6, NULL, 0, 64);
	assert_int_equal(get_be32(a.data + 44), 512);
	assert_int_equal(get_be32(a.data + 48), 1);
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 512 * 512, 0).status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 17 * 512, data, 512 * 512);
	assert_int_equal(fs.disk->requests, 1);
	cdb[13] = 1;
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 16, data, 513 * 512, 0).asc,
			 SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(fs.disk->requests, 1);
}

#define TEST(name, up) cmocka_unit_test_setup_teardown(name, up, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flush_error_is_told_to_all_who_wrote, setup),
		TEST(test_what_was_written_is_read, setup),
		TEST(test_a_transfer_of_many_pieces, setup),
		TEST(test_six_byte_length_of_zero_is_256, setup),
		TEST(test_beyond_the_end, setup),
		TEST(test_residuals, setup),
		TEST(test_a_write_in_the_other_direction, setup),
		TEST(test_large_logical_blocks, setup_4k),
		TEST(test_a_disk_without_a_block, setup),
		TEST(test_a_disk_that_loses_its_last_block, setup),
		TEST(test_force_unit_access, setup),
		TEST(test_errors_of_the_medium, setup),
		TEST(test_write_atomic, setup),
		TEST(test_write_atomic_of_many_blocks, setup),
		TEST(test_read_only, setup_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
