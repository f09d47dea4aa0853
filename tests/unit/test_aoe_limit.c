/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rate limits: how fast a limited initiator is answered, and that nobody else notices. */
#include "aoe_client.h"

#include "aoe/mac.h"

#define SECOND	     1000000000ull
#define LIMITED	     0x0a /* last byte of rig_host */
#define OTHER	     0x0b
#define BURST(iops)  ((iops) / 20 + 1) /* 50 ms, and the one that need not be paid for before */
#define READ_SECTORS 2

static struct rig_frame frame;

struct bench {
	struct rig rig;
	struct aoe_limiter *limiter;
};

static void open_limit(struct bench *b, const struct rig_config *config, const uint8_t mac[6],
		       uint64_t iops, uint64_t bytes)
{
	const struct aoe_limit limit = {.iops = iops, .bytes = bytes};

	rig_open(&b->rig, config);
	b->rig.now = 10 * SECOND;
	rig_export(&b->rig, "7.1", "any", NULL);
	b->limiter = aoe_limiter_open(mac);
	assert_non_null(b->limiter);
	aoe_limiter_set(b->limiter, &limit);
	assert_int_equal(aoe_port_add_limiter(b->rig.port, b->limiter), 0);
}

static void open_bench(struct bench *b, const struct rig_config *config, uint64_t iops,
		       uint64_t bytes)
{
	open_limit(b, config, rig_host, iops, bytes);
}

/* Nothing may be left in use, whatever a test did. */
static void close_bench(struct bench *b)
{
	aoe_port_run_due(b->rig.port, UINT64_MAX);
	rig_tx_complete(&b->rig);
	assert_true(rig_idle(&b->rig));
	assert_int_equal(aoe_port_inflight(b->rig.port), 0);
	aoe_port_remove_limiter(b->rig.port, b->limiter);
	aoe_limiter_close(b->limiter);
	rig_close(&b->rig);
}

static void send_read(struct rig *rig, uint8_t host, uint32_t tag)
{
	const struct rig_ata ata = {.command = ATA_READ_SECTORS, .count = READ_SECTORS, .lba = 8};

	client_ata_of(&frame, host, tag, &ata, NULL, 0);
	assert_int_equal(rig_rx(rig, &frame), 0);
}

static void send_write(struct rig *rig, uint8_t host, uint8_t fill)
{
	const struct rig_ata ata = {.command = ATA_WRITE_SECTORS, .count = 1, .lba = 100};
	uint8_t data[512];

	memset(data, fill, sizeof(data));
	client_ata(&frame, &ata, data, sizeof(data));
	client_host(&frame, host);
	assert_int_equal(rig_rx(rig, &frame), 0);
}

static void move_clock(struct rig *rig, uint64_t now_ns)
{
	rig->now = now_ns;
	aoe_port_run_due(rig->port, now_ns);
	rig_tx_complete(rig);
}

/* Takes all replies that were sent: their number, or fails when one is not a good ATA reply. */
static unsigned int take_all(struct rig *rig)
{
	static struct rig_frame answer;
	struct rig_reply reply;
	unsigned int n = 0;

	while (rig_take(rig, &answer)) {
		assert_true(rig_read(&answer, &reply));
		assert_int_equal(reply.body[3], ATA_OK);
		n++;
	}
	return n;
}

/* A client that keeps `outstanding` reads in flight until `end_ns`; how many were answered. */
static unsigned int closed_loop(struct bench *b, unsigned int outstanding, uint64_t end_ns)
{
	struct rig *rig = &b->rig;
	unsigned int inflight = 0, answered = 0;

	for (;;) {
		unsigned int done;

		while (inflight < outstanding) {
			send_read(rig, LIMITED, 1);
			inflight++;
			done = take_all(rig);
			answered += done;
			inflight -= done;
		}
		if (aoe_port_next_due(rig->port) >= end_ns)
			break;
		move_clock(rig, aoe_port_next_due(rig->port));
		done = take_all(rig);
		assert_true(done);
		answered += done;
		inflight -= done;
	}
	move_clock(rig, end_ns - 1);
	return answered;
}

