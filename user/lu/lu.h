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
#include <pthread.h>

#define LU_VENDOR  "STGT-XDP"
#define LU_PRODUCT "STGT-XDP disk"

#define LU_WRITERS 4096u /* that are told apart; those beyond share an entry */

/* Somebody whose writes may have been volatile, and what he knows of the disk's flush_errors. */
struct lu_writer {
	uint64_t nexus;
	uint32_t told;
};

struct lu {
	struct disk *disk;
	bool durable;		   /* there is no write cache: it cannot be turned on */
	atomic_bool write_cache;   /* completed writes may be volatile until a flush */
	pthread_mutex_t lock;	   /* of what follows */
	struct lu_writer *writers; /* sorted by nexus */
	unsigned int nwriters, room;
	struct lu_writer others;
	bool crowded; /* `others` counts */
};

/*
 * `durable_default` is what the transport needs when the administrator said nothing: true for AoE,
 * whose Linux initiator never sends a flush. The disk must outlive the unit.
 */
void lu_init(struct lu *lu, struct disk *disk, bool durable_default);
void lu_fini(struct lu *lu);

/* BLK_FUA or 0: what a write through this unit must carry. Any worker. */
unsigned int lu_write_flags(struct lu *lu);

/*
 * What those who know nothing of a SCSI reservation of the disk may do meanwhile, through whichever
 * unit and transport: SCSI's device server says it, other device models heed it. Any thread. (For
 * a SANITIZE the disk is sealed instead, see blk.h.)
 */
enum lu_exclusion {
	LU_OPEN,
	LU_READ_ONLY, /* read it */
	LU_EXCLUSIVE, /* neither */
};

void lu_exclude(struct lu *lu, enum lu_exclusion exclusion);
enum lu_exclusion lu_excluded(const struct lu *lu);

/*
 * The kernel tells an error of the write-back once, to whoever flushes first, or whose durable
 * write meets it; but all who wrote have lost data. So each hears of it at the end of a flush of
 * his own, as each open file would under Linux. Any worker.
 *
 * lu_write_begins(): before a change that lu_write_flags() does not ask to be durable.
 * lu_flush_ended(): what to answer to a flush that ended with `status`.
 * lu_forget(): nobody will ask for this nexus again.
 */
void lu_write_begins(struct lu *lu, uint64_t nexus);
enum blk_status lu_flush_ended(struct lu *lu, uint64_t nexus, enum blk_status status);
void lu_forget(struct lu *lu, uint64_t nexus);

#endif
