/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Login: who gets in, what is agreed on, and what is answered to those who do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/hex.h"
#include "host_chap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES "InitiatorName=" RIG_INITIATOR "\nTargetName=" RIG_TARGET "\n"

static struct iscsi_rig rig;
static struct host_conn c, d;
static struct host_pdu pdu;

static void open_with(const struct iscsi_rig_config *config)
{
	iscsi_rig_open(&rig, config);
	host_connect(&rig, &c, 0);
}

static int setup(void **state)
{
	open_with(&(struct iscsi_rig_config){});
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

static void assert_key(const char *key, const char *value)
{
	const char *is = host_key(&pdu, key);

	assert_non_null(is);
	assert_string_equal(is, value);
}

/* ---- what is agreed on ---- */

static void test_parameters_are_negotiated_as_their_rules_say(void **state)
{
	assert_int_equal(host_login_step(&c, 0x87,
					 NAMES
					 "HeaderDigest=X-mine,CRC32C,None\nDataDigest=None\n"
					 "MaxConnections=8\nInitialR2T=No\nImmediateData=Yes\n"
					 "MaxRecvDataSegmentLength=262144\n"
					 "MaxBurstLength=65536\nFirstBurstLength=262144\n"
					 "DefaultTime2Wait=5\nDefaultTime2Retain=60\n"
					 "MaxOutstandingR2T=16\nDataPDUInOrder=No\n"
					 "ErrorRecoveryLevel=2\nX-unheard-of=1\nIFMarker=No\n"
					 "OFMarkInt=2048\nTaskReporting=FastAbort\n",
					 &pdu),
			 0);
	assert_int_equal(pdu.bhs[1], 0x87);
	assert_key("HeaderDigest", "CRC32C");
	assert_key("DataDigest", "None");
	assert_key("MaxConnections", "4");
	assert_key("InitialR2T", "Yes");
	assert_key("ImmediateData", "Yes");
	assert_key("MaxRecvDataSegmentLength", "262144");
	assert_key("MaxBurstLength", "65536");
	assert_key("FirstBurstLength", "65536");
	assert_key("DefaultTime2Wait", "5");
	assert_key("DefaultTime2Retain", "0");
	assert_key("MaxOutstandingR2T", "8");
	assert_key("DataPDUInOrder", "Yes");
	assert_key("ErrorRecoveryLevel", "0");
	assert_key("X-unheard-of", "NotUnderstood");
	assert_key("IFMarker", "No");
	assert_key("OFMarkInt", "Reject");
	assert_key("TaskReporting", "Reject");
	assert_key("TargetPortalGroupTag", "1");
	assert_key("TargetAlias", "a disk");
}

static void test_values_out_of_range_are_rejected(void **state)
{
	assert_int_equal(host_login_step(&c, 0x87,
					 NAMES "MaxBurstLength=511\nInitialR2T=Maybe\n"
					       "MaxOutstandingR2T=0\nErrorRecoveryLevel=3\n",
					 &pdu),
			 0);
	assert_key("MaxBurstLength", "Reject");
	assert_key("InitialR2T", "Reject");
	assert_key("MaxOutstandingR2T", "Reject");
	assert_key("ErrorRecoveryLevel", "Reject");
}

static void test_a_key_said_twice_is_an_error(void **state)
{
	assert_int_equal(host_login_step(&c, 0x87, NAMES "InitialR2T=No\nInitialR2T=Yes\n", &pdu),
			 ISCSI_LOGIN_INITIATOR_ERROR);
	assert_null(c.conn);
}

/* What we need and they did not speak of, we offer before the phase ends. */
static void test_an_offer_of_ours_is_answered_first(void **state)
{
	struct iscsi_settings settings;

	teardown(NULL);
	iscsi_settings_default(&settings);
	settings.data_digest = true;
	settings.immediate_data = false;
	open_with(&(struct iscsi_rig_config){.settings = settings});
	assert_int_equal(host_login_step(&c, 0x87, NAMES, &pdu), 0);
	assert_int_equal(pdu.bhs[1], 0x04);
	assert_key("DataDigest", "CRC32C");
	assert_key("ImmediateData", "No");
	assert_int_equal(host_login_step(&c, 0x87, "DataDigest=CRC32C\nImmediateData=No\n", &pdu),
			 0);
	assert_int_equal(pdu.bhs[1], 0x87);
	/* Who does not agree does not get in. */
	host_connect(&rig, &d, 0);
	d.isid[5] = 1;
	assert_int_equal(host_login_step(&d, 0x87, NAMES "DataDigest=None\n", &pdu),
			 ISCSI_LOGIN_INITIATOR_ERROR);
}

static void test_text_may_come_in_parts(void **state)
{
	static const char whole[] = NAMES "InitialR2T=No\n";
	char part[sizeof(whole)];

	for (size_t i = 0; i + 1 < sizeof(whole); i++) {
		part[0] = whole[i];
		part[1] = '\0';
		if (i > 50)
			break;
		assert_int_equal(host_login_step(&c, 0x44, part, &pdu), 0);
		assert_int_equal(pdu.bhs[1], 0x04);
		assert_int_equal(pdu.len, 0);
	}
	assert_int_equal(host_login_step(&c, 0x87, whole + 51, &pdu), 0);
	assert_key("InitialR2T", "Yes");
}

static void test_answer_is_cut_as_they_take_it(void **state)
{
	char text[2048] = NAMES "MaxRecvDataSegmentLength=512\n";
	char more[64];

	for (unsigned int i = 0; i < 40; i++) {
		snprintf(more, sizeof(more), "X-key-of-mine-%u=1\n", i);
		strcat(text, more);
	}
	assert_int_equal(host_login_step(&c, 0x87, text, &pdu), 0);
	assert_int_equal(pdu.bhs[1], 0x44);
	assert_int_equal(pdu.len, 512);
	assert_int_equal(host_login_step(&c, 0x87, "", &pdu), 0);
	assert_int_equal(pdu.bhs[1], 0x44);
	do
		assert_int_equal(host_login_step(&c, 0x87, "", &pdu), 0);
	while (pdu.bhs[1] & ISCSI_CONTINUE);
	assert_int_equal(pdu.bhs[1], 0x87);
}

/* ---- who does not get in ---- */

static void refused(uint8_t flags, const char *text, uint16_t status)
{
	host_disconnect(&c);
	host_connect(&rig, &c, 0);
	assert_int_equal(host_login_step(&c, flags, text, &pdu), status);
	assert_null(c.conn);
	assert_true(c.polite);
	assert_int_equal(iscsi_worker_sessions(rig.workers[0], NULL, 0), 0);
}

static void test_refusals(void **state)
{
	refused(0x87, "TargetName=" RIG_TARGET "\n", ISCSI_LOGIN_MISSING);
	refused(0x87, "InitiatorName=" RIG_INITIATOR "\n", ISCSI_LOGIN_MISSING);
	refused(0x87, "InitiatorName=" RIG_INITIATOR "\nTargetName=iqn.2026-11.example:none\n",
		ISCSI_LOGIN_NOT_FOUND);
	refused(0x87, "InitiatorName=iqn.2026-11.other:x\nTargetName=" RIG_TARGET "\n",
		ISCSI_LOGIN_AUTHORIZATION);
	refused(0x87, "InitiatorName=Somebody\nTargetName=" RIG_TARGET "\n",
		ISCSI_LOGIN_INITIATOR_ERROR);
	refused(0x87, NAMES "SessionType=Odd\n", ISCSI_LOGIN_SESSION_TYPE);
	refused(0x87, "no pair\n", ISCSI_LOGIN_INITIATOR_ERROR);
	refused(0x8b, NAMES, ISCSI_LOGIN_INVALID_REQUEST);
	refused(0x86, NAMES, ISCSI_LOGIN_INITIATOR_ERROR);
	refused(0x85, NAMES, ISCSI_LOGIN_INITIATOR_ERROR);
	assert_int_equal(iscsi_worker_stats(rig.workers[0])->logins_failed, 10);
}

static void test_names_are_the_same_in_capitals(void **state)
{
	struct iscsi_session_report report;

	assert_int_equal(host_login_step(&c, 0x87,
					 "InitiatorName=iqn.2026-11.Example:My_Host\n"
					 "TargetName=iqn.2026-11.example:DISK\n",
					 &pdu),
			 0);
	iscsi_worker_sessions(rig.workers[0], &report, 1);
	assert_string_equal(report.initiator, "iqn.2026-11.example:my_host");
}

static void test_no_session_to_join(void **state)
{
	c.tsih = 77;
	assert_int_equal(host_login_step(&c, 0x87, NAMES, &pdu), ISCSI_LOGIN_NO_SESSION);
}

static void test_another_version_is_refused(void **state)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, 0x87, 1, 1};

	host_send(&c, bhs, NULL, 0);
	host_expect(&c, ISCSI_LOGIN_RESPONSE, &pdu);
	assert_int_equal(get_be16(pdu.bhs + ISCSI_LOGIN_AT_STATUS), ISCSI_LOGIN_VERSION);
}

