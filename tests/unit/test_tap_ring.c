/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A tap from both ends: order, what does not fit, and ends that do not keep to the rules. */
#include "tap/layout.h"
#include "tap/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define RING  (64u << 10)
#define SMALL (TAP_PAGE + 2 * (TAP_PAGE + RING)) /* two rings */

struct both {
	struct tap_watch *watch;
	struct tap *tap;
	struct tap_layout *layout; /* the shared memory, once more */
};

static void both_open(struct both *both, unsigned int rings)
{
	struct error err;

	assert_int_equal(tap_watch_open(SMALL, &both->watch, &err), 0);
	assert_int_equal(tap_open(tap_watch_fd(both->watch), rings, &both->tap, &err), 0);
	both->layout =
		mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, tap_watch_fd(both->watch), 0);
	assert_ptr_not_equal(both->layout, MAP_FAILED);
}

static void both_close(struct both *both)
{
	munmap(both->layout, SMALL);
	tap_close(both->tap);
	tap_watch_close(both->watch);
}

static bool put(struct both *both, unsigned int ring, uint64_t ns, const void *data, uint32_t len)
{
	void *to = tap_reserve(tap_ring(both->tap, ring), ns, len);

	if (!to)
		return false;
	memcpy(to, data, len);
	tap_commit(tap_ring(both->tap, ring));
	return true;
}

static void expect(struct both *both, unsigned int ring, uint64_t ns, const char *text)
{
	struct tap_record record;

	assert_int_equal(tap_watch_next(both->watch, &record), 1);
	assert_int_equal(record.ring, ring);
	assert_int_equal(record.ns, ns);
	assert_int_equal(record.len, strlen(text));
	assert_memory_equal(record.data, text, record.len);
	tap_watch_done(both->watch, &record);
}

static void expect_nothing(struct both *both)
{
	struct tap_record record;

	assert_int_equal(tap_watch_next(both->watch, &record), 0);
}

static void test_records_come_in_the_order_of_time(void **state)
{
	struct both both;

	both_open(&both, 2);
	expect_nothing(&both);
	assert_true(put(&both, 0, 10, "first", 5));
	assert_true(put(&both, 0, 30, "third", 5));
	assert_true(put(&both, 1, 20, "second of all", 13));
	expect(&both, 0, 10, "first");
	expect(&both, 1, 20, "second of all");
	assert_true(put(&both, 1, 40, "", 0));
	expect(&both, 0, 30, "third");
	expect(&both, 1, 40, "");
	expect_nothing(&both);
	assert_false(tap_watch_ended(both.watch));
	tap_end(both.tap);
	assert_true(tap_watch_ended(both.watch));
	assert_int_equal(tap_watch_lost(both.watch), 0);
	both_close(&both);
}

static void test_what_does_not_fit_is_counted(void **state)
{
	struct both both;
	struct tap_record record;
	char data[1000] = "x";
	unsigned int kept = 0, seen = 0;

	both_open(&both, 2);
	while (put(&both, 0, kept, data, sizeof(data)))
		kept++;
	/* One with its head takes 1024 bytes. */
	assert_int_equal(kept, RING / 1024);
	assert_false(put(&both, 0, 0, data, 1));
	assert_int_equal(tap_watch_lost(both.watch), 2);
	/* The other ring is not concerned. */
	assert_true(put(&both, 1, 1000, "y", 1));
	while (tap_watch_next(both.watch, &record) == 1) {
		assert_int_equal(record.ns, seen < kept ? seen : 1000);
		tap_watch_done(both.watch, &record);
		seen++;
	}
	assert_int_equal(seen, kept + 1);
	assert_true(put(&both, 0, 0, "room again", 10));
	expect(&both, 0, 0, "room again");
	/* Larger than any ring. */
	assert_null(tap_reserve(tap_ring(both.tap, 0), 0, RING));
	assert_null(tap_reserve(tap_ring(both.tap, 0), 0, UINT32_MAX));
	assert_int_equal(tap_watch_lost(both.watch), 4);
	both_close(&both);
}

static uint32_t nth_len(uint32_t i)
{
	return i * 2654435761u % 9000;
}

static void fill(uint8_t *data, uint32_t i)
{
	memset(data, (int)(i % 251), nth_len(i));
}

#define MANY 20000u

static void *produce(void *arg)
{
	struct tap_ring *ring = tap_ring(((struct both *)arg)->tap, 0);

	for (uint32_t i = 0; i < MANY; i++) {
		uint8_t *to;

		while (!(to = tap_reserve(ring, i, nth_len(i))))
			sched_yield();
		fill(to, i);
		tap_commit(ring);
	}
	return NULL;
}

