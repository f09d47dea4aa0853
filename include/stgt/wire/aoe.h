/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ATA over Ethernet, AoEr11: everything behind the EtherType; big-endian unless it says le. */
#ifndef STGT_WIRE_AOE_H
#define STGT_WIRE_AOE_H

#include "stgt/wire/eth.h"

#define AOE_VERSION	  1
#define AOE_FLAG_RESPONSE 0x08
#define AOE_FLAG_ERROR	  0x04
#define AOE_SHELF_ANY	  0xffff
#define AOE_SLOT_ANY	  0xff
#define AOE_CONFIG_MAX	  1024 /* bytes of a configuration string */
#define AOE_MASK_MAX	  255  /* MACs in a mask list */
#define AOE_RESERVE_MAX	  255  /* MACs in a reserve list */

enum aoe_command {
	AOE_CMD_ATA = 0,
	AOE_CMD_CONFIG = 1,
	AOE_CMD_MASK = 2,
	AOE_CMD_RESERVE = 3,
	AOE_CMD_VENDOR = 0xf0, /* and above */
};

/* AoEr11 2.4 */
enum aoe_error {
	AOE_ERR_COMMAND = 1,
	AOE_ERR_ARGUMENT = 2,
	AOE_ERR_UNAVAILABLE = 3,
	AOE_ERR_CONFIG_PRESENT = 4,
	AOE_ERR_VERSION = 5,
	AOE_ERR_RESERVED = 6,
};

enum aoe_config_command {
	AOE_CONFIG_READ = 0,
	AOE_CONFIG_TEST = 1,
	AOE_CONFIG_TEST_PREFIX = 2,
	AOE_CONFIG_SET = 3,
	AOE_CONFIG_FORCE = 4,
};

enum aoe_mask_command {
	AOE_MASK_READ = 0,
	AOE_MASK_EDIT = 1
};
enum aoe_mask_directive {
	AOE_MASK_NOP = 0,
	AOE_MASK_ADD = 1,
	AOE_MASK_DELETE = 2
};
enum aoe_mask_error {
	AOE_MASK_UNSPECIFIED = 1,
	AOE_MASK_BAD_DIRECTIVE = 2,
	AOE_MASK_FULL = 3
};
enum aoe_reserve_command {
	AOE_RESERVE_READ = 0,
	AOE_RESERVE_SET = 1,
	AOE_RESERVE_FORCE = 2
};

#define AOE_ATA_WRITE  0x01 /* aflags: data flows to the device */
#define AOE_ATA_ASYNC  0x02
#define AOE_ATA_DEVICE 0x10 /* the device/head register's bit 4 */
#define AOE_ATA_LBA48  0x40

struct wire_aoe {
	__u8 ver_flags; /* high nibble version, low nibble flags */
	__u8 error;
	__be16 shelf;
	__u8 slot;
	__u8 command;
	__be32 tag; /* opaque: echoed as it came */
} __attribute__((packed));

struct wire_aoe_ata {
	__u8 aflags;
	__u8 feature; /* in a reply: the error register */
	__u8 count;
	__u8 command; /* in a reply: the status register */
	__u8 lba[6];  /* little-endian */
	__u8 reserved[2];
} __attribute__((packed));

struct wire_aoe_config {
	__be16 buffers;
	__be16 firmware;
	__u8 sectors;	  /* most sectors in one frame */
	__u8 ver_command; /* high nibble AoE version, low nibble sub-command */
	__be16 length;
} __attribute__((packed));

struct wire_aoe_mask {
	__u8 reserved;
	__u8 command;
	__u8 error;
	__u8 count;
} __attribute__((packed));

struct wire_aoe_directive {
	__u8 reserved;
	__u8 command;
	__u8 mac[WIRE_MAC_LEN];
} __attribute__((packed));

struct wire_aoe_reserve {
	__u8 command;
	__u8 count;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_aoe) == 10, "AoEr11 2");
_Static_assert(sizeof(struct wire_aoe_ata) == 12, "AoEr11 3.1");
_Static_assert(sizeof(struct wire_aoe_config) == 8, "AoEr11 3.2");
_Static_assert(sizeof(struct wire_aoe_mask) == 4, "AoEr11 3.3");
_Static_assert(sizeof(struct wire_aoe_directive) == 8, "AoEr11 3.3");
_Static_assert(sizeof(struct wire_aoe_reserve) == 2, "AoEr11 3.4");

#endif
