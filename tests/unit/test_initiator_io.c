/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "initiator_peer.h"

#include <errno.h>

struct request {
	struct initiator_io io;
	unsigned int ended;
	uint8_t data[64 * INITIATOR_SECTOR];
};

static void request_done(struct initiator_io *io)
{
	container_of(io, struct request, io)->ended++;
}

static struct request *request_new(struct initiator_target *target, bool write, uint64_t lba,
				   uint32_t sectors)
{
	struct request *request = calloc(1, sizeof(*request));

	assert_non_null(request);
	request->io = (struct initiator_io){.target = target,
					    .write = write,
					    .lba = lba,
					    .sectors = sectors,
					    .data = request->data,
					    .done = request_done};
	return request;
}

static struct request *request_start(struct peer *peer, struct initiator_target *target, bool write,
				     uint64_t lba, uint32_t sectors)
{
	struct request *request = request_new(target, write, lba, sectors);

	assert_int_equal(initiator_submit(peer->ini, &request->io, peer->now), 0);
	return request;
}

static uint64_t frame_lba(const struct peer_frame *frame)
{
	uint64_t lba = 0;
	unsigned int i;

	for (i = 6; i--;)
		lba = lba << 8 | frame->ata.lba[i];
	return lba;
}

static void test_long_read_is_split_and_put_together(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request *request = request_start(peer, target, false, 0x110000000ull, 40);
	static const unsigned int counts[] = {16, 16, 8}, order[] = {2, 0, 1};
	struct peer_frame *frames[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		frames[i] = peer_expect(peer, 0x24);
		assert_int_equal(frames[i]->ata.count, counts[i]);
		assert_int_equal(frames[i]->ata.aflags, AOE_ATA_LBA48);
		assert_true(frame_lba(frames[i]) == 0x110000000ull + 16 * i);
		assert_int_equal(frames[i]->payload_len, 0);
	}
	peer_expect_silence(peer);
	for (i = 0; i < 3; i++) {
		assert_int_equal(request->ended, 0);
		peer_answers(peer, frames[order[i]]);
	}
	assert_int_equal(request->ended, 1);
	assert_int_equal(request->io.result, 0);
	for (i = 0; i < 40; i++) {
		assert_int_equal(request->data[i * INITIATOR_SECTOR], i);
		assert_int_equal(request->data[(i + 1) * INITIATOR_SECTOR - 1], i);
	}
	free(request);
	peer_close(peer);
}

static void test_write_carries_its_data(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 2);
	struct request *request = request_new(target, true, 9, 3);
	struct peer_frame *frame;
	unsigned int i;

	for (i = 0; i < 3 * INITIATOR_SECTOR; i++)
		request->data[i] = i * 7 >> 3;
	assert_int_equal(initiator_submit(peer->ini, &request->io, peer->now), 0);
	frame = peer_expect(peer, 0x34);
	assert_int_equal(frame->ata.aflags, AOE_ATA_LBA48 | AOE_ATA_WRITE);
	assert_int_equal(frame->payload_len, 2 * INITIATOR_SECTOR);
	assert_memory_equal(frame->payload, request->data, 2 * INITIATOR_SECTOR);
	peer_answers(peer, frame);
	frame = peer_expect(peer, 0x34);
	assert_true(frame_lba(frame) == 11);
	assert_int_equal(frame->payload_len, INITIATOR_SECTOR);
	assert_memory_equal(frame->payload, request->data + 2 * INITIATOR_SECTOR, INITIATOR_SECTOR);
	assert_int_equal(request->ended, 0);
	peer_answers(peer, frame);
	assert_int_equal(request->ended, 1);
	assert_int_equal(request->io.result, 0);
	free(request);
	peer_close(peer);
}

