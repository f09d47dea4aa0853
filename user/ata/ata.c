/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ata/device.h"

#include "base/clock.h"

#include <stdlib.h>

void ata_end(struct command *cmd, uint8_t status, uint8_t error)
{
	cmd->ata.status = ATA_DRDY | status;
	cmd->ata.error = error;
	if (status)
		cmd->data_in.len = 0;
	cmd->ops->deliver(cmd);
}

void ata_ok(struct command *cmd)
{
	ata_end(cmd, 0, 0);
}

void ata_abort(struct command *cmd)
{
	ata_end(cmd, ATA_ERR, ATA_ABRT);
}

/*
 * A medium that cannot take data is a device fault rather than an uncorrectable sector: the request
 * was right and may succeed later (space added, path repaired). Every driver fails a request on
 * ERR.
 */
void ata_end_io(struct command *cmd, enum blk_status status)
{
	switch (status) {
	case BLK_OK:
		ata_ok(cmd);
		return;
	case BLK_ERANGE:
		ata_end(cmd, ATA_ERR, ATA_IDNF);
		return;
	case BLK_EIO:
		if (cmd->io.op == BLK_READ) {
			atomic_fetch_add(&ata_device_of(cmd)->read_errors, 1);
			ata_end(cmd, ATA_ERR, ATA_UNC);
			return;
		}
		/* fallthrough */
	case BLK_ENOSPC:
		ata_end(cmd, ATA_ERR | ATA_DF, ATA_ABRT);
		return;
	case BLK_EROFS:
	case BLK_ENOTSUP:
	case BLK_ESEALED:
		break;
	}
	ata_abort(cmd);
}

void ata_return_data(struct command *cmd, const void *data, uint32_t len)
{
	if (cmd->ops->place(cmd, len, &cmd->data_in)) {
		ata_abort(cmd);
		return;
	}
	sgl_copy_in(cmd->queue->arena, &cmd->data_in, 0, data, len);
	ata_ok(cmd);
}

/* ACS-3 7.9.4: code 01h and the signature of an ATA device. */
static void ata_execute_diagnostic(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	cmd->ata.count = 1;
	cmd->ata.lba = 1;
	ata_end(cmd, 0, 0x01);
}

/* Obsolete and harmless: there is no translation to initialise. */
static void ata_initialize_parameters(struct ata_device *dev, struct command *cmd,
				      unsigned int flags)
{
	ata_ok(cmd);
}

/* ACS-3 7.17: NOP always reports an abort. */
static void ata_nop(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	ata_abort(cmd);
}

/* ACS-3 7, and the commands of older standards that boot code still sends. Not here: aborted. */
static const struct ata_command commands[256] = {
	[ATA_NOP] = {ata_nop, 0},
	[ATA_DATA_SET_MANAGEMENT] = {ata_data_set_management, ATA_WRITES | ATA_MEDIUM},
	[ATA_READ_SECTORS] = {ata_read, ATA_MEDIUM},
	[ATA_READ_SECTORS_NO_RETRY] = {ata_read, ATA_MEDIUM},
	[ATA_READ_SECTORS_EXT] = {ata_read, ATA_MEDIUM | ATA_EXT},
	[ATA_READ_DMA_EXT] = {ata_read, ATA_MEDIUM | ATA_EXT},
	[ATA_READ_NATIVE_MAX_EXT] = {ata_read_native_max, ATA_EXT},
	[ATA_READ_MULTIPLE_EXT] = {ata_read, ATA_MEDIUM | ATA_EXT | ATA_MULTIPLE},
	[ATA_WRITE_SECTORS] = {ata_write, ATA_MEDIUM | ATA_WRITES},
	[ATA_WRITE_SECTORS_NO_RETRY] = {ata_write, ATA_MEDIUM | ATA_WRITES},
	[ATA_WRITE_SECTORS_EXT] = {ata_write, ATA_MEDIUM | ATA_WRITES | ATA_EXT},
	[ATA_WRITE_DMA_EXT] = {ata_write, ATA_MEDIUM | ATA_WRITES | ATA_EXT},
	[ATA_WRITE_MULTIPLE_EXT] = {ata_write, ATA_MEDIUM | ATA_WRITES | ATA_EXT | ATA_MULTIPLE},
	[ATA_WRITE_DMA_FUA_EXT] = {ata_write, ATA_MEDIUM | ATA_WRITES | ATA_EXT | ATA_FUA},
	[ATA_READ_VERIFY] = {ata_read_verify, ATA_MEDIUM},
	[ATA_READ_VERIFY_NO_RETRY] = {ata_read_verify, ATA_MEDIUM},
	[ATA_READ_VERIFY_EXT] = {ata_read_verify, ATA_MEDIUM | ATA_EXT},
	[ATA_EXECUTE_DIAGNOSTIC] = {ata_execute_diagnostic, 0},
	[ATA_INITIALIZE_PARAMETERS] = {ata_initialize_parameters, 0},
	[ATA_SMART] = {ata_smart, 0},
	[ATA_READ_MULTIPLE] = {ata_read, ATA_MEDIUM | ATA_MULTIPLE},
	[ATA_WRITE_MULTIPLE] = {ata_write, ATA_MEDIUM | ATA_WRITES | ATA_MULTIPLE},
	[ATA_SET_MULTIPLE] = {ata_set_multiple, 0},
	[ATA_READ_DMA] = {ata_read, ATA_MEDIUM},
	[ATA_READ_DMA_NO_RETRY] = {ata_read, ATA_MEDIUM},
	[ATA_WRITE_DMA] = {ata_write, ATA_MEDIUM | ATA_WRITES},
	[ATA_WRITE_DMA_NO_RETRY] = {ata_write, ATA_MEDIUM | ATA_WRITES},
	[ATA_WRITE_MULTIPLE_FUA_EXT] = {ata_write,
					ATA_MEDIUM | ATA_WRITES | ATA_EXT | ATA_FUA | ATA_MULTIPLE},
	[ATA_STANDBY_IMMEDIATE] = {ata_standby, 0},
	[ATA_IDLE_IMMEDIATE] = {ata_idle, 0},
	[ATA_STANDBY] = {ata_standby, 0},
	[ATA_IDLE] = {ata_idle, 0},
	[ATA_CHECK_POWER_MODE] = {ata_check_power_mode, 0},
	/* Only a reset ends SLEEP, and a network has none: it is a standby. */
	[ATA_SLEEP] = {ata_standby, 0},
	[ATA_FLUSH] = {ata_flush, ATA_MEDIUM},
	[ATA_FLUSH_EXT] = {ata_flush, ATA_MEDIUM},
	[ATA_IDENTIFY_DEVICE] = {ata_identify_device, 0},
	[ATA_SET_FEATURES] = {ata_set_features, 0},
	[ATA_READ_NATIVE_MAX] = {ata_read_native_max, 0},
};

