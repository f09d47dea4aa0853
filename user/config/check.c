/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/mac.h"
#include "config/convert.h"
#include "config/entries.h"
#include "config/index.h"
#include "config/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* ---- disks ------------------------------------------------------------------------------- */

static void check_path(const char *path, struct config_field field,
		       struct config_problems *problems)
{
	if (*path != '/')
		config_problem_add(problems, field, "'%.64s' is not an absolute path", path);
	else if (!config_text_is_utf8(path))
		config_problem_add(problems, field, "the path is no UTF-8, as the file's text is");
}

static void check_store(const struct disk_spec *spec, unsigned int i,
			struct config_problems *problems)
{
	static const char *const keys[] = {[DISK_FILE] = "file",
					   [DISK_BLOCK] = "block",
					   [DISK_RAM] = "ram",
					   [DISK_NULL] = "null"};
	bool memory = spec->kind == DISK_RAM || spec->kind == DISK_NULL;
	struct config_field store = FIELD_OF("disks", i, keys[spec->kind]);
	struct config_field size = memory ? store : FIELD_OF("disks", i, "size");

	if (config_problem_known(problems, store) || config_problem_known(problems, size))
		return;
	if (!memory)
		check_path(spec->path ? spec->path : "", store, problems);
	if (spec->kind == DISK_BLOCK && spec->size)
		config_problem_add(problems, size, "a block device has its own size");
	else if ((memory && !spec->size) || spec->size % BLK_SECTOR || spec->size > INT64_MAX)
		config_problem_add(problems, size, "it must be a multiple of 512 bytes above 0");
	if (spec->direct >= 0 && memory)
		config_problem_add(problems, FIELD_OF("disks", i, "direct"),
				   "only files and block devices know direct I/O");
	if (spec->prealloc && (spec->kind == DISK_BLOCK || spec->kind == DISK_NULL))
		config_problem_add(problems, FIELD_OF("disks", i, "prealloc"),
				   "only files and memory take space");
}

static void check_key_file(const struct disk_spec *spec, unsigned int i,
			   struct config_problems *problems)
{
	struct config_field field = FIELD_OF("disks", i, "key_file");

	if (!spec->key_file)
		return;
	if (spec->kind == DISK_RAM || spec->kind == DISK_NULL)
		config_problem_add(problems, field, "only files and block devices are encrypted");
	else
		check_path(spec->key_file, field, problems);
}

static void check_disk(const struct config_disk *disk, unsigned int i,
		       struct config_problems *problems)
{
	const struct disk_spec *spec = &disk->spec;

	if (!config_is_disk_name(disk->name))
		config_problem_add(problems, FIELD_OF("disks", i, "name"),
				   "'%.64s' is no name: use up to %d letters, digits, '.', '_' "
				   "and '-'",
				   disk->name, CONFIG_NAME_MAX - 1);
	check_store(spec, i, problems);
	check_key_file(spec, i, problems);
	if (spec->block_size && spec->block_size != 512 && spec->block_size != 4096)
		config_problem_add(problems, FIELD_OF("disks", i, "block_size"), "use 512 or 4096");
	if (spec->logical_block && spec->logical_block != 512 && spec->logical_block != 4096)
		config_problem_add(problems, FIELD_OF("disks", i, "logical_block_size"),
				   "use 512 or 4096");
	else if (spec->block_size && spec->block_size < spec->logical_block)
		config_problem_add(problems, FIELD_OF("disks", i, "block_size"),
				   "it is less than logical_block_size: %u", spec->logical_block);
	if (spec->serial[0] && !config_is_serial(spec->serial))
		config_problem_add(problems, FIELD_OF("disks", i, "serial"),
				   "use 1 to 20 printable ASCII characters");
}

static const char *store_of(const struct config_disk *disk)
{
	return disk->spec.path;
}

static const char *key_of(const struct config_disk *disk)
{
	return disk->spec.key_file;
}

/* Where a disk has such a file, or NULL. */
typedef const char *disk_file(const struct config_disk *disk);

static int compare_files(const void *a, const void *b, void *of)
{
	const struct config_disk *x = *(const struct config_disk **)a;
	const struct config_disk *y = *(const struct config_disk **)b;
	disk_file *file = *(disk_file **)of;
	int ret = strcmp(file(x), file(y));

	return ret ? ret : (x > y) - (x < y);
}

/* The disks that have such a file, by its path; the caller frees it. NULL: no memory. */
static const struct config_disk **disks_with(const struct config *config, disk_file *file,
					     unsigned int *n)
{
	const struct config_disk **list = calloc(config->ndisks + 1, sizeof(*list));

	*n = 0;
	if (!list)
		return NULL;
	for (unsigned int i = 0; i < config->ndisks; i++)
		if (file(&config->disks[i]))
			list[(*n)++] = &config->disks[i];
	qsort_r(list, *n, sizeof(*list), compare_files, &file);
	return list;
}

