/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sessions of several connections: what they share, what ends with one of them, and who takes the
 * place of a connection or of a session.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi_rig.h"
#include <string.h>

#define FLAT_LUN_0 (1ull << 62) /* by flat space addressing; 0 is the same unit */

static struct iscsi_rig rig;
static struct host_conn c, d, e;
static struct host_pdu pdu;
static uint8_t data[65536], in[65536];

static int setup(void **state)
{
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
	if (e.answers)
		host_disconnect(&e);
	iscsi_rig_turn(&rig);
	iscsi_rig_close(&rig);
	return 0;
}

/* The target answers: nothing else came before that. */
static void ping(struct host_conn *h, uint32_t cmdsn)
{
	host_ping(h, cmdsn);
	host_expect(h, ISCSI_NOP_IN, &pdu);
}

/* ---- several connections ---- */

static void join(unsigned int worker)
{
	host_connect(&rig, &d, worker);
	d.tsih = c.tsih;
	d.cid = 1;
	d.itt = 1000;
	d.cmdsn = c.cmdsn;
	host_login(&d, NULL);
	assert_int_equal(d.tsih, c.tsih);
}

static void test_second_connection_shares_the_numbers(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	/* The later one is heard first. */
	d.cmdsn = c.cmdsn + 1;
	host_write(&d, 0, 1, data, 512);
	host_expect_nothing(&d);
	ping(&c, c.cmdsn);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

/* One that joins need not say it again. */
static void test_the_alias_is_that_of_the_session(void **state)
{
	struct iscsi_session_report report;

	host_ready(&rig, &c, 0, "MaxConnections=4\nInitiatorAlias=a host\n");
	join(0);
	assert_int_equal(iscsi_worker_sessions(rig.workers[0], &report, 1), 1);
	assert_int_equal(report.conns, 2);
	assert_string_equal(report.alias, "a host");
}

static void test_connection_is_brought_to_its_sessions_worker(void **state)
{
	uint32_t len;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(1);
	assert_ptr_equal(iscsi_conn_worker(d.conn), rig.workers[0]);
	host_read(&d, 0, 1);
	assert_int_equal(host_status(&d, in, &len), SCSI_GOOD);
	assert_false(iscsi_worker_busy(rig.workers[1]));
}

static void test_more_connections_than_agreed(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_connect(&rig, &d, 0);
	d.tsih = c.tsih;
	d.cid = 1;
	assert_int_equal(host_login_step(&d, 0x87,
					 "InitiatorName=" RIG_INITIATOR "\nTargetName=" RIG_TARGET
					 "\n",
					 &pdu),
			 ISCSI_LOGIN_TOO_MANY);
}

static void logout(struct host_conn *h, uint8_t reason, uint16_t cid)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(h, ISCSI_LOGOUT | ISCSI_IMMEDIATE, 0x80 | reason, bhs);
	put_be16(bhs + ISCSI_LOGOUT_AT_CID, cid);
	host_send(h, bhs, NULL, 0);
}

static void test_one_connection_logs_out(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	c.cmdsn++;
	d.cmdsn = c.cmdsn - 1;
	host_write(&d, 0, 8, NULL, 0);
	host_expect(&d, ISCSI_R2T, &pdu);
	logout(&c, ISCSI_LOGOUT_CONN, 7);
	host_expect(&c, ISCSI_LOGOUT_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_LOGOUT_AT_RESPONSE], ISCSI_LOGOUT_NO_CID);
	logout(&c, ISCSI_LOGOUT_CONN, 1);
	host_expect(&c, ISCSI_LOGOUT_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_LOGOUT_AT_RESPONSE], ISCSI_LOGOUT_CLOSED);
	host_expect_nothing(&d);
	assert_null(d.conn);
	/* The session goes on without it and its command. */
	ping(&c, c.cmdsn);
	logout(&c, ISCSI_LOGOUT_RECOVERY, 0);
	host_expect(&c, ISCSI_LOGOUT_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_LOGOUT_AT_RESPONSE], ISCSI_LOGOUT_NO_RECOVERY);
	logout(&c, ISCSI_LOGOUT_CONN, 0);
	host_expect(&c, ISCSI_LOGOUT_RESPONSE, &pdu);
	assert_null(c.conn);
	assert_false(iscsi_worker_busy(rig.workers[0]));
}

