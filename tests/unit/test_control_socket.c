/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The control socket, from both ends: what is heard, what is answered, what is left alone. */
#include "base/lockfile.h"
#include "control_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE (8u << 20) /* more than any socket buffer holds */

static json_t *run_echo(void *ctx, const json_t *request, struct error *err)
{
	return json_pack("{s:O}", "word", json_object_get(request, "word"));
}

static json_t *run_large(void *ctx, const json_t *request, struct error *err)
{
	char *text = malloc(LARGE);
	json_t *result;

	memset(text, 'x', LARGE);
	result = json_pack("{s:s#}", "text", text, (int)LARGE);
	free(text);
	return result;
}

/* Says why not in bytes that are no UTF-8, as a file's name may be. */
static json_t *run_refuse(void *ctx, const json_t *request, struct error *err)
{
	error_set(err, EIO, "no \xff\xfe today");
	return NULL;
}

static const struct control_command commands[] = {
	{"echo", run_echo},
	{"large", run_large},
	{"refuse", run_refuse},
	{NULL, NULL},
};

static int setup(void **state)
{
	return rig_open(state, commands);
}

/* Reading from it does not wait. */
static int dial_quick(struct rig *rig)
{
	int fd = dial(rig);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void say(struct rig *rig, int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n > 0) {
			text += n;
			left -= (size_t)n;
		} else {
			assert_int_equal(errno, EAGAIN);
			assert_true(turn(rig, PATIENCE_MS));
		}
	}
}

/* The next answer, or NULL when the server closed the connection. */
static json_t *hear(struct rig *rig, int fd)
{
	size_t len = 0, size = LARGE + 4096;
	char *line = malloc(size);
	json_t *answer = NULL;

	for (;;) {
		/* Looked at before it is taken: what follows the line is the next answer. */
		ssize_t n = recv(fd, line + len, size - len, MSG_PEEK);
		char *end = n > 0 ? memchr(line + len, '\n', (size_t)n) : NULL;

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_true(turn(rig, PATIENCE_MS));
			continue;
		}
		if (end)
			n = end + 1 - (line + len);
		assert_int_equal(recv(fd, line + len, (size_t)n, 0), n);
		len += (size_t)n;
		if (!end)
			continue;
		answer = json_loadb(line, len, 0, NULL);
		assert_non_null(answer);
		break;
	}
	free(line);
	return answer;
}

/* The word that came back, or the error's text; "closed" when the connection was. */
static void hear_word(struct rig *rig, int fd, char *word, size_t size)
{
	json_t *answer = hear(rig, fd);
	json_t *result = json_object_get(answer, "result");
	json_t *text = json_is_true(json_object_get(answer, "ok"))
			       ? json_object_get(result, "word")
			       : json_object_get(answer, "error");

	snprintf(word, size, "%s", answer ? json_string_value(text) : "closed");
	json_decref(answer);
}

#define ECHO(w) "{\"version\": 1, \"command\": \"echo\", \"word\": \"" w "\"}\n"

static void expect(struct rig *rig, int fd, const char *part)
{
	char word[600];

	hear_word(rig, fd, word, sizeof(word));
	if (!strstr(word, part))
		fail_msg("heard `%s`, not `%s`", word, part);
}

static void test_requests_in_pieces_and_in_one(void **state)
{
	struct rig *rig = *state;
	int fd = dial_quick(rig);

	say(rig, fd, "{\"version\": 1, \"comm");
	assert_true(turn(rig, PATIENCE_MS));
	say(rig, fd, "and\": \"echo\", \"word\": \"one\"}\n" ECHO("two") ECHO("three") "{\"ver");
	expect(rig, fd, "one");
	expect(rig, fd, "two");
	expect(rig, fd, "three");
	say(rig, fd, "sion\": 1, \"command\": \"echo\", \"word\": \"four\"}\n");
	expect(rig, fd, "four");
	close(fd);
}

