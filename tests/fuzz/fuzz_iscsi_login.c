/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The login of a target that asks for CHAP, both ways. The input is a list of requests: flags, the
 * low bits of the header's fields, length (16 bits), text. Nobody gets in without the secret, every
 * request gets one answer, and the login ends.
 */
#include "cursor.h"
#include "iscsi_rig.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

static void request(struct host_conn *c, struct cursor *in)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_LOGIN | ISCSI_IMMEDIATE};
	uint8_t odd;
	uint16_t len;
	const void *text;

	bhs[1] = cursor_u8(in);
	odd = cursor_u8(in);
	len = cursor_be16(in);
	if (len > cursor_left(in))
		len = (uint16_t)cursor_left(in);
	text = cursor_bytes(in, len);
	bhs[ISCSI_LOGIN_AT_VERSION_MIN] = odd & 1;
	bhs[ISCSI_LOGIN_AT_TSIH + 1] = odd >> 1 & 1;
	bhs[ISCSI_LOGIN_AT_ISID] = odd >> 2 & 1;
	bhs[ISCSI_LOGIN_AT_CID + 1] = odd >> 3 & 1;
	host_send(c, bhs, text, len);
}

static void answer(struct host_conn *c)
{
	struct host_pdu pdu;

	if (!host_receive(c, &pdu)) {
		/* Too long a segment, or the connection is over. */
		require(!c->conn);
		return;
	}
	require(pdu.bhs[0] == ISCSI_LOGIN_RESPONSE);
	/* A discovery session asks for nothing; the target does. */
	require(!host_key(&pdu, "CHAP_R") || get_be16(pdu.bhs + ISCSI_LOGIN_AT_STATUS) == 0);
	require(!host_receive(c, &pdu));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iscsi_rig_config config = {
		.auth = {.initiator = {"host", "the host's secret"},
			 .target = {"disk", "the disk's secret"}},
	};
	struct cursor in = cursor_over(data, size);
	struct iscsi_session_report report;
	struct iscsi_rig *rig = calloc(1, sizeof(*rig));
	struct host_conn c;

	require(rig != NULL);
	iscsi_rig_open(rig, &config);
	host_connect(rig, &c, 0);
	for (unsigned int n = 0; n < 80 && c.conn && cursor_left(&in); n++) {
		request(&c, &in);
		answer(&c);
		/* Who is in did without a secret, and may only look. */
		if (iscsi_worker_sessions(rig->workers[0], &report, 1)) {
			require(!report.target[0]);
			break;
		}
	}
	host_disconnect(&c);
	iscsi_rig_close(rig);
	free(rig);
	return 0;
}
