/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SANITIZE (SBC-4 4.11, 5.30): what was on the medium cannot be read any more. Once begun it goes
 * on whatever becomes of the command and its initiator, a piece at a time, on the thread where it
 * began; it ends early only with the unit or with the thread, and then the next process that has
 * the unit begins it again: that it runs is saved before anything is written.
 *
 * OVERWRITE writes and has the store make it durable. BLOCK ERASE has the store give the space back
 * and promises no more than that nobody reads it through this unit. CRYPTO ERASE is one request,
 * which a disk that encrypts answers with another key.
 */
#include "scsi/sanitize.h"

#include <stdlib.h>
#include <string.h>

#define OPCODE	    0x48
#define IMMED	    0x80
#define AUSE	    0x20
#define ZNR	    0x40
#define INVERT	    0x80
#define LIST_HEADER 4u
/* For commands: what any needs at one time, and this part of all, as transports keep some back. */
#define RUNS_LEFT     16u
#define PART_LEFT     8u
#define ERASE_SECTORS (1ull << 21)
/* Progress is what the store has, and its cache is not filled for an operation in the background.
 */
#define VOLATILE_MAX (1ull << 14)

/* ---- what others are told ---- */

struct scsi_sense scsi_sanitize_sense(struct scsi_device *dev)
{
	struct scsi_sense running = {.key = SCSI_KEY_NOT_READY,
				     .asc = SCSI_ASC_SANITIZE_IN_PROGRESS,
				     .has_progress = true};

	if (atomic_load(&dev->sanitize_state) == SANITIZE_FAILED)
		return (struct scsi_sense){.key = SCSI_KEY_MEDIUM_ERROR,
					   .asc = SCSI_ASC_SANITIZE_FAILED};
	running.progress = (uint16_t)atomic_load(&dev->sanitize_progress);
	return running;
}

bool scsi_sanitize_refuses(const struct command *cmd, struct scsi_sense *sense)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	unsigned int state = atomic_load_explicit(&dev->sanitize_state, memory_order_relaxed);
	unsigned int flags = cmd->scsi.opcode->flags;

	if (state == SANITIZE_NONE || flags & (SCSI_ANY_LUN | SCSI_PAST_ALUA))
		return false;
	/* What failed can be begun again, and left. */
	if (state == SANITIZE_FAILED && (!(flags & SCSI_MEDIUM) || cmd->scsi.cdb[0] == OPCODE))
		return false;
	*sense = scsi_sanitize_sense(dev);
	return true;
}

bool scsi_sanitize_tells(struct scsi_device *dev, struct scsi_sense *sense)
{
	if (atomic_load(&dev->sanitize_state) == SANITIZE_NONE)
		return false;
	*sense = scsi_sanitize_sense(dev);
	return true;
}

/* ---- what is remembered ---- */

/* No unit is closed and no thread ends before it is known what became of the save. */
static void saved(struct state_save *save, void (*then)(struct scsi_sanitize *s, bool good))
{
	struct scsi_sanitize *s = container_of(save, struct scsi_sanitize, save);

	s->queue->inflight--;
	then(s, !save->result);
}

/* `done` passes itself on to saved(). Where nothing is kept it is called at once. */
static void save_state(struct scsi_sanitize *s, enum scsi_sanitize_state state,
		       void (*done)(struct state_save *save))
{
	s->queue->inflight++;
	s->save.reply = s->queue->mailbox;
	s->save.done = done;
	s->save.result = 0;
	if (s->dev->state)
		state_save(s->dev->state, &s->save, SCSI_SANITIZE_SECTION,
			   scsi_sanitize_describe(state, s));
	else
		done(&s->save);
}

/* ---- the end ---- */

/* Whoever waited hears of it, if it was not aborted meanwhile. */
static void tell(struct command *cmd, bool good, enum scsi_key key, uint16_t asc)
{
	if (scsi_task_aborted(cmd))
		scsi_end(cmd, SCSI_TASK_ABORTED);
	else if (good)
		scsi_good(cmd);
	else
		scsi_refuse(cmd, key, asc);
}

/*
 * The unit is in that state from now on; it may be gone afterwards, unless a command waits. What
 * still runs is left for another thread.
 */
