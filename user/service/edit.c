/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Live commands that change what a daemon serves: each edits a copy of the running configuration,
 * which is then checked and applied as a changed file would be.
 */
#include "service/internal.h"

#include "base/cleanup.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config *edit_begin(struct service *service, struct error *err)
{
	struct config *running = service_running(service);
	struct config *copy;

	if (!running) {
		error_set(
			err, EOPNOTSUPP,
			"this process is no daemon: only a daemon's disks, exports and targets come "
			"and go");
		return NULL;
	}
	copy = config_copy(running);
	if (!copy)
		error_set(err, ENOMEM, "out of memory");
	return copy;
}

json_t *edit_end(struct service *service, struct config *copy, int ret, struct error *err)
{
	if (!ret)
		ret = config_check(copy, NULL, err);
	if (!ret)
		ret = service_apply(service, copy, err);
	config_free(copy);
	return ret ? NULL : json_object();
}

/* ---- disks ---- */

static int add_disk(struct config *config, const char *name, const char *text, struct error *err)
{
	struct config_disk *disk;
	struct disk_spec spec;
	int ret;

	if (config_find_disk(config, name))
		return error_set(err, EEXIST, "disk %s exists", name);
	ret = disk_spec_parse(text, &spec, err);
	if (ret)
		return ret;
	disk = config_add_disk(config);
	if (disk)
		disk->name = strdup(name);
	if (!disk || !disk->name) {
		disk_spec_fini(&spec);
		return error_set(err, ENOMEM, "out of memory");
	}
	disk->spec = spec;
	return 0;
}

json_t *edit_disk_add(struct service *service, const json_t *request, struct error *err)
{
	const char *name = request_text(request, "name", err);
	const char *text = name ? request_text(request, "disk", err) : NULL;
	struct config *copy = text ? edit_begin(service, err) : NULL;

	return copy ? edit_end(service, copy, add_disk(copy, name, text, err), err) : NULL;
}

json_t *edit_disk_remove(struct service *service, const json_t *request, struct error *err)
{
	const char *name = request_text(request, "name", err);
	struct config *copy = name ? edit_begin(service, err) : NULL;
	struct config_disk *disk;
	int ret = 0;

	if (!copy)
		return NULL;
	disk = config_find_disk(copy, name);
	if (!disk)
		ret = error_set(err, ENOENT, "there is no disk %s", name);
	for (unsigned int i = 0; i < copy->naoe && !ret; i++)
		if (strcmp(copy->aoe[i].disk, name) == 0)
			ret = error_set(err, EBUSY, "disk %s is exported: remove its exports first",
					name);
	for (unsigned int i = 0; i < copy->niscsi && !ret; i++)
		for (unsigned int k = 0; k < copy->iscsi[i].nluns && !ret; k++)
			if (strcmp(copy->iscsi[i].luns[k].disk, name) == 0)
				ret = error_set(err, EBUSY,
						"disk %s is LUN %u of %s: remove it first", name,
						copy->iscsi[i].luns[k].lun, copy->iscsi[i].name);
	if (!ret)
		config_remove_disk(copy, disk);
	return edit_end(service, copy, ret, err);
}

/* ---- interfaces and exports ---- */

static int add_interface(struct config *config, const char *name, const json_t *request,
			 struct error *err)
{
	struct config_interface *interface;
	const char *xdp;

	if (config_find_interface(config, name))
		return 0;
	interface = config_add_interface(config);
	if (interface)
		interface->name = strdup(name);
	if (!interface || !interface->name)
		return error_set(err, ENOMEM, "out of memory");
	if (request_optional_text(request, "xdp", &xdp, err) ||
	    request_number(request, "busy_poll", &interface->busy_poll_us, err) ||
	    request_number(request, "flood_guard", &interface->flood_guard, err))
		return -EINVAL;
	return xdp ? steer_request_parse(xdp, &interface->xdp, err) : 0;
}

/* What `export` says of one export: address, disk, interfaces and who may use it. */
static int add_export(struct config *config, const json_t *export, struct error *err)
{
	const char *address = request_text(export, "address", err);
	const char *disk = address ? request_text(export, "disk", err) : NULL;
	const char *allow = disk ? request_text(export, "allow", err) : NULL;
	const json_t *names = allow ? request_texts(export, "interfaces", err) : NULL;
	struct aoe_address addr;
	struct config_aoe *aoe;
	const json_t *name;
	size_t i;
	int ret;

	if (!names)
		return -EINVAL;
	ret = aoe_address_parse(address, &addr, err);
	if (ret)
		return ret;
	if (config_find_aoe(config, &addr))
		return error_set(err, EEXIST, "%s is exported already", address);
	aoe = config_add_aoe(config);
	if (!aoe)
		return error_set(err, ENOMEM, "out of memory");
	aoe->addr = addr;
	aoe->disk = strdup(disk);
	if (!aoe->disk)
		return error_set(err, ENOMEM, "out of memory");
	json_array_foreach (names, i, name) {
		if (!ret)
			ret = config_aoe_add_interface(aoe, json_string_value(name));
		if (ret == -EEXIST)
			ret = 0;
	}
	return ret ? error_set(err, -ret, "out of memory") : aoe_acl_parse(allow, &aoe->acl, err);
}

