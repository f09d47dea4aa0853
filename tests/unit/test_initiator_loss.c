/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lost frames, slow answers, windows. */
#include "initiator_peer.h"

#include <errno.h>

struct request {
	struct initiator_io io;
	unsigned int ended;
};

static void request_done(struct initiator_io *io)
{
	container_of(io, struct request, io)->ended++;
}

static void request_start(struct peer *peer, struct request *request,
			  struct initiator_target *target, uint32_t sectors)
{
	*request = (struct request){
		.io = {.target = target, .sectors = sectors, .done = request_done}};
	assert_int_equal(initiator_submit(peer->ini, &request->io, peer->now), 0);
}

/* Reads, each answered after `rtt_ns`, until the estimate has settled. */
static void settle(struct peer *peer, struct initiator_target *target, uint64_t rtt_ns)
{
	struct request request;
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		request_start(peer, &request, target, 1);
		peer_tick(peer, rtt_ns);
		peer_answers(peer, peer_expect(peer, 0x24));
		assert_int_equal(request.ended, 1);
	}
}

/* Answers what is in flight, round by round, until nothing is left; returns the largest round. */
static unsigned int drain(struct peer *peer)
{
	unsigned int most = 0;

	while (peer->taken < peer->sent) {
		unsigned int n = peer->sent - peer->taken;

		if (n > most)
			most = n;
		while (n--)
			peer_answers(peer, peer_next(peer));
	}
	return most;
}

static void test_first_timeout_is_16_5_seconds(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct peer_reply config = peer_config_reply(peer_mac, 64, 16, "");
	struct peer_frame *first, *again;
	uint32_t tag;

	peer_deliver(peer, &config);
	first = peer_expect(peer, 0xec);
	tag = first->aoe.tag;
	assert_true(initiator_deadline(peer->ini) == peer->now + 16500 * MS);
	peer_tick(peer, 16499 * MS);
	peer_expect_silence(peer);
	peer_tick(peer, 1 * MS);
	again = peer_expect(peer, 0xec);
	assert_int_not_equal(again->aoe.tag, tag);
	assert_int_equal(initiator_stats(peer->ini)->retransmits, 1);
	peer_answers_identify(peer, again, PEER_SECTORS, true);
	assert_int_equal(peer->state, INITIATOR_UP);
	assert_true(initiator_deadline(peer->ini) == UINT64_MAX);
	peer_close(peer);
}

static void test_timeout_follows_the_round_trip(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request request;

	settle(peer, target, 1 * MS);
	request_start(peer, &request, target, 1);
	/* The lower bound. */
	assert_true(initiator_deadline(peer->ini) == peer->now + 100 * MS);
	peer_tick(peer, 99 * MS);
	peer_answers(peer, peer_expect(peer, 0x24));

	settle(peer, target, 80 * MS);
	request_start(peer, &request, target, 1);
	assert_in_range(initiator_deadline(peer->ini) - peer->now, 160 * MS, 200 * MS);
	peer_close(peer);
}

static void test_bounds_are_the_callers(void **state)
{
	struct peer *peer = peer_open(&(struct initiator_config){
		.rtt_start_ns = 1 * MS, .rto_min_ns = 5 * MS, .rto_max_ns = 7 * MS});
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request request;

	request_start(peer, &request, target, 1);
	assert_true(initiator_deadline(peer->ini) == peer->now + 7 * MS);
	peer_answers(peer, peer_expect(peer, 0x24));
	settle(peer, target, 1);
	request_start(peer, &request, target, 1);
	assert_true(initiator_deadline(peer->ini) == peer->now + 5 * MS);
	peer_close(peer);
}

static void test_lost_frame_is_sent_again_whole(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct request request;
	struct peer_frame lost, *again;

	settle(peer, target, 1 * MS);
	request_start(peer, &request, target, 16);
	lost = *peer_expect(peer, 0x24);
	peer_tick(peer, 100 * MS);
	again = peer_expect(peer, 0x24);
	peer_expect_silence(peer);
	assert_int_not_equal(again->aoe.tag, lost.aoe.tag);
	assert_memory_equal(&again->ata, &lost.ata, sizeof(lost.ata));
	assert_memory_equal(&again->eth, &lost.eth, sizeof(lost.eth));
	peer_answers(peer, again);
	assert_int_equal(request.ended, 1);
	assert_int_equal(request.io.result, 0);
	peer_close(peer);
}

