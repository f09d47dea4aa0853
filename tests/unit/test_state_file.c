/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture.h"
#include "state/state.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "aoe-7.1"

static char *dir;
static unsigned int failing_syncs; /* so many of directories will */

/* libc's, for everybody in this program. */
int fsync(int fd)
{
	struct stat st;

	if (failing_syncs && !fstat(fd, &st) && S_ISDIR(st.st_mode)) {
		failing_syncs--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

static int dir_setup(void **unused)
{
	dir = fixture_dir_make();
	return 0;
}

static int dir_teardown(void **unused)
{
	fixture_dir_remove(dir);
	return 0;
}

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void file_write(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static char *file_read(const char *name)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(path_of(name), "r");

	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) < 65535);
	fclose(f);
	return text;
}

static struct state *open_ok(void)
{
	struct state *state = NULL;
	struct error err = {0};

	if (state_open(dir, KEY, NULL, &state, &err))
		fail_msg("%s", err.text);
	return state;
}

static void open_fails(const char *where, const char *key, int code, const char *hint)
{
	struct state *state = NULL;
	struct error err = {0};

	assert_int_equal(state_open(where, key, NULL, &state, &err), -code);
	assert_null(state);
	if (!strstr(err.text, hint))
		fail_msg("'%s' does not say '%s'", err.text, hint);
}

struct waiter {
	struct state_save save;
	int ended;
};

static void save_done(struct state_save *save)
{
	container_of(save, struct waiter, save)->ended++;
}

static int save(struct state *state, const char *section, json_t *value)
{
	struct waiter w = {.save.done = save_done};

	state_save(state, &w.save, section, value);
	assert_int_equal(w.ended, 1);
	return w.save.result;
}

static const char *section_text(struct state *state, const char *section)
{
	return json_string_value(json_object_get(state_section(state, section), "text"));
}

static void test_round_trip(void **unused)
{
	struct state *state = open_ok();

	assert_null(state_section(state, "aoe"));
	assert_int_equal(
		save(state, "aoe", json_pack("{s:s}", "text", "line\n\"quoted\" \\ \xc3\xa9")), 0);
	assert_int_equal(save(state, "ata", json_pack("{s:s}", "text", "other")), 0);
	state_close(state);

	state = open_ok();
	assert_string_equal(section_text(state, "aoe"), "line\n\"quoted\" \\ \xc3\xa9");
	assert_string_equal(section_text(state, "ata"), "other");
	assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "new")), 0);
	state_close(state);

	state = open_ok();
	assert_string_equal(section_text(state, "aoe"), "new");
	assert_string_equal(section_text(state, "ata"), "other");
	state_close(state);
}

