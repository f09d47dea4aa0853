/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An iSCSI target without sockets: a SCSI unit on a recording disk (fixture_scsi.h), a node with a
 * target that shows it, two workers, and initiators that send exactly what they are told. One
 * thread; everything that fails in here fails the test.
 */
#ifndef STGT_TESTS_ISCSI_RIG_H
#define STGT_TESTS_ISCSI_RIG_H

#include "base/bytes.h"
#include "fixture_scsi.h"
#include "iscsi/iscsi.h"
#include "stgt/wire/iscsi.h"

#define RIG_TARGET    "iqn.2026-11.example:disk"
#define RIG_INITIATOR "iqn.2026-11.example:host"
#define RIG_ANSWERS   (1u << 20)
#define RIG_WORKERS   2u

struct iscsi_rig_config {
	unsigned int runs; /* of the first worker's arena that remain for use; 0: all */
	struct iscsi_auth auth;
	struct iscsi_settings settings; /* max_burst 0: the usual ones */
};

struct iscsi_rig {
	struct arena arena; /* of the second worker */
	struct mailbox mailbox;
	struct blk_queue queue;
	struct iscsi_node *node;
	struct iscsi_target *target;
	struct iscsi_worker *workers[RIG_WORKERS];
	uint32_t taken[64], ntaken; /* runs that are not for use */
	uint64_t now;
	bool no_random;
	char log[1024];		/* the last line */
	struct fixture_scsi fs; /* behind what opening a rig clears */
};

void iscsi_rig_open(struct iscsi_rig *rig, const struct iscsi_rig_config *config);
/* Checks that everything was given back. */
void iscsi_rig_close(struct iscsi_rig *rig);
void iscsi_rig_turn(struct iscsi_rig *rig);
/* The disk ends what it holds, and holds nothing any more. */
void iscsi_rig_settle(struct iscsi_rig *rig);
/* Lets time go by. */
void iscsi_rig_sleep(struct iscsi_rig *rig, uint64_t ns);
/* Takes runs away, or gives all back. */
void iscsi_rig_take(struct iscsi_rig *rig, unsigned int leave);
void iscsi_rig_give(struct iscsi_rig *rig);

/* A PDU that came. */
struct host_pdu {
	uint8_t bhs[ISCSI_BHS];
	const uint8_t *data; /* valid until the next one is received */
	uint32_t len;
	bool header_ok, data_ok; /* digests, where there are any */
};

/* One connection of an initiator. */
struct host_conn {
	struct iscsi_rig *rig;
	struct iscsi_conn *conn; /* NULL: closed */
	struct iscsi_worker *adopt;
	bool hung_up, polite;
	bool direct;	 /* data was received straight into memory at least once */
	uint8_t *unread; /* what the target has not taken yet */
	size_t nunread;
	uint8_t *answers; /* what it has sent */
	size_t nanswers, taken;
	uint64_t moved; /* both ways */
	bool deaf;	/* takes nothing that is sent */
	bool lingers;	/* is not closed at once when it is over */
	size_t piece;	/* bytes at a time in both directions; 0: as many as there are */
	bool header_digest, data_digest;
	bool spoil_header, spoil_data; /* the next PDU's digests are wrong */
	/* What requests are filled with. */
	uint16_t tsih, cid;
	uint8_t isid[ISCSI_ISID];
	uint32_t itt, cmdsn, exp_statsn;
	uint32_t max_cmdsn; /* as last heard */
};

void host_connect(struct iscsi_rig *rig, struct host_conn *c, unsigned int worker);
/* The initiator's end is closed. */
void host_disconnect(struct host_conn *c);

/* Sends `len` bytes as they are. */
void host_send_bytes(struct host_conn *c, const void *bytes, size_t len);
/* Sends a PDU: fills in data length, padding and digests, nothing else. */
void host_send(struct host_conn *c, uint8_t *bhs, const void *data, uint32_t len);
/* The next PDU that has come; false: there is none. */
bool host_receive(struct host_conn *c, struct host_pdu *pdu);
/* The next one has to be of that opcode. */
void host_expect(struct host_conn *c, uint8_t opcode, struct host_pdu *pdu);
/* None has come. */
void host_expect_nothing(struct host_conn *c);

/* A request with the next ITT; the CmdSN is the next, which is used up unless it is immediate. */
void host_request(struct host_conn *c, uint8_t opcode, uint8_t flags, uint8_t *bhs);
/* A NOP-Out of that number, which wants an answer. */
void host_ping(struct host_conn *c, uint32_t cmdsn);

/* One exchange of a login: "A=b\nC=d\n" as text. Returns the status. */
uint16_t host_login_step(struct host_conn *c, uint8_t flags, const char *text,
			 struct host_pdu *answer);
/* Straight to the full feature phase, with these keys besides names (NULL: none). */
void host_login(struct host_conn *c, const char *keys);
/* Connects to the first worker, logs in from that port, takes a session's first unit attention. */
void host_ready(struct iscsi_rig *rig, struct host_conn *c, uint8_t port, const char *keys);
/* The value of a key in a text, or NULL. */
const char *host_key(const struct host_pdu *pdu, const char *key);

/* Sends a command; `data` is immediate. */
void host_command(struct host_conn *c, uint8_t flags, const uint8_t *cdb, uint32_t expected,
		  const void *data, uint32_t len);
/* READ(10), WRITE(10) of LUN 0. */
void host_read(struct host_conn *c, uint32_t lba, uint16_t blocks);
void host_write(struct host_conn *c, uint32_t lba, uint16_t blocks, const void *data, uint32_t len);
void host_test_unit_ready(struct host_conn *c);
void host_data_out(struct host_conn *c, const struct host_pdu *r2t, uint32_t sn, uint32_t offset,
		   const void *data, uint32_t len, bool final);
/* The command's status; data-in that comes before goes to `in`. */
uint8_t host_status(struct host_conn *c, uint8_t *in, uint32_t *len);
/* asc << 8 | ascq of a SCSI Response with fixed format sense data. */
uint16_t host_asc(const struct host_pdu *pdu);

#endif
