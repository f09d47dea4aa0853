/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Data-In, Data-Out and R2T: lengths, sequences, residuals, digests, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "iscsi_rig.h"
#include <stdlib.h>
#include <string.h>

#define OFF(pdu)    get_be32((pdu).bhs + ISCSI_DATA_AT_OFFSET)
#define LENGTH(pdu) get_be32((pdu).bhs + ISCSI_R2T_AT_LENGTH)

static struct iscsi_rig rig;
static struct host_conn c, d;
static uint8_t data[1u << 20], in[1u << 20];
static struct host_pdu pdu;
static uint32_t len;

static int setup(void **state)
{
	iscsi_rig_open(&rig, &(struct iscsi_rig_config){});
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 512);
	return 0;
}

static int teardown(void **state)
{
	host_disconnect(&c);
	if (d.answers)
		host_disconnect(&d);
	iscsi_rig_close(&rig);
	return 0;
}

static uint8_t status(void)
{
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	return pdu.bhs[ISCSI_RESPONSE_AT_STATUS];
}

/* Serves every R2T with PDUs of `segment` bytes until the response comes; counts them. */
static uint8_t serve(struct host_conn *h, uint32_t segment, unsigned int *r2ts)
{
	while (host_receive(h, &pdu) && pdu.bhs[0] == ISCSI_R2T) {
		struct host_pdu r2t = pdu;
		uint32_t sn = 0;

		assert_int_equal(get_be32(r2t.bhs + ISCSI_DATA_AT_SN), *r2ts);
		for (uint32_t at = 0; at < LENGTH(r2t); at += segment) {
			uint32_t n = LENGTH(r2t) - at < segment ? LENGTH(r2t) - at : segment;

			host_data_out(h, &r2t, sn++, OFF(r2t) + at, data + OFF(r2t) + at, n,
				      at + n == LENGTH(r2t));
		}
		++*r2ts;
	}
	assert_int_equal(pdu.bhs[0], ISCSI_RESPONSE);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_RESPONSE_AT_EXPDATASN), *r2ts);
	return pdu.bhs[ISCSI_RESPONSE_AT_STATUS];
}

static void test_write_of_a_megabyte(void **state)
{
	unsigned int r2ts = 0;

	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 16, 2048, NULL, 0);
	assert_int_equal(serve(&c, 65536, &r2ts), SCSI_GOOD);
	assert_int_equal(r2ts, 4);
	assert_true(c.direct);
	assert_memory_equal(rig.fs.disk->data + 16 * 512, data, sizeof(data));
}

static void test_immediate_data_is_not_asked_for_again(void **state)
{
	unsigned int r2ts = 0;

	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 0, 256, data, 65536);
	assert_true(host_receive(&c, &pdu));
	assert_int_equal(OFF(pdu), 65536);
	assert_int_equal(LENGTH(pdu), 65536);
	r2ts++;
	host_data_out(&c, &pdu, 0, 65536, data + 65536, 65536, true);
	assert_int_equal(serve(&c, 65536, &r2ts), SCSI_GOOD);
	assert_memory_equal(rig.fs.disk->data, data, 131072);
}

static void test_sequences_are_as_short_as_agreed(void **state)
{
	unsigned int r2ts = 0;

	host_ready(&rig, &c, 0, "MaxBurstLength=8192\nFirstBurstLength=4096\n");
	host_write(&c, 0, 64, data, 4096);
	assert_int_equal(serve(&c, 512, &r2ts), SCSI_GOOD);
	assert_int_equal(r2ts, 4);
	assert_memory_equal(rig.fs.disk->data, data, 32768);
}

/* ---- several R2Ts at a time ---- */

/* A write of `blocks` in sequences of 8 KiB, of which four may be asked for ahead. */
static void write_with_window(uint16_t blocks, const void *bytes, uint32_t n)
{
	host_ready(&rig, &c, 0,
		   "MaxBurstLength=8192\nFirstBurstLength=4096\nMaxOutstandingR2T=4\n");
	host_write(&c, 0, blocks, bytes, n);
}

