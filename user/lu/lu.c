/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lu/lu.h"

void lu_init(struct lu *lu, struct disk *disk, bool durable_default)
{
	bool through = disk->spec.cache == DISK_WRITETHROUGH ||
		       (disk->spec.cache == DISK_CACHE_DEFAULT && durable_default);

	lu->disk = disk;
	lu->durable = through || !disk->writeback;
	atomic_init(&lu->write_cache, !lu->durable);
}

unsigned int lu_write_flags(struct lu *lu)
{
	return atomic_load_explicit(&lu->write_cache, memory_order_relaxed) ? 0 : BLK_FUA;
}
