/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Injected faults: the rules as text, and what they do to whom. */
#include "aoe_client.h"

#define MS 1000000ull

static struct rig_frame frame;

static void add(struct rig *rig, const char *text)
{
	struct aoe_fault fault;
	struct error err;

	assert_int_equal(aoe_fault_parse(text, &fault, &err), 0);
	assert_int_equal(aoe_faults_add(aoe_export_faults(rig->exports[0].aoe), &fault), 0);
}

static unsigned int rules(struct rig *rig)
{
	struct aoe_fault list[AOE_FAULTS];

	return aoe_faults_list(aoe_export_faults(rig->exports[0].aoe), list);
}

static void send_read_of(struct rig *rig, uint8_t host, uint64_t lba)
{
	const struct rig_ata ata = {
		.command = ATA_READ_SECTORS_EXT, .aflags = AOE_ATA_LBA48, .count = 2, .lba = lba};

	client_ata(&frame, &ata, NULL, 0);
	client_host(&frame, host);
	assert_int_equal(rig_rx(rig, &frame), 0);
}

static void send_read(struct rig *rig, uint64_t lba)
{
	send_read_of(rig, rig_host[5], lba);
}

static void send_flush(struct rig *rig)
{
	const struct rig_ata ata = {.command = ATA_FLUSH_EXT};

	client_ata(&frame, &ata, NULL, 0);
	assert_int_equal(rig_rx(rig, &frame), 0);
}

/* The next reply's registers. */
static struct wire_aoe_ata expect_ata(struct rig *rig, uint8_t status, uint8_t error)
{
	struct wire_aoe_ata regs;
	struct rig_reply reply;

	expect_reply(rig, &frame, &reply);
	memcpy(&regs, reply.body, sizeof(regs));
	assert_int_equal(regs.command, status);
	assert_int_equal(regs.feature, error);
	return regs;
}

static void move_clock(struct rig *rig, uint64_t ns)
{
	rig->now += ns;
	aoe_port_run_due(rig->port, rig->now);
	rig_tx_complete(rig);
}

/* How many of `n` reads were answered with an error. */
static unsigned int errors_of(struct rig *rig, unsigned int n)
{
	unsigned int errors = 0;
	struct rig_reply reply;

	for (unsigned int i = 0; i < n; i++) {
		send_read(rig, 0);
		expect_reply(rig, &frame, &reply);
		errors += reply.body[3] & ATA_ERR;
	}
	return errors;
}

