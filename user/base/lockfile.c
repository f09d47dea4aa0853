/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES    10
#define LOCK_RETRY_NS 50000000

/* True when the file that was locked is still the one that others find at the path. */
static bool lock_current(int fd, const char *path)
{
	struct stat own, there;

	return !fstat(fd, &own) && !stat(path, &there) && own.st_ino == there.st_ino &&
	       own.st_dev == there.st_dev;
}

static pid_t lock_holder(int fd)
{
	char pid[16] = "";

	return pread(fd, pid, sizeof(pid) - 1, 0) > 0 ? (pid_t)strtol(pid, NULL, 10) : 0;
}

static int lock_sign(int fd)
{
	return ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0 ? -errno : 0;
}

int lockfile_take(const char *path, pid_t *holder)
{
	const struct timespec pause = {.tv_nsec = LOCK_RETRY_NS};
	int tries = 0;

	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			int ret = lock_current(fd, path) ? lock_sign(fd) : -EAGAIN;

			if (!ret)
				return fd;
			if (ret != -EAGAIN) {
				lockfile_release(path, fd);
				return ret;
			}
		} else if (++tries == LOCK_TRIES) {
			*holder = lock_holder(fd);
			close(fd);
			return -EBUSY;
		} else {
			nanosleep(&pause, NULL);
		}
		close(fd);
	}
}

int lockfile_wait(int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_RETRY_NS};

	for (int tries = 1; flock(fd, LOCK_EX | LOCK_NB); tries++) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (tries == LOCK_TRIES)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

void lockfile_release(const char *path, int fd)
{
	/* It may have been moved away, and the path be somebody else's since. */
	if (lock_current(fd, path))
		unlink(path);
	close(fd);
}
