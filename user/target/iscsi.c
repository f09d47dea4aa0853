/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* iSCSI targets: names, portals, who may log in, and the units that they show. */
#include "target/internal.h"

#include "base/clock.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX   8
#define MEMORY_MIB    32u
#define GRACE_NS      1000000000u /* for initiators to log out of a target that goes */
#define PORTAL_GROUP  1u
#define SCSI_ISCSI    5u /* protocol identifier, SPC-5 7.6.1 */
#define PORT_NAME_MAX (ISCSI_NAME_MAX + sizeof(",t,0x0001"))

struct target_iscsi *target_iscsi_find(const struct target *target, const char *name)
{
	struct target_iscsi *iscsi;

	list_for_each_entry (iscsi, &target->iscsi, link)
		if (strcmp(iscsi_target_name(iscsi->target), name) == 0)
			return iscsi;
	return NULL;
}

/* Threads and memory are there from the first target on. */
static int open_server(struct target *target, struct error *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct tcp_server_config config = {
		.workers = cpus < 1		? 1
			   : cpus > WORKERS_MAX ? WORKERS_MAX
						: (unsigned int)cpus,
		.memory_mib = MEMORY_MIB,
	};
	int ret;

	if (target->tcp)
		return 0;
	ret = iscsi_node_open(&target->node, err);
	if (ret)
		return ret;
	config.node = target->node;
	ret = tcp_server_open(&config, &target->tcp, err);
	if (ret) {
		iscsi_node_close(target->node);
		target->node = NULL;
	}
	return ret;
}

static void close_server(struct target *target)
{
	if (!target->tcp)
		return;
	tcp_server_close(target->tcp, &target->mailbox);
	iscsi_node_close(target->node);
}

/* ---- units ---- */

struct hiding {
	struct message message;
	struct target *target;
	bool done;
};

static void hidden_message(struct message *message)
{
	container_of(message, struct hiding, message)->done = true;
}

static void hidden(void *ctx)
{
	struct hiding *hiding = ctx;

	mailbox_post(&hiding->target->mailbox, &hiding->message);
}

/* Returns when the last command of the unit through this target has ended. */
static void hide_lun(struct target *target, struct target_iscsi *iscsi, uint16_t lun)
{
	struct hiding hiding = {.message.run = hidden_message, .target = target};

	if (scsi_target_remove_lun(iscsi->scsi, lun, hidden, &hiding))
		return;
	while (!hiding.done)
		target_await_mail(target, clock_now_ns() + CLOCK_NS_PER_S);
	target_unit_put(iscsi->units[lun]);
	iscsi->units[lun] = NULL;
}

static int show_lun(struct target *target, struct target_iscsi *iscsi,
		    const struct lun_request *request, struct error *err)
{
	struct target_unit *unit;
	int ret;

	if (request->lun >= SCSI_LUNS_MAX)
		return error_set(err, EINVAL, "LUN %u: they go up to %u", request->lun,
				 SCSI_LUNS_MAX - 1);
	if (iscsi->units[request->lun])
		return error_set(err, EEXIST, "LUN %u is there already", request->lun);
	ret = target_unit_get(target, request->disk, &unit, err);
	if (ret)
		return error_prefix(err, -ret, "LUN %u", request->lun);
	ret = scsi_target_add_lun(iscsi->scsi, request->lun, unit->device, request->read_only);
	if (ret) {
		target_unit_put(unit);
		return error_set(err, -ret, "LUN %u: %s", request->lun, strerror(-ret));
	}
	iscsi->units[request->lun] = unit;
	return 0;
}

/* ---- targets ---- */

/* What the target is asked to let in, for whoever asks what that was. */
static int note_rules(struct target_iscsi *iscsi, const struct iscsi_access *access)
{
	struct iscsi_rule *rules = calloc(access->nrules + 1, sizeof(*rules));

	if (!rules)
		return -ENOMEM;
	for (unsigned int i = 0; i < access->nrules; i++)
		rules[i] = access->rules[i];
	free(iscsi->rules);
	iscsi->rules = rules;
	iscsi->nrules = access->nrules;
	return 0;
}

static int open_target(struct target *target, struct target_iscsi *iscsi,
		       const struct iscsi_request *request, struct error *err)
{
	char port_name[PORT_NAME_MAX];
	const struct scsi_target_config scsi = {
		.relative_port = ++target->ports,
		.protocol = SCSI_ISCSI,
		.port_name = port_name,
		.device_name = request->name,
	};
	struct iscsi_target_config config = {
		.name = request->name,
		.portals = request->portals,
		.nportals = request->nportals,
		.access = request->access,
	};
	int ret;

	snprintf(port_name, sizeof(port_name), "%s,t,0x%04x", request->name, PORTAL_GROUP);
	ret = scsi_target_open(&scsi, &iscsi->scsi, err);
	if (ret)
		return ret;
	config.scsi = iscsi->scsi;
	iscsi_settings_default(&config.settings);
	ret = iscsi_target_open(target->node, &config, &iscsi->target, err);
	if (ret)
		scsi_target_close(iscsi->scsi);
	return ret;
}

