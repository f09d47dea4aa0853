/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* READ, WRITE, SYNCHRONIZE CACHE, and what tells the medium's size (SBC-4 5). */
#include "scsi/device.h"

#include <string.h>

void scsi_cdb_extent(const struct scsi_command *scsi, uint64_t *lba, uint64_t *blocks)
{
	const uint8_t *cdb = scsi->cdb;

	switch (scsi->opcode->cdb_len) {
	case 6:
		*lba = get_be24(cdb + 1) & 0x1fffff;
		*blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 10:
		*lba = get_be32(cdb + 2);
		*blocks = get_be16(cdb + 7);
		break;
	case 12:
		*lba = get_be32(cdb + 2);
		*blocks = get_be32(cdb + 6);
		break;
	default:
		*lba = get_be64(cdb + 2);
		*blocks = get_be32(cdb + 10);
		break;
	}
}

/* Also of no blocks: SBC-4 4.5 has an LBA beyond the last one refused whatever the length. */
bool scsi_extent_ok(struct scsi_device *dev, struct command *cmd, uint64_t lba, uint64_t blocks)
{
	uint64_t capacity = scsi_capacity(dev);

	if (lba < capacity && blk_in_range(lba, blocks, capacity))
		return true;
	scsi_fail(cmd, (struct scsi_sense){.key = SCSI_KEY_ILLEGAL_REQUEST,
					   .asc = SCSI_ASC_LBA_RANGE,
					   .has_information = true,
					   .information = lba < capacity ? capacity : lba});
	return false;
}

uint64_t scsi_transfer_memory(const struct scsi_device *dev, const struct command *cmd)
{
	const struct scsi_command *scsi = &cmd->scsi;
	uint32_t expected = scsi->out_len > scsi->in_len ? scsi->out_len : scsi->in_len;
	uint32_t block = 1u << dev->block_shift;

	/* A read is of whole blocks, even if less is sent. */
	return expected < SCSI_PIECE_MAX ? (expected + block - 1) & ~(uint64_t)(block - 1)
					 : SCSI_PIECE_MAX;
}

bool scsi_transfer_ok(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;

	if (!scsi_extent_ok(dev, cmd, scsi->lba, scsi->blocks))
		return false;
	if (scsi->blocks <= SCSI_TRANSFER_MAX >> dev->block_shift)
		return true;
	scsi_bad_cdb(cmd, scsi->opcode->cdb_len == 16 ? 10 : 6, 7);
	return false;
}

/* ---- READ and WRITE, a piece at a time ---- */

static void read_piece(struct command *cmd);

static void read_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	struct scsi_command *scsi = &cmd->scsi;

	if (io->status != BLK_OK) {
		scsi_piece_failed(cmd);
		return;
	}
	scsi->moved += scsi->piece;
	if (scsi->moved < scsi->total) {
		scsi_push(cmd, read_piece);
		return;
	}
	if (scsi->total > scsi->in_len)
		cmd->data_in.len -= (uint32_t)(scsi->total - scsi->in_len);
	scsi_good(cmd);
}

static void read_piece(struct command *cmd)
{
	scsi_piece_next(&cmd->scsi);
	if (scsi_piece_place(cmd))
		scsi_piece_submit(cmd, BLK_READ, 0, &cmd->data_in, NULL, read_done);
}

void scsi_read(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;
	uint64_t block = 1u << dev->block_shift;

	if (!scsi_transfer_begin(dev, cmd))
		return;
	/* An initiator that takes less than it asks for costs no more reading than that. */
	scsi->total = (scsi->in_len + block - 1) & ~(block - 1);
	if (scsi->total > scsi->wanted)
		scsi->total = scsi->wanted;
	if (scsi->total)
		read_piece(cmd);
	else
		scsi_good(cmd);
}

static void write_piece(struct command *cmd);

static void write_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	if (io->status != BLK_OK) {
		scsi_piece_failed(cmd);
		return;
	}
	cmd->scsi.moved += cmd->scsi.piece;
	if (cmd->scsi.moved < cmd->scsi.total)
		write_piece(cmd);
	else
		scsi_good(cmd);
}

static uint64_t initiator(const struct command *cmd)
{
	return cmd->scsi.nexus->config.nexus->id;
}

unsigned int scsi_write_flags(struct command *cmd)
{
	return scsi_write_flags_to(scsi_device_of(cmd), cmd);
}

unsigned int scsi_write_flags_to(struct scsi_device *dev, struct command *cmd)
{
	unsigned int flags;

	lu_write_begins(dev->lu, initiator(cmd));
	flags = lu_write_flags(dev->lu);
	cmd->scsi.cached |= !(flags & BLK_FUA);
	return flags;
}

