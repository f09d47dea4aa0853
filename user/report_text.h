/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The documents of `status` and `stats` as tables for people. Members that an older or newer server
 * does not send are shown as "-".
 */
#ifndef STGT_REPORT_TEXT_H
#define STGT_REPORT_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* Tables of what is in the document; those that not everybody uses only if there is anything. */
void report_print_status(const json_t *document, FILE *out);
/* The table that status has under that name, or that of "acl", a list of the access lists' entries.
 */
void report_print_list(const json_t *document, const char *name, FILE *out);
/* Counters that are not zero, a line each: PATH VALUE. */
void report_print_stats(const json_t *document, FILE *out);

#endif
