/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bytes as pairs of hexadecimal digits, the first byte first. Any thread. */
#ifndef STGT_BASE_HEX_H
#define STGT_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a digit in either case, or -1. */
int hex_digit(char c);

/* Writes 2 * `len` lower case digits and a NUL. */
void hex_format(const uint8_t *bytes, size_t len, char *text);

/* Reads `digits` characters into at most `max` bytes; false when they are not that. */
bool hex_parse(const char *text, size_t digits, uint8_t *bytes, size_t max);

#endif
