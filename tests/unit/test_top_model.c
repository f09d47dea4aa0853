/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `top` makes of two samples of the documents. */
#include "top_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define S 1000000000ull

#define STATUS                                                                                    \
	"{\"interfaces\": [{\"name\": \"eth0\", \"xdp_mode\": \"copy+sg\"}], \"exports\": ["      \
	"{\"address\": \"7.1\", \"vlan\": 0, \"interfaces\": [\"eth1\", \"eth0\"], \"disk\": "    \
	"\"vol0\"}, {\"address\": \"7.1\", \"vlan\": 5, \"interfaces\": [\"eth0\"], \"disk\": "   \
	"\"vol1\"}], \"initiators\": [{}, {}, {}], \"iscsi\": [{\"name\": \"iqn.t\", \"luns\": [" \
	"{\"lun\": 0, \"disk\": \"vol0\"}]}]}"

/* An interface with one queue of these exports, and bounds of 10, 20 and 40 us. */
#define STATS(exports)                                                                 \
	"{\"latency_bounds_us\": [10, 20, 40], \"interfaces\": [{\"name\": \"eth0\", " \
	"\"queues\": [{\"exports\": [" exports "]}]}]}"
#define EXPORT(address, initiators) \
	"{\"address\": \"" address "\", \"vlan\": 0, \"initiators\": [" initiators "]}"
#define INITIATOR(mac, ops) "{\"mac\": \"" mac "\", \"ops\": {" ops "}}"
#define OP(name, count, bytes, buckets) \
	"\"" name "\": {\"count\": " #count ", \"bytes\": " #bytes ", \"buckets\": [" buckets "]}"
#define A "02:00:00:00:00:0a"
#define B "02:00:00:00:00:0b"

static struct top_sample *sample(const char *stats, uint64_t at_ns)
{
	json_t *stats_json = json_loads(stats, JSON_DECODE_ANY, NULL);
	json_t *status_json = json_loads(STATUS, 0, NULL);
	struct top_sample *new;

	assert_non_null(stats_json);
	assert_non_null(status_json);
	new = top_sample_new(stats_json, status_json, at_ns);
	assert_non_null(new);
	json_decref(stats_json);
	json_decref(status_json);
	return new;
}

/* The two samples, a second apart unless told otherwise, and the table of them. */
struct rig {
	struct top_sample *before, *now;
	struct top_table table;
};

static void rig_fill(struct rig *rig, const char *before, const char *now, uint64_t apart_ns,
		     enum top_view view, enum top_sort sort)
{
	rig->before = before ? sample(before, 100 * S) : NULL;
	rig->now = sample(now, 100 * S + apart_ns);
	assert_int_equal(top_table_make(&rig->table, rig->before, rig->now, view, sort), 0);
}

static void rig_free(struct rig *rig)
{
	top_table_free(&rig->table);
	top_sample_free(rig->before);
	top_sample_free(rig->now);
}

static void assert_about(double value, double expected)
{
	if (!(fabs(value - expected) <= 1e-6 * (1 + fabs(expected))))
		fail_msg("%f in place of %f", value, expected);
}

static void test_rates_are_differences_over_time(void **state)
{
	struct rig rig;
	const struct top_row *row;

	rig_fill(&rig, STATS(EXPORT("7.1", INITIATOR(A, OP("read", 100, 51200, "100")))),
		 STATS(EXPORT("7.1", INITIATOR(A, OP("read", 300, 153600, "300") "," OP(
							  "write", 50, 25600,
							  "50") "," OP("flush", 10, 0, "10")))),
		 2 * S, TOP_EXPORTS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 1);
	row = &rig.table.rows[0];
	assert_string_equal(row->name.export, "7.1");
	assert_string_equal(row->name.interface, "eth0");
	assert_string_equal(row->note, "vol0");
	assert_true(row->measured);
	assert_about(row->rate[TOP_OPS], 130);
	assert_about(row->rate[TOP_READS], 100);
	assert_about(row->rate[TOP_WRITES], 25);
	assert_about(row->rate[TOP_READ_BYTES], 51200);
	assert_about(row->rate[TOP_WRITE_BYTES], 12800);
	assert_about(rig.table.total.rate[TOP_OPS], 130);
	rig_free(&rig);
}

static void test_one_sample_measures_nothing(void **state)
{
	struct rig rig;

	rig_fill(&rig, NULL, STATS(EXPORT("7.1", INITIATOR(A, OP("read", 100, 51200, "100")))), S,
		 TOP_EXPORTS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 1);
	assert_false(rig.table.rows[0].measured);
	assert_false(rig.table.total.measured);
	rig_free(&rig);
}