/* Those that have come; their data is still valid then. */
static unsigned int take_r2ts(struct host_pdu *r2ts, unsigned int sn, uint32_t off)
{
	unsigned int n = 0;

	for (; host_receive(&c, &r2ts[n]); n++) {
		assert_int_equal(r2ts[n].bhs[0], ISCSI_R2T);
		assert_int_equal(get_be32(r2ts[n].bhs + ISCSI_DATA_AT_SN), sn + n);
		assert_int_equal(OFF(r2ts[n]), off + n * 8192);
		for (unsigned int i = 0; i < n; i++)
			assert_memory_not_equal(r2ts[i].bhs + ISCSI_AT_TTT,
						r2ts[n].bhs + ISCSI_AT_TTT, 4);
	}
	return n;
}

static void test_as_many_r2ts_are_outstanding_as_agreed(void **state)
{
	struct host_pdu r2ts[8];
	unsigned int asked, done = 0;

	write_with_window(104, NULL, 0);
	asked = take_r2ts(r2ts, 0, 0);
	assert_int_equal(asked, 4);
	for (; done < 6; done++) {
		host_data_out(&c, &r2ts[done], 0, OFF(r2ts[done]), data + OFF(r2ts[done]), 4096,
			      false);
		host_expect_nothing(&c);
		host_data_out(&c, &r2ts[done], 1, OFF(r2ts[done]) + 4096,
			      data + OFF(r2ts[done]) + 4096, 4096, true);
		asked += take_r2ts(r2ts + asked, asked, asked * 8192);
		assert_int_equal(asked, done + 5 < 7 ? done + 5 : 7);
	}
	assert_int_equal(LENGTH(r2ts[5]), 8192);
	assert_int_equal(LENGTH(r2ts[6]), 4096);
	host_data_out(&c, &r2ts[6], 0, 49152, data + 49152, 4096, true);
	assert_int_equal(status(), SCSI_GOOD);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_RESPONSE_AT_EXPDATASN), 7);
	assert_memory_equal(rig.fs.disk->data, data, 104 * 512);
}

static void test_window_begins_behind_immediate_data(void **state)
{
	struct host_pdu r2ts[8];
	unsigned int n;

	write_with_window(64, data, 4096);
	n = take_r2ts(r2ts, 0, 4096);
	assert_int_equal(n, 4);
	assert_int_equal(LENGTH(r2ts[3]), 4096);
	for (unsigned int i = 0; i < n; i++)
		host_data_out(&c, &r2ts[i], 0, OFF(r2ts[i]), data + OFF(r2ts[i]), LENGTH(r2ts[i]),
			      true);
	assert_int_equal(status(), SCSI_GOOD);
	assert_memory_equal(rig.fs.disk->data, data, 32768);
}

/* Each piece of a long command has a window of its own. */
static void test_window_of_each_piece(void **state)
{
	unsigned int r2ts = 0;

	host_ready(&rig, &c, 0, "MaxBurstLength=50000\nMaxOutstandingR2T=16\n");
	host_write(&c, 0, 2048, NULL, 0);
	assert_int_equal(serve(&c, 16384, &r2ts), SCSI_GOOD);
	assert_int_equal(r2ts, 4 * 6);
	assert_memory_equal(rig.fs.disk->data, data, sizeof(data));
}

/* Sequences have to come in the order in which they were asked for. */
static void test_sequence_that_comes_too_early_ends_the_command(void **state)
{
	struct host_pdu r2ts[8];

	write_with_window(64, NULL, 0);
	assert_int_equal(take_r2ts(r2ts, 0, 0), 4);
	host_data_out(&c, &r2ts[1], 0, 8192, data + 8192, 8192, true);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), 0x0c0d);
	/* What else was sent for it is dropped. */
	host_data_out(&c, &r2ts[0], 0, 0, data, 8192, true);
	host_data_out(&c, &r2ts[2], 0, 16384, data + 16384, 8192, true);
	host_test_unit_ready(&c);
	assert_int_equal(status(), SCSI_GOOD);
	assert_int_equal(rig.fs.disk->requests, 0);
}

