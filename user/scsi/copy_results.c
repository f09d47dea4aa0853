/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is told of third-party copies: RECEIVE COPY RESULTS (SPC-4 6.24) and the Third-party Copy
 * page of the vital product data (SPC-5 7.7.18).
 */
#include "scsi/copy.h"

#include <stdlib.h>
#include <string.h>

#define GRANULARITY 9u /* of a segment's length: 512 bytes, as a power of two */
#define STATUS_LEN  12u
#define PARAMS_LEN  47u
#define DETAILS_LEN 60u /* without the sense data */
#define CONCURRENT  255u

/* ---- what is remembered ---- */

struct scsi_copy *scsi_copy_find(struct scsi_it_l *it_l, uint8_t id)
{
	struct scsi_copy *copy;

	list_for_each_entry (copy, &it_l->copies, link)
		if (copy->identified && copy->id == id)
			return copy;
	return NULL;
}

static void copy_forget(struct scsi_copy *copy)
{
	list_del(&copy->link);
	free(copy);
}

void scsi_copies_trim(struct scsi_it_l *it_l)
{
	struct scsi_copy *copy, *tmp;
	unsigned int ended = 0;

	list_for_each_entry (copy, &it_l->copies, link)
		ended += copy->state != COPY_RUNS;
	list_for_each_entry_safe (copy, tmp, &it_l->copies, link)
		if (copy->state != COPY_RUNS && ended > COPY_HELD_MAX && ended--)
			copy_forget(copy);
}

void scsi_copies_forget(struct scsi_it_l *it_l)
{
	struct scsi_copy *copy, *tmp;

	list_for_each_entry_safe (copy, tmp, &it_l->copies, link)
		copy_forget(copy);
}

/* ---- RECEIVE COPY RESULTS ---- */

static uint32_t allocation(const struct command *cmd)
{
	return get_be32(cmd->scsi.cdb + 10);
}

/* The copy that the CDB names; NULL, with the command ended: there is none. */
static struct scsi_copy *copy_named(struct command *cmd)
{
	struct scsi_copy *copy = scsi_copy_find(cmd->scsi.it_l, cmd->scsi.cdb[2]);

	if (!copy)
		scsi_bad_cdb(cmd, 2, 7);
	return copy;
}

/* In bytes (0), or the first power of 1024 of which there are few enough. */
static void put_transferred(uint8_t *out, uint64_t bytes)
{
	uint8_t units = 0;

	for (; bytes > UINT32_MAX; bytes >>= 10)
		units++;
	out[0] = units;
	put_be32(out + 1, (uint32_t)bytes);
}

/* SPC-4 6.24.2; a copy that has ended is told of once. */
void scsi_copy_status(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_copy *copy = copy_named(cmd);
	uint8_t out[STATUS_LEN] = {};

	if (!copy)
		return;
	put_be32(out, STATUS_LEN - 4);
	out[4] = (uint8_t)copy->state;
	put_be16(out + 5, copy->segment);
	put_transferred(out + 7, copy->bytes);
	if (copy->state == COPY_DONE)
		copy_forget(copy);
	scsi_return(cmd, out, sizeof(out), allocation(cmd));
}

/* SPC-4 6.24.5: the sense data of a copy that failed; of another, nothing. */
void scsi_copy_failed_segment(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_copy *copy = copy_named(cmd);
	uint8_t out[DETAILS_LEN + SCSI_SENSE_MAX] = {};
	uint32_t len = 4;

	if (!copy)
		return;
	if (copy->state == COPY_FAILED) {
		len = DETAILS_LEN + copy->sense_len;
		out[56] = SCSI_CHECK_CONDITION;
		put_be16(out + 58, copy->sense_len);
		memcpy(out + DETAILS_LEN, copy->sense, copy->sense_len);
		copy_forget(copy);
	}
	put_be32(out, len - 4);
	scsi_return(cmd, out, len, allocation(cmd));
}

/* SPC-4 6.24.4 */
void scsi_copy_parameters(struct scsi_device *dev, struct command *cmd)
{
	uint8_t out[PARAMS_LEN] = {};

	put_be32(out, PARAMS_LEN - 4);
	out[4] = 1; /* SNLID: copies without an identifier */
	put_be16(out + 8, COPY_CSCDS_MAX);
	put_be16(out + 10, COPY_SEGMENTS_MAX);
	put_be32(out + 12, COPY_LIST_MAX);
	put_be32(out + 16, COPY_SEGMENT_BLOCKS << dev->block_shift);
	put_be16(out + 34, CONCURRENT);
	out[36] = CONCURRENT;
	out[37] = GRANULARITY;
	out[43] = 3;
	out[44] = COPY_BLOCKS_TYPE;
	out[45] = COPY_BYTES_TYPE;
	out[46] = COPY_CSCD_TYPE;
	scsi_return(cmd, out, sizeof(out), allocation(cmd));
}

/* ---- the page ---- */

/* A descriptor of `len` bytes behind its header, which are zeroes yet; returns where these go. */
static uint8_t *descriptor(uint8_t **at, uint16_t type, uint16_t len)
{
	uint8_t *out = *at;

	memset(out, 0, 4u + len);
	put_be16(out, type);
	put_be16(out + 2, len);
	*at = out + 4 + len;
	return out + 4;
}

uint16_t scsi_vpd_third_party_copy(struct scsi_device *dev, const struct scsi_nexus *nexus,
				   uint8_t *page)
{
	static const uint8_t commands[] = {8, 0x83, 1, 0x00, 0x84, 3, 0x00, 0x03, 0x04};
	uint8_t *at = page, *out;

	memcpy(descriptor(&at, 0x0001, 12), commands, sizeof(commands));
	out = descriptor(&at, 0x0004, 28);
	put_be16(out + 4, COPY_CSCDS_MAX);
	put_be16(out + 6, COPY_SEGMENTS_MAX);
	put_be32(out + 8, COPY_LIST_MAX);
	out = descriptor(&at, 0x0008, 4);
	out[0] = 3;
	out[1] = COPY_BLOCKS_TYPE;
	out[2] = COPY_BYTES_TYPE;
	out[3] = COPY_CSCD_TYPE;
	out = descriptor(&at, 0x000c, 4);
	put_be16(out, 2);
	put_be16(out + 2, COPY_THIS_UNIT);
	out = descriptor(&at, 0x8001, 32);
	put_be32(out, CONCURRENT);
	put_be32(out + 4, CONCURRENT);
	put_be32(out + 8, COPY_SEGMENT_BLOCKS << dev->block_shift);
	out[12] = GRANULARITY;
	return (uint16_t)(at - page);
}