bool ata_command_writes(uint8_t command, uint8_t feature)
{
	switch (command) {
	case ATA_SMART:
		return ata_smart_writes(feature);
	case ATA_SET_FEATURES:
		return ata_set_features_writes(feature);
	default:
		return commands[command].flags & ATA_WRITES;
	}
}

enum ata_class ata_command_class(uint8_t command)
{
	const struct ata_command *entry = &commands[command];

	if (entry->execute == ata_read)
		return ATA_CLASS_READ;
	if (entry->execute == ata_write)
		return ATA_CLASS_WRITE;
	return entry->execute == ata_flush ? ATA_CLASS_FLUSH : ATA_CLASS_OTHER;
}

/* A SCSI reservation of the disk stands against it. What was written may still be flushed. */
static bool excluded(const struct ata_device *dev, const struct ata_command *entry)
{
	enum lu_exclusion exclusion = lu_excluded(dev->lu);

	return exclusion != LU_OPEN && (entry->flags & ATA_WRITES ||
					(exclusion == LU_EXCLUSIVE && entry->flags & ATA_MEDIUM &&
					 entry->execute != ata_flush));
}

void ata_execute(struct ata_device *dev, struct command *cmd, unsigned int limit)
{
	const struct ata_command *entry = &commands[cmd->ata.command];

	cmd->data_in = (struct sgl){};
	cmd->model.device = dev;
	cmd->model.limit = limit;
	cmd->io.era = disk_era(dev->lu->disk);
	if (!entry->execute || (entry->flags & ATA_MULTIPLE && !atomic_load(&dev->multiple))) {
		ata_abort(cmd);
		return;
	}
	if (excluded(dev, entry)) {
		ata_abort(cmd);
		return;
	}
	if (entry->flags & ATA_MEDIUM &&
	    atomic_load_explicit(&dev->power, memory_order_relaxed) != ATA_POWER_ACTIVE)
		atomic_store(&dev->power, ATA_POWER_ACTIVE);
	entry->execute(dev, cmd, entry->flags);
}

int ata_device_open(struct lu *lu, struct state *state, struct ata_device **out, struct error *err)
{
	struct ata_device *dev = calloc(1, sizeof(*dev));
	int ret;

	if (!dev)
		return error_set(err, ENOMEM, "out of memory");
	/* Its pages are touched by the first write to each log only. */
	dev->host_logs = calloc(ATA_HOST_LOGS, sizeof(*dev->host_logs));
	if (!dev->host_logs) {
		free(dev);
		return error_set(err, ENOMEM, "out of memory");
	}
	dev->lu = lu;
	dev->state = state;
	dev->opened_ns = clock_now_ns();
	dev->settings = (struct ata_settings){.smart = true, .autosave = true};
	atomic_init(&dev->read_ahead, true);
	atomic_init(&dev->transfer_mode, 0x46); /* Ultra DMA 6 */
	atomic_init(&dev->power, ATA_POWER_ACTIVE);
	pthread_mutex_init(&dev->lock, NULL);
	list_init(&dev->changes);
	ret = ata_settings_load(dev, err);
	if (ret) {
		ata_device_close(dev);
		return ret;
	}
	*out = dev;
	return 0;
}

void ata_device_close(struct ata_device *dev)
{
	if (!dev)
		return;
	pthread_mutex_destroy(&dev->lock);
	free(dev->host_logs);
	free(dev);
}
