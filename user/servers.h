/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking every process that serves on this machine: each listens on its own control socket.
 */
#ifndef STGT_SERVERS_H
#define STGT_SERVERS_H

#include "base/error.h"
#include <jansson.h>
#include <stdbool.h>

/*
 * Sends `command` to the server on `socket`, or, when that is NULL, to all below CONTROL_DIR, and
 * joins their answers: arrays of the same name are concatenated, other members are the first
 * answer's. NULL with `err` set when nobody answers or one of them fails.
 */
json_t *servers_ask_all(const char *socket, const char *command, struct error *err);

/*
 * Sends the request to the server on `socket`, or, when that is NULL, to one after the other until
 * one does it: its answer. NULL with the last refusal in `err`; *nobody, if given, tells whether
 * there was none to ask. `request` stays the caller's; its version is filled in.
 */
json_t *servers_send(const char *socket, json_t *request, bool *nobody, struct error *err);
/*
 * The same with a descriptor for the server, which stays the caller's; the request lasts as long as
 * the connection, *conn, which is the caller's (see control_call_hold()).
 */
json_t *servers_hold(const char *socket, json_t *request, int fd, int *conn, struct error *err);
/* The same to all of them, whatever the others say: the first answer of those that did it. */
json_t *servers_send_all(const char *socket, json_t *request, struct error *err);

#endif