static void test_tag_that_was_not_given_yet_or_is_used_up_is_rejected(void **state)
{
	struct host_pdu r2ts[8], next;

	write_with_window(128, NULL, 0);
	assert_int_equal(take_r2ts(r2ts, 0, 0), 4);
	next = r2ts[3];
	put_be32(next.bhs + ISCSI_AT_TTT, get_be32(next.bhs + ISCSI_AT_TTT) + 1);
	host_data_out(&c, &next, 0, 32768, data, 8192, true);
	host_expect(&c, ISCSI_REJECT, &pdu);
	host_data_out(&c, &r2ts[0], 0, 0, data, 8192, true);
	host_expect(&c, ISCSI_R2T, &next);
	host_data_out(&c, &r2ts[0], 0, 0, data, 8192, true);
	host_expect(&c, ISCSI_REJECT, &pdu);
	for (unsigned int i = 1; i < 4; i++) {
		host_data_out(&c, &r2ts[i], 0, OFF(r2ts[i]), data + OFF(r2ts[i]), 8192, true);
		host_expect(&c, ISCSI_R2T, &pdu);
	}
}

/* Several commands at a time: no tag is two sequences'. */
static void test_windows_of_several_commands(void **state)
{
	struct host_pdu r2ts[2][4];

	write_with_window(64, NULL, 0);
	host_write(&c, 64, 64, NULL, 0);
	for (unsigned int i = 0; i < 8; i++)
		host_expect(&c, ISCSI_R2T, &r2ts[i / 4][i % 4]);
	for (unsigned int i = 0; i < 8; i++) {
		const struct host_pdu *r2t = &r2ts[i % 2][i / 2];

		assert_int_equal(OFF(*r2t), i / 2 * 8192);
		host_data_out(&c, r2t, 0, OFF(*r2t), data + i % 2 * 32768 + OFF(*r2t), 8192, true);
	}
	assert_int_equal(status(), SCSI_GOOD);
	assert_int_equal(status(), SCSI_GOOD);
	assert_memory_equal(rig.fs.disk->data, data, 65536);
}

static void test_unsolicited_data_out(void **state)
{
	struct host_pdu fake = {};
	struct iscsi_rig other;
	struct iscsi_settings settings;
	unsigned int r2ts = 0;

	iscsi_settings_default(&settings);
	settings.initial_r2t = false;
	iscsi_rig_open(&other, &(struct iscsi_rig_config){.settings = settings});
	host_connect(&other, &c, 0);
	host_login(&c, "InitialR2T=No\n");
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	host_command(&c, 0x21, (uint8_t[16]){0x2a, 0, 0, 0, 0, 0, 0, 0, 128}, 65536, data, 8192);
	put_be32(fake.bhs + ISCSI_AT_ITT, c.itt);
	put_be32(fake.bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_expect_nothing(&c);
	host_data_out(&c, &fake, 0, 8192, data + 8192, 8192, false);
	host_data_out(&c, &fake, 1, 16384, data + 16384, 8192, true);
	assert_int_equal(serve(&c, 16384, &r2ts), SCSI_GOOD);
	assert_int_equal(r2ts, 1);
	assert_memory_equal(other.fs.disk->data, data, 65536);
	host_disconnect(&c);
	iscsi_rig_close(&other);
	host_ready(&rig, &c, 0, NULL);
}

static void test_bytes_may_be_cut_anywhere(void **state)
{
	static const size_t pieces[] = {1, 3, 47, 1000, 5000};
	unsigned int r2ts = 0;

	host_ready(&rig, &c, 0, "HeaderDigest=CRC32C\nDataDigest=CRC32C\n");
	for (unsigned int i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		c.piece = pieces[i];
		memset(rig.fs.disk->data, 0, 32768);
		r2ts = 0;
		host_write(&c, 0, 64, data, 5 * 512);
		assert_int_equal(serve(&c, 10000, &r2ts), SCSI_GOOD);
		host_read(&c, 0, 64);
		assert_int_equal(host_status(&c, in, &len), SCSI_GOOD);
		assert_int_equal(len, 32768);
		assert_memory_equal(in, data, 32768);
	}
}

static void test_read_in_segments_and_sequences(void **state)
{
	unsigned int n = 0, finals = 0;

	memcpy(rig.fs.disk->data, data, 512 << 10);
	host_ready(&rig, &c, 0, "MaxRecvDataSegmentLength=4096\nMaxBurstLength=16384\n");
	host_read(&c, 0, 1024);
	do {
		host_expect(&c, ISCSI_DATA_IN, &pdu);
		assert_int_equal(get_be32(pdu.bhs + ISCSI_DATA_AT_SN), n);
		assert_int_equal(OFF(pdu), n * 4096);
		assert_memory_equal(pdu.data, data + n * 4096, 4096);
		n++;
		finals += pdu.bhs[1] >> 7;
		assert_int_equal(pdu.bhs[1] >> 7, n % 4 == 0);
	} while (!(pdu.bhs[1] & ISCSI_DATA_STATUS));
	assert_int_equal(n, 128);
	assert_int_equal(finals, 32);
}

static void test_residuals(void **state)
{
	static const uint8_t read_2[16] = {0x28, 0, 0, 0, 0, 0, 0, 0, 2};

	host_ready(&rig, &c, 0, NULL);
	/* Less is taken than there is. */
	host_command(&c, 0xc1, read_2, 512, NULL, 0);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	assert_int_equal(pdu.len, 512);
	assert_int_equal(pdu.bhs[1] & 6, ISCSI_OVERFLOW);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_DATA_AT_RESIDUAL), 512);
	/* More is expected. */
	host_command(&c, 0xc1, read_2, 2048, NULL, 0);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	assert_int_equal(pdu.len, 1024);
	assert_int_equal(pdu.bhs[1] & 6, ISCSI_UNDERFLOW);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_DATA_AT_RESIDUAL), 1024);
	/* Nothing is expected. */
	host_command(&c, 0x81, read_2, 0, NULL, 0);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[1] & 6, ISCSI_OVERFLOW);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_RESPONSE_AT_RESIDUAL), 1024);
	/* A write of less than it says. */
	host_command(&c, 0xa1, (uint8_t[16]){0x2a, 0, 0, 0, 0, 0, 0, 0, 2}, 512, data, 512);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[1] & 6, ISCSI_OVERFLOW);
	assert_int_equal(get_be32(pdu.bhs + ISCSI_RESPONSE_AT_RESIDUAL), 512);
}

