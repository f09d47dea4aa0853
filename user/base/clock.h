/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The time that only goes forward (CLOCK_MONOTONIC), in ns; the one that the XDP program's
 * last_seen_ns counts in, too. Any thread. Transports do not read it: time is a parameter there.
 */
#ifndef STGT_BASE_CLOCK_H
#define STGT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S 1000000000u

static inline uint64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

#endif
