/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lu/op_stats.h"

#define MS 1000u /* in us */
#define S  1000000u

const uint32_t lu_latency_bounds_us[LU_LATENCY_BOUNDS] = {
	10,	 20,	  50,	    100,      200,	500,   1 * MS, 2 * MS, 5 * MS, 10 * MS,
	20 * MS, 50 * MS, 100 * MS, 200 * MS, 500 * MS, 1 * S, 2 * S,  5 * S,  10 * S,
};

const char *lu_op_name(enum lu_op op)
{
	static const char *const names[LU_OPS] = {
		[LU_OP_OTHER] = "other",
		[LU_OP_READ] = "read",
		[LU_OP_WRITE] = "write",
		[LU_OP_FLUSH] = "flush",
	};

	return names[op];
}

static unsigned int latency_bucket(uint64_t ns)
{
	unsigned int i = 0;

	while (i < LU_LATENCY_BOUNDS && ns > lu_latency_bounds_us[i] * 1000ull)
		i++;
	return i;
}

void lu_op_count(struct lu_op_stats *stats, uint64_t ns, uint64_t bytes, bool failed)
{
	stats->bytes += bytes;
	stats->errors += failed;
	stats->latency_ns += ns;
	stats->latency[latency_bucket(ns)]++;
}

void lu_op_add(struct lu_op_stats *to, const struct lu_op_stats *from)
{
	to->errors += from->errors;
	to->bytes += from->bytes;
	to->latency_ns += from->latency_ns;
	for (unsigned int i = 0; i <= LU_LATENCY_BOUNDS; i++)
		to->latency[i] += from->latency[i];
}
