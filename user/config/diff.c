/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What turns one configuration into another. The kinds of steps are gathered one after the other in
 * the order of enum config_step_kind, which is the order in which they are done.
 */
#include "config/diff.h"
#include "config/entries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct differ {
	struct config_index running, wanted;
	struct config_step *steps;
	unsigned int nsteps;
	struct error *err;
};

static int add_lun_step(struct differ *differ, enum config_step_kind kind, const void *running,
			const void *wanted, const struct config_lun *lun)
{
	struct config_step *step;

	if (!(differ->nsteps & (differ->nsteps - 1))) {
		size_t room = differ->nsteps ? 2 * (size_t)differ->nsteps : 1;
		struct config_step *grown = reallocarray(differ->steps, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		differ->steps = grown;
	}
	step = &differ->steps[differ->nsteps];
	step->kind = kind;
	step->running_aoe = running;
	step->wanted_aoe = wanted;
	step->lun = lun;
	step->text = config_step_text(step, differ->wanted.config);
	if (!step->text)
		return -ENOMEM;
	differ->nsteps++;
	return 0;
}

static int add_step(struct differ *differ, enum config_step_kind kind, const void *running,
		    const void *wanted)
{
	return add_lun_step(differ, kind, running, wanted, NULL);
}

/* ---- what changed ------------------------------------------------------------------------ */

uint64_t config_disk_bytes(const struct config_disk *disk)
{
	return disk->bytes > disk->spec.size ? disk->bytes : disk->spec.size;
}

enum disk_change {
	DISK_SAME,
	DISK_GROWS,
	DISK_STAYS_LARGER,
	DISK_REPLACED, /* there is none, too */
};

static enum disk_change disk_change(const struct config_disk *running,
				    const struct config_disk *wanted)
{
	struct disk_spec resized;
	uint64_t bytes;

	if (!running || !wanted)
		return DISK_REPLACED;
	resized = running->spec;
	resized.size = wanted->spec.size;
	resized.soft_threshold = wanted->spec.soft_threshold;
	if (wanted->spec.kind != DISK_FILE || !config_disk_spec_equal(&resized, &wanted->spec))
		return config_disk_spec_equal(&running->spec, &wanted->spec) ? DISK_SAME
									     : DISK_REPLACED;
	bytes = config_disk_bytes(running);
	/* No size is the size that it has. */
	if (!wanted->spec.size || wanted->spec.size == bytes)
		return DISK_SAME;
	return wanted->spec.size > bytes ? DISK_GROWS : DISK_STAYS_LARGER;
}

static bool disk_stays(const struct differ *differ, const char *name)
{
	return disk_change(config_index_disk(&differ->running, name),
			   config_index_disk(&differ->wanted, name)) != DISK_REPLACED;
}

static bool interface_stays(const struct differ *differ, const char *name)
{
	const struct config_interface *running = config_index_interface(&differ->running, name);
	const struct config_interface *wanted = config_index_interface(&differ->wanted, name);

	return running && wanted && running->xdp == wanted->xdp &&
	       running->busy_poll_us == wanted->busy_poll_us;
}

static bool export_stays(const struct differ *differ, const struct config_aoe *running,
			 const struct config_aoe *wanted)
{
	return running && wanted && !strcmp(running->disk, wanted->disk) &&
	       disk_stays(differ, wanted->disk);
}

/* Both lists are sorted. An interface that is taken away and added again serves nothing yet. */
static bool export_is_served_alike(const struct differ *differ, const struct config_aoe *running,
				   const struct config_aoe *wanted)
{
	if (running->ninterfaces != wanted->ninterfaces)
		return false;
	for (unsigned int i = 0; i < wanted->ninterfaces; i++)
		if (strcmp(running->interfaces[i], wanted->interfaces[i]) ||
		    !interface_stays(differ, wanted->interfaces[i]))
			return false;
	return true;
}

/* Lists that differ become one only when somebody says which. */
static bool acl_changes(const struct config_aoe *running, const struct config_aoe *wanted)
{
	return !aoe_acl_equal(&running->acl, &wanted->acl) ||
	       (running->acl_differs && !wanted->acl_differs);
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool target_stays(const struct config_iscsi *running, const struct config_iscsi *wanted)
{
	return running && wanted && text_equal(running->alias, wanted->alias) &&
	       config_iscsi_groups_stay(running, wanted);
}

/* Of the running and the wanted, either way round. */
static bool lun_stays(const struct differ *differ, const struct config_lun *one,
		      const struct config_lun *other)
{
	return one && other && one->read_only == other->read_only &&
	       !strcmp(one->disk, other->disk) && disk_stays(differ, one->disk);
}

/* ---- steps, kind by kind ----------------------------------------------------------------- */

/* Of a target that stays: the LUNs that it has on one side and not the same on the other. */
static int change_luns(struct differ *differ, enum config_step_kind kind,
		       const struct config_iscsi *iscsi, const struct config_iscsi *other)
{
	bool remove = kind == CONFIG_REMOVE_LUN;
	int ret = 0;

	for (unsigned int i = 0; i < iscsi->nluns && !ret; i++) {
		const struct config_lun *lun = &iscsi->luns[i];

		if (!lun_stays(differ, lun, config_find_lun(other, lun->lun)))
			ret = add_lun_step(differ, kind, remove ? iscsi : other,
					   remove ? NULL : iscsi, lun);
	}
	return ret;
}

static int remove_targets(struct differ *differ)
{
	const struct config *running = differ->running.config;
	int ret = 0;

	for (unsigned int i = 0; i < running->niscsi && !ret; i++) {
		const struct config_iscsi *iscsi = &running->iscsi[i];

		if (!target_stays(iscsi, config_index_iscsi(&differ->wanted, iscsi->name)))
			ret = add_step(differ, CONFIG_REMOVE_TARGET, iscsi, NULL);
	}
	for (unsigned int i = 0; i < running->niscsi && !ret; i++) {
		const struct config_iscsi *iscsi = &running->iscsi[i];
		const struct config_iscsi *after = config_index_iscsi(&differ->wanted, iscsi->name);

		if (target_stays(iscsi, after))
			ret = change_luns(differ, CONFIG_REMOVE_LUN, iscsi, after);
	}
	return ret;
}

static bool portals_go(const struct config_iscsi *before, const struct config_iscsi *after)
{
	for (unsigned int i = 0; i < before->nportals; i++)
		if (!config_iscsi_has_portal(after, &before->portals[i]))
			return true;
	return false;
}

static int close_portals(struct differ *differ)
{
	const struct config *running = differ->running.config;
	int ret = 0;

	for (unsigned int i = 0; i < running->niscsi && !ret; i++) {
		const struct config_iscsi *iscsi = &running->iscsi[i];
		const struct config_iscsi *after = config_index_iscsi(&differ->wanted, iscsi->name);

		if (target_stays(iscsi, after) && portals_go(iscsi, after))
			ret = add_step(differ, CONFIG_CLOSE_PORTALS, iscsi, after);
	}
	return ret;
}

static struct scsi_access_state access_of(const struct config *config, uint16_t group)
{
	const struct config_alua *alua = config_find_alua(config, group);

	return alua ? alua->access : (struct scsi_access_state){.access = SCSI_ACCESS_OPTIMIZED};
}

static bool access_changes(const struct differ *differ, uint16_t group)
{
	return !scsi_access_equal(access_of(differ->running.config, group),
				  access_of(differ->wanted.config, group));
}

static int change_alua(struct differ *differ)
{
	const struct config *running = differ->running.config, *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < running->nalua && !ret; i++)
		if (!config_find_alua(wanted, running->alua[i].group) &&
		    access_changes(differ, running->alua[i].group))
			ret = add_step(differ, CONFIG_SET_ALUA, &running->alua[i], NULL);
	for (unsigned int i = 0; i < wanted->nalua && !ret; i++)
		if (access_changes(differ, wanted->alua[i].group))
			ret = add_step(differ, CONFIG_SET_ALUA, NULL, &wanted->alua[i]);
	return ret;
}

static int add_targets(struct differ *differ)
{
	const struct config *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < wanted->niscsi && !ret; i++) {
		const struct config_iscsi *iscsi = &wanted->iscsi[i];

		if (!target_stays(config_index_iscsi(&differ->running, iscsi->name), iscsi))
			ret = add_step(differ, CONFIG_ADD_TARGET, NULL, iscsi);
	}
	for (unsigned int i = 0; i < wanted->niscsi && !ret; i++) {
		const struct config_iscsi *iscsi = &wanted->iscsi[i];
		const struct config_iscsi *before =
			config_index_iscsi(&differ->running, iscsi->name);

		if (target_stays(before, iscsi))
			ret = change_luns(differ, CONFIG_ADD_LUN, iscsi, before);
	}
	return ret;
}

