/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables for people: what is printed of documents, also of those of other versions. */
#include "report_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *printed(void (*print)(const json_t *document, FILE *out), const char *document)
{
	json_t *json = json_loads(document, JSON_DECODE_ANY, NULL);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(json);
	print(json, out);
	fclose(out);
	json_decref(json);
	return text;
}

static void expect(void (*print)(const json_t *document, FILE *out), const char *document,
		   const char *part)
{
	char *text = printed(print, document);

	if (!strstr(text, part))
		fail_msg("`%s` gives `%s`, without `%s`", document, text, part);
	free(text);
}

static void test_status_shows_what_there_is(void **state)
{
	expect(report_print_status,
	       "{\"exports\": [{\"address\": \"7.1\", \"vlan\": 5, \"read_only\": true,"
	       " \"interfaces\": [\"eth0\", \"eth1\"],"
	       " \"allow\": [{\"mac\": \"any\", \"access\": \"ro\"}]}]}",
	       "eth0,eth1");
	expect(report_print_status, "{\"disks\": [{\"kind\": \"ram\", \"size_bytes\": 512}]}",
	       "512");
}

/* What must not be looked for at night: a queue that hangs, a store that is nearly full. */
static void test_status_shows_what_is_wrong(void **state)
{
	expect(report_print_status,
	       "{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{\"answers\": true},"
	       " {\"answers\": false}], \"mac\": \"m\"}]}",
	       "UP  ANSWERS  MAC  PID\n  eth0  -    -          -    -        -        -      -   "
	       "no       m    -\n");
	expect(report_print_status,
	       "{\"interfaces\": [{\"queues\": [{\"answers\": true}, {\"answers\": true}]}]}",
	       "-   yes      -");
	expect(report_print_status,
	       "{\"disks\": [{\"kind\": \"file\", \"names\": [\"vol0\", \"copy\"], \"name\":"
	       " \"/a\", \"space\": {\"short\": true}, \"file_lost\": false}, {\"kind\":"
	       " \"ram\"}]}",
	       "  KIND  BYTES  RO  SHORT  LOST  SERIAL  NAME       DISK\n"
	       "  file  -      -   yes    no    -       vol0,copy  /a\n"
	       "  ram   -      -   -      -     -       -          -\n");
	expect(report_print_status, "{\"sessions\": [{\"tsih\": 5, \"errors\": 77}]}", "77");
}

static void test_reservations(void **state)
{
	static const char *const lines[] = {
		"  t       0    a          0x1  yes    write exclusive",
		"  t       0    b          0x2  yes    -",
		"  t       1    c          -    no     RESERVE",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect(report_print_status,
		       "{\"iscsi\": [{\"name\": \"t\", \"luns\": [{\"lun\": 0, \"reservation\": "
		       "{\"type\": \"write exclusive\", \"reserved_by\": null, \"aptpl\": true, "
		       "\"registrations\": [{\"initiator\": \"a\", \"key\": \"0x1\", \"holder\": true}, "
		       "{\"initiator\": \"b\", \"key\": \"0x2\", \"holder\": false}]}}, {\"lun\": 1, "
		       "\"reservation\": {\"type\": \"RESERVE\", \"reserved_by\": \"c\", \"aptpl\": false, "
		       "\"registrations\": []}}]}]}",
		       lines[i]);
}

static void test_status_of_any_document(void **state)
{
	static const char *const documents[] = {
		"{}",
		"[]",
		"7",
		"{\"interfaces\": 7}",
		"{\"interfaces\": [7, null, {}, []]}",
		"{\"interfaces\": [{\"name\": {\"no\": \"mac\"}}], \"exports\": {}}",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		expect(report_print_status, documents[i], "initiators\n  none\n");
}

static void test_stats_name_the_counters(void **state)
{
	expect(report_print_stats,
	       "{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{\"queue\": 0, \"aoe\":"
	       " {\"rx_frames\": 7, \"tx_frames\": 0}}]}]}",
	       "interfaces[eth0].queues[0].aoe.rx_frames");
	/* By their numbers, not by their places. */
	expect(report_print_stats,
	       "{\"iscsi\": {\"sessions\": [{\"tsih\": 9, \"errors\": 1}], \"targets\":"
	       " [{\"name\": \"iqn.a\", \"luns\": [{\"lun\": 7, \"conflicts\": 2}]}]}}",
	       "iscsi.sessions[9].errors                                         1\n"
	       "iscsi.targets[iqn.a].luns[7].conflicts                           2\n");
}

static void test_stats_of_long_names(void **state)
{
	char document[1024], part[1024], target[224], initiator[224];

	memset(target, 't', sizeof(target) - 1);
	memset(initiator, 'i', sizeof(initiator) - 1);
	target[223] = initiator[223] = '\0';
	snprintf(document, sizeof(document),
		 "{\"iscsi\": {\"targets\": [{\"name\": \"%s\", \"luns\": [{\"lun\": 0, "
		 "\"initiators\": [{\"name\": \"%s\", \"ops\": {\"other\": {\"latency_ns\": 3}}}]"
		 "}]}]}}",
		 target, initiator);
	snprintf(part, sizeof(part), "[%s].luns[0].initiators[%s].ops.other.latency_ns 3\n", target,
		 initiator);
	expect(report_print_stats, document, part);
}

static void test_stats_leave_histograms_out(void **state)
{
	char *text = printed(report_print_stats,
			     "{\"latency_bounds_us\": [10], \"interfaces\": [{\"name\": \"eth0\","
			     " \"read\": {\"count\": 7, \"buckets\": [3, 4]}}]}");

	assert_non_null(strstr(text, "interfaces[eth0].read.count"));
	assert_null(strstr(text, "buckets"));
	free(text);
}

static void test_stats_of_any_document(void **state)
{
	static const char *const documents[] = {
		"{}",
		"[]",
		"{\"interfaces\": 0}",
		"{\"interfaces\": [null, \"eth0\", {\"name\": 7}]}",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		free(printed(report_print_stats, documents[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_shows_what_there_is),
		cmocka_unit_test(test_status_shows_what_is_wrong),
		cmocka_unit_test(test_reservations),
		cmocka_unit_test(test_status_of_any_document),
		cmocka_unit_test(test_stats_name_the_counters),
		cmocka_unit_test(test_stats_of_long_names),
		cmocka_unit_test(test_stats_leave_histograms_out),
		cmocka_unit_test(test_stats_of_any_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
