/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Commands that read the medium and look at what they find beside what the initiator sent: VERIFY,
 * WRITE AND VERIFY, COMPARE AND WRITE, ORWRITE (SBC-4 5). Data-out and what was read are in memory
 * at the same time, a piece of each.
 */
#include "scsi/device.h"

#include <string.h>

#define BYTCHK_SHIFT  1
#define BYTCHK_MASK   3
#define BYTCHK_MEDIUM 0 /* only that it can be read */
#define BYTCHK_ALL    1 /* against data-out */
#define BYTCHK_ONE    3 /* each block against the one block of data-out */
#define CHUNK	      4096u

/* ---- memory ---- */

static uint64_t block_bytes(const struct scsi_device *dev)
{
	return 1ull << dev->block_shift;
}

uint64_t scsi_compare_memory(const struct scsi_device *dev, const struct command *cmd)
{
	uint64_t piece = cmd->scsi.out_len < SCSI_PIECE_MAX ? cmd->scsi.out_len : SCSI_PIECE_MAX;

	return 2 * ((piece + block_bytes(dev) - 1) & ~(block_bytes(dev) - 1));
}

uint64_t scsi_verify_memory(const struct scsi_device *dev, const struct command *cmd)
{
	return SCSI_MEMORY_MAX;
}

/*
 * The first byte at which data-out, from its beginning or over and over its first `repeat` bytes,
 * differs from what was read; `len` when none does.
 */
static uint32_t first_difference(const struct command *cmd, uint32_t len, uint32_t repeat)
{
	const struct arena *arena = cmd->queue->arena;
	uint32_t chunk = repeat && repeat < CHUNK ? repeat : CHUNK, at = 0, n;
	uint8_t out[CHUNK], in[CHUNK];

	for (; at < len; at += n) {
		n = len - at < chunk ? len - at : chunk;
		sgl_copy_out(arena, &cmd->data_out, repeat ? at % repeat : at, out, n);
		sgl_copy_out(arena, &cmd->data_in, at, in, n);
		if (memcmp(out, in, n) == 0)
			continue;
		for (n = 0; out[n] == in[n]; n++)
			;
		return at + n;
	}
	return len;
}

static void miscompare(struct command *cmd, uint64_t offset)
{
	scsi_fail(cmd, (struct scsi_sense){.key = SCSI_KEY_MISCOMPARE,
					   .asc = SCSI_ASC_MISCOMPARE,
					   .has_information = true,
					   .information = offset});
}

/* What was read is not sent to anybody. */
static void forget_data_in(struct command *cmd)
{
	cmd->data_in.len = 0;
}

/* The step of a request: the whole piece, from or to `sgl`. */
static bool step(struct blk_io *io, enum blk_op op, const struct sgl *sgl)
{
	io->op = op;
	io->sgl = *sgl;
	return true;
}

static void piece_done(struct command *cmd, void (*fetched)(struct command *cmd))
{
	forget_data_in(cmd);
	cmd->scsi.moved += cmd->scsi.piece;
	if (cmd->scsi.moved < cmd->scsi.total)
		scsi_piece_solicit(cmd, fetched);
	else
		scsi_good(cmd);
}

/* ---- VERIFY ---- */

static void verify_read(struct command *cmd);

static void verify_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	struct scsi_device *dev = scsi_device_of(cmd);
	uint8_t bytchk = cmd->scsi.cdb[1] >> BYTCHK_SHIFT & BYTCHK_MASK;
	uint32_t repeat = bytchk == BYTCHK_ONE ? 1u << dev->block_shift : 0, same;

	if (io->status != BLK_OK) {
		scsi_piece_failed(cmd);
		return;
	}
	same = bytchk == BYTCHK_MEDIUM ? cmd->scsi.piece
				       : first_difference(cmd, cmd->scsi.piece, repeat);
	if (same < cmd->scsi.piece) {
		miscompare(cmd, repeat ? same % repeat : cmd->scsi.moved + same);
		return;
	}
	if (bytchk == BYTCHK_ALL) {
		piece_done(cmd, verify_read);
		return;
	}
	forget_data_in(cmd);
	cmd->scsi.moved += cmd->scsi.piece;
	if (cmd->scsi.moved < cmd->scsi.total)
		verify_read(cmd);
	else
		scsi_good(cmd);
}