static void test_text(void **state)
{
	static const struct {
		const char *text, *same;
	} good[] = {
		{"delay=200", "delay=200ms"},
		{"delay=200ms", "delay=200ms"},
		{"delay=1500us", "delay=1500us"},
		{"delay=600s", "delay=600000ms"},
		{"error", "error=unc"},
		{"error=abrt op=write", "error=abrt,op=write"},
		{"drop", "drop"},
		{" drop , op=any ", "drop"},
		{"op=flush error", "error=unc,op=flush"},
		{"drop,lba=7", "drop,lba=7"},
		{"op=read,drop,initiator=02:00:00:00:00:0A",
		 "drop,initiator=02:00:00:00:00:0a,op=read"},
		{"drop,lba=7-7", "drop,lba=7"},
		{"delay=200ms,op=read,lba=0-1023,every=10,count=5",
		 "delay=200ms,op=read,lba=0-1023,every=10,count=5"},
		{"count=5 every=1 percent=100 drop", "drop,count=5"},
		{"drop percent=50%", "drop,percent=50"},
		{"drop percent=0.0001", "drop,percent=0.0001"},
		{"drop percent=12.5", "drop,percent=12.5000"},
		{"drop,lba=0-18446744073709551615", "drop,lba=0-18446744073709551615"},
		{"delay=599999999us,initiator=02:00:00:00:00:0a,op=write,lba=18446744073709551614-18446744073709551615,"
		 "every=18446744073709551615,percent=99.9999,count=18446744073709551615",
		 "delay=599999999us,initiator=02:00:00:00:00:0a,op=write,lba=18446744073709551614-18446744073709551615,"
		 "every=18446744073709551615,percent=99.9999,count=18446744073709551615"},
	};
	struct aoe_fault fault;
	struct error err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[AOE_FAULT_TEXT];

		assert_int_equal(aoe_fault_parse(good[i].text, &fault, &err), 0);
		aoe_fault_format(&fault, text);
		assert_string_equal(text, good[i].same);
		assert_int_equal(aoe_fault_parse(text, &fault, &err), 0);
	}
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "one of delay=TIME, error and drop"},
		{"op=read", "one of delay=TIME, error and drop"},
		{"drop,error", "one of delay=TIME, error and drop"},
		{"drop drop", "'drop' is said twice"},
		{"drop=1", "'drop=1'"},
		{"drop=", "'drop='"},
		{"delay", "'delay'"},
		{"delay=", "'delay='"},
		{"delay=0", "'delay=0'"},
		{"delay=-5", "'delay=-5'"},
		{"delay=5min", "'delay=5min'"},
		{"delay=601s", "'delay=601s'"},
		{"delay=99999999999999999999", "'delay=99999999999999999999'"},
		{"error=idnf", "'error=idnf'"},
		{"error=", "'error='"},
		{"drop op", "'op'"},
		{"drop op=trim", "'op=trim'"},
		{"drop lba=5-4", "'lba=5-4'"},
		{"drop lba=5-", "'lba=5-'"},
		{"drop lba=-5", "'lba=-5'"},
		{"drop lba=0x10", "'lba=0x10'"},
		{"drop every=0", "'every=0'"},
		{"drop initiator", "'initiator'"},
		{"drop initiator=any", "'initiator=any'"},
		{"drop initiator=ff:ff:ff:ff:ff:ff", "address of one station"},
		{"drop every=2x", "'every=2x'"},
		{"drop count=0", "'count=0'"},
		{"drop percent=0", "'percent=0'"},
		{"drop percent=101", "'percent=101'"},
		{"drop percent=100.1", "'percent=100.1'"},
		{"drop percent=0.00001", "'percent=0.00001'"},
		{"drop,op=flush,lba=0", "a flush has no sectors"},
		{"dorp", "'dorp' is not known"},
		{"drop,Op=read", "'Op=read' is not known"},
	};
	struct aoe_fault fault;
	struct error err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(aoe_fault_parse(bad[i].text, &fault, &err), -EINVAL);
		assert_non_null(strstr(err.text, bad[i].says));
	}
}

static void test_delay(void **state)
{
	struct rig *rig = *state;

	add(rig, "delay=200ms,op=read");
	send_read(rig, 0);
	expect_silence(rig);
	assert_true(aoe_port_next_due(rig->port) == rig->now + 200 * MS);
	/* Others go on meanwhile. */
	write_sectors(rig, 0, 1, 7);
	move_clock(rig, 200 * MS - 1);
	expect_silence(rig);
	move_clock(rig, 1);
	expect_ata(rig, ATA_OK, 0);
	/* It was executed when it came. */
	assert_int_equal(frame.data[36], 0);
	assert_int_equal(reason(rig, AOE_FAULT_DELAYED), 1);
	assert_true(aoe_port_next_due(rig->port) == AOE_NOTHING_DUE);
}

static void test_error(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata ata = {.command = ATA_WRITE_SECTORS_EXT,
				    .aflags = AOE_ATA_LBA48 | AOE_ATA_WRITE,
				    .count = 1,
				    .lba = 10};
	uint8_t data[512] = {9};
	struct wire_aoe_ata regs;

	write_sectors(rig, 10, 1, 5);
	add(rig, "error,lba=11-20,count=2");
	send_read(rig, 10);
	regs = expect_ata(rig, ATA_BAD, ATA_UNC);
	/* The broken sector is named, and no data comes with it. */
	assert_int_equal(regs.lba[0], 11);
	assert_int_equal(frame.len, 60);
	send_read(rig, 20);
	regs = expect_ata(rig, ATA_BAD, ATA_UNC);
	assert_int_equal(regs.lba[0], 20);
	assert_int_equal(rules(rig), 0);
	send_read(rig, 10);
	expect_ata(rig, ATA_OK, 0);
	/* A failed write leaves the medium alone. */
	add(rig, "error=abrt,op=write");
	ask_ata(rig, &ata, data, sizeof(data), ATA_BAD, ATA_ABRT);
	expect_sector(rig, 10, 5);
	assert_int_equal(reason(rig, AOE_FAULT_FAILED), 3);
	assert_int_equal(aoe_port_initiator(rig->port, 0)->errors, 3);
}

