/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `stgt-xdp config` with a daemon that only knows its configuration: words, exit status, output. */
#include "base/cleanup.h"
#include "cmd.h"
#include "config_text.h"
#include "control/control.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define RUNS   "disks:\n- {name: a, ram: 1MiB}\n"
#define WANTED "disks:\n- {name: a, ram: 1MiB}\n- {name: b, ram: 2MiB}\n"

#define LISTS                                                     \
	"{disks: [{name: a, ram: 1M}], interfaces: [{name: e}], " \
	"aoe: [{address: '7.1', disk: a, interface: e, allow: [any]}]}"
#define LISTS_DIFFER "{\"yaml\": \"" LISTS "\", \"lists_differ\": [\"7.1\"]}"

/* A server on a thread of its own, until something arrives on the pipe. */
struct rig {
	char *dir;
	char file[128], socket[128];
	const char *answer; /* JSON; NULL: the server refuses */
	struct control_server *server;
	pthread_t thread;
	int stop[2];
	char out[4096], err[4096]; /* of the last command */
};

static json_t *run_config(void *ctx, const json_t *request, struct error *err)
{
	const struct rig *rig = ctx;

	if (rig->answer)
		return json_loads(rig->answer, 0, NULL);
	error_set(err, EBUSY, "not now");
	return NULL;
}

static const struct control_command commands[] = {
	{"config", run_config},
	{NULL, NULL},
};

