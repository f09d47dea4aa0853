/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ATA device model (ACS-3): taskfiles in, block I/O out. It knows nothing of AoE.
 */
#ifndef STGT_ATA_H
#define STGT_ATA_H

#include "lu/command.h"
#include "lu/lu.h"
#include "state/state.h"

/*
 * One ATA device, shared by every worker that serves it. Plain settings are atomics; what must
 * survive a restart (SMART enabled, host logs) is saved before the command that changes it ends.
 */
struct ata_device;

/* `state` may be NULL (nothing is remembered). The unit and the state must outlive the device. */
int ata_device_open(struct lu *lu, struct state *state, struct ata_device **dev, struct error *err);
void ata_device_close(struct ata_device *dev);

#define ATA_IDENTIFY_LEN 512u

/*
 * Executes cmd->ata: `cmd->lu`, `queue`, `nexus`, `ops`, `data_out` are set, `limit` is the most
 * sectors a READ or WRITE may ask for (the transport's frame); those that ask for more are aborted.
 * Ends in one cmd->ops->deliver(), with cmd->ata.status and .error set, .count and .lba as the
 * device leaves them, and cmd->data_in.len the bytes to return (0 on error).
 */
void ata_execute(struct ata_device *dev, struct command *cmd, unsigned int limit);

/* True for commands that write data or settings of the medium: refused to read-only initiators. */
bool ata_command_writes(uint8_t command, uint8_t feature);

/* What a command does to the medium, for counters. */
enum ata_class {
	ATA_CLASS_OTHER,
	ATA_CLASS_READ,
	ATA_CLASS_WRITE,
	ATA_CLASS_FLUSH,
};
enum ata_class ata_command_class(uint8_t command);

/* The 256 words of IDENTIFY DEVICE as they lie on the wire (little-endian), checksum included. */
void ata_identify(struct ata_device *dev, uint8_t out[ATA_IDENTIFY_LEN]);

#endif
