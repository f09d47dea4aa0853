/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RESERVE and RELEASE (6) and (10) (SPC-2 7.16, 7.17, 7.21, 7.22), beside persistent ones. */
#include "scsi/reserve.h"

#define THIRD_PARTY_6  0x1f /* 3RDPTY and its identifier, extents */
#define THIRD_PARTY_10 0x13 /* 3RDPTY, LONGID, extents */

static bool releases(const struct command *cmd)
{
	return cmd->scsi.opcode->opcode == 0x17 || cmd->scsi.opcode->opcode == 0x57;
}

static void simple_stage(struct scsi_device *dev, struct command *cmd, struct scsi_verdict *verdict)
{
	const struct scsi_reservations *r = dev->reservations;
	const struct scsi_pr_table *table = &r->current;
	int own = scsi_pr_find(table, cmd->scsi.nexus);

	/* SPC-5 5.14.3: who has what a reservation gives anyway may ask for it; nothing changes. */
	if (table->n && !scsi_pr_holds(table, own) &&
	    !(own >= 0 && scsi_pr_type_registrants(table->type)))
		verdict->status = SCSI_RESERVATION_CONFLICT;
	pthread_mutex_lock(&dev->lock);
	if (!releases(cmd) && r->simple && r->simple->nexus != cmd->scsi.nexus)
		verdict->status = SCSI_RESERVATION_CONFLICT;
	pthread_mutex_unlock(&dev->lock);
}

static bool simple_commit(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_reservations *r = dev->reservations;

	pthread_mutex_lock(&dev->lock);
	/* Another's is not released, but asking for that is no error. */
	if (!r->current.n && (!r->simple || r->simple->nexus == cmd->scsi.nexus))
		r->simple = releases(cmd) ? NULL : cmd->scsi.it_l;
	scsi_reservations_enforce_locked(dev);
	pthread_mutex_unlock(&dev->lock);
	return true;
}

static const struct scsi_change simple_change = {
	.stage = simple_stage,
	.commit = simple_commit,
};

void scsi_reserve_simple(struct scsi_device *dev, struct command *cmd)
{
	uint8_t third = cmd->scsi.opcode->cdb_len == 6 ? THIRD_PARTY_6 : THIRD_PARTY_10;
	unsigned int wrong = cmd->scsi.cdb[1] & third;

	if (wrong)
		scsi_bad_cdb(cmd, 1, 31 - (unsigned int)__builtin_clz(wrong));
	else
		scsi_change_start(dev, cmd, &simple_change);
}
