/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A traced step as people read it. */
#ifndef STGT_TRACE_TEXT_H
#define STGT_TRACE_TEXT_H

#include "aoe/trace.h"

#define TRACE_TEXT 256

/*
 * One line without its end: the time (`ns` since 1970), `since_ns` after the frame was received,
 * the step, who and what, and from the completion on the result.
 */
void trace_text(const struct aoe_step *step, uint64_t since_ns, uint64_t ns, char text[TRACE_TEXT]);

#endif
