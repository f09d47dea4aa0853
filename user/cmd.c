/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int cmd_failed(const char *command, const struct error *err)
{
	fprintf(stderr, "stgt-xdp %s: %s\n", command, err->text);
	return EXIT_FAILED;
}

int cmd_usage(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "stgt-xdp %s: ", command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see 'stgt-xdp %s --help')\n", command);
	return EXIT_USAGE;
}

int cmd_not_read(const char *command, int ret, const char *help, const struct error *err)
{
	if (ret < 0)
		return cmd_usage(command, "%s", err->text);
	fputs(help, stdout);
	return EXIT_DONE;
}

int cmd_finish_output(const char *command)
{
	struct error err;

	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_DONE;
	error_set(&err, EIO, "cannot write the output: is the disk full?");
	return cmd_failed(command, &err);
}
