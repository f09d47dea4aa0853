/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The series of one metric, collected in any order and printed sorted, those with equal labels
 * added up: Prometheus takes a series once, but an interface's queues each count on their own.
 */
#ifndef STGT_METRICS_SERIES_H
#define STGT_METRICS_SERIES_H

#include "metrics/text.h"

/* What one metric is; `type` is "counter" or "gauge". */
struct metric {
	const char *name;
	const char *type;
	const char *help;
};

struct series {
	char *labels; /* as text_label() makes them */
	uint64_t value;
};

struct series_list {
	struct series *all;
	size_t count, size;
	bool failed; /* memory ran out */
};

/* One series more; takes the labels' text over. */
void series_add(struct series_list *list, struct text *labels, uint64_t value);

/* Writes the HELP and TYPE lines. */
void metric_head(struct text *out, const struct metric *metric);

/* Writes the metric if it has series, and empties the list. */
void series_print(struct series_list *list, const struct metric *metric, struct text *out);

#endif