json_t *edit_export_add(struct service *service, const json_t *request, struct error *err)
{
	struct config *copy = edit_begin(service, err);

	return copy ? edit_end(service, copy, add_export(copy, request, err), err) : NULL;
}

/* The name of a disk that `attach` gives in words. */
static void unnamed_name(const struct aoe_address *addr, char name[CONFIG_NAME_MAX])
{
	char address[AOE_ADDRESS_TEXT];

	aoe_address_format(addr, address);
	snprintf(name, CONFIG_NAME_MAX, "aoe-%s", address);
	for (char *c = name; *c; c++)
		if (*c == ':')
			*c = '-';
}

/* A disk that came without a name, with an export, goes with it. */
static void remove_export(struct config *config, struct config_aoe *aoe)
{
	char name[CONFIG_NAME_MAX];
	bool used = false;

	unnamed_name(&aoe->addr, name);
	if (strcmp(aoe->disk, name) == 0) {
		for (unsigned int i = 0; i < config->naoe; i++)
			used |= &config->aoe[i] != aoe && !strcmp(config->aoe[i].disk, name);
		if (!used)
			config_remove_disk(config, config_find_disk(config, name));
	}
	config_remove_aoe(config, aoe);
}

json_t *edit_export_remove(struct service *service, const json_t *request, struct error *err)
{
	const char *address = request_text(request, "address", err);
	struct aoe_address addr;
	struct config_aoe *aoe;
	struct config *copy;

	if (address && !iscsi_name_check(address, NULL))
		return edit_iscsi_remove(service, address, request, err);
	if (!address || aoe_address_parse(address, &addr, err))
		return NULL;
	if (json_object_get(request, "lun")) {
		error_set(err, EINVAL, "%s is an AoE export, which has no LUNs", address);
		return NULL;
	}
	copy = edit_begin(service, err);
	if (!copy)
		return NULL;
	aoe = config_find_aoe(copy, &addr);
	if (aoe)
		remove_export(copy, aoe);
	return edit_end(service, copy,
			aoe ? 0 : error_set(err, ENOENT, "there is no export %s", address), err);
}

/* `attach` gives disks in words, and the daemon's have names: the address makes one. */
static int add_unnamed(struct config *config, const json_t *export, const json_t *interfaces,
		       struct error *err)
{
	const char *address = request_text(export, "address", err);
	const char *words = address ? request_text(export, "disk", err) : NULL;
	char name[CONFIG_NAME_MAX];
	struct aoe_address addr;
	json_t *named;
	int ret;

	if (!words || aoe_address_parse(address, &addr, err))
		return -EINVAL;
	unnamed_name(&addr, name);
	ret = add_disk(config, name, words, err);
	if (ret)
		return ret;
	named = json_copy((json_t *)export);
	json_object_set_new(named, "disk", json_string(name));
	json_object_set(named, "interfaces", (json_t *)interfaces);
	ret = add_export(config, named, err);
	json_decref(named);
	return ret;
}

/* Interfaces, and exports that are served on all of them. */
static int add_group(struct config *config, const json_t *group, struct error *err)
{
	const json_t *interfaces = request_texts(group, "interfaces", err), *item;
	const json_t *exports = interfaces ? request_list(group, "exports", err) : NULL;
	int ret = exports ? 0 : -EINVAL;
	size_t i;

	json_array_foreach (interfaces, i, item) {
		if (!ret)
			ret = add_interface(config, json_string_value(item), group, err);
	}
	json_array_foreach (exports, i, item) {
		if (!ret)
			ret = add_unnamed(config, item, interfaces, err);
	}
	return ret;
}

json_t *edit_attach(struct service *service, const json_t *request, struct error *err)
{
	const json_t *groups = request_list(request, "groups", err), *group;
	struct config *copy = groups ? edit_begin(service, err) : NULL;
	int ret = 0;
	size_t i;

	if (!copy)
		return NULL;
	json_array_foreach (groups, i, group) {
		if (!ret)
			ret = add_group(copy, group, err);
	}
	return edit_end(service, copy, ret, err);
}

/* An export that is served nowhere else goes with its interface. */
json_t *edit_detach(struct service *service, const char *name, struct error *err)
{
	struct config *copy = edit_begin(service, err);
	struct config_interface *interface;

	if (!copy)
		return NULL;
	interface = config_find_interface(copy, name);
	if (!interface)
		return edit_end(service, copy,
				error_set(err, ENODEV, "%s is not served here", name), err);
	for (unsigned int i = copy->naoe; i-- > 0;) {
		struct config_aoe *aoe = &copy->aoe[i];

		service_drop_interface(aoe, name);
		if (!aoe->ninterfaces)
			remove_export(copy, aoe);
	}
	config_remove_interface(copy, interface);
	return edit_end(service, copy, 0, err);
}
