/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Encrypted disks: what the store holds, the key's file, and CRYPTO ERASE. */
#include "between_tries.h"
#include "blk/cipher.h"
#include "blk/uring_disk.h"
#include "blk_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SECTORS 2048u

static char key_path[192], temp_path[192], other_path[192];

static int setup(void **state)
{
	if (bench_open(state))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", bench.dir);
	snprintf(temp_path, sizeof(temp_path), "%s/.key.tmp", bench.dir);
	snprintf(other_path, sizeof(other_path), "%s/other.img", bench.dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(key_path);
	unlink(other_path);
	return bench_close(state);
}

static struct disk *encrypted(const char *options)
{
	return bench_disk("%s,size=1M,key_file=%s%s", bench.file, key_path, options);
}

static void get_key(uint8_t key[CIPHER_KEY])
{
	int fd = open(key_path, O_RDONLY | O_CLOEXEC);
	uint8_t more;

	assert_int_equal(read(fd, key, CIPHER_KEY), CIPHER_KEY);
	assert_int_equal(read(fd, &more, 1), 0);
	close(fd);
}

static void put_key(size_t len, mode_t mode)
{
	int fd = open(key_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t bytes[128];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i + 1);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void stored(uint64_t lba, uint32_t nblocks, uint8_t *bytes)
{
	int fd = open(bench.file, O_RDONLY | O_CLOEXEC);
	off_t at = (off_t)(lba * BLK_SECTOR);

	assert_int_equal(pread(fd, bytes, nblocks * BLK_SECTOR, at), nblocks * BLK_SECTOR);
	close(fd);
}

/* The store holds this pattern, encrypted with the key that the file has. */
static void assert_stored_pattern(uint64_t lba, uint32_t nblocks, unsigned int seed)
{
	uint8_t bytes[8 * BLK_SECTOR], expected[sizeof(bytes)], key[CIPHER_KEY];
	struct cipher *cipher;

	get_key(key);
	assert_int_equal(cipher_open(key, &cipher, NULL), 0);
	stored(lba, nblocks, bytes);
	bench_pattern(expected, lba, nblocks, seed);
	assert_memory_not_equal(bytes, expected, BLK_SECTOR);
	assert_true(cipher_decrypt(cipher, lba, bytes, nblocks * BLK_SECTOR));
	assert_memory_equal(bytes, expected, nblocks * BLK_SECTOR);
	cipher_close(cipher);
}

static bool has_pattern(struct disk *disk, uint64_t lba, unsigned int seed)
{
	uint8_t bytes[BLK_SECTOR], expected[BLK_SECTOR];

	bench_pattern(expected, lba, 1, seed);
	assert_int_equal(bench_transfer(disk, BLK_READ, lba, 1, 0, bytes), BLK_OK);
	return !memcmp(bytes, expected, sizeof(bytes));
}

/* ---- data ---- */

static void test_store_holds_no_plaintext(void **state)
{
	struct disk *disk = encrypted("");

	assert_true(disk->can_crypto_erase);
	/* What it has in its store means nothing elsewhere. */
	assert_int_equal(disk->copy_align, 0);
	bench_write_pattern(disk, 0, 8, 1, 0);
	bench_write_pattern(disk, SECTORS - 8, 8, 2, BLK_FUA);
	assert_stored_pattern(0, 8, 1);
	assert_stored_pattern(SECTORS - 8, 8, 2);
	disk_put(disk);
	disk = encrypted("");
	bench_assert_pattern(disk, 0, 8, 1);
	bench_assert_pattern(disk, SECTORS - 8, 8, 2);
	disk_put(disk);
}

/* What an initiator sent may be looked at again, or sent elsewhere. */
static void test_payload_is_left_alone(void **state)
{
	struct disk *disk = encrypted("");
	uint32_t run = arena_run_get(&bench.arena);
	uint8_t expected[8 * BLK_SECTOR];
	struct bench_io b;

	bench_pattern(expected, 3, 8, 1);
	bench_io_init(&b, BLK_WRITE, 3, 8, 0);
	bench_io_span(&b, run + ARENA_PAYLOAD, sizeof(expected));
	sgl_copy_in(&bench.arena, &b.io.sgl, 0, expected, sizeof(expected));
	assert_int_equal(bench_io_run(disk, &b), BLK_OK);
	assert_memory_equal(arena_ptr(&bench.arena, run + ARENA_PAYLOAD), expected,
			    sizeof(expected));
	arena_run_put(&bench.arena, run);
	bench_assert_pattern(disk, 3, 8, 1);
	disk_put(disk);
}

static void test_holes(void **state)
{
	struct disk *disk = encrypted("");
	uint8_t zeroes[8 * BLK_SECTOR] = {0}, bytes[sizeof(zeroes)];
	uint64_t n;

	bench_assert_zero(disk, 100, 8);
	assert_false(disk_mapped(disk, 0, SECTORS, &n));
	bench_write_pattern(disk, 0, 32, 1, 0);
	assert_true(disk_mapped(disk, 0, SECTORS, &n));
	assert_int_equal(bench_range(disk, BLK_WRITE_ZEROES, 1, 3, 0), BLK_OK);
	bench_assert_pattern(disk, 0, 1, 1);
	bench_assert_zero(disk, 1, 3);
	bench_assert_pattern(disk, 4, 8, 1);
	assert_int_equal(bench_range(disk, BLK_UNMAP, 8, 8, 0), BLK_OK);
	bench_assert_zero(disk, 8, 8);
	bench_assert_pattern(disk, 16, 8, 1);
	/* Zeroes that were sent as data are data. */
	assert_int_equal(bench_transfer(disk, BLK_WRITE, 200, 8, 0, zeroes), BLK_OK);
	stored(200, 8, bytes);
	assert_memory_not_equal(bytes, zeroes, BLK_SECTOR);
	bench_assert_zero(disk, 200, 8);
	disk_put(disk);
}

/* Pieces that cut sectors, as jumbo frames arrive, and blocks that a write changes in part. */
static void transfers_in_pieces(struct disk *disk)
{
	static const enum blk_op ops[] = {BLK_WRITE, BLK_READ};
	uint8_t expected[9 * BLK_SECTOR], bytes[sizeof(expected)];
	uint32_t run = arena_run_get(&bench.arena);
	struct bench_io b;

	bench_write_pattern(disk, 0, 24, 9, 0);
	bench_pattern(expected, 5, 9, 1);
	for (unsigned int i = 0; i < 2; i++) {
		bench_io_init(&b, ops[i], 5, 9, 0);
		bench_io_span(&b, run + 477, 3619);
		bench_io_span(&b, run + 2 * ARENA_FRAME_SIZE + 3, sizeof(expected) - 3619);
		if (ops[i] == BLK_WRITE)
			sgl_copy_in(&bench.arena, &b.io.sgl, 0, expected, sizeof(expected));
		assert_int_equal(bench_io_run(disk, &b), BLK_OK);
		sgl_copy_out(&bench.arena, &b.io.sgl, 0, bytes, sizeof(bytes));
		assert_memory_equal(bytes, expected, sizeof(bytes));
		memset(arena_ptr(&bench.arena, run), 0, 3 * ARENA_FRAME_SIZE);
	}
	arena_run_put(&bench.arena, run);
	bench_assert_pattern(disk, 0, 5, 9);
	bench_assert_pattern(disk, 14, 10, 9);
	assert_stored_pattern(5, 8, 1);
	assert_stored_pattern(14, 8, 9);
	disk_put(disk);
}

static void test_pieces(void **state)
{
	struct disk *disk = encrypted("");

	transfers_in_pieces(disk);
	assert_int_equal(bench.queue.bounces, 0);
}

static void test_pieces_direct(void **state)
{
	struct disk *disk;
	struct error err;
	char text[512];

	snprintf(text, sizeof(text), "%s,size=1M,direct=on,key_file=%s", bench.file, key_path);
	if (disk_get(&bench.disks, text, &disk, &err)) {
		print_message("%s\n", err.text);
		skip();
	}
	/* Made believe: a store that writes no less. */
	uring_disk(disk)->offset_align = 4096;
	transfers_in_pieces(disk);
	assert_int_equal(bench.queue.bounces, 4);
}

/* More than there are buffers, all at once: each gets one in the end. */
static void test_waiting_for_buffers(void **state)
{
	enum {
		N = 3 * BOUNCES
	};
	static struct bench_io writes[N];
	struct disk *disk = encrypted("");
	uint32_t run = arena_run_get(&bench.arena);
	uint8_t expected[BLK_SECTOR], bytes[BLK_SECTOR];

	bench_pattern(expected, 1, 1, 1);
	memcpy(arena_ptr(&bench.arena, run), expected, sizeof(expected));
	for (unsigned int i = 0; i < N; i++) {
		bench_io_init(&writes[i], BLK_WRITE, i, 1, BLK_FUA);
		bench_io_span(&writes[i], run, BLK_SECTOR);
		blk_submit(disk, &bench.queue, &writes[i].io);
	}
	assert_int_equal(bench.queue.inflight, N);
	for (unsigned int i = 0; i < N; i++) {
		bench_io_wait(&writes[i]);
		assert_int_equal(writes[i].io.status, BLK_OK);
	}
	arena_run_put(&bench.arena, run);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(bench_transfer(disk, BLK_READ, i, 1, 0, bytes), BLK_OK);
		assert_memory_equal(bytes, expected, sizeof(bytes));
	}
	disk_put(disk);
}

/* ---- the key's file ---- */

static void test_key_is_made_once(void **state)
{
	uint8_t key[CIPHER_KEY], again[CIPHER_KEY];
	struct stat st;

	disk_put(encrypted(""));
	get_key(key);
	assert_int_equal(stat(key_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	disk_put(encrypted(""));
	get_key(again);
	assert_memory_equal(key, again, sizeof(key));
}

/* A disk that has data was written with some key: another would make noise of it. */
static void test_missing_key(void **state)
{
	struct disk *disk = encrypted("");

	bench_write_pattern(disk, 0, 1, 1, 0);
	disk_put(disk);
	unlink(key_path);
	bench_refused(ENOENT, "does not exist", "%s,key_file=%s", bench.file, key_path);
	bench_refused(ENOENT, "head -c 64 /dev/urandom", "%s,key_file=%s", bench.file, key_path);
	assert_int_equal(access(key_path, F_OK), -1);
	bench_refused(ENOENT, "directory", "%s,key_file=%s/none/key", bench.file, bench.dir);
}

/* What a start left that was killed between making the file and filling it. */
static void test_empty_key(void **state)
{
	uint8_t key[CIPHER_KEY];

	put_key(0, 0600);
	disk_put(encrypted(""));
	get_key(key);
}

static int empty_key; /* locked by who fills it */
static uint8_t key_filled[CIPHER_KEY];

static void fill_and_let_go(void)
{
	put_key(64, 0600);
	get_key(key_filled);
	close(empty_key);
}

/* An empty file that has a key by the time that whoever fills it lets go of it keeps that. */
static void test_key_of_somebody_faster(void **state)
{
	uint8_t now[CIPHER_KEY];

	empty_key = open(key_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(empty_key, LOCK_EX), 0);
	between_tries = fill_and_let_go;
	disk_put(encrypted(""));
	assert_null(between_tries);
	get_key(now);
	assert_memory_equal(key_filled, now, sizeof(now));
}

static void test_keys_refused(void **state)
{
	struct disk *disk;

	bench_refused(EINVAL, "key_file", "ram:1M,key_file=%s", key_path);
	bench_refused(EINVAL, "empty", "%s,size=1M,key_file=", bench.file);
	put_key(63, 0600);
	bench_refused(EINVAL, "63 bytes", "%s,size=1M,key_file=%s", bench.file, key_path);
	put_key(65, 0600);
	bench_refused(EINVAL, "65 bytes", "%s,size=1M,key_file=%s", bench.file, key_path);
	put_key(64, 0604);
	bench_refused(EACCES, "chmod o=", "%s,size=1M,key_file=%s", bench.file, key_path);
	bench_refused(EINVAL, "regular file", "%s,size=1M,key_file=%s", bench.file, bench.dir);
	/* A file that was made for a disk that could not be opened is not left behind. */
	assert_int_equal(access(bench.file, F_OK), -1);
	put_key(64, 0640);
	disk = encrypted("");
	bench_refused(EBUSY, "another disk's key", "%s,size=1M,key_file=%s", other_path, key_path);
	bench_refused(EBUSY, "same options", "%s,size=1M", bench.file);
	disk_put(disk);
}

/* Who only reads may share: nothing is ever erased. */
static void test_readers_share(void **state)
{
	struct disk *a, *b;

	put_key(64, 0600);
	disk_put(encrypted(""));
	disk_put(bench_disk("%s,size=1M", other_path));
	a = bench_disk("%s,ro,key_file=%s", bench.file, key_path);
	b = bench_disk("%s,ro,key_file=%s", other_path, key_path);
	assert_int_equal(bench_range(a, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_EROFS);
	disk_put(a);
	disk_put(b);
}

/* What was made for a change that is taken back goes again, unless there is data by now. */
static void test_undone(void **state)
{
	struct disk *disk = encrypted("");

	disk_undo(disk);
	disk_put(disk);
	assert_int_equal(access(key_path, F_OK), -1);
	disk = encrypted("");
	bench_write_pattern(disk, 0, 1, 1, 0);
	disk_undo(disk);
	disk_put(disk);
	assert_int_equal(access(key_path, F_OK), 0);
}

/* ---- CRYPTO ERASE ---- */

static void test_erase(void **state)
{
	struct disk *disk = encrypted("");
	uint8_t key[CIPHER_KEY], fresh[CIPHER_KEY], old[CIPHER_KEY], zeroes[CIPHER_KEY] = {0};
	int fd;

	bench_write_pattern(disk, 0, 8, 1, 0);
	get_key(key);
	fd = open(key_path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_OK);
	assert_false(has_pattern(disk, 0, 1));
	bench_assert_zero(disk, 100, 8);
	get_key(fresh);
	assert_memory_not_equal(key, fresh, sizeof(key));
	/* Where the old one was there is nothing of it. */
	assert_int_equal(pread(fd, old, sizeof(old), 0), sizeof(old));
	assert_memory_equal(old, zeroes, sizeof(old));
	close(fd);
	assert_int_equal(access(temp_path, F_OK), -1);

	bench_write_pattern(disk, 0, 8, 2, 0);
	bench_assert_pattern(disk, 0, 8, 2);
	disk_put(disk);
	disk = encrypted("");
	bench_assert_pattern(disk, 0, 8, 2);
	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_OK);
	assert_false(has_pattern(disk, 0, 2));
	disk_put(disk);
}

/* Another thread has the files' work; requests from before use the old key, later ones the new. */
static void test_erase_between_others(void **state)
{
	struct disk *disk = encrypted("");
	struct bench_io before, erase, after, beyond;
	uint32_t run = arena_run_get(&bench.arena);
	struct mailbox box;

	assert_int_equal(mailbox_open(&box), 0);
	bench.queue.mailbox = &box;
	bench_pattern(arena_ptr(&bench.arena, run), 0, 8, 1);
	bench_io_init(&before, BLK_WRITE, 0, 8, BLK_FUA);
	bench_io_span(&before, run, 8 * BLK_SECTOR);
	bench_io_init(&erase, BLK_CRYPTO_ERASE, 0, 0, 0);
	bench_io_init(&after, BLK_WRITE, 8, 8, 0);
	bench_io_span(&after, run, 8 * BLK_SECTOR);
	bench_io_init(&beyond, BLK_FLUSH, 0, 0, 0);
	blk_submit(disk, &bench.queue, &before.io);
	blk_submit(disk, &bench.queue, &erase.io);
	blk_submit(disk, &bench.queue, &after.io);
	assert_int_equal(bench_io_run(disk, &beyond), BLK_OK);
	assert_false(erase.done || after.done);
	while (!erase.done || !after.done) {
		if (ring_pending(&bench.ring))
			ring_run(&bench.ring);
		mailbox_drain(&box);
	}
	bench_io_wait(&before);
	assert_int_equal(before.io.status, BLK_OK);
	assert_int_equal(erase.io.status, BLK_OK);
	assert_int_equal(after.io.status, BLK_OK);
	assert_false(has_pattern(disk, 0, 1));
	arena_run_put(&bench.arena, run);
	bench.queue.mailbox = NULL;
	disk_put(disk);
	disk = encrypted("");
	assert_false(has_pattern(disk, 0, 1));
	disk_put(disk);
	mailbox_close(&box);
}

/* What cannot be done changes nothing. */
static void test_erase_that_fails(void **state)
{
	struct disk *disk = bench_disk("%s,size=1M", bench.file);
	uint8_t key[CIPHER_KEY], now[CIPHER_KEY];

	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_ENOTSUP);
	disk_put(disk);
	disk = encrypted("");
	bench_write_pattern(disk, 0, 8, 1, 0);
	get_key(key);
	assert_int_equal(mkdir(temp_path, 0700), 0);
	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_EIO);
	bench_assert_pattern(disk, 0, 8, 1);
	get_key(now);
	assert_memory_equal(key, now, sizeof(key));
	rmdir(temp_path);
	disk_put(disk);
	disk = encrypted("");
	bench_assert_pattern(disk, 0, 8, 1);
	disk_put(disk);
}

/* Nobody else's key goes, and no copy is left of this one while the erasure is said to be done. */
static void test_erase_of_a_key_that_was_replaced(void **state)
{
	struct disk *disk = encrypted("");
	uint8_t key[CIPHER_KEY], others[CIPHER_KEY], now[CIPHER_KEY];

	bench_write_pattern(disk, 0, 8, 1, 0);
	get_key(key);
	assert_int_equal(rename(key_path, other_path), 0);
	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_EIO);
	assert_int_equal(access(key_path, F_OK), -1);
	put_key(CIPHER_KEY, 0600);
	get_key(others);
	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_EIO);
	get_key(now);
	assert_memory_equal(now, others, sizeof(now));
	assert_int_equal(access(temp_path, F_OK), -1);
	bench_assert_pattern(disk, 0, 8, 1);
	assert_int_equal(rename(other_path, key_path), 0);
	get_key(now);
	assert_memory_equal(now, key, sizeof(now));
	assert_int_equal(bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0), BLK_OK);
	assert_false(has_pattern(disk, 0, 1));
	disk_put(disk);
}

