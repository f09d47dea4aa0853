/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Overlapping writes and retransmissions, from frame to disk: who is answered when, and what is on
 * the disk after each step. The disk holds requests until the test lets them end.
 */
#include "aoe_client.h"

static struct rig_frame frame;

static int setup(void **state)
{
	struct held_rig *b = calloc(1, sizeof(*b));

	held_open(b, NULL);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	int ret = held_close(*state);

	free(*state);
	return ret;
}

/* A write of `count` sectors full of `fill` by the host whose MAC ends in `host`. */
static void write_frame(uint8_t host, uint32_t vlan, uint32_t tag, uint64_t lba, uint8_t count,
			uint8_t fill)
{
	const struct rig_ata write = {
		.command = ATA_WRITE_SECTORS, .aflags = AOE_ATA_WRITE, .count = count, .lba = lba};
	uint8_t data[16 * 512];

	memset(data, fill, count * 512u);
	rig_eth(&frame, rig_mac, rig_host, vlan);
	client_host(&frame, host);
	rig_aoe(&frame, CLIENT_SHELF, CLIENT_SLOT, AOE_CMD_ATA, tag);
	rig_ata(&frame, &write);
	rig_put(&frame, data, count * 512u);
}

static void send_write(struct held_rig *b, uint8_t host, uint32_t tag, uint64_t lba, uint8_t count,
		       uint8_t fill)
{
	write_frame(host, 0, tag, lba, count, fill);
	assert_int_equal(rig_rx(&b->rig, &frame), 0);
}

/* Lets what the disk holds end, then expects replies with exactly these tags, in this order. */
static void expect_tags(struct held_rig *b, const uint32_t *tags, unsigned int count)
{
	struct rig_reply reply;

	expect_silence(&b->rig);
	held_release(b);
	for (unsigned int i = 0; i < count; i++) {
		expect_reply(&b->rig, &frame, &reply);
		assert_int_equal(reply.tag, tags[i]);
		assert_int_equal(reply.body[3], ATA_OK);
	}
	expect_silence(&b->rig);
}

static void expect_on_disk(const struct held_rig *b, uint64_t lba, uint8_t fill)
{
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(b->disk->data[lba * 512 + i], fill);
}

static uint64_t retransmits(struct held_rig *b)
{
	struct aoe_export *export;

	return aoe_port_export_stats(b->rig.port, 0, &export)->retransmits;
}

#define TAGS(...) \
	(const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)

/* While A is in flight its retransmission is not executed again; both tags are answered. */
static void test_retransmission_in_flight(void **state)
{
	struct held_rig *b = *state;

	send_write(b, 0x0a, 1, 0, 2, 'A');
	send_write(b, 0x0a, 2, 0, 2, 'A');
	expect_on_disk(b, 0, 0);
	expect_tags(b, TAGS(1, 2));
	expect_on_disk(b, 0, 'A');
	assert_int_equal(fixture_disk_count(b->disk, BLK_WRITE), 1);
	assert_int_equal(retransmits(b), 1);
	assert_int_equal(aoe_port_initiator(b->rig.port, 0)->retransmits, 1);
}

/* A, A again, then B over it: B is last on the disk. */
static void test_retransmission_before_the_overlap(void **state)
{
	struct held_rig *b = *state;

	send_write(b, 0x0a, 1, 0, 2, 'A');
	send_write(b, 0x0a, 2, 0, 2, 'A');
	send_write(b, 0x0a, 3, 1, 2, 'B');
	expect_tags(b, TAGS(1, 2));
	expect_on_disk(b, 0, 'A');
	expect_on_disk(b, 1, 'A');
	expect_tags(b, TAGS(3));
	expect_on_disk(b, 0, 'A');
	expect_on_disk(b, 1, 'B');
	expect_on_disk(b, 2, 'B');
	assert_int_equal(fixture_disk_count(b->disk, BLK_WRITE), 2);
}

/*
 * A, B over it, then A under a new tag while A is in flight: with B in between it is a write of its
 * own, so all three execute in arrival order.
 */
static void test_retransmission_behind_the_overlap(void **state)
{
	struct held_rig *b = *state;

	send_write(b, 0x0a, 1, 0, 2, 'A');
	send_write(b, 0x0a, 2, 1, 2, 'B');
	send_write(b, 0x0a, 3, 0, 2, 'A');
	assert_int_equal(fixture_disk_count(b->disk, BLK_WRITE), 1);
	expect_tags(b, TAGS(1));
	expect_on_disk(b, 0, 'A');
	expect_on_disk(b, 1, 'A');
	expect_tags(b, TAGS(2));
	expect_on_disk(b, 0, 'A');
	expect_on_disk(b, 1, 'B');
	expect_on_disk(b, 2, 'B');
	expect_tags(b, TAGS(3));
	expect_on_disk(b, 1, 'A');
	expect_on_disk(b, 2, 'B');
	assert_int_equal(retransmits(b), 0);
}

/* After A was answered nothing is remembered of it: the same bytes are a new write. */
static void test_retransmission_after_completion(void **state)
{
	struct held_rig *b = *state;

	send_write(b, 0x0a, 1, 0, 2, 'A');
	expect_tags(b, TAGS(1));
	send_write(b, 0x0a, 2, 1, 2, 'B');
	expect_tags(b, TAGS(2));
	expect_on_disk(b, 1, 'B');
	send_write(b, 0x0a, 1, 0, 2, 'A');
	expect_tags(b, TAGS(1));
	expect_on_disk(b, 1, 'A');
	expect_on_disk(b, 2, 'B');
	assert_int_equal(fixture_disk_count(b->disk, BLK_WRITE), 3);
	assert_int_equal(retransmits(b), 0);
}

