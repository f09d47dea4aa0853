/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/overlap.h"

#include <pthread.h>
#include <stdlib.h>

#define OVERLAP_GRANULE_SHIFT 7 /* sectors: 64 KiB */
#define OVERLAP_BUCKETS	      256u

/*
 * A request that touches one or two granules is linked once for each, by its overlap.bucket[k] into
 * the k-th list of the granule's bucket. A request that touches more is in the wide list instead,
 * which everyone scans; it scans everyone. So each pair of requests can meet.
 */
struct overlap_bucket {
	struct list kth[2];
};

struct overlap {
	pthread_mutex_t lock;
	uint32_t atom;
	uint32_t era;
	uint64_t seq;
	struct list all; /* in arrival order */
	struct list wide;
	struct overlap_bucket buckets[OVERLAP_BUCKETS];
};

/* What a scan does with each conflicting request. */
struct overlap_visit {
	struct blk_io *io;
	void (*found)(struct overlap_visit *visit, struct blk_io *other);
	struct blk_io *latest; /* entering: the latest that changes what visit->io touches */
	struct list *runnable; /* leaving: those that nothing blocks any more */
};

struct overlap *overlap_open(uint32_t atom)
{
	struct overlap *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	assert(atom && !(atom & (atom - 1)) && atom <= 1u << OVERLAP_GRANULE_SHIFT);
	table->atom = atom;
	pthread_mutex_init(&table->lock, NULL);
	list_init(&table->all);
	list_init(&table->wide);
	for (unsigned int i = 0; i < OVERLAP_BUCKETS; i++) {
		list_init(&table->buckets[i].kth[0]);
		list_init(&table->buckets[i].kth[1]);
	}
	return table;
}

void overlap_close(struct overlap *table)
{
	if (!table)
		return;
	assert(list_empty(&table->all));
	pthread_mutex_destroy(&table->lock);
	free(table);
}

uint32_t overlap_begin_era(struct overlap *table, _Atomic uint32_t *era)
{
	uint32_t begun;

	pthread_mutex_lock(&table->lock);
	begun = ++table->era;
	if (era)
		atomic_store_explicit(era, begun, memory_order_release);
	pthread_mutex_unlock(&table->lock);
	return begun;
}

uint32_t overlap_era(struct overlap *table)
{
	uint32_t era;

	pthread_mutex_lock(&table->lock);
	era = table->era;
	pthread_mutex_unlock(&table->lock);
	return era;
}

static uint64_t overlap_first(const struct blk_io *io)
{
	return io->overlap.lba >> OVERLAP_GRANULE_SHIFT;
}

static uint64_t overlap_last(const struct blk_io *io)
{
	return (io->overlap.lba + io->overlap.nblocks - 1) >> OVERLAP_GRANULE_SHIFT;
}

static struct overlap_bucket *overlap_bucket(struct overlap *table, uint64_t granule)
{
	/* Fibonacci hashing: neighbouring granules, the common case, never collide. */
	return &table->buckets[granule * 0x9e3779b97f4a7c15ull >> 56];
}

/* True when `a` begins before `b` ends, both taken as whole atoms. */
static bool overlap_begins_before_end(const struct overlap *table, const struct blk_io *a,
				      const struct blk_io *b)
{
	uint64_t mask = ~(uint64_t)(table->atom - 1);

	return (a->overlap.lba & mask) <= ((b->overlap.lba + b->overlap.nblocks - 1) & mask);
}

static bool overlap_conflict(const struct overlap *table, const struct blk_io *a,
			     const struct blk_io *b)
{
	return (a->overlap.changes || b->overlap.changes) &&
	       overlap_begins_before_end(table, a, b) && overlap_begins_before_end(table, b, a);
}

static void overlap_visit_all(struct overlap *table, struct overlap_visit *visit)
{
	struct blk_io *other;

	list_for_each_entry (other, &table->all, overlap.all)
		if (other != visit->io && overlap_conflict(table, visit->io, other))
			visit->found(visit, other);
}

static void overlap_visit_granule(struct overlap *table, struct overlap_visit *visit,
				  uint64_t granule)
{
	struct overlap_bucket *bucket = overlap_bucket(table, granule);
	struct blk_io *io = visit->io, *other;

	for (unsigned int k = 0; k < 2; k++) {
		list_for_each_entry (other, &bucket->kth[k], overlap.bucket[k]) {
			uint64_t first = overlap_first(other);

			/*
			 * Two requests that share both granules meet in both: they are seen in
			 * the lowest one that they share.
			 */
			if (other == io || first + k != granule ||
			    granule != (first > overlap_first(io) ? first : overlap_first(io)))
				continue;
			if (overlap_conflict(table, io, other))
				visit->found(visit, other);
		}
	}
}

/* Calls visit->found once for every request in the table that conflicts with visit->io. */
static void overlap_scan(struct overlap *table, struct overlap_visit *visit)
{
	struct blk_io *io = visit->io, *other;
	uint64_t granule;

	if (io->overlap.wide) {
		overlap_visit_all(table, visit);
		return;
	}
	for (granule = overlap_first(io); granule <= overlap_last(io); granule++)
		overlap_visit_granule(table, visit, granule);
	list_for_each_entry (other, &table->wide, overlap.bucket[0])
		if (overlap_conflict(table, io, other))
			visit->found(visit, other);
}

