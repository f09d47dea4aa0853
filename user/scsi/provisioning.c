/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a thin unit tells of the room that is left (SBC-4 4.7.3.7): one threshold, on available
 * resources that decrease, which the administrator sets. It is the file system's room, so others
 * take of it, too. Who looks at that, and how often: target/space.c.
 */
#include "scsi/device.h"

#include "blk/space.h"

#define MIB_SHIFT 20u
#define COUNT_MAX UINT32_MAX

bool scsi_has_thresholds(const struct scsi_device *dev)
{
	return dev->thin && dev->lu->disk->space;
}

/* A MiB, or more where a count of 32 bits would be too small for the unit (SBC-4 6.6.7). */
uint8_t scsi_threshold_exponent(const struct scsi_device *dev)
{
	uint8_t exponent = (uint8_t)(MIB_SHIFT - dev->block_shift);

	if (!scsi_has_thresholds(dev))
		return 0;
	while (scsi_capacity(dev) >> exponent > COUNT_MAX)
		exponent++;
	return exponent;
}

uint32_t scsi_threshold_sets(const struct scsi_device *dev, uint64_t bytes)
{
	uint64_t sets = bytes >> (scsi_threshold_exponent(dev) + dev->block_shift);

	return sets < COUNT_MAX ? (uint32_t)sets : COUNT_MAX;
}

/* SBC-4 has every change of the mode page told that no command made. */
void scsi_device_threshold_changed(struct scsi_device *dev)
{
	if (scsi_has_thresholds(dev))
		scsi_attend(dev, NULL, SCSI_ASC_MODE_CHANGED);
}

void scsi_device_short_of_space(struct scsi_device *dev)
{
	if (scsi_has_thresholds(dev))
		scsi_attend(dev, NULL, SCSI_ASC_THRESHOLD);
}