/* One store under two names would be opened twice: only readers that agree in all may do that. */
static int check_stores(const struct config *config, struct config_problems *problems)
{
	unsigned int n;
	const struct config_disk **list = disks_with(config, store_of, &n);

	if (!list)
		return -ENOMEM;
	for (unsigned int i = 1; i < n; i++) {
		const struct disk_spec *a = &list[i - 1]->spec, *b = &list[i]->spec;

		if (strcmp(a->path, b->path) || (a->read_only && config_disk_spec_equal(a, b)))
			continue;
		config_problem_add(problems,
				   FIELD_OF("disks", list[i] - config->disks,
					    b->kind == DISK_FILE ? "file" : "block"),
				   "%.64s is the store of disk %.64s already", b->path,
				   list[i - 1]->name);
	}
	free(list);
	return 0;
}

/* Erasing a key would erase both disks: only those that are never written may share one. */
static int check_keys(const struct config *config, struct config_problems *problems)
{
	unsigned int n;
	const struct config_disk **list = disks_with(config, key_of, &n);

	if (!list)
		return -ENOMEM;
	for (unsigned int i = 1; i < n; i++) {
		const struct disk_spec *a = &list[i - 1]->spec, *b = &list[i]->spec;

		if (strcmp(a->key_file, b->key_file) || (a->read_only && b->read_only))
			continue;
		config_problem_add(problems, FIELD_OF("disks", list[i] - config->disks, "key_file"),
				   "%.64s is the key of disk %.64s already", b->key_file,
				   list[i - 1]->name);
	}
	free(list);
	return 0;
}

static void check_disks(const struct config_index *index, struct config_problems *problems)
{
	const struct config *config = index->config;

	for (unsigned int i = 0; i < config->ndisks; i++)
		check_disk(&config->disks[i], i, problems);
	for (unsigned int i = 1; i < config->ndisks; i++)
		if (!strcmp(index->disks[i - 1]->name, index->disks[i]->name))
			config_problem_add(
				problems,
				FIELD_OF("disks", index->disks[i] - config->disks, "name"),
				"there is a disk %.64s already: disks[%td]", index->disks[i]->name,
				index->disks[i - 1] - config->disks);
}

/* ---- interfaces -------------------------------------------------------------------------- */

static void check_interfaces(const struct config_index *index, struct config_problems *problems)
{
	const struct config *config = index->config;

	for (unsigned int i = 0; i < config->ninterfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (!config_is_interface_name(interface->name))
			config_problem_add(problems, FIELD_OF("interfaces", i, "name"),
					   "'%.40s' is no interface name", interface->name);
		if (interface->busy_poll_us > CONFIG_BUSY_POLL_MAX)
			config_problem_add(problems, FIELD_OF("interfaces", i, "busy_poll"),
					   "it is above %u microseconds", CONFIG_BUSY_POLL_MAX);
		if (interface->flood_guard > STEER_FLOOD_GUARD_MAX)
			config_problem_add(problems, FIELD_OF("interfaces", i, "flood_guard"),
					   "it is above %u frames a second", STEER_FLOOD_GUARD_MAX);
	}
	for (unsigned int i = 1; i < config->ninterfaces; i++)
		if (!strcmp(index->interfaces[i - 1]->name, index->interfaces[i]->name))
			config_problem_add(problems,
					   FIELD_OF("interfaces",
						    index->interfaces[i] - config->interfaces,
						    "name"),
					   "there is an interface %.40s already: interfaces[%td]",
					   index->interfaces[i]->name,
					   index->interfaces[i - 1] - config->interfaces);
}

/* ---- exports ----------------------------------------------------------------------------- */

/* The key that the file uses, or would when there is none. */
static struct config_field interface_field(const struct config_aoe *aoe, unsigned int i,
					   const struct config_problems *problems)
{
	char path[64];

	snprintf(path, sizeof(path), "aoe[%u].interfaces", i);
	if (aoe->ninterfaces > 1 || (problems->lines && config_lines_has(problems->lines, path)))
		return FIELD_OF("aoe", i, "interfaces");
	return FIELD_OF("aoe", i, "interface");
}

static void check_export_interfaces(const struct config_index *index, const struct config_aoe *aoe,
				    unsigned int i, struct config_problems *problems)
{
	struct config_field field = interface_field(aoe, i, problems);

	if (!aoe->ninterfaces && !config_problem_known(problems, field))
		config_problem_add(problems, field, "the export is on no interface: name one");
	for (unsigned int k = 0; k < aoe->ninterfaces; k++)
		if (!config_index_interface(index, aoe->interfaces[k]))
			config_problem_add(problems, field,
					   "there is no interface '%.40s' under interfaces: add it",
					   aoe->interfaces[k]);
}