static void expect_rate(uint64_t iops, uint64_t bytes, unsigned int answers)
{
	struct aoe_limiter_stats stats;
	struct bench b;
	uint64_t start;
	unsigned int first;

	open_bench(&b, NULL, iops, bytes);
	start = b.rig.now;
	first = closed_loop(&b, 8, start + SECOND);
	assert_in_range(first, answers, answers + BURST(answers));
	aoe_limiter_stats(b.limiter, &stats);
	assert_int_equal(stats.requests, first + 8);
	assert_true(stats.delayed);
	/* The burst is used up: from now on the rate is exact, however the numbers divide. */
	aoe_port_run_due(b.rig.port, UINT64_MAX);
	rig_tx_complete(&b.rig);
	assert_int_equal(take_all(&b.rig), 8);
	b.rig.now = start + SECOND;
	assert_in_range(closed_loop(&b, 8, start + 2 * SECOND) + 8, answers - 1, answers + 1);
	close_bench(&b);
}

static void test_text(void **state)
{
	static const struct {
		const char *text;
		struct aoe_limit limit;
	} good[] = {
		{"iops=1000", {1000, 0}},
		{"bytes=10M", {0, 10 << 20}},
		{"iops=1,bytes=1", {1, 1}},
		{" bytes=4096 , iops=5 ", {5, 4096}},
		{"iops=1000000000,bytes=1024T", {1000000000, 1ull << 50}},
	};
	static const char *const bad[] = {
		"",	    "iops",	"iops=",	   "iops=0",	    "iops=1k",
		"iops=-1",  "iops=1.5", "iops=1000000001", "bytes=2048T",   "bytes=0",
		"bytes=1X", "100",	"mbps=5",	   "iops=1,iops=1", "iops=1 10M",
	};
	struct aoe_limit limit;
	struct error err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(aoe_limit_parse(good[i].text, &limit, &err), 0);
		assert_int_equal(limit.iops, good[i].limit.iops);
		assert_int_equal(limit.bytes, good[i].limit.bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		assert_int_equal(aoe_limit_parse(bad[i], &limit, &err), -EINVAL);
		assert_true(strlen(err.text) > 0);
	}
}

static void test_iops(void **state)
{
	expect_rate(1000, 0, 1000);
	expect_rate(333, 0, 333);
	expect_rate(70001, 0, 70001);
}

static void test_bytes(void **state)
{
	expect_rate(0, 1 << 20, (1 << 20) / (READ_SECTORS * 512));
	expect_rate(0, 700 * 1024, 700);
	/* The tighter of the two holds. */
	expect_rate(100, 1 << 20, 100);
	expect_rate(1000, 100 * 1024, 100);
}

/* Who was silent has a burst at once, then the rate; all are answered, in the order they came. */
static void test_burst_and_order(void **state)
{
	const unsigned int sent = 20;
	struct rig_reply reply;
	struct bench b;
	uint64_t start;

	open_bench(&b, NULL, 100, 0);
	start = b.rig.now;
	for (uint32_t tag = 0; tag < sent; tag++)
		send_read(&b.rig, LIMITED, tag);
	for (uint32_t tag = 0; tag < BURST(100); tag++) {
		expect_reply(&b.rig, &frame, &reply);
		assert_int_equal(reply.tag, tag);
	}
	expect_silence(&b.rig);
	for (uint32_t tag = BURST(100); tag < sent; tag++) {
		uint64_t due = start + (tag + 1 - BURST(100)) * SECOND / 100;

		assert_int_equal(aoe_port_next_due(b.rig.port), due);
		move_clock(&b.rig, due - 1);
		expect_silence(&b.rig);
		move_clock(&b.rig, due);
		expect_reply(&b.rig, &frame, &reply);
		assert_int_equal(reply.tag, tag);
	}
	assert_true(aoe_port_next_due(b.rig.port) == AOE_NOTHING_DUE);
	close_bench(&b);
}

