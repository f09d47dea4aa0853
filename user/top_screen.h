/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp top` on the terminal: shows tables, and takes keys, until it is told to end.
 */
#ifndef STGT_TOP_SCREEN_H
#define STGT_TOP_SCREEN_H

#include "base/error.h"
#include "top_model.h"

struct top_options {
	const char *socket; /* NULL: all servers */
	uint64_t interval_ns;
	enum top_view view;
	enum top_sort sort;
};

/*
 * Runs until q, SIGINT, SIGTERM, SIGQUIT or SIGHUP, or until the terminal is gone, and leaves the
 * terminal as it was. `first` is what is shown at the start; it is the callee's from then on. 0, or
 * negative errno with `err` set when there is no terminal to use. The calling thread must be the
 * only one; its signal mask and the process's handlers stay changed.
 */
int top_screen_run(const struct top_options *options, struct top_sample *first, struct error *err);

#endif