static unsigned int lines_in(int fd)
{
	static char text[65536];
	ssize_t n = recv(fd, text, sizeof(text), MSG_PEEK);
	unsigned int lines = 0;

	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Who asks for much at once does not keep those waiting who ask for little. */
static void test_each_gets_its_turn(void **state)
{
	struct rig *rig = *state;
	int greedy = dial_quick(rig), modest = dial_quick(rig);

	for (unsigned int i = 0; i < 200; i++)
		say(rig, greedy, ECHO("more"));
	say(rig, modest, ECHO("please"));
	assert_true(turn(rig, PATIENCE_MS));
	assert_true(turn(rig, PATIENCE_MS));
	expect(rig, modest, "please");
	assert_in_range(lines_in(greedy), 1, 3);
	for (unsigned int i = 0; i < 200; i++)
		expect(rig, greedy, "more");
	close(greedy);
	close(modest);
}

static void test_nonsense_is_answered_and_forgotten(void **state)
{
	static const struct {
		const char *line, *answer;
	} cases[] = {
		{"\n", "not a JSON object"},
		{"]][[\n", "not a JSON object"},
		{"\xff\xfe\n", "not a JSON object"},
		{"[1]\n", "not a JSON object"},
		{"{}\n", "version 1"},
		{"{\"version\": \"1\", \"command\": \"echo\"}\n", "version 1"},
		{"{\"version\": 2, \"command\": \"echo\"}\n", "version 1"},
		{"{\"version\": 1}\n", "unknown command"},
		{"{\"version\": 1, \"command\": 7}\n", "unknown command"},
		{"{\"version\": 1, \"command\": \"format\"}\n", "unknown command: format"},
	};
	struct rig *rig = *state;
	int fd = dial_quick(rig);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(rig, fd, cases[i].line);
		expect(rig, fd, cases[i].answer);
	}
	say(rig, fd, ECHO("still here"));
	expect(rig, fd, "still here");
	close(fd);
}

/* The error's text is cut at a fixed size, in the middle of a letter if need be. */
static void test_errors_that_are_not_utf8_are_answered(void **state)
{
	struct rig *rig = *state;
	char line[2048] = "{\"version\": 1, \"command\": \"";
	int fd = dial_quick(rig);

	for (int shift = 0; shift < 2; shift++) {
		strcpy(line, "{\"version\": 1, \"command\": \"");
		strcat(line, shift ? "x" : "");
		for (int i = 0; i < 500; i++)
			strcat(line, "\xc3\xa9");
		strcat(line, "\"}\n");
		say(rig, fd, line);
		expect(rig, fd, "unknown command: ");
	}
	say(rig, fd, "{\"version\": 1, \"command\": \"refuse\"}\n");
	expect(rig, fd, "today");
	close(fd);
}

static void test_endless_line_ends_the_connection(void **state)
{
	struct rig *rig = *state;
	char piece[1001];
	int fd = dial_quick(rig), other = dial_quick(rig);

	memset(piece, 'a', sizeof(piece) - 1);
	piece[sizeof(piece) - 1] = '\0';
	for (int i = 0; i < CONTROL_LINE_MAX / 1000; i++)
		say(rig, fd, piece);
	while (turn(rig, 0))
		;
	send(fd, piece, 1000, MSG_NOSIGNAL);
	expect(rig, fd, "closed");
	say(rig, other, ECHO("unharmed"));
	expect(rig, other, "unharmed");
	close(fd);
	close(other);
}

/* An answer larger than the socket takes waits; others are served meanwhile, order is kept. */
static void test_slow_reader_holds_up_nobody(void **state)
{
	struct rig *rig = *state;
	int slow = dial_quick(rig), other = dial_quick(rig);
	json_t *answer;

	say(rig, slow, "{\"version\": 1, \"command\": \"large\"}\n" ECHO("after"));
	while (turn(rig, 0))
		;
	say(rig, other, ECHO("quick"));
	expect(rig, other, "quick");
	answer = hear(rig, slow);
	assert_int_equal(
		json_string_length(json_object_get(json_object_get(answer, "result"), "text")),
		LARGE);
	json_decref(answer);
	expect(rig, slow, "after");
	close(slow);
	close(other);
}

