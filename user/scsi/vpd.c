/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* INQUIRY's vital product data (SPC-5 7.7): one function a page, in one table. */
#include "scsi/device.h"

#include <string.h>

#define HEADER	       4u
#define EXTENDED_LEN   60u
#define NAME_MAX_LEN   224u /* of a SCSI name string, its NUL and filling included */
#define NAA_SHIFT      60
#define NAA_REGISTERED 5u

static uint16_t vpd_supported(struct scsi_device *dev, const struct scsi_nexus *nexus,
			      uint8_t *out);

static uint16_t vpd_serial(struct scsi_device *dev, const struct scsi_nexus *nexus, uint8_t *out)
{
	uint16_t len = (uint16_t)strlen(dev->lu->disk->serial);

	memcpy(out, dev->lu->disk->serial, len);
	return len;
}

/* ---- designators, SPC-5 7.7.6 ---- */

enum code_set {
	BINARY = 1,
	ASCII = 2,
	UTF_8 = 3
};
enum association {
	LOGICAL_UNIT = 0,
	TARGET_PORT = 1,
	TARGET_DEVICE = 2
};
enum designator {
	T10_VENDOR_ID = 1,
	EUI_64 = 2,
	NAA = 3,
	RELATIVE_TARGET_PORT = 4,
	TARGET_PORT_GROUP = 5,
	SCSI_NAME_STRING = 8,
};

/* The header of a designator of `len` bytes; returns where these go. */
static uint8_t *designator_begin(uint8_t *out, const struct scsi_nexus *nexus, enum code_set set,
				 enum association association, enum designator type, uint8_t len)
{
	bool of_port = association != LOGICAL_UNIT;
	uint8_t protocol = of_port ? nexus->target->config.protocol : 0;

	out[0] = (uint8_t)(protocol << 4 | set);
	out[1] = (uint8_t)((of_port ? 0x80 : 0) | association << 4 | type);
	out[2] = 0;
	out[3] = len;
	return out + 4;
}

static uint8_t *put_number(uint8_t *out, const struct scsi_nexus *nexus, enum designator type,
			   uint16_t number)
{
	out = designator_begin(out, nexus, BINARY, TARGET_PORT, type, 4);
	put_be16(out, 0);
	put_be16(out + 2, number);
	return out + 4;
}

/* With a NUL at its end, filled up to a multiple of four bytes. */
static uint8_t *put_name(uint8_t *out, const struct scsi_nexus *nexus, enum association association,
			 const char *name)
{
	size_t len = strnlen(name, NAME_MAX_LEN - 1), room = (len + 4) & ~3ul;

	out = designator_begin(out, nexus, UTF_8, association, SCSI_NAME_STRING, (uint8_t)room);
	memset(out, 0, room);
	memcpy(out, name, len);
	return out + room;
}

static uint8_t *put_unit_designators(uint8_t *out, const struct disk *disk)
{
	uint8_t serial_len = (uint8_t)strlen(disk->serial);

	out = designator_begin(out, NULL, BINARY, LOGICAL_UNIT, NAA, 8);
	put_be64(out, disk->wwn);
	out += 8;
	/* Only a registered name has a company's identifier, which an EUI-64 begins with. */
	if (disk->wwn >> NAA_SHIFT == NAA_REGISTERED) {
		out = designator_begin(out, NULL, BINARY, LOGICAL_UNIT, EUI_64, 8);
		put_be24(out, disk->wwn >> 36 & 0xffffff);
		out[3] = disk->wwn >> 32 & 0xf;
		put_be32(out + 4, (uint32_t)disk->wwn);
		out += 8;
	}
	out = designator_begin(out, NULL, ASCII, LOGICAL_UNIT, T10_VENDOR_ID,
			       (uint8_t)(8 + serial_len));
	memcpy(out, LU_VENDOR, 8);
	memcpy(out + 8, disk->serial, serial_len);
	return out + 8 + serial_len;
}

static uint16_t vpd_identification(struct scsi_device *dev, const struct scsi_nexus *nexus,
				   uint8_t *out)
{
	const struct scsi_target_config *port = &nexus->target->config;
	uint8_t *at = put_unit_designators(out, dev->lu->disk);

	at = put_number(at, nexus, RELATIVE_TARGET_PORT, port->relative_port);
	at = put_number(at, nexus, TARGET_PORT_GROUP, port->group);
	at = put_name(at, nexus, TARGET_PORT, port->port_name);
	at = put_name(at, nexus, TARGET_DEVICE, port->device_name);
	return (uint16_t)(at - out);
}

/* Of a designator in a list: code set, association and type, length, and as many bytes. */
bool scsi_designates(const struct scsi_device *dev, const uint8_t *designator)
{
	uint8_t out[SCSI_VPD_MAX];
	const uint8_t *end = put_unit_designators(out, dev->lu->disk), *at;

	for (at = out; at < end; at += 4 + at[3])
		if (at[0] == (designator[0] & 0x0f) && at[1] == (designator[1] & 0x3f) &&
		    at[3] == designator[3] && at[3] <= 20 && !memcmp(at + 4, designator + 4, at[3]))
			return true;
	return false;
}

static uint16_t vpd_extended_inquiry(struct scsi_device *dev, const struct scsi_nexus *nexus,
				     uint8_t *out)
{
	out[5 - HEADER] = 0x07;			    /* HEADSUP, ORDSUP, SIMPSUP */
	out[6 - HEADER] = dev->lu->durable ? 0 : 1; /* V_SUP */
	return EXTENDED_LEN;
}

/* ---- the pages ---- */

/* Ascending, as page 00h lists them. */
static const struct {
	uint8_t code;
	uint16_t (*fill)(struct scsi_device *dev, const struct scsi_nexus *nexus, uint8_t *out);
} pages[] = {
	{0x00, vpd_supported},
	{0x80, vpd_serial},
	{0x83, vpd_identification},
	{0x86, vpd_extended_inquiry},
	{0x8f, scsi_vpd_third_party_copy},
	{0xb0, scsi_vpd_block_limits},
	{0xb1, scsi_vpd_block_characteristics},
	{0xb2, scsi_vpd_provisioning},
};

#define NPAGES (sizeof(pages) / sizeof(pages[0]))

static uint16_t vpd_supported(struct scsi_device *dev, const struct scsi_nexus *nexus, uint8_t *out)
{
	/* Where there is no unit there is nothing to say of one. */
	uint16_t n = dev ? NPAGES : 1;

	for (uint16_t i = 0; i < n; i++)
		out[i] = pages[i].code;
	return n;
}

void scsi_inquiry_vpd(struct scsi_device *dev, struct command *cmd, uint8_t peripheral)
{
	uint8_t out[HEADER + SCSI_VPD_MAX] = {}, code = cmd->scsi.cdb[2];

	for (unsigned int i = 0; i < (dev ? NPAGES : 1); i++) {
		uint16_t len;

		if (pages[i].code != code)
			continue;
		len = pages[i].fill(dev, cmd->scsi.nexus, out + HEADER);
		out[0] = peripheral;
		out[1] = code;
		put_be16(out + 2, len);
		scsi_return(cmd, out, HEADER + len, get_be16(cmd->scsi.cdb + 3));
		return;
	}
	scsi_bad_cdb(cmd, 2, 7);
}
