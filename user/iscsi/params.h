/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The operational parameters of RFC 7143 13 and how they are negotiated. Each has three values:
 * what we would have, what they said, and what is in force, its default until something was agreed.
 */
#ifndef STGT_ISCSI_PARAMS_H
#define STGT_ISCSI_PARAMS_H

#include "iscsi/iscsi.h"
#include "iscsi/text.h"

enum iscsi_param {
	ISCSI_HEADER_DIGEST, /* a number of iscsi_digest */
	ISCSI_DATA_DIGEST,
	ISCSI_MAX_CONNECTIONS,
	ISCSI_INITIAL_R2T,
	ISCSI_IMMEDIATE_DATA,
	ISCSI_MAX_RECV, /* MaxRecvDataSegmentLength; in force: the initiator's */
	ISCSI_MAX_BURST,
	ISCSI_FIRST_BURST,
	ISCSI_TIME2WAIT,
	ISCSI_TIME2RETAIN,
	ISCSI_MAX_R2T,
	ISCSI_PDU_IN_ORDER,
	ISCSI_SEQUENCE_IN_ORDER,
	ISCSI_RECOVERY_LEVEL,
	ISCSI_TASK_REPORTING,
	ISCSI_PROTOCOL_LEVEL,
	ISCSI_PARAMS,
};

/* R2Ts of one command that may be outstanding, if the initiator agrees. */
#define ISCSI_R2T_WINDOW 8u

enum iscsi_digest {
	ISCSI_DIGEST_NONE,
	ISCSI_DIGEST_CRC32C,
};

/* When something is said: the phases are RFC 7143 13's. */
enum iscsi_phase {
	ISCSI_PHASE_LEADING = 1 << 0, /* login of a session's first connection */
	ISCSI_PHASE_JOINING = 1 << 1, /* login of another one */
	ISCSI_PHASE_FULL = 1 << 2,    /* text requests of the full feature phase */
};

struct iscsi_params {
	uint32_t ours[ISCSI_PARAMS];
	uint32_t theirs[ISCSI_PARAMS];
	uint32_t value[ISCSI_PARAMS]; /* in force */
	uint32_t said;		      /* by them, bit n for parameter n: once is enough */
	uint32_t offered;	      /* by us, bit n: their answer is to come */
	bool insists[2];	      /* on header and data digests */
};

/* Where a login begins. A connection that joins a session takes over what is in force there. */
void iscsi_params_init(struct iscsi_params *params, const struct iscsi_settings *settings);

/*
 * They said key=value. 1: the key is one of these, the answer, if one is due, is appended to
 * `answer`; 0: it is not; -EPROTO: it was said twice, or an answer of theirs is wrong: the
 * negotiation has failed.
 */
int iscsi_params_negotiate(struct iscsi_params *params, enum iscsi_phase phase, bool discovery,
			   const char *key, const char *value, struct iscsi_text *answer);
/*
 * Appends an offer for each parameter that they said nothing of and whose default does not suit
 * us. True when there was any: the phase cannot end before it is answered.
 */
bool iscsi_params_offer(struct iscsi_params *params, struct iscsi_text *out);
/* They have said no to what we insist on. */
bool iscsi_params_refused(const struct iscsi_params *params);
/* What is in force is what we insisted on, as far as we insist. */
bool iscsi_params_settled(const struct iscsi_params *params);

#endif
