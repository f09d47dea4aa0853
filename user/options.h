/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the subcommands' option parsers share. */
#ifndef STGT_OPTIONS_H
#define STGT_OPTIONS_H

#include "base/error.h"

/* The long options' values begin here; what is below is a letter, and no letter is an option. */
#define OPTION_FIRST 256

/*
 * What getopt_long() means by returning `option`, '?' or ':' (its short options begin with a
 * colon): -EINVAL with the wrong word named.
 */
int option_error(int option, char *const argv[], struct error *err);

#endif
