/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "control/control.h"

#include "base/cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONTROL_PATIENCE_S 10

static int control_connect(const char *path, struct error *err)
{
	const struct timeval patience = {.tv_sec = CONTROL_PATIENCE_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(addr.sun_path))
		return error_set(err, ENAMETOOLONG, "socket path too long: %s", path);
	strcpy(addr.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return error_set(err, errno, "cannot reach a server on %s: %s%s", path,
				 strerror(errno), errno == EACCES ? " (must be root)" : "");
	return cleanup_steal_fd(&fd);
}

/* One line out. 0 or negative errno; a server that hangs up is no reason to die of SIGPIPE. */
static int control_send_request(int fd, const json_t *request)
{
	_cleanup_free_ char *line = json_dumps(request, JSON_COMPACT);
	size_t len = line ? strlen(line) : 0, sent = 0;

	if (!line)
		return -EINVAL;
	line[len++] = '\n'; /* in place of the terminator */
	while (sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		sent += (size_t)n;
	}
	return 0;
}

/* The answer's object; the caller owns it. Closes `fd`. */
static json_t *control_exchange(int fd, const json_t *request, struct error *err)
{
	_cleanup_fclose_ FILE *stream = fdopen(fd, "r");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	json_t *answer;

	if (!stream) {
		close(fd);
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (control_send_request(fd, request) || getline(&line, &size, stream) < 0) {
		error_set(err, EIO, "the server did not answer");
		return NULL;
	}
	answer = json_loads(line, 0, NULL);
	if (!answer)
		error_set(err, EPROTO, "the server's answer is not JSON");
	return answer;
}

json_t *control_call(const char *path, const json_t *request, int *code, struct error *err)
{
	json_t *answer, *result;
	int fd = control_connect(path, err);

	*code = fd < 0 ? fd : 0;
	if (fd < 0)
		return NULL;
	answer = control_exchange(fd, request, err);
	*code = answer ? 0 : -EIO;
	result = json_incref(json_object_get(answer, "result"));
	if (answer && !(json_is_true(json_object_get(answer, "ok")) && result)) {
		const char *text = json_string_value(json_object_get(answer, "error"));

		*code = error_set(err, EINVAL, "%s", text ? text : "the server refused");
		json_decref(result);
		result = NULL;
	}
	json_decref(answer);
	return result;
}
