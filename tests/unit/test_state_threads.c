/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Saves asked for by two workers, written by a third thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture.h"
#include "mailbox_thread.h"
#include "state/state.h"
#include <stdlib.h>

#define SAVES 40u

struct worker;

struct waiter {
	struct state_save save;
	struct worker *worker;
	unsigned int number;
};

struct worker {
	const char *section;
	struct state *state;
	struct mailbox box;
	pthread_t thread;
	struct waiter saves[SAVES];
	unsigned int ended;
	bool in_order, own_thread, all_good;
};

static void save_done(struct state_save *save)
{
	struct waiter *waiter = container_of(save, struct waiter, save);
	struct worker *w = waiter->worker;

	w->in_order &= waiter->number == w->ended;
	w->own_thread &= pthread_equal(pthread_self(), w->thread) != 0;
	w->all_good &= !save->result;
	w->ended++;
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	w->thread = pthread_self();
	w->in_order = w->own_thread = w->all_good = true;
	for (i = 0; i < SAVES; i++) {
		w->saves[i] = (struct waiter){
			.save = {.reply = &w->box, .done = save_done}, .worker = w, .number = i};
		state_save(w->state, &w->saves[i].save, w->section,
			   json_pack("{s:i}", "number", (int)i));
	}
	while (w->ended < SAVES)
		mailbox_wait(&w->box);
	return NULL;
}

static int number_of(const struct state *state, const char *section)
{
	return (int)json_integer_value(json_object_get(state_section(state, section), "number"));
}

static void test_saves_of_two_workers(void **unused)
{
	struct mailbox_thread writer;
	struct worker workers[2] = {{.section = "aoe"}, {.section = "ata"}};
	char *dir = fixture_dir_make();
	struct state *state = NULL;
	pthread_t threads[2];
	unsigned int i;

	mailbox_thread_open(&writer);
	assert_int_equal(state_open(dir, "key", &writer.box, &state, NULL), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(mailbox_open(&workers[i].box), 0);
		workers[i].state = state;
		pthread_create(&threads[i], NULL, worker_run, &workers[i]);
	}
	mailbox_thread_start(&writer);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	mailbox_thread_stop(&writer);
	state_close(state);

	for (i = 0; i < 2; i++) {
		assert_true(workers[i].in_order);
		assert_true(workers[i].own_thread);
		assert_true(workers[i].all_good);
		mailbox_close(&workers[i].box);
	}
	assert_int_equal(state_open(dir, "key", NULL, &state, NULL), 0);
	assert_int_equal(number_of(state, "aoe"), SAVES - 1);
	assert_int_equal(number_of(state, "ata"), SAVES - 1);
	state_close(state);
	mailbox_thread_close(&writer);
	fixture_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_saves_of_two_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