static void test_others_are_not_affected(void **state)
{
	struct rig_reply reply;
	struct bench b;

	open_bench(&b, NULL, 10, 0);
	for (uint32_t tag = 0; tag < 5; tag++)
		send_read(&b.rig, LIMITED, tag);
	take_all(&b.rig);
	for (uint32_t tag = 100; tag < 200; tag++) {
		send_read(&b.rig, OTHER, tag);
		expect_reply(&b.rig, &frame, &reply);
		assert_int_equal(reply.tag, tag);
	}
	/* What asks for no medium is free. */
	client_config(&frame, AOE_CONFIG_READ, "");
	assert_int_equal(rig_rx(&b.rig, &frame), 0);
	expect_reply(&b.rig, &frame, &reply);
	expect_silence(&b.rig);
	close_bench(&b);
}

/* The answer waits, the execution does not: nothing that came later can be overwritten. */
static void test_writes_execute_at_once(void **state)
{
	struct bench b;

	open_bench(&b, NULL, 1, 0);
	send_write(&b.rig, LIMITED, 1);
	assert_int_equal(take_all(&b.rig), 1);
	send_write(&b.rig, LIMITED, 2);
	expect_silence(&b.rig);
	send_write(&b.rig, LIMITED, 2); /* sent again */
	send_write(&b.rig, OTHER, 3);
	assert_int_equal(take_all(&b.rig), 1);
	move_clock(&b.rig, b.rig.now + 10 * SECOND);
	assert_int_equal(take_all(&b.rig), 2);
	b.rig.now += 10 * SECOND;
	expect_sector(&b.rig, 100, 3);
	close_bench(&b);
}

static void test_live_changes(void **state)
{
	const struct aoe_limit faster = {.iops = 1000};
	struct bench b;

	open_bench(&b, NULL, 1, 0);
	for (uint32_t tag = 0; tag < 10; tag++)
		send_read(&b.rig, LIMITED, tag);
	assert_int_equal(take_all(&b.rig), 1);
	aoe_limiter_set(b.limiter, &faster);
	aoe_port_release_limited(b.rig.port, rig_host);
	rig_tx_complete(&b.rig);
	assert_int_equal(take_all(&b.rig), 9);
	for (uint32_t tag = 0; tag < BURST(1000) + 3; tag++)
		send_read(&b.rig, LIMITED, tag);
	assert_int_equal(take_all(&b.rig), BURST(1000));
	aoe_port_remove_limiter(b.rig.port, b.limiter);
	rig_tx_complete(&b.rig);
	assert_int_equal(take_all(&b.rig), 3);
	assert_true(aoe_port_next_due(b.rig.port) == AOE_NOTHING_DUE);
	for (uint32_t tag = 0; tag < 200; tag++)
		send_read(&b.rig, LIMITED, tag);
	assert_int_equal(take_all(&b.rig), 200);
	close_bench(&b);
}

/* A worker that stops sends what waits without waiting. */
static void test_closing(void **state)
{
	struct bench b;

	open_bench(&b, NULL, 1, 0);
	for (uint32_t tag = 0; tag < 10; tag++)
		send_read(&b.rig, LIMITED, tag);
	take_all(&b.rig);
	assert_int_equal(aoe_port_inflight(b.rig.port), 9);
	assert_true(aoe_port_run_due(b.rig.port, UINT64_MAX));
	assert_false(aoe_port_run_due(b.rig.port, UINT64_MAX));
	rig_tx_complete(&b.rig);
	assert_int_equal(take_all(&b.rig), 9);
	assert_int_equal(aoe_port_inflight(b.rig.port), 0);
	close_bench(&b);
}

/* Whoever sends again and again cannot have all the requests of the port. */
static void test_share(void **state)
{
	const struct rig_config config = {.requests = 64};
	struct bench b;

	open_bench(&b, &config, 1, 0);
	send_read(&b.rig, LIMITED, 0);
	assert_int_equal(take_all(&b.rig), 1);
	for (uint32_t tag = 0; tag < 500; tag++)
		send_read(&b.rig, LIMITED, tag);
	/* Half of the three quarters that may wait. */
	assert_int_equal(aoe_port_inflight(b.rig.port), 24);
	assert_int_equal(reason(&b.rig, AOE_IGNORED_SHARE), 500 - 24);
	send_read(&b.rig, OTHER, 0);
	assert_int_equal(take_all(&b.rig), 1);
	/* What was taken is answered at its rate; then there is room again. */
	move_clock(&b.rig, b.rig.now + 10 * SECOND);
	assert_int_equal(take_all(&b.rig), 10);
	for (uint32_t tag = 0; tag < 500; tag++)
		send_read(&b.rig, LIMITED, tag);
	assert_int_equal(aoe_port_inflight(b.rig.port), 24);
	close_bench(&b);
}

