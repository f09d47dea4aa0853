/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The HTTP end: /metrics for Prometheus, /healthz, and a status page (/) with the documents it
 * shows (/status.json, /stats.json). Answers GET and HEAD only, one request a connection, and never
 * waits: a client that is slow is closed after some seconds.
 *
 * At a loopback address it answers for addresses and local names only: a web site whose name begins
 * to mean 127.0.0.1 would else read the documents with an administrator's browser.
 *
 * Has no thread of its own. The control thread puts exporter_fd() among what it polls, polls no
 * longer than exporter_timeout_ms(), and then calls exporter_dispatch().
 */
#ifndef STGT_METRICS_EXPORTER_H
#define STGT_METRICS_EXPORTER_H

#include "base/error.h"
#include <jansson.h>

/*
 * Connections at once. One more takes the place of the oldest, if possible of one that has not sent
 * its request yet: those who came and said nothing must not keep a scrape waiting.
 */
#define EXPORTER_CLIENTS 16
/* Bytes of a request's line and headers; more are answered with an error. */
#define EXPORTER_REQUEST_MAX 8192
/* How long a client may take to send its request, and to read the answer. */
#define EXPORTER_REQUEST_MS 5000
#define EXPORTER_ANSWER_MS  30000

/*
 * Where the documents come from (stgt-xdp(8)); the caller owns what they return. NULL: no memory.
 * The brief ones may lack what no metric is made of.
 */
struct exporter_ops {
	json_t *(*status)(void *ctx);
	json_t *(*stats)(void *ctx);
	json_t *(*brief_status)(void *ctx);
	json_t *(*brief_stats)(void *ctx);
};

struct exporter;

/*
 * Serves those who connect to `fd`, a socket that listens and is the exporter's from here on, also
 * on failure; `ops` and `ctx` outlive the exporter. 0 or negative errno.
 */
int exporter_open(int fd, const struct exporter_ops *ops, void *ctx, struct exporter **exporter,
		  struct error *err);
/* Closes every connection. NULL is nothing to close. */
void exporter_close(struct exporter *exporter);

/* To be polled for POLLIN. */
int exporter_fd(const struct exporter *exporter);
/* At most so long; -1: for ever. */
int exporter_timeout_ms(const struct exporter *exporter);
/* Serves what is there to be served; cheap when that is nothing. */
void exporter_dispatch(struct exporter *exporter);

#endif
