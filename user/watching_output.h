/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where `capture` and `trace on` write: nobody who does not read keeps them from ending. */
#ifndef STGT_WATCHING_OUTPUT_H
#define STGT_WATCHING_OUTPUT_H

#include <signal.h>
#include <stdio.h>

/* The signals that say to end, SIGINT and SIGTERM. */
void watching_signals(sigset_t *set);

/*
 * Opens the file, which only its owner may read, or standard output ("-"). The signals are blocked:
 * when one comes while a pipe has no room, or while a FIFO has no reader yet, the call fails with
 * EINTR. NULL: see errno. The caller closes it.
 */
FILE *watching_output_open(const char *path);

#endif
