/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int order(const void *a, const void *b)
{
	return (a > b) - (a < b);
}

static int compare_addresses(const struct aoe_address *a, const struct aoe_address *b)
{
	if (a->vlan != b->vlan)
		return a->vlan < b->vlan ? -1 : 1;
	if (a->shelf != b->shelf)
		return a->shelf < b->shelf ? -1 : 1;
	return (a->slot > b->slot) - (a->slot < b->slot);
}

static int compare_disks(const void *a, const void *b)
{
	const struct config_disk *x = *(const struct config_disk **)a;
	const struct config_disk *y = *(const struct config_disk **)b;
	int ret = strcmp(x->name, y->name);

	return ret ? ret : order(x, y);
}

static int compare_interfaces(const void *a, const void *b)
{
	const struct config_interface *x = *(const struct config_interface **)a;
	const struct config_interface *y = *(const struct config_interface **)b;
	int ret = strcmp(x->name, y->name);

	return ret ? ret : order(x, y);
}

static int compare_exports(const void *a, const void *b)
{
	const struct config_aoe *x = *(const struct config_aoe **)a;
	const struct config_aoe *y = *(const struct config_aoe **)b;
	int ret = compare_addresses(&x->addr, &y->addr);

	return ret ? ret : order(x, y);
}

static int compare_targets(const void *a, const void *b)
{
	const struct config_iscsi *x = *(const struct config_iscsi **)a;
	const struct config_iscsi *y = *(const struct config_iscsi **)b;
	int ret = iscsi_name_compare(x->name, y->name);

	return ret ? ret : order(x, y);
}

static int compare_limits(const void *a, const void *b)
{
	const struct config_limit *x = *(const struct config_limit **)a;
	const struct config_limit *y = *(const struct config_limit **)b;
	int ret = memcmp(x->mac, y->mac, WIRE_MAC_LEN);

	return ret ? ret : order(x, y);
}

/* Pointers to the `n` elements of an array, sorted; NULL when out of memory. */
static void *sorted(const void *array, unsigned int n, size_t size,
		    int (*compare)(const void *, const void *))
{
	const void **list = calloc(n + 1, sizeof(*list));

	if (!list)
		return NULL;
	for (unsigned int i = 0; i < n; i++)
		list[i] = (const char *)array + i * size;
	qsort(list, n, sizeof(*list), compare);
	return list;
}

int config_index_build(struct config_index *index, const struct config *config)
{
	*index = (struct config_index){
		.config = config,
		.disks = sorted(config->disks, config->ndisks, sizeof(*config->disks),
				compare_disks),
		.interfaces = sorted(config->interfaces, config->ninterfaces,
				     sizeof(*config->interfaces), compare_interfaces),
		.aoe = sorted(config->aoe, config->naoe, sizeof(*config->aoe), compare_exports),
		.iscsi = sorted(config->iscsi, config->niscsi, sizeof(*config->iscsi),
				compare_targets),
		.limits = sorted(config->limits, config->nlimits, sizeof(*config->limits),
				 compare_limits),
	};
	return index->disks && index->interfaces && index->aoe && index->iscsi && index->limits
		       ? 0
		       : -ENOMEM;
}

void config_index_fini(struct config_index *index)
{
	free(index->disks);
	free(index->interfaces);
	free(index->aoe);
	free(index->iscsi);
	free(index->limits);
}

static int find_disk(const void *name, const void *entry)
{
	return strcmp(name, (*(const struct config_disk **)entry)->name);
}

static int find_interface(const void *name, const void *entry)
{
	return strcmp(name, (*(const struct config_interface **)entry)->name);
}

static int find_export(const void *addr, const void *entry)
{
	return compare_addresses(addr, &(*(const struct config_aoe **)entry)->addr);
}

static int find_target(const void *name, const void *entry)
{
	return iscsi_name_compare(name, (*(const struct config_iscsi **)entry)->name);
}

static int find_limit(const void *mac, const void *entry)
{
	return memcmp(mac, (*(const struct config_limit **)entry)->mac, WIRE_MAC_LEN);
}

const struct config_disk *config_index_disk(const struct config_index *index, const char *name)
{
	const struct config_disk **found = bsearch(name, index->disks, index->config->ndisks,
						   sizeof(*index->disks), find_disk);

	return found ? *found : NULL;
}

const struct config_interface *config_index_interface(const struct config_index *index,
						      const char *name)
{
	const struct config_interface **found =
		bsearch(name, index->interfaces, index->config->ninterfaces,
			sizeof(*index->interfaces), find_interface);

	return found ? *found : NULL;
}

const struct config_aoe *config_index_aoe(const struct config_index *index,
					  const struct aoe_address *addr)
{
	const struct config_aoe **found =
		bsearch(addr, index->aoe, index->config->naoe, sizeof(*index->aoe), find_export);

	return found ? *found : NULL;
}

const struct config_iscsi *config_index_iscsi(const struct config_index *index, const char *name)
{
	const struct config_iscsi **found = bsearch(name, index->iscsi, index->config->niscsi,
						    sizeof(*index->iscsi), find_target);

	return found ? *found : NULL;
}

const struct config_limit *config_index_limit(const struct config_index *index,
					      const uint8_t mac[6])
{
	const struct config_limit **found = bsearch(mac, index->limits, index->config->nlimits,
						    sizeof(*index->limits), find_limit);

	return found ? *found : NULL;
}
