/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happens while somebody waits for a lock or an address: tries are only so many, so another
 * thread or process that has to be given the processor first may come too late to let go of it.
 */
#ifndef TESTS_BETWEEN_TRIES_H
#define TESTS_BETWEEN_TRIES_H

#include <stddef.h>
#include <time.h>

static void (*between_tries)(void); /* runs in place of the next pause, once */

/* libc's for the whole program. */
int nanosleep(const struct timespec *pause, struct timespec *left)
{
	void (*happens)(void) = between_tries;

	between_tries = NULL;
	if (!happens)
		return clock_nanosleep(CLOCK_MONOTONIC, 0, pause, left) ? -1 : 0;
	happens();
	return 0;
}

#endif
