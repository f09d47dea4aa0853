/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AES-256-XTS: the standard's numbers, each sector its own tweak, and holes. */
#include "blk/blk.h"
#include "blk/cipher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* IEEE 1619-2007, B: key and plaintext of vectors 10 to 14. */
static const uint8_t standard_key[CIPHER_KEY] =
	"\x27\x18\x28\x18\x28\x45\x90\x45\x23\x53\x60\x28\x74\x71\x35\x26"
	"\x62\x49\x77\x57\x24\x70\x93\x69\x99\x59\x57\x49\x66\x96\x76\x27"
	"\x31\x41\x59\x26\x53\x58\x97\x93\x23\x84\x62\x64\x33\x83\x27\x95"
	"\x02\x88\x41\x97\x16\x93\x99\x37\x51\x05\x82\x09\x74\x94\x45\x92";

static struct cipher *cipher;

static int setup(void **state)
{
	return cipher_open(standard_key, &cipher, NULL);
}

static int teardown(void **state)
{
	cipher_close(cipher);
	return 0;
}

static void count_up(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)i;
}

static void test_standard(void **state)
{
	static const struct {
		uint64_t sector;
		const char *first, *last;
	} vectors[] = {
		{0xff, "\x1c\x3b\x3a\x10\x2f\x77\x03\x86\xe4\x83\x6c\x99\xe3\x70\xcf\x9b",
		 "\xc4\xf3\x6f\xfd\xa9\xfc\xea\x70\xb9\xc6\xe6\x93\xe1\x48\xc1\x51"},
		{0xffff, "\x77\xa3\x12\x51\x61\x8a\x15\xe6\xb9\x2d\x1d\x66\xdf\xfe\x7b\x50",
		 "\xa4\xf9\xe2\x7b\x42\xaf\x81\x00\xcb\x9d\x59\xce\xf9\x64\x58\x03"},
		{0xffffff, "\xe3\x87\xaa\xa5\x8b\xa4\x83\xaf\xa7\xe8\xeb\x46\x97\x78\x31\x7e",
		 "\x22\x63\xa1\xee\xf5\x2d\xd6\x88\x8c\x30\x9f\x5a\x7d\x71\x28\x26"},
		{0xffffffff, "\xbf\x53\xd2\xda\xde\x78\xe8\x22\xa4\xd9\x49\xa9\xbc\x67\x66\xb0",
		 "\x4c\x82\xf3\x35\xab\xb1\x52\xc4\xa9\x34\x11\x37\x3a\xaa\x82\x20"},
		{0xffffffffff, "\x64\x49\x7e\x5a\x83\x1e\x4a\x93\x2c\x09\xbe\x3e\x53\x93\x37\x6d",
		 "\xd6\x09\xd2\x73\xad\x5b\x0d\x59\x63\x1c\x53\x1f\x6a\x0a\x57\xb9"},
	};
	uint8_t bytes[BLK_SECTOR], plain[BLK_SECTOR];

	count_up(plain, sizeof(plain));
	for (unsigned int i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		memcpy(bytes, plain, sizeof(bytes));
		assert_true(cipher_encrypt(cipher, vectors[i].sector, bytes, sizeof(bytes)));
		assert_memory_equal(bytes, vectors[i].first, 16);
		assert_memory_equal(bytes + sizeof(bytes) - 16, vectors[i].last, 16);
		assert_true(cipher_decrypt(cipher, vectors[i].sector, bytes, sizeof(bytes)));
		assert_memory_equal(bytes, plain, sizeof(bytes));
	}
}

static void test_sectors_have_their_numbers(void **state)
{
	uint8_t together[5 * BLK_SECTOR], each[sizeof(together)];

	count_up(together, sizeof(together));
	memcpy(each, together, sizeof(each));
	assert_true(cipher_encrypt(cipher, 7, together, sizeof(together)));
	for (unsigned int i = 0; i < 5; i++)
		assert_true(cipher_encrypt(cipher, 7 + i, each + i * BLK_SECTOR, BLK_SECTOR));
	assert_memory_equal(together, each, sizeof(each));
	assert_memory_not_equal(each, each + BLK_SECTOR, BLK_SECTOR);
}

static void test_holes_stay(void **state)
{
	uint8_t bytes[3 * BLK_SECTOR] = {0}, zeroes[BLK_SECTOR] = {0}, plain[BLK_SECTOR];

	count_up(plain, sizeof(plain));
	memcpy(bytes + BLK_SECTOR, plain, sizeof(plain));
	assert_true(cipher_encrypt(cipher, 101, bytes + BLK_SECTOR, BLK_SECTOR));
	assert_true(cipher_decrypt(cipher, 100, bytes, sizeof(bytes)));
	assert_memory_equal(bytes, zeroes, sizeof(zeroes));
	assert_memory_equal(bytes + BLK_SECTOR, plain, sizeof(plain));
	assert_memory_equal(bytes + 2 * BLK_SECTOR, zeroes, sizeof(zeroes));
	/* Zeroes that somebody writes are data. */
	assert_true(cipher_encrypt(cipher, 100, bytes, BLK_SECTOR));
	assert_memory_not_equal(bytes, zeroes, sizeof(zeroes));
	assert_true(cipher_decrypt(cipher, 100, bytes, BLK_SECTOR));
	assert_memory_equal(bytes, zeroes, sizeof(zeroes));
}

static void test_equal_halves(void **state)
{
	const uint8_t key[CIPHER_KEY] = {1, [CIPHER_KEY / 2] = 1};
	struct cipher *none;
	struct error err;

	assert_int_equal(cipher_open(key, &none, &err), -EINVAL);
	assert_non_null(strstr(err.text, "halves"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard),
		cmocka_unit_test(test_sectors_have_their_numbers),
		cmocka_unit_test(test_holes_stay),
		cmocka_unit_test(test_equal_halves),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
