/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* WRITE SAME, UNMAP, GET LBA STATUS, and a medium that comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "blk/space.h"
#include "fixture_scsi.h"
#include <string.h>

static struct fixture_scsi fs;
static uint8_t data[64 * 512];

static int setup_with(const struct fixture_scsi_config *config)
{
	fixture_scsi_open(&fs, config);
	memset(fs.disk->data, 0xa5, 4096 * 512);
	memset(data, 0, sizeof(data));
	return 0;
}

static int setup(void **state)
{
	return setup_with(&(struct fixture_scsi_config){.thin = true});
}

static int setup_thick(void **state)
{
	return setup_with(&(struct fixture_scsi_config){});
}

static int setup_removable(void **state)
{
	return setup_with(&(struct fixture_scsi_config){.removable = true});
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static struct fixture_scsi_answer write_same(uint8_t flags, uint32_t lba, uint32_t blocks,
					     uint32_t out_len)
{
	uint8_t cdb[16] = {0x93, flags};

	put_be32(cdb + 6, lba);
	put_be32(cdb + 10, blocks);
	return fixture_scsi_run(&fs, 0, cdb, 16, data, out_len, 0);
}

static void test_write_same(void **state)
{
	memset(data, 0x3c, 512);
	assert_int_equal(write_same(0, 7, 2000, 512).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 7, 0xa5));
	assert_true(fixture_disk_is(fs.disk, 7, 2000, 0x3c));
	assert_true(fixture_disk_is(fs.disk, 2007, 1, 0xa5));
	/* Zeroes need no copies. */
	memset(data, 0, 512);
	assert_int_equal(write_same(0, 7, 2000, 512).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 7, 2000, 0));
	assert_true(fixture_disk_is(fs.disk, 2007, 1, 0xa5));
	assert_int_equal(fixture_disk_count(fs.disk, BLK_WRITE_ZEROES), 1);
	assert_false(fs.disk->log[fs.disk->requests - 1].flags & BLK_GIVE_BACK);
}

/* A store that can do no more than write. */
static void test_write_same_where_zeroes_are_data(void **state)
{
	fs.disk->fail[BLK_WRITE_ZEROES] = BLK_ENOTSUP;
	assert_int_equal(write_same(0, 7, 2000, 512).status, SCSI_GOOD);
	assert_int_equal(write_same(0x01, 3000, 1000, 0).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 7, 0xa5));
	assert_true(fixture_disk_is(fs.disk, 7, 2000, 0));
	assert_true(fixture_disk_is(fs.disk, 2007, 993, 0xa5));
	assert_true(fixture_disk_is(fs.disk, 3000, 1000, 0));
	assert_true(fixture_disk_is(fs.disk, 4000, 96, 0xa5));
}

static void test_write_same_to_the_end(void **state)
{
	memset(data, 0x3c, 512);
	assert_int_equal(write_same(0, 1000, 0, 512).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 999, 1, 0xa5));
	assert_true(fixture_disk_is(fs.disk, 1000, 3096, 0x3c));
	assert_int_equal(write_same(0, 4096, 0, 512).asc, SCSI_ASC_LBA_RANGE);
}

static void test_write_same_gives_space_back(void **state)
{
	assert_int_equal(write_same(0x08, 0, 100, 512).status, SCSI_GOOD);
	assert_int_equal(fs.disk->requests, 1);
	assert_true(fs.disk->log[0].flags & BLK_GIVE_BACK);
	assert_int_equal(write_same(0x09, 100, 100, 0).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 200, 0));
	assert_true(fixture_disk_is(fs.disk, 200, 1, 0xa5));
	/* What is not zero is written, whatever was asked for. */
	memset(data, 1, 512);
	assert_int_equal(write_same(0x08, 0, 10, 512).status, SCSI_GOOD);
	assert_true(fixture_disk_is(fs.disk, 0, 10, 1));
}

