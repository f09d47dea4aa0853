/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CHAP as an initiator knows it (RFC 7143 12.1.3), reckoned with libcrypto and not with our code.
 */
#ifndef STGT_TESTS_HOST_CHAP_H
#define STGT_TESTS_HOST_CHAP_H

#include "iscsi_rig.h"

#define HOST_CHAP_MAX 64u /* bytes of a hash, and of a target's challenge */

/* What a target wants to have proven. */
struct host_challenge {
	unsigned int algorithm; /* its number: 5 to 8 */
	uint8_t id;
	uint8_t bytes[HOST_CHAP_MAX];
	size_t len;
};

/* Takes it out of a login response; false: there is none in it. */
bool host_challenge_read(const struct host_pdu *answer, struct host_challenge *challenge);
/* What knowing the secret proves; returns its length. */
size_t host_chap_hash(const struct host_challenge *challenge, const char *secret,
		      uint8_t hash[HOST_CHAP_MAX]);

#endif
