/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SCSI target ports of iSCSI targets, one for each portal group, and how good the target port
 * groups are that they are in: a portal group tag is also the target port group's number.
 */
#include "target/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_NAME_MAX (ISCSI_NAME_MAX + sizeof(",t,0x0001"))

/* A target port group that is not as groups usually are. */
struct target_group {
	struct list link;
	uint16_t number;
	struct scsi_access_state access;
};

static struct target_group *group_find(const struct target *target, uint16_t number)
{
	struct target_group *group;

	list_for_each_entry (group, &target->groups, link)
		if (group->number == number)
			return group;
	return NULL;
}

static struct scsi_access_state group_access(const struct target *target, uint16_t number)
{
	const struct target_group *group = group_find(target, number);

	return group ? group->access : (struct scsi_access_state){.access = SCSI_ACCESS_OPTIMIZED};
}

/* ---- ports ---- */

static bool has_port(const struct target_iscsi *iscsi, uint16_t group)
{
	for (unsigned int i = 0; i < iscsi->nports; i++)
		if (iscsi->ports[i].group == group)
			return true;
	return false;
}

static int port_open(struct target *target, const char *name, uint16_t group,
		     struct scsi_target **scsi, struct error *err)
{
	char port_name[PORT_NAME_MAX];
	const struct scsi_target_config config = {
		.relative_port = ++target->ports,
		.group = group,
		.access = group_access(target, group),
		.protocol = SCSI_PROTOCOL_ISCSI,
		.port_name = port_name,
		.device_name = name,
	};

	snprintf(port_name, sizeof(port_name), "%s,t,0x%04x", name, group);
	return scsi_target_open(&config, scsi, err);
}

/* Shows what the other ports show. No initiator is there yet. */
static int port_fill(struct target_iscsi *iscsi, struct scsi_target *scsi)
{
	int ret = 0;

	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX && !ret; lun++)
		if (iscsi->units[lun])
			ret = scsi_target_add_lun(scsi, lun, iscsi->units[lun]->device,
						  iscsi->read_only[lun]);
	return ret;
}

static int port_add(struct target *target, struct target_iscsi *iscsi, const char *name,
		    uint16_t group, struct error *err)
{
	struct iscsi_port *grown =
		reallocarray(iscsi->ports, iscsi->nports + 1, sizeof(*iscsi->ports));
	struct iscsi_port port = {.group = group};
	int ret;

	if (!grown)
		return error_set(err, ENOMEM, "out of memory");
	iscsi->ports = grown;
	ret = port_open(target, name, group, &port.scsi, err);
	if (ret)
		return ret;
	if (port_fill(iscsi, port.scsi) ||
	    (iscsi->target && iscsi_target_add_port(iscsi->target, &port))) {
		scsi_target_close(port.scsi);
		return error_set(err, ENOMEM, "out of memory");
	}
	iscsi->ports[iscsi->nports++] = port;
	return 0;
}

int target_ports_open(struct target *target, struct target_iscsi *iscsi, const char *name,
		      const struct iscsi_portal *portals, unsigned int nportals, struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; i < nportals && !ret; i++)
		if (!has_port(iscsi, portals[i].group))
			ret = port_add(target, iscsi, name, portals[i].group, err);
	return ret;
}

void target_ports_close(struct target_iscsi *iscsi)
{
	for (unsigned int i = 0; i < iscsi->nports; i++)
		scsi_target_close(iscsi->ports[i].scsi);
	free(iscsi->ports);
}

/* ---- what they show ---- */

int target_ports_show(struct target_iscsi *iscsi, uint16_t lun)
{
	int ret = 0;

	for (unsigned int i = 0; i < iscsi->nports && !ret; i++)
		ret = scsi_target_add_lun(iscsi->ports[i].scsi, lun, iscsi->units[lun]->device,
					  iscsi->read_only[lun]);
	return ret;
}

/* A LUN that shows its unit no longer, until the last command of the unit through it has ended. */
struct hiding {
	struct message message; /* to the control thread, from the last */
	struct target *target;
	struct target_iscsi *iscsi;
	struct target_unit *unit; /* NULL: a port goes on showing it */
	atomic_uint left;	  /* ports, and who hides it */
};

