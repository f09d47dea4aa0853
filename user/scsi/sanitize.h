/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SANITIZE: what the files share that carry it out, take it up again and remember it. */
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
	bool parked;				  /* waits for memory; behind the unit's lock */
	struct arena_waiter waiter;		  /* then */
	enum scsi_sanitize_state before, outcome; /* the unit's state: as it was, as it ends */
	uint32_t era;				  /* of the disk, which is sealed for all others */
	/* What is to be done, as it is remembered. */
	bool erase, crypto, invert, unrestricted;
	unsigned int passes;
	uint16_t period; /* of the pattern, in bytes */
	uint8_t pattern[SCSI_SANITIZE_PATTERN_MAX];
	/* How far it is. */
	uint64_t at;	    /* sectors of a pass */
	uint64_t volatiles; /* sectors written since the last flush */
	unsigned int pass;
	bool no_zeroes; /* the store has no other way to erase than to give its space back */
	uint32_t run;	/* memory that holds the pattern */
	uint32_t run_len;
	struct span span;
};

/* ---- sanitize.c ---- */

/*
 * Memory for what is written, on the queue's thread; false: there is none to spare. Who is patient
 * gets what there is, if no other on this thread has some.
 */
bool scsi_sanitize_take_memory(struct scsi_sanitize *s, bool patient);
/*
 * Makes it the one that is at work on the unit; false: there is another, or one that waits for a
 * thread. The unit's lock is held, since whoever asks for this was let in under an earlier state.
 */
bool scsi_sanitize_claim_locked(struct scsi_sanitize *s, enum scsi_sanitize_state state);
/* From the beginning, with what memory it took. */
void scsi_sanitize_go(struct scsi_sanitize *s);

/* ---- sanitize_state.c ---- */

#define SCSI_SANITIZE_SECTION "scsi_sanitize"

/* The section for a unit in this state; NULL: no memory. `s` says what runs, or what failed. */
json_t *scsi_sanitize_describe(enum scsi_sanitize_state state, const struct scsi_sanitize *s);

#endif
