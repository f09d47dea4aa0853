/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SCSI device server with hostile CDBs and parameter lists. The first byte says what the units
 * are like (KIND_*); then come operations (OP_*), which three initiators and the administrator do
 * to two units while their disks answer when, in which order and how the input says.
 *
 * Every command ends exactly once, has the sense data that its status calls for, and returns no
 * more than it was asked for. The table of reservations is consistent after every operation; what
 * was promised to be kept over a restart is there afterwards, and nothing else.
 */
#include "base/bytes.h"
#include "cursor.h"
#include "fixture_scsi.h"
#include "kept.h"
#include "scsi/mode.h"
#include "scsi/reserve.h"
#include "scsi/sanitize.h"
#include "scsi_make.h"

#include <stdlib.h>

#define NBLOCKS	   4096u
#define COMMANDS   8u
#define OPERATIONS 64u
#define TURNS	   400u
/* Of the fixture's memory; each of a command's two directions may round up to a run. */
#define MEMORY (4u << 20)
#define RUN    65536u

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

enum kind {
	KIND_LARGE_BLOCKS = 1,
	KIND_THIN = 2,
	KIND_REMOVABLE = 4,
	KIND_READ_ONLY = 8,
	KIND_TWO_UNITS = 16,
	KIND_KEPT = 32,
	KIND_CRYPTO = 64,
	KIND_TWO_PORTS = 128, /* the third initiator's is another one, of another group */
};

enum op {
	OP_COMMAND = 0, /* to 2: of that initiator; see struct operation */
	OP_TMF = 3,	/* initiator, function and unit, which of the running commands */
	OP_TURN,	/* the disks answer, data-out comes, messages arrive */
	OP_ACCESS,	/* an access state of the first port */
	OP_ANSWER,	/* one request is answered: which of the first or second disk's */
	OP_FAILS,	/* kind of requests (3 bits), what they end with, which disk (top bit) */
	OP_RESIZE,	/* so many 4096ths of the first disk are there */
	OP_NEXUS,	/* an initiator goes, and comes back */
	OP_LUN,		/* the second unit is hidden or shown, read-only perhaps */
	OP_RESTART,	/* the process ends, and begins again; SANITIZE is stopped or waited for */
	OP_SPACE,	/* the disk crosses its soft threshold */
	OPS
};

/* A command's flags. */
enum {
	ATTRIBUTE = 3,
	LATE = 4,      /* the disks answer when they are told to */
	HOLD_OUT = 8,  /* data-out comes later */
	NOWHERE = 16,  /* a LUN that shows no unit */
	SECOND = 32,   /* the second unit */
	ECHO = 64,     /* data-out is what the initiator read last, changed by what is given */
	FLAT_LUN = 128 /* the other way to write the same LUN */
};

struct operation {
	uint8_t op, bytes[3];
	/* Of a command. */
	uint8_t flags, cdb_len;
	uint8_t cdb[SCSI_CDB_MAX];
	uint16_t out_len, given, in_len; /* of data-out, `given` come from the input */
	const uint8_t *out;
};

struct slot {
	struct fixture_scsi_command fc;
	unsigned int n; /* initiator */
	uint8_t out[65536], in[65536];
	bool running;
};

struct request {
	struct scsi_tmf tmf;
	bool running;
};

struct second {
	struct fixture_disk *disk;
	struct lu lu;
	struct scsi_device *dev;
	bool shown, gone;
};

static struct fixture_scsi fs;
static struct fixture_scsi_config config;
static uint8_t kind;
static struct second second;
static struct scsi_target *port;
static struct mailbox writer;
static struct slot slots[COMMANDS];
static struct request requests[COMMANDS];
static uint8_t last_in[FIXTURE_SCSI_NEXUSES][256];

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* ---- what must hold ---- */

static void check_sense(const uint8_t *sense, uint8_t len)
{
	uint8_t key, at = 8;

	require(len >= 8 && sense[7] + 8 == len);
	if (sense[0] == SCSI_SENSE_DESCRIPTOR) {
		key = sense[1];
		while (at < len) {
			require(at + 2 <= len && (sense[at] == 0 || sense[at] == 2));
			at = (uint8_t)(at + sense[at + 1] + 2);
		}
		require(at == len);
	} else {
		require((sense[0] & 0x7f) == 0x70 && len == 18);
		key = sense[2] & 0xf;
	}
	require(key && key <= SCSI_KEY_MISCOMPARE);
}

