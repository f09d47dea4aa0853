/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing captured Ethernet frames as pcapng (draft-ietf-opsawg-pcapng): one section with one
 * interface, in this machine's byte order. libpcap writes the older format only, which knows
 * neither directions nor losses.
 */
#ifndef STGT_TAP_PCAPNG_H
#define STGT_TAP_PCAPNG_H

#include <stdint.h>
#include <stdio.h>

/* 0 or negative errno, as for the functions below; `interface` is the name to show. */
int pcapng_begin(FILE *file, const char *interface, uint32_t snaplen);

struct pcapng_frame {
	uint64_t ns; /* since 1970, UTC */
	const void *data;
	uint32_t captured; /* bytes at `data` */
	uint32_t len;	   /* of the whole frame */
	uint32_t queue;
	int inbound;
};
int pcapng_frame(FILE *file, const struct pcapng_frame *frame);

/* At the end: from when to when, how many frames there were and how many of them are missing. */
struct pcapng_totals {
	uint64_t begin_ns, end_ns;
	uint64_t seen, lost;
};
int pcapng_end(FILE *file, const struct pcapng_totals *totals);

#endif
