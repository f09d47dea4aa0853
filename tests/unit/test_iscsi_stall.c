/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What keeps others waiting: memory held for data that does not come, aborts of what waits for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi_rig.h"
#include <string.h>

#define SECOND 1000000000ull
#define KEPT   6u /* of the rig's runs, for small requests */
#define CROWD  7u /* initiators that together take the others, with 256 KiB each */

static struct iscsi_rig rig;
static struct host_conn c, d, e, crowd[CROWD];
static uint8_t data[300u << 10];
static struct host_pdu pdu, r2t;

static int setup(void **state)
{
	iscsi_rig_open(&rig, &(struct iscsi_rig_config){});
	return 0;
}

static int teardown(void **state)
{
	host_disconnect(&c);
	if (d.answers)
		host_disconnect(&d);
	if (e.answers)
		host_disconnect(&e);
	for (unsigned int i = 0; i < CROWD; i++)
		if (crowd[i].answers)
			host_disconnect(&crowd[i]);
	iscsi_rig_close(&rig);
	return 0;
}

static void abort_task(struct host_conn *h, uint32_t itt, uint32_t cmdsn)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(h, ISCSI_TMF | ISCSI_IMMEDIATE, ISCSI_FINAL | ISCSI_ABORT_TASK, bhs);
	put_be32(bhs + ISCSI_TMF_AT_REFTAG, itt);
	put_be32(bhs + ISCSI_TMF_AT_REFCMDSN, cmdsn);
	host_send(h, bhs, NULL, 0);
}

static void join(struct host_conn *h)
{
	host_connect(&rig, h, 0);
	h->tsih = c.tsih;
	h->cid = 1;
	h->itt = 1000;
	h->cmdsn = c.cmdsn;
	host_login(h, NULL);
}

static void test_abort_of_what_waits_for_memory_lets_others_pass(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_ready(&rig, &d, 1, NULL);
	iscsi_rig_take(&rig, 1);
	host_write(&d, 0, 8, NULL, 0);
	host_expect(&d, ISCSI_R2T, &r2t);
	host_read(&c, 0, 8);
	host_test_unit_ready(&c);
	host_expect_nothing(&c);
	abort_task(&c, c.itt - 1, c.cmdsn - 2);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	host_expect(&c, ISCSI_TMF_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_TMF_AT_RESPONSE], ISCSI_TMF_COMPLETE);
}

/* Of two connections the other one aborts what the first has stopped for. */
static void test_connection_that_stopped_goes_on_without_its_command(void **state)
{
	host_ready(&rig, &c, 0, "MaxConnections=2\n");
	host_ready(&rig, &d, 1, NULL);
	iscsi_rig_take(&rig, 1);
	host_write(&d, 0, 8, NULL, 0);
	host_expect(&d, ISCSI_R2T, &r2t);
	host_write(&c, 0, 8, data, 4096);
	host_test_unit_ready(&c);
	host_expect_nothing(&c);
	assert_true(c.nunread > 0);
	join(&e);
	abort_task(&e, c.itt - 1, c.cmdsn - 2);
	host_expect(&e, ISCSI_TMF_RESPONSE, &pdu);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_ITT), c.itt);
}

/* A write of several pieces asks for the next one when the connection could have stopped. */
static void test_connection_does_not_stop_between_pieces(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	iscsi_rig_take(&rig, 4 + KEPT);
	rig.fs.disk->hold = true;
	host_write(&c, 0, 1024, NULL, 0);
	host_expect(&c, ISCSI_R2T, &r2t);
	host_data_out(&c, &r2t, 0, 0, data, 256u << 10, true);
	host_write(&c, 0, 256, data, 4096);
	rig.fs.disk->hold = false;
	fixture_disk_release(rig.fs.disk);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_TASK_SET_FULL);
	host_expect(&c, ISCSI_R2T, &r2t);
	host_data_out(&c, &r2t, 0, 256u << 10, data, 256u << 10, true);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

