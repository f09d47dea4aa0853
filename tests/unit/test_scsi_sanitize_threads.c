/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SANITIZE and EXIT FAILURE MODE from several threads at once, some of which end in the middle,
 * on a disk that sometimes fails and whose size changes, while the unit is taken away and opened
 * anew. The thread that writes the state looks at each save: whether what it says can follow what
 * was said before, and whether it is true of the medium. The store looks at what reaches it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "blk/backstore.h"
#include "blk/overlap.h"
#include "fixture_scsi.h"
#include "mailbox_thread.h"
#include "no_sync.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKERS 3u
#define BEGUN	300u /* that many of them, all told, or more until each kind of end has come */
#define REOPEN	400u /* commands between two times that the unit is opened anew */
#define SECTORS 512u /* four pieces */
#define OPCODE	0x48
#define EXIT	0x1f

struct worker {
	pthread_t thread;
	unsigned int index, seed, wrong;
	struct fixture_scsi fs;
	struct fixture_scsi_command fc;
};

static struct worker workers[WORKERS];
static struct lu lu;
static struct scsi_device *dev; /* which the control thread opens anew */
static pthread_rwlock_t opening = PTHREAD_RWLOCK_INITIALIZER;
static struct scsi_target *target;
static struct mailbox control;
static struct state *state;
static char *dir;
static atomic_uint running, begun;
static atomic_bool enough;

/* ---- the store ---- */

static struct disk disk;
static uint8_t medium[SECTORS * BLK_SECTOR];
static pthread_mutex_t medium_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint covered; /* sectors, when a pass was last flushed */
static atomic_uint unsaved; /* writes of a SANITIZE of which the file did not say that it runs */
static atomic_uint failing; /* so many writes of them will */

static bool file_says(const char *what)
{
	json_t *section;
	bool says = !state_peek(dir, "disk", "scsi_sanitize", &section, NULL) && section &&
		    strcmp(json_string_value(json_object_get(section, "state")), what) == 0;

	json_decref(section);
	return says;
}

static void disk_submit(struct disk *d, struct blk_io *io)
{
	uint8_t *at = medium + io->lba * BLK_SECTOR;
	bool sanitizes = io->era != disk_era(d) && io->op != BLK_FLUSH;
	unsigned int left = atomic_load(&failing);

	if (sanitizes && !file_says("runs"))
		atomic_fetch_add(&unsaved, 1);
	if (io->op == BLK_FLUSH)
		atomic_store(&covered, (unsigned int)atomic_load(&d->nblocks));
	if (sanitizes && left && atomic_compare_exchange_strong(&failing, &left, left - 1)) {
		blk_complete(io, BLK_EIO);
		return;
	}
	pthread_mutex_lock(&medium_lock);
	if (io->op == BLK_READ)
		sgl_copy_in(io->queue->arena, &io->sgl, 0, at, io->sgl.len);
	else if (io->op == BLK_WRITE)
		sgl_copy_out(io->queue->arena, &io->sgl, 0, at, io->sgl.len);
	else if (io->op == BLK_WRITE_ZEROES)
		memset(at, 0, io->nblocks * BLK_SECTOR);
	pthread_mutex_unlock(&medium_lock);
	blk_complete(io, BLK_OK);
}

static const struct backstore_ops disk_ops = {.name = "failing", .submit = disk_submit};

/* ---- a worker ---- */

static unsigned int draw(struct worker *w, unsigned int n)
{
	return (unsigned int)rand_r(&w->seed) % n;
}

/* What may be said at all. */
static bool answer_is_one_of_ours(const struct fixture_scsi_answer *a, const uint8_t *cdb)
{
	switch (a->status) {
	case SCSI_GOOD:
	case SCSI_TASK_ABORTED:
		return true;
	case SCSI_BUSY:
		return cdb[0] == OPCODE;
	default:
		return a->key == SCSI_KEY_UNIT_ATTENTION || a->asc == SCSI_ASC_LUN_NOT_SUPPORTED ||
		       (a->key == SCSI_KEY_NOT_READY && a->asc == SCSI_ASC_SANITIZE_IN_PROGRESS) ||
		       (a->key == SCSI_KEY_MEDIUM_ERROR && a->asc == SCSI_ASC_SANITIZE_FAILED) ||
		       (a->asc == SCSI_ASC_INVALID_FIELD_CDB && cdb[1] == EXIT);
	}
}