static void test_late_reply_only_slows_the_clock(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	uint64_t before;
	struct request request;
	struct peer_frame slow;

	settle(peer, target, 1 * MS);
	request_start(peer, &request, target, 1);
	slow = *peer_expect(peer, 0x24);
	peer_tick(peer, 100 * MS);
	peer_expect(peer, 0x24);
	before = target->rtt_dev_ns;
	/* The first transmission's answer: the second's is still to come. */
	peer_answers(peer, &slow);
	assert_int_equal(request.ended, 0);
	assert_int_equal(initiator_stats(peer->ini)->late, 1);
	assert_in_range(target->rtt_dev_ns, before + 5 * MS, UINT64_MAX);
	/* Once only. */
	before = target->rtt_dev_ns;
	peer_answers(peer, &slow);
	assert_true(target->rtt_dev_ns == before);
	peer_answers(peer, &peer->frames[(peer->taken - 1) % PEER_FRAMES]);
	assert_int_equal(request.ended, 1);
	peer_close(peer);
}

static void test_window_starts_at_half_and_grows_to_the_buffer_count(void **state)
{
	static const struct {
		unsigned int buffers, max, start, full;
	} cases[] = {{16, 0, 8, 16}, {1000, 0, 32, 64}, {1000, 128, 64, 128},
		     {1, 0, 1, 1},   {0, 0, 1, 1},	{3, 0, 1, 3}};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer *peer =
			peer_open(&(struct initiator_config){.window_max = cases[i].max});
		struct peer_reply config = peer_config_reply(peer_mac, cases[i].buffers, 1, "");
		struct initiator_target *target;
		struct request request;

		peer_deliver(peer, &config);
		target = initiator_find(peer->ini, PEER_SHELF, PEER_SLOT);
		assert_int_equal(target->paths[0].window, cases[i].start);
		peer_answers_identify(peer, peer_expect(peer, 0xec), PEER_SECTORS, true);
		request_start(peer, &request, target, 2000);
		assert_int_equal(drain(peer), cases[i].full);
		assert_int_equal(request.ended, 1);
		peer_close(peer);
	}
}

static void test_loss_closes_the_window(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 1);
	struct request request;
	unsigned int lost;

	settle(peer, target, 1 * MS);
	assert_int_equal(target->paths[0].window, 64);
	request_start(peer, &request, target, 3000);
	lost = peer->sent - peer->taken;
	assert_int_equal(lost, 64);
	while (peer_next(peer))
		continue;
	peer_tick(peer, 100 * MS);
	assert_int_equal(target->paths[0].window, 1);
	/* One of the lost ones, alone; one more with every answer at first. */
	peer_answers(peer, peer_expect(peer, 0x24));
	assert_int_equal(peer->sent - peer->taken, 2);
	assert_int_equal(drain(peer), 64);
	assert_int_equal(request.ended, 1);
	assert_int_equal(initiator_stats(peer->ini)->retransmits, lost);
	assert_int_equal(target->paths[0].in_flight, 0);
	peer_close(peer);
}

static void test_window_grows_slowly_past_half_of_what_was_lost(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 1);
	struct request request;
	unsigned int i;

	settle(peer, target, 1 * MS);
	request_start(peer, &request, target, 1000);
	while (peer_next(peer))
		continue;
	peer_tick(peer, 100 * MS);
	for (i = 0; i < 31; i++)
		peer_answers(peer, peer_next(peer));
	assert_int_equal(target->paths[0].window, 32);
	for (i = 0; i < 32; i++)
		peer_answers(peer, peer_next(peer));
	assert_int_equal(target->paths[0].window, 33);
	peer_close(peer);
}

