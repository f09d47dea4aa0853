/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Patience with one who was killed: the kernel lets go of an io_uring, and so of the files and
 * sockets in it, a little later than of its process, and who starts in its place waits. Any thread.
 */
#ifndef STGT_BASE_PATIENCE_H
#define STGT_BASE_PATIENCE_H

#include <stdbool.h>
#include <time.h>

#define PATIENCE_TRIES	  50
#define PATIENCE_PAUSE_NS 20000000

/* After a try in vain, of `*tries` that were 0 before the first. True: waited, to be tried anew. */
static inline bool patience_wait(unsigned int *tries)
{
	const struct timespec pause = {.tv_nsec = PATIENCE_PAUSE_NS};

	if (++*tries == PATIENCE_TRIES)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

#endif
