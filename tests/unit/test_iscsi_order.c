/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What sessions keep in order and what ends them: the command window, task management, pings,
 * targets that leave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi_rig.h"
#include <string.h>

static struct iscsi_rig rig;
static struct host_conn c, d;
static struct host_pdu pdu;
static uint8_t data[65536];
static unsigned int gone;

static int setup(void **state)
{
	gone = 0;
	iscsi_rig_open(&rig, &(struct iscsi_rig_config){});
	memset(data, 0x5a, sizeof(data));
	return 0;
}

static int teardown(void **state)
{
	iscsi_rig_settle(&rig);
	if (c.answers)
		host_disconnect(&c);
	if (d.answers)
		host_disconnect(&d);
	iscsi_rig_turn(&rig);
	iscsi_rig_close(&rig);
	return 0;
}

/* ---- the command window ---- */

static void test_numbers_outside_the_window_are_ignored(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, NULL);
	next = c.cmdsn;
	host_ping(&c, next - 1);
	host_ping(&c, c.max_cmdsn + 1);
	host_expect_nothing(&c);
	host_ping(&c, next);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 1);
}

static void test_requests_wait_for_their_turn(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, NULL);
	next = c.cmdsn;
	c.cmdsn = next + 2;
	host_write(&c, 0, 1, data, 512);
	host_ping(&c, next + 1);
	/* Twice the same number is one request. */
	host_ping(&c, next + 1);
	host_expect_nothing(&c);
	assert_int_equal(rig.fs.disk->requests, 0);
	host_ping(&c, next);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	host_expect_nothing(&c);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 3);
}

static void test_window_closes_while_commands_are_out(void **state)
{
	struct iscsi_settings settings;

	teardown(NULL);
	iscsi_settings_default(&settings);
	settings.queue_depth = 2;
	iscsi_rig_open(&rig, &(struct iscsi_rig_config){.settings = settings});
	host_ready(&rig, &c, 0, NULL);
	assert_int_equal(c.max_cmdsn - c.cmdsn, 1);
	rig.fs.disk->hold = true;
	host_read(&c, 0, 1);
	host_read(&c, 1, 1);
	host_read(&c, 2, 1);
	assert_int_equal(rig.fs.disk->requests, 2);
	iscsi_rig_settle(&rig);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	host_expect_nothing(&c);
	/* The third is as if it had never come. */
	c.cmdsn--;
	host_read(&c, 2, 1);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
}

static void test_a_tag_in_use_is_rejected(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	rig.fs.disk->hold = true;
	host_read(&c, 0, 1);
	c.itt--;
	host_read(&c, 1, 1);
	host_expect(&c, ISCSI_REJECT, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], ISCSI_REJECT_TASK_IN_PROGRESS);
	iscsi_rig_settle(&rig);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	/* Its number was used. */
	host_read(&c, 1, 1);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
}

static void test_unknown_requests_are_rejected(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, NULL);
	host_request(&c, 0x1c, 0x80, bhs);
	host_send(&c, bhs, NULL, 0);
	host_expect(&c, ISCSI_REJECT, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], ISCSI_REJECT_UNSUPPORTED);
	assert_memory_equal(pdu.data, bhs, ISCSI_BHS);
}

static void rejected(uint8_t reason)
{
	host_expect(&c, ISCSI_REJECT, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], reason);
}

/* RFC 7143 11.3.3, 11.16, 11.17.1: rejected, and the session goes on with the next number. */
static void test_requests_that_there_may_not_be(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, NULL);
	host_request(&c, ISCSI_COMMAND, ISCSI_FINAL | ISCSI_SIMPLE, bhs);
	put_be32(bhs + ISCSI_AT_ITT, ISCSI_NO_TAG);
	host_send(&c, bhs, NULL, 0);
	rejected(ISCSI_REJECT_FIELD);
	host_request(&c, ISCSI_SNACK, ISCSI_FINAL, bhs);
	c.cmdsn--;
	host_send(&c, bhs, NULL, 0);
	rejected(ISCSI_REJECT_UNSUPPORTED);
	host_request(&c, ISCSI_LOGIN | ISCSI_IMMEDIATE, 0x87, bhs);
	host_send(&c, bhs, NULL, 0);
	rejected(ISCSI_REJECT_PROTOCOL);
	host_request(&c, ISCSI_LOGOUT | ISCSI_IMMEDIATE, ISCSI_FINAL | 7, bhs);
	host_send(&c, bhs, NULL, 0);
	rejected(ISCSI_REJECT_FIELD);
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