static void overlap_found_earlier(struct overlap_visit *visit, struct blk_io *other)
{
	visit->io->overlap.blockers++;
	if (other->overlap.changes &&
	    (!visit->latest || other->overlap.seq > visit->latest->overlap.seq))
		visit->latest = other;
}

static void overlap_found_later(struct overlap_visit *visit, struct blk_io *other)
{
	if (other->overlap.seq < visit->io->overlap.seq)
		return;
	assert(other->overlap.blockers);
	if (--other->overlap.blockers == 0)
		list_add_tail(visit->runnable, &other->ready);
}

static void overlap_link(struct overlap *table, struct blk_io *io)
{
	uint64_t first = overlap_first(io), last = overlap_last(io);

	io->overlap.seq = table->seq++;
	list_add_tail(&table->all, &io->overlap.all);
	list_init(&io->overlap.bucket[0]);
	list_init(&io->overlap.bucket[1]);
	if (io->overlap.wide) {
		list_add_tail(&table->wide, &io->overlap.bucket[0]);
		return;
	}
	list_add_tail(&overlap_bucket(table, first)->kth[0], &io->overlap.bucket[0]);
	if (last != first)
		list_add_tail(&overlap_bucket(table, last)->kth[1], &io->overlap.bucket[1]);
}

/* Both flags the same: the original must promise what the retransmission asks for. */
static bool overlap_is_twin(const struct blk_io *io, const struct blk_io *original)
{
	/* What has steps, or is a copy, becomes another request as it goes, on its own thread. */
	if (io->next || original->next || !(io->flags & BLK_DEDUP) || io->flags != original->flags)
		return false;
	return io->op == BLK_WRITE && original->op == BLK_WRITE && io->origin == original->origin &&
	       io->lba == original->lba && io->nblocks == original->nblocks &&
	       sgl_equal(io->queue->arena, &io->sgl, original->queue->arena, &original->sgl);
}

static enum overlap_verdict overlap_enter_locked(struct overlap *table, struct blk_io *io)
{
	struct overlap_visit visit = {.io = io, .found = overlap_found_earlier};

	bool all = io->op == BLK_CRYPTO_ERASE;

	io->overlap.lba = all ? 0 : io->lba;
	io->overlap.nblocks = all ? UINT64_MAX : io->nblocks;
	io->overlap.changes = io->op != BLK_READ;
	io->overlap.wide = overlap_last(io) - overlap_first(io) > 1;
	io->overlap.blockers = 0;
	list_init(&io->overlap.twins);
	overlap_scan(table, &visit);
	if (visit.latest && overlap_is_twin(io, visit.latest)) {
		io->overlap.blockers = 0;
		io->twin = true;
		list_add_tail(&visit.latest->overlap.twins, &io->ready);
		return OVERLAP_TWIN;
	}
	overlap_link(table, io);
	return io->overlap.blockers ? OVERLAP_WAIT : OVERLAP_RUN;
}

static bool overlap_is_of_another_era(const struct overlap *table, const struct blk_io *io)
{
	return io->era != table->era;
}

enum overlap_verdict overlap_enter(struct overlap *table, struct blk_io *io)
{
	enum overlap_verdict verdict = OVERLAP_REFUSED;

	io->overlap.entered = io->op != BLK_FLUSH;
	if (!io->overlap.entered)
		return OVERLAP_RUN;
	assert(io->nblocks || io->op == BLK_CRYPTO_ERASE);
	pthread_mutex_lock(&table->lock);
	if (overlap_is_of_another_era(table, io))
		io->overlap.entered = false;
	else
		verdict = overlap_enter_locked(table, io);
	pthread_mutex_unlock(&table->lock);
	return verdict;
}

/* Locks are taken in the order of their addresses. */
static void overlap_lock_pair(struct overlap *a, struct overlap *b)
{
	struct overlap *first = a < b ? a : b, *second = a < b ? b : a;

	pthread_mutex_lock(&first->lock);
	if (first != second)
		pthread_mutex_lock(&second->lock);
}

void overlap_enter_pair(struct overlap *table_a, struct blk_io *a, struct overlap *table_b,
			struct blk_io *b, enum overlap_verdict verdicts[2])
{
	bool refused;

	assert(a->nblocks && b->nblocks);
	overlap_lock_pair(table_a, table_b);
	refused = overlap_is_of_another_era(table_a, a) || overlap_is_of_another_era(table_b, b);
	a->overlap.entered = b->overlap.entered = !refused;
	verdicts[0] = refused ? OVERLAP_REFUSED : overlap_enter_locked(table_a, a);
	verdicts[1] = refused ? OVERLAP_REFUSED : overlap_enter_locked(table_b, b);
	assert(refused || table_a != table_b || !overlap_conflict(table_a, a, b));
	pthread_mutex_unlock(&table_a->lock);
	if (table_b != table_a)
		pthread_mutex_unlock(&table_b->lock);
}

void overlap_leave(struct overlap *table, struct blk_io *io, struct list *runnable,
		   struct list *twins)
{
	struct overlap_visit visit = {.io = io, .found = overlap_found_later, .runnable = runnable};

	if (!io->overlap.entered)
		return;
	pthread_mutex_lock(&table->lock);
	assert(!io->overlap.blockers);
	list_del(&io->overlap.all);
	list_del(&io->overlap.bucket[0]);
	list_del(&io->overlap.bucket[1]);
	overlap_scan(table, &visit);
	list_splice_tail(twins, &io->overlap.twins);
	pthread_mutex_unlock(&table->lock);
}