static void close_target(struct target *target, struct target_iscsi *iscsi, uint64_t grace_ns)
{
	iscsi_target_hide(iscsi->target);
	while (iscsi->nportals)
		tcp_server_unlisten(target->tcp, iscsi->portals[--iscsi->nportals].address);
	tcp_server_leave_target(target->tcp, iscsi->target, grace_ns, &target->mailbox);
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++)
		if (iscsi->units[lun])
			hide_lun(target, iscsi, lun);
	iscsi_target_close(iscsi->target);
	scsi_target_close(iscsi->scsi);
	list_del(&iscsi->link);
	free(iscsi->portals);
	free(iscsi->rules);
	free(iscsi);
}

/* Files that were made for a target that could not be served go. */
static void undo_disks(struct target *target, const struct target_iscsi *iscsi)
{
	for (unsigned int lun = 0; lun < SCSI_LUNS_MAX; lun++) {
		const struct target_unit *unit = iscsi->units[lun];

		if (unit && unit->users == 1 && !target_disk_is_named(target, unit->disk))
			disk_undo(unit->disk);
	}
}

static int listen_portals(struct target *target, struct target_iscsi *iscsi,
			  const struct iscsi_request *request, struct error *err)
{
	int ret = 0;

	iscsi->portals = calloc(request->nportals, sizeof(*iscsi->portals));
	if (!iscsi->portals)
		return error_set(err, ENOMEM, "out of memory");
	for (unsigned int i = 0; i < request->nportals && !ret; i++) {
		ret = tcp_server_listen(target->tcp, request->portals[i].address,
					request->portals[i].group, err);
		if (!ret)
			iscsi->portals[iscsi->nportals++] = request->portals[i];
	}
	return ret;
}

int target_add_iscsi(struct target *target, const struct iscsi_request *request, struct error *err)
{
	struct target_iscsi *iscsi;
	int ret = open_server(target, err);

	if (ret)
		return ret;
	iscsi = calloc(1, sizeof(*iscsi));
	if (!iscsi)
		return error_set(err, ENOMEM, "out of memory");
	ret = open_target(target, iscsi, request, err);
	if (ret) {
		free(iscsi);
		return ret;
	}
	list_add_tail(&target->iscsi, &iscsi->link);
	if (note_rules(iscsi, &request->access))
		ret = error_set(err, ENOMEM, "out of memory");
	for (unsigned int i = 0; i < request->nluns && !ret; i++)
		ret = show_lun(target, iscsi, &request->luns[i], err);
	/* Last: who connects finds all of it. */
	if (!ret)
		ret = listen_portals(target, iscsi, request, err);
	if (ret) {
		undo_disks(target, iscsi);
		close_target(target, iscsi, 0);
		return error_prefix(err, -ret, "%s", request->name);
	}
	return 0;
}

int target_remove_iscsi(struct target *target, const char *name, struct error *err)
{
	struct target_iscsi *iscsi = target_iscsi_find(target, name);

	if (!iscsi)
		return error_set(err, ENOENT, "there is no target %s", name);
	close_target(target, iscsi, GRACE_NS);
	return 0;
}

static int no_target(const char *name, struct error *err)
{
	return error_set(err, ENOENT, "there is no target %s", name);
}

int target_add_lun(struct target *target, const char *name, const struct lun_request *request,
		   struct error *err)
{
	struct target_iscsi *iscsi = target_iscsi_find(target, name);

	return iscsi ? show_lun(target, iscsi, request, err) : no_target(name, err);
}

int target_remove_lun(struct target *target, const char *name, uint16_t lun, struct error *err)
{
	struct target_iscsi *iscsi = target_iscsi_find(target, name);

	if (!iscsi)
		return no_target(name, err);
	if (lun >= SCSI_LUNS_MAX || !iscsi->units[lun])
		return error_set(err, ENOENT, "%s has no LUN %u", name, lun);
	hide_lun(target, iscsi, lun);
	return 0;
}

void target_iscsi_close_all(struct target *target)
{
	struct target_iscsi *iscsi, *next;

	/* Without a goodbye: initiators that lose a connection come back to the next process. */
	list_for_each_entry_safe (iscsi, next, &target->iscsi, link)
		close_target(target, iscsi, 0);
	close_server(target);
}