static void check(const struct slot *s)
{
	const struct fixture_scsi_command *fc = &s->fc;
	const struct scsi_command *scsi = &fc->cmd.scsi;
	uint32_t allocation;

	require(fc->delivered + fc->dropped == 1 && !fc->waiting);
	require(fc->in_got <= scsi->in_len);
	if (scsi_make_allocation(scsi->cdb, &allocation))
		require(fc->in_got <= allocation);
	if (fc->dropped)
		return;
	require((scsi->status == SCSI_CHECK_CONDITION) == (scsi->sense_len != 0));
	require(scsi->sense_len <= SCSI_SENSE_MAX);
	if (scsi->sense_len)
		check_sense(scsi->sense, scsi->sense_len);
}

static void check_table(const struct scsi_device *dev)
{
	const struct scsi_pr_table *table = &dev->reservations->current;

	require(table->n <= SCSI_REGISTRATIONS_MAX);
	require(!table->type || scsi_pr_type_valid((uint8_t)table->type));
	require(!table->type || scsi_pr_type_all(table->type) ||
		(table->holder >= 0 && table->holder < (int)table->n));
	require(table->n || !table->type);
	for (unsigned int i = 0; i < table->n; i++) {
		const struct scsi_registration *r = &table->list[i];

		require(r->key && r->id_len >= 24 && r->id_len <= SCSI_TRANSPORT_ID_MAX);
		require(scsi_pr_find_port(table, r->port, r->id, r->id_len) == (int)i);
	}
}

/* ---- units and ports ---- */

static void second_open(void)
{
	struct scsi_device_config unit = {
		.lu = &second.lu,
		.logical_block = kind & KIND_LARGE_BLOCKS ? 512 : 4096,
		.thin = !(kind & KIND_THIN),
	};

	second.disk = fixture_disk_open(NBLOCKS, NBLOCKS);
	second.disk->disk.wwn = SCSI_MAKE_OTHER_WWN;
	second.disk->disk.can_crypto_erase = true;
	lu_init(&second.lu, &second.disk->disk, false);
	require(!scsi_device_open(&unit, &second.dev, NULL));
	require(!scsi_target_add_lun(fs.target, 1, second.dev, false));
	second.shown = true;
}

static void port_open(void)
{
	const struct scsi_target_config other = {
		.relative_port = 2,
		.group = 2,
		.protocol = SCSI_PROTOCOL_ISCSI,
		.port_name = "iqn.2026-11.example:test,t,0x0002",
		.device_name = "iqn.2026-11.example:test",
	};

	require(!scsi_target_open(&other, &port, NULL));
	require(!scsi_target_add_lun(port, 0, fs.dev, false));
	scsi_nexus_close(fs.nexus[2], NULL, NULL);
	fixture_scsi_nexus_open(&fs, 2, port, NULL);
}

static void all_open(void)
{
	config.state = NULL;
	if (kind & KIND_KEPT)
		require(!state_open(kept_dir(), "disk", &writer, &config.state, NULL));
	fixture_scsi_open(&fs, &config);
	fs.disk->disk.can_crypto_erase = kind & KIND_CRYPTO;
	fs.disk->disk.wwn = SCSI_MAKE_WWN;
	if (kind & KIND_TWO_UNITS)
		second_open();
	if (kind & KIND_TWO_PORTS)
		port_open();
}

static void note(void *ctx)
{
	*(bool *)ctx = true;
}

static void hide(struct scsi_target *target, uint16_t lun)
{
	bool gone = false;

	require(!scsi_target_remove_lun(target, lun, note, &gone));
	fixture_scsi_turn(&fs);
	require(gone);
}

static void second_close(void)
{
	if (second.shown)
		hide(fs.target, 1);
	fixture_scsi_turn(&fs);
	require(second.shown || second.gone);
	scsi_device_close(second.dev);
	lu_fini(&second.lu);
	fixture_disk_close(second.disk);
	memset(&second, 0, sizeof(second));
}

/* Nothing runs any more. */
static void all_close(void)
{
	if (kind & KIND_TWO_PORTS) {
		hide(port, 0);
		scsi_nexus_close(fs.nexus[2], NULL, NULL);
		fs.nexus[2] = NULL;
		fixture_scsi_turn(&fs);
		scsi_target_close(port);
	}
	if (kind & KIND_TWO_UNITS)
		second_close();
	fixture_scsi_close(&fs);
	if (config.state)
		state_close(config.state);
}

