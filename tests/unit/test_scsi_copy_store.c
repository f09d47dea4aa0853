/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* EXTENDED COPY where the store copies by itself: which pieces, and what may go wrong. */
#include "blk/copy.h"
#include "mailbox_thread.h"
#include "scsi_copy_rig.h"
#include <errno.h>
#include <semaphore.h>

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_store_copies),
		TEST(test_store_pieces),
		TEST(test_store_copies_onto_itself),
		TEST(test_store_refuses),
		TEST(test_store_fails),
		TEST(test_store_copy_is_durable),
		TEST(test_cache_turned_off_while_the_store_copies),
		TEST(test_aborted_while_the_store_copies),
		TEST(test_unit_hidden_while_the_store_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
