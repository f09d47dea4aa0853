/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* INQUIRY's standard data (SPC-5 6.7.2) and REQUEST SENSE. */
#include "scsi/device.h"

#include <string.h>

#define EVPD		 0x01
#define NO_UNIT		 0x7f /* peripheral qualifier 3, type unknown */
#define VERSION_SPC_4	 0x06
#define HISUP_FORMAT	 0x12
#define TPGS_IMPLICIT	 0x10 /* access states change by themselves */
#define TPGS_EXPLICIT	 0x20 /* and by command */
#define THIRD_PARTY_COPY 0x08
#define CMDQUE		 0x02
#define STANDARD_LEN	 96u
#define DESCRIPTOR_SENSE 0x01
#define VERSIONS_AT	 58u /* version descriptors */

/* Left-aligned, filled up with spaces. */
static void put_text(uint8_t *out, const char *text, unsigned int width)
{
	unsigned int len = (unsigned int)strnlen(text, width);

	memset(out, ' ', width);
	memcpy(out, text, len);
}

/* SPC-5 table 150: what is claimed, without a version of the text. */
static void put_versions(uint8_t *out, const struct scsi_target_config *port)
{
	static const uint16_t versions[] = {0x00a0 /* SAM-5 */, 0x0460 /* SPC-4 */,
					    0x04c0 /* SBC-3 */};
	const unsigned int n = sizeof(versions) / sizeof(versions[0]);

	for (unsigned int i = 0; i < n; i++)
		put_be16(out + 2 * i, versions[i]);
	if (port->protocol == SCSI_PROTOCOL_ISCSI)
		put_be16(out + 2 * n, 0x0960);
}

static void inquiry_standard(struct scsi_device *dev, struct command *cmd, uint8_t peripheral)
{
	uint8_t out[STANDARD_LEN] = {};

	out[0] = peripheral;
	out[1] = dev && dev->removable ? 0x80 : 0;
	out[2] = VERSION_SPC_4;
	out[3] = HISUP_FORMAT;
	out[4] = STANDARD_LEN - 5;
	out[5] = TPGS_IMPLICIT | THIRD_PARTY_COPY;
	if (!dev || !atomic_load(&cmd->scsi.it_l->implicit))
		out[5] |= TPGS_EXPLICIT;
	out[7] = CMDQUE;
	put_text(out + 8, LU_VENDOR, 8);
	put_text(out + 16, LU_PRODUCT, 16);
	put_text(out + 32, STGT_VERSION, 4);
	put_versions(out + VERSIONS_AT, &cmd->scsi.nexus->target->config);
	scsi_return(cmd, out, sizeof(out), get_be16(cmd->scsi.cdb + 3));
}

void scsi_inquiry(struct scsi_device *dev, struct command *cmd)
{
	uint8_t peripheral = dev ? 0 : NO_UNIT;

	if (cmd->scsi.cdb[1] & EVPD)
		scsi_inquiry_vpd(dev, cmd, peripheral);
	else if (cmd->scsi.cdb[2])
		scsi_bad_cdb(cmd, 2, 7);
	else
		inquiry_standard(dev, cmd, peripheral);
}

/* All errors come with the command (autosense): what is left to tell is a unit attention, or
 * progress. */
void scsi_request_sense(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_sense sense = {.key = SCSI_KEY_NO_SENSE};
	uint8_t out[SCSI_SENSE_MIN];
	uint16_t attention;

	if (!dev)
		sense = (struct scsi_sense){.key = SCSI_KEY_ILLEGAL_REQUEST,
					    .asc = SCSI_ASC_LUN_NOT_SUPPORTED};
	else if (scsi_attention_take(cmd->scsi.it_l, &attention))
		sense = scsi_attention_sense(attention);
	else
		scsi_sanitize_tells(dev, &sense);
	scsi_return(cmd, out, scsi_sense_format(&sense, cmd->scsi.cdb[1] & DESCRIPTOR_SENSE, out),
		    cmd->scsi.cdb[4]);
}
