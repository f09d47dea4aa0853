/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every command there is: what dispatch and REPORT SUPPORTED OPERATION CODES go by. An opcode's
 * entries stand together.
 */
#include "scsi/device.h"

#define ACTION_MASK 0x1f

/* The bits of READ's and WRITE's CDBs; the group number and the protection field are not used. */
#define USAGE_6(flags)                                    \
	{                                                 \
		0, (flags) | 0x1f, 0xff, 0xff, 0xff, 0x04 \
	}
#define USAGE_10(flags)                                               \
	{                                                             \
		0, flags, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x04 \
	}
#define USAGE_12(flags)                                                           \
	{                                                                         \
		0, flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04 \
	}
#define USAGE_16(flags)                                                                           \
	{                                                                                         \
		0, flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, \
			0, 0x04                                                                   \
	}

const struct scsi_opcode scsi_opcodes[] = {
	{0x00,
	 SCSI_NO_ACTION,
	 6,
	 SCSI_MEDIUM,
	 "TEST UNIT READY",
	 scsi_test_unit_ready,
	 NULL,
	 {0, 0, 0, 0, 0, 0x04}},
	{0x03,
	 SCSI_NO_ACTION,
	 6,
	 SCSI_PAST_UA | SCSI_ANY_LUN | SCSI_PAST_ALUA,
	 "REQUEST SENSE",
	 scsi_request_sense,
	 NULL,
	 {0, 0x01, 0, 0, 0xff, 0x04}},
	{0x08, SCSI_NO_ACTION, 6, SCSI_READS | SCSI_MEDIUM, "READ(6)", scsi_read,
	 scsi_transfer_memory, USAGE_6(0)},
	{0x0a, SCSI_NO_ACTION, 6, SCSI_WRITES | SCSI_MEDIUM, "WRITE(6)", scsi_write,
	 scsi_transfer_memory, USAGE_6(0)},
	{0x12,
	 SCSI_NO_ACTION,
	 6,
	 SCSI_PAST_UA | SCSI_ANY_LUN | SCSI_PAST_ALUA,
	 "INQUIRY",
	 scsi_inquiry,
	 NULL,
	 {0, 0x01, 0xff, 0xff, 0xff, 0x04}},
	{0x25,
	 SCSI_NO_ACTION,
	 10,
	 SCSI_MEDIUM,
	 "READ CAPACITY(10)",
	 scsi_read_capacity_10,
	 NULL,
	 {0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x01, 0x04}},
	{0x28, SCSI_NO_ACTION, 10, SCSI_READS | SCSI_MEDIUM, "READ(10)", scsi_read,
	 scsi_transfer_memory, USAGE_10(0xf8)},
	{0x2a, SCSI_NO_ACTION, 10, SCSI_WRITES | SCSI_MEDIUM, "WRITE(10)", scsi_write,
	 scsi_transfer_memory, USAGE_10(0xf8)},
	{0x35, SCSI_NO_ACTION, 10, SCSI_MEDIUM | SCSI_SHY, "SYNCHRONIZE CACHE(10)",
	 scsi_synchronize_cache, NULL, USAGE_10(0x02)},
	{0x88, SCSI_NO_ACTION, 16, SCSI_READS | SCSI_MEDIUM, "READ(16)", scsi_read,
	 scsi_transfer_memory, USAGE_16(0xf8)},
	{0x8a, SCSI_NO_ACTION, 16, SCSI_WRITES | SCSI_MEDIUM, "WRITE(16)", scsi_write,
	 scsi_transfer_memory, USAGE_16(0xf8)},
	{0x91, SCSI_NO_ACTION, 16, SCSI_MEDIUM | SCSI_SHY, "SYNCHRONIZE CACHE(16)",
	 scsi_synchronize_cache, NULL, USAGE_16(0x02)},
	{0x9e,
	 0x10,
	 16,
	 SCSI_MEDIUM,
	 "READ CAPACITY(16)",
	 scsi_read_capacity_16,
	 NULL,
	 {0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
	  0x04}},
	{0xa0,
	 SCSI_NO_ACTION,
	 12,
	 SCSI_PAST_UA | SCSI_ANY_LUN | SCSI_PAST_ALUA,
	 "REPORT LUNS",
	 scsi_report_luns,
	 NULL,
	 {0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04}},
	{0xa3,
	 0x0c,
	 12,
	 SCSI_LOOKS,
	 "REPORT SUPPORTED OPERATION CODES",
	 scsi_report_opcodes,
	 NULL,
	 {0, 0, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04}},
	{0xa3,
	 0x0d,
	 12,
	 SCSI_LOOKS,
	 "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
	 scsi_report_tmfs,
	 NULL,
	 {0, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04}},
	{0xa8, SCSI_NO_ACTION, 12, SCSI_READS | SCSI_MEDIUM, "READ(12)", scsi_read,
	 scsi_transfer_memory, USAGE_12(0xf8)},
	{0xaa, SCSI_NO_ACTION, 12, SCSI_WRITES | SCSI_MEDIUM, "WRITE(12)", scsi_write,
	 scsi_transfer_memory, USAGE_12(0xf8)},
};

const unsigned int scsi_nopcodes = sizeof(scsi_opcodes) / sizeof(scsi_opcodes[0]);

const struct scsi_opcode *scsi_opcode_find(const uint8_t *cdb, bool *known)
{
	*known = false;
	for (unsigned int i = 0; i < scsi_nopcodes; i++) {
		const struct scsi_opcode *entry = &scsi_opcodes[i];

		if (entry->opcode != cdb[0])
			continue;
		*known = true;
		if (entry->action == SCSI_NO_ACTION || entry->action == (cdb[1] & ACTION_MASK))
			return entry;
	}
	return NULL;
}
