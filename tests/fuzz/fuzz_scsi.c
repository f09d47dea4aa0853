/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SCSI device server with hostile CDBs and parameter lists. The first byte says what the unit
 * is like; then come operations:
 *
 *	0..2	a command of that nexus: flags, length of the CDB, CDB, length of the data-out in
 *bytes (2) and how much of it is given here (2), the rest being zeroes, how much data-in is taken
 *(2). Flags: task attribute (2 bits), the disk answers late, the data-out comes late, a LUN that is
 *not there. 3	task management: nexus, function, which of the running commands 4	a turn: the
 *disk answers, data-out comes, messages arrive 5	an access state
 *
 * Every command ends exactly once, and has the sense data that its status calls for.
 */
#include "cursor.h"
#include "fixture_scsi.h"
#include <stdlib.h>

#define NBLOCKS	   4096u
#define COMMANDS   8u
#define OPERATIONS 48u

struct slot {
	struct fixture_scsi_command fc;
	uint8_t out[65536], in[65536];
	bool running;
};

struct request {
	struct scsi_tmf tmf;
	bool running;
};

static struct fixture_scsi fs;
static struct slot slots[COMMANDS];
static struct request requests[COMMANDS];

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct fixture_scsi_command *fc)
{
	const struct scsi_command *scsi = &fc->cmd.scsi;

	require(fc->delivered + fc->dropped == 1);
	require(fc->in_got <= scsi->in_len);
	if (fc->dropped)
		return;
	require((scsi->status == SCSI_CHECK_CONDITION) == (scsi->sense_len != 0));
	require(scsi->sense_len <= SCSI_SENSE_MAX);
}

static void reap(void)
{
	for (unsigned int i = 0; i < COMMANDS; i++) {
		struct slot *s = &slots[i];

		if (!s->running || !(s->fc.delivered + s->fc.dropped))
			continue;
		check(&s->fc);
		fixture_scsi_end(&s->fc);
		s->running = false;
	}
}

/* Whatever is under way goes on until nothing is. */
static void turn(void)
{
	fixture_scsi_turn(&fs);
	for (unsigned int i = 0; i < COMMANDS; i++)
		if (slots[i].running && slots[i].fc.waiting)
			fixture_scsi_answer_solicit(&slots[i].fc);
	while (!list_empty(&fs.disk->held)) {
		fixture_disk_release(fs.disk);
		fixture_scsi_turn(&fs);
	}
	fixture_scsi_turn(&fs);
	fs.disk->requests = 0;
	reap();
}

static bool any_running(void)
{
	for (unsigned int i = 0; i < COMMANDS; i++)
		if (slots[i].running || requests[i].running)
			return true;
	/* SANITIZE goes on without a command. */
	return fs.queue.inflight;
}

static void run_command(struct cursor *c, unsigned int n)
{
	uint8_t flags = cursor_u8(c), cdb_len = cursor_u8(c) % (SCSI_CDB_MAX + 1);
	uint8_t cdb[SCSI_CDB_MAX] = {};
	uint16_t out_len, given, in_len;
	struct slot *s = NULL;

	for (unsigned int i = 0; i < COMMANDS && !s; i++)
		if (!slots[i].running)
			s = &slots[i];
	for (uint8_t i = 0; i < cdb_len; i++)
		cdb[i] = cursor_u8(c);
	out_len = cursor_be16(c);
	given = cursor_be16(c);
	in_len = cursor_be16(c);
	if (!s)
		return;
	if (given > out_len)
		given = out_len;
	if (given > cursor_left(c))
		given = (uint16_t)cursor_left(c);
	memset(s->out, 0, out_len);
	memcpy(s->out, cursor_bytes(c, given), given);
	s->running = true;
	s->fc.hold_out = flags & 8;
	s->fc.cmd.scsi.attribute = flags & 3;
	s->fc.cmd.scsi.lun = flags & 16 ? 7ull << 48 : 0;
	fs.disk->hold = flags & 4;
	fixture_scsi_start(&fs, &s->fc, n, cdb, cdb_len, s->out, out_len, s->in, in_len);
	reap();
}

static void managed(struct scsi_tmf *tmf)
{
	struct request *r = container_of(tmf, struct request, tmf);

	require(r->running);
	r->running = false;
}

static void run_management(struct cursor *c)
{
	unsigned int n = cursor_u8(c) % FIXTURE_SCSI_NEXUSES;
	enum scsi_tmf_function function = cursor_u8(c) % (SCSI_QUERY_UNIT_ATTENTION + 1);
	const struct slot *s = &slots[cursor_u8(c) % COMMANDS];
	struct request *r = NULL;

	for (unsigned int i = 0; i < COMMANDS && !r; i++)
		if (!requests[i].running)
			r = &requests[i];
	if (!r)
		return;
	*r = (struct request){.tmf = {.function = function, .done = managed}, .running = true};
	if (s->running)
		r->tmf.task = (struct command *)&s->fc.cmd;
	scsi_task_management(fs.nexus[n], &r->tmf);
}

static void run_one(struct cursor *c)
{
	uint8_t op = cursor_u8(c) % 6;

	switch (op) {
	case 3:
		run_management(c);
		break;
	case 4:
		turn();
		break;
	case 5:
		scsi_target_set_access(
			fs.target, (struct scsi_access_state){
					   .access = cursor_u8(c) % (SCSI_ACCESS_UNAVAILABLE + 1)});
		break;
	default:
		run_command(c, op);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct cursor c = cursor_over(input, size);
	uint8_t kind = cursor_u8(&c);
	const struct fixture_scsi_config config = {
		.nblocks = NBLOCKS,
		.logical_block = kind & 1 ? 4096 : 512,
		.thin = kind & 2,
		.removable = kind & 4,
		.read_only = kind & 8,
	};

	fixture_scsi_open(&fs, &config);
	for (unsigned int i = 0; i < OPERATIONS && cursor_left(&c); i++)
		run_one(&c);
	for (unsigned int i = 0; i < 4 * OPERATIONS && any_running(); i++)
		turn();
	require(!any_running());
	fixture_scsi_close(&fs);
	return 0;
}
