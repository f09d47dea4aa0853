/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/encryption.h"

#include "base/log.h"
#include "blk/cipher.h"
#include "blk/key_file.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

struct encryption {
	struct disk *disk;
	struct key_file *key_file;
	/* Changes while no request is at the store, which the overlap table's lock tells all. */
	struct cipher *cipher;

	/* The one BLK_CRYPTO_ERASE that there can be at a time. */
	struct blk_io *erase;
	struct message message; /* to its thread */
	pthread_t thread;
	struct cipher *fresh;
	bool replaced;
	int result;
	struct error error;
};

/* ---- opening and closing ---- */

int encryption_open(struct disk *disk, bool blank, struct error *err)
{
	struct encryption *e = calloc(1, sizeof(*e));
	uint8_t key[CIPHER_KEY];
	int ret;

	if (!e)
		return error_set(err, ENOMEM, "no memory");
	e->disk = disk;
	ret = key_file_open(disk->spec.key_file, blank, disk->spec.read_only, &e->key_file, err);
	if (!ret)
		ret = key_file_read(e->key_file, key, err);
	if (!ret)
		ret = cipher_open(key, &e->cipher, err);
	OPENSSL_cleanse(key, sizeof(key));
	if (ret) {
		if (e->key_file)
			key_file_unmake(e->key_file);
		key_file_close(e->key_file);
		free(e);
		return ret;
	}
	disk->encryption = e;
	disk->can_crypto_erase = key_file_replaceable(e->key_file);
	return 0;
}

void encryption_close(struct disk *disk)
{
	struct encryption *e = disk->encryption;

	if (!e)
		return;
	cipher_close(e->cipher);
	key_file_close(e->key_file);
	free(e);
	disk->encryption = NULL;
}

void encryption_unmake(struct disk *disk)
{
	if (disk->encryption)
		key_file_unmake(disk->encryption->key_file);
}

/* ---- data ---- */

bool encryption_encrypt(const struct disk *disk, uint64_t lba, void *bytes, size_t len)
{
	return !disk->encryption || cipher_encrypt(disk->encryption->cipher, lba, bytes, len);
}

bool encryption_decrypt(const struct disk *disk, uint64_t lba, void *bytes, size_t len)
{
	return !disk->encryption || cipher_decrypt(disk->encryption->cipher, lba, bytes, len);
}

/* ---- CRYPTO ERASE ---- */

/* The cipher first: what can fail before the file has changed leaves all as it was. */
static void erase_work(struct encryption *e)
{
	uint8_t key[CIPHER_KEY];

	e->fresh = NULL;
	e->replaced = false;
	e->result = 0;
	if (!key_file_generate(key))
		e->result = error_set(&e->error, EIO, "libcrypto has no random numbers");
	if (!e->result)
		e->result = cipher_open(key, &e->fresh, &e->error);
	if (!e->result)
		e->result = key_file_replace(e->key_file, key, &e->replaced, &e->error);
	OPENSSL_cleanse(key, sizeof(key));
}

static void erase_end(struct encryption *e)
{
	struct cipher *old = e->replaced ? e->cipher : e->fresh;

	if (e->replaced)
		e->cipher = e->fresh;
	cipher_close(old);
	if (e->result)
		log_error("disk '%s': CRYPTO ERASE failed%s: %s", e->disk->name,
			  e->replaced ? " after the key was replaced" : "", e->error.text);
	else
		log_notice("disk '%s': CRYPTO ERASE: what was written so far is lost",
			   e->disk->name);
	blk_complete(e->erase, e->result ? BLK_EIO : BLK_OK);
}

static void erase_message(struct message *message)
{
	struct encryption *e = container_of(message, struct encryption, message);

	pthread_join(e->thread, NULL);
	erase_end(e);
}

static void *erase_thread(void *arg)
{
	struct encryption *e = arg;

	erase_work(e);
	mailbox_post(e->erase->queue->mailbox, &e->message);
	return NULL;
}

void encryption_erase(struct blk_io *io)
{
	struct encryption *e = io->disk->encryption;

	e->erase = io;
	e->message.run = erase_message;
	if (io->queue->mailbox && !pthread_create(&e->thread, NULL, erase_thread, e))
		return;
	/* Without a thread to wait for it: this one does, rather than leave the data readable. */
	erase_work(e);
	erase_end(e);
}