/* An initiator that made room for others does not ask for anything now. */
static void test_the_silent_ask_for_nothing(void **state)
{
	struct rig rig;

	rig_fill(
		&rig,
		STATS(EXPORT("7.1", INITIATOR(A, OP("read", 100, 512, "100")) "," INITIATOR(
					    B, OP("read", 10, 512, "10")))),
		STATS("{\"address\": \"7.1\", \"vlan\": 0, \"silent\": {" OP(
			"read", 100, 512,
			"100") "}, \"initiators\": [" INITIATOR(B, OP("read", 15, 512, "15")) "]}"),
		S, TOP_EXPORTS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 1);
	assert_about(rig.table.rows[0].rate[TOP_OPS], 5);
	rig_free(&rig);
}

#define LUN(number, initiators) "{\"lun\": " #number ", \"initiators\": [" initiators "]}"
#define HOST(iqn, ops)		"{\"name\": \"" iqn "\", \"ops\": {" ops "}}"
#define TARGET(luns)                                                                                  \
	"{\"latency_bounds_us\": [10, 20, 40], \"interfaces\": [], \"iscsi\": {\"sessions\": ["       \
	"{\"inflight\": 3}, {\"inflight\": 4}], \"targets\": [{\"name\": \"iqn.t\", \"luns\": [" luns \
	"]}]}}"

/* Units of iSCSI targets are exports, of an interface that is called so. */
static void test_iscsi(void **state)
{
	static const char before[] =
		TARGET(LUN(0, HOST("iqn.a", OP("read", 100, 51200, "100"))) "," LUN(
			1, HOST("iqn.a", OP("read", 1, 512, "1"))));
	static const char now[] = TARGET(
		LUN(0, HOST("iqn.a", OP("read", 300, 153600, "300")) "," HOST(
			       "iqn.b", OP("write", 10, 5120,
					   "0, 10"))) "," LUN(1, HOST("iqn.a",
								      OP("read", 1, 512, "1"))));
	struct rig rig;

	rig_fill(&rig, before, now, 2 * S, TOP_EXPORTS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 2);
	assert_string_equal(rig.table.rows[0].name.export, "iqn.t/0");
	assert_string_equal(rig.table.rows[0].name.interface, "iscsi");
	assert_string_equal(rig.table.rows[0].note, "vol0");
	assert_about(rig.table.rows[0].rate[TOP_READS], 100);
	assert_about(rig.table.rows[0].rate[TOP_WRITE_BYTES], 2560);
	assert_about(rig.table.rows[1].rate[TOP_OPS], 0);
	assert_about(rig.table.total.rate[TOP_OPS], 105);
	assert_int_equal(rig.table.inflight, 7);
	rig_free(&rig);
	rig_fill(&rig, before, now, 2 * S, TOP_PAIRS, TOP_BY_IOPS);
	assert_string_equal(rig.table.rows[1].name.export, "iqn.t/0");
	assert_string_equal(rig.table.rows[1].name.initiator, "iqn.b");
	assert_about(rig.table.rows[1].p99_us, 20 - 10 * 0.01);
	rig_free(&rig);
	rig_fill(&rig, before, now, 2 * S, TOP_INTERFACES, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 1);
	assert_string_equal(rig.table.rows[0].name.interface, "iscsi");
	assert_about(rig.table.rows[0].rate[TOP_OPS], 105);
	rig_free(&rig);
}

static void test_percentiles_are_of_the_time_between(void **state)
{
	struct rig rig;
	const struct top_row *row;

	/* Between the samples: 60 of up to 10 us, 30 of up to 20, 10 of up to 40. */
	rig_fill(&rig, STATS(EXPORT("7.1", INITIATOR(A, OP("read", 900, 0, "0, 0, 0, 900")))),
		 STATS(EXPORT("7.1", INITIATOR(A, OP("read", 980, 0, "60, 20, 0, 900") "," OP(
							  "write", 20, 0, "0, 10, 10, 0")))),
		 S, TOP_EXPORTS, TOP_BY_IOPS);
	row = &rig.table.rows[0];
	assert_about(row->p50_us, 10 * 50.0 / 60);
	assert_about(row->p99_us, 20 + 20 * 9.0 / 10);
	assert_about(rig.table.total.p99_us, row->p99_us);
	assert_about(rig.table.beyond_us, 40);
	rig_free(&rig);
}