/* ---- going on ---- */

static void messages(void)
{
	do {
		fixture_scsi_turn(&fs);
	} while (mailbox_drain(&writer));
}

static void reap(void)
{
	for (unsigned int i = 0; i < COMMANDS; i++) {
		struct slot *s = &slots[i];

		if (!s->running || !(s->fc.delivered + s->fc.dropped))
			continue;
		check(s);
		if (s->fc.in_got)
			memcpy(last_in[s->n], s->in,
			       s->fc.in_got < sizeof(last_in[0]) ? s->fc.in_got
								 : sizeof(last_in[0]));
		fixture_scsi_end(&s->fc);
		s->running = false;
	}
}

/* The log of a disk is bounded. */
static void forget(void)
{
	fs.disk->requests = 0;
	if (second.disk)
		second.disk->requests = 0;
}

static bool any_held(void)
{
	return !list_empty(&fs.disk->held) || (second.disk && !list_empty(&second.disk->held));
}

/* Whatever is under way goes on until nothing is. */
static void turn(void)
{
	messages();
	for (unsigned int i = 0; i < COMMANDS; i++)
		if (slots[i].running && slots[i].fc.waiting)
			fixture_scsi_answer_solicit(&slots[i].fc);
	while (any_held()) {
		fixture_disk_release(fs.disk);
		if (second.disk)
			fixture_disk_release(second.disk);
		messages();
		forget();
	}
	messages();
	forget();
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

static void finish(void)
{
	for (unsigned int i = 0; i < TURNS && any_running(); i++)
		turn();
	require(!any_running());
}

/* ---- operations ---- */

static uint32_t memory_promised(void)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < COMMANDS; i++)
		if (slots[i].running)
			sum += slots[i].fc.announced + 2 * RUN;
	return sum;
}

static struct slot *free_slot(void)
{
	if (memory_promised() > MEMORY - SCSI_MEMORY_MAX - 2 * RUN)
		turn();
	if (memory_promised() > MEMORY - SCSI_MEMORY_MAX - 2 * RUN)
		return NULL;
	for (unsigned int i = 0; i < COMMANDS; i++)
		if (!slots[i].running)
			return &slots[i];
	return NULL;
}

static void fill_out(struct slot *s, const struct operation *o, unsigned int n)
{
	memset(s->out, 0, o->out_len);
	if (!(o->flags & ECHO)) {
		memcpy(s->out, o->out, o->given);
		return;
	}
	memcpy(s->out, last_in[n],
	       o->out_len < sizeof(last_in[n]) ? o->out_len : sizeof(last_in[n]));
	for (uint16_t i = 0; i < o->given; i++)
		s->out[i] ^= o->out[i];
}

static uint64_t lun_of(uint8_t flags)
{
	uint64_t lun = flags & NOWHERE ? 7 : flags & SECOND ? 1 : 0;

	return lun << 48 | (flags & FLAT_LUN ? 1ull << 62 : 0);
}

static void run_command(const struct operation *o)
{
	struct slot *s = free_slot();

	if (!s)
		return;
	s->n = o->op;
	fill_out(s, o, s->n);
	s->running = true;
	s->fc.hold_out = o->flags & HOLD_OUT;
	s->fc.cmd.scsi.attribute = o->flags & ATTRIBUTE;
	s->fc.cmd.scsi.lun = lun_of(o->flags);
	fs.disk->hold = o->flags & LATE;
	if (second.disk)
		second.disk->hold = fs.disk->hold;
	fixture_scsi_start(&fs, &s->fc, s->n, o->cdb, o->cdb_len, s->out, o->out_len, s->in,
			   o->in_len);
}

static void managed(struct scsi_tmf *tmf)
{
	struct request *r = container_of(tmf, struct request, tmf);

	require(r->running);
	r->running = false;
}

