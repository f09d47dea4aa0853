/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/exporter.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/list.h"
#include "metrics/host.h"
#include "metrics/page.h"
#include "metrics/render.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NS_PER_MS 1000000u

/* So many connections may be accepted before those that made room for them are found closed. */
#define CLIENTS_CLOSING 32u

struct exporter {
	struct MHD_Daemon *daemon;
	const struct exporter_ops *ops;
	void *ctx;
	int listener;	     /* the daemon's */
	int reserve;	     /* a descriptor for when there are no more */
	bool loopback;	     /* where it listens */
	struct list clients; /* the oldest first */
	unsigned int nclients;
	bool closed; /* a connection, in the last dispatch */
};

/* A connection, which libmicrohttpd would keep for as long as a byte comes now and then. */
struct client {
	struct list link;
	int fd;
	bool asked; /* its request has come */
	uint64_t deadline_ns;
};

/* ---- answers ---- */

struct answer {
	const char *type;
	char *body; /* NULL: no memory */
	size_t len;
	bool constant; /* not to be freed */
};

static struct answer answer_json(json_t *document)
{
	char *body = document ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	return (struct answer){"application/json", body, body ? strlen(body) : 0, false};
}

static struct answer answer_metrics(struct exporter *exporter)
{
	json_t *status = exporter->ops->brief_status(exporter->ctx);
	json_t *stats = exporter->ops->brief_stats(exporter->ctx);
	struct answer answer = {.type = "text/plain; version=0.0.4; charset=utf-8"};

	if (status && stats)
		answer.body = metrics_render(status, stats, &answer.len);
	json_decref(status);
	json_decref(stats);
	return answer;
}

static struct answer answer_status(struct exporter *exporter)
{
	return answer_json(exporter->ops->status(exporter->ctx));
}

static struct answer answer_stats(struct exporter *exporter)
{
	return answer_json(exporter->ops->stats(exporter->ctx));
}

static struct answer answer_health(struct exporter *exporter)
{
	return (struct answer){"text/plain; charset=utf-8", "ok\n", 3, true};
}

static struct answer answer_page(struct exporter *exporter)
{
	return (struct answer){"text/html; charset=utf-8", (char *)metrics_page,
			       (size_t)(metrics_page_end - metrics_page), true};
}

static const struct path {
	const char *name;
	struct answer (*answer)(struct exporter *exporter);
} paths[] = {
	{"/metrics", answer_metrics},	 {"/healthz", answer_health},	{"/", answer_page},
	{"/status.json", answer_status}, {"/stats.json", answer_stats},
};

static const struct path *path_find(const char *name)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(paths[i].name, name) == 0)
			return &paths[i];
	return NULL;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned int code,
			     const struct answer *answer)
{
	/* The page's own script and style, its documents, and nothing from anywhere else. */
	static const char policy[] =
		"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
		"connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->len, answer->body,
		answer->constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
	enum MHD_Result ret;

	if (!response) {
		if (!answer->constant)
			free(answer->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", answer->type);
	MHD_add_response_header(response, "Content-Security-Policy", policy);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "Connection", "close");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	ret = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return ret;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int code, char *text)
{
	const struct answer answer = {"text/plain; charset=utf-8", text, strlen(text), true};

	return reply(connection, code, &answer);
}

/* A request's headers are there; what follows them is not read. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload_data,
			      size_t *upload_data_size, void **con_cls)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *client = info ? info->socket_context : NULL;
	const struct path *path = path_find(url);
	struct exporter *exporter = cls;
	struct answer answer;

	if (client) {
		client->asked = true;
		client->deadline_ns = clock_now_ns() + (uint64_t)EXPORTER_ANSWER_MS * NS_PER_MS;
	}
	if (exporter->loopback && !host_is_local(MHD_lookup_connection_value(
					  connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
		return refuse(connection, MHD_HTTP_MISDIRECTED_REQUEST,
			      "at a loopback address only for localhost or an address\n");
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (!path)
		return refuse(connection, MHD_HTTP_NOT_FOUND,
			      "not here: try /, /metrics, /healthz, /status.json, /stats.json\n");
	answer = path->answer(exporter);
	if (!answer.body)
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	return reply(connection, MHD_HTTP_OK, &answer);
}

/* ---- connections ---- */

/* The connection to close for a new one. */
static struct client *oldest(struct exporter *exporter)
{
	struct client *client, *found = NULL;

	list_for_each_entry (client, &exporter->clients, link) {
		if (!client->asked)
			return client;
		if (!found)
			found = client;
	}
	return found;
}

static void forget(struct exporter *exporter, struct client *client)
{
	list_del(&client->link);
	exporter->nclients--;
}

static void make_room(struct exporter *exporter)
{
	struct client *client = exporter->nclients < EXPORTER_CLIENTS ? NULL : oldest(exporter);

	if (!client)
		return;
	/* libmicrohttpd finds it at its end. */
	shutdown(client->fd, SHUT_RDWR);
	forget(exporter, client);
}

static void notify(void *cls, struct MHD_Connection *connection, void **context,
		   enum MHD_ConnectionNotificationCode code)
{
	struct exporter *exporter = cls;
	struct client *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client && list_linked(&client->link))
			forget(exporter, client);
		free(client);
		exporter->closed = true;
		return;
	}
	client = calloc(1, sizeof(*client));
	*context = client;
	if (!client)
		return;
	make_room(exporter);
	client->fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	client->deadline_ns = clock_now_ns() + (uint64_t)EXPORTER_REQUEST_MS * NS_PER_MS;
	list_add_tail(&exporter->clients, &client->link);
	exporter->nclients++;
}

