/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which steps of which requests are told, in which order, and with what. */
#include "aoe/trace.h"
#include "aoe_client.h"

#define MAX 64

struct bench {
	struct held_rig held;
	struct aoe_step steps[MAX];
	unsigned int n, seen; /* those before `seen` were looked at */
};

static void told(void *ctx, const struct aoe_step *step)
{
	struct bench *b = ctx;

	assert_true(b->n < MAX);
	b->steps[b->n++] = *step;
}

static int setup(void **state)
{
	const struct rig_config config = {.keep_tx = true};
	struct bench *b = calloc(1, sizeof(*b));

	held_open(&b->held, &config);
	rig_export(&b->held.rig, "7.2", "any", NULL);
	b->held.rig.now = 1000;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	int ret = held_close(&b->held);

	free(b);
	return ret;
}

static void trace(struct bench *b, const struct aoe_trace_filter *filter)
{
	const struct aoe_trace_config config = {.filter = *filter, .step = told, .ctx = b};

	assert_int_equal(aoe_port_trace(b->held.rig.port, &config), 0);
	assert_int_equal(aoe_port_trace(b->held.rig.port, &config), -EBUSY);
}

static struct aoe_step *expect(struct bench *b, enum aoe_trace_point point)
{
	assert_true(b->seen < b->n);
	assert_int_equal(b->steps[b->seen].point, point);
	return &b->steps[b->seen++];
}

static void expect_no_more(const struct bench *b)
{
	assert_int_equal(b->seen, b->n);
}

static void send_read(struct bench *b, uint64_t lba, uint8_t count, uint8_t aflags)
{
	const struct rig_ata read = {
		.command = ATA_READ_SECTORS, .aflags = aflags, .count = count, .lba = lba};
	static struct rig_frame frame;

	client_ata(&frame, &read, NULL, 0);
	assert_int_equal(rig_rx(&b->held.rig, &frame), 0);
}

static void test_steps_of_a_read(void **state)
{
	struct bench *b = *state;
	const struct aoe_step *step;

	trace(b, &(struct aoe_trace_filter){0});
	send_read(b, 20, 2, 0);
	step = expect(b, AOE_TRACE_RECEIVED);
	assert_int_equal(step->ns, b->held.rig.now);
	assert_int_equal(step->taken_ns, b->held.rig.now);
	assert_memory_equal(step->mac, rig_host, 6);
	assert_int_equal(step->shelf, CLIENT_SHELF);
	assert_int_equal(step->slot, CLIENT_SLOT);
	assert_int_equal(step->tag, CLIENT_TAG);
	assert_int_equal(step->ata, ATA_READ_SECTORS);
	assert_int_equal(step->op, ATA_CLASS_READ);
	assert_int_equal(step->lba, 20);
	assert_int_equal(step->count, 2);
	assert_int_equal(expect(b, AOE_TRACE_PARSED)->ns, 0);
	assert_int_equal(expect(b, AOE_TRACE_SUBMITTED)->status, 0);
	expect_no_more(b);
	fixture_disk_release(b->held.disk);
	assert_int_equal(expect(b, AOE_TRACE_COMPLETED)->status, ATA_OK);
	expect(b, AOE_TRACE_SENT);
	expect_no_more(b);
	rig_tx_complete(&b->held.rig);
	step = expect(b, AOE_TRACE_RELEASED);
	assert_int_equal(step->lba, 20);
	assert_int_equal(step->tag, CLIENT_TAG);
	expect_no_more(b);
}

static void test_only_what_touches_the_range(void **state)
{
	struct bench *b = *state;
	static struct rig_frame frame;

	trace(b, &(struct aoe_trace_filter){.by_lba = true, .first = 100, .last = 109});
	send_read(b, 98, 2, 0);
	send_read(b, 110, 8, 0);
	send_read(b, 1ull << 40 | 100, 1, AOE_ATA_LBA48);
	client_config(&frame, AOE_CONFIG_READ, "");
	assert_int_equal(rig_rx(&b->held.rig, &frame), 0);
	client_ata(&frame, &(struct rig_ata){.command = ATA_FLUSH_EXT, .lba = 100}, NULL, 0);
	assert_int_equal(rig_rx(&b->held.rig, &frame), 0);
	held_release(&b->held);
	expect_no_more(b);
	send_read(b, 99, 2, 0);
	assert_int_equal(expect(b, AOE_TRACE_RECEIVED)->lba, 99);
	b->seen = b->n;
	/* Registers of 28 bits: what is above them is not part of the address. */
	send_read(b, 1ull << 40 | 109, 1, 0);
	assert_int_equal(expect(b, AOE_TRACE_RECEIVED)->lba, 109);
	held_release(&b->held);
}

