/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "servers.h"

#include "base/cleanup.h"
#include "control/control.h"
#include <errno.h>
#include <glob.h>
#include <string.h>

#define NOTHING_SERVED                                                                \
	"nothing is being served; start with 'stgt-xdp attach', 'stgt-xdp serve' or " \
	"'stgt-xdp daemon'"

struct sockets {
	glob_t found;
	const char *only; /* in place of a search */
};

static void sockets_find(struct sockets *sockets, const char *only)
{
	memset(sockets, 0, sizeof(*sockets));
	sockets->only = only;
	if (!only && glob(CONTROL_DIR "/*.sock", 0, NULL, &sockets->found))
		sockets->found.gl_pathc = 0;
}

static size_t sockets_count(const struct sockets *sockets)
{
	return sockets->only ? 1 : sockets->found.gl_pathc;
}

static const char *sockets_path(const struct sockets *sockets, size_t i)
{
	return sockets->only ? sockets->only : sockets->found.gl_pathv[i];
}

static void sockets_free(struct sockets *sockets)
{
	if (!sockets->only)
		globfree(&sockets->found);
}

/* A socket file left behind by a process that was killed is no server. */
static bool is_nobody(int code)
{
	return code == -ENOENT || code == -ECONNREFUSED;
}

/* Lists become one, counters are added up, and of the rest the first holds. */
static void join_answers(json_t *all, const json_t *answer)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)answer, key, value) {
		json_t *have = json_object_get(all, key);

		/* The same everywhere. */
		if (strcmp(key, "latency_bounds_us") == 0)
			json_object_set(all, key, value);
		else if (!have)
			json_object_set(all, key, value);
		else if (json_is_array(have) && json_is_array(value))
			json_array_extend(have, value);
		else if (json_is_object(have) && json_is_object(value))
			join_answers(have, value);
		else if (json_is_integer(have) && json_is_integer(value))
			json_integer_set(have,
					 json_integer_value(have) + json_integer_value(value));
	}
}

json_t *servers_ask_all(const char *socket, const char *command, struct error *err)
{
	json_t *request = json_pack("{s:i, s:s}", "version", CONTROL_VERSION, "command", command);
	json_t *all = json_object();
	struct sockets sockets;
	bool failed = false;
	size_t answers = 0;

	sockets_find(&sockets, socket);
	for (size_t i = 0; i < sockets_count(&sockets) && !failed; i++) {
		int code;
		json_t *answer = control_call(sockets_path(&sockets, i), request, &code, err);

		if (answer) {
			join_answers(all, answer);
			json_decref(answer);
			answers++;
		} else {
			failed = socket || !is_nobody(code);
		}
	}
	sockets_free(&sockets);
	json_decref(request);
	if (!failed && answers)
		return all;
	if (!failed)
		error_set(err, ENOENT, NOTHING_SERVED);
	json_decref(all);
	return NULL;
}

struct offer {
	bool all;     /* to every server, not only until one does it */
	bool *nobody; /* if given: there was no server */
	int *conn;    /* if given: hold the connection, and pass `fd` along */
	int fd;
};

static json_t *offer_to(const char *path, const struct offer *offer, const json_t *request,
			int *code, struct error *err)
{
	if (offer->conn)
		return control_call_hold(path, request, offer->fd, offer->conn, code, err);
	return control_call(path, request, code, err);
}

/* To one server after the other: the first answer. */
static json_t *servers_offer(const char *socket, const struct offer *offer, json_t *request,
			     struct error *err)
{
	struct sockets sockets;
	json_t *first = NULL;
	bool none = true;

	json_object_set_new(request, "version", json_integer(CONTROL_VERSION));
	error_set(err, ENOENT, NOTHING_SERVED);
	sockets_find(&sockets, socket);
	for (size_t i = 0; i < sockets_count(&sockets) && (offer->all || !first); i++) {
		struct error mine;
		json_t *answer;
		int code;

		answer = offer_to(sockets_path(&sockets, i), offer, request, &code, &mine);
		if (answer && !first)
			first = json_incref(answer);
		json_decref(answer);
		if (answer || (!socket && is_nobody(code)))
			continue;
		none = false;
		*err = mine;
	}
	sockets_free(&sockets);
	if (offer->nobody)
		*offer->nobody = none && !first;
	return first;
}

json_t *servers_send(const char *socket, json_t *request, bool *nobody, struct error *err)
{
	const struct offer offer = {.nobody = nobody};

	return servers_offer(socket, &offer, request, err);
}

json_t *servers_send_all(const char *socket, json_t *request, struct error *err)
{
	const struct offer offer = {.all = true};

	return servers_offer(socket, &offer, request, err);
}

json_t *servers_hold(const char *socket, json_t *request, int fd, int *conn, struct error *err)
{
	const struct offer offer = {.conn = conn, .fd = fd};

	return servers_offer(socket, &offer, request, err);
}