static void test_file_is_private_and_readable(void **unused)
{
	struct state *state = open_ok();
	struct stat st;
	json_t *file;

	assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "x")), 0);
	state_close(state);
	assert_int_equal(stat(path_of(KEY ".json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	file = json_load_file(path_of(KEY ".json"), 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(file, "version")), 1);
	assert_string_equal(json_string_value(json_object_get(file, "key")), KEY);
	json_decref(file);
}

static void test_directory_is_made(void **unused)
{
	struct state *state = NULL;
	struct stat st;

	assert_int_equal(state_open(path_of("new"), KEY, NULL, &state, NULL), 0);
	state_close(state);
	assert_int_equal(stat(path_of("new"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* Opening alone leaves nothing behind; exports that were never configured have no file. */
static void test_open_leaves_no_file(void **unused)
{
	state_close(open_ok());
	assert_int_equal(access(path_of(KEY ".json"), F_OK), -1);
	assert_int_equal(access(path_of(KEY ".json.tmp"), F_OK), -1);
}

static void test_left_over_file_is_removed(void **unused)
{
	struct state *state = open_ok();

	assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "good")), 0);
	state_close(state);
	file_write(KEY ".json.tmp", "{\"version\": 1, half a fi");
	state = open_ok();
	assert_string_equal(section_text(state, "aoe"), "good");
	assert_int_equal(access(path_of(KEY ".json.tmp"), F_OK), -1);
	state_close(state);
}

/* A planted link must not make us write elsewhere. */
static void test_temporary_link_is_not_followed(void **unused)
{
	char *text;

	file_write("precious", "mine");
	assert_int_equal(symlink("precious", path_of(KEY ".json.tmp")), 0);
	open_fails(dir, KEY, ELOOP, "state directory");
	text = file_read("precious");
	assert_string_equal(text, "mine");
	free(text);
}

static void test_foreign_files_are_left_alone(void **unused)
{
	static const struct {
		const char *text, *hint;
	} files[] = {
		{"", "line"},
		{"{\"version\": 1, \"key\": \"" KEY "\", \"sections\": {", "line 1"},
		{"[1, 2]", "not a state file"},
		{"{\"version\": 1, \"key\": \"" KEY "\"}", "not a state file"},
		{"{\"version\": 1, \"key\": \"" KEY "\", \"sections\": []}", "not a state file"},
		{"{\"version\": 1, \"key\": \"" KEY "\", \"sections\": {}, \"x\": 1}",
		 "not a state file"},
		{"{\"version\": 4294967297, \"key\": \"" KEY "\", \"sections\": {}}",
		 "version 4294967297"},
		{"{\"version\": 2, \"key\": \"" KEY "\", \"sections\": {}}", "version 2"},
		{"{\"version\": 1, \"key\": \"aoe-9.9\", \"sections\": {}}", "aoe-9.9"},
	};
	unsigned int i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *text;

		file_write(KEY ".json", files[i].text);
		open_fails(dir, KEY, EINVAL, files[i].hint);
		text = file_read(KEY ".json");
		assert_string_equal(text, files[i].text);
		free(text);
	}
}

static void refused_and_removed(const char *name, int code, const char *hint)
{
	open_fails(dir, KEY, code, hint);
	assert_int_equal(remove(path_of(name)), 0);
}

/* None of them is taken for a state, or for none; and nobody waits for the other end of a pipe. */
static void test_what_is_no_file(void **unused)
{
	static const char *const names[] = {KEY ".json", KEY ".json.tmp", KEY ".lock"};

	alarm(20);
	assert_int_equal(symlink("nowhere", path_of(KEY ".json")), 0);
	refused_and_removed(KEY ".json", ENOENT, "leads nowhere");
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(mkdir(path_of(names[i]), 0700), 0);
		refused_and_removed(names[i], i ? EISDIR : EINVAL, i ? names[i] : "regular file");
	}
	assert_int_equal(mkfifo(path_of(KEY ".json"), 0600), 0);
	refused_and_removed(KEY ".json", EINVAL, "regular file");
	assert_int_equal(mkfifo(path_of(KEY ".json.tmp"), 0600), 0);
	refused_and_removed(KEY ".json.tmp", ENXIO, KEY ".json.tmp");
	file_write(KEY ".json", "");
	assert_int_equal(truncate(path_of(KEY ".json"), 1ll << 40), 0);
	refused_and_removed(KEY ".json", EINVAL, "1099511627776 bytes");
	alarm(0);
	state_close(open_ok());
}

static void test_keys(void **unused)
{
	open_fails(dir, "", EINVAL, "name a state file");
	open_fails(dir, "../x", EINVAL, "name a state file");
	open_fails(dir, "a/b", EINVAL, "name a state file");
	open_fails(dir, ".hidden", EINVAL, "name a state file");
}

static void test_bad_directories(void **unused)
{
	char *file = strdup(path_of("file"));

	file_write("file", "");
	open_fails(file, KEY, ENOTDIR, file);
	free(file);
	open_fails("/proc/self/nowhere", KEY, ENOENT, "/proc/self/nowhere");
	open_fails("/proc/self", KEY, ENOENT, "cannot write");
}

/* What a full disk does to a save, without filling one. */
static void test_failed_save_keeps_the_old_state(void **unused)
{
	struct state *state = open_ok();
	struct rlimit before, small;
	char large[9000], *old, *now;

	memset(large, 'x', sizeof(large));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "old")), 0);
	old = file_read(KEY ".json");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(save(state, "aoe", json_pack("{s:s#}", "text", large, (int)sizeof(large))),
			 -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

	now = file_read(KEY ".json");
	assert_string_equal(now, old);
	assert_int_equal(access(path_of(KEY ".json.tmp"), F_OK), -1);
	/* What could not be saved does not come along with the next save. */
	assert_int_equal(save(state, "ata", json_pack("{s:s}", "text", "later")), 0);
	state_close(state);
	state = open_ok();
	assert_string_equal(section_text(state, "aoe"), "old");
	assert_string_equal(section_text(state, "ata"), "later");
	state_close(state);
	free(old);
	free(now);
}

/* Whoever was told that it failed does not find it done after the process was killed. */
static void test_unsynced_save_is_undone(void **unused)
{
	static const char *const before[] = {"", "old"};
	struct state *state = open_ok();
	json_t *section;

	for (unsigned int i = 0; i < 2; i++) {
		const char *text;

		failing_syncs = 1;
		assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "new")), -EIO);
		assert_int_equal(state_peek(dir, KEY, "aoe", &section, NULL), 0);
		text = section ? json_string_value(json_object_get(section, "text")) : "";
		assert_string_equal(text, before[i]);
		json_decref(section);
		assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "old")), 0);
	}
	failing_syncs = 2;
	assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "new")), -EIO);
	state_close(state);
	state = open_ok();
	assert_string_equal(section_text(state, "aoe"), "old");
	state_close(state);
}