static void test_redirection(void **state)
{
	assert_int_equal(iscsi_target_set_redirect(rig.target, "192.0.2.9:3260", false), 0);
	refused(0x87, NAMES, ISCSI_LOGIN_MOVED_TEMPORARILY);
	assert_key("TargetAddress", "192.0.2.9:3260");
	assert_int_equal(iscsi_target_set_redirect(rig.target, "[2001:db8::9]", true), 0);
	refused(0x87, NAMES, ISCSI_LOGIN_MOVED_PERMANENTLY);
	assert_key("TargetAddress", "[2001:db8::9]");
	iscsi_target_set_redirect(rig.target, NULL, false);
	host_disconnect(&c);
	host_connect(&rig, &c, 0);
	host_login(&c, NULL);
}

/* What held when it began is not what it ends with. */
static void test_access_that_changes_during_a_login(void **state)
{
	struct iscsi_rule rule = {.pattern = "iqn.2026-11.example:nobody"};
	const struct iscsi_access access = {.rules = &rule, .nrules = 1};

	assert_int_equal(host_login_step(&c, 0x04, NAMES, &pdu), 0);
	assert_int_equal(iscsi_target_set_access(rig.target, &access), 0);
	assert_int_equal(host_login_step(&c, 0x87, "", &pdu), ISCSI_LOGIN_AUTHORIZATION);
	assert_null(c.conn);
}

