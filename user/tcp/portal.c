/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Portals: sockets that listen, each accepted from by one worker, which spreads what comes. */
#include "tcp/internal.h"

#include "base/listener.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG	      1024
#define PAUSE_SECONDS 1 /* after an accept failed for want of descriptors or memory */

/* ---- accepting: the worker's thread ---- */

struct newcomer {
	struct message message;
	struct tcp_worker *worker;
	int fd;
	struct sockaddr_storage peer;
	uint16_t group;
};

static void newcomer_arrive(struct message *message)
{
	struct newcomer *newcomer = container_of(message, struct newcomer, message);

	tcp_conn_open(newcomer->worker, newcomer->fd, &newcomer->peer, newcomer->group);
	free(newcomer);
}

static void portal_spread(struct tcp_portal *portal, int fd)
{
	struct tcp_server *server = portal->server;
	struct tcp_worker *worker =
		&server->workers[atomic_fetch_add(&server->next, 1) % server->nworkers];
	struct newcomer *newcomer;

	if (worker == portal->worker) {
		tcp_conn_open(worker, fd, &portal->peer, portal->group);
		return;
	}
	newcomer = malloc(sizeof(*newcomer));
	if (!newcomer) {
		close(fd);
		return;
	}
	*newcomer = (struct newcomer){.message.run = newcomer_arrive,
				      .worker = worker,
				      .fd = fd,
				      .peer = portal->peer,
				      .group = portal->group};
	mailbox_post(&worker->thread.mailbox, &newcomer->message);
}

/* No request to the kernel is under way any more. */
static void portal_closed(struct tcp_portal *portal)
{
	portal->worker->portals--;
	close(portal->fd);
	free(portal);
}

static void portal_accept(struct tcp_portal *portal);

static void pause_done(struct ring_event *ev, int res, unsigned int flags)
{
	portal_accept(container_of(ev, struct tcp_portal, accept_event));
}

static void accept_done(struct ring_event *ev, int res, unsigned int flags)
{
	struct tcp_portal *portal = container_of(ev, struct tcp_portal, accept_event);

	portal->accepting = false;
	if (res >= 0 && portal->closing)
		close(res);
	else if (res >= 0)
		portal_spread(portal, res);
	/* It is shut down, and the message about that on its way. */
	if (res == -EINVAL && !portal->closing)
		return;
	if (res == -EMFILE || res == -ENFILE || res == -ENOMEM || res == -ENOBUFS) {
		log_warning("cannot accept a connection: %s", strerror(-res));
		portal->accepting = true;
		ev->done = pause_done;
		io_uring_prep_timeout(ring_sqe(&portal->worker->ring, ev), &portal->pause, 0, 0);
		return;
	}
	portal_accept(portal);
}

static void portal_accept(struct tcp_portal *portal)
{
	portal->accepting = !portal->closing;
	if (portal->closing) {
		if (!portal->cancelling)
			portal_closed(portal);
		return;
	}
	portal->peer_len = sizeof(portal->peer);
	portal->accept_event.done = accept_done;
	io_uring_prep_accept(ring_sqe(&portal->worker->ring, &portal->accept_event), portal->fd,
			     (struct sockaddr *)&portal->peer, &portal->peer_len, SOCK_CLOEXEC);
}

static void cancel_done(struct ring_event *ev, int res, unsigned int flags)
{
	struct tcp_portal *portal = container_of(ev, struct tcp_portal, cancel_event);

	portal->cancelling = false;
	if (!portal->accepting)
		portal_closed(portal);
}

static void portal_begin(struct message *message)
{
	struct tcp_portal *portal = container_of(message, struct tcp_portal, begin_message);

	portal->worker->portals++;
	portal_accept(portal);
}

static void portal_end(struct message *message)
{
	struct tcp_portal *portal = container_of(message, struct tcp_portal, end_message);

	portal->closing = true;
	if (!portal->accepting) {
		portal_closed(portal);
		return;
	}
	portal->cancelling = true;
	io_uring_prep_cancel(ring_sqe(&portal->worker->ring, &portal->cancel_event),
			     &portal->accept_event, 0);
}

/* ---- listening: the control thread ---- */

static struct tcp_portal *portal_find(struct tcp_server *server,
				      const struct sockaddr_storage *address, socklen_t len)
{
	struct tcp_portal *portal;

	list_for_each_entry (portal, &server->portals, link)
		if (portal->address_len == len && !memcmp(&portal->address, address, len))
			return portal;
	return NULL;
}

int tcp_server_listen(struct tcp_server *server, const char *text, uint16_t group, bool may_come,
		      struct error *err)
{
	struct sockaddr_storage address = {};
	struct tcp_portal *portal;
	socklen_t len = 0;

	if (!listener_address_parse(text, &address, &len))
		return error_set(err, EINVAL, "\"%s\" is no portal: ADDR:PORT or [ADDR]:PORT",
				 text);
	portal = portal_find(server, &address, len);
	if (portal && portal->group != group)
		return error_set(err, EINVAL, "%s is in portal group %u already", text,
				 portal->group);
	if (portal) {
		portal->users++;
		return 0;
	}
	portal = calloc(1, sizeof(*portal));
	if (!portal)
		return error_set(err, ENOMEM, "out of memory");
	*portal = (struct tcp_portal){.address = address,
				      .address_len = len,
				      .group = group,
				      .users = 1,
				      .server = server,
				      .worker = &server->workers[0],
				      .cancel_event.done = cancel_done,
				      .begin_message.run = portal_begin,
				      .end_message.run = portal_end,
				      .pause.tv_sec = PAUSE_SECONDS};
	portal->fd = listener_open((struct sockaddr *)&address, len,
				   LISTENER_V6ONLY | (may_come ? LISTENER_MAY_COME : 0), BACKLOG,
				   text, err);
	if (portal->fd < 0) {
		int ret = portal->fd;

		free(portal);
		return ret;
	}
	list_add_tail(&server->portals, &portal->link);
	mailbox_post(&portal->worker->thread.mailbox, &portal->begin_message);
	return 0;
}

void tcp_portal_close(struct tcp_portal *portal)
{
	list_del(&portal->link);
	/* The address is free from here on, whatever the worker is busy with. */
	shutdown(portal->fd, SHUT_RDWR);
	mailbox_post(&portal->worker->thread.mailbox, &portal->end_message);
}

void tcp_server_unlisten(struct tcp_server *server, const char *text)
{
	struct sockaddr_storage address = {};
	struct tcp_portal *portal = NULL;
	socklen_t len = 0;

	if (listener_address_parse(text, &address, &len))
		portal = portal_find(server, &address, len);
	if (portal && !--portal->users)
		tcp_portal_close(portal);
}