static void test_a_lost_connection_takes_the_session_along(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	host_disconnect(&d);
	host_expect_nothing(&c);
	assert_null(c.conn);
	assert_false(iscsi_worker_busy(rig.workers[0]));
	assert_int_equal(iscsi_worker_stats(rig.workers[0])->sessions_lost, 1);
}

static void test_connection_reinstatement(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	host_connect(&rig, &d, 0);
	d.tsih = c.tsih;
	d.cid = c.cid;
	d.cmdsn = c.cmdsn;
	host_login(&d, NULL);
	host_expect_nothing(&c);
	assert_null(c.conn);
	ping(&d, d.cmdsn);
}

static void test_session_reinstatement_waits_for_the_old_one(void **state)
{
	for (unsigned int worker = 0; worker < RIG_WORKERS; worker++) {
		uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, 0x87};
		static const char text[] =
			"InitiatorName=" RIG_INITIATOR "\0TargetName=" RIG_TARGET "\0";

		host_ready(&rig, &c, 0, NULL);
		rig.fs.disk->hold = true;
		host_read(&c, 0, 8);
		host_connect(&rig, &d, worker);
		bhs[ISCSI_LOGIN_AT_ISID] = 0x80;
		host_send(&d, bhs, text, sizeof(text) - 1);
		/* Its command is still with the disk. */
		host_expect_nothing(&d);
		assert_non_null(d.conn);
		host_expect_nothing(&c);
		assert_null(c.conn);
		iscsi_rig_settle(&rig);
		host_expect(&d, ISCSI_LOGIN_RESPONSE, &pdu);
		assert_int_equal(get_be16(pdu.bhs + ISCSI_LOGIN_AT_STATUS), 0);
		assert_int_not_equal(get_be16(pdu.bhs + ISCSI_LOGIN_AT_TSIH), c.tsih);
		assert_ptr_equal(iscsi_conn_worker(d.conn), rig.workers[0]);
		host_disconnect(&c);
		host_disconnect(&d);
	}
}

static void test_login_that_waits_finds_the_target_gone(void **state)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, 0x87};
	static const char text[] = "InitiatorName=" RIG_INITIATOR "\0TargetName=" RIG_TARGET "\0";

	host_ready(&rig, &c, 0, NULL);
	rig.fs.disk->hold = true;
	host_read(&c, 0, 8);
	host_connect(&rig, &d, 1);
	bhs[ISCSI_LOGIN_AT_ISID] = 0x80;
	host_send(&d, bhs, text, sizeof(text) - 1);
	iscsi_target_hide(rig.target);
	host_expect_nothing(&c);
	iscsi_rig_settle(&rig);
	host_expect(&d, ISCSI_LOGIN_RESPONSE, &pdu);
	assert_int_equal(get_be16(pdu.bhs + ISCSI_LOGIN_AT_STATUS), ISCSI_LOGIN_NOT_FOUND);
}

/* ---- connections that leave the session ---- */

/* What came on it before its turn is as if it had not come, and another may bring it again. */
static void test_commands_before_their_turn_end_with_their_connection(void **state)
{
	uint32_t itt;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	c.cmdsn++;
	host_write(&c, 0, 1, data, 512);
	itt = c.itt;
	logout(&d, ISCSI_LOGOUT_CONN, 0);
	host_expect(&d, ISCSI_LOGOUT_RESPONSE, &pdu);
	/* The old connection is not closed yet. */
	rig.fs.disk->hold = true;
	host_read(&d, 0, 1);
	host_expect_nothing(&d);
	host_expect_nothing(&c);
	assert_null(c.conn);
	iscsi_rig_settle(&rig);
	host_expect(&d, ISCSI_DATA_IN, &pdu);
	assert_int_equal(rig.fs.disk->requests, 1);
	d.itt = itt - 1;
	host_write(&d, 0, 1, data, 512);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
	assert_int_equal(rig.fs.disk->requests, 2);
}