static void test_small_disk_is_addressed_with_28_bits(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct peer_reply config = peer_config_reply(peer_mac, 64, 16, "");
	struct initiator_target *target;
	struct request *read, *write;
	struct peer_frame *frame;

	peer_deliver(peer, &config);
	peer_answers_identify(peer, peer_expect(peer, 0xec), 0x0fffffff, false);
	target = initiator_find(peer->ini, PEER_SHELF, PEER_SLOT);
	assert_true(target->sectors == 0x0fffffff);
	read = request_start(peer, target, false, 0x0abcdef0, 1);
	frame = peer_expect(peer, 0x20);
	assert_true(frame_lba(frame) == 0xeabcdef0);
	assert_int_equal(frame->ata.aflags, 0);
	write = request_start(peer, target, true, 1, 1);
	assert_int_equal(peer_expect(peer, 0x30)->ata.aflags, AOE_ATA_WRITE);
	peer_close(peer);
	assert_int_equal(read->io.result, -ECANCELED);
	assert_int_equal(write->io.result, -ECANCELED);
	free(read);
	free(write);
}

static void test_impossible_requests_are_not_taken(void **state)
{
	static const struct {
		uint64_t lba;
		uint32_t sectors;
		int result;
	} cases[] = {
		{PEER_SECTORS - 1, 1, 0},
		{PEER_SECTORS - 1, 2, -EINVAL},
		{PEER_SECTORS, 1, -EINVAL},
		{UINT64_MAX, 2, -EINVAL},
		{0, 0, -EINVAL},
	};
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request *request = request_new(target, false, 0, 1);
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request->io.lba = cases[i].lba;
		request->io.sectors = cases[i].sectors;
		assert_int_equal(initiator_submit(peer->ini, &request->io, peer->now),
				 cases[i].result);
		if (!cases[i].result)
			peer_answers(peer, peer_expect(peer, 0x24));
		peer_expect_silence(peer);
	}
	assert_int_equal(request->ended, 1);
	target->state = INITIATOR_DOWN;
	request->io.lba = 0;
	request->io.sectors = 1;
	assert_int_equal(initiator_submit(peer->ini, &request->io, peer->now), -ENXIO);
	free(request);
	peer_close(peer);
}

static void test_tags_differ(void **state)
{
	struct peer *peer = peer_open(&(struct initiator_config){.first_tag = UINT32_MAX - 20});
	struct initiator_target *target = peer_bring_up(peer, 64, 1);
	struct request *request = request_start(peer, target, false, 0, 64);
	uint32_t tags[64];
	unsigned int i, j;

	for (i = 0; i < 64; i++) {
		struct peer_frame *frame = peer_expect(peer, 0x24);

		tags[i] = frame->aoe.tag;
		for (j = 0; j < i; j++)
			assert_int_not_equal(tags[i], tags[j]);
		peer_answers(peer, frame);
	}
	assert_int_equal(request->ended, 1);
	free(request);
	peer_close(peer);
}

static void test_tag_of_a_stuck_frame_is_not_given_out_again(void **state)
{
	struct peer *peer = peer_open(&(struct initiator_config){.frames_max = 4});
	struct initiator_target *target = peer_bring_up(peer, 64, 1);
	struct request *stuck = request_start(peer, target, false, 0, 1);
	struct peer_frame *unanswered = peer_expect(peer, 0x24);
	struct peer_frame copy = *unanswered;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		struct request *request = request_start(peer, target, false, i, 1);

		peer_answers(peer, peer_expect(peer, 0x24));
		assert_int_equal(request->ended, 1);
		free(request);
	}
	assert_int_equal(stuck->ended, 0);
	peer_answers(peer, &copy);
	assert_int_equal(stuck->ended, 1);
	free(stuck);
	peer_close(peer);
}

static void test_ata_error_ends_the_request_but_not_the_next(void **state)
{
	struct peer *peer = peer_open(NULL);
	/* A window of one: the failed request still has parts that were never sent. */
	struct initiator_target *target = peer_bring_up(peer, 1, 2);
	struct request *failing = request_start(peer, target, false, 0, 8);
	struct request *next = request_start(peer, target, false, 64, 1);
	struct peer_reply reply = peer_answer(peer_expect(peer, 0x24));
	struct peer_frame *frame;

	peer_expect_silence(peer);
	peer_ata(&reply)->command = 0x41;
	peer_ata(&reply)->feature = 0x10;
	peer_deliver(peer, &reply);
	assert_int_equal(failing->ended, 1);
	assert_int_equal(failing->io.result, -EIO);
	assert_int_equal(failing->io.ata_status, 0x41);
	assert_int_equal(failing->io.ata_error, 0x10);
	assert_int_equal(initiator_stats(peer->ini)->ata_errors, 1);
	frame = peer_expect(peer, 0x24);
	assert_true(frame_lba(frame) == 64);
	peer_answers(peer, frame);
	assert_int_equal(next->ended, 1);
	assert_int_equal(next->io.result, 0);
	free(failing);
	free(next);
	peer_close(peer);
}

