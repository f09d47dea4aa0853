/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "kept.h"

#include "fixture.h"
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* In place of the C library's. */
int fsync(int fd)
{
	return 0;
}

static char **directory(void)
{
	static char *dir;

	return &dir;
}

static void remove_directory(void)
{
	fixture_dir_remove(*directory());
}

const char *kept_dir(void)
{
	char **dir = directory();

	if (!*dir) {
		*dir = fixture_dir_make();
		atexit(remove_directory);
	}
	return *dir;
}

void kept_set(const char *key, const void *bytes, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.json", kept_dir(), key);
	if (!bytes) {
		unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}
