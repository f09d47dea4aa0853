/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What makes a disk an encrypted one: its cipher and the file of its key. Backstores hand what they
 * store through it.
 */
#ifndef STGT_BLK_ENCRYPTION_H
#define STGT_BLK_ENCRYPTION_H

#include "blk/blk.h"

/*
 * For a disk whose spec names a key file, once its store is open; sets disk->encryption and
 * disk->can_crypto_erase. `blank`: nothing was ever written to the store. 0 or negative errno with
 * `err` set. Control thread, with the next two, which do nothing for a disk that is not encrypted.
 */
int encryption_open(struct disk *disk, bool blank, struct error *err);
void encryption_close(struct disk *disk);
/* Takes away a key file that opening made. */
void encryption_unmake(struct disk *disk);

/*
 * `len` bytes that belong at `lba`, in place, on their way to the store and back; nothing happens
 * to those of a disk that is not encrypted. False: they are worth nothing. Any thread.
 */
bool encryption_encrypt(const struct disk *disk, uint64_t lba, void *bytes, size_t len);
bool encryption_decrypt(const struct disk *disk, uint64_t lba, void *bytes, size_t len);

/*
 * A backstore's BLK_CRYPTO_ERASE, while no other request of the disk is at the store: another key,
 * durable, and the old one overwritten. Ends in blk_complete() on the queue's thread; the files are
 * the business of a thread of their own.
 */
void encryption_erase(struct blk_io *io);

#endif
