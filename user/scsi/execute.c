/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One command from its arrival to its end: the checks that all share, and the ways to end. */
#include "scsi/device.h"

#include <string.h>

#define CONTROL_NACA 0x04

/* ---- ends ---- */

void scsi_finish(struct command *cmd)
{
	struct scsi_nexus *nexus = cmd->scsi.nexus;
	struct scsi_it_l *it_l = cmd->scsi.it_l;

	if (!scsi_task_aborted(cmd)) {
		cmd->ops->deliver(cmd);
	} else if (cmd->scsi.told) {
		cmd->scsi.status = SCSI_TASK_ABORTED;
		cmd->scsi.sense_len = 0;
		cmd->data_in.len = 0;
		cmd->ops->deliver(cmd);
	} else {
		cmd->ops->drop(cmd);
	}
	scsi_nexus_end(nexus, it_l);
}

void scsi_end(struct command *cmd, enum scsi_status status)
{
	cmd->scsi.status = (uint8_t)status;
	if (status != SCSI_GOOD && status != SCSI_CONDITION_MET)
		cmd->data_in.len = 0;
	if (status == SCSI_RESERVATION_CONFLICT)
		atomic_fetch_add_explicit(&scsi_device_of(cmd)->conflicts, 1, memory_order_relaxed);
	if (!cmd->scsi.it_l || scsi_task_leave(cmd))
		scsi_finish(cmd);
}

static void late_flushed(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	scsi_end_io(cmd, scsi_flush_status(cmd), cmd->scsi.lba);
}

/*
 * What was still on its way into the write cache when that was turned off came too late for the
 * flush that belongs to that: it takes one of its own.
 */
void scsi_good(struct command *cmd)
{
	if (!cmd->scsi.cached || !(lu_write_flags(scsi_device_of(cmd)->lu) & BLK_FUA)) {
		scsi_end(cmd, SCSI_GOOD);
		return;
	}
	cmd->scsi.cached = false;
	scsi_flush(scsi_device_of(cmd), cmd, late_flushed);
}

/* Where the CDB says how long the data-out is: its last field, of at most four bytes. */
static uint16_t length_field(const struct scsi_opcode *opcode)
{
	uint16_t last = opcode->cdb_len - 2, first;

	while (last > 1 && !opcode->usage[last])
		last--;
	for (first = last; first > 1 && last - first < 3 && opcode->usage[first - 1] == 0xff;)
		first--;
	return first;
}

/* What some codes are about is one field of the CDB, whoever says them (SPC-5 4.5.2.4.2). */
static void point_at_field(const struct command *cmd, struct scsi_sense *sense)
{
	const struct scsi_opcode *opcode = cmd->scsi.opcode;

	if (sense->key != SCSI_KEY_ILLEGAL_REQUEST || sense->has_field)
		return;
	sense->has_field = true;
	sense->in_list = false;
	sense->bit = 7;
	if (sense->asc == SCSI_ASC_OPCODE)
		sense->field = 0;
	else if (sense->asc == SCSI_ASC_SAVING_NOT_SUPPORTED)
		sense->field = 2;
	else if (sense->asc == SCSI_ASC_LIST_LENGTH && opcode)
		sense->field = length_field(opcode);
	else
		sense->has_field = false;
}

void scsi_fail(struct command *cmd, struct scsi_sense sense)
{
	struct scsi_it_l *it_l = cmd->scsi.it_l;
	bool descriptor = it_l && atomic_load(&it_l->dev->descriptor_sense);

	point_at_field(cmd, &sense);
	cmd->scsi.sense_len = scsi_sense_format(&sense, descriptor, cmd->scsi.sense);
	scsi_end(cmd, SCSI_CHECK_CONDITION);
}

void scsi_refuse(struct command *cmd, enum scsi_key key, uint16_t asc)
{
	scsi_fail(cmd, (struct scsi_sense){.key = key, .asc = asc});
}

void scsi_bad_cdb(struct command *cmd, unsigned int byte, unsigned int bit)
{
	scsi_fail(cmd, (struct scsi_sense){.key = SCSI_KEY_ILLEGAL_REQUEST,
					   .asc = SCSI_ASC_INVALID_FIELD_CDB,
					   .has_field = true,
					   .field = (uint16_t)byte,
					   .bit = (uint8_t)bit});
}

void scsi_bad_list(struct command *cmd, unsigned int byte, unsigned int bit)
{
	scsi_fail(cmd, (struct scsi_sense){.key = SCSI_KEY_ILLEGAL_REQUEST,
					   .asc = SCSI_ASC_INVALID_FIELD_LIST,
					   .has_field = true,
					   .in_list = true,
					   .field = (uint16_t)byte,
					   .bit = (uint8_t)bit});
}