static void test_data_that_was_not_agreed_on(void **state)
{
	static const uint8_t write_8[16] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 8};

	host_ready(&rig, &c, 0, "ImmediateData=No\n");
	host_write(&c, 0, 8, data, 4096);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), 0x0c0c);
	/* No Final bit: data would follow without an R2T. */
	host_command(&c, 0x21, write_8, 4096, NULL, 0);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), 0x0c0c);
	assert_int_equal(rig.fs.disk->requests, 0);
}

static void test_more_immediate_data_than_expected(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_command(&c, 0xa1, (uint8_t[16]){0x2a, 0, 0, 0, 0, 0, 0, 0, 8}, 512, data, 4096);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), 0x0c0d);
	assert_int_equal(rig.fs.disk->requests, 0);
}

static void test_both_directions_are_refused(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	host_command(&c, 0xe1, (uint8_t[16]){0x53}, 512, NULL, 0);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), SCSI_ASC_INVALID_FIELD_IN_IU);
}

static void bad_data_out(uint32_t sn, uint32_t offset, uint32_t n, bool final, uint16_t asc)
{
	host_write(&c, 0, 64, NULL, 0);
	host_expect(&c, ISCSI_R2T, &pdu);
	host_data_out(&c, &pdu, sn, offset, data, n, final);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), asc);
	assert_int_equal(rig.fs.disk->requests, 0);
}

static void test_data_out_out_of_sequence_ends_the_command(void **state)
{
	host_ready(&rig, &c, 0, NULL);
	bad_data_out(1, 0, 32768, true, 0x4705);
	bad_data_out(0, 512, 32256, true, 0x0c0d);
	bad_data_out(0, 0, 32768 + 512, true, 0x0c0d);
	bad_data_out(0, 0, 512, true, 0x0c0d);
	/* The session goes on. */
	host_write(&c, 0, 8, data, 4096);
	assert_int_equal(status(), SCSI_GOOD);
}

