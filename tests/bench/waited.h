/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef STGT_BENCH_WAITED_H
#define STGT_BENCH_WAITED_H

#include <stdint.h>
#include <stdio.h>

/* How long this process could have run and had no CPU, since it started (proc(5), schedstat). */
static inline uint64_t waited_ns(void)
{
	unsigned long long waited = 0;
	FILE *file = fopen("/proc/self/schedstat", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%*u %llu", &waited) != 1)
		waited = 0;
	fclose(file);
	return waited;
}

#endif