/* The header of a write that 4 KiB of data come with. */
static void write_header(struct host_conn *h, uint64_t lun, uint16_t blocks)
{
	uint8_t bhs[ISCSI_BHS], cdb[10] = {0x2a};

	host_request(h, ISCSI_COMMAND, ISCSI_FINAL | ISCSI_COMMAND_WRITE | ISCSI_SIMPLE, bhs);
	put_be64(bhs + ISCSI_AT_LUN, lun << 48);
	put_be32(bhs + ISCSI_COMMAND_AT_EXPECTED, blocks * 512u);
	put_be24(bhs + ISCSI_AT_DATA_LENGTH, 4096);
	put_be16(cdb + 7, blocks);
	memcpy(bhs + ISCSI_COMMAND_AT_CDB, cdb, sizeof(cdb));
	host_send_bytes(h, bhs, sizeof(bhs));
}

/* The unit came after memory for the command had been taken, of which it needs more. */
static void test_unit_that_comes_meanwhile(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, "MaxConnections=2\n");
	join(&d);
	write_header(&c, 5, 512);
	assert_int_equal(scsi_target_add_lun(rig.fs.target, 5, rig.fs.dev, false), 0);
	iscsi_rig_turn(&rig);
	/* Its unit attention. */
	host_request(&d, ISCSI_COMMAND | ISCSI_IMMEDIATE, ISCSI_FINAL | ISCSI_SIMPLE, bhs);
	put_be64(bhs + ISCSI_AT_LUN, 5ull << 48);
	host_send(&d, bhs, NULL, 0);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(host_asc(&pdu), SCSI_ASC_POWER_ON);
	host_request(&d, ISCSI_COMMAND | ISCSI_IMMEDIATE, ISCSI_FINAL | ISCSI_SIMPLE, bhs);
	put_be64(bhs + ISCSI_AT_LUN, 5ull << 48);
	host_send(&d, bhs, NULL, 0);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	host_send_bytes(&c, data, 4096);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(host_asc(&pdu), SCSI_ASC_INSUFFICIENT_RESOURCES);
	assert_int_equal(rig.fs.disk->requests, 0);
}

/* Pings are answered, and the data never comes: the memory goes to others, wanted or not. */
static void test_data_that_is_withheld_ends_the_session(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	iscsi_rig_take(&rig, 1);
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &r2t);
	for (unsigned int i = 0; c.conn && i < 100; i++) {
		iscsi_rig_sleep(&rig, SECOND);
		host_test_unit_ready(&c);
	}
	assert_null(c.conn);
	assert_non_null(strstr(rig.log, "it does not send the data of a command"));
	host_ready(&rig, &d, 1, NULL);
	host_read(&d, 0, 8);
	host_expect(&d, ISCSI_DATA_IN, &pdu);
}

/* A byte a second is silence, too. */
static void test_data_that_trickles_ends_the_session(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	write_header(&c, 0, 8);
	for (unsigned int i = 0; c.conn && i < 100; i++) {
		iscsi_rig_sleep(&rig, SECOND);
		host_send_bytes(&c, data, 1);
	}
	assert_null(c.conn);
}

/* As long as something comes, however slowly, it is waited for. */
static void test_data_that_comes_slowly_is_waited_for(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &r2t);
	for (unsigned int i = 0; i < 8; i++) {
		iscsi_rig_sleep(&rig, 14 * SECOND);
		host_data_out(&c, &r2t, i, i * 512, data, 512, i == 7);
	}
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