static void test_tags_of_a_connection_that_left_are_free(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	rig.fs.disk->hold = true;
	host_write(&c, 0, 1, data, 512);
	logout(&d, ISCSI_LOGOUT_CONN, 0);
	host_expect(&d, ISCSI_LOGOUT_RESPONSE, &pdu);
	/* Its write is still with the disk, and so is what comes next. */
	d.cmdsn = c.cmdsn;
	d.itt = c.itt - 1;
	host_read(&d, 64, 1);
	host_expect_nothing(&d);
	iscsi_rig_settle(&rig);
	host_expect(&d, ISCSI_DATA_IN, &pdu);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_ITT), c.itt);
}

static void test_a_connection_that_logged_out_makes_room_for_another(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=2\n");
	join(0);
	d.cmdsn = c.cmdsn;
	logout(&d, ISCSI_LOGOUT_CONN, 0);
	/* `c` is not closed until somebody looks after it. */
	host_expect(&d, ISCSI_LOGOUT_RESPONSE, &pdu);
	host_connect(&rig, &e, 1);
	e.tsih = d.tsih;
	e.cid = 2;
	e.cmdsn = d.cmdsn;
	host_login(&e, NULL);
	ping(&e, e.cmdsn);
}

/* ---- task management ---- */

static void tmf(struct host_conn *h, uint8_t function, uint32_t cmdsn)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(h, ISCSI_TMF | ISCSI_IMMEDIATE, 0x80 | function, bhs);
	put_be32(bhs + ISCSI_AT_CMDSN, cmdsn);
	put_be32(bhs + ISCSI_TMF_AT_REFTAG, ISCSI_NO_TAG);
	host_send(h, bhs, NULL, 0);
}

static void expect_tmf_complete(struct host_conn *h)
{
	host_expect(h, ISCSI_TMF_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_TMF_AT_RESPONSE], ISCSI_TMF_COMPLETE);
}

/* RFC 7143 4.2.3.3: what it is about may still be under way on another connection. */
static void test_lu_reset_waits_for_what_was_numbered_before_it(void **state)
{
	unsigned int requests;
	uint32_t next;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	next = c.cmdsn;
	c.cmdsn = next + 1;
	host_write(&c, 0, 1, data, 512);
	tmf(&d, ISCSI_LU_RESET, next + 2);
	host_expect_nothing(&d);
	/* It is asked how far it is. */
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	assert_int_equal(rig.fs.disk->requests, 0);
	rig.fs.disk->hold = true;
	d.cmdsn = next;
	host_write(&d, 0, 1, data, 512);
	iscsi_rig_settle(&rig);
	expect_tmf_complete(&d);
	host_expect_nothing(&c);
	requests = rig.fs.disk->requests;
	assert_int_equal(iscsi_worker_stats(rig.workers[0])->tmf[ISCSI_LU_RESET], 1);
	/* Nothing is left that could be written later. */
	ping(&d, next + 2);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 3);
	assert_int_equal(rig.fs.disk->requests, requests);
}

/* The number that was lost with one of them. */
static uint32_t three_connections(void)
{
	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	host_connect(&rig, &e, 0);
	e.tsih = c.tsih;
	e.cid = 2;
	e.itt = 2000;
	e.cmdsn = c.cmdsn;
	host_login(&e, NULL);
	return c.cmdsn;
}

/*
 * RFC 7143 4.2.2.1: numbers only rise on a connection. What is missing was lost with the one that
 * left, once no other can bring it; and the initiator need not fill the gap before it is answered.
 */
