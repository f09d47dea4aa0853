/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket: how `status`, `stats` and `detach` reach the process that serves.
 *
 * A Unix stream socket. A request is one line of JSON, {"version": 1, "command": NAME, ...}; the
 * answer is one line, {"ok": true, "result": ...} or {"ok": false, "error": TEXT}. A connection may
 * carry several requests, one after the other. Only root and the server's own user are heard.
 *
 * Everything here belongs to the control thread; nothing blocks the server for longer than it takes
 * to run a command.
 */
#ifndef STGT_CONTROL_H
#define STGT_CONTROL_H

#include "base/error.h"
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>

#define CONTROL_DIR	"/run/stgt-xdp"
#define CONTROL_DEFAULT CONTROL_DIR "/control.sock"
#define CONTROL_VERSION 1

/* At most so many connections at once; one more takes the place of the one silent longest. */
#define CONTROL_CLIENTS 32
/* A longer request line closes its connection. */
#define CONTROL_LINE_MAX 65536

/* One command: its result, which the caller owns, or NULL with `err` set. */
struct control_command {
	const char *name;
	json_t *(*run)(void *ctx, const json_t *request, struct error *err);
};

struct control_server;

/*
 * Listens on `path`, whose directory is made when it is the default one. A socket file that nobody
 * answers is replaced; -EADDRINUSE when a process does or is about to, -EEXIST when a file of
 * another kind is there. `commands` ends with a NULL name and, like `ctx`, outlives the server.
 */
int control_server_open(const char *path, const struct control_command *commands, void *ctx,
			struct control_server **server, struct error *err);
/* Removes the socket file too. */
void control_server_close(struct control_server *server);

/* What to wait for: fills at most 1 + CONTROL_CLIENTS entries, returns how many. */
unsigned int control_server_pollfds(const struct control_server *server, struct pollfd *fds);
/* Serves what poll() reported on those entries. */
void control_server_dispatch(struct control_server *server, const struct pollfd *fds,
			     unsigned int n);

/*
 * While a command runs: the descriptor that came with its request, the caller's from now on; -1
 * when there is none.
 */
int control_server_take_fd(struct control_server *server);
/*
 * While a command runs: ended(arg) is called once when the connection of its request ends, after
 * the answer or without one. -EBUSY: that was asked for on this connection before.
 */
int control_server_hold(struct control_server *server, void (*ended)(void *arg), void *arg);

/*
 * The other end: sends one request and waits for its answer, ten seconds at most. `request` stays
 * the caller's. The result (caller owns it) or NULL: `err` holds the server's words, or -ENOENT /
 * -ECONNREFUSED in *code when no server listens.
 */
json_t *control_call(const char *path, const json_t *request, int *code, struct error *err);
/*
 * The same with a descriptor, which stays the caller's. The connection stays open: *conn, the
 * caller's, for poll(): it becomes readable when the server ends.
 */
json_t *control_call_hold(const char *path, const json_t *request, int fd, int *conn, int *code,
			  struct error *err);

#endif
