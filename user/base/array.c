/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

void *array_grow(void *array, unsigned int *count, size_t size)
{
	char **base = array;

	if (!(*count & (*count - 1))) {
		char *grown = reallocarray(*base, *count ? 2 * (size_t)*count : 1, size);

		if (!grown)
			return NULL;
		*base = grown;
	}
	return memset(*base + (size_t)(*count)++ * size, 0, size);
}
