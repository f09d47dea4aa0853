/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * EXTENDED COPY (LID1): piece after piece, one segment after the other. The store copies a piece;
 * where it does not, the piece is read from one unit and written to the other, each by an ordinary
 * block request. What the initiator could not do itself with a unit, a copy on its behalf cannot
 * either; this is asked before each piece, as it may change meanwhile.
 */
#include "scsi/copy.h"

#include "blk/copy.h"
#include <stdlib.h>
#include <string.h>

/* The command's own, while it copies. */
struct copy_job {
	struct scsi_copy *copy;
	struct copy_segment segment;
	uint64_t moved; /* bytes of the segment */
	uint64_t off;	/* where the piece is in it */
	uint32_t piece;
	bool by_memory; /* what is left of the segment: the store does not copy it */
	struct command *cmd;
	struct blk_copy store;
};

static struct copy_job *job_of(const struct command *cmd)
{
	return cmd->model.device;
}

uint64_t scsi_copy_memory(const struct scsi_device *dev, const struct command *cmd)
{
	return SCSI_PIECE_MAX + SCSI_LIST_MAX;
}

/* ---- holding on to the units ---- */

/* A unit may be hidden while it is copied: then it stays until the copy has let go. */
static void units_hold(struct scsi_nexus *nexus, const struct scsi_copy *copy)
{
	for (unsigned int i = 0; i < copy->nunits; i++)
		if (copy->units[i])
			scsi_nexus_begin(nexus, copy->units[i]);
}

static void units_release(struct scsi_nexus *nexus, struct scsi_copy *copy)
{
	for (unsigned int i = 0; i < copy->nunits; i++)
		if (copy->units[i])
			scsi_nexus_end(nexus, copy->units[i]);
	copy->nunits = 0;
}

/* ---- ends ---- */

/* The copy ends; what there is to remember stays. */
static void copy_leave(struct command *cmd, enum copy_state state)
{
	struct copy_job *job = job_of(cmd);
	struct scsi_copy *copy = job->copy;

	units_release(cmd->scsi.nexus, copy);
	copy->state = state;
	if (!copy->identified || scsi_task_aborted(cmd)) {
		list_del(&copy->link);
		free(copy);
	}
	scsi_copies_trim(cmd->scsi.it_l);
	free(job);
	cmd->model.device = NULL;
	cmd->data_in.len = 0;
	cmd->scsi.cached = false;
}

/* What SPC-4 6.4.1.3 has a copy that was begun tell: the segment, and how much of it is left. */
static void copy_fail(struct command *cmd, uint16_t asc)
{
	struct copy_job *job = job_of(cmd);
	struct scsi_copy *copy = job->copy;
	const struct copy_segment *segment = &job->segment;
	struct scsi_sense sense = {
		.key = SCSI_KEY_COPY_ABORTED,
		.asc = asc,
		.has_field = true,
		.in_list = true,
		.field = (uint16_t)copy->segment_off,
		.bit = 8,
	};

	if (segment->from) {
		sense.has_information = true;
		sense.information =
			(segment->bytes - job->moved) >> segment->from->dev->block_shift;
	}
	copy->sense_len = scsi_sense_format(
		&sense, atomic_load(&scsi_device_of(cmd)->descriptor_sense), copy->sense);
	copy_leave(cmd, COPY_FAILED);
	scsi_fail(cmd, sense);
}

static void copy_aborted(struct command *cmd)
{
	copy_leave(cmd, COPY_FAILED);
	scsi_end(cmd, SCSI_TASK_ABORTED);
}

static void copy_done(struct command *cmd)
{
	copy_leave(cmd, COPY_DONE);
	scsi_good(cmd);
}

/* ---- pieces ---- */

static void copy_on(struct command *cmd);

/* False, with the copy ended: there is no going on. */
static bool still_allowed(struct command *cmd)
{
	const struct copy_segment *segment = &job_of(cmd)->segment;

	if (scsi_task_aborted(cmd)) {
		copy_aborted(cmd);
		return false;
	}
	if (scsi_unit_reachable(segment->from) && scsi_unit_reachable(segment->to) &&
	    !scsi_reservation_excludes(segment->from, SCSI_READS) &&
	    !scsi_reservation_excludes(segment->to, SCSI_WRITES) &&
	    !scsi_write_protected(segment->to))
		return true;
	copy_fail(cmd, scsi_unit_reachable(segment->from) && scsi_unit_reachable(segment->to)
			       ? SCSI_ASC_THIRD_PARTY_FAILURE
			       : SCSI_ASC_COPY_TARGET_UNREACHABLE);
	return false;
}

