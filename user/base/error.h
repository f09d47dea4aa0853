/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Errors of set-up and administration: a number for the program, one line for the person.
 *
 * A function that takes `struct error *` fills it exactly when it returns a negative errno. The
 * text says what failed and, where it can, what to do about it; it has no newline and no program
 * name. `err` may be NULL where the caller only wants the number.
 */
#ifndef STGT_BASE_ERROR_H
#define STGT_BASE_ERROR_H

struct error {
	char text[512];
};

/* Formats the text and returns -`code`, so that `return error_set(err, ENOENT, ...)` reads well. */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts a formatted prefix and ": " before the text already there; returns -`code`. */
int error_prefix(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
