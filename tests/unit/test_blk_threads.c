/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two workers on one disk, all their requests in the same few sectors: each write must be whole,
 * each completion must come on the worker's own thread, and retransmissions that meet on two
 * threads must both be answered.
 */
#include "blk/backstore.h"
#include "blk/overlap.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS	 2u
#define DEPTH	 8u
#define REQUESTS 20000u /* per worker */
#define SECTORS	 8u	/* of the disk that all fight for */

struct worker;

struct slot {
	struct blk_io io;
	struct span span;
	struct worker *worker;
	bool busy;
};

struct worker {
	pthread_t thread;
	pthread_t self; /* the same, as the thread knows it */
	struct arena arena;
	struct blk_queue queue;
	struct mailbox mailbox;
	struct disk *disk;
	unsigned int seed;
	struct slot slots[DEPTH];
	unsigned int submitted, done;
	unsigned int wrong; /* counted, because cmocka asserts on the main thread only */
};

/* Copies a byte at a time with writers elsewhere: only order keeps it whole. */
struct racy_disk {
	struct disk disk;
	unsigned int writers[SECTORS], readers[SECTORS];
	uint8_t medium[SECTORS];
	unsigned int wrong;
};

static void racy_submit(struct disk *disk, struct blk_io *io)
{
	struct racy_disk *racy = container_of(disk, struct racy_disk, disk);
	bool write = io->op == BLK_WRITE;

	for (uint64_t i = io->lba; i < io->lba + io->nblocks; i++) {
		unsigned int *mine = write ? racy->writers : racy->readers;

		__atomic_add_fetch(&mine[i], 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&racy->writers[i], __ATOMIC_SEQ_CST) > (write ? 1u : 0u) ||
		    (write && __atomic_load_n(&racy->readers[i], __ATOMIC_SEQ_CST)))
			__atomic_add_fetch(&racy->wrong, 1, __ATOMIC_SEQ_CST);
		/* Not atomic: under ThreadSanitizer a missing order would show as well. */
		if (write)
			racy->medium[i]++;
	}
	for (uint64_t i = io->lba; i < io->lba + io->nblocks; i++)
		__atomic_sub_fetch(write ? &racy->writers[i] : &racy->readers[i], 1,
				   __ATOMIC_SEQ_CST);
	blk_complete(io, BLK_OK);
}

static const struct backstore_ops racy_ops = {.submit = racy_submit};

static void slot_done(struct blk_io *io)
{
	struct slot *slot = container_of(io, struct slot, io);
	struct worker *w = slot->worker;

	if (!pthread_equal(pthread_self(), w->self) || io->status != BLK_OK || !slot->busy)
		__atomic_add_fetch(&w->wrong, 1, __ATOMIC_SEQ_CST);
	slot->busy = false;
	w->done++;
}

static void slot_submit(struct worker *w, struct slot *slot)
{
	uint64_t lba = (uint64_t)rand_r(&w->seed) % SECTORS;
	uint64_t n = 1 + (uint64_t)rand_r(&w->seed) % (SECTORS - lba);

	slot->busy = true;
	slot->worker = w;
	slot->span = (struct span){.addr = (uint32_t)(slot - w->slots) * ARENA_FRAME_SIZE,
				   .len = (uint32_t)n * BLK_SECTOR};
	slot->io = (struct blk_io){
		.op = rand_r(&w->seed) % 3 ? BLK_WRITE : BLK_READ,
		.flags = BLK_DEDUP,
		.origin = 1,
		.lba = lba,
		.nblocks = n,
		.sgl = {.spans = &slot->span, .nspans = 1, .len = slot->span.len},
		.done = slot_done,
	};
	w->submitted++;
	blk_submit(w->disk, &w->queue, &slot->io);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->self = pthread_self();
	while (w->done < REQUESTS) {
		struct pollfd p = {.fd = w->mailbox.eventfd, .events = POLLIN};
		bool full = true;

		for (unsigned int i = 0; i < DEPTH && w->submitted < REQUESTS; i++)
			if (!w->slots[i].busy) {
				slot_submit(w, &w->slots[i]);
				full = false;
			}
		if (!mailbox_drain(&w->mailbox) && full && w->done < REQUESTS &&
		    poll(&p, 1, 60000) != 1) {
			w->wrong += 1000; /* a request was forgotten */
			break;
		}
		if (w->submitted == REQUESTS && w->done < REQUESTS && poll(&p, 1, 60000) != 1) {
			w->wrong += 1000;
			break;
		}
	}
	return NULL;
}

