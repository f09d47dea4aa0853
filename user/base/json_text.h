/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text of any origin in JSON documents, which hold UTF-8 only: names of files may be any bytes. */
#ifndef STGT_BASE_JSON_TEXT_H
#define STGT_BASE_JSON_TEXT_H

#include <jansson.h>

/*
 * A new JSON string of `text`. When that is no UTF-8, its bytes beyond ASCII become \xNN. NULL when
 * out of memory. Any thread.
 */
json_t *json_text(const char *text);

#endif