/* RFC 7143 4.2.2.1: a number that came already is not executed again, a gap is waited for. */
static void test_a_number_counts_once(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	c.cmdsn--;
	host_test_unit_ready(&c);
	host_expect_nothing(&c);
	c.cmdsn++;
	host_test_unit_ready(&c);
	host_expect_nothing(&c);
	c.cmdsn -= 1;
	host_test_unit_ready(&c);
	host_expect_nothing(&c);
	c.cmdsn -= 2;
	host_test_unit_ready(&c);
	for (unsigned int i = 0; i < 2; i++)
		host_expect(&c, ISCSI_RESPONSE, &pdu);
	host_expect_nothing(&c);
}

/* RFC 7143 4.2.2.1: they have no number, so nothing else would bound them. */
static void test_immediate_commands_are_bounded(void **state)
{
	unsigned int refused = 0;
	uint8_t bhs[ISCSI_BHS], cdb[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};

	host_ready(&rig, &c, 0, NULL);
	rig.fs.disk->hold = true;
	for (unsigned int i = 0; i < 100; i++) {
		host_request(&c, ISCSI_COMMAND | ISCSI_IMMEDIATE,
			     ISCSI_FINAL | ISCSI_COMMAND_READ | ISCSI_SIMPLE, bhs);
		put_be32(bhs + ISCSI_COMMAND_AT_EXPECTED, 512);
		memcpy(bhs + ISCSI_COMMAND_AT_CDB, cdb, sizeof(cdb));
		host_send(&c, bhs, NULL, 0);
	}
	for (; host_receive(&c, &pdu); refused++) {
		assert_int_equal(pdu.bhs[0], ISCSI_REJECT);
		assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], ISCSI_REJECT_TOO_MANY_IMMEDIATE);
	}
	assert_int_equal(refused, 84);
	iscsi_rig_settle(&rig);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
}

static void ping_with_data(uint8_t opcode, uint32_t len)
{
	static const uint8_t bytes[65536];
	uint8_t bhs[ISCSI_BHS];

	host_request(&c, opcode, ISCSI_FINAL, bhs);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_send(&c, bhs, bytes, len);
}

/* However long they are: who reads no answers is not heard any more. */
static void test_answers_that_are_not_read_are_bounded(void **state)
{
	host_ready(&rig, &c, 0, "MaxRecvDataSegmentLength=65536\n");
	c.deaf = true;
	for (unsigned int i = 0; i < 12; i++)
		ping_with_data(ISCSI_NOP_OUT | ISCSI_IMMEDIATE, 65536);
	assert_true(c.nunread >= 7 * 65536);
	c.deaf = false;
	for (unsigned int i = 0; i < 12; i++) {
		host_expect(&c, ISCSI_NOP_IN, &pdu);
		assert_int_equal(pdu.len, 65536);
	}
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
}

/* Nor is what waits for a number that does not come. */
static void test_requests_before_their_turn_are_bounded(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	c.cmdsn++;
	for (unsigned int i = 0; i < 4; i++)
		ping_with_data(ISCSI_NOP_OUT, 65536);
	host_expect_nothing(&c);
	assert_non_null(c.conn);
	ping_with_data(ISCSI_NOP_OUT, 65536);
	assert_null(c.conn);
}

/* ---- task management ---- */

static void tmf(struct host_conn *h, uint8_t function, uint32_t ref, uint32_t ref_cmdsn)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(h, ISCSI_TMF | ISCSI_IMMEDIATE, 0x80 | function, bhs);
	put_be32(bhs + ISCSI_TMF_AT_REFTAG, ref);
	put_be32(bhs + ISCSI_TMF_AT_REFCMDSN, ref_cmdsn);
	host_send(h, bhs, NULL, 0);
}

static uint8_t tmf_response(struct host_conn *h)
{
	host_expect(h, ISCSI_TMF_RESPONSE, &pdu);
	return pdu.bhs[ISCSI_TMF_AT_RESPONSE];
}

static void test_abort_task_that_waits_for_data(void **state)
{
	struct host_pdu r2t;

	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &r2t);
	tmf(&c, ISCSI_ABORT_TASK, c.itt, c.cmdsn - 1);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_COMPLETE);
	host_data_out(&c, &r2t, 0, 0, data, 4096, true);
	host_expect_nothing(&c);
	assert_int_equal(rig.fs.disk->requests, 0);
}