static void verify_read(struct command *cmd)
{
	scsi_piece_next(&cmd->scsi);
	if (scsi_task_aborted(cmd))
		scsi_end(cmd, SCSI_TASK_ABORTED);
	else if (scsi_piece_place(cmd))
		scsi_piece_submit(cmd, BLK_READ, 0, &cmd->data_in, NULL, verify_done);
}

void scsi_verify(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;
	uint8_t bytchk = scsi->cdb[1] >> BYTCHK_SHIFT & BYTCHK_MASK;

	if (bytchk != BYTCHK_MEDIUM && bytchk != BYTCHK_ALL && bytchk != BYTCHK_ONE) {
		scsi_bad_cdb(cmd, 1, 2);
		return;
	}
	if (!scsi_transfer_begin(dev, cmd))
		return;
	scsi->wanted = bytchk == BYTCHK_ALL   ? scsi->total
		       : bytchk == BYTCHK_ONE ? block_bytes(dev)
					      : 0;
	if (bytchk == BYTCHK_ALL && !scsi_limit_to_data_out(dev, cmd))
		return;
	if (!scsi->total)
		scsi_good(cmd);
	else if (bytchk == BYTCHK_ALL)
		scsi_piece_solicit(cmd, verify_read);
	else if (bytchk == BYTCHK_MEDIUM)
		verify_read(cmd);
	else if (scsi->out_len < block_bytes(dev))
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		scsi_solicit(cmd, 0, (uint32_t)block_bytes(dev), verify_read);
}

/* ---- WRITE AND VERIFY ---- */

static void write_verify_fetched(struct command *cmd);

static bool write_verify_next(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	switch (cmd->scsi.step++) {
	case 0:
		return step(io, BLK_WRITE, &cmd->data_out);
	case 1:
		return step(io, BLK_READ, &cmd->data_in);
	default:
		return false;
	}
}

static void write_verify_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	uint32_t same;

	if (io->status != BLK_OK) {
		scsi_piece_failed(cmd);
		return;
	}
	same = first_difference(cmd, cmd->scsi.piece, 0);
	if (same < cmd->scsi.piece)
		miscompare(cmd, cmd->scsi.moved + same);
	else
		piece_done(cmd, write_verify_fetched);
}

/* It promises that the medium has it. */
static void write_verify_fetched(struct command *cmd)
{
	if (scsi_piece_place(cmd))
		scsi_piece_submit(cmd, BLK_WRITE, BLK_FUA, &cmd->data_in, write_verify_next,
				  write_verify_done);
}

void scsi_write_and_verify(struct scsi_device *dev, struct command *cmd)
{
	if (cmd->scsi.cdb[1] >> BYTCHK_SHIFT & 2) {
		scsi_bad_cdb(cmd, 1, 2);
		return;
	}
	if (!scsi_transfer_begin(dev, cmd) || !scsi_limit_to_data_out(dev, cmd))
		return;
	if (cmd->scsi.total)
		scsi_piece_solicit(cmd, write_verify_fetched);
	else
		scsi_good(cmd);
}

/* ---- ORWRITE ---- */

static void orwrite_fetched(struct command *cmd);

static void or_together(struct command *cmd)
{
	const struct arena *arena = cmd->queue->arena;
	uint8_t out[CHUNK], in[CHUNK];

	for (uint32_t at = 0; at < cmd->scsi.piece; at += CHUNK) {
		uint32_t n = cmd->scsi.piece - at < CHUNK ? cmd->scsi.piece - at : CHUNK;

		sgl_copy_out(arena, &cmd->data_out, at, out, n);
		sgl_copy_out(arena, &cmd->data_in, at, in, n);
		for (uint32_t i = 0; i < n; i++)
			out[i] |= in[i];
		sgl_copy_in(arena, &cmd->data_out, at, out, n);
	}
}

