/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* INQUIRY: standard data, vital product data, and LUNs without a unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

static struct fixture_scsi fs;

static int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	strcpy(fs.disk->disk.serial, "serial 0123");
	fs.disk->disk.wwn = 0x3123456789abcdefull;
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

static struct fixture_scsi_answer inquire(bool vpd, uint8_t page, uint16_t alloc)
{
	uint8_t cdb[6] = {0x12, vpd, page};

	put_be16(cdb + 3, alloc);
	return fixture_scsi_run(&fs, 0, cdb, 6, NULL, 0, alloc);
}

static void test_standard_data(void **state)
{
	struct fixture_scsi_answer a = inquire(false, 0, 512);

	assert_int_equal(a.status, SCSI_GOOD);
	assert_int_equal(a.len, a.data[4] + 5);
	assert_int_equal(a.data[0], 0);
	assert_int_equal(a.data[3] & 0xf, 2);
	assert_memory_equal(a.data + 8, "STGT-XDPSTGT-XDP disk   ", 24);
	assert_int_equal(inquire(false, 0, 5).len, 5);
	assert_int_equal(inquire(false, 0, 0).status, SCSI_GOOD);
}

/* What the transport is, is the port's: SAM-5, SPC-4, SBC-3, and iSCSI if it is that. */
static void test_versions_are_those_of_the_port(void **state)
{
	static const uint8_t iscsi[10] = {0x00, 0xa0, 0x04, 0x60, 0x04, 0xc0, 0x09, 0x60};
	static const uint8_t other[10] = {0x00, 0xa0, 0x04, 0x60, 0x04, 0xc0};

	assert_memory_equal(inquire(false, 0, 512).data + 58, iscsi, sizeof(iscsi));
	fixture_scsi_close(&fs);
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.fibre_channel = true});
	assert_memory_equal(inquire(false, 0, 512).data + 58, other, sizeof(other));
}

static void test_page_code_without_evpd(void **state)
{
	struct fixture_scsi_answer a = inquire(false, 0x83, 256);

	assert_int_equal(a.key, SCSI_KEY_ILLEGAL_REQUEST);
	assert_int_equal(a.asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(get_be16(a.sense + 16), 2);
	assert_int_equal(inquire(true, 0xfe, 256).asc, SCSI_ASC_INVALID_FIELD_CDB);
}

static void test_every_page_that_is_listed(void **state)
{
	uint8_t listed[256];
	struct fixture_scsi_answer a = inquire(true, 0, 256);
	unsigned int n = get_be16(a.data + 2);

	assert_int_equal(a.len, 4 + n);
	assert_true(n >= 4);
	memcpy(listed, a.data + 4, n);
	for (unsigned int i = 0; i < n; i++) {
		if (i)
			assert_true(listed[i - 1] < listed[i]);
		a = inquire(true, listed[i], 4096);
		assert_int_equal(a.status, SCSI_GOOD);
		assert_int_equal(a.data[0], 0);
		assert_int_equal(a.data[1], listed[i]);
		assert_int_equal(a.len, 4 + get_be16(a.data + 2));
		assert_int_equal(inquire(true, listed[i], 4).len, 4);
	}
}

static void test_serial_number(void **state)
{
	struct fixture_scsi_answer a = inquire(true, 0x80, 255);

	assert_int_equal(a.len, 4 + 11);
	assert_memory_equal(a.data + 4, "serial 0123", 11);
}

static void test_designators(void **state)
{
	static const uint8_t expected[] = {
		0x01, 0x03, 0,	 8,   0x31, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, /* NAA */
		0x02, 0x01, 0,	 19,  'S',  'T',  'G',	'T',  '-',  'X',  'D',	'P',
		's',  'e',  'r', 'i', 'a',  'l',  ' ',	'0',  '1',  '2',  '3',	0x51,
		0x94, 0,    4,	 0,   0,    0,	  1,	   /* relative target port */
		0x51, 0x95, 0,	 4,   0,    0,	  0,	0, /* target port group */
	};
	static const char port[] = "iqn.2026-11.example:test,t,0x0001\0\0";
	static const char device[] = "iqn.2026-11.example:test\0\0\0";
	struct fixture_scsi_answer a = inquire(true, 0x83, 255);
	const uint8_t *at = a.data + 4 + sizeof(expected);

	assert_memory_equal(a.data + 4, expected, sizeof(expected));
	assert_memory_equal(at, "\x53\x98\0\x24", 4);
	assert_memory_equal(at + 4, port, 36);
	at += 4 + 36;
	assert_memory_equal(at, "\x53\xa8\0\x1c", 4);
	assert_memory_equal(at + 4, device, 28);
	assert_ptr_equal(at + 4 + 28, a.data + a.len);
}

static void test_a_registered_name_has_an_eui(void **state)
{
	struct fixture_scsi_answer a;

	fs.disk->disk.wwn = 0x5aabbccd12345678ull;
	a = inquire(true, 0x83, 255);
	assert_memory_equal(a.data + 4 + 12, "\x01\x02\0\x08\xaa\xbb\xcc\x0d\x12\x34\x56\x78", 12);
}

static void test_extended_inquiry(void **state)
{
	struct fixture_scsi_answer a = inquire(true, 0x86, 255);

	assert_int_equal(a.len, 64);
	assert_int_equal(a.data[5], 0x07);
	assert_int_equal(a.data[6], fs.lu.durable ? 0 : 1);
}

static void test_no_unit_there(void **state)
{
	static const uint8_t standard[6] = {0x12, 0, 0, 0, 96}, list[6] = {0x12, 1, 0, 0, 96},
			     serial[6] = {0x12, 1, 0x80, 0, 96};
	const uint8_t *cdbs[] = {standard, list, serial};
	uint8_t in[96];

	for (unsigned int i = 0; i < 3; i++) {
		fs.fc.cmd.scsi.lun = 7ull << 48;
		fixture_scsi_start(&fs, &fs.fc, 0, cdbs[i], 6, NULL, 0, in, sizeof(in));
		fixture_scsi_end(&fs.fc);
		assert_int_equal(fs.fc.cmd.scsi.status, i < 2 ? SCSI_GOOD : SCSI_CHECK_CONDITION);
		if (i < 2)
			assert_int_equal(in[0], 0x7f);
	}
	assert_int_equal(fixture_scsi_answer_of(&fs.fc).asc, SCSI_ASC_INVALID_FIELD_CDB);
	fs.fc.cmd.scsi.lun = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_standard_data),
		TEST(test_versions_are_those_of_the_port),
		TEST(test_page_code_without_evpd),
		TEST(test_every_page_that_is_listed),
		TEST(test_serial_number),
		TEST(test_designators),
		TEST(test_a_registered_name_has_an_eui),
		TEST(test_extended_inquiry),
		TEST(test_no_unit_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
