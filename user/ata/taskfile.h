/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ATA registers of one command, as AoE carries them (AoEr11 3.1; ACS-3 6).
 */
#ifndef STGT_ATA_TASKFILE_H
#define STGT_ATA_TASKFILE_H

#include <stdbool.h>
#include <stdint.h>

/* Status register */
#define ATA_ERR	 0x01u
#define ATA_DRQ	 0x08u
#define ATA_DF	 0x20u
#define ATA_DRDY 0x40u

/* Error register */
#define ATA_ABRT 0x04u
#define ATA_IDNF 0x10u
#define ATA_UNC	 0x40u

struct ata_taskfile {
	/* In. `lba` holds all 48 bits as sent; the model masks it to 28 for 28-bit commands. */
	uint8_t command;
	uint8_t feature;
	uint16_t count; /* sectors, as the transport's count register(s) hold it */
	uint64_t lba;
	uint8_t device; /* device/head bits that the transport carries (AoE: 0x40 for LBA48, 0x10)
			 */
	bool extended;	/* the transport marked the command as 48-bit */
	/* Out. */
	uint8_t status;
	uint8_t error;
};

#endif
