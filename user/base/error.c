/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Whatever failed for it, this is what to do. */
static void error_advise(struct error *err, int code)
{
	size_t n = strlen(err->text);

	if (code == EMFILE)
		snprintf(err->text + n, sizeof(err->text) - n,
			 " (raise the limit of open files: `ulimit -n`, LimitNOFILE=)");
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		error_advise(err, code);
	}
	return -code;
}

int error_prefix(struct error *err, int code, const char *fmt, ...)
{
	char before[sizeof(err->text)];
	va_list ap;
	size_t n;

	if (!err)
		return -code;
	memcpy(before, err->text, sizeof(before));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", before);
	return -code;
}
