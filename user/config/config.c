/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A configuration in memory: its entries come, go and are found. */
#include "config/config.h"

#include "base/array.h"
#include "config/entries.h"
#include "config/lines.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (config)
		config->log_level = CONFIG_LOG_LEVEL_DEFAULT;
	return config;
}

static void disk_fini(struct config_disk *disk)
{
	free(disk->name);
	disk_spec_fini(&disk->spec);
}

static void aoe_fini(struct config_aoe *aoe)
{
	for (unsigned int i = 0; i < aoe->ninterfaces; i++)
		free(aoe->interfaces[i]);
	free(aoe->interfaces);
	free(aoe->disk);
	aoe_acl_fini(&aoe->acl);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (unsigned int i = 0; i < config->ndisks; i++)
		disk_fini(&config->disks[i]);
	for (unsigned int i = 0; i < config->ninterfaces; i++)
		free(config->interfaces[i].name);
	for (unsigned int i = 0; i < config->naoe; i++)
		aoe_fini(&config->aoe[i]);
	for (unsigned int i = 0; i < config->niscsi; i++)
		config_iscsi_fini(&config->iscsi[i]);
	config_chap_fini(&config->discovery_chap);
	free(config->iscsi);
	free(config->disks);
	free(config->interfaces);
	free(config->aoe);
	free(config->limits);
	free(config->alua);
	free(config->listen);
	free(config->state_dir);
	free(config->socket);
	config_lines_free(config->lines);
	free(config);
}

/* ---- entries ----------------------------------------------------------------------------- */

/* The file's lines no longer tell where an entry stands. */
static void forget_lines(struct config *config)
{
	config_lines_free(config->lines);
	config->lines = NULL;
}

/* A zeroed element at the end of the array at *array, or NULL. */
static void *entry_add(struct config *config, void *array, unsigned int *count, size_t size)
{
	void *entry = array_grow(array, count, size);

	if (entry)
		forget_lines(config);
	return entry;
}

/* Takes the element out of the array, which keeps its room. */
static void entry_remove(struct config *config, void *array, unsigned int *count, size_t size,
			 void *entry)
{
	char *end = (char *)array + (size_t)*count * size, *next = (char *)entry + size;
	unsigned int left = *count - 1;

	memmove(entry, next, (size_t)(end - next));
	*count = left;
	forget_lines(config);
}

struct config_disk *config_add_disk(struct config *config)
{
	struct config_disk *disk =
		entry_add(config, &config->disks, &config->ndisks, sizeof(*config->disks));

	if (disk)
		disk->spec.direct = -1;
	return disk;
}

struct config_interface *config_add_interface(struct config *config)
{
	return entry_add(config, &config->interfaces, &config->ninterfaces,
			 sizeof(*config->interfaces));
}

struct config_aoe *config_add_aoe(struct config *config)
{
	struct config_aoe *aoe =
		entry_add(config, &config->aoe, &config->naoe, sizeof(*config->aoe));

	if (aoe)
		aoe->enabled = true;
	return aoe;
}

struct config_iscsi *config_add_iscsi(struct config *config)
{
	return entry_add(config, &config->iscsi, &config->niscsi, sizeof(*config->iscsi));
}

struct config_limit *config_add_limit(struct config *config)
{
	return entry_add(config, &config->limits, &config->nlimits, sizeof(*config->limits));
}

struct config_alua *config_add_alua(struct config *config)
{
	return entry_add(config, &config->alua, &config->nalua, sizeof(*config->alua));
}

void config_remove_disk(struct config *config, struct config_disk *disk)
{
	disk_fini(disk);
	entry_remove(config, config->disks, &config->ndisks, sizeof(*disk), disk);
}

void config_remove_interface(struct config *config, struct config_interface *interface)
{
	free(interface->name);
	entry_remove(config, config->interfaces, &config->ninterfaces, sizeof(*interface),
		     interface);
}

void config_remove_aoe(struct config *config, struct config_aoe *aoe)
{
	aoe_fini(aoe);
	entry_remove(config, config->aoe, &config->naoe, sizeof(*aoe), aoe);
}

void config_remove_iscsi(struct config *config, struct config_iscsi *iscsi)
{
	config_iscsi_fini(iscsi);
	entry_remove(config, config->iscsi, &config->niscsi, sizeof(*iscsi), iscsi);
}

void config_remove_limit(struct config *config, struct config_limit *limit)
{
	entry_remove(config, config->limits, &config->nlimits, sizeof(*limit), limit);
}

void config_remove_alua(struct config *config, struct config_alua *alua)
{
	entry_remove(config, config->alua, &config->nalua, sizeof(*alua), alua);
}

struct config_disk *config_find_disk(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->ndisks; i++)
		if (!strcmp(config->disks[i].name, name))
			return &config->disks[i];
	return NULL;
}

struct config_interface *config_find_interface(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->ninterfaces; i++)
		if (!strcmp(config->interfaces[i].name, name))
			return &config->interfaces[i];
	return NULL;
}

struct config_aoe *config_find_aoe(const struct config *config, const struct aoe_address *addr)
{
	for (unsigned int i = 0; i < config->naoe; i++)
		if (aoe_address_equal(&config->aoe[i].addr, addr))
			return &config->aoe[i];
	return NULL;
}

struct config_alua *config_find_alua(const struct config *config, unsigned int group)
{
	for (unsigned int i = 0; i < config->nalua; i++)
		if (config->alua[i].group == group)
			return &config->alua[i];
	return NULL;
}

struct config_iscsi *config_find_iscsi(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->niscsi; i++)
		if (!iscsi_name_compare(config->iscsi[i].name, name))
			return &config->iscsi[i];
	return NULL;
}

struct config_limit *config_find_limit(const struct config *config, const uint8_t mac[6])
{
	for (unsigned int i = 0; i < config->nlimits; i++)
		if (!memcmp(config->limits[i].mac, mac, WIRE_MAC_LEN))
			return &config->limits[i];
	return NULL;
}

/* ---- an export's interfaces -------------------------------------------------------------- */

int config_aoe_add_interface(struct config_aoe *aoe, const char *name)
{
	char *copy = strdup(name);
	unsigned int at = 0;
	char **grown;

	while (at < aoe->ninterfaces && strcmp(aoe->interfaces[at], name) < 0)
		at++;
	if (at < aoe->ninterfaces && !strcmp(aoe->interfaces[at], name)) {
		free(copy);
		return -EEXIST;
	}
	grown = copy ? reallocarray(aoe->interfaces, aoe->ninterfaces + 1, sizeof(*grown)) : NULL;
	if (!grown) {
		free(copy);
		return -ENOMEM;
	}
	memmove(grown + at + 1, grown + at, (aoe->ninterfaces - at) * sizeof(*grown));
	grown[at] = copy;
	aoe->interfaces = grown;
	aoe->ninterfaces++;
	return 0;
}

bool config_aoe_has_interface(const struct config_aoe *aoe, const char *name)
{
	for (unsigned int i = 0; i < aoe->ninterfaces; i++)
		if (!strcmp(aoe->interfaces[i], name))
			return true;
	return false;
}
