/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/file_loss.h"

#include "base/log.h"
#include <errno.h>
#include <stdbool.h>

static bool leads_nowhere(int code)
{
	return code == ENOENT || code == ENOTDIR || code == ELOOP;
}

enum file_loss file_loss_look(const char *path, const struct stat *st)
{
	struct stat there;
	bool found = !stat(path, &there);

	if (found ? there.st_dev == st->st_dev && there.st_ino == st->st_ino
		  : !leads_nowhere(errno))
		return FILE_HERE;
	return found || st->st_nlink ? FILE_ELSEWHERE : FILE_DELETED;
}

void file_loss_log(const struct disk *disk, enum file_loss loss)
{
	switch (loss) {
	case FILE_HERE:
		log_notice("disk '%s': its file is as it should be again", disk->name);
		break;
	case FILE_CUT:
		log_error("disk '%s': its file was cut short: what was behind its new end is "
			  "lost; `stgt-xdp disk resize` makes the disk as small",
			  disk->name);
		break;
	case FILE_ELSEWHERE:
		log_error("disk '%s': its file was moved or replaced: the old one is served "
			  "and written on, but the next start takes what its path leads to then",
			  disk->name);
		break;
	case FILE_DELETED:
		log_error("disk '%s': its file was deleted: it is served on, and gone with all "
			  "that is written when the disk is closed; copy what is needed over an "
			  "initiator before that",
			  disk->name);
		break;
	}
}