void scsi_end_io(struct command *cmd, enum blk_status status, uint64_t lba)
{
	struct scsi_sense sense = {
		.key = SCSI_KEY_MEDIUM_ERROR, .has_information = true, .information = lba};

	switch (status) {
	case BLK_OK:
		scsi_good(cmd);
		return;
	case BLK_ERANGE:
		sense.key = SCSI_KEY_ILLEGAL_REQUEST;
		sense.asc = SCSI_ASC_LBA_RANGE;
		break;
	case BLK_EROFS:
		sense = (struct scsi_sense){.key = SCSI_KEY_DATA_PROTECT,
					    .asc = SCSI_ASC_WRITE_PROTECTED};
		break;
	case BLK_ENOSPC:
		sense.key = SCSI_KEY_DATA_PROTECT;
		sense.asc = SCSI_ASC_SPACE_ALLOCATION_FAILED;
		break;
	case BLK_ENOTSUP:
		sense = (struct scsi_sense){.key = SCSI_KEY_ILLEGAL_REQUEST,
					    .asc = SCSI_ASC_OPCODE};
		break;
	case BLK_EIO:
		sense.asc = cmd->io.op == BLK_READ ? SCSI_ASC_READ_ERROR : SCSI_ASC_WRITE_ERROR;
		scsi_log_error(scsi_device_of(cmd), cmd->io.op != BLK_READ);
		break;
	case BLK_ESEALED:
		sense = scsi_sanitize_sense(scsi_device_of(cmd));
		break;
	}
	scsi_fail(cmd, sense);
}

void scsi_return(struct command *cmd, const void *data, uint32_t len, uint32_t alloc)
{
	uint32_t sent;

	if (len > alloc)
		len = alloc;
	cmd->scsi.wanted = len;
	sent = len < cmd->scsi.in_len ? len : cmd->scsi.in_len;
	if (sent) {
		if (cmd->ops->place(cmd, sent, &cmd->data_in)) {
			scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INSUFFICIENT_RESOURCES);
			return;
		}
		sgl_copy_in(cmd->queue->arena, &cmd->data_in, 0, data, sent);
	}
	scsi_good(cmd);
}

/* ---- data-out ---- */

static void solicit_done(struct command *cmd)
{
	if (scsi_task_aborted(cmd))
		scsi_end(cmd, SCSI_TASK_ABORTED);
	else
		cmd->scsi.resume(cmd);
}

void scsi_solicit(struct command *cmd, uint32_t off, uint32_t len,
		  void (*resume)(struct command *cmd))
{
	cmd->scsi.resume = resume;
	if (scsi_task_aborted(cmd))
		scsi_end(cmd, SCSI_TASK_ABORTED);
	else
		cmd->ops->solicit(cmd, off, len, solicit_done);
}

void scsi_push(struct command *cmd, void (*resume)(struct command *cmd))
{
	cmd->scsi.resume = resume;
	if (scsi_task_aborted(cmd))
		scsi_end(cmd, SCSI_TASK_ABORTED);
	else
		cmd->ops->push(cmd, solicit_done);
}

void scsi_fetch_list(struct command *cmd, uint32_t len, void (*done)(struct command *cmd))
{
	cmd->scsi.wanted = len;
	if (len > SCSI_LIST_MAX || len > cmd->scsi.out_len)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		scsi_solicit(cmd, 0, len, done);
}

const uint8_t *scsi_list(const struct command *cmd)
{
	return arena_ptr(cmd->queue->arena, cmd->data_out.spans[0].addr);
}

/* ---- checks ---- */

bool scsi_write_protected(const struct scsi_it_l *it_l)
{
	return it_l->read_only || it_l->dev->lu->disk->read_only ||
	       atomic_load_explicit(&it_l->dev->write_protected, memory_order_relaxed);
}

bool scsi_unit_reachable(const struct scsi_it_l *it_l)
{
	return !it_l->leaving && !atomic_load(&it_l->dev->sanitize_state) &&
	       atomic_load_explicit(&it_l->dev->loaded, memory_order_relaxed) &&
	       atomic_load_explicit(&it_l->access, memory_order_relaxed) < SCSI_ACCESS_STANDBY;
}

/*
 * False, with the command ended: the medium is not to be had. A disk that was cut off before its
 * first block has none, as READ CAPACITY cannot tell of no blocks.
 */
static bool medium_ok(struct scsi_device *dev, struct command *cmd)
{
	if (!(cmd->scsi.opcode->flags & SCSI_MEDIUM) ||
	    (atomic_load_explicit(&dev->loaded, memory_order_relaxed) && scsi_capacity(dev)))
		return true;
	scsi_refuse(cmd, SCSI_KEY_NOT_READY, SCSI_ASC_MEDIUM_NOT_PRESENT);
	return false;
}

/* False, with the command ended: what it is to write would have to come from where data goes to. */
static bool direction_ok(struct command *cmd)
{
	if (!(cmd->scsi.opcode->flags & SCSI_WRITES) || !cmd->scsi.in_len || cmd->scsi.out_len)
		return true;
	scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD_IN_IU);
	return false;
}

/* The opcode is another command's, of another service action; or nobody's, here. */
static void refuse_opcode(struct command *cmd)
{
	const struct scsi_opcode_list *list = &scsi_opcodes[cmd->scsi.cdb[0]];

	if (list->n && list->entries[0].action != SCSI_NO_ACTION)
		scsi_bad_cdb(cmd, 1, 4);
	else
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_OPCODE);
}

