/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/convert.h"

#include "aoe/limit.h"
#include "aoe/mac.h"
#include "base/cleanup.h"
#include "base/size.h"
#include "blk/space.h"
#include "config/words.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 0 for what is no size of a disk. */
static uint64_t read_size(const char *text, struct config_field field,
			  struct config_problems *problems)
{
	uint64_t bytes = 0;
	int ret = size_parse(text, &bytes);

	if (ret == -ERANGE || (!ret && bytes > INT64_MAX))
		config_problem_add(problems, field, "size '%.40s' is too large", text);
	else if (ret)
		config_problem_add(problems, field,
				   "'%.40s' is not a size: write a number and K, M, G or T", text);
	else if (!bytes || bytes % BLK_SECTOR)
		config_problem_add(problems, field,
				   "size '%.40s' is not a multiple of 512 bytes above 0", text);
	else
		return bytes;
	return 0;
}

static void read_wwn(const char *text, struct config_field field, uint64_t *wwn,
		     struct config_problems *problems)
{
	const char *digits = strncmp(text, "0x", 2) ? text : text + 2;

	if (strlen(digits) == 16 && strspn(digits, "0123456789abcdefABCDEF") == 16)
		*wwn = strtoull(digits, NULL, 16);
	if (!*wwn)
		config_problem_add(problems, field,
				   "'%.40s' is no WWN: write 16 hexadecimal digits, not all 0",
				   text);
}

/* 0 for what is no size of blocks. */
static uint32_t read_block_size(const char *text, unsigned int i, const char *key,
				struct config_problems *problems)
{
	if (!strcmp(text, "512"))
		return 512;
	if (!strcmp(text, "4096"))
		return 4096;
	config_problem_add(problems, FIELD_OF("disks", i, key),
			   "'%.40s' is no block size: use 512 or 4096", text);
	return 0;
}

static void convert_store(struct file_disk *file, unsigned int i, struct disk_spec *spec,
			  struct config_problems *problems)
{
	static const char *const keys[] = {[DISK_FILE] = "file",
					   [DISK_BLOCK] = "block",
					   [DISK_RAM] = "ram",
					   [DISK_NULL] = "null"};
	int kind = -1;

	for (int k = DISK_FILE; k <= DISK_NULL; k++) {
		if (!file->store[k])
			continue;
		if (kind >= 0)
			config_problem_add(problems, FIELD_OF("disks", i, keys[k]),
					   "the disk has a store already: %s", keys[kind]);
		else
			kind = k;
	}
	if (kind < 0) {
		config_problem_add(problems, FIELD_OF("disks", i, "file"),
				   "the disk has no store: say file, block, ram or null");
		return;
	}
	spec->kind = (enum disk_kind)kind;
	if (kind == DISK_RAM || kind == DISK_NULL)
		spec->size =
			read_size(file->store[kind], FIELD_OF("disks", i, keys[kind]), problems);
	else
		spec->path = cleanup_steal(file->store[kind]);
	if (file->size && kind == DISK_FILE)
		spec->size = read_size(file->size, FIELD_OF("disks", i, "size"), problems);
	else if (file->size)
		config_problem_add(problems, FIELD_OF("disks", i, "size"),
				   kind == DISK_BLOCK ? "a block device has its own size"
						      : "the size is already given");
}

static void read_threshold(const char *text, unsigned int i, struct disk_spec *spec,
			   struct config_problems *problems)
{
	if (spec->kind != DISK_FILE)
		config_problem_add(problems, FIELD_OF("disks", i, "soft_threshold"),
				   "only files take space by and by");
	else if (!disk_space_parse(text, &spec->soft_threshold))
		config_problem_add(problems, FIELD_OF("disks", i, "soft_threshold"),
				   "'%.40s' is no threshold: write 1%% to 99%%, or off", text);
}

static void convert_disk(struct file_disk *file, unsigned int i, struct config_disk *disk,
			 struct config_problems *problems)
{
	struct disk_spec *spec = &disk->spec;