static void test_anything_but_a_login_ends_the_connection(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(&c, ISCSI_NOP_OUT, 0x80, bhs);
	host_send(&c, bhs, NULL, 0);
	assert_null(c.conn);
	assert_int_equal(c.nanswers, 0);
}

static void test_slow_logins_end(void **state)
{
	iscsi_rig_sleep(&rig, 14000000000ull);
	host_expect_nothing(&c);
	assert_non_null(c.conn);
	iscsi_rig_sleep(&rig, 2000000000ull);
	host_expect_nothing(&c);
	assert_null(c.conn);
}

static void test_endless_logins_end(void **state)
{
	unsigned int n = 0;

	host_login_step(&c, 0x04, NAMES, &pdu);
	while (c.conn && n++ < 1000)
		host_login_step(&c, 0x04, "X-more=1\n", &pdu);
	assert_in_range(n, 10, 100);
}

static void test_a_flood_of_logins_keeps_nobody_out(void **state)
{
	struct host_conn flood[8];

	for (unsigned int i = 0; i < 8; i++)
		host_connect(&rig, &flood[i], 0);
	host_connect(&rig, &d, 0);
	host_login(&d, NULL);
	/* The oldest made room. */
	host_expect_nothing(&flood[0]);
	assert_null(flood[0].conn);
	for (unsigned int i = 0; i < 8; i++)
		host_disconnect(&flood[i]);
}

/* ---- CHAP ---- */

static const struct iscsi_rig_config with_chap = {
	.auth = {.initiator = {"host", "the host's secret"},
		 .target = {"disk", "the disk's secret"}},
};

static void respond(const struct host_challenge *challenge, const char *secret, char *out)
{
	uint8_t hash[HOST_CHAP_MAX];
	size_t len = host_chap_hash(challenge, secret, hash);

	strcpy(out, "0x");
	hex_format(hash, len, out + 2);
}

/* Up to the challenge. */
static void chap_begin(struct host_conn *h, const char *algorithms, const char *chosen,
		       struct host_challenge *challenge)
{
	char text[64];

	assert_int_equal(host_login_step(h, 0x81, NAMES "AuthMethod=CHAP,None\n", &pdu), 0);
	assert_int_equal(pdu.bhs[1], 0x00);
	assert_key("AuthMethod", "CHAP");
	snprintf(text, sizeof(text), "CHAP_A=%s\n", algorithms);
	assert_int_equal(host_login_step(h, 0x00, text, &pdu), 0);
	assert_key("CHAP_A", chosen);
	assert_true(host_challenge_read(&pdu, challenge));
}

static void chap_with(const char *algorithms, const char *chosen)
{
	static const char theirs[] = "0x0102030405060708090a0b0c0d0e0f10";
	struct host_challenge challenge, own = {.id = 9, .len = 16};
	char response[80], expected[80], text[512];

	teardown(NULL);
	open_with(&with_chap);
	chap_begin(&c, algorithms, chosen, &challenge);
	respond(&challenge, "the host's secret", response);
	snprintf(text, sizeof(text), "CHAP_N=host\nCHAP_R=%s\nCHAP_I=9\nCHAP_C=%s\n", response,
		 theirs);
	assert_int_equal(host_login_step(&c, 0x81, text, &pdu), 0);
	assert_int_equal(pdu.bhs[1], 0x81);
	own.algorithm = challenge.algorithm;
	assert_true(hex_parse(theirs + 2, 32, own.bytes, sizeof(own.bytes)));
	respond(&own, "the disk's secret", expected);
	assert_key("CHAP_N", "disk");
	assert_key("CHAP_R", expected);
	assert_int_equal(host_login_step(&c, 0x87, "InitialR2T=Yes\n", &pdu), 0);
	assert_int_equal(pdu.bhs[1], 0x87);
}

