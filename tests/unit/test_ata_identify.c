/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IDENTIFY DEVICE, decoded word by word as a driver does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_ata.h"
#include <string.h>

static uint16_t word_of(const uint8_t *data, unsigned int i)
{
	return (uint16_t)(data[2 * i] | data[2 * i + 1] << 8);
}

static uint64_t words_of(const uint8_t *data, unsigned int first, unsigned int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 16 | word_of(data, first + n);
	return v;
}

static void string_of(const uint8_t *data, unsigned int first, unsigned int n, char *text)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		text[2 * i] = (char)(word_of(data, first + i) >> 8);
		text[2 * i + 1] = (char)word_of(data, first + i);
	}
	text[2 * n] = '\0';
}

static const uint8_t *identify(struct fixture_ata *fa)
{
	struct fixture_answer a =
		fixture_ata_run(fa, &(struct ata_taskfile){.command = 0xec, .count = 1}, NULL, 0);
	uint8_t sum = 0;
	unsigned int i;

	assert_int_equal(a.status, 0x40);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.len, 512);
	for (i = 0; i < 512; i++)
		sum += a.data[i];
	assert_int_equal(a.data[510], 0xa5);
	assert_int_equal(sum, 0);
	return a.data;
}

static const uint8_t *identify_size(struct fixture_ata *fa, uint64_t nblocks)
{
	atomic_store(&fa->disk->disk.nblocks, nblocks);
	return identify(fa);
}

static void test_strings(void **unused)
{
	struct fixture_ata fa;
	const uint8_t *data;
	char text[41];

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	data = identify(&fa);
	string_of(data, 10, 10, text);
	assert_string_equal(text, "FIXTURE0001         ");
	string_of(data, 27, 20, text);
	assert_string_equal(text, "STGT-XDP disk                           ");
	string_of(data, 23, 4, text);
	assert_memory_equal(text, STGT_VERSION, strlen(STGT_VERSION));
	fixture_ata_close(&fa);
}

static void test_serial_of_full_length(void **unused)
{
	struct fixture_ata fa;
	char text[21];

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	strcpy(fa.disk->disk.serial, "ABCDEFGHIJKLMNOPQRST");
	string_of(identify(&fa), 10, 10, text);
	assert_string_equal(text, "ABCDEFGHIJKLMNOPQRST");
	fixture_ata_close(&fa);
}

static void test_capacity(void **unused)
{
	static const struct {
		uint64_t nblocks, lba28, lba48;
	} sizes[] = {
		{1, 1, 1},
		{1000, 1000, 1000},
		{(1ull << 28) - 2, (1ull << 28) - 2, (1ull << 28) - 2},
		{(1ull << 28) - 1, (1ull << 28) - 1, (1ull << 28) - 1},
		{1ull << 28, (1ull << 28) - 1, 1ull << 28},
		{(1ull << 32) + 5, (1ull << 28) - 1, (1ull << 32) + 5},
		{(1ull << 48) - 1, (1ull << 28) - 1, (1ull << 48) - 1},
		{1ull << 48, (1ull << 28) - 1, (1ull << 48) - 1},
		{1ull << 54, (1ull << 28) - 1, (1ull << 48) - 1},
	};
	struct fixture_ata fa;
	unsigned int i;

	fixture_ata_open(&fa, 1, 0, true, NULL);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const uint8_t *data = identify_size(&fa, sizes[i].nblocks);

		assert_int_equal(words_of(data, 60, 2), sizes[i].lba28);
		assert_int_equal(words_of(data, 100, 4), sizes[i].lba48);
		/* What the CHS words promise is never more than there is. */
		assert_int_equal(word_of(data, 54) * word_of(data, 55) * word_of(data, 56),
				 words_of(data, 57, 2));
		assert_true(words_of(data, 57, 2) <= sizes[i].nblocks);
	}
	assert_int_equal(word_of(identify(&fa), 54), 16383);
	fixture_ata_close(&fa);
}

static void test_resize_is_seen(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_int_equal(words_of(identify(&fa), 100, 4), 1000);
	assert_int_equal(words_of(identify_size(&fa, 3000), 100, 4), 3000);
	fixture_ata_close(&fa);
}