static void test_both_ends_at_once(void **state)
{
	struct both both;
	pthread_t producer;
	uint8_t want[9000];

	both_open(&both, 1);
	assert_int_equal(pthread_create(&producer, NULL, produce, &both), 0);
	for (uint32_t i = 0; i < MANY;) {
		struct tap_record record;
		int ret = tap_watch_next(both.watch, &record);

		assert_true(ret >= 0);
		if (!ret) {
			sched_yield();
			continue;
		}
		fill(want, i);
		assert_int_equal(record.ns, i);
		assert_int_equal(record.len, nth_len(i));
		assert_memory_equal(record.data, want, record.len);
		tap_watch_done(both.watch, &record);
		i++;
	}
	pthread_join(producer, NULL);
	expect_nothing(&both);
	both_close(&both);
}

static struct tap_ring_head *head_of(struct both *both, uint32_t ring)
{
	return (struct tap_ring_head *)((uint8_t *)both->layout +
					tap_ring_offset(ring, both->layout->ring_size));
}

/* Whatever the watcher writes, the producer stays within the ring, and goes on. */
static void test_watcher_that_lies(void **state)
{
	static const uint64_t lies[] = {1, 7, RING, RING + 1, UINT64_MAX, UINT64_MAX / 2};
	struct both both;
	uint8_t data[3000] = {0};

	both_open(&both, 2);
	memset((uint8_t *)head_of(&both, 1) + TAP_PAGE, 0xee, RING);
	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		atomic_store(&head_of(&both, 0)->consumed, lies[i]);
		both.layout->rings = both.layout->ring_size = (uint32_t)lies[i];
		for (unsigned int n = 0; n < 100; n++)
			put(&both, 0, n, data, sizeof(data));
	}
	both.layout->ring_size = RING;
	for (unsigned int i = 0; i < RING; i++)
		assert_int_equal(((uint8_t *)head_of(&both, 1))[TAP_PAGE + i], 0xee);
	assert_int_equal(atomic_load(&head_of(&both, 1)->produced), 0);
	both_close(&both);
}

/* The watcher believes nothing that would lead it out of its memory. */
static void test_producer_that_lies(void **state)
{
	struct tap_record_head *first;
	struct tap_record record;
	struct both both;

	both_open(&both, 2);
	first = (struct tap_record_head *)((uint8_t *)head_of(&both, 0) + TAP_PAGE);
	assert_true(put(&both, 0, 1, "x", 1));
	first->len = 17;
	assert_int_equal(tap_watch_next(both.watch, &record), -EPROTO);
	first->len = UINT32_MAX - 1;
	assert_int_equal(tap_watch_next(both.watch, &record), -EPROTO);
	first->len = TAP_SKIP;
	assert_int_equal(tap_watch_next(both.watch, &record), -EPROTO);
	first->len = 1;
	atomic_store(&head_of(&both, 0)->produced, RING + 16);
	assert_int_equal(tap_watch_next(both.watch, &record), -EPROTO);
	atomic_store(&head_of(&both, 0)->produced, 8);
	assert_int_equal(tap_watch_next(both.watch, &record), -EPROTO);
	both.layout->rings = 3;
	assert_int_equal(tap_watch_next(both.watch, &record), -EPROTO);
	both.layout->rings = 2;
	both.layout->ring_size = RING - 16;
	assert_int_equal(tap_watch_next(both.watch, &record), -EPROTO);
	assert_int_equal(tap_watch_lost(both.watch), 0);
	both_close(&both);
}

static int try_open(int fd, unsigned int rings)
{
	struct error err;
	struct tap *tap;
	int ret = tap_open(fd, rings, &tap, &err);

	if (ret)
		assert_true(err.text[0]);
	else
		tap_close(tap);
	return ret;
}

/* Memory that could be taken away under the server is refused. */
static void test_memory_is_checked(void **state)
{
	int null = open("/dev/null", O_RDWR), memory = memfd_create("test", MFD_ALLOW_SEALING);
	struct tap_watch *watch;
	struct error err;

	assert_int_equal(try_open(-1, 1), -EINVAL);
	assert_int_equal(try_open(null, 1), -EINVAL);
	assert_int_equal(ftruncate(memory, SMALL), 0);
	assert_int_equal(try_open(memory, 1), -EINVAL); /* may shrink */
	assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(try_open(memory, 1), -EPROTO); /* says nothing of itself */
	assert_int_equal(ftruncate(memory, TAP_SIZE_MAX + 1l), 0);
	assert_int_equal(try_open(memory, 1), -EINVAL);
	close(memory);
	close(null);
	assert_int_equal(tap_watch_open(SMALL, &watch, &err), 0);
	assert_int_equal(try_open(tap_watch_fd(watch), 2), 0);
	assert_int_equal(try_open(tap_watch_fd(watch), 64), -ENOSPC);
	assert_int_equal(ftruncate(tap_watch_fd(watch), 1), -1);
	tap_watch_close(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_come_in_the_order_of_time),
		cmocka_unit_test(test_what_does_not_fit_is_counted),
		cmocka_unit_test(test_both_ends_at_once),
		cmocka_unit_test(test_watcher_that_lies),
		cmocka_unit_test(test_producer_that_lies),
		cmocka_unit_test(test_memory_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