static void *serve(void *arg)
{
	struct pollfd fds[2 + CONTROL_CLIENTS];
	struct rig *rig = arg;

	for (;;) {
		unsigned int n = control_server_pollfds(rig->server, fds + 1);

		fds[0] = (struct pollfd){.fd = rig->stop[0], .events = POLLIN};
		poll(fds, n + 1, -1);
		if (fds[0].revents)
			return NULL;
		control_server_dispatch(rig->server, fds + 1, n);
	}
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->dir = fixture_dir_make();
	snprintf(rig->file, sizeof(rig->file), "%s/stgt-xdp.yaml", rig->dir);
	snprintf(rig->socket, sizeof(rig->socket), "%s/control.sock", rig->dir);
	rig->answer = "{\"yaml\": \"disks:\\n- {name: a, ram: 1MiB}\\n\"}";
	assert_int_equal(pipe(rig->stop), 0);
	assert_int_equal(control_server_open(rig->socket, commands, rig, &rig->server, NULL), 0);
	assert_int_equal(pthread_create(&rig->thread, NULL, serve, rig), 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(write(rig->stop[1], "", 1), 1);
	pthread_join(rig->thread, NULL);
	control_server_close(rig->server);
	close(rig->stop[0]);
	close(rig->stop[1]);
	fixture_dir_remove(rig->dir);
	free(rig);
	return 0;
}

static void write_file(const struct rig *rig, const char *text)
{
	FILE *f = fopen(rig->file, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* What was written to `path` since redirect(); the stream has its old descriptor `saved` again. */
static void restore(FILE *stream, int saved, const char *path, char *text, size_t size)
{
	FILE *f;
	size_t n;

	fflush(stream);
	dup2(saved, fileno(stream));
	close(saved);
	f = fopen(path, "r");
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
}

static int redirect(FILE *stream, const char *path)
{
	int saved = dup(fileno(stream)), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	fflush(stream);
	assert_true(saved >= 0 && fd >= 0);
	dup2(fd, fileno(stream));
	close(fd);
	return saved;
}

#define WORDS_MAX 8

/* Runs `stgt-xdp config` with the words up to a NULL. */
static int run(struct rig *rig, const char *const *words)
{
	char *argv[WORDS_MAX + 2] = {"config"};
	char out[160], err[160];
	int argc = 1, saved_out, saved_err, ret;

	for (; *words; words++)
		argv[argc++] = (char *)*words;
	snprintf(out, sizeof(out), "%s/out", rig->dir);
	snprintf(err, sizeof(err), "%s/err", rig->dir);
	saved_out = redirect(stdout, out);
	saved_err = redirect(stderr, err);
	ret = cmd_config(argc, argv);
	restore(stdout, saved_out, out, rig->out, sizeof(rig->out));
	restore(stderr, saved_err, err, rig->err, sizeof(rig->err));
	return ret;
}

#define RUN(rig, ...) run(rig, (const char *const[]){__VA_ARGS__, NULL})

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' lacks '%s'", text, part);
}

static void assert_ends(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	if (len < n || strcmp(text + len - n, end))
		fail_msg("'%s' does not end with '%s'", text, end);
}

static void test_check(void **state)
{
	static const char *const nothing[] = {"", "\n", " \t\r\n\n"};
	struct rig *rig = *state;
	char want[512];

	write_file(rig, "disks:\n- { name: a, ram: 1M }\ninterfaces: [{ name: e }]\n");
	assert_int_equal(RUN(rig, "check", rig->file), EXIT_DONE);
	assert_ends(
		rig->out,
		"stgt-xdp.yaml: 1 disk, 1 interface, 0 AoE exports, 0 iSCSI targets, 0 limits\n");
	assert_string_equal(rig->err, "");

	write_file(rig, "disks:\n- { name: a, ram: 1 }\nstate_dir: x\n");
	assert_int_equal(RUN(rig, "check", rig->file), EXIT_USAGE);
	assert_string_equal(rig->out, "");
	snprintf(want, sizeof(want),
		 "%s:2: disks[0].ram: size '1' is not a multiple of 512 bytes above 0\n"
		 "%s:3: state_dir: 'x' is not an absolute path\n",
		 rig->file, rig->file);
	assert_string_equal(rig->err, want);

	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		write_file(rig, nothing[i]);
		assert_int_equal(RUN(rig, "check", rig->file), EXIT_USAGE);
		assert_string_equal(rig->out, "");
		assert_has(rig->err, "stgt-xdp.yaml is empty");
	}
	write_file(rig, "# nothing yet\n");
	assert_int_equal(RUN(rig, "check", rig->file), EXIT_DONE);

	unlink(rig->file);
	assert_int_equal(RUN(rig, "check", rig->file), EXIT_FAILED);
	assert_has(rig->err, "No such file");
}

static void test_show(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(RUN(rig, "show", "--socket", rig->socket), EXIT_DONE);
	assert_string_equal(rig->out, RUNS);
	rig->answer = NULL;
	assert_int_equal(RUN(rig, "show", "--socket", rig->socket), EXIT_FAILED);
	assert_string_equal(rig->err, "stgt-xdp config: not now\n");
	rig->answer = "{}";
	assert_int_equal(RUN(rig, "show", "--socket", rig->socket), EXIT_FAILED);
	assert_has(rig->err, "no configuration in it");
	assert_int_equal(RUN(rig, "show", "--socket", "/nonexistent/s.sock"), EXIT_FAILED);
	assert_has(rig->err, "no daemon answers on /nonexistent/s.sock");
}

static void test_diff(void **state)
{
	struct rig *rig = *state;

	write_file(rig, RUNS);
	assert_int_equal(RUN(rig, "diff", rig->file, "--socket", rig->socket), EXIT_DONE);
	assert_string_equal(rig->out, "");
	write_file(rig, WANTED);
	assert_int_equal(RUN(rig, "diff", "--socket", rig->socket, rig->file), EXIT_DONE);
	assert_string_equal(rig->out, "disk b: add ram:2MiB\n");
	assert_string_equal(rig->err, "");
	/* What the form of the file has no words for. */
	rig->answer = "{\"yaml\": \"disks: [{name: a, file: /a}]\", \"sizes\": {\"a\": 2097152}}";
	write_file(rig, "disks: [{name: a, file: /a, size: 1M}]\n");
	assert_int_equal(RUN(rig, "diff", "--socket", rig->socket, rig->file), EXIT_DONE);
	assert_string_equal(
		rig->out, "disk a: keep its 2MiB, as files never shrink: size 1MiB is too small\n");
	rig->answer = LISTS_DIFFER;
	write_file(rig, LISTS);
	assert_int_equal(RUN(rig, "diff", "--socket", rig->socket, rig->file), EXIT_DONE);
	assert_string_equal(rig->out, "export 7.1: allow any\n");
	write_file(rig, "disks: 5\n");
	assert_int_equal(RUN(rig, "diff", "--socket", rig->socket, rig->file), EXIT_USAGE);
	assert_ends(
		rig->err,
		"stgt-xdp.yaml:1: disks: this must be a list: [ ... ], or a line with '- ' for each\n");
	write_file(rig, WANTED);
	rig->answer = "{\"yaml\": \"]\"}";
	assert_int_equal(RUN(rig, "diff", "--socket", rig->socket, rig->file), EXIT_FAILED);
	assert_has(rig->err, "the server's configuration:1: this is not YAML");
	assert_int_equal(RUN(rig, "diff", "--socket", "/nonexistent/s", rig->file), EXIT_FAILED);
}

static void test_wrong_usage(void **state)
{
	static const struct {
		const char *words[4];
		const char *says;
	} cases[] = {
		{{NULL}, "check, diff or show"},
		{{"apply", NULL}, "unknown word: apply"},
		{{"check", NULL}, "check wants one file"},
		{{"check", "a", "b", NULL}, "check wants one file"},
		{{"diff", NULL}, "diff wants one file"},
		{{"show", "a", NULL}, "show wants no other word"},
		{{"show", "--socket", NULL}, "--socket wants a value"},
		{{"show", "--json", NULL}, "unknown option: --json"},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run(rig, cases[i].words), EXIT_USAGE);
		assert_has(rig->err, cases[i].says);
	}
	assert_int_equal(RUN(rig, "--help"), EXIT_DONE);
	assert_has(rig->out, "config check FILE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_check, setup, teardown),
		cmocka_unit_test_setup_teardown(test_show, setup, teardown),
		cmocka_unit_test_setup_teardown(test_diff, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_usage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