static void test_features(void **unused)
{
	struct fixture_ata fa;
	const uint8_t *data;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	data = identify(&fa);
	assert_int_equal(word_of(data, 0) & 0x8000, 0);		/* an ATA device */
	assert_int_equal(word_of(data, 49) & 0x0300, 0x0300);	/* LBA, DMA */
	assert_int_equal(word_of(data, 53) & 6, 6);		/* words 64-70 and 88 count */
	assert_int_equal(word_of(data, 80) & 1 << 10, 1 << 10); /* ACS-3 */
	/* Supported and enabled: SMART, power management; LBA48, FLUSH, FLUSH EXT; FUA, WWN. */
	assert_int_equal(word_of(data, 82) & 0x0009, 0x0009);
	assert_int_equal(word_of(data, 85) & 0x0009, 0x0009);
	assert_int_equal(word_of(data, 83), 0x7400);
	assert_int_equal(word_of(data, 86), 0x3400);
	assert_int_equal(word_of(data, 84), 0x4143);
	assert_int_equal(word_of(data, 87), 0x4143);
	assert_int_equal(word_of(data, 217), 1);
	/* No queueing, no general purpose logging, no security, no HPA is promised. */
	assert_int_equal(word_of(data, 75) | word_of(data, 76) | word_of(data, 128), 0);
	assert_int_equal(word_of(data, 84) & 0x0020, 0);
	assert_int_equal(word_of(data, 82) & 0x0402, 0);
	fixture_ata_close(&fa);
}

static void test_world_wide_name(void **unused)
{
	struct fixture_ata fa;
	const uint8_t *data;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	data = identify(&fa);
	assert_int_equal(word_of(data, 108), 0x5123);
	assert_int_equal(word_of(data, 109), 0x4567);
	assert_int_equal(word_of(data, 110), 0x89ab);
	assert_int_equal(word_of(data, 111), 0xcdef);
	fixture_ata_close(&fa);
}

static void test_physical_sector(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_int_equal(word_of(identify(&fa), 106), 0x6003);
	assert_int_equal(word_of(identify(&fa), 209), 0x4000);
	fa.disk->disk.physical_block = 512;
	assert_int_equal(word_of(identify(&fa), 106), 0x4000);
	fixture_ata_close(&fa);
}

static void test_trim_only_where_the_store_can(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_int_equal(word_of(identify(&fa), 169), 1);
	assert_int_equal(word_of(identify(&fa), 105), 1);
	/* Deterministic, but not promised to be zeroes. */
	assert_int_equal(word_of(identify(&fa), 69) & 0x4020, 0x4000);
	fa.disk->disk.can_unmap = false;
	assert_int_equal(word_of(identify(&fa), 169), 0);
	assert_int_equal(word_of(identify(&fa), 105), 0);
	assert_int_equal(word_of(identify(&fa), 69), 0);
	fixture_ata_close(&fa);
}

static void test_write_cache(void **unused)
{
	struct fixture_ata fa;

	fixture_ata_open(&fa, 1000, 0, true, NULL);
	assert_int_equal(word_of(identify(&fa), 82) & 0x20, 0);
	assert_int_equal(word_of(identify(&fa), 85) & 0x20, 0);
	fixture_ata_close(&fa);

	fixture_ata_open(&fa, 1000, 0, false, NULL);
	assert_int_equal(word_of(identify(&fa), 82) & 0x20, 0x20);
	assert_int_equal(word_of(identify(&fa), 85) & 0x20, 0x20);
	atomic_store(&fa.lu.write_cache, false);
	assert_int_equal(word_of(identify(&fa), 82) & 0x20, 0x20);
	assert_int_equal(word_of(identify(&fa), 85) & 0x20, 0);
	fixture_ata_close(&fa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_serial_of_full_length),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_resize_is_seen),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_world_wide_name),
		cmocka_unit_test(test_physical_sector),
		cmocka_unit_test(test_trim_only_where_the_store_can),
		cmocka_unit_test(test_write_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
