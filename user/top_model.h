/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `stgt-xdp top` shows: the difference of two samples of the servers' documents, summed up for
 * interfaces, exports, initiators or the pairs of the last two. No I/O, no clock; one thread at a
 * time. Members that a document lacks, or has in another shape, count as nothing.
 */
#ifndef STGT_TOP_MODEL_H
#define STGT_TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum top_view {
	TOP_EXPORTS,
	TOP_INITIATORS,
	TOP_PAIRS, /* each initiator at each export */
	TOP_INTERFACES,
	TOP_VIEWS,
};

/* Largest first, but names in their natural order, which also decides between equals. */
enum top_sort {
	TOP_BY_IOPS,
	TOP_BY_BYTES,
	TOP_BY_LATENCY, /* the 99th percentile */
	TOP_BY_NAME,
	TOP_SORTS,
};

enum top_counter {
	TOP_OPS, /* reads, writes, flushes and all others */
	TOP_READS,
	TOP_WRITES,
	TOP_READ_BYTES,
	TOP_WRITE_BYTES,
	TOP_ERRORS,
	TOP_RETRANSMITS, /* not known of initiators */
	TOP_DENIED,	 /* frames of senders who may not; known of interfaces only */
	TOP_COUNTERS,
};

/*
 * "" where the view sums up over them. An export is [VLAN:]SHELF.SLOT, or IQN/LUN, which has the
 * interface "iscsi".
 */
struct top_name {
	const char *export;
	const char *initiator;
	const char *interface;
};

/*
 * Percentiles are over all operations, interpolated within a histogram's bucket as Prometheus does;
 * negative when there was no operation, INFINITY when beyond the histogram's last bound.
 */
struct top_row {
	struct top_name name;
	const char *note;	   /* the export's disk, the interface's XDP mode, or "" */
	bool measured;		   /* else the rates are not known yet, and 0 here */
	double rate[TOP_COUNTERS]; /* per second */
	double p50_us, p99_us;
};

struct top_table {
	struct top_row *rows;
	size_t nrows;
	struct top_row total;
	uint64_t inflight; /* requests, now */
	double beyond_us;  /* the histogram's last bound */
	size_t interfaces, exports, initiators;
};

struct top_sample;

/*
 * What `stats` and `status` said at `now_ns`. Takes references to the documents, which must not
 * change any more. NULL when out of memory.
 */
struct top_sample *top_sample_new(json_t *stats, json_t *status, uint64_t now_ns);
void top_sample_free(struct top_sample *sample);

/*
 * Fills the table with what happened between the samples; without `before` nothing is measured.
 * What an initiator asked of an export counts as nothing when one of its counters went backwards,
 * as after a restart. What is new since `before` on an interface known then has counted from 0. The
 * strings are those of `now` and live as long. 0
 * or -ENOMEM; the table is the caller's, to be freed with top_table_free().
 */
int top_table_make(struct top_table *table, const struct top_sample *before,
		   const struct top_sample *now, enum top_view view, enum top_sort sort);
void top_table_free(struct top_table *table);

#endif
