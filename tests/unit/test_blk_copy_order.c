/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* While the store copies, nothing that conflicts runs; copies that cross do not wait for ever. */
#include "blk/backstore.h"
#include "blk/copy.h"
#include "blk/overlap.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECTORS 1024u
#define LOG_MAX 16u

static struct arena arena;
static struct mailbox box;
static struct blk_queue queue;
static struct copier *copier;
static struct disk disks[3];
/* Copies of the store begin, and go on when told to. */
static sem_t begun, go_on;
static int result;
static unsigned int asked;
static struct blk_io *started[LOG_MAX];
static unsigned int nstarted;

static void log_submit(struct disk *disk, struct blk_io *io)
{
	assert_true(nstarted < LOG_MAX);
	started[nstarted++] = io;
}

static int slow_copy(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
		     uint64_t nblocks)
{
	asked++;
	sem_post(&begun);
	while (sem_wait(&go_on))
		;
	return result;
}

static const struct backstore_ops slow_ops = {.submit = log_submit, .copy = slow_copy};

static void disk_init(struct disk *disk, const struct backstore_ops *ops, uint64_t nblocks)
{
	*disk = (struct disk){.ops = ops,
			      .nblocks = nblocks,
			      .copy_align = BLK_SECTOR,
			      .overlap = overlap_open(1)};
}

static int setup(void **state)
{
	const struct arena_config config = {.rx_frames = 8, .runs = 1, .run_frames = 1};

	if (arena_open(&arena, &config, NULL) || mailbox_open(&box) || copier_open(&copier, NULL))
		return -1;
	for (unsigned int i = 0; i < 3; i++) {
		disk_init(&disks[i], &slow_ops, SECTORS);
		disks[i].store.dev = i + 1;
	}
	blk_queue_init(&queue, &arena, NULL, &box);
	queue.copier = copier;
	sem_init(&begun, 0, 0);
	sem_init(&go_on, 0, 0);
	result = 0;
	asked = nstarted = 0;
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(queue.inflight, 0);
	copier_close(copier, NULL);
	for (unsigned int i = 0; i < 3; i++)
		overlap_close(disks[i].overlap);
	mailbox_close(&box);
	arena_close(&arena);
	return 0;
}

/* ---- requests ---- */

struct request {
	struct blk_io io;
	struct span span;
	unsigned int done;
};

static void request_done(struct blk_io *io)
{
	container_of(io, struct request, io)->done++;
}

static void submit(struct disk *disk, struct request *r, enum blk_op op, uint64_t lba)
{
	*r = (struct request){.span = {.len = 2 * BLK_SECTOR}};
	r->io = (struct blk_io){.op = op, .lba = lba, .nblocks = 2, .done = request_done};
	r->io.sgl = (struct sgl){.spans = &r->span, .nspans = 1, .len = r->span.len};
	blk_submit(disk, &queue, &r->io);
}

struct copying {
	struct blk_copy copy;
	unsigned int done;
};

static void copying_done(struct blk_copy *copy)
{
	container_of(copy, struct copying, copy)->done++;
}

static void copy(struct copying *c, struct disk *from, uint64_t from_lba, struct disk *to,
		 uint64_t to_lba)
{
	*c = (struct copying){.copy = {.from = from,
				       .to = to,
				       .from_lba = from_lba,
				       .to_lba = to_lba,
				       .nblocks = 10,
				       .flags = c->copy.flags,
				       .done = copying_done}};
	blk_copy(&queue, &c->copy);
}

static void wait_begun(void)
{
	while (sem_wait(&begun))
		;
}

/* The store's copy ends, and its worker hears of it. */
static void let_end(void)
{
	struct pollfd mail = {.fd = box.eventfd, .events = POLLIN};

	sem_post(&go_on);
	assert_int_equal(poll(&mail, 1, 10000), 1);
	mailbox_drain(&box);
}

static bool has_started(const struct request *r)
{
	for (unsigned int i = 0; i < nstarted; i++)
		if (started[i] == &r->io)
			return true;
	return false;
}

static void end_all(void)
{
	for (unsigned int i = 0; i < nstarted; i++)
		blk_complete(started[i], BLK_OK);
	nstarted = 0;
}

/* ---- order ---- */