/* A PDU that takes long is not whole, but TCP has counted what came. */
static void test_long_data_that_comes_slowly_is_waited_for(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	write_header(&c, 0, 8);
	for (unsigned int i = 0; i < 8; i++) {
		iscsi_rig_sleep(&rig, 14 * SECOND);
		c.moved += 2048; /* what the receive under way would bring */
	}
	/* Its answer would come behind the data. */
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	host_send_bytes(&c, data, 4096);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

static void write_whole(struct host_conn *h, const struct host_pdu *asked)
{
	host_data_out(h, asked, 0, 0, data, 4096, true);
	host_expect(h, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
}

/* All are asked for at once, and data of one comes after that of the other. */
static void test_data_that_is_behind_others_is_waited_for(void **state)
{
	struct host_pdu asked[8];

	host_ready(&rig, &c, 0, NULL);
	for (unsigned int i = 0; i < 8; i++) {
		host_write(&c, 0, 8, NULL, 0);
		host_expect(&c, ISCSI_R2T, &asked[i]);
	}
	for (unsigned int i = 0; i < 8; i++) {
		iscsi_rig_sleep(&rig, 14 * SECOND);
		write_whole(&c, &asked[i]);
	}
}

/* That others go on keeps its memory not for ever. */
static void test_data_that_never_comes_ends_the_session(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &pdu);
	for (unsigned int i = 0; i < 100; i++) {
		iscsi_rig_sleep(&rig, 5 * SECOND);
		if (c.hung_up)
			break;
		host_write(&c, 0, 8, NULL, 0);
		host_expect(&c, ISCSI_R2T, &r2t);
		write_whole(&c, &r2t);
	}
	assert_true(c.hung_up);
	assert_non_null(strstr(rig.log, "it does not send the data of a command"));
}

/* However much one session asks for, there is some left for the next. */
static void test_no_session_takes_all_memory(void **state)
{
	unsigned int asked = 0;

	host_ready(&rig, &c, 0, NULL);
	host_ready(&rig, &d, 1, NULL);
	iscsi_rig_take(&rig, 16);
	for (unsigned int i = 0; i < 32; i++)
		host_write(&c, 0, 128, NULL, 0);
	for (; host_receive(&c, &pdu); asked++) {
		assert_int_equal(pdu.bhs[0], ISCSI_R2T);
		r2t = pdu;
	}
	assert_in_range(asked, 8, 12);
	host_read(&d, 0, 128);
	host_expect(&d, ISCSI_DATA_IN, &pdu);
	/* Its own go on as they end. */
	host_data_out(&c, &r2t, 0, 0, data, 64u << 10, true);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	host_expect(&c, ISCSI_R2T, &pdu);
}

/* ---- who leaves memory idle that others wait for ---- */

/* All have a session, and so much memory is left. */
static void crowd_comes(void)
{
	for (unsigned int i = 0; i < CROWD; i++)
		host_ready(&rig, &crowd[i], (uint8_t)(10 + i), NULL);
	iscsi_rig_take(&rig, CROWD * 4 + KEPT);
}

static void crowd_writes(void)
{
	crowd_comes();
	for (unsigned int i = 0; i < CROWD; i++) {
		host_write(&crowd[i], 0, 512, NULL, 0);
		host_expect(&crowd[i], ISCSI_R2T, &r2t);
	}
}

static unsigned int crowd_left(void)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < CROWD; i++)
		left += crowd[i].conn != NULL;
	return left;
}

/* Lets time go by as a worker sees it that is not kept from looking; the crowd may be cut off. */
static void pass(unsigned int tenths)
{
	struct host_pdu ping;

	while (tenths--) {
		iscsi_rig_sleep(&rig, SECOND / 10);
		for (unsigned int i = 0; i < CROWD; i++)
			host_receive(&crowd[i], &ping);
	}
}

static void test_small_requests_do_not_wait_for_large_ones(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_ready(&rig, &d, 1, NULL);
	crowd_writes();
	host_write(&d, 0, 512, NULL, 0);
	host_expect_nothing(&d);
	for (unsigned int i = 0; i < 100; i++) {
		host_write(&c, 0, 8, data, 4096);
		host_expect(&c, ISCSI_RESPONSE, &pdu);
		host_read(&c, 0, 8);
		host_expect(&c, ISCSI_DATA_IN, &pdu);
	}
	assert_int_equal(crowd_left(), CROWD);
}

