/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What thousands of sessions leave behind in a unit: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_scsi.h"
#include <string.h>

#define SESSIONS (LU_WRITERS + 100)

static struct fixture_scsi fs;
static const uint8_t write_one[10] = {0x2a, [8] = 1}, flush[10] = {0x35};
static const uint8_t data[512];

static void run(unsigned int n, const uint8_t *cdb, uint32_t out_len, enum scsi_status status)
{
	assert_int_equal(fixture_scsi_run(&fs, n, cdb, 10, data, out_len, 0).status, status);
}

/* Another session of the third initiator. */
static void reopen(void)
{
	static const uint8_t test_unit_ready[6], id[24] = {0x05, 0, 0, 20, 'x'};
	struct scsi_nexus_config config = {
		.nexus = &fs.transport[2],
		.queue = &fs.queue,
		.transport_id = id,
		.transport_id_len = sizeof(id),
	};

	scsi_nexus_close(fs.nexus[2], NULL, NULL);
	fixture_scsi_turn(&fs);
	fs.transport[2].id += 10;
	memset(config.mask.visible, 0xff, sizeof(config.mask.visible));
	assert_int_equal(scsi_nexus_open(fs.target, &config, &fs.nexus[2]), 0);
	fixture_scsi_run(&fs, 2, test_unit_ready, 6, NULL, 0, 0);
}

/* Each initiator hears of a lost write-back, however many have written before and are gone. */
static void test_flush_error_after_thousands_of_sessions(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	for (unsigned int i = 0; i < SESSIONS; i++) {
		run(2, write_one, 512, SCSI_GOOD);
		reopen();
		fs.disk->requests = 0; /* its log is short */
	}
	run(0, write_one, 512, SCSI_GOOD);
	run(1, write_one, 512, SCSI_GOOD);
	fs.disk->fail[BLK_FLUSH] = BLK_EIO;
	run(0, flush, 0, SCSI_CHECK_CONDITION);
	fs.disk->fail[BLK_FLUSH] = BLK_OK;
	run(0, flush, 0, SCSI_GOOD);
	run(1, flush, 0, SCSI_CHECK_CONDITION);
	run(1, flush, 0, SCSI_GOOD);
	fixture_scsi_close(&fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush_error_after_thousands_of_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
