/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/json_text.h"

#include "base/cleanup.h"
#include <string.h>

json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	_cleanup_free_ char *escaped = NULL;
	char *out;

	if (string)
		return string;
	escaped = out = malloc(strlen(text) * strlen("\\xNN") + 1);
	if (!escaped)
		return NULL;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80)
			*out++ = (char)c;
		else
			out += sprintf(out, "\\x%02x", c);
	}
	*out = '\0';
	return json_string(escaped);
}
