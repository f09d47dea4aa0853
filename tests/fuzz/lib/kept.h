/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A state directory for fuzzers: one for all inputs, emptied before each, gone with the process.
 * Nothing in it has to survive a power cut, so nothing is synced.
 */
#ifndef STGT_FUZZ_KEPT_H
#define STGT_FUZZ_KEPT_H

#include <stddef.h>

/* Valid as long as the process. */
const char *kept_dir(void);
/* `key`.json in it becomes these bytes; NULL: there is none. */
void kept_set(const char *key, const void *bytes, size_t len);

#endif
