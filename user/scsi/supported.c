/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * REPORT SUPPORTED OPERATION CODES and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5 6.35,
 * 6.36): the opcode table as initiators see it.
 */
#include "scsi/device.h"

#include <stdlib.h>
#include <string.h>

#define RCTD		0x80
#define OPTIONS_MASK	0x07
#define SERVACTV	0x01
#define CTDP_ALL	0x02
#define CTDP_ONE	0x80
#define NOT_SUPPORTED	0x01
#define SUPPORTED	0x03 /* as a standard says */
#define DESCRIPTOR_LEN	8u
#define TIMEOUTS_LEN	12u
#define TIMEOUT_SECONDS 30u /* nobody need wait longer before asking after a command */

enum reporting_options {
	REPORT_ALL = 0,
	REPORT_OPCODE = 1,	    /* one without service actions */
	REPORT_ACTION = 2,	    /* one with */
	REPORT_OPCODE_OR_ACTION = 3 /* either; 0 for one without */
};

static bool has_action(const struct scsi_opcode *entry)
{
	return entry->action != SCSI_NO_ACTION;
}

/* SPC-5 6.35.4; the nominal time is not told. */
static void put_timeouts(uint8_t *out)
{
	memset(out, 0, TIMEOUTS_LEN);
	put_be16(out, TIMEOUTS_LEN - 2);
	put_be32(out + 8, TIMEOUT_SECONDS);
}

static void put_descriptor(uint8_t *at, const struct scsi_opcode *entry, bool timeouts)
{
	at[0] = entry->opcode;
	at[3] = has_action(entry) ? entry->action : 0;
	at[5] = (uint8_t)((has_action(entry) ? SERVACTV : 0) | (timeouts ? CTDP_ALL : 0));
	put_be16(at + 6, entry->cdb_len);
	if (timeouts)
		put_timeouts(at + DESCRIPTOR_LEN);
}

/* Those of the unit, `each` bytes apart; NULL: nowhere. Returns how many. */
static uint32_t put_descriptors(const struct scsi_device *dev, uint8_t *at, uint32_t each,
				bool timeouts)
{
	uint32_t n = 0;

	for (unsigned int code = 0; code < 256; code++) {
		for (unsigned int i = 0; i < scsi_opcodes[code].n; i++) {
			const struct scsi_opcode *entry = &scsi_opcodes[code].entries[i];

			if (!scsi_opcode_offered(dev, entry))
				continue;
			if (at)
				put_descriptor(at + n * each, entry, timeouts);
			n++;
		}
	}
	return n;
}

static void report_all(const struct scsi_device *dev, struct command *cmd, bool timeouts,
		       uint32_t alloc)
{
	uint32_t each = DESCRIPTOR_LEN + (timeouts ? TIMEOUTS_LEN : 0);
	uint32_t len = 4 + each * put_descriptors(dev, NULL, each, timeouts);
	uint8_t *out = calloc(1, len);

	if (!out) {
		scsi_end(cmd, SCSI_BUSY);
		return;
	}
	put_be32(out, len - 4);
	put_descriptors(dev, out + 4, each, timeouts);
	scsi_return(cmd, out, len, alloc);
	free(out);
}

static void report_one(struct command *cmd, const struct scsi_opcode *entry, bool timeouts,
		       uint32_t alloc)
{
	uint8_t out[4 + SCSI_CDB_MAX + TIMEOUTS_LEN] = {};
	uint32_t len = 4;

	out[1] = entry ? SUPPORTED : NOT_SUPPORTED;
	if (entry) {
		put_be16(out + 2, entry->cdb_len);
		memcpy(out + 4, entry->usage, entry->cdb_len);
		out[4] = entry->opcode;
		if (has_action(entry))
			out[5] = (uint8_t)((out[5] & ~SCSI_ACTION_MASK) | entry->action);
		len += entry->cdb_len;
	}
	if (entry && timeouts) {
		out[1] |= CTDP_ONE;
		put_timeouts(out + len);
		len += TIMEOUTS_LEN;
	}
	scsi_return(cmd, out, len, alloc);
}

void scsi_report_opcodes(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	uint8_t asked[2] = {cdb[3], cdb[5] & SCSI_ACTION_MASK}, options = cdb[2] & OPTIONS_MASK;
	uint32_t alloc = get_be32(cdb + 6);
	const struct scsi_opcode *entry;
	bool timeouts = cdb[2] & RCTD, known, actions;

	if (options == REPORT_ALL) {
		report_all(dev, cmd, timeouts, alloc);
		return;
	}
	entry = scsi_opcode_find(asked, &known);
	actions = known && (!entry || has_action(entry));
	if (options > REPORT_OPCODE_OR_ACTION || (options == REPORT_OPCODE && actions) ||
	    (options == REPORT_ACTION && known && !actions)) {
		scsi_bad_cdb(cmd, 2, 2);
		return;
	}
	if (entry && !scsi_opcode_offered(dev, entry))
		entry = NULL;
	/* An opcode without service actions has the one that is 0. */
	if (options != REPORT_OPCODE && get_be16(cdb + 4) > (actions ? SCSI_ACTION_MASK : 0))
		entry = NULL;
	report_one(cmd, entry, timeouts, alloc);
}

void scsi_report_tmfs(struct scsi_device *dev, struct command *cmd)
{
	/* ATS, ATSS, CTSS, LURS, QTS, TRS; QAES, QTSS. */
	uint8_t out[16] = {0xde, 0x06};
	bool extended = cmd->scsi.cdb[2] & 0x80;
	uint32_t alloc = get_be32(cmd->scsi.cdb + 6);

	if (alloc < 4) {
		scsi_bad_cdb(cmd, 6, 7);
		return;
	}
	/* What follows are timeouts: not told. */
	out[3] = extended ? 12 : 0;
	scsi_return(cmd, out, extended ? 16 : 4, alloc);
}
