/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/pool.h"

#define SHARE_OF_FREE	3u /* times what is free then */
#define PART_OF_RESERVE 8u /* of the runs that the largest request can spare */

void iscsi_pool_init(struct iscsi_pool *pool, struct arena *arena, unsigned int most)
{
	*pool = (struct iscsi_pool){.arena = arena,
				    .reserve = (arena->config.runs - most) / PART_OF_RESERVE};
	list_init(&pool->small);
	list_init(&pool->large);
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
	pool->singles += n == 1;
}

/* Of what is free, the runs that are kept for small requests. */
static unsigned int pool_kept(const struct iscsi_pool *pool)
{
	return pool->singles < pool->reserve ? pool->reserve - pool->singles : 0;
}

/* The runs that a request for `n` of them can choose from. */
static unsigned int pool_free(const struct iscsi_pool *pool, unsigned int n)
{
	unsigned int kept = n > 1 ? pool_kept(pool) : 0, nfree = pool->arena->nfree_runs;

	return nfree > kept ? nfree - kept : 0;
}

static bool over_share(const struct iscsi_pool *pool, const struct iscsi_share *share,
		       unsigned int n)
{
	unsigned int nfree = pool_free(pool, n);

	return share->held && (nfree < n || share->held + n > SHARE_OF_FREE * (nfree - n));
}

static bool is_first_of_share(const struct iscsi_waiter *waiter)
{
	return waiter->share->waiters.next == &waiter->share_link;
}

/* The first whose turn it is, or NULL. Those that are passed hold memory, so they are not many. */
static struct iscsi_waiter *line_first(const struct iscsi_pool *pool, const struct list *line)
{
	struct iscsi_waiter *waiter;

	list_for_each_entry (waiter, line, link)
		if (is_first_of_share(waiter) && !over_share(pool, waiter->share, waiter->runs))
			return waiter;
	return NULL;
}

static struct iscsi_waiter *pool_next(const struct iscsi_pool *pool)
{
	struct iscsi_waiter *small = line_first(pool, &pool->small);
	struct iscsi_waiter *large = line_first(pool, &pool->large);

	if (!small || !large)
		return small ? small : large;
	return pool->singles < pool->reserve || small->since <= large->since ? small : large;
}

bool iscsi_pool_take(struct iscsi_pool *pool, struct iscsi_share *share, uint32_t *runs,
		     unsigned int n)
{
	struct iscsi_waiter *next;

	if (pool_free(pool, n) < n || !list_empty(&share->waiters) || over_share(pool, share, n))
		return false;
	next = pool_next(pool);
	if (next && (n > 1 || next->runs == 1 || pool->singles >= pool->reserve))
		return false;
	pool_lend(pool, share, runs, n);
	return true;
}

/* What is granted may give runs back: that only makes the loop go on, not the stack grow. */
static void pool_grant(struct iscsi_pool *pool)
{
	struct iscsi_waiter *next;

	if (pool->granting || pool->pauses)
		return;
	pool->granting = true;
	while ((next = pool_next(pool)) && pool_free(pool, next->runs) >= next->runs) {
		list_del(&next->link);
		list_del(&next->share_link);
		pool_lend(pool, next->share, next->into, next->runs);
		next->granted(next);
	}
	pool->granting = false;
}

void iscsi_pool_pause(struct iscsi_pool *pool)
{
	pool->pauses++;
}

void iscsi_pool_go_on(struct iscsi_pool *pool)
{
	pool->pauses--;
	pool_grant(pool);
}

void iscsi_pool_wait(struct iscsi_pool *pool, struct iscsi_waiter *waiter)
{
	list_add_tail(waiter->runs == 1 ? &pool->small : &pool->large, &waiter->link);
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
	pool->singles -= n == 1;
	for (unsigned int i = 0; i < n; i++)
		arena_run_put(pool->arena, runs[i]);
	if (n)
		pool_grant(pool);
}

bool iscsi_pool_waited_for(const struct iscsi_pool *pool)
{
	return !list_empty(&pool->small) || !list_empty(&pool->large);
}

/* What a line waits for. */
static struct iscsi_lack line_lack(const struct list *line, uint64_t before)
{
	const struct iscsi_waiter *waiter;
	struct iscsi_lack lack = {};

	list_for_each_entry (waiter, line, link)
		if (!waiter->share->held && is_first_of_share(waiter) && waiter->since <= before) {
			lack.waiters++;
			lack.runs += waiter->runs;
		}
	return lack;
}

struct iscsi_lack iscsi_pool_lack(const struct iscsi_pool *pool, uint64_t before)
{
	struct iscsi_lack small = line_lack(&pool->small, before);
	struct iscsi_lack large = line_lack(&pool->large, before);
	unsigned int kept = large.runs ? pool_kept(pool) : 0, nfree = pool->arena->nfree_runs;
	unsigned int need = large.runs + (small.runs > kept ? small.runs : kept);

	return (struct iscsi_lack){.waiters = small.waiters + large.waiters,
				   .runs = need > nfree ? need - nfree : 0};
}
