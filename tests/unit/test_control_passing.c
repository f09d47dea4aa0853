/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Descriptors that come with requests, and commands that last as long as their connection. */
#include "control_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static void ended(void *arg)
{
	((struct rig *)arg)->ended++;
}

/* Writes a word into what was passed, if anything was, and lasts. */
static json_t *run_take(void *ctx, const json_t *request, struct error *err)
{
	struct rig *rig = ctx;
	int fd = control_server_take_fd(rig->server);
	bool passed = fd >= 0;

	if (passed) {
		assert_int_equal(write(fd, "here", 4), 4);
		close(fd);
	}
	assert_int_equal(control_server_take_fd(rig->server), -1);
	rig->held = control_server_hold(rig->server, ended, rig);
	return json_pack("{s:b}", "passed", (int)passed);
}

static json_t *run_leave(void *ctx, const json_t *request, struct error *err)
{
	return json_object();
}

static const struct control_command commands[] = {
	{"take", run_take},
	{"leave", run_leave},
	{NULL, NULL},
};

static int setup(void **state)
{
	return rig_open(state, commands);
}

/* Sends bytes with `n` descriptors beside them. */
static void send_with(int conn, const char *text, const int *fds, unsigned int n)
{
	union {
		char space[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (char *)text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	assert_int_equal(sendmsg(conn, &msg, 0), strlen(text));
}

static void expect_answer(struct rig *rig, int conn, const char *want)
{
	char got[200];
	ssize_t n;

	while (recv(conn, got, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		assert_true(turn(rig, PATIENCE_MS));
	n = recv(conn, got, sizeof(got) - 1, 0);
	assert_true(n > 0);
	got[n] = 0;
	assert_non_null(strstr(got, want));
}

#define TAKE  "{\"version\":1,\"command\":\"take\"}\n"
#define LEAVE "{\"version\":1,\"command\":\"leave\"}\n"

/* True once nobody else has the pipe's writing end. */
static bool hung_up(int pipe)
{
	char c;

	return read(pipe, &c, 1) == 0;
}

static void test_descriptor_reaches_its_command(void **state)
{
	struct rig *rig = *state;
	int conn = dial(rig), pipes[2];
	char word[4];

	assert_int_equal(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
	send_with(conn, TAKE, &pipes[1], 1);
	close(pipes[1]);
	expect_answer(rig, conn, "\"passed\":true");
	assert_int_equal(read(pipes[0], word, 4), 4);
	assert_memory_equal(word, "here", 4);
	assert_true(hung_up(pipes[0]));
	/* The next request has none. */
	send_with(conn, TAKE, NULL, 0);
	expect_answer(rig, conn, "\"passed\":false");
	close(pipes[0]);
	close(conn);
}

/* Whoever passes descriptors that nobody wants does not use up the server's. */
static void test_descriptors_nobody_takes_are_closed(void **state)
{
	struct rig *rig = *state;
	int conn = dial(rig), pipes[2], many[8];

	assert_int_equal(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
	for (unsigned int i = 0; i < 8; i++)
		many[i] = pipes[1];
	send_with(conn, LEAVE, many, 1);
	expect_answer(rig, conn, "true");
	send_with(conn, LEAVE, many, 8);
	expect_answer(rig, conn, "true");
	/* One a byte, of a line that is never finished. */
	for (unsigned int i = 0; i < 20; i++) {
		send_with(conn, "x", many, 8);
		assert_true(turn(rig, PATIENCE_MS));
	}
	close(pipes[1]);
	close(conn);
	assert_true(turn(rig, PATIENCE_MS));
	assert_true(hung_up(pipes[0]));
	close(pipes[0]);
}

static void test_command_lasts_as_long_as_its_connection(void **state)
{
	struct rig *rig = *state;
	int conn = dial(rig), other = dial(rig);

	send_with(conn, TAKE, NULL, 0);
	expect_answer(rig, conn, "true");
	assert_int_equal(rig->held, 0);
	send_with(conn, LEAVE TAKE, NULL, 0);
	expect_answer(rig, conn, "true");
	while (turn(rig, 50))
		;
	assert_int_equal(rig->held, -EBUSY);
	close(other);
	assert_true(turn(rig, PATIENCE_MS));
	assert_int_equal(rig->ended, 0);
	close(conn);
	assert_true(turn(rig, PATIENCE_MS));
	assert_int_equal(rig->ended, 1);
}

static void test_command_ends_with_the_server(void **state)
{
	struct rig *rig = *state;
	int conn = dial(rig);

	send_with(conn, TAKE, NULL, 0);
	expect_answer(rig, conn, "true");
	control_server_close(rig->server);
	rig->server = NULL;
	assert_int_equal(rig->ended, 1);
	close(conn);
}

struct caller {
	struct rig *rig;
	const char *command;
	int fd, conn, code;
	json_t *result;
	struct error err;
};

static void *call(void *arg)
{
	struct caller *caller = arg;
	json_t *request = json_pack("{s:i, s:s}", "version", 1, "command", caller->command);

	caller->conn = -1;
	caller->result = control_call_hold(caller->rig->path, request, caller->fd, &caller->conn,
					   &caller->code, &caller->err);
	json_decref(request);
	return NULL;
}

static void run_call(struct caller *caller)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, call, caller), 0);
	while (pthread_tryjoin_np(thread, NULL))
		turn(caller->rig, 10);
}

static void test_the_other_end(void **state)
{
	struct rig *rig = *state;
	struct caller caller = {.rig = rig, .command = "take"};
	int pipes[2];
	char word[4];

	assert_int_equal(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
	caller.fd = pipes[1];
	run_call(&caller);
	assert_true(json_is_true(json_object_get(caller.result, "passed")));
	json_decref(caller.result);
	assert_int_equal(read(pipes[0], word, 4), 4);
	assert_false(turn(rig, 50));
	assert_int_equal(rig->ended, 0);
	close(caller.conn);
	assert_true(turn(rig, PATIENCE_MS));
	assert_int_equal(rig->ended, 1);
	/* A refusal leaves no connection. */
	caller.command = "nonsense";
	run_call(&caller);
	assert_null(caller.result);
	assert_int_equal(caller.conn, -1);
	assert_int_equal(caller.code, -EINVAL);
	assert_string_equal(caller.err.text, "unknown command: nonsense");
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descriptor_reaches_its_command, setup,
						rig_close),
		cmocka_unit_test_setup_teardown(test_descriptors_nobody_takes_are_closed, setup,
						rig_close),
		cmocka_unit_test_setup_teardown(test_command_lasts_as_long_as_its_connection, setup,
						rig_close),
		cmocka_unit_test_setup_teardown(test_command_ends_with_the_server, setup,
						rig_close),
		cmocka_unit_test_setup_teardown(test_the_other_end, setup, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
