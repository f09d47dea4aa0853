/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a scope owns and gives back on every way out of it.
 *
 *	_cleanup_free_ char *s = strdup(...);
 *	_cleanup_close_ int fd = open(...);
 *
 * cleanup_steal() hands ownership out of the scope.
 */
#ifndef STGT_BASE_CLEANUP_H
#define STGT_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_	 __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_	 __attribute__((cleanup(cleanup_close)))
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_fclose)))

/* Reads a descriptor's value and leaves -1 behind, so the scope no longer closes it. */
static inline int cleanup_steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* The same for a pointer; the scope then frees NULL. */
#define cleanup_steal(ptr)                      \
	({                                      \
		__typeof__(ptr) _taken = (ptr); \
		(ptr) = NULL;                   \
		_taken;                         \
	})

#endif
