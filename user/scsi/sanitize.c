/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SANITIZE (SBC-4 4.11, 5.30): what was on the medium cannot be read any more. Once begun it goes
 * on whatever becomes of the command and its initiator, a piece at a time, on the thread where it
 * began; it ends early only with the unit or with the thread.
 *
 * OVERWRITE writes and has the store make it durable. BLOCK ERASE has the store give the space back
 * and promises no more than that nobody reads it through this unit. CRYPTO ERASE is not offered, as
 * nothing is encrypted.
 */
#include "scsi/device.h"

#include <stdlib.h>
#include <string.h>

#define OPCODE	      0x48
#define IMMED	      0x80
#define AUSE	      0x20
#define ZNR	      0x40
#define INVERT	      0x80
#define COUNT_MASK    0x1f
#define LIST_HEADER   4u
#define RUNS_LEFT     16u /* for commands, whatever they need at one time */
#define ERASE_SECTORS (1ull << 21)
/* Progress is what the store has, and its cache is not filled for an operation in the background.
 */
#define VOLATILE_MAX (1ull << 14)

enum sanitize_state {
	SANITIZE_NONE,
	SANITIZE_RUNS,
	SANITIZE_FAILED
};

struct scsi_sanitize {
	struct scsi_device *dev;
	struct blk_queue *queue;
	struct command *cmd; /* waits for the end; NULL: nobody does */
	struct blk_io io;
	uint64_t total, at; /* sectors of a pass */
	uint64_t volatiles; /* sectors written since the last flush */
	unsigned int passes, pass;
	bool erase, invert, unrestricted;
	uint8_t step; /* of erasing a piece */
	uint32_t run; /* memory that holds the pattern */
	uint32_t run_len;
	struct span span;
};

/* ---- what others are told ---- */

static struct scsi_sense sense_now(struct scsi_device *dev)
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
	*sense = sense_now(dev);
	return true;
}

bool scsi_sanitize_tells(struct scsi_device *dev, struct scsi_sense *sense)
{
	if (atomic_load(&dev->sanitize_state) == SANITIZE_NONE)
		return false;
	*sense = sense_now(dev);
	return true;
}

bool scsi_sanitizing(const struct scsi_device *dev)
{
	return atomic_load(&dev->sanitize_state) == SANITIZE_RUNS;
}

/* ---- the end ---- */

/* Whoever waited hears of it, if it was not aborted meanwhile. */
static void tell(struct command *cmd, bool good)
{
	if (scsi_task_aborted(cmd))
		scsi_end(cmd, SCSI_TASK_ABORTED);
	else if (good)
		scsi_good(cmd);
	else
		scsi_refuse(cmd, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_SANITIZE_FAILED);
}

/* Afterwards the unit may be gone, unless a command waits. */
static void sanitize_end(struct scsi_sanitize *s, bool good)
{
	struct scsi_device *dev = s->dev;
	struct command *cmd = s->cmd;

	if (s->run != ARENA_NONE)
		arena_run_put(s->queue->arena, s->run);
	pthread_mutex_lock(&dev->lock);
	atomic_store(&dev->sanitize_state, good ? SANITIZE_NONE : SANITIZE_FAILED);
	dev->sanitize_unrestricted = s->unrestricted;
	dev->sanitize = NULL;
	scsi_reservations_enforce_outside_locked(dev);
	pthread_cond_broadcast(&dev->sanitize_ended);
	pthread_mutex_unlock(&dev->lock);
	free(s);
	if (cmd)
		tell(cmd, good);
}

