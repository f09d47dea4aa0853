/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The running server's log: one line a message, any thread. Priorities are those of <syslog.h>.
 */
#ifndef STGT_BASE_LOG_H
#define STGT_BASE_LOG_H

#include <syslog.h>

enum log_to {
	/*
	 * stderr; when that is the journal ($JOURNAL_STREAM) each line carries its `<N>` prefix, so
	 * that `journalctl -p` works; a terminal sees plain text.
	 */
	LOG_TO_AUTO,
	LOG_TO_STDERR, /* plain text */
	LOG_TO_JOURNAL,
};

/* From now on: messages of this priority and more urgent ones, there. At first all, LOG_TO_AUTO. */
void log_configure(int level, enum log_to to);
void log_set_level(int level);

void log_write(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Between the two a thread writes, and who logs waits for a line only where it is taken at once:
 * see base/log_queue.h. Control thread, while no other logs.
 */
void log_start(void);
void log_stop(void);

#define log_error(...)	 log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_write(LOG_NOTICE, __VA_ARGS__)

#endif
