/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "control/control.h"

#include "base/cleanup.h"
#include "base/json_text.h"
#include "base/lockfile.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct control_client {
	int fd;	       /* -1: free */
	uint64_t turn; /* the server's, when there was last something to do for it */
	char *in;
	size_t in_len;
	bool more; /* a whole line is in `in` */
	char *out; /* answer not sent yet; while there is one no further request is read */
	size_t out_len, out_sent;
	int passed; /* a descriptor that came with what is in `in`, or -1 */
	void (*ended)(void *arg);
	void *ended_arg;
};

struct control_server {
	int fd;
	int reserve; /* a descriptor for when there are no more */
	uint64_t turn;
	char *path;
	const struct control_command *commands;
	void *ctx;
	struct control_client *current; /* whose command is running */
	struct control_client clients[CONTROL_CLIENTS];
};

static int control_address(const char *path, struct sockaddr_un *addr, struct error *err)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		return error_set(err, ENAMETOOLONG, "socket path too long: %s", path);
	strcpy(addr->sun_path, path);
	return 0;
}

/* True when some process is behind the socket file; EAGAIN: one with a full queue. */
static bool control_alive(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN);
}

/* Makes room at the path: what a dead server left goes, anything else stays. */
static int control_clear_path(const struct sockaddr_un *addr, struct error *err)
{
	struct stat st;

	if (control_alive(addr))
		return error_set(
			err, EADDRINUSE,
			"another process answers on %s: stop it, or name another path with --socket",
			addr->sun_path);
	if (lstat(addr->sun_path, &st))
		return 0; /* if not because nothing is there, bind() says so */
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, "%s is no socket: name another path with --socket",
				 addr->sun_path);
	unlink(addr->sun_path);
	return 0;
}

static int cannot_listen(const char *path, int code, struct error *err)
{
	return error_set(err, code, "cannot listen on %s: %s%s", path, strerror(code),
			 code == EACCES ? ": be root, or name another path with --socket" : "");
}

/* A socket that listens at the path, which is nobody else's while the caller's lock is held. */
static int control_bind(const struct sockaddr_un *addr, struct error *err)
{
	const char *path = addr->sun_path;
	_cleanup_close_ int fd = -1;
	int ret = control_clear_path(addr, err);

	if (ret)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, errno, "cannot make a control socket: %s", strerror(errno));
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return cannot_listen(path, errno, err);
	if (chmod(path, 0600) || listen(fd, CONTROL_CLIENTS)) {
		ret = cannot_listen(path, errno, err);
		unlink(path);
		return ret;
	}
	return cleanup_steal_fd(&fd);
}

/*
 * One process at a time: of several that start at once, one could take the socket of another, not
 * listening yet, for a dead server's.
 */
static int control_listen(const char *path, struct error *err)
{
	char lock_path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof(".lock")];
	struct sockaddr_un addr;
	pid_t holder;
	int lock, ret = control_address(path, &addr, err);

	if (ret)
		return ret;
	if (strncmp(path, CONTROL_DIR "/", strlen(CONTROL_DIR) + 1) == 0 &&
	    mkdir(CONTROL_DIR, 0755) && errno != EEXIST)
		return error_set(err, errno, "cannot make %s: %s", CONTROL_DIR, strerror(errno));
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	lock = lockfile_take(lock_path, &holder);
	if (lock == -EBUSY)
		return error_set(err, EADDRINUSE,
				 "another process is about to listen on %s: stop it, or name "
				 "another path with --socket",
				 path);
	if (lock < 0)
		return cannot_listen(path, -lock, err);
	ret = control_bind(&addr, err);
	lockfile_release(lock_path, lock);
	return ret;
}

int control_server_open(const char *path, const struct control_command *commands, void *ctx,
			struct control_server **server, struct error *err)
{
	struct control_server *s;
	int fd = control_listen(path, err);

	if (fd < 0)
		return fd;
	s = calloc(1, sizeof(*s));
	if (s)
		s->path = strdup(path);
	if (!s || !s->path) {
		free(s);
		close(fd);
		unlink(path);
		return error_set(err, ENOMEM, "out of memory");
	}
	s->fd = fd;
	s->reserve = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	s->commands = commands;
	s->ctx = ctx;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		s->clients[i].fd = s->clients[i].passed = -1;
	*server = s;
	return 0;
}

static void control_forget_passed(struct control_client *client)
{
	cleanup_close(&client->passed);
	client->passed = -1;
}

static void control_client_close(struct control_client *client)
{
	if (client->ended)
		client->ended(client->ended_arg);
	control_forget_passed(client);
	close(client->fd);
	free(client->in);
	free(client->out);
	memset(client, 0, sizeof(*client));
	client->fd = client->passed = -1;
}

void control_server_close(struct control_server *server)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		if (server->clients[i].fd >= 0)
			control_client_close(&server->clients[i]);
	unlink(server->path);
	cleanup_close(&server->reserve);
	close(server->fd);
	free(server->path);
	free(server);
}

unsigned int control_server_pollfds(const struct control_server *server, struct pollfd *fds)
{
	unsigned int n = 0;

	fds[n++] = (struct pollfd){.fd = server->fd, .events = POLLIN};
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		const struct control_client *client = &server->clients[i];

		if (client->fd >= 0)
			fds[n++] = (struct pollfd){.fd = client->fd,
						   .events = client->out || client->more ? POLLOUT
											 : POLLIN};
	}
	return n;
}

