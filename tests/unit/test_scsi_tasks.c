/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The task set and task management: who runs when, and who is told what of an abortion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

static struct fixture_scsi fs;
static struct fixture_scsi_command fc[8];
static uint8_t in[8][512];
static const uint8_t block[512];
static const uint8_t write_10[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1};
static const uint8_t test_unit_ready[6];

static int setup(void **state)
{
	memset(fc, 0, sizeof(fc));
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int i = 0; i < 8; i++)
		if (fc[i].fs)
			fixture_scsi_end(&fc[i]);
	fixture_scsi_close(&fs);
	return 0;
}

/* A READ of the i-th block that its disk holds on to. */
static void start_read(unsigned int i, unsigned int n, enum scsi_attribute attribute)
{
	const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, (uint8_t)i, 0, 0, 1};

	fs.disk->hold = true;
	fc[i].cmd.scsi.attribute = attribute;
	fixture_scsi_start(&fs, &fc[i], n, cdb, 10, NULL, 0, in[i], 512);
}

/* A WRITE whose data does not come. */
static void start_write(unsigned int i, unsigned int n)
{
	fc[i].hold_out = true;
	fixture_scsi_start(&fs, &fc[i], n, write_10, 10, block, 512, NULL, 0);
}

static unsigned int started(void)
{
	return fs.disk->requests;
}

static void test_simple_tasks_run_side_by_side(void **state)
{
	start_read(0, 0, SCSI_SIMPLE);
	start_read(1, 1, SCSI_SIMPLE);
	assert_int_equal(started(), 2);
	fixture_disk_release(fs.disk);
	assert_int_equal(fc[0].delivered + fc[1].delivered, 2);
}

static void test_ordered_waits_and_is_waited_for(void **state)
{
	start_read(0, 0, SCSI_SIMPLE);
	start_read(1, 0, SCSI_ORDERED);
	start_read(2, 1, SCSI_SIMPLE);
	assert_int_equal(started(), 1);
	for (unsigned int n = 2; n <= 3; n++) {
		fixture_disk_release(fs.disk);
		fixture_scsi_turn(&fs);
		assert_int_equal(started(), n);
	}
	assert_int_equal(fc[1].delivered, 1);
	assert_int_equal(fc[2].delivered, 0);
	fixture_disk_release(fs.disk);
	assert_int_equal(fc[2].delivered, 1);
}

static void test_head_of_queue_passes_what_is_dormant(void **state)
{
	start_read(0, 0, SCSI_SIMPLE);
	start_read(1, 0, SCSI_ORDERED);
	start_read(2, 0, SCSI_HEAD_OF_QUEUE);
	assert_int_equal(started(), 2);
	assert_int_equal(fs.disk->log[1].lba, 2);
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(started(), 3);
	fixture_disk_release(fs.disk);
	assert_int_equal(fc[1].delivered, 1);
}

/* Without an ACA condition nothing can be told to belong to it. */
static void test_no_task_is_for_an_aca(void **state)
{
	start_read(0, 0, SCSI_ACA);
	assert_int_equal(fixture_scsi_answer_of(&fc[0]).asc, SCSI_ASC_INVALID_MESSAGE);
	assert_int_equal(fixture_scsi_answer_of(&fc[0]).key, SCSI_KEY_ILLEGAL_REQUEST);
	assert_int_equal(started(), 0);
}

/* ---- task management ---- */

struct request {
	struct scsi_tmf tmf;
	unsigned int done;
};

static void request_done(struct scsi_tmf *tmf)
{
	container_of(tmf, struct request, tmf)->done++;
}

static void manage(struct request *r, unsigned int n, enum scsi_tmf_function function,
		   struct command *task)
{
	*r = (struct request){.tmf = {.function = function, .task = task, .done = request_done}};
	scsi_task_management(fs.nexus[n], &r->tmf);
	fixture_scsi_turn(&fs);
}

static void test_aborted_while_its_data_is_awaited(void **state)
{
	struct request r;

	start_write(0, 0);
	manage(&r, 0, SCSI_ABORT_TASK, &fc[0].cmd);
	assert_int_equal(r.done, 1);
	assert_int_equal(r.tmf.response, SCSI_TMF_COMPLETE);
	assert_int_equal(fc[0].dropped, 1);
	assert_int_equal(fc[0].delivered, 0);
	assert_int_equal(started(), 0);
}

