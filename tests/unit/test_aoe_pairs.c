/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who asked what of which export, how long it took, and what becomes of it when there are many. */
#include "aoe_client.h"

#include "aoe/pairs.h"
#include "fixture.h"

#define MANY 3000u /* initiators, more than the table has room for */
#define US   1000u

static struct rig_frame frame;
static struct aoe_pair_stats pairs[LU_OPS * MANY];

/* An ATA command of the initiator `host` to shelf 7, which is answered at once or held. */
static void send_ata(struct rig *rig, unsigned int host, uint8_t slot, uint8_t command,
		     unsigned int count)
{
	const struct rig_ata ata = {.command = command, .count = (uint8_t)count, .lba = host};
	static const uint8_t data[1024];

	rig_eth(&frame, rig_mac, rig_host, 0);
	client_host(&frame, host);
	rig_aoe(&frame, CLIENT_SHELF, slot, AOE_CMD_ATA, host);
	rig_ata(&frame, &ata);
	if (command == ATA_WRITE_SECTORS)
		rig_put(&frame, data, count * 512);
	assert_int_equal(rig_rx(rig, &frame), 0);
}

static uint64_t op_count(const struct lu_op_stats *op)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i <= LU_LATENCY_BOUNDS; i++)
		count += op->latency[i];
	return count;
}

/* What is counted of `who`, the initiator `host` or host 0, with the rig's export number `e`. */
static const struct aoe_pair_stats *counted_of(struct rig *rig, enum aoe_pair_who who,
					       unsigned int host, unsigned int e)
{
	unsigned int n = aoe_port_pairs(rig->port, pairs, aoe_port_pairs_max(rig->port));

	for (unsigned int i = 0; i < n; i++)
		if (pairs[i].export == rig->exports[e].aoe && pairs[i].who == who &&
		    (unsigned int)(pairs[i].mac[4] << 8 | pairs[i].mac[5]) == host)
			return &pairs[i];
	return NULL;
}

static const struct aoe_pair_stats *pair_of(struct rig *rig, unsigned int host, unsigned int e)
{
	return counted_of(rig, AOE_PAIR_INITIATOR, host, e);
}

static void test_operations_are_kept_apart(void **state)
{
	struct rig *rig = *state;
	const struct aoe_pair_stats *pair;

	send_ata(rig, 1, 1, ATA_READ_SECTORS, 2);
	send_ata(rig, 1, 1, ATA_READ_SECTORS, 1);
	send_ata(rig, 1, 1, ATA_WRITE_SECTORS, 2);
	send_ata(rig, 1, 1, ATA_FLUSH, 0);
	send_ata(rig, 1, 1, ATA_IDENTIFY_DEVICE, 1);
	send_ata(rig, 1, 1, ATA_READ_SECTORS, 0); /* aborted */
	send_ata(rig, 2, 1, ATA_READ_SECTORS, 1);
	assert_true(aoe_port_unstamped(rig->port));
	aoe_port_stamp(rig->port, rig->now);
	assert_false(aoe_port_unstamped(rig->port));
	pair = pair_of(rig, 1, 0);
	assert_int_equal(op_count(&pair->ops[ATA_CLASS_READ]), 3);
	assert_int_equal(pair->ops[ATA_CLASS_READ].bytes, 3 * 512);
	assert_int_equal(pair->ops[ATA_CLASS_READ].errors, 1);
	assert_int_equal(op_count(&pair->ops[ATA_CLASS_WRITE]), 1);
	assert_int_equal(pair->ops[ATA_CLASS_WRITE].bytes, 1024);
	assert_int_equal(op_count(&pair->ops[ATA_CLASS_FLUSH]), 1);
	assert_int_equal(op_count(&pair->ops[ATA_CLASS_OTHER]), 1);
	assert_int_equal(op_count(&pair_of(rig, 2, 0)->ops[ATA_CLASS_READ]), 1);
}

/* A configuration query is everybody's business: a broadcast must not make a pair an export. */
static void test_queries_make_no_pair(void **state)
{
	struct rig *rig = *state;

	client_config(&frame, AOE_CONFIG_READ, "");
	assert_int_equal(rig_rx(rig, &frame), 0);
	assert_false(aoe_port_unstamped(rig->port));
	assert_int_equal(aoe_port_pairs_max(rig->port), 2);
}