/* Where in the unit's disk the piece is, of a segment at `lba`. */
static uint64_t piece_sector(const struct copy_job *job, const struct scsi_it_l *unit, uint64_t lba)
{
	return scsi_sectors(unit->dev, lba) + (job->off >> BLK_SECTOR_SHIFT);
}

static void submit(struct command *cmd, const struct scsi_it_l *unit, uint64_t lba, enum blk_op op,
		   void (*done)(struct blk_io *io))
{
	const struct copy_job *job = job_of(cmd);
	struct scsi_device *dev = unit->dev;

	cmd->io.era = op == BLK_WRITE ? job->segment.to_era : disk_era(dev->lu->disk);
	cmd->io.flags = op == BLK_WRITE ? scsi_write_flags_to(dev, cmd) : 0;
	cmd->io.lba = piece_sector(job, unit, lba);
	cmd->io.nblocks = job->piece >> BLK_SECTOR_SHIFT;
	cmd->io.sgl = cmd->data_in;
	scsi_submit(dev, cmd, op, NULL, done);
}

static void piece_done(struct command *cmd)
{
	struct copy_job *job = job_of(cmd);

	if (job->by_memory)
		cmd->queue->copied_by_memory += job->piece;
	else
		cmd->queue->copied_by_store += job->piece;
	job->moved += job->piece;
	job->copy->bytes += job->piece;
	copy_on(cmd);
}

static void piece_durable(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	if (io->status == BLK_OK)
		piece_done(cmd);
	else
		copy_fail(cmd, SCSI_ASC_THIRD_PARTY_FAILURE);
}

/*
 * What scsi_good() sees to for the command's own unit: the write cache was turned off while the
 * piece, with these flags, was on its way into it.
 */
static void piece_written(struct command *cmd, unsigned int flags, enum blk_status status)
{
	struct scsi_device *to = job_of(cmd)->segment.to->dev;

	if (status != BLK_OK)
		copy_fail(cmd, SCSI_ASC_THIRD_PARTY_FAILURE);
	else if (!(flags & BLK_FUA) && lu_write_flags(to->lu) & BLK_FUA)
		scsi_flush(to, cmd, piece_durable);
	else
		piece_done(cmd);
}

static void write_done(struct blk_io *io)
{
	piece_written(scsi_command_of(io), io->flags, io->status);
}

static void read_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);
	const struct copy_segment *segment = &job_of(cmd)->segment;

	if (io->status != BLK_OK)
		copy_fail(cmd, SCSI_ASC_THIRD_PARTY_FAILURE);
	else if (still_allowed(cmd))
		submit(cmd, segment->to, segment->to_lba, BLK_WRITE, write_done);
}

static void store_done(struct blk_copy *store)
{
	struct copy_job *job = container_of(store, struct copy_job, store);

	if (store->status == BLK_ENOTSUP) {
		job->by_memory = true;
		copy_on(job->cmd);
	} else {
		piece_written(job->cmd, store->flags, store->status);
	}
}

static void submit_to_store(struct command *cmd)
{
	struct copy_job *job = job_of(cmd);
	const struct copy_segment *segment = &job->segment;

	job->store.from = segment->from->dev->lu->disk;
	job->store.to = segment->to->dev->lu->disk;
	job->store.from_lba = piece_sector(job, segment->from, segment->from_lba);
	job->store.to_lba = piece_sector(job, segment->to, segment->to_lba);
	job->store.nblocks = job->piece >> BLK_SECTOR_SHIFT;
	job->store.from_era = disk_era(job->store.from);
	job->store.to_era = segment->to_era;
	job->store.flags = scsi_write_flags_to(segment->to->dev, cmd);
	job->store.done = store_done;
	blk_copy(cmd->queue, &job->store);
}

static uint64_t first_byte(const struct scsi_it_l *unit, uint64_t lba)
{
	return lba << unit->dev->block_shift;
}

/* How far apart the segment's ranges lie, if in one disk. */
static uint64_t distance(const struct copy_segment *segment)
{
	uint64_t source = first_byte(segment->from, segment->from_lba);
	uint64_t destination = first_byte(segment->to, segment->to_lba);

	if (segment->from->dev->lu->disk != segment->to->dev->lu->disk)
		return UINT64_MAX;
	return source < destination ? destination - source : source - destination;
}

/* Onto what is still to be read: such a segment is copied from its end. */
static bool overlaps_ahead(const struct copy_segment *segment)
{
	return distance(segment) < segment->bytes &&
	       first_byte(segment->to, segment->to_lba) >
		       first_byte(segment->from, segment->from_lba);
}

