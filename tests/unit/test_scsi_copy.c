/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* EXTENDED COPY between units, and what is told of it. */
#include "scsi_copy_rig.h"

static int setup_read_only(void **state)
{
	return setup_with(true);
}

/* ---- copies ---- */

static void test_within_a_unit(void **state)
{
	cscd(&fs.disk->disk);
	segment(0, 0, 1500, 3, 5000);
	segment(0, THIS_UNIT, 1, 0, 8191);
	segment(THIS_UNIT, 0, 0, 0, 0);
	assert_int_equal(copy().status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 5000 * 512, before + 3 * 512, 1500 * 512);
	assert_memory_equal(fs.disk->data, before, 5000 * 512);
	assert_memory_equal(fs.disk->data + 8191 * 512, before, 512);
	/* 750 KiB go in pieces. */
	assert_int_equal(fixture_disk_count(fs.disk, BLK_WRITE), 4);
}

/* What is read is what was there before, whichever end the copy begins at. */
static void test_onto_itself(void **state)
{
	cscd(&fs.disk->disk);
	segment(0, 0, 2000, 100, 107);
	assert_int_equal(copy().status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 107 * 512, before + 100 * 512, 2000 * 512);
	memcpy(fs.disk->data, before, sizeof(before));
	no_segments();
	segment(0, 0, 2000, 107, 100);
	assert_int_equal(copy().status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 100 * 512, before + 107 * 512, 2000 * 512);
}

/* 512-byte blocks to 4096-byte blocks; the number is the source's, or with DC the destination's. */
static void test_to_another_unit(void **state)
{
	cscd(&other->disk);
	cscd(&fs.disk->disk);
	segment(1, 0, 16, 1, 3);
	segment(1, 0, 1, 9, 10)[1] = 0x02;
	assert_int_equal(copy().status, SCSI_GOOD);
	assert_memory_equal(other->data + 3 * 4096, before + 512, 16 * 512);
	assert_memory_equal(other->data + 10 * 4096, before + 9 * 512, 4096);
	assert_int_equal(other->data[5 * 4096], 0x99);
	no_segments();
	segment(1, 0, 15, 0, 0);
	assert_int_equal(copy().asc, SCSI_ASC_INEXACT_SEGMENT);
	assert_int_equal(other->data[0], 0x99);
}

/* Bytes of whole blocks; with segments of the other kind before and behind. */
static void test_bytes_with_offsets(void **state)
{
	struct fixture_scsi_answer a;

	cscd(&other->disk);
	cscd(&fs.disk->disk);
	segment(1, 1, 1, 0, 8000);
	segment_of_bytes(1, 0, 2 * 4096, 8, 3 * 512, 2, 8192);
	segment_of_bytes(1, 1, 0, 0, 0, 0, 0);
	segment(1, 1, 1, 1, 8001);
	assert_int_equal(copy().status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + 8000 * 512, before, 1024);
	assert_memory_equal(other->data + 4 * 4096, before + 11 * 512, 2 * 4096);
	assert_int_equal(other->data[6 * 4096], 0x99);
	/* Less than a block of one of them; what lies behind all numbers. */
	no_segments();
	segment(1, 1, 1, 0, 8000);
	segment_of_bytes(1, 0, 4096, 0, 256, 0, 0);
	a = copy();
	assert_int_equal(a.asc, SCSI_ASC_INEXACT_SEGMENT);
	assert_int_equal(get_be16(a.sense + 16), 16 + 64 + 28);
	no_segments();
	segment_of_bytes(1, 0, 512, 0, 0, 0, 0);
	assert_int_equal(copy().asc, SCSI_ASC_INEXACT_SEGMENT);
	no_segments();
	segment_of_bytes(1, 0, 4096, UINT64_MAX, 512, 0, 0);
	assert_int_equal(copy().key, SCSI_KEY_COPY_ABORTED);
	no_segments();
	segment_of_bytes(1, 0, 4096, 0, 0, UINT64_MAX, 4096);
	assert_int_equal(copy().key, SCSI_KEY_COPY_ABORTED);
}

/* ---- lists that say nothing good ---- */