static void test_ranges_are_left_alone(void **state)
{
	struct request source_read, source_write, read, write, elsewhere, other;
	struct copying c = {.done = 0};

	copy(&c, &disks[0], 100, &disks[1], 200);
	wait_begun();
	submit(&disks[0], &source_read, BLK_READ, 104);
	submit(&disks[0], &source_write, BLK_WRITE, 99);
	submit(&disks[1], &read, BLK_READ, 209);
	submit(&disks[1], &write, BLK_WRITE, 200);
	submit(&disks[1], &elsewhere, BLK_WRITE, 220);
	submit(&disks[0], &other, BLK_WRITE, 200);
	assert_true(has_started(&source_read) && has_started(&elsewhere) && has_started(&other));
	assert_false(has_started(&source_write) || has_started(&read) || has_started(&write));
	assert_int_equal(c.done, 0);
	blk_complete(&source_read.io, BLK_OK);
	let_end();
	assert_int_equal(c.done, 1);
	assert_int_equal(c.copy.status, BLK_OK);
	assert_true(has_started(&source_write) && has_started(&read) && has_started(&write));
	nstarted = 0;
	blk_complete(&source_write.io, BLK_OK);
	blk_complete(&read.io, BLK_OK);
	blk_complete(&write.io, BLK_OK);
	blk_complete(&elsewhere.io, BLK_OK);
	blk_complete(&other.io, BLK_OK);
}

static void test_waits_for_what_came_before(void **state)
{
	struct copying c = {.done = 0};
	struct request write, read;

	submit(&disks[0], &write, BLK_WRITE, 100);
	submit(&disks[0], &read, BLK_READ, 508);
	copy(&c, &disks[0], 100, &disks[0], 500);
	assert_int_equal(asked, 0);
	blk_complete(&read.io, BLK_OK);
	assert_int_equal(asked, 0);
	blk_complete(&write.io, BLK_OK);
	wait_begun();
	let_end();
	assert_int_equal(c.done, 1);
}

/* Each reads what the other writes: the first goes first, on one disk and on two. */
static void test_copies_that_cross(void **state)
{
	for (unsigned int to = 0; to < 2; to++) {
		struct copying a = {.done = 0}, b = {.done = 0};

		asked = 0;
		copy(&a, &disks[0], 100, &disks[to], 200);
		copy(&b, &disks[to], 205, &disks[0], 95);
		wait_begun();
		assert_int_equal(asked, 1);
		let_end();
		assert_int_equal(a.done, 1);
		wait_begun();
		let_end();
		assert_int_equal(b.done, 1);
	}
}

static void test_three_in_a_circle(void **state)
{
	struct copying c[3] = {};

	for (unsigned int i = 0; i < 3; i++)
		copy(&c[i], &disks[i], 0, &disks[(i + 1) % 3], 0);
	for (unsigned int i = 0; i < 3; i++) {
		wait_begun();
		let_end();
		assert_int_equal(c[i].done, 1);
	}
}

/* The destination's range is left alone until the flush has ended, too. */
static void test_durable_before_its_end(void **state)
{
	struct copying c = {.copy.flags = BLK_FUA};
	struct request read;

	copy(&c, &disks[0], 0, &disks[1], 0);
	wait_begun();
	let_end();
	assert_int_equal(nstarted, 1);
	assert_int_equal(started[0]->op, BLK_FLUSH);
	assert_ptr_equal(started[0]->disk, &disks[1]);
	submit(&disks[1], &read, BLK_READ, 0);
	assert_int_equal(nstarted, 1);
	assert_int_equal(c.done, 0);
	nstarted = 0;
	blk_complete(&c.copy.write, BLK_EIO);
	assert_int_equal(c.done, 1);
	assert_int_equal(c.copy.status, BLK_EIO);
	assert_int_equal(disks[1].flush_errors, 1);
	assert_int_equal(disks[0].flush_errors, 0);
	end_all();
	assert_int_equal(read.done, 1);
}

/* ---- what the store says ---- */

static enum blk_status outcome(int code, struct disk *from, struct disk *to)
{
	unsigned int before = asked;
	struct copying c = {.done = 0};

	result = code;
	copy(&c, from, 0, to, 500);
	if (!c.done) {
		wait_begun();
		let_end();
		assert_int_equal(asked, before + 1);
	}
	assert_int_equal(c.done, 1);
	return c.copy.status;
}

