/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line of `serve`: what belongs to which target, and what is wrong usage. */
#include "serve_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_WORDS 32
#define NAME	  "--iscsi iqn.2026-11.org.example:a "
#define WHOLE	  NAME "--lun 0=ram:1M --allow any "

/* Cuts `line` at its blanks, as the shell would; the words live in `line`. */
static int parse(char *line, struct serve_args *args, struct error *err)
{
	char *argv[MAX_WORDS + 1] = {"serve"};
	int argc = 1;

	for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
		assert_in_range(argc, 1, MAX_WORDS - 1);
		argv[argc++] = word;
	}
	return serve_args_parse(argc, argv, args, err);
}

static void parsed(char *line, struct serve_args *args)
{
	struct error err;

	if (parse(line, args, &err))
		fail_msg("%s", err.text);
}

static void test_options_belong_to_the_target_before_them(void **state)
{
	char line[] = NAME "--lun 0=ram:1M --lun 255=/srv/a --allow any "
			   "--iscsi eui.02004567a425678d --portal 192.0.2.1 --portal [::1]:13260,2 "
			   "--lun 7=ram:2M,ro --allow iqn.2026-11.org.example:* "
			   "--state-dir /s --socket /c --exporter 127.0.0.1:9464 "
			   "--alua 2=active/nonoptimized,preferred --alua 65535=offline";
	struct serve_args args;
	const struct serve_target *t;

	parsed(line, &args);
	assert_int_equal(args.ntargets, 2);
	t = args.targets;
	assert_string_equal(t->name, "iqn.2026-11.org.example:a");
	assert_int_equal(t->nportals, 1);
	assert_string_equal(t->portals[0].address, "0.0.0.0:3260");
	assert_int_equal(t->nluns, 2);
	assert_int_equal(t->luns[1].lun, 255);
	assert_string_equal(t->luns[1].disk, "/srv/a");
	t++;
	assert_int_equal(t->nportals, 2);
	assert_string_equal(t->portals[0].address, "192.0.2.1:3260");
	assert_string_equal(t->portals[1].address, "[::1]:13260");
	assert_int_equal(t->portals[0].group, 1);
	assert_int_equal(t->portals[1].group, 2);
	assert_int_equal(args.ngroups, 2);
	assert_int_equal(args.groups[0].number, 2);
	assert_int_equal(args.groups[0].access.access, SCSI_ACCESS_NONOPTIMIZED);
	assert_true(args.groups[0].access.preferred);
	assert_int_equal(args.groups[1].number, 65535);
	assert_int_equal(args.groups[1].access.access, SCSI_ACCESS_OFFLINE);
	assert_false(args.groups[1].access.preferred);
	assert_string_equal(t->luns[0].disk, "ram:2M,ro");
	assert_string_equal(args.state_dir, "/s");
	assert_string_equal(args.socket, "/c");
	assert_string_equal(args.exporter, "127.0.0.1:9464");
	serve_args_fini(&args);
}

static void test_who_may_what(void **state)
{
	char line[] = NAME
		"--lun 0=ram:1M --allow iqn.2026-11.a:1,iqn.2026-11.b:*/ro,iqn.2026-11.c:1/lun=2/lun=64-66/ro "
		"--allow any/lun=255";
	struct serve_args args;
	const struct iscsi_rule *rule;

	parsed(line, &args);
	assert_int_equal(args.targets->nrules, 4);
	rule = args.targets->rules;
	assert_string_equal(rule->pattern, "iqn.2026-11.a:1");
	assert_true(rule->mask.visible[0] == UINT64_MAX && rule->mask.visible[3] == UINT64_MAX);
	assert_true(rule->mask.read_only[0] == 0);
	rule++;
	assert_string_equal(rule->pattern, "iqn.2026-11.b:*");
	assert_true(rule->mask.read_only[0] == UINT64_MAX);
	rule++;
	assert_string_equal(rule->pattern, "iqn.2026-11.c:1");
	assert_true(rule->mask.visible[0] == 4 && rule->mask.visible[1] == 7);
	assert_true(rule->mask.visible[2] == 0 && rule->mask.read_only[1] == UINT64_MAX);
	rule++;
	assert_string_equal(rule->pattern, "*");
	assert_true(rule->mask.visible[0] == 0 && rule->mask.visible[3] == 1ull << 63);
	serve_args_fini(&args);
}

