/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Good logins of initiators that know the secret, for fuzzers of what comes behind them. */
#ifndef STGT_FUZZ_SESSION_LOGIN_H
#define STGT_FUZZ_SESSION_LOGIN_H

#include "iscsi_rig.h"

enum session_type {
	SESSION_NORMAL,
	SESSION_DISCOVERY,
};

/* What these initiators know, and what they want the target to prove. */
extern const struct iscsi_auth session_login_auth;

/*
 * Logs in with `keys` besides the names, as far as the target plays along; an answer may come
 * later. `how` is -1, which says nothing of CHAP, or which of four hashes (0 to 3), and 4 more for
 * both ways. Aborts when what it proves is not believed.
 */
void session_login(struct host_conn *c, enum session_type type, const char *keys, int how);
/* A login response came: from the last one on, digests are in force. */
void session_login_note(struct host_conn *c, const struct host_pdu *answer);

#endif
