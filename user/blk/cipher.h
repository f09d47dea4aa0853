/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * AES-256-XTS (IEEE 1619) over sectors of 512 bytes, each with its number, in little endian, as the
 * tweak: what dm-crypt calls aes-xts-plain64, so that cryptsetup opens what is written here.
 *
 * A sector of zeroes is a hole in the store and stays one when it is decrypted. Any thread.
 */
#ifndef STGT_BLK_CIPHER_H
#define STGT_BLK_CIPHER_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIPHER_KEY 64u /* bytes: the data's key, then the tweak's */

struct cipher;

/* The key is the caller's to wipe. -EINVAL: its halves are the same, which XTS forbids. */
int cipher_open(const uint8_t key[CIPHER_KEY], struct cipher **cipher, struct error *err);
/* Wipes what it knows of the key. NULL is fine. */
void cipher_close(struct cipher *cipher);

/*
 * `len` bytes, a multiple of 512, that stand at `sector`; in place. Takes no memory. False:
 * libcrypto failed, and the bytes are worth nothing.
 */
bool cipher_encrypt(struct cipher *cipher, uint64_t sector, uint8_t *bytes, size_t len);
bool cipher_decrypt(struct cipher *cipher, uint64_t sector, uint8_t *bytes, size_t len);

#endif
