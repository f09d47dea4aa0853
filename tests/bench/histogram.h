/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Latencies by their size: exact below 32 ns, then within 1/32 of the value. */
#ifndef STGT_BENCH_HISTOGRAM_H
#define STGT_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_SUB	   (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS  ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t count, sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	unsigned int shift = 0, index = (unsigned int)value;

	if (value >= HISTOGRAM_SUB) {
		shift = 63 - HISTOGRAM_SUB_BITS - (unsigned int)__builtin_clzll(value);
		index = (shift << HISTOGRAM_SUB_BITS) + (unsigned int)(value >> shift);
	}
	h->buckets[index]++;
	h->count++;
	h->sum += value;
}

/* The value that `percent` of the values do not exceed; 0 when there are none. */
static inline uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	uint64_t want = (uint64_t)((double)h->count * percent / 100), seen = 0;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > want)
			break;
	}
	if (i == HISTOGRAM_BUCKETS)
		return 0;
	if (i < 2 * HISTOGRAM_SUB)
		return i;
	return (uint64_t)(i % HISTOGRAM_SUB + HISTOGRAM_SUB) << (i / HISTOGRAM_SUB - 1);
}

#endif