static void test_who_waits_gets_memory_that_is_left_idle(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	crowd_writes();
	/* However long nobody wants it. */
	pass(40);
	assert_int_equal(crowd_left(), CROWD);
	host_write(&c, 0, 512, NULL, 0);
	pass(19);
	host_expect_nothing(&c);
	pass(5);
	host_expect(&c, ISCSI_R2T, &r2t);
	assert_int_equal(crowd_left(), CROWD - 1);
	assert_non_null(strstr(rig.log, "others wait for memory that its commands leave idle"));
	host_data_out(&c, &r2t, 0, 0, data, 256u << 10, true);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
}

static void test_the_idlest_goes_first(void **state)
{
	crowd_writes();
	host_ready(&rig, &c, 0, NULL);
	pass(40);
	/* All but the last begin anew. */
	for (unsigned int i = 0; i < CROWD - 1; i++) {
		put_be32(r2t.bhs + ISCSI_AT_ITT, crowd[i].itt);
		put_be32(r2t.bhs + ISCSI_AT_TTT, 1);
		host_data_out(&crowd[i], &r2t, 0, 0, data, 256u << 10, true);
		host_expect(&crowd[i], ISCSI_RESPONSE, &pdu);
		host_write(&crowd[i], 0, 512, NULL, 0);
		host_expect(&crowd[i], ISCSI_R2T, &r2t);
	}
	host_write(&c, 0, 512, NULL, 0);
	pass(24);
	host_expect(&c, ISCSI_R2T, &r2t);
	assert_int_equal(crowd_left(), CROWD - 1);
	assert_null(crowd[CROWD - 1].conn);
}

/* A byte now and then, or a whole PDU of few. */
static void test_trickling_keeps_no_memory_from_others(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	crowd_writes();
	host_write(&c, 0, 512, NULL, 0);
	for (unsigned int i = 0; i < 24; i++) {
		for (unsigned int k = 0; k < CROWD; k++) {
			put_be32(r2t.bhs + ISCSI_AT_ITT, crowd[k].itt);
			put_be32(r2t.bhs + ISCSI_AT_TTT, 1);
			if (crowd[k].conn)
				host_data_out(&crowd[k], &r2t, i, i * 512, data, 512, false);
		}
		pass(1);
	}
	host_expect(&c, ISCSI_R2T, &pdu);
	assert_int_equal(crowd_left(), CROWD - 1);
}

/*
 * All are asked for a piece, and get a part of it in turn, after so many tenths of a second each;
 * the one that waits gets its memory when they are done.
 */
static void crowd_shares_network(uint32_t bytes, unsigned int tenths)
{
	unsigned int pieces = (256u << 10) / bytes;

	host_ready(&rig, &c, 0, NULL);
	crowd_writes();
	host_write(&c, 0, 512, NULL, 0);
	for (unsigned int i = 0; i < pieces; i++) {
		for (unsigned int k = 0; k < CROWD; k++) {
			put_be32(r2t.bhs + ISCSI_AT_ITT, crowd[k].itt);
			put_be32(r2t.bhs + ISCSI_AT_TTT, 1);
			host_data_out(&crowd[k], &r2t, i, i * bytes, data, bytes, i == pieces - 1);
		}
		pass(tenths);
		assert_int_equal(crowd_left(), CROWD);
	}
	do
		assert_true(host_receive(&c, &pdu));
	while ((pdu.bhs[0] & 0x3f) == ISCSI_NOP_IN);
	assert_int_equal(pdu.bhs[0] & 0x3f, ISCSI_R2T);
}

/* 40 KiB a second for each. */
static void test_slow_network_is_no_idleness(void **state)
{
	crowd_shares_network(8192, 2);
}

/* 16 KiB a second: none can move what would be little for one alone. */
static void test_slower_network_is_no_idleness(void **state)
{
	crowd_shares_network(8192, 5);
}

