/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parameter list of EXTENDED COPY (LID1) (SPC-4 6.4.3): header, CSCDs, segments. */
#include "scsi/copy.h"

#define USAGE_MASK    0x18
#define USAGE_HOLD    0x00
#define USAGE_DISCARD 0x10
#define USAGE_NONE    0x18
#define DEVICE_TYPE   0x1f
#define SEGMENT_DC    0x02 /* the number of blocks is the destination's */

static bool refuse(struct command *cmd, uint16_t asc)
{
	scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, asc);
	return false;
}

static bool bad_field(struct command *cmd, uint32_t byte, unsigned int bit)
{
	scsi_bad_list(cmd, byte, bit);
	return false;
}

static struct scsi_it_l *unit_designated(const struct scsi_nexus *nexus, const uint8_t *cscd)
{
	struct scsi_it_l *it_l;

	list_for_each_entry (it_l, &nexus->it_ls, nexus_link)
		if (!it_l->leaving && scsi_designates(it_l->dev, cscd + 4))
			return it_l;
	return NULL;
}

static bool parse_cscd(struct command *cmd, struct scsi_copy *copy, uint32_t off)
{
	const uint8_t *cscd = scsi_list(cmd) + off;
	struct scsi_it_l *unit;

	if (cscd[0] != COPY_CSCD_TYPE || cscd[1] & DEVICE_TYPE)
		return refuse(cmd, SCSI_ASC_CSCD_TYPE);
	unit = unit_designated(cmd->scsi.nexus, cscd);
	if (unit && get_be24(cscd + 29) && get_be24(cscd + 29) != 1u << unit->dev->block_shift)
		return bad_field(cmd, off + 29, 7);
	copy->eras[copy->nunits] = unit ? disk_era(unit->dev->lu->disk) : 0;
	copy->units[copy->nunits++] = unit;
	return true;
}

static bool parse_cscds(struct command *cmd, struct scsi_copy *copy, uint32_t len)
{
	if (len % COPY_CSCD_LEN)
		return refuse(cmd, SCSI_ASC_LIST_LENGTH);
	if (len / COPY_CSCD_LEN > COPY_CSCDS_MAX)
		return refuse(cmd, SCSI_ASC_TOO_MANY_CSCDS);
	for (uint32_t off = 0; off < len; off += COPY_CSCD_LEN)
		if (!parse_cscd(cmd, copy, COPY_HEADER_LEN + off))
			return false;
	return true;
}

/* Of a whole segment, by its type; 0: there is none such. */
static uint32_t segment_len(uint8_t type)
{
	return type == COPY_BLOCKS_TYPE ? 28 : type == COPY_BYTES_TYPE ? COPY_SEGMENT_LEN : 0;
}

static bool parse_segments(struct command *cmd, struct scsi_copy *copy, uint32_t len)
{
	const uint8_t *list = scsi_list(cmd);
	uint32_t off = copy->segments_off, end = off + len, segment;

	for (; off < end; off += segment) {
		segment = segment_len(list[off]);
		if (!segment)
			return refuse(cmd, SCSI_ASC_SEGMENT_TYPE);
		if (end - off < segment)
			return refuse(cmd, SCSI_ASC_LIST_LENGTH);
		if (get_be16(list + off + 2) != segment - 4)
			return bad_field(cmd, off + 2, 7);
		if (copy->nsegments++ == COPY_SEGMENTS_MAX)
			return refuse(cmd, SCSI_ASC_TOO_MANY_SEGMENTS);
	}
	return true;
}

/* Nothing is copied, and nobody can ask after it, unless the identifier is free. */
static bool parse_identifier(struct command *cmd, struct scsi_copy *copy)
{
	const uint8_t *list = scsi_list(cmd);
	const struct scsi_copy *other;
	uint8_t usage = list[1] & USAGE_MASK;

	if (usage != USAGE_HOLD && usage != USAGE_DISCARD && usage != USAGE_NONE)
		return bad_field(cmd, 1, 4);
	if (usage == USAGE_NONE && list[0])
		return bad_field(cmd, 0, 7);
	copy->id = list[0];
	copy->identified = usage != USAGE_NONE;
	other = copy->identified ? scsi_copy_find(cmd->scsi.it_l, copy->id) : NULL;
	if (other && other->state == COPY_RUNS)
		return refuse(cmd, SCSI_ASC_OPERATION_IN_PROGRESS);
	return true;
}

