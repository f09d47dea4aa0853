/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Buffers of a queue for payloads that cannot go straight from or to the arena: as direct I/O wants
 * them aligned, or as they are encrypted. Their memory is reserved with the queue and touched by
 * use. When all are in use, requests wait for one: whoever has one waits for nothing but the store.
 *
 * Queue's thread.
 */
#ifndef STGT_BLK_BOUNCE_H
#define STGT_BLK_BOUNCE_H

#include "blk/blk.h"

#define BOUNCE_ALIGN 65536ul /* bytes: the most that a store may ask for */
#define BOUNCE_SIZE  (BLK_TRANSFER_MAX + 2 * BOUNCE_ALIGN) /* with blocks cut at both ends */
#define BOUNCES	     64u

/* Gives the queue its buffers, for as long as requests may be submitted. 0 or negative errno. */
int bounces_open(struct blk_queue *queue, struct error *err);
void bounces_close(struct blk_queue *queue);

/*
 * A buffer of BOUNCE_SIZE bytes, aligned to BOUNCE_ALIGN, as io->bounce, if the request has none.
 * False: it waits, and is handed to its backstore's submit() once more when it has got one.
 */
bool bounce_get(struct blk_io *io);
/* Gives it back, or to the request that has waited longest. */
void bounce_put(struct blk_io *io);

#endif