/* What is alike but is no retransmission: another sender, other bytes. */
static void test_not_a_retransmission(void **state)
{
	struct held_rig *b = *state;

	send_write(b, 0x0a, 1, 0, 1, 'A');
	send_write(b, 0x0b, 1, 0, 1, 'A');
	expect_tags(b, TAGS(1));
	expect_tags(b, TAGS(1));
	send_write(b, 0x0a, 1, 0, 1, 'A');
	send_write(b, 0x0a, 2, 0, 1, 'C');
	expect_tags(b, TAGS(1));
	expect_tags(b, TAGS(2));
	expect_on_disk(b, 0, 'C');
	assert_int_equal(fixture_disk_count(b->disk, BLK_WRITE), 4);
	assert_int_equal(retransmits(b), 0);
}

/* The same MAC on another VLAN is another station. */
static void test_same_mac_on_another_vlan(void **state)
{
	struct held_rig *b = *state;

	rig_export_disk(&b->rig, "5:7.1", "any", NULL, &b->disk->disk);
	send_write(b, 0x0a, 1, 0, 1, 'A');
	write_frame(0x0a, 5, 1, 0, 1, 'A');
	assert_int_equal(rig_rx(&b->rig, &frame), 0);
	expect_tags(b, TAGS(1));
	expect_tags(b, TAGS(1));
	assert_int_equal(fixture_disk_count(b->disk, BLK_WRITE), 2);
	assert_int_equal(aoe_port_initiator(b->rig.port, 0)->vlan, 0);
	assert_int_equal(aoe_port_initiator(b->rig.port, 1)->vlan, 5);
}

/* A read behind a write of the same place sees it; one elsewhere does not wait. */
static void test_read_after_write(void **state)
{
	struct held_rig *b = *state;
	const struct rig_ata there = {.command = ATA_READ_SECTORS, .count = 1, .lba = 0};
	const struct rig_ata elsewhere = {.command = ATA_READ_SECTORS, .count = 1, .lba = 100};
	struct rig_reply reply;

	send_write(b, 0x0a, 1, 0, 1, 'A');
	client_ata(&frame, &there, NULL, 0);
	assert_int_equal(rig_rx(&b->rig, &frame), 0);
	client_ata(&frame, &elsewhere, NULL, 0);
	assert_int_equal(rig_rx(&b->rig, &frame), 0);
	assert_int_equal(fixture_disk_count(b->disk, BLK_READ), 1);
	fixture_disk_release(b->disk);
	expect_reply(&b->rig, &frame, &reply);
	expect_reply(&b->rig, &frame, &reply);
	expect_silence(&b->rig);
	held_release(b);
	expect_reply(&b->rig, &frame, &reply);
	assert_int_equal(reply.body[sizeof(struct wire_aoe_ata)], 'A');
}

/* Payload stays in the received frames until the disk has it, and goes back then. */
static void test_frames_are_held_for_the_write_only(void **state)
{
	struct held_rig *b = *state;
	uint32_t free_frames = b->rig.arena.nfree_frames;

	b->rig.config.keep_tx = true;
	send_write(b, 0x0a, 1, 0, 16, 'A');
	assert_int_equal(b->rig.arena.nfree_frames, free_frames - 3);
	fixture_disk_release(b->disk);
	assert_int_equal(b->rig.arena.nfree_frames, free_frames);
	assert_int_not_equal(aoe_port_inflight(b->rig.port), 0);
	rig_tx_complete(&b->rig);
	assert_int_equal(aoe_port_inflight(b->rig.port), 0);
	assert_true(rig_take(&b->rig, &frame));
}

/* Durable before the reply unless the unit's cache is on. */
static void test_writes_are_durable(void **state)
{
	struct held_rig *b = *state;

	send_write(b, 0x0a, 1, 0, 1, 'A');
	assert_true(b->disk->log[0].flags & BLK_FUA);
	expect_tags(b, TAGS(1));
}

static void test_medium_errors(void **state)
{
	struct held_rig *b = *state;
	struct rig_reply reply;

	b->disk->fail[BLK_READ] = BLK_EIO;
	client_ata(&frame, &(struct rig_ata){.command = ATA_READ_SECTORS, .count = 1}, NULL, 0);
	assert_int_equal(rig_rx(&b->rig, &frame), 0);
	held_release(b);
	expect_reply(&b->rig, &frame, &reply);
	assert_int_equal(reply.aoe.ver_flags & AOE_FLAG_ERROR, 0);
	assert_int_equal(reply.body[3], ATA_BAD);
	assert_int_equal(reply.body[1], ATA_UNC);
	assert_int_equal(frame.len, WIRE_ETH_MIN);
	for (unsigned int i = 36; i < frame.len; i++)
		assert_int_equal(frame.data[i], 0);
}

int main(void)
{
#define bench_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		bench_test(test_retransmission_in_flight),
		bench_test(test_retransmission_before_the_overlap),
		bench_test(test_retransmission_behind_the_overlap),
		bench_test(test_retransmission_after_completion),
		bench_test(test_not_a_retransmission),
		bench_test(test_same_mac_on_another_vlan),
		bench_test(test_read_after_write),
		bench_test(test_frames_are_held_for_the_write_only),
		bench_test(test_writes_are_durable),
		bench_test(test_medium_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
