/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scsi_make.h"

#include "base/bytes.h"
#include "scsi/copy.h"
#include "scsi/device.h"
#include "scsi/reserve.h"

#include <string.h>

#define BLOCK	4096u /* the larger block: its data serves units of both */
#define LBAS	4200u /* a few beyond the end */
#define KEYS	4u
#define NEXUSES 3u

/* ---- CDBs ---- */

static const struct {
	uint8_t opcode, at, bytes;
} allocations[] = {
	{0x03, 4, 1}, {0x12, 3, 2}, {0x1a, 4, 1}, {0x1c, 3, 2},	 {0x37, 7, 2},
	{0x4d, 7, 2}, {0x5a, 7, 2}, {0x5e, 7, 2}, {0x84, 10, 4}, {0x9e, 10, 4},
	{0xa0, 6, 4}, {0xa3, 6, 4}, {0xb7, 6, 4},
};

static uint32_t get_number(const uint8_t *at, uint8_t bytes)
{
	uint32_t number = 0;

	for (uint8_t i = 0; i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

static void put_number(uint8_t *at, uint8_t bytes, uint64_t number)
{
	for (uint8_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}

bool scsi_make_allocation(const uint8_t *cdb, uint32_t *len)
{
	for (size_t i = 0; i < sizeof(allocations) / sizeof(allocations[0]); i++)
		if (allocations[i].opcode == cdb[0]) {
			*len = get_number(cdb + allocations[i].at, allocations[i].bytes);
			return true;
		}
	return false;
}

static const struct scsi_opcode *choose(struct script_random *random)
{
	uint8_t opcode = (uint8_t)script_random(random, 256);
	const struct scsi_opcode_list *list;

	while (!scsi_opcodes[opcode].n)
		opcode++;
	list = &scsi_opcodes[opcode];
	return &list->entries[script_random(random, list->n)];
}

static void begin(struct script_random *random, const struct scsi_opcode *entry,
		  struct scsi_made *made)
{
	bool rich = script_chance(random, 3);

	made->cdb_len = entry->cdb_len;
	made->cdb[0] = entry->opcode;
	for (uint8_t i = 1; rich && i + 1 < entry->cdb_len; i++)
		made->cdb[i] = entry->usage[i] & (uint8_t)script_random(random, 256);
	if (entry->action != SCSI_NO_ACTION)
		made->cdb[1] = (uint8_t)((made->cdb[1] & 0xe0) | entry->action);
}

static void make_allocation(struct script_random *random, struct scsi_made *made)
{
	static const uint16_t usual[] = {255, 252, 96, 36, 18, 8, 4, 1, 0};

	for (size_t i = 0; i < sizeof(allocations) / sizeof(allocations[0]); i++)
		if (allocations[i].opcode == made->cdb[0])
			put_number(made->cdb + allocations[i].at, allocations[i].bytes,
				   usual[script_random(random, sizeof(usual) / sizeof(usual[0]))]);
	made->in_len = script_chance(random, 4) ? script_random(random, 300) : 512;
}

/* ---- commands of the medium ---- */

/* So that the block's bytes are of one value, or of another. */
static void make_data(struct script_random *random, struct scsi_made *made, uint32_t blocks)
{
	made->out_len = script_chance(random, 8)
				? script_random(random, UINT16_MAX)
				: blocks * (script_chance(random, 3) ? BLOCK : 512);
	made->list_len = (uint16_t)script_random(random, 24);
	memset(made->list, (int)script_random(random, 3), made->list_len);
}

static void make_extent(struct script_random *random, struct scsi_made *made, uint32_t blocks)
{
	uint32_t lba = script_random(random, script_chance(random, 8) ? LBAS : 64);
	uint8_t len = made->cdb_len, *cdb = made->cdb;

	if (len == 6)
		put_number(cdb + 2, 2, lba);
	else
		put_number(cdb + 2, len == 16 ? 8 : 4, lba);
	if (cdb[0] == 0x89)
		cdb[13] = (uint8_t)blocks;
	else if (cdb[0] == 0x9c)
		put_be16(cdb + 12, (uint16_t)blocks);
	else if (len == 6)
		cdb[4] = (uint8_t)blocks;
	else
		put_number(cdb + (len == 10 ? 7 : len == 12 ? 6 : 10), len == 10 ? 2 : 4, blocks);
}

static void make_transfer(struct script_random *random, const struct scsi_opcode *entry,
			  struct scsi_made *made)
{
	uint32_t blocks = script_random(random, script_chance(random, 4) ? 300 : 5);
	bool same = entry->opcode == 0x41 || entry->opcode == 0x93;

	made->cdb[1] &= 0x1f;
	make_extent(random, made, blocks);
	if (entry->flags & SCSI_WRITES)
		make_data(random, made, same ? 1 : entry->opcode == 0x89 ? 2 * blocks : blocks);
	else if (made->cdb[1] & 0x06) /* VERIFY compares with what is sent */
		make_data(random, made, made->cdb[1] & 0x04 ? 1 : blocks);
	else
		made->in_len = blocks * (script_chance(random, 2) ? BLOCK : 512);
}

static void make_unmap(struct script_random *random, struct scsi_made *made)
{
	uint16_t n = (uint16_t)script_random(random, 6);

	put_be16(made->list, (uint16_t)(6 + 16 * n));
	put_be16(made->list + 2, (uint16_t)(16 * n));
	for (uint16_t i = 0; i < n; i++) {
		put_be64(made->list + 8 + 16 * i, script_random(random, LBAS));
		put_be32(made->list + 16 + 16 * i, script_random(random, 64));
	}
	made->list_len = (uint16_t)(8 + 16 * n);
	put_be16(made->cdb + 7, made->list_len);
}

/* ---- parameter lists ---- */

static uint16_t put_transport_id(struct script_random *random, uint8_t *at)
{
	memset(at, 0, 24);
	at[0] = 0x05;
	at[3] = 20;
	at[4] = (uint8_t)('a' + script_random(random, NEXUSES + 1));
	return 24;
}

static void make_reserve_out(struct script_random *random, struct scsi_made *made)
{
	static const uint8_t types[] = {1, 3, 5, 6, 7, 8};
	uint8_t *list = made->list;
	uint16_t len = 24;

	made->cdb[2] = types[script_random(random, sizeof(types))];
	list[7] = (uint8_t)script_random(random, KEYS);
	list[15] = (uint8_t)script_random(random, KEYS);
	if ((made->cdb[1] & 0x1f) == 7) {
		list[17] = (uint8_t)script_random(random, 4);
		put_be16(list + 18, (uint16_t)(1 + script_random(random, 2)));
		list[23] = (uint8_t)put_transport_id(random, list + 24);
		len += list[23];
	} else {
		/* SPEC_I_PT, ALL_TG_PT, APTPL */
		list[20] = (uint8_t)script_random(random, 16) & 0x0d;
		if (list[20] & 8) {
			len += 4;
			for (uint32_t n = script_random(random, 3); n; n--)
				len += put_transport_id(random, list + len);
			list[27] = (uint8_t)(len - 28);
		}
	}
	made->list_len = len;
	put_be32(made->cdb + 5, len);
}

static uint16_t put_segment(struct script_random *random, uint8_t *at, uint32_t ncscds)
{
	bool bytes = script_chance(random, 2);
	uint16_t len = bytes ? COPY_SEGMENT_LEN : 28;

	memset(at, 0, len);
	at[0] = bytes ? COPY_BYTES_TYPE : COPY_BLOCKS_TYPE;
	at[1] = bytes ? 0 : script_random(random, 2) ? 0x02 : 0;
	put_be16(at + 2, (uint16_t)(len - 4));
	for (unsigned int i = 4; i < 8; i += 2)
		put_be16(at + i, script_chance(random, 3)
					 ? COPY_THIS_UNIT
					 : (uint16_t)script_random(random, ncscds + 1));
	put_be64(at + 12, script_random(random, 500));
	put_be64(at + 20, script_random(random, LBAS));
	if (bytes) {
		put_be32(at + 8, script_random(random, 5) * 4096 + script_chance(random, 6) * 512);
		put_be16(at + 28, (uint16_t)(script_chance(random, 4) * 512));
		put_be16(at + 30, (uint16_t)(script_chance(random, 4) * 4096));
	} else {
		put_be16(at + 10, (uint16_t)(8 * script_random(random, 40)));
	}
	return len;
}

static void make_copy(struct script_random *random, struct scsi_made *made)
{
	static const uint8_t usages[] = {0x18, 0x00, 0x10, 0x08};
	uint32_t ncscds = script_random(random, 3), nsegments = script_random(random, 4);
	uint16_t len = COPY_HEADER_LEN;
	uint8_t *list = made->list;

	list[1] = usages[script_random(random, sizeof(usages))];
	list[0] = list[1] == 0x18 ? 0 : (uint8_t)script_random(random, 3);
	for (uint32_t i = 0; i < ncscds; i++, len += COPY_CSCD_LEN) {
		list[len] = COPY_CSCD_TYPE;
		list[len + 4] = 1;
		list[len + 5] = 3;
		list[len + 7] = 8;
		put_be64(list + len + 8, i ? SCSI_MAKE_OTHER_WWN : SCSI_MAKE_WWN);
	}
	put_be16(list + 2, (uint16_t)(len - COPY_HEADER_LEN));
	for (uint32_t i = 0; i < nsegments; i++)
		len += put_segment(random, list + len, ncscds);
	put_be32(list + 8, len - COPY_HEADER_LEN - get_be16(list + 2));
	made->list_len = len;
	put_be32(made->cdb + 10, len);
}

/* What MODE SENSE returned, with some of the bits that can be set turned over. */
static void make_mode_select(struct script_random *random, struct scsi_made *made)
{
	bool six = made->cdb[0] == 0x15;
	uint8_t header = six ? 4 : 8, *list = made->list;

	made->cdb[1] = (uint8_t)(0x10 | script_random(random, 2));
	made->echo = script_chance(random, 2);
	if (made->echo) {
		made->list_len = (uint16_t)(header + 12);
	} else if (script_chance(random, 2)) {
		list[header] = 0x0a;
		list[header + 1] = 10;
		made->list_len = (uint16_t)(header + 12);
	} else {
		list[header] = 0x08;
		list[header + 1] = 18;
		made->list_len = (uint16_t)(header + 20);
	}
	list[header + 2] = (uint8_t)(4 * script_random(random, 2));
	list[header + 4] = (uint8_t)(8 * script_random(random, 2));
	list[header + 5] = (uint8_t)(64 * script_random(random, 2));
	if (six)
		made->cdb[4] = (uint8_t)made->list_len;
	else
		put_be16(made->cdb + 7, made->list_len);
}

static void make_groups(struct script_random *random, struct scsi_made *made)
{
	uint8_t n = (uint8_t)script_random(random, 4);

	for (uint8_t i = 0; i < n; i++) {
		made->list[4 + 4 * i] = (uint8_t)script_random(random, 5);
		made->list[7 + 4 * i] = (uint8_t)script_random(random, 4);
	}
	made->list_len = (uint16_t)(4 + 4 * n);
	put_be32(made->cdb + 6, made->list_len);
}

static void make_sanitize(struct script_random *random, struct scsi_made *made)
{
	uint16_t period = (uint16_t)(1 + script_random(random, 9));

	if ((made->cdb[1] & 0x1f) != 1)
		return;
	made->list[0] = (uint8_t)(script_random(random, 2) << 7 | script_random(random, 4));
	put_be16(made->list + 2, period);
	memset(made->list + 4, 0x5a, period);
	made->list_len = (uint16_t)(4 + period);
	put_be16(made->cdb + 7, made->list_len);
}

static void make_diagnostic(struct script_random *random, struct scsi_made *made)
{
	made->cdb[1] = script_chance(random, 2) ? 0x04 : (uint8_t)(script_random(random, 8) << 5);
	put_be16(made->cdb + 3, 0);
	if (!script_chance(random, 3))
		return;
	made->cdb[1] = 0x10;
	made->list_len = 4;
	made->cdb[4] = 4;
}

static bool make_list(struct script_random *random, struct scsi_made *made)
{
	switch (made->cdb[0]) {
	case 0x15:
	case 0x55:
		make_mode_select(random, made);
		break;
	case 0x1d:
		make_diagnostic(random, made);
		break;
	case 0x42:
		make_unmap(random, made);
		break;
	case 0x48:
		make_sanitize(random, made);
		break;
	case 0x5f:
		make_reserve_out(random, made);
		break;
	case 0x83:
		make_copy(random, made);
		break;
	case 0xa4:
		make_groups(random, made);
		break;
	default:
		return false;
	}
	made->out_len = made->list_len;
	return true;
}

void scsi_make(struct script_random *random, struct scsi_made *made)
{
	const struct scsi_opcode *entry = choose(random);

	memset(made, 0, sizeof(*made));
	begin(random, entry, made);
	if (make_list(random, made))
		return;
	if (entry->memory || entry->opcode == 0x34 || entry->opcode == 0x90)
		make_transfer(random, entry, made);
	else
		make_allocation(random, made);
}
