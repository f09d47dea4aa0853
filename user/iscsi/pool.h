/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker's memory for data: the runs of its arena. Whoever finds too few waits in line, and gets
 * all it needs at once when its turn comes.
 *
 * Memory that is lent comes back when an initiator wants it to: when it sends, or reads. So none
 * may hold more than three times what is free; but one command each may always have what it needs.
 * Alone it has three quarters, two have three sevenths each, and who comes next finds some. Whoever
 * is over its share waits, and those behind pass.
 *
 * Small requests, of one run, do not wait for large ones: as long as fewer runs than `reserve` are
 * lent one by one, there is one for the next, and it passes the line. Those beyond wait as all do,
 * so that they starve nobody. How long a line may get is not for the pool to say: see reclaim.c.
 */
#ifndef STGT_ISCSI_POOL_H
#define STGT_ISCSI_POOL_H

#include "arena/arena.h"
#include "base/list.h"

/* What is lent to one session. */
struct iscsi_share {
	unsigned int held;   /* runs */
	struct list waiters; /* which get theirs in order, whoever else passes */
};

struct iscsi_waiter {
	struct list link, share_link;
	struct iscsi_share *share;
	unsigned int runs;
	uint32_t *into; /* where their addresses go */
	uint64_t since; /* when it began to wait */
	/* It has them now. */
	void (*granted)(struct iscsi_waiter *waiter);
};

struct iscsi_pool {
	struct arena *arena;
	struct list small, large; /* that wait: for one run, for more */
	unsigned int reserve;	  /* runs */
	unsigned int singles;	  /* runs that are lent one by one */
	bool granting;
	unsigned int pauses; /* see iscsi_pool_pause() */
};

/* No request is of more than `most` runs. */
void iscsi_pool_init(struct iscsi_pool *pool, struct arena *arena, unsigned int most);
void iscsi_share_init(struct iscsi_share *share);
/*
 * Takes `n` runs, or none and false: there are too few, somebody waits for that reason already, or
 * it would be more than the share.
 */
bool iscsi_pool_take(struct iscsi_pool *pool, struct iscsi_share *share, uint32_t *runs,
		     unsigned int n);
/* At the end of the line, after iscsi_pool_take() failed; all but the links is set. */
void iscsi_pool_wait(struct iscsi_pool *pool, struct iscsi_waiter *waiter);
void iscsi_pool_cancel(struct iscsi_pool *pool, struct iscsi_waiter *waiter);
void iscsi_pool_put(struct iscsi_pool *pool, struct iscsi_share *share, const uint32_t *runs,
		    unsigned int n);
/*
 * Whoever takes requests out of their lists and gives their memory back has nobody granted any
 * meanwhile, as those who get some go on at once. What is free is granted at the end; they nest.
 */
void iscsi_pool_pause(struct iscsi_pool *pool);
void iscsi_pool_go_on(struct iscsi_pool *pool);
/* Somebody waits, for whatever reason. */
bool iscsi_pool_waited_for(const struct iscsi_pool *pool);
/* Sessions that hold nothing and wait for their first command's memory, and what they lack. */
struct iscsi_lack {
	unsigned int waiters;
	unsigned int runs; /* that would have to come back */
};
/* Of those that have waited since `before`, or longer. */
struct iscsi_lack iscsi_pool_lack(const struct iscsi_pool *pool, uint64_t before);

#endif