enum blk_status scsi_flush_status(struct command *cmd)
{
	return lu_flush_ended(scsi_device_of(cmd)->lu, initiator(cmd), cmd->io.status);
}

static void write_fetched(struct command *cmd)
{
	scsi_piece_submit(cmd, BLK_WRITE, scsi_piece_write_flags(cmd), &cmd->data_out, NULL,
			  write_done);
}

static void write_piece(struct command *cmd)
{
	scsi_piece_solicit(cmd, write_fetched);
}

void scsi_write(struct scsi_device *dev, struct command *cmd)
{
	if (!scsi_transfer_begin(dev, cmd) || !scsi_limit_to_data_out(dev, cmd))
		return;
	if (cmd->scsi.total)
		write_piece(cmd);
	else
		scsi_good(cmd);
}

/* ---- WRITE ATOMIC ---- */

/*
 * SBC-4 4.29: all or nothing, whatever happens meanwhile. Other commands, of whatever transport,
 * never see a part of one request, so the longest is one piece; but of what a power cut leaves most
 * stores promise no more than a physical block.
 */
struct scsi_atomic scsi_atomic_limits(const struct scsi_device *dev)
{
	uint32_t physical = scsi_physical_blocks(dev), store = dev->lu->disk->atomic_max;

	if (!store)
		return (struct scsi_atomic){.alignment = physical, .max = physical};
	store = store < SCSI_PIECE_MAX ? store : SCSI_PIECE_MAX;
	return (struct scsi_atomic){.alignment = 1, .max = store >> dev->block_shift};
}

void scsi_write_atomic(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;
	const struct scsi_atomic limits = scsi_atomic_limits(dev);

	if (scsi->cdb[1] & SCSI_PROTECT_BITS) {
		scsi_bad_cdb(cmd, 1, 7);
		return;
	}
	scsi->lba = get_be64(scsi->cdb + 2);
	scsi->blocks = get_be16(scsi->cdb + 12);
	if (!scsi_extent_ok(dev, cmd, scsi->lba, scsi->blocks))
		return;
	scsi->moved = 0;
	scsi->wanted = scsi->total = scsi->blocks << dev->block_shift;
	if (get_be16(scsi->cdb + 10))
		scsi_bad_cdb(cmd, 10, 7);
	else if (scsi->blocks > limits.max)
		scsi_bad_cdb(cmd, 12, 7);
	else if (scsi->blocks && scsi->lba % limits.alignment)
		scsi_bad_cdb(cmd, 2, 7);
	else if (scsi->out_len < scsi->wanted)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD_IN_IU);
	else if (scsi->total)
		write_piece(cmd);
	else
		scsi_good(cmd);
}

/* ---- the cache ---- */

void scsi_flush(struct scsi_device *dev, struct command *cmd, void (*done)(struct blk_io *io))
{
	cmd->io.flags = 0;
	cmd->io.lba = 0;
	cmd->io.nblocks = 0;
	cmd->io.sgl = (struct sgl){};
	scsi_submit(dev, cmd, BLK_FLUSH, NULL, done);
}

static void flush_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	scsi_end_io(cmd, scsi_flush_status(cmd), cmd->scsi.lba);
}

/* IMMED changes nothing: GOOD means durable here, whoever asks. */
void scsi_synchronize_cache(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;

	scsi_cdb_extent(scsi, &scsi->lba, &scsi->blocks);
	if (!scsi_extent_ok(dev, cmd, scsi->lba, scsi->blocks))
		return;
	scsi_flush(dev, cmd, flush_done);
}

/* ---- size ---- */

void scsi_test_unit_ready(struct scsi_device *dev, struct command *cmd)
{
	scsi_good(cmd);
}

void scsi_read_capacity_10(struct scsi_device *dev, struct command *cmd)
{
	uint64_t last = scsi_capacity(dev) - 1;
	uint8_t out[8];

	/* PMI and an LBA are obsolete: only 0 was ever useful. */
	if (!(cmd->scsi.cdb[8] & 1) && get_be32(cmd->scsi.cdb + 2)) {
		scsi_bad_cdb(cmd, 2, 7);
		return;
	}
	put_be32(out, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	put_be32(out + 4, 1u << dev->block_shift);
	scsi_return(cmd, out, sizeof(out), sizeof(out));
}

void scsi_read_capacity_16(struct scsi_device *dev, struct command *cmd)
{
	uint8_t out[32] = {};

	put_be64(out, scsi_capacity(dev) - 1);
	put_be32(out + 8, 1u << dev->block_shift);
	out[13] = (uint8_t)__builtin_ctz(scsi_physical_blocks(dev));
	/* LBPME; unmapped blocks read as zeroes (LBPRZ). */
	out[14] = dev->thin ? 0xc0 : 0;
	scsi_return(cmd, out, sizeof(out), get_be32(cmd->scsi.cdb + 10));
}
