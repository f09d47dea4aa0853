/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SCSI logical units: one for each disk that any target port shows, however many do, so that
 * reservations and unit attentions are the disk's.
 */
#include "target/internal.h"

#include "base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct target_unit *unit_find(const struct target *target, const struct disk *disk)
{
	struct target_unit *unit;

	list_for_each_entry (unit, &target->units, link)
		if (unit->disk == disk)
			return unit;
	return NULL;
}

bool target_disk_shown(const struct target *target, const struct disk *disk)
{
	const struct target_unit *unit = unit_find(target, disk);

	return unit && unit->users > unit->leaving;
}

bool target_disk_leaving(const struct target *target, const struct disk *disk)
{
	const struct target_unit *unit = unit_find(target, disk);

	return unit && unit->users == unit->leaving;
}

/* Nobody shows it any more, and something that began in it has not ended. */
static bool unit_is_stopping(const struct target *target, const struct disk *disk)
{
	const struct target_unit *unit = unit_find(target, disk);

	return unit && !unit->users;
}

#define UNIT_KEY_SIZE (sizeof("scsi-") + 16)

/* The state is the disk's, whatever its words are: it is found again by the disk's WWN. */
static void unit_key(const struct disk *disk, char key[UNIT_KEY_SIZE])
{
	snprintf(key, UNIT_KEY_SIZE, "scsi-%016llx", (unsigned long long)disk->wwn);
}

static int unit_open_state(struct target *target, struct target_unit *unit, struct error *err)
{
	char key[UNIT_KEY_SIZE];

	unit_key(unit->disk, key);
	return state_open(target->options.state_dir, key, &target->mailbox, &unit->state, err);
}

static int unit_open(struct target *target, struct target_unit *unit, struct error *err)
{
	const struct disk *disk = unit->disk;
	struct scsi_device_config config = {
		.lu = &unit->lu,
		.logical_block = disk->spec.logical_block ? disk->spec.logical_block : 512,
		.removable = disk->spec.removable,
		.thin = disk->can_unmap && disk->spec.thin != DISK_THIN_OFF,
	};
	int ret;

	if (disk->spec.thin == DISK_THIN_ON && !disk->can_unmap)
		return error_set(err, EOPNOTSUPP,
				 "disk '%s': its store gives no space back: leave out thin=on",
				 disk->name);
	ret = unit_open_state(target, unit, err);
	if (ret)
		return ret;
	lu_init(&unit->lu, unit->disk, false);
	config.state = unit->state;
	ret = scsi_device_open(&config, &unit->device, err);
	if (ret) {
		lu_fini(&unit->lu);
		state_close(unit->state);
	}
	return ret;
}

static void unit_close(struct message *message)
{
	struct target_unit *unit = container_of(message, struct target_unit, stopped);

	scsi_device_close(unit->device);
	lu_fini(&unit->lu);
	state_close(unit->state);
	list_del(&unit->link);
	target_exports_take_unit(unit->target, unit->disk);
	disk_put(unit->disk);
	free(unit);
}

static int unit_busy(const struct target_unit *unit, struct error *err)
{
	return error_set(err, EBUSY, "disk '%s' has requests in flight: try again",
			 unit->disk->name);
}

/* Hosts would take the two for one, reached in two ways, and write to either; so would a copy. */
static int unit_alone(const struct target *target, const struct disk *disk, struct error *err)
{
	const struct target_unit *unit;

	list_for_each_entry (unit, &target->units, link) {
		if (unit->disk->wwn != disk->wwn)
			continue;
		if (unit->users == unit->leaving)
			return unit_busy(unit, err);
		return error_set(err, EEXIST,
				 "disk '%s' has the WWN of disk '%s': give it another wwn=",
				 disk->name, unit->disk->name);
	}
	return 0;
}

/* The unit of a disk that is held for it, or let go of. */
static int unit_get(struct target *target, struct disk *disk, struct target_unit **out,
		    struct error *err)
{
	struct target_unit *unit;
	int ret;

	/* One that has just stopped goes first. */
	while (mailbox_drain(&target->mailbox))
		;
	unit = unit_find(target, disk);
	if (unit && !unit->users) {
		disk_put(disk);
		return unit_busy(unit, err);
	}
	if (unit) {
		/* The unit holds the disk already. */
		disk_put(disk);
		unit->users++;
		*out = unit;
		return 0;
	}
	ret = unit_alone(target, disk, err);
	if (ret) {
		disk_put(disk);
		return ret;
	}
	unit = calloc(1, sizeof(*unit));
	if (!unit) {
		disk_put(disk);
		return error_set(err, ENOMEM, "out of memory");
	}
	unit->target = target;
	unit->stopped.run = unit_close;
	unit->disk = disk;
	unit->users = 1;
	ret = unit_open(target, unit, err);
	if (ret) {
		disk_put(disk);
		free(unit);
		return ret;
	}
	list_add_tail(&target->units, &unit->link);
	*out = unit;
	return 0;
}

int target_unit_get(struct target *target, const char *words, struct target_unit **unit,
		    struct error *err)
{
	struct disk *disk;
	int ret = target_disk_open(target, words, &disk, err);

	return ret ? ret : unit_get(target, disk, unit, err);
}

int target_unit_get_sealed(struct target *target, struct disk *disk, struct target_unit **unit,
			   struct error *err)
{
	char key[UNIT_KEY_SIZE];
	int ret;

	*unit = NULL;
	/* Whose unit is open is sealed by that. */
	if (unit_find(target, disk))
		return 0;
	unit_key(disk, key);
	ret = scsi_state_sealed(target->options.state_dir, key, err);
	return ret > 0 ? unit_get(target, disk_hold(disk), unit, err) : ret;
}

void target_unit_resume(struct target_unit *unit, struct blk_queue *queue)
{
	if (scsi_device_resume(unit->device, queue))
		log_warning("disk '%s': a SANITIZE that did not end is done again",
			    unit->disk->name);
}

void target_unit_resume_later(struct target_unit *unit, struct blk_queue *queue)
{
	if (scsi_device_resume_later(unit->device, queue))
		log_warning("disk '%s': a SANITIZE that did not end is done again as soon as there "
			    "is memory for it",
			    unit->disk->name);
}

void target_unit_leave(struct target_unit *unit)
{
	unit->leaving++;
}

static void unit_stopped(void *ctx)
{
	struct target_unit *unit = ctx;

	mailbox_post(&unit->target->mailbox, &unit->stopped);
}

void target_unit_put(struct target_unit *unit)
{
	unit->leaving--;
	if (!--unit->users)
		scsi_device_stop(unit->device, unit_stopped, unit);
}

int target_settle_unit(struct target *target, const char *disk, uint64_t deadline_ns)
{
	const struct target_disk *named = target_disk_find(target, disk);
	int ret = 0;

	while (mailbox_drain(&target->mailbox))
		;
	while (!ret && named && unit_is_stopping(target, named->disk))
		ret = target_await_mail(target, deadline_ns);
	return ret;
}

void target_units_resized(struct target *target, const struct disk *disk)
{
	struct target_unit *unit = unit_find(target, disk);

	if (unit)
		scsi_device_resized(unit->device);
}

void target_unit_threshold_changed(struct target *target, const struct disk *disk)
{
	struct target_unit *unit = unit_find(target, disk);

	if (unit)
		scsi_device_threshold_changed(unit->device);
}

void target_unit_short_of_space(struct target *target, const struct disk *disk)
{
	struct target_unit *unit = unit_find(target, disk);

	if (unit)
		scsi_device_short_of_space(unit->device);
}
