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
	list_init(&t->named);
	list_init(&t->exports);
	list_init(&t->leaving);
	list_init(&t->interfaces);
	list_init(&t->units);
	list_init(&t->iscsi);
	list_init(&t->watches);
	list_init(&t->iscsi_leaving);
	list_init(&t->limits);
	list_init(&t->groups);
	list_init(&t->taps);
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

/* ---- interfaces ---- */

struct target_interface *target_interface_find(const struct target *target, const char *name)
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
	free(interface->exports);
	free(interface);
}

static void interface_remove(struct target *target, struct target_interface *interface);

int target_add_interface(struct target *target, const struct interface_request *request,
			 struct target_export *const *exports, unsigned int nexports,
			 struct error *err)
{
	struct target_interface *interface;
	int ret;

	if (target_interface_find(target, request->name))
		return error_set(err, EEXIST, "interface %s is named twice", request->name);
	interface = calloc(1, sizeof(*interface));
	if (!interface)
		return error_set(err, ENOMEM, "out of memory");
	interface->request = *request;
	ret = netif_query(request->name, &interface->netif, err);
	if (!ret)
		ret = target_interface_start(target, interface, err);
	if (ret) {
		interface_free(interface);
		return ret;
	}
	list_add_tail(&target->interfaces, &interface->link);
	for (unsigned int i = 0; i < nexports && !ret; i++)
		ret = target_serve(target, interface, exports[i], &exports[i]->acl, err);
	if (ret)
		interface_remove(target, interface);
	return ret;
}

static void interface_remove(struct target *target, struct target_interface *interface)
{
	target_interface_stop(target, interface);
	list_del(&interface->link);
	interface_free(interface);
}

int target_remove_interface(struct target *target, const char *name, struct error *err)
{
	struct target_interface *interface = target_interface_find(target, name);

	if (!interface)
		return error_set(err, ENODEV, "%s is not served here", name);
	interface_remove(target, interface);
	target_serving_resume(target);
	return 0;
}

bool target_has_interface(const struct target *target, const char *name)
{
	return target_interface_find(target, name);
}

bool target_has_ifindex(const struct target *target, unsigned int ifindex)
{
	const struct target_interface *interface;

	list_for_each_entry (interface, &target->interfaces, link) {
		if (interface->netif.ifindex == ifindex)
			return true;
	}
	return false;
}

void target_drop_detached(struct target *target)
{
	struct target_interface *interface, *next;

	list_for_each_entry_safe (interface, next, &target->interfaces, link) {
		if (steer_attached(interface->steer))
			continue;
		log_error("somebody took the XDP program off %s", interface->netif.name);
		interface_remove(target, interface);
		target_serving_resume(target);
	}
}

int target_set_flood_guard(struct target *target, const char *name, unsigned int frames,
			   struct error *err)
{
	struct target_interface *interface = target_interface_find(target, name);

	if (!interface)
		return error_set(err, ENODEV, "%s is not served here", name);
	return target_interface_guard(interface, frames, err);
}

bool target_idle(const struct target *target)
{
	return list_empty(&target->interfaces) && list_empty(&target->iscsi);
}

void target_close(struct target *target)
{
	struct target_interface *interface, *next_interface;
	struct target_export *export, *next_export;
	struct target_disk *disk, *next_disk;

	target->closing = true;
	list_for_each_entry_safe (interface, next_interface, &target->interfaces, link)
		interface_remove(target, interface);
	list_for_each_entry (export, &target->exports, link)
		target_export_leave_unit(export);
	target_iscsi_close_all(target);
	/* No worker is left: whoever is still leaving has left by now. */
	mailbox_drain(&target->mailbox);
	list_for_each_entry_safe (export, next_export, &target->exports, link)
		target_export_close(export);
	list_for_each_entry_safe (disk, next_disk, &target->named, link)
		target_disk_close(disk);
	target_limits_close(target);
	target_space_close(target);
	target_alua_close(target);
	close(target->monitor);
	mailbox_close(&target->mailbox);
	free(target);
}

/* ---- what changes while serving ---- */

static void interface_follow_name(struct target *target, struct target_interface *interface,
				  const char *name)
{
	char before[IF_NAMESIZE];

	if (!*name || !strcmp(interface->netif.name, name))
		return;
	strcpy(before, interface->netif.name);
	target_interface_renamed(interface, name);
	if (target->options.renamed)
		target->options.renamed(target->options.ctx, before, name);
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
			target_serving_resume(target);
		} else {
			interface_follow_name(target, interface, event->name);
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

		event.gone = !if_indextoname(event.ifindex, event.name) ||
			     netif_query(event.name, &now, NULL);
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

static void answer(const struct worker_view *view, void *arg)
{
}

bool target_probe(struct target *target)
{
	struct target_interface *interface;
	bool all = true;

	list_for_each_entry (interface, &target->interfaces, link) {
		for (unsigned int q = 0; q < interface->nworkers; q++)
			all &= worker_ask(interface->workers[q], answer, NULL);
	}
	if (target->tcp)
		all &= tcp_server_probe(target->tcp);
	return all;
}