static void test_lists_refused(void **state)
{
	cscd(&fs.disk->disk);
	segment(0, 0, 8, 0, 100);
	assert_int_equal(copy_of(0).status, SCSI_GOOD);
	assert_int_equal(copy_of(15).asc, SCSI_ASC_LIST_LENGTH);
	assert_int_equal(copy_of(47).asc, SCSI_ASC_LIST_LENGTH);
	assert_int_equal(copy_of(list_len() - 1).asc, SCSI_ASC_LIST_LENGTH);
	list[16] = 0xe0;
	assert_int_equal(copy().asc, SCSI_ASC_CSCD_TYPE);
	list[16] = 0xe4;
	list[48] = 0x0b;
	assert_int_equal(copy().asc, SCSI_ASC_SEGMENT_TYPE);
	list[48] = 0x02;
	list[51] = 20;
	assert_int_equal(copy().asc, SCSI_ASC_INVALID_FIELD_LIST);
	list[51] = 24;
	list[15] = 1;
	assert_int_equal(copy().asc, SCSI_ASC_INLINE_DATA);
	list[15] = 0;
	/* "No identifier" with one; a reserved usage; a block length that is another. */
	list[0] = 1;
	list[1] = 0x18;
	assert_int_equal(copy().asc, SCSI_ASC_INVALID_FIELD_LIST);
	list[1] = 0x08;
	assert_int_equal(copy().asc, SCSI_ASC_INVALID_FIELD_LIST);
	list[1] = 0;
	put_be24(list + 16 + 29, 4096);
	assert_int_equal(copy().asc, SCSI_ASC_INVALID_FIELD_LIST);
	assert_int_equal(copy().key, SCSI_KEY_ILLEGAL_REQUEST);
	assert_int_equal(fs.disk->requests, 0);
}

static void test_too_many(void **state)
{
	const uint8_t *params = results(3, 0).data;
	uint32_t max_cscds = get_be16(params + 8), max_segments = get_be16(params + 10);
	uint32_t max_list = get_be32(params + 12);

	assert_int_equal(max_list, 32 * max_cscds + 32 * max_segments);
	for (uint32_t i = 0; i < max_cscds; i++)
		cscd(&fs.disk->disk);
	for (uint32_t i = 0; i < max_segments; i++)
		segment(0, 0, 1, 0, 10);
	assert_int_equal(copy().status, SCSI_GOOD);
	cscds = 1;
	put_be16(list + 2, 32);
	no_segments();
	memset(list + 48, 0, sizeof(list) - 48);
	for (uint32_t i = 0; i < max_segments + 1; i++)
		segment(0, 0, 1, 0, 10);
	assert_int_equal(copy().asc, SCSI_ASC_TOO_MANY_SEGMENTS);
	cscds = 0;
	no_segments();
	for (uint32_t i = 0; i < max_cscds + 1; i++)
		cscd(&fs.disk->disk);
	segment(0, 0, 1, 0, 10);
	assert_int_equal(copy().asc, SCSI_ASC_TOO_MANY_CSCDS);
	put_be32(list + 8, UINT32_MAX - 15);
	assert_int_equal(copy().asc, SCSI_ASC_LIST_LENGTH);
}

/* ---- copies that stop ---- */

/* What went before is done; the sense data point at the segment. */
static void test_stops_at_what_is_not_there(void **state)
{
	struct fixture_scsi_answer a;

	cscd(&fs.disk->disk);
	list[0] = 9;
	segment(0, 0, 1, 0, 100);
	segment(0, 1, 1, 0, 101);
	a = copy();
	assert_int_equal(a.key, SCSI_KEY_COPY_ABORTED);
	assert_int_equal(a.asc, SCSI_ASC_UNREACHABLE_COPY_TARGET);
	assert_int_equal(a.sense[15], 0x80);
	assert_int_equal(get_be16(a.sense + 16), 16 + 32 + 28);
	assert_memory_equal(fs.disk->data + 100 * 512, before, 512);
	a = results(0, 9);
	assert_int_equal(a.data[4], 2);
	assert_int_equal(get_be16(a.data + 5), 1);
	assert_int_equal(get_be32(a.data + 8), 512);
	a = results(4, 9);
	assert_int_equal(a.len, 60 + 18);
	assert_int_equal(a.data[60 + 2], SCSI_KEY_COPY_ABORTED);
	assert_int_equal(results(4, 9).asc, SCSI_ASC_INVALID_FIELD_CDB);
	/* A name that is nobody's; a range that is not the unit's. */
	put_be64(list + 16 + 8, 0x5000000000000003);
	assert_int_equal(copy().asc, SCSI_ASC_UNREACHABLE_COPY_TARGET);
	put_be64(list + 16 + 8, fs.disk->disk.wwn);
	no_segments();
	segment(0, 0, 2, 0, SECTORS - 1);
	assert_int_equal(copy().key, SCSI_KEY_COPY_ABORTED);
	no_segments();
	segment(0, 0, 2, UINT64_MAX, 0);
	assert_int_equal(copy().key, SCSI_KEY_COPY_ABORTED);
	assert_memory_equal(fs.disk->data, before, 100 * 512);
}

