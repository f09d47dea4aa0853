/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* EXTENDED COPY between units, and what is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "blk/copy.h"
#include "fixture_scsi.h"
#include "mailbox_thread.h"
#include <errno.h>
#include <semaphore.h>
#include <string.h>

#define SECTORS	  8192u
#define THIS_UNIT 0xffff

/* LUN 1 beside the fixture's, with blocks of 4096 bytes. */
static struct fixture_scsi fs;
static struct fixture_disk *other;
static struct lu other_lu;
static struct scsi_device *other_dev;
static bool other_gone;

static uint8_t list[32768], before[SECTORS * 512];
static uint32_t cscds, segments, segments_len;

static void note_gone(void *ctx)
{
	other_gone = true;
}

static void take_attention(unsigned int n, uint64_t lun)
{
	static const uint8_t test_unit_ready[6];

	fs.fc.cmd.scsi.lun = lun << 48;
	while (fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).key == 6)
		;
	fs.fc.cmd.scsi.lun = 0;
}

static int setup_with(bool read_only)
{
	struct scsi_device_config unit = {.lu = &other_lu, .logical_block = 4096};

	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.nblocks = SECTORS});
	fs.disk->disk.wwn = 0x5000000000000001;
	other = fixture_disk_open(SECTORS, SECTORS);
	other->disk.wwn = 0x5000000000000002;
	lu_init(&other_lu, &other->disk, false);
	assert_int_equal(scsi_device_open(&unit, &other_dev, NULL), 0);
	assert_int_equal(scsi_target_add_lun(fs.target, 1, other_dev, read_only), 0);
	fixture_scsi_turn(&fs);
	for (unsigned int n = 0; n < 2; n++) {
		take_attention(n, 0);
		take_attention(n, 1);
	}
	for (uint32_t i = 0; i < sizeof(before); i++)
		before[i] = (uint8_t)(i * 7 + i / 512);
	memcpy(fs.disk->data, before, sizeof(before));
	memset(other->data, 0x99, sizeof(before));
	memset(list, 0, sizeof(list));
	cscds = segments = segments_len = 0;
	other_gone = false;
	return 0;
}

static int setup(void **state)
{
	return setup_with(false);
}

static int setup_read_only(void **state)
{
	return setup_with(true);
}

static int teardown(void **state)
{
	if (!other_gone)
		assert_int_equal(scsi_target_remove_lun(fs.target, 1, note_gone, NULL), 0);
	fixture_scsi_turn(&fs);
	assert_true(other_gone);
	fixture_scsi_close(&fs);
	scsi_device_close(other_dev);
	lu_fini(&other_lu);
	fixture_disk_close(other);
	return 0;
}

/* ---- parameter lists ---- */

static void cscd(const struct disk *disk)
{
	uint8_t *at = list + 16 + 32 * cscds++;

	at[0] = 0xe4;
	at[4] = 1;
	at[5] = 3;
	at[7] = 8;
	put_be64(at + 8, disk->wwn);
	put_be16(list + 2, (uint16_t)(32 * cscds));
}

static void no_segments(void)
{
	segments = segments_len = 0;
}

static uint8_t *segment_of(uint8_t type, uint16_t len, uint16_t from, uint16_t to,
			   uint64_t from_lba, uint64_t to_lba)
{
	uint8_t *at = list + 16 + 32 * cscds + segments_len;

	at[0] = type;
	put_be16(at + 2, (uint16_t)(len - 4));
	put_be16(at + 4, from);
	put_be16(at + 6, to);
	put_be64(at + 12, from_lba);
	put_be64(at + 20, to_lba);
	segments++;
	segments_len += len;
	put_be32(list + 8, segments_len);
	return at;
}

static uint8_t *segment(uint16_t from, uint16_t to, uint16_t blocks, uint64_t from_lba,
			uint64_t to_lba)
{
	uint8_t *at = segment_of(0x02, 28, from, to, from_lba, to_lba);

	put_be16(at + 10, blocks);
	return at;
}

/* So many bytes, from so many behind the blocks on. */
static void segment_of_bytes(uint16_t from, uint16_t to, uint32_t bytes, uint64_t from_lba,
			     uint16_t from_off, uint64_t to_lba, uint16_t to_off)
{
	uint8_t *at = segment_of(0x0a, 32, from, to, from_lba, to_lba);

	put_be32(at + 8, bytes);
	put_be16(at + 28, from_off);
	put_be16(at + 30, to_off);
}

static uint32_t list_len(void)
{
	return 16 + 32 * cscds + segments_len;
}

static void copy_cdb(uint8_t cdb[16], uint32_t len)
{
	memset(cdb, 0, 16);
	cdb[0] = 0x83;
	put_be32(cdb + 10, len);
}

static struct fixture_scsi_answer copy_of(uint32_t len)
{
	uint8_t cdb[16];

	copy_cdb(cdb, len);
	return fixture_scsi_run(&fs, 0, cdb, 16, list, len, 0);
}

