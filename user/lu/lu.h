/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A logical unit: a disk as initiators know it. Its identity is the disk's, so that one disk
 * exported through several transports is recognisably one.
 *
 * Shared by the workers; what changes is atomic.
 */
#ifndef STGT_LU_H
#define STGT_LU_H

#include "blk/blk.h"

#define LU_VENDOR  "STGT-XDP"
#define LU_PRODUCT "STGT-XDP disk"

struct lu {
	struct disk *disk;
	bool durable;		 /* there is no write cache: it cannot be turned on */
	atomic_bool write_cache; /* completed writes may be volatile until a flush */
};

/*
 * `durable_default` is what the transport needs when the administrator said nothing: true for AoE,
 * whose Linux initiator never sends a flush. The disk must outlive the unit.
 */
void lu_init(struct lu *lu, struct disk *disk, bool durable_default);

/* BLK_FUA or 0: what a write through this unit must carry. Any worker. */
unsigned int lu_write_flags(struct lu *lu);

#endif
