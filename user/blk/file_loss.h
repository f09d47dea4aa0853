/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a file that is served is still the one that its path leads to, and as large as its disk.
 * A file that was deleted or replaced is written as ever, and nobody notices before the next start,
 * which finds another or none.
 */
#ifndef STGT_BLK_FILE_LOSS_H
#define STGT_BLK_FILE_LOSS_H

#include "blk/blk.h"
#include <sys/stat.h>

enum file_loss {
	FILE_HERE,
	FILE_CUT,	/* shorter than the disk */
	FILE_ELSEWHERE, /* the path leads to another file, or nowhere */
	FILE_DELETED,	/* it has no name any more, and there is no other */
};

/*
 * `st` is of the file that is open; may take for ever, where the file system hangs. Says FILE_HERE
 * of a path that cannot be followed now, and nothing of the size. Any thread.
 */
enum file_loss file_loss_look(const char *path, const struct stat *st);

/* Tells the log that a disk's file has come to this. Any thread. */
void file_loss_log(const struct disk *disk, enum file_loss loss);

#endif