/* Block I/O is not taken back: the function ends when that has. */
static void test_aborted_while_the_disk_works(void **state)
{
	struct request r;

	start_read(0, 0, SCSI_SIMPLE);
	manage(&r, 0, SCSI_ABORT_TASK, &fc[0].cmd);
	assert_int_equal(r.done, 0);
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(fc[0].dropped, 1);
	assert_int_equal(r.done, 1);
}

/* A request of many steps does not take the rest of them. */
static void test_aborted_on_a_long_way(void **state)
{
	static const uint8_t write_same[10] = {0x41};
	static const uint8_t ones[512] = {1};
	struct request r;

	fs.disk->hold = true;
	fixture_scsi_start(&fs, &fc[0], 0, write_same, 10, ones, 512, NULL, 0);
	fixture_disk_release(fs.disk);
	assert_int_equal(started(), 2);
	manage(&r, 0, SCSI_ABORT_TASK, &fc[0].cmd);
	assert_int_equal(r.done, 0);
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(started(), 2);
	assert_int_equal(fc[0].dropped, 1);
	assert_int_equal(r.done, 1);
}

static void test_aborted_while_dormant(void **state)
{
	struct request r;

	start_read(0, 0, SCSI_SIMPLE);
	start_read(1, 0, SCSI_ORDERED);
	manage(&r, 0, SCSI_ABORT_TASK, &fc[1].cmd);
	assert_int_equal(r.done, 1);
	assert_int_equal(fc[1].dropped, 1);
	fixture_disk_release(fs.disk);
	assert_int_equal(fc[0].delivered, 1);
	assert_int_equal(started(), 1);
}

static void test_abort_task_set_spares_others(void **state)
{
	struct request r;

	start_write(0, 0);
	start_write(1, 0);
	start_write(2, 1);
	manage(&r, 0, SCSI_ABORT_TASK_SET, NULL);
	assert_int_equal(r.done, 1);
	assert_int_equal(fc[0].dropped + fc[1].dropped, 2);
	assert_int_equal(fc[2].dropped + fc[2].delivered, 0);
	fixture_scsi_answer_solicit(&fc[2]);
	assert_int_equal(fc[2].delivered, 1);
}

static void test_clear_task_set_tells_the_others(void **state)
{
	struct request r;

	start_write(0, 0);
	start_write(1, 1);
	manage(&r, 0, SCSI_CLEAR_TASK_SET, NULL);
	assert_int_equal(fc[0].dropped + fc[1].dropped, 2);
	assert_int_equal(fixture_scsi_run(&fs, 1, test_unit_ready, 6, NULL, 0, 0).asc,
			 SCSI_ASC_CLEARED_BY_ANOTHER);
	/* But not who asked for it, nor who has lost nothing. */
	for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++)
		assert_int_equal(fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).status,
				 SCSI_GOOD);
}

static void test_reset_ends_everything_and_says_so(void **state)
{
	struct request r;

	start_write(0, 0);
	start_read(1, 1, SCSI_SIMPLE);
	manage(&r, 2, SCSI_LU_RESET, NULL);
	assert_int_equal(r.done, 0);
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(r.done, 1);
	assert_int_equal(fc[0].dropped + fc[1].dropped, 2);
	for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++)
		assert_int_equal(fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).asc,
				 SCSI_ASC_RESET_OCCURRED);
}

static void test_queries(void **state)
{
	struct request r;

	start_write(0, 0);
	manage(&r, 0, SCSI_QUERY_TASK, &fc[0].cmd);
	assert_int_equal(r.tmf.response, SCSI_TMF_SUCCEEDED);
	manage(&r, 0, SCSI_QUERY_TASK_SET, NULL);
	assert_int_equal(r.tmf.response, SCSI_TMF_SUCCEEDED);
	manage(&r, 1, SCSI_QUERY_TASK_SET, NULL);
	assert_int_equal(r.tmf.response, SCSI_TMF_COMPLETE);
	manage(&r, 0, SCSI_ABORT_TASK, NULL);
	assert_int_equal(r.tmf.response, SCSI_TMF_NO_TASK);
	fixture_scsi_answer_solicit(&fc[0]);
}

/* ---- units come and go ---- */

static void gone(void *ctx)
{
	++*(unsigned int *)ctx;
}

