/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sense data (SPC-5 4.5): what a command that failed says of why. */
#ifndef STGT_SCSI_SENSE_H
#define STGT_SCSI_SENSE_H

#include <stdbool.h>
#include <stdint.h>

enum scsi_key {
	SCSI_KEY_NO_SENSE = 0x0,
	SCSI_KEY_NOT_READY = 0x2,
	SCSI_KEY_MEDIUM_ERROR = 0x3,
	SCSI_KEY_HARDWARE_ERROR = 0x4,
	SCSI_KEY_ILLEGAL_REQUEST = 0x5,
	SCSI_KEY_UNIT_ATTENTION = 0x6,
	SCSI_KEY_DATA_PROTECT = 0x7,
	SCSI_KEY_COPY_ABORTED = 0xa,
	SCSI_KEY_ABORTED_COMMAND = 0xb,
	SCSI_KEY_MISCOMPARE = 0xe,
};

/* asc << 8 | ascq (SPC-5 annex F), those in use. */
enum scsi_asc {
	SCSI_ASC_NONE = 0x0000,
	SCSI_ASC_OPERATION_IN_PROGRESS = 0x0016,
	SCSI_ASC_ACCESS_STATE_TRANSITION = 0x040a,
	SCSI_ASC_TARGET_PORT_STANDBY = 0x040b,
	SCSI_ASC_TARGET_PORT_UNAVAILABLE = 0x040c,
	SCSI_ASC_UNIT_OFFLINE = 0x0412,
	SCSI_ASC_SANITIZE_IN_PROGRESS = 0x041b,
	SCSI_ASC_UNREACHABLE_COPY_TARGET = 0x0804,
	SCSI_ASC_WRITE_ERROR = 0x0c00,
	SCSI_ASC_THIRD_PARTY_FAILURE = 0x0d01,
	SCSI_ASC_COPY_TARGET_UNREACHABLE = 0x0d02,
	SCSI_ASC_INVALID_FIELD_IN_IU = 0x0e03,
	SCSI_ASC_READ_ERROR = 0x1100,
	SCSI_ASC_LIST_LENGTH = 0x1a00,
	SCSI_ASC_MISCOMPARE = 0x1d00,
	SCSI_ASC_OPCODE = 0x2000,
	SCSI_ASC_LBA_RANGE = 0x2100,
	SCSI_ASC_INVALID_FIELD_CDB = 0x2400,
	SCSI_ASC_LUN_NOT_SUPPORTED = 0x2500,
	SCSI_ASC_INVALID_FIELD_LIST = 0x2600,
	SCSI_ASC_RELEASE_OF_RESERVATION = 0x2604,
	SCSI_ASC_TOO_MANY_CSCDS = 0x2606,
	SCSI_ASC_CSCD_TYPE = 0x2607,
	SCSI_ASC_TOO_MANY_SEGMENTS = 0x2608,
	SCSI_ASC_SEGMENT_TYPE = 0x2609,
	SCSI_ASC_INEXACT_SEGMENT = 0x260a,
	SCSI_ASC_INLINE_DATA = 0x260b,
	SCSI_ASC_WRITE_PROTECTED = 0x2700,
	SCSI_ASC_SPACE_ALLOCATION_FAILED = 0x2707,
	SCSI_ASC_MEDIUM_CHANGED = 0x2800,
	SCSI_ASC_POWER_ON = 0x2900,
	SCSI_ASC_RESET_OCCURRED = 0x2903,
	SCSI_ASC_MODE_CHANGED = 0x2a01,
	SCSI_ASC_LOG_CHANGED = 0x2a02,
	SCSI_ASC_RESERVATIONS_PREEMPTED = 0x2a03,
	SCSI_ASC_RESERVATIONS_RELEASED = 0x2a04,
	SCSI_ASC_REGISTRATIONS_PREEMPTED = 0x2a05,
	SCSI_ASC_ACCESS_STATE_CHANGED = 0x2a06,
	SCSI_ASC_CAPACITY_CHANGED = 0x2a09,
	SCSI_ASC_CLEARED_BY_ANOTHER = 0x2f00,
	SCSI_ASC_SANITIZE_FAILED = 0x3103,
	SCSI_ASC_THRESHOLD = 0x3807,
	SCSI_ASC_SAVING_NOT_SUPPORTED = 0x3900,
	SCSI_ASC_MEDIUM_NOT_PRESENT = 0x3a00,
	SCSI_ASC_SELF_TEST_FAILED = 0x3e03,
	SCSI_ASC_LUNS_CHANGED = 0x3f0e,
	SCSI_ASC_TARGET_FAILURE = 0x4400,
	SCSI_ASC_INVALID_MESSAGE = 0x4900,
	SCSI_ASC_REMOVAL_PREVENTED = 0x5302,
	SCSI_ASC_INSUFFICIENT_RESOURCES = 0x5504,
};

/* What is said; 0 or false where there is nothing to say. */
struct scsi_sense {
	enum scsi_key key;
	uint16_t asc; /* enum scsi_asc */
	bool has_information;
	uint64_t information; /* an LBA, or the offset of a miscompare */
	bool has_field;	      /* the sense-key specific bytes point at a field */
	bool in_list;	      /* of the parameter list, not of the CDB */
	uint16_t field;	      /* byte */
	uint8_t bit;	      /* its most significant bit; 8: the whole byte */
	bool has_progress;
	uint16_t progress; /* of 65536 */
};

#define SCSI_SENSE_DESCRIPTOR 0x72 /* first byte of that format; others: fixed */
#define SCSI_SENSE_MIN	      64u  /* room that scsi_sense_format() needs */

/*
 * Lays sense data out as SPC-5 4.5.2 (descriptor format) or 4.5.3 (fixed) say; the information of
 * the fixed format has 32 bits, what does not fit is marked invalid there. Returns the length.
 */
uint8_t scsi_sense_format(const struct scsi_sense *sense, bool descriptor, uint8_t *out);

#endif
