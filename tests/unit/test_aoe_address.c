/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and access lists as administrators write them. */
#include "aoe_client.h"

static void test_addresses(void **state)
{
	static const struct {
		const char *text;
		uint32_t vlan;
		uint16_t shelf;
		uint8_t slot;
	} good[] = {
		{"7.1", 0, 7, 1},
		{"0.0", 0, 0, 0},
		{"65534.254", 0, 65534, 254},
		{"4094.1", 0, 4094, 1},
		{"5:7.1", 5, 7, 1},
		{"4094:7.1", 4094, 7, 1},
		{"100.5:7.1", 100 << 12 | 5, 7, 1},
		{"4094.4094:65534.254", 4094 << 12 | 4094, 65534, 254},
	};

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[AOE_ADDRESS_TEXT];
		struct aoe_address addr;

		assert_int_equal(aoe_address_parse(good[i].text, &addr, NULL), 0);
		assert_int_equal(addr.vlan, good[i].vlan);
		assert_int_equal(addr.shelf, good[i].shelf);
		assert_int_equal(addr.slot, good[i].slot);
		aoe_address_format(&addr, text);
		assert_string_equal(text, good[i].text);
	}
}

static void test_addresses_refused(void **state)
{
	static const char *const bad[] = {
		"",	      "7",	 "7.",
		".1",	      "7.1.2",	 "7.1 ",
		" 7.1",	      "-7.1",	 "+7.1",
		"0x7.1",      "65535.1", "4095.1",
		"7.255",      "7.256",	 "70000.1",
		"7.1000",     "0:7.1",	 "4095:7.1",
		":7.1",	      "5:",	 "5:7",
		"5.6.7:8.1",  "0.5:7.1", "5.0:7.1",
		"4095.5:7.1", "5:6:7.1", "99999999999.1",
		"a.b",
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct aoe_address addr;
		struct error err = {""};

		assert_int_equal(aoe_address_parse(bad[i], &addr, &err), -EINVAL);
		assert_non_null(strstr(err.text, bad[i]));
	}
}

static enum stgt_access access_of(const char *list, const char *who)
{
	struct aoe_acl acl;
	uint8_t mac[6];
	enum stgt_access access;

	for (unsigned int i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(who + 3 * i, NULL, 16);
	assert_int_equal(aoe_acl_parse(list, &acl, NULL), 0);
	access = aoe_acl_lookup(&acl, mac);
	aoe_acl_fini(&acl);
	return access;
}

#define A "02:00:00:00:00:0a"
#define B "02:00:00:00:00:0B"
#define C "02:00:00:00:00:0c"

static void test_access(void **state)
{
	static const struct {
		const char *list, *who;
		enum stgt_access access;
	} cases[] = {
		{"any", A, STGT_ACCESS_RW},
		{"any/rw", A, STGT_ACCESS_RW},
		{"any:ro", A, STGT_ACCESS_RO},
		{"any/ro", A, STGT_ACCESS_RO},
		{A, A, STGT_ACCESS_RW},
		{A, B, STGT_ACCESS_DENY},
		{C "," B "," A, B, STGT_ACCESS_RW},
		{C "," B, A, STGT_ACCESS_DENY},
		{B "/ro," A, B, STGT_ACCESS_RO},
		{B "/ro," A, A, STGT_ACCESS_RW},
		{"any/ro," A, A, STGT_ACCESS_RW},
		{"any/ro," A, C, STGT_ACCESS_RO},
		{A "/ro,any", A, STGT_ACCESS_RO},
		{A "/ro,any", B, STGT_ACCESS_RW},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(access_of(cases[i].list, cases[i].who), cases[i].access);
}

static void test_access_refused(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"any,",
		"," A,
		"all",
		"any/rx",
		"any/",
		"02:00:00:00:00",
		"02:00:00:00:00:0g",
		"02-00-00-00-00-0a",
		"02:00:00:00:00:0a:0b",
		A " ",
		A "," A "/ro",
		"any,any/ro",
		"ff:ff:ff:ff:ff:ff",
		"01:00:5e:00:00:01",
		"00:00:00:00:00:00",
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {""};
		struct aoe_acl acl;

		assert_int_equal(aoe_acl_parse(bad[i], &acl, &err), -EINVAL);
		assert_true(err.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_addresses_refused),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_access_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