static void sanitize_close(struct scsi_sanitize *s, enum scsi_sanitize_state state)
{
	struct scsi_device *dev = s->dev;
	bool left = state == SANITIZE_RUNS;
	void (*stopped)(void *ctx);
	void *ctx;

	if (s->run != ARENA_NONE)
		arena_run_put(s->queue->arena, s->run);
	pthread_mutex_lock(&dev->lock);
	/* First, as whoever sees the failure asks whether it can be left. */
	if (state == SANITIZE_FAILED)
		atomic_store(&dev->sanitize_unrestricted, s->unrestricted);
	/* Before the state, too: what that lets in is of the new era. */
	if (state == SANITIZE_NONE)
		disk_unseal(dev->lu->disk);
	atomic_store(&dev->sanitize_state, state);
	dev->sanitize = NULL;
	if (left)
		dev->sanitize_left = s;
	stopped = dev->stopped;
	ctx = dev->stopped_ctx;
	pthread_mutex_unlock(&dev->lock);
	if (!left)
		free(s);
	if (stopped)
		stopped(ctx);
}

static void sanitize_end(struct scsi_sanitize *s, enum scsi_sanitize_state state)
{
	struct command *cmd = s->cmd;

	s->cmd = NULL;
	sanitize_close(s, state);
	if (cmd)
		tell(cmd, state == SANITIZE_NONE, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_SANITIZE_FAILED);
}

/* What the file still says to run would be run again, over data of later. */
static void outcome_known(struct scsi_sanitize *s, bool good)
{
	sanitize_end(s, good ? s->outcome : SANITIZE_FAILED);
}

static void outcome_saved(struct state_save *save)
{
	saved(save, outcome_known);
}

static void sanitize_over(struct scsi_sanitize *s, enum scsi_sanitize_state outcome)
{
	s->outcome = outcome;
	save_state(s, outcome, outcome_saved);
}

void scsi_device_stop(struct scsi_device *dev, void (*stopped)(void *ctx), void *ctx)
{
	bool none;

	atomic_store(&dev->sanitize_stop, true);
	pthread_mutex_lock(&dev->lock);
	none = !dev->sanitize;
	if (!none) {
		dev->stopped = stopped;
		dev->stopped_ctx = ctx;
	}
	pthread_mutex_unlock(&dev->lock);
	if (none)
		stopped(ctx);
}

/* ---- piece after piece ---- */

static void sanitize_next(struct scsi_sanitize *s);

static void sanitize_go_on(struct message *message)
{
	struct scsi_sanitize *s = container_of(message, struct scsi_sanitize, message);

	s->queue->inflight--;
	sanitize_next(s);
}

/* Not at once: a store that never makes anybody wait would leave the thread to nobody else. */
static void sanitize_take_turns(struct scsi_sanitize *s)
{
	s->queue->inflight++;
	s->message.run = sanitize_go_on;
	mailbox_post(s->queue->mailbox, &s->message);
}

static void sanitize_done(struct blk_io *io)
{
	struct scsi_sanitize *s = container_of(io, struct scsi_sanitize, io);

	if (io->status != BLK_OK) {
		sanitize_over(s, SANITIZE_FAILED);
		return;
	}
	if (io->op == BLK_CRYPTO_ERASE)
		s->pass = s->passes;
	else if (io->op == BLK_FLUSH)
		s->volatiles = 0;
	else
		s->at += io->nblocks;
	if (io->op == BLK_WRITE)
		s->volatiles += io->nblocks;
	if (io->op == BLK_FLUSH && s->at == s->total) {
		s->at = 0;
		s->pass++;
		for (uint32_t i = 0; s->invert && i < s->run_len; i++)
			((uint8_t *)arena_ptr(s->queue->arena, s->run))[i] ^= 0xff;
	}
	sanitize_take_turns(s);
}

/* Zeroes first, so that what is not given back is not read either. */
static bool erase_next(struct blk_io *io)
{
	struct scsi_sanitize *s = container_of(io, struct scsi_sanitize, io);

	io->op = s->step ? BLK_UNMAP : BLK_WRITE_ZEROES;
	return s->step++ < (s->dev->thin ? 2 : 1);
}

static void submit(struct scsi_sanitize *s, enum blk_op op, uint64_t sectors)
{
	s->io.op = op;
	s->io.flags = 0;
	s->io.era = s->era;
	s->io.lba = sectors ? s->at : 0;
	s->io.nblocks = sectors;
	s->io.sgl = (struct sgl){};
	s->io.next = op == BLK_WRITE_ZEROES ? erase_next : NULL;
	s->io.done = sanitize_done;
	if (op == BLK_WRITE) {
		s->span = (struct span){.addr = s->run, .len = (uint32_t)sectors * BLK_SECTOR};
		s->io.sgl = (struct sgl){.spans = &s->span, .nspans = 1, .len = s->span.len};
	}
	s->step = 0;
	blk_submit(s->dev->lu->disk, s->queue, &s->io);
}

static void progress(struct scsi_sanitize *s)
{
	uint64_t of_pass = s->at / (s->total / 65536 + 1), all = s->total / (s->total / 65536 + 1);
	uint64_t now = ((uint64_t)s->pass * all + of_pass) * 65536 / (s->passes * (all + 1));

	atomic_store(&s->dev->sanitize_progress, (unsigned int)(now < 65535 ? now : 65535));
}

