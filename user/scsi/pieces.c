/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A command that moves its data in pieces: where it begins, the piece under way, its request. */
#include "scsi/device.h"

#define CDB_FUA 0x08

bool scsi_transfer_begin(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;

	if (scsi->opcode->cdb_len > 6 && scsi->cdb[1] & SCSI_PROTECT_BITS) {
		scsi_bad_cdb(cmd, 1, 7);
		return false;
	}
	scsi_cdb_extent(scsi, &scsi->lba, &scsi->blocks);
	if (!scsi_transfer_ok(dev, cmd))
		return false;
	scsi->moved = 0;
	scsi->total = scsi->wanted = scsi->blocks << dev->block_shift;
	return true;
}

bool scsi_limit_to_data_out(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;

	if (scsi->total <= scsi->out_len)
		return true;
	scsi->total = scsi->out_len;
	if (!(scsi->out_len & ((1u << dev->block_shift) - 1)))
		return true;
	scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD_IN_IU);
	return false;
}

void scsi_piece_next(struct scsi_command *scsi)
{
	uint64_t left = scsi->total - scsi->moved;

	scsi->piece = left < SCSI_PIECE_MAX ? (uint32_t)left : SCSI_PIECE_MAX;
}

void scsi_piece_solicit(struct command *cmd, void (*fetched)(struct command *cmd))
{
	scsi_piece_next(&cmd->scsi);
	scsi_solicit(cmd, (uint32_t)cmd->scsi.moved, cmd->scsi.piece, fetched);
}

bool scsi_piece_place(struct command *cmd)
{
	if (!cmd->ops->place(cmd, cmd->scsi.piece, &cmd->data_in))
		return true;
	scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INSUFFICIENT_RESOURCES);
	return false;
}

unsigned int scsi_piece_write_flags(struct command *cmd)
{
	bool fua = cmd->scsi.opcode->cdb_len > 6 && cmd->scsi.cdb[1] & CDB_FUA;

	return scsi_write_flags(cmd) | (fua ? BLK_FUA : 0);
}

void scsi_piece_submit(struct command *cmd, enum blk_op op, unsigned int flags,
		       const struct sgl *sgl, bool (*next)(struct blk_io *io),
		       void (*done)(struct blk_io *io))
{
	struct scsi_device *dev = scsi_device_of(cmd);

	cmd->scsi.step = 0;
	cmd->io.flags = flags;
	cmd->io.lba = scsi_sectors(dev, cmd->scsi.lba) + (cmd->scsi.moved >> BLK_SECTOR_SHIFT);
	cmd->io.nblocks = cmd->scsi.piece >> BLK_SECTOR_SHIFT;
	cmd->io.sgl = *sgl;
	scsi_submit(dev, cmd, op, next, done);
}

void scsi_piece_failed(struct command *cmd)
{
	uint64_t before = cmd->scsi.moved >> scsi_device_of(cmd)->block_shift;

	scsi_end_io(cmd, cmd->io.status, cmd->scsi.lba + before);
}

void scsi_submit(struct scsi_device *dev, struct command *cmd, enum blk_op op,
		 bool (*next)(struct blk_io *io), void (*done)(struct blk_io *io))
{
	cmd->io.op = op;
	cmd->io.next = next;
	cmd->io.done = done;
	blk_submit(dev->lu->disk, cmd->queue, &cmd->io);
}
