/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What holds of an iSCSI target's sessions whatever their initiators do: memory adds up, command
 * windows never shrink, what is held lies within them and its connections have not ended, and
 * nobody waits for memory that is there.
 */
#ifndef STGT_FUZZ_SESSION_LOOK_H
#define STGT_FUZZ_SESSION_LOOK_H

#include "iscsi/pool.h"
#include "iscsi_rig.h"

#define SESSION_LOOK_SEEN   16u
#define SESSION_LOOK_RIVALS 3u
#define SESSION_LOOK_PAIRS  32u

/* Somebody else who takes the first worker's memory, two runs at a time. */
struct session_rival {
	struct iscsi_share share;
	uint32_t runs[SESSION_LOOK_PAIRS][2];
	unsigned int pairs;
};

struct session_look {
	struct iscsi_rig *rig;
	struct session_rival rivals[SESSION_LOOK_RIVALS];
	struct {
		uint64_t nexus; /* 0: none yet */
		uint32_t exp_cmdsn, max_cmdsn;
	} seen[SESSION_LOOK_SEEN];
};

void session_look_init(struct session_look *look, struct iscsi_rig *rig);
/* Aborts when something does not hold. Between two events. */
void session_look(struct session_look *look);
/* Rivals leave `runs` of the memory, or as few as they may, and give back the rest. */
void session_look_rivals(struct session_look *look, unsigned int runs);

#endif
