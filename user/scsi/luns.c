/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* REPORT LUNS (SPC-5 6.36). */
#include "scsi/device.h"

enum report {
	REPORT_ALL_BUT_WELL_KNOWN = 0x00,
	REPORT_WELL_KNOWN = 0x01, /* there are none */
	REPORT_ALL = 0x02,
};

/* Whoever reads the list knows what all its units would tell of it (SAM-5 5.14). */
static void attention_clear(struct scsi_nexus *nexus)
{
	struct scsi_it_l *it_l;

	list_for_each_entry (it_l, &nexus->it_ls, nexus_link)
		scsi_attention_drop(it_l, SCSI_ASC_LUNS_CHANGED);
}

void scsi_report_luns(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_nexus *nexus = cmd->scsi.nexus;
	uint32_t alloc = get_be32(cmd->scsi.cdb + 6), n = 0;
	uint8_t out[8 + 8 * SCSI_LUNS_MAX] = {};
	uint8_t report = cmd->scsi.cdb[2];

	if (report > REPORT_ALL) {
		scsi_bad_cdb(cmd, 2, 7);
		return;
	}
	if (alloc < 16) {
		scsi_bad_cdb(cmd, 6, 7);
		return;
	}
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX && report != REPORT_WELL_KNOWN; lun++)
		if (nexus->by_lun[lun])
			put_be16(out + 8 + 8 * n++, lun);
	put_be32(out, 8 * n);
	attention_clear(nexus);
	scsi_return(cmd, out, 8 + 8 * n, alloc);
}