static void test_percentiles_beyond_the_bounds_and_of_nothing(void **state)
{
	struct rig rig;

	rig_fill(&rig,
		 STATS(EXPORT("7.1", INITIATOR(A, OP("read", 0, 0, ""))) "," EXPORT(
			 "7.2", INITIATOR(A, OP("read", 5, 0, "5")))),
		 STATS(EXPORT("7.1", INITIATOR(A, OP("read", 4, 0, "2, 0, 0, 2"))) "," EXPORT(
			 "7.2", INITIATOR(A, OP("read", 5, 0, "5")))),
		 S, TOP_EXPORTS, TOP_BY_NAME);
	assert_about(rig.table.rows[0].p50_us, 10);
	assert_true(isinf(rig.table.rows[0].p99_us));
	assert_true(rig.table.rows[1].p50_us < 0);
	assert_true(rig.table.rows[1].p99_us < 0);
	rig_free(&rig);
}

/* Two exports and two initiators, of which B has asked one export, but much of it. */
#define CROSS                                                                                   \
	STATS(EXPORT("7.2", INITIATOR(A, OP("read", 10, 90000, "0, 10")) "," INITIATOR(         \
				    B, OP("read", 90, 900,                                      \
					  "90"))) "," EXPORT("7.10",                            \
							     INITIATOR(A, OP("write", 30, 5000, \
									     "0, 0, 30"))))
#define CROSS_IDLE STATS(EXPORT("7.2", "") "," EXPORT("7.10", ""))

static void expect_rows(enum top_view view, enum top_sort sort, const char *expected)
{
	char got[512] = "";
	struct rig rig;
	int len = 0;

	rig_fill(&rig, CROSS_IDLE, CROSS, S, view, sort);
	for (size_t i = 0; i < rig.table.nrows; i++) {
		const struct top_row *row = &rig.table.rows[i];

		len += snprintf(got + len, sizeof(got) - (size_t)len, "[%s %s %.0f]",
				row->name.export, row->name.initiator, row->rate[TOP_OPS]);
	}
	assert_string_equal(got, expected);
	assert_about(rig.table.total.rate[TOP_OPS], 130);
	rig_free(&rig);
}

static void test_views_sum_up(void **state)
{
	expect_rows(TOP_EXPORTS, TOP_BY_NAME, "[7.2  100][7.10  30]");
	expect_rows(TOP_INITIATORS, TOP_BY_NAME, "[ " A " 40][ " B " 90]");
	expect_rows(TOP_PAIRS, TOP_BY_NAME, "[7.2 " A " 10][7.2 " B " 90][7.10 " A " 30]");
	expect_rows(TOP_INTERFACES, TOP_BY_NAME, "[  130]");
}

static void test_orders(void **state)
{
	expect_rows(TOP_PAIRS, TOP_BY_IOPS, "[7.2 " B " 90][7.10 " A " 30][7.2 " A " 10]");
	expect_rows(TOP_PAIRS, TOP_BY_BYTES, "[7.2 " A " 10][7.10 " A " 30][7.2 " B " 90]");
	expect_rows(TOP_PAIRS, TOP_BY_LATENCY, "[7.10 " A " 30][7.2 " A " 10][7.2 " B " 90]");
}

static void test_equals_are_ordered_by_name(void **state)
{
	struct rig rig;

	rig_fill(&rig, NULL,
		 STATS(EXPORT("7.10", "") "," EXPORT("7.9", "") "," EXPORT("6.200", "")), S,
		 TOP_EXPORTS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 3);
	assert_string_equal(rig.table.rows[0].name.export, "6.200");
	assert_string_equal(rig.table.rows[1].name.export, "7.9");
	assert_string_equal(rig.table.rows[2].name.export, "7.10");
	rig_free(&rig);
}

static void test_queues_are_added(void **state)
{
	static const char before[] =
		"{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{}, {}]}]}";
	static const char now[] =
		"{\"interfaces\": [{\"name\": \"eth0\", \"counters\": {\"aoe\": "
		"{\"drop-acl\": {\"frames\": 7}}}, \"queues\": [{\"inflight\": 3, "
		"\"exports\": [" EXPORT(
			"7.1",
			INITIATOR(
				A,
				OP("read", 1, 512,
				   "1"))) "]}, {\"inflight\": 4, \"exports\": [" EXPORT("7.1",
											INITIATOR(
												A,
												OP("read",
												   2,
												   1024,
												   "2"))) "]}]}]}";
	struct rig rig;

	rig_fill(&rig, before, now, S, TOP_PAIRS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 1);
	assert_about(rig.table.rows[0].rate[TOP_OPS], 3);
	assert_int_equal(rig.table.inflight, 7);
	assert_about(rig.table.total.rate[TOP_DENIED], 7);
	assert_int_equal(rig.table.interfaces, 1);
	assert_int_equal(rig.table.exports, 3);
	assert_int_equal(rig.table.initiators, 3);
	rig_free(&rig);
}

