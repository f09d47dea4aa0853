/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the load generator is told, and what it tells. */
#ifndef STGT_BENCH_LOAD_OPTIONS_H
#define STGT_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_SIZE_MAX	    8704u /* one frame of MTU 9000 */
#define LOAD_INITIATORS_MAX 64
#define LOAD_DEPTH_MAX	    1024

struct load_options {
	const char *iface;
	unsigned int shelf, slot;
	bool write;
	unsigned int size;	 /* bytes, a multiple of 512 */
	unsigned int depth;	 /* outstanding, per initiator */
	unsigned int initiators; /* with a MAC address each */
	uint64_t range;		 /* bytes from the disk's start; 0: all of it */
	double seconds;
	bool spin; /* never sleep */
	bool json;
};

struct load_report {
	double seconds;
	uint64_t ops;
	double mean_us, p50_us, p99_us;
	uint64_t errors, retransmits, late;
	double waited_percent; /* of the time, for a CPU: somebody else was using it */
	uint64_t unsent;       /* frames that the generator itself could not send */
};

/* 0, or -EINVAL after saying on stderr what is wrong. */
int load_options_parse(int argc, char **argv, struct load_options *options);

/* One line, or an object with --json, on stdout. */
void load_report_print(const struct load_options *options, const struct load_report *report);

#endif