static void test_chap_both_ways_with_every_hash(void **state)
{
	chap_with("5", "5");
	chap_with("99,6,5", "6");
	chap_with("7", "7");
	chap_with("8,7", "8");
}

static void chap_answer(const char *name, const char *secret, bool reflect)
{
	char response[80], reflected[80] = "", text[512];
	struct host_challenge challenge;

	teardown(NULL);
	open_with(&with_chap);
	chap_begin(&c, "7", "7", &challenge);
	respond(&challenge, secret, response);
	hex_format(challenge.bytes, challenge.len, reflected);
	snprintf(text, sizeof(text), "CHAP_N=%s\nCHAP_R=%s\n%s%s\n", name, response,
		 reflect ? "CHAP_I=1\nCHAP_C=0x" : "", reflect ? reflected : "");
	assert_int_equal(host_login_step(&c, 0x81, text, &pdu), ISCSI_LOGIN_AUTHENTICATION);
	assert_null(c.conn);
}

static void test_who_cannot_prove_it_stays_out(void **state)
{
	chap_answer("host", "another secret", false);
	chap_answer("another", "the host's secret", false);
	/* Our own challenge sent back, to have us compute what they cannot. */
	chap_answer("host", "the host's secret", true);
}

static void test_nobody_goes_around_chap(void **state)
{
	teardown(NULL);
	open_with(&with_chap);
	refused(0x87, NAMES, ISCSI_LOGIN_AUTHENTICATION);
	refused(0x81, NAMES, ISCSI_LOGIN_AUTHENTICATION);
	refused(0x81, NAMES "AuthMethod=None\n", ISCSI_LOGIN_AUTHENTICATION);
	refused(0x83, NAMES "AuthMethod=None,KRB5\n", ISCSI_LOGIN_AUTHENTICATION);
	refused(0x81, NAMES "CHAP_A=5\n", ISCSI_LOGIN_INITIATOR_ERROR);
	rig.no_random = true;
	host_disconnect(&c);
	host_connect(&rig, &c, 0);
	host_login_step(&c, 0x00, NAMES "AuthMethod=CHAP\n", &pdu);
	assert_int_equal(host_login_step(&c, 0x00, "CHAP_A=7\n", &pdu), ISCSI_LOGIN_NO_RESOURCES);
}

static void test_base64_is_a_number_too(void **state)
{
	struct host_challenge challenge;

	teardown(NULL);
	open_with(&with_chap);
	chap_begin(&c, "5", "5", &challenge);
	/* Of the right length, but wrong: denied, not misunderstood. */
	assert_int_equal(host_login_step(&c, 0x81,
					 "CHAP_N=host\nCHAP_R=0bAAAAAAAAAAAAAAAAAAAAAA==\n", &pdu),
			 ISCSI_LOGIN_AUTHENTICATION);
}

/* ---- discovery ---- */

static void discovery_login(const char *text)
{
	assert_int_equal(host_login_step(&c, 0x87, text, &pdu), 0);
}

static void discover(const char *request)
{
	uint8_t bhs[ISCSI_BHS];

	host_request(&c, ISCSI_TEXT, 0x80, bhs);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_send(&c, bhs, request, (uint32_t)strlen(request) + 1);
	host_expect(&c, ISCSI_TEXT_RESPONSE, &pdu);
}

static void test_discovery_lists_targets_and_portals(void **state)
{
	discovery_login("InitiatorName=" RIG_INITIATOR "\nSessionType=Discovery\n"
			"MaxBurstLength=1024\n");
	assert_key("MaxBurstLength", "Irrelevant");
	discover("SendTargets=All");
	assert_key("TargetName", RIG_TARGET);
	assert_key("TargetAddress", "192.0.2.1:3260,1");
	assert_non_null(memmem(pdu.data, pdu.len, "[2001:db8::1]:3260,2", 20));
	host_test_unit_ready(&c);
	host_expect(&c, ISCSI_REJECT, &pdu);
}

/* It is asked nothing, and sleep without an end is told from a long one. */
static void test_discovery_that_stays_wakes_nobody(void **state)
{
	discovery_login("InitiatorName=" RIG_INITIATOR "\nSessionType=Discovery\n");
	iscsi_rig_sleep(&rig, 16000000000ull);
	assert_true(iscsi_worker_next_due(rig.workers[0]) == UINT64_MAX);
}