static void test_failed_request_waits_for_its_other_frames(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 2);
	struct request *request = request_start(peer, target, true, 0, 4);
	struct peer_frame *first = peer_expect(peer, 0x34), *second = peer_expect(peer, 0x34);
	struct peer_reply reply = peer_answer(first);

	peer_ata(&reply)->command = 0x61;
	peer_deliver(peer, &reply);
	assert_int_equal(request->ended, 0);
	peer_answers(peer, second);
	assert_int_equal(request->ended, 1);
	assert_int_equal(request->io.result, -EIO);
	free(request);
	peer_close(peer);
}

static void test_failed_request_ends_with_its_target(void **state)
{
	struct peer *peer = peer_open(NULL);
	/* A window of two: one frame fails, one stays unanswered, two are never sent. */
	struct initiator_target *target = peer_bring_up(peer, 2, 2);
	struct request *request;
	struct peer_reply reply;

	target->paths[0].window = 2;
	request = request_start(peer, target, false, 0, 8);
	reply = peer_answer(peer_expect(peer, 0x24));
	peer_expect(peer, 0x24);
	peer_ata(&reply)->command = 0x41;
	peer_deliver(peer, &reply);
	peer_expect_silence(peer);
	assert_int_equal(request->ended, 0);
	peer_close(peer);
	assert_int_equal(request->ended, 1);
	free(request);
}

static void test_reply_without_its_data_fails_the_read(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request *request = request_start(peer, target, false, 0, 2);
	struct peer_reply reply = peer_answer(peer_expect(peer, 0x24));

	reply.len--;
	peer_deliver(peer, &reply);
	assert_int_equal(request->ended, 1);
	assert_int_equal(request->io.result, -EPROTO);
	free(request);
	peer_close(peer);
}

static void test_truncated_replies_are_ignored(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request *request = request_start(peer, target, true, 0, 1);
	struct peer_reply reply = peer_answer(peer_expect(peer, 0x34));
	unsigned int ignored = initiator_stats(peer->ini)->ignored;

	for (reply.len = 0; reply.len < INITIATOR_HEADER_LEN; reply.len++)
		peer_deliver(peer, &reply);
	assert_int_equal(request->ended, 0);
	assert_int_equal(initiator_stats(peer->ini)->ignored - ignored, INITIATOR_HEADER_LEN);
	/* The shortest that is whole: some targets do not pad. */
	peer_deliver(peer, &reply);
	assert_int_equal(request->ended, 1);
	free(request);
	peer_close(peer);
}

static void test_replies_of_others_are_ignored(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request *request = request_start(peer, target, false, 0, 1);
	const struct peer_reply good = peer_answer(peer_expect(peer, 0x24));
	struct peer_reply bad[7];
	unsigned int i;

	for (i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].data[11] ^= 1; /* another sender */
	peer_aoe(&bad[1])->slot ^= 1;
	peer_aoe(&bad[2])->shelf ^= 1;
	peer_aoe(&bad[3])->tag ^= 1;
	peer_aoe(&bad[4])->ver_flags &= ~AOE_FLAG_RESPONSE;
	peer_aoe(&bad[5])->ver_flags = 2 << 4 | AOE_FLAG_RESPONSE;
	peer_aoe(&bad[6])->command = AOE_CMD_MASK;
	for (i = 0; i < 7; i++) {
		peer_deliver(peer, &bad[i]);
		assert_int_equal(request->ended, 0);
	}
	assert_int_equal(initiator_stats(peer->ini)->ignored, 7);
	peer_deliver(peer, &good);
	assert_int_equal(request->ended, 1);
	assert_int_equal(request->io.result, 0);
	free(request);
	peer_close(peer);
}

