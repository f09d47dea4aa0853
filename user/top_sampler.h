/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks the servers on a thread of its own, so that who watches can press keys while one of them is
 * slow. One question is under way at most. All calls are the owner's.
 */
#ifndef STGT_TOP_SAMPLER_H
#define STGT_TOP_SAMPLER_H

#include "base/error.h"
#include "top_model.h"

struct top_sampler;

/*
 * A sample of all servers, or the one on `socket`, taken by the caller's thread: 20 s at most. NULL
 * with `err` set.
 */
struct top_sample *top_sample_take(const char *socket, struct error *err);

/* `socket` is the caller's and outlives the sampler. Uses SIGUSR1, to interrupt its thread. */
int top_sampler_open(const char *socket, struct top_sampler **sampler, struct error *err);
/* Returns at once; what is under way is given up. */
void top_sampler_close(struct top_sampler *sampler);

/* Asks, if no question is under way. -EAGAIN when there is no thread to be had. */
int top_sampler_ask(struct top_sampler *sampler);
/* Readable when there is an answer. */
int top_sampler_fd(const struct top_sampler *sampler);
/* The answer, once the descriptor is readable: a sample that is the caller's, or NULL with `err`.
 */
struct top_sample *top_sampler_answer(struct top_sampler *sampler, struct error *err);

#endif
