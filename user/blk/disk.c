/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/log.h"
#include "blk/backstore.h"
#include "blk/overlap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct backstore_ops *const disk_backstores[] = {
	[DISK_FILE] = &backstore_uring,
	[DISK_BLOCK] = &backstore_uring,
	[DISK_RAM] = &backstore_mem,
	[DISK_NULL] = &backstore_null,
};

static bool disk_paths_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool disk_options_equal(const struct disk_spec *a, const struct disk_spec *b)
{
	return a->kind == b->kind && a->read_only == b->read_only && a->prealloc == b->prealloc &&
	       a->cache == b->cache && a->direct == b->direct && a->block_size == b->block_size &&
	       !strcmp(a->serial, b->serial) && a->wwn == b->wwn && a->removable == b->removable &&
	       a->thin == b->thin && a->logical_block == b->logical_block &&
	       a->soft_threshold == b->soft_threshold && disk_paths_equal(a->key_file, b->key_file);
}

/* What tells one store from another, whatever path leads to it; all 0 for memory. */
static struct disk_store disk_store_find(const struct disk_spec *spec)
{
	struct stat st;

	if (!spec->path || stat(spec->path, &st))
		return (struct disk_store){0};
	if (S_ISBLK(st.st_mode))
		return (struct disk_store){.dev = st.st_rdev};
	return (struct disk_store){.dev = st.st_dev, .ino = st.st_ino};
}

static struct disk *disk_find(struct list *disks, const struct disk_store *store)
{
	struct disk *disk;

	if (!store->dev && !store->ino)
		return NULL;
	list_for_each_entry (disk, disks, link)
		if (disk->store.dev == store->dev && disk->store.ino == store->ino)
			return disk;
	return NULL;
}

/* Memory is a new disk each time that it is asked for, even with the same words. */
static unsigned int disk_ordinal(struct list *disks, const char *text)
{
	unsigned int ordinal = 0;
	struct disk *disk;

	list_for_each_entry (disk, disks, link)
		if (!strcmp(disk->name, text) && disk->ordinal >= ordinal)
			ordinal = disk->ordinal + 1;
	return ordinal;
}

static int disk_open(struct list *disks, const char *text, struct disk_spec *spec,
		     struct disk **out, struct error *err)
{
	const struct backstore_ops *ops = disk_backstores[spec->kind];
	struct disk *disk = calloc(1, ops->instance);
	int ret;

	if (!disk)
		return error_set(err, ENOMEM, "no memory");
	disk->name = strdup(text);
	disk->ops = ops;
	disk->refs = 1;
	disk->atom = 1;
	disk->spec = *spec;
	disk->ordinal = disk_ordinal(disks, text);
	if (!disk->name) {
		free(disk);
		return error_set(err, ENOMEM, "no memory");
	}
	ret = ops->open(disk, err);
	if (ret)
		goto free;
	disk->overlap = overlap_open(disk->atom);
	if (!disk->overlap) {
		ret = error_set(err, ENOMEM, "no memory");
		goto close;
	}
	/* From here on the disk owns the spec's path. */
	*spec = (struct disk_spec){.direct = -1};
	disk->store = disk_store_find(&disk->spec);
	list_add_tail(disks, &disk->link);
	*out = disk;
	return 0;
close:
	ops->close(disk);
free:
	free(disk->name);
	free(disk);
	return ret;
}

int disk_get(struct list *disks, const char *text, struct disk **disk, struct error *err)
{
	struct disk_store store;
	struct disk_spec spec;
	int ret = disk_spec_parse(text, &spec, err);

	if (ret)
		return ret;
	store = disk_store_find(&spec);
	*disk = disk_find(disks, &store);
	if (!*disk) {
		ret = disk_open(disks, text, &spec, disk, err);
	} else if (spec.size <= (*disk)->nblocks << BLK_SECTOR_SHIFT &&
		   disk_options_equal(&(*disk)->spec, &spec)) {
		(*disk)->refs++;
	} else {
		ret = error_set(err, EBUSY,
				"it is already open as '%s': give both the same options",
				(*disk)->name);
	}
	disk_spec_fini(&spec);
	return ret ? error_prefix(err, -ret, "disk '%s'", text) : 0;
}

void disk_undo(struct disk *disk)
{
	disk->undone = true;
}

bool disk_is_open(struct list *disks, const struct disk_spec *spec)
{
	const struct disk_store store = disk_store_find(spec);

	return disk_find(disks, &store);
}

struct disk *disk_hold(struct disk *disk)
{
	disk->refs++;
	return disk;
}

void disk_put(struct disk *disk)
{
	if (--disk->refs)
		return;
	list_del(&disk->link);
	if (disk->undone && disk->ops->unmake)
		disk->ops->unmake(disk);
	disk->ops->close(disk);
	overlap_close(disk->overlap);
	disk_spec_fini(&disk->spec);
	free(disk->name);
	free(disk);
}

int disk_grow(struct disk *disk, uint64_t size, struct error *err)
{
	int ret;

	if (!disk->ops->grow)
		return error_set(err, EOPNOTSUPP, "disk '%s': only files grow", disk->name);
	ret = disk->ops->grow(disk, size, err);
	return ret ? error_prefix(err, -ret, "disk '%s'", disk->name) : 0;
}

uint32_t disk_seal(struct disk *disk)
{
	return overlap_begin_era(disk->overlap, NULL);
}

void disk_unseal(struct disk *disk)
{
	overlap_begin_era(disk->overlap, &disk->era);
}

bool disk_sealed(struct disk *disk)
{
	return overlap_era(disk->overlap) != disk_era(disk);
}

bool disk_mapped(struct disk *disk, uint64_t lba, uint64_t limit, uint64_t *n)
{
	*n = limit;
	return !disk->ops->mapped || disk->ops->mapped(disk, lba, limit, n);
}

int disk_resize(struct disk *disk, struct error *err)
{
	uint64_t before = atomic_load(&disk->nblocks);
	int64_t now = disk->ops->size(disk, err);

	if (now < 0)
		return error_prefix(err, (int)-now, "disk '%s'", disk->name);
	if ((uint64_t)now == before)
		return 0;
	if ((uint64_t)now < before)
		log_warning("disk '%s' shrank from %llu to %llu sectors: what was beyond is gone",
			    disk->name, (unsigned long long)before, (unsigned long long)now);
	atomic_store(&disk->nblocks, (uint64_t)now);
	if (disk->spec.size && (uint64_t)now << BLK_SECTOR_SHIFT > disk->spec.size)
		disk->spec.size = (uint64_t)now << BLK_SECTOR_SHIFT;
	return 1;
}