static void test_lu_reset_does_not_wait_for_what_a_connection_took_along(void **state)
{
	uint32_t lost = three_connections();
	uint8_t bhs[ISCSI_BHS];

	tmf(&d, ISCSI_LU_RESET, lost + 1);
	host_expect_nothing(&d);
	logout(&d, ISCSI_LOGOUT_CONN, 2);
	host_expect(&d, ISCSI_LOGOUT_RESPONSE, &pdu);
	/* The first one may still bring it, and was asked: its answer says that it will not. */
	host_expect_nothing(&d);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	host_expect_nothing(&c);
	host_request(&c, ISCSI_NOP_OUT | ISCSI_IMMEDIATE, ISCSI_FINAL, bhs);
	put_be32(bhs + ISCSI_AT_CMDSN, lost + 1);
	put_be32(bhs + ISCSI_AT_ITT, ISCSI_NO_TAG);
	memcpy(bhs + ISCSI_AT_TTT, pdu.bhs + ISCSI_AT_TTT, 4);
	host_send(&c, bhs, NULL, 0);
	expect_tmf_complete(&d);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), lost);
	/* Only then it is brought again, and has been ended. */
	d.cmdsn = lost;
	host_write(&d, 0, 1, data, 512);
	ping(&d, lost + 1);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), lost + 2);
	assert_int_equal(rig.fs.disk->requests, 0);
	/* What has later numbers is not; the first of that hears of the reset. */
	host_test_unit_ready(&d);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_CHECK_CONDITION);
	host_write(&d, 0, 1, data, 512);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

/* Where no other connection is left, and on another unit. */
static void test_lu_reset_ends_only_what_is_about_its_unit(void **state)
{
	uint8_t bhs[ISCSI_BHS];
	uint32_t lost;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	lost = c.cmdsn;
	join(0);
	host_request(&d, ISCSI_TMF | ISCSI_IMMEDIATE, 0x80 | ISCSI_LU_RESET, bhs);
	put_be64(bhs + ISCSI_AT_LUN, 9ull << 48);
	put_be32(bhs + ISCSI_AT_CMDSN, lost + 1);
	put_be32(bhs + ISCSI_TMF_AT_REFTAG, ISCSI_NO_TAG);
	host_send(&d, bhs, NULL, 0);
	host_expect_nothing(&d);
	logout(&c, ISCSI_LOGOUT_CONN, 0);
	host_expect(&d, ISCSI_TMF_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_TMF_AT_RESPONSE], ISCSI_TMF_NO_LUN);
	host_write(&d, 0, 1, data, 512);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
	assert_int_equal(rig.fs.disk->requests, 1);
}

/* Whoever takes its place says at login how far the numbers are. */
static void test_lu_reset_does_not_wait_for_a_connection_that_was_replaced(void **state)
{
	uint32_t lost;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	lost = c.cmdsn;
	join(0);
	tmf(&d, ISCSI_CLEAR_TASK_SET, lost + 1);
	host_expect_nothing(&d);
	host_connect(&rig, &e, 0);
	e.tsih = c.tsih;
	e.cid = c.cid;
	e.cmdsn = lost + 1;
	host_login(&e, NULL);
	expect_tmf_complete(&d);
	ping(&e, lost);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), lost + 1);
}

/* Nothing can be under way: what is missing was lost. */
static void test_lu_reset_on_the_only_connection_waits_for_nothing(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, NULL);
	next = c.cmdsn++;
	host_write(&c, 0, 1, data, 512);
	tmf(&c, ISCSI_LU_RESET, next + 2);
	expect_tmf_complete(&c);
	ping(&c, next);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 2);
	host_expect_nothing(&c);
	assert_int_equal(rig.fs.disk->requests, 0);
}