static void test_vlans_tell_exports_apart(void **state)
{
	static const char now[] =
		"{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{\"exports\": ["
		"{\"address\": \"7.1\", \"vlan\": 0, \"initiators\": []},"
		"{\"address\": \"7.1\", \"vlan\": 5, \"initiators\": []},"
		"{\"address\": \"7.1\", \"vlan\": \"6.7\", \"initiators\": []}]}]}]}";
	struct rig rig;

	rig_fill(&rig, NULL, now, S, TOP_EXPORTS, TOP_BY_NAME);
	assert_int_equal(rig.table.nrows, 3);
	assert_string_equal(rig.table.rows[0].name.export, "5:7.1");
	assert_string_equal(rig.table.rows[0].note, "vol1");
	assert_string_equal(rig.table.rows[1].name.export, "6.7:7.1");
	assert_string_equal(rig.table.rows[2].name.export, "7.1");
	assert_string_equal(rig.table.rows[2].note, "vol0");
	rig_free(&rig);
}

static void test_a_restart_shows_as_nothing(void **state)
{
	static const char *const restarted[] = {
		STATS(EXPORT("7.1", INITIATOR(A, OP("read", 50, 999999, "50")))),
		/* One counter has overtaken what it was. */
		STATS(EXPORT("7.1", INITIATOR(A, OP("read", 150, 512, "150")))),
		STATS(EXPORT("7.1", INITIATOR(A, OP("read", 150, 999999, "50, 100")))),
	};

	for (size_t i = 0; i < sizeof(restarted) / sizeof(restarted[0]); i++) {
		struct rig rig;

		rig_fill(&rig, STATS(EXPORT("7.1", INITIATOR(A, OP("read", 100, 51200, "100")))),
			 restarted[i], S, TOP_EXPORTS, TOP_BY_IOPS);
		for (size_t c = 0; c < TOP_COUNTERS; c++) {
			assert_about(rig.table.rows[0].rate[c], 0);
			assert_about(rig.table.total.rate[c], 0);
		}
		assert_true(rig.table.rows[0].p99_us < 0);
		rig_free(&rig);
	}
}

