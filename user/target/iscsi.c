/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* iSCSI targets: names, portals, who may log in, and the units that they show. */
#include "target/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX 8
#define MEMORY_MIB  32u
#define GRACE_NS    1000000000u /* for initiators to log out of a target that goes */

static struct target_iscsi *iscsi_find(const struct target *target, const char *name)
{
	struct target_iscsi *iscsi;

	list_for_each_entry (iscsi, &target->iscsi, link)
		if (iscsi_name_compare(iscsi_target_name(iscsi->target), name) == 0)
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
	iscsi_node_set_discovery_auth(target->node, &target->discovery);
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

struct asking {
	struct target_unit *unit;
	void (*fn)(struct target_unit *unit, struct blk_queue *queue);
};

static void ask_on(struct iscsi_worker *worker, void *arg)
{
	const struct asking *asking = arg;

	asking->fn(asking->unit, iscsi_worker_queue(worker));
}

void target_iscsi_ask(struct target *target, struct target_unit *unit,
		      void (*fn)(struct target_unit *unit, struct blk_queue *queue))
{
	struct asking asking = {unit, fn};

	if (target->tcp && scsi_device_unfinished(unit->device))
		tcp_server_each(target->tcp, ask_on, &asking);
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
	iscsi->units[request->lun] = unit;
	iscsi->read_only[request->lun] = request->read_only;
	ret = target_ports_show(iscsi, request->lun);
	if (ret) {
		target_ports_hide(target, iscsi, request->lun);
		return error_set(err, -ret, "LUN %u: %s", request->lun, strerror(-ret));
	}
	target_resume_unit(target, unit);
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
	struct iscsi_target_config config = {
		.name = request->name,
		.alias = request->alias,
		.portals = request->portals,
		.nportals = request->nportals,
		.access = request->access,
	};
	int ret = target_ports_open(target, iscsi, request->name, request->portals,
				    request->nportals, err);

	config.ports = iscsi->ports;
	config.nports = iscsi->nports;
	iscsi_settings_default(&config.settings);
	iscsi->leave = ret ? NULL : tcp_leave_new(target->tcp);
	if (!ret && !iscsi->leave)
		ret = error_set(err, ENOMEM, "out of memory");
	if (!ret)
		ret = iscsi_target_open(target->node, &config, &iscsi->target, err);
	if (ret) {
		free(iscsi->leave);
		target_ports_close(iscsi);
	}
	return ret;
}

static void free_target(struct target_iscsi *iscsi)
{
	iscsi_target_close(iscsi->target);
	target_ports_close(iscsi);
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++)
		if (iscsi->units[lun])
			target_unit_put(iscsi->units[lun]);
	list_del(&iscsi->link);
	free(iscsi->portals);
	free(iscsi->rules);
	free(iscsi);
}

void target_iscsi_put(struct target_iscsi *iscsi)
{
	if (!--iscsi->holders && iscsi->closing)
		free_target(iscsi);
}

static void sessions_left(void *ctx)
{
	target_iscsi_put(ctx);
}

/* Nobody finds it from now on; the rest goes when its last session and command have. */
static void close_target(struct target *target, struct target_iscsi *iscsi, uint64_t grace_ns)
{
	iscsi_target_hide(iscsi->target);
	while (iscsi->nportals)
		tcp_server_unlisten(target->tcp, iscsi->portals[--iscsi->nportals].address);
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++)
		if (iscsi->units[lun])
			target_unit_leave(iscsi->units[lun]);
	iscsi->closing = true;
	iscsi->holders++;
	list_del(&iscsi->link);
	list_add_tail(&target->iscsi_leaving, &iscsi->link);
	tcp_server_leave_target(target->tcp, iscsi->leave, iscsi->target, grace_ns,
				&target->mailbox, sessions_left, iscsi);
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

static bool portal_listed(const struct iscsi_portal *portal, const struct iscsi_portal *list,
			  unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(list[i].address, portal->address) == 0 && list[i].group == portal->group)
			return true;
	return false;
}

/* What is listened on stays; iscsi->portals has room for the others. */
static int listen_portals(struct target *target, struct target_iscsi *iscsi,
			  const struct iscsi_portal *portals, unsigned int n, bool may_come,
			  struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; i < n && !ret; i++) {
		if (portal_listed(&portals[i], iscsi->portals, iscsi->nportals))
			continue;
		ret = tcp_server_listen(target->tcp, portals[i].address, portals[i].group, may_come,
					err);
		if (!ret)
			iscsi->portals[iscsi->nportals++] = portals[i];
	}
	return ret;
}

/* Ends those that are not on the list. */
static void unlisten_portals(struct target *target, struct target_iscsi *iscsi,
			     const struct iscsi_portal *portals, unsigned int n)
{
	for (unsigned int i = iscsi->nportals; i-- > 0;) {
		struct iscsi_portal *portal = &iscsi->portals[i];

		if (portal_listed(portal, portals, n))
			continue;
		tcp_server_unlisten(target->tcp, portal->address);
		memmove(portal, portal + 1, (--iscsi->nportals - i) * sizeof(*portal));
	}
}