static void test_data_out_with_a_wrong_tag_is_rejected(void **state)
{
	struct host_pdu r2t;

	host_ready(&rig, &c, 0, NULL);
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &r2t);
	r2t.bhs[ISCSI_AT_TTT + 3] ^= 1;
	host_data_out(&c, &r2t, 0, 0, data, 4096, true);
	host_expect(&c, ISCSI_REJECT, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], ISCSI_REJECT_FIELD);
	assert_int_equal(pdu.len, ISCSI_BHS);
	r2t.bhs[ISCSI_AT_TTT + 3] ^= 1;
	host_data_out(&c, &r2t, 0, 0, data, 4096, true);
	assert_int_equal(status(), SCSI_GOOD);
}

static void test_data_of_a_task_that_is_no_more_is_dropped(void **state)
{
	struct host_pdu fake = {};

	host_ready(&rig, &c, 0, NULL);
	put_be32(fake.bhs + ISCSI_AT_ITT, 77777);
	host_data_out(&c, &fake, 0, 0, data, 4096, true);
	host_expect_nothing(&c);
	assert_non_null(c.conn);
}

/* ---- digests ---- */

static void send_damaged(uint8_t *bhs, const void *bytes, uint32_t n, unsigned int damage)
{
	uint8_t *whole = malloc(ISCSI_BHS + n + 8);
	struct host_conn copy = c;

	/* A connection that goes nowhere gives the bytes as they would be sent. */
	copy.conn = NULL;
	copy.unread = whole;
	copy.nunread = 0;
	copy.hung_up = false;
	host_send(&copy, bhs, bytes, n);
	whole[damage] ^= 1;
	host_send_bytes(&c, whole, copy.nunread);
	free(whole);
}

static void test_bad_header_digest_ends_the_connection(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, "HeaderDigest=CRC32C\n");
	host_request(&c, ISCSI_NOP_OUT, 0x80, bhs);
	send_damaged(bhs, "", 0, 16);
	assert_null(c.conn);
	assert_false(c.polite);
	assert_int_equal(iscsi_worker_stats(rig.workers[0])->header_digest_errors, 1);
}

static void test_bad_data_digest_of_a_write_is_not_written(void **state)
{
	uint8_t bhs[ISCSI_BHS];
	struct host_pdu r2t;

	host_ready(&rig, &c, 0, "DataDigest=CRC32C\n");
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &r2t);
	memset(bhs, 0, sizeof(bhs));
	bhs[0] = ISCSI_DATA_OUT;
	bhs[1] = ISCSI_FINAL;
	memcpy(bhs + ISCSI_AT_ITT, r2t.bhs + ISCSI_AT_ITT, 8);
	send_damaged(bhs, data, 4096, ISCSI_BHS + 100);
	host_expect(&c, ISCSI_REJECT, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], ISCSI_REJECT_DATA_DIGEST);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), 0x4705);
	assert_int_equal(rig.fs.disk->requests, 0);
}

/* RFC 7143 7.8: the response comes when all that was asked for has come. */
static void test_bad_data_digest_ends_a_write_when_all_is_there(void **state)
{
	struct host_pdu r2ts[8];

	host_ready(&rig, &c, 0,
		   "DataDigest=CRC32C\nMaxBurstLength=8192\nFirstBurstLength=4096\n"
		   "MaxOutstandingR2T=4\n");
	host_write(&c, 0, 128, NULL, 0);
	assert_int_equal(take_r2ts(r2ts, 0, 0), 4);
	c.spoil_data = true;
	host_data_out(&c, &r2ts[0], 0, 0, data, 4096, false);
	host_expect(&c, ISCSI_REJECT, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], ISCSI_REJECT_DATA_DIGEST);
	host_data_out(&c, &r2ts[0], 1, 4096, data + 4096, 4096, true);
	for (unsigned int i = 1; i < 4; i++) {
		host_expect_nothing(&c);
		host_data_out(&c, &r2ts[i], 0, OFF(r2ts[i]), data + OFF(r2ts[i]), 8192, true);
	}
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), 0x4705);
	assert_int_equal(rig.fs.disk->requests, 0);
}