static bool orwrite_next(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	switch (cmd->scsi.step++) {
	case 0:
		return step(io, BLK_READ, &cmd->data_in);
	case 1:
		or_together(cmd);
		return step(io, BLK_WRITE, &cmd->data_out);
	default:
		return false;
	}
}

static void orwrite_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	if (io->status != BLK_OK)
		scsi_piece_failed(cmd);
	else
		piece_done(cmd, orwrite_fetched);
}

static void orwrite_fetched(struct command *cmd)
{
	if (scsi_piece_place(cmd))
		scsi_piece_submit(cmd, BLK_WRITE, scsi_piece_write_flags(cmd), &cmd->data_in,
				  orwrite_next, orwrite_done);
}

void scsi_orwrite(struct scsi_device *dev, struct command *cmd)
{
	if (!scsi_transfer_begin(dev, cmd) || !scsi_limit_to_data_out(dev, cmd))
		return;
	if (cmd->scsi.total)
		scsi_piece_solicit(cmd, orwrite_fetched);
	else
		scsi_good(cmd);
}

/* ---- COMPARE AND WRITE ---- */

/* Data-out is what must be there, then what is to be there. */
static bool caw_next(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	struct sgl after;

	switch (cmd->scsi.step++) {
	case 0:
		return step(io, BLK_READ, &cmd->data_in);
	case 1:
		cmd->scsi.moved = first_difference(cmd, cmd->scsi.piece, 0);
		if (cmd->scsi.moved < cmd->scsi.piece)
			return false;
		sgl_part(&cmd->data_out, cmd->scsi.piece, cmd->scsi.piece, cmd->model.spans,
			 BLK_MAX_SPANS, &after);
		return step(io, BLK_WRITE, &after);
	default:
		return false;
	}
}

static void caw_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	forget_data_in(cmd);
	if (io->status != BLK_OK)
		scsi_end_io(cmd, io->status, cmd->scsi.lba);
	else if (cmd->scsi.moved < cmd->scsi.piece)
		miscompare(cmd, cmd->scsi.moved);
	else
		scsi_good(cmd);
}

static void caw_fetched(struct command *cmd)
{
	cmd->scsi.moved = 0;
	if (scsi_piece_place(cmd))
		scsi_piece_submit(cmd, BLK_WRITE, scsi_piece_write_flags(cmd), &cmd->data_in,
				  caw_next, caw_done);
}

uint64_t scsi_caw_memory(const struct scsi_device *dev, const struct command *cmd)
{
	return 3ull * SCSI_CAW_MAX;
}

void scsi_compare_and_write(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;
	uint64_t bytes;

	if (scsi->cdb[1] & SCSI_PROTECT_BITS) {
		scsi_bad_cdb(cmd, 1, 7);
		return;
	}
	scsi->lba = get_be64(scsi->cdb + 2);
	scsi->blocks = scsi->cdb[13];
	bytes = scsi->blocks << dev->block_shift;
	if (bytes > SCSI_CAW_MAX) {
		scsi_bad_cdb(cmd, 13, 7);
		return;
	}
	if (!scsi_extent_ok(dev, cmd, scsi->lba, scsi->blocks))
		return;
	scsi->wanted = 2 * bytes;
	scsi->piece = (uint32_t)bytes;
	/* What goes beyond would be taken for data of blocks that were never compared. */
	if (scsi->out_len > 2 * bytes)
		scsi_bad_cdb(cmd, 13, 7);
	else if (scsi->out_len < 2 * bytes)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else if (!bytes)
		scsi_good(cmd);
	else
		scsi_solicit(cmd, 0, 2 * (uint32_t)bytes, caw_fetched);
}