static void test_drop(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata ata = {.command = ATA_WRITE_SECTORS, .count = 1, .lba = 10};
	const uint8_t data[512] = {0};

	write_sectors(rig, 10, 1, 5);
	add(rig, "drop,op=write,count=1");
	client_ata(&frame, &ata, data, sizeof(data));
	ask_silence(rig, &frame);
	expect_sector(rig, 10, 5);
	assert_int_equal(reason(rig, AOE_FAULT_DROPPED), 1);
	/* Sent again it is executed. */
	write_sectors(rig, 10, 1, 6);
	expect_sector(rig, 10, 6);
}

static void test_where(void **state)
{
	struct rig *rig = *state;
	const struct rig_ata identify = {.command = ATA_IDENTIFY_DEVICE, .count = 1};
	/* 28 bits only: what is in the registers above them says nothing. */
	const struct rig_ata short_read = {
		.command = ATA_READ_SECTORS, .count = 1, .lba = 0xe00000000005};

	add(rig, "error,op=read,lba=4-5");
	send_read(rig, 2);
	expect_ata(rig, ATA_OK, 0);
	send_read(rig, 3);
	expect_ata(rig, ATA_BAD, ATA_UNC);
	send_read(rig, 5);
	expect_ata(rig, ATA_BAD, ATA_UNC);
	send_read(rig, 6);
	expect_ata(rig, ATA_OK, 0);
	ask_ata(rig, &short_read, NULL, 0, ATA_BAD, ATA_UNC);
	write_sectors(rig, 4, 1, 1);
	send_flush(rig);
	expect_ata(rig, ATA_OK, 0);
	aoe_faults_clear(aoe_export_faults(rig->exports[0].aoe));
	add(rig, "error=abrt,op=flush");
	send_flush(rig);
	expect_ata(rig, ATA_BAD, ATA_ABRT);
	send_read(rig, 4);
	expect_ata(rig, ATA_OK, 0);
	/* The disk stays found. */
	add(rig, "drop");
	ask_ata(rig, &identify, NULL, 0, ATA_OK, 0);
	client_config(&frame, AOE_CONFIG_READ, "");
	ask(rig, &frame, 0);
}

static void test_how_often(void **state)
{
	struct rig *rig = *state;
	unsigned int errors;

	add(rig, "error,every=10");
	assert_int_equal(errors_of(rig, 9), 0);
	assert_int_equal(errors_of(rig, 1), 1);
	assert_int_equal(errors_of(rig, 100), 10);
	aoe_faults_clear(aoe_export_faults(rig->exports[0].aoe));
	add(rig, "error,every=2,count=3");
	assert_int_equal(errors_of(rig, 100), 3);
	assert_int_equal(rules(rig), 0);
	add(rig, "error,percent=10");
	errors = errors_of(rig, 10000);
	assert_in_range(errors, 850, 1150);
}

/* Delays add up until an error or a drop decides. */
static void test_several_rules(void **state)
{
	struct aoe_fault fault;
	struct rig *rig = *state;
	struct error err;

	add(rig, "delay=10ms");
	add(rig, "delay=5ms,op=read");
	add(rig, "error,every=2");
	add(rig, "delay=1s");
	send_read(rig, 0);
	assert_true(aoe_port_next_due(rig->port) == rig->now + 1015 * MS);
	send_read(rig, 0);
	move_clock(rig, 15 * MS);
	expect_ata(rig, ATA_BAD, ATA_UNC);
	expect_silence(rig);
	move_clock(rig, 1000 * MS);
	expect_ata(rig, ATA_OK, 0);
	for (unsigned int i = rules(rig); i < AOE_FAULTS; i++)
		add(rig, "drop,lba=999");
	assert_int_equal(aoe_fault_parse("drop", &fault, &err), 0);
	assert_int_equal(aoe_faults_add(aoe_export_faults(rig->exports[0].aoe), &fault), -ENOSPC);
}

static void test_clear_releases(void **state)
{
	struct rig *rig = *state;

	rig_export(rig, "7.2", "any", NULL);
	add(rig, "delay=600s");
	send_read(rig, 0);
	send_read(rig, 0);
	expect_silence(rig);
	aoe_port_release_faulty(rig->port, rig->exports[1].aoe);
	expect_silence(rig);
	aoe_faults_clear(aoe_export_faults(rig->exports[0].aoe));
	aoe_port_release_faulty(rig->port, rig->exports[0].aoe);
	rig_tx_complete(rig);
	expect_ata(rig, ATA_OK, 0);
	expect_ata(rig, ATA_OK, 0);
	assert_true(aoe_port_next_due(rig->port) == AOE_NOTHING_DUE);
	expect_sector(rig, 0, 0);
}

