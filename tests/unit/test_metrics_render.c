/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What Prometheus reads: made of documents of today, of tomorrow, and of large ones in time. */
#include "metrics/render.h"
#include "metrics/text.h"

#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXPORTS	    256
#define INITIATORS  1000
#define BOUNDS	    19
#define LIMIT_NS    50000000ull /* of a scrape, of which this is the larger part, */
#define COUNTING_NS 8000000ull	/* where counting_ns() is this or less */

static char *rendered(const char *status, const char *stats)
{
	json_t *first = json_loads(status, JSON_DECODE_ANY, NULL);
	json_t *second = json_loads(stats, JSON_DECODE_ANY, NULL);
	size_t len;
	char *text;

	assert_non_null(first);
	assert_non_null(second);
	text = metrics_render(first, second, &len);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	json_decref(first);
	json_decref(second);
	return text;
}

/* `lines` are in the text one after the other, whole. */
static void expect(const char *text, const char *lines)
{
	const char *at = strstr(text, lines);

	if (!at || (at != text && at[-1] != '\n'))
		fail_msg("`%s` is without `%s`", text, lines);
}

static void expect_stats(const char *stats, const char *lines)
{
	char *text = rendered("{}", stats);

	expect(text, lines);
	free(text);
}

static void expect_status(const char *status, const char *lines)
{
	char *text = rendered(status, "{}");

	expect(text, lines);
	free(text);
}

static void test_status(void **state)
{
	expect_status("{\"version\": \"0.7\"}",
		      "# HELP stgt_build_info The version that serves, always 1.\n"
		      "# TYPE stgt_build_info gauge\n"
		      "stgt_build_info{version=\"0.7\"} 1\n");
	expect_status("{\"interfaces\": [{\"name\": \"eth0\", \"mac\": \"02:00:00:00:00:01\","
		      " \"xdp_mode\": \"copy+sg\", \"vlan\": \"metadata\", \"up\": false}]}",
		      "stgt_interface_info{interface=\"eth0\",mac=\"02:00:00:00:00:01\","
		      "xdp_mode=\"copy+sg\",vlan=\"metadata\"} 1\n");
	expect_status("{\"exports\": [{\"address\": \"7.1\", \"vlan\": 5, \"size_bytes\": 512}]}",
		      "stgt_export_size_bytes{export=\"5:7.1\"} 512\n");
	expect_status("{\"exports\": [{\"address\": \"7.1\", \"vlan\": \"5.6\","
		      " \"size_bytes\": 512}]}",
		      "stgt_export_size_bytes{export=\"5.6:7.1\"} 512\n");
	expect_status("{\"exports\": [{\"address\": \"7.1\", \"vlan\": 5, \"fault_rules\": 2}]}",
		      "stgt_export_fault_rules{export=\"5:7.1\"} 2\n");
	expect_status("{\"disks\": [{\"name\": \"ram:1M\", \"kind\": \"ram\", \"serial\": \"S\","
		      " \"size_bytes\": 1048576}]}",
		      "stgt_disk_size_bytes{disk=\"ram:1M\",kind=\"ram\",serial=\"S\"} 1048576\n");
	expect_status(
		"{\"disks\": [{\"name\": \"v\", \"kind\": \"file\", \"serial\": \"S\", \"space\":"
		" {\"used_bytes\": 4096, \"free_bytes\": 8192, \"short\": true}}]}",
		"stgt_disk_used_bytes{disk=\"v\",kind=\"file\",serial=\"S\"} 4096\n");
	expect_status(
		"{\"disks\": [{\"name\": \"v\", \"kind\": \"file\", \"serial\": \"S\", \"space\":"
		" {\"used_bytes\": 4096, \"free_bytes\": 8192, \"short\": true}}]}",
		"stgt_disk_free_bytes{disk=\"v\",kind=\"file\",serial=\"S\"} 8192\n");
	expect_status(
		"{\"disks\": [{\"name\": \"v\", \"kind\": \"file\", \"space\": {\"short\": true}}]}",
		"stgt_disk_short_of_space{disk=\"v\",kind=\"file\",serial=\"\"} 1\n");
	expect_status("{\"disks\": [{\"name\": \"v\", \"kind\": \"file\", \"file_lost\": true}]}",
		      "stgt_disk_file_lost{disk=\"v\",kind=\"file\",serial=\"\"} 1\n");
}

