/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tap/pcapng.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK_SECTION	 0x0a0d0d0au
#define BLOCK_INTERFACE	 1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET	 6u

#define SECTION_MAGIC	    0x1a2b3c4du
#define LINKTYPE_ETHERNET   1
#define TIME_RESOLUTION	    9 /* ten to the minus */
#define SECTION_LEN_UNKNOWN UINT64_MAX

enum option {
	OPT_END = 0,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_TSRESOL = 9,
	EPB_FLAGS = 2,
	EPB_QUEUE = 6,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
};

#define DIRECTION_IN  1u
#define DIRECTION_OUT 2u

/* A block up to its payload, if it has one; everything in it is padded to 32 bits. */
struct block {
	uint8_t data[512];
	uint32_t len;
};

static uint32_t padding(uint32_t len)
{
	return -len & 3;
}

static void put(struct block *block, const void *data, uint32_t len)
{
	memcpy(block->data + block->len, data, len);
	memset(block->data + block->len + len, 0, padding(len));
	block->len += len + padding(len);
}

static void put_u32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void put_u16s(struct block *block, uint16_t first, uint16_t second)
{
	const uint16_t both[] = {first, second};

	put(block, both, sizeof(both));
}

static void put_time(struct block *block, uint64_t ns)
{
	put_u32(block, (uint32_t)(ns >> 32));
	put_u32(block, (uint32_t)ns);
}

static void put_option(struct block *block, enum option option, const void *value, uint16_t len)
{
	put_u16s(block, (uint16_t)option, len);
	put(block, value, len);
}

static void put_text(struct block *block, enum option option, const char *text)
{
	put_option(block, option, text, (uint16_t)strnlen(text, 255));
}

static struct block block_begin(uint32_t type)
{
	struct block block = {.len = 0};

	put_u32(&block, type);
	put_u32(&block, 0); /* the length, known at the end */
	return block;
}

/* Writes the block with `payload` after its first `split` bytes. */
static int block_write(FILE *file, struct block *block, uint32_t split, const void *payload,
		       uint32_t len)
{
	static const uint8_t zeroes[4];
	uint32_t total;

	put_u16s(block, OPT_END, 0);
	total = block->len + len + padding(len) + (uint32_t)sizeof(total);
	memcpy(block->data + sizeof(uint32_t), &total, sizeof(total));
	put_u32(block, total);
	if (fwrite(block->data, 1, split, file) != split ||
	    (len && fwrite(payload, 1, len, file) != len) ||
	    fwrite(zeroes, 1, padding(len), file) != padding(len) ||
	    fwrite(block->data + split, 1, block->len - split, file) != block->len - split)
		return errno ? -errno : -EIO;
	return 0;
}

int pcapng_begin(FILE *file, const char *interface, uint32_t snaplen)
{
	const uint64_t unknown = SECTION_LEN_UNKNOWN;
	const uint8_t resolution = TIME_RESOLUTION;
	struct block block = block_begin(BLOCK_SECTION);
	int ret;

	put_u32(&block, SECTION_MAGIC);
	put_u16s(&block, 1, 0); /* the version */
	put(&block, &unknown, sizeof(unknown));
	put_text(&block, SHB_USERAPPL, "stgt-xdp " STGT_VERSION);
	ret = block_write(file, &block, block.len, NULL, 0);
	if (ret)
		return ret;
	block = block_begin(BLOCK_INTERFACE);
	put_u16s(&block, LINKTYPE_ETHERNET, 0);
	put_u32(&block, snaplen);
	put_text(&block, IF_NAME, interface);
	put_option(&block, IF_TSRESOL, &resolution, sizeof(resolution));
	return block_write(file, &block, block.len, NULL, 0);
}

int pcapng_frame(FILE *file, const struct pcapng_frame *frame)
{
	const uint32_t flags = frame->inbound ? DIRECTION_IN : DIRECTION_OUT;
	struct block block = block_begin(BLOCK_PACKET);
	uint32_t split;

	put_u32(&block, 0); /* the interface */
	put_time(&block, frame->ns);
	put_u32(&block, frame->captured);
	put_u32(&block, frame->len);
	split = block.len;
	put_option(&block, EPB_FLAGS, &flags, sizeof(flags));
	put_option(&block, EPB_QUEUE, &frame->queue, sizeof(frame->queue));
	return block_write(file, &block, split, frame->data, frame->captured);
}

static void put_time_option(struct block *block, enum option option, uint64_t ns)
{
	put_u16s(block, (uint16_t)option, sizeof(ns));
	put_time(block, ns);
}

int pcapng_end(FILE *file, const struct pcapng_totals *totals)
{
	struct block block = block_begin(BLOCK_STATISTICS);

	put_u32(&block, 0); /* the interface */
	put_time(&block, totals->end_ns);
	put_time_option(&block, ISB_STARTTIME, totals->begin_ns);
	put_time_option(&block, ISB_ENDTIME, totals->end_ns);
	put_option(&block, ISB_IFRECV, &totals->seen, sizeof(totals->seen));
	put_option(&block, ISB_IFDROP, &totals->lost, sizeof(totals->lost));
	return block_write(file, &block, block.len, NULL, 0);
}
