/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* WRITE SAME (SBC-4 5.44): one block to many places; UNMAP (5.35): none to many. */
#include "scsi/device.h"

#include <string.h>

#define SAME_ANCHOR	 0x10
#define SAME_UNMAP	 0x08
#define SAME_NUMBERED	 0x06 /* SBC-2: each block with its number in it */
#define SAME_NDOB	 0x01 /* no data-out: zeroes */
#define SAME_REFUSED	 (SCSI_PROTECT_BITS | SAME_ANCHOR | SAME_NUMBERED)
#define BLOCK_MAX	 4096u /* bytes of a logical block */
#define UNMAP_ANCHOR	 0x01
#define UNMAP_HEADER	 8u
#define UNMAP_DESCRIPTOR 16u

static void submit(struct scsi_device *dev, struct command *cmd, enum blk_op op, unsigned int flags,
		   bool (*next)(struct blk_io *io), void (*done)(struct blk_io *io))
{
	cmd->io.flags = scsi_write_flags(cmd) | flags;
	cmd->io.lba = scsi_sectors(dev, cmd->scsi.lba);
	cmd->io.nblocks = scsi_sectors(dev, cmd->scsi.blocks);
	cmd->io.sgl = (struct sgl){};
	scsi_submit(dev, cmd, op, next, done);
}

static void change_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	cmd->data_in.len = 0;
	scsi_end_io(cmd, io->status, cmd->scsi.lba);
}

/* ---- WRITE SAME ---- */

uint64_t scsi_same_memory(const struct scsi_device *dev, const struct command *cmd)
{
	return SCSI_PIECE_MAX + (1u << dev->block_shift);
}

/* Aborted, a request of many steps ends with the one under way; its first one it takes always. */
static bool stopped(const struct command *cmd)
{
	return cmd->scsi.moved && scsi_task_aborted(cmd);
}

/* As many copies at a time as the piece holds. */
static bool copies_next(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	struct scsi_device *dev = scsi_device_of(cmd);
	uint64_t left = cmd->scsi.total - cmd->scsi.moved;
	uint32_t len = left < cmd->data_in.len ? (uint32_t)left : cmd->data_in.len;

	if (!left || stopped(cmd))
		return false;
	io->op = BLK_WRITE;
	io->lba = scsi_sectors(dev, cmd->scsi.lba) + (cmd->scsi.moved >> BLK_SECTOR_SHIFT);
	io->nblocks = len >> BLK_SECTOR_SHIFT;
	sgl_part(&cmd->data_in, 0, len, cmd->model.spans, BLK_MAX_SPANS, &io->sgl);
	cmd->scsi.moved += len;
	return true;
}

static bool all_zero(const uint8_t *block, uint32_t len)
{
	return !block[0] && !memcmp(block, block + 1, len - 1);
}

static void write_copies(struct scsi_device *dev, struct command *cmd, const uint8_t *block)
{
	uint32_t len = 1u << dev->block_shift;
	uint32_t piece =
		cmd->scsi.total < SCSI_PIECE_MAX ? (uint32_t)cmd->scsi.total : SCSI_PIECE_MAX;

	if (cmd->ops->place(cmd, piece, &cmd->data_in)) {
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INSUFFICIENT_RESOURCES);
		return;
	}
	for (uint32_t at = 0; at < piece; at += len)
		sgl_copy_in(cmd->queue->arena, &cmd->data_in, at, block, len);
	submit(dev, cmd, BLK_WRITE, 0, copies_next, change_done);
}

static void zeroes_done(struct blk_io *io)
{
	static const uint8_t zeroes[BLOCK_MAX];
	struct command *cmd = scsi_command_of(io);

	/* The store has no other way, or none for less than its own blocks. */
	if (io->status == BLK_ENOTSUP)
		write_copies(scsi_device_of(cmd), cmd, zeroes);
	else
		change_done(io);
}

static void write_zeroes(struct scsi_device *dev, struct command *cmd)
{
	bool unmap = cmd->scsi.cdb[1] & SAME_UNMAP;

	submit(dev, cmd, BLK_WRITE_ZEROES, unmap ? BLK_GIVE_BACK : 0, NULL, zeroes_done);
}