static int portals_room(struct target_iscsi *iscsi, unsigned int n, struct error *err)
{
	struct iscsi_portal *grown =
		reallocarray(iscsi->portals, iscsi->nportals + n, sizeof(*grown));

	if (!grown)
		return error_set(err, ENOMEM, "out of memory");
	iscsi->portals = grown;
	return 0;
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
		ret = portals_room(iscsi, request->nportals, err);
	if (!ret)
		ret = listen_portals(target, iscsi, request->portals, request->nportals,
				     request->may_come, err);
	if (ret) {
		undo_disks(target, iscsi);
		close_target(target, iscsi, 0);
		return error_prefix(err, -ret, "%s", request->name);
	}
	return 0;
}

static int no_target(const char *name, struct error *err)
{
	return error_set(err, ENOENT, "there is no target %s", name);
}

int target_remove_iscsi(struct target *target, const char *name, struct error *err)
{
	struct target_iscsi *iscsi = iscsi_find(target, name);

	if (!iscsi)
		return no_target(name, err);
	close_target(target, iscsi, GRACE_NS);
	return 0;
}

int target_add_lun(struct target *target, const char *name, const struct lun_request *request,
		   struct error *err)
{
	struct target_iscsi *iscsi = iscsi_find(target, name);

	return iscsi ? show_lun(target, iscsi, request, err) : no_target(name, err);
}

int target_remove_lun(struct target *target, const char *name, uint16_t lun, struct error *err)
{
	struct target_iscsi *iscsi = iscsi_find(target, name);

	if (!iscsi)
		return no_target(name, err);
	if (lun >= SCSI_LUNS_MAX || !iscsi->units[lun])
		return error_set(err, ENOENT, "%s has no LUN %u", name, lun);
	return target_ports_hide(target, iscsi, lun) ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* The old ones go first: they and the new ones may exclude each other. */
int target_set_portals(struct target *target, const char *name, const struct iscsi_portal *portals,
		       unsigned int nportals, bool may_come, struct error *err)
{
	struct target_iscsi *iscsi = iscsi_find(target, name);
	struct iscsi_portal *before;
	struct error again;
	unsigned int n;
	int ret;

	if (!iscsi)
		return no_target(name, err);
	n = iscsi->nportals;
	before = calloc(n + 1, sizeof(*before));
	if (!before)
		return error_set(err, ENOMEM, "out of memory");
	memcpy(before, iscsi->portals, n * sizeof(*before));
	ret = portals_room(iscsi, n + nportals, err);
	if (!ret)
		ret = target_ports_open(target, iscsi, name, portals, nportals, err);
	if (!ret) {
		unlisten_portals(target, iscsi, portals, nportals);
		ret = listen_portals(target, iscsi, portals, nportals, may_come, err);
		if (!ret && iscsi_target_set_portals(iscsi->target, portals, nportals))
			ret = error_set(err, ENOMEM, "out of memory");
		if (ret) {
			unlisten_portals(target, iscsi, before, n);
			if (listen_portals(target, iscsi, before, n, true, &again))
				log_error("%s: %s", name, again.text);
		}
	}
	free(before);
	return ret;
}

static void sessions_recheck(struct iscsi_worker *worker, void *arg)
{
	iscsi_worker_recheck_target(worker, arg);
}

int target_set_access(struct target *target, const char *name, const struct iscsi_access *access,
		      struct error *err)
{
	struct target_iscsi *iscsi = iscsi_find(target, name);

	if (!iscsi)
		return no_target(name, err);
	/* The target is there until all workers have done what they were told before. */
	if (iscsi_target_set_access(iscsi->target, access) ||
	    tcp_server_tell(target->tcp, sessions_recheck, iscsi->target) ||
	    note_rules(iscsi, access))
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

void target_set_discovery_auth(struct target *target, const struct iscsi_auth *auth)
{
	target->discovery = *auth;
	if (target->node)
		iscsi_node_set_discovery_auth(target->node, auth);
}

struct closing {
	uint16_t tsih;
	bool found;
};

static void session_close(struct iscsi_worker *worker, void *arg)
{
	struct closing *closing = arg;

	closing->found |= !iscsi_worker_close_session(worker, closing->tsih);
}

int target_close_session(struct target *target, uint16_t tsih, struct error *err)
{
	struct closing closing = {.tsih = tsih};
	bool all = !target->tcp || tcp_server_each(target->tcp, session_close, &closing);

	if (closing.found)
		return 0;
	return all ? error_set(err, ENOENT, "there is no session %u", tsih)
		   : error_set(err, EBUSY,
			       "session %u is not among those that answer; others wait for a file "
			       "system that hangs",
			       tsih);
}

void target_iscsi_close_all(struct target *target)
{
	struct target_iscsi *iscsi, *next;

	/* Without a goodbye: initiators that lose a connection come back to the next process. */
	list_for_each_entry_safe (iscsi, next, &target->iscsi, link)
		close_target(target, iscsi, 0);
	while (!list_empty(&target->iscsi_leaving) || !list_empty(&target->units))
		target_await_mail(target, clock_now_ns() + CLOCK_NS_PER_S);
	close_server(target);
}