static void test_first_save_that_fails_leaves_no_section(void **unused)
{
	struct state *state = open_ok();

	assert_int_equal(save(state, "aoe", NULL), -ENOMEM);
	assert_int_equal(save(state, "ata", json_pack("{s:s}", "text", "x")), 0);
	state_close(state);
	state = open_ok();
	assert_null(state_section(state, "aoe"));
	state_close(state);
}

/* Somebody cleaned up too much: the next save makes the directory anew, with all there was. */
static void test_deleted_directory_comes_back(void **unused)
{
	struct state *state = open_ok();

	assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "before")), 0);
	assert_int_equal(unlink(path_of(KEY ".json")), 0);
	assert_int_equal(unlink(path_of(KEY ".lock")), 0);
	assert_int_equal(rmdir(dir), 0);
	/* In its way: no save, and none is lost once it is gone. */
	assert_int_equal(symlink("nowhere", dir), 0);
	assert_int_equal(save(state, "ata", json_pack("{s:s}", "text", "lost")), -ENOENT);
	assert_int_equal(unlink(dir), 0);
	assert_int_equal(save(state, "ata", json_pack("{s:s}", "text", "after")), 0);
	assert_int_equal(access(path_of(KEY ".lock"), F_OK), 0);
	state_close(state);

	state = open_ok();
	assert_string_equal(section_text(state, "aoe"), "before");
	assert_string_equal(section_text(state, "ata"), "after");
	state_close(state);
}

/* Moved away, and then another in its place: what is saved is where the next process looks for it.
 */
static void test_saves_follow_the_directory_s_name(void **unused)
{
	struct state *state = open_ok();
	char *away, *third;

	assert_true(asprintf(&away, "%s.away", dir) > 0);
	assert_true(asprintf(&third, "%s.third", dir) > 0);
	assert_int_equal(save(state, "aoe", json_pack("{s:s}", "text", "before")), 0);
	assert_int_equal(rename(dir, away), 0);
	assert_int_equal(save(state, "ata", json_pack("{s:s}", "text", "moved")), 0);
	assert_int_equal(rename(dir, third), 0);
	assert_int_equal(rename(away, dir), 0);
	assert_int_equal(save(state, "scsi", json_pack("{s:s}", "text", "replaced")), 0);
	state_close(state);
	fixture_dir_remove(third);
	free(away);

	state = open_ok();
	assert_string_equal(section_text(state, "aoe"), "before");
	assert_string_equal(section_text(state, "ata"), "moved");
	assert_string_equal(section_text(state, "scsi"), "replaced");
	state_close(state);
}

/* Holds the state in another process until the pipe closes. */
static pid_t hold_in_child(int release)
{
	struct state *state;
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		bool held = state_open(dir, KEY, NULL, &state, NULL) == 0;

		if (held && write(ready[1], "", 1) == 1)
			held = read(release, &byte, 1) >= 0;
		_exit(!held);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void test_second_process_is_refused(void **unused)
{
	struct state *state;
	char names_pid[32];
	struct error err;
	pid_t child;
	int release[2];

	assert_int_equal(pipe(release), 0);
	child = hold_in_child(release[0]);
	assert_int_equal(state_open(dir, KEY, NULL, &state, &err), -EBUSY);
	snprintf(names_pid, sizeof(names_pid), "process %d", (int)child);
	assert_non_null(strstr(err.text, names_pid));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* What a killed process leaves is no lock. */
	assert_int_equal(state_open(dir, KEY, NULL, &state, &err), 0);
	state_close(state);
	close(release[0]);
	close(release[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, dir_setup, dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_file_is_private_and_readable),
		TEST(test_directory_is_made),
		TEST(test_open_leaves_no_file),
		TEST(test_left_over_file_is_removed),
		TEST(test_temporary_link_is_not_followed),
		TEST(test_foreign_files_are_left_alone),
		TEST(test_what_is_no_file),
		TEST(test_keys),
		TEST(test_bad_directories),
		TEST(test_second_process_is_refused),
		TEST(test_failed_save_keeps_the_old_state),
		TEST(test_unsynced_save_is_undone),
		TEST(test_first_save_that_fails_leaves_no_section),
		TEST(test_deleted_directory_comes_back),
		TEST(test_saves_follow_the_directory_s_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
