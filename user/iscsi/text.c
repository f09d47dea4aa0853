/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/text.h"

#include "base/hex.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void iscsi_text_fini(struct iscsi_text *text)
{
	free(text->bytes);
	memset(text, 0, sizeof(*text));
}

void iscsi_text_clear(struct iscsi_text *text)
{
	text->len = 0;
	text->failed = false;
}

bool iscsi_text_append(struct iscsi_text *text, const void *bytes, size_t len, size_t limit)
{
	if (text->failed || len > limit || text->len > limit - len)
		goto failed;
	if (len > text->room - text->len) {
		size_t room = text->room ? text->room : 512;
		char *grown;

		while (room - text->len < len)
			room *= 2;
		grown = realloc(text->bytes, room);
		if (!grown)
			goto failed;
		text->bytes = grown;
		text->room = room;
	}
	if (len)
		memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	return true;
failed:
	text->failed = true;
	return false;
}

void iscsi_text_put(struct iscsi_text *text, const char *key, const char *value)
{
	size_t before = text->len;

	if (!iscsi_text_append(text, key, strlen(key), SIZE_MAX) ||
	    !iscsi_text_append(text, "=", 1, SIZE_MAX) ||
	    !iscsi_text_append(text, value, strlen(value) + 1, SIZE_MAX))
		text->len = before;
}

void iscsi_text_put_number(struct iscsi_text *text, const char *key, uint32_t value)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%u", value);
	iscsi_text_put(text, key, digits);
}

/* RFC 7143 6.1: letters, digits, and . - + @ _; a standard key begins with a capital letter. */
static bool text_key_legal(const char *key, size_t len)
{
	if (!len || len > ISCSI_KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(key[i] >= 'A' && key[i] <= 'Z') && !(key[i] >= 'a' && key[i] <= 'z') &&
		    !(key[i] >= '0' && key[i] <= '9') && !strchr(".-+@_#", key[i]))
			return false;
	return true;
}

int iscsi_text_next(char **at, char *end, char **key, char **value)
{
	char *stop, *equals;

	/* Some initiators pad with NULs that they count as text. */
	while (*at < end && !**at)
		(*at)++;
	if (*at == end)
		return 0;
	stop = memchr(*at, '\0', (size_t)(end - *at));
	if (!stop)
		return -EBADMSG;
	equals = memchr(*at, '=', (size_t)(stop - *at));
	if (!equals || !text_key_legal(*at, (size_t)(equals - *at)))
		return -EBADMSG;
	*equals = '\0';
	*key = *at;
	*value = equals + 1;
	*at = stop + 1;
	return 1;
}

bool iscsi_text_number(const char *value, uint32_t max, uint32_t *number)
{
	bool hex = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
	uint64_t n = 0;

	if (hex)
		value += 2;
	if (!*value)
		return false;
	for (; *value; value++) {
		int digit = hex_digit(*value);

		if (digit < 0 || (!hex && digit > 9))
			return false;
		n = n * (hex ? 16 : 10) + (unsigned int)digit;
		if (n > max)
			return false;
	}
	*number = (uint32_t)n;
	return true;
}

bool iscsi_text_boolean(const char *value, bool *is)
{
	*is = !strcmp(value, "Yes");
	return *is || !strcmp(value, "No");
}

static int text_hex(const char *digits, uint8_t *bytes, size_t max)
{
	size_t n = strlen(digits), at = 0;

	if (!n || (n + 1) / 2 > max)
		return -EBADMSG;
	/* An odd number of digits: the first byte has only one. */
	if (n % 2) {
		int digit = hex_digit(*digits++);

		if (digit < 0)
			return -EBADMSG;
		bytes[at++] = (uint8_t)digit;
		n--;
	}
	return hex_parse(digits, n, bytes + at, max - at) ? (int)(at + n / 2) : -EBADMSG;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int text_base64(const char *digits, uint8_t *bytes, size_t max)
{
	size_t n = strlen(digits), at = 0;
	uint32_t bits = 0;
	unsigned int nbits = 0;

	if (!n || n % 4)
		return -EBADMSG;
	for (unsigned int i = 0; i < 2 && digits[n - 1] == '='; i++)
		n--;
	for (size_t i = 0; i < n; i++) {
		int digit = base64_digit(digits[i]);

		if (digit < 0)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)digit;
		nbits += 6;
		if (nbits < 8)
			continue;
		nbits -= 8;
		if (at == max)
			return -EBADMSG;
		bytes[at++] = (uint8_t)(bits >> nbits);
	}
	return (int)at;
}

int iscsi_text_binary(const char *value, uint8_t *bytes, size_t max)
{
	if (value[0] != '0')
		return -EBADMSG;
	if (value[1] == 'x' || value[1] == 'X')
		return text_hex(value + 2, bytes, max);
	if (value[1] == 'b' || value[1] == 'B')
		return text_base64(value + 2, bytes, max);
	return -EBADMSG;
}

bool iscsi_text_word(const char **list, const char **word, size_t *len)
{
	if (!**list)
		return false;
	*word = *list;
	*len = strcspn(*list, ",");
	*list += *len;
	if (**list)
		(*list)++;
	return true;
}

bool iscsi_text_is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(word, text, len);
}