static void test_shares_of_several(void **state)
{
	const struct rig_config config = {.requests = 64};
	const struct aoe_limit limit = {.iops = 1};
	struct aoe_limiter *more[10];
	struct bench b;

	open_bench(&b, &config, 1, 0);
	for (uint8_t i = 0; i < 10; i++) {
		const uint8_t mac[6] = {rig_host[0], rig_host[1], rig_host[2],
					rig_host[3], rig_host[4], (uint8_t)(0x20 + i)};

		more[i] = aoe_limiter_open(mac);
		aoe_limiter_set(more[i], &limit);
		assert_int_equal(aoe_port_add_limiter(b.rig.port, more[i]), 0);
		assert_int_equal(aoe_port_add_limiter(b.rig.port, more[i]), -EEXIST);
	}
	for (uint32_t tag = 0; tag < 100; tag++)
		for (uint8_t i = 0; i < 10; i++)
			send_read(&b.rig, (uint8_t)(0x20 + i), tag);
	assert_in_range(aoe_port_inflight(b.rig.port), 40, 48);
	/* The one who comes last has something left. */
	take_all(&b.rig);
	send_read(&b.rig, LIMITED, 0);
	send_read(&b.rig, LIMITED, 0);
	send_read(&b.rig, OTHER, 0);
	assert_int_equal(take_all(&b.rig), 2);
	for (unsigned int i = 0; i < 10; i++) {
		aoe_port_remove_limiter(b.rig.port, more[i]);
		aoe_limiter_close(more[i]);
	}
	rig_tx_complete(&b.rig);
	assert_in_range(aoe_port_inflight(b.rig.port), 0, 1);
	close_bench(&b);
}

/* A storm of MACs that makes the port forget the initiator does not make it forget the limit. */
static void test_outlives_the_table(void **state)
{
	struct bench b;

	open_bench(&b, NULL, 100, 0);
	for (uint32_t tag = 0; tag < BURST(100); tag++)
		send_read(&b.rig, LIMITED, tag);
	assert_int_equal(take_all(&b.rig), BURST(100));
	for (unsigned int host = 0; host < 3000; host++) {
		client_config(&frame, AOE_CONFIG_READ, "");
		frame.data[9] = 1;
		client_host(&frame, host);
		assert_int_equal(rig_rx(&b.rig, &frame), 0);
		assert_true(rig_take(&b.rig, &frame));
	}
	send_read(&b.rig, LIMITED, 0);
	expect_silence(&b.rig);
	assert_true(aoe_port_next_due(b.rig.port) == b.rig.now + SECOND / 100);
	close_bench(&b);
}

/* One limiter on two ports: together they answer no more than one of them may. */
static void test_shared_by_ports(void **state)
{
	struct bench b;
	struct rig second;
	unsigned int answered = 0;

	open_bench(&b, NULL, 100, 0);
	rig_open(&second, NULL);
	rig_export(&second, "7.1", "any", NULL);
	assert_int_equal(aoe_port_add_limiter(second.port, b.limiter), 0);
	second.now = b.rig.now;
	for (uint32_t tag = 0; tag < 10; tag++) {
		send_read(&b.rig, LIMITED, tag);
		send_read(&second, LIMITED, tag);
	}
	answered = take_all(&b.rig) + take_all(&second);
	assert_int_equal(answered, BURST(100));
	move_clock(&b.rig, b.rig.now + SECOND / 10);
	move_clock(&second, b.rig.now);
	answered = take_all(&b.rig) + take_all(&second);
	assert_int_equal(answered, 10);
	aoe_port_remove_limiter(second.port, b.limiter);
	rig_tx_complete(&second);
	assert_true(rig_idle(&second));
	rig_close(&second);
	close_bench(&b);
}