static void run(struct worker *w, const uint8_t *cdb, uint8_t len, const void *out,
		uint32_t out_len, uint32_t in_len)
{
	struct fixture_scsi_answer a;

	fixture_scsi_start(&w->fs, &w->fc, w->index, cdb, len, out, out_len, w->fs.in, in_len);
	while (!w->fc.delivered && !w->fc.dropped)
		mailbox_wait(&w->fs.mailbox);
	fixture_scsi_end(&w->fc);
	a = fixture_scsi_answer_of(&w->fc);
	w->wrong += w->fc.delivered && !answer_is_one_of_ours(&a, cdb);
}

static void sanitize(struct worker *w)
{
	const uint8_t list[5] = {(uint8_t)(1 + draw(w, 2)), 0, 0, 1, (uint8_t)(1 + draw(w, 255))};
	const uint8_t flags = (draw(w, 2) ? 0x80 : 0) | (draw(w, 2) ? 0x20 : 0);
	const bool erase = !draw(w, 3);
	const uint8_t cdb[10] = {OPCODE, flags | (erase ? 2 : 1), [8] = erase ? 0 : 5};

	run(w, cdb, 10, list, cdb[8], 0);
}

static void touch(struct worker *w, uint8_t opcode)
{
	const uint8_t cdb[10] = {opcode, [5] = (uint8_t)draw(w, SECTORS / 2), [8] = 1};
	static const uint8_t data[BLK_SECTOR];
	const bool writes = opcode == 0x2a;

	run(w, cdb, 10, data, writes ? BLK_SECTOR : 0, writes ? 0 : BLK_SECTOR);
}

/* As if the thread had ended, and another had begun. */
static void end_thread(struct worker *w)
{
	blk_queue_stop(&w->fs.queue);
	while (w->fs.queue.inflight)
		mailbox_wait(&w->fs.mailbox);
	w->fs.queue.closing = false;
}

/* Memory for it comes now, or in a moment. */
static void resume(struct worker *w)
{
	uint32_t taken[64];
	unsigned int n = 0;

	if (pthread_rwlock_tryrdlock(&opening))
		return;
	while (draw(w, 64) && w->fs.arena.nfree_runs)
		taken[n++] = arena_run_get(&w->fs.arena);
	if (!scsi_device_resume(dev, &w->fs.queue))
		scsi_device_resume_later(dev, &w->fs.queue);
	pthread_rwlock_unlock(&opening);
	while (n)
		arena_run_put(&w->fs.arena, taken[--n]);
}