/*
 * The next piece of what is left. One for the store ends where a multiple of its most does, as it
 * shares whole blocks only; a piece that overlapped its own source would not be the store's.
 */
static void choose_piece(struct copy_job *job)
{
	const struct copy_segment *segment = &job->segment;
	uint64_t left = segment->bytes - job->moved, most = SCSI_PIECE_MAX,
		 apart = distance(segment);
	uint64_t to = first_byte(segment->to, segment->to_lba);
	bool backwards = overlaps_ahead(segment);

	if (!job->by_memory) {
		most = BLK_COPY_MAX << BLK_SECTOR_SHIFT;
		if (apart < most)
			most = apart;
		else if (backwards)
			most = (to + left - 1) % most + 1;
		else
			most -= (to + job->moved) % most;
	}
	job->piece = (uint32_t)(left < most ? left : most);
	job->off = backwards ? left - job->piece : job->moved;
}

static void copy_piece(struct command *cmd)
{
	struct copy_job *job = job_of(cmd);
	const struct copy_segment *segment = &job->segment;

	choose_piece(job);
	if (!job->by_memory)
		submit_to_store(cmd);
	else if (cmd->ops->place(cmd, job->piece, &cmd->data_in))
		copy_fail(cmd, SCSI_ASC_INSUFFICIENT_RESOURCES);
	else
		submit(cmd, segment->from, segment->from_lba, BLK_READ, read_done);
}

/* ---- segments ---- */

static bool in_range(const struct scsi_it_l *unit, uint64_t lba, uint64_t bytes)
{
	return blk_in_range(lba, bytes >> unit->dev->block_shift, scsi_capacity(unit->dev));
}

/* False, with the copy ended. */
static bool segment_begin(struct command *cmd)
{
	struct copy_job *job = job_of(cmd);
	struct copy_segment *segment = &job->segment;

	job->moved = 0;
	scsi_copy_segment(cmd, job->copy, segment);
	/* Pieces that are shorter than those through memory gain nothing. */
	job->by_memory = segment->exact && distance(segment) < SCSI_PIECE_MAX;
	if (!segment->from || !segment->to)
		copy_fail(cmd, SCSI_ASC_UNREACHABLE_COPY_TARGET);
	else if (!segment->exact)
		copy_fail(cmd, SCSI_ASC_INEXACT_SEGMENT);
	else if (!in_range(segment->from, segment->from_lba, segment->bytes) ||
		 !in_range(segment->to, segment->to_lba, segment->bytes))
		copy_fail(cmd, SCSI_ASC_NONE);
	else
		return true;
	return false;
}

/* The next piece, of this segment or of the next one that has any. */
static void copy_on(struct command *cmd)
{
	struct copy_job *job = job_of(cmd);
	struct scsi_copy *copy = job->copy;

	while (job->moved == job->segment.bytes) {
		scsi_copy_next_segment(cmd, copy);
		if (copy->segment == copy->nsegments) {
			copy_done(cmd);
			return;
		}
		if (!segment_begin(cmd))
			return;
	}
	if (still_allowed(cmd))
		copy_piece(cmd);
}

/* ---- the command ---- */

static void copy_start(struct command *cmd, struct copy_job *job)
{
	struct scsi_copy *copy = job->copy, *before;

	before = copy->identified ? scsi_copy_find(cmd->scsi.it_l, copy->id) : NULL;
	if (before) {
		list_del(&before->link);
		free(before);
	}
	list_add_tail(&cmd->scsi.it_l->copies, &copy->link);
	units_hold(cmd->scsi.nexus, copy);
	job->cmd = cmd;
	cmd->model.device = job;
	if (!copy->nsegments)
		copy_done(cmd);
	else if (segment_begin(cmd))
		copy_on(cmd);
}

static void list_fetched(struct command *cmd)
{
	struct copy_job *job = calloc(1, sizeof(*job));
	struct scsi_copy *copy = calloc(1, sizeof(*copy));

	if (job && copy) {
		job->copy = copy;
		if (scsi_copy_parse(cmd, get_be32(cmd->scsi.cdb + 10), copy)) {
			copy_start(cmd, job);
			return;
		}
	} else {
		scsi_end(cmd, SCSI_BUSY);
	}
	free(copy);
	free(job);
}

void scsi_extended_copy(struct scsi_device *dev, struct command *cmd)
{
	uint32_t len = get_be32(cmd->scsi.cdb + 10);

	if (!len)
		scsi_good(cmd);
	else if (len < COPY_HEADER_LEN)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		scsi_fetch_list(cmd, len, list_fetched);
}
