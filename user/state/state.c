/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "state/state.h"

#include "base/cleanup.h"
#include "base/lockfile.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define STATE_VERSION 1
#define STATE_MAX     (1 << 20) /* bytes of a file, some times what the most can need */

/* After state_open() everything but the names belongs to the thread that writes. */
struct state {
	int dir;
	char *dir_path;
	char *key;
	char *file; /* names within `dir` */
	char *temp;
	char *lock_path;
	int lock; /* against another process with the same export */
	struct mailbox *writer;
	json_t *document; /* what the file holds */
	bool failing;	  /* the last save failed, and the log says so */
};

static bool key_valid(const char *key)
{
	return key[0] && key[0] != '.' && !strchr(key, '/') && strlen(key) < 200;
}

static json_t *document_new(const char *key)
{
	return json_pack("{s:i, s:s, s:{}}", "version", STATE_VERSION, "key", key, "sections");
}

static int document_check(json_t *document, const char *key, struct error *err)
{
	json_error_t why;
	const char *stored;
	json_t *sections;
	json_int_t version;

	if (json_unpack_ex(document, &why, JSON_STRICT, "{s:I, s:s, s:o}", "version", &version,
			   "key", &stored, "sections", &sections) ||
	    !json_is_object(sections))
		return error_set(err, EINVAL, "not a state file");
	if (version != STATE_VERSION)
		return error_set(err, EINVAL, "state version %lld, this program writes version %d",
				 (long long)version, STATE_VERSION);
	if (strcmp(stored, key))
		return error_set(err, EINVAL, "it is the state of '%s'", stored);
	return 0;
}

/* What no save has left there; it could take for ever to read, or all the memory. */
static int file_check(int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return error_set(err, errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "it is not a regular file");
	if (st.st_size > STATE_MAX)
		return error_set(err, EINVAL, "not a state file: it has %lld bytes",
				 (long long)st.st_size);
	return 0;
}

/* What a link that leads nowhere should lead to may be on a disk that is not mounted. */
static int document_missing(int dir, const char *file, const char *key, json_t **document,
			    struct error *err)
{
	if (!faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW))
		return error_set(err, ENOENT, "it is a link that leads nowhere");
	*document = document_new(key);
	return *document ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* *document is the caller's, also on failure, or NULL. */
static int document_read(int dir, const char *file, const char *key, json_t **document,
			 struct error *err)
{
	/* O_NONBLOCK: opening a pipe that nobody writes to would wait. */
	_cleanup_close_ int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	json_error_t why;
	int ret;

	if (fd < 0 && errno == ENOENT)
		return document_missing(dir, file, key, document, err);
	if (fd < 0)
		return error_set(err, errno, "%s", strerror(errno));
	ret = file_check(fd, err);
	if (ret)
		return ret;
	*document = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);
	if (!*document)
		return error_set(err, EINVAL, "line %d: %s", why.line, why.text);
	return document_check(*document, key, err);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Writes the document to the temporary file; nothing is left behind on failure. */
