/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A unit that several threads use at once, each with an initiator of its own: commands of all
 * kinds, task management, sessions that end, while the unit is hidden and shown. Every command ends
 * once, on its own thread, and in the end nothing is held.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "blk/backstore.h"
#include "blk/overlap.h"
#include "fixture_scsi.h"
#include "mailbox_thread.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKERS	 3u
#define SLOTS	 6u
#define COMMANDS 3000u /* of each worker */
#define HIDDEN	 500u  /* commands between two times that the unit is hidden */
#define SECTORS	 4096u
#define RUNS	 64u
#define RUN	 (16 * ARENA_FRAME_SIZE)

struct worker;

/* A command, or a task management function. */
struct slot {
	struct command cmd;
	struct scsi_tmf tmf;
	struct worker *worker;
	struct message later; /* the disk's or the initiator's answer */
	void (*solicited)(struct command *cmd);
	struct span spans[2][BLK_MAX_SPANS];
	uint32_t runs[2][BLK_MAX_SPANS], nruns[2];
	bool busy;
};

struct worker {
	pthread_t thread;
	unsigned int index, seed, started, ended, wrong;
	struct arena arena;
	struct mailbox mailbox;
	struct blk_queue queue;
	struct nexus transport;
	struct scsi_nexus *nexus;
	bool closed;
	struct slot slots[SLOTS];
};

static struct worker workers[WORKERS];
static struct disk disk;
static struct lu lu;
static struct scsi_device *dev;
static struct scsi_target *target;
static struct mailbox control;
static atomic_uint running, begun;

static unsigned int draw(struct worker *w, unsigned int n)
{
	return (unsigned int)rand_r(&w->seed) % n;
}

/* On few processors others have to run for there to be something to do. */
static void drain_or_yield(struct mailbox *mailbox)
{
	if (!mailbox_drain(mailbox))
		sched_yield();
}

/* ---- a disk that answers later ---- */

static void disk_answers(struct message *message)
{
	blk_complete(&container_of(message, struct slot, later)->cmd.io, BLK_OK);
}

static void disk_submit(struct disk *d, struct blk_io *io)
{
	struct slot *slot = container_of(io, struct slot, cmd.io);

	slot->later.run = disk_answers;
	mailbox_post(&slot->worker->mailbox, &slot->later);
}

static const struct backstore_ops disk_ops = {.name = "later", .submit = disk_submit};

/* ---- the transport ---- */

static struct slot *slot_of(struct command *cmd)
{
	return container_of(cmd, struct slot, cmd);
}

static void take(struct slot *slot, unsigned int direction, uint32_t len, struct sgl *sgl)
{
	uint32_t n = 0;

	for (uint32_t left = len; left; n++) {
		uint32_t piece = left < RUN ? left : RUN;

		if (n == slot->nruns[direction])
			slot->runs[direction][slot->nruns[direction]++] =
				arena_run_get(&slot->worker->arena);
		slot->spans[direction][n] =
			(struct span){.addr = slot->runs[direction][n], .len = piece};
		left -= piece;
	}
	*sgl = (struct sgl){.spans = slot->spans[direction], .nspans = n, .len = len};
}

static int place(struct command *cmd, uint32_t len, struct sgl *data_in)
{
	take(slot_of(cmd), 0, len, data_in);
	return 0;
}

static void slot_end(struct slot *slot)
{
	struct worker *w = slot->worker;

	w->wrong += !slot->busy || !pthread_equal(pthread_self(), w->thread);
	slot->busy = false;
	w->ended++;
	for (unsigned int d = 0; d < 2; d++)
		while (slot->nruns[d])
			arena_run_put(&w->arena, slot->runs[d][--slot->nruns[d]]);
}

static void ended(struct command *cmd)
{
	slot_end(slot_of(cmd));
}

static void data_comes(struct message *message)
{
	struct slot *slot = container_of(message, struct slot, later);
	void (*done)(struct command * cmd) = slot->solicited;

	slot->solicited = NULL;
	if (done)
		done(&slot->cmd);
}

/* A parameter list, or data. */
static void solicit(struct command *cmd, uint32_t off, uint32_t len,
		    void (*done)(struct command *cmd))
{
	struct slot *slot = slot_of(cmd);
	uint8_t *list;

	take(slot, 1, len, &cmd->data_out);
	list = arena_ptr(&slot->worker->arena, slot->runs[1][0]);
	memset(list, 0, 64);
	if (cmd->scsi.cdb[0] == 0x5f) {
		list[7] = (uint8_t)(slot->worker->index + 1);
		list[15] = (uint8_t)(draw(slot->worker, WORKERS + 1));
		list[20] = 1;
	} else if (cmd->scsi.cdb[0] == 0x15) {
		memcpy(list + 4, (uint8_t[]){0x0a, 10, 2, 0x10}, 4);
		list[4 + 5] = draw(slot->worker, 2) ? 0x40 : 0;
	} else {
		list[0] = 1;
	}
	slot->solicited = done;
	slot->later.run = data_comes;
	mailbox_post(&slot->worker->mailbox, &slot->later);
}

