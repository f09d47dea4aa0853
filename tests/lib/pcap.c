/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pcap.h"

#include <byteswap.h>

#define PCAP_MAGIC    0xa1b2c3d4u
#define PCAP_ETHERNET 1u

struct pcap_head {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap, link;
};

struct pcap_record {
	uint32_t seconds, microseconds, captured, len;
};

static uint32_t pcap_u32(const struct pcap *pcap, uint32_t value)
{
	return pcap->swapped ? bswap_32(value) : value;
}

bool pcap_open(struct pcap *pcap, const char *path)
{
	struct pcap_head head;

	pcap->file = fopen(path, "rb");
	if (!pcap->file)
		return false;
	if (fread(&head, sizeof(head), 1, pcap->file) == 1) {
		pcap->swapped = head.magic == bswap_32(PCAP_MAGIC);
		if (pcap_u32(pcap, head.magic) == PCAP_MAGIC &&
		    pcap_u32(pcap, head.link) == PCAP_ETHERNET)
			return true;
	}
	fclose(pcap->file);
	return false;
}

bool pcap_create(struct pcap *pcap, const char *path)
{
	const struct pcap_head head = {
		.magic = PCAP_MAGIC,
		.major = 2,
		.minor = 4,
		.snap = PCAP_FRAME_MAX,
		.link = PCAP_ETHERNET,
	};

	pcap->swapped = false;
	pcap->file = fopen(path, "wb");
	return pcap->file && fwrite(&head, sizeof(head), 1, pcap->file) == 1;
}

void pcap_close(struct pcap *pcap)
{
	fclose(pcap->file);
}

int pcap_read(struct pcap *pcap, struct pcap_frame *frame)
{
	struct pcap_record record;
	size_t got = fread(&record, 1, sizeof(record), pcap->file);

	if (!got)
		return 0;
	if (got != sizeof(record))
		return -1;
	frame->len = pcap_u32(pcap, record.captured);
	if (frame->len > sizeof(frame->data) || frame->len != pcap_u32(pcap, record.len))
		return -1;
	frame->ns = pcap_u32(pcap, record.seconds) * 1000000000ull +
		    pcap_u32(pcap, record.microseconds) * 1000ull;
	return fread(frame->data, 1, frame->len, pcap->file) == frame->len ? 1 : -1;
}

bool pcap_write(struct pcap *pcap, const struct pcap_frame *frame)
{
	const struct pcap_record record = {
		.seconds = (uint32_t)(frame->ns / 1000000000),
		.microseconds = (uint32_t)(frame->ns % 1000000000 / 1000),
		.captured = frame->len,
		.len = frame->len,
	};

	return fwrite(&record, sizeof(record), 1, pcap->file) == 1 &&
	       fwrite(frame->data, 1, frame->len, pcap->file) == frame->len;
}
