/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text negotiation, RFC 7143 6.1: key=value pairs, each with a NUL behind it. */
#ifndef STGT_ISCSI_TEXT_H
#define STGT_ISCSI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISCSI_KEY_MAX  63u
#define ISCSI_TEXT_MAX (64u << 10) /* bytes of one negotiation's text, over all its PDUs */

/* A text that grows, up to a limit. All zeroes is an empty one. */
struct iscsi_text {
	char *bytes;
	size_t len, room;
	bool failed; /* something did not fit, or there was no memory: it is not in the text */
};

void iscsi_text_fini(struct iscsi_text *text);
/* False and `failed`: it would be longer than `limit`, or -ENOMEM. */
bool iscsi_text_append(struct iscsi_text *text, const void *bytes, size_t len, size_t limit);
/* Appends "key=value" and its NUL, with no limit but memory. */
void iscsi_text_put(struct iscsi_text *text, const char *key, const char *value);
void iscsi_text_put_number(struct iscsi_text *text, const char *key, uint32_t value);
/* Behind its last byte; NULL, as its first, when there never was one. */
static inline char *iscsi_text_end(const struct iscsi_text *text)
{
	return text->len ? text->bytes + text->len : text->bytes;
}
/* Empties it and keeps the memory. */
void iscsi_text_clear(struct iscsi_text *text);

/*
 * Takes the next pair out of [*at, end), which it changes. 1: there is one, 0: there is none left,
 * -EBADMSG: that is no pair of a legal key and a value that ends.
 */
int iscsi_text_next(char **at, char *end, char **key, char **value);

/* A decimal or 0x number (RFC 7143 6.1) of at most `max`. */
bool iscsi_text_number(const char *value, uint32_t max, uint32_t *number);
/* Yes or No. */
bool iscsi_text_boolean(const char *value, bool *is);
/*
 * A binary value: 0x with hexadecimal digits or 0b with base64. Returns its length, or -EBADMSG
 * when it is none or longer than `max`.
 */
int iscsi_text_binary(const char *value, uint8_t *bytes, size_t max);
/* Takes the next word of a comma separated list; false at its end. *len is its length. */
bool iscsi_text_word(const char **list, const char **word, size_t *len);
bool iscsi_text_is(const char *word, size_t len, const char *text);

#endif
