/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lu/lu.h"

#include <stdlib.h>
#include <string.h>

void lu_init(struct lu *lu, struct disk *disk, bool durable_default)
{
	bool through = disk->spec.cache == DISK_WRITETHROUGH ||
		       (disk->spec.cache == DISK_CACHE_DEFAULT && durable_default);

	*lu = (struct lu){.disk = disk, .durable = through || !disk->writeback};
	atomic_init(&lu->write_cache, !lu->durable);
	pthread_mutex_init(&lu->lock, NULL);
}

void lu_fini(struct lu *lu)
{
	free(lu->writers);
	pthread_mutex_destroy(&lu->lock);
}

unsigned int lu_write_flags(struct lu *lu)
{
	return atomic_load_explicit(&lu->write_cache, memory_order_relaxed) ? 0 : BLK_FUA;
}

/* ---- who has to hear of an error ---- */

/* The writer's place in the sorted list, or where it would be. */
static unsigned int writer_place(const struct lu *lu, uint64_t nexus)
{
	unsigned int low = 0, high = lu->nwriters;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (lu->writers[middle].nexus < nexus)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct lu_writer *writer_find(struct lu *lu, uint64_t nexus)
{
	unsigned int place = writer_place(lu, nexus);

	if (place < lu->nwriters && lu->writers[place].nexus == nexus)
		return &lu->writers[place];
	return lu->crowded ? &lu->others : NULL;
}

static bool writers_grow(struct lu *lu)
{
	unsigned int room = lu->room ? 2 * lu->room : 8;
	struct lu_writer *grown;

	if (lu->nwriters < lu->room)
		return true;
	grown = room > LU_WRITERS ? NULL : reallocarray(lu->writers, room, sizeof(*grown));
	if (!grown)
		return false;
	lu->writers = grown;
	lu->room = room;
	return true;
}

static void writer_add(struct lu *lu, const struct lu_writer *writer)
{
	unsigned int place = writer_place(lu, writer->nexus);

	if (!writers_grow(lu)) {
		lu->others = *writer;
		lu->crowded = true;
		return;
	}
	memmove(&lu->writers[place + 1], &lu->writers[place],
		(lu->nwriters - place) * sizeof(*writer));
	lu->writers[place] = *writer;
	lu->nwriters++;
}

void lu_write_begins(struct lu *lu, uint64_t nexus)
{
	const struct lu_writer writer = {nexus, atomic_load(&lu->disk->flush_errors)};

	if (lu_write_flags(lu))
		return;
	pthread_mutex_lock(&lu->lock);
	if (!writer_find(lu, nexus))
		writer_add(lu, &writer);
	pthread_mutex_unlock(&lu->lock);
}

enum blk_status lu_flush_ended(struct lu *lu, uint64_t nexus, enum blk_status status)
{
	uint32_t errors = atomic_load(&lu->disk->flush_errors);
	struct lu_writer *writer;

	pthread_mutex_lock(&lu->lock);
	writer = writer_find(lu, nexus);
	if (writer && writer->told != errors) {
		writer->told = errors;
		if (status == BLK_OK)
			status = BLK_EIO;
	}
	pthread_mutex_unlock(&lu->lock);
	return status;
}

void lu_forget(struct lu *lu, uint64_t nexus)
{
	unsigned int place;

	pthread_mutex_lock(&lu->lock);
	place = writer_place(lu, nexus);
	if (place < lu->nwriters && lu->writers[place].nexus == nexus) {
		lu->nwriters--;
		memmove(&lu->writers[place], &lu->writers[place + 1],
			(lu->nwriters - place) * sizeof(lu->writers[0]));
	}
	pthread_mutex_unlock(&lu->lock);
}

void lu_exclude(struct lu *lu, enum lu_exclusion exclusion)
{
	atomic_store(&lu->disk->exclusion, exclusion);
}

enum lu_exclusion lu_excluded(const struct lu *lu)
{
	return atomic_load_explicit(&lu->disk->exclusion, memory_order_relaxed);
}
