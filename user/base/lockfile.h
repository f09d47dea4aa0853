/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A lock between processes: a file that exists for as long as its holder does, holds its process
 * id, and is let go of by the kernel however the holder ends. Only the holder's user may open it.
 * Any thread.
 */
#ifndef STGT_BASE_LOCKFILE_H
#define STGT_BASE_LOCKFILE_H

#include <sys/types.h>

/*
 * A descriptor that stands for the lock, or negative errno. A holder that is just ending is waited
 * for, half a second; -EBUSY then names it in *holder (0: unknown).
 */
int lockfile_take(const char *path, pid_t *holder);

/* Locks what is open as `fd`, until that is closed: 0, or -EBUSY after the same wait. */
int lockfile_wait(int fd);

/* Removes the file, unless another has taken its place, and lets go. */
void lockfile_release(const char *path, int fd);

#endif
