/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who a disk says it is: the administrator's words, or numbers derived from where it is stored.
 */
#ifndef STGT_BLK_IDENTITY_H
#define STGT_BLK_IDENTITY_H

#include "blk/blk.h"

/*
 * Sets disk->serial and disk->wwn from the spec, or else from `what` (a canonical path or the
 * disk's words), disk->ordinal and the machine: the same over restarts, different on another
 * machine. A derived wwn is locally assigned (NAA 3, SPC-4 7.8.6.6.5).
 */
void disk_identity_init(struct disk *disk, const char *what);

#endif
