/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A medium that is loaded or not, started or not, and what is known of its blocks: START STOP UNIT,
 * PREVENT ALLOW MEDIUM REMOVAL, GET LBA STATUS, READ DEFECT DATA, PRE-FETCH.
 */
#include "scsi/device.h"

#define START_START	0x01
#define START_LOEJ	0x02
#define START_CONDITION 0xf0
#define PREVENT		0x01

/* ---- loading ---- */

static bool removal_prevented(struct scsi_device *dev)
{
	struct scsi_it_l *it_l;
	bool prevented = false;

	pthread_mutex_lock(&dev->lock);
	list_for_each_entry (it_l, &dev->it_ls, link)
		prevented |= it_l->prevents_removal;
	pthread_mutex_unlock(&dev->lock);
	return prevented;
}

static void medium_move(struct scsi_device *dev, struct command *cmd, bool load)
{
	if (!dev->removable) {
		scsi_bad_cdb(cmd, 4, 1);
		return;
	}
	/* Loading, too: the suites that initiators are tested with expect it. */
	if (removal_prevented(dev)) {
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_REMOVAL_PREVENTED);
		return;
	}
	if (!atomic_exchange(&dev->loaded, load) && load)
		scsi_attend(dev, cmd->scsi.it_l, SCSI_ASC_MEDIUM_CHANGED);
	scsi_good(cmd);
}

/*
 * Power conditions, STOP among them, change nothing that anybody could see: there is nothing that
 * spins, and an initiator that shuts down must not take the unit away from the others.
 */
static void start_or_stop(struct scsi_device *dev, struct command *cmd)
{
	uint8_t how = cmd->scsi.cdb[4];

	if (!(how & START_CONDITION) && how & START_LOEJ)
		medium_move(dev, cmd, how & START_START);
	else
		scsi_good(cmd);
}

static void stop_flushed(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	enum blk_status status = scsi_flush_status(cmd);

	if (status != BLK_OK)
		scsi_end_io(cmd, status, 0);
	else
		start_or_stop(scsi_device_of(cmd), cmd);
}

/* What stops is durable first (SBC-4 5.31). */
void scsi_start_stop_unit(struct scsi_device *dev, struct command *cmd)
{
	if (cmd->scsi.cdb[4] & START_START)
		start_or_stop(dev, cmd);
	else
		scsi_flush(dev, cmd, stop_flushed);
}

void scsi_prevent_allow(struct scsi_device *dev, struct command *cmd)
{
	pthread_mutex_lock(&dev->lock);
	cmd->scsi.it_l->prevents_removal = cmd->scsi.cdb[4] & PREVENT;
	pthread_mutex_unlock(&dev->lock);
	scsi_good(cmd);
}

/* ---- blocks ---- */

#define LBA_MAPPED	0
#define LBA_DEALLOCATED 1
#define LBA_STATUS_LEN	16u
#define LBA_STATUSES	64u

/* SBC-4 5.7: as many extents as there is room for, of blocks that are there and that are not. */
void scsi_get_lba_status(struct scsi_device *dev, struct command *cmd)
{
	unsigned int shift = dev->block_shift - BLK_SECTOR_SHIFT;
	uint64_t lba = get_be64(cmd->scsi.cdb + 2), capacity = scsi_capacity(dev);
	uint8_t out[8 + LBA_STATUSES * LBA_STATUS_LEN] = {};
	uint32_t alloc = get_be32(cmd->scsi.cdb + 10), len = 8;

	if (!scsi_extent_ok(dev, cmd, lba, 1))
		return;
	while (lba < capacity && len + LBA_STATUS_LEN <= sizeof(out) &&
	       (len == 8 || len + LBA_STATUS_LEN <= alloc)) {
		uint64_t limit = capacity - lba < UINT32_MAX ? capacity - lba : UINT32_MAX, n;
		bool mapped = disk_mapped(dev->lu->disk, lba << shift, limit << shift, &n);
		uint8_t *at = out + len;

		/* A block that is partly there is there. */
		n = mapped ? (n + (1u << shift) - 1) >> shift : n >> shift;
		if (!n) {
			mapped = true;
			n = 1;
		}
		n = n < limit ? n : limit;
		put_be64(at, lba);
		put_be32(at + 8, (uint32_t)n);
		at[12] = mapped ? LBA_MAPPED : LBA_DEALLOCATED;
		lba += n;
		len += LBA_STATUS_LEN;
	}
	put_be32(out, len - 4);
	scsi_return(cmd, out, len, alloc);
}

/* There are never any. The list's format is the one asked for. */
void scsi_read_defect_data(struct scsi_device *dev, struct command *cmd)
{
	bool long_cdb = cmd->scsi.opcode->cdb_len == 12;
	uint8_t asked = cmd->scsi.cdb[long_cdb ? 1 : 2];
	uint8_t out[8] = {0, asked & 0x1f};

	scsi_return(cmd, out, long_cdb ? 8 : 4,
		    long_cdb ? get_be32(cmd->scsi.cdb + 6) : get_be16(cmd->scsi.cdb + 7));
}

/* The kernel's cache knows better what to keep. GOOD: not everything may be cached. */
void scsi_pre_fetch(struct scsi_device *dev, struct command *cmd)
{
	scsi_cdb_extent(&cmd->scsi, &cmd->scsi.lba, &cmd->scsi.blocks);
	if (scsi_extent_ok(dev, cmd, cmd->scsi.lba, cmd->scsi.blocks))
		scsi_good(cmd);
}
