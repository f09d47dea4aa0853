/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the subcommands read their options. */
#ifndef STGT_OPTIONS_H
#define STGT_OPTIONS_H

#include "base/error.h"
#include <stdbool.h>

/* An option without its dashes, and what becomes of it: one of the three. */
struct option_to {
	const char *name;
	const char **text; /* the value, which stays argv's */
	bool *flag;	   /* true once it was given; it takes no value */
	int (*read)(void *to, const char *value, struct error *err); /* 0 or -EINVAL */
	void *to;						     /* for read() */
};

#define OPTIONS_MAX 16

/*
 * Reads the options of a subcommand whose name is argv[0]; `options`, at most OPTIONS_MAX, end with
 * one that has no name. The other words are moved behind them: argv[optind] is the first. 0; 1 when
 * --help was among them, and reading ended there; -EINVAL, with the wrong word named. From several
 * threads: not at once.
 */
int options_read(int argc, char **argv, const struct option_to *options, struct error *err);

/* As options_read(), where no other words are wanted. */
int options_read_all(int argc, char **argv, const struct option_to *options, struct error *err);

/* A read() for ADDR:PORT of the exporter: `to` is a const char *, which becomes the value. */
int option_exporter(void *to, const char *value, struct error *err);

/* For who calls getopt_long() himself: the long options' values begin here; no letter is one. */
#define OPTION_FIRST 256

/*
 * What getopt_long() means by returning `option`, '?' or ':' (its short options begin with a
 * colon): -EINVAL with the wrong word named.
 */
int option_error(int option, char *const argv[], struct error *err);

#endif
