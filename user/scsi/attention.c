/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit attentions (SAM-5 5.14): what every nexus is to learn with its next command. */
#include "scsi/device.h"

#include <string.h>

#define RESET 0x29 /* additional sense code: power on, reset, or loss of the nexus */

void scsi_attend_one_locked(struct scsi_it_l *it_l, uint16_t what)
{
	for (unsigned int i = 0; i < it_l->nua; i++)
		if (it_l->ua[i] == what)
			return;
	/* Who has so much to learn is told the one thing that makes it look at everything. */
	if (it_l->nua == SCSI_UA_MAX || what == SCSI_ASC_POWER_ON) {
		it_l->ua[0] = SCSI_ASC_POWER_ON;
		it_l->nua = 1;
	} else {
		it_l->ua[it_l->nua++] = what;
	}
	atomic_store(&it_l->attention, true);
}

void scsi_attend_locked(struct scsi_device *dev, const struct scsi_it_l *except, uint16_t what)
{
	struct scsi_it_l *it_l;

	list_for_each_entry (it_l, &dev->it_ls, link)
		if (it_l != except)
			scsi_attend_one_locked(it_l, what);
}

void scsi_attend(struct scsi_device *dev, const struct scsi_it_l *except, uint16_t what)
{
	pthread_mutex_lock(&dev->lock);
	scsi_attend_locked(dev, except, what);
	pthread_mutex_unlock(&dev->lock);
}

static void attention_remove(struct scsi_it_l *it_l, unsigned int i)
{
	it_l->nua--;
	memmove(&it_l->ua[i], &it_l->ua[i + 1], (it_l->nua - i) * sizeof(it_l->ua[0]));
	atomic_store(&it_l->attention, it_l->nua != 0);
}

static bool attention_take(struct scsi_it_l *it_l, bool any, uint16_t *what)
{
	bool taken = false;

	if (!atomic_load_explicit(&it_l->attention, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&it_l->dev->lock);
	for (unsigned int i = 0; i < it_l->nua && !taken; i++) {
		taken = any || it_l->ua[i] >> 8 == RESET;
		if (taken) {
			*what = it_l->ua[i];
			attention_remove(it_l, i);
		}
	}
	pthread_mutex_unlock(&it_l->dev->lock);
	return taken;
}

bool scsi_attention_take(struct scsi_it_l *it_l, uint16_t *what)
{
	return attention_take(it_l, true, what);
}

bool scsi_attention_take_reset(struct scsi_it_l *it_l, uint16_t *what)
{
	return attention_take(it_l, false, what);
}

void scsi_attention_drop(struct scsi_it_l *it_l, uint16_t what)
{
	pthread_mutex_lock(&it_l->dev->lock);
	for (unsigned int i = 0; i < it_l->nua; i++) {
		if (it_l->ua[i] == what) {
			attention_remove(it_l, i);
			break;
		}
	}
	pthread_mutex_unlock(&it_l->dev->lock);
}

/* SBC-4 4.7.3.7.6: what a threshold's is about is the place of its descriptor. */
struct scsi_sense scsi_attention_sense(uint16_t what)
{
	return (struct scsi_sense){.key = SCSI_KEY_UNIT_ATTENTION,
				   .asc = what,
				   .has_information = what == SCSI_ASC_THRESHOLD,
				   .information = SCSI_THRESHOLD_AT};
}

void scsi_device_resized(struct scsi_device *dev)
{
	scsi_attend(dev, NULL, SCSI_ASC_CAPACITY_CHANGED);
}