static void test_workers_share_a_disk(void **state)
{
	const struct arena_config config = {.rx_frames = DEPTH, .runs = 1, .run_frames = 1};
	struct worker *workers = calloc(WORKERS, sizeof(*workers));
	struct racy_disk racy = {.disk = {.ops = &racy_ops, .nblocks = SECTORS}};

	racy.disk.overlap = overlap_open(1);
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->disk = &racy.disk;
		w->seed = i + 1;
		assert_int_equal(arena_open(&w->arena, &config, NULL), 0);
		assert_int_equal(mailbox_open(&w->mailbox), 0);
		blk_queue_init(&w->queue, &w->arena, NULL, &w->mailbox);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]),
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
	assert_int_equal(racy.wrong, 0);
	overlap_close(racy.disk.overlap);
	free(workers);
}

/* Holds what it gets until the test completes it. */
static struct blk_io *held[4];
static unsigned int nheld;

static void held_submit(struct disk *disk, struct blk_io *io)
{
	held[nheld++] = io;
}

static const struct backstore_ops held_ops = {.submit = held_submit};

static unsigned int answered;

static void count_done(struct blk_io *io)
{
	answered++;
}

/* The same without threads, step by step: what is released for another queue waits in its mailbox.
 */
static void test_release_goes_through_the_mailbox(void **state)
{
	const struct arena_config config = {.rx_frames = 4, .runs = 1, .run_frames = 1};
	const struct span span = {.addr = 0, .len = BLK_SECTOR};
	struct disk disk = {.ops = &held_ops, .nblocks = SECTORS, .overlap = overlap_open(1)};
	struct blk_io ios[3];
	struct blk_queue queues[2];
	struct mailbox boxes[2];
	struct arena arena;

	assert_int_equal(arena_open(&arena, &config, NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(mailbox_open(&boxes[i]), 0);
		blk_queue_init(&queues[i], &arena, NULL, &boxes[i]);
	}
	for (unsigned int i = 0; i < 3; i++)
		ios[i] = (struct blk_io){.op = i < 2 ? BLK_WRITE : BLK_READ,
					 .flags = i < 2 ? BLK_DEDUP : 0,
					 .nblocks = 1,
					 .sgl = {.spans = &span, .nspans = 1, .len = span.len},
					 .done = count_done};
	answered = nheld = 0;
	blk_submit(&disk, &queues[0], &ios[0]);
	blk_submit(&disk, &queues[1], &ios[1]); /* a twin */
	blk_submit(&disk, &queues[1], &ios[2]); /* waits */
	assert_int_equal(nheld, 1);
	blk_complete(held[0], BLK_EIO);
	assert_int_equal(answered, 1);
	assert_int_equal(nheld, 1);
	assert_false(mailbox_drain(&boxes[0]));
	assert_true(mailbox_drain(&boxes[1]));
	assert_int_equal(answered, 2);
	assert_int_equal(ios[1].status, BLK_EIO);
	assert_int_equal(nheld, 2);
	assert_ptr_equal(held[1], &ios[2]);
	blk_complete(held[1], BLK_OK);
	assert_int_equal(answered, 3);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(queues[i].inflight, 0);
		mailbox_close(&boxes[i]);
	}
	overlap_close(disk.overlap);
	arena_close(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release_goes_through_the_mailbox),
		cmocka_unit_test(test_workers_share_a_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
