/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The task set of a unit (SAM-5 8), one for all nexuses: order, and abortion.
 *
 * A task is started, cancelled and ended on its own thread only. Another thread that enables or
 * aborts it sets a flag under the unit's lock and posts the task's one message; while that is under
 * way the task cannot end (`ending` makes the message end it), as its memory is the message's.
 */
#include "scsi/device.h"

#include <stdlib.h>

/* A task management function that waits for a unit's aborted tasks. */
struct abort_wait {
	struct list link; /* in the unit's */
	struct scsi_tmf *tmf;
	uint64_t until; /* tasks aborted later do not matter */
};

static struct command *task_command(struct list *link)
{
	return container_of(link, struct command, scsi.task);
}

static void task_message(struct message *message)
{
	struct command *cmd = container_of(message, struct command, scsi.message);
	struct scsi_device *dev = scsi_device_of(cmd);
	bool start, ending, aborted;

	pthread_mutex_lock(&dev->lock);
	cmd->scsi.posted = false;
	start = cmd->scsi.enabled && !cmd->scsi.started;
	cmd->scsi.started |= start;
	ending = cmd->scsi.ending;
	aborted = atomic_load(&cmd->scsi.aborted_at) != 0;
	pthread_mutex_unlock(&dev->lock);
	if (ending)
		scsi_finish(cmd);
	else if (start)
		scsi_start(cmd);
	else if (aborted)
		cmd->ops->cancel(cmd);
}

/* Has the task's thread look at it. The unit's lock is held; a queue without a mailbox is a test's.
 */
static void task_post(struct command *cmd)
{
	if (cmd->scsi.posted)
		return;
	cmd->scsi.posted = true;
	cmd->scsi.message.run = task_message;
	mailbox_post(cmd->queue->mailbox, &cmd->scsi.message);
}

/* ---- order ---- */

/*
 * SAM-5 8.7: whether none of the older tasks, as they are told of here, keeps it dormant. By the
 * Control mode page (TST is 0) there is one task set for all nexuses, so an ORDERED task waits for
 * strangers' tasks as well: also for a write that has begun and whose data does not come.
 */
static bool task_may_run(const struct command *cmd, bool older, bool unruly)
{
	if (cmd->scsi.attribute == SCSI_HEAD_OF_QUEUE)
		return true;
	return cmd->scsi.attribute == SCSI_ORDERED ? !older : !unruly;
}

bool scsi_task_enter(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);

	pthread_mutex_lock(&dev->lock);
	cmd->scsi.enabled = task_may_run(cmd, !list_empty(&dev->tasks), dev->unruly != 0);
	list_add_tail(&dev->tasks, &cmd->scsi.task);
	if (cmd->scsi.attribute != SCSI_SIMPLE)
		dev->unruly++;
	cmd->scsi.started = cmd->scsi.enabled;
	dev->dormant += !cmd->scsi.enabled;
	pthread_mutex_unlock(&dev->lock);
	return cmd->scsi.started;
}

static void task_enable(struct scsi_device *dev, struct command *cmd)
{
	cmd->scsi.enabled = true;
	dev->dormant--;
	task_post(cmd);
}

static void tasks_enable(struct scsi_device *dev)
{
	bool older = false, unruly = false;
	struct list *link;

	for (link = dev->tasks.next; dev->dormant && link != &dev->tasks; link = link->next) {
		struct command *cmd = task_command(link);

		if (!cmd->scsi.enabled && task_may_run(cmd, older, unruly))
			task_enable(dev, cmd);
		older = true;
		unruly |= cmd->scsi.attribute != SCSI_SIMPLE;
	}
}

/* ---- ends ---- */

static bool aborted_left(const struct scsi_device *dev, uint64_t until)
{
	struct list *link;

	for (link = dev->tasks.next; link != &dev->tasks; link = link->next) {
		uint64_t at = atomic_load(&task_command(link)->scsi.aborted_at);

		if (at && at <= until)
			return true;
	}
	return false;
}

static void abort_waits_end(struct scsi_device *dev)
{
	struct abort_wait *wait, *tmp;

	list_for_each_entry_safe (wait, tmp, &dev->abort_waits, link) {
		if (aborted_left(dev, wait->until))
			continue;
		list_del(&wait->link);
		scsi_tmf_unit_done(wait->tmf);
		free(wait);
	}
}

bool scsi_task_leave(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	bool ends;

	pthread_mutex_lock(&dev->lock);
	list_del(&cmd->scsi.task);
	if (cmd->scsi.attribute != SCSI_SIMPLE)
		dev->unruly--;
	tasks_enable(dev);
	if (atomic_load(&cmd->scsi.aborted_at))
		abort_waits_end(dev);
	ends = !cmd->scsi.posted;
	cmd->scsi.ending = !ends;
	pthread_mutex_unlock(&dev->lock);
	return ends;
}

/* ---- aborting ---- */

/* Once aborted, a dormant task has only its end before it. */
static void task_abort_locked(struct scsi_device *dev, struct command *cmd, bool told)
{
	if (atomic_load(&cmd->scsi.aborted_at))
		return;
	cmd->scsi.told = told;
	atomic_store(&cmd->scsi.aborted_at, dev->abortions);
	if (cmd->scsi.enabled)
		task_post(cmd);
	else
		task_enable(dev, cmd);
}

bool scsi_task_aborted(const struct command *cmd)
{
	return atomic_load_explicit(&cmd->scsi.aborted_at, memory_order_relaxed) != 0;
}

void scsi_task_abort_locked(struct scsi_device *dev, struct command *cmd, bool told)
{
	dev->abortions++;
	task_abort_locked(dev, cmd, told);
}

/* Those of a nexus, or all (NULL). Told are all but `own`, if anybody is; it may be spared some. */
static void tasks_abort(struct scsi_device *dev, const struct scsi_it_l *it_l, bool told,
			const struct scsi_it_l *own, const struct scsi_tmf *tmf)
{
	bool spares = tmf && tmf->spares;
	struct list *link;

	dev->abortions++;
	for (link = dev->tasks.next; link != &dev->tasks; link = link->next) {
		struct command *cmd = task_command(link);

		if (it_l && cmd->scsi.it_l != it_l)
			continue;
		if (spares && cmd->scsi.it_l == own && tmf->spares(tmf, cmd))
			continue;
		task_abort_locked(dev, cmd, told && cmd->scsi.it_l != own);
	}
}

void scsi_tasks_abort_locked(struct scsi_device *dev, const struct scsi_it_l *it_l,
			     const struct scsi_it_l *own, const struct scsi_tmf *tmf)
{
	tasks_abort(dev, it_l, atomic_load(&dev->tell_aborted), own, tmf);
}

void scsi_tasks_end_locked(struct scsi_device *dev, const struct scsi_it_l *it_l, bool told)
{
	tasks_abort(dev, it_l, told, NULL, NULL);
}

bool scsi_abort_wait_locked(struct scsi_device *dev, struct scsi_tmf *tmf)
{
	struct abort_wait *wait;

	if (!aborted_left(dev, dev->abortions))
		return true;
	wait = malloc(sizeof(*wait));
	if (!wait)
		return false;
	wait->tmf = tmf;
	wait->until = dev->abortions;
	atomic_fetch_add(&tmf->waiting, 1);
	list_add_tail(&dev->abort_waits, &wait->link);
	return true;
}
