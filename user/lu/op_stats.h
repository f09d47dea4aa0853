/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many operations there were and how long they took: what each transport counts. */
#ifndef STGT_LU_OP_STATS_H
#define STGT_LU_OP_STATS_H

#include <stdbool.h>
#include <stdint.h>

enum lu_op {
	LU_OP_OTHER,
	LU_OP_READ,
	LU_OP_WRITE,
	LU_OP_FLUSH,
	LU_OPS,
};

/* "read", "write", "flush", "other" */
const char *lu_op_name(enum lu_op op);

/*
 * Latencies are counted in buckets with round bounds: the i-th counts what took up to the i-th
 * bound and longer than the one before, the last what took longer than every bound.
 */
#define LU_LATENCY_BOUNDS 19
extern const uint32_t lu_latency_bounds_us[LU_LATENCY_BOUNDS];

/* Answered requests of one operation. */
struct lu_op_stats {
	uint64_t errors;     /* of them, answered with an error */
	uint64_t bytes;	     /* read, or written */
	uint64_t latency_ns; /* their sum, from the request's arrival to the reply's */
	uint64_t latency[LU_LATENCY_BOUNDS + 1];
};

/* One more, which took so long. */
void lu_op_count(struct lu_op_stats *stats, uint64_t ns, uint64_t bytes, bool failed);
void lu_op_add(struct lu_op_stats *to, const struct lu_op_stats *from);

#endif