static void test_silent_target_goes_down_and_comes_back(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 1, 16);
	struct request sent, waiting;
	uint64_t started;

	request_start(peer, &sent, target, 1);
	request_start(peer, &waiting, target, 1);
	started = peer->now;
	while (!sent.ended) {
		assert_true(initiator_deadline(peer->ini) != UINT64_MAX);
		peer->now = initiator_deadline(peer->ini);
		initiator_tick(peer->ini, peer->now);
		while (peer_next(peer))
			continue;
	}
	assert_in_range(peer->now - started, 180 * SECOND, 200 * SECOND);
	assert_int_equal(sent.io.result, -ETIMEDOUT);
	assert_int_equal(waiting.ended, 1);
	assert_int_equal(waiting.io.result, -ETIMEDOUT);
	assert_int_equal(peer->state, INITIATOR_DOWN);
	assert_int_equal(initiator_submit(peer->ini, &sent.io, peer->now), -ENXIO);
	assert_true(initiator_deadline(peer->ini) == UINT64_MAX);

	assert_ptr_equal(peer_bring_up(peer, 1, 16), target);
	request_start(peer, &sent, target, 1);
	peer_answers(peer, peer_expect(peer, 0x24));
	assert_int_equal(sent.io.result, 0);
	assert_int_equal(sent.ended, 1);
	peer_close(peer);
}

static void test_paths_take_turns_and_stand_in_for_each_other(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct peer_reply second = peer_config_reply(peer_mac2, 64, 16, "");
	struct request requests[2];
	struct peer_frame lost, *again;

	settle(peer, target, 1 * MS);
	peer_deliver(peer, &second);
	request_start(peer, &requests[0], target, 1);
	request_start(peer, &requests[1], target, 1);
	lost = *peer_expect(peer, 0x24);
	again = peer_expect(peer, 0x24);
	assert_memory_not_equal(again->eth.dst, lost.eth.dst, WIRE_MAC_LEN);
	peer_answers(peer, again);
	peer_tick(peer, 100 * MS);
	again = peer_expect(peer, 0x24);
	if (!memcmp(again->eth.dst, lost.eth.dst, WIRE_MAC_LEN)) {
		/* Round robin came back to the lame path: the other one is next. */
		peer_tick(peer, 100 * MS);
		again = peer_expect(peer, 0x24);
	}
	assert_memory_not_equal(again->eth.dst, lost.eth.dst, WIRE_MAC_LEN);
	peer_answers(peer, again);
	assert_int_equal(requests[0].ended + requests[1].ended, 2);
	peer_close(peer);
}

static void test_error_reply_counts_as_no_reply(void **state)
{
	struct peer *peer = peer_open(NULL);
	struct initiator_target *target = peer_bring_up(peer, 64, 16);
	struct peer_reply reply;
	struct request request;

	settle(peer, target, 1 * MS);
	request_start(peer, &request, target, 1);
	reply = peer_answer(peer_expect(peer, 0x24));
	peer_aoe(&reply)->ver_flags |= AOE_FLAG_ERROR;
	peer_aoe(&reply)->error = AOE_ERR_RESERVED;
	peer_deliver(peer, &reply);
	assert_int_equal(request.ended, 0);
	assert_int_equal(initiator_stats(peer->ini)->aoe_errors, 1);
	peer_tick(peer, 100 * MS);
	peer_answers(peer, peer_expect(peer, 0x24));
	assert_int_equal(request.ended, 1);
	assert_int_equal(request.io.result, 0);
	peer_close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_timeout_is_16_5_seconds),
		cmocka_unit_test(test_timeout_follows_the_round_trip),
		cmocka_unit_test(test_bounds_are_the_callers),
		cmocka_unit_test(test_lost_frame_is_sent_again_whole),
		cmocka_unit_test(test_late_reply_only_slows_the_clock),
		cmocka_unit_test(test_window_starts_at_half_and_grows_to_the_buffer_count),
		cmocka_unit_test(test_loss_closes_the_window),
		cmocka_unit_test(test_window_grows_slowly_past_half_of_what_was_lost),
		cmocka_unit_test(test_silent_target_goes_down_and_comes_back),
		cmocka_unit_test(test_paths_take_turns_and_stand_in_for_each_other),
		cmocka_unit_test(test_error_reply_counts_as_no_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