static void hidden_message(struct message *message)
{
	struct hiding *hiding = container_of(message, struct hiding, message);

	if (hiding->unit)
		target_unit_put(hiding->unit);
	target_iscsi_put(hiding->iscsi);
	free(hiding);
}

static void hidden(void *ctx)
{
	struct hiding *hiding = ctx;

	if (atomic_fetch_sub(&hiding->left, 1) == 1)
		mailbox_post(&hiding->target->mailbox, &hiding->message);
}

int target_ports_hide(struct target *target, struct target_iscsi *iscsi, uint16_t lun)
{
	struct hiding *hiding = calloc(1, sizeof(*hiding));
	bool all = true;

	if (!hiding)
		return -ENOMEM;
	hiding->message.run = hidden_message;
	hiding->target = target;
	hiding->iscsi = iscsi;
	atomic_init(&hiding->left, iscsi->nports + 1);
	iscsi->holders++;
	for (unsigned int i = 0; i < iscsi->nports; i++) {
		int ret = scsi_target_remove_lun(iscsi->ports[i].scsi, lun, hidden, hiding);

		if (ret)
			hidden(hiding);
		all &= !ret || ret == -ENOENT;
	}
	if (all) {
		hiding->unit = iscsi->units[lun];
		target_unit_leave(hiding->unit);
		iscsi->units[lun] = NULL;
	}
	hidden(hiding);
	return all ? 0 : -ENOMEM;
}

/* ---- target port groups ---- */

bool target_has_group(const struct target *target, uint16_t group)
{
	const struct target_iscsi *iscsi;

	list_for_each_entry (iscsi, &target->iscsi, link)
		if (has_port(iscsi, group))
			return true;
	return false;
}

static int group_note(struct target *target, uint16_t number, struct scsi_access_state access)
{
	struct target_group *group = group_find(target, number);
	bool usual = scsi_access_equal(access, (struct scsi_access_state){.preferred = false});

	if (usual && group) {
		list_del(&group->link);
		free(group);
	}
	if (usual)
		return 0;
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return -ENOMEM;
		group->number = number;
		list_add_tail(&target->groups, &group->link);
	}
	group->access = access;
	return 0;
}

int target_set_alua(struct target *target, uint16_t group, struct scsi_access_state access,
		    struct error *err)
{
	struct target_iscsi *iscsi;

	if (group_note(target, group, access))
		return error_set(err, ENOMEM, "out of memory");
	list_for_each_entry (iscsi, &target->iscsi, link)
		for (unsigned int i = 0; i < iscsi->nports; i++)
			if (iscsi->ports[i].group == group)
				scsi_target_set_access(iscsi->ports[i].scsi, access);
	return 0;
}

void target_alua_each(const struct target *target,
		      void (*found)(void *ctx, uint16_t group, struct scsi_access_state access),
		      void *ctx)
{
	const struct target_group *group;

	list_for_each_entry (group, &target->groups, link)
		found(ctx, group->number, group->access);
}

void target_alua_close(struct target *target)
{
	struct target_group *group, *next;

	list_for_each_entry_safe (group, next, &target->groups, link)
		free(group);
	list_init(&target->groups);
}

static void group_mark(const struct target *target, uint8_t *there)
{
	const struct target_iscsi *iscsi;

	list_for_each_entry (iscsi, &target->iscsi, link)
		for (unsigned int i = 0; i < iscsi->nports; i++)
			there[iscsi->ports[i].group] = 1;
}

/* Those that targets have ports in. */
json_t *target_alua_json(const struct target *target)
{
	uint8_t *there = calloc(SCSI_GROUP_MAX + 1, 1);
	json_t *groups = json_array();

	if (there)
		group_mark(target, there);
	for (unsigned int group = 1; there && group <= SCSI_GROUP_MAX; group++) {
		struct scsi_access_state access;

		if (!there[group])
			continue;
		access = group_access(target, (uint16_t)group);
		json_array_append_new(groups, json_pack("{s:i, s:s, s:b, s:b}", "group", (int)group,
							"state", scsi_access_name(access.access),
							"preferred", access.preferred, "implicit",
							access.implicit));
	}
	free(there);
	return groups;
}
