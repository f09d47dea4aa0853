/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A session from login to logout: data both ways, the order of commands, NOPs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi_rig.h"
#include <string.h>

static struct iscsi_rig rig;
static struct host_conn c;
static uint8_t data[1u << 20];
static struct host_pdu pdu;

static int setup(void **state)
{
	iscsi_rig_open(&rig, &(struct iscsi_rig_config){});
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 512);
	return 0;
}

static int teardown(void **state)
{
	host_disconnect(&c);
	iscsi_rig_close(&rig);
	return 0;
}

static void test_first_command_hears_of_the_power_on(void **state)
{
	host_connect(&rig, &c, 0);
	host_login(&c, NULL);
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(get_be16(pdu.data), pdu.len - 2);
	assert_int_equal(host_asc(&pdu), SCSI_ASC_POWER_ON);
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
	assert_int_equal(pdu.len, 0);
}

static void test_read_brings_its_status_along(void **state)
{
	memcpy(rig.fs.disk->data + 5 * 512, data, 4096);
	host_ready(&rig, &c, 0, NULL);
	host_read(&c, 5, 8);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	assert_int_equal(pdu.bhs[1], ISCSI_FINAL | ISCSI_DATA_STATUS);
	assert_int_equal(pdu.len, 4096);
	assert_memory_equal(pdu.data, data, 4096);
	host_expect_nothing(&c);
}

static void test_write_with_immediate_data(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 9, 8, data, 4096);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_RESPONSE_AT_STATUS], SCSI_GOOD);
	assert_memory_equal(rig.fs.disk->data + 9 * 512, data, 4096);
}

static void test_logout_ends_the_session(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, NULL);
	host_request(&c, ISCSI_LOGOUT | ISCSI_IMMEDIATE, 0x80, bhs);
	host_send(&c, bhs, NULL, 0);
	host_expect(&c, ISCSI_LOGOUT_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_LOGOUT_AT_RESPONSE], ISCSI_LOGOUT_CLOSED);
	assert_null(c.conn);
	assert_true(c.polite);
	assert_false(iscsi_worker_busy(rig.workers[0]));
}

static void test_nop_is_echoed(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, NULL);
	host_request(&c, ISCSI_NOP_OUT, 0x80, bhs);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_send(&c, bhs, "hello", 5);
	host_expect(&c, ISCSI_NOP_IN, &pdu);
	assert_int_equal(pdu.len, 5);
	assert_memory_equal(pdu.data, "hello", 5);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_ITT), c.itt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_first_command_hears_of_the_power_on),
		T(test_read_brings_its_status_along),
		T(test_write_with_immediate_data),
		T(test_logout_ends_the_session),
		T(test_nop_is_echoed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
