/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A SCSI command as it stands in `struct command`: what the transport says and what it is told. */
#ifndef STGT_SCSI_CDB_H
#define STGT_SCSI_CDB_H

#include "base/list.h"
#include "base/mailbox.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SCSI_CDB_MAX   32u
#define SCSI_SENSE_MAX 96u /* with its own header this fits what RDMA initiators receive into */

/* SAM-5 5.3.1 */
enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_CONDITION_MET = 0x04,
	SCSI_BUSY = 0x08,
	SCSI_RESERVATION_CONFLICT = 0x18,
	SCSI_TASK_SET_FULL = 0x28,
	SCSI_TASK_ABORTED = 0x40,
};

/* SAM-5 8.6 */
enum scsi_attribute {
	SCSI_SIMPLE,
	SCSI_ORDERED,
	SCSI_HEAD_OF_QUEUE,
	SCSI_ACA,
};

struct scsi_change;
struct scsi_it_l;
struct scsi_nexus;
struct scsi_opcode;
struct command;

struct scsi_command {
	/* In. */
	uint8_t cdb[SCSI_CDB_MAX]; /* zeroes behind cdb_len */
	uint8_t cdb_len;	   /* as sent; more than SCSI_CDB_MAX were cut off */
	uint8_t attribute;	   /* enum scsi_attribute */
	uint64_t lun;		   /* the 8 bytes of SAM-5 4.6, as a big-endian number */
	uint32_t out_len;	   /* bytes of data-out that the initiator has to send */
	uint32_t in_len;	   /* bytes of data-in that it takes */

	/* Out, valid in deliver. */
	uint8_t status; /* enum scsi_status */
	uint8_t sense_len;
	uint8_t sense[SCSI_SENSE_MAX]; /* fixed or descriptor format, as the mode page says */
	/*
	 * What the command asks to be transferred, whatever the initiator expects: the residual is
	 * the difference to out_len or in_len. Not more than that was sent or fetched.
	 */
	uint64_t wanted;

	/* The device server's own. */
	struct scsi_nexus *nexus;
	struct scsi_it_l *it_l; /* NULL: the LUN shows no unit */
	const struct scsi_opcode *opcode;
	/* See tasks.c; from here to `told` behind the unit's lock. */
	struct list task;
	struct message message;	     /* to the command's thread */
	_Atomic uint64_t aborted_at; /* by the unit's count of abortions; 0: it was not */
	bool enabled, started, posted, ending;
	bool cached; /* it wrote what may be volatile */
	bool told;   /* aborted, but its initiator is to see TASK ABORTED */
	/* Of a command that moves data in pieces: bytes. */
	uint64_t total, moved;
	uint64_t lba, blocks; /* logical blocks of the whole command */
	uint32_t piece;
	uint8_t step; /* of a request of several */
	void (*resume)(struct command *cmd);
	const struct scsi_change *change; /* see changes.c */
};

#endif
