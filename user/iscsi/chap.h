/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CHAP (RFC 7143 12.1.3, RFC 1994): challenge, response, and the same in the other direction. */
#ifndef STGT_ISCSI_CHAP_H
#define STGT_ISCSI_CHAP_H

#include "iscsi/iscsi.h"
#include "iscsi/text.h"

#define ISCSI_CHALLENGE	    32u	  /* bytes of ours */
#define ISCSI_CHALLENGE_MAX 1024u /* of theirs */
#define ISCSI_HASH_MAX	    32u

enum iscsi_chap_state {
	ISCSI_CHAP_ALGORITHM, /* CHAP_A is to come */
	ISCSI_CHAP_RESPONSE,  /* CHAP_N and CHAP_R are to come */
	ISCSI_CHAP_DONE,
};

struct iscsi_chap {
	enum iscsi_chap_state state;
	unsigned int algorithm;
	uint8_t id;
	uint8_t challenge[ISCSI_CHALLENGE];
};

/* What of CHAP they said in one exchange; NULL: nothing. */
struct iscsi_chap_keys {
	const char *algorithms, *name, *response, *id, *challenge;
};

/* They said key=value: true when the key is CHAP's. Twice is remembered as an error: -EPROTO. */
int iscsi_chap_key(struct iscsi_chap_keys *keys, const char *key, const char *value);

/*
 * The next exchange; the answer is appended. `fresh` are ISCSI_CHALLENGE + 1 bytes that nobody can
 * guess. 0, or -EACCES: they are not let in, for the reason in *why, which is for our log and not
 * for them, or -EPROTO: they said what may not be said now.
 */
int iscsi_chap_step(struct iscsi_chap *chap, const struct iscsi_auth *auth,
		    const struct iscsi_chap_keys *keys, const uint8_t *fresh,
		    struct iscsi_text *answer, const char **why);

#endif
