/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arrays that grow at their end. */
#ifndef STGT_BASE_ARRAY_H
#define STGT_BASE_ARRAY_H

#include <stddef.h>

/*
 * A zeroed element of `size` bytes behind the `*count` there are; pointers to the others are stale
 * afterwards. NULL, with nothing changed, when out of memory. `array` points at the array, which is
 * NULL at first, grows by this alone, and may lose elements. Room doubles. free() it.
 */
void *array_grow(void *array, unsigned int *count, size_t size);

#endif
