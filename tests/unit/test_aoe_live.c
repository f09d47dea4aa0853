/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What changes while a port serves: exports that come and go, access that is given and taken. */
#include "aoe_client.h"

#include "aoe/access.h"
#include "fixture.h"

static struct rig_frame frame;

struct bench {
	struct rig rig;
	struct fixture_disk *disk;
	struct mailbox control; /* of whoever removes exports */
	unsigned int gone;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->disk = fixture_disk_open(2048, 2048);
	rig_open(&b->rig, NULL);
	rig_export_disk(&b->rig, "7.1", "any", NULL, &b->disk->disk);
	*state = b;
	return mailbox_open(&b->control);
}

static int teardown(void **state)
{
	struct bench *b = *state;
	bool idle = rig_idle(&b->rig);

	rig_close(&b->rig);
	fixture_disk_close(b->disk);
	mailbox_close(&b->control);
	free(b);
	return idle ? 0 : -1;
}

static void export_gone(void *ctx)
{
	struct bench *b = ctx;

	b->gone++;
}

static void read_frame(uint32_t tag)
{
	const struct rig_ata ata = {.command = ATA_READ_SECTORS, .count = 1};

	rig_eth(&frame, rig_mac, rig_host, 0);
	rig_aoe(&frame, CLIENT_SHELF, CLIENT_SLOT, AOE_CMD_ATA, tag);
	rig_ata(&frame, &ata);
}

static int remove_export(struct bench *b)
{
	return aoe_port_remove(b->rig.port, b->rig.exports[0].aoe, &b->control, export_gone, b);
}

static void test_idle_export_is_gone_at_once(void **state)
{
	struct bench *b = *state;

	assert_int_equal(remove_export(b), 0);
	assert_true(mailbox_drain(&b->control));
	assert_int_equal(b->gone, 1);
	assert_int_equal(remove_export(b), -ENOENT);
	read_frame(1);
	ask_silence(&b->rig, &frame);
	assert_int_equal(reason(&b->rig, AOE_IGNORED_ADDRESS), 1);
	/* And it can come back. */
	assert_int_equal(aoe_port_add(b->rig.port, b->rig.exports[0].aoe), 0);
	ask(&b->rig, &frame, 0);
}

static void test_requests_in_flight_end_first(void **state)
{
	struct bench *b = *state;
	struct rig_reply reply;

	b->disk->hold = true;
	for (uint32_t tag = 1; tag <= 2; tag++) {
		read_frame(tag);
		assert_int_equal(rig_rx(&b->rig, &frame), 0);
	}
	assert_int_equal(remove_export(b), 0);
	read_frame(3);
	ask_silence(&b->rig, &frame);
	assert_false(mailbox_drain(&b->control));
	assert_int_equal(b->gone, 0);
	fixture_disk_release(b->disk);
	for (uint32_t tag = 1; tag <= 2; tag++) {
		expect_reply(&b->rig, &frame, &reply);
		assert_int_equal(reply.tag, tag);
	}
	/* Not for replies on their way, which a link that is down keeps for ever. */
	assert_int_equal(b->gone, 0);
	mailbox_drain(&b->rig.mailbox);
	assert_true(mailbox_drain(&b->control));
	assert_int_equal(b->gone, 1);
	rig_tx_complete(&b->rig);
	assert_int_equal(aoe_port_inflight(b->rig.port), 0);
}

static void test_others_are_not_touched(void **state)
{
	struct bench *b = *state;
	struct aoe_export *export;
	struct rig_reply reply;

	rig_export(&b->rig, "7.2", "any", NULL);
	assert_int_equal(remove_export(b), 0);
	assert_true(mailbox_drain(&b->control));
	read_frame(1);
	frame.data[sizeof(struct wire_eth) + offsetof(struct wire_aoe, slot)] = 2;
	assert_int_equal(rig_rx(&b->rig, &frame), 0);
	expect_reply(&b->rig, &frame, &reply);
	assert_int_equal(reply.class.aoe_slot, 2);
	assert_int_equal(aoe_port_export_stats(b->rig.port, 0, &export)->reads, 1);
	assert_ptr_equal(export, b->rig.exports[1].aoe);
	assert_null(aoe_port_export_stats(b->rig.port, 1, &export));
}

static void test_access_is_asked_for_again(void **state)
{
	struct bench *b = *state;
	struct aoe_acl *acl = &b->rig.exports[0].acl;

	b->rig.now = 1000000000;
	read_frame(1);
	ask(&b->rig, &frame, 0);
	acl->entries[0].access = STGT_ACCESS_DENY;
	b->rig.now += AOE_ACCESS_FRESH_NS;
	ask_silence(&b->rig, &frame);
	assert_int_equal(reason(&b->rig, AOE_IGNORED_ACCESS), 1);
	acl->entries[0].access = STGT_ACCESS_RW;
	b->rig.now += AOE_ACCESS_FRESH_NS;
	ask(&b->rig, &frame, 0);
}

/* Answers about one station must not be given to another. */
static void test_access_is_each_stations_own(void **state)
{
	struct bench *b = *state;
	struct aoe_acl *acl = &b->rig.exports[0].acl;

	aoe_acl_fini(acl);
	assert_int_equal(aoe_acl_parse("02:00:00:00:00:0a", acl, NULL), 0);
	b->rig.now = 1000000000;
	for (unsigned int i = 0; i < 1024; i++) {
		read_frame(1);
		ask(&b->rig, &frame, 0);
		/* Another vendor's station with the same last bytes, and any other. */
		frame.data[6] = i % 2 ? 0x06 : 0x02;
		frame.data[10] = (uint8_t)(i >> 8);
		frame.data[11] = (uint8_t)i;
		if (memcmp(frame.data + 6, rig_host, sizeof(rig_host)))
			ask_silence(&b->rig, &frame);
	}
}

int main(void)
{
#define bench_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		bench_test(test_idle_export_is_gone_at_once),
		bench_test(test_requests_in_flight_end_first),
		bench_test(test_others_are_not_touched),
		bench_test(test_access_is_asked_for_again),
		bench_test(test_access_is_each_stations_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