static void test_duplicate_reply_ends_nothing_twice(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request *request = request_start(peer, target, false, 0, 1);
	struct peer_reply reply = peer_answer(peer_expect(peer, 0x24));

	peer_deliver(peer, &reply);
	memset(request->data, 0xee, sizeof(request->data));
	peer_deliver(peer, &reply);
	assert_int_equal(request->ended, 1);
	assert_int_equal(request->data[0], 0xee);
	assert_int_equal(initiator_stats(peer->ini)->late, 1);
	assert_int_equal(target->paths[0].in_flight, 0);
	free(request);
	peer_close(peer);
}

static void test_unwanted_data_is_thrown_away(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request *request = request_new(target, false, 0, 2);

	request->io.data = NULL;
	assert_int_equal(initiator_submit(peer->ini, &request->io, peer->now), 0);
	peer_answers(peer, peer_expect(peer, 0x24));
	assert_int_equal(request->ended, 1);
	assert_int_equal(request->io.result, 0);
	free(request);
	peer_close(peer);
}

static void test_target_waits_for_anothers_frames(void **state)
{
	struct peer *peer = peer_open(&(struct initiator_config){.frames_max = 2});
	struct initiator_target *target = peer_bring_up(peer, 64, 16), *other;
	struct peer_reply config = peer_config_reply(peer_mac, 64, 16, "");
	struct request *a, *b, *c;
	struct peer_frame *frames[2], *frame;

	peer_aoe(&config)->slot = PEER_SLOT + 1;
	peer_deliver(peer, &config);
	frame = peer_expect(peer, 0xec);
	config = peer_answer(frame);
	peer_aoe(&config)->slot = PEER_SLOT + 1;
	memset(config.data + INITIATOR_HEADER_LEN + 120, 1, 2);
	peer_deliver(peer, &config);
	other = initiator_find(peer->ini, PEER_SHELF, PEER_SLOT + 1);
	assert_int_equal(other->state, INITIATOR_UP);

	a = request_start(peer, target, false, 0, 1);
	b = request_start(peer, target, false, 1, 1);
	frames[0] = peer_expect(peer, 0x24);
	frames[1] = peer_expect(peer, 0x24);
	c = request_start(peer, other, false, 2, 1);
	peer_expect_silence(peer);
	peer_answers(peer, frames[1]);
	frame = peer_expect(peer, 0x20);
	assert_int_equal(frame->aoe.slot, PEER_SLOT + 1);
	peer_close(peer);
	free(a);
	free(b);
	free(c);
}

static void test_close_cancels(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 1, 2);
	struct request *sent = request_start(peer, target, false, 0, 1);
	struct request *waiting = request_start(peer, target, false, 0, 8);

	peer_close(peer);
	assert_int_equal(sent->ended, 1);
	assert_int_equal(sent->io.result, -ECANCELED);
	assert_int_equal(waiting->ended, 1);
	assert_int_equal(waiting->io.result, -ECANCELED);
	free(sent);
	free(waiting);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_read_is_split_and_put_together),
		cmocka_unit_test(test_write_carries_its_data),
		cmocka_unit_test(test_small_disk_is_addressed_with_28_bits),
		cmocka_unit_test(test_impossible_requests_are_not_taken),
		cmocka_unit_test(test_tags_differ),
		cmocka_unit_test(test_tag_of_a_stuck_frame_is_not_given_out_again),
		cmocka_unit_test(test_ata_error_ends_the_request_but_not_the_next),
		cmocka_unit_test(test_failed_request_waits_for_its_other_frames),
		cmocka_unit_test(test_failed_request_ends_with_its_target),
		cmocka_unit_test(test_reply_without_its_data_fails_the_read),
		cmocka_unit_test(test_truncated_replies_are_ignored),
		cmocka_unit_test(test_replies_of_others_are_ignored),
		cmocka_unit_test(test_duplicate_reply_ends_nothing_twice),
		cmocka_unit_test(test_unwanted_data_is_thrown_away),
		cmocka_unit_test(test_target_waits_for_anothers_frames),
		cmocka_unit_test(test_close_cancels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