static void step(struct worker *w)
{
	static const uint8_t leave[10] = {OPCODE, EXIT};

	switch (draw(w, 8)) {
	case 0:
	case 1:
		sanitize(w);
		break;
	case 2:
	case 3:
		run(w, leave, 10, NULL, 0, 0);
		break;
	case 4:
		touch(w, 0x2a);
		break;
	case 5:
		touch(w, 0x28);
		break;
	case 6:
		if (!draw(w, 8))
			end_thread(w);
		break;
	default:
		resume(w);
	}
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	fixture_scsi_nexus_open(&w->fs, w->index, target, NULL);
	while (!atomic_load(&enough)) {
		step(w);
		atomic_fetch_add(&begun, 1);
		mailbox_drain(&w->fs.mailbox);
		if (draw(w, 4) == 0)
			sched_yield();
	}
	end_thread(w);
	scsi_nexus_close(w->fs.nexus[w->index], NULL, NULL);
	fixture_scsi_turn(&w->fs);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* ---- what is saved ---- */

static const json_t *saved; /* the section as it was seen last */
static unsigned int begins, ends, failures, exits;

static const char *text_of(const json_t *section)
{
	return section ? json_string_value(json_object_get(section, "state")) : "none";
}

static bool says(const json_t *section, const char *what)
{
	return strcmp(text_of(section), what) == 0;
}

static bool unrestricted(const json_t *section)
{
	return json_is_true(json_object_get(section, "unrestricted"));
}

/* To the end that the disk had when that was done. The medium's lock is held. */
static bool medium_is_as_promised(const json_t *promise)
{
	const char *pattern = json_string_value(json_object_get(promise, "pattern"));
	const uint8_t byte = (uint8_t)strtoul(pattern, NULL, 16);
	uint64_t sectors = atomic_load(&covered);
	bool good = true;

	if (sectors > disk.nblocks)
		sectors = disk.nblocks;
	for (uint64_t i = 0; i < sectors * BLK_SECTOR; i++)
		good &= medium[i] == byte;
	return good;
}

static bool can_follow(const json_t *before, const json_t *now)
{
	if (says(now, "runs"))
		return !says(before, "runs");
	if (says(before, "runs") && says(now, "none"))
		return medium_is_as_promised(before);
	if (says(before, "runs"))
		return unrestricted(before) == unrestricted(now);
	/* Otherwise somebody left a failure that may be left. */
	return says(before, "failed") && says(now, "none") && unrestricted(before);
}

static void look_at_save(void)
{
	const json_t *now = state_section(state, "scsi_sanitize");

	if (now == saved)
		return;
	if (!can_follow(saved, now))
		fail_msg("%s (%s) after %s (%s)", text_of(now), unrestricted(now) ? "AUSE" : "-",
			 text_of(saved), unrestricted(saved) ? "AUSE" : "-");
	begins += says(now, "runs");
	failures += says(now, "failed");
	ends += says(saved, "runs") && says(now, "none");
	exits += says(saved, "failed") && says(now, "none");
	json_decref((json_t *)saved);
	saved = json_incref((json_t *)now);
}

/* ---- the control thread ---- */

/* Whoever is told of a save cannot write before it was looked at. */
static void wait_and_look(void)
{
	struct pollfd poll_control = {.fd = control.eventfd, .events = POLLIN};

	/* Or until something else that is waited for has come. */
	if (poll(&poll_control, 1, 1) != 1)
		return;
	pthread_mutex_lock(&medium_lock);
	mailbox_drain(&control);
	look_at_save();
	pthread_mutex_unlock(&medium_lock);
}

static void gone(void *ctx)
{
	atomic_store((atomic_bool *)ctx, true);
}

static void await_gone(atomic_bool *is_gone)
{
	while (!atomic_load(is_gone))
		wait_and_look();
}

static void unit_open(void)
{
	const struct scsi_device_config config = {.lu = &lu, .state = state, .logical_block = 512};

	lu_init(&lu, &disk, false);
	assert_int_equal(scsi_device_open(&config, &dev, NULL), 0);
	assert_int_equal(disk_sealed(&disk), !says(saved, "none"));
	assert_int_equal(scsi_device_unfinished(dev), says(saved, "runs"));
}

static void unit_close(void)
{
	atomic_bool is_stopped = false;

	scsi_device_stop(dev, gone, &is_stopped);
	await_gone(&is_stopped);
	scsi_device_close(dev);
	lu_fini(&lu);
}

static void unit_reopen(void)
{
	atomic_bool is_gone = false;

	/* Nobody waits for this but the control thread: those that find it taken go on. */
	pthread_rwlock_wrlock(&opening);
	assert_int_equal(scsi_target_remove_lun(target, 0, gone, &is_gone), 0);
	await_gone(&is_gone);
	unit_close();
	unit_open();
	assert_int_equal(scsi_target_add_lun(target, 0, dev, false), 0);
	pthread_rwlock_unlock(&opening);
}

static void disturb(unsigned int *seed)
{
	unsigned int what = (unsigned int)rand_r(seed) % 64;

	if (what < 2)
		atomic_store(&failing, 1);
	if (what != 2)
		return;
	atomic_store(&disk.nblocks, disk.nblocks == SECTORS ? SECTORS / 2 : SECTORS);
	scsi_device_resized(dev);
}

/* However threads are scheduled, each kind of end comes; most rarely somebody leaves a failure. */
static bool seen_enough(void)
{
	return begins >= BEGUN && ends && failures && exits;
}

/* Until so many commands more have begun, or all. */
static void await_commands(unsigned int n, unsigned int *seed)
{
	unsigned int until = atomic_load(&begun) + n;

	while (atomic_load(&running) && atomic_load(&begun) < until) {
		wait_and_look();
		disturb(seed);
		atomic_store(&enough, seen_enough());
	}
}

static void worker_open(struct worker *w, unsigned int index, unsigned int seed)
{
	const struct arena_config memory = {.rx_frames = 1, .runs = 64, .run_frames = 16};

	w->index = index;
	w->seed = seed + index;
	assert_int_equal(arena_open(&w->fs.arena, &memory, NULL), 0);
	assert_int_equal(mailbox_open(&w->fs.mailbox), 0);
	blk_queue_init(&w->fs.queue, &w->fs.arena, NULL, &w->fs.mailbox);
}

static void worker_close(struct worker *w)
{
	assert_int_equal(w->wrong, 0);
	assert_int_equal(w->fs.queue.inflight, 0);
	assert_int_equal(w->fs.queue.lent_long, 0);
	assert_int_equal(w->fs.arena.nfree_runs, 64);
	mailbox_close(&w->fs.mailbox);
	arena_close(&w->fs.arena);
}

/* Once nobody does anything, the unit says what the file says, and the medium is as that says. */
static void check_the_end(struct worker *w)
{
	static const uint8_t ready[6], leave[10] = {OPCODE, EXIT};

	atomic_store(&failing, 0);
	fixture_scsi_nexus_open(&w->fs, w->index, target, NULL);
	fixture_scsi_run(&w->fs, w->index, ready, 6, NULL, 0, 0);
	if (says(saved, "runs")) {
		assert_int_equal(fixture_scsi_run(&w->fs, w->index, ready, 6, NULL, 0, 0).asc,
				 SCSI_ASC_SANITIZE_IN_PROGRESS);
		assert_true(scsi_device_resume(dev, &w->fs.queue));
		while (w->fs.queue.inflight) {
			wait_and_look();
			fixture_scsi_turn(&w->fs);
		}
		assert_true(says(saved, "none"));
	}
	assert_int_equal(fixture_scsi_run(&w->fs, w->index, ready, 6, NULL, 0, 0).asc,
			 says(saved, "failed") ? SCSI_ASC_SANITIZE_FAILED : 0);
	assert_int_equal(disk_sealed(&disk), says(saved, "failed"));
	fixture_scsi_start(&w->fs, &w->fc, w->index, leave, 10, NULL, 0, NULL, 0);
	while (!w->fc.delivered) {
		wait_and_look();
		fixture_scsi_turn(&w->fs);
	}
	fixture_scsi_end(&w->fc);
	assert_int_equal(w->fc.cmd.scsi.status == SCSI_GOOD, says(saved, "none"));
	assert_int_equal(disk_sealed(&disk), !says(saved, "none"));
	scsi_nexus_close(w->fs.nexus[w->index], NULL, NULL);
	fixture_scsi_turn(&w->fs);
}

static void test_all_at_once(void **unused)
{
	const struct scsi_target_config port = {
		.relative_port = 1, .protocol = 5, .port_name = "port", .device_name = "device"};
	const char *text = getenv("STGT_SEED");
	unsigned int seed = text ? (unsigned int)strtoul(text, NULL, 0) : (unsigned int)time(NULL);

	print_message("STGT_SEED=%u\n", seed);
	dir = fixture_dir_make();
	assert_int_equal(mailbox_open(&control), 0);
	assert_int_equal(state_open(dir, "disk", &control, &state, NULL), 0);
	disk = (struct disk){.ops = &disk_ops, .nblocks = SECTORS, .overlap = overlap_open(1)};
	unit_open();
	assert_int_equal(scsi_target_open(&port, &target, NULL), 0);
	assert_int_equal(scsi_target_add_lun(target, 0, dev, false), 0);
	atomic_store(&running, WORKERS);
	for (unsigned int i = 0; i < WORKERS; i++) {
		worker_open(&workers[i], i, seed);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]),
				 0);
	}
	while (atomic_load(&running)) {
		await_commands(REOPEN, &seed);
		unit_reopen();
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	check_the_end(&workers[0]);
	assert_int_equal(unsaved, 0);
	print_message("%u began, %u ended well, %u failed, %u were left\n", begins, ends, failures,
		      exits);
	for (unsigned int i = 0; i < WORKERS; i++)
		worker_close(&workers[i]);
	scsi_target_close(target);
	unit_close();
	json_decref((json_t *)saved);
	state_close(state);
	overlap_close(disk.overlap);
	mailbox_close(&control);
	fixture_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
