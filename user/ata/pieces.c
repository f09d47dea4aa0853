/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Commands that are many block requests, one after the other: READ VERIFY (ACS-3 7.29), and the
 * self-tests of self_test.c.
 */
#include "ata/device.h"

static void pieces_run(struct command *cmd)
{
	struct command_model *m = &cmd->model;

	/* The request ended within its submission: the loop below goes on with the next. */
	if (m->stepping) {
		m->stepped = true;
		return;
	}
	m->stepping = true;
	do {
		m->stepped = false;
		if (m->status != BLK_OK || !m->submit(cmd)) {
			m->finish(cmd);
			return;
		}
	} while (m->stepped);
	m->stepping = false;
}

static void piece_done(struct blk_io *io)
{
	struct command *cmd = container_of(io, struct command, io);

	cmd->model.status = io->status;
	pieces_run(cmd);
}

void ata_pieces_start(struct command *cmd, bool (*submit)(struct command *cmd),
		      void (*finish)(struct command *cmd))
{
	cmd->model.submit = submit;
	cmd->model.finish = finish;
	cmd->model.status = BLK_OK;
	cmd->model.stepping = false;
	pieces_run(cmd);
}

bool ata_pieces_place(struct command *cmd, uint64_t sectors)
{
	uint64_t piece = sectors < cmd->model.limit ? sectors : cmd->model.limit;

	return piece && !cmd->ops->place(cmd, (uint32_t)piece * BLK_SECTOR, &cmd->data_in) &&
	       cmd->data_in.nspans <= BLK_MAX_SPANS;
}

uint32_t ata_pieces_read(struct command *cmd, uint64_t lba, uint64_t sectors)
{
	uint32_t piece = cmd->data_in.len / BLK_SECTOR;

	if (piece > sectors)
		piece = (uint32_t)sectors;
	sgl_part(&cmd->data_in, 0, piece * BLK_SECTOR, cmd->model.spans, BLK_MAX_SPANS,
		 &cmd->io.sgl);
	cmd->io.op = BLK_READ;
	cmd->io.flags = 0;
	cmd->io.lba = lba;
	cmd->io.nblocks = piece;
	cmd->io.next = NULL;
	cmd->io.done = piece_done;
	blk_submit(ata_device_of(cmd)->lu->disk, cmd->queue, &cmd->io);
	return piece;
}

static bool verify_submit(struct command *cmd)
{
	struct command_model *m = &cmd->model;
	uint32_t piece;

	if (!m->left)
		return false;
	piece = ata_pieces_read(cmd, m->next, m->left);
	m->next += piece;
	m->left -= piece;
	return true;
}

static void verify_finish(struct command *cmd)
{
	cmd->data_in.len = 0;
	ata_end_io(cmd, cmd->model.status);
}

void ata_read_verify(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	struct ata_extent e = ata_extent(&cmd->ata, flags);

	if (!e.sectors)
		e.sectors = flags & ATA_EXT ? 65536 : 256;
	if (!blk_in_range(e.lba, e.sectors, ata_capacity(dev, flags))) {
		ata_end(cmd, ATA_ERR, ATA_IDNF);
		return;
	}
	if (!ata_pieces_place(cmd, e.sectors)) {
		cmd->data_in.len = 0;
		ata_abort(cmd);
		return;
	}
	cmd->model.next = e.lba;
	cmd->model.left = e.sectors;
	ata_pieces_start(cmd, verify_submit, verify_finish);
}