/* A disk's name is a path, which is any text. */
static void test_iscsi(void **state)
{
	expect_status("{\"iscsi\": [{\"name\": \"iqn.a\", \"luns\": [{\"lun\": 0, \"disk\": \"v\"},"
		      " {\"lun\": 255, \"disk\": \"w\"}]}]}",
		      "stgt_iscsi_lun_info{target=\"iqn.a\",lun=\"0\",disk=\"v\"} 1\n"
		      "stgt_iscsi_lun_info{target=\"iqn.a\",lun=\"255\",disk=\"w\"} 1\n");
	expect_stats("{\"iscsi\": {\"logins\": 3, \"status\": {\"good\": 7, \"busy\": 2}}}",
		     "stgt_iscsi_logins_total 3\n");
	expect_stats("{\"iscsi\": {\"logins\": 3, \"status\": {\"good\": 7, \"busy\": 2}}}",
		     "stgt_iscsi_commands_total{status=\"busy\"} 2\n"
		     "stgt_iscsi_commands_total{status=\"good\"} 7\n");
	/* Those of several initiators, and those of who is gone, are one. */
	expect_stats(
		"{\"latency_bounds_us\": [10], \"iscsi\": {\"targets\": [{\"name\": \"t\", \"luns\": ["
		"{\"lun\": 2, \"conflicts\": 4, \"attentions\": 5, \"initiators\": ["
		"{\"name\": \"a\", \"ops\": {\"read\": {\"bytes\": 512, \"errors\": 1, "
		"\"latency_ns\": 1000, \"buckets\": [1, 1]}}},"
		"{\"name\": \"b\", \"ops\": {\"read\": {\"bytes\": 512, \"buckets\": [1, 0]}}}],"
		"\"silent\": {\"read\": {\"bytes\": 1024, \"buckets\": [0, 3]}}}]}]}}",
		"stgt_iscsi_request_duration_seconds_bucket{target=\"t\",lun=\"2\","
		"operation=\"read\",le=\"0.00001\"} 2\n"
		"stgt_iscsi_request_duration_seconds_bucket{target=\"t\",lun=\"2\","
		"operation=\"read\",le=\"+Inf\"} 6\n");
	expect_stats(
		"{\"iscsi\": {\"targets\": [{\"name\": \"t\", \"luns\": [{\"lun\": 2, \"conflicts\":"
		" 4, \"attentions\": 5, \"silent\": {\"write\": {\"bytes\": 7}}}]}]}}",
		"stgt_iscsi_request_bytes_total{target=\"t\",lun=\"2\",operation=\"write\"} 7\n");
	expect_stats(
		"{\"iscsi\": {\"targets\": [{\"name\": \"t\", \"luns\": [{\"lun\": 2, \"conflicts\":"
		" 4, \"attentions\": 5}]}]}}",
		"stgt_iscsi_reservation_conflicts_total{target=\"t\",lun=\"2\"} 4\n");
	/* One that only asks for targets is counted, and has no series of its own. */
	expect_stats(
		"{\"iscsi\": {\"sessions\": [{\"target\": \"t\", \"initiator\": \"i\", "
		"\"tsih\": 5, \"commands\": 9}, {\"target\": \"\", \"initiator\": \"i\","
		" \"tsih\": 6, \"commands\": 1}]}}",
		"stgt_iscsi_sessions{target=\"\"} 1\n"
		"stgt_iscsi_sessions{target=\"t\"} 1\n"
		"# HELP stgt_iscsi_session_commands_total Commands of a session.\n"
		"# TYPE stgt_iscsi_session_commands_total counter\n"
		"stgt_iscsi_session_commands_total{target=\"t\",initiator=\"i\",tsih=\"5\"} 9\n");
}

