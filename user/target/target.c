/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "target/internal.h"

#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int target_open(const struct target_options *options, struct target **target, struct error *err)
{
	struct target *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return error_set(err, ENOMEM, "out of memory");
	t->options = *options;
	list_init(&t->disks);
	list_init(&t->exports);
	list_init(&t->interfaces);
	ret = mailbox_open(&t->mailbox);
	if (ret) {
		error_set(err, -ret, "cannot make an eventfd: %s", strerror(-ret));
		goto out_free;
	}
	t->monitor = netif_monitor_open();
	if (t->monitor < 0) {
		ret = error_set(err, -t->monitor, "cannot watch the interfaces: %s",
				strerror(-t->monitor));
		goto out_mailbox;
	}
	*target = t;
	return 0;
out_mailbox:
	mailbox_close(&t->mailbox);
out_free:
	free(t);
	return ret;
}

/* ---- exports ---- */

/* One file per export in the state directory; the colon of a VLAN is none of a file name's. */
static int export_open_state(struct target *target, struct target_export *export, struct error *err)
{
	char key[sizeof("aoe-") + AOE_ADDRESS_TEXT] = "aoe-";
	char *address = key + strlen(key);

	aoe_address_format(&export->addr, address);
	for (char *c = address; *c; c++)
		if (*c == ':')
			*c = '-';
	return state_open(target->options.state_dir, key, &target->mailbox, &export->state, err);
}

static int export_open(struct target *target, struct target_export *export,
		       const struct export_request *request, struct error *err)
{
	int ret = disk_get(&target->disks, request->disk, &export->disk, err);

	if (ret)
		return ret;
	lu_init(&export->lu, export->disk, true);
	ret = export_open_state(target, export, err);
	if (ret)
		goto out_disk;
	ret = ata_device_open(&export->lu, export->state, &export->ata, err);
	if (ret)
		goto out_state;
	ret = aoe_export_open(&export->addr, &export->lu, export->ata, export->state, &request->acl,
			      &export->aoe, err);
	if (ret)
		goto out_ata;
	return 0;
out_ata:
	ata_device_close(export->ata);
out_state:
	state_close(export->state);
out_disk:
	disk_put(export->disk);
	return ret;
}

static void export_close(struct target_export *export)
{
	aoe_export_close(export->aoe);
	ata_device_close(export->ata);
	state_close(export->state);
	disk_put(export->disk);
	list_del(&export->link);
	free(export);
}

int target_add_export(struct target *target, const struct export_request *request,
		      struct target_export **export, struct error *err)
{
	char address[AOE_ADDRESS_TEXT];
	struct target_export *e;
	int ret;

	aoe_address_format(&request->addr, address);
	list_for_each_entry (e, &target->exports, link) {
		if (aoe_address_equal(&e->addr, &request->addr))
			return error_set(err, EEXIST, "%s is exported twice", address);
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return error_set(err, ENOMEM, "out of memory");
	e->addr = request->addr;
	ret = export_open(target, e, request, err);
	if (ret) {
		free(e);
		return error_prefix(err, -ret, "export %s", address);
	}
	list_add_tail(&target->exports, &e->link);
	*export = e;
	return 0;
}

/* ---- interfaces ---- */

static struct target_interface *interface_find(const struct target *target, const char *name)
{
	struct target_interface *interface;

	list_for_each_entry (interface, &target->interfaces, link) {
		if (strcmp(interface->netif.name, name) == 0)
			return interface;
	}
	return NULL;
}

static void interface_free(struct target_interface *interface)
{
	free(interface->aoe_exports);
	free(interface->exports);
	free(interface);
}

static struct target_interface *interface_alloc(const struct interface_request *request,
						struct target_export *const *exports,
						unsigned int nexports)
{
	struct target_interface *interface = calloc(1, sizeof(*interface));

	if (!interface)
		return NULL;
	interface->request = *request;
	interface->nexports = nexports;
	interface->exports = calloc(nexports, sizeof(struct target_export *));
	interface->aoe_exports = calloc(nexports, sizeof(struct aoe_export *));
	if (!interface->exports || !interface->aoe_exports) {
		interface_free(interface);
		return NULL;
	}
	for (unsigned int i = 0; i < nexports; i++) {
		interface->exports[i] = exports[i];
		interface->aoe_exports[i] = exports[i]->aoe;
	}
	return interface;
}

int target_add_interface(struct target *target, const struct interface_request *request,
			 struct target_export *const *exports, unsigned int nexports,
			 struct error *err)
{
	struct target_interface *interface;
	int ret;

