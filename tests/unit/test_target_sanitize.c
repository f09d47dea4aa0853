/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SANITIZE that another process left unfinished: which worker takes it up, what the log says of
 * that, and what becomes of it where none has memory.
 */
#include "base/clock.h"
#include "fixture.h"
#include "target/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS_MAX 64u
#define RUNS_MAX    1024u
#define NAME	    "iqn.2026-11.example:unfinished"
#define DISK	    "ram:1M,wwn=5000000000000001"
#define PATIENCE_NS (60 * CLOCK_NS_PER_S)

static const char document[] =
	"{\"version\": 1, \"key\": \"scsi-5000000000000001\", \"sections\": {\"scsi_sanitize\":"
	"{\"state\": \"runs\", \"unrestricted\": false, \"erase\": false, \"crypto\": false,"
	" \"invert\": false, \"passes\": 1, \"pattern\": \"5a\"}}}";

/*
 * Libc's for the whole program: workers are waited for until they answer, and so what is done where
 * one seems to hang is not done to one that got no processor for a second.
 */
int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *lock, clockid_t clock,
			   const struct timespec *until)
{
	return pthread_cond_wait(cond, lock);
}

static struct target *target;
static char *dir;

/* ---- workers' memory ---- */

struct hog {
	struct arena *arena;
	uint32_t runs[RUNS_MAX];
	unsigned int nruns;
};

static struct hog hogs[WORKERS_MAX];
static unsigned int nhogs;

static void take(struct iscsi_worker *worker, void *arg)
{
	struct hog *hog = &hogs[nhogs++];

	hog->arena = iscsi_worker_queue(worker)->arena;
	while (hog->arena->nfree_runs)
		hog->runs[hog->nruns++] = arena_run_get(hog->arena);
}

/* Of the hog `arg`, where that is on this worker. */
static void give_one_back(struct iscsi_worker *worker, void *arg)
{
	struct hog *hog = arg;

	if (hog->arena == iscsi_worker_queue(worker)->arena && hog->nruns)
		arena_run_put(hog->arena, hog->runs[--hog->nruns]);
}

static void give_back(struct iscsi_worker *worker, void *arg)
{
	for (unsigned int i = 0; i < nhogs; i++)
		while (hogs[i].arena == iscsi_worker_queue(worker)->arena && hogs[i].nruns)
			give_one_back(worker, &hogs[i]);
}

/* ---- the target ---- */

static int setup(void **state)
{
	struct target_options options = {};
	const struct iscsi_request request = {.name = NAME};
	struct error err;
	char path[4096];
	FILE *file;

	options.state_dir = dir = fixture_dir_make();
	snprintf(path, sizeof(path), "%s/scsi-5000000000000001.json", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(document, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(target_open(&options, &target, &err), 0);
	assert_int_equal(target_add_iscsi(target, &request, &err), 0);
	memset(hogs, 0, sizeof(hogs));
	nhogs = 0;
	tcp_server_each(target->tcp, take, NULL);
	return 0;
}

static int teardown(void **state)
{
	tcp_server_each(target->tcp, give_back, NULL);
	target_close(target);
	fixture_dir_remove(dir);
	return 0;
}

/* Shows the disk, and returns what the log said meanwhile, until the next time. */
static const char *show(void)
{
	const struct lun_request lun = {.lun = 0, .disk = DISK};
	int saved = dup(STDERR_FILENO), pipes[2];
	static char said[4096];
	struct error err;
	ssize_t len;
	int ret;

	fflush(stderr);
	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	ret = target_add_lun(target, NAME, &lun, &err);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipes[1]);
	assert_int_equal(ret, 0);
	len = read(pipes[0], said, sizeof(said) - 1);
	close(pipes[0]);
	assert_true(len > 0);
	said[len] = '\0';
	return said;
}

static struct target_unit *unit(void)
{
	assert_false(list_empty(&target->units));
	return container_of(target->units.next, struct target_unit, link);
}

static void await_end(void)
{
	const uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

	while (disk_sealed(unit()->disk)) {
		assert_int_equal(target_await_mail(target, deadline_ns), 0);
		/* What was sent to workers then, they have heard after that. */
		tcp_server_probe(target->tcp);
	}
}

static unsigned int lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* ---- */

/* Those before it say nothing of what they lack. */
static void test_one_worker_has_memory(void **state)
{
	const char *said;

	tcp_server_each(target->tcp, give_one_back, &hogs[nhogs - 1]);
	said = show();
	assert_int_equal(lines(said), 1);
	assert_non_null(strstr(said, "is done again\n"));
	await_end();
}

static void test_no_worker_has_memory(void **state)
{
	const char *said = show();

	assert_int_equal(lines(said), 1);
	assert_non_null(strstr(said, "as soon as there is memory"));
	assert_true(disk_sealed(unit()->disk));
	assert_false(scsi_device_unfinished(unit()->device));
	/* One run, in the end, of what somebody else had. */
	tcp_server_each(target->tcp, give_one_back, &hogs[0]);
	await_end();
}

/* The target goes while it waits; it comes back, and so does the memory. */
static void test_goes_while_it_waits(void **state)
{
	const uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
	struct error err;

	show();
	assert_int_equal(target_remove_lun(target, NAME, 0, &err), 0);
	while (!list_empty(&target->units))
		assert_int_equal(target_await_mail(target, deadline_ns), 0);
	tcp_server_each(target->tcp, give_back, NULL);
	assert_non_null(strstr(show(), "is done again\n"));
	await_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_worker_has_memory),
		TEST(test_no_worker_has_memory),
		TEST(test_goes_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