static void test_label_values_are_escaped(void **state)
{
	expect_status("{\"disks\": [{\"name\": \"a\\\"b\\\\c\\nd}\", \"size_bytes\": 1}]}",
		      "stgt_disk_size_bytes{disk=\"a\\\"b\\\\c\\nd}\",kind=\"\",serial=\"\"} 1\n");
}

static void test_counters(void **state)
{
	expect_stats("{\"interfaces\": [{\"name\": \"eth0\", \"counters\": {\"aoe\":"
		     " {\"drop-acl\": {\"frames\": 3, \"bytes\": 180}}}}]}",
		     "stgt_xdp_frames_total{interface=\"eth0\",protocol=\"aoe\","
		     "verdict=\"drop-acl\"} 3\n");
	expect_stats("{\"interfaces\": [{\"name\": \"eth0\", \"counters\": {\"aoe\":"
		     " {\"drop-flood\": {\"frames\": 4, \"bytes\": 240}}}}]}",
		     "stgt_xdp_bytes_total{interface=\"eth0\",protocol=\"aoe\","
		     "verdict=\"drop-flood\"} 240\n");
	expect_stats("{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{\"queue\": 3,"
		     " \"socket\": {\"rx_ring_full\": 7}}]}]}",
		     "stgt_dropped_frames_total{interface=\"eth0\",queue=\"3\","
		     "reason=\"rx_ring_full\"} 7\n");
	expect_stats("{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{\"queue\": 0,"
		     " \"memory\": {\"frames_free\": 5, \"runs_free\": 6}}]}]}",
		     "stgt_buffers_free{interface=\"eth0\",queue=\"0\",kind=\"frame\"} 5\n"
		     "stgt_buffers_free{interface=\"eth0\",queue=\"0\",kind=\"run\"} 6\n");
	expect_stats(
		"{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{\"queue\": 0,"
		" \"aoe\": {\"reasons\": {\"refused_version\": 9}}}]}]}",
		"stgt_aoe_exceptions_total{interface=\"eth0\",reason=\"refused_version\"} 9\n");
}

/* What each queue counts by itself is one series; each metric is one block. */
static void test_queues_are_added_up(void **state)
{
	expect_stats("{\"interfaces\": [{\"name\": \"eth0\", \"queues\": ["
		     "{\"queue\": 0, \"bounces\": 1, \"inflight\": 4},"
		     "{\"queue\": 1, \"bounces\": 2, \"inflight\": 5}]},"
		     "{\"name\": \"eth1\", \"queues\": [{\"queue\": 0, \"bounces\": 10}]}]}",
		     "# TYPE stgt_bounces_total counter\n"
		     "stgt_bounces_total{interface=\"eth0\"} 3\n"
		     "stgt_bounces_total{interface=\"eth1\"} 10\n");
	expect_stats("{\"interfaces\": [{\"name\": \"eth0\", \"queues\": ["
		     "{\"queue\": 0, \"exports\": [{\"address\": \"7.1\", \"retransmits\": 1}]},"
		     "{\"queue\": 1, \"exports\": [{\"address\": \"7.1\", \"retransmits\": 2}]}"
		     "]}]}",
		     "stgt_retransmits_total{interface=\"eth0\",export=\"7.1\"} 3\n");
}

#define PAIR_STATS(queues)                                                                               \
	"{\"latency_bounds_us\": [10, 1500000], \"interfaces\": [{\"name\": \"e\", \"queues\": [" queues \
	"]}]}"
#define PAIR_QUEUE(mac, errors, buckets)                                                       \
	"{\"exports\": [{\"address\": \"7.1\", \"vlan\": 0, \"initiators\": [{\"mac\": \"" mac \
	"\", \"ops\": {\"read\": {\"count\": 99, \"bytes\": 512, \"errors\": " errors          \
	", \"latency_ns\": 1500000, \"buckets\": " buckets "}}}]}]}"
