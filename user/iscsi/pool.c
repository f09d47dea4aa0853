/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/pool.h"

void iscsi_pool_init(struct iscsi_pool *pool, struct arena *arena)
{
	*pool = (struct iscsi_pool){.arena = arena};
	list_init(&pool->waiters);
}

static void pool_take(struct iscsi_pool *pool, uint32_t *runs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		runs[i] = arena_run_get(pool->arena);
}

bool iscsi_pool_take(struct iscsi_pool *pool, uint32_t *runs, unsigned int n)
{
	if (!list_empty(&pool->waiters) || pool->arena->nfree_runs < n)
		return false;
	pool_take(pool, runs, n);
	return true;
}

/* What is granted may give runs back: that only makes the loop go on, not the stack grow. */
static void pool_grant(struct iscsi_pool *pool)
{
	if (pool->granting)
		return;
	pool->granting = true;
	while (!list_empty(&pool->waiters)) {
		struct iscsi_waiter *first =
			container_of(pool->waiters.next, struct iscsi_waiter, link);

		if (pool->arena->nfree_runs < first->runs)
			break;
		list_del(&first->link);
		pool_take(pool, first->into, first->runs);
		first->granted(first);
	}
	pool->granting = false;
}

void iscsi_pool_wait(struct iscsi_pool *pool, struct iscsi_waiter *waiter)
{
	list_add_tail(&pool->waiters, &waiter->link);
}

void iscsi_pool_cancel(struct iscsi_pool *pool, struct iscsi_waiter *waiter)
{
	if (!list_linked(&waiter->link))
		return;
	list_del(&waiter->link);
	pool_grant(pool);
}

void iscsi_pool_put(struct iscsi_pool *pool, const uint32_t *runs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		arena_run_put(pool->arena, runs[i]);
	if (n)
		pool_grant(pool);
}
