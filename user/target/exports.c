/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exports: a disk with what it remembers, at an address. One that is removed lives on among those
 * that are leaving until the last worker has ended its last request.
 */
#include "target/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

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

int target_state_check(const struct target *target, struct error *err)
{
	return state_dir_check(target->options.state_dir, err);
}

static int export_open_disk(struct target *target, struct target_export *export, const char *words,
			    struct error *err)
{
	export->named = target_disk_find(target, words);
	if (!export->named)
		return target_disk_open(target, words, &export->disk, err);
	export->disk = disk_hold(export->named->disk);
	return 0;
}

void target_export_leave_unit(struct target_export *export)
{
	if (!export->unit)
		return;
	target_unit_leave(export->unit);
	target_unit_put(export->unit);
	export->unit = NULL;
}

static struct target_export *export_of_disk(const struct target *target, const struct disk *disk)
{
	struct target_export *export;

	list_for_each_entry (export, &target->exports, link)
		if (export->disk == disk)
			return export;
	return NULL;
}

void target_exports_take_unit(struct target *target, struct disk *disk)
{
	struct target_export *export = export_of_disk(target, disk);
	struct error err;

	if (target->closing || !export || !disk_sealed(disk))
		return;
	if (target_unit_get_sealed(target, disk, &export->unit, &err))
		log_error("disk '%s': a SANITIZE that did not end cannot go on: %s", disk->name,
			  err.text);
	else
		target_serving_resume(target);
}

static int export_open(struct target *target, struct target_export *export,
		       const struct export_request *request, struct error *err)
{
	int ret = export_open_disk(target, export, request->disk, err);

	if (ret)
		return ret;
	lu_init(&export->lu, export->disk, true);
	ret = target_unit_get_sealed(target, export->disk, &export->unit, err);
	if (ret)
		goto out_disk;
	ret = aoe_acl_copy(&request->acl, &export->acl);
	if (ret) {
		error_set(err, -ret, "out of memory");
		goto out_unit;
	}
	ret = export_open_state(target, export, err);
	if (ret)
		goto out_acl;
	ret = ata_device_open(&export->lu, export->state, &export->ata, err);
	if (ret)
		goto out_state;
	ret = aoe_export_open(&export->addr, &export->lu, export->ata, export->state, &export->aoe,
			      err);
	if (ret)
		goto out_ata;
	return 0;
out_ata:
	ata_device_close(export->ata);
out_state:
	state_close(export->state);
out_acl:
	aoe_acl_fini(&export->acl);
out_unit:
	target_export_leave_unit(export);
out_disk:
	lu_fini(&export->lu);
	disk_put(export->disk);
	return ret;
}

void target_export_close(struct target_export *export)
{
	aoe_export_close(export->aoe);
	ata_device_close(export->ata);
	state_close(export->state);
	aoe_acl_fini(&export->acl);
	target_export_leave_unit(export);
	lu_fini(&export->lu);
	disk_put(export->disk);
	list_del(&export->link);
	free(export);
}

struct target_export *target_export_find(const struct target *target,
					 const struct aoe_address *addr)
{
	struct target_export *export;

	list_for_each_entry (export, &target->exports, link) {
		if (aoe_address_equal(&export->addr, addr))
			return export;
	}
	return NULL;
}

int target_no_export(const struct aoe_address *addr, struct error *err)
{
	char address[AOE_ADDRESS_TEXT];

	aoe_address_format(addr, address);
	return error_set(err, ENOENT, "there is no export %s", address);
}

/* Its state file is still written to while the last requests of its predecessor end. */
static bool address_leaving(const struct target *target, const struct aoe_address *addr)
{
	const struct target_export *export;

	list_for_each_entry (export, &target->leaving, link) {
		if (aoe_address_equal(&export->addr, addr))
			return true;
	}
	return false;
}

int target_add_export(struct target *target, const struct export_request *request,
		      struct target_export **export, struct error *err)
{
	char address[AOE_ADDRESS_TEXT];
	struct target_export *e;
	int ret;