/* Whether scsi_memory() found it to be a command that there is; false, with the command ended. */
static bool opcode_ok(struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;

	if (!scsi->opcode || (scsi->it_l && !scsi_opcode_offered(scsi->it_l->dev, scsi->opcode))) {
		refuse_opcode(cmd);
	} else if (scsi->cdb_len < scsi->opcode->cdb_len) {
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_FIELD_IN_IU);
	} else if (scsi->cdb[scsi->opcode->cdb_len - 1] & CONTROL_NACA) {
		scsi_bad_cdb(cmd, scsi->opcode->cdb_len - 1u, 2);
	} else if (scsi->attribute == SCSI_ACA) {
		/* There is never an ACA condition that it could belong to. */
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_MESSAGE);
	} else {
		return true;
	}
	return false;
}

/*
 * What the nexus is to be told first, whatever the command is (SAM-5 5.3.3): that the unit began
 * anew, then that another has reserved it, then all other unit attentions. False, with the command
 * ended.
 */
static bool nexus_ok(struct command *cmd)
{
	const struct scsi_opcode *opcode = cmd->scsi.opcode;
	bool past = opcode && opcode->flags & SCSI_PAST_UA;
	uint16_t attention;

	if (!past && scsi_attention_take_reset(cmd->scsi.it_l, &attention)) {
		scsi_fail(cmd, scsi_attention_sense(attention));
	} else if (opcode && scsi_reservation_conflicts(cmd)) {
		scsi_end(cmd, SCSI_RESERVATION_CONFLICT);
	} else if (!past && scsi_attention_take(cmd->scsi.it_l, &attention)) {
		scsi_fail(cmd, scsi_attention_sense(attention));
	} else {
		return true;
	}
	return false;
}

void scsi_start(struct command *cmd)
{
	struct scsi_it_l *it_l = cmd->scsi.it_l;
	struct scsi_device *dev = it_l->dev;
	struct scsi_sense sense;
	uint16_t refused;

	if (scsi_task_aborted(cmd)) {
		scsi_end(cmd, SCSI_TASK_ABORTED);
		return;
	}
	if (!nexus_ok(cmd) || !opcode_ok(cmd))
		return;
	refused = scsi_alua_refuses(cmd);
	if (refused) {
		scsi_refuse(cmd, SCSI_KEY_NOT_READY, refused);
		return;
	}
	cmd->io.era = disk_era(dev->lu->disk);
	if (scsi_sanitize_refuses(cmd, &sense)) {
		scsi_fail(cmd, sense);
		return;
	}
	if (cmd->scsi.opcode->flags & SCSI_WRITES && scsi_write_protected(it_l)) {
		scsi_refuse(cmd, SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED);
		return;
	}
	if (medium_ok(dev, cmd) && direction_ok(cmd))
		cmd->scsi.opcode->execute(dev, cmd);
}

/* A LUN that shows no unit: only what finds out that it does not. */
static void execute_absent(struct command *cmd)
{
	if (!opcode_ok(cmd))
		return;
	if (cmd->scsi.opcode->flags & SCSI_ANY_LUN)
		cmd->scsi.opcode->execute(NULL, cmd);
	else
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LUN_NOT_SUPPORTED);
}

/* The part of a command that another may have left its traces in. */
static void command_reset(struct scsi_nexus *nexus, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;

	cmd->data_in = (struct sgl){};
	cmd->data_out = (struct sgl){};
	scsi->nexus = nexus;
	scsi->it_l = scsi_nexus_unit(nexus, scsi->lun);
	atomic_store_explicit(&scsi->aborted_at, 0, memory_order_relaxed);
	scsi->enabled = scsi->started = scsi->posted = scsi->ending = scsi->told = false;
	scsi->status = SCSI_GOOD;
	scsi->sense_len = 0;
	scsi->cached = false;
	scsi->wanted = 0;
}

void scsi_execute(struct scsi_nexus *nexus, struct command *cmd)
{
	command_reset(nexus, cmd);
	scsi_nexus_begin(nexus, cmd->scsi.it_l);
	if (!cmd->scsi.it_l)
		execute_absent(cmd);
	else if (scsi_task_enter(cmd))
		scsi_start(cmd);
}

uint32_t scsi_memory(const struct scsi_nexus *nexus, struct command *cmd)
{
	struct scsi_command *scsi = &cmd->scsi;
	const struct scsi_it_l *it_l = scsi_nexus_unit(nexus, scsi->lun);
	uint32_t expected = scsi->out_len > scsi->in_len ? scsi->out_len : scsi->in_len;
	uint64_t need;
	bool known;

	scsi->opcode = scsi_opcode_find(scsi->cdb, &known);
	if (!scsi->opcode || !it_l || !scsi->opcode->memory)
		return expected < SCSI_LIST_MAX ? expected : SCSI_LIST_MAX;
	need = scsi->opcode->memory(it_l->dev, cmd);
	return need < SCSI_MEMORY_MAX ? (uint32_t)need : SCSI_MEMORY_MAX;
}
