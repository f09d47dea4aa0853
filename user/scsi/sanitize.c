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

static struct scsi_sense sense_of(struct scsi_device *dev, unsigned int state)
{
	if (state == SANITIZE_FAILED)
		return (struct scsi_sense){.key = SCSI_KEY_MEDIUM_ERROR,
					   .asc = SCSI_ASC_SANITIZE_FAILED};
	return (struct scsi_sense){.key = SCSI_KEY_NOT_READY,
				   .asc = SCSI_ASC_SANITIZE_IN_PROGRESS,
				   .has_progress = true,
				   .progress = (uint16_t)atomic_load(&dev->sanitize_progress)};
}

struct scsi_sense scsi_sanitize_sense(struct scsi_device *dev)
{
	return sense_of(dev, atomic_load(&dev->sanitize_state));
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
	*sense = sense_of(dev, state);
	return true;
}

bool scsi_sanitize_tells(struct scsi_device *dev, struct scsi_sense *sense)
{
	unsigned int state = atomic_load(&dev->sanitize_state);

	if (state == SANITIZE_NONE)
		return false;
	*sense = sense_of(dev, state);
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

/* ---- memory ---- */

bool scsi_sanitize_take_memory(struct scsi_sanitize *s, bool patient)
{
	struct arena *arena = s->queue->arena;
	bool spare = arena->nfree_runs > RUNS_LEFT + arena->config.runs / PART_LEFT;

	s->run = ARENA_NONE;
	if (s->erase || s->crypto)
		return true;
	/* One on each thread, at least, gets on whatever commands take. */
	if (spare || (patient && !s->queue->lent_long))
		s->run = arena_run_get(arena);
	if (s->run == ARENA_NONE)
		return false;
	s->queue->lent_long++;
	s->run_len = arena->config.run_frames * ARENA_FRAME_SIZE;
	return true;
}

static void put_memory(struct scsi_sanitize *s)
{
	if (s->run == ARENA_NONE)
		return;
	s->queue->lent_long--;
	arena_run_put(s->queue->arena, s->run);
	s->run = ARENA_NONE;
}

/* As often as it fits each block, from the block's beginning. */
static void fill(struct scsi_sanitize *s)
{
	uint8_t *to = arena_ptr(s->queue->arena, s->run);
	uint32_t block = 1u << s->dev->block_shift;

	for (uint32_t i = 0; i < s->run_len; i++)
		to[i] = s->pattern[i % block % s->period];
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

	put_memory(s);
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
	if (!cmd)
		return;
	/* What another thread does again has not failed. */
	if (state == SANITIZE_RUNS)
		tell(cmd, false, SCSI_KEY_NOT_READY, SCSI_ASC_SANITIZE_IN_PROGRESS);
	else
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

/* ---- piece after piece ---- */

static void sanitize_next(struct scsi_sanitize *s);

/*
 * Sectors, as there are now: a disk that grows meanwhile is overwritten to its new end. Those that
 * are no whole logical block count, as other transports show them.
 */
static uint64_t sectors_now(const struct scsi_sanitize *s)
{
	return atomic_load(&s->dev->lu->disk->nblocks);
}

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

	/* Beyond the end of a disk that has shrunk: what there is now is less. */
	if (io->status == BLK_ERANGE) {
		sanitize_take_turns(s);
		return;
	}
	if (io->status == BLK_ENOTSUP && io->op == BLK_WRITE_ZEROES &&
	    !(io->flags & BLK_GIVE_BACK)) {
		s->no_zeroes = true;
		sanitize_take_turns(s);
		return;
	}
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
	if (io->op == BLK_FLUSH && s->at >= sectors_now(s)) {
		s->at = 0;
		s->pass++;
		for (uint32_t i = 0; s->invert && i < s->run_len; i++)
			((uint8_t *)arena_ptr(s->queue->arena, s->run))[i] ^= 0xff;
	}
	sanitize_take_turns(s);
}

static void submit(struct scsi_sanitize *s, enum blk_op op, uint64_t sectors)
{
	s->io.op = op;
	s->io.flags = op == BLK_WRITE_ZEROES && (s->dev->thin || s->no_zeroes) ? BLK_GIVE_BACK : 0;
	s->io.era = s->era;
	s->io.lba = sectors ? s->at : 0;
	s->io.nblocks = sectors;
	s->io.sgl = (struct sgl){};
	s->io.next = NULL;
	s->io.done = sanitize_done;
	if (op == BLK_WRITE) {
		s->span = (struct span){.addr = s->run, .len = (uint32_t)sectors * BLK_SECTOR};
		s->io.sgl = (struct sgl){.spans = &s->span, .nspans = 1, .len = s->span.len};
	}
	blk_submit(s->dev->lu->disk, s->queue, &s->io);
}

static void progress(struct scsi_sanitize *s, uint64_t total)
{
	uint64_t of_pass = s->at / (total / 65536 + 1), all = total / (total / 65536 + 1);
	uint64_t now = ((uint64_t)s->pass * all + of_pass) * 65536 / (s->passes * (all + 1));

	atomic_store(&s->dev->sanitize_progress, (unsigned int)(now < 65535 ? now : 65535));
}

static void sanitize_next(struct scsi_sanitize *s)
{
	uint64_t total = sectors_now(s), left,
		 most = s->erase ? ERASE_SECTORS : s->run_len >> BLK_SECTOR_SHIFT;

	if (s->at > total)
		s->at = total;
	/* A rest that was written as such, and is part of a block since the disk has grown. */
	if (s->at < total)
		s->at -= s->at % scsi_sectors(s->dev, 1);
	left = total - s->at;
	if (s->cmd && scsi_task_aborted(s->cmd)) {
		scsi_end(s->cmd, SCSI_TASK_ABORTED);
		s->cmd = NULL;
	}
	progress(s, total);
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

bool scsi_sanitize_claim_locked(struct scsi_sanitize *s, enum scsi_sanitize_state state)
{
	struct scsi_device *dev = s->dev;

	if (dev->sanitize || dev->sanitize_left)
		return false;
	s->before = atomic_load(&dev->sanitize_state);
	dev->sanitize = s;
	atomic_store(&dev->sanitize_progress, 0);
	atomic_store(&dev->sanitize_state, state);
	s->era = disk_seal(dev->lu->disk);
	return true;
}

static bool claim(struct scsi_sanitize *s)
{
	bool first;

	pthread_mutex_lock(&s->dev->lock);
	first = scsi_sanitize_claim_locked(s, SANITIZE_RUNS);
	pthread_mutex_unlock(&s->dev->lock);
	return first;
}

/* There is no memory; or another came first, which is at work still or was just now. */
static void refuse_second(struct command *cmd)
{
	struct scsi_sense sense;

	if (scsi_sanitize_tells(scsi_device_of(cmd), &sense) && sense.key == SCSI_KEY_NOT_READY)
		scsi_fail(cmd, sense);
	else
		scsi_end(cmd, SCSI_BUSY);
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

void scsi_sanitize_go(struct scsi_sanitize *s)
{
	if (s->run != ARENA_NONE)
		fill(s);
	s->at = s->volatiles = 0;
	s->pass = 0;
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
	scsi_sanitize_go(s);
}

static void beginning_saved(struct state_save *save)
{
	saved(save, beginning_known);
}

/* Takes over `s`, or NULL. */
static void sanitize_begin(struct scsi_sanitize *s, struct command *cmd)
{
	if (s && scsi_sanitize_take_memory(s, false) && claim(s)) {
		save_state(s, SANITIZE_RUNS, beginning_saved);
		return;
	}
	if (s)
		put_memory(s);
	free(s);
	refuse_second(cmd);
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

/* Whether this is how the failure is left: then `s` is at work. Otherwise the command is ended. */
static bool exit_claim(struct scsi_sanitize *s, struct command *cmd)
{
	struct scsi_device *dev = s->dev;
	enum scsi_sanitize_state state;
	bool unrestricted, claimed = false;

	pthread_mutex_lock(&dev->lock);
	state = atomic_load(&dev->sanitize_state);
	unrestricted = atomic_load(&dev->sanitize_unrestricted);
	if (state == SANITIZE_FAILED && unrestricted)
		claimed = scsi_sanitize_claim_locked(s, SANITIZE_FAILED);
	pthread_mutex_unlock(&dev->lock);
	if (state == SANITIZE_NONE)
		scsi_good(cmd);
	else if (state == SANITIZE_FAILED && !unrestricted)
		/* SBC-4 4.11.4: it ends with a sanitized medium or not at all. */
		scsi_bad_cdb(cmd, 1, 4);
	else if (!claimed)
		refuse_second(cmd);
	return claimed;
}

void scsi_sanitize_exit(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sanitize *s;

	if (!no_list_ok(cmd))
		return;
	s = sanitize_new(dev, cmd);
	if (!s) {
		scsi_end(cmd, SCSI_BUSY);
	} else if (exit_claim(s, cmd)) {
		s->unrestricted = true;
		save_state(s, SANITIZE_NONE, exit_saved);
	} else {
		free(s);
	}
}
