/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One device served by two workers that change its settings at once, and saved by a third thread:
 * no change is lost, none is answered before it is on the disk, each ends on its own worker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_ata.h"
#include "mailbox_thread.h"
#include <stdlib.h>
#include <string.h>

#define LOGS	 16u /* of each worker; together all that there are */
#define PARALLEL 4u  /* commands that a worker has in flight */

struct worker;

struct change {
	struct fixture_command fc;
	struct worker *worker;
	unsigned int log;
};

struct worker {
	struct fixture f;
	struct ata_device *dev;
	struct lu *lu;
	unsigned int first_log, started, ended, failed;
	bool own_thread;
	pthread_t thread;
	struct change changes[PARALLEL];
};

static void change_start(struct change *change)
{
	struct worker *w = change->worker;
	uint8_t data[512];

	if (w->started == LOGS)
		return;
	change->log = w->first_log + w->started++;
	memset(data, (int)change->log, sizeof(data));
	change->fc.cmd.ata = (struct ata_taskfile){
		.command = 0xb0, .feature = 0xd6, .count = 1, .lba = 0xc24f00 | change->log};
	fixture_command_data(&change->fc, data, sizeof(data), 0);
	ata_execute(w->dev, &change->fc.cmd, FIXTURE_LIMIT);
}

static void change_deliver(struct command *cmd)
{
	struct change *change =
		container_of(container_of(cmd, struct fixture_command, cmd), struct change, fc);
	struct worker *w = change->worker;

	w->ended++;
	w->failed += cmd->ata.status != 0x40;
	w->own_thread &= pthread_equal(pthread_self(), w->thread) != 0;
	change_start(change);
}

static const struct transport_ops change_ops = {.deliver = change_deliver};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	w->thread = pthread_self();
	w->own_thread = true;
	for (i = 0; i < PARALLEL; i++) {
		w->changes[i].worker = w;
		fixture_command_init(&w->f, w->lu, &w->changes[i].fc);
		w->changes[i].fc.cmd.ops = &change_ops;
		change_start(&w->changes[i]);
	}
	while (w->ended < LOGS)
		mailbox_wait(&w->f.mailbox);
	for (i = 0; i < PARALLEL; i++)
		fixture_command_fini(&w->changes[i].fc);
	return NULL;
}

static void serve(struct ata_device *dev, struct lu *lu, struct mailbox_thread *writer)
{
	struct worker *workers = calloc(2, sizeof(*workers));
	pthread_t threads[2];
	unsigned int i;

	assert_non_null(workers);
	mailbox_thread_start(writer);
	for (i = 0; i < 2; i++) {
		fixture_open(&workers[i].f);
		workers[i].dev = dev;
		workers[i].lu = lu;
		workers[i].first_log = 0x80 + LOGS * i;
		pthread_create(&threads[i], NULL, worker_run, &workers[i]);
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	mailbox_thread_stop(writer);
	for (i = 0; i < 2; i++) {
		assert_int_equal(workers[i].ended, LOGS);
		assert_int_equal(workers[i].failed, 0);
		assert_true(workers[i].own_thread);
		fixture_close(&workers[i].f);
	}
	free(workers);
}

static void test_no_change_is_lost(void **unused)
{
	struct mailbox_thread writer;
	struct fixture_disk *disk = fixture_disk_open(1000, 0);
	char *dir = fixture_dir_make();
	struct state *state = NULL;
	struct ata_device *dev = NULL;
	struct fixture_ata after;
	struct lu lu;
	unsigned int log;

	lu_init(&lu, &disk->disk, true);
	mailbox_thread_open(&writer);
	assert_int_equal(state_open(dir, "disk", &writer.box, &state, NULL), 0);
	assert_int_equal(ata_device_open(&lu, state, &dev, NULL), 0);
	serve(dev, &lu, &writer);
	ata_device_close(dev);
	lu_fini(&lu);
	state_close(state);
	mailbox_thread_close(&writer);
	fixture_disk_close(disk);

	assert_int_equal(state_open(dir, "disk", NULL, &state, NULL), 0);
	fixture_ata_open(&after, 1000, 0, true, state);
	for (log = 0x80; log < 0xa0; log++) {
		struct ata_taskfile tf = {
			.command = 0xb0, .feature = 0xd5, .count = 1, .lba = 0xc24f00 | log};
		struct fixture_answer a = fixture_ata_run(&after, &tf, NULL, 0);

		assert_int_equal(a.data[0], log);
		assert_int_equal(a.data[511], log);
	}
	fixture_ata_close(&after);
	state_close(state);
	fixture_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_change_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