static void test_only_the_export_and_the_initiator(void **state)
{
	static const uint8_t stranger[6] = {2, 0, 0, 0, 0, 0x77};
	struct aoe_trace_filter filter = {.by_mac = true, .by_export = true};
	struct bench *b = *state;
	static struct rig_frame frame;

	memcpy(filter.mac, rig_host, 6);
	assert_int_equal(aoe_address_parse("7.2", &filter.export, NULL), 0);
	trace(b, &filter);
	for (unsigned int i = 0; i < 2; i++) {
		/* Both exports answer. */
		rig_eth(&frame, rig_mac, i ? rig_host : stranger, 0);
		rig_aoe(&frame, CLIENT_SHELF, AOE_SLOT_ANY, AOE_CMD_CONFIG, 5 + i);
		rig_config(&frame, AOE_CONFIG_READ, "", 0);
		assert_int_equal(rig_rx(&b->held.rig, &frame), 0);
	}
	held_release(&b->held);
	assert_int_equal(expect(b, AOE_TRACE_RECEIVED)->slot, 2);
	assert_int_equal(expect(b, AOE_TRACE_PARSED)->command, AOE_CMD_CONFIG);
	assert_int_equal(expect(b, AOE_TRACE_SENT)->tag, 6);
	expect(b, AOE_TRACE_RELEASED);
	expect_no_more(b);
}

static void test_refusal_and_silence(void **state)
{
	struct bench *b = *state;
	static struct rig_frame frame;

	trace(b, &(struct aoe_trace_filter){0});
	client_frame(&frame, 0x42);
	assert_int_equal(rig_rx(&b->held.rig, &frame), 0);
	expect(b, AOE_TRACE_RECEIVED);
	expect(b, AOE_TRACE_PARSED);
	assert_int_equal(expect(b, AOE_TRACE_SENT)->aoe_error, AOE_ERR_COMMAND);
	expect_no_more(b);
	client_config(&frame, AOE_CONFIG_TEST, "no such string");
	assert_int_equal(rig_rx(&b->held.rig, &frame), 0);
	expect(b, AOE_TRACE_RECEIVED);
	assert_int_equal(expect(b, AOE_TRACE_PARSED)->aoe_error, 0);
	expect(b, AOE_TRACE_DROPPED);
	/* The first one's. */
	held_release(&b->held);
	expect(b, AOE_TRACE_RELEASED);
	expect_no_more(b);
}

/* A short frame of another version of the protocol has no registers to be read. */
static void test_short_frame(void **state)
{
	struct bench *b = *state;
	static struct rig_frame frame;

	trace(b, &(struct aoe_trace_filter){0});
	client_frame(&frame, AOE_CMD_ATA);
	frame.data[14] = 0x20;
	assert_int_equal(rig_rx(&b->held.rig, &frame), 0);
	assert_int_equal(expect(b, AOE_TRACE_RECEIVED)->count, 0);
	expect(b, AOE_TRACE_PARSED);
	assert_int_equal(expect(b, AOE_TRACE_SENT)->aoe_error, AOE_ERR_VERSION);
	held_release(&b->held);
}

/* Nothing is told after the end, and nothing old when somebody else traces. */
static void test_end_with_requests_in_flight(void **state)
{
	struct bench *b = *state;

	send_read(b, 1, 1, 0);
	trace(b, &(struct aoe_trace_filter){0});
	send_read(b, 2, 1, 0);
	b->seen = b->n;
	aoe_port_untrace(b->held.rig.port);
	aoe_port_untrace(b->held.rig.port);
	trace(b, &(struct aoe_trace_filter){0});
	held_release(&b->held);
	expect_no_more(b);
	aoe_port_untrace(b->held.rig.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steps_of_a_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_what_touches_the_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_the_export_and_the_initiator, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_refusal_and_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_with_requests_in_flight, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
