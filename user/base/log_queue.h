/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The log's lines on their way out, by a thread of their own: who reads the log may stop to read (a
 * pager, a terminal that is held, a journal whose disk hangs), and must not stop who serves disks
 * with that. Whoever logs waits for his line as long as lines are taken at once; then order and
 * completeness are as without the thread. Where one is not, nobody waits until all are written, and
 * those without room are counted instead. Any thread, unless it says otherwise.
 */
#ifndef STGT_BASE_LOG_QUEUE_H
#define STGT_BASE_LOG_QUEUE_H

#include <stdbool.h>

#define LOG_LINE 1024u /* bytes of a line, with its terminator */

/*
 * From now on lines are given to `write`, which may block. Once, by who does not log at the same
 * time. False: no thread can be had, and there is no queue.
 */
bool log_queue_start(void (*write)(int priority, const char *line));

/* False: there is no queue, the line is the caller's to write. It is cut at LOG_LINE. */
bool log_queue_put(int priority, const char *line);

/*
 * Ends the queue as soon as its lines are written; where nobody takes them, it waits a second for
 * one, and from then on lines are thrown away. As log_queue_start().
 */
void log_queue_stop(void);

#endif
