/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every command there is: what dispatch and REPORT SUPPORTED OPERATION CODES go by. */
#include "scsi/device.h"

/* clang-format off: a line or two an entry */

/* The bits of READ's and WRITE's CDBs; the group number and the protection field are not used. */
#define CDB_6(flags)  0, (flags) | 0x1f, 0xff, 0xff, 0xff, 0x04
#define CDB_10(flags) 0, flags, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x04
#define CDB_12(flags) 0, flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04
#define CDB_16(flags) \
	0, flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04

/* A list of entries: all service actions of an opcode. */
#define LIST(...)                                                           \
	{                                                                   \
		(const struct scsi_opcode[]){__VA_ARGS__},                  \
			sizeof((const struct scsi_opcode[]){__VA_ARGS__}) / \
				sizeof(struct scsi_opcode)                  \
	}
#define ACTION(code, action, len, flags, name, execute, memory, ...) \
	{                                                            \
		code, action, len, flags, name, execute, memory,     \
		{                                                    \
			__VA_ARGS__                                  \
		}                                                    \
	}
#define OP(code, ...) [code] = LIST(ACTION(code, SCSI_NO_ACTION, __VA_ARGS__))

#define PR_IN(action, name, execute)                                                           \
	ACTION(0x5e, action, 10, SCSI_STANDBY, name, execute, NULL, 0, 0, 0, 0, 0, 0, 0, 0xff, \
	       0xff, 0x04)
#define PR_OUT(action, name)                                                                    \
	ACTION(0x5f, action, 10, SCSI_STANDBY, name, scsi_pr_out, NULL, 0, 0, 0xff, 0, 0, 0xff, \
	       0xff, 0xff, 0xff, 0x04)

#define REACH (SCSI_PAST_RESERVE | SCSI_PAST_ALUA)
#define COPY_RESULTS(action, id, name, execute)                                                \
	ACTION(0x84, action, 16, SCSI_SHY, name, execute, NULL, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, \
	       0xff, 0xff, 0xff, 0xff, 0, 0x04)

#define LOOK   (SCSI_PAST_UA | SCSI_ANY_LUN | SCSI_PAST_ALUA)
#define READS  (SCSI_READS | SCSI_MEDIUM)
#define WRITES (SCSI_WRITES | SCSI_MEDIUM)
#define LOOKS  (SCSI_LOOKS | SCSI_MEDIUM)
#define SIZE   (SCSI_MEDIUM | SCSI_PAST_RESERVE | SCSI_STANDBY)
#define SHY    (SCSI_SHY | SCSI_MEDIUM)