/* Once those that go are closed. */
static bool portals_change(const struct config_iscsi *before, const struct config_iscsi *after)
{
	unsigned int stay = 0;

	for (unsigned int i = 0; i < before->nportals; i++)
		if (config_iscsi_has_portal(after, &before->portals[i]) &&
		    !config_portals_equal(&before->portals[i], &after->portals[stay++]))
			return true;
	return stay != after->nportals;
}

static int change_targets(struct differ *differ, enum config_step_kind kind)
{
	const struct config *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < wanted->niscsi && !ret; i++) {
		const struct config_iscsi *iscsi = &wanted->iscsi[i];
		const struct config_iscsi *before =
			config_index_iscsi(&differ->running, iscsi->name);

		if (!target_stays(before, iscsi))
			continue;
		if (kind == CONFIG_TARGET_PORTALS ? portals_change(before, iscsi)
						  : !config_iscsi_access_equal(before, iscsi))
			ret = add_step(differ, kind, before, iscsi);
	}
	return ret;
}

static int change_discovery(struct differ *differ)
{
	return config_chap_equal(&differ->running.config->discovery_chap,
				 &differ->wanted.config->discovery_chap)
		       ? 0
		       : add_step(differ, CONFIG_DISCOVERY_CHAP, NULL, NULL);
}