static void push(struct command *cmd, void (*done)(struct command *cmd))
{
	done(cmd);
}

static void cancel(struct command *cmd)
{
	struct slot *slot = slot_of(cmd);
	void (*done)(struct command * cmd) = slot->solicited;

	if (!done || !mailbox_withdraw(&slot->worker->mailbox, &slot->later))
		return;
	slot->solicited = NULL;
	done(cmd);
}

static const struct transport_ops ops = {.place = place,
					 .deliver = ended,
					 .solicit = solicit,
					 .push = push,
					 .cancel = cancel,
					 .drop = ended};

/* ---- commands ---- */

static const struct {
	uint8_t cdb[16], len;
	uint32_t out, in;
} commands[] = {
	{{0x00}, 6, 0, 0},
	{{0x03, 0, 0, 0, 18}, 6, 0, 18},
	{{0x28, 0, 0, 0, 0, 0, 0, 0, 8}, 10, 0, 4096},
	{{0x2a, 0, 0, 0, 0, 4, 0, 0, 8}, 10, 4096, 0},
	{{0x2a, 0, 0, 0, 0, 0, 0, 4, 0}, 10, 1024 * 512, 0},
	{{0x2f, 0, 0, 0, 0, 0, 0, 4, 0}, 10, 0, 0},
	{{0x41}, 10, 512, 0},
	{{0x89, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1}, 16, 1024, 0},
	{{0x35}, 10, 0, 0},
	{{0xa0, 0, 0, 0, 0, 0, 0, 0, 1}, 12, 0, 256},
	{{0x16}, 6, 0, 0},
	{{0x17}, 6, 0, 0},
	{{0x15, 0x10, 0, 0, 16}, 6, 16, 0},
	{{0x15, 0x11, 0, 0, 16}, 6, 16, 0},
	{{0x5e, 3, 0, 0, 0, 0, 0, 1, 0}, 10, 0, 256},
	{{0x5f, 6, 0, 0, 0, 0, 0, 0, 24}, 10, 24, 0},
	{{0x5f, 1, 5, 0, 0, 0, 0, 0, 24}, 10, 24, 0},
	{{0x5f, 2, 5, 0, 0, 0, 0, 0, 24}, 10, 24, 0},
	{{0x5f, 5, 5, 0, 0, 0, 0, 0, 24}, 10, 24, 0},
};

static void start_command(struct worker *w, struct slot *slot)
{
	static const uint8_t attributes[] = {SCSI_SIMPLE, SCSI_SIMPLE,	SCSI_SIMPLE,
					     SCSI_SIMPLE, SCSI_ORDERED, SCSI_HEAD_OF_QUEUE};
	unsigned int i = draw(w, sizeof(commands) / sizeof(commands[0]));

	slot->cmd = (struct command){.ops = &ops, .nexus = &w->transport, .queue = &w->queue};
	memcpy(slot->cmd.scsi.cdb, commands[i].cdb, 16);
	slot->cmd.scsi.cdb_len = commands[i].len;
	slot->cmd.scsi.attribute = attributes[draw(w, sizeof(attributes))];
	slot->cmd.scsi.out_len = commands[i].out;
	slot->cmd.scsi.in_len = commands[i].in;
	scsi_memory(w->nexus, &slot->cmd);
	scsi_execute(w->nexus, &slot->cmd);
}

static void managed(struct scsi_tmf *tmf)
{
	slot_end(container_of(tmf, struct slot, tmf));
}

static void start_tmf(struct worker *w, struct slot *slot)
{
	static const enum scsi_tmf_function functions[] = {
		SCSI_ABORT_TASK_SET, SCSI_CLEAR_TASK_SET, SCSI_LU_RESET,
		SCSI_TARGET_RESET,   SCSI_QUERY_TASK_SET, SCSI_QUERY_UNIT_ATTENTION};

	slot->tmf = (struct scsi_tmf){.function = functions[draw(w, 6)], .done = managed};
	scsi_task_management(w->nexus, &slot->tmf);
}

static void closed(void *ctx)
{
	((struct worker *)ctx)->closed = true;
}

