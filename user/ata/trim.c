/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DATA SET MANAGEMENT (ACS-3 7.5): TRIM, one block request for all ranges of the list. */
#include "ata/device.h"

#include <endian.h>

#define TRIM_RANGE 8u /* bytes: 48 bits LBA, 16 bits count, little-endian */

static struct ata_extent trim_range(const struct command *cmd, uint64_t i)
{
	uint64_t entry;

	sgl_copy_out(cmd->queue->arena, &cmd->data_out, (uint32_t)i * TRIM_RANGE, &entry,
		     sizeof(entry));
	entry = le64toh(entry);
	return (struct ata_extent){entry & ATA_CAPACITY_48, (uint32_t)(entry >> 48)};
}

/* Ranges of no sectors mean nothing. */
static bool trim_next(struct blk_io *io)
{
	struct command *cmd = container_of(io, struct command, io);
	struct command_model *m = &cmd->model;
	struct ata_extent e = {};

	while (m->left && !e.sectors) {
		e = trim_range(cmd, m->next++);
		m->left--;
	}
	io->lba = e.lba;
	io->nblocks = e.sectors;
	return e.sectors;
}

static void trim_submit(struct ata_device *dev, struct command *cmd, uint32_t ranges,
			uint64_t first, uint64_t end)
{
	cmd->model.next = 0;
	cmd->model.left = ranges;
	cmd->io.op = BLK_UNMAP;
	/* Where it has to be durable, one flush at the end does for all ranges. */
	cmd->io.flags = 0;
	cmd->io.lba = first;
	cmd->io.nblocks = end - first;
	cmd->io.sgl = (struct sgl){};
	cmd->io.next = trim_next;
	cmd->io.done = ata_change_done;
	lu_write_begins(dev->lu, cmd->nexus->id);
	blk_submit(dev->lu->disk, cmd->queue, &cmd->io);
}

/* Nothing is trimmed unless every range is good. */
void ata_data_set_management(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	uint32_t blocks = cmd->ata.count, ranges = blocks * (BLK_SECTOR / TRIM_RANGE), i;
	uint64_t first = UINT64_MAX, end = 0;

	if (cmd->ata.feature != ATA_DSM_TRIM || !dev->lu->disk->can_unmap || !blocks ||
	    blocks > ATA_TRIM_BLOCKS || cmd->data_out.len < blocks * BLK_SECTOR) {
		ata_abort(cmd);
		return;
	}
	for (i = 0; i < ranges; i++) {
		struct ata_extent e = trim_range(cmd, i);

		if (!e.sectors)
			continue;
		if (!blk_in_range(e.lba, e.sectors, ata_capacity(dev, ATA_EXT))) {
			ata_end(cmd, ATA_ERR, ATA_IDNF);
			return;
		}
		first = e.lba < first ? e.lba : first;
		end = e.lba + e.sectors > end ? e.lba + e.sectors : end;
	}
	if (end)
		trim_submit(dev, cmd, ranges, first, end);
	else
		ata_ok(cmd);
}
