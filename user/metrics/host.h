/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whom a request means: its Host field. */
#ifndef STGT_METRICS_HOST_H
#define STGT_METRICS_HOST_H

#include <stdbool.h>

/*
 * True when no web site can be called so: an address, a name without a dot, or one below
 * .localhost, each with or without a port. NULL (no field: no browser) is true. Any thread.
 */
bool host_is_local(const char *host);

#endif