static void test_abort_waits_for_the_disk(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	rig.fs.disk->hold = true;
	host_read(&c, 0, 8);
	tmf(&c, ISCSI_ABORT_TASK, c.itt, c.cmdsn - 1);
	host_expect_nothing(&c);
	iscsi_rig_settle(&rig);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_COMPLETE);
	host_expect_nothing(&c);
}

static void test_abort_of_what_is_not_there(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, NULL);
	tmf(&c, ISCSI_ABORT_TASK, 4711, c.cmdsn - 1);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_NO_TASK);
	/* One that was sent and did not come is received now, and has been aborted. */
	next = c.cmdsn++;
	tmf(&c, ISCSI_ABORT_TASK, 4711, next);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_COMPLETE);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 1);
}

static void test_abort_of_a_command_before_its_turn(void **state)
{
	uint32_t next, itt;

	host_ready(&rig, &c, 0, NULL);
	next = c.cmdsn++;
	host_write(&c, 0, 1, data, 512);
	itt = c.itt;
	tmf(&c, ISCSI_ABORT_TASK, itt, next + 1);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_COMPLETE);
	host_ping(&c, next);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 2);
	host_expect_nothing(&c);
	assert_int_equal(rig.fs.disk->requests, 0);
}

static void test_lu_reset_ends_commands_and_tells_the_others(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_ready(&rig, &d, 1, NULL);
	host_write(&d, 0, 8, NULL, 0);
	host_expect(&d, ISCSI_R2T, &pdu);
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &pdu);
	tmf(&c, ISCSI_LU_RESET, ISCSI_NO_TAG, 0);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_COMPLETE);
	host_expect_nothing(&c);
	host_test_unit_ready(&d);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(host_asc(&pdu), SCSI_ASC_RESET_OCCURRED);
	host_expect_nothing(&d);
}

static void test_functions_that_there_are_not(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	tmf(&c, ISCSI_REASSIGN, c.itt, 0);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_NO_REASSIGN);
	tmf(&c, ISCSI_CLEAR_ACA, c.itt, 0);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_UNSUPPORTED);
	tmf(&c, ISCSI_QUERY_TASK, c.itt, 0);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_UNSUPPORTED);
}

static void test_cold_reset_ends_the_session(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	tmf(&c, ISCSI_COLD_RESET, ISCSI_NO_TAG, 0);
	assert_int_equal(tmf_response(&c), ISCSI_TMF_COMPLETE);
	host_expect_nothing(&c);
	assert_null(c.conn);
	assert_false(iscsi_worker_busy(rig.workers[0]));
}

/* ---- time, and targets that leave ---- */

static void test_silent_initiators_are_asked_and_dropped(void **state)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_NOP_OUT | ISCSI_IMMEDIATE, 0x80};

	host_ready(&rig, &c, 0, NULL);
	assert_true(iscsi_worker_next_due(rig.workers[0]) <= rig.now + 15000000000ull);
	iscsi_rig_sleep(&rig, 16000000000ull);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_ITT), ISCSI_NO_TAG);
	/* Who answers stays. */
	put_be32(bhs + ISCSI_AT_ITT, ISCSI_NO_TAG);
	memcpy(bhs + ISCSI_AT_TTT, pdu.bhs + ISCSI_AT_TTT, 4);
	put_be32(bhs + ISCSI_AT_CMDSN, c.cmdsn);
	host_send(&c, bhs, NULL, 0);
	iscsi_rig_sleep(&rig, 16000000000ull);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	/* Who was stopped for a minute has its session still. */
	iscsi_rig_sleep(&rig, 59000000000ull);
	host_expect_nothing(&c);
	assert_non_null(c.conn);
	iscsi_rig_sleep(&rig, 2000000000ull);
	host_expect_nothing(&c);
	assert_null(c.conn);
	assert_non_null(strstr(rig.log, "did not answer"));
}

/* The ping is behind all that a slow network has to carry first. */
static void test_who_still_takes_data_need_not_answer_yet(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_read(&c, 0, 512);
	c.deaf = true;
	for (unsigned int i = 0; i < 30; i++) {
		iscsi_rig_sleep(&rig, 10000000000ull);
		c.moved += 8192;
	}
	assert_non_null(c.conn);
	assert_false(c.hung_up);
	/* It was the last. */
	for (unsigned int i = 0; i < 12; i++)
		iscsi_rig_sleep(&rig, 10000000000ull);
	assert_true(c.hung_up);
	assert_non_null(strstr(rig.log, "did not answer"));
}