static void erase_until_killed(int parent)
{
	struct disk *disk;
	char byte;

	if (ring_open(&bench.ring, 16))
		_exit(1);
	disk = encrypted("");
	bench_write_pattern(disk, 0, 1, 1, BLK_FUA);
	if (write(parent, "", 1) != 1 || read(parent, &byte, 1) != 1)
		_exit(1);
	bench_range(disk, BLK_CRYPTO_ERASE, 0, 0, 0);
	pause();
}

/* The data is there with the old key, or gone with a new one. */
static void killed_once(unsigned int after_us)
{
	uint8_t key[CIPHER_KEY], now[CIPHER_KEY];
	struct disk *disk;
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		erase_until_killed(ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	get_key(key);
	assert_int_equal(write(ends[0], "", 1), 1);
	close(ends[0]);
	usleep(after_us);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	disk = encrypted("");
	get_key(now);
	assert_int_equal(has_pattern(disk, 0, 1), !memcmp(key, now, sizeof(key)));
	assert_int_equal(access(temp_path, F_OK), -1);
	disk_put(disk);
}

static void test_killed(void **state)
{
	for (unsigned int i = 0; i < 40; i++)
		killed_once(i * 100);
}

/* ---- workers at once ---- */

#define WORKERS 3u
#define ROUNDS	200u
#define OWN	12u /* sectors of a worker: those of two lie in one page */

/* Each has sectors of its own, which it writes and reads; the first one erases now and then. */
struct storm_worker {
	pthread_t thread;
	struct arena arena;
	struct ring ring;
	struct mailbox mailbox;
	struct blk_queue queue;
	struct disk *disk;
	uint32_t run;
	unsigned int index, wrong;
};

static atomic_uint erases_begun, erases_ended;

static void storm_run(struct storm_worker *w, struct bench_io *b)
{
	blk_submit(w->disk, &w->queue, &b->io);
	while (!b->done) {
		ring_run(&w->ring);
		mailbox_drain(&w->mailbox);
		sched_yield();
	}
	w->wrong += b->io.status != BLK_OK;
}

static void storm_transfer(struct storm_worker *w, enum blk_op op)
{
	struct bench_io b;

	bench_io_init(&b, op, (uint64_t)w->index * OWN, OWN, 0);
	bench_io_span(&b, w->run, OWN * BLK_SECTOR);
	storm_run(w, &b);
}

static void storm_erase(struct storm_worker *w)
{
	struct bench_io b;

	bench_io_init(&b, BLK_CRYPTO_ERASE, 0, 0, 0);
	atomic_fetch_add(&erases_begun, 1);
	storm_run(w, &b);
	atomic_fetch_add(&erases_ended, 1);
}

/* What was written is there unless it may have been erased, and not there if it was. */
static void storm_round(struct storm_worker *w, unsigned int round)
{
	uint8_t expected[OWN * BLK_SECTOR], *bytes = arena_ptr(&w->arena, w->run);
	unsigned int begun = atomic_load(&erases_begun), before, ended;
	bool same;

	bench_pattern(expected, 0, OWN, round);
	memcpy(bytes, expected, sizeof(expected));
	storm_transfer(w, BLK_WRITE);
	before = atomic_load(&erases_begun);
	if (!w->index && round % 10 == 0)
		storm_erase(w);
	ended = atomic_load(&erases_ended);
	storm_transfer(w, BLK_READ);
	same = !memcmp(bytes, expected, sizeof(expected));
	if (same ? ended > before : begun == atomic_load(&erases_begun))
		w->wrong++;
}

/* A ring belongs to the thread that makes it. */
static void *storm_main(void *arg)
{
	const struct arena_config config = {.runs = 1, .run_frames = BENCH_RUN_FRAMES};
	struct storm_worker *w = arg;

	if (mailbox_open(&w->mailbox) || blk_queue_open(&w->queue, &config, 16, NULL)) {
		w->wrong++;
		return NULL;
	}
	w->run = arena_run_get(&w->arena);
	for (unsigned int round = 1; round <= ROUNDS; round++)
		storm_round(w, round);
	arena_run_put(&w->arena, w->run);
	blk_queue_close(&w->queue);
	mailbox_close(&w->mailbox);
	return NULL;
}

static void storm(struct disk *disk)
{
	static struct storm_worker workers[WORKERS];

	for (unsigned int i = 0; i < WORKERS; i++) {
		struct storm_worker *w = &workers[i];

		*w = (struct storm_worker){.disk = disk, .index = i};
		blk_queue_init(&w->queue, &w->arena, &w->ring, &w->mailbox);
		assert_int_equal(pthread_create(&w->thread, NULL, storm_main, w), 0);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < WORKERS; i++) {
		assert_int_equal(workers[i].wrong, 0);
		assert_int_equal(workers[i].queue.inflight, 0);
	}
	disk_put(disk);
}

static void test_storm(void **state)
{
	storm(encrypted(""));
}

static void test_storm_direct(void **state)
{
	storm(encrypted(",direct=on"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_store_holds_no_plaintext),
		TEST(test_payload_is_left_alone),
		TEST(test_holes),
		TEST(test_pieces),
		TEST(test_pieces_direct),
		TEST(test_waiting_for_buffers),
		TEST(test_key_is_made_once),
		TEST(test_missing_key),
		TEST(test_empty_key),
		TEST(test_key_of_somebody_faster),
		TEST(test_keys_refused),
		TEST(test_readers_share),
		TEST(test_undone),
		TEST(test_erase),
		TEST(test_erase_between_others),
		TEST(test_erase_that_fails),
		TEST(test_erase_of_a_key_that_was_replaced),
		TEST(test_killed),
		TEST(test_storm),
		TEST(test_storm_direct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