static void test_reader_that_leaves_is_forgotten(void **state)
{
	struct rig *rig = *state;
	int fd = dial_quick(rig);

	say(rig, fd, "{\"version\": 1, \"command\": \"large\"}\n");
	while (turn(rig, 0))
		;
	close(fd);
	while (turn(rig, 0))
		;
	fd = dial_quick(rig);
	say(rig, fd, ECHO("next"));
	expect(rig, fd, "next");
	close(fd);
}

/* As many as want to: each is answered or closed, and whoever asks is answered. */
static void test_a_thousand_connections(void **state)
{
	struct rig *rig = *state;
	int fds[1000];

	for (int i = 0; i < 1000; i++)
		fds[i] = dial_quick(rig);
	say(rig, fds[999], ECHO("the last"));
	expect(rig, fds[999], "the last");
	for (int i = 0; i < 1000; i++)
		close(fds[i]);
}

static void test_one_client_too_many(void **state)
{
	struct rig *rig = *state;
	int fds[CONTROL_CLIENTS + 1];

	for (int i = 0; i < CONTROL_CLIENTS; i++)
		fds[i] = dial_quick(rig);
	say(rig, fds[0], ECHO("still here"));
	expect(rig, fds[0], "still here");
	fds[CONTROL_CLIENTS] = dial_quick(rig);
	say(rig, fds[CONTROL_CLIENTS], ECHO("let in"));
	expect(rig, fds[CONTROL_CLIENTS], "let in");
	/* Who was silent longest made room; who spoke did not. */
	expect(rig, fds[1], "closed");
	say(rig, fds[0], ECHO("and still"));
	expect(rig, fds[0], "and still");
	for (int i = 0; i <= CONTROL_CLIENTS; i++)
		close(fds[i]);
}