static void test_write_same_refused(void **state)
{
	assert_int_equal(write_same(0x10, 0, 1, 512).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(write_same(0x20, 0, 1, 512).asc, SCSI_ASC_INVALID_FIELD_CDB);
	/* Each block with its own number in it: not what was sent. */
	assert_int_equal(write_same(0x02, 0, 1, 512).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(write_same(0x04, 0, 1, 512).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(write_same(0, 4095, 2, 512).asc, SCSI_ASC_LBA_RANGE);
	assert_int_equal(write_same(0, 0, UINT32_MAX, 512).asc, SCSI_ASC_LBA_RANGE);
	assert_int_equal(write_same(0, 0, 1, 256).asc, SCSI_ASC_LIST_LENGTH);
	assert_int_equal(write_same(0, 0, 1, 1024).asc, SCSI_ASC_INVALID_FIELD_IN_IU);
	assert_int_equal(fs.disk->requests, 0);
}

static void test_thick_units_do_not_unmap(void **state)
{
	static const uint8_t unmap[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 24};

	assert_int_equal(write_same(0x08, 0, 1, 512).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(fixture_scsi_run(&fs, 0, unmap, 10, data, 24, 0).asc, SCSI_ASC_OPCODE);
}

/* ---- UNMAP ---- */

static uint32_t range(uint32_t n, uint64_t lba, uint32_t blocks)
{
	put_be64(data + 8 + 16 * n, lba);
	put_be32(data + 16 + 16 * n, blocks);
	put_be16(data, (uint16_t)(6 + 16 * (n + 1)));
	put_be16(data + 2, (uint16_t)(16 * (n + 1)));
	return 8 + 16 * (n + 1);
}

static struct fixture_scsi_answer unmap(uint32_t len)
{
	uint8_t cdb[10] = {0x42};

	put_be16(cdb + 7, (uint16_t)len);
	return fixture_scsi_run(&fs, 0, cdb, 10, data, len, 0);
}

static void test_unmap_ranges(void **state)
{
	range(0, 100, 10);
	range(1, 5, 0);
	range(2, 10, 20);
	assert_int_equal(unmap(range(3, 4095, 1)).status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_UNMAP), 3);
	assert_true(fixture_disk_is(fs.disk, 100, 10, 0));
	assert_true(fixture_disk_is(fs.disk, 10, 20, 0));
	assert_true(fixture_disk_is(fs.disk, 4095, 1, 0));
	assert_true(fixture_disk_is(fs.disk, 0, 10, 0xa5));
	assert_true(fixture_disk_is(fs.disk, 30, 70, 0xa5));
	assert_true(fixture_disk_is(fs.disk, 110, 3985, 0xa5));
}

static void test_unmap_all_or_nothing(void **state)
{
	range(0, 100, 10);
	assert_int_equal(unmap(range(1, 4090, 7)).asc, SCSI_ASC_LBA_RANGE);
	assert_int_equal(unmap(range(1, UINT64_MAX, 2)).asc, SCSI_ASC_LBA_RANGE);
	assert_int_equal(fs.disk->requests, 0);
	assert_int_equal(unmap(0).status, SCSI_GOOD);
	assert_int_equal(unmap(7).asc, SCSI_ASC_LIST_LENGTH);
}

/* The list says more than came: what came counts. */
static void test_unmap_list_cut_short(void **state)
{
	uint32_t len = range(0, 100, 10);

	put_be16(data + 2, 0xfff0);
	assert_int_equal(unmap(len).status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_UNMAP), 1);
}

/* ---- a medium that comes and goes ---- */

static struct fixture_scsi_answer start_stop(unsigned int n, uint8_t how)
{
	const uint8_t cdb[6] = {0x1b, 0, 0, 0, how};

	return fixture_scsi_run(&fs, n, cdb, 6, NULL, 0, 0);
}

static struct fixture_scsi_answer prevent(unsigned int n, bool on)
{
	const uint8_t cdb[6] = {0x1e, 0, 0, 0, on};

	return fixture_scsi_run(&fs, n, cdb, 6, NULL, 0, 0);
}

static struct fixture_scsi_answer ready(unsigned int n)
{
	static const uint8_t cdb[6];

	return fixture_scsi_run(&fs, n, cdb, 6, NULL, 0, 0);
}

static void test_eject_and_load(void **state)
{
	assert_int_equal(start_stop(0, 0x02).status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 1);
	assert_int_equal(ready(1).asc, SCSI_ASC_MEDIUM_NOT_PRESENT);
	assert_int_equal(ready(1).key, SCSI_KEY_NOT_READY);
	assert_int_equal(start_stop(0, 0x03).status, SCSI_GOOD);
	assert_int_equal(ready(0).status, SCSI_GOOD);
	assert_int_equal(ready(1).asc, SCSI_ASC_MEDIUM_CHANGED);
	assert_int_equal(ready(1).status, SCSI_GOOD);
}

static void test_removal_prevented(void **state)
{
	assert_int_equal(prevent(1, true).status, SCSI_GOOD);
	assert_int_equal(start_stop(0, 0x02).asc, SCSI_ASC_REMOVAL_PREVENTED);
	assert_int_equal(prevent(1, false).status, SCSI_GOOD);
	assert_int_equal(start_stop(0, 0x02).status, SCSI_GOOD);
	assert_int_equal(prevent(1, true).status, SCSI_GOOD);
	assert_int_equal(start_stop(0, 0x03).asc, SCSI_ASC_REMOVAL_PREVENTED);
	assert_int_equal(ready(0).asc, SCSI_ASC_MEDIUM_NOT_PRESENT);
}

static void reserve_out(unsigned int n, uint8_t action, uint8_t type, uint8_t key, uint8_t other)
{
	const uint8_t cdb[10] = {0x5f, action, type, 0, 0, 0, 0, 0, 24};
	const uint8_t list[24] = {[7] = key, [15] = other};

	assert_int_equal(fixture_scsi_run(&fs, n, cdb, 10, list, 24, 0).status, SCSI_GOOD);
}

/* An initiator that is out of order must not hold the medium for ever. */
static void test_removal_prevented_by_who_is_preempted(void **state)
{
	assert_int_equal(prevent(1, true).status, SCSI_GOOD);
	reserve_out(0, 0, 0, 0, 0xa);
	reserve_out(1, 0, 0, 0, 0xb);
	reserve_out(0, 4, 1, 0xa, 0xb);
	assert_int_equal(start_stop(0, 0x02).asc, SCSI_ASC_REMOVAL_PREVENTED);
	assert_int_equal(ready(1).asc, SCSI_ASC_REGISTRATIONS_PREEMPTED);
	reserve_out(1, 0, 0, 0, 0xb);
	reserve_out(0, 5, 1, 0xa, 0xb);
	assert_int_equal(start_stop(0, 0x02).status, SCSI_GOOD);
}

static void test_stop_and_start(void **state)
{
	assert_int_equal(start_stop(0, 0).status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 1);
	assert_int_equal(ready(1).status, SCSI_GOOD);
	assert_int_equal(start_stop(0, 1).status, SCSI_GOOD);
	assert_int_equal(ready(0).status, SCSI_GOOD);
	assert_int_equal(start_stop(0, 2).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(prevent(0, true).asc, SCSI_ASC_OPCODE);
}

/* ---- how much room is left ---- */

#define MIB (1ull << 20)

static int setup_room(void **state)
{
	static struct disk_room room = {
		.used = 3 * MIB / 2, .free = 700 * MIB, .total = 1000 * MIB, .percent = 75};

	setup(state);
	fs.disk->disk.space = &room;
	disk_space_set(&fs.disk->disk, 75);
	return 0;
}

static struct fixture_scsi_answer vpd(uint8_t page)
{
	const uint8_t cdb[6] = {0x12, 1, page, 0, 255};

	return fixture_scsi_run(&fs, 0, cdb, 6, NULL, 0, 255);
}

static struct fixture_scsi_answer log_page(uint8_t page, uint8_t pointer)
{
	const uint8_t cdb[10] = {0x4d, 0, 0x40 | page, [6] = pointer, [8] = 255};

	return fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, 255);
}

static struct fixture_scsi_answer mode_page(uint8_t page, uint8_t subpage)
{
	const uint8_t cdb[6] = {0x1a, 0x08, page, subpage, 255};

	return fixture_scsi_run(&fs, 0, cdb, 6, NULL, 0, 255);
}

static void test_room_in_the_log(void **state)
{
	static const uint8_t both[] = {0x8c, 0, 0, 24, 0, 1, 3, 8, 0, 0, 0x02, 0xbc, 2, 0,
				       0,    0, 0, 2,  3, 8, 0, 0, 0, 1, 1,    0,    0, 0};
	struct fixture_scsi_answer a = log_page(0, 0);

	assert_memory_equal(a.data, "\x80\0\0\x06\0\x02\x03\x0c\x10\x2f", 10);
	/* Sets of 2048 blocks of 512 bytes. */
	assert_int_equal(vpd(0xb2).data[4], 11);
	a = log_page(0x0c, 0);
	assert_int_equal(a.len, sizeof(both));
	assert_memory_equal(a.data, both, sizeof(both));
	a = log_page(0x0c, 2);
	assert_int_equal(a.len, 16);
	assert_memory_equal(a.data + 4, both + 16, 12);
	assert_int_equal(log_page(0x0c, 3).asc, SCSI_ASC_INVALID_FIELD_CDB);
}

static void test_threshold_in_the_mode_page(void **state)
{
	static const uint8_t page[24] = {0x5c, 2, 0, 20, [16] = 0x80, 0x01, 0, 0, 0, 0, 0, 250};
	uint8_t list[4 + sizeof(page)] = {}, cdb[6] = {0x15, 0x10, 0, 0, sizeof(list)};
	struct fixture_scsi_answer a = mode_page(0x1c, 2);

	assert_int_equal(a.len, 4 + sizeof(page));
	assert_memory_equal(a.data + 4, page, sizeof(page));
	assert_int_equal(mode_page(0x01, 0).data[4 + 7], 0x80);
	/* It is the administrator's. */
	memcpy(list + 4, page, sizeof(page));
	assert_int_equal(fixture_scsi_run(&fs, 0, cdb, 6, list, sizeof(list), 0).status, SCSI_GOOD);
	list[4 + 23]++;
	a = fixture_scsi_run(&fs, 0, cdb, 6, list, sizeof(list), 0);
	assert_int_equal(a.asc, SCSI_ASC_INVALID_FIELD_LIST);
	assert_int_equal(get_be16(a.sense + 16), 4 + 23);
	/* Off: it is there, and not enabled. */
	disk_space_set(&fs.disk->disk, -1);
	a = mode_page(0x1c, 2);
	assert_int_equal(a.data[4 + 16], 0);
	assert_int_equal(get_be32(a.data + 4 + 20), 0);
}

static void test_everybody_is_told_of_the_threshold(void **state)
{
	static const uint8_t request_sense[6] = {0x03, 0, 0, 0, 64};
	struct fixture_scsi_answer a;

	scsi_device_short_of_space(fs.dev);
	a = ready(0);
	assert_int_equal(a.key, SCSI_KEY_UNIT_ATTENTION);
	assert_int_equal(a.asc, 0x3807);
	/* VALID, and where the descriptor is in the page. */
	assert_int_equal(a.sense[0], 0xf0);
	assert_int_equal(get_be32(a.sense + 3), 16);
	assert_int_equal(ready(0).status, SCSI_GOOD);
	a = fixture_scsi_run(&fs, 1, request_sense, 6, NULL, 0, 64);
	assert_int_equal(get_be16(a.data + 12), 0x3807);
	assert_int_equal(get_be32(a.data + 3), 16);
}

/* Every initiator, as it may have the mode page in mind. */
static void test_everybody_is_told_of_another_threshold(void **state)
{
	scsi_device_threshold_changed(fs.dev);
	for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++) {
		assert_int_equal(ready(n).asc, 0x2a01);
		assert_int_equal(ready(n).status, SCSI_GOOD);
	}
}

/* Thick, or of a store that does not say how full it is. */
static void test_no_thresholds(void **state)
{
	assert_int_equal(vpd(0xb2).data[4], 0);
	assert_int_equal(log_page(0x0c, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(mode_page(0x1c, 2).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(mode_page(0x01, 0).data[4 + 7], 0);
	scsi_device_short_of_space(fs.dev);
	scsi_device_threshold_changed(fs.dev);
	assert_int_equal(ready(0).status, SCSI_GOOD);
}

static void test_no_space_for_a_write(void **state)
{
	static const uint8_t cdb[10] = {0x2a, 0, 0, 0, 0, 5, 0, 0, 1};
	struct fixture_scsi_answer a;

	fs.disk->fail[BLK_WRITE] = BLK_ENOSPC;
	a = fixture_scsi_run(&fs, 0, cdb, 10, data, 512, 0);
	assert_int_equal(a.key, SCSI_KEY_DATA_PROTECT);
	assert_int_equal(a.asc, 0x2707);
	assert_int_equal(get_be32(a.sense + 3), 5);
	/* Which leaves the unit writable. */
	assert_int_equal(mode_page(0x08, 0).data[2] & 0x80, 0);
}

#define TEST(name, up) cmocka_unit_test_setup_teardown(name, up, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_write_same, setup),
		TEST(test_write_same_gives_space_back, setup),
		TEST(test_write_same_where_zeroes_are_data, setup),
		TEST(test_write_same_to_the_end, setup),
		TEST(test_write_same_refused, setup),
		TEST(test_thick_units_do_not_unmap, setup_thick),
		TEST(test_unmap_ranges, setup),
		TEST(test_unmap_all_or_nothing, setup),
		TEST(test_unmap_list_cut_short, setup),
		TEST(test_eject_and_load, setup_removable),
		TEST(test_removal_prevented, setup_removable),
		TEST(test_removal_prevented_by_who_is_preempted, setup_removable),
		TEST(test_stop_and_start, setup_thick),
		TEST(test_room_in_the_log, setup_room),
		TEST(test_threshold_in_the_mode_page, setup_room),
		TEST(test_everybody_is_told_of_the_threshold, setup_room),
		TEST(test_everybody_is_told_of_another_threshold, setup_room),
		TEST(test_no_thresholds, setup),
		TEST(test_no_space_for_a_write, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
