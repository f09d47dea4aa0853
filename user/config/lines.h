/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which line of a YAML text a field stands on, found by the field's path ("aoe[1].address"). The
 * reading is also the gate: what passes is one document of plain lists and mappings, so that
 * libcyaml is given nothing surprising.
 */
#ifndef STGT_CONFIG_LINES_H
#define STGT_CONFIG_LINES_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

struct config_lines;

/*
 * -EINVAL, with `err` complete ("NAME:LINE: what"), for what is not YAML or not plain: anchors,
 * aliases, tags, NUL bytes, text that is no UTF-8, keys that are lists or stand there twice, a
 * second document, deep nesting, too many bytes. -ENOMEM.
 */
int config_lines_read(const char *text, size_t len, const char *name, struct config_lines **lines,
		      struct error *err);
void config_lines_free(struct config_lines *lines); /* NULL is fine */

const char *config_lines_name(const struct config_lines *lines);

/* There is no document, or nothing in it. */
bool config_lines_empty(const struct config_lines *lines);

/*
 * The line of the field, or of as much of its path as there is: "aoe[1].vlan" is the line of aoe[1]
 * when that says nothing of a VLAN. Counted from 1.
 */
unsigned int config_lines_find(const struct config_lines *lines, const char *path);
/* The field itself is there. */
bool config_lines_has(const struct config_lines *lines, const char *path);

#endif