/* From now on there is room for no other; the limit that was is returned. */
static struct rlimit run_out_of_descriptors(void)
{
	struct rlimit usual, none;
	int next = dup(STDIN_FILENO);

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = (struct rlimit){(rlim_t)next, usual.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return usual;
}

/* It must not wait in the queue: that would keep the server's loop busy. */
static void test_client_without_a_descriptor_is_turned_away(void **state)
{
	struct rig *rig = *state;
	const struct sockaddr_un addr = address(rig->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct rlimit usual = run_out_of_descriptors();

	for (int i = 0; i < 3; i++) {
		assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_true(turn(rig, PATIENCE_MS));
		assert_false(turn(rig, 0));
		expect(rig, fd, "closed");
		close(fd);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	}
	setrlimit(RLIMIT_NOFILE, &usual);
	close(fd);
	fd = dial_quick(rig);
	say(rig, fd, ECHO("a descriptor again"));
	expect(rig, fd, "a descriptor again");
	close(fd);
}

/* ---- the file ---- */

static void test_file_goes_with_the_server(void **state)
{
	struct rig *rig = *state;
	struct stat st;

	assert_int_equal(stat(rig->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	control_server_close(rig->server);
	rig->server = NULL;
	assert_int_equal(stat(rig->path, &st), -1);
}

static void test_living_server_keeps_its_path(void **state)
{
	struct rig *rig = *state;
	struct control_server *second;
	struct error err;
	int fd;

	assert_int_equal(control_server_open(rig->path, commands, NULL, &second, &err),
			 -EADDRINUSE);
	assert_true(turn(rig, PATIENCE_MS)); /* the knock */
	fd = dial_quick(rig);
	say(rig, fd, ECHO("mine"));
	expect(rig, fd, "mine");
	close(fd);
}

/* A server that is stopped or overrun: its queue is full, a knock would wait for ever. */
static void test_living_server_that_does_not_answer_keeps_its_path(void **state)
{
	struct rig *rig = *state;
	const struct sockaddr_un addr = address(rig->path);
	struct control_server *second;
	struct error err;
	int fds[4 * CONTROL_CLIENTS], n = 0;

	for (;; n++) {
		assert_in_range(n, 0, 4 * CONTROL_CLIENTS - 1);
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fds[n], (const struct sockaddr *)&addr, sizeof(addr)))
			break;
	}
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(control_server_open(rig->path, commands, NULL, &second, &err),
			 -EADDRINUSE);
	for (; n >= 0; n--)
		close(fds[n]);
}

static void test_dead_servers_file_is_replaced(void **state)
{
	struct rig *rig = *state;
	char path[128];
	struct sockaddr_un addr;
	struct control_server *server;
	struct error err;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof(path), "%s/dead.sock", rig->dir);
	addr = address(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(control_server_open(path, commands, NULL, &server, &err), 0);
	control_server_close(server);
}

/* As one that starts on a slow disk: who comes after it is told so, and takes nothing away. */
static void test_server_that_is_about_to_listen_gets_its_path(void **state)
{
	struct rig *rig = *state;
	char path[128], lock_path[140];
	struct control_server *server;
	struct error err;
	pid_t holder;
	int lock;

	snprintf(path, sizeof(path), "%s/soon.sock", rig->dir);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	lock = lockfile_take(lock_path, &holder);
	assert_true(lock >= 0);
	assert_int_equal(control_server_open(path, commands, NULL, &server, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "another process is about to listen on "));
	assert_non_null(strstr(err.text, path));
	lockfile_release(lock_path, lock);
	assert_int_equal(control_server_open(path, commands, NULL, &server, &err), 0);
	control_server_close(server);
}

/* A slip of the keyboard must not cost a disk image. */
static void test_file_that_is_no_socket_is_left_alone(void **state)
{
	struct rig *rig = *state;
	char path[128], text[8] = "";
	struct control_server *server;
	struct error err;
	int fd;

	snprintf(path, sizeof(path), "%s/disk.img", rig->dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "payload", 7), 7);
	close(fd);
	assert_true(control_server_open(path, commands, NULL, &server, &err) < 0);
	assert_non_null(strstr(err.text, path));
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	assert_string_equal(text, "payload");
	close(fd);
}

/* ---- servers that start at once ---- */

#define STARTERS 8

struct starter {
	pthread_t thread;
	pthread_barrier_t *start;
	const char *path;
	struct control_server *server; /* NULL: refused */
	int ret;
};

static void *starter_main(void *arg)
{
	struct starter *starter = arg;
	struct error err;

	pthread_barrier_wait(starter->start);
	starter->ret = control_server_open(starter->path, commands, NULL, &starter->server, &err);
	return NULL;
}

/* Several at a dead server's file: one gets the path, and none takes it away from that one. */
static void start_at_once(const char *path)
{
	const struct sockaddr_un addr = address(path);
	struct starter starters[STARTERS] = {};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), listening = 0;
	pthread_barrier_t start;

	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	pthread_barrier_init(&start, NULL, STARTERS);
	for (int i = 0; i < STARTERS; i++) {
		starters[i].start = &start;
		starters[i].path = path;
		pthread_create(&starters[i].thread, NULL, starter_main, &starters[i]);
	}
	for (int i = 0; i < STARTERS; i++) {
		pthread_join(starters[i].thread, NULL);
		if (starters[i].ret)
			assert_int_equal(starters[i].ret, -EADDRINUSE);
		else
			listening++;
	}
	pthread_barrier_destroy(&start);
	for (int i = 0; i < STARTERS; i++)
		if (starters[i].server)
			control_server_close(starters[i].server);
	assert_int_equal(listening, 1);
}

static void test_one_of_many_that_start_at_once_gets_the_path(void **state)
{
	struct rig *rig = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/many.sock", rig->dir);
	for (int i = 0; i < 50; i++)
		start_at_once(path);
}

/* ---- control_call() ---- */

struct caller {
	const char *path;
	int code;
	struct error err;
	json_t *result;
};

static void *call(void *arg)
{
	struct caller *caller = arg;
	json_t *request = json_pack("{s:i, s:s, s:s}", "version", CONTROL_VERSION, "command",
				    "echo", "word", "over there");

	caller->result = control_call(caller->path, request, &caller->code, &caller->err);
	json_decref(request);
	return NULL;
}

