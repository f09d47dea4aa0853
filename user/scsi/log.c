/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * LOG SENSE and LOG SELECT (SPC-5 6.7, 6.8, 7.3): what the unit can truly tell, which is how many
 * reads and writes its medium failed, and that it predicts nothing.
 */
#include "scsi/device.h"

#include <string.h>

#define SP		  0x01
#define PCR		  0x02
#define ALL_SUBPAGES	  0xff
#define CUMULATIVE	  0x01 /* bit of the page control; the other says: default values */
#define DEFAULTS	  0x02
#define PAGE_DS		  0x80 /* nothing is saved */
#define PAGE_SPF	  0x40
#define TOTAL_UNCORRECTED 0x0006
#define BINARY_LIST	  0x03
#define NO_TEMPERATURE	  0xff
#define LONGEST		  64u

enum page {
	SUPPORTED = 0x00,
	WRITE_ERRORS = 0x02,
	READ_ERRORS = 0x03,
	EXCEPTIONS = 0x2f,
};

static const uint8_t pages[] = {SUPPORTED, WRITE_ERRORS, READ_ERRORS, EXCEPTIONS};

#define NPAGES sizeof(pages)

void scsi_log_error(struct scsi_device *dev, bool write)
{
	atomic_fetch_add_explicit(write ? &dev->write_errors : &dev->read_errors, 1,
				  memory_order_relaxed);
}

static uint8_t *put_parameter(uint8_t *out, uint16_t code, uint8_t control, uint8_t len)
{
	put_be16(out, code);
	out[2] = control;
	out[3] = len;
	return out + 4;
}

/* Pages and subpages, or pages only. */
static uint32_t put_supported(bool subpages, uint8_t *out)
{
	uint32_t len = 0;

	for (unsigned int i = 0; i < NPAGES; i++) {
		out[len++] = pages[i];
		if (subpages)
			out[len++] = 0;
		if (subpages && pages[i] == SUPPORTED) {
			out[len++] = SUPPORTED;
			out[len++] = ALL_SUBPAGES;
		}
	}
	return len;
}

/* The page's one parameter; *code is its number. */
static uint32_t put_page(struct scsi_device *dev, enum page page, bool defaults, uint8_t *out,
			 uint16_t *code)
{
	_Atomic uint64_t *errors = page == WRITE_ERRORS ? &dev->write_errors : &dev->read_errors;

	if (page == EXCEPTIONS) {
		*code = 0;
		out = put_parameter(out, 0, BINARY_LIST, 3);
		out[2] = NO_TEMPERATURE;
		return 7;
	}
	*code = TOTAL_UNCORRECTED;
	out = put_parameter(out, TOTAL_UNCORRECTED, 0, 8);
	put_be64(out, defaults ? 0 : atomic_load(errors));
	return 12;
}

static bool page_known(uint8_t page, uint8_t subpage)
{
	return memchr(pages, page, NPAGES) && (!subpage || (page == SUPPORTED && subpage == 0xff));
}

void scsi_log_sense(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	uint8_t out[LONGEST] = {}, page = cdb[2] & 0x3f, control = cdb[2] >> 6;
	uint16_t pointer = get_be16(cdb + 5), last = 0;
	uint32_t len;

	if (cdb[1] & SP) {
		scsi_bad_cdb(cmd, 1, 0);
		return;
	}
	if (!page_known(page, cdb[3])) {
		scsi_bad_cdb(cmd, cdb[3] ? 3 : 2, cdb[3] ? 7 : 5);
		return;
	}
	/* There are no thresholds. */
	if (page != SUPPORTED && !(control & CUMULATIVE)) {
		scsi_bad_cdb(cmd, 2, 7);
		return;
	}
	len = page == SUPPORTED ? put_supported(cdb[3], out + 4)
				: put_page(dev, page, control & DEFAULTS, out + 4, &last);
	if (pointer > last) {
		scsi_bad_cdb(cmd, 5, 7);
		return;
	}
	out[0] = (uint8_t)(PAGE_DS | (cdb[3] ? PAGE_SPF : 0) | page);
	out[1] = cdb[3];
	put_be16(out + 2, (uint16_t)len);
	scsi_return(cmd, out, 4 + len, get_be16(cdb + 7));
}

/* Counters can be set to zero, and to nothing else. */
void scsi_log_select(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	uint8_t page = cdb[2] & 0x3f;

	if (cdb[1] & SP) {
		scsi_bad_cdb(cmd, 1, 0);
		return;
	}
	if (get_be16(cdb + 7)) {
		scsi_bad_cdb(cmd, 7, 7);
		return;
	}
	if (!page_known(page, cdb[3])) {
		scsi_bad_cdb(cmd, cdb[3] ? 3 : 2, cdb[3] ? 7 : 5);
		return;
	}
	if (cdb[1] & PCR || cdb[2] >> 6 & CUMULATIVE) {
		if (page != READ_ERRORS)
			atomic_store(&dev->write_errors, 0);
		if (page != WRITE_ERRORS)
			atomic_store(&dev->read_errors, 0);
		scsi_attend(dev, cmd->scsi.it_l, SCSI_ASC_LOG_CHANGED);
	}
	scsi_good(cmd);
}
