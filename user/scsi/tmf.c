/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Task management functions (SAM-5 7). */
#include "scsi/device.h"

static void tmf_end(struct scsi_tmf *tmf)
{
	struct scsi_nexus *nexus = tmf->nexus;

	tmf->done(tmf);
	scsi_nexus_end(nexus, NULL);
}

static void tmf_message(struct message *message)
{
	tmf_end(container_of(message, struct scsi_tmf, message));
}

void scsi_tmf_unit_done(struct scsi_tmf *tmf)
{
	if (atomic_fetch_sub(&tmf->waiting, 1) != 1)
		return;
	tmf->message.run = tmf_message;
	mailbox_post(tmf->nexus->config.queue->mailbox, &tmf->message);
}

static bool tasks_of(const struct scsi_device *dev, const struct scsi_it_l *it_l)
{
	const struct list *link;

	for (link = dev->tasks.next; link != &dev->tasks; link = link->next)
		if (container_of(link, struct command, scsi.task)->scsi.it_l == it_l)
			return true;
	return false;
}

/* Others whose tasks are aborted are to hear of that, if not from the tasks themselves. */
static void attend_cleared_locked(struct scsi_device *dev, const struct scsi_it_l *own)
{
	struct list *link;

	if (atomic_load(&dev->tell_aborted))
		return;
	for (link = dev->tasks.next; link != &dev->tasks; link = link->next) {
		struct scsi_it_l *it_l = container_of(link, struct command, scsi.task)->scsi.it_l;

		if (it_l != own)
			scsi_attend_one_locked(it_l, SCSI_ASC_CLEARED_BY_ANOTHER);
	}
}

/* What SAM-5 6.3.3 has a unit forget and tell. */
static void unit_reset_locked(struct scsi_device *dev)
{
	struct scsi_it_l *it_l;

	list_for_each_entry (it_l, &dev->it_ls, link)
		it_l->prevents_removal = false;
	scsi_modes_reset_locked(dev);
	scsi_reservations_reset_locked(dev);
	scsi_attend_locked(dev, NULL, SCSI_ASC_RESET_OCCURRED);
}

static enum scsi_tmf_response tmf_unit_locked(struct scsi_it_l *it_l, struct scsi_tmf *tmf)
{
	struct scsi_device *dev = it_l->dev;

	switch (tmf->function) {
	case SCSI_ABORT_TASK:
		if (!tmf->task || tmf->task->scsi.it_l != it_l)
			return SCSI_TMF_NO_TASK;
		scsi_task_abort_locked(dev, tmf->task, false);
		break;
	case SCSI_ABORT_TASK_SET:
		scsi_tasks_abort_locked(dev, it_l, it_l, tmf);
		break;
	case SCSI_CLEAR_TASK_SET:
		scsi_tasks_abort_locked(dev, NULL, it_l, tmf);
		attend_cleared_locked(dev, it_l);
		break;
	case SCSI_LU_RESET:
	case SCSI_TARGET_RESET:
		scsi_tasks_abort_locked(dev, NULL, it_l, tmf);
		unit_reset_locked(dev);
		break;
	case SCSI_QUERY_TASK:
		return tmf->task && tmf->task->scsi.it_l == it_l ? SCSI_TMF_SUCCEEDED
								 : SCSI_TMF_COMPLETE;
	case SCSI_QUERY_TASK_SET:
		return tasks_of(dev, it_l) ? SCSI_TMF_SUCCEEDED : SCSI_TMF_COMPLETE;
	case SCSI_QUERY_UNIT_ATTENTION:
		return it_l->nua ? SCSI_TMF_SUCCEEDED : SCSI_TMF_COMPLETE;
	}
	return scsi_abort_wait_locked(dev, tmf) ? SCSI_TMF_COMPLETE : SCSI_TMF_REJECTED;
}

static enum scsi_tmf_response tmf_unit(struct scsi_it_l *it_l, struct scsi_tmf *tmf)
{
	enum scsi_tmf_response response;

	pthread_mutex_lock(&it_l->dev->lock);
	response = tmf_unit_locked(it_l, tmf);
	pthread_mutex_unlock(&it_l->dev->lock);
	return response;
}

static enum scsi_tmf_response tmf_all_units(struct scsi_nexus *nexus, struct scsi_tmf *tmf)
{
	enum scsi_tmf_response response = SCSI_TMF_COMPLETE;
	struct scsi_it_l *it_l;

	list_for_each_entry (it_l, &nexus->it_ls, nexus_link)
		if (!it_l->leaving && tmf_unit(it_l, tmf) != SCSI_TMF_COMPLETE)
			response = SCSI_TMF_REJECTED;
	return response;
}

void scsi_task_management(struct scsi_nexus *nexus, struct scsi_tmf *tmf)
{
	struct scsi_it_l *it_l = scsi_nexus_unit(nexus, tmf->lun);

	tmf->nexus = nexus;
	/* The call itself: nothing is done before the response is set. */
	atomic_store(&tmf->waiting, 1);
	scsi_nexus_begin(nexus, NULL);
	if (tmf->function == SCSI_TARGET_RESET)
		tmf->response = tmf_all_units(nexus, tmf);
	else if (it_l)
		tmf->response = tmf_unit(it_l, tmf);
	else
		tmf->response = SCSI_TMF_NO_LUN;
	/* With nothing to wait for it ends before what its initiator asks for next. */
	if (atomic_fetch_sub(&tmf->waiting, 1) == 1)
		tmf_end(tmf);
}
