/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker's memory for data: the runs of its arena. Whoever finds too few waits in line, and gets
 * all it needs at once when its turn comes.
 */
#ifndef STGT_ISCSI_POOL_H
#define STGT_ISCSI_POOL_H

#include "arena/arena.h"
#include "base/list.h"

struct iscsi_waiter {
	struct list link;
	unsigned int runs;
	uint32_t *into; /* where their addresses go */
	/* It has them now. */
	void (*granted)(struct iscsi_waiter *waiter);
};

struct iscsi_pool {
	struct arena *arena;
	struct list waiters;
	bool granting;
};

void iscsi_pool_init(struct iscsi_pool *pool, struct arena *arena);
/* Takes `n` runs, or none and false: somebody waits already, or there are too few. */
bool iscsi_pool_take(struct iscsi_pool *pool, uint32_t *runs, unsigned int n);
/* At the end of the line, after iscsi_pool_take() failed; runs, into and granted are set. */
void iscsi_pool_wait(struct iscsi_pool *pool, struct iscsi_waiter *waiter);
void iscsi_pool_cancel(struct iscsi_pool *pool, struct iscsi_waiter *waiter);
void iscsi_pool_put(struct iscsi_pool *pool, const uint32_t *runs, unsigned int n);

#endif