static void nexus_open(struct worker *w)
{
	uint8_t id[24] = {0x05, 0, 0, 20, (uint8_t)('a' + w->index)};
	struct scsi_nexus_config config = {.nexus = &w->transport,
					   .queue = &w->queue,
					   .transport_id = id,
					   .transport_id_len = sizeof(id),
					   .mask.visible = {1}};

	w->closed = false;
	w->wrong += scsi_nexus_open(target, &config, &w->nexus) != 0;
}

static void nexus_close(struct worker *w)
{
	scsi_nexus_close(w->nexus, closed, w);
	while (!w->closed)
		mailbox_wait(&w->mailbox);
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	w->thread = pthread_self();
	nexus_open(w);
	while (w->started < COMMANDS) {
		struct slot *slot = &w->slots[draw(w, SLOTS)];

		drain_or_yield(&w->mailbox);
		if (slot->busy)
			continue;
		slot->busy = true;
		w->started++;
		atomic_fetch_add(&begun, 1);
		if (draw(w, 64))
			start_command(w, slot);
		else
			start_tmf(w, slot);
		if (draw(w, 256))
			continue;
		nexus_close(w);
		nexus_open(w);
	}
	nexus_close(w);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* ---- the control thread ---- */

static void gone(void *ctx)
{
	atomic_store((atomic_bool *)ctx, true);
}

static void hide_and_show(void)
{
	atomic_bool is_gone = false;

	assert_int_equal(scsi_target_remove_lun(target, 0, gone, &is_gone), 0);
	while (!atomic_load(&is_gone))
		drain_or_yield(&control);
	assert_int_equal(scsi_target_add_lun(target, 0, dev, false), 0);
}

static void worker_open(unsigned int i, unsigned int seed)
{
	const struct arena_config memory = {.rx_frames = 1, .runs = RUNS, .run_frames = 16};
	struct worker *w = &workers[i];

	*w = (struct worker){.index = i, .seed = seed + i, .transport.id = i + 1};
	assert_int_equal(arena_open(&w->arena, &memory, NULL), 0);
	assert_int_equal(mailbox_open(&w->mailbox), 0);
	blk_queue_init(&w->queue, &w->arena, NULL, &w->mailbox);
	for (unsigned int s = 0; s < SLOTS; s++)
		w->slots[s].worker = w;
}

static void worker_close(struct worker *w)
{
	pthread_join(w->thread, NULL);
	assert_int_equal(w->wrong, 0);
	assert_int_equal(w->ended, COMMANDS);
	assert_int_equal(w->queue.inflight, 0);
	assert_int_equal(w->arena.nfree_runs, RUNS);
	mailbox_close(&w->mailbox);
	arena_close(&w->arena);
}

static void unit_open(struct state *state)
{
	const struct scsi_target_config port = {.relative_port = 1,
						.protocol = SCSI_PROTOCOL_ISCSI,
						.port_name = "port",
						.device_name = "device"};
	const struct scsi_device_config unit = {.lu = &lu, .state = state, .logical_block = 512};

	disk = (struct disk){.ops = &disk_ops,
			     .nblocks = SECTORS,
			     .physical_block = 512,
			     .writeback = true,
			     .overlap = overlap_open(1)};
	lu_init(&lu, &disk, false);
	assert_int_equal(scsi_device_open(&unit, &dev, NULL), 0);
	assert_int_equal(scsi_target_open(&port, &target, NULL), 0);
	assert_int_equal(scsi_target_add_lun(target, 0, dev, false), 0);
}

static void unit_close(void)
{
	scsi_target_close(target);
	scsi_device_close(dev);
	lu_fini(&lu);
	overlap_close(disk.overlap);
}

/* Until so many commands more have begun, or all. */
static void await_commands(unsigned int n)
{
	unsigned int until = atomic_load(&begun) + n;

	while (atomic_load(&running) && atomic_load(&begun) < until)
		drain_or_yield(&control);
}

static void test_all_at_once(void **unused)
{
	const char *text = getenv("STGT_SEED");
	unsigned int seed = text ? (unsigned int)strtoul(text, NULL, 0) : (unsigned int)time(NULL);
	char *dir = fixture_dir_make();
	struct state *state;

	print_message("STGT_SEED=%u\n", seed);

	assert_int_equal(mailbox_open(&control), 0);
	assert_int_equal(state_open(dir, "disk", &control, &state, NULL), 0);
	unit_open(state);
	atomic_store(&running, WORKERS);
	for (unsigned int i = 0; i < WORKERS; i++)
		worker_open(i, seed);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]),
				 0);
	while (atomic_load(&running)) {
		await_commands(HIDDEN);
		hide_and_show();
		scsi_device_resized(dev);
		json_decref(scsi_device_reservation(dev));
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		worker_close(&workers[i]);
	unit_close();
	state_close(state);
	mailbox_close(&control);
	fixture_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