/* Root and the server's own user may give orders. */
static bool control_peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* A connection that found no descriptor would wait, and wake us, for ever: hang up on it. */
static void control_turn_away(struct control_server *server)
{
	cleanup_close(&server->reserve);
	server->reserve = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	cleanup_close(&server->reserve);
	server->reserve = fcntl(server->fd, F_DUPFD_CLOEXEC, 0);
}

/*
 * A free place, if need be that of the connection that has been silent longest: those who came and
 * said nothing must not shut out who has something to say. NULL: all are watching something.
 */
static struct control_client *control_place(struct control_server *server)
{
	struct control_client *silent = NULL;

	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *client = &server->clients[i];

		if (client->fd < 0)
			return client;
		if (!client->ended && (!silent || client->turn < silent->turn))
			silent = client;
	}
	if (silent)
		control_client_close(silent);
	return silent;
}

static void control_accept(struct control_server *server)
{
	struct control_client *client;
	int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		control_turn_away(server);
	if (fd < 0)
		return;
	client = control_peer_allowed(fd) ? control_place(server) : NULL;
	if (client)
		client->in = malloc(CONTROL_LINE_MAX);
	if (!client || !client->in) {
		close(fd);
		return;
	}
	client->fd = fd;
	client->turn = ++server->turn;
}

static json_t *control_execute(struct control_server *server, const json_t *request,
			       struct error *err)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	if (json_integer_value(json_object_get(request, "version")) != CONTROL_VERSION) {
		error_set(err, EPROTO, "this server speaks version %d of the control protocol",
			  CONTROL_VERSION);
		return NULL;
	}
	for (const struct control_command *c = server->commands; name && c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c->run(server->ctx, request, err);
	error_set(err, ENOSYS, "unknown command: %s", name ? name : "(none)");
	return NULL;
}

int control_server_take_fd(struct control_server *server)
{
	return cleanup_steal_fd(&server->current->passed);
}

int control_server_hold(struct control_server *server, void (*ended)(void *arg), void *arg)
{
	if (server->current->ended)
		return -EBUSY;
	server->current->ended = ended;
	server->current->ended_arg = arg;
	return 0;
}

/* Runs one request line; the answer waits in client->out. False: out of memory. */
static bool control_answer(struct control_server *server, struct control_client *client, size_t len)
{
	struct error err = {.text = "not a JSON object"};
	json_t *request = json_loadb(client->in, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *result, *answer;

	server->current = client;
	result = json_is_object(request) ? control_execute(server, request, &err) : NULL;
	server->current = NULL;
	control_forget_passed(client);
	answer = result ? json_pack("{s:b, s:o}", "ok", 1, "result", result)
			: json_pack("{s:b, s:o}", "ok", 0, "error", json_text(err.text));
	json_decref(request);
	client->out = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	if (!client->out)
		return false;
	client->out_len = strlen(client->out);
	client->out_sent = 0;
	client->out[client->out_len++] = '\n'; /* in place of the terminator */
	return true;
}

/* False: the connection has ended. */
static bool control_send(struct control_client *client)
{
	ssize_t n = send(client->fd, client->out + client->out_sent,
			 client->out_len - client->out_sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->out_sent += (size_t)n;
	if (client->out_sent == client->out_len) {
		free(client->out);
		client->out = NULL;
	}
	return true;
}

/* Answers the first whole line that has arrived. False: the connection has ended. */
static bool control_next_line(struct control_server *server, struct control_client *client)
{
	char *newline = memchr(client->in, '\n', client->in_len);
	size_t used;

	if (!newline)
		return client->in_len < CONTROL_LINE_MAX;
	if (!control_answer(server, client, (size_t)(newline - client->in)))
		return false;
	used = (size_t)(newline - client->in) + 1;
	client->in_len -= used;
	memmove(client->in, client->in + used, client->in_len);
	client->more = memchr(client->in, '\n', client->in_len);
	return control_send(client);
}

/* As recv(); a descriptor that comes along is kept in place of one that nobody took. */
static ssize_t control_receive_with(struct control_client *client, void *to, size_t len)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = to, .iov_len = len};
	/* Room for one: the kernel closes more. */
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
		control_forget_passed(client);
		memcpy(&client->passed, CMSG_DATA(cmsg), sizeof(int));
	}
	return n;
}

static bool control_receive(struct control_server *server, struct control_client *client)
{
	ssize_t n = control_receive_with(client, client->in + client->in_len,
					 CONTROL_LINE_MAX - client->in_len);

	if (n == 0)
		return false;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->in_len += (size_t)n;
	return control_next_line(server, client);
}

/* One request a turn: whoever sends many at once does not keep others waiting. */
static bool control_client_ready(struct control_server *server, struct control_client *client,
				 short events)
{
	if (client->out)
		return !(events & (POLLERR | POLLHUP)) && control_send(client);
	if (client->more)
		return control_next_line(server, client);
	return control_receive(server, client);
}

void control_server_dispatch(struct control_server *server, const struct pollfd *fds,
			     unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!fds[i].revents)
			continue;
		if (fds[i].fd == server->fd) {
			control_accept(server);
			continue;
		}
		for (unsigned int c = 0; c < CONTROL_CLIENTS; c++) {
			struct control_client *client = &server->clients[c];

			if (client->fd != fds[i].fd)
				continue;
			client->turn = ++server->turn;
			if (!control_client_ready(server, client, fds[i].revents))
				control_client_close(client);
		}
	}
}
