/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/pool.h"

#define SHARE_OF_FREE 3u /* times what is free then */

void iscsi_pool_init(struct iscsi_pool *pool, struct arena *arena)
{
	*pool = (struct iscsi_pool){.arena = arena};
	list_init(&pool->waiters);
}

void iscsi_share_init(struct iscsi_share *share)
{
	share->held = 0;
	list_init(&share->waiters);
}

static void pool_lend(struct iscsi_pool *pool, struct iscsi_share *share, uint32_t *runs,
		      unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		runs[i] = arena_run_get(pool->arena);
	share->held += n;
}

static bool over_share(const struct iscsi_pool *pool, const struct iscsi_share *share,
		       unsigned int n)
{
	unsigned int nfree = pool->arena->nfree_runs;

	return share->held && (nfree < n || share->held + n > SHARE_OF_FREE * (nfree - n));
}

static bool is_first_of_share(const struct iscsi_waiter *waiter)
{
	return waiter->share->waiters.next == &waiter->share_link;
}

/* The first whose turn it is, or NULL. Those that are passed hold memory, so they are not many. */
static struct iscsi_waiter *pool_next(const struct iscsi_pool *pool)
{
	struct iscsi_waiter *waiter;

	list_for_each_entry (waiter, &pool->waiters, link)
		if (is_first_of_share(waiter) && !over_share(pool, waiter->share, waiter->runs))
			return waiter;
	return NULL;
}

bool iscsi_pool_take(struct iscsi_pool *pool, struct iscsi_share *share, uint32_t *runs,
		     unsigned int n)
{
	if (pool->arena->nfree_runs < n || !list_empty(&share->waiters) ||
	    over_share(pool, share, n) || pool_next(pool))
		return false;
	pool_lend(pool, share, runs, n);
	return true;
}

/* What is granted may give runs back: that only makes the loop go on, not the stack grow. */
static void pool_grant(struct iscsi_pool *pool)
{
	struct iscsi_waiter *next;

	if (pool->granting)
		return;
	pool->granting = true;
	while ((next = pool_next(pool)) && pool->arena->nfree_runs >= next->runs) {
		list_del(&next->link);
		list_del(&next->share_link);
		pool_lend(pool, next->share, next->into, next->runs);
		next->granted(next);
	}
	pool->granting = false;
}

void iscsi_pool_wait(struct iscsi_pool *pool, struct iscsi_waiter *waiter)
{
	list_add_tail(&pool->waiters, &waiter->link);
	list_add_tail(&waiter->share->waiters, &waiter->share_link);
}

void iscsi_pool_cancel(struct iscsi_pool *pool, struct iscsi_waiter *waiter)
{
	if (!list_linked(&waiter->link))
		return;
	list_del(&waiter->link);
	list_del(&waiter->share_link);
	pool_grant(pool);
}

void iscsi_pool_put(struct iscsi_pool *pool, struct iscsi_share *share, const uint32_t *runs,
		    unsigned int n)
{
	share->held -= n;
	for (unsigned int i = 0; i < n; i++)
		arena_run_put(pool->arena, runs[i]);
	if (n)
		pool_grant(pool);
}
