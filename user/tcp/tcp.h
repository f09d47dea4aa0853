/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * iSCSI over TCP: workers, each a thread with its own io_uring, memory and connections, and the
 * portals that they listen on. One server for a process, for all of its iSCSI targets.
 */
#ifndef STGT_TCP_H
#define STGT_TCP_H

#include "base/error.h"
#include "base/mailbox.h"
#include "iscsi/iscsi.h"

struct tcp_server;

struct tcp_server_config {
	struct iscsi_node *node; /* outlives the server */
	unsigned int workers;
	unsigned int memory_mib; /* a worker's, for data: what it holds of all commands at a time */
};

/* Starts the workers. 0 or negative errno with nothing left. Control thread, as all of these. */
int tcp_server_open(const struct tcp_server_config *config, struct tcp_server **server,
		    struct error *err);
/* Closes all connections and waits for commands to end, draining `control` meanwhile. */
void tcp_server_close(struct tcp_server *server, struct mailbox *control);

/*
 * Listens on "ADDR:PORT" or "[ADDR]:PORT" (numbers, no names); connections there are of the portal
 * group. A portal that several targets have is listened on once: each call counts. `may_come` is
 * LISTENER_MAY_COME.
 */
int tcp_server_listen(struct tcp_server *server, const char *portal, uint16_t group, bool may_come,
		      struct error *err);
void tcp_server_unlisten(struct tcp_server *server, const char *portal);

/*
 * Runs `fn` on each worker's thread, one after the other. False: some do not answer
 * (thread_hear()), and there it did not run.
 */
bool tcp_server_each(struct tcp_server *server, void (*fn)(struct iscsi_worker *worker, void *arg),
		     void *arg);
/* Has every worker run `fn` as soon as it can, and waits for none. 0 or -ENOMEM. */
int tcp_server_tell(struct tcp_server *server, void (*fn)(struct iscsi_worker *worker, void *arg),
		    void *arg);
/* Whether every worker answers. */
bool tcp_server_probe(struct tcp_server *server);

/* What it takes to have a target leave, made before, so that it cannot fail. NULL: no memory. */
struct tcp_leave;
struct tcp_leave *tcp_leave_new(const struct tcp_server *server);
/*
 * Has the target's initiators leave all workers (iscsi_worker_leave_target()) and waits for none:
 * when no session of it is left, `gone(ctx)` is called by a message to `control`. Frees `leave`.
 */
void tcp_server_leave_target(struct tcp_server *server, struct tcp_leave *leave,
			     const struct iscsi_target *target, uint64_t grace_ns,
			     struct mailbox *control, void (*gone)(void *ctx), void *ctx);

#endif