void scsi_sanitize_stop(struct scsi_device *dev)
{
	atomic_store(&dev->sanitize_stop, true);
	pthread_mutex_lock(&dev->lock);
	while (dev->sanitize)
		pthread_cond_wait(&dev->sanitize_ended, &dev->lock);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- piece after piece ---- */

static void sanitize_next(struct scsi_sanitize *s);

static void sanitize_done(struct blk_io *io)
{
	struct scsi_sanitize *s = container_of(io, struct scsi_sanitize, io);

	if (io->status != BLK_OK) {
		sanitize_end(s, false);
		return;
	}
	if (io->op == BLK_FLUSH)
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
	sanitize_next(s);
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
	s->io.lba = op == BLK_FLUSH ? 0 : s->at;
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
		sanitize_end(s, true);
	else if (s->queue->closing || atomic_load(&s->dev->sanitize_stop))
		sanitize_end(s, false);
	else if (!left || s->volatiles >= VOLATILE_MAX)
		submit(s, BLK_FLUSH, 0);
	else
		submit(s, s->erase ? BLK_WRITE_ZEROES : BLK_WRITE, left < most ? left : most);
}

/* ---- the command ---- */

/* NULL, with the command ended. It is the one that runs from here on. */
static struct scsi_sanitize *sanitize_open(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sanitize *s = calloc(1, sizeof(*s));
	bool first = false;

	if (s) {
		pthread_mutex_lock(&dev->lock);
		first = !dev->sanitize;
		if (first) {
			dev->sanitize = s;
			atomic_store(&dev->sanitize_progress, 0);
			atomic_store(&dev->sanitize_state, SANITIZE_RUNS);
			scsi_reservations_enforce_outside_locked(dev);
		}
		pthread_mutex_unlock(&dev->lock);
	}
	if (!first) {
		free(s);
		scsi_end(cmd, SCSI_BUSY);
		return NULL;
	}
	s->dev = dev;
	s->queue = cmd->queue;
	s->cmd = cmd;
	s->run = ARENA_NONE;
	s->passes = 1;
	s->total = scsi_sectors(dev, scsi_capacity(dev));
	s->unrestricted = cmd->scsi.cdb[1] & AUSE;
	return s;
}

static void sanitize_begin(struct scsi_sanitize *s)
{
	struct command *cmd = s->cmd;

	if (cmd->scsi.cdb[1] & IMMED) {
		s->cmd = NULL;
		scsi_good(cmd);
	}
	sanitize_next(s);
}

/* As often as it fits each block, from the block's beginning. */
static void fill(uint8_t *to, uint32_t len, uint32_t block, const uint8_t *pattern, uint32_t period)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = pattern[i % block % period];
}

static void overwrite_start(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	struct arena *arena = cmd->queue->arena;
	const uint8_t *list = scsi_list(cmd);
	uint32_t run = arena->nfree_runs > RUNS_LEFT ? arena_run_get(arena) : ARENA_NONE;
	struct scsi_sanitize *s;

	if (run == ARENA_NONE) {
		scsi_end(cmd, SCSI_BUSY);
		return;
	}
	s = sanitize_open(dev, cmd);
	if (!s) {
		arena_run_put(arena, run);
		return;
	}
	s->run = run;
	s->run_len = arena->config.run_frames * ARENA_FRAME_SIZE;
	fill(arena_ptr(arena, s->run), s->run_len, 1u << dev->block_shift, list + LIST_HEADER,
	     get_be16(list + 2));
	s->invert = list[0] & INVERT;
	s->passes = list[0] & COUNT_MASK;
	sanitize_begin(s);
}

static void overwrite_fetched(struct command *cmd)
{
	const uint8_t *list = scsi_list(cmd);
	uint32_t period = get_be16(list + 2), block = 1u << scsi_device_of(cmd)->block_shift;

	if (!(list[0] & COUNT_MASK))
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

void scsi_sanitize_erase(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sanitize *s;

	if (!cdb_ok(cmd))
		return;
	if (get_be16(cmd->scsi.cdb + 7)) {
		scsi_bad_cdb(cmd, 7, 7);
		return;
	}
	s = sanitize_open(dev, cmd);
	if (!s)
		return;
	s->erase = true;
	sanitize_begin(s);
}

void scsi_sanitize_exit(struct scsi_device *dev, struct command *cmd)
{
	unsigned int failed = SANITIZE_FAILED;

	if (!cdb_ok(cmd))
		return;
	if (get_be16(cmd->scsi.cdb + 7)) {
		scsi_bad_cdb(cmd, 7, 7);
		return;
	}
	/* SBC-4 4.11.4: what was begun without AUSE ends with a sanitized medium or not at all. */
	if (atomic_load(&dev->sanitize_state) == SANITIZE_FAILED && !dev->sanitize_unrestricted) {
		scsi_bad_cdb(cmd, 1, 4);
		return;
	}
	atomic_compare_exchange_strong(&dev->sanitize_state, &failed, SANITIZE_NONE);
	scsi_good(cmd);
}
