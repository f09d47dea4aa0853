/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* MODE SENSE(6) and (10) (SPC-5 6.14, 6.15). */
#include "scsi/mode.h"

#define DBD	     0x08
#define LLBAA	     0x10
#define ALL_PAGES    0x3f
#define ALL_SUBPAGES 0xff
#define WP	     0x80
#define DPOFUA	     0x10
#define LONGLBA	     0x01
#define LONGEST	     (8u + 16u + 8u * SCSI_MODE_PAGE_MAX)

/* SBC-4 6.5.2: the short block descriptor, or the long one. Returns its length. */
static uint8_t put_descriptor(const struct scsi_device *dev, bool is_long, uint8_t *out)
{
	uint64_t blocks = scsi_capacity(dev);

	if (is_long) {
		put_be64(out, blocks);
		put_be32(out + 8, 0);
		put_be32(out + 12, 1u << dev->block_shift);
		return 16;
	}
	put_be32(out, blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX);
	put_be32(out + 4, 1u << dev->block_shift);
	return 8;
}

static bool page_wanted(const struct scsi_mode_page *page, uint8_t code, uint8_t subpage)
{
	if (subpage == ALL_SUBPAGES)
		return code == ALL_PAGES || code == page->code;
	/* Of all pages, those without a subpage or those with: nothing between. */
	return subpage == page->subpage && (code == ALL_PAGES ? !subpage : code == page->code);
}

/* Returns the bytes of the pages; 0: there are none. */
static uint32_t put_pages(struct scsi_device *dev, const uint8_t *cdb, uint8_t *out)
{
	enum scsi_mode_control control = cdb[2] >> 6;
	struct scsi_mode_values v;
	uint32_t len = 0;

	if (control == SCSI_MODE_CURRENT)
		scsi_modes_get(dev, &v);
	else
		scsi_modes_other(dev, control, &v);
	for (unsigned int i = 0; i < scsi_nmode_pages; i++) {
		const struct scsi_mode_page *page = &scsi_mode_pages[i];

		if (!page_wanted(page, cdb[2] & 0x3f, cdb[3]) || !scsi_mode_page_there(dev, page))
			continue;
		scsi_mode_page_fill(dev, page, control == SCSI_MODE_CHANGEABLE, &v, out + len);
		len += page->len;
	}
	return len;
}

void scsi_mode_sense(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	bool six = cmd->scsi.opcode->cdb_len == 6, is_long = !six && cdb[1] & LLBAA;
	uint8_t out[LONGEST] = {}, header = six ? 4 : 8, descriptor = 0;
	uint8_t specific = (uint8_t)(DPOFUA | (scsi_write_protected(cmd->scsi.it_l) ? WP : 0));
	uint32_t pages;

	if (cdb[2] >> 6 == SCSI_MODE_SAVED && !dev->state) {
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_SAVING_NOT_SUPPORTED);
		return;
	}
	if (!(cdb[1] & DBD))
		descriptor = put_descriptor(dev, is_long, out + header);
	pages = put_pages(dev, cdb, out + header + descriptor);
	if (!pages) {
		scsi_bad_cdb(cmd, cdb[3] ? 3 : 2, cdb[3] ? 7 : 5);
		return;
	}
	if (six) {
		out[0] = (uint8_t)(header + descriptor + pages - 1);
		out[2] = specific;
		out[3] = descriptor;
	} else {
		put_be16(out, (uint16_t)(header + descriptor + pages - 2));
		out[3] = specific;
		out[4] = is_long && descriptor ? LONGLBA : 0;
		put_be16(out + 6, descriptor);
	}
	scsi_return(cmd, out, header + descriptor + pages, six ? cdb[4] : get_be16(cdb + 7));
}
