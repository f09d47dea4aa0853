/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `capture` and `trace on` share: watching a server until there is enough. */
#ifndef STGT_WATCHING_H
#define STGT_WATCHING_H

#include "tap/tap.h"
#include <jansson.h>
#include <stdbool.h>

struct watching_args {
	const char *socket;
	size_t memory;	  /* bytes that the server may run ahead by */
	uint64_t count;	  /* records to see; 0: no limit */
	uint64_t seconds; /* 0: no limit */
};

enum watching_end {
	WATCHING_ENOUGH, /* as many or as long as asked for */
	WATCHING_SIGNAL, /* SIGINT, SIGTERM */
	WATCHING_OVER,	 /* the server says that there is no more */
	WATCHING_ALONE,	 /* the server died */
};

struct watcher {
	/* The server has agreed; signals are blocked. 0 or negative errno. */
	int (*begin)(void *ctx, struct error *err);
	/* One record; `ns` is since 1970, UTC. 0 or negative errno, which ends it. */
	int (*seen)(void *ctx, const struct tap_record *record, uint64_t ns);
	/* Nothing more for a moment: whoever reads what was written can have it. */
	int (*pause)(void *ctx);
	void *ctx;
};

struct watching_result {
	enum watching_end end;
	uint64_t seen, lost;
};

/* The time as `seen` gets it. */
uint64_t watching_now_ns(void);

/*
 * Sends the request (which stays the caller's) with the memory for a tap, and hands over what
 * comes. 0, or negative errno with `err` set: the server refused, or a function failed; *result
 * tells how far it came.
 */
int watching_run(const struct watching_args *args, json_t *request, const struct watcher *watcher,
		 struct watching_result *result, struct error *err);

/* An option's number into the uint64_t at `to`: decimal, 1 to UINT32_MAX. 0 or -EINVAL. */
int watching_number(void *to, const char *text, struct error *err);

#endif