static void sanitize_next(struct scsi_sanitize *s)
{
	uint64_t left = s->total - s->at,
		 most = s->erase ? ERASE_SECTORS : s->run_len >> BLK_SECTOR_SHIFT;

	if (s->cmd && scsi_task_aborted(s->cmd)) {
		scsi_end(s->cmd, SCSI_TASK_ABORTED);
		s->cmd = NULL;
	}
	progress(s);
	if (s->pass == s->passes)
		sanitize_over(s, SANITIZE_NONE);
	else if (s->queue->closing || atomic_load(&s->dev->sanitize_stop))
		sanitize_end(s, SANITIZE_RUNS);
	else if (s->crypto)
		submit(s, BLK_CRYPTO_ERASE, 0);
	else if (!left || s->volatiles >= VOLATILE_MAX)
		submit(s, BLK_FLUSH, 0);
	else
		submit(s, s->erase ? BLK_WRITE_ZEROES : BLK_WRITE, left < most ? left : most);
}

/* ---- the beginning ---- */

/* Makes it the one that is at work on the unit; false: there is another. */
static bool sanitize_claim(struct scsi_sanitize *s, enum scsi_sanitize_state state)
{
	struct scsi_device *dev = s->dev;
	bool first;

	pthread_mutex_lock(&dev->lock);
	first = !dev->sanitize;
	if (first) {
		s->before = atomic_load(&dev->sanitize_state);
		dev->sanitize = s;
		atomic_store(&dev->sanitize_progress, 0);
		atomic_store(&dev->sanitize_state, state);
		s->era = disk_seal(dev->lu->disk);
	}
	pthread_mutex_unlock(&dev->lock);
	return first;
}

/* NULL: no memory. */
static struct scsi_sanitize *sanitize_new(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sanitize *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dev = dev;
	s->queue = cmd->queue;
	s->cmd = cmd;
	s->run = ARENA_NONE;
	s->passes = 1;
	s->unrestricted = cmd->scsi.cdb[1] & AUSE;
	return s;
}

/* As often as it fits each block, from the block's beginning. */
static void fill(struct scsi_sanitize *s)
{
	uint8_t *to = arena_ptr(s->queue->arena, s->run);
	uint32_t block = 1u << s->dev->block_shift;

	for (uint32_t i = 0; i < s->run_len; i++)
		to[i] = s->pattern[i % block % s->period];
}

/* Memory for what is written; false: there is none to spare. */
static bool take_memory(struct scsi_sanitize *s)
{
	struct arena *arena = s->queue->arena;

	s->run = ARENA_NONE;
	if (s->erase || s->crypto)
		return true;
	if (arena->nfree_runs > RUNS_LEFT + arena->config.runs / PART_LEFT)
		s->run = arena_run_get(arena);
	if (s->run == ARENA_NONE)
		return false;
	s->run_len = arena->config.run_frames * ARENA_FRAME_SIZE;
	fill(s);
	return true;
}

static void sanitize_go(struct scsi_sanitize *s)
{
	s->at = s->volatiles = 0;
	s->pass = 0;
	s->total = scsi_sectors(s->dev, scsi_capacity(s->dev));
	sanitize_next(s);
}

/* Now that it will be finished whatever happens. */
static void beginning_known(struct scsi_sanitize *s, bool good)
{
	struct command *cmd = s->cmd;

	if (!good) {
		s->unrestricted = atomic_load(&s->dev->sanitize_unrestricted);
		sanitize_close(s, s->before);
		tell(cmd, false, SCSI_KEY_HARDWARE_ERROR, SCSI_ASC_TARGET_FAILURE);
		return;
	}
	if (cmd->scsi.cdb[1] & IMMED) {
		s->cmd = NULL;
		tell(cmd, true, SCSI_KEY_NO_SENSE, 0);
	}
	sanitize_go(s);
}

static void beginning_saved(struct state_save *save)
{
	saved(save, beginning_known);
}

/* Takes over `s`, or NULL. */
static void sanitize_begin(struct scsi_sanitize *s, struct command *cmd)
{
	if (s && take_memory(s) && sanitize_claim(s, SANITIZE_RUNS)) {
		save_state(s, SANITIZE_RUNS, beginning_saved);
		return;
	}
	if (s && s->run != ARENA_NONE)
		arena_run_put(s->queue->arena, s->run);
	free(s);
	scsi_end(cmd, SCSI_BUSY);
}

bool scsi_device_unfinished(struct scsi_device *dev)
{
	bool left;

	pthread_mutex_lock(&dev->lock);
	left = dev->sanitize_left;
	pthread_mutex_unlock(&dev->lock);
	return left;
}