#define PAIR_LABELS(mac) "interface=\"e\",export=\"7.1\",initiator=\"" mac "\",operation=\"read\""

static void test_histogram(void **state)
{
	char *text = rendered("{}", PAIR_STATS(PAIR_QUEUE("m", "1", "[1, 2, 4]") "," PAIR_QUEUE(
					    "m", "2", "[10, 0, 0]")));

	expect(text,
	       "# TYPE stgt_request_duration_seconds histogram\n"
	       "stgt_request_duration_seconds_bucket{" PAIR_LABELS(
		       "m") ",le=\"0.00001\"} 11\n"
			    "stgt_request_duration_seconds_bucket{" PAIR_LABELS(
				    "m") ",le=\"1.5\"} 13\n"
					 "stgt_request_duration_seconds_bucket{" PAIR_LABELS(
						 "m") ",le=\"+Inf\"} 17\n"
						      "stgt_request_duration_seconds_sum{" PAIR_LABELS(
							      "m") "} 0.003\n"
								   "stgt_request_duration_seconds_count{" PAIR_LABELS(
									   "m") "} 17\n"
										"# HELP");
	expect(text, "stgt_request_bytes_total{" PAIR_LABELS("m") "} 1024\n");
	expect(text, "stgt_request_errors_total{" PAIR_LABELS("m") "} 3\n");
	free(text);
}

/* Without bounds there is one bucket; fewer or more buckets than bounds do no harm. */
static void test_histogram_of_any_shape(void **state)
{
	expect_stats(PAIR_STATS(PAIR_QUEUE("m", "0", "[1]")),
		     "stgt_request_duration_seconds_bucket{" PAIR_LABELS("m") ",le=\"+Inf\"} 1\n");
	expect_stats(PAIR_STATS(PAIR_QUEUE("m", "0", "[1, 1, 1, 1, 1, 1]")),
		     "stgt_request_duration_seconds_bucket{" PAIR_LABELS("m") ",le=\"+Inf\"} 3\n");
	expect_stats(PAIR_STATS(PAIR_QUEUE("m", "0", "{}")),
		     "stgt_request_duration_seconds_count{" PAIR_LABELS("m") "} 0\n");
}

