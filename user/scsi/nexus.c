/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Target ports, the units they show, and the nexuses that see them.
 *
 * A nexus is touched by its own thread only. When the control thread shows or hides a unit, it
 * posts a message to each nexus; a nexus that closes waits for those under way.
 */
#include "scsi/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* SAM-5 4.6: peripheral and flat space addressing of a single level. */
#define LUN_METHOD_SHIFT 62
#define LUN_PERIPHERAL	 0u
#define LUN_FLAT	 1u

/* Counts what has to let go of a unit before `gone` is called. */
struct scsi_lun_removal {
	atomic_uint holders;
	void (*gone)(void *ctx);
	void *ctx;
};

struct lun_change {
	struct message message;
	struct scsi_nexus *nexus;
	uint16_t lun;
	struct scsi_device *dev; /* NULL: hide it */
	bool read_only;
	struct scsi_lun_removal *removal;
};

static void removal_put(struct scsi_lun_removal *removal)
{
	if (!removal || atomic_fetch_sub(&removal->holders, 1) != 1)
		return;
	removal->gone(removal->ctx);
	free(removal);
}

/* ---- a nexus and a unit ---- */

static bool mask_has(const uint64_t *mask, uint16_t lun)
{
	return mask[lun / 64] >> lun % 64 & 1;
}

static int it_l_open(struct scsi_nexus *nexus, uint16_t lun, struct scsi_device *dev,
		     bool read_only)
{
	struct scsi_it_l *it_l = calloc(1, sizeof(*it_l));

	if (!it_l)
		return -ENOMEM;
	it_l->dev = dev;
	it_l->nexus = nexus;
	it_l->lun = lun;
	it_l->read_only = read_only || mask_has(nexus->config.mask.read_only, lun);
	list_init(&it_l->copies);
	list_add_tail(&nexus->it_ls, &it_l->nexus_link);
	nexus->by_lun[lun] = it_l;
	pthread_mutex_lock(&dev->lock);
	list_add_tail(&dev->it_ls, &it_l->link);
	scsi_attend_one_locked(it_l, SCSI_ASC_POWER_ON);
	scsi_reservations_admit_locked(it_l);
	scsi_alua_admit_locked(it_l);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static void it_l_free(struct scsi_it_l *it_l)
{
	struct scsi_device *dev = it_l->dev;
	struct scsi_lun_removal *removal = it_l->removal;

	pthread_mutex_lock(&dev->lock);
	list_del(&it_l->link);
	pthread_mutex_unlock(&dev->lock);
	list_del(&it_l->nexus_link);
	scsi_copies_forget(it_l);
	lu_forget(dev->lu, it_l->nexus->config.nexus->id);
	free(it_l);
	removal_put(removal);
}

/* No new command finds it; those it has are aborted. */
static void it_l_leave(struct scsi_it_l *it_l, bool told)
{
	struct scsi_device *dev = it_l->dev;

	it_l->nexus->by_lun[it_l->lun] = NULL;
	it_l->leaving = true;
	pthread_mutex_lock(&dev->lock);
	scsi_tasks_end_locked(dev, it_l, told);
	scsi_reservations_forget_locked(it_l);
	pthread_mutex_unlock(&dev->lock);
	if (!it_l->tasks)
		it_l_free(it_l);
}

struct scsi_it_l *scsi_nexus_unit(const struct scsi_nexus *nexus, uint64_t lun)
{
	uint64_t method = lun >> LUN_METHOD_SHIFT, number = lun >> 48 & 0x3fff;

	if (lun << 16 || (method == LUN_PERIPHERAL ? number > 0xff : method != LUN_FLAT) ||
	    number >= SCSI_LUNS_MAX)
		return NULL;
	return nexus->by_lun[number];
}

bool scsi_nexus_shows(const struct scsi_nexus *nexus, uint64_t lun, uint16_t *number)
{
	const struct scsi_it_l *it_l = scsi_nexus_unit(nexus, lun);

	if (it_l)
		*number = it_l->lun;
	return it_l;
}

/* ---- a nexus's life ---- */

static void nexus_free(struct scsi_nexus *nexus)
{
	void (*closed)(void *ctx) = nexus->closed;
	void *ctx = nexus->ctx;

	free(nexus);
	closed(ctx);
}

/* Frees a closing nexus that nothing holds on to any more. */
static void nexus_settle(struct scsi_nexus *nexus)
{
	struct scsi_target *target = nexus->target;
	bool held;

	if (!nexus->closing || nexus->busy)
		return;
	pthread_mutex_lock(&target->lock);
	held = nexus->messages != 0;
	if (!held)
		list_del(&nexus->link);
	pthread_mutex_unlock(&target->lock);
	if (!held)
		nexus_free(nexus);
}

void scsi_nexus_begin(struct scsi_nexus *nexus, struct scsi_it_l *it_l)
{
	nexus->busy++;
	if (it_l)
		it_l->tasks++;
}

void scsi_nexus_end(struct scsi_nexus *nexus, struct scsi_it_l *it_l)
{
	if (it_l && !--it_l->tasks && it_l->leaving)
		it_l_free(it_l);
	nexus->busy--;
	nexus_settle(nexus);
}

int scsi_nexus_open(struct scsi_target *target, const struct scsi_nexus_config *config,
		    struct scsi_nexus **out)
{
	struct scsi_nexus *nexus = calloc(1, sizeof(*nexus));
	int ret = 0;

	if (!nexus)
		return -ENOMEM;
	assert(config->transport_id_len <= SCSI_TRANSPORT_ID_MAX);
	nexus->target = target;
	nexus->config = *config;
	memcpy(nexus->transport_id, config->transport_id, config->transport_id_len);
	nexus->config.transport_id = nexus->transport_id;
	list_init(&nexus->it_ls);
	pthread_mutex_lock(&target->lock);
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX && !ret; lun++)
		if (target->luns[lun].dev && mask_has(config->mask.visible, lun))
			ret = it_l_open(nexus, lun, target->luns[lun].dev,
					target->luns[lun].read_only);
	list_add_tail(&target->nexuses, &nexus->link);
	pthread_mutex_unlock(&target->lock);
	if (!ret) {
		*out = nexus;
		return 0;
	}
	scsi_nexus_close(nexus, NULL, NULL);
	return ret;
}

