/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/config.h"

#include <errno.h>
#include <string.h>

/* False when out of memory. */
static bool copy_text(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

int config_disk_spec_copy(const struct disk_spec *from, struct disk_spec *to)
{
	bool good;

	*to = *from;
	good = copy_text(from->path, &to->path);
	good &= copy_text(from->key_file, &to->key_file);
	return good ? 0 : -ENOMEM;
}

static bool copy_disks(const struct config *from, struct config *to)
{
	bool good = true;

	for (unsigned int i = 0; i < from->ndisks && good; i++) {
		struct config_disk *disk = config_add_disk(to);

		if (disk)
			disk->bytes = from->disks[i].bytes;
		good = disk && copy_text(from->disks[i].name, &disk->name) &&
		       !config_disk_spec_copy(&from->disks[i].spec, &disk->spec);
	}
	return good;
}

static bool copy_interfaces(const struct config *from, struct config *to)
{
	bool good = true;

	for (unsigned int i = 0; i < from->ninterfaces && good; i++) {
		struct config_interface *interface = config_add_interface(to);

		if (!interface)
			return false;
		*interface = from->interfaces[i];
		good = copy_text(from->interfaces[i].name, &interface->name);
	}
	return good;
}

static bool copy_export(const struct config_aoe *from, struct config_aoe *to)
{
	bool good = copy_text(from->disk, &to->disk);

	to->addr = from->addr;
	to->acl_differs = from->acl_differs;
	to->enabled = from->enabled;
	for (unsigned int i = 0; i < from->ninterfaces && good; i++)
		good = !config_aoe_add_interface(to, from->interfaces[i]);
	return good && !aoe_acl_copy(&from->acl, &to->acl);
}

static bool copy_exports(const struct config *from, struct config *to)
{
	bool good = true;

	for (unsigned int i = 0; i < from->naoe && good; i++) {
		struct config_aoe *aoe = config_add_aoe(to);

		good = aoe && copy_export(&from->aoe[i], aoe);
	}
	return good;
}

static bool copy_targets(const struct config *from, struct config *to)
{
	bool good = !config_chap_copy(&from->discovery_chap, &to->discovery_chap);

	for (unsigned int i = 0; i < from->niscsi && good; i++) {
		struct config_iscsi *iscsi = config_add_iscsi(to);

		good = iscsi && !config_iscsi_copy(&from->iscsi[i], iscsi);
	}
	return good;
}

static bool copy_limits(const struct config *from, struct config *to)
{
	for (unsigned int i = 0; i < from->nlimits; i++) {
		struct config_limit *limit = config_add_limit(to);

		if (!limit)
			return false;
		*limit = from->limits[i];
	}
	return true;
}

static bool copy_alua(const struct config *from, struct config *to)
{
	for (unsigned int i = 0; i < from->nalua; i++) {
		struct config_alua *alua = config_add_alua(to);

		if (!alua)
			return false;
		*alua = from->alua[i];
	}
	return true;
}

struct config *config_copy(const struct config *config)
{
	struct config *copy = config_new();

	if (!copy)
		return NULL;
	copy->log_level = config->log_level;
	copy->log_to = config->log_to;
	if (copy_disks(config, copy) && copy_interfaces(config, copy) &&
	    copy_exports(config, copy) && copy_targets(config, copy) && copy_alua(config, copy) &&
	    copy_limits(config, copy) && copy_text(config->listen, &copy->listen) &&
	    copy_text(config->state_dir, &copy->state_dir) &&
	    copy_text(config->socket, &copy->socket))
		return copy;
	config_free(copy);
	return NULL;
}