static void test_a_refusal_is_remembered(void **state)
{
	assert_int_equal(outcome(-EXDEV, &disks[0], &disks[1]), BLK_ENOTSUP);
	assert_int_equal(outcome(0, &disks[0], &disks[1]), BLK_ENOTSUP);
	assert_int_equal(asked, 1);
	/* Others are asked. */
	assert_int_equal(outcome(0, &disks[2], &disks[1]), BLK_OK);
	assert_int_equal(outcome(0, &disks[1], &disks[0]), BLK_OK);
}

static void test_errors(void **state)
{
	assert_int_equal(outcome(-ENOSPC, &disks[0], &disks[1]), BLK_ENOSPC);
	assert_int_equal(outcome(-EDQUOT, &disks[0], &disks[1]), BLK_ENOSPC);
	/* Of whom, reading and writing will tell. */
	assert_int_equal(outcome(-EIO, &disks[0], &disks[1]), BLK_ENOTSUP);
	assert_int_equal(outcome(0, &disks[0], &disks[1]), BLK_OK);
	assert_int_equal(asked, 4);
}

/* The source's seal or the destination's: nothing is copied, and neither range is waited for. */
static void test_sealed(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct request other;
		struct copying c = {.done = 0};

		disk_seal(&disks[i]);
		copy(&c, &disks[0], 100, &disks[1], 200);
		assert_int_equal(c.done, 1);
		assert_int_equal(c.copy.status, BLK_ESEALED);
		submit(&disks[1 - i], &other, BLK_WRITE, i ? 100 : 200);
		assert_true(has_started(&other));
		end_all();
		overlap_close(disks[i].overlap);
		disk_init(&disks[i], &slow_ops, SECTORS);
	}
	assert_int_equal(asked, 0);
}

/* ---- storms ---- */

#define WORKERS	 3u
#define DEPTH	 6u
#define REQUESTS 6000u /* per worker */
#define FEW	 12u   /* sectors of each disk, which all fight for */

struct storm_slot {
	union {
		struct blk_io io;
		struct blk_copy copy;
	};
	struct span span; /* nobody looks at the data */
	struct storm_worker *worker;
	bool busy;
};

struct storm_worker {
	pthread_t thread, self;
	struct arena arena;
	struct mailbox mailbox;
	struct blk_queue queue;
	unsigned int seed, submitted, done, wrong;
	struct storm_slot slots[DEPTH];
};

/* What a worker and the copier do to it at once is seen by the count, and by ThreadSanitizer. */
struct storm_disk {
	struct disk disk;
	int users[FEW]; /* readers, or -1 a writer */
	uint8_t medium[FEW];
};

static struct storm_disk storm_disks[2];
static unsigned int storm_wrong;

static void storm_use(struct storm_disk *d, uint64_t lba, uint64_t n, bool write, bool begin)
{
	for (uint64_t i = lba; i < lba + n; i++) {
		int by = write == begin ? -1 : 1;
		int now = __atomic_add_fetch(&d->users[i], by, __ATOMIC_SEQ_CST);

		if (begin && (write ? now != -1 : now < 1))
			__atomic_add_fetch(&storm_wrong, 1, __ATOMIC_SEQ_CST);
	}
}

static void storm_submit(struct disk *disk, struct blk_io *io)
{
	struct storm_disk *d = container_of(disk, struct storm_disk, disk);
	bool write = io->op == BLK_WRITE;

	if (io->op != BLK_FLUSH) {
		storm_use(d, io->lba, io->nblocks, write, true);
		for (uint64_t i = io->lba; write && i < io->lba + io->nblocks; i++)
			d->medium[i]++;
		storm_use(d, io->lba, io->nblocks, write, false);
	}
	blk_complete(io, BLK_OK);
}

static int storm_copy(struct disk *from, uint64_t from_lba, struct disk *to, uint64_t to_lba,
		      uint64_t nblocks)
{
	struct storm_disk *source = container_of(from, struct storm_disk, disk);
	struct storm_disk *d = container_of(to, struct storm_disk, disk);

	storm_use(source, from_lba, nblocks, false, true);
	storm_use(d, to_lba, nblocks, true, true);
	memcpy(d->medium + to_lba, source->medium + from_lba, nblocks);
	storm_use(d, to_lba, nblocks, true, false);
	storm_use(source, from_lba, nblocks, false, false);
	return 0;
}

static const struct backstore_ops storm_ops = {.submit = storm_submit, .copy = storm_copy};

