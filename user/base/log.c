/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/log.h"

#include "base/log_queue.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* The process's, as stderr is: every thread logs, and passing a logger to each would tell nothing.
 */
static _Atomic int log_level = LOG_DEBUG;
static _Atomic int log_place = LOG_TO_AUTO;

void log_configure(int level, enum log_to to)
{
	atomic_store(&log_level, level);
	atomic_store(&log_place, (int)to);
}

void log_set_level(int level)
{
	atomic_store(&log_level, level);
}

/* libsystemd says that it is done where there is no journal. */
static bool log_to_journal(int priority, const char *line)
{
	return !access(JOURNAL_SOCKET, F_OK) && sd_journal_print(priority, "%s", line) == 0;
}

/* Without stdio: whoever hangs in there has the stream's lock, for which exit() may wait. */
static void stderr_write(const char *text, size_t len)
{
	ssize_t n;

	for (; len; text += n, len -= (size_t)n) {
		n = write(STDERR_FILENO, text, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return;
	}
}

static void line_write(int priority, const char *line)
{
	int place = atomic_load(&log_place);
	char text[LOG_LINE + 32];
	int len;

	/* Where there is no journal, a line on stderr is better than none. */
	if (place == LOG_TO_JOURNAL && log_to_journal(priority, line))
		return;
	/* One write a line, so that lines of several threads never mix. */
	if (place == LOG_TO_AUTO && getenv("JOURNAL_STREAM"))
		len = snprintf(text, sizeof(text), "<%d>%s\n", priority, line);
	else
		len = snprintf(text, sizeof(text), "stgt-xdp: %s\n", line);
	stderr_write(text, (size_t)len);
}

void log_write(int priority, const char *fmt, ...)
{
	char line[LOG_LINE];
	va_list ap;

	if (priority > atomic_load(&log_level))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!log_queue_put(priority, line))
		line_write(priority, line);
}

void log_start(void)
{
	if (!log_queue_start(line_write))
		log_warning("no thread for the log: who does not read it stops the service");
}

void log_stop(void)
{
	log_queue_stop();
}
