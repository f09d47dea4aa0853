/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fixture_scsi.h"

#include "base/bytes.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUNS	   64u
#define RUN_FRAMES 16u
#define RUN	   (RUN_FRAMES * ARENA_FRAME_SIZE)

static struct fixture_scsi_command *command_of(struct command *cmd)
{
	return container_of(cmd, struct fixture_scsi_command, cmd);
}

/* ---- the transport ---- */

/* `len` bytes in the runs of one direction, which are used anew; nothing beyond what was announced.
 */
static void take(struct fixture_scsi_command *fc, unsigned int direction, uint32_t len,
		 struct sgl *sgl)
{
	uint32_t n = 0;

	for (uint32_t left = len; left; n++) {
		uint32_t piece = left < RUN ? left : RUN;

		assert(n < BLK_MAX_SPANS);
		if (n == fc->nruns[direction]) {
			fc->runs[direction][n] = arena_run_get(&fc->fs->arena);
			assert(fc->runs[direction][n] != ARENA_NONE);
			fc->nruns[direction]++;
		}
		fc->spans[direction][n] =
			(struct span){.addr = fc->runs[direction][n], .len = piece};
		left -= piece;
	}
	if (len > fc->took[direction])
		fc->took[direction] = len;
	assert(fc->took[0] + fc->took[1] <= fc->announced);
	*sgl = (struct sgl){.spans = fc->spans[direction], .nspans = n, .len = len};
}

static int place(struct command *cmd, uint32_t len, struct sgl *data_in)
{
	struct fixture_scsi_command *fc = command_of(cmd);

	if (fc->placing)
		fc->placing();
	take(fc, 0, len, data_in);
	return 0;
}

static void receive(struct fixture_scsi_command *fc)
{
	struct sgl *in = &fc->cmd.data_in;

	assert(fc->in_got + in->len <= fc->cmd.scsi.in_len);
	sgl_copy_out(&fc->fs->arena, in, 0, fc->in + fc->in_got, in->len);
	fc->in_got += in->len;
}

static void deliver(struct command *cmd)
{
	struct fixture_scsi_command *fc = command_of(cmd);

	fc->delivered++;
	if (cmd->data_in.len)
		receive(fc);
}

static void drop(struct command *cmd)
{
	command_of(cmd)->dropped++;
}

void fixture_scsi_answer_solicit(struct fixture_scsi_command *fc)
{
	void (*done)(struct command * cmd) = fc->waiting;

	assert(done && fc->wait_off + fc->wait_len <= fc->cmd.scsi.out_len);
	fc->waiting = NULL;
	take(fc, 1, fc->wait_len, &fc->cmd.data_out);
	sgl_copy_in(&fc->fs->arena, &fc->cmd.data_out, 0, fc->out + fc->wait_off, fc->wait_len);
	done(&fc->cmd);
}

static void solicit(struct command *cmd, uint32_t off, uint32_t len,
		    void (*done)(struct command *cmd))
{
	struct fixture_scsi_command *fc = command_of(cmd);

	assert(!fc->waiting);
	fc->waiting = done;
	fc->wait_off = off;
	fc->wait_len = len;
	if (!fc->hold_out)
		fixture_scsi_answer_solicit(fc);
}

static void push(struct command *cmd, void (*done)(struct command *cmd))
{
	receive(command_of(cmd));
	done(cmd);
}

static void cancel(struct command *cmd)
{
	struct fixture_scsi_command *fc = command_of(cmd);
	void (*done)(struct command * cmd) = fc->waiting;

	fc->waiting = NULL;
	if (done)
		done(cmd);
}

static const struct transport_ops ops = {
	.place = place,
	.deliver = deliver,
	.solicit = solicit,
	.push = push,
	.cancel = cancel,
	.drop = drop,
};

/* ---- commands ---- */

void fixture_scsi_turn(struct fixture_scsi *fs)
{
	while (mailbox_drain(&fs->mailbox))
		;
}

