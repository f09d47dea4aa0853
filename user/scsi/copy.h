/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * EXTENDED COPY (LID1) (SPC-4 6.4): what the file that reads its parameter list, the one that
 * copies and the one that tells of it share. Everything runs on the nexus's thread.
 */
#ifndef STGT_SCSI_COPY_H
#define STGT_SCSI_COPY_H

#include "scsi/device.h"

#define COPY_CSCDS_MAX	    16u /* sources and destinations that a list names */
#define COPY_SEGMENTS_MAX   256u
#define COPY_HEADER_LEN	    16u
#define COPY_CSCD_LEN	    32u
#define COPY_SEGMENT_LEN    32u /* of the longest */
#define COPY_LIST_MAX	    (COPY_CSCDS_MAX * COPY_CSCD_LEN + COPY_SEGMENTS_MAX * COPY_SEGMENT_LEN)
#define COPY_CSCD_TYPE	    0xe4 /* identification descriptor */
#define COPY_BLOCKS_TYPE    0x02 /* a segment: block device to block device */
#define COPY_BYTES_TYPE	    0x0a /* the same with a number of bytes, and offsets */
#define COPY_SEGMENT_BLOCKS 0xffffu
#define COPY_THIS_UNIT	    0xffff /* a CSCD descriptor ID: where the command was sent to */
#define COPY_HELD_MAX	    16u	   /* copies of a nexus and unit that are remembered once ended */

enum copy_state {
	COPY_RUNS,
	COPY_DONE,
	COPY_FAILED
};

/* One copy, and afterwards what RECEIVE COPY RESULTS tells of it. */
struct scsi_copy {
	struct list link; /* in the it_l's copies, oldest first */
	enum copy_state state;
	uint8_t id;
	bool identified; /* it has one, so that it may be asked after */
	/* What it names; held while it runs. NULL: the nexus sees no such unit. */
	struct scsi_it_l *units[COPY_CSCDS_MAX];
	/* Those units' disks', and the command's own's, when it began. */
	uint32_t eras[COPY_CSCDS_MAX], era;
	unsigned int nunits, nsegments;
	uint32_t segments_off; /* of the segments in the list */
	uint32_t segment_off;  /* of the one at work */
	uint16_t segment;      /* processed, and so the index of the one at work */
	uint64_t bytes;	       /* written, of all segments */
	/* Of a copy that failed. */
	uint8_t sense_len;
	uint8_t sense[SCSI_SENSE_MAX];
};

/* A segment as its descriptor says. */
struct copy_segment {
	struct scsi_it_l *from, *to; /* NULL: not to be had */
	uint64_t from_lba, to_lba;
	uint32_t to_era; /* when the copy began */
	uint64_t bytes;
	bool exact; /* whole blocks of both */
};

/*
 * copy_list.c: takes the parameter list apart. False, with the command ended: it is not a good one.
 * Reads scsi_list(cmd), of `len` bytes.
 */
bool scsi_copy_parse(struct command *cmd, uint32_t len, struct scsi_copy *copy);
/* The segment at work; and on to the next. */
void scsi_copy_segment(const struct command *cmd, const struct scsi_copy *copy,
		       struct copy_segment *segment);
void scsi_copy_next_segment(const struct command *cmd, struct scsi_copy *copy);

/* copy_results.c: the copy that runs or is remembered under an identifier, or NULL. */
struct scsi_copy *scsi_copy_find(struct scsi_it_l *it_l, uint8_t id);

#endif
