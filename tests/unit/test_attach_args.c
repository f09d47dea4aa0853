/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line of `attach`: which export goes to which interface, and what is wrong usage. */
#include "attach_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAX_WORDS 32

/* Cuts `line` at its blanks, as the shell would; the words live in `line`. */
static int parse(char *line, struct attach_args *args, struct error *err)
{
	char *argv[MAX_WORDS + 1] = {"attach"};
	int argc = 1;

	for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
		assert_in_range(argc, 1, MAX_WORDS - 1);
		argv[argc++] = word;
	}
	return attach_args_parse(argc, argv, args, err);
}

/* "eth0,eth1: 7.1 7.2; eth2: 8.1" */
static void describe(const struct attach_args *args, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	for (unsigned int g = 0; g < args->ngroups; g++) {
		const struct attach_group *group = &args->groups[g];

		for (unsigned int i = 0; i < group->ninterfaces; i++)
			fprintf(out, "%s%s", i ? "," : g ? "; " : "", group->interfaces[i].name);
		for (unsigned int i = 0; i < group->nexports; i++) {
			char address[AOE_ADDRESS_TEXT];

			aoe_address_format(&group->exports[i].addr, address);
			fprintf(out, "%s %s", i ? "" : ":", address);
		}
	}
	fclose(out);
}

