/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The documents of `status` and `stats` as tables for people. Members that an older or newer server
 * does not send are shown as "-".
 */
#ifndef STGT_REPORT_TEXT_H
#define STGT_REPORT_TEXT_H

#include <jansson.h>
#include <stdio.h>

void report_print_status(const json_t *document, FILE *out);
/* Only the table of that name: "interfaces", "exports", "disks" or "initiators". */
void report_print_list(const json_t *document, const char *name, FILE *out);
void report_print_stats(const json_t *document, FILE *out);

#endif