static void count_gone(struct iscsi_leaving *leaving)
{
	gone++;
}

static void test_target_that_leaves_asks_first(void **state)
{
	struct iscsi_leaving leaving = {.target = rig.target, .gone = count_gone};

	host_ready(&rig, &c, 0, NULL);
	iscsi_target_hide(rig.target);
	iscsi_worker_leave_target(rig.workers[0], &leaving, rig.now, 5000000000ull);
	host_expect(&c, ISCSI_ASYNC, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_ASYNC_AT_EVENT], ISCSI_ASYNC_LOGOUT);
	assert_int_equal(get_be16(pdu.bhs + ISCSI_ASYNC_AT_PARAMETER3), 5);
	host_ping(&c, c.cmdsn++);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	assert_int_equal(gone, 0);
	iscsi_rig_sleep(&rig, 6000000000ull);
	host_expect_nothing(&c);
	assert_null(c.conn);
	assert_int_equal(gone, 1);
}

static void test_target_leaves_at_once(void **state)
{
	struct iscsi_leaving leaving = {.target = rig.target, .gone = count_gone};

	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 0, 8, NULL, 0);
	iscsi_worker_leave_target(rig.workers[0], &leaving, rig.now, 0);
	host_receive(&c, &pdu);
	assert_null(c.conn);
	iscsi_rig_turn(&rig);
	assert_int_equal(gone, 1);
	iscsi_worker_leave_target(rig.workers[1], &leaving, rig.now, 0);
	assert_int_equal(gone, 2);
}

static void test_session_closed_by_hand(void **state)
{
	struct iscsi_session_report report;

	host_ready(&rig, &c, 0, NULL);
	assert_int_equal(iscsi_worker_sessions(rig.workers[0], &report, 1), 1);
	assert_string_equal(report.initiator, RIG_INITIATOR);
	assert_string_equal(report.target, RIG_TARGET);
	assert_int_equal(report.tsih, c.tsih);
	assert_int_equal(report.commands, 1);
	assert_int_equal(iscsi_worker_close_session(rig.workers[0], (uint16_t)(c.tsih + 1)), -2);
	assert_int_equal(iscsi_worker_close_session(rig.workers[0], c.tsih), 0);
	host_expect_nothing(&c);
	assert_null(c.conn);
}

static void allow(const char *pattern, uint64_t read_only)
{
	struct iscsi_rule rule = {.mask.read_only[0] = read_only};
	const struct iscsi_access access = {.rules = &rule, .nrules = 1};

	strcpy(rule.pattern, pattern);
	memset(rule.mask.visible, 0xff, sizeof(rule.mask.visible));
	assert_int_equal(iscsi_target_set_access(rig.target, &access), 0);
	iscsi_worker_recheck_target(rig.workers[0], rig.target);
	host_receive(&c, &pdu);
}

static void test_session_ends_when_it_may_something_else(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	allow(RIG_INITIATOR, 0);
	assert_non_null(c.conn);
	allow(RIG_INITIATOR, 1);
	assert_null(c.conn);
	host_disconnect(&c);
	host_ready(&rig, &c, 0, NULL);
	allow("*", 1);
	assert_non_null(c.conn);
	allow("iqn.2026-11.example:nobody", 1);
	assert_null(c.conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_numbers_outside_the_window_are_ignored),
		T(test_requests_wait_for_their_turn),
		T(test_window_closes_while_commands_are_out),
		T(test_a_tag_in_use_is_rejected),
		T(test_unknown_requests_are_rejected),
		T(test_requests_that_there_may_not_be),
		T(test_a_number_counts_once),
		T(test_immediate_commands_are_bounded),
		T(test_answers_that_are_not_read_are_bounded),
		T(test_requests_before_their_turn_are_bounded),
		T(test_abort_task_that_waits_for_data),
		T(test_abort_waits_for_the_disk),
		T(test_abort_of_what_is_not_there),
		T(test_abort_of_a_command_before_its_turn),
		T(test_lu_reset_ends_commands_and_tells_the_others),
		T(test_functions_that_there_are_not),
		T(test_cold_reset_ends_the_session),
		T(test_silent_initiators_are_asked_and_dropped),
		T(test_who_still_takes_data_need_not_answer_yet),
		T(test_target_that_leaves_asks_first),
		T(test_target_leaves_at_once),
		T(test_session_closed_by_hand),
		T(test_session_ends_when_it_may_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