static void test_read_only_destination(void **state)
{
	struct fixture_scsi_answer a;

	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	a = copy();
	assert_int_equal(a.key, SCSI_KEY_COPY_ABORTED);
	assert_int_equal(a.asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	assert_int_equal(get_be32(a.sense + 3), 8);
	assert_int_equal(other->requests, 0);
}

/* The copy may do no more than its initiator. */
static void test_reserved_destination(void **state)
{
	static const uint8_t reserve[6] = {0x16}, release[6] = {0x17};

	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	fs.fc.cmd.scsi.lun = 1ull << 48;
	assert_int_equal(fixture_scsi_run(&fs, 1, reserve, 6, NULL, 0, 0).status, SCSI_GOOD);
	fs.fc.cmd.scsi.lun = 0;
	assert_int_equal(copy().asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	assert_int_equal(other->requests, 0);
	fs.fc.cmd.scsi.lun = 1ull << 48;
	assert_int_equal(fixture_scsi_run(&fs, 1, release, 6, NULL, 0, 0).status, SCSI_GOOD);
	fs.fc.cmd.scsi.lun = 0;
	assert_int_equal(copy().status, SCSI_GOOD);
}

static void test_medium_errors(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	other->fail[BLK_WRITE] = BLK_EIO;
	assert_int_equal(copy().asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	other->fail[BLK_WRITE] = BLK_OK;
	fs.disk->fail[BLK_READ] = BLK_EIO;
	assert_int_equal(copy().asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	fs.disk->fail[BLK_READ] = BLK_OK;
	assert_int_equal(copy().status, SCSI_GOOD);
}

/* ---- copies at work ---- */

static void test_status_while_it_runs(void **state)
{
	struct fixture_scsi_answer a;

	cscd(&other->disk);
	list[0] = 5;
	segment(THIS_UNIT, 0, 8, 0, 0);
	segment(THIS_UNIT, 0, 8, 8, 1);
	assert_int_equal(results(0, 5).asc, SCSI_ASC_INVALID_FIELD_CDB);
	other->hold = true;
	start();
	a = results(0, 5);
	assert_int_equal(a.data[4], 0);
	assert_int_equal(get_be16(a.data + 5), 0);
	assert_int_equal(copy().asc, SCSI_ASC_OPERATION_IN_PROGRESS);
	fixture_disk_release(other);
	a = results(0, 5);
	assert_int_equal(get_be16(a.data + 5), 1);
	assert_int_equal(get_be32(a.data + 8), 4096);
	while (!running.delivered)
		fixture_disk_release(other);
	assert_int_equal(running.cmd.scsi.status, SCSI_GOOD);
	assert_int_equal(running.in_got, 0);
	fixture_scsi_end(&running);
	assert_int_equal(results(4, 5).len, 4);
	a = results(0, 5);
	assert_int_equal(a.data[4], 1);
	assert_int_equal(get_be16(a.data + 5), 2);
	assert_int_equal(get_be32(a.data + 8), 8192);
}

/* The destination's write cache ends while a write is on its way into it. */
static void test_cache_turned_off_meanwhile(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	other->disk.writeback = true;
	atomic_store(&other_lu.write_cache, true);
	other->hold = true;
	start();
	atomic_store(&other_lu.write_cache, false);
	while (!running.delivered)
		fixture_disk_release(other);
	assert_int_equal(running.cmd.scsi.status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(other, BLK_FLUSH), 1);
	assert_int_equal(fixture_disk_count(fs.disk, BLK_FLUSH), 0);
	fixture_scsi_end(&running);
}

static void test_aborted(void **state)
{
	struct scsi_tmf tmf = {.function = SCSI_ABORT_TASK, .done = tmf_done};

	cscd(&other->disk);
	list[0] = 5;
	segment(THIS_UNIT, 0, 8, 0, 0);
	segment(THIS_UNIT, 0, 8, 8, 1);
	other->hold = true;
	start();
	tmf.task = &running.cmd;
	scsi_task_management(fs.nexus[0], &tmf);
	fixture_scsi_turn(&fs);
	fixture_disk_release(other);
	fixture_scsi_turn(&fs);
	assert_int_equal(running.dropped, 1);
	assert_int_equal(other->requests, 1);
	fixture_scsi_end(&running);
	assert_int_equal(results(0, 5).asc, SCSI_ASC_INVALID_FIELD_CDB);
}

/* The unit stays until the copy has let go of it. */
static void test_unit_hidden_meanwhile(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	segment(THIS_UNIT, 0, 8, 8, 1);
	other->hold = true;
	start();
	assert_int_equal(scsi_target_remove_lun(fs.target, 1, note_gone, NULL), 0);
	fixture_scsi_turn(&fs);
	assert_false(other_gone);
	fixture_disk_release(other);
	fixture_scsi_turn(&fs);
	assert_true(other_gone);
	assert_int_equal(running.delivered, 1);
	assert_int_equal(fixture_scsi_answer_of(&running).asc, SCSI_ASC_COPY_TARGET_UNREACHABLE);
	fixture_scsi_end(&running);
}

/* What was read before the destination was sanitized does not land there afterwards. */
static void test_destination_sanitized_meanwhile(void **state)
{
	static const uint8_t block_erase[10] = {0x48, 0x02};

	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	segment(THIS_UNIT, 0, 8, 8, 1);
	fs.disk->hold = true;
	start();
	fs.fc.cmd.scsi.lun = 1ull << 48;
	assert_int_equal(fixture_scsi_run(&fs, 1, block_erase, 10, NULL, 0, 0).status, SCSI_GOOD);
	fs.fc.cmd.scsi.lun = 0;
	fixture_disk_release(fs.disk);
	assert_int_equal(running.delivered, 1);
	assert_int_equal(fixture_scsi_answer_of(&running).asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	fixture_scsi_end(&running);
	assert_true(fixture_disk_is(other, 0, SECTORS, 0));
}

/* Descriptors of multiples of four bytes that fill the page. */
static void test_page(void **state)
{
	static const uint8_t cdb[6] = {0x12, 1, 0x8f, 4, 0};
	struct fixture_scsi_answer a = fixture_scsi_run(&fs, 0, cdb, 6, NULL, 0, 1024);
	uint32_t at = 4;

	while (at < a.len) {
		assert_int_equal(get_be16(a.data + at + 2) % 4, 0);
		at += 4u + get_be16(a.data + at + 2);
	}
	assert_int_equal(at, a.len);
	assert_int_equal(get_be16(a.data + 2), a.len - 4);
}

#define TEST(name, up) cmocka_unit_test_setup_teardown(name, up, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_within_a_unit, setup),
		TEST(test_onto_itself, setup),
		TEST(test_to_another_unit, setup),
		TEST(test_bytes_with_offsets, setup),
		TEST(test_lists_refused, setup),
		TEST(test_too_many, setup),
		TEST(test_stops_at_what_is_not_there, setup),
		TEST(test_read_only_destination, setup_read_only),
		TEST(test_reserved_destination, setup),
		TEST(test_medium_errors, setup),
		TEST(test_status_while_it_runs, setup),
		TEST(test_cache_turned_off_meanwhile, setup),
		TEST(test_aborted, setup),
		TEST(test_unit_hidden_meanwhile, setup),
		TEST(test_destination_sanitized_meanwhile, setup),
		TEST(test_page, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
