/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SCSI commands for fuzzers, good ones mostly: every opcode and service action of the table, with
 * the parameter list that belongs to it.
 */
#ifndef STGT_FUZZ_SCSI_MAKE_H
#define STGT_FUZZ_SCSI_MAKE_H

#include "script.h"

#define SCSI_MAKE_LIST 1024u

struct scsi_made {
	uint8_t cdb[16];
	uint8_t cdb_len;
	bool echo;		      /* the list is a change to what the command before returned */
	uint8_t list[SCSI_MAKE_LIST]; /* the first bytes of the data-out */
	uint16_t list_len;
	uint32_t out_len, in_len;
};

/* The NAA designators of LUN 0 and of LUN 1 in the lists. */
#define SCSI_MAKE_WWN	    0x5123456789abcdefull
#define SCSI_MAKE_OTHER_WWN 0x5123456789abcdeeull

void scsi_make(struct script_random *random, struct scsi_made *made);

/* The allocation length of a CDB. False: the command has none. */
bool scsi_make_allocation(const uint8_t *cdb, uint32_t *len);

#endif
