/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What encrypting and decrypting a payload costs the thread that does it, without store or network.
 *
 * usage: cipher_speed; prints a line for each size.
 */
#include "blk/blk.h"
#include "blk/cipher.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MEASURE_NS 300000000u
#define TURN	   16u /* payloads between two looks at the clock */

typedef bool cipher_way(struct cipher *cipher, uint64_t sector, uint8_t *bytes, size_t len);

/* Of the CPU: whoever else wants it does not count. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double ns_each(struct cipher *cipher, cipher_way *way, uint8_t *bytes, size_t len)
{
	uint64_t begin = cpu_ns(), now = begin, n = 0;

	while (now - begin < MEASURE_NS) {
		for (unsigned int i = 0; i < TURN; i++)
			if (!way(cipher, n++, bytes, len))
				exit(1);
		now = cpu_ns();
	}
	return (double)(now - begin) / (double)n;
}

int main(void)
{
	static const uint32_t sizes[] = {BLK_SECTOR, 4096, 65536, BLK_TRANSFER_MAX};
	static uint8_t bytes[BLK_TRANSFER_MAX];
	uint8_t key[CIPHER_KEY];
	struct cipher *cipher;
	struct error err;

	for (unsigned int i = 0; i < CIPHER_KEY; i++)
		key[i] = (uint8_t)(i * i + 1);
	bytes[0] = 1;
	if (cipher_open(key, &cipher, &err)) {
		fprintf(stderr, "cipher_speed: %s\n", err.text);
		return 1;
	}
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		double write = ns_each(cipher, cipher_encrypt, bytes, sizes[i]);
		double read = ns_each(cipher, cipher_decrypt, bytes, sizes[i]);

		printf("encryption: %6u bytes: write %7.0f ns (%.2f GB/s), read %7.0f ns (%.2f GB/s)\n",
		       sizes[i], write, sizes[i] / write, read, sizes[i] / read);
	}
	cipher_close(cipher);
	return 0;
}