void fixture_scsi_start(struct fixture_scsi *fs, struct fixture_scsi_command *fc, unsigned int n,
			const uint8_t *cdb, uint8_t cdb_len, const void *out, uint32_t out_len,
			void *in, uint32_t in_len)
{
	uint8_t attribute = fc->cmd.scsi.attribute;
	uint64_t lun = fc->cmd.scsi.lun;
	void (*placing)(void) = fc->placing;
	bool hold = fc->hold_out;

	memset(fc, 0, sizeof(*fc));
	fc->fs = fs;
	fc->hold_out = hold;
	fc->placing = placing;
	fc->out = out;
	fc->in = in;
	fc->cmd.ops = &ops;
	fc->cmd.nexus = &fs->transport[n];
	fc->cmd.lu = &fs->lu;
	fc->cmd.queue = &fs->queue;
	memcpy(fc->cmd.scsi.cdb, cdb, cdb_len);
	fc->cmd.scsi.cdb_len = cdb_len;
	fc->cmd.scsi.attribute = attribute;
	fc->cmd.scsi.lun = lun;
	fc->cmd.scsi.out_len = out_len;
	fc->cmd.scsi.in_len = in_len;
	fc->announced = scsi_memory(fs->nexus[n], &fc->cmd);
	assert(fc->announced <= SCSI_MEMORY_MAX);
	scsi_execute(fs->nexus[n], &fc->cmd);
}

void fixture_scsi_end(struct fixture_scsi_command *fc)
{
	assert(fc->delivered + fc->dropped == 1);
	for (unsigned int d = 0; d < 2; d++)
		while (fc->nruns[d])
			arena_run_put(&fc->fs->arena, fc->runs[d][--fc->nruns[d]]);
}

struct fixture_scsi_answer fixture_scsi_answer_of(const struct fixture_scsi_command *fc)
{
	const struct scsi_command *scsi = &fc->cmd.scsi;
	struct fixture_scsi_answer a = {
		.status = scsi->status,
		.wanted = scsi->wanted,
		.len = fc->in_got,
		.data = fc->in,
		.sense = scsi->sense,
	};

	if (scsi->sense_len) {
		bool descriptor = scsi->sense[0] == 0x72;

		a.key = scsi->sense[descriptor ? 1 : 2] & 0xf;
		a.asc = get_be16(scsi->sense + (descriptor ? 2 : 12));
	}
	return a;
}

struct fixture_scsi_answer fixture_scsi_run(struct fixture_scsi *fs, unsigned int n,
					    const uint8_t *cdb, uint8_t cdb_len, const void *out,
					    uint32_t out_len, uint32_t in_len)
{
	assert(in_len <= sizeof(fs->in));
	fs->fc.cmd.scsi.attribute = SCSI_SIMPLE;
	fixture_scsi_start(fs, &fs->fc, n, cdb, cdb_len, out, out_len, fs->in, in_len);
	fixture_scsi_turn(fs);
	fixture_scsi_end(&fs->fc);
	return fixture_scsi_answer_of(&fs->fc);
}

/* ---- opening ---- */

void fixture_scsi_nexus_open(struct fixture_scsi *fs, unsigned int n, struct scsi_target *target,
			     const char *initiator)
{
	uint8_t id[24] = {0x05, 0, 0, 20};
	struct scsi_nexus_config config = {
		.nexus = &fs->transport[n],
		.queue = &fs->queue,
		.transport_id = id,
		.transport_id_len = sizeof(id),
	};

	assert(!initiator || strlen(initiator) < sizeof(id) - 4);
	if (initiator)
		memcpy(id + 4, initiator, strlen(initiator));
	else
		id[4] = (uint8_t)('a' + n);
	fs->transport[n].id = n + 1;
	memset(config.mask.visible, 0xff, sizeof(config.mask.visible));
	assert(!scsi_nexus_open(target, &config, &fs->nexus[n]));
}

