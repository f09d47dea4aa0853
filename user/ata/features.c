/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SET FEATURES (ACS-3 7.45), SET MULTIPLE MODE, power modes and native size. */
#include "ata/device.h"

static void enable_write_cache(struct ata_device *dev, struct command *cmd)
{
	if (dev->lu->durable) {
		ata_abort(cmd);
		return;
	}
	atomic_store(&dev->lu->write_cache, true);
	ata_ok(cmd);
}

/* From here on writes are durable; those before are once the flush has ended. */
static void disable_write_cache(struct ata_device *dev, struct command *cmd)
{
	atomic_store(&dev->lu->write_cache, false);
	ata_flush_submit(cmd, ata_flush_done);
}

static bool transfer_mode_valid(unsigned int mode)
{
	unsigned int number = mode & 7;

	switch (mode >> 3) {
	case 0x00: /* PIO default */
		return number <= 1;
	case 0x01: /* PIO */
		return number <= 4;
	case 0x04: /* multiword DMA */
		return number <= 2;
	case 0x08: /* Ultra DMA */
		return number <= 6;
	default:
		return false;
	}
}

static void set_transfer_mode(struct ata_device *dev, struct command *cmd)
{
	if (!transfer_mode_valid(cmd->ata.count)) {
		ata_abort(cmd);
		return;
	}
	/* PIO is always there; selecting it leaves the DMA mode as it is. */
	if (cmd->ata.count >= 0x20)
		atomic_store(&dev->transfer_mode, cmd->ata.count);
	ata_ok(cmd);
}

static void set_read_ahead(struct ata_device *dev, struct command *cmd)
{
	atomic_store(&dev->read_ahead, cmd->ata.feature == 0xaa);
	ata_ok(cmd);
}

static const struct feature {
	uint8_t feature;
	bool writes;
	void (*execute)(struct ata_device *dev, struct command *cmd);
} features[] = {
	{0x02, true, enable_write_cache}, {0x03, false, set_transfer_mode},
	{0x55, false, set_read_ahead},	  {0x82, true, disable_write_cache},
	{0xaa, false, set_read_ahead},
};

static const struct feature *feature_find(uint8_t feature)
{
	unsigned int i;

	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (features[i].feature == feature)
			return &features[i];
	return NULL;
}

void ata_set_features(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	const struct feature *feature = feature_find(cmd->ata.feature);

	if (feature)
		feature->execute(dev, cmd);
	else
		ata_abort(cmd);
}

bool ata_set_features_writes(uint8_t feature)
{
	const struct feature *entry = feature_find(feature);

	return entry && entry->writes;
}

/* ACS-2 7.47: a power of two, or 0 to turn READ and WRITE MULTIPLE off. */
void ata_set_multiple(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	unsigned int count = cmd->ata.count & 0xff;

	if (count > ATA_MULTIPLE_MAX || count & (count - 1)) {
		ata_abort(cmd);
		return;
	}
	atomic_store(&dev->multiple, count);
	ata_ok(cmd);
}

void ata_check_power_mode(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	cmd->ata.count = (uint16_t)atomic_load(&dev->power);
	ata_ok(cmd);
}

/* The standby timer of IDLE and STANDBY is accepted and never runs out: nothing would be saved. */
void ata_idle(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	atomic_store(&dev->power, ATA_POWER_IDLE);
	ata_ok(cmd);
}

static void standby_flushed(struct blk_io *io)
{
	struct command *cmd = container_of(io, struct command, io);
	enum blk_status status = ata_flush_status(cmd);

	if (status == BLK_OK)
		atomic_store(&ata_device_of(cmd)->power, ATA_POWER_STANDBY);
	ata_end_io(cmd, status);
}

/* A drive empties its cache before it spins down (ACS-3 4.15.4). */
void ata_standby(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	ata_flush_submit(cmd, standby_flushed);
}

/*
 * Initiators that ask for the native size want to know whether part of the disk is hidden. None is,
 * and the Host Protected Area feature set is not announced.
 */
void ata_read_native_max(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	uint64_t last = atomic_load(&dev->lu->disk->nblocks);
	uint64_t most = flags & ATA_EXT ? ATA_CAPACITY_48 : ATA_CAPACITY_28;

	if (last)
		last--;
	cmd->ata.lba = last < most ? last : most;
	ata_ok(cmd);
}
