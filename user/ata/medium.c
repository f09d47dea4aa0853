/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* READ, WRITE and FLUSH (ACS-3 7.10, 7.24 to 7.36, 7.61 to 7.75): one block request each. */
#include "ata/device.h"

uint64_t ata_capacity(const struct ata_device *dev, unsigned int flags)
{
	uint64_t reach = flags & ATA_EXT ? ATA_CAPACITY_48 + 1 : ATA_CAPACITY_28 + 1;
	uint64_t nblocks = atomic_load(&dev->lu->disk->nblocks);

	return nblocks < reach ? nblocks : reach;
}

struct ata_extent ata_extent(const struct ata_taskfile *tf, unsigned int flags)
{
	if (flags & ATA_EXT)
		return (struct ata_extent){tf->lba & ATA_CAPACITY_48, tf->count};
	return (struct ata_extent){tf->lba & ATA_CAPACITY_28, tf->count & 0xff};
}

static bool extent_fits_frame(const struct command *cmd, struct ata_extent e)
{
	return e.sectors && e.sectors <= cmd->model.limit;
}

static void io_done(struct blk_io *io)
{
	struct command *cmd = container_of(io, struct command, io);

	ata_end_io(cmd, io->status);
}

/*
 * A change that has to be durable and is not yet takes a flush of its own: one that did not ask for
 * it, or one that was in the write cache while that was turned off, too late for the flush that
 * came with that.
 */
void ata_change_done(struct blk_io *io)
{
	struct command *cmd = container_of(io, struct command, io);

	if (io->status == BLK_OK && lu_write_flags(cmd->lu) & ~io->flags & BLK_FUA)
		ata_flush_submit(cmd, io_done);
	else
		io_done(io);
}

static void io_submit(struct ata_device *dev, struct command *cmd, enum blk_op op,
		      struct ata_extent e)
{
	cmd->io.op = op;
	cmd->io.lba = e.lba;
	cmd->io.nblocks = e.sectors;
	cmd->io.next = NULL;
	cmd->io.done = op == BLK_WRITE ? ata_change_done : io_done;
	blk_submit(dev->lu->disk, cmd->queue, &cmd->io);
}

void ata_read(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	struct ata_extent e = ata_extent(&cmd->ata, flags);

	if (!extent_fits_frame(cmd, e)) {
		ata_abort(cmd);
		return;
	}
	if (!blk_in_range(e.lba, e.sectors, ata_capacity(dev, flags))) {
		ata_end(cmd, ATA_ERR, ATA_IDNF);
		return;
	}
	if (cmd->ops->place(cmd, e.sectors * BLK_SECTOR, &cmd->data_in)) {
		ata_abort(cmd);
		return;
	}
	cmd->io.flags = 0;
	cmd->io.sgl = cmd->data_in;
	io_submit(dev, cmd, BLK_READ, e);
}

void ata_write(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	struct ata_extent e = ata_extent(&cmd->ata, flags);

	if (!extent_fits_frame(cmd, e) || cmd->data_out.len < e.sectors * BLK_SECTOR ||
	    /* What follows the data in a frame (padding, more than was announced) is not written.
	     */
	    !sgl_part(&cmd->data_out, 0, e.sectors * BLK_SECTOR, cmd->model.spans, BLK_MAX_SPANS,
		      &cmd->io.sgl)) {
		ata_abort(cmd);
		return;
	}
	if (!blk_in_range(e.lba, e.sectors, ata_capacity(dev, flags))) {
		ata_end(cmd, ATA_ERR, ATA_IDNF);
		return;
	}
	cmd->io.flags = lu_write_flags(dev->lu) | BLK_DEDUP | (flags & ATA_FUA ? BLK_FUA : 0);
	cmd->io.origin = cmd->nexus->id;
	lu_write_begins(dev->lu, cmd->nexus->id);
	io_submit(dev, cmd, BLK_WRITE, e);
}

void ata_flush_submit(struct command *cmd, void (*done)(struct blk_io *io))
{
	cmd->io.op = BLK_FLUSH;
	cmd->io.flags = 0;
	cmd->io.lba = 0;
	cmd->io.nblocks = 0;
	cmd->io.sgl = (struct sgl){};
	cmd->io.next = NULL;
	cmd->io.done = done;
	blk_submit(ata_device_of(cmd)->lu->disk, cmd->queue, &cmd->io);
}

enum blk_status ata_flush_status(struct command *cmd)
{
	return lu_flush_ended(cmd->lu, cmd->nexus->id, cmd->io.status);
}

void ata_flush_done(struct blk_io *io)
{
	struct command *cmd = container_of(io, struct command, io);

	ata_end_io(cmd, ata_flush_status(cmd));
}

void ata_flush(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	ata_flush_submit(cmd, ata_flush_done);
}
