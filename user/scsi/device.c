/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scsi/device.h"

#include "base/clock.h"
#include <errno.h>
#include <stdlib.h>

int scsi_device_open(const struct scsi_device_config *config, struct scsi_device **out,
		     struct error *err)
{
	struct scsi_device *dev;
	int ret;

	if (config->logical_block != 512 && config->logical_block != 4096)
		return error_set(err, EINVAL, "a logical block has 512 or 4096 bytes, not %u",
				 config->logical_block);
	if (atomic_load(&config->lu->disk->nblocks) << BLK_SECTOR_SHIFT < config->logical_block)
		return error_set(err, EINVAL,
				 "the disk is smaller than one logical block of %u bytes",
				 config->logical_block);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return error_set(err, ENOMEM, "out of memory");
	dev->lu = config->lu;
	dev->state = config->state;
	dev->since_ns = clock_now_ns();
	dev->block_shift = config->logical_block == 512 ? 9 : 12;
	dev->removable = config->removable;
	dev->thin = config->thin && config->lu->disk->can_unmap;
	pthread_mutex_init(&dev->lock, NULL);
	list_init(&dev->it_ls);
	list_init(&dev->tasks);
	list_init(&dev->abort_waits);
	list_init(&dev->changes);
	atomic_init(&dev->loaded, true);
	list_init(&dev->shown);
	ret = scsi_modes_open(dev, err);
	if (!ret)
		ret = scsi_sanitize_load(dev, err);
	if (!ret)
		ret = scsi_reservations_open(dev, err);
	if (ret) {
		scsi_device_close(dev);
		return ret;
	}
	*out = dev;
	return 0;
}

void scsi_device_close(struct scsi_device *dev)
{
	if (!dev)
		return;
	assert(list_empty(&dev->it_ls) && list_empty(&dev->tasks) && !dev->sanitize);
	scsi_modes_close(dev);
	scsi_reservations_close(dev);
	free(dev->sanitize_left);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}
