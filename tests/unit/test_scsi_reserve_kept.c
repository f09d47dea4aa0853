/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reservations: what outlives what, what is durable before the answer, and states that cannot be.
 */
#include "scsi_reserve_rig.h"
#include <errno.h>
#include <stdlib.h>

static struct fixture_scsi_kept kept;

static int setup_kept(void **state)
{
	fixture_scsi_open_kept(&fs, &kept, NULL);
	return 0;
}

static int teardown_kept(void **state)
{
	fixture_scsi_close_kept(&fs, &kept);
	return 0;
}

/* ---- what outlives what ---- */

static void test_persistent_outlives_nexus_and_reset(void **state)
{
	enroll(1, 0xb);
	assert_int_equal(out(1, RESERVE, 3, 0xb, 0, 0).status, SCSI_GOOD);
	scsi_nexus_close(fs.nexus[1], NULL, NULL);
	fs.nexus[1] = NULL;
	reset_unit();
	assert_keys(1, (uint64_t[]){0xb});
	assert_int_equal(read_by(0), SCSI_RESERVATION_CONFLICT);
}

/* SAM-5 5.3.3: of what was before the reset the initiator hears later. */
static void test_a_reset_is_told_before_a_conflict(void **state)
{
	struct scsi_tmf tmf = {.function = SCSI_LU_RESET, .done = managed};

	enroll(0, 0xa);
	enroll(1, 0xb);
	assert_int_equal(out(0, RESERVE, 8, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(out(0, PREEMPT, 3, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(read_by(1), SCSI_RESERVATION_CONFLICT);
	scsi_task_management(fs.nexus[0], &tmf);
	fixture_scsi_turn(&fs);
	assert_int_equal(read_by(1), SCSI_CHECK_CONDITION);
	assert_int_equal(fixture_scsi_answer_of(&fs.fc).asc, SCSI_ASC_RESET_OCCURRED);
	assert_int_equal(read_by(1), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(attention_of(1), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	/* Also by a command that there is not. */
	assert_int_equal(six(0, 0xff), SCSI_CHECK_CONDITION);
	assert_int_equal(fixture_scsi_answer_of(&fs.fc).asc, SCSI_ASC_RESET_OCCURRED);
}

static void test_kept_over_a_restart(void **state)
{
	assert_int_equal(out(0, REGISTER, 0, 0, 0xa, APTPL).status, SCSI_GOOD);
	assert_int_equal(out(1, REGISTER, 0, 0, 0xb, APTPL).status, SCSI_GOOD);
	assert_int_equal(out(1, RESERVE, 3, 0xb, 0, 0).status, SCSI_GOOD);
	fixture_scsi_restart(&fs, &kept);
	assert_keys(2, (uint64_t[]){0xa, 0xb});
	assert_reserved(3, 0xb);
	assert_int_equal(generation(), 0);
	assert_int_equal(in(2, 8).data[3] & 1, 1);
	assert_int_equal(read_by(0), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(read_by(1), SCSI_GOOD);
	/* The last to register says it need not be kept. */
	assert_int_equal(out(0, REGISTER, 0, 0xa, 0xaa, 0).status, SCSI_GOOD);
	fixture_scsi_restart(&fs, &kept);
	assert_keys(0, NULL);
	assert_int_equal(write_by(2), SCSI_GOOD);
}

/* Target ports are numbered anew by each process: a registration is found again by the names. */
static void test_kept_for_the_same_port(void **state)
{
	assert_int_equal(out(0, REGISTER, 0, 0, 0xa, APTPL).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 3, 0xa, 0, 0).status, SCSI_GOOD);
	fixture_scsi_close(&fs);
	state_close(kept.state);
	assert_int_equal(state_open(kept.dir, "disk", NULL, &kept.state, NULL), 0);
	fixture_scsi_open(&fs,
			  &(struct fixture_scsi_config){.state = kept.state, .relative_port = 2});
	assert_int_equal(get_be16(in(3, 512).data + 8 + 18), 2);
	assert_int_equal(write_by(0), SCSI_GOOD);
	assert_int_equal(read_by(1), SCSI_RESERVATION_CONFLICT);
}

/* Who made a reservation of everybody's gives up his share: it is the others', also afterwards. */
static void test_everybodys_kept_without_its_maker(void **state)
{
	assert_int_equal(out(0, REGISTER, 0, 0, 0xa, APTPL).status, SCSI_GOOD);
	assert_int_equal(out(1, REGISTER, 0, 0, 0xb, APTPL).status, SCSI_GOOD);
	assert_int_equal(out(1, RESERVE, 7, 0xb, 0, 0).status, SCSI_GOOD);
	assert_int_equal(out(1, REGISTER, 0, 0xb, 0, APTPL).status, SCSI_GOOD);
	fixture_scsi_restart(&fs, &kept);
	assert_keys(1, (uint64_t[]){0xa});
	assert_reserved(7, 0);
	assert_int_equal(write_by(0), SCSI_GOOD);
	assert_int_equal(write_by(1), SCSI_RESERVATION_CONFLICT);
}

#define PORT "\"port\": \"iqn.2026-11.example:test,t,0x0001\", "
#define ONE  "{\"key\": \"00000000000000ab\", " PORT "\"id\": \"" ID "\"}"
#define ID                                               \
	"0500001461000000000000000000000000000000000000" \
	"00"

/* What opening a unit says to these registrations in its state. */
static int open_with_registrations(const char *registrations)
{
	struct fixture_disk *disk = fixture_disk_open(64, 64);
	struct scsi_device_config config = {.logical_block = 512};
	char *dir = fixture_dir_make(), *path;
	struct error err;
	struct scsi_device *dev;
	struct lu lu;
	FILE *file;
	int ret;

	assert_true(asprintf(&path, "%s/disk.json", dir) > 0);
	file = fopen(path, "w");
	fprintf(file,
		"{\"version\": 1, \"key\": \"disk\", \"sections\": {\"scsi_reservations\": {"
		"\"type\": 1, \"holder\": 0, \"registrations\": [%s]}}}",
		registrations);
	fclose(file);
	lu_init(&lu, &disk->disk, false);
	config.lu = &lu;
	assert_int_equal(state_open(dir, "disk", NULL, &config.state, NULL), 0);
	ret = scsi_device_open(&config, &dev, &err);
	if (!ret)
		scsi_device_close(dev);
	else
		assert_non_null(strstr(err.text, "'scsi_reservations'"));
	state_close(config.state);
	lu_fini(&lu);
	fixture_disk_close(disk);
	fixture_dir_remove(dir);
	free(path);
	return ret;
}

/* No registration has the key 0, is of nobody, or is there twice. */
static void test_state_that_cannot_be(void **state)
{
	assert_int_equal(open_with_registrations(ONE), 0);
	assert_int_equal(open_with_registrations(ONE ", " ONE), -EINVAL);
	assert_int_equal(open_with_registrations("{\"key\": \"0000000000000000\", " PORT
						 "\"id\": \"" ID "\"}"),
			 -EINVAL);
	assert_int_equal(open_with_registrations("{\"key\": \"-00000000000000a\", " PORT
						 "\"id\": \"" ID "\"}"),
			 -EINVAL);
	/* A length that is another than it says of itself. */
	assert_int_equal(open_with_registrations("{\"key\": \"00000000000000ab\", " PORT
						 "\"id\": \"" ID "00000000\"}"),
			 -EINVAL);
}

/* ---- saved by another thread ---- */

static struct mailbox writer;

static int setup_writer(void **state)
{
	assert_int_equal(mailbox_open(&writer), 0);
	fixture_scsi_open_kept(&fs, &kept, &writer);
	return 0;
}

static int teardown_writer(void **state)
{
	teardown_kept(state);
	mailbox_close(&writer);
	return 0;
}

static struct fixture_scsi_command changes[2];
static uint8_t change_lists[2][24];

static void start_register(unsigned int n, uint8_t key)
{
	static const uint8_t cdb[10] = {0x5f, IGNORE, 0, 0, 0, 0, 0, 0, 24};

	memset(change_lists[n], 0, 24);
	change_lists[n][15] = key;
	change_lists[n][20] = APTPL;
	fixture_scsi_start(&fs, &changes[n], n, cdb, 10, change_lists[n], 24, NULL, 0);
	fixture_scsi_turn(&fs);
}

static void save(void)
{
	while (mailbox_drain(&writer))
		;
	fixture_scsi_turn(&fs);
}

static void test_durable_before_the_answer(void **state)
{
	start_register(0, 0xa);
	start_register(1, 0xb);
	assert_int_equal(changes[0].delivered + changes[1].delivered, 0);
	assert_keys(0, NULL);
	save();
	assert_int_equal(changes[0].delivered, 1);
	assert_int_equal(changes[1].delivered, 0);
	assert_keys(1, (uint64_t[]){0xa});
	save();
	assert_int_equal(changes[1].delivered, 1);
	assert_keys(2, (uint64_t[]){0xa, 0xb});
	fixture_scsi_end(&changes[0]);
	fixture_scsi_end(&changes[1]);
}

/* Aborted while it waits for its turn: it changes nothing, and keeps nobody from theirs. */
static void test_aborted_before_its_turn(void **state)
{
	struct scsi_tmf tmf = {
		.function = SCSI_ABORT_TASK, .task = &changes[1].cmd, .done = managed};

	start_register(0, 0xa);
	start_register(1, 0xb);
	scsi_task_management(fs.nexus[1], &tmf);
	fixture_scsi_turn(&fs);
	save();
	save();
	assert_int_equal(changes[0].delivered, 1);
	assert_int_equal(changes[1].dropped, 1);
	assert_keys(1, (uint64_t[]){0xa});
	fixture_scsi_end(&changes[0]);
	fixture_scsi_end(&changes[1]);
	start_register(1, 0xb);
	save();
	assert_keys(2, (uint64_t[]){0xa, 0xb});
	fixture_scsi_end(&changes[1]);
}

/* Aborted while its change is saved: it waits for all tasks that were, but not for itself. */
static void test_preempt_and_abort_is_aborted(void **state)
{
	static const uint8_t preempt[10] = {0x5f, PREEMPT_AND_ABORT, 1, 0, 0, 0, 0, 0, 24};
	static const uint8_t list[24] = {[7] = 0xb, [15] = 0xa};
	static struct fixture_scsi_command fc;
	struct scsi_tmf reset = {.function = SCSI_LU_RESET, .done = managed};

	for (unsigned int n = 0; n < 2; n++) {
		start_register(n, (uint8_t)(0xa + n));
		save();
		fixture_scsi_end(&changes[n]);
	}
	fixture_scsi_start(&fs, &fc, 1, preempt, 10, list, 24, NULL, 0);
	fixture_scsi_turn(&fs);
	assert_int_equal(fc.delivered, 0);
	scsi_task_management(fs.nexus[2], &reset);
	fixture_scsi_turn(&fs);
	save();
	assert_int_equal(fc.dropped, 1);
	fixture_scsi_end(&fc);
}

static void test_cannot_be_saved(void **state)
{
	struct fixture_scsi_answer a;

	fixture_scsi_kept_block(&kept, true);
	start_register(0, 0xa);
	save();
	a = fixture_scsi_answer_of(&changes[0]);
	assert_int_equal(a.key, SCSI_KEY_HARDWARE_ERROR);
	assert_int_equal(a.asc, SCSI_ASC_TARGET_FAILURE);
	fixture_scsi_end(&changes[0]);
	assert_keys(0, NULL);
	fixture_scsi_kept_block(&kept, false);
	start_register(0, 0xa);
	save();
	assert_int_equal(changes[0].cmd.scsi.status, SCSI_GOOD);
	fixture_scsi_end(&changes[0]);
	assert_keys(1, (uint64_t[]){0xa});
}

#define TEST(name)	  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WRITER(name) cmocka_unit_test_setup_teardown(name, setup_writer, teardown_writer)
#define TEST_KEPT(name)	  cmocka_unit_test_setup_teardown(name, setup_kept, teardown_kept)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_persistent_outlives_nexus_and_reset),
		TEST(test_a_reset_is_told_before_a_conflict),
		TEST_KEPT(test_kept_over_a_restart),
		TEST_KEPT(test_kept_for_the_same_port),
		TEST_KEPT(test_everybodys_kept_without_its_maker),
		cmocka_unit_test(test_state_that_cannot_be),
		TEST_WRITER(test_durable_before_the_answer),
		TEST_WRITER(test_aborted_before_its_turn),
		TEST_WRITER(test_preempt_and_abort_is_aborted),
		TEST_WRITER(test_cannot_be_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
