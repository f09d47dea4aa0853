/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an administrator writes: names, patterns, settings, access and LUN masks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi_rig.h"
#include <errno.h>
#include <string.h>

static void test_names(void **state)
{
	static const char *const good[] = {
		"iqn.2026-11.example",
		"iqn.2026-11.com.example:disk.1-a",
		"iqn.2026-11.example:caf\xc3\xa9",
		"eui.02004567A425678D",
		"naa.52004567BA64678D",
		"naa.62004567BA64678D0123456789ABCDEF",
	};
	static const char *const bad[] = {
		"",
		"iqn",
		"iqn.2026-11.",
		"iqn.2026-1.example",
		"iqn.2026-11.Example",
		"iqn.2026-11.example:a b",
		"iqn.2026-11.example:a,b",
		"iqn.2026-11.example:*",
		"eui.02004567A425678",
		"eui.02004567A425678G",
		"naa.52004567BA64678D0",
		"disk",
	};
	char longest[ISCSI_NAME_MAX + 2] = "iqn.2026-11.example:";
	struct error err;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(iscsi_name_check(good[i], &err), 0);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(iscsi_name_check(bad[i], &err), -EINVAL);
	memset(longest + strlen(longest), 'x', ISCSI_NAME_MAX - strlen(longest));
	assert_int_equal(iscsi_name_check(longest, &err), 0);
	longest[ISCSI_NAME_MAX] = 'x';
	assert_int_equal(iscsi_name_check(longest, &err), -EINVAL);
}

static void test_patterns(void **state)
{
	assert_true(iscsi_name_match("any", "iqn.2026-11.example"));
	assert_true(iscsi_name_match("*", "iqn.2026-11.example"));
	assert_true(iscsi_name_match("iqn.2026-11.example", "iqn.2026-11.example"));
	assert_true(iscsi_name_match("iqn.*.example:*", "iqn.2026-11.example:a"));
	assert_true(iscsi_name_match("iqn.*a*b", "iqn.aabab"));
	assert_true(iscsi_name_match("iqn.*", "iqn."));
	assert_false(iscsi_name_match("iqn.*", "eui.02004567a425678d"));
	assert_false(iscsi_name_match("iqn.2026-11.example", "iqn.2026-11.example:a"));
	assert_false(iscsi_name_match("iqn.2026-11.example:*b", "iqn.2026-11.example:a"));
	assert_false(iscsi_name_match("", "a"));
	assert_true(iscsi_name_match("eui.02004567A425678D", "eui.02004567a425678d"));
	assert_true(iscsi_name_match("iqn.*:Mail*", "iqn.2026-11.example:mail1"));
	/* Many stars over a long name take no long time. */
	assert_false(
		iscsi_name_match("*a*a*a*a*a*a*a*a*a*a*a*a*b",
				 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void test_settings(void **state)
{
	struct iscsi_settings settings;
	struct error err;

	iscsi_settings_default(&settings);
	assert_int_equal(iscsi_settings_check(&settings, &err), 0);
	settings.first_burst = ISCSI_RUN_BYTES + 1;
	assert_int_equal(iscsi_settings_check(&settings, &err), -EINVAL);
	assert_non_null(strstr(err.text, "first_burst"));
	iscsi_settings_default(&settings);
	settings.queue_depth = 0;
	assert_int_equal(iscsi_settings_check(&settings, &err), -EINVAL);
	assert_non_null(strstr(err.text, "queue_depth"));
}

static void test_two_targets_of_one_name(void **state)
{
	struct iscsi_rig rig;
	struct iscsi_target_config config = {.name = RIG_TARGET};
	struct iscsi_target *target;
	struct error err;

	iscsi_rig_open(&rig, &(struct iscsi_rig_config){});
	iscsi_settings_default(&config.settings);
	assert_int_equal(iscsi_target_open(rig.node, &config, &target, &err), -EEXIST);
	assert_non_null(strstr(err.text, RIG_TARGET));
	iscsi_rig_close(&rig);
}

/* The status of a command to LUN 0 after a login. */
static uint16_t try_write(struct iscsi_rig *rig)
{
	static const uint8_t block[512];
	struct host_conn c;
	struct host_pdu pdu;
	uint16_t result;

	host_connect(rig, &c, 0);
	host_login(&c, NULL);
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	host_write(&c, 0, 1, block, 512);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	result = pdu.bhs[ISCSI_RESPONSE_AT_STATUS] ? host_asc(&pdu) : 0;
	host_disconnect(&c);
	return result;
}

static void test_first_rule_that_matches_holds(void **state)
{
	struct iscsi_rule rules[3] = {
		{.pattern = "iqn.2026-11.example:other"},
		{.pattern = RIG_INITIATOR},
		{.pattern = "any"},
	};
	struct iscsi_access access = {.rules = rules, .nrules = 3};
	struct scsi_lun_mask mask;
	struct iscsi_rig rig;

	iscsi_rig_open(&rig, &(struct iscsi_rig_config){});
	assert_int_equal(try_write(&rig), 0);
	rules[1].mask.visible[0] = 1;
	rules[1].mask.read_only[0] = 1;
	rules[2].mask.visible[0] = 1;
	assert_int_equal(iscsi_target_set_access(rig.target, &access), 0);
	assert_int_equal(try_write(&rig), SCSI_ASC_WRITE_PROTECTED);
	rules[1].mask.visible[0] = 0;
	assert_int_equal(iscsi_target_set_access(rig.target, &access), 0);
	assert_int_equal(try_write(&rig), SCSI_ASC_LUN_NOT_SUPPORTED);
	access.nrules = 1;
	assert_int_equal(iscsi_target_set_access(rig.target, &access), 0);
	assert_false(iscsi_target_allows(rig.target, RIG_INITIATOR, &mask));
	assert_true(iscsi_target_allows(rig.target, "iqn.2026-11.example:other", &mask));
	iscsi_rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_two_targets_of_one_name),
		cmocka_unit_test(test_first_rule_that_matches_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
