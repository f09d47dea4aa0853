/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Classic pcap files of Ethernet frames (LINKTYPE_ETHERNET, microseconds), as tests exchange them
 * with tcpdump, tshark and scapy. Reads files of either byte order, writes this machine's.
 */
#ifndef STGT_TEST_PCAP_H
#define STGT_TEST_PCAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PCAP_FRAME_MAX 16384

struct pcap_frame {
	uint64_t ns; /* time stamp, whole microseconds */
	uint32_t len;
	uint8_t data[PCAP_FRAME_MAX];
};

struct pcap {
	FILE *file;
	bool swapped;
};

/* False when the file is missing or not such a pcap. pcap_close() closes either kind. */
bool pcap_open(struct pcap *pcap, const char *path);
bool pcap_create(struct pcap *pcap, const char *path);
void pcap_close(struct pcap *pcap);

/* 1: read a frame; 0: there is none left; -1: the file is damaged. */
int pcap_read(struct pcap *pcap, struct pcap_frame *frame);
bool pcap_write(struct pcap *pcap, const struct pcap_frame *frame);

#endif