	if (interface_find(target, request->name))
		return error_set(err, EEXIST, "interface %s is named twice", request->name);
	interface = interface_alloc(request, exports, nexports);
	if (!interface)
		return error_set(err, ENOMEM, "out of memory");
	ret = netif_query(request->name, &interface->netif, err);
	if (!ret)
		ret = target_interface_start(target, interface, err);
	if (ret) {
		interface_free(interface);
		return ret;
	}
	list_add_tail(&target->interfaces, &interface->link);
	target_interface_announce(interface);
	return 0;
}

static void interface_remove(struct target *target, struct target_interface *interface)
{
	target_interface_stop(target, interface);
	list_del(&interface->link);
	interface_free(interface);
}

int target_remove_interface(struct target *target, const char *name, struct error *err)
{
	struct target_interface *interface = interface_find(target, name);

	if (!interface)
		return error_set(err, ENODEV, "%s is not served here", name);
	interface_remove(target, interface);
	return 0;
}

unsigned int target_interfaces(const struct target *target)
{
	const struct target_interface *interface;
	unsigned int n = 0;

	list_for_each_entry (interface, &target->interfaces, link)
		n++;
	return n;
}

void target_close(struct target *target)
{
	struct target_interface *interface, *next_interface;
	struct target_export *export, *next_export;

	list_for_each_entry_safe (interface, next_interface, &target->interfaces, link)
		interface_remove(target, interface);
	list_for_each_entry_safe (export, next_export, &target->exports, link)
		export_close(export);
	close(target->monitor);
	mailbox_close(&target->mailbox);
	free(target);
}

/* ---- what changes while serving ---- */

void target_refresh_disks(struct target *target)
{
	struct target_interface *interface;
	bool changed = false;
	struct disk *disk;
	struct error err;

	list_for_each_entry (disk, &target->disks, link) {
		int ret = disk_resize(disk, &err);

		if (ret < 0)
			log_error("%s: %s", disk->name, err.text);
		if (ret > 0)
			log_notice("%s: now %llu bytes", disk->name,
				   (unsigned long long)atomic_load(&disk->nblocks) * BLK_SECTOR);
		changed |= ret > 0;
	}
	if (!changed)
		return;
	list_for_each_entry (interface, &target->interfaces, link)
		target_interface_announce(interface);
}

static void interface_event(void *ctx, const struct netif_event *event)
{
	struct target *target = ctx;
	struct target_interface *interface, *next;

	list_for_each_entry_safe (interface, next, &target->interfaces, link) {
		if (interface->netif.ifindex != event->ifindex)
			continue;
		if (event->gone) {
			log_error("interface %s is gone", interface->netif.name);
			interface_remove(target, interface);
		} else {
			target_interface_changed(interface, event);
		}
	}
}

/* The kernel dropped events: look at every interface as if it had just changed. */
static void query_interfaces(struct target *target)
{
	struct target_interface *interface, *next;

	list_for_each_entry_safe (interface, next, &target->interfaces, link) {
		struct netif_event event = {.ifindex = interface->netif.ifindex};
		struct netif now;

		event.gone = netif_query(interface->netif.name, &now, NULL) ||
			     now.ifindex != event.ifindex;
		if (!event.gone) {
			event.up = now.up;
			event.mtu = now.mtu;
			memcpy(event.mac, now.mac, sizeof(event.mac));
		}
		interface_event(target, &event);
	}
}

struct mailbox *target_mailbox(struct target *target)
{
	return &target->mailbox;
}

int target_monitor_fd(const struct target *target)
{
	return target->monitor;
}

void target_monitor_dispatch(struct target *target)
{
	if (netif_monitor_read(target->monitor, interface_event, target) == -ENOBUFS)
		query_interfaces(target);
}