const struct scsi_opcode_list scsi_opcodes[256] = {
	OP(0x00, 6, SCSI_MEDIUM, "TEST UNIT READY", scsi_test_unit_ready, NULL, 0, 0, 0, 0, 0,
	   0x04),
	OP(0x03, 6, LOOK, "REQUEST SENSE", scsi_request_sense, NULL, 0, 0x01, 0, 0, 0xff, 0x04),
	OP(0x08, 6, READS, "READ(6)", scsi_read, scsi_transfer_memory, CDB_6(0)),
	OP(0x0a, 6, WRITES, "WRITE(6)", scsi_write, scsi_transfer_memory, CDB_6(0)),
	OP(0x12, 6, LOOK, "INQUIRY", scsi_inquiry, NULL, 0, 0x01, 0xff, 0xff, 0xff, 0x04),
	OP(0x15, 6, SCSI_SHY | SCSI_STANDBY, "MODE SELECT(6)", scsi_mode_select, NULL, 0, 0x11, 0,
	   0, 0xff, 0x04),
	OP(0x16, 6, 0, "RESERVE(6)", scsi_reserve_simple, NULL, 0, 0, 0, 0, 0, 0x04),
	OP(0x17, 6, SCSI_PAST_RESERVE, "RELEASE(6)", scsi_reserve_simple, NULL, 0, 0, 0, 0, 0,
	   0x04),
	OP(0x1a, 6, SCSI_LOOKS | SCSI_STANDBY, "MODE SENSE(6)", scsi_mode_sense, NULL, 0, 0x08,
	   0xff, 0xff, 0xff, 0x04),
	OP(0x1b, 6, SCSI_SHY, "START STOP UNIT", scsi_start_stop_unit, NULL, 0, 0x01, 0, 0x0f, 0xf7,
	   0x04),
	OP(0x1c, 6, SCSI_LOOKS | SCSI_STANDBY, "RECEIVE DIAGNOSTIC RESULTS",
	   scsi_receive_diagnostic, NULL, 0, 0x01, 0xff, 0xff, 0xff, 0x04),
	OP(0x1d, 6, SCSI_SHY | SCSI_STANDBY, "SEND DIAGNOSTIC", scsi_send_diagnostic,
	   scsi_diagnose_memory, 0, 0xf7, 0, 0xff, 0xff, 0x04),
	OP(0x1e, 6, SCSI_SHY | SCSI_REMOVABLE, "PREVENT ALLOW MEDIUM REMOVAL", scsi_prevent_allow,
	   NULL, 0, 0, 0, 0, 0x03, 0x04),
	OP(0x25, 10, SIZE, "READ CAPACITY(10)", scsi_read_capacity_10, NULL, 0, 0, 0xff, 0xff, 0xff,
	   0xff, 0, 0, 0x01, 0x04),
	OP(0x28, 10, READS, "READ(10)", scsi_read, scsi_transfer_memory, CDB_10(0xf8)),
	OP(0x2a, 10, WRITES, "WRITE(10)", scsi_write, scsi_transfer_memory, CDB_10(0xf8)),
	OP(0x2e, 10, WRITES, "WRITE AND VERIFY(10)", scsi_write_and_verify, scsi_compare_memory,
	   CDB_10(0xf6)),
	OP(0x2f, 10, READS, "VERIFY(10)", scsi_verify, scsi_verify_memory, CDB_10(0xf6)),
	OP(0x34, 10, LOOKS, "PRE-FETCH(10)", scsi_pre_fetch, NULL, CDB_10(0x02)),
	OP(0x35, 10, SHY, "SYNCHRONIZE CACHE(10)", scsi_synchronize_cache, NULL, CDB_10(0x02)),
	OP(0x37, 10, LOOKS, "READ DEFECT DATA(10)", scsi_read_defect_data, NULL, 0, 0, 0x1f, 0, 0,
	   0, 0, 0xff, 0xff, 0x04),
	OP(0x41, 10, WRITES, "WRITE SAME(10)", scsi_write_same, scsi_same_memory, CDB_10(0xf8)),
	OP(0x42, 10, WRITES | SCSI_THIN, "UNMAP", scsi_unmap, NULL, 0, 0x01, 0, 0, 0, 0, 0, 0xff,
	   0xff, 0x04),
	OP(0x4c, 10, SCSI_SHY | SCSI_STANDBY, "LOG SELECT", scsi_log_select, NULL, 0, 0x02, 0xff,
	   0xff, 0, 0, 0, 0xff, 0xff, 0x04),
	OP(0x4d, 10, SCSI_PAST_RESERVE | SCSI_STANDBY, "LOG SENSE", scsi_log_sense, NULL, 0, 0,
	   0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x04),
	[0x48] = LIST(ACTION(0x48, 0x01, 10, WRITES, "SANITIZE, OVERWRITE", scsi_sanitize_overwrite,
			     NULL, 0, 0xa0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04),
		      ACTION(0x48, 0x02, 10, WRITES, "SANITIZE, BLOCK ERASE", scsi_sanitize_erase,
			     NULL, 0, 0xa0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04),
		      ACTION(0x48, 0x03, 10, WRITES | SCSI_ENCRYPTED,
			     "SANITIZE, CRYPTOGRAPHIC ERASE", scsi_sanitize_crypto, NULL, 0, 0xa0,
			     0, 0, 0, 0, 0, 0xff, 0xff, 0x04),
		      ACTION(0x48, 0x1f, 10, WRITES, "SANITIZE, EXIT FAILURE MODE",
			     scsi_sanitize_exit, NULL, 0, 0xa0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04)),
	OP(0x55, 10, SCSI_SHY | SCSI_STANDBY, "MODE SELECT(10)", scsi_mode_select, NULL, 0, 0x11, 0,
	   0, 0, 0, 0, 0xff, 0xff, 0x04),
	OP(0x56, 10, 0, "RESERVE(10)", scsi_reserve_simple, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x04),
	OP(0x57, 10, SCSI_PAST_RESERVE, "RELEASE(10)", scsi_reserve_simple, NULL, 0, 0, 0, 0, 0, 0,
	   0, 0, 0, 0x04),
	OP(0x5a, 10, SCSI_LOOKS | SCSI_STANDBY, "MODE SENSE(10)", scsi_mode_sense, NULL, 0, 0x18,
	   0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0x04),
	[0x5e] = LIST(
		PR_IN(0, "PERSISTENT RESERVE IN, READ KEYS", scsi_pr_in_read_keys),
		PR_IN(1, "PERSISTENT RESERVE IN, READ RESERVATION", scsi_pr_in_read_reservation),
		PR_IN(2, "PERSISTENT RESERVE IN, REPORT CAPABILITIES",
		      scsi_pr_in_report_capabilities),
		PR_IN(3, "PERSISTENT RESERVE IN, READ FULL STATUS", scsi_pr_in_read_full_status)),
	[0x5f] = LIST(PR_OUT(0, "PERSISTENT RESERVE OUT, REGISTER"),
		      PR_OUT(1, "PERSISTENT RESERVE OUT, RESERVE"),
		      PR_OUT(2, "PERSISTENT RESERVE OUT, RELEASE"),
		      PR_OUT(3, "PERSISTENT RESERVE OUT, CLEAR"),
		      PR_OUT(4, "PERSISTENT RESERVE OUT, PREEMPT"),
		      PR_OUT(5, "PERSISTENT RESERVE OUT, PREEMPT AND ABORT"),
		      PR_OUT(6, "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY"),
		      PR_OUT(7, "PERSISTENT RESERVE OUT, REGISTER AND MOVE")),
	[0x83] = LIST(ACTION(0x83, 0, 16, SCSI_SHY, "EXTENDED COPY(LID1)", scsi_extended_copy,
			     scsi_copy_memory, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
			     0, 0x04)),
	[0x84] = LIST(COPY_RESULTS(0, 0xff, "RECEIVE COPY STATUS(LID1)", scsi_copy_status),
		      COPY_RESULTS(3, 0, "RECEIVE COPY OPERATING PARAMETERS", scsi_copy_parameters),
		      COPY_RESULTS(4, 0xff, "RECEIVE COPY FAILURE DETAILS(LID1)",
				   scsi_copy_failed_segment)),
	OP(0x88, 16, READS, "READ(16)", scsi_read, scsi_transfer_memory, CDB_16(0xf8)),
	OP(0x89, 16, WRITES, "COMPARE AND WRITE", scsi_compare_and_write, scsi_caw_memory, 0, 0xf8,
	   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0, 0x04),
	OP(0x8a, 16, WRITES, "WRITE(16)", scsi_write, scsi_transfer_memory, CDB_16(0xf8)),
	OP(0x8b, 16, WRITES, "ORWRITE(16)", scsi_orwrite, scsi_compare_memory, CDB_16(0xf8)),
	OP(0x8e, 16, WRITES, "WRITE AND VERIFY(16)", scsi_write_and_verify, scsi_compare_memory,
	   CDB_16(0xf6)),
	OP(0x8f, 16, READS, "VERIFY(16)", scsi_verify, scsi_verify_memory, CDB_16(0xf6)),
	OP(0x90, 16, LOOKS, "PRE-FETCH(16)", scsi_pre_fetch, NULL, CDB_16(0x02)),
	OP(0x91, 16, SHY, "SYNCHRONIZE CACHE(16)", scsi_synchronize_cache, NULL, CDB_16(0x02)),
	OP(0x93, 16, WRITES, "WRITE SAME(16)", scsi_write_same, scsi_same_memory, CDB_16(0xf9)),
	OP(0x9c, 16, WRITES, "WRITE ATOMIC(16)", scsi_write_atomic, scsi_transfer_memory, 0, 0xf8,
	   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04),
	[0x9e] = LIST(ACTION(0x9e, 0x10, 16, SIZE, "READ CAPACITY(16)", scsi_read_capacity_16, NULL,
			     0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			     0xff, 0x01, 0x04),
		      ACTION(0x9e, 0x12, 16, LOOKS, "GET LBA STATUS", scsi_get_lba_status, NULL, 0,
			     0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			     0xff, 0, 0x04)),
	OP(0xa0, 12, LOOK, "REPORT LUNS", scsi_report_luns, NULL, 0, 0, 0xff, 0, 0, 0, 0xff, 0xff,
	   0xff, 0xff, 0, 0x04),
	[0xa3] = LIST(ACTION(0xa3, 0x0a, 12, REACH, "REPORT TARGET PORT GROUPS",
			     scsi_report_target_port_groups, NULL, 0, 0xe0, 0, 0, 0, 0, 0xff, 0xff,
			     0xff, 0xff, 0, 0x04),
		      ACTION(0xa3, 0x0c, 12, SCSI_LOOKS, "REPORT SUPPORTED OPERATION CODES",
			     scsi_report_opcodes, NULL, 0, 0, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff,
			     0xff, 0xff, 0, 0x04),
		      ACTION(0xa3, 0x0d, 12, SCSI_LOOKS,
			     "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", scsi_report_tmfs, NULL,
			     0, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04)),
	[0xa4] = LIST(ACTION(0xa4, 0x0a, 12, SCSI_PAST_ALUA | SCSI_SHY, "SET TARGET PORT GROUPS",
			     scsi_set_target_port_groups, NULL, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff,
			     0xff, 0, 0x04)),
	OP(0xa8, 12, READS, "READ(12)", scsi_read, scsi_transfer_memory, CDB_12(0xf8)),
	OP(0xaa, 12, WRITES, "WRITE(12)", scsi_write, scsi_transfer_memory, CDB_12(0xf8)),
	OP(0xae, 12, WRITES, "WRITE AND VERIFY(12)", scsi_write_and_verify, scsi_compare_memory,
	   CDB_12(0xf6)),
	OP(0xaf, 12, READS, "VERIFY(12)", scsi_verify, scsi_verify_memory, CDB_12(0xf6)),
	OP(0xb7, 12, LOOKS, "READ DEFECT DATA(12)", scsi_read_defect_data, NULL, 0, 0x1f, 0, 0, 0,
	   0, 0xff, 0xff, 0xff, 0xff, 0, 0x04),
};