/* A rig anew whose target lets data come unsolicited behind a command's own. */
static void unsolicited_ready(const char *keys)
{
	struct iscsi_settings settings;

	iscsi_settings_default(&settings);
	settings.initial_r2t = false;
	iscsi_rig_close(&rig);
	iscsi_rig_open(&rig, &(struct iscsi_rig_config){.settings = settings});
	host_ready(&rig, &c, 0, keys);
}

/* Begins a write of 64 KiB with 4 KiB of its data, and names it in `name` for what follows. */
static void write_begin(struct host_pdu *name)
{
	host_command(&c, 0x21, (uint8_t[16]){0x2a, 0, 0, 0, 0, 0, 0, 0, 128}, 65536, data, 4096);
	*name = (struct host_pdu){};
	put_be32(name->bhs + ISCSI_AT_ITT, c.itt);
	put_be32(name->bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
}

static void test_bad_data_digest_of_unsolicited_data(void **state)
{
	struct host_pdu name;

	unsolicited_ready("InitialR2T=No\nDataDigest=CRC32C\n");
	write_begin(&name);
	c.spoil_data = true;
	host_data_out(&c, &name, 0, 4096, data + 4096, 4096, false);
	host_expect(&c, ISCSI_REJECT, &pdu);
	host_expect_nothing(&c);
	host_data_out(&c, &name, 1, 8192, data + 8192, 4096, true);
	assert_int_equal(status(), SCSI_CHECK_CONDITION);
	assert_int_equal(host_asc(&pdu), 0x4705);
	assert_int_equal(rig.fs.disk->requests, 0);
}

static void test_window_behind_unsolicited_data(void **state)
{
	struct host_pdu name, r2ts[8];

	unsolicited_ready("InitialR2T=No\nMaxBurstLength=8192\nMaxOutstandingR2T=8\n");
	write_begin(&name);
	host_expect_nothing(&c);
	host_data_out(&c, &name, 0, 4096, data + 4096, 2048, true);
	assert_int_equal(take_r2ts(r2ts, 0, 6144), 8);
	assert_int_equal(LENGTH(r2ts[7]), 65536 - 6144 - 7 * 8192);
	for (unsigned int i = 0; i < 8; i++)
		host_data_out(&c, &r2ts[i], 0, OFF(r2ts[i]), data + OFF(r2ts[i]), LENGTH(r2ts[i]),
			      true);
	assert_int_equal(status(), SCSI_GOOD);
	assert_memory_equal(rig.fs.disk->data, data, 65536);
}

/*
 * Its number is missing, and no initiator of recovery level 0 brings it again on this connection:
 * all that follows would wait for it until they lose patience.
 */
static void test_command_with_a_bad_data_digest_ends_the_session(void **state)
{
	host_ready(&rig, &c, 0, "DataDigest=CRC32C\n");
	c.spoil_data = true;
	host_write(&c, 0, 1, data, 512);
	host_expect(&c, ISCSI_REJECT, &pdu);
	assert_int_equal(pdu.bhs[ISCSI_REJECT_AT_REASON], ISCSI_REJECT_DATA_DIGEST);
	host_expect_nothing(&c);
	assert_null(c.conn);
	assert_true(c.polite);
	assert_non_null(strstr(rig.log, "digest"));
	assert_int_equal(iscsi_worker_stats(rig.workers[0])->sessions_lost, 1);
	assert_false(iscsi_worker_busy(rig.workers[0]));
	assert_int_equal(rig.fs.disk->requests, 0);
}

/* An immediate request leaves no gap. */
static void test_ping_with_a_bad_data_digest_is_forgotten(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_ready(&rig, &c, 0, "DataDigest=CRC32C\n");
	host_request(&c, ISCSI_NOP_OUT | ISCSI_IMMEDIATE, ISCSI_FINAL, bhs);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	c.spoil_data = true;
	host_send(&c, bhs, "ping", 4);
	host_expect(&c, ISCSI_REJECT, &pdu);
	host_expect_nothing(&c);
	host_test_unit_ready(&c);
	assert_int_equal(status(), SCSI_GOOD);
}

/* ---- memory ---- */

static void test_commands_wait_for_memory_in_order(void **state)
{
	struct host_pdu r2t;

	host_ready(&rig, &c, 0, NULL);
	host_ready(&rig, &d, 1, NULL);
	iscsi_rig_take(&rig, 1);
	host_write(&d, 0, 8, NULL, 0);
	host_expect(&d, ISCSI_R2T, &r2t);
	host_read(&c, 0, 8);
	host_test_unit_ready(&c);
	host_expect_nothing(&c);
	host_data_out(&d, &r2t, 0, 0, data, 4096, true);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	host_expect(&c, ISCSI_DATA_IN, &pdu);
	host_expect(&c, ISCSI_RESPONSE, &pdu);
	assert_int_equal(iscsi_worker_stats(rig.workers[0])->memory_waits, 1);
}

static void test_write_that_waits_for_memory_is_not_read(void **state)
{
	struct host_pdu r2t;

	host_ready(&rig, &c, 0, NULL);
	host_ready(&rig, &d, 1, NULL);
	iscsi_rig_take(&rig, 1);
	host_write(&d, 100, 8, NULL, 0);
	host_expect(&d, ISCSI_R2T, &r2t);
	host_write(&c, 0, 8, data, 4096);
	host_expect_nothing(&c);
	assert_true(c.nunread > 0);
	/* However long the disk takes, neither is taken for silent. */
	rig.fs.disk->hold = true;
	host_data_out(&d, &r2t, 0, 0, data + 4096, 4096, true);
	for (unsigned int i = 0; i < 140; i++)
		iscsi_rig_sleep(&rig, 100000000ull);
	host_expect_nothing(&c);
	assert_non_null(c.conn);
	rig.fs.disk->hold = false;
	fixture_disk_release(rig.fs.disk);
	host_expect(&d, ISCSI_RESPONSE, &pdu);
	assert_int_equal(status(), SCSI_GOOD);
	assert_memory_equal(rig.fs.disk->data, data, 4096);
	assert_memory_equal(rig.fs.disk->data + 51200, data + 4096, 4096);
}

/* Stopping would keep away the very data that sets memory free. */
static void test_connection_that_owes_data_does_not_stop(void **state)
{
	struct host_pdu r2t;

	host_ready(&rig, &c, 0, NULL);
	iscsi_rig_take(&rig, 1);
	host_write(&c, 0, 8, NULL, 0);
	host_expect(&c, ISCSI_R2T, &r2t);
	host_write(&c, 8, 8, data, 4096);
	assert_int_equal(status(), SCSI_TASK_SET_FULL);
	host_data_out(&c, &r2t, 0, 0, data, 4096, true);
	assert_int_equal(status(), SCSI_GOOD);
	host_write(&c, 8, 8, data, 4096);
	assert_int_equal(status(), SCSI_GOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_write_of_a_megabyte),
		T(test_immediate_data_is_not_asked_for_again),
		T(test_sequences_are_as_short_as_agreed),
		T(test_as_many_r2ts_are_outstanding_as_agreed),
		T(test_window_begins_behind_immediate_data),
		T(test_window_of_each_piece),
		T(test_sequence_that_comes_too_early_ends_the_command),
		T(test_tag_that_was_not_given_yet_or_is_used_up_is_rejected),
		T(test_windows_of_several_commands),
		T(test_unsolicited_data_out),
		T(test_bytes_may_be_cut_anywhere),
		T(test_read_in_segments_and_sequences),
		T(test_residuals),
		T(test_data_that_was_not_agreed_on),
		T(test_more_immediate_data_than_expected),
		T(test_both_directions_are_refused),
		T(test_data_out_out_of_sequence_ends_the_command),
		T(test_data_out_with_a_wrong_tag_is_rejected),
		T(test_data_of_a_task_that_is_no_more_is_dropped),
		T(test_bad_header_digest_ends_the_connection),
		T(test_bad_data_digest_of_a_write_is_not_written),
		T(test_bad_data_digest_ends_a_write_when_all_is_there),
		T(test_bad_data_digest_of_unsolicited_data),
		T(test_window_behind_unsolicited_data),
		T(test_command_with_a_bad_data_digest_ends_the_session),
		T(test_ping_with_a_bad_data_digest_is_forgotten),
		T(test_commands_wait_for_memory_in_order),
		T(test_write_that_waits_for_memory_is_not_read),
		T(test_connection_that_owes_data_does_not_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