static int remove_what_goes(struct differ *differ)
{
	const struct config *running = differ->running.config;
	int ret = 0;

	for (unsigned int i = 0; i < running->naoe && !ret; i++) {
		const struct config_aoe *aoe = &running->aoe[i];
		const struct config_aoe *after = config_index_aoe(&differ->wanted, &aoe->addr);

		if (!export_stays(differ, aoe, after))
			ret = add_step(differ, CONFIG_REMOVE_EXPORT, aoe, NULL);
	}
	if (!ret)
		ret = remove_targets(differ);
	if (!ret)
		ret = close_portals(differ);
	for (unsigned int i = 0; i < running->ninterfaces && !ret; i++)
		if (!interface_stays(differ, running->interfaces[i].name))
			ret = add_step(differ, CONFIG_REMOVE_INTERFACE, &running->interfaces[i],
				       NULL);
	for (unsigned int i = 0; i < running->ndisks && !ret; i++)
		if (!disk_stays(differ, running->disks[i].name))
			ret = add_step(differ, CONFIG_REMOVE_DISK, &running->disks[i], NULL);
	return ret;
}

static int change_disks(struct differ *differ)
{
	const struct config *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < wanted->ndisks && !ret; i++) {
		const struct config_disk *disk = &wanted->disks[i];
		const struct config_disk *before = config_index_disk(&differ->running, disk->name);
		enum disk_change change = disk_change(before, disk);

		if (change == DISK_STAYS_LARGER)
			ret = add_step(differ, CONFIG_KEEP_DISK, before, disk);
		if (change == DISK_GROWS && disk->spec.read_only)
			return error_set(differ->err, EINVAL,
					 "disk %s: it is read-only and cannot grow: leave its size "
					 "as it was",
					 disk->name);
		if (change == DISK_GROWS)
			ret = add_step(differ, CONFIG_GROW_DISK, before, disk);
		if (!ret && change != DISK_REPLACED &&
		    before->spec.soft_threshold != disk->spec.soft_threshold)
			ret = add_step(differ, CONFIG_SET_THRESHOLD, before, disk);
	}
	return ret;
}

static int add_what_comes(struct differ *differ)
{
	const struct config *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < wanted->ndisks && !ret; i++)
		if (!disk_stays(differ, wanted->disks[i].name))
			ret = add_step(differ, CONFIG_ADD_DISK, NULL, &wanted->disks[i]);
	if (!ret)
		ret = change_disks(differ);
	for (unsigned int i = 0; i < wanted->ninterfaces && !ret; i++)
		if (!interface_stays(differ, wanted->interfaces[i].name))
			ret = add_step(differ, CONFIG_ADD_INTERFACE, NULL, &wanted->interfaces[i]);
	if (!ret)
		ret = change_alua(differ);
	if (!ret)
		ret = add_targets(differ);
	for (unsigned int i = 0; i < wanted->naoe && !ret; i++) {
		const struct config_aoe *aoe = &wanted->aoe[i];

		if (!export_stays(differ, config_index_aoe(&differ->running, &aoe->addr), aoe))
			ret = add_step(differ, CONFIG_ADD_EXPORT, NULL, aoe);
	}
	return ret;
}