static void closed_unheard(void *ctx)
{
}

void scsi_nexus_close(struct scsi_nexus *nexus, void (*closed)(void *ctx), void *ctx)
{
	struct scsi_it_l *it_l, *tmp;

	nexus->closing = true;
	nexus->closed = closed ? closed : closed_unheard;
	nexus->ctx = ctx;
	/* Held, so that no command's end frees the nexus before the last unit was let go. */
	nexus->busy++;
	list_for_each_entry_safe (it_l, tmp, &nexus->it_ls, nexus_link)
		if (!it_l->leaving)
			it_l_leave(it_l, false);
	scsi_nexus_end(nexus, NULL);
}

/* ---- targets ---- */

/* The target's lock is held. */
static void lun_show(struct scsi_target *target, uint16_t number, struct scsi_device *dev,
		     bool read_only)
{
	struct scsi_lun *lun = &target->luns[number];

	if (lun->dev) {
		pthread_mutex_lock(&lun->dev->lock);
		list_del(&lun->link);
		pthread_mutex_unlock(&lun->dev->lock);
	}
	lun->dev = dev;
	lun->read_only = read_only;
	lun->target = target;
	if (dev) {
		pthread_mutex_lock(&dev->lock);
		list_add_tail(&dev->shown, &lun->link);
		scsi_alua_show_locked(dev, lun);
		pthread_mutex_unlock(&dev->lock);
	}
}

int scsi_target_open(const struct scsi_target_config *config, struct scsi_target **out,
		     struct error *err)
{
	struct scsi_target *target = calloc(1, sizeof(*target));

	assert(strlen(config->port_name) < SCSI_PORT_NAME_MAX);
	if (!target)
		return error_set(err, ENOMEM, "out of memory");
	target->config = *config;
	target->config.port_name = strdup(config->port_name);
	target->config.device_name = strdup(config->device_name);
	if (!target->config.port_name || !target->config.device_name) {
		scsi_target_close(target);
		return error_set(err, ENOMEM, "out of memory");
	}
	pthread_mutex_init(&target->lock, NULL);
	list_init(&target->nexuses);
	*out = target;
	return 0;
}

void scsi_target_close(struct scsi_target *target)
{
	if (!target)
		return;
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++)
		lun_show(target, lun, NULL, false);
	free((char *)target->config.port_name);
	free((char *)target->config.device_name);
	free(target);
}

static void attend_all(struct scsi_nexus *nexus)
{
	struct scsi_it_l *it_l;

	list_for_each_entry (it_l, &nexus->it_ls, nexus_link) {
		pthread_mutex_lock(&it_l->dev->lock);
		scsi_attend_one_locked(it_l, SCSI_ASC_LUNS_CHANGED);
		pthread_mutex_unlock(&it_l->dev->lock);
	}
}

