/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * MODE SELECT(6) and (10) (SPC-5 6.12, 6.13): everything of the list is checked before anything
 * of it counts.
 */
#include "scsi/mode.h"

#include <string.h>

#define PF	  0x10
#define RTD	  0x02
#define SP	  0x01
#define LONGLBA	  0x01
#define PAGE_SPF  0x40
#define PAGE_CODE 0x3f

/* The list with how far it was read. */
struct select {
	struct scsi_device *dev;
	const uint8_t *list;
	uint32_t len, at;
	struct scsi_mode_values values; /* as they will be */
	struct scsi_verdict *verdict;
};

/* False, with the verdict: the list ends within what comes next. */
static bool select_has(struct select *s, uint32_t bytes)
{
	if (s->len - s->at >= bytes)
		return true;
	scsi_verdict_refuse(s->verdict, SCSI_ASC_LIST_LENGTH);
	return false;
}

static bool select_bad(struct select *s, uint32_t byte, unsigned int bit)
{
	scsi_verdict_bad_list(s->verdict, byte, bit);
	return false;
}

/* The size is the disk's: only what says that is taken. */
static bool select_descriptor(struct select *s, uint16_t len, bool is_long)
{
	uint64_t capacity = scsi_capacity(s->dev), blocks, all = is_long ? UINT64_MAX : UINT32_MAX;
	const uint8_t *at = s->list + s->at;
	uint32_t size;

	if (!len)
		return true;
	if (!select_has(s, len))
		return false;
	blocks = is_long ? get_be64(at) : get_be32(at);
	size = is_long ? get_be32(at + 12) : get_be24(at + 5);
	if (blocks && blocks != all && blocks != capacity)
		return select_bad(s, s->at, 7);
	if (size != 1u << s->dev->block_shift)
		return select_bad(s, s->at + (is_long ? 12 : 5), 7);
	s->at += len;
	return true;
}

/* The mode parameter header and the block descriptor. */
static bool select_header(struct select *s, bool six)
{
	uint16_t descriptor;
	bool is_long;

	if (!select_has(s, six ? 4 : 8))
		return false;
	if (s->list[six ? 1 : 2])
		return select_bad(s, six ? 1 : 2, 7); /* medium type */
	is_long = !six && s->list[4] & LONGLBA;
	descriptor = six ? s->list[3] : get_be16(s->list + 6);
	if (descriptor && descriptor != (is_long ? 16 : 8))
		return select_bad(s, six ? 3 : 6, 7);
	s->at = six ? 4 : 8;
	return select_descriptor(s, descriptor, is_long);
}

static const struct scsi_mode_page *page_find(const struct scsi_device *dev, uint8_t code,
					      uint8_t subpage)
{
	for (unsigned int i = 0; i < scsi_nmode_pages; i++) {
		const struct scsi_mode_page *page = &scsi_mode_pages[i];

		if (page->code == code && page->subpage == subpage &&
		    scsi_mode_page_there(dev, page))
			return page;
	}
	return NULL;
}

/* What cannot be changed has to be sent as it is. */
static bool select_values(struct select *s, const struct scsi_mode_page *page, uint32_t header)
{
	uint8_t now[SCSI_MODE_PAGE_MAX], mask[SCSI_MODE_PAGE_MAX];
	const uint8_t *in = s->list + s->at;

	scsi_mode_page_fill(s->dev, page, false, &s->values, now);
	scsi_mode_page_fill(s->dev, page, true, NULL, mask);
	for (uint32_t i = header; i < page->len; i++) {
		unsigned int wrong = (in[i] ^ now[i]) & ~mask[i] & 0xff;

		if (wrong)
			return select_bad(s, s->at + i, 31 - (unsigned int)__builtin_clz(wrong));
	}
	if (page->take)
		page->take(in, &s->values);
	return true;
}

static bool select_page(struct select *s)
{
	const uint8_t *in = s->list + s->at;
	bool has_subpage = in[0] & PAGE_SPF;
	uint32_t header = has_subpage ? 4 : 2, len;
	const struct scsi_mode_page *page;

	if (!select_has(s, header))
		return false;
	page = page_find(s->dev, in[0] & PAGE_CODE, has_subpage ? in[1] : 0);
	if (!page || (has_subpage && !page->subpage))
		return select_bad(s, s->at, 5);
	len = has_subpage ? get_be16(in + 2) : in[1];
	if (len != page->len - header)
		return select_bad(s, s->at + header / 2, 7);
	if (!select_has(s, page->len) || !select_values(s, page, header))
		return false;
	s->at += page->len;
	return true;
}

static uint32_t list_length(const struct scsi_command *scsi)
{
	return scsi->opcode->cdb_len == 6 ? scsi->cdb[4] : get_be16(scsi->cdb + 7);
}

static void select_stage(struct scsi_device *dev, struct command *cmd, struct scsi_verdict *verdict)
{
	struct select s = {.dev = dev,
			   .list = scsi_list(cmd),
			   .len = list_length(&cmd->scsi),
			   .verdict = verdict};

	scsi_modes_get(dev, &s.values);
	if (!select_header(&s, cmd->scsi.opcode->cdb_len == 6))
		return;
	while (s.at < s.len)
		if (!select_page(&s))
			return;
	dev->modes->staged = s.values;
	verdict->keep = cmd->scsi.cdb[1] & SP;
}

static void flush_done(struct blk_io *io)
{
	struct command *cmd = container_of(io, struct command, io);

	scsi_end_io(cmd, scsi_flush_status(cmd), 0);
}

static bool select_commit(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_mode_values before, *now = &dev->modes->staged;

	scsi_modes_get(dev, &before);
	pthread_mutex_lock(&dev->lock);
	if (cmd->scsi.cdb[1] & SP)
		dev->modes->saved = *now;
	if (memcmp(&before, now, sizeof(before))) {
		scsi_modes_apply_locked(dev, now);
		scsi_attend_locked(dev, cmd->scsi.it_l, SCSI_ASC_MODE_CHANGED);
	}
	pthread_mutex_unlock(&dev->lock);
	return !before.wce || now->wce;
}

/* The cache was turned off: what it holds is durable before the command ends (SBC-4 6.5.5). */
static void select_flush(struct scsi_device *dev, struct command *cmd)
{
	scsi_flush(dev, cmd, flush_done);
}

static const struct scsi_change select_change = {
	.section = SCSI_MODE_SECTION,
	.stage = select_stage,
	.describe = scsi_modes_describe,
	.commit = select_commit,
	.finish = select_flush,
};

static void select_fetched(struct command *cmd)
{
	scsi_change_start(scsi_device_of(cmd), cmd, &select_change);
}

void scsi_mode_select(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	uint32_t len = list_length(&cmd->scsi);

	if (!(cdb[1] & PF))
		scsi_bad_cdb(cmd, 1, 4);
	else if (cdb[1] & RTD)
		scsi_bad_cdb(cmd, 1, 1);
	else if (cdb[1] & SP && !dev->state)
		scsi_bad_cdb(cmd, 1, 0);
	else if (!len)
		scsi_good(cmd);
	else
		scsi_fetch_list(cmd, len, select_fetched);
}