void fixture_scsi_open(struct fixture_scsi *fs, const struct fixture_scsi_config *config)
{
	static const uint8_t test_unit_ready[6];
	const struct arena_config memory = {.rx_frames = 1, .runs = RUNS, .run_frames = RUN_FRAMES};
	const struct scsi_target_config port = {
		.relative_port = config->relative_port ? config->relative_port : 1,
		.protocol = config->fibre_channel ? SCSI_PROTOCOL_FCP : SCSI_PROTOCOL_ISCSI,
		.port_name = "iqn.2026-11.example:test,t,0x0001",
		.device_name = "iqn.2026-11.example:test",
	};
	uint64_t nblocks = config->nblocks ? config->nblocks : 4096;
	struct scsi_device_config unit = {
		.lu = &fs->lu,
		.state = config->state,
		.logical_block = config->logical_block ? config->logical_block : 512,
		.removable = config->removable,
		.thin = config->thin,
	};

	memset(fs, 0, offsetof(struct fixture_scsi, in));
	assert(!arena_open(&fs->arena, &memory, NULL));
	assert(!mailbox_open(&fs->mailbox));
	blk_queue_init(&fs->queue, &fs->arena, NULL, &fs->mailbox);
	fs->disk = fixture_disk_open(nblocks, nblocks < 65536 ? nblocks : 65536);
	fs->disk->disk.read_only = config->read_only;
	fs->disk->disk.can_unmap = config->thin;
	lu_init(&fs->lu, &fs->disk->disk, false);
	assert(!scsi_device_open(&unit, &fs->dev, NULL));
	assert(!scsi_target_open(&port, &fs->target, NULL));
	assert(!scsi_target_add_lun(fs->target, 0, fs->dev, false));
	for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++) {
		fixture_scsi_nexus_open(fs, n, fs->target, config->initiators[n]);
		assert(fixture_scsi_run(fs, n, test_unit_ready, 6, NULL, 0, 0).key == 6);
	}
}

void fixture_scsi_close(struct fixture_scsi *fs)
{
	for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++)
		if (fs->nexus[n])
			scsi_nexus_close(fs->nexus[n], NULL, NULL);
	fixture_scsi_turn(fs);
	assert(!fs->queue.inflight && fs->arena.nfree_runs == RUNS);
	scsi_target_close(fs->target);
	scsi_device_close(fs->dev);
	lu_fini(&fs->lu);
	fixture_disk_close(fs->disk);
	mailbox_close(&fs->mailbox);
	arena_close(&fs->arena);
}

static void open_with_state(struct fixture_scsi *fs, struct fixture_scsi_kept *kept,
			    struct mailbox *writer)
{
	assert(!state_open(kept->dir, "disk", writer, &kept->state, NULL));
	fixture_scsi_open(fs, &(struct fixture_scsi_config){.state = kept->state});
}

void fixture_scsi_open_kept(struct fixture_scsi *fs, struct fixture_scsi_kept *kept,
			    struct mailbox *writer)
{
	kept->dir = fixture_dir_make();
	open_with_state(fs, kept, writer);
}

void fixture_scsi_close_kept(struct fixture_scsi *fs, struct fixture_scsi_kept *kept)
{
	fixture_scsi_close(fs);
	state_close(kept->state);
	fixture_dir_remove(kept->dir);
}

void fixture_scsi_restart(struct fixture_scsi *fs, struct fixture_scsi_kept *kept)
{
	fixture_scsi_close(fs);
	state_close(kept->state);
	open_with_state(fs, kept, NULL);
}

static FILE *file_of(const struct fixture_scsi_kept *kept, const char *mode)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/disk.json", kept->dir);
	return fopen(path, mode);
}

void fixture_scsi_open_next(struct fixture_scsi *next, struct fixture_scsi_kept *next_kept,
			    const struct fixture_scsi_kept *kept)
{
	FILE *from = file_of(kept, "r"), *to;
	char text[16384];

	next_kept->dir = fixture_dir_make();
	if (from) {
		to = file_of(next_kept, "w");
		assert(to);
		fwrite(text, 1, fread(text, 1, sizeof(text), from), to);
		assert(!fclose(to) && !fclose(from));
	}
	open_with_state(next, next_kept, NULL);
}

void fixture_scsi_kept_block(struct fixture_scsi_kept *kept, bool block)
{
	char *dir = strdup(kept->dir);
	FILE *in_the_way;

	assert(dir);
	if (!block) {
		assert(!remove(dir) && !mkdir(dir, 0700));
		free(dir);
		return;
	}
	fixture_dir_remove(kept->dir);
	kept->dir = dir;
	in_the_way = fopen(dir, "w");
	assert(in_the_way);
	fclose(in_the_way);
}
