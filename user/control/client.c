/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "control/control.h"

#include "base/cleanup.h"
#include <errno.h>
#include <fcntl.h>
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

/* As send(), with the descriptor `pass` beside the bytes unless it is -1. */
static ssize_t control_send_with(int fd, const char *data, size_t len, int pass)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (char *)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (pass >= 0) {
		struct cmsghdr *cmsg = &control.align;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass, sizeof(pass));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* One line out. 0 or negative errno; a server that hangs up is no reason to die of SIGPIPE. */
static int control_send_request(int fd, const json_t *request, int pass)
{
	_cleanup_free_ char *line = json_dumps(request, JSON_COMPACT);
	size_t len = line ? strlen(line) : 0, sent = 0;

	if (!line)
		return -EINVAL;
	line[len++] = '\n'; /* in place of the terminator */
	while (sent < len) {
		ssize_t n = control_send_with(fd, line + sent, len - sent, sent ? -1 : pass);

		if (n < 0)
			return -errno;
		sent += (size_t)n;
	}
	return 0;
}

/* The answer's object; the caller owns it. Closes `fd`. */
static json_t *control_exchange(int fd, const json_t *request, int pass, struct error *err)
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
	if (control_send_request(fd, request, pass) || getline(&line, &size, stream) < 0) {
		error_set(err, EIO, "the server did not answer");
		return NULL;
	}
	answer = json_loads(line, 0, NULL);
	if (!answer)
		error_set(err, EPROTO, "the server's answer is not JSON");
	return answer;
}

/* The result, or NULL with *code and `err` set. Closes `fd`. */
static json_t *control_ask(int fd, const json_t *request, int pass, int *code, struct error *err)
{
	json_t *answer = control_exchange(fd, request, pass, err), *result;

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

json_t *control_call(const char *path, const json_t *request, int *code, struct error *err)
{
	int fd = control_connect(path, err);

	*code = fd;
	return fd < 0 ? NULL : control_ask(fd, request, -1, code, err);
}

json_t *control_call_hold(const char *path, const json_t *request, int fd, int *conn, int *code,
			  struct error *err)
{
	_cleanup_close_ int held = control_connect(path, err);
	json_t *result;
	int asking;

	*code = held;
	if (held < 0)
		return NULL;
	asking = fcntl(held, F_DUPFD_CLOEXEC, 0);
	if (asking < 0) {
		*code = error_set(err, errno, "cannot keep a connection: %s", strerror(errno));
		return NULL;
	}
	result = control_ask(asking, request, fd, code, err);
	if (result)
		*conn = cleanup_steal_fd(&held);
	return result;
}