static void test_discovery_shows_nobody_what_he_may_not_use(void **state)
{
	discovery_login("InitiatorName=iqn.2026-11.other:x\nSessionType=Discovery\n");
	discover("SendTargets=All");
	assert_int_equal(pdu.len, 0);
	discover("SendTargets=" RIG_TARGET);
	assert_int_equal(pdu.len, 0);
}

static void test_discovery_may_ask_for_chap(void **state)
{
	iscsi_node_set_discovery_auth(rig.node, &with_chap.auth);
	refused(0x87, "InitiatorName=" RIG_INITIATOR "\nSessionType=Discovery\n",
		ISCSI_LOGIN_AUTHENTICATION);
}

static void test_text_in_a_normal_session(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_login(&c, NULL);
	discover("SendTargets=");
	assert_key("TargetName", RIG_TARGET);
	discover("SendTargets=All");
	assert_key("SendTargets", "Reject");
	discover("MaxRecvDataSegmentLength=512");
	assert_int_equal(pdu.len, 0);
	discover("MaxBurstLength=512");
	assert_key("MaxBurstLength", "Reject");
	/* A part at a time in both directions. */
	host_request(&c, ISCSI_TEXT, ISCSI_CONTINUE, bhs);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_send(&c, bhs, "Send", 4);
	host_expect(&c, ISCSI_TEXT_RESPONSE, &pdu);
	assert_int_equal(pdu.bhs[1], 0);
	host_request(&c, ISCSI_TEXT, 0x80, bhs);
	memcpy(bhs + ISCSI_AT_TTT, pdu.bhs + ISCSI_AT_TTT, 4);
	host_send(&c, bhs, "Targets=", 9);
	host_expect(&c, ISCSI_TEXT_RESPONSE, &pdu);
	assert_key("TargetName", RIG_TARGET);
}

/* RFC 7143 11.11.1: only who has said that it is done hears that we are. */
static void test_text_of_several_rounds(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	host_login(&c, NULL);
	host_request(&c, ISCSI_TEXT, 0, bhs);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	host_send(&c, bhs, "SendTargets=", 13);
	host_expect(&c, ISCSI_TEXT_RESPONSE, &pdu);
	assert_key("TargetName", RIG_TARGET);
	assert_int_equal(pdu.bhs[1], 0);
	for (unsigned int flags = 0; flags <= ISCSI_FINAL; flags += ISCSI_FINAL) {
		assert_int_not_equal(get_be32(pdu.bhs + ISCSI_AT_TTT), ISCSI_NO_TAG);
		host_request(&c, ISCSI_TEXT, (uint8_t)flags, bhs);
		memcpy(bhs + ISCSI_AT_TTT, pdu.bhs + ISCSI_AT_TTT, 4);
		host_send(&c, bhs, "X-a=b", 6);
		host_expect(&c, ISCSI_TEXT_RESPONSE, &pdu);
		assert_int_equal(pdu.len, sizeof("X-a=NotUnderstood"));
		assert_key("X-a", "NotUnderstood");
		assert_int_equal(pdu.bhs[1], flags);
	}
	assert_int_equal(get_be32(pdu.bhs + ISCSI_AT_TTT), ISCSI_NO_TAG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_parameters_are_negotiated_as_their_rules_say),
		T(test_values_out_of_range_are_rejected),
		T(test_a_key_said_twice_is_an_error),
		T(test_an_offer_of_ours_is_answered_first),
		T(test_text_may_come_in_parts),
		T(test_answer_is_cut_as_they_take_it),
		T(test_refusals),
		T(test_names_are_the_same_in_capitals),
		T(test_no_session_to_join),
		T(test_another_version_is_refused),
		T(test_redirection),
		T(test_access_that_changes_during_a_login),
		T(test_anything_but_a_login_ends_the_connection),
		T(test_slow_logins_end),
		T(test_endless_logins_end),
		T(test_a_flood_of_logins_keeps_nobody_out),
		T(test_chap_both_ways_with_every_hash),
		T(test_who_cannot_prove_it_stays_out),
		T(test_nobody_goes_around_chap),
		T(test_base64_is_a_number_too),
		T(test_discovery_lists_targets_and_portals),
		T(test_discovery_that_stays_wakes_nobody),
		T(test_discovery_shows_nobody_what_he_may_not_use),
		T(test_discovery_may_ask_for_chap),
		T(test_text_in_a_normal_session),
		T(test_text_of_several_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
