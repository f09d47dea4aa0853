/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an export must remember over a restart: one JSON file per export in the state directory,
 * replaced atomically (temporary file, fsync, rename, fsync of the directory).
 *
 * Workers never touch the disk for it: a save is a message to the control thread's mailbox, and its
 * completion a message back to the worker's. Saves of one file happen in the order asked for.
 */
#ifndef STGT_STATE_H
#define STGT_STATE_H

#include "base/error.h"
#include "base/mailbox.h"
#include <jansson.h>

struct state; /* one export's file */

/*
 * Opens `key`.json below `dir` (made when missing, mode 0700) and reads it; a missing file is an
 * empty state. A file that is not ours (syntax, version) is refused with -EINVAL and left alone.
 * `writer` is drained by the thread that will write; NULL: saves happen at once, in the caller
 * (tests). -EBUSY: another process has the same state open. -EACCES, -EROFS, -ENOSPC: the directory
 * cannot be written, found out now and not later.
 */
int state_open(const char *dir, const char *key, struct mailbox *writer, struct state **state,
	       struct error *err);
void state_close(struct state *state);

/*
 * *value is the section of a file that may not be open, and need not be there; or NULL; the
 * caller's. Nothing is made or locked. 0, or negative errno when there is a file that is not ours.
 */
int state_peek(const char *dir, const char *key, const char *section, json_t **value,
	       struct error *err);

/*
 * Whether a file can be written in `dir`, which is made when missing: for asking before anything is
 * changed. 0 or negative errno; leaves nothing there.
 */
int state_dir_check(const char *dir, struct error *err);

/*
 * The section as loaded, or NULL; borrowed, valid until the section's first save. Control thread,
 * at start: from then on the document is the writer's.
 */
const json_t *state_section(const struct state *state, const char *section);

/* One save, embedded in what waits for it. */
struct state_save {
	struct message message; /* to the writer, then back */
	struct mailbox *reply;	/* whose thread `done` runs on; the caller sets it and `done` */
	struct state *state;
	const char *section; /* a literal */
	json_t *value;	     /* taken over by the writer; NULL in done */
	int result;	     /* 0 or negative errno: the old file is still in place or, when only
				the directory could not be synced, was put there again */
	void (*done)(struct state_save *save);
};

/*
 * Replaces `section` by `value` (ownership passes; no other thread may hold a reference) and calls
 * save->done on the thread of save->reply once that is durable or has failed. Any worker; `save`
 * must live until done. NULL `value` means out of memory at the caller: ends with -ENOMEM. A
 * directory that somebody deleted or moved is made anew, and one that was put in its place is used.
 */
void state_save(struct state *state, struct state_save *save, const char *section, json_t *value);

#endif
