/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket with any bytes, cut anywhere, on several connections that come and go, with
 * descriptors or without. What is answered is a line of JSON that says ok or why not; whatever was
 * held ends with its connection.
 */
#include "control/control.h"
#include "cursor.h"
#include "kept.h"
#include "service/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNS  3u
#define TURNS  64u
#define ANSWER 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An operation's byte: whose connection (2 bits), with a descriptor, what. */
enum op {
	OP_SEND, /* length (16 bits), bytes */
	OP_LINE, /* the same, and a newline */
	OP_CLOSE,
	OPS
};
#define WITH_FD 0x80

struct bench {
	char *dir;
	struct control_server *server;
	int conns[CONNS];
	char answers[CONNS][ANSWER];
	size_t nanswers[CONNS];
	unsigned int held;
};

static void require(int holds)
{
	if (!holds)
		abort();
}

/* ---- commands, by what requests consist of ---- */

static void note_end(void *arg)
{
	((struct bench *)arg)->held--;
}

static json_t *run_members(void *ctx, const json_t *request, struct error *err)
{
	const char *text;
	unsigned int number;
	const json_t *list;

	if (request_optional_text(request, "text", &text, err) ||
	    request_number(request, "number", &number, err) ||
	    request_count(request, "count", 7, &number, err))
		return NULL;
	require(number <= 7);
	list = request_texts(request, "list", err);
	return list ? json_pack("{s:i}", "entries", (int)json_array_size(list)) : NULL;
}

static json_t *run_hold(void *ctx, const json_t *request, struct error *err)
{
	struct bench *b = ctx;
	int fd = control_server_take_fd(b->server);

	if (fd >= 0)
		close(fd);
	if (control_server_hold(b->server, note_end, b)) {
		error_set(err, EBUSY, "it is held");
		return NULL;
	}
	b->held++;
	return json_true();
}

static json_t *run_echo(void *ctx, const json_t *request, struct error *err)
{
	const char *text = request_text(request, "text", err);

	return text ? json_string(text) : NULL;
}

static const struct control_command commands[] = {
	{"members", run_members},
	{"hold", run_hold},
	{"echo", run_echo},
	{NULL, NULL},
};

/* ---- connections ---- */

static void check_line(const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, 0, NULL);
	const json_t *ok = json_object_get(answer, "ok");

	require(json_is_boolean(ok));
	require(json_is_true(ok) ? json_object_get(answer, "result") != NULL
				 : json_is_string(json_object_get(answer, "error")));
	json_decref(answer);
}

static void hear(struct bench *b, unsigned int i)
{
	char *at = b->answers[i], *newline;
	ssize_t n = recv(b->conns[i], at + b->nanswers[i], ANSWER - b->nanswers[i], MSG_DONTWAIT);

	if (n <= 0)
		return;
	b->nanswers[i] += (size_t)n;
	while ((newline = memchr(at, '\n', b->nanswers[i]))) {
		check_line(at, (size_t)(newline - at));
		b->nanswers[i] -= (size_t)(newline + 1 - at);
		memmove(at, newline + 1, b->nanswers[i]);
	}
	/* A long text comes back quoted; nobody reads so much of it. */
	if (b->nanswers[i] == ANSWER)
		b->nanswers[i] = 0;
}

static bool turn(struct bench *b)
{
	struct pollfd fds[1 + CONTROL_CLIENTS];
	unsigned int n = control_server_pollfds(b->server, fds);

	if (poll(fds, n, 0) <= 0)
		return false;
	control_server_dispatch(b->server, fds, n);
	for (unsigned int i = 0; i < CONNS; i++)
		if (b->conns[i] >= 0)
			hear(b, i);
	return true;
}

static void turns(struct bench *b)
{
	for (unsigned int i = 0; i < TURNS && turn(b); i++)
		;
}

static void dial(struct bench *b, unsigned int i)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control.sock", b->dir);
	b->conns[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	require(b->conns[i] >= 0);
	require(!connect(b->conns[i], (const struct sockaddr *)&addr, sizeof(addr)));
	b->nanswers[i] = 0;
	turns(b);
}

static void say(struct bench *b, unsigned int i, const void *bytes, size_t len, bool with_fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = {(void *)bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (with_fd) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &(int){STDERR_FILENO}, sizeof(int));
	}
	if (len)
		sendmsg(b->conns[i], &msg, MSG_NOSIGNAL);
}

static void hang_up(struct bench *b, unsigned int i)
{
	if (b->conns[i] >= 0)
		close(b->conns[i]);
	b->conns[i] = -1;
}

static void run(struct bench *b, struct cursor *c)
{
	uint8_t op = cursor_u8(c);
	unsigned int i = (op & 3) % CONNS;
	size_t len;

	switch ((enum op)((op >> 2 & 15) % OPS)) {
	case OP_CLOSE:
		hang_up(b, i);
		break;
	default:
		len = cursor_be16(c);
		if (len > cursor_left(c))
			len = cursor_left(c);
		if (b->conns[i] < 0)
			dial(b, i);
		say(b, i, cursor_bytes(c, len), len, op & WITH_FD);
		if ((op >> 2 & 15) % OPS == OP_LINE)
			say(b, i, "\n", 1, false);
	}
	turns(b);
}

/* One for all inputs: each would wait for the file system otherwise. */
static struct bench *bench_of_all(void)
{
	static struct bench *b;
	char path[96];

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	require(b != NULL);
	b->dir = strdup(kept_dir());
	snprintf(path, sizeof(path), "%s/control.sock", b->dir);
	require(!control_server_open(path, commands, b, &b->server, NULL));
	for (unsigned int i = 0; i < CONNS; i++)
		b->conns[i] = -1;
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(data, size);
	struct bench *b = bench_of_all();
	struct pollfd fds[1 + CONTROL_CLIENTS];

	while (cursor_left(&c))
		run(b, &c);
	for (unsigned int i = 0; i < CONNS; i++)
		hang_up(b, i);
	turns(b);
	require(control_server_pollfds(b->server, fds) == 1);
	require(!b->held);
	return 0;
}