static void test_any_document(void **state)
{
	static const char *const documents[] = {
		"{}",
		"[]",
		"7",
		"null",
		"{\"version\": 7, \"interfaces\": 7, \"exports\": [7, null, []], \"disks\": {}}",
		"{\"interfaces\": [null, 7, {}, {\"name\": 7, \"counters\": 7, \"queues\": 7}]}",
		"{\"interfaces\": [{\"counters\": {\"aoe\": {\"x\": 7, \"y\": {\"frames\": -1}}},"
		" \"queues\": [7, {\"queue\": -1, \"socket\": [], \"exports\": [7, {\"vlan\": {},"
		" \"initiators\": [7, {\"ops\": {\"read\": 7}}]}]}]}]}",
		"{\"latency_bounds_us\": {}, \"interfaces\": {}}",
		("{\"latency_bounds_us\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
		 "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}"),
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		free(rendered(documents[i], documents[i]));
}

static void check_decimal(uint64_t value, unsigned int digits, const char *expected)
{
	struct text text = {.failed = false};
	char *data;
	size_t len;

	text_decimal(&text, value, digits);
	data = text_take(&text, &len);
	assert_string_equal(data, expected);
	assert_int_equal(len, strlen(expected));
	free(data);
}

static void test_decimals(void **state)
{
	check_decimal(0, 9, "0");
	check_decimal(0, 0, "0");
	check_decimal(10, 6, "0.00001");
	check_decimal(1500000, 6, "1.5");
	check_decimal(10000000, 6, "10");
	check_decimal(UINT64_MAX, 0, "18446744073709551615");
	check_decimal(UINT64_MAX, 9, "18446744073.709551615");
}

/* ---- in time ---- */

static json_t *large_op(void)
{
	json_t *buckets = json_array();

	for (int i = 0; i <= BOUNDS; i++)
		json_array_append_new(buckets, json_integer(rand()));
	return json_pack("{s:i, s:i, s:i, s:I, s:o}", "count", rand(), "errors", 0, "bytes", rand(),
			 "latency_ns", (json_int_t)rand() * 1000, "buckets", buckets);
}

static json_t *large_initiator(int number)
{
	return json_pack("{s:o, s:i, s:{s:o, s:o, s:o}}", "mac",
			 json_sprintf("02:00:00:00:%02x:%02x", number >> 8, number & 0xff), "vlan",
			 0, "ops", "read", large_op(), "write", large_op(), "other", large_op());
}

/* 256 exports; of 1000 initiators every second one uses two of them. */
static json_t *large_stats(void)
{
	json_t *exports = json_array(), *bounds = json_array();

	for (int i = 0; i < BOUNDS; i++)
		json_array_append_new(bounds, json_integer(10 * (i + 1)));
	for (int e = 0; e < EXPORTS; e++)
		json_array_append_new(exports,
				      json_pack("{s:o, s:i, s:i, s:i, s:[]}", "address",
						json_sprintf("7.%d", e), "vlan", 0, "retransmits",
						e, "queries", e, "initiators"));
	for (int i = 0; i < INITIATORS * 3 / 2; i++)
		json_array_append_new(
			json_object_get(json_array_get(exports, (size_t)(i % EXPORTS)),
					"initiators"),
			large_initiator(i % INITIATORS));
	return json_pack("{s:o, s:[{s:s, s:[{s:i, s:o}]}]}", "latency_bounds_us", bounds,
			 "interfaces", "name", "eth0", "queues", "queue", 0, "exports", exports);
}

static json_t *large_status(void)
{
	json_t *exports = json_array();

	for (int e = 0; e < EXPORTS; e++)
		json_array_append_new(exports, json_pack("{s:o, s:i, s:o, s:i}", "address",
							 json_sprintf("7.%d", e), "vlan", 0, "disk",
							 json_sprintf("/srv/disk%d.img", e),
							 "size_bytes", e));
	return json_pack("{s:s, s:o}", "version", "0", "exports", exports);
}

/* Others may want the CPU, too. */
static uint64_t cpu_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* What takes as long wherever it is done, but for how fast the machine is. */
static uint64_t counting_ns(void)
{
	uint64_t started_ns = cpu_time_ns();
	char line[64];

	for (unsigned int i = 0; i < 100000; i++)
		snprintf(line, sizeof(line), "line %u of %u", i, 7 * i);
	return cpu_time_ns() - started_ns;
}

static void test_large_documents_in_time(void **state)
{
	json_t *status = large_status(), *stats = large_stats();
	uint64_t best_ns = UINT64_MAX, counted_ns = UINT64_MAX;
	size_t len = 0;

	for (int i = 0; i < 20; i++) {
		uint64_t started_ns = cpu_time_ns(), took_ns, one_ns;
		char *text = metrics_render(status, stats, &len);

		took_ns = cpu_time_ns() - started_ns;
		best_ns = took_ns < best_ns ? took_ns : best_ns;
		assert_non_null(text);
		free(text);
		one_ns = counting_ns();
		counted_ns = one_ns < counted_ns ? one_ns : counted_ns;
	}
	print_message("%d exports, %d initiators: %zu bytes in %.1f ms, counting in %.1f ms\n",
		      EXPORTS, INITIATORS, len, (double)best_ns / 1e6, (double)counted_ns / 1e6);
#ifndef __SANITIZE_ADDRESS__
	counted_ns = counted_ns > COUNTING_NS ? counted_ns : COUNTING_NS;
	assert_true(best_ns < LIMIT_NS * counted_ns / COUNTING_NS);
#endif
	json_decref(status);
	json_decref(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_iscsi),
		cmocka_unit_test(test_label_values_are_escaped),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_queues_are_added_up),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_histogram_of_any_shape),
		cmocka_unit_test(test_any_document),
		cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_large_documents_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