static void same_fetched(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	const uint8_t *block = scsi_list(cmd);

	if (all_zero(block, 1u << dev->block_shift))
		write_zeroes(dev, cmd);
	else
		write_copies(dev, cmd, block);
}

void scsi_write_same(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;
	bool no_data = scsi->opcode->cdb_len == 16 && scsi->cdb[1] & SAME_NDOB;
	unsigned int wrong = scsi->cdb[1] & SAME_REFUSED;

	scsi_cdb_extent(scsi, &scsi->lba, &scsi->blocks);
	if (wrong) {
		scsi_bad_cdb(cmd, 1, 31 - (unsigned int)__builtin_clz(wrong));
		return;
	}
	if (scsi->cdb[1] & SAME_UNMAP && !dev->thin) {
		scsi_bad_cdb(cmd, 1, 3);
		return;
	}
	if (!scsi_extent_ok(dev, cmd, scsi->lba, scsi->blocks))
		return;
	/* SBC-4 5.44: to the end of the medium. */
	if (!scsi->blocks)
		scsi->blocks = scsi_capacity(dev) - scsi->lba;
	scsi->moved = 0;
	scsi->total = scsi->blocks << dev->block_shift;
	scsi->wanted = no_data ? 0 : 1u << dev->block_shift;
	/* An initiator that sends more than a block does not mean this command. */
	if (no_data)
		write_zeroes(dev, cmd);
	else if (scsi->out_len > scsi->wanted)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD_IN_IU);
	else
		scsi_fetch_list(cmd, 1u << dev->block_shift, same_fetched);
}

/* ---- UNMAP ---- */

static bool descriptor(struct scsi_device *dev, const struct command *cmd, uint32_t i,
		       uint64_t *lba, uint64_t *blocks)
{
	const uint8_t *at = scsi_list(cmd) + UNMAP_HEADER + i * UNMAP_DESCRIPTOR;

	*lba = get_be64(at);
	*blocks = get_be32(at + 8);
	return *blocks;
}

/* Ranges of no blocks mean nothing. */
static bool unmap_next(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	struct scsi_device *dev = scsi_device_of(cmd);
	uint64_t lba = 0, blocks = 0;

	if (stopped(cmd))
		return false;
	while (cmd->scsi.moved < cmd->scsi.total &&
	       !descriptor(dev, cmd, (uint32_t)cmd->scsi.moved++, &lba, &blocks))
		;
	io->lba = scsi_sectors(dev, lba);
	io->nblocks = scsi_sectors(dev, blocks);
	return blocks;
}

/* Nothing is unmapped unless every range is good. */
static void unmap_fetched(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	uint64_t first = UINT64_MAX, end = 0, lba, blocks, all = 0;
	uint32_t bytes = get_be16(scsi_list(cmd) + 2), n = bytes / UNMAP_DESCRIPTOR;

	/* A list that is cut short is served as far as it goes (SBC-4 5.35.2). */
	if (bytes > cmd->data_out.len - UNMAP_HEADER)
		n = (cmd->data_out.len - UNMAP_HEADER) / UNMAP_DESCRIPTOR;
	if (n > SCSI_UNMAP_RANGES) {
		scsi_bad_list(cmd, 2, 7);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!descriptor(dev, cmd, i, &lba, &blocks))
			continue;
		if (!scsi_extent_ok(dev, cmd, lba, blocks))
			return;
		all += blocks;
		first = lba < first ? lba : first;
		end = lba + blocks > end ? lba + blocks : end;
	}
	if (!all) {
		scsi_good(cmd);
		return;
	}
	cmd->scsi.lba = first;
	cmd->scsi.blocks = end - first;
	cmd->scsi.moved = 0;
	cmd->scsi.total = n;
	submit(dev, cmd, BLK_UNMAP, 0, unmap_next, change_done);
}

void scsi_unmap(struct scsi_device *dev, struct command *cmd)
{
	uint16_t len = get_be16(cmd->scsi.cdb + 7);

	if (cmd->scsi.cdb[1] & UNMAP_ANCHOR)
		scsi_bad_cdb(cmd, 1, 0);
	else if (!len)
		scsi_good(cmd);
	else if (len < UNMAP_HEADER)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		scsi_fetch_list(cmd, len, unmap_fetched);
}
