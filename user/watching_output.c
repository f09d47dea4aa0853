/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "watching_output.h"

#include "base/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define READER_WAIT_MS 50

/* What is not a regular file, where a write may wait for somebody. */
struct output {
	int fd;
	int signals; /* looked at, never read: they are watching.c's */
};

void watching_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

static int output_signals(void)
{
	sigset_t set;

	watching_signals(&set);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A pipe that poll() calls writable takes so much at once. */
static ssize_t output_write(void *cookie, const char *data, size_t len)
{
	struct output *output = cookie;
	size_t done = 0;

	while (done < len) {
		size_t part = len - done < PIPE_BUF ? len - done : PIPE_BUF;
		struct pollfd fds[] = {
			{.fd = output->fd, .events = POLLOUT},
			{.fd = output->signals, .events = POLLIN},
		};
		ssize_t n;

		if (poll(fds, 2, -1) < 0)
			return 0;
		if (!fds[0].revents) {
			errno = EINTR;
			return 0;
		}
		n = write(output->fd, data + done, part);
		if (n < 0)
			return 0;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int output_close(void *cookie)
{
	struct output *output = cookie;
	int ret = close(output->fd);

	close(output->signals);
	free(output);
	return ret;
}

/* A FIFO without a reader (ENXIO) gets one soon, or the person gives up. */
static int open_file(const char *path, int signals)
{
	struct pollfd pfd = {.fd = signals, .events = POLLIN};
	int fd;

	for (;;) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600);
		if (fd >= 0 || errno != ENXIO)
			break;
		if (poll(&pfd, 1, READER_WAIT_MS)) {
			errno = EINTR;
			return -1;
		}
	}
	if (fd >= 0)
		fcntl(fd, F_SETFL, 0);
	return fd;
}

FILE *watching_output_open(const char *path)
{
	static const cookie_io_functions_t functions = {
		.write = output_write,
		.close = output_close,
	};
	_cleanup_close_ int signals = output_signals();
	_cleanup_close_ int fd = -1;
	_cleanup_free_ struct output *output = calloc(1, sizeof(*output));
	struct stat st;
	FILE *file;

	if (signals < 0 || !output)
		return NULL;
	fd = strcmp(path, "-") ? open_file(path, signals)
			       : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || fstat(fd, &st))
		return NULL;
	if (S_ISREG(st.st_mode)) {
		file = fdopen(fd, "wb");
		if (file)
			cleanup_steal_fd(&fd);
		return file;
	}
	*output = (struct output){.fd = fd, .signals = signals};
	file = fopencookie(output, "wb", functions);
	if (!file)
		return NULL;
	cleanup_steal_fd(&fd);
	cleanup_steal_fd(&signals);
	cleanup_steal(output);
	return file;
}