/* The unit that goes; of a closing nexus, where all do, the one that nobody waits for yet. */
static struct scsi_it_l *it_l_going(const struct scsi_nexus *nexus, uint16_t lun)
{
	struct scsi_it_l *it_l;

	if (!nexus->closing)
		return nexus->by_lun[lun];
	list_for_each_entry (it_l, &nexus->it_ls, nexus_link)
		if (it_l->lun == lun && !it_l->removal)
			return it_l;
	return NULL;
}

static void lun_change_apply(struct lun_change *change)
{
	struct scsi_nexus *nexus = change->nexus;
	struct scsi_it_l *it_l = change->removal ? it_l_going(nexus, change->lun) : NULL;
	bool visible = mask_has(nexus->config.mask.visible, change->lun);

	if (it_l)
		it_l->removal = change->removal;
	else
		removal_put(change->removal);
	if (nexus->closing)
		return;
	if (it_l)
		it_l_leave(it_l, true);
	if (change->dev && visible)
		it_l_open(nexus, change->lun, change->dev, change->read_only);
	if (visible)
		attend_all(nexus);
}

static void lun_change_message(struct message *message)
{
	struct lun_change *change = container_of(message, struct lun_change, message);
	struct scsi_nexus *nexus = change->nexus;

	lun_change_apply(change);
	free(change);
	pthread_mutex_lock(&nexus->target->lock);
	nexus->messages--;
	pthread_mutex_unlock(&nexus->target->lock);
	nexus_settle(nexus);
}

static unsigned int list_length(const struct list *head)
{
	const struct list *link;
	unsigned int n = 0;

	for (link = head->next; link != head; link = link->next)
		n++;
	return n;
}

static void changes_free(struct lun_change **changes, unsigned int n)
{
	for (unsigned int i = 0; changes && i < n; i++)
		free(changes[i]);
	free(changes);
}

/* One for each nexus, made before anything is touched. The target's lock is held. */
static struct lun_change **changes_make(unsigned int n)
{
	struct lun_change **changes = calloc(n + 1ul, sizeof(*changes));

	for (unsigned int i = 0; changes && i < n; i++) {
		changes[i] = calloc(1, sizeof(*changes[i]));
		if (!changes[i]) {
			changes_free(changes, n);
			return NULL;
		}
	}
	return changes;
}

/* Tells every nexus that the LUN is another's or nobody's. The target's lock is held. */
static int lun_change_all(struct scsi_target *target, uint16_t lun, struct scsi_device *dev,
			  bool read_only, struct scsi_lun_removal *removal)
{
	unsigned int n = list_length(&target->nexuses), i = 0;
	struct lun_change **changes = changes_make(n);
	struct scsi_nexus *nexus;

	if (!changes)
		return -ENOMEM;
	if (removal)
		atomic_fetch_add(&removal->holders, n);
	/* Before anybody is told, and looks at how it is reached. */
	lun_show(target, lun, dev, read_only);
	list_for_each_entry (nexus, &target->nexuses, link) {
		struct lun_change *change = changes[i++];

		*change = (struct lun_change){.message.run = lun_change_message,
					      .nexus = nexus,
					      .lun = lun,
					      .dev = dev,
					      .read_only = read_only,
					      .removal = removal};
		nexus->messages++;
		mailbox_post(nexus->config.queue->mailbox, &change->message);
	}
	free(changes);
	return 0;
}

int scsi_target_add_lun(struct scsi_target *target, uint16_t lun, struct scsi_device *dev,
			bool read_only)
{
	int ret = -EEXIST;

	assert(lun < SCSI_LUNS_MAX);
	pthread_mutex_lock(&target->lock);
	if (!target->luns[lun].dev)
		ret = lun_change_all(target, lun, dev, read_only, NULL);
	pthread_mutex_unlock(&target->lock);
	return ret;
}

int scsi_target_remove_lun(struct scsi_target *target, uint16_t lun, void (*gone)(void *ctx),
			   void *ctx)
{
	struct scsi_lun_removal *removal = calloc(1, sizeof(*removal));
	int ret = -ENOENT;

	if (!removal)
		return -ENOMEM;
	assert(lun < SCSI_LUNS_MAX);
	*removal = (struct scsi_lun_removal){.holders = 1, .gone = gone, .ctx = ctx};
	pthread_mutex_lock(&target->lock);
	if (target->luns[lun].dev)
		ret = lun_change_all(target, lun, NULL, false, removal);
	pthread_mutex_unlock(&target->lock);
	if (ret)
		free(removal);
	else
		removal_put(removal);
	return ret;
}
