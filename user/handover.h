/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `attach` where a daemon runs: it is asked to serve what the command line says, and goes on doing
 * so when the command has returned.
 */
#ifndef STGT_HANDOVER_H
#define STGT_HANDOVER_H

#include "attach_args.h"
#include <sys/types.h>

/*
 * 1: a daemon of this network namespace serves it now, *pid tells which. 0: there is none. Negative
 * errno with `err` set: it refused, and nothing has changed.
 */
int handover(const struct attach_args *args, pid_t *pid, struct error *err);

#endif