/* From the frame's arrival to the stamp, in the bucket whose bound is the next one. */
static void test_latencies(void **state)
{
	static const struct {
		uint64_t ns;
		unsigned int bucket;
	} cases[] = {
		{0, 0},
		{10 * US, 0},
		{10 * US + 1, 1},
		{20 * US, 1},
		{999 * US, 6},
		{1000 * US, 6},
		{10000000 * (uint64_t)US, LU_LATENCY_BOUNDS - 1},
		{10000000 * (uint64_t)US + 1, LU_LATENCY_BOUNDS},
		{3600000000 * (uint64_t)US, LU_LATENCY_BOUNDS},
	};
	const struct rig_config config = {.requests = 4};
	struct fixture_disk *disk = fixture_disk_open(1 << 20, 64);
	uint64_t sum = 0;
	struct rig rig;

	disk->hold = true;
	rig_open(&rig, &config);
	rig_export_disk(&rig, "7.1", "any", NULL, &disk->disk);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct lu_op_stats *op;
		uint64_t before = 0;

		if (i)
			before = pair_of(&rig, 1, 0)->ops[ATA_CLASS_READ].latency[cases[i].bucket];
		send_ata(&rig, 1, 1, ATA_READ_SECTORS, 1);
		fixture_disk_release(disk);
		rig.now += cases[i].ns;
		sum += cases[i].ns;
		aoe_port_stamp(rig.port, rig.now);
		op = &pair_of(&rig, 1, 0)->ops[ATA_CLASS_READ];
		assert_int_equal(op->latency[cases[i].bucket], before + 1);
		assert_int_equal(op->latency_ns, sum);
		assert_int_equal(op_count(op), i + 1);
	}
	rig_tx_complete(&rig);
	assert_true(rig_idle(&rig));
	rig_close(&rig);
	fixture_disk_close(disk);
}

static void test_bounds_are_round_and_rise(void **state)
{
	assert_int_equal(lu_latency_bounds_us[0], 10);
	assert_int_equal(lu_latency_bounds_us[LU_LATENCY_BOUNDS - 1], 10000000);
	for (unsigned int i = 1; i < LU_LATENCY_BOUNDS; i++) {
		uint32_t digit = lu_latency_bounds_us[i];

		assert_true(digit > lu_latency_bounds_us[i - 1]);
		while (digit % 10 == 0)
			digit /= 10;
		assert_true(digit == 1 || digit == 2 || digit == 5);
	}
}

static uint64_t export_reads(struct rig *rig, unsigned int e)
{
	unsigned int n = aoe_port_pairs(rig->port, pairs, aoe_port_pairs_max(rig->port));
	uint64_t count = 0;

	for (unsigned int i = 0; i < n; i++)
		if (pairs[i].export == rig->exports[e].aoe)
			count += op_count(&pairs[i].ops[ATA_CLASS_READ]);
	return count;
}

static void removed(void *ctx)
{
	++*(int *)ctx;
}

/* Commands of `hosts` initiators, each to the export that its number chooses, and answered. */
static void send_reads(struct rig *rig, unsigned int first, unsigned int hosts, uint64_t sums[2])
{
	for (unsigned int host = first; host < first + hosts; host++) {
		unsigned int e = host % 2;

		send_ata(rig, host, (uint8_t)(e + 1), ATA_READ_SECTORS, 1);
		rig_tx_complete(rig);
		aoe_port_stamp(rig->port, rig->now);
		sums[e]++;
		while (rig_take(rig, &frame))
			;
		/* Not each time, as that looks at all that is counted. */
		if (host % 13 && host + 1 < first + hosts)
			continue;
		assert_int_equal(export_reads(rig, e), sums[e]);
		assert_int_equal(export_reads(rig, !e), sums[!e]);
	}
}

static uint64_t reads_of(struct rig *rig, enum aoe_pair_who who, unsigned int e)
{
	return op_count(&counted_of(rig, who, 0, e)->ops[ATA_CLASS_READ]);
}

/* Newcomers share a place; those who have one keep it, and nothing is counted twice. */
static void test_a_full_table_keeps_who_is_there(void **state)
{
	struct rig *rig = *state;
	uint64_t sums[2] = {0};

	rig_export(rig, "7.2", "any", NULL);
	for (unsigned int round = 1; round <= 3; round++) {
		send_reads(rig, 1, MANY, sums);
		for (unsigned int host = 1; host <= AOE_PAIRS; host += 97)
			assert_int_equal(
				op_count(&pair_of(rig, host, host % 2)->ops[ATA_CLASS_READ]),
				round);
		assert_null(pair_of(rig, AOE_PAIRS + 1, 1));
		for (unsigned int e = 0; e < 2; e++) {
			assert_int_equal(reads_of(rig, AOE_PAIR_OTHERS, e),
					 round * (MANY - AOE_PAIRS) / 2);
			assert_int_equal(reads_of(rig, AOE_PAIR_SILENT, e), 0);
		}
	}
}

/*
 * Whoever was silent for long makes room. What others count does not jump by it, as a rate would
 * show that; the export's sum does not fall either.
 */