static void test_groups(void **state)
{
	static const struct {
		const char *line, *groups;
	} cases[] = {
		{"eth0 --aoe 7.1=a --allow any", "eth0: 7.1"},
		{"eth0 eth1 --aoe 7.1=a --aoe 7.2=b --allow any", "eth0,eth1: 7.1 7.2"},
		{"eth0 --aoe 7.1=a --allow any eth1 --aoe 8.1=b --allow any",
		 "eth0: 7.1; eth1: 8.1"},
		{"eth0 --aoe 7.1=a --allow any --aoe 7.2=b --allow any eth1 eth2 --aoe 8.1=c "
		 "--allow any",
		 "eth0: 7.1 7.2; eth1,eth2: 8.1"},
		/* Options that speak of no export part nothing, and join nothing. */
		{"eth0 --aoe 7.1=a --allow any --xdp native eth1 --aoe 8.1=b --allow any",
		 "eth0: 7.1; eth1: 8.1"},
		{"eth0 --aoe 7.1=a --allow any --busy-poll eth1 --aoe 8.1=b --allow any",
		 "eth0: 7.1; eth1: 8.1"},
		{"--busy-poll 10g0 --aoe 8.1=b --allow any", "10g0: 8.1"},
		{"eth0 --aoe 7.1=a --allow any --state-dir /d --socket /s eth1 --aoe 8.1=b "
		 "--allow any",
		 "eth0: 7.1; eth1: 8.1"},
		{"--xdp native eth0 --busy-poll=5 eth1 --aoe 7.1=a --allow any", "eth0,eth1: 7.1"},
		{"--aoe=7.1=a", NULL},
		{"-- eth0", NULL},
		{"eth0 --aoe 7.1=a --allow any --", "eth0: 7.1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256], text[256] = "";
		struct attach_args args;
		struct error err;
		int ret;

		strcpy(line, cases[i].line);
		ret = parse(line, &args, &err);
		if (!cases[i].groups) {
			assert_true(ret < 0);
		} else {
			if (ret)
				fail_msg("`%s`: %s", cases[i].line, err.text);
			describe(&args, text, sizeof(text));
			assert_string_equal(text, cases[i].groups);
		}
		attach_args_fini(&args);
	}
}

static void test_wrong_usage_names_the_word(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{"", "interface"},
		{"--aoe 7.1=a --allow any", "7.1=a"},
		{"eth0", "eth0"},
		{"eth0 --aoe 7.1=a", "7.1"},
		{"eth0 --allow any --aoe 7.1=a", "--allow any"},
		{"eth0 --aoe 7.1=a --allow any --allow any", "--allow any"},
		{"eth0 --aoe 7.1=a --allow any --aoe 7.2=b", "7.2"},
		{"eth0 --aoe 7.1=a --allow any eth1", "eth1"},
		{"eth0 --aoe 7.1=a --allow any -- eth1", "eth1"},
		{"eth0 --aoe 7.1=a --allow any -- --xdp", "--xdp"},
		{"eth0 --aoe 7.1=a eth1 --aoe 7.2=a --allow any", "7.1"},
		{"eth0 --aoe 7.1 --allow any", "7.1"},
		{"eth0 --aoe 7.1= --allow any", "7.1="},
		{"eth0 --aoe =a --allow any", "SHELF"},
		{"eth0 --aoe 7.1=a --allow nobody", "nobody"},
		{"eth0 --aoe 7.1=ram:x --allow any", "ram:x"},
		{"eth0 --aoe 7.1=a,colour=red --allow any", "colour"},
		{"eth0 --aoe 7.1=a --aoe 7.1=b --allow any", "7.1 is exported twice"},
		{"eth0 --aoe 5:7.1=a --allow any eth1 --aoe 5:7.1=b --allow any", "5:7.1 is"},
		{"eth0 --aoe 7.1=a --allow any,any", "any"},
		{"eth0 --aoe", "--aoe wants a value"},
		{"eth0 --aoe 7.1=a --allow", "--allow wants a value"},
		{"eth0 --aoe 7.1=a --allow any --xdp", "--xdp wants a value"},
		{"eth0 --aoe 7.1=a --allow any --xdp fast", "fast"},
		{"eth0 --aoe 7.1=a --allow any --busy-poll=", "''"},
		{"eth0 --aoe 7.1=a --allow any --busy-poll=0", "'0'"},
		{"eth0 --aoe 7.1=a --allow any --busy-poll=-1", "'-1'"},
		{"eth0 --aoe 7.1=a --allow any --busy-poll=5us", "5us"},
		{"eth0 --aoe 7.1=a --allow any --busy-poll=99999999999999999999", "9999"},
		{"eth0 --aoe 7.1=a --allow any --exporter 9464", "--exporter: '9464'"},
		{"eth0 --aoe 7.1=a --allow any --flood-guard", "--flood-guard wants a value"},
		{"eth0 --aoe 7.1=a --allow any --flood-guard 0", "'0'"},
		{"eth0 --aoe 7.1=a --allow any --flood-guard -1", "'-1'"},
		{"eth0 --aoe 7.1=a --allow any --flood-guard 10000001", "up to 10000000"},
		{"eth0 --aoe 7.1=a --allow any --busy-poll 50", "write --busy-poll=50,"},
		{"eth0 --aoe 7.1=a --allow any --fast", "unknown option: --fast"},
		{"eth0 --aoe 7.1=a --allow any -f", "unknown option: -f"},
		{"eth0 --aoe 7.1=a --allow any -fg", "unknown option: -f"},
		{"a/b --aoe 7.1=a --allow any", "a/b"},
		{"an-interface-of-a-long-name --aoe 7.1=a --allow any", "long-name"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct attach_args args;
		struct error err;
		char line[256];

		strcpy(line, cases[i].line);
		assert_true(parse(line, &args, &err) < 0);
		if (!strstr(err.text, cases[i].word))
			fail_msg("`%s` says `%s`", cases[i].line, err.text);
		attach_args_fini(&args);
	}
}

static void test_options_hold_for_every_interface(void **state)
{
	char line[] = "eth0 --aoe 7.1=a --allow any eth1 --aoe 8.1=b --allow any --busy-poll=70 "
		      "--flood-guard 200000 --xdp generic --state-dir /d --socket /s";
	struct attach_args args;
	struct error err;

	assert_int_equal(parse(line, &args, &err), 0);
	for (unsigned int g = 0; g < 2; g++) {
		assert_int_equal(args.groups[g].interfaces[0].xdp, STEER_GENERIC);
		assert_int_equal(args.groups[g].interfaces[0].busy_poll_us, 70);
		assert_int_equal(args.groups[g].interfaces[0].flood_guard, 200000);
	}
	assert_string_equal(args.state_dir, "/d");
	assert_string_equal(args.socket, "/s");
	attach_args_fini(&args);
}

static void test_allow_holds_for_exports_without_a_list(void **state)
{
	static const uint8_t listed[6] = {2, 0, 0, 0, 0, 1}, stranger[6] = {2, 0, 0, 0, 0, 2};
	char line[] = "eth0 --aoe 7.1=a --aoe 7.2=b --allow 02:00:00:00:00:01/ro --aoe 7.3=c "
		      "--allow any";
	struct attach_args args;
	struct error err;

	assert_int_equal(parse(line, &args, &err), 0);
	for (unsigned int i = 0; i < 2; i++) {
		const struct aoe_acl *acl = &args.groups[0].exports[i].acl;

		assert_int_equal(aoe_acl_lookup(acl, listed), STGT_ACCESS_RO);
		assert_int_equal(aoe_acl_lookup(acl, stranger), STGT_ACCESS_DENY);
	}
	assert_int_equal(aoe_acl_lookup(&args.groups[0].exports[2].acl, stranger), STGT_ACCESS_RW);
	attach_args_fini(&args);
}

static void test_help_needs_nothing_else(void **state)
{
	char line[] = "--help";
	struct attach_args args;
	struct error err;

	assert_int_equal(parse(line, &args, &err), 0);
	assert_true(args.help);
	attach_args_fini(&args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_wrong_usage_names_the_word),
		cmocka_unit_test(test_options_hold_for_every_interface),
		cmocka_unit_test(test_allow_holds_for_exports_without_a_list),
		cmocka_unit_test(test_help_needs_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