	disk->name = cleanup_steal(file->name);
	convert_store(file, i, spec, problems);
	spec->read_only = file->read_only == FILE_ON;
	spec->prealloc = file->prealloc == FILE_ON;
	spec->cache = file->cache;
	if (file->direct)
		spec->direct = file->direct == FILE_ON;
	spec->removable = file->removable == FILE_ON;
	spec->thin = file->thin;
	if (file->block_size)
		spec->block_size = read_block_size(file->block_size, i, "block_size", problems);
	if (file->logical_block_size)
		spec->logical_block = read_block_size(file->logical_block_size, i,
						      "logical_block_size", problems);
	if (file->soft_threshold)
		read_threshold(file->soft_threshold, i, spec, problems);
	spec->key_file = cleanup_steal(file->key_file);
	if (file->serial && config_is_serial(file->serial))
		strcpy(spec->serial, file->serial);
	else if (file->serial)
		config_problem_add(problems, FIELD_OF("disks", i, "serial"),
				   "'%.40s' is no serial number: use 1 to 20 printable ASCII "
				   "characters",
				   file->serial);
	if (file->wwn)
		read_wwn(file->wwn, FIELD_OF("disks", i, "wwn"), &spec->wwn, problems);
}

static void convert_interface(struct file_interface *file, unsigned int i,
			      struct config_interface *interface, struct config_problems *problems)
{
	uint64_t us = 0, frames = 0;

	interface->name = cleanup_steal(file->name);
	interface->xdp = file->xdp;
	if (file->busy_poll && !config_number_parse(file->busy_poll, CONFIG_BUSY_POLL_MAX, &us))
		config_problem_add(problems, FIELD_OF("interfaces", i, "busy_poll"),
				   "'%.40s' is no number of microseconds up to %u", file->busy_poll,
				   CONFIG_BUSY_POLL_MAX);
	else
		interface->busy_poll_us = (unsigned int)us;
	if (file->flood_guard &&
	    !config_number_parse(file->flood_guard, STEER_FLOOD_GUARD_MAX, &frames))
		config_problem_add(problems, FIELD_OF("interfaces", i, "flood_guard"),
				   "'%.40s' is no number of frames a second up to %u",
				   file->flood_guard, STEER_FLOOD_GUARD_MAX);
	else
		interface->flood_guard = (unsigned int)frames;
}

static void convert_address(const struct file_aoe *file, unsigned int i, struct config_aoe *aoe,
			    struct config_problems *problems)
{
	uint32_t vlan = 0;
	struct error err;

	if (strchr(file->address, ':'))
		config_problem_add(problems, FIELD_OF("aoe", i, "address"),
				   "'%.40s' has a VLAN: write that with the key vlan",
				   file->address);
	else if (aoe_address_parse(file->address, &aoe->addr, &err))
		config_problem_add(problems, FIELD_OF("aoe", i, "address"), "%s", err.text);
	if (file->vlan && !config_vlan_parse(file->vlan, &vlan))
		config_problem_add(problems, FIELD_OF("aoe", i, "vlan"),
				   "'%.40s' is no VLAN: write 1 to 4094, or \"OUTER.INNER\" for "
				   "two tags",
				   file->vlan);
	aoe->addr.vlan = vlan;
}

static int convert_interfaces(const struct file_aoe *file, unsigned int i, struct config_aoe *aoe,
			      struct config_problems *problems)
{
	if (file->interface && file->interfaces_count) {
		config_problem_add(problems, FIELD_OF("aoe", i, "interfaces"),
				   "there is interface as well: keep one of them");
		return 0;
	}
	if (file->interface)
		return config_aoe_add_interface(aoe, file->interface);
	for (unsigned int k = 0; k < file->interfaces_count; k++) {
		int ret = config_aoe_add_interface(aoe, file->interfaces[k]);

		if (ret == -ENOMEM)
			return ret;
		if (ret)
			config_problem_add(problems, FIELD_ITEM("aoe", i, "interfaces", k),
					   "%.40s is named twice", file->interfaces[k]);
	}
	return 0;
}

/* Every entry by itself, so that each mistake has its line; then all of them together. */
static int convert_allow(const struct file_aoe *file, unsigned int i, struct config_aoe *aoe,
			 struct config_problems *problems)
{
	struct aoe_acl all = {};
	bool good = true;
	int ret = 0;