/* clang-format on */

bool scsi_opcode_offered(const struct scsi_device *dev, const struct scsi_opcode *entry)
{
	unsigned int flags = entry->flags & (SCSI_ENCRYPTED | SCSI_THIN | SCSI_REMOVABLE);

	if (!dev)
		return !flags;
	/* What it gives back is not known of a disk that is read-only: that is what is told. */
	if (dev->lu->disk->read_only)
		flags &= ~(unsigned int)SCSI_THIN;
	return !(flags & SCSI_ENCRYPTED && !dev->lu->disk->can_crypto_erase) &&
	       !(flags & SCSI_THIN && !dev->thin) && !(flags & SCSI_REMOVABLE && !dev->removable);
}

const struct scsi_opcode *scsi_opcode_find(const uint8_t *cdb, bool *known)
{
	const struct scsi_opcode_list *list = &scsi_opcodes[cdb[0]];

	*known = list->n;
	for (unsigned int i = 0; i < list->n; i++) {
		const struct scsi_opcode *entry = &list->entries[i];

		if (entry->action == SCSI_NO_ACTION || entry->action == (cdb[1] & SCSI_ACTION_MASK))
			return entry;
	}
	return NULL;
}

enum lu_op scsi_command_op(const struct command *cmd)
{
	const struct scsi_opcode *opcode = cmd->scsi.opcode;

	if (!opcode)
		return LU_OP_OTHER;
	if (opcode->execute == scsi_synchronize_cache)
		return LU_OP_FLUSH;
	if (opcode->flags & SCSI_WRITES)
		return LU_OP_WRITE;
	return opcode->flags & SCSI_READS ? LU_OP_READ : LU_OP_OTHER;
}