static void test_who_does_not_read_keeps_no_memory_from_others(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	crowd_comes();
	for (unsigned int i = 0; i < CROWD; i++) {
		/* A little more than fits in what is received and not looked at. */
		for (unsigned int k = 0; k < RIG_ANSWERS / (256u << 10); k++)
			host_read(&crowd[i], 0, 512);
	}
	host_write(&c, 0, 512, NULL, 0);
	for (unsigned int i = 0; i < 24; i++) {
		iscsi_rig_sleep(&rig, SECOND / 10);
		for (unsigned int k = 0; k < CROWD; k++)
			host_send_bytes(&crowd[k], NULL, 0);
	}
	host_expect(&c, ISCSI_R2T, &pdu);
	assert_int_equal(crowd_left(), CROWD - 1);
}

/* A command whose turn does not come, as the one before it does not. */
static void test_number_that_is_missing_keeps_no_memory_from_others(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	crowd_comes();
	for (unsigned int i = 0; i < CROWD; i++) {
		crowd[i].cmdsn++;
		host_write(&crowd[i], 0, 512, data, 512);
	}
	host_write(&c, 0, 512, NULL, 0);
	pass(24);
	host_expect(&c, ISCSI_R2T, &pdu);
	assert_int_equal(crowd_left(), CROWD - 1);
}

/* What came meanwhile has not been looked at yet. */
static void test_nobody_is_blamed_for_a_worker_that_hung(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	crowd_writes();
	host_write(&c, 0, 512, NULL, 0);
	pass(19);
	iscsi_rig_sleep(&rig, 5 * SECOND);
	pass(18);
	assert_int_equal(crowd_left(), CROWD);
	host_data_out(&crowd[CROWD - 1], &r2t, 0, 0, data, 256u << 10, true);
	host_expect(&crowd[CROWD - 1], ISCSI_RESPONSE, &pdu);
	host_expect(&c, ISCSI_R2T, &pdu);
	assert_int_equal(crowd_left(), CROWD);
}

/* Each would take memory for as long as the disk takes. */
static void test_task_management_that_waits_is_bounded(void **state)
{
	unsigned int refused = 0;

	host_ready(&rig, &c, 0, NULL);
	rig.fs.disk->hold = true;
	host_read(&c, 0, 8);
	for (unsigned int i = 0; i < 1000; i++) {
		abort_task(&c, 2, c.cmdsn - 1);
		while (host_receive(&c, &pdu))
			refused += pdu.bhs[ISCSI_TMF_AT_RESPONSE] == ISCSI_TMF_REJECTED;
	}
	assert_in_range(refused, 900, 999);
	rig.fs.disk->hold = false;
	fixture_disk_release(rig.fs.disk);
	host_expect(&c, ISCSI_TMF_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_TMF_AT_RESPONSE], ISCSI_TMF_COMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_abort_of_what_waits_for_memory_lets_others_pass),
		T(test_connection_that_stopped_goes_on_without_its_command),
		T(test_connection_does_not_stop_between_pieces),
		T(test_unit_that_comes_meanwhile),
		T(test_data_that_is_withheld_ends_the_session),
		T(test_data_that_trickles_ends_the_session),
		T(test_data_that_comes_slowly_is_waited_for),
		T(test_long_data_that_comes_slowly_is_waited_for),
		T(test_data_that_is_behind_others_is_waited_for),
		T(test_data_that_never_comes_ends_the_session),
		T(test_no_session_takes_all_memory),
		T(test_small_requests_do_not_wait_for_large_ones),
		T(test_who_waits_gets_memory_that_is_left_idle),
		T(test_the_idlest_goes_first),
		T(test_trickling_keeps_no_memory_from_others),
		T(test_slow_network_is_no_idleness),
		T(test_slower_network_is_no_idleness),
		T(test_who_does_not_read_keeps_no_memory_from_others),
		T(test_number_that_is_missing_keeps_no_memory_from_others),
		T(test_nobody_is_blamed_for_a_worker_that_hung),
		T(test_task_management_that_waits_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