	if (file->allow_count)
		all.entries = calloc(file->allow_count, sizeof(*all.entries));
	if (file->allow_count && !all.entries)
		return -ENOMEM;
	for (unsigned int k = 0; k < file->allow_count; k++) {
		struct aoe_acl one = {};
		struct error err = {"write every address as an entry of its own"};

		if (!aoe_acl_parse(file->allow[k], &one, &err) && one.count == 1) {
			all.entries[all.count++] = one.entries[0];
		} else {
			config_problem_add(problems, FIELD_ITEM("aoe", i, "allow", k), "%s",
					   err.text);
			good = false;
		}
		aoe_acl_fini(&one);
	}
	if (good)
		ret = aoe_acl_copy(&all, &aoe->acl);
	aoe_acl_fini(&all);
	return ret;
}

static int convert_export(struct file_aoe *file, unsigned int i, struct config_aoe *aoe,
			  struct config_problems *problems)
{
	int ret;

	aoe->disk = cleanup_steal(file->disk);
	aoe->enabled = file->enabled != FILE_OFF;
	convert_address(file, i, aoe, problems);
	ret = convert_interfaces(file, i, aoe, problems);
	return ret ? ret : convert_allow(file, i, aoe, problems);
}

static void convert_limit(const struct file_limit *file, unsigned int i, struct config_limit *limit,
			  struct config_problems *problems)
{
	if (strcmp(file->initiator, MAC_ANY_WORD) == 0)
		memcpy(limit->mac, mac_any, WIRE_MAC_LEN);
	else if (!mac_parse(file->initiator, strlen(file->initiator), limit->mac))
		config_problem_add(problems, FIELD_OF("limits", i, "initiator"),
				   "'%.40s' is neither 'any' nor a MAC address", file->initiator);
	else if (!mac_is_station(limit->mac))
		config_problem_add(problems, FIELD_OF("limits", i, "initiator"),
				   "it is not the address of one station");
	if (file->iops &&
	    (!config_number_parse(file->iops, AOE_LIMIT_IOPS_MAX, &limit->iops) || !limit->iops))
		config_problem_add(problems, FIELD_OF("limits", i, "iops"),
				   "'%.40s' is no number from 1 to %u", file->iops,
				   AOE_LIMIT_IOPS_MAX);
	if (file->bytes && (size_parse(file->bytes, &limit->bytes) || !limit->bytes ||
			    limit->bytes > AOE_LIMIT_BYTES_MAX))
		config_problem_add(problems, FIELD_OF("limits", i, "bytes"),
				   "'%.40s' is no size from 1 to 1024T: write a number and K, M, G "
				   "or T",
				   file->bytes);
}

static void convert_rest(struct file_config *file, struct config *config)
{
	if (file->exporter)
		config->listen = cleanup_steal(file->exporter->listen);
	if (file->log && file->log->level)
		config->log_level = file->log->level;
	if (file->log)
		config->log_to = file->log->to;
	config->state_dir = cleanup_steal(file->state_dir);
	config->socket = cleanup_steal(file->socket);
}

int config_convert(struct file_config *file, struct config *config,
		   struct config_problems *problems)
{
	for (unsigned int i = 0; i < file->disks_count; i++) {
		struct config_disk *disk = config_add_disk(config);

		if (!disk)
			return -ENOMEM;
		convert_disk(&file->disks[i], i, disk, problems);
	}
	for (unsigned int i = 0; i < file->interfaces_count; i++) {
		struct config_interface *interface = config_add_interface(config);

		if (!interface)
			return -ENOMEM;
		convert_interface(&file->interfaces[i], i, interface, problems);
	}
	for (unsigned int i = 0; i < file->aoe_count; i++) {
		struct config_aoe *aoe = config_add_aoe(config);

		if (!aoe || convert_export(&file->aoe[i], i, aoe, problems))
			return -ENOMEM;
	}
	for (unsigned int i = 0; i < file->limits_count; i++) {
		struct config_limit *limit = config_add_limit(config);

		if (!limit)
			return -ENOMEM;
		convert_limit(&file->limits[i], i, limit, problems);
	}
	convert_rest(file, config);
	return config_convert_iscsi(file, config, problems);
}
