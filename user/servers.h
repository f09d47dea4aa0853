/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking every process that serves on this machine: each listens on its own control socket.
 */
#ifndef STGT_SERVERS_H
#define STGT_SERVERS_H

#include "base/error.h"
#include <jansson.h>

/*
 * Sends `command` to the server on `socket`, or, when that is NULL, to all below CONTROL_DIR, and
 * joins their answers: arrays of the same name are concatenated, other members are the first
 * answer's. NULL with `err` set when nobody answers or one of them fails.
 */
json_t *servers_ask_all(const char *socket, const char *command, struct error *err);

/*
 * Asks the servers one after the other to detach `interface`. 0: one did. -ENODEV: none of them
 * serves it (or there is none).
 */
int servers_detach(const char *socket, const char *interface, struct error *err);

#endif