static struct fixture_scsi_answer copy(void)
{
	return copy_of(list_len());
}

static struct fixture_scsi_answer results(uint8_t action, uint8_t id)
{
	const uint8_t cdb[16] = {0x84, action, id, [12] = 0x04};

	return fixture_scsi_run(&fs, 0, cdb, 16, NULL, 0, 1024);
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

static struct fixture_scsi_command running;

static void start(void)
{
	uint8_t cdb[16];

	copy_cdb(cdb, list_len());
	memset(&running, 0, sizeof(running));
	fixture_scsi_start(&fs, &running, 0, cdb, 16, list, list_len(), NULL, 0);
}

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

static void tmf_done(struct scsi_tmf *tmf)
{
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

/* ---- copies by the store ---- */

static struct copier *copier;
static struct backstore_ops store_ops;
static struct {
	unsigned int calls;
	uint64_t from_lba[16], to_lba[16], nblocks[16];
	unsigned int fail_at; /* the call that fails with `code`; later ones do not */
	int code;
	bool hold; /* calls begin, and end when told to */
	sem_t begun, go_on;
} store;

static int store_copy(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
		      uint64_t nblocks)
{
	const uint8_t *source = container_of(from, struct fixture_disk, disk)->data;
	uint8_t *destination = container_of(to, struct fixture_disk, disk)->data;
	unsigned int call = store.calls++;

	store.from_lba[call] = from_lba;
	store.to_lba[call] = to_lba;
	store.nblocks[call] = nblocks;
	if (store.hold) {
		sem_post(&store.begun);
		while (sem_wait(&store.go_on))
			;
	}
	if (store.code && call == store.fail_at)
		return store.code;
	memcpy(destination + to_lba * 512, source + from_lba * 512, nblocks * 512);
	return 0;
}

static int setup_store(void **state)
{
	setup(state);
	memset(&store, 0, sizeof(store));
	sem_init(&store.begun, 0, 0);
	sem_init(&store.go_on, 0, 0);
	assert_int_equal(copier_open(&copier, NULL), 0);
	fs.queue.copier = copier;
	store_ops = *fs.disk->disk.ops;
	store_ops.copy = store_copy;
	fs.disk->disk.ops = other->disk.ops = &store_ops;
	fs.disk->disk.copy_align = other->disk.copy_align = 512;
	fs.disk->disk.store.dev = 1;
	other->disk.store.dev = 2;
	return 0;
}

static int teardown_store(void **state)
{
	copier_close(copier, NULL);
	return teardown(state);
}

static struct fixture_scsi_answer store_end(void)
{
	while (!running.delivered && !running.dropped)
		mailbox_wait(&fs.mailbox);
	fixture_scsi_end(&running);
	return fixture_scsi_answer_of(&running);
}

static struct fixture_scsi_answer copy_by_store(void)
{
	start();
	return store_end();
}

static void test_store_copies(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 2000, 8, 1);
	segment(THIS_UNIT, THIS_UNIT, 100, 8, 5000);
	assert_int_equal(copy_by_store().status, SCSI_GOOD);
	assert_memory_equal(other->data + 4096, before + 8 * 512, 2000 * 512);
	assert_memory_equal(fs.disk->data + 5000 * 512, before + 8 * 512, 100 * 512);
	assert_int_equal(store.calls, 2);
	assert_int_equal(fs.disk->requests + other->requests, 0);
	assert_int_equal(fs.queue.copied_by_store, 2100 * 512);
	assert_int_equal(fs.queue.copied_by_memory, 0);
}

/* Nothing stops a piece, so none is long; they end where the blocks of a file system may. */
static void test_store_pieces(void **state)
{
	fs.disk->data = realloc(fs.disk->data, 65536 * 512);
	fs.disk->disk.nblocks = fs.disk->stored = 65536;
	cscd(&fs.disk->disk);
	segment(0, 0, 20000, 0, 40007);
	assert_int_equal(copy_by_store().status, SCSI_GOOD);
	assert_int_equal(store.calls, 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_true(store.nblocks[i] <= BLK_COPY_MAX);
		assert_int_equal(store.to_lba[i], i ? 32768 + i * 8192 : 40007);
		assert_int_equal(store.to_lba[i] - store.from_lba[i], 40007);
	}
	assert_memory_equal(fs.disk->data + 40007 * 512, fs.disk->data, 20000 * 512);
}

static void onto_itself(uint64_t from, uint64_t to, unsigned int calls)
{
	memcpy(fs.disk->data, before, sizeof(before));
	no_segments();
	store.calls = 0;
	segment(0, 0, 3000, from, to);
	assert_int_equal(copy_by_store().status, SCSI_GOOD);
	assert_memory_equal(fs.disk->data + to * 512, before + from * 512, 3000 * 512);
	assert_int_equal(store.calls, calls);
}

/* In pieces that do not overlap; so close together, the store would get crumbs. */
static void test_store_copies_onto_itself(void **state)
{
	cscd(&fs.disk->disk);
	onto_itself(100, 1124, 3);
	onto_itself(1124, 100, 3);
	onto_itself(100, 101, 0);
	onto_itself(101, 100, 0);
}

/* The second half of a piece may be there already. */
static void test_store_refuses(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 2000, 0, 0);
	store.code = -EXDEV;
	assert_int_equal(copy_by_store().status, SCSI_GOOD);
	assert_memory_equal(other->data, before, 2000 * 512);
	assert_int_equal(store.calls, 1);
	assert_int_equal(fs.queue.copied_by_memory, 2000 * 512);
	memset(other->data, 0, 2000 * 512);
	assert_int_equal(copy_by_store().status, SCSI_GOOD);
	assert_memory_equal(other->data, before, 2000 * 512);
	assert_int_equal(store.calls, 1);
	assert_int_equal(fs.queue.copied_by_store, 0);
}