/* One step for every export that stays and for which this kind of change is due. */
static int change_exports(struct differ *differ, enum config_step_kind kind)
{
	const struct config *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < wanted->naoe && !ret; i++) {
		const struct config_aoe *aoe = &wanted->aoe[i];
		const struct config_aoe *before = config_index_aoe(&differ->running, &aoe->addr);
		bool due;

		if (!export_stays(differ, before, aoe))
			continue;
		if (kind == CONFIG_EXPORT_INTERFACES)
			due = !export_is_served_alike(differ, before, aoe);
		else if (kind == CONFIG_EXPORT_ACL)
			due = acl_changes(before, aoe);
		else
			due = before->enabled != aoe->enabled;
		if (due)
			ret = add_step(differ, kind, before, aoe);
	}
	return ret;
}

static int change_guards(struct differ *differ)
{
	const struct config *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < wanted->ninterfaces && !ret; i++) {
		const struct config_interface *interface = &wanted->interfaces[i];
		const struct config_interface *before =
			config_index_interface(&differ->running, interface->name);

		if (interface_stays(differ, interface->name) &&
		    before->flood_guard != interface->flood_guard)
			ret = add_step(differ, CONFIG_FLOOD_GUARD, before, interface);
	}
	return ret;
}

static int change_limits(struct differ *differ)
{
	const struct config *running = differ->running.config, *wanted = differ->wanted.config;
	int ret = 0;

	for (unsigned int i = 0; i < running->nlimits && !ret; i++)
		if (!config_index_limit(&differ->wanted, running->limits[i].mac))
			ret = add_step(differ, CONFIG_REMOVE_LIMIT, &running->limits[i], NULL);
	for (unsigned int i = 0; i < wanted->nlimits && !ret; i++) {
		const struct config_limit *limit = &wanted->limits[i];
		const struct config_limit *before =
			config_index_limit(&differ->running, limit->mac);

		if (!before || before->iops != limit->iops || before->bytes != limit->bytes)
			ret = add_step(differ, CONFIG_SET_LIMIT, before, limit);
	}
	return ret;
}

static int change_rest(struct differ *differ)
{
	const struct config *running = differ->running.config, *wanted = differ->wanted.config;
	int ret = 0;

	if (!text_equal(running->listen, wanted->listen))
		ret = add_step(differ, CONFIG_EXPORTER, NULL, NULL);
	if (!ret && (running->log_level != wanted->log_level || running->log_to != wanted->log_to))
		ret = add_step(differ, CONFIG_LOG, NULL, NULL);
	if (!ret && (!text_equal(running->state_dir, wanted->state_dir) ||
		     !text_equal(running->socket, wanted->socket)))
		ret = add_step(differ, CONFIG_RESTART, NULL, NULL);
	return ret;
}

static int gather(struct differ *differ)
{
	int ret = remove_what_goes(differ);

	if (!ret)
		ret = add_what_comes(differ);
	if (!ret)
		ret = change_exports(differ, CONFIG_EXPORT_INTERFACES);
	if (!ret)
		ret = change_exports(differ, CONFIG_EXPORT_ACL);
	if (!ret)
		ret = change_exports(differ, CONFIG_EXPORT_ENABLED);
	if (!ret)
		ret = change_targets(differ, CONFIG_TARGET_PORTALS);
	if (!ret)
		ret = change_targets(differ, CONFIG_TARGET_ACCESS);
	if (!ret)
		ret = change_discovery(differ);
	if (!ret)
		ret = change_guards(differ);
	if (!ret)
		ret = change_limits(differ);
	return ret ? ret : change_rest(differ);
}

int config_diff(const struct config *running, const struct config *wanted,
		struct config_step **steps, unsigned int *nsteps, struct error *err)
{
	struct differ differ = {.err = err};
	int ret = config_index_build(&differ.running, running);

	if (config_index_build(&differ.wanted, wanted))
		ret = -ENOMEM;
	if (!ret)
		ret = gather(&differ);
	config_index_fini(&differ.running);
	config_index_fini(&differ.wanted);
	if (ret) {
		config_steps_free(differ.steps, differ.nsteps);
		return ret == -ENOMEM ? error_set(err, ENOMEM, "out of memory") : ret;
	}
	*steps = differ.steps;
	*nsteps = differ.nsteps;
	return 0;
}

void config_steps_free(struct config_step *steps, unsigned int nsteps)
{
	for (unsigned int i = 0; i < nsteps; i++)
		free(steps[i].text);
	free(steps);
}