static void test_call_and_answer(void **state)
{
	struct rig *rig = *state;
	struct caller caller = {.path = rig->path};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, call, &caller), 0);
	for (int i = 0; i < 3; i++)
		assert_true(turn(rig, PATIENCE_MS)); /* comes, asks, leaves */
	pthread_join(thread, NULL);
	assert_string_equal(json_string_value(json_object_get(caller.result, "word")),
			    "over there");
	json_decref(caller.result);
}

static void test_nobody_there(void **state)
{
	struct rig *rig = *state;
	char path[128];
	struct caller caller = {.path = path};

	snprintf(path, sizeof(path), "%s/nobody.sock", rig->dir);
	call(&caller);
	assert_null(caller.result);
	assert_int_equal(caller.code, -ENOENT);
}

/* What something else behind the socket says to every request, NULL: it hangs up at once. */
struct impostor {
	int fd;
	const char *answer;
};

static void *pretend(void *arg)
{
	struct impostor *impostor = arg;
	int fd = accept(impostor->fd, NULL, NULL);
	char request[256];

	if (impostor->answer && recv(fd, request, sizeof(request), 0) > 0)
		send(fd, impostor->answer, strlen(impostor->answer), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

/* Every end of a conversation but an answer is one line of words; no signal ends the caller. */
static void test_answers_that_are_none(void **state)
{
	static const char *const answers[] = {
		NULL, "", "gibberish\n", "{\"ok\": true}\n", "{}\n", "[]\n", "{\"ok\": tr",
	};
	struct rig *rig = *state;
	char path[128];
	struct sockaddr_un addr;
	struct impostor impostor = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};

	snprintf(path, sizeof(path), "%s/impostor.sock", rig->dir);
	addr = address(path);
	assert_int_equal(bind(impostor.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(impostor.fd, 1), 0);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct caller caller = {.path = path};
		pthread_t thread;

		impostor.answer = answers[i];
		assert_int_equal(pthread_create(&thread, NULL, pretend, &impostor), 0);
		call(&caller);
		pthread_join(thread, NULL);
		assert_null(caller.result);
		assert_true(caller.code < 0);
		assert_true(strlen(caller.err.text) > 5);
	}
	close(impostor.fd);
}

/* A server without a descriptor left hangs up, whatever it was asked. */
static void test_call_on_a_closed_connection(void **state)
{
	struct rig *rig = *state;
	struct caller caller = {.path = rig->path};
	struct pollfd fds[1 + CONTROL_CLIENTS];
	struct rlimit usual;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, call, &caller), 0);
	assert_int_equal(poll(fds, control_server_pollfds(rig->server, fds), PATIENCE_MS), 1);
	usual = run_out_of_descriptors();
	assert_true(turn(rig, PATIENCE_MS));
	pthread_join(thread, NULL);
	setrlimit(RLIMIT_NOFILE, &usual);
	assert_null(caller.result);
	assert_true(caller.code < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests_in_pieces_and_in_one),
		TEST(test_each_gets_its_turn),
		TEST(test_nonsense_is_answered_and_forgotten),
		TEST(test_errors_that_are_not_utf8_are_answered),
		TEST(test_endless_line_ends_the_connection),
		TEST(test_slow_reader_holds_up_nobody),
		TEST(test_reader_that_leaves_is_forgotten),
		TEST(test_one_client_too_many),
		TEST(test_a_thousand_connections),
		TEST(test_client_without_a_descriptor_is_turned_away),
		TEST(test_file_goes_with_the_server),
		TEST(test_living_server_keeps_its_path),
		TEST(test_living_server_that_does_not_answer_keeps_its_path),
		TEST(test_dead_servers_file_is_replaced),
		TEST(test_server_that_is_about_to_listen_gets_its_path),
		TEST(test_file_that_is_no_socket_is_left_alone),
		TEST(test_one_of_many_that_start_at_once_gets_the_path),
		TEST(test_call_and_answer),
		TEST(test_nobody_there),
		TEST(test_answers_that_are_none),
		TEST(test_call_on_a_closed_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
