/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SMART (ACS-3 7.48 and A.1): the subcommands, by the feature register. */
#include "ata/device.h"

#include <string.h>

#define LBA_LOW(lba)	 ((uint8_t)(lba))
#define SIGNATURE	 0xc24f00ull /* in LBA mid and high; RETURN STATUS leaves it: all is well */
#define SIGNATURE_MASK	 0xffff00ull
#define AUTOSAVE_DISABLE 0x00u
#define AUTOSAVE_ENABLE	 0xf1u

enum smart_feature {
	SMART_READ_DATA = 0xd0,
	SMART_READ_THRESHOLDS = 0xd1,
	SMART_AUTOSAVE = 0xd2,
	SMART_EXECUTE_OFFLINE = 0xd4,
	SMART_READ_LOG = 0xd5,
	SMART_WRITE_LOG = 0xd6,
	SMART_ENABLE = 0xd8,
	SMART_DISABLE = 0xd9,
	SMART_RETURN_STATUS = 0xda,
};

static void read_data(struct ata_device *dev, struct command *cmd)
{
	uint8_t data[ATA_LOG_PAGE];

	ata_smart_data(dev, data);
	ata_return_data(cmd, data, sizeof(data));
}

static void read_thresholds(struct ata_device *dev, struct command *cmd)
{
	uint8_t data[ATA_LOG_PAGE];

	ata_smart_thresholds(data);
	ata_return_data(cmd, data, sizeof(data));
}

static void autosave(struct ata_device *dev, struct command *cmd)
{
	if (cmd->ata.count == AUTOSAVE_ENABLE || cmd->ata.count == AUTOSAVE_DISABLE)
		ata_settings_change(dev, cmd);
	else
		ata_abort(cmd);
}

static bool is_host_log(uint8_t log)
{
	return log >= ATA_HOST_LOG && log < ATA_HOST_LOG + ATA_HOST_LOGS;
}

static void read_host_log(struct ata_device *dev, struct command *cmd)
{
	uint8_t *log = dev->host_logs[LBA_LOW(cmd->ata.lba) - ATA_HOST_LOG];
	uint32_t len = cmd->ata.count * ATA_LOG_PAGE;

	if (cmd->ata.count > ATA_HOST_LOG_PAGES || cmd->ata.count > cmd->model.limit ||
	    cmd->ops->place(cmd, len, &cmd->data_in)) {
		ata_abort(cmd);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	sgl_copy_in(cmd->queue->arena, &cmd->data_in, 0, log, len);
	pthread_mutex_unlock(&dev->lock);
	ata_ok(cmd);
}

static void read_log(struct ata_device *dev, struct command *cmd)
{
	uint8_t log = LBA_LOW(cmd->ata.lba), page[ATA_LOG_PAGE];

	if (is_host_log(log) && cmd->ata.count) {
		read_host_log(dev, cmd);
		return;
	}
	if (cmd->ata.count != 1) {
		ata_abort(cmd);
		return;
	}
	switch (log) {
	case ATA_LOG_DIRECTORY:
		ata_smart_directory(page);
		break;
	case ATA_LOG_SUMMARY_ERROR:
		ata_smart_error_log(page);
		break;
	case ATA_LOG_SELF_TEST:
		ata_smart_self_test_log(dev, page);
		break;
	default:
		ata_abort(cmd);
		return;
	}
	ata_return_data(cmd, page, sizeof(page));
}

static void write_log(struct ata_device *dev, struct command *cmd)
{
	if (is_host_log(LBA_LOW(cmd->ata.lba)) && cmd->ata.count &&
	    cmd->ata.count <= ATA_HOST_LOG_PAGES &&
	    cmd->data_out.len >= cmd->ata.count * ATA_LOG_PAGE)
		ata_settings_change(dev, cmd);
	else
		ata_abort(cmd);
}

/* The registers already say that no threshold was exceeded: they hold the signature. */
static void return_status(struct ata_device *dev, struct command *cmd)
{
	ata_ok(cmd);
}

static const struct subcommand {
	bool writes;
	void (*execute)(struct ata_device *dev, struct command *cmd);
} subcommands[256] = {
	[SMART_READ_DATA] = {false, read_data},
	[SMART_READ_THRESHOLDS] = {false, read_thresholds},
	[SMART_AUTOSAVE] = {true, autosave},
	[SMART_EXECUTE_OFFLINE] = {false, ata_self_test},
	[SMART_READ_LOG] = {false, read_log},
	[SMART_WRITE_LOG] = {true, write_log},
	[SMART_ENABLE] = {true, ata_settings_change},
	[SMART_DISABLE] = {true, ata_settings_change},
	[SMART_RETURN_STATUS] = {false, return_status},
};

bool ata_smart_writes(uint8_t feature)
{
	return subcommands[feature].writes;
}

void ata_smart(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	const struct subcommand *entry = &subcommands[cmd->ata.feature];

	if (!entry->execute || (cmd->ata.lba & SIGNATURE_MASK) != SIGNATURE ||
	    (!atomic_load(&dev->smart) && cmd->ata.feature != SMART_ENABLE))
		ata_abort(cmd);
	else
		entry->execute(dev, cmd);
}

void ata_smart_stage(struct ata_device *dev, struct command *cmd)
{
	unsigned int log;

	switch (cmd->ata.feature) {
	case SMART_ENABLE:
		dev->staged.smart = true;
		break;
	case SMART_DISABLE:
		dev->staged.smart = false;
		break;
	case SMART_AUTOSAVE:
		dev->staged.autosave = cmd->ata.count == AUTOSAVE_ENABLE;
		break;
	case SMART_WRITE_LOG:
		log = LBA_LOW(cmd->ata.lba) - ATA_HOST_LOG;
		dev->staged_index = (int)log;
		dev->staged.logs_written |= 1u << log;
		memcpy(dev->staged_log, dev->host_logs[log], sizeof(dev->staged_log));
		sgl_copy_out(cmd->queue->arena, &cmd->data_out, 0, dev->staged_log,
			     cmd->ata.count * ATA_LOG_PAGE);
		break;
	}
}