static void test_a_unit_is_hidden_under_its_commands(void **state)
{
	static const uint8_t report_luns[12] = {0xa0, 0, 0, 0, 0, 0, 0, 0, 1};
	unsigned int n = 0;

	start_write(0, 0);
	start_read(1, 1, SCSI_SIMPLE);
	assert_int_equal(scsi_target_remove_lun(fs.target, 0, gone, &n), 0);
	fixture_scsi_turn(&fs);
	assert_int_equal(n, 0);
	assert_int_equal(fc[0].delivered, 1);
	assert_int_equal(fc[0].cmd.scsi.status, SCSI_TASK_ABORTED);
	assert_int_equal(fixture_scsi_run(&fs, 0, test_unit_ready, 6, NULL, 0, 0).asc,
			 SCSI_ASC_LUN_NOT_SUPPORTED);
	assert_int_equal(get_be32(fixture_scsi_run(&fs, 0, report_luns, 12, NULL, 0, 256).data), 0);
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(n, 1);
	assert_int_equal(fc[1].cmd.scsi.status, SCSI_TASK_ABORTED);
}

static uint16_t attention_of(unsigned int n, uint16_t lun)
{
	fs.fc.cmd.scsi.lun = (uint64_t)lun << 48;
	return fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).asc;
}

/* The list is all the units': who has read it need not be told by each of them. */
static void test_report_luns_is_for_all_units(void **state)
{
	static const uint8_t report_luns[12] = {0xa0, 0, 0, 0, 0, 0, 0, 0, 1};

	assert_int_equal(scsi_target_add_lun(fs.target, 3, fs.dev, false), 0);
	fixture_scsi_turn(&fs);
	fs.fc.cmd.scsi.lun = 0;
	assert_int_equal(get_be32(fixture_scsi_run(&fs, 0, report_luns, 12, NULL, 0, 256).data),
			 16);
	assert_int_equal(attention_of(0, 0), 0);
	assert_int_equal(attention_of(0, 3), SCSI_ASC_POWER_ON);
	assert_int_equal(attention_of(0, 3), 0);
	assert_int_equal(attention_of(1, 0), SCSI_ASC_LUNS_CHANGED);
	assert_int_equal(attention_of(1, 3), SCSI_ASC_POWER_ON);
	assert_int_equal(attention_of(1, 3), SCSI_ASC_LUNS_CHANGED);
}

/* Of what an initiator may not see it hears nothing either. */
static void test_masked_units_come_unheard(void **state)
{
	static const uint8_t id[24] = {0x05, 0, 0, 20, 'm'};
	struct scsi_nexus_config config = {.nexus = &fs.transport[2],
					   .queue = &fs.queue,
					   .transport_id = id,
					   .transport_id_len = sizeof(id),
					   .mask.visible = {1}};

	scsi_nexus_close(fs.nexus[2], NULL, NULL);
	assert_int_equal(scsi_nexus_open(fs.target, &config, &fs.nexus[2]), 0);
	assert_int_equal(attention_of(2, 0), SCSI_ASC_POWER_ON);
	assert_int_equal(scsi_target_add_lun(fs.target, 3, fs.dev, false), 0);
	fixture_scsi_turn(&fs);
	assert_int_equal(attention_of(1, 0), SCSI_ASC_LUNS_CHANGED);
	assert_int_equal(attention_of(2, 0), 0);
	assert_int_equal(attention_of(2, 3), SCSI_ASC_LUN_NOT_SUPPORTED);
}

/* A nexus that closes has commands left: the unit is not free before they ended. */
static void test_a_closing_nexus_holds_its_units(void **state)
{
	unsigned int n = 0, closed = 0;

	start_read(0, 0, SCSI_SIMPLE);
	scsi_nexus_close(fs.nexus[0], gone, &closed);
	fs.nexus[0] = NULL;
	assert_int_equal(scsi_target_remove_lun(fs.target, 0, gone, &n), 0);
	fixture_scsi_turn(&fs);
	assert_int_equal(n + closed, 0);
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(n, 1);
	assert_int_equal(closed, 1);
	assert_int_equal(fc[0].dropped, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_simple_tasks_run_side_by_side),
		TEST(test_ordered_waits_and_is_waited_for),
		TEST(test_head_of_queue_passes_what_is_dormant),
		TEST(test_no_task_is_for_an_aca),
		TEST(test_aborted_while_its_data_is_awaited),
		TEST(test_aborted_while_the_disk_works),
		TEST(test_aborted_on_a_long_way),
		TEST(test_aborted_while_dormant),
		TEST(test_abort_task_set_spares_others),
		TEST(test_clear_task_set_tells_the_others),
		TEST(test_reset_ends_everything_and_says_so),
		TEST(test_queries),
		TEST(test_a_unit_is_hidden_under_its_commands),
		TEST(test_report_luns_is_for_all_units),
		TEST(test_masked_units_come_unheard),
		TEST(test_a_closing_nexus_holds_its_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