bool scsi_device_resume(struct scsi_device *dev, struct blk_queue *queue)
{
	struct scsi_sanitize *s;

	pthread_mutex_lock(&dev->lock);
	s = dev->sanitize_left;
	dev->sanitize_left = NULL;
	pthread_mutex_unlock(&dev->lock);
	if (!s)
		return false;
	s->queue = queue;
	if (!take_memory(s)) {
		pthread_mutex_lock(&dev->lock);
		dev->sanitize_left = s;
		pthread_mutex_unlock(&dev->lock);
		return false;
	}
	sanitize_claim(s, SANITIZE_RUNS);
	sanitize_go(s);
	return true;
}

/* ---- the command ---- */

static void overwrite_start(struct command *cmd)
{
	const uint8_t *list = scsi_list(cmd);
	struct scsi_sanitize *s = sanitize_new(scsi_device_of(cmd), cmd);

	if (s) {
		s->invert = list[0] & INVERT;
		s->passes = list[0] & SCSI_SANITIZE_PASSES_MAX;
		s->period = get_be16(list + 2);
		memcpy(s->pattern, list + LIST_HEADER, s->period);
	}
	sanitize_begin(s, cmd);
}

static void overwrite_fetched(struct command *cmd)
{
	const uint8_t *list = scsi_list(cmd);
	uint32_t period = get_be16(list + 2), block = 1u << scsi_device_of(cmd)->block_shift;

	if (!(list[0] & SCSI_SANITIZE_PASSES_MAX))
		scsi_bad_list(cmd, 0, 4);
	else if (!period || period > block)
		scsi_bad_list(cmd, 2, 7);
	else if (LIST_HEADER + period > get_be16(cmd->scsi.cdb + 7))
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		overwrite_start(cmd);
}

/* False, with the command ended. */
static bool cdb_ok(struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;

	if (cdb[1] & ZNR) {
		scsi_bad_cdb(cmd, 1, 6);
		return false;
	}
	for (unsigned int i = 2; i < 7; i++) {
		if (cdb[i]) {
			scsi_bad_cdb(cmd, i, 7);
			return false;
		}
	}
	return true;
}

void scsi_sanitize_overwrite(struct scsi_device *dev, struct command *cmd)
{
	uint16_t len = get_be16(cmd->scsi.cdb + 7);

	if (!cdb_ok(cmd))
		return;
	if (len <= LIST_HEADER || len > LIST_HEADER + (1u << dev->block_shift))
		scsi_bad_cdb(cmd, 7, 7);
	else
		scsi_fetch_list(cmd, len, overwrite_fetched);
}

/* Of those without a parameter list; false, with the command ended. */
static bool no_list_ok(struct command *cmd)
{
	if (!cdb_ok(cmd))
		return false;
	if (!get_be16(cmd->scsi.cdb + 7))
		return true;
	scsi_bad_cdb(cmd, 7, 7);
	return false;
}

void scsi_sanitize_erase(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sanitize *s;

	if (!no_list_ok(cmd))
		return;
	s = sanitize_new(dev, cmd);
	if (s)
		s->erase = true;
	sanitize_begin(s, cmd);
}

void scsi_sanitize_crypto(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sanitize *s;

	if (!no_list_ok(cmd))
		return;
	s = sanitize_new(dev, cmd);
	if (s)
		s->crypto = true;
	sanitize_begin(s, cmd);
}

static void exit_known(struct scsi_sanitize *s, bool good)
{
	struct command *cmd = s->cmd;

	sanitize_close(s, good ? SANITIZE_NONE : SANITIZE_FAILED);
	tell(cmd, good, SCSI_KEY_HARDWARE_ERROR, SCSI_ASC_TARGET_FAILURE);
}

static void exit_saved(struct state_save *save)
{
	saved(save, exit_known);
}

void scsi_sanitize_exit(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sanitize *s;

	if (!no_list_ok(cmd))
		return;
	if (atomic_load(&dev->sanitize_state) == SANITIZE_NONE) {
		scsi_good(cmd);
		return;
	}
	/* SBC-4 4.11.4: what was begun without AUSE ends with a sanitized medium or not at all. */
	if (!atomic_load(&dev->sanitize_unrestricted)) {
		scsi_bad_cdb(cmd, 1, 4);
		return;
	}
	s = sanitize_new(dev, cmd);
	if (!s || !sanitize_claim(s, SANITIZE_FAILED)) {
		free(s);
		scsi_end(cmd, SCSI_BUSY);
		return;
	}
	s->unrestricted = true;
	save_state(s, SANITIZE_NONE, exit_saved);
}
