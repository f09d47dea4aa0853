/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "session_admin.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void note_left(struct iscsi_leaving *leaving)
{
	leaving->target = NULL;
}

static void leave(struct session_admin *admin, unsigned int worker)
{
	struct iscsi_leaving *leaving = &admin->leaving[worker];
	struct iscsi_rig *rig = admin->rig;

	if (leaving->target)
		return;
	*leaving = (struct iscsi_leaving){.target = rig->target, .gone = note_left};
	iscsi_worker_leave_target(rig->workers[worker], leaving, rig->now, 1000000000);
}

static void set_access(struct session_admin *admin, uint8_t how)
{
	struct iscsi_rule rules[] = {{.pattern = "iqn.1999-01.other:*"},
				     {.pattern = "iqn.2026-11.example:*"}};
	struct iscsi_access access = {.rules = rules, .nrules = how & 16 ? 1 : 2};
	struct iscsi_rig *rig = admin->rig;

	if (!(how & 8))
		access.auth = admin->auth;
	memset(rules[1].mask.visible, how & 32 ? 0xfe : 0xff, sizeof(rules[1].mask.visible));
	memset(rules[1].mask.read_only, how & 64 ? 0xff : 0, sizeof(rules[1].mask.read_only));
	assert(!iscsi_target_set_access(rig->target, &access));
	for (unsigned int i = 0; i < RIG_WORKERS; i++)
		iscsi_worker_recheck_target(rig->workers[i], rig->target);
}

static void look_at_reports(const struct iscsi_rig *rig)
{
	struct iscsi_session_report sessions[4];
	struct iscsi_lun_report luns[4];

	for (unsigned int i = 0; i < RIG_WORKERS; i++) {
		struct iscsi_worker *worker = rig->workers[i];

		iscsi_worker_stamp(worker, rig->now);
		assert(!iscsi_worker_unstamped(worker));
		iscsi_worker_sessions(worker, sessions, 4);
		iscsi_worker_luns(worker, luns, 4);
		iscsi_worker_stats(worker);
	}
}

void session_admin_do(struct session_admin *admin, uint8_t what, uint16_t tsih)
{
	static const char *const elsewhere[] = {NULL, "192.0.2.9:3260,1"};
	struct iscsi_rig *rig = admin->rig;
	struct fixture_scsi *fs = &rig->fs;

	switch (what & 7) {
	case 0:
		leave(admin, what >> 3 & 1);
		break;
	case 1:
		assert(!iscsi_target_set_redirect(rig->target, elsewhere[what >> 3 & 1],
						  what & 16));
		break;
	case 2:
		set_access(admin, what);
		break;
	case 3:
		iscsi_worker_close_session(rig->workers[what >> 3 & 1], tsih);
		break;
	case 4:
		scsi_target_set_access(fs->target,
				       (struct scsi_access_state){.access = what >> 3 & 3});
		break;
	case 5:
		atomic_store(&fs->disk->disk.nblocks, 4096 >> (what >> 3 & 3));
		scsi_device_resized(fs->dev);
		break;
	case 6:
		rig->no_random = what & 8;
		break;
	default:
		look_at_reports(rig);
	}
}

static void note_removed(void *ctx)
{
	struct session_admin *admin = ctx;

	admin->removing--;
}

void session_admin_lun(struct session_admin *admin, uint8_t how)
{
	struct fixture_scsi *fs = &admin->rig->fs;
	int ret;

	if (!(how & 1)) {
		ret = scsi_target_add_lun(fs->target, 0, fs->dev, how & 2);
		assert(!ret || ret == -EEXIST);
		return;
	}
	admin->removing++;
	ret = scsi_target_remove_lun(fs->target, 0, note_removed, admin);
	assert(!ret || ret == -ENOENT);
	admin->removing -= ret != 0;
}

bool session_admin_done(const struct session_admin *admin)
{
	for (unsigned int i = 0; i < RIG_WORKERS; i++)
		if (admin->leaving[i].target)
			return false;
	return !admin->removing;
}
