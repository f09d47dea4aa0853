/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tcp/internal.h"

#include "base/clock.h"
#include "blk/copy.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

int tcp_server_open(const struct tcp_server_config *config, struct tcp_server **out,
		    struct error *err)
{
	struct tcp_server *server = calloc(1, sizeof(*server));
	int ret = 0;

	if (!server)
		return error_set(err, ENOMEM, "out of memory");
	server->config = *config;
	list_init(&server->portals);
	server->workers = calloc(config->workers, sizeof(*server->workers));
	if (!server->workers)
		ret = error_set(err, ENOMEM, "out of memory");
	if (!ret)
		ret = copier_open(&server->copier, err);
	while (!ret && server->nworkers < config->workers) {
		ret = tcp_worker_open(server, &server->workers[server->nworkers], err);
		server->nworkers += !ret;
	}
	if (ret)
		tcp_server_close(server, NULL);
	else
		*out = server;
	return ret;
}

void tcp_server_close(struct tcp_server *server, struct mailbox *control)
{
	struct tcp_portal *portal, *tmp;

	list_for_each_entry_safe (portal, tmp, &server->portals, link)
		tcp_portal_close(portal);
	for (unsigned int i = 0; i < server->nworkers; i++)
		tcp_worker_empty(&server->workers[i]);
	while (server->nworkers)
		tcp_worker_close(&server->workers[--server->nworkers], control);
	copier_close(server->copier, control);
	free(server->workers);
	free(server);
}

struct each_call {
	void (*fn)(struct iscsi_worker *worker, void *arg);
	void *arg;
};

static void each_run(struct thread *thread, void *arg)
{
	const struct each_call *call = arg;

	call->fn(container_of(thread, struct tcp_worker, thread)->iscsi, call->arg);
}

void tcp_server_each(struct tcp_server *server, void (*fn)(struct iscsi_worker *worker, void *arg),
		     void *arg)
{
	struct each_call call = {.fn = fn, .arg = arg};

	for (unsigned int i = 0; i < server->nworkers; i++)
		thread_call(&server->workers[i].thread, each_run, &call);
}

/* ---- a target that goes ---- */

struct leave {
	const struct iscsi_target *target;
	uint64_t grace_ns;
	atomic_uint left; /* workers */
	struct mailbox *control;
	struct message message; /* from the last of them */
	bool done;		/* control thread */
};

static void leave_message(struct message *message)
{
	container_of(message, struct leave, message)->done = true;
}

static void leave_gone(void *ctx)
{
	struct leave *leave = ctx;

	if (atomic_fetch_sub(&leave->left, 1) == 1)
		mailbox_post(leave->control, &leave->message);
}

static void leave_begin(struct iscsi_worker *worker, void *arg)
{
	struct leave *leave = arg;

	if (iscsi_worker_leave_target(worker, leave->target, clock_now_ns(), leave->grace_ns,
				      leave_gone, leave))
		leave_gone(leave);
}

void tcp_server_leave_target(struct tcp_server *server, const struct iscsi_target *target,
			     uint64_t grace_ns, struct mailbox *control)
{
	struct leave leave = {.target = target,
			      .grace_ns = grace_ns,
			      .control = control,
			      .message.run = leave_message};
	struct pollfd fd = {.fd = control->eventfd, .events = POLLIN};

	atomic_init(&leave.left, server->nworkers);
	tcp_server_each(server, leave_begin, &leave);
	while (!leave.done) {
		poll(&fd, 1, -1);
		mailbox_drain(control);
	}
}
