/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker's half of block I/O for tests of backstores: arena, ring and queue, a directory of its
 * own on the file system that the tests were built on, and requests that run to their end.
 */
#ifndef TESTS_BLK_BENCH_H
#define TESTS_BLK_BENCH_H

#include "blk/bounce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BENCH_RUNS	 8u
#define BENCH_RUN_FRAMES 4u
#define BENCH_RX_FRAMES	 32u

struct bench {
	struct arena arena;
	struct ring ring;
	struct blk_queue queue;
	struct list disks;
	char dir[128];
	char file[160]; /* a path in `dir` that does not exist yet */
};

static struct bench bench;

static inline int bench_open(void **state)
{
	const struct arena_config config = {
		.rx_frames = BENCH_RX_FRAMES, .runs = BENCH_RUNS, .run_frames = BENCH_RUN_FRAMES};

	memset(&bench, 0, sizeof(bench));
	list_init(&bench.disks);
	snprintf(bench.dir, sizeof(bench.dir), "build/blk-XXXXXX");
	if (!mkdtemp(bench.dir)) {
		snprintf(bench.dir, sizeof(bench.dir), "./blk-XXXXXX");
		if (!mkdtemp(bench.dir))
			return -1;
	}
	snprintf(bench.file, sizeof(bench.file), "%s/disk.img", bench.dir);
	if (arena_open(&bench.arena, &config, NULL) || ring_open(&bench.ring, 16))
		return -1;
	blk_queue_init(&bench.queue, &bench.arena, &bench.ring, NULL);
	return bounces_open(&bench.queue, NULL);
}

static inline int bench_close(void **state)
{
	assert_int_equal(bench.queue.inflight, 0);
	assert_true(list_empty(&bench.disks));
	ring_close(&bench.ring);
	bounces_close(&bench.queue);
	arena_close(&bench.arena);
	unlink(bench.file);
	return rmdir(bench.dir);
}

/* Opens "FORMAT..." and fails the test with the reason if it cannot. */
static inline struct disk *bench_disk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline struct disk *bench_disk(const char *fmt, ...)
{
	struct disk *disk;
	struct error err;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (disk_get(&bench.disks, text, &disk, &err))
		fail_msg("%s", err.text);
	return disk;
}

/* Expects -code and an error that has `words` in it. */
static inline void bench_refused(int code, const char *words, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static inline void bench_refused(int code, const char *words, const char *fmt, ...)
{
	struct disk *disk;
	struct error err = {""};
	char text[512];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ret = disk_get(&bench.disks, text, &disk, &err);
	print_message("%s\n", err.text);
	assert_int_equal(ret, -code);
	assert_non_null(strstr(err.text, words));
	assert_null(strchr(err.text, '\n'));
}

struct bench_io {
	struct blk_io io;
	struct span spans[BLK_MAX_SPANS];
	bool done;
};

static inline void bench_io_done(struct blk_io *io)
{
	container_of(io, struct bench_io, io)->done = true;
}

static inline void bench_io_init(struct bench_io *b, enum blk_op op, uint64_t lba, uint64_t nblocks,
				 unsigned int flags)
{
	*b = (struct bench_io){.io = {.op = op,
				      .flags = flags,
				      .lba = lba,
				      .nblocks = nblocks,
				      .done = bench_io_done}};
	b->io.sgl.spans = b->spans;
}

static inline void bench_io_span(struct bench_io *b, uint32_t addr, uint32_t len)
{
	b->spans[b->io.sgl.nspans++] = (struct span){.addr = addr, .len = len};
	b->io.sgl.len += len;
}

static inline void bench_io_wait(struct bench_io *b)
{
	while (!b->done)
		ring_wait(&bench.ring, 0);
}

static inline enum blk_status bench_io_run(struct disk *disk, struct bench_io *b)
{
	blk_submit(disk, &bench.queue, &b->io);
	bench_io_wait(b);
	return b->io.status;
}

/* The payload in one piece, where a reply's would be. */
static inline enum blk_status bench_transfer(struct disk *disk, enum blk_op op, uint64_t lba,
					     uint32_t nblocks, unsigned int flags, void *bytes)
{
	uint32_t run = arena_run_get(&bench.arena);
	struct bench_io b;
	enum blk_status status;

	bench_io_init(&b, op, lba, nblocks, flags);
	bench_io_span(&b, run + ARENA_PAYLOAD, nblocks * BLK_SECTOR);
	if (op == BLK_WRITE)
		sgl_copy_in(&bench.arena, &b.io.sgl, 0, bytes, b.io.sgl.len);
	status = bench_io_run(disk, &b);
	if (op == BLK_READ)
		sgl_copy_out(&bench.arena, &b.io.sgl, 0, bytes, b.io.sgl.len);
	arena_run_put(&bench.arena, run);
	return status;
}

static inline enum blk_status bench_range(struct disk *disk, enum blk_op op, uint64_t lba,
					  uint64_t nblocks, unsigned int flags)
{
	struct bench_io b;

	bench_io_init(&b, op, lba, nblocks, flags);
	return bench_io_run(disk, &b);
}

/* Sector n of a pattern: no two sectors, and no two seeds, are alike. */
static inline void bench_pattern(uint8_t *bytes, uint64_t lba, uint32_t nblocks, unsigned int seed)
{
	for (uint32_t i = 0; i < nblocks * BLK_SECTOR; i++) {
		uint64_t x = (lba * BLK_SECTOR + i + 1) * 0x9e3779b97f4a7c15ull + seed * 0x51ull;

		bytes[i] = (uint8_t)(x >> 56 ^ x >> 40);
	}
}

static inline void bench_write_pattern(struct disk *disk, uint64_t lba, uint32_t nblocks,
				       unsigned int seed, unsigned int flags)
{
	uint8_t bytes[BENCH_RUN_FRAMES * ARENA_FRAME_SIZE];

	bench_pattern(bytes, lba, nblocks, seed);
	assert_int_equal(bench_transfer(disk, BLK_WRITE, lba, nblocks, flags, bytes), BLK_OK);
}

static inline void bench_assert_pattern(struct disk *disk, uint64_t lba, uint32_t nblocks,
					unsigned int seed)
{
	uint8_t bytes[BENCH_RUN_FRAMES * ARENA_FRAME_SIZE], expected[sizeof(bytes)];

	memset(bytes, 0xee, sizeof(bytes));
	bench_pattern(expected, lba, nblocks, seed);
	assert_int_equal(bench_transfer(disk, BLK_READ, lba, nblocks, 0, bytes), BLK_OK);
	assert_memory_equal(bytes, expected, nblocks * BLK_SECTOR);
}

static inline void bench_assert_zero(struct disk *disk, uint64_t lba, uint32_t nblocks)
{
	uint8_t bytes[BENCH_RUN_FRAMES * ARENA_FRAME_SIZE], zero[sizeof(bytes)] = {0};

	memset(bytes, 0xee, sizeof(bytes));
	assert_int_equal(bench_transfer(disk, BLK_READ, lba, nblocks, 0, bytes), BLK_OK);
	assert_memory_equal(bytes, zero, nblocks * BLK_SECTOR);
}

/* A test, with and without buffers that are registered with the ring. */
#define BENCH_TESTS(name)                                                 \
	cmocka_unit_test_setup_teardown(name, bench_open, bench_close),   \
	{                                                                 \
#name "_fixed", name, bench_open_fixed, bench_close, NULL \
	}

#endif