/* Each of those without a limit of its own has the same one, by itself. */
static void test_any(void **state)
{
	struct rig_reply reply;
	struct bench b;

	open_limit(&b, NULL, mac_any, 100, 0);
	for (uint8_t host = 0x20; host < 0x26; host++) {
		for (uint32_t tag = 0; tag < BURST(100); tag++) {
			send_read(&b.rig, host, tag);
			expect_reply(&b.rig, &frame, &reply);
		}
		send_read(&b.rig, host, 99);
		expect_silence(&b.rig);
	}
	/* Who was not heard before waits for nobody. */
	send_read(&b.rig, OTHER, 7);
	expect_reply(&b.rig, &frame, &reply);
	move_clock(&b.rig, b.rig.now + SECOND / 100);
	assert_int_equal(take_all(&b.rig), 6);
	close_bench(&b);
}

static void test_own_limit_instead_of_that_of_any(void **state)
{
	const struct aoe_limit faster = {.iops = 1000};
	struct aoe_limiter *own = aoe_limiter_open(rig_host);
	struct bench b;

	aoe_limiter_set(own, &faster);
	open_limit(&b, NULL, mac_any, 1, 0);
	for (uint32_t tag = 0; tag < 10; tag++) {
		send_read(&b.rig, LIMITED, tag);
		send_read(&b.rig, OTHER, tag);
	}
	assert_int_equal(take_all(&b.rig), 2);
	/* What waited for the one limit does not wait for the other; of somebody else it stays. */
	assert_int_equal(aoe_port_add_limiter(b.rig.port, own), 0);
	rig_tx_complete(&b.rig);
	assert_int_equal(take_all(&b.rig), 9);
	for (uint32_t tag = 0; tag < BURST(1000) + 3; tag++)
		send_read(&b.rig, LIMITED, tag);
	assert_int_equal(take_all(&b.rig), BURST(1000));
	aoe_port_release_limited(b.rig.port, mac_any);
	rig_tx_complete(&b.rig);
	assert_int_equal(take_all(&b.rig), 9);
	assert_int_equal(aoe_port_inflight(b.rig.port), 3);
	/* Without its own it is one of any again. */
	aoe_port_remove_limiter(b.rig.port, own);
	rig_tx_complete(&b.rig);
	assert_int_equal(take_all(&b.rig), 3);
	send_read(&b.rig, LIMITED, 0);
	expect_silence(&b.rig);
	aoe_limiter_close(own);
	close_bench(&b);
}

/* More initiators than there is room for: nobody is held up, and who comes too fast still waits. */
static void test_any_of_many(void **state)
{
	const unsigned int many = 2 * AOE_LIMIT_SETS * AOE_LIMIT_SET_ROOMS;
	const struct aoe_limit limit = {.iops = 100};
	struct aoe_limiter *limiter = aoe_limiter_open(mac_any);
	struct aoe_limiter_stats stats;
	uint64_t now = 10 * SECOND;
	uint64_t due = 0;

	aoe_limiter_set(limiter, &limit);
	for (unsigned int i = 0; i < 50; i++)
		due = aoe_limiter_charge(limiter, rig_host, 512, now);
	assert_true(due > now);
	for (unsigned int host = 0; host < many; host++) {
		const uint8_t mac[6] = {2, 1, 0, 0, (uint8_t)(host >> 8), (uint8_t)host};

		assert_int_equal(aoe_limiter_charge(limiter, mac, 512, now), 0);
	}
	/* Those who owe nothing made room, not the one who does. */
	assert_int_equal(aoe_limiter_charge(limiter, rig_host, 512, now), due + SECOND / 100);
	aoe_limiter_stats(limiter, &stats);
	assert_int_equal(stats.requests, many + 51);
	assert_int_equal(stats.delayed, 51 - BURST(100));
	aoe_limiter_close(limiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_iops),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_burst_and_order),
		cmocka_unit_test(test_others_are_not_affected),
		cmocka_unit_test(test_writes_execute_at_once),
		cmocka_unit_test(test_live_changes),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_shares_of_several),
		cmocka_unit_test(test_outlives_the_table),
		cmocka_unit_test(test_shared_by_ports),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_own_limit_instead_of_that_of_any),
		cmocka_unit_test(test_any_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