static void run_management(const uint8_t *bytes)
{
	static const uint8_t units[] = {0, SECOND, NOWHERE, FLAT_LUN};
	unsigned int n = bytes[0] % FIXTURE_SCSI_NEXUSES;
	const struct slot *s = &slots[bytes[2] % COMMANDS];
	struct request *r = NULL;

	for (unsigned int i = 0; i < COMMANDS && !r; i++)
		if (!requests[i].running)
			r = &requests[i];
	if (!r)
		return;
	*r = (struct request){.tmf = {.function = bytes[1] % (SCSI_QUERY_UNIT_ATTENTION + 1),
				      .lun = lun_of(units[bytes[1] >> 3 & 3]),
				      .done = managed},
			      .running = true};
	/* A transport finds tasks of the initiator who asks. */
	if (s->running && s->n == n)
		r->tmf.task = (struct command *)&s->fc.cmd;
	scsi_task_management(fs.nexus[n], &r->tmf);
}

static void run_answer(uint8_t which)
{
	struct fixture_disk *disk = which & 0x80 && second.disk ? second.disk : fs.disk;

	fixture_disk_release_one(disk, which & 0x7f);
	if (which & 0x40)
		messages();
}

static void run_fails(uint8_t how)
{
	static const enum blk_status statuses[] = {BLK_OK, BLK_EIO, BLK_ENOSPC, BLK_ENOTSUP};
	struct fixture_disk *disk = how & 0x80 && second.disk ? second.disk : fs.disk;

	disk->fail[(how & 7) % (BLK_CRYPTO_ERASE + 1)] = statuses[how >> 3 & 3];
}

static void run_resize(uint8_t size)
{
	atomic_store(&fs.disk->disk.nblocks, NBLOCKS / 256 * (size + 1u));
	scsi_device_resized(fs.dev);
}

static void run_nexus(uint8_t which)
{
	unsigned int n = which % FIXTURE_SCSI_NEXUSES;
	bool closed = false;

	/* Its transport waits for what it asked for. */
	for (unsigned int i = 0; i < COMMANDS; i++)
		if (requests[i].running)
			return;
	scsi_nexus_close(fs.nexus[n], note, &closed);
	for (unsigned int i = 0; i < TURNS && !closed; i++)
		turn();
	require(closed);
	reap();
	fixture_scsi_nexus_open(&fs, n, kind & KIND_TWO_PORTS && n == 2 ? port : fs.target, NULL);
}

static void run_lun(uint8_t how)
{
	if (!second.dev)
		return;
	if (second.shown) {
		second.shown = second.gone = false;
		require(!scsi_target_remove_lun(fs.target, 1, note, &second.gone));
	} else if (second.gone) {
		require(!scsi_target_add_lun(fs.target, 1, second.dev, how & 1));
		second.shown = true;
	}
}

/* What is to be the same after a restart: nothing of reservations unless that was asked for. */
static void run_restart(uint8_t how)
{
	static struct scsi_pr_table before;
	struct scsi_mode_values saved;
	bool stopped = false;
	unsigned int state;

	if (!(kind & KIND_KEPT))
		return;
	if (how & 1)
		scsi_device_stop(fs.dev, note, &stopped);
	finish();
	require(stopped || !(how & 1));
	scsi_pr_copy(&before, &fs.dev->reservations->current);
	saved = fs.dev->modes->saved;
	state = atomic_load(&fs.dev->sanitize_state);
	require(how & 1 || state != SANITIZE_RUNS);
	all_close();
	all_open();
	require(!memcmp(&saved, &fs.dev->modes->saved, sizeof(saved)));
	require(state == atomic_load(&fs.dev->sanitize_state));
	require(fs.dev->reservations->current.n == (before.kept ? before.n : 0));
	require(!before.kept || before.type == fs.dev->reservations->current.type);
	for (unsigned int i = 0; before.kept && i < before.n; i++)
		require(!memcmp(&before.list[i].key, &fs.dev->reservations->current.list[i].key,
				sizeof(before.list[i].key)));
	if (scsi_device_unfinished(fs.dev))
		require(scsi_device_resume(fs.dev, &fs.queue));
}

static void run_one(const struct operation *o)
{
	switch (o->op) {
	case OP_TMF:
		run_management(o->bytes);
		break;
	case OP_TURN:
		turn();
		break;
	case OP_ACCESS:
		scsi_target_set_access(
			fs.target, (struct scsi_access_state){
					   .access = o->bytes[0] % (SCSI_ACCESS_UNAVAILABLE + 1),
					   .preferred = o->bytes[0] & 16,
					   .implicit = o->bytes[0] & 32,
				   });
		break;
	case OP_ANSWER:
		run_answer(o->bytes[0]);
		break;
	case OP_FAILS:
		run_fails(o->bytes[0]);
		break;
	case OP_RESIZE:
		run_resize(o->bytes[0]);
		break;
	case OP_NEXUS:
		run_nexus(o->bytes[0]);
		break;
	case OP_LUN:
		run_lun(o->bytes[0]);
		break;
	case OP_RESTART:
		run_restart(o->bytes[0]);
		break;
	case OP_SPACE:
		scsi_device_short_of_space(fs.dev);
		break;
	default:
		run_command(o);
	}
}

