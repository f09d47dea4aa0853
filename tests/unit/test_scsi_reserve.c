/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reservations: who gets them, whom they stop, and who is told. */
#include "scsi_reserve_rig.h"

/* Two sessions of one initiator: two initiator ports, which their ISIDs tell apart. */
static int setup_sessions(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){
				       .initiators = {"x,i,0x00023d00000a", "x,i,0x00023d00000b"}});
	return 0;
}

/* ---- registering ---- */

static void test_register(void **state)
{
	uint32_t before = generation();

	enroll(0, 0xa);
	assert_keys(1, (uint64_t[]){0xa});
	assert_int_equal(generation(), before + 1);
	assert_int_equal(out(0, REGISTER, 0, 0, 0xb, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(1, REGISTER, 0, 0xa, 0xb, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(generation(), before + 1);
	assert_int_equal(out(0, REGISTER, 0, 0xa, 0xb, 0).status, SCSI_GOOD);
	assert_int_equal(out(0, IGNORE, 0, 0x77, 0xc, 0).status, SCSI_GOOD);
	enroll(1, 0xd);
	assert_keys(2, (uint64_t[]){0xc, 0xd});
	assert_int_equal(out(0, REGISTER, 0, 0xc, 0, 0).status, SCSI_GOOD);
	assert_keys(1, (uint64_t[]){0xd});
	/* Nobody who unregisters. */
	assert_int_equal(out(0, REGISTER, 0, 0, 0, 0).status, SCSI_GOOD);
	assert_int_equal(generation(), before + 5);
}

static void test_read_keys_cut_short(void **state)
{
	struct fixture_scsi_answer a;

	enroll(0, 0xa);
	a = in(0, 8);
	assert_int_equal(a.len, 8);
	assert_int_equal(get_be32(a.data + 4), 8);
}

static void test_wrong_lists(void **state)
{
	uint8_t list[28] = {};

	assert_int_equal(out_list(0, REGISTER, 0, list, 20).asc, SCSI_ASC_LIST_LENGTH);
	assert_int_equal(out_list(0, REGISTER, 0, list, 28).asc, SCSI_ASC_LIST_LENGTH);
	assert_int_equal(out(0, 8, 0, 0, 0, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	enroll(0, 0xa);
	assert_int_equal(out(0, RESERVE, 2, 0xa, 0, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(out(0, RESERVE, 0x11, 0xa, 0, 0).asc, SCSI_ASC_INVALID_FIELD_CDB);
	assert_int_equal(in(4, 64).asc, SCSI_ASC_INVALID_FIELD_CDB);
	/* Nothing is kept where nothing can be. */
	assert_int_equal(out(1, REGISTER, 0, 0, 0xb, APTPL).asc, SCSI_ASC_INVALID_FIELD_LIST);
	assert_keys(1, (uint64_t[]){0xa});
}

static void test_register_others(void **state)
{
	uint8_t list[28 + 24] = {[15] = 0xa, [20] = SPEC_I_PT, [27] = 24, 0x05, 0, 0, 20, 'b'};

	assert_int_equal(out_list(0, REGISTER, 0, list, sizeof(list)).status, SCSI_GOOD);
	assert_keys(2, (uint64_t[]){0xa, 0xa});
	assert_int_equal(out(1, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	/* Only when registering oneself, with a TransportID that is one. */
	assert_int_equal(out_list(0, REGISTER, 0, list, sizeof(list)).status,
			 SCSI_RESERVATION_CONFLICT);
	list[31] = 21;
	assert_int_equal(out_list(2, REGISTER, 0, list, sizeof(list)).asc,
			 SCSI_ASC_INVALID_FIELD_LIST);
	assert_keys(2, (uint64_t[]){0xa, 0xa});
}

static void test_register_on_all_ports(void **state)
{
	const struct scsi_target_config port = {.relative_port = 9,
						.protocol = SCSI_PROTOCOL_ISCSI,
						.port_name = "other",
						.device_name = "other"};
	struct fixture_scsi_answer a;
	struct scsi_target *other;

	assert_int_equal(scsi_target_open(&port, &other, NULL), 0);
	assert_int_equal(scsi_target_add_lun(other, 3, fs.dev, false), 0);
	assert_int_equal(out(0, REGISTER, 0, 0, 0xa, ALL_TG_PT).status, SCSI_GOOD);
	assert_keys(2, (uint64_t[]){0xa, 0xa});
	a = in(3, 512);
	assert_int_equal(get_be16(a.data + 8 + 18), 1);
	assert_int_equal(get_be16(a.data + 8 + 48 + 18), 9);
	assert_int_equal(out(0, REGISTER, 0, 0xa, 0, ALL_TG_PT).status, SCSI_GOOD);
	assert_keys(0, NULL);
	scsi_target_close(other);
}

static void test_each_session_for_itself(void **state)
{
	enroll(0, 0xa);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(write_by(1), SCSI_RESERVATION_CONFLICT);
	enroll(1, 0xb);
	assert_keys(2, (uint64_t[]){0xa, 0xb});
	assert_int_equal(write_by(1), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(1, PREEMPT, 1, 0xb, 0xa, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(0), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	assert_int_equal(write_by(0), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(write_by(1), SCSI_GOOD);
}

/* iSCSI names are the same in either case; those of sessions are in lower case. */
static void test_an_initiator_by_its_name_in_capitals(void **state)
{
	uint8_t list[28 + 24] = {[15] = 0xc, [20] = SPEC_I_PT, [27] = 24, 0x05, 0, 0, 20, 'X'};

	assert_int_equal(out_list(2, REGISTER, 0, list, sizeof(list)).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 5, 0xc, 0, 0).status, SCSI_GOOD);
	assert_int_equal(write_by(1), SCSI_GOOD);
}

/* A name without an ISID means all the initiator's ports, but for one that has its own. */
static void test_an_initiator_by_its_name(void **state)
{
	uint8_t list[28 + 24] = {[15] = 0xc, [20] = SPEC_I_PT, [27] = 24, 0x05, 0, 0, 20, 'x'};
	uint8_t port[28 + 24] = {[15] = 0xa, [20] = SPEC_I_PT, [27] = 24, 0x45, 0, 0, 20};

	memcpy(port + 32, "x,i,0x00023D00000A", 18);
	assert_int_equal(out_list(2, REGISTER, 0, port, sizeof(port)).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 5, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(write_by(1), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(2, CLEAR, 0, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(0), SCSI_ASC_RESERVATIONS_PREEMPTED);
	assert_int_equal(out_list(2, REGISTER, 0, list, sizeof(list)).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 5, 0xc, 0, 0).status, SCSI_GOOD);
	assert_int_equal(write_by(1), SCSI_GOOD);
	assert_keys(2, (uint64_t[]){0xc, 0xc});
}

static void test_full_status(void **state)
{
	static const uint8_t expected[48] = {0, 0, 0, 0, 0, 0, 0, 0xb, 0,  0,	 0, 0, 1,  3,  0,
					     0, 0, 0, 0, 1, 0, 0, 0,   24, 0x05, 0, 0, 20, 'b'};
	struct fixture_scsi_answer a;

	enroll(0, 0xa);
	enroll(1, 0xb);
	assert_int_equal(out(1, RESERVE, 3, 0xb, 0, 0).status, SCSI_GOOD);
	a = in(3, 512);
	assert_int_equal(get_be32(a.data + 4), 2 * 48);
	assert_int_equal(a.len, 8 + 2 * 48);
	assert_int_equal(a.data[8 + 12], 0);
	assert_memory_equal(a.data + 8 + 48, expected, 48);
}

static void test_capabilities(void **state)
{
	static const uint8_t expected[] = {0, 8, 0x1c, 0x90, 0xea, 0x01, 0, 0};

	assert_memory_equal(in(2, 8).data, expected, 8);
}

/* ---- reserving ---- */

static void test_whom_each_type_stops(void **state)
{
	static const struct {
		uint8_t type;
		bool registered_reads, registered_writes, others_read;
	} types[] = {{1, true, false, true}, {3, false, false, false}, {5, true, true, true},
		     {6, true, true, false}, {7, true, true, true},    {8, true, true, false}};

	enroll(0, 0xa);
	enroll(1, 0xb);
	for (unsigned int i = 0; i < 6; i++) {
		uint8_t type = types[i].type;

		assert_int_equal(out(0, RESERVE, type, 0xa, 0, 0).status, SCSI_GOOD);
		assert_reserved(type, type >= 7 ? 0 : 0xa);
		assert_int_equal(read_by(0), SCSI_GOOD);
		assert_int_equal(write_by(0), SCSI_GOOD);
		assert_int_equal(read_by(1) == SCSI_GOOD, types[i].registered_reads);
		assert_int_equal(write_by(1) == SCSI_GOOD, types[i].registered_writes);
		assert_int_equal(read_by(2) == SCSI_GOOD, types[i].others_read);
		assert_int_equal(write_by(2), SCSI_RESERVATION_CONFLICT);
		assert_int_equal(six(2, 0x00), SCSI_GOOD);
		assert_int_equal(out(0, RELEASE, type, 0xa, 0, 0).status, SCSI_GOOD);
		assert_reserved(0, 0);
		assert_int_equal(write_by(2), SCSI_GOOD);
		/* Who shared in it learns that it is gone. */
		assert_int_equal(attention_of(1), type >= 5 ? SCSI_ASC_RESERVATIONS_RELEASED : 0);
	}
}

static void test_owning(void **state)
{
	enroll(0, 0xa);
	enroll(1, 0xb);
	assert_int_equal(out(2, RESERVE, 1, 0, 0, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(0, RESERVE, 1, 0xb, 0, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 3, 0xa, 0, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(1, RESERVE, 1, 0xb, 0, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(1, RELEASE, 1, 0xb, 0, 0).status, SCSI_GOOD);
	assert_reserved(1, 0xa);
	assert_int_equal(out(0, RELEASE, 3, 0xa, 0, 0).asc, SCSI_ASC_RELEASE_OF_RESERVATION);
	/* With its registration the holder gives up the reservation. */
	assert_int_equal(out(0, REGISTER, 0, 0xa, 0, 0).status, SCSI_GOOD);
	assert_reserved(0, 0);
}

static void test_clear(void **state)
{
	uint32_t before;

	enroll(0, 0xa);
	enroll(1, 0xb);
	assert_int_equal(out(0, RESERVE, 3, 0xa, 0, 0).status, SCSI_GOOD);
	before = generation();
	assert_int_equal(out(1, CLEAR, 0, 0xb, 0, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(0), SCSI_ASC_RESERVATIONS_PREEMPTED);
	assert_int_equal(attention_of(1), 0);
	assert_int_equal(generation(), before + 1);
	assert_keys(0, NULL);
	assert_reserved(0, 0);
}

static void test_preempt(void **state)
{
	enroll(0, 0xa);
	enroll(1, 0xb);
	enroll(2, 0xc);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	/* A registration that holds nothing. */
	assert_int_equal(out(1, PREEMPT, 3, 0xb, 0xc, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(2), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	assert_reserved(1, 0xa);
	assert_int_equal(out(1, PREEMPT, 3, 0xb, 0xcc, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(1, PREEMPT, 3, 0xb, 0, 0).asc, SCSI_ASC_INVALID_FIELD_LIST);
	/* The holder. */
	enroll(2, 0xc);
	assert_int_equal(out(1, PREEMPT, 6, 0xb, 0xa, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(0), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	assert_reserved(6, 0xb);
	assert_keys(2, (uint64_t[]){0xb, 0xc});
	assert_int_equal(attention_of(2), SCSI_ASC_RESERVATIONS_RELEASED);
	assert_int_equal(write_by(0), SCSI_RESERVATION_CONFLICT);
	/* Oneself, to change the type. */
	assert_int_equal(out(1, PREEMPT, 8, 0xb, 0xb, 0).status, SCSI_GOOD);
	assert_reserved(8, 0);
	assert_keys(2, (uint64_t[]){0xb, 0xc});
	assert_int_equal(attention_of(2), SCSI_ASC_RESERVATIONS_RELEASED);
	/* Everybody. */
	assert_int_equal(out(2, PREEMPT, 1, 0xc, 0, 0).status, SCSI_GOOD);
	assert_reserved(1, 0xc);
	assert_keys(1, (uint64_t[]){0xc});
}

/* A key that is one's own is no error, whoever else has it; nobody who asked is told. */
static void test_preempt_oneself(void **state)
{
	enroll(0, 0xa);
	enroll(1, 0xb);
	assert_int_equal(out(1, PREEMPT, 1, 0xb, 0xb, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(1), 0);
	assert_keys(1, (uint64_t[]){0xa});
	enroll(1, 0xb);
	enroll(2, 0xb);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(out(1, PREEMPT_AND_ABORT, 1, 0xb, 0xb, 0).status, SCSI_GOOD);
	assert_int_equal(attention_of(1), 0);
	assert_int_equal(attention_of(2), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	assert_keys(1, (uint64_t[]){0xa});
	assert_reserved(1, 0xa);
	/* With the last of all registrants goes what they held. */
	assert_int_equal(out(0, RELEASE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 8, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(out(0, PREEMPT, 8, 0xa, 0xa, 0).status, SCSI_GOOD);
	assert_keys(0, NULL);
	assert_reserved(0, 0);
}

/* The command ends when the preempted tasks have. */
static void test_preempt_and_abort(void **state)
{
	static struct fixture_scsi_command theirs, mine;
	static const uint8_t read[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};
	static const uint8_t preempt[10] = {0x5f, PREEMPT_AND_ABORT, 1, 0, 0, 0, 0, 0, 24};
	uint8_t data[512], list[24] = {[7] = 0xb, [15] = 0xa};

	enroll(0, 0xa);
	enroll(1, 0xb);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	fs.disk->hold = true;
	fixture_scsi_start(&fs, &theirs, 0, read, 10, NULL, 0, data, 512);
	fixture_scsi_start(&fs, &mine, 1, preempt, 10, list, 24, NULL, 0);
	fixture_scsi_turn(&fs);
	assert_int_equal(mine.delivered, 0);
	fixture_disk_release(fs.disk);
	fixture_scsi_turn(&fs);
	assert_int_equal(theirs.dropped, 1);
	assert_int_equal(mine.delivered, 1);
	assert_int_equal(mine.cmd.scsi.status, SCSI_GOOD);
	fs.disk->hold = false;
	assert_int_equal(attention_of(0), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	assert_reserved(1, 0xb);
	fixture_scsi_end(&theirs);
	fixture_scsi_end(&mine);
}

static void test_move(void **state)
{
	uint8_t list[24 + 24] = {[7] = 0xa, [15] = 0xc, [17] = 0x02, [19] = 1, [23] = 24,
				 0x05,	    0,		0,	     20,       'c'};

	enroll(0, 0xa);
	enroll(1, 0xb);
	assert_int_equal(out_list(0, MOVE, 0, list, sizeof(list)).status,
			 SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	list[19] = 2;
	assert_int_equal(out_list(0, MOVE, 0, list, sizeof(list)).asc, SCSI_ASC_INVALID_FIELD_LIST);
	list[19] = 1;
	assert_int_equal(out_list(0, MOVE, 0, list, sizeof(list)).status, SCSI_GOOD);
	assert_keys(2, (uint64_t[]){0xb, 0xc});
	assert_reserved(1, 0xc);
	assert_int_equal(write_by(0), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(write_by(2), SCSI_GOOD);
}

/* ---- RESERVE(6) and (10) ---- */

static void test_simple_reservations(void **state)
{
	static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 96};

	assert_int_equal(six(0, 0x16), SCSI_GOOD);
	assert_int_equal(six(0, 0x16), SCSI_GOOD);
	assert_int_equal(write_by(0), SCSI_GOOD);
	assert_int_equal(six(1, 0x16), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(six(1, 0x00), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(six(1, 0x1a), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(read_by(1), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(fixture_scsi_run(&fs, 1, inquiry, 6, NULL, 0, 96).status, SCSI_GOOD);
	assert_int_equal(out(0, REGISTER, 0, 0, 0xa, 0).status, SCSI_RESERVATION_CONFLICT);
	assert_int_equal(in(0, 8).status, SCSI_RESERVATION_CONFLICT);
	/* Another's release changes nothing. */
	assert_int_equal(six(1, 0x17), SCSI_GOOD);
	assert_int_equal(read_by(1), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(six(0, 0x17), SCSI_GOOD);
	assert_int_equal(read_by(1), SCSI_GOOD);
}

static void test_simple_ends_with_its_nexus_and_a_reset(void **state)
{
	assert_int_equal(six(1, 0x16), SCSI_GOOD);
	assert_int_equal(read_by(0), SCSI_RESERVATION_CONFLICT);
	scsi_nexus_close(fs.nexus[1], NULL, NULL);
	fs.nexus[1] = NULL;
	assert_int_equal(read_by(0), SCSI_GOOD);
	assert_int_equal(six(0, 0x16), SCSI_GOOD);
	assert_int_equal(read_by(2), SCSI_RESERVATION_CONFLICT);
	reset_unit();
	assert_int_equal(read_by(2), SCSI_GOOD);
}

static void test_simple_beside_persistent(void **state)
{
	enroll(0, 0xa);
	assert_int_equal(six(0, 0x16), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(out(0, RESERVE, 1, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(six(0, 0x16), SCSI_GOOD);
	assert_int_equal(six(1, 0x16), SCSI_RESERVATION_CONFLICT);
	assert_int_equal(six(0, 0x17), SCSI_GOOD);
	assert_reserved(1, 0xa);
}

/* ---- those outside SCSI ---- */

static void test_others_transports_are_shut_out(void **state)
{
	struct lu other;

	lu_init(&other, &fs.disk->disk, false);
	assert_int_equal(lu_excluded(&other), LU_OPEN);
	enroll(0, 0xa);
	assert_int_equal(out(0, RESERVE, 5, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(lu_excluded(&other), LU_READ_ONLY);
	assert_int_equal(out(0, PREEMPT, 3, 0xa, 0xa, 0).status, SCSI_GOOD);
	assert_int_equal(lu_excluded(&other), LU_EXCLUSIVE);
	assert_int_equal(out(0, CLEAR, 0, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(lu_excluded(&other), LU_OPEN);
	assert_int_equal(six(0, 0x16), SCSI_GOOD);
	assert_int_equal(lu_excluded(&other), LU_EXCLUSIVE);
	lu_fini(&other);
}

/* ---- what the administrator sees ---- */

static void assert_report(const char *expected)
{
	json_t *report = scsi_device_reservation(fs.dev), *wanted = json_loads(expected, 0, NULL);

	assert_non_null(wanted);
	if (!json_equal(report, wanted))
		fail_msg("%s", json_dumps(report, 0));
	json_decref(report);
	json_decref(wanted);
}

static void test_report(void **state)
{
	uint8_t list[28 + 36] = {[15] = 0xa, [20] = SPEC_I_PT, [27] = 36, 0x45, 0, 0, 32};

	assert_report("{\"type\": \"none\", \"reserved_by\": null, \"registrations\": [],"
		      " \"aptpl\": false, \"conflicts\": 0}");
	strcpy((char *)list + 32, "iqn.2026-11.x:y,i,0x123456");
	assert_int_equal(out_list(0, REGISTER, 0, list, sizeof(list)).status, SCSI_GOOD);
	assert_int_equal(out(0, RESERVE, 5, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(write_by(1), SCSI_RESERVATION_CONFLICT);
	assert_report(
		"{\"type\": \"write exclusive, registrants only\", \"reserved_by\": null,"
		" \"registrations\": [{\"initiator\": \"a\", \"port\": 1,"
		" \"key\": \"0x000000000000000a\", \"holder\": true},"
		" {\"initiator\": \"iqn.2026-11.x:y\", \"port\": 1,"
		" \"key\": \"0x000000000000000a\", \"holder\": false}], \"aptpl\": false, \"conflicts\": 1}");
	assert_int_equal(out(0, CLEAR, 0, 0xa, 0, 0).status, SCSI_GOOD);
	assert_int_equal(six(1, 0x16), SCSI_GOOD);
	assert_report("{\"type\": \"RESERVE\", \"reserved_by\": \"b\", \"registrations\": [],"
		      " \"aptpl\": false, \"conflicts\": 1}");
}

#define TEST(name)	    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_SESSIONS(name) cmocka_unit_test_setup_teardown(name, setup_sessions, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_register),
		TEST(test_read_keys_cut_short),
		TEST(test_wrong_lists),
		TEST(test_register_others),
		TEST(test_register_on_all_ports),
		TEST_SESSIONS(test_each_session_for_itself),
		TEST_SESSIONS(test_an_initiator_by_its_name),
		TEST_SESSIONS(test_an_initiator_by_its_name_in_capitals),
		TEST(test_full_status),
		TEST(test_capabilities),
		TEST(test_whom_each_type_stops),
		TEST(test_owning),
		TEST(test_clear),
		TEST(test_preempt),
		TEST(test_preempt_oneself),
		TEST(test_preempt_and_abort),
		TEST(test_move),
		TEST(test_simple_reservations),
		TEST(test_simple_ends_with_its_nexus_and_a_reset),
		TEST(test_simple_beside_persistent),
		TEST(test_report),
		TEST(test_others_transports_are_shut_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
