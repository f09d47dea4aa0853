/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ATA registers of one command, as AoE carries them (AoEr11 3.1; ACS-3 6).
 */
#ifndef STGT_ATA_TASKFILE_H
#define STGT_ATA_TASKFILE_H

#include <stdbool.h>
#include <stdint.h>

enum ata_opcode {
	ATA_NOP = 0x00,
	ATA_DATA_SET_MANAGEMENT = 0x06,
	ATA_READ_SECTORS = 0x20,
	ATA_READ_SECTORS_NO_RETRY = 0x21,
	ATA_READ_SECTORS_EXT = 0x24,
	ATA_READ_DMA_EXT = 0x25,
	ATA_READ_NATIVE_MAX_EXT = 0x27,
	ATA_READ_MULTIPLE_EXT = 0x29,
	ATA_WRITE_SECTORS = 0x30,
	ATA_WRITE_SECTORS_NO_RETRY = 0x31,
	ATA_WRITE_SECTORS_EXT = 0x34,
	ATA_WRITE_DMA_EXT = 0x35,
	ATA_WRITE_MULTIPLE_EXT = 0x39,
	ATA_WRITE_DMA_FUA_EXT = 0x3d,
	ATA_READ_VERIFY = 0x40,
	ATA_READ_VERIFY_NO_RETRY = 0x41,
	ATA_READ_VERIFY_EXT = 0x42,
	ATA_EXECUTE_DIAGNOSTIC = 0x90,
	ATA_INITIALIZE_PARAMETERS = 0x91,
	ATA_SMART = 0xb0,
	ATA_READ_MULTIPLE = 0xc4,
	ATA_WRITE_MULTIPLE = 0xc5,
	ATA_SET_MULTIPLE = 0xc6,
	ATA_READ_DMA = 0xc8,
	ATA_READ_DMA_NO_RETRY = 0xc9,
	ATA_WRITE_DMA = 0xca,
	ATA_WRITE_DMA_NO_RETRY = 0xcb,
	ATA_WRITE_MULTIPLE_FUA_EXT = 0xce,
	ATA_STANDBY_IMMEDIATE = 0xe0,
	ATA_IDLE_IMMEDIATE = 0xe1,
	ATA_STANDBY = 0xe2,
	ATA_IDLE = 0xe3,
	ATA_CHECK_POWER_MODE = 0xe5,
	ATA_SLEEP = 0xe6,
	ATA_FLUSH = 0xe7,
	ATA_FLUSH_EXT = 0xea,
	ATA_IDENTIFY_DEVICE = 0xec,
	ATA_SET_FEATURES = 0xef,
	ATA_READ_NATIVE_MAX = 0xf8,
};

/* Status register */
#define ATA_ERR	 0x01u
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
	/* In and out: some commands leave an answer here; the others leave them as they were. */
	uint16_t count; /* sectors, as the transport's count register(s) hold it */
	uint64_t lba;
	/* Out. */
	uint8_t status;
	uint8_t error;
};

#endif
