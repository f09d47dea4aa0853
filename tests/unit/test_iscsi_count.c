/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What sessions asked of units, and how long it took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi_rig.h"
#include <string.h>

#define MS 1000000ull

static struct iscsi_rig rig;
static struct host_conn c;
static uint8_t data[4096];
static struct host_pdu pdu;
static struct iscsi_lun_report reports[4];

static int setup(void **state)
{
	iscsi_rig_open(&rig, &(struct iscsi_rig_config){});
	return 0;
}

static int teardown(void **state)
{
	host_disconnect(&c);
	iscsi_rig_close(&rig);
	return 0;
}

static const struct iscsi_lun_stats *only_report(const char *initiator)
{
	assert_int_equal(iscsi_worker_luns(rig.workers[0], reports, 4), 1);
	assert_string_equal(reports[0].target, RIG_TARGET);
	assert_string_equal(reports[0].initiator, initiator);
	assert_int_equal(reports[0].lun, 0);
	return &reports[0].stats;
}

static uint64_t count(const struct lu_op_stats *op)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i <= LU_LATENCY_BOUNDS; i++)
		n += op->latency[i];
	return n;
}

static uint8_t status(void)
{
	uint32_t len = 0;

	return host_status(&c, data, &len);
}

static void stamp(uint64_t ns)
{
	assert_true(iscsi_worker_unstamped(rig.workers[0]));
	rig.now += ns;
	iscsi_worker_stamp(rig.workers[0], rig.now);
	assert_false(iscsi_worker_unstamped(rig.workers[0]));
}

static void test_by_operation(void **state)
{
	static const uint8_t flush[ISCSI_CDB] = {0x35};
	const struct iscsi_lun_stats *stats;

	host_ready(&rig, &c, 0, NULL);
	iscsi_worker_stamp(rig.workers[0], rig.now);
	host_read(&c, 5, 8);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	stamp(3 * MS);
	host_write(&c, 0, 2, data, 1024);
	assert_int_equal(status(), SCSI_GOOD);
	host_command(&c, 0x81, flush, 0, NULL, 0);
	assert_int_equal(status(), SCSI_GOOD);
	stats = only_report(RIG_INITIATOR);
	assert_int_equal(count(&stats->ops[LU_OP_READ]), 1);
	assert_int_equal(stats->ops[LU_OP_READ].bytes, 4096);
	assert_int_equal(stats->ops[LU_OP_READ].latency_ns, 3 * MS);
	assert_int_equal(stats->ops[LU_OP_READ].latency[8], 1); /* of up to 5 ms */
	assert_int_equal(count(&stats->ops[LU_OP_WRITE]), 1);
	assert_int_equal(stats->ops[LU_OP_WRITE].bytes, 1024);
	assert_int_equal(count(&stats->ops[LU_OP_FLUSH]), 1);
	/* TEST UNIT READY, which told of the power on. */
	assert_int_equal(count(&stats->ops[LU_OP_OTHER]), 1);
	assert_int_equal(stats->ops[LU_OP_OTHER].errors, 0);
	assert_int_equal(stats->attentions, 1);
}

static void test_errors(void **state)
{
	const struct iscsi_lun_stats *stats;

	host_ready(&rig, &c, 0, NULL);
	rig.fs.disk->fail[BLK_READ] = BLK_EIO;
	host_read(&c, 5, 8);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	stats = only_report(RIG_INITIATOR);
	assert_int_equal(stats->ops[LU_OP_READ].errors, 1);
	assert_int_equal(stats->conflicts, 0);
}

/* A session's numbers stay when it goes, and those of the next are added. */
static void test_sessions_end(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_read(&c, 5, 8);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	host_disconnect(&c);
	iscsi_rig_turn(&rig);
	assert_int_equal(count(&only_report("")->ops[LU_OP_READ]), 1);
	host_ready(&rig, &c, 0, NULL);
	host_read(&c, 5, 8);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	assert_int_equal(iscsi_worker_luns(rig.workers[0], reports, 4), 2);
	host_disconnect(&c);
	iscsi_rig_turn(&rig);
	assert_int_equal(count(&only_report("")->ops[LU_OP_READ]), 2);
	assert_int_equal(only_report("")->attentions, 2);
}

/* A LUN that shows nothing takes no memory. */
static void test_no_unit(void **state)
{
	static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 96};
	uint8_t bhs[ISCSI_BHS] = {};

	host_ready(&rig, &c, 0, NULL);
	host_request(&c, ISCSI_COMMAND, ISCSI_FINAL | ISCSI_COMMAND_READ, bhs);
	bhs[9] = 7;
	put_be32(bhs + 20, 96);
	memcpy(bhs + 32, inquiry, 6);
	host_send(&c, bhs, NULL, 0);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	assert_int_equal(iscsi_worker_luns(rig.workers[0], reports, 4), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_by_operation),
		T(test_errors),
		T(test_sessions_end),
		T(test_no_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
