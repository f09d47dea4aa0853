/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TEXT_FIRST   128u /* enough for most labels */
#define TEXT_DIGITS  20u  /* of the largest number */
#define HUGE_PAGE    (2u << 20)
#define TEXT_DECIMAL (TEXT_DIGITS + 3u)

/* Room for `len` bytes more, or NULL. */
static char *text_room(struct text *text, size_t len)
{
	size_t size = text->size ? text->size : TEXT_FIRST;
	char *data;

	if (text->failed)
		return NULL;
	if (len <= text->size - text->len)
		return text->data + text->len;
	while (size - text->len < len)
		size *= 2;
	data = realloc(text->data, size);
	if (!data) {
		text->failed = true;
		return NULL;
	}
	text->data = data;
	text->size = size;
	return data + text->len;
}

/* Fresh memory costs more at its first touch than the text does; huge pages are fewer. */
void text_reserve(struct text *text, size_t len)
{
	uintptr_t from, to;

	if (!text_room(text, len))
		return;
	from = ((uintptr_t)text->data + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	to = ((uintptr_t)text->data + text->len + len) & ~(uintptr_t)(HUGE_PAGE - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_HUGEPAGE);
}

void text_putn(struct text *text, const char *s, size_t len)
{
	char *to = text_room(text, len);

	if (!to)
		return;
	memcpy(to, s, len);
	text->len += len;
}

void text_put(struct text *text, const char *s)
{
	text_putn(text, s, strlen(s));
}

/* Writes the digits so that they end at `end`, at least `width` of them; returns their beginning.
 */
static char *digits_before(char *end, uint64_t value, unsigned int width)
{
	char *at = end;

	while (value || at > end - width) {
		*--at = (char)('0' + value % 10);
		value /= 10;
	}
	return at;
}

void text_number(struct text *text, uint64_t value)
{
	char digits[TEXT_DIGITS];
	char *end = digits + sizeof(digits);
	char *at = digits_before(end, value, 1);

	text_putn(text, at, (size_t)(end - at));
}

void text_decimal(struct text *text, uint64_t value, unsigned int digits)
{
	char buffer[TEXT_DECIMAL];
	char *end = buffer + sizeof(buffer);
	uint64_t unit = 1;
	char *at;

	for (unsigned int i = 0; i < digits; i++)
		unit *= 10;
	text_number(text, value / unit);
	at = digits_before(end, value % unit, digits);
	while (end > at && end[-1] == '0')
		end--;
	if (end == at)
		return;
	text_putn(text, ".", 1);
	text_putn(text, at, (size_t)(end - at));
}

void text_label(struct text *text, const char *name, const char *value)
{
	if (text->len)
		text_putn(text, ",", 1);
	text_put(text, name);
	text_putn(text, "=\"", 2);
	for (; *value; value++) {
		size_t plain = strcspn(value, "\\\"\n");

		text_putn(text, value, plain);
		value += plain;
		if (!*value)
			break;
		text_put(text, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
	}
	text_putn(text, "\"", 1);
}

char *text_take(struct text *text, size_t *len)
{
	char *data;

	text_putn(text, "", 1);
	if (text->failed) {
		free(text->data);
		text->data = NULL;
	}
	data = text->data;
	*len = data ? text->len - 1 : 0;
	*text = (struct text){.failed = false};
	return data;
}