/* What goes takes its numbers out of every sum it was part of; what stays shows as it is. */
static void test_what_goes_hides_nothing(void **state)
{
	static const char before[] =
		STATS(EXPORT("7.1", INITIATOR(A, OP("read", 500, 0, "500"))) "," EXPORT(
			"7.2", INITIATOR(A, OP("read", 100, 0, "100")) "," INITIATOR(
				       B, OP("read", 100, 0, "100"))));
	/* An export goes, whose number is less than what another counts meanwhile, or more. */
	static const struct {
		const char *now;
		double rate;
	} cases[] = {
		{STATS(EXPORT("7.2", INITIATOR(A, OP("read", 110, 0, "110")))), 10},
		{STATS(EXPORT("7.2", INITIATOR(A, OP("read", 5100, 0, "5100")))), 5000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (enum top_view view = 0; view < TOP_VIEWS; view++) {
			struct rig rig;

			rig_fill(&rig, before, cases[i].now, S, view, TOP_BY_IOPS);
			assert_about(rig.table.rows[0].rate[TOP_OPS], cases[i].rate);
			assert_about(rig.table.total.rate[TOP_OPS], cases[i].rate);
			assert_about(rig.table.total.p50_us, 5);
			rig_free(&rig);
		}
}

static void test_what_is_new_counts_from_zero(void **state)
{
	struct rig rig;

	/* An initiator that came since, on an interface that was there. */
	rig_fill(&rig, STATS(EXPORT("7.1", "")),
		 STATS(EXPORT("7.1", INITIATOR(A, OP("read", 40, 0, "40")))), S, TOP_PAIRS,
		 TOP_BY_IOPS);
	assert_true(rig.table.rows[0].measured);
	assert_about(rig.table.rows[0].rate[TOP_OPS], 40);
	rig_free(&rig);
	/* An interface whose server has counted since nobody knows when. */
	rig_fill(&rig, "{\"interfaces\": []}",
		 STATS(EXPORT("7.1", INITIATOR(A, OP("read", 40, 0, "40")))), S, TOP_PAIRS,
		 TOP_BY_IOPS);
	assert_false(rig.table.rows[0].measured);
	assert_about(rig.table.rows[0].rate[TOP_OPS], 0);
	assert_about(rig.table.total.rate[TOP_OPS], 0);
	rig_free(&rig);
}

static void test_exports_without_initiators(void **state)
{
#define OLD(reads, writes)                                   \
	STATS("{\"address\": \"7.1\", \"reads\": " #reads    \
	      ", \"read_bytes\": 1024, \"writes\": " #writes \
	      ", \"flushes\": 1, \"retransmits\": " #reads "}")
	struct rig rig;

	rig_fill(&rig, OLD(1, 1), OLD(5, 3), S, TOP_EXPORTS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 1);
	assert_about(rig.table.rows[0].rate[TOP_OPS], 6);
	assert_about(rig.table.rows[0].rate[TOP_WRITES], 2);
	assert_about(rig.table.rows[0].rate[TOP_RETRANSMITS], 4);
	assert_true(rig.table.rows[0].p50_us < 0);
	rig_free(&rig);
}

static void test_initiators_that_asked_for_nothing(void **state)
{
	struct rig rig;

	rig_fill(&rig, NULL,
		 "{\"interfaces\": [{\"name\": \"eth0\", \"queues\": [{\"initiators\": [{\"mac\": "
		 "\"" A "\"}]}]}]}",
		 S, TOP_INITIATORS, TOP_BY_IOPS);
	assert_int_equal(rig.table.nrows, 1);
	assert_string_equal(rig.table.rows[0].name.initiator, A);
	rig_free(&rig);
}

static void test_documents_of_any_shape(void **state)
{
	static const char *const documents[] = {
		"{}",
		"[]",
		"7",
		"{\"interfaces\": 7, \"latency_bounds_us\": {}}",
		"{\"interfaces\": [7, null, {}, {\"name\": 7}]}",
		"{\"interfaces\": [{\"name\": \"eth0\", \"counters\": [], \"queues\": {}}]}",
		STATS("7, null, {}, {\"address\": 7}, {\"address\": \"7.1\", \"initiators\": 7}"),
		STATS(EXPORT("7.1", "7, null, {}, {\"mac\": 7, \"ops\": []}")),
		STATS(EXPORT("7.1", INITIATOR(A, "\"read\": 7, \"write\": {\"count\": \"x\"}"))),
		STATS(EXPORT("7.1", INITIATOR(A, OP("read", -5, -5, "-1, \"x\", null, 1, 1, 1")))),
		/* More buckets and bounds than there can be. */
		"{\"latency_bounds_us\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,"
		"23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40], \"interfaces\": [{\"name\":"
		" \"eth0\", \"queues\": [{\"exports\": [{\"address\": \"7.1\", \"initiators\": [{"
		"\"mac\": \"a\", \"ops\": {\"read\": {\"count\": 1, \"buckets\": [0,0,0,0,0,0,0,0,0,"
		"0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}}}]}]}]}]}",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		for (enum top_view view = 0; view < TOP_VIEWS; view++) {
			struct rig rig;

			rig_fill(&rig, STATS(EXPORT("7.1", "")), documents[i], S, view,
				 TOP_BY_LATENCY);
			assert_true(rig.table.nrows <= 2);
			assert_true(rig.table.total.measured);
			rig_free(&rig);
		}
	}
}

static void test_no_time_between(void **state)
{
	struct rig rig;

	rig_fill(&rig, STATS(EXPORT("7.1", "")),
		 STATS(EXPORT("7.1", INITIATOR(A, OP("read", 40, 0, "40")))), 0, TOP_EXPORTS,
		 TOP_BY_IOPS);
	assert_false(rig.table.rows[0].measured);
	rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_are_differences_over_time),
		cmocka_unit_test(test_one_sample_measures_nothing),
		cmocka_unit_test(test_the_silent_ask_for_nothing),
		cmocka_unit_test(test_iscsi),
		cmocka_unit_test(test_percentiles_are_of_the_time_between),
		cmocka_unit_test(test_percentiles_beyond_the_bounds_and_of_nothing),
		cmocka_unit_test(test_views_sum_up),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_equals_are_ordered_by_name),
		cmocka_unit_test(test_queues_are_added),
		cmocka_unit_test(test_vlans_tell_exports_apart),
		cmocka_unit_test(test_a_restart_shows_as_nothing),
		cmocka_unit_test(test_what_goes_hides_nothing),
		cmocka_unit_test(test_what_is_new_counts_from_zero),
		cmocka_unit_test(test_exports_without_initiators),
		cmocka_unit_test(test_initiators_that_asked_for_nothing),
		cmocka_unit_test(test_documents_of_any_shape),
		cmocka_unit_test(test_no_time_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
