/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Commands that change what a unit remembers, one after the other in the order they came: each
 * makes what shall be, has it saved if it is to survive a restart, and only then makes it valid. A
 * command's turn runs on its own thread.
 */
#include "scsi/device.h"

static void change_turn(struct command *cmd);

static void change_run(struct message *message)
{
	change_turn(container_of(message, struct command, model.save.message));
}

/* The turn of whoever waits longest. */
static void change_next(struct scsi_device *dev)
{
	struct command *cmd = NULL;

	pthread_mutex_lock(&dev->lock);
	dev->changing = !list_empty(&dev->changes);
	if (dev->changing)
		cmd = container_of(list_pop(&dev->changes), struct command, model.waiting);
	pthread_mutex_unlock(&dev->lock);
	if (!cmd)
		return;
	cmd->model.save.message.run = change_run;
	mailbox_post(cmd->queue->mailbox, &cmd->model.save.message);
}

static void change_commit(struct scsi_device *dev, struct command *cmd)
{
	const struct scsi_change *change = cmd->scsi.change;
	bool ends = change->commit(dev, cmd);

	/* Before the end, after which the unit may be gone. */
	change_next(dev);
	if (ends)
		scsi_good(cmd);
	else
		change->finish(dev, cmd);
}

static void change_saved(struct state_save *save)
{
	struct command *cmd = container_of(save, struct command, model.save);
	struct scsi_device *dev = scsi_device_of(cmd);

	if (!save->result) {
		change_commit(dev, cmd);
		return;
	}
	change_next(dev);
	scsi_refuse(cmd, SCSI_KEY_HARDWARE_ERROR, SCSI_ASC_TARGET_FAILURE);
}

/* Its turn is there. */
static void change_turn(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	const struct scsi_change *change = cmd->scsi.change;
	struct scsi_verdict verdict = {.status = SCSI_TASK_ABORTED};

	if (!scsi_task_aborted(cmd)) {
		verdict.status = SCSI_GOOD;
		change->stage(dev, cmd, &verdict);
	}
	if (verdict.status == SCSI_GOOD && verdict.keep) {
		cmd->model.save.reply = cmd->queue->mailbox;
		cmd->model.save.done = change_saved;
		state_save(dev->state, &cmd->model.save, change->section, change->describe(dev));
	} else if (verdict.status == SCSI_GOOD) {
		change_commit(dev, cmd);
	} else {
		change_next(dev);
		if (verdict.status == SCSI_CHECK_CONDITION)
			scsi_fail(cmd, verdict.sense);
		else
			scsi_end(cmd, verdict.status);
	}
}

void scsi_change_start(struct scsi_device *dev, struct command *cmd,
		       const struct scsi_change *change)
{
	bool first;

	cmd->scsi.change = change;
	pthread_mutex_lock(&dev->lock);
	first = !dev->changing;
	dev->changing = true;
	if (!first)
		list_add_tail(&dev->changes, &cmd->model.waiting);
	pthread_mutex_unlock(&dev->lock);
	if (first)
		change_turn(cmd);
}

void scsi_verdict_refuse(struct scsi_verdict *verdict, uint16_t asc)
{
	verdict->status = SCSI_CHECK_CONDITION;
	verdict->sense = (struct scsi_sense){.key = SCSI_KEY_ILLEGAL_REQUEST, .asc = asc};
}

static void verdict_field(struct scsi_verdict *verdict, uint16_t asc, bool in_list,
			  unsigned int byte, unsigned int bit)
{
	scsi_verdict_refuse(verdict, asc);
	verdict->sense.has_field = true;
	verdict->sense.in_list = in_list;
	verdict->sense.field = (uint16_t)byte;
	verdict->sense.bit = (uint8_t)bit;
}

void scsi_verdict_bad_cdb(struct scsi_verdict *verdict, unsigned int byte, unsigned int bit)
{
	verdict_field(verdict, SCSI_ASC_INVALID_FIELD_CDB, false, byte, bit);
}

void scsi_verdict_bad_list(struct scsi_verdict *verdict, unsigned int byte, unsigned int bit)
{
	verdict_field(verdict, SCSI_ASC_INVALID_FIELD_LIST, true, byte, bit);
}