/* Reading and writing tell whose error it was, or that there is none any more. */
static void test_store_fails(void **state)
{
	struct fixture_scsi_answer a;

	cscd(&other->disk);
	segment(THIS_UNIT, 0, 800, 0, 0);
	segment(THIS_UNIT, 0, 800, 800, 100);
	segment(THIS_UNIT, 0, 800, 1600, 200);
	store.fail_at = 1;
	store.code = -EIO;
	assert_int_equal(copy_by_store().status, SCSI_GOOD);
	assert_memory_equal(other->data, before, 2400 * 512);
	assert_int_equal(store.calls, 3);
	assert_int_equal(fs.queue.copied_by_memory, 800 * 512);
	store.fail_at = 4;
	other->fail[BLK_WRITE] = BLK_EIO;
	a = copy_by_store();
	assert_int_equal(a.key, SCSI_KEY_COPY_ABORTED);
	assert_int_equal(a.asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	assert_int_equal(get_be32(a.sense + 3), 800);
	assert_int_equal(get_be16(a.sense + 16), 16 + 32 + 28);
	assert_int_equal(store.calls, 5);
	store.fail_at = 5;
	store.code = -ENOSPC;
	assert_int_equal(copy_by_store().asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	assert_int_equal(store.calls, 6);
}

/* A unit without a write cache: on the medium before the command's end. */
static void test_store_copy_is_durable(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	atomic_store(&other_lu.write_cache, false);
	assert_int_equal(copy_by_store().status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(other, BLK_FLUSH), 1);
	other->fail[BLK_FLUSH] = BLK_EIO;
	assert_int_equal(copy_by_store().asc, SCSI_ASC_THIRD_PARTY_FAILURE);
	assert_int_equal(other->disk.flush_errors, 1);
}

static void store_begun(void)
{
	while (sem_wait(&store.begun))
		;
}

static void test_cache_turned_off_while_the_store_copies(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	other->disk.writeback = true;
	atomic_store(&other_lu.write_cache, true);
	store.hold = true;
	start();
	store_begun();
	atomic_store(&other_lu.write_cache, false);
	sem_post(&store.go_on);
	assert_int_equal(store_end().status, SCSI_GOOD);
	assert_int_equal(fixture_disk_count(other, BLK_FLUSH), 1);
}

/* What has begun ends, and nothing more begins. */
static void test_aborted_while_the_store_copies(void **state)
{
	struct scsi_tmf tmf = {.function = SCSI_ABORT_TASK, .done = tmf_done};

	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	segment(THIS_UNIT, 0, 8, 8, 1);
	store.hold = true;
	start();
	store_begun();
	tmf.task = &running.cmd;
	scsi_task_management(fs.nexus[0], &tmf);
	fixture_scsi_turn(&fs);
	assert_int_equal(running.dropped, 0);
	sem_post(&store.go_on);
	store_end();
	fixture_scsi_turn(&fs);
	assert_int_equal(running.dropped, 1);
	assert_int_equal(store.calls, 1);
}

static void test_unit_hidden_while_the_store_copies(void **state)
{
	cscd(&other->disk);
	segment(THIS_UNIT, 0, 8, 0, 0);
	segment(THIS_UNIT, 0, 8, 8, 1);
	store.hold = true;
	start();
	store_begun();
	assert_int_equal(scsi_target_remove_lun(fs.target, 1, note_gone, NULL), 0);
	fixture_scsi_turn(&fs);
	assert_false(other_gone);
	sem_post(&store.go_on);
	assert_int_equal(store_end().asc, SCSI_ASC_COPY_TARGET_UNREACHABLE);
	assert_true(other_gone);
	assert_int_equal(store.calls, 1);
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
#define STORE(name)    cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)

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
		STORE(test_store_copies),
		STORE(test_store_pieces),
		STORE(test_store_copies_onto_itself),
		STORE(test_store_refuses),
		STORE(test_store_fails),
		STORE(test_store_copy_is_durable),
		STORE(test_cache_turned_off_while_the_store_copies),
		STORE(test_aborted_while_the_store_copies),
		STORE(test_unit_hidden_while_the_store_copies),
		TEST(test_page, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
