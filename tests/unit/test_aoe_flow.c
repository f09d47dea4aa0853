/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Many requests at once: none lost, none leaked, and what happens when there is no more room. */
#include "aoe_client.h"

#include "fixture.h"

#define INITIATORS  8u
#define OUTSTANDING 64u

static struct rig_frame frame;

static void open_rig(struct rig *rig, struct fixture_disk **disk, unsigned int requests,
		     unsigned int rx_frames)
{
	const struct rig_config config = {.requests = requests, .rx_frames = rx_frames};

	*disk = fixture_disk_open(1 << 20, 1 << 16);
	(*disk)->hold = true;
	rig_open(rig, &config);
	rig_export_disk(rig, "7.1", "any", NULL, &(*disk)->disk);
}

static void close_rig(struct rig *rig, struct fixture_disk *disk)
{
	rig_tx_complete(rig);
	assert_true(rig_idle(rig));
	rig_close(rig);
	fixture_disk_close(disk);
}

static void request_of(unsigned int host, uint32_t tag, bool write)
{
	const struct rig_ata ata = {.command = write ? ATA_WRITE_SECTORS : ATA_READ_SECTORS,
				    .count = 2,
				    .lba = tag * 2};
	static uint8_t data[1024];

	memset(data, (int)tag, sizeof(data));
	client_ata_of(&frame, host, tag, &ata, data, write ? sizeof(data) : 0);
}

/* Eight initiators with 64 requests each: all accepted at once, each answered once. */
static void test_nothing_is_lost(void **state)
{
	bool seen[INITIATORS * OUTSTANDING] = {false};
	struct fixture_disk *disk;
	struct rig_reply reply;
	struct rig rig;

	open_rig(&rig, &disk, INITIATORS * OUTSTANDING, 1024);
	for (uint32_t i = 0; i < INITIATORS * OUTSTANDING; i++) {
		request_of(0x100 + i % INITIATORS, i, i % 2);
		assert_int_equal(rig_rx(&rig, &frame), 0);
	}
	expect_silence(&rig);
	fixture_disk_release(disk);
	for (uint32_t i = 0; i < INITIATORS * OUTSTANDING; i++) {
		expect_reply(&rig, &frame, &reply);
		assert_true(reply.tag < INITIATORS * OUTSTANDING);
		assert_false(seen[reply.tag]);
		seen[reply.tag] = true;
		assert_int_equal(frame.data[5], reply.tag % INITIATORS);
		assert_int_equal(reply.body[3], ATA_OK);
	}
	expect_silence(&rig);
	for (unsigned int i = 0; i < INITIATORS; i++)
		assert_int_equal(aoe_port_initiator(rig.port, i)->requests, OUTSTANDING);
	close_rig(&rig, disk);
}

/* With every request in use the frame is to be offered again; nothing of it was done. */
static void test_exhaustion(void **state)
{
	struct fixture_disk *disk;
	struct rig_reply reply;
	struct rig rig;
	uint32_t free_frames;

	open_rig(&rig, &disk, 4, 64);
	for (uint32_t i = 0; i < 4; i++) {
		request_of(1, i, true);
		assert_int_equal(rig_rx(&rig, &frame), 0);
	}
	free_frames = rig.arena.nfree_frames;
	request_of(1, 4, true);
	assert_int_equal(rig_rx(&rig, &frame), -EAGAIN);
	assert_int_equal(rig_rx(&rig, &frame), -EAGAIN);
	assert_int_equal(rig.arena.nfree_frames, free_frames);
	assert_int_equal(aoe_port_stats(rig.port)->rx_frames, 4);
	/* What needs no request does not wait. */
	frame.data[14] |= AOE_FLAG_RESPONSE;
	assert_int_equal(rig_rx(&rig, &frame), 0);
	frame.data[14] &= (uint8_t)~AOE_FLAG_RESPONSE;

	rig.config.keep_tx = true;
	fixture_disk_release(disk);
	assert_int_equal(rig_rx(&rig, &frame), -EAGAIN);
	rig_tx_complete(&rig);
	assert_int_equal(rig_rx(&rig, &frame), 0);
	fixture_disk_release(disk);
	for (uint32_t i = 0; i < 5; i++) {
		expect_reply(&rig, &frame, &reply);
		assert_int_equal(reply.tag, i);
	}
	expect_silence(&rig);
	close_rig(&rig, disk);
}

/* A SANITIZE that goes on here has some of the memory: that is as if there were fewer requests. */
static void test_memory_that_another_has(void **state)
{
	struct fixture_disk *disk;
	struct rig_reply reply;
	struct rig rig;
	uint32_t run;

	open_rig(&rig, &disk, 4, 64);
	run = arena_run_get(&rig.arena);
	for (uint32_t i = 0; i < 3; i++) {
		request_of(1, i, true);
		assert_int_equal(rig_rx(&rig, &frame), 0);
	}
	request_of(1, 3, true);
	assert_int_equal(rig_rx(&rig, &frame), -EAGAIN);
	arena_run_put(&rig.arena, run);
	assert_int_equal(rig_rx(&rig, &frame), 0);
	fixture_disk_release(disk);
	for (uint32_t i = 0; i < 4; i++) {
		expect_reply(&rig, &frame, &reply);
		assert_int_equal(reply.tag, i);
	}
	close_rig(&rig, disk);
}

/* A wildcard request is answered by as many exports as there are requests for. */
static void test_exhaustion_within_a_frame(void **state)
{
	struct fixture_disk *disk;
	struct rig_reply reply;
	struct rig rig;

	open_rig(&rig, &disk, 2, 64);
	rig_export_disk(&rig, "7.2", "any", NULL, &disk->disk);
	request_of(1, 0, false);
	assert_int_equal(rig_rx(&rig, &frame), 0);
	client_config(&frame, AOE_CONFIG_READ, "");
	frame.data[18] = AOE_SLOT_ANY;
	assert_int_equal(rig_rx(&rig, &frame), 0);
	expect_reply(&rig, &frame, &reply);
	assert_int_equal(reply.class.aoe_slot, 1);
	expect_silence(&rig);
	assert_int_equal(reason(&rig, AOE_IGNORED_BUSY), 1);
	fixture_disk_release(disk);
	assert_true(rig_take(&rig, &frame));
	close_rig(&rig, disk);
}

/* A storm of MACs pushes out the quiet ones, never one that waits for an answer. */
static void test_initiators_are_bounded(void **state)
{
	struct fixture_disk *disk;
	struct rig rig;
	unsigned int n = 0;
	bool patient = false;

	open_rig(&rig, &disk, 8, 64);
	request_of(0xffff, 1, true);
	assert_int_equal(rig_rx(&rig, &frame), 0);
	for (unsigned int host = 0; host < 3000; host++) {
		client_config(&frame, AOE_CONFIG_READ, "");
		client_host(&frame, host);
		assert_int_equal(rig_rx(&rig, &frame), 0);
	}
	while (aoe_port_initiator(rig.port, n)) {
		const struct aoe_initiator_stats *stats = aoe_port_initiator(rig.port, n++);

		patient |= stats->mac[4] == 0xff && stats->mac[5] == 0xff;
		assert_int_equal(stats->requests, 1);
	}
	assert_int_equal(n, 1024);
	assert_true(patient);
	fixture_disk_release(disk);
	close_rig(&rig, disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_memory_that_another_has),
		cmocka_unit_test(test_exhaustion_within_a_frame),
		cmocka_unit_test(test_initiators_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
