/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ports on threads of their own that share one export, its state written by a third thread: every
 * change is answered, on the right port, and what is saved in the end is what somebody asked for.
 */
#include "aoe_client.h"

#include "fixture.h"
#include "no_sync.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#define PORTS	4u
#define CHANGES 200u
#define WAIT_MS 60000

struct player {
	struct rig rig;
	pthread_t thread;
	struct mailbox *writer;
	struct message finished; /* to the writer's thread */
	unsigned int id;
	unsigned int wrong; /* answers that were not as they must be */
};

static unsigned int playing; /* of the writer's thread */

static void player_finished(struct message *msg)
{
	playing--;
}

static bool mailbox_wait(struct mailbox *box)
{
	struct pollfd fd = {.fd = box->eventfd, .events = POLLIN};

	if (poll(&fd, 1, WAIT_MS) <= 0)
		return false;
	mailbox_drain(box);
	return true;
}

/* Forces a string of this player's own; the answer carries it, whatever the others do. */
static bool player_change(struct player *p, struct rig_frame *frame, unsigned int i)
{
	struct rig_reply reply;
	char string[32];

	snprintf(string, sizeof(string), "player %u change %u", p->id, i);
	client_config(frame, AOE_CONFIG_FORCE, string);
	if (rig_rx(&p->rig, frame))
		return false;
	while (aoe_port_inflight(p->rig.port) && !p->rig.ntx)
		if (!mailbox_wait(&p->rig.mailbox))
			return false;
	rig_tx_complete(&p->rig);
	return rig_take(&p->rig, frame) && rig_read(frame, &reply) && !reply.aoe.error &&
	       reply.body[7] == strlen(string) && !memcmp(reply.body + 8, string, strlen(string));
}

static void *player_run(void *arg)
{
	struct rig_frame *frame = malloc(sizeof(*frame));
	struct player *p = arg;

	for (unsigned int i = 0; i < CHANGES; i++)
		p->wrong += !player_change(p, frame, i);
	free(frame);
	mailbox_post(p->writer, &p->finished);
	return NULL;
}

static void test_changes_from_many_threads(void **state)
{
	struct player *players = calloc(PORTS, sizeof(*players));
	char *dir = fixture_dir_make();
	struct aoe_export_settings settings;
	struct mailbox writer;
	struct state *file;

	assert_int_equal(mailbox_open(&writer), 0);
	assert_int_equal(state_open(dir, "7.1", &writer, &file, NULL), 0);
	for (unsigned int i = 0; i < PORTS; i++) {
		players[i].id = i;
		players[i].writer = &writer;
		players[i].finished.run = player_finished;
		rig_open(&players[i].rig, NULL);
		if (i)
			rig_borrow(&players[i].rig, &players[0].rig);
		else
			rig_export(&players[0].rig, "7.1", "any", file);
	}
	playing = PORTS;
	for (unsigned int i = 0; i < PORTS; i++)
		assert_int_equal(pthread_create(&players[i].thread, NULL, player_run, &players[i]),
				 0);
	while (playing)
		assert_true(mailbox_wait(&writer));
	for (unsigned int i = 0; i < PORTS; i++)
		pthread_join(players[i].thread, NULL);
	aoe_export_settings(players[0].rig.exports[0].aoe, &settings);
	assert_memory_equal(settings.config, "player ", 7);
	for (unsigned int i = PORTS; i-- > 0;) {
		assert_int_equal(players[i].wrong, 0);
		assert_true(rig_idle(&players[i].rig));
		rig_close(&players[i].rig);
	}
	state_close(file);
	mailbox_close(&writer);
	fixture_dir_remove(dir);
	free(players);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_from_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
