/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an administrator does to an iSCSI target while initiators are at it, for fuzzers. */
#ifndef STGT_FUZZ_SESSION_ADMIN_H
#define STGT_FUZZ_SESSION_ADMIN_H

#include "iscsi_rig.h"

struct session_admin {
	struct iscsi_rig *rig;
	struct iscsi_auth auth; /* the target's */
	struct iscsi_leaving leaving[RIG_WORKERS];
	unsigned int removing; /* times that the LUN is on its way out */
};

/* Bits 0 to 2 of `what` say what is done, the others how; `tsih` is of whom, where that matters. */
void session_admin_do(struct session_admin *admin, uint8_t what, uint16_t tsih);
/* Takes LUN 0 away or brings it back, read-only or not. */
void session_admin_lun(struct session_admin *admin, uint8_t how);
/* All that was begun has ended. */
bool session_admin_done(const struct session_admin *admin);

#endif
