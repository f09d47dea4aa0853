/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/mailbox.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MESSAGES 20000u

struct numbered {
	struct message message;
	unsigned int poster, number;
	unsigned int *next; /* per poster: the number expected now */
	struct mailbox *again;
};

static void numbered_run(struct message *msg)
{
	struct numbered *n = container_of(msg, struct numbered, message);

	assert_int_equal(n->number, n->next[n->poster]);
	n->next[n->poster]++;
	if (n->again) {
		struct mailbox *box = n->again;

		n->again = NULL;
		n->number++;
		mailbox_post(box, msg);
	}
}

static bool readable(const struct mailbox *box)
{
	struct pollfd p = {.fd = box->eventfd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_eventfd_tells_what_waits(void **state)
{
	unsigned int next[1] = {0};
	struct numbered a = {.message.run = numbered_run, .number = 0, .next = next};
	struct numbered b = {.message.run = numbered_run, .number = 1, .next = next};
	struct mailbox box;

	assert_int_equal(mailbox_open(&box), 0);
	assert_false(readable(&box));
	assert_false(mailbox_drain(&box));
	mailbox_post(&box, &a.message);
	mailbox_post(&box, &b.message);
	assert_true(readable(&box));
	assert_true(mailbox_drain(&box));
	assert_int_equal(next[0], 2);
	assert_false(readable(&box));
	mailbox_close(&box);
}

static void test_message_taken_back_is_not_run(void **state)
{
	unsigned int next[1] = {0};
	struct numbered a = {.message.run = numbered_run, .number = 0, .next = next};
	struct numbered b = {.message.run = numbered_run, .number = 0, .next = next};
	struct mailbox box;

	assert_int_equal(mailbox_open(&box), 0);
	mailbox_post(&box, &a.message);
	mailbox_post(&box, &b.message);
	assert_true(mailbox_withdraw(&box, &a.message));
	assert_false(mailbox_withdraw(&box, &a.message));
	assert_true(mailbox_drain(&box));
	assert_int_equal(next[0], 1);
	assert_false(mailbox_withdraw(&box, &b.message));
	/* The last of them leaves nothing to run, and what comes then is noticed. */
	a.number = 1;
	mailbox_post(&box, &a.message);
	assert_true(mailbox_withdraw(&box, &a.message));
	mailbox_drain(&box);
	mailbox_post(&box, &a.message);
	assert_true(readable(&box));
	assert_true(mailbox_drain(&box));
	assert_int_equal(next[0], 2);
	mailbox_close(&box);
}

static void test_running_message_may_post(void **state)
{
	unsigned int next[1] = {0};
	struct mailbox box;
	struct numbered a = {.message.run = numbered_run, .next = next, .again = &box};

	assert_int_equal(mailbox_open(&box), 0);
	mailbox_post(&box, &a.message);
	assert_true(mailbox_drain(&box));
	/* Posted during the drain: waits for the next one, and the eventfd says so. */
	assert_int_equal(next[0], 1);
	assert_true(readable(&box));
	assert_true(mailbox_drain(&box));
	assert_int_equal(next[0], 2);
	mailbox_close(&box);
}

struct poster {
	struct mailbox *box;
	struct numbered messages[MESSAGES];
};

static struct poster posters[2];

static void *poster_main(void *arg)
{
	struct poster *poster = arg;

	for (unsigned int i = 0; i < MESSAGES; i++)
		mailbox_post(poster->box, &poster->messages[i].message);
	return NULL;
}

static void test_two_posters_keep_their_order(void **state)
{
	unsigned int next[2] = {0, 0};
	pthread_t threads[2];
	struct mailbox box;

	assert_int_equal(mailbox_open(&box), 0);
	for (unsigned int p = 0; p < 2; p++) {
		posters[p].box = &box;
		for (unsigned int i = 0; i < MESSAGES; i++)
			posters[p].messages[i] = (struct numbered){.message.run = numbered_run,
								   .poster = p,
								   .number = i,
								   .next = next};
		assert_int_equal(pthread_create(&threads[p], NULL, poster_main, &posters[p]), 0);
	}
	while (next[0] < MESSAGES || next[1] < MESSAGES) {
		struct pollfd wait = {.fd = box.eventfd, .events = POLLIN};

		/* A lost wake-up would end here. */
		assert_int_equal(poll(&wait, 1, 60000), 1);
		assert_true(mailbox_drain(&box));
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	mailbox_close(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eventfd_tells_what_waits),
		cmocka_unit_test(test_message_taken_back_is_not_run),
		cmocka_unit_test(test_running_message_may_post),
		cmocka_unit_test(test_two_posters_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