static void test_the_silent_make_room(void **state)
{
	struct rig *rig = *state;
	uint64_t sums[2] = {0};

	rig_export(rig, "7.2", "any", NULL);
	send_reads(rig, 1, AOE_PAIRS, sums);
	rig->now += AOE_PAIR_SILENT_NS - 1;
	send_reads(rig, 5000, 10, sums);
	assert_null(pair_of(rig, 5000, 0));
	rig->now += 1;
	send_reads(rig, 6000, 10, sums);
	assert_null(pair_of(rig, 1, 1));
	assert_null(pair_of(rig, 10, 0));
	assert_non_null(pair_of(rig, 11, 1));
	assert_non_null(pair_of(rig, 6009, 1));
	for (unsigned int e = 0; e < 2; e++) {
		assert_int_equal(reads_of(rig, AOE_PAIR_OTHERS, e), 5);
		assert_int_equal(reads_of(rig, AOE_PAIR_SILENT, e), 5);
	}
	/* Who comes back is counted anew. */
	send_reads(rig, 2, 1, sums);
	assert_int_equal(op_count(&pair_of(rig, 2, 0)->ops[ATA_CLASS_READ]), 1);
}

/* An export may be removed while replies of those without a place are not stamped. */
static void test_others_end_with_their_export(void **state)
{
	struct rig *rig = *state;
	uint64_t sums[2] = {0};
	int gone = 0;

	rig_export(rig, "7.2", "any", NULL);
	send_reads(rig, 1, AOE_PAIRS, sums);
	send_ata(rig, 5000, 1, ATA_READ_SECTORS, 1);
	rig_tx_complete(rig);
	assert_int_equal(
		aoe_port_remove(rig->port, rig->exports[0].aoe, &rig->mailbox, removed, &gone), 0);
	mailbox_drain(&rig->mailbox);
	assert_int_equal(gone, 1);
	aoe_port_stamp(rig->port, rig->now);
	assert_int_equal(export_reads(rig, 1), sums[1]);
}

/* Whoever waits for an answer stays, however many others come. */
static void test_a_waiting_pair_stays(void **state)
{
	struct fixture_disk *disk = fixture_disk_open(1 << 20, 64);
	struct rig *rig = *state;

	disk->hold = true;
	rig_export_disk(rig, "7.2", "any", NULL, &disk->disk);
	send_ata(rig, 1, 2, ATA_READ_SECTORS, 1);
	for (unsigned int host = 2; host <= MANY; host++) {
		send_ata(rig, host, 1, ATA_READ_SECTORS, 1);
		rig_tx_complete(rig);
		aoe_port_stamp(rig->port, rig->now);
	}
	assert_non_null(pair_of(rig, 1, 1));
	fixture_disk_release(disk);
	aoe_port_stamp(rig->port, rig->now);
	assert_int_equal(op_count(&pair_of(rig, 1, 1)->ops[ATA_CLASS_READ]), 1);
	rig_tx_complete(rig);
	assert_true(rig_idle(rig));
	rig_close(rig);
	fixture_disk_close(disk);
	rig_open(rig, NULL); /* for the teardown */
}

/* Replies that nobody stamps are counted all the same: the first request's time stands for theirs.
 */
static void test_replies_without_a_stamp(void **state)
{
	struct rig *rig = *state;

	for (unsigned int i = 0; i < 1000; i++) {
		send_ata(rig, 1, 1, ATA_READ_SECTORS, 1);
		rig_tx_complete(rig);
	}
	aoe_port_stamp(rig->port, rig->now);
	assert_int_equal(op_count(&pair_of(rig, 1, 0)->ops[ATA_CLASS_READ]), 1000);
}

/* A removed export takes its pairs along, those with unstamped replies too; others stay. */
static void test_a_removed_export_is_forgotten(void **state)
{
	struct rig *rig = *state;
	int gone = 0;

	rig_export(rig, "7.2", "any", NULL);
	send_ata(rig, 1, 1, ATA_READ_SECTORS, 1);
	send_ata(rig, 1, 2, ATA_READ_SECTORS, 1);
	rig_tx_complete(rig);
	assert_int_equal(
		aoe_port_remove(rig->port, rig->exports[0].aoe, &rig->mailbox, removed, &gone), 0);
	mailbox_drain(&rig->mailbox);
	assert_int_equal(gone, 1);
	aoe_port_stamp(rig->port, rig->now);
	assert_null(pair_of(rig, 1, 0));
	assert_int_equal(op_count(&pair_of(rig, 1, 1)->ops[ATA_CLASS_READ]), 1);
	assert_int_equal(aoe_port_add(rig->port, rig->exports[0].aoe), 0);
	send_ata(rig, 1, 1, ATA_READ_SECTORS, 1);
	aoe_port_stamp(rig->port, rig->now);
	assert_int_equal(op_count(&pair_of(rig, 1, 0)->ops[ATA_CLASS_READ]), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_operations_are_kept_apart),
		rig_test(test_queries_make_no_pair),
		cmocka_unit_test(test_latencies),
		cmocka_unit_test(test_bounds_are_round_and_rise),
		rig_test(test_a_full_table_keeps_who_is_there),
		rig_test(test_the_silent_make_room),
		rig_test(test_others_end_with_their_export),
		rig_test(test_a_waiting_pair_stays),
		rig_test(test_replies_without_a_stamp),
		rig_test(test_a_removed_export_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