/* What was numbered after it is none of its, though it was heard before. */
static void test_a_reset_spares_what_was_numbered_after_it(void **state)
{
	static const uint8_t functions[] = {ISCSI_ABORT_TASK_SET, ISCSI_CLEAR_TASK_SET,
					    ISCSI_LU_RESET, ISCSI_WARM_RESET};
	uint32_t next;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	next = c.cmdsn;
	join(0);
	for (unsigned int i = 0; i < 4; i++) {
		rig.fs.disk->hold = true;
		c.cmdsn = next++;
		host_write(&c, 0, 1, data, 512);
		tmf(&d, functions[i], next - 1);
		expect_tmf_complete(&d);
		iscsi_rig_settle(&rig);
		host_expect(&c, ISCSI_RESPONSE, &pdu);
		assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
		/* The attention of a reset. */
		c.cmdsn = next++;
		host_test_unit_ready(&c);
		host_expect(&c, ISCSI_RESPONSE, &pdu);
	}
}

static void write_as(struct host_conn *h, uint8_t opcode, uint32_t cmdsn, uint64_t lun)
{
	static const uint8_t cdb[ISCSI_CDB] = {0x2a, [8] = 1};
	uint8_t bhs[ISCSI_BHS];

	host_request(h, opcode, 0xa1, bhs);
	put_be64(bhs + ISCSI_AT_LUN, lun);
	put_be32(bhs + ISCSI_AT_CMDSN, cmdsn);
	put_be32(bhs + ISCSI_COMMAND_AT_EXPECTED, 512);
	memcpy(bhs + ISCSI_COMMAND_AT_CDB, cdb, sizeof(cdb));
	host_send(h, bhs, data, 512);
}

/* One write waits for its turn, the one before it comes after the reset. */
static void test_a_reset_ends_what_names_its_unit_in_another_way(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, NULL);
	next = c.cmdsn;
	write_as(&c, ISCSI_COMMAND, next + 1, FLAT_LUN_0);
	tmf(&c, ISCSI_LU_RESET, next + 2);
	expect_tmf_complete(&c);
	write_as(&c, ISCSI_COMMAND, next, FLAT_LUN_0);
	host_expect_nothing(&c);
	assert_int_equal(rig.fs.disk->requests, 0);
	ping(&c, next + 2);
}

/* An immediate command has the number of the next one: with a later number it was sent later. */
static void test_a_reset_that_waited_spares_immediate_commands_after_it(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	next = c.cmdsn;
	join(0);
	tmf(&d, ISCSI_LU_RESET, next + 1);
	rig.fs.disk->hold = true;
	write_as(&d, ISCSI_COMMAND | ISCSI_IMMEDIATE, next + 2, 0);
	host_expect_nothing(&d);
	ping(&c, next);
	expect_tmf_complete(&d);
	iscsi_rig_settle(&rig);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

/* RFC 7143 4.2.3.3: all that was numbered before it counts as received. */
static void test_target_reset_fills_the_gaps(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	next = c.cmdsn;
	c.cmdsn = next + 1;
	host_write(&c, 0, 1, data, 512);
	tmf(&d, ISCSI_WARM_RESET, next + 3);
	expect_tmf_complete(&d);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 3);
	d.cmdsn = next;
	host_write(&d, 0, 1, data, 512);
	host_expect_nothing(&d);
	host_expect_nothing(&c);
	assert_int_equal(rig.fs.disk->requests, 0);
	ping(&d, next + 3);
}

/* What it lets go is the session's end: more is not filled then, nor kept. */
static void test_target_reset_that_lets_a_logout_go(void **state)
{
	uint8_t bhs[ISCSI_BHS];
	uint32_t next;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	next = c.cmdsn++;
	host_request(&c, ISCSI_LOGOUT, ISCSI_FINAL | ISCSI_LOGOUT_SESSION, bhs);
	host_send(&c, bhs, NULL, 0);
	host_expect_nothing(&c);
	tmf(&d, ISCSI_WARM_RESET, next + 5);
	host_expect(&c, ISCSI_LOGOUT_RESPONSE, &pdu);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 2);
	host_expect_nothing(&d);
}