static void check_acl(const struct aoe_acl *acl, unsigned int i, struct config_problems *problems)
{
	struct config_field field = FIELD_OF("aoe", i, "allow");

	if (config_problem_known(problems, field))
		return;
	if (!acl->count)
		config_problem_add(problems, field,
				   "nobody may use the export: list MAC addresses, or any");
	for (unsigned int k = 1; k < acl->count; k++) {
		char mac[MAC_TEXT];

		if (memcmp(acl->entries[k - 1].mac, acl->entries[k].mac, WIRE_MAC_LEN))
			continue;
		mac_format(acl->entries[k].mac, mac);
		config_problem_add(problems, field, "%s is listed twice",
				   !strcmp(mac, "ff:ff:ff:ff:ff:ff") ? "any" : mac);
	}
}

static bool address_is_known(const struct config_problems *problems, unsigned int i)
{
	return config_problem_known(problems, FIELD_OF("aoe", i, "address")) ||
	       config_problem_known(problems, FIELD_OF("aoe", i, "vlan"));
}

static void check_addresses(const struct config_index *index, struct config_problems *problems)
{
	const struct config *config = index->config;

	for (unsigned int k = 1; k < config->naoe; k++) {
		const struct config_aoe *a = index->aoe[k - 1], *b = index->aoe[k];
		unsigned int i = (unsigned int)(b - config->aoe);
		char text[AOE_ADDRESS_TEXT];

		if (!aoe_address_equal(&a->addr, &b->addr) || address_is_known(problems, i) ||
		    address_is_known(problems, (unsigned int)(a - config->aoe)))
			continue;
		aoe_address_format(&b->addr, text);
		config_problem_add(problems, FIELD_OF("aoe", i, "address"),
				   "%s is taken already: aoe[%td]", text, a - config->aoe);
	}
}

static void check_exports(const struct config_index *index, struct config_problems *problems)
{
	const struct config *config = index->config;

	for (unsigned int i = 0; i < config->naoe; i++) {
		const struct config_aoe *aoe = &config->aoe[i];

		check_export_interfaces(index, aoe, i, problems);
		check_acl(&aoe->acl, i, problems);
		if (!config_index_disk(index, aoe->disk))
			config_problem_add(problems, FIELD_OF("aoe", i, "disk"),
					   "there is no disk '%.64s' under disks", aoe->disk);
	}
	check_addresses(index, problems);
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void check_limits(const struct config_index *index, struct config_problems *problems)
{
	const struct config *config = index->config;

	for (unsigned int i = 0; i < config->nlimits; i++) {
		const struct config_limit *limit = &config->limits[i];
		struct config_field initiator = FIELD_OF("limits", i, "initiator");

		if (!config_problem_known(problems, initiator) && !mac_is_station(limit->mac) &&
		    !mac_is_any(limit->mac))
			config_problem_add(problems, initiator,
					   "it is not the address of one station");
		if (!limit->iops && !limit->bytes &&
		    !config_problem_known(problems, FIELD_OF("limits", i, NULL)))
			config_problem_add(problems, FIELD_OF("limits", i, "iops"),
					   "there is no limit: say iops, bytes or both");
	}
	for (unsigned int k = 1; k < config->nlimits; k++) {
		ptrdiff_t i = index->limits[k] - config->limits;

		if (!memcmp(index->limits[k - 1]->mac, index->limits[k]->mac, WIRE_MAC_LEN) &&
		    !config_problem_known(problems, FIELD_OF("limits", i, "initiator")))
			config_problem_add(problems, FIELD_OF("limits", i, "initiator"),
					   "it has limits already: limits[%td]",
					   index->limits[k - 1] - config->limits);
	}
}

static void check_rest(const struct config *config, struct config_problems *problems)
{
	struct sockaddr_storage addr;
	socklen_t len;
	struct error err;

	if (config->listen && config_listen_parse(config->listen, &addr, &len, &err))
		config_problem_add(problems, FIELD_TOP("exporter.listen"), "%s", err.text);
	if (config->state_dir)
		check_path(config->state_dir, FIELD_TOP("state_dir"), problems);
	if (config->socket)
		check_path(config->socket, FIELD_TOP("socket"), problems);
	if (config->socket && strlen(config->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		config_problem_add(problems, FIELD_TOP("socket"),
				   "the path is longer than %zu bytes",
				   sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
}

int config_check_sense(const struct config *config, struct config_problems *problems)
{
	struct config_index index;
	int ret = config_index_build(&index, config);

	if (!ret) {
		check_disks(&index, problems);
		ret = check_stores(config, problems);
		if (!ret)
			ret = check_keys(config, problems);
		check_interfaces(&index, problems);
		check_exports(&index, problems);
		if (!ret)
			ret = config_check_iscsi(&index, problems);
		check_limits(&index, problems);
		check_rest(config, problems);
	}
	config_index_fini(&index);
	return ret;
}
