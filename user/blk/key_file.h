/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The file that holds a disk's key: 64 bytes and nothing else. Open as long as the disk is, and
 * locked: a key that may be replaced belongs to one disk. Control thread, unless it says otherwise.
 */
#ifndef STGT_BLK_KEY_FILE_H
#define STGT_BLK_KEY_FILE_H

#include "blk/cipher.h"

struct key_file;

/*
 * `blank`: there is no data that a key was ever used for, so a key that is missing is made, and
 * durable. `fixed`: the key is only read. 0, or negative errno with `err` set: -ENOENT, -EACCES
 * (others may read it), -EBUSY (another disk's), -EINVAL (its size).
 */
int key_file_open(const char *path, bool blank, bool fixed, struct key_file **file,
		  struct error *err);
/* NULL is fine. */
void key_file_close(struct key_file *file);
/* Takes away a file that opening made. */
void key_file_unmake(struct key_file *file);

/* Copies the key, which the caller wipes. */
int key_file_read(const struct key_file *file, uint8_t key[CIPHER_KEY], struct error *err);

/* Whether it could be replaced when it was opened. */
bool key_file_replaceable(const struct key_file *file);

/*
 * Puts another key in the file's place, in one step, and overwrites the old one's bytes where they
 * stood. *replaced: the file has the new key, whatever happened after that. -ESTALE: the file has
 * been moved away, or another put in its place; nothing is touched. Any thread, one at a time.
 */
int key_file_replace(struct key_file *file, const uint8_t key[CIPHER_KEY], bool *replaced,
		     struct error *err);

/* A key out of libcrypto's generator for secrets. False: it has none. */
bool key_file_generate(uint8_t key[CIPHER_KEY]);

#endif
