/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tcp/internal.h"

#include "base/clock.h"
#include "blk/copy.h"
#include <errno.h>
#include <stdio.h>
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

/* ---- all workers ---- */

struct each_call {
	void (*fn)(struct iscsi_worker *worker, void *arg);
	void *arg;
};

static void each_run(struct thread *thread, void *arg)
{
	const struct each_call *call = arg;

	call->fn(container_of(thread, struct tcp_worker, thread)->iscsi, call->arg);
}

bool tcp_server_each(struct tcp_server *server, void (*fn)(struct iscsi_worker *worker, void *arg),
		     void *arg)
{
	struct each_call call = {.fn = fn, .arg = arg};
	char name[sizeof("iSCSI worker 4294967295")];
	bool all = true;

	for (unsigned int i = 0; i < server->nworkers; i++) {
		snprintf(name, sizeof(name), "iSCSI worker %u", i);
		all &= thread_hear(&server->workers[i].thread, each_run, &call, name);
	}
	return all;
}

static void answer(struct iscsi_worker *worker, void *arg)
{
}

bool tcp_server_probe(struct tcp_server *server)
{
	return tcp_server_each(server, answer, NULL);
}

/* What one worker is told. */
struct order {
	struct message message;
	struct tcp_worker *worker;
	void (*fn)(struct iscsi_worker *worker, void *arg);
	void *arg;
};

static void order_run(struct message *message)
{
	struct order *order = container_of(message, struct order, message);

	order->fn(order->worker->iscsi, order->arg);
	free(order);
}

int tcp_server_tell(struct tcp_server *server, void (*fn)(struct iscsi_worker *worker, void *arg),
		    void *arg)
{
	struct list orders;
	unsigned int n = 0;

	list_init(&orders);
	for (struct order *order; n < server->nworkers; n++) {
		order = calloc(1, sizeof(*order));
		if (!order)
			break;
		*order = (struct order){.message.run = order_run,
					.worker = &server->workers[n],
					.fn = fn,
					.arg = arg};
		list_add_tail(&orders, &order->message.link);
	}
	while (!list_empty(&orders)) {
		struct order *order = container_of(list_pop(&orders), struct order, message.link);

		if (n == server->nworkers)
			mailbox_post(&order->worker->thread.mailbox, &order->message);
		else
			free(order);
	}
	return n == server->nworkers ? 0 : -ENOMEM;
}

/* ---- a target that goes ---- */

struct leave_worker {
	struct message message; /* to it */
	struct iscsi_leaving leaving;
	struct tcp_worker *worker;
	struct tcp_leave *leave;
};

struct tcp_leave {
	uint64_t grace_ns;
	atomic_uint left; /* workers */
	struct mailbox *control;
	struct message message; /* from the last of them */
	void (*gone)(void *ctx);
	void *ctx;
	struct leave_worker workers[];
};

static void leave_over(struct message *message)
{
	struct tcp_leave *leave = container_of(message, struct tcp_leave, message);

	leave->gone(leave->ctx);
	free(leave);
}

static void leave_gone(struct iscsi_leaving *leaving)
{
	struct tcp_leave *leave = container_of(leaving, struct leave_worker, leaving)->leave;

	if (atomic_fetch_sub(&leave->left, 1) == 1)
		mailbox_post(leave->control, &leave->message);
}

static void leave_begin(struct message *message)
{
	struct leave_worker *one = container_of(message, struct leave_worker, message);

	iscsi_worker_leave_target(one->worker->iscsi, &one->leaving, clock_now_ns(),
				  one->leave->grace_ns);
}

struct tcp_leave *tcp_leave_new(const struct tcp_server *server)
{
	struct tcp_leave *leave;

	return calloc(1, sizeof(*leave) + server->nworkers * sizeof(leave->workers[0]));
}

void tcp_server_leave_target(struct tcp_server *server, struct tcp_leave *leave,
			     const struct iscsi_target *target, uint64_t grace_ns,
			     struct mailbox *control, void (*gone)(void *ctx), void *ctx)
{
	leave->grace_ns = grace_ns;
	leave->control = control;
	leave->message.run = leave_over;
	leave->gone = gone;
	leave->ctx = ctx;
	atomic_init(&leave->left, server->nworkers);
	for (unsigned int i = 0; i < server->nworkers; i++) {
		struct leave_worker *one = &leave->workers[i];

		*one = (struct leave_worker){.message.run = leave_begin,
					     .leaving = {.target = target, .gone = leave_gone},
					     .worker = &server->workers[i],
					     .leave = leave};
		mailbox_post(&one->worker->thread.mailbox, &one->message);
	}
}
