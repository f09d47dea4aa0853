/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>

int option_error(int option, char *const argv[], struct error *err)
{
	if (option == ':')
		return error_set(err, EINVAL, "%s wants a value", argv[optind - 1]);
	/* A word of several letters is passed only after its last one. */
	if (optopt > 0 && optopt < OPTION_FIRST)
		return error_set(err, EINVAL, "unknown option: -%c", optopt);
	return error_set(err, EINVAL, "unknown option: %s", argv[optind - 1]);
}