static void storm_ended(struct storm_slot *slot, enum blk_status status)
{
	struct storm_worker *w = slot->worker;

	if (!pthread_equal(pthread_self(), w->self) || !slot->busy || status != BLK_OK)
		w->wrong++;
	slot->busy = false;
	w->done++;
}

static void storm_io_done(struct blk_io *io)
{
	storm_ended(container_of(io, struct storm_slot, io), io->status);
}

/* Those that overlap themselves are refused. */
static void storm_copy_done(struct blk_copy *copy)
{
	storm_ended(container_of(copy, struct storm_slot, copy),
		    copy->status == BLK_ENOTSUP && copy->from == copy->to ? BLK_OK : copy->status);
}

static void storm_begin(struct storm_worker *w, struct storm_slot *slot)
{
	uint64_t n = 1 + (uint64_t)rand_r(&w->seed) % 4;
	uint64_t lba = (uint64_t)rand_r(&w->seed) % (FEW - n);
	struct disk *disk = &storm_disks[rand_r(&w->seed) % 2].disk;

	slot->busy = true;
	slot->worker = w;
	w->submitted++;
	if (rand_r(&w->seed) % 2) {
		slot->io = (struct blk_io){.op = rand_r(&w->seed) % 2 ? BLK_WRITE : BLK_READ,
					   .flags = rand_r(&w->seed) % 2 ? BLK_DEDUP : 0,
					   .lba = lba,
					   .nblocks = n,
					   .done = storm_io_done};
		slot->span.len = (uint32_t)n * BLK_SECTOR;
		slot->io.sgl =
			(struct sgl){.spans = &slot->span, .nspans = 1, .len = slot->span.len};
		blk_submit(disk, &w->queue, &slot->io);
		return;
	}
	slot->copy = (struct blk_copy){.from = disk,
				       .to = &storm_disks[rand_r(&w->seed) % 2].disk,
				       .from_lba = lba,
				       .to_lba = (uint64_t)rand_r(&w->seed) % (FEW - n),
				       .nblocks = n,
				       .flags = rand_r(&w->seed) % 2 ? BLK_FUA : 0,
				       .done = storm_copy_done};
	blk_copy(&w->queue, &slot->copy);
}

static void *storm_main(void *arg)
{
	struct storm_worker *w = arg;
	struct pollfd mail = {.fd = w->mailbox.eventfd, .events = POLLIN};

	w->self = pthread_self();
	while (w->done < REQUESTS) {
		for (unsigned int i = 0; i < DEPTH && w->submitted < REQUESTS; i++)
			if (!w->slots[i].busy)
				storm_begin(w, &w->slots[i]);
		if (mailbox_drain(&w->mailbox) || w->done == w->submitted)
			continue;
		if (poll(&mail, 1, 60000) != 1) {
			w->wrong += 1000; /* a request was forgotten */
			break;
		}
	}
	return NULL;
}

static void test_storm(void **state)
{
	const struct arena_config config = {.rx_frames = 8, .runs = 1, .run_frames = 1};
	static struct storm_worker workers[WORKERS];

	storm_wrong = 0;
	for (unsigned int i = 0; i < 2; i++)
		disk_init(&storm_disks[i].disk, &storm_ops, FEW);
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i].seed = i + 1;
		assert_int_equal(arena_open(&workers[i].arena, &config, NULL), 0);
		assert_int_equal(mailbox_open(&workers[i].mailbox), 0);
		blk_queue_init(&workers[i].queue, &workers[i].arena, NULL, &workers[i].mailbox);
		workers[i].queue.copier = copier;
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, storm_main, &workers[i]),
				 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < WORKERS; i++) {
		assert_int_equal(workers[i].wrong, 0);
		assert_int_equal(workers[i].done, REQUESTS);
		assert_int_equal(workers[i].queue.inflight, 0);
		mailbox_close(&workers[i].mailbox);
		arena_close(&workers[i].arena);
	}
	assert_int_equal(storm_wrong, 0);
	for (unsigned int i = 0; i < 2; i++)
		overlap_close(storm_disks[i].disk.overlap);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ranges_are_left_alone),
		TEST(test_waits_for_what_came_before),
		TEST(test_copies_that_cross),
		TEST(test_three_in_a_circle),
		TEST(test_durable_before_its_end),
		TEST(test_a_refusal_is_remembered),
		TEST(test_errors),
		TEST(test_sealed),
		TEST(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