static void test_wrong_usage_names_the_word(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{"", "--iscsi IQN is missing"},
		{"--lun 0=ram:1M", "--iscsi IQN comes first"},
		{"--portal 127.0.0.1", "--iscsi IQN comes first"},
		{"--iscsi disks", "disks"},

		{"--iscsi", "--iscsi wants a value"},
		{NAME "--allow any", "example:a has no unit"},
		{NAME "--lun 0=ram:1M", "nobody may use iqn.2026-11.org.example:a"},
		{WHOLE NAME, "given twice"},
		{NAME "--lun 0", "--lun 0"},
		{NAME "--lun =ram:1M", "--lun =ram:1M"},
		{NAME "--lun 256=ram:1M", "256"},
		{NAME "--lun -1=ram:1M", "-1"},
		{NAME "--lun 1x=ram:1M", "1x"},
		{NAME "--lun 1=", "1="},
		{NAME "--lun 0=ram:x", "ram:x"},
		{NAME "--lun 0=ram:1M,colour=red", "colour"},
		{NAME "--lun 0=ram:1M --lun 0=ram:2M", "--lun 0=ram:2M"},
		{WHOLE "--portal host", "--portal: 'host'"},
		{WHOLE "--portal ::1", "'::1'"},
		{WHOLE "--portal 127.0.0.1:x", "127.0.0.1:x"},
		{WHOLE "--portal 127.0.0.1:99999", "99999"},
		{WHOLE "--portal 127.0.0.1 --portal 127.0.0.1:3260", "given twice"},
		{WHOLE "--portal 127.0.0.1 --portal 127.0.0.1,2", "given twice"},
		{WHOLE "--portal 127.0.0.1,0", "portal group, 1 to 65535"},
		{WHOLE "--alua 0=standby", "GROUP from 1 to 65535"},
		{WHOLE "--alua 65536=standby", "GROUP from 1 to 65535"},
		{WHOLE "--alua standby", "--alua standby: write GROUP=STATE"},
		{WHOLE "--alua 1=asleep", "'asleep' is no access state"},
		{WHOLE "--alua 1=standby --alua 1=offline", "given already"},
		{WHOLE "--allow", "--allow wants a value"},
		{WHOLE "--allow host", "host"},
		{WHOLE "--allow iqn.2026-11.a:1,", "no initiator's name"},
		{WHOLE "--allow any/rw", "any/rw"},
		{WHOLE "--allow any/lun=", "any/lun="},
		{WHOLE "--allow any/lun=5-2", "5-2"},
		{WHOLE "--allow any/lun=256", "256"},
		{WHOLE "--allow any/lun=1x", "1x"},
		{WHOLE "--chap /nonexistent/chap", "/nonexistent/chap"},
		{WHOLE "--chap /tmp", "--chap: cannot read /tmp: Is a directory"},
		{WHOLE "--exporter 9464", "--exporter: '9464'"},
		{WHOLE "--fast", "unknown option: --fast"},
		{WHOLE "eth0", "unexpected word: eth0"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct serve_args args;
		struct error err;
		char line[256];

		strcpy(line, cases[i].line);
		assert_int_equal(parse(line, &args, &err), -22);
		if (!strstr(err.text, cases[i].word))
			fail_msg("`%s` says `%s`", cases[i].line, err.text);
		serve_args_fini(&args);
	}
}

/* Parses a command line with --chap and a file that holds `text`. */
static int parse_chap(const char *text, struct serve_args *args, struct error *err)
{
	char path[] = "/tmp/stgt-chap-XXXXXX", line[256];
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	snprintf(line, sizeof(line), WHOLE "--chap %s", path);
	ret = parse(line, args, err);
	unlink(path);
	return ret;
}

static void test_secrets(void **state)
{
	struct serve_args args;
	struct error err;

	assert_int_equal(parse_chap("joe secretsecret\n", &args, &err), 0);
	assert_string_equal(args.targets->auth.initiator.name, "joe");
	assert_string_equal(args.targets->auth.initiator.secret, "secretsecret");
	assert_string_equal(args.targets->auth.target.name, "");
	serve_args_fini(&args);
	assert_int_equal(parse_chap("joe\tsecretsecret\ndisks othersecret12", &args, &err), 0);
	assert_string_equal(args.targets->auth.target.name, "disks");
	assert_string_equal(args.targets->auth.target.secret, "othersecret12");
	serve_args_fini(&args);
	assert_int_equal(parse_chap("joe\n", &args, &err), -22);
	assert_non_null(strstr(err.text, "NAME SECRET"));
	serve_args_fini(&args);
	assert_int_equal(parse_chap("", &args, &err), -22);
	serve_args_fini(&args);
	/* A part of what stands there must not be taken for the whole. */
	assert_int_equal(parse_chap("joe secret secret\n", &args, &err), -22);
	assert_non_null(strstr(err.text, "no blanks"));
	serve_args_fini(&args);
	assert_int_equal(parse_chap("joe secretsecret\ndisks othersecret12\njim x\n", &args, &err),
			 -22);
	assert_non_null(strstr(err.text, "all there may be"));
	serve_args_fini(&args);
	assert_int_equal(parse_chap("joe secretsecret\ndisks secretsecret\n", &args, &err), -22);
	assert_non_null(strstr(err.text, "another than the first"));
	serve_args_fini(&args);
}

static void test_help_needs_nothing_else(void **state)
{
	char line[] = "--help";
	struct serve_args args;
	struct error err;

	assert_int_equal(parse(line, &args, &err), 1);
	serve_args_fini(&args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_belong_to_the_target_before_them),
		cmocka_unit_test(test_who_may_what),
		cmocka_unit_test(test_wrong_usage_names_the_word),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_help_needs_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
