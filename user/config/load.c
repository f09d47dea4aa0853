/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/cleanup.h"
#include "config/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What passed the gate: the shape, then the sense. */
static int read_shaped(const char *text, size_t len, const struct config_lines *lines,
		       struct config *config, char **problems, struct error *err)
{
	struct config_problems *found = malloc(sizeof(*found));
	struct file_config *file;
	int ret;

	if (!found)
		return error_set(err, ENOMEM, "out of memory");
	ret = schema_load(text, len, lines, &file, err);
	if (ret) {
		free(found);
		return config_problems_one(problems, ret, err);
	}
	config_problems_init(found, lines);
	if ((file && config_convert(file, config, found)) || config_check_sense(config, found))
		ret = error_set(err, ENOMEM, "out of memory");
	else
		ret = config_problems_report(found, problems, err);
	config_problems_fini(found);
	free(found);
	schema_free(file);
	return ret;
}

int config_parse(const char *text, size_t len, const char *name, struct config **config,
		 char **problems, struct error *err)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct config_lines *lines;
	struct config *read;
	struct error mine;
	int ret;

	if (problems)
		*problems = NULL;
	if (!err)
		err = &mine;
	/* libyaml takes a byte order mark for text when it is told the encoding. */
	if (len >= sizeof(mark) - 1 && !memcmp(text, mark, sizeof(mark) - 1)) {
		text += sizeof(mark) - 1;
		len -= sizeof(mark) - 1;
	}
	ret = config_lines_read(text, len, name, &lines, err);
	if (ret)
		return config_problems_one(problems, ret, err);
	read = config_new();
	if (read)
		ret = read_shaped(text, len, lines, read, problems, err);
	else
		ret = error_set(err, ENOMEM, "out of memory");
	if (ret) {
		config_lines_free(lines);
		config_free(read);
		return ret;
	}
	read->lines = lines;
	*config = read;
	return 0;
}

/* At most one byte more than is allowed. Negative errno, or the number of bytes. */
static ssize_t read_all(int fd, char *text)
{
	size_t len = 0;

	while (len <= CONFIG_FILE_MAX) {
		ssize_t n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static struct config_problems *problems_begin(const struct config *config, struct error *err)
{
	struct config_problems *found = malloc(sizeof(*found));

	if (found)
		config_problems_init(found, config->lines);
	else
		error_set(err, ENOMEM, "out of memory");
	return found;
}

/* Tells what was found, and frees it; `failed`: the search itself ran out of memory. */
static int problems_end(struct config_problems *found, bool failed, char **problems,
			struct error *err)
{
	int ret = failed ? error_set(err, ENOMEM, "out of memory")
			 : config_problems_report(found, problems, err);

	config_problems_fini(found);
	free(found);
	return ret;
}

static int load_secrets(struct config *config, char **problems, struct error *err)
{
	struct config_problems *found = problems_begin(config, err);

	if (!found)
		return -ENOMEM;
	return problems_end(found, config_secrets_load(config, found), problems, err);
}

/* Comments are words: somebody put them there. */
static bool is_empty(const char *text, size_t len)
{
	static const char blanks[] = {' ', '\t', '\r', '\n'};

	for (size_t i = 0; i < len; i++)
		if (!memchr(blanks, text[i], sizeof(blanks)))
			return false;
	return true;
}

/* Taken for a wish to serve nothing, it would end everything that is served. */
static int refuse_empty(const char *path, struct error *err)
{
	return error_set(err, EINVAL,
			 "%s is empty, as files are that could not be saved: write {} into it if "
			 "nothing is to be served",
			 path);
}

int config_load(const char *path, struct config **config, char **problems, struct error *err)
{
	/* O_NONBLOCK: opening a pipe that nobody writes to would wait. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = malloc(CONFIG_FILE_MAX + 1);
	struct stat st;
	ssize_t len;
	int ret;

	if (problems)
		*problems = NULL;
	if (fd < 0)
		return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	if (fstat(fd, &st))
		return error_set(err, errno, "cannot read %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return error_set(err, EISDIR, "%s is a directory, not a file", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ENXIO, "%s is not a regular file", path);
	len = read_all(fd, text);
	if (len < 0)
		return error_set(err, (int)-len, "cannot read %s: %s", path, strerror((int)-len));
	if (is_empty(text, (size_t)len))
		return config_problems_one(problems, refuse_empty(path, err), err);
	ret = config_parse(text, (size_t)len, path, config, problems, err);
	if (ret)
		return ret;
	if (config_has_secret(*config))
		config_secret_mode_warn(path, st.st_mode);
	ret = load_secrets(*config, problems, err);
	if (ret)
		config_free(*config);
	else
		config_secrets_weigh(*config);
	return ret;
}

int config_check(const struct config *config, char **problems, struct error *err)
{
	struct config_problems *found;

	if (problems)
		*problems = NULL;
	found = problems_begin(config, err);
	if (!found)
		return -ENOMEM;
	return problems_end(found, config_check_sense(config, found), problems, err);
}