/* Others, and what the rule of one leaves to the next, go on. */
static void test_of_one_initiator(void **state)
{
	struct rig *rig = *state;

	add(rig, "drop,initiator=02:00:00:00:00:99");
	add(rig, "delay=100ms,initiator=02:00:00:00:00:0a"); /* rig_host */
	send_read(rig, 0);
	expect_silence(rig);
	send_read_of(rig, 0x99, 0);
	expect_silence(rig);
	assert_int_equal(reason(rig, AOE_FAULT_DROPPED), 1);
	send_read_of(rig, 0x98, 0);
	expect_ata(rig, ATA_OK, 0);
	move_clock(rig, 100 * MS);
	expect_ata(rig, ATA_OK, 0);
}

/* However many answers wait, the disk stays found. */
static void test_full_share_leaves_identify(void **state)
{
	const struct rig_ata identify = {.command = ATA_IDENTIFY_DEVICE, .count = 1};
	struct rig *rig = *state;

	add(rig, "delay=600s");
	for (unsigned int i = 0; !reason(rig, AOE_IGNORED_SHARE); i++) {
		assert_in_range(i, 0, 1000);
		send_read(rig, 0);
	}
	expect_silence(rig);
	client_ata(&frame, &identify, NULL, 0);
	assert_int_equal(rig_rx(rig, &frame), 0);
	expect_ata(rig, ATA_OK, 0);
	aoe_faults_clear(aoe_export_faults(rig->exports[0].aoe));
	aoe_port_release_faulty(rig->port, rig->exports[0].aoe);
	while (rig_take(rig, &frame))
		rig_tx_complete(rig);
}

static void note_gone(void *ctx)
{
	*(bool *)ctx = true;
}

/* Nobody waits ten minutes for an export to go. */
static void test_removal_releases(void **state)
{
	struct rig *rig = *state;
	bool gone = false;

	add(rig, "delay=600s");
	send_read(rig, 0);
	expect_silence(rig);
	assert_int_equal(aoe_port_remove(rig->port, rig->exports[0].aoe, &rig->mailbox, note_gone,
					 &gone),
			 0);
	expect_ata(rig, ATA_OK, 0);
	rig_tx_complete(rig);
	mailbox_drain(&rig->mailbox);
	assert_true(gone);
}

/* A delay and a rate limit on one reply: the later of the two; the other stays when one goes. */
static void test_with_a_limit(void **state)
{
	const struct aoe_limit limit = {.iops = 1};
	struct aoe_limiter *limiter = aoe_limiter_open(rig_host);
	struct rig *rig = *state;

	rig->now = 1000 * 1000 * MS;
	aoe_limiter_set(limiter, &limit);
	assert_int_equal(aoe_port_add_limiter(rig->port, limiter), 0);
	add(rig, "delay=500ms");
	send_read(rig, 0); /* by the limit at once */
	send_read(rig, 0); /* by the limit after 950 ms */
	assert_true(aoe_port_next_due(rig->port) == rig->now + 500 * MS);
	move_clock(rig, 500 * MS);
	expect_ata(rig, ATA_OK, 0);
	assert_true(aoe_port_next_due(rig->port) == rig->now + 450 * MS);
	send_read(rig, 0); /* after 1450 ms more, the fault after 500 */
	aoe_port_remove_limiter(rig->port, limiter);
	rig_tx_complete(rig);
	expect_silence(rig);
	move_clock(rig, 1);
	expect_ata(rig, ATA_OK, 0);
	expect_silence(rig);
	assert_true(aoe_port_next_due(rig->port) == rig->now + 500 * MS - 1);
	move_clock(rig, 500 * MS);
	expect_ata(rig, ATA_OK, 0);
	aoe_limiter_close(limiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_text),
		rig_test(test_delay),
		rig_test(test_error),
		rig_test(test_drop),
		rig_test(test_where),
		rig_test(test_how_often),
		rig_test(test_several_rules),
		rig_test(test_clear_releases),
		rig_test(test_removal_releases),
		rig_test(test_with_a_limit),
		rig_test(test_of_one_initiator),
		rig_test(test_full_share_leaves_identify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
