/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where an interface's program and maps are found by others: pins in the BPF file system, and the
 * lock that says which process serves the interface.
 *
 * Control thread.
 */
#ifndef STGT_XDP_PINS_H
#define STGT_XDP_PINS_H

#include "base/error.h"
#include <stdbool.h>

/*
 * Mounts the BPF file system where there is none and makes STGT_BPFFS. Where STGT_BPFFS is there
 * this needs no privilege.
 */
int pins_mount(struct error *err);

/* False when there is such a directory and this process's user may not use it. */
bool pins_readable(const char *name);

/* Makes the interface's directory; 0 also when it is there. */
int pins_make(const char *name, struct error *err);

/* Pins the object behind `fd`, in place of what was pinned as `entry`. */
int pins_put(const char *name, const char *entry, int fd, struct error *err);

/* A file descriptor of the pinned object, or negative errno. */
int pins_get(const char *name, const char *entry);

/* Removes the interface's pins and directory. */
void pins_remove(const char *name);

/*
 * Takes the interface's lock, which ends with the process: a file descriptor, or -EBUSY naming the
 * process that serves it. Waits half a second for a process that is just ending.
 */
int pins_lock(const char *name, struct error *err);
void pins_unlock(const char *name, int fd);

/* Pins and lock of an interface that was renamed go with it; on failure both stay. */
int pins_rename(const char *from, const char *to);

/*
 * Locks the interface's directory as well, if there is one: root may delete the lock file while the
 * interface is served, but cannot delete this without the pins. A file descriptor that stands for
 * it, -ENOENT, or -EBUSY. Waits as pins_lock() does.
 */
int pins_hold(const char *name, struct error *err);

#endif
