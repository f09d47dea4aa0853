/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Disks by name, and what becomes of all disks while they are served. */
#include "target/internal.h"

#include "base/log.h"
#include "blk/space.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct target_disk *target_disk_find(const struct target *target, const char *name)
{
	struct target_disk *disk;

	list_for_each_entry (disk, &target->named, link) {
		if (strcmp(disk->name, name) == 0)
			return disk;
	}
	return NULL;
}

bool target_disk_is_named(const struct target *target, const struct disk *disk)
{
	const struct target_disk *named;

	list_for_each_entry (named, &target->named, link)
		if (named->disk == disk)
			return true;
	return false;
}

/* Of what is no name. */
static int disk_open(struct target *target, const char *text, struct disk **disk, struct error *err)
{
	int ret = disk_get(&target->disks, text, disk, err);

	if (!ret)
		target_space_watch(target, *disk);
	return ret;
}

int target_add_disk(struct target *target, const char *name, const char *text, struct error *err)
{
	struct target_disk *disk;
	int ret;

	if (target_disk_find(target, name))
		return error_set(err, EEXIST, "disk %s exists", name);
	disk = calloc(1, sizeof(*disk));
	if (disk)
		disk->name = strdup(name);
	if (!disk || !disk->name) {
		free(disk);
		return error_set(err, ENOMEM, "out of memory");
	}
	ret = disk_open(target, text, &disk->disk, err);
	if (ret) {
		free(disk->name);
		free(disk);
		return ret;
	}
	list_add_tail(&target->named, &disk->link);
	return 0;
}

int target_disk_open(struct target *target, const char *words, struct disk **disk,
		     struct error *err)
{
	struct target_disk *named = target_disk_find(target, words);

	if (!named)
		return disk_open(target, words, disk, err);
	*disk = disk_hold(named->disk);
	return 0;
}

void target_disk_close(struct target_disk *disk)
{
	disk_put(disk->disk);
	list_del(&disk->link);
	free(disk->name);
	free(disk);
}

static bool exports_use(const struct list *exports, const struct target_disk *disk)
{
	const struct target_export *export;

	list_for_each_entry (export, exports, link) {
		if (export->named == disk)
			return true;
	}
	return false;
}

int target_settle_disk(struct target *target, const char *name, uint64_t deadline_ns)
{
	const struct target_disk *disk = target_disk_find(target, name);
	int ret = 0;

	while (mailbox_drain(&target->mailbox))
		;
	while (!ret && disk &&
	       (exports_use(&target->leaving, disk) || target_disk_leaving(target, disk->disk)))
		ret = target_await_mail(target, deadline_ns);
	return ret;
}

#define NO_DISK "there is no disk %s: `stgt-xdp disk list` names those there are"

int target_remove_disk(struct target *target, const char *name, struct error *err)
{
	struct target_disk *disk = target_disk_find(target, name);

	if (!disk)
		return error_set(err, ENOENT, NO_DISK, name);
	if (exports_use(&target->exports, disk) || target_disk_shown(target, disk->disk))
		return error_set(err, EBUSY, "disk %s is exported: remove its exports first", name);
	if (exports_use(&target->leaving, disk) || target_disk_leaving(target, disk->disk))
		return error_set(err, EBUSY, "disk %s has requests in flight: try again", name);
	target_disk_close(disk);
	return 0;
}

void target_undo_disk(struct target *target, const char *name)
{
	const struct target_disk *named = name ? target_disk_find(target, name) : NULL;
	struct disk *disk;

	list_for_each_entry (disk, &target->disks, link) {
		if (!name || (named && named->disk == disk))
			disk_undo(disk);
	}
}

bool target_has_store(struct target *target, const struct disk_spec *spec)
{
	return disk_is_open(&target->disks, spec);
}

/* Announces the exports of a disk: initiators ask for its size then. */
static void disk_announce(struct target *target, const struct disk *disk)
{
	struct target_interface *interface;

	list_for_each_entry (interface, &target->interfaces, link) {
		for (unsigned int i = 0; i < interface->nexports; i++)
			if (interface->exports[i]->disk == disk)
				target_interface_announce(interface, interface->exports[i]);
	}
}

static int disk_refresh(struct target *target, struct disk *disk, struct error *err)
{
	int ret = disk_resize(disk, err);

	if (ret <= 0)
		return ret;
	log_notice("%s: now %llu bytes", disk->name,
		   (unsigned long long)atomic_load(&disk->nblocks) * BLK_SECTOR);
	disk_announce(target, disk);
	target_units_resized(target, disk);
	return 0;
}

void target_refresh_disks(struct target *target)
{
	struct disk *disk;
	struct error err;

	list_for_each_entry (disk, &target->disks, link) {
		if (disk_refresh(target, disk, &err))
			log_error("%s: %s", disk->name, err.text);
	}
}

int target_set_threshold(struct target *target, const char *name, int soft_threshold,
			 struct error *err)
{
	struct target_disk *disk = target_disk_find(target, name);
	uint64_t before;

	if (!disk)
		return error_set(err, ENOENT, NO_DISK, name);
	before = disk_space_threshold(disk->disk);
	disk_space_set(disk->disk, soft_threshold);
	if (disk_space_threshold(disk->disk) != before)
		target_unit_threshold_changed(target, disk->disk);
	return 0;
}

/* By its name or, as disks of the command line have none, by the words it was opened with. */
static struct disk *disk_called(const struct target *target, const char *name)
{
	const struct target_disk *named = target_disk_find(target, name);
	struct disk *disk;

	if (named)
		return named->disk;
	list_for_each_entry (disk, &target->disks, link)
		if (strcmp(disk->name, name) == 0)
			return disk;
	return NULL;
}

int target_resize_disk(struct target *target, const char *name, uint64_t size, struct error *err)
{
	struct disk *disk = disk_called(target, name);
	int ret = 0;

	if (!disk)
		return error_set(err, ENOENT, NO_DISK, name);
	if (size)
		ret = disk_grow(disk, size, err);
	return ret ? ret : disk_refresh(target, disk, err);
}

void target_disks_each(struct target *target,
		       void (*found)(void *ctx, const char *name, const struct disk *disk),
		       void *ctx)
{
	const struct target_disk *disk;

	list_for_each_entry (disk, &target->named, link)
		found(ctx, disk->name, disk->disk);
}
