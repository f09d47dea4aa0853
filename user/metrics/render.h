/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The documents of status and stats (stgt-xdp(8)) as Prometheus reads them. */
#ifndef STGT_METRICS_RENDER_H
#define STGT_METRICS_RENDER_H

#include <jansson.h>
#include <stddef.h>

/*
 * What both documents say, in Prometheus' text format; members that are missing or of another type
 * give no lines. NUL terminated, `len` bytes without that; the caller frees it. NULL: no memory.
 * The queues of an interface are added up, except where a metric has the label "queue". Any thread.
 */
char *metrics_render(const json_t *status, const json_t *stats, size_t *len);

#endif
