/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An export on an interface: the workers answer for it, the program steers its frames to them.
 * Added and removed while everything else goes on.
 */
#include "target/internal.h"

#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct stgt_export_key export_key(const struct target_export *export)
{
	return (struct stgt_export_key){
		.proto = STGT_PROTO_AOE,
		.vlan = export->addr.vlan,
		.address = (uint32_t) export->addr.shelf << 8 | export->addr.slot,
	};
}

bool target_interface_serves(const struct target_interface *interface,
			     const struct target_export *export)
{
	for (unsigned int i = 0; i < interface->nexports; i++)
		if (interface->exports[i] == export)
			return true;
	return false;
}

/* ---- what runs on the workers ---- */

struct port_change {
	struct target *target;
	struct target_export *export;
	int result;
};

static void port_add(const struct worker_view *view, void *arg)
{
	struct port_change *change = arg;

	if (!change->result)
		change->result = aoe_port_add(view->port, change->export->aoe);
}

/* The control thread waits for this, so it may count what only that thread counts down. */
static void port_remove(const struct worker_view *view, void *arg)
{
	struct port_change *change = arg;
	struct target_export *export = change->export;

	if (!aoe_port_remove(view->port, export->aoe, &change->target->mailbox, target_export_left,
			     export))
		export->leaving++;
}

/* ---- what another process left unfinished ---- */

static void resume_on(const struct worker_view *view, void *unit)
{
	target_unit_resume(unit, view->blk);
}

static void resume_later_on(const struct worker_view *view, void *unit)
{
	target_unit_resume_later(unit, view->blk);
}

/* On interfaces that serve the disk, also where no iSCSI target shows it. */
static void ask_interfaces(struct target *target, struct target_unit *unit,
			   void (*fn)(const struct worker_view *view, void *unit))
{
	struct target_interface *interface;
	struct target_export *export;

	list_for_each_entry (export, &target->exports, link) {
		list_for_each_entry (interface, &target->interfaces, link)
			if (export->disk == unit->disk && scsi_device_unfinished(unit->device) &&
			    target_interface_serves(interface, export))
				target_interface_run(interface, fn, unit);
	}
}

/* All are asked for memory before one of them is told to wait for it. */
void target_resume_unit(struct target *target, struct target_unit *unit)
{
	if (!scsi_device_unfinished(unit->device))
		return;
	ask_interfaces(target, unit, resume_on);
	target_iscsi_ask(target, unit, target_unit_resume);
	ask_interfaces(target, unit, resume_later_on);
	target_iscsi_ask(target, unit, target_unit_resume_later);
}

void target_serving_resume(struct target *target)
{
	struct target_unit *unit;

	list_for_each_entry (unit, &target->units, link)
		if (unit->users)
			target_resume_unit(target, unit);
}

/* ---- answering ---- */

/* VLANs that cannot be told apart are not served: that would be no isolation at all. */
static int check_vlan(const struct target_interface *interface, const struct target_export *export,
		      struct error *err)
{
	if (!export->addr.vlan || steer_vlan(interface->steer) != STEER_VLAN_BLIND)
		return 0;
	return error_set(err, EOPNOTSUPP,
			 "%s takes VLAN tags out of frames before XDP sees them, and they can "
			 "neither be read nor left in (ethtool -K %s rxvlan off): exports with a "
			 "VLAN cannot be served on it",
			 interface->netif.name, interface->netif.name);
}

static int serving_failed(const struct target_interface *interface, int ret, struct error *err)
{
	return error_set(err, -ret, "cannot fill the maps of %s: %s%s", interface->netif.name,
			 strerror(-ret),
			 ret == -E2BIG ? " (too many exports or access entries)" : "");
}

/* The program comes last, so that no frame is steered to a worker that does not know the export. */
int target_serving_start(struct target *target, struct target_interface *interface,
			 struct target_export *export, struct error *err)
{
	const struct stgt_export_key key = export_key(export);
	struct port_change change = {.export = export};

	target_interface_run(interface, port_add, &change);
	if (!change.result)
		change.result =
			steer_export_set(interface->steer, &key,
					 export->disk->read_only ? STGT_EXPORT_READ_ONLY : 0);
	if (change.result)
		return serving_failed(interface, change.result, err);
	target_interface_announce(interface, export);
	if (export->unit)
		target_resume_unit(target, export->unit);
	return 0;
}

void target_serving_stop(struct target *target, struct target_interface *interface,
			 struct target_export *export)
{
	const struct stgt_export_key key = export_key(export);
	struct port_change change = {.target = target, .export = export};

	steer_export_del(interface->steer, &key);
	target_interface_run(interface, port_remove, &change);
}

int target_serve(struct target *target, struct target_interface *interface,
		 struct target_export *export, const struct aoe_acl *acl, struct error *err)
{
	struct target_export **exports;
	int ret = check_vlan(interface, export, err);

	if (ret)
		return ret;
	exports = realloc(interface->exports, (interface->nexports + 1ull) * sizeof(*exports));
	if (!exports)
		return error_set(err, ENOMEM, "out of memory");
	interface->exports = exports;
	interface->exports[interface->nexports++] = export;
	/* Who may use it first, so that no frame is dropped for an entry that is about to come. */
	ret = target_access_add(interface, export, acl);
	if (ret)
		ret = serving_failed(interface, ret, err);
	else if (export->enabled)
		ret = target_serving_start(target, interface, export, err);
	if (ret)
		target_unserve(target, interface, export);
	return ret;
}

void target_unserve(struct target *target, struct target_interface *interface,
		    struct target_export *export)
{
	unsigned int i = 0;

	target_serving_stop(target, interface, export);
	target_access_erase(interface, export);
	while (interface->exports[i] != export)
		i++;
	interface->nexports--;
	memmove(&interface->exports[i], &interface->exports[i + 1],
		(interface->nexports - i) * sizeof(struct target_export *));
}