static void test_resets_that_wait_are_bounded(void **state)
{
	unsigned int answered = 0;

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	for (unsigned int i = 0; i < 100; i++) {
		tmf(&d, ISCSI_LU_RESET, c.cmdsn + 1);
		while (host_receive(&d, &pdu)) {
			assert_int_equal(pdu.bhs[ISCSI_TMF_AT_RESPONSE], ISCSI_TMF_REJECTED);
			answered++;
		}
	}
	assert_int_equal(answered, 100 - 64);
	ping(&c, c.cmdsn);
	for (unsigned int i = 0; i < 64; i++)
		expect_tmf_complete(&d);
	host_expect_nothing(&d);
}

static void test_whoever_takes_a_connections_place_hears_nothing_of_its_resets(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	rig.fs.disk->hold = true;
	host_read(&c, 0, 8);
	tmf(&c, ISCSI_LU_RESET, c.cmdsn);
	host_expect_nothing(&c);
	host_connect(&rig, &d, 0);
	d.tsih = c.tsih;
	d.cid = c.cid;
	d.cmdsn = c.cmdsn;
	host_login(&d, NULL);
	iscsi_rig_settle(&rig);
	host_expect_nothing(&d);
	ping(&d, d.cmdsn);
}

/* ---- what ends before it is whole ---- */

/* It has no number of its own: the next command has the one that it names. */
static void test_immediate_command_that_is_aborted_as_it_comes_uses_no_number(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, "MaxConnections=4\n");
	join(0);
	host_request(&c, ISCSI_COMMAND | ISCSI_IMMEDIATE, 0xa1, bhs);
	put_be32(bhs + ISCSI_COMMAND_AT_EXPECTED, 512);
	put_be24(bhs + ISCSI_AT_DATA_LENGTH, 512);
	bhs[ISCSI_COMMAND_AT_CDB] = 0x2a;
	bhs[ISCSI_COMMAND_AT_CDB + 8] = 1;
	host_send_bytes(&c, bhs, sizeof(bhs));
	host_request(&d, ISCSI_TMF | ISCSI_IMMEDIATE, ISCSI_FINAL | ISCSI_ABORT_TASK, bhs);
	put_be32(bhs + ISCSI_TMF_AT_REFTAG, c.itt);
	host_send(&d, bhs, NULL, 0);
	expect_tmf_complete(&d);
	host_send_bytes(&c, data, 512);
	host_expect_nothing(&c);
	ping(&d, c.cmdsn);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), c.cmdsn + 1);
	assert_int_equal(rig.fs.disk->requests, 0);
}

/* ---- memory that comes free meanwhile ---- */

/* With a target that takes data that it did not ask for. */
static int setup_unsolicited(void **state)
{
	struct iscsi_rig_config config = {};

	iscsi_settings_default(&config.settings);
	config.settings.initial_r2t = false;
	iscsi_rig_open(&rig, &config);
	memset(data, 0x5a, sizeof(data));
	return 0;
}

/* A command that the connection stops for until there is memory, whose data comes later. */
static void write_that_waits_for_memory(struct host_conn *h, uint32_t cmdsn)
{
	static const uint8_t cdb[ISCSI_CDB] = {0x2a, [8] = 1};

	iscsi_rig_take(&rig, 0);
	h->cmdsn = cmdsn;
	host_command(h, 0x21, cdb, 512, NULL, 0);
	host_expect_nothing(h);
}

/* What a reset aborts gives memory to a command whose turn it is: it takes its place, too. */
static void test_target_reset_starts_what_waits_for_memory(void **state)
{
	uint32_t next;

	host_ready(&rig, &c, 0, "MaxConnections=4\nInitialR2T=No\n");
	next = c.cmdsn;
	c.cmdsn = next + 1;
	host_write(&c, 0, 1, data, 512);
	write_that_waits_for_memory(&c, next);
	join(0);
	tmf(&d, ISCSI_WARM_RESET, next + 2);
	expect_tmf_complete(&d);
	iscsi_rig_give(&rig);
	ping(&d, next + 2);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_EXPCMDSN), next + 3);
}