static int temp_write(struct state *state, bool durable)
{
	_cleanup_free_ char *text =
		json_dumps(state->document, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	_cleanup_close_ int fd = -1;
	int ret;

	if (!text)
		return -ENOMEM;
	fd = openat(state->dir, state->temp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, strlen(text));
	if (!ret && durable && fsync(fd))
		ret = -errno;
	if (ret)
		unlinkat(state->dir, state->temp, 0);
	return ret;
}

/* What it will hold is as durable as its own name is. */
static int parent_sync(int dir)
{
	_cleanup_close_ int parent = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return parent < 0 || fsync(parent) ? -errno : 0;
}

/* Behind what the kernel said of the state directory. */
static const char *advice(int code)
{
	return code == EACCES ? ": be root or its owner, or name another with --state-dir" : "";
}

static int dir_open(const char *dir, struct error *err)
{
	_cleanup_close_ int fd = -1;
	bool made = !mkdir(dir, 0700);

	if (!made && errno != EEXIST)
		return error_set(err, errno, "cannot make the state directory %s: %s%s", dir,
				 strerror(errno), advice(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "cannot open the state directory %s: %s%s", dir,
				 strerror(errno), advice(errno));
	if (made && parent_sync(fd))
		return error_set(err, errno, "cannot sync what the state directory %s is in: %s",
				 dir, strerror(errno));
	return cleanup_steal_fd(&fd);
}

int state_dir_check(const char *dir, struct error *err)
{
	static const char block[4096];
	_cleanup_close_ int fd = dir_open(dir, err), file = -1;
	int ret;

	if (fd < 0)
		return fd;
	file = openat(fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	/* Some file systems know only files that have a name: state_open() will see. */
	if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		return 0;
	ret = file < 0 ? -errno : write_all(file, block, sizeof(block));
	if (!ret && fsync(file))
		ret = -errno;
	if (ret)
		return error_set(err, -ret, "cannot write to the state directory %s: %s%s", dir,
				 strerror(-ret), advice(-ret));
	return 0;
}

/* Two processes that remember the same export would undo each other's saves. */
static int state_lock(struct state *state, struct error *err)
{
	pid_t holder = 0;

	state->lock = lockfile_take(state->lock_path, &holder);
	if (state->lock == -EBUSY)
		return error_set(err, EBUSY,
				 "state file %s/%s is in use by process %d: end that, or use "
				 "another state directory",
				 state->dir_path, state->file, (int)holder);
	if (state->lock < 0)
		return error_set(err, -state->lock,
				 "cannot write to the state directory %s: %s.lock: %s%s",
				 state->dir_path, state->key, strerror(-state->lock),
				 advice(-state->lock));
	return 0;
}

/*
 * Somebody deleted the directory, moved it or put another in its place: go on in the one there is
 * now.
 */
static int dir_follow(struct state *state)
{
	int dir = dir_open(state->dir_path, NULL), ret;

	if (dir < 0)
		return dir;
	cleanup_close(&state->lock);
	ret = state_lock(state, NULL);
	if (ret) {
		close(dir);
		return ret;
	}
	close(state->dir);
	state->dir = dir;
	return 0;
}

/* The next process will look for what is saved where the path leads to then, and nowhere else. */
static bool dir_replaced(const struct state *state)
{
	struct stat own, there;

	if (stat(state->dir_path, &there))
		return errno == ENOENT || errno == ENOTDIR;
	return !fstat(state->dir, &own) &&
	       (own.st_dev != there.st_dev || own.st_ino != there.st_ino);
}

/* *replaced: the file is another, also where that may not be durable. */
static int document_write(struct state *state, bool *replaced)
{
	int ret = dir_replaced(state) ? dir_follow(state) : 0;

	*replaced = false;
	if (!ret)
		ret = temp_write(state, true);
	if (ret)
		return ret;
	if (renameat(state->dir, state->temp, state->dir, state->file)) {
		ret = -errno;
		unlinkat(state->dir, state->temp, 0);
		return ret;
	}
	*replaced = true;
	return fsync(state->dir) ? -errno : 0;
}

static int state_load(struct state *state, struct error *err)
{
	int ret = document_read(state->dir, state->file, state->key, &state->document, err);

	if (ret)
		return error_prefix(err, -ret, "state file %s/%s", state->dir_path, state->file);
	/*
	 * A rehearsal of the next save; it also takes away what a crash may have left. Hundreds of
	 * exports must not wait for the disk at every start: see state_dir_check().
	 */
	ret = temp_write(state, false);
	if (ret)
		return error_set(err, -ret, "cannot write to the state directory %s: %s: %s",
				 state->dir_path, state->temp, strerror(-ret));
	unlinkat(state->dir, state->temp, 0);
	return 0;
}

int state_open(const char *dir, const char *key, struct mailbox *writer, struct state **state,
	       struct error *err)
{
	struct state *s;
	int ret;

	if (!key_valid(key))
		return error_set(err, EINVAL, "'%s' cannot name a state file", key);
	s = calloc(1, sizeof(*s));
	if (!s)
		return error_set(err, ENOMEM, "out of memory");
	s->writer = writer;
	s->lock = -1;
	s->dir = dir_open(dir, err);
	if (s->dir < 0) {
		ret = s->dir;
		goto out;
	}
	s->key = strdup(key);
	s->dir_path = strdup(dir);
	if (!s->key || !s->dir_path || asprintf(&s->file, "%s.json", key) < 0 ||
	    asprintf(&s->temp, "%s.json.tmp", key) < 0 ||
	    asprintf(&s->lock_path, "%s/%s.lock", dir, key) < 0) {
		ret = error_set(err, ENOMEM, "out of memory");
		goto out;
	}
	ret = state_lock(s, err);
	if (!ret)
		ret = state_load(s, err);
	if (!ret) {
		*state = s;
		return 0;
	}
out:
	state_close(s);
	return ret;
}

void state_close(struct state *state)
{
	if (!state)
		return;
	json_decref(state->document);
	if (state->lock >= 0)
		lockfile_release(state->lock_path, state->lock);
	if (state->dir >= 0)
		close(state->dir);
	free(state->dir_path);
	free(state->lock_path);
	free(state->temp);
	free(state->file);
	free(state->key);
	free(state);
}

int state_peek(const char *dir, const char *key, const char *section, json_t **value,
	       struct error *err)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *file = NULL;
	json_t *document = NULL;
	int ret;

	*value = NULL;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set(err, errno, "cannot open the state directory %s: %s%s", dir,
				 strerror(errno), advice(errno));
	if (asprintf(&file, "%s.json", key) < 0) {
		file = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	ret = document_read(fd, file, key, &document, err);
	if (!ret)
		*value = json_incref(
			json_object_get(json_object_get(document, "sections"), section));
	json_decref(document);
	return ret ? error_prefix(err, -ret, "state file %s/%s", dir, file) : 0;
}

static json_t *state_sections(const struct state *state)
{
	return json_object_get(state->document, "sections");
}

const json_t *state_section(const struct state *state, const char *section)
{
	return json_object_get(state_sections(state), section);
}

/*
 * The document is put back when it cannot be written, so that no later save brings it along; and so
 * is the file, as whoever is told that the save failed must not find it done by the next process.
 */
static int section_replace(struct state *state, const char *section, json_t *value)
{
	json_t *sections = state_sections(state);
	json_t *before = json_incref(json_object_get(sections, section));
	bool replaced = false;
	int ret = json_object_set(sections, section, value) ? -ENOMEM
							    : document_write(state, &replaced);

	if (ret && before)
		json_object_set(sections, section, before);
	else if (ret)
		json_object_del(sections, section);
	json_decref(before);
	if (ret && replaced)
		document_write(state, &replaced);
	return ret;
}

static void save_reply(struct message *message)
{
	struct state_save *save = container_of(message, struct state_save, message);

	save->done(save);
}

static void save_write(struct state_save *save)
{
	struct state *state = save->state;

	save->result = save->value ? section_replace(state, save->section, save->value) : -ENOMEM;
	json_decref(save->value);
	save->value = NULL;
	if (save->result && !state->failing)
		log_error("cannot save the state of %s in %s, its initiators are told so: %s",
			  state->key, state->dir_path, strerror(-save->result));
	state->failing = save->result;
}

static void save_run(struct message *message)
{
	struct state_save *save = container_of(message, struct state_save, message);

	save_write(save);
	message->run = save_reply;
	mailbox_post(save->reply, message);
}

void state_save(struct state *state, struct state_save *save, const char *section, json_t *value)
{
	save->state = state;
	save->section = section;
	save->value = value;
	save->message.run = save_run;
	if (state->writer) {
		mailbox_post(state->writer, &save->message);
		return;
	}
	save_write(save);
	save->done(save);
}