bool scsi_copy_parse(struct command *cmd, uint32_t len, struct scsi_copy *copy)
{
	const uint8_t *list = scsi_list(cmd);
	uint32_t cscds = get_be16(list + 2), segments = get_be32(list + 8);

	if (segments > COPY_LIST_MAX || cscds > COPY_LIST_MAX - segments ||
	    COPY_HEADER_LEN + cscds + segments > len)
		return refuse(cmd, SCSI_ASC_LIST_LENGTH);
	if (get_be32(list + 12))
		return refuse(cmd, SCSI_ASC_INLINE_DATA);
	copy->era = cmd->io.era;
	copy->segments_off = copy->segment_off = COPY_HEADER_LEN + cscds;
	return parse_identifier(cmd, copy) && parse_cscds(cmd, copy, cscds) &&
	       parse_segments(cmd, copy, segments);
}

static struct scsi_it_l *unit_of(const struct command *cmd, const struct scsi_copy *copy,
				 uint16_t id)
{
	if (id == COPY_THIS_UNIT)
		return cmd->scsi.it_l;
	return id < copy->nunits ? copy->units[id] : NULL;
}

static uint32_t era_of(const struct scsi_copy *copy, uint16_t id)
{
	return id < copy->nunits ? copy->eras[id] : copy->era;
}

static bool whole_blocks(const struct scsi_it_l *unit, uint64_t bytes)
{
	return !(bytes & ((1ull << unit->dev->block_shift) - 1));
}

/* SPC-4 6.4.3.7.4: so many blocks, of the source or of the destination. */
static void segment_of_blocks(const uint8_t *at, struct copy_segment *segment)
{
	const struct scsi_it_l *counts = at[1] & SEGMENT_DC ? segment->to : segment->from;

	segment->bytes = (uint64_t)get_be16(at + 10) << counts->dev->block_shift;
	segment->exact = whole_blocks(segment->from, segment->bytes) &&
			 whole_blocks(segment->to, segment->bytes);
}

/* Behind the last block there can be, if it would be one behind that. */
static uint64_t lba_at(const struct scsi_it_l *unit, uint64_t lba, uint16_t bytes)
{
	uint64_t sum;

	return __builtin_add_overflow(lba, bytes >> unit->dev->block_shift, &sum) ? UINT64_MAX
										  : sum;
}

/* SPC-4 6.4.3.7.10: so many bytes, from bytes behind the blocks on. */
static void segment_of_bytes(const uint8_t *at, struct copy_segment *segment)
{
	uint32_t bytes = get_be32(at + 8);
	uint16_t from_off = get_be16(at + 28), to_off = get_be16(at + 30);

	segment->bytes = bytes;
	segment->from_lba = lba_at(segment->from, segment->from_lba, from_off);
	segment->to_lba = lba_at(segment->to, segment->to_lba, to_off);
	segment->exact = whole_blocks(segment->from, bytes | from_off) &&
			 whole_blocks(segment->to, bytes | to_off);
}

void scsi_copy_segment(const struct command *cmd, const struct scsi_copy *copy,
		       struct copy_segment *segment)
{
	const uint8_t *at = scsi_list(cmd) + copy->segment_off;

	*segment = (struct copy_segment){
		.from = unit_of(cmd, copy, get_be16(at + 4)),
		.to = unit_of(cmd, copy, get_be16(at + 6)),
		.from_lba = get_be64(at + 12),
		.to_lba = get_be64(at + 20),
		.to_era = era_of(copy, get_be16(at + 6)),
	};
	if (!segment->from || !segment->to)
		return;
	if (at[0] == COPY_BYTES_TYPE)
		segment_of_bytes(at, segment);
	else
		segment_of_blocks(at, segment);
}

void scsi_copy_next_segment(const struct command *cmd, struct scsi_copy *copy)
{
	copy->segment_off += segment_len(scsi_list(cmd)[copy->segment_off]);
	copy->segment++;
}