/* libmicrohttpd finds the connection at its end and closes it. */
static void close_late(struct exporter *exporter)
{
	uint64_t now = clock_now_ns();
	struct client *client;

	list_for_each_entry (client, &exporter->clients, link)
		if (now >= client->deadline_ns)
			shutdown(client->fd, SHUT_RDWR);
}

int exporter_timeout_ms(const struct exporter *exporter)
{
	uint64_t wait_ms = INT32_MAX, now = clock_now_ns();
	const struct client *client;
	MHD_UNSIGNED_LONG_LONG limit;

	/* With all connections in use libmicrohttpd stops to listen, until it runs once more. */
	if (exporter->closed)
		return 0;
	if (MHD_get_timeout(exporter->daemon, &limit) == MHD_YES && limit < wait_ms)
		wait_ms = limit;
	list_for_each_entry (client, &exporter->clients, link) {
		uint64_t left = client->deadline_ns > now ? client->deadline_ns - now : 0;

		/* Rounded up: not to wake before its time. */
		left = (left + NS_PER_MS - 1) / NS_PER_MS;
		if (left < wait_ms)
			wait_ms = left;
	}
	return wait_ms == INT32_MAX ? -1 : (int)wait_ms;
}

int exporter_fd(const struct exporter *exporter)
{
	return MHD_get_daemon_info(exporter->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/*
 * Who found no descriptor waits in the queue where libmicrohttpd leaves him, and would wake us for
 * ever: hang up on him.
 */
static void turn_away(struct exporter *exporter)
{
	int spare = fcntl(exporter->listener, F_DUPFD_CLOEXEC, 0);

	if (spare < 0) {
		cleanup_close(&exporter->reserve);
		exporter->reserve = accept4(exporter->listener, NULL, NULL, SOCK_CLOEXEC);
		cleanup_close(&exporter->reserve);
		spare = fcntl(exporter->listener, F_DUPFD_CLOEXEC, 0);
		exporter->reserve = cleanup_steal_fd(&spare);
	}
	cleanup_close(&spare);
}

void exporter_dispatch(struct exporter *exporter)
{
	close_late(exporter);
	exporter->closed = false;
	MHD_run(exporter->daemon);
	turn_away(exporter);
}

/* ---- listening ---- */

static bool is_loopback(int fd)
{
	struct sockaddr_storage address = {};
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len))
		return false;
	if (address.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	return ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

int exporter_open(int fd, const struct exporter_ops *ops, void *ctx, struct exporter **out,
		  struct error *err)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));

	if (!exporter || fcntl(fd, F_SETFL, O_NONBLOCK)) {
		close(fd);
		free(exporter);
		return error_set(err, ENOMEM, "out of memory");
	}
	exporter->ops = ops;
	exporter->ctx = ctx;
	exporter->listener = fd;
	exporter->reserve = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	exporter->loopback = is_loopback(fd);
	list_init(&exporter->clients);
	exporter->daemon =
		MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, exporter,
				 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				 EXPORTER_CLIENTS + CLIENTS_CLOSING,
				 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)EXPORTER_REQUEST_MAX,
				 MHD_OPTION_NOTIFY_CONNECTION, notify, exporter, MHD_OPTION_END);
	if (!exporter->daemon) {
		close(fd);
		cleanup_close(&exporter->reserve);
		free(exporter);
		return error_set(err, ENOMEM, "cannot start the HTTP server");
	}
	*out = exporter;
	return 0;
}

void exporter_close(struct exporter *exporter)
{
	if (!exporter)
		return;
	MHD_stop_daemon(exporter->daemon);
	cleanup_close(&exporter->reserve);
	free(exporter);
}