	aoe_address_format(&request->addr, address);
	if (target_export_find(target, &request->addr))
		return error_set(err, EEXIST, "%s is exported twice", address);
	if (address_leaving(target, &request->addr))
		return error_set(err, EBUSY, "%s was removed with requests in flight: try again",
				 address);
	e = calloc(1, sizeof(*e));
	if (!e)
		return error_set(err, ENOMEM, "out of memory");
	e->addr = request->addr;
	e->enabled = !request->disabled;
	ret = export_open(target, e, request, err);
	if (ret) {
		free(e);
		return error_prefix(err, -ret, "export %s", address);
	}
	list_add_tail(&target->exports, &e->link);
	if (export)
		*export = e;
	return 0;
}

/* ---- letting go ---- */

void target_export_left(void *ctx)
{
	struct target_export *export = ctx;

	if (!--export->leaving && export->closing)
		target_export_close(export);
}

int target_remove_export(struct target *target, const struct aoe_address *addr, struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct target_interface *interface;

	if (!export)
		return target_no_export(addr, err);
	list_for_each_entry (interface, &target->interfaces, link) {
		if (target_interface_serves(interface, export))
			target_unserve(target, interface, export);
	}
	if (!export->leaving) {
		target_export_close(export);
		return 0;
	}
	export->closing = true;
	list_del(&export->link);
	list_add_tail(&target->leaving, &export->link);
	return 0;
}

int target_await_mail(struct target *target, uint64_t deadline_ns)
{
	struct pollfd fd = {.fd = target->mailbox.eventfd, .events = POLLIN};
	uint64_t now_ns = clock_now_ns();

	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	poll(&fd, 1, (int)((deadline_ns - now_ns) / 1000000u) + 1);
	mailbox_drain(&target->mailbox);
	return 0;
}

int target_settle_address(struct target *target, const struct aoe_address *addr,
			  uint64_t deadline_ns)
{
	int ret = 0;

	mailbox_drain(&target->mailbox);
	while (!ret && address_leaving(target, addr))
		ret = target_await_mail(target, deadline_ns);
	return ret;
}

/* ---- on interfaces ---- */

int target_bind_export(struct target *target, const struct aoe_address *addr, const char *name,
		       const struct aoe_acl *acl, struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct target_interface *interface = target_interface_find(target, name);

	if (!export)
		return target_no_export(addr, err);
	if (!interface)
		return error_set(err, ENODEV, "%s is not served here", name);
	if (target_interface_serves(interface, export))
		return 0;
	return target_serve(target, interface, export, acl, err);
}

int target_unbind_export(struct target *target, const struct aoe_address *addr, const char *name,
			 struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct target_interface *interface = target_interface_find(target, name);

	if (!export)
		return target_no_export(addr, err);
	if (interface && target_interface_serves(interface, export))
		target_unserve(target, interface, export);
	return 0;
}

static void export_silence(struct target *target, struct target_export *export)
{
	struct target_interface *interface;

	list_for_each_entry (interface, &target->interfaces, link) {
		if (target_interface_serves(interface, export))
			target_serving_stop(target, interface, export);
	}
}

int target_enable_export(struct target *target, const struct aoe_address *addr, bool enabled,
			 struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct target_interface *interface;
	int ret = 0;

	if (!export)
		return target_no_export(addr, err);
	if (export->enabled == enabled)
		return 0;
	list_for_each_entry (interface, &target->interfaces, link) {
		if (enabled && !ret && target_interface_serves(interface, export))
			ret = target_serving_start(target, interface, export, err);
	}
	if (!enabled || ret)
		export_silence(target, export);
	if (!ret)
		export->enabled = enabled;
	return ret;
}

static void export_learn_acl(struct target_export *export, const struct aoe_acl *acl)
{
	struct aoe_acl copy;

	if (aoe_acl_equal(acl, &export->acl) || aoe_acl_copy(acl, &copy))
		return;
	aoe_acl_fini(&export->acl);
	export->acl = copy;
}

void target_exports_each(struct target *target,
			 void (*found)(void *ctx, const struct target_found *export), void *ctx)
{
	struct target_access *access = target_access_read(target);
	struct target_export *export;

	list_for_each_entry (export, &target->exports, link) {
		struct target_found what = {.addr = &export->addr, .enabled = export->enabled};
		const struct aoe_acl acl = target_access_of(access, export, &what.acl_differs);

		export_learn_acl(export, &acl);
		what.acl = &export->acl;
		found(ctx, &what);
	}
	target_access_free(access);
}
