/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much room a file's file system has left: what tells an administrator, and SCSI initiators
 * (SBC-4 4.7.3.7), that a thin disk will soon have none, before writes fail.
 */
#ifndef STGT_BLK_SPACE_H
#define STGT_BLK_SPACE_H

#include "blk/blk.h"

/* Bytes. `total` is what anybody uses of the file system and what is free, as df(1) counts. */
struct disk_space {
	uint64_t used; /* by the file */
	uint64_t free, total;
};

/*
 * Asks the file system, which may take for ever when that hangs. `fd` is disk->space.fd, or a copy
 * of it. 0 or negative errno. Any thread.
 */
int disk_space_look(int fd, struct disk_space *space);

/* From the opening of a file on, which also looks for the first time. 0 or negative errno. */
int disk_space_open(struct disk *disk, int fd);
void disk_space_close(struct disk *disk);

/*
 * What a look found. True: the soft threshold was crossed just now, which is logged. Not before
 * somewhat more is free again than that is it crossed anew. Control thread.
 */
bool disk_space_note(struct disk *disk, const struct disk_space *space);

/* Free bytes, at which a disk that may still grow is short of space; 0: it has no threshold. */
uint64_t disk_space_threshold(const struct disk *disk);

/* "90%", "90" or "off", as in struct disk_spec. False: it is something else. */
bool disk_space_parse(const char *text, int *soft_threshold);
#define DISK_SPACE_TEXT 16
void disk_space_format(int soft_threshold, char text[DISK_SPACE_TEXT]);

#endif
