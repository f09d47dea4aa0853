/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SANITIZE: what the file that carries it out and the one that remembers it share. */
#ifndef STGT_SCSI_SANITIZE_H
#define STGT_SCSI_SANITIZE_H

#include "scsi/device.h"

#define SCSI_SANITIZE_PASSES_MAX  0x1f	/* what OVERWRITE's list has room for */
#define SCSI_SANITIZE_PATTERN_MAX 4096u /* bytes: a logical block */

enum scsi_sanitize_state {
	SANITIZE_NONE,
	SANITIZE_RUNS,
	SANITIZE_FAILED
};

struct scsi_sanitize {
	struct scsi_device *dev;
	struct blk_queue *queue;
	struct command *cmd; /* waits for the end; NULL: nobody does */
	struct blk_io io;
	struct state_save save;
	struct message message;			  /* to its own thread */
	enum scsi_sanitize_state before, outcome; /* the unit's state: as it was, as it ends */
	uint32_t era;				  /* of the disk, which is sealed for all others */
	/* What is to be done, as it is remembered. */
	bool erase, crypto, invert, unrestricted;
	unsigned int passes;
	uint16_t period; /* of the pattern, in bytes */
	uint8_t pattern[SCSI_SANITIZE_PATTERN_MAX];
	/* How far it is. */
	uint64_t total, at; /* sectors of a pass */
	uint64_t volatiles; /* sectors written since the last flush */
	unsigned int pass;
	uint8_t step; /* of erasing a piece */
	uint32_t run; /* memory that holds the pattern */
	uint32_t run_len;
	struct span span;
};

#define SCSI_SANITIZE_SECTION "scsi_sanitize"

/* The section for a unit in this state; NULL: no memory. `s` says what runs, or what failed. */
json_t *scsi_sanitize_describe(enum scsi_sanitize_state state, const struct scsi_sanitize *s);

#endif