/* ---- the input ---- */

static void read_command(struct cursor *c, struct operation *o)
{
	o->flags = cursor_u8(c);
	o->cdb_len = cursor_u8(c) % (SCSI_CDB_MAX + 1);
	for (uint8_t i = 0; i < o->cdb_len; i++)
		o->cdb[i] = cursor_u8(c);
	o->out_len = cursor_be16(c);
	o->given = cursor_be16(c);
	o->in_len = cursor_be16(c);
	if (o->given > o->out_len)
		o->given = o->out_len;
	if (o->given > cursor_left(c))
		o->given = (uint16_t)cursor_left(c);
	o->out = cursor_bytes(c, o->given);
}

static void read_operation(struct cursor *c, struct operation *o)
{
	unsigned int n;

	memset(o, 0, sizeof(*o));
	o->op = cursor_u8(c) % OPS;
	if (o->op < OP_TMF) {
		read_command(c, o);
		return;
	}
	n = o->op == OP_TMF ? 3 : o->op == OP_TURN || o->op == OP_SPACE ? 0 : 1;
	for (unsigned int i = 0; i < n; i++)
		o->bytes[i] = cursor_u8(c);
}

static size_t operation_length(const uint8_t *at, size_t left)
{
	struct cursor c = cursor_over(at, left);
	struct operation o;

	read_operation(&c, &o);
	return left - cursor_left(&c);
}

static size_t make_command(struct script_random *random, uint8_t *out)
{
	static const uint8_t odd[] = {LATE, HOLD_OUT, SECOND, SECOND, NOWHERE, FLAT_LUN, 1, 2, 0};
	struct scsi_made made;
	size_t n = 0;

	scsi_make(random, &made);
	out[n++] = (uint8_t)script_random(random, FIXTURE_SCSI_NEXUSES);
	out[n] = made.echo ? ECHO : 0;
	if (script_chance(random, 2))
		out[n] |= odd[script_random(random, sizeof(odd))];
	out[++n] = made.cdb_len;
	memcpy(out + ++n, made.cdb, made.cdb_len);
	n += made.cdb_len;
	put_be16(out + n, (uint16_t)(made.out_len < UINT16_MAX ? made.out_len : UINT16_MAX));
	put_be16(out + n + 2, made.list_len);
	put_be16(out + n + 4, (uint16_t)(made.in_len < UINT16_MAX ? made.in_len : UINT16_MAX));
	memcpy(out + n + 6, made.list, made.list_len);
	return n + 6 + made.list_len;
}

static size_t make_operation(struct script_random *random, uint8_t *out)
{
	if (!script_chance(random, 4))
		return make_command(random, out);
	out[0] = (uint8_t)(OP_TMF + script_random(random, OPS - OP_TMF));
	for (unsigned int i = 1; i < 4; i++)
		out[i] = (uint8_t)script_random(random, 256);
	return operation_length(out, 4);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const struct script_format format = {
		.head = 1, .length = operation_length, .make = make_operation};

	return script_mutate(&format, data, size, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct cursor c = cursor_over(input, size);
	struct operation o;

	kind = cursor_u8(&c);
	config = (struct fixture_scsi_config){
		.nblocks = NBLOCKS,
		.logical_block = kind & KIND_LARGE_BLOCKS ? 4096 : 512,
		.thin = kind & KIND_THIN,
		.removable = kind & KIND_REMOVABLE,
		.read_only = kind & KIND_READ_ONLY,
	};
	memset(last_in, 0, sizeof(last_in));
	require(!mailbox_open(&writer));
	if (kind & KIND_KEPT)
		kept_set("disk", NULL, 0);
	all_open();
	for (unsigned int i = 0; i < OPERATIONS && cursor_left(&c); i++) {
		read_operation(&c, &o);
		run_one(&o);
		forget();
		reap();
		check_table(fs.dev);
	}
	finish();
	all_close();
	mailbox_close(&writer);
	return 0;
}