/* What a connection leaves behind gives memory to its own command: that is left as well. */
static void test_a_connection_that_leaves_takes_what_waits_for_memory_along(void **state)
{
	uint32_t next, itt;

	host_ready(&rig, &c, 0, "MaxConnections=4\nInitialR2T=No\n");
	next = c.cmdsn;
	c.cmdsn = next + 1;
	host_write(&c, 0, 1, data, 512);
	write_that_waits_for_memory(&c, next + 2);
	itt = c.itt;
	join(0);
	logout(&d, ISCSI_LOGOUT_CONN, 0);
	host_expect(&d, ISCSI_LOGOUT_RESPONSE, &pdu);
	iscsi_rig_give(&rig);
	/* The old connection is not closed yet. */
	rig.fs.disk->hold = true;
	d.cmdsn = next;
	d.itt = itt;
	for (unsigned int i = 0; i < 3; i++) {
		host_read(&d, 0, 1);
		host_expect_nothing(&d);
	}
	host_expect_nothing(&c);
	assert_null(c.conn);
	iscsi_rig_settle(&rig);
	for (unsigned int i = 0; i < 3; i++)
		host_expect(&d, ISCSI_DATA_IN, &pdu);
	host_expect_nothing(&d);
}

/* There was no memory for it, and its answer waits for its turn: its data comes all the same. */
static void test_data_of_a_write_that_is_refused_is_no_error(void **state)
{
	static const uint8_t cdb[ISCSI_CDB] = {0x2a, [8] = 16};
	struct host_pdu name = {};

	host_ready(&rig, &c, 0, "MaxConnections=4\nInitialR2T=No\n");
	join(0);
	iscsi_rig_take(&rig, 0);
	c.cmdsn++;
	host_command(&c, 0x21, cdb, 8192, data, 4096);
	put_be32(name.bhs + ISCSI_AT_ITT, c.itt);
	put_be32(name.bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_data_out(&c, &name, 0, 4096, data, 4096, true);
	host_expect_nothing(&c);
	ping(&d, d.cmdsn);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_TASK_SET_FULL);
	host_expect_nothing(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_second_connection_shares_the_numbers),
		T(test_the_alias_is_that_of_the_session),
		T(test_connection_is_brought_to_its_sessions_worker),
		T(test_more_connections_than_agreed),
		T(test_one_connection_logs_out),
		T(test_a_lost_connection_takes_the_session_along),
		T(test_connection_reinstatement),
		T(test_session_reinstatement_waits_for_the_old_one),
		T(test_login_that_waits_finds_the_target_gone),
		T(test_commands_before_their_turn_end_with_their_connection),
		T(test_tags_of_a_connection_that_left_are_free),
		T(test_a_connection_that_logged_out_makes_room_for_another),
		T(test_lu_reset_waits_for_what_was_numbered_before_it),
		T(test_lu_reset_does_not_wait_for_what_a_connection_took_along),
		T(test_lu_reset_ends_only_what_is_about_its_unit),
		T(test_lu_reset_does_not_wait_for_a_connection_that_was_replaced),
		T(test_lu_reset_on_the_only_connection_waits_for_nothing),
		T(test_a_reset_spares_what_was_numbered_after_it),
		T(test_a_reset_ends_what_names_its_unit_in_another_way),
		T(test_a_reset_that_waited_spares_immediate_commands_after_it),
		T(test_target_reset_fills_the_gaps),
		T(test_target_reset_that_lets_a_logout_go),
		T(test_resets_that_wait_are_bounded),
		T(test_whoever_takes_a_connections_place_hears_nothing_of_its_resets),
		T(test_immediate_command_that_is_aborted_as_it_comes_uses_no_number),
#define U(f) cmocka_unit_test_setup_teardown(f, setup_unsolicited, teardown)
		U(test_target_reset_starts_what_waits_for_memory),
		U(test_a_connection_that_leaves_takes_what_waits_for_memory_along),
		U(test_data_of_a_write_that_is_refused_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
