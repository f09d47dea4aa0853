/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/cipher.h"

#include "blk/blk.h"
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* More threads at once wait for each other: as many as a disk has workers in practice. */
#define LANES 16u

/* libcrypto's contexts are for one thread at a time. */
struct cipher_lane {
	pthread_mutex_t lock;
	EVP_CIPHER_CTX *encrypt, *decrypt;
};

struct cipher {
	struct cipher_lane lanes[LANES];
};

static EVP_CIPHER_CTX *context_new(const uint8_t *key, bool encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_xts(), NULL, key, NULL, encrypt) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

int cipher_open(const uint8_t key[CIPHER_KEY], struct cipher **out, struct error *err)
{
	struct cipher *cipher;
	bool good = true;

	if (!memcmp(key, key + CIPHER_KEY / 2, CIPHER_KEY / 2))
		return error_set(err, EINVAL, "the key's two halves are the same: make another");
	cipher = calloc(1, sizeof(*cipher));
	if (!cipher)
		return error_set(err, ENOMEM, "no memory");
	for (unsigned int i = 0; i < LANES; i++) {
		struct cipher_lane *lane = &cipher->lanes[i];

		pthread_mutex_init(&lane->lock, NULL);
		lane->encrypt = context_new(key, true);
		lane->decrypt = context_new(key, false);
		good &= lane->encrypt && lane->decrypt;
	}
	if (!good) {
		cipher_close(cipher);
		return error_set(err, EIO, "libcrypto cannot set up AES-256-XTS");
	}
	*out = cipher;
	return 0;
}

void cipher_close(struct cipher *cipher)
{
	if (!cipher)
		return;
	for (unsigned int i = 0; i < LANES; i++) {
		EVP_CIPHER_CTX_free(cipher->lanes[i].encrypt);
		EVP_CIPHER_CTX_free(cipher->lanes[i].decrypt);
		pthread_mutex_destroy(&cipher->lanes[i].lock);
	}
	free(cipher);
}

/* A thread begins to look at a place of its own, so that one lane stays in its CPU's cache. */
static struct cipher_lane *lane_lock(struct cipher *cipher)
{
	unsigned int first = (unsigned int)((uintptr_t)pthread_self() >> 12) % LANES;
	struct cipher_lane *lane;

	for (unsigned int i = 0; i < LANES; i++) {
		lane = &cipher->lanes[(first + i) % LANES];
		if (!pthread_mutex_trylock(&lane->lock))
			return lane;
	}
	lane = &cipher->lanes[first];
	pthread_mutex_lock(&lane->lock);
	return lane;
}

static bool sector_is_hole(const uint8_t *bytes)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, BLK_SECTOR - 1);
}

static bool sector_run(EVP_CIPHER_CTX *ctx, uint64_t sector, uint8_t *bytes)
{
	const uint64_t tweak[2] = {htole64(sector)};
	int len;

	return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, (const uint8_t *)tweak, -1) == 1 &&
	       EVP_CipherUpdate(ctx, bytes, &len, bytes, BLK_SECTOR) == 1;
}

bool cipher_encrypt(struct cipher *cipher, uint64_t sector, uint8_t *bytes, size_t len)
{
	struct cipher_lane *lane = lane_lock(cipher);
	bool good = true;

	for (size_t at = 0; good && at < len; at += BLK_SECTOR)
		good = sector_run(lane->encrypt, sector++, bytes + at);
	pthread_mutex_unlock(&lane->lock);
	return good;
}

bool cipher_decrypt(struct cipher *cipher, uint64_t sector, uint8_t *bytes, size_t len)
{
	struct cipher_lane *lane = lane_lock(cipher);
	bool good = true;

	for (size_t at = 0; good && at < len; at += BLK_SECTOR, sector++)
		if (!sector_is_hole(bytes + at))
			good = sector_run(lane->decrypt, sector, bytes + at);
	pthread_mutex_unlock(&lane->lock);
	return good;
}
