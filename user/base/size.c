/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/size.h"

#include <errno.h>
#include <string.h>

static int size_unit(const char *suffix, unsigned int *shift)
{
	static const char units[] = "KMGT";
	const char *unit;

	*shift = 0;
	if (!*suffix)
		return 0;
	unit = strchr(units, *suffix);
	if (!unit || (suffix[1] && strcmp(suffix + 1, "iB")))
		return -EINVAL;
	*shift = 10 * (unsigned int)(unit - units + 1);
	return 0;
}

int size_parse(const char *text, uint64_t *bytes)
{
	uint64_t n = 0;
	unsigned int shift;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return -ERANGE;
	if (size_unit(text, &shift))
		return -EINVAL;
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = n << shift;
	return 0;
}
