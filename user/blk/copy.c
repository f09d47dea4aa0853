/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A copy is two requests, a read of the source and a write of the destination, which enter the
 * tables as one and never reach the backstore: once both may run one of the copier's threads does.
 */
#include "blk/copy.h"

#include "base/thread.h"
#include "blk/backstore.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* ---- the threads ---- */

#define LANES 8u

/* Of the stores that one device holds: such a device may hang, and copies on it. */
struct lane {
	struct thread thread;
	_Atomic dev_t dev; /* 0: none yet */
	bool stopping;
};

struct copier {
	struct lane lanes[LANES];
	unsigned int nlanes; /* that were started */
};

static int lane_begin(struct thread *thread, struct error *err)
{
	return 0;
}

static void lane_run(struct thread *thread)
{
	struct lane *lane = container_of(thread, struct lane, thread);
	struct pollfd mail = {.fd = thread->mailbox.eventfd, .events = POLLIN};

	while (!lane->stopping) {
		poll(&mail, 1, -1);
		mailbox_drain(&thread->mailbox);
	}
}

static void lane_stop(struct thread *thread)
{
	container_of(thread, struct lane, thread)->stopping = true;
}

int copier_open(struct copier **out, struct error *err)
{
	struct copier *copier = calloc(1, sizeof(*copier));
	int ret = 0;

	if (!copier)
		return error_set(err, ENOMEM, "out of memory");
	while (copier->nlanes < LANES && !ret) {
		struct thread *thread = &copier->lanes[copier->nlanes].thread;

		thread->open = lane_begin;
		thread->run = lane_run;
		thread->stop = lane_stop;
		ret = thread_start(thread, err);
		copier->nlanes += !ret;
	}
	if (ret)
		copier_close(copier, NULL);
	else
		*out = copier;
	return ret;
}

void copier_close(struct copier *copier, struct mailbox *control)
{
	if (!copier)
		return;
	while (copier->nlanes)
		thread_end(&copier->lanes[--copier->nlanes].thread, control);
	free(copier);
}

/* Each device has a lane of its own, as long as there are any. */
static struct lane *copier_lane(struct copier *copier, dev_t dev)
{
	for (unsigned int i = 0; i < LANES; i++) {
		dev_t owner = 0;

		if (atomic_compare_exchange_strong(&copier->lanes[i].dev, &owner, dev) ||
		    owner == dev)
			return &copier->lanes[i];
	}
	return &copier->lanes[dev % LANES];
}

/* ---- ends ---- */

static void copy_part_ended(struct blk_copy *copy)
{
	if (++copy->ended < 2)
		return;
	if (copy->status == BLK_OK)
		copy->status = copy->write.status;
	copy->done(copy);
}

static void copy_read_ended(struct blk_io *io)
{
	copy_part_ended(container_of(io, struct blk_copy, read));
}

static void copy_write_ended(struct blk_io *io)
{
	copy_part_ended(container_of(io, struct blk_copy, write));
}

/* Durable as any write is: by a flush, which the backstore does as ever. */
static void copy_carried_out(struct message *message)
{
	struct blk_copy *copy = container_of(message, struct blk_copy, message);

	blk_complete(&copy->read, BLK_OK);
	if (copy->status == BLK_OK && copy->flags & BLK_FUA) {
		copy->write.op = BLK_FLUSH;
		copy->to->ops->submit(copy->to, &copy->write);
	} else {
		blk_complete(&copy->write, copy->status);
	}
}

/* ---- on a lane's thread ---- */

/* What the store will answer the next time, too. */
static bool refused(int code)
{
	return code == EXDEV || code == EOPNOTSUPP || code == EINVAL || code == ENOSYS ||
	       code == EPERM || code == ETXTBSY;
}

static void copy_carry_out(struct message *message)
{
	struct blk_copy *copy = container_of(message, struct blk_copy, message);
	int code = -copy->to->ops->copy(copy->from, copy->from_lba, copy->to, copy->to_lba,
					copy->nblocks);

	if (refused(code))
		atomic_store(&copy->to->copy_refused, copy->from->store.dev);
	copy->status = !code ? BLK_OK : code == ENOSPC || code == EDQUOT ? BLK_ENOSPC : BLK_ENOTSUP;
	copy->message.run = copy_carried_out;
	mailbox_post(copy->queue->mailbox, &copy->message);
}

/* ---- the way there ---- */

static void copy_grant(struct blk_copy *copy)
{
	if (++copy->granted == 2)
		mailbox_post(&copier_lane(copy->queue->copier, copy->to->store.dev)->thread.mailbox,
			     &copy->message);
}

static void copy_read_granted(struct blk_io *io)
{
	copy_grant(container_of(io, struct blk_copy, read));
}

static void copy_write_granted(struct blk_io *io)
{
	copy_grant(container_of(io, struct blk_copy, write));
}

static bool copy_overlaps(const struct blk_copy *copy)
{
	uint64_t from = copy->from_lba, to = copy->to_lba;

	return copy->from == copy->to && (from < to ? to - from : from - to) < copy->nblocks;
}

/* Whole units of what both disks copy in: so ranges that do not overlap share no atom either. */
static bool copy_is_aligned(const struct blk_copy *copy)
{
	uint32_t from = copy->from->copy_align, to = copy->to->copy_align;
	uint64_t unit = (from > to ? from : to) >> BLK_SECTOR_SHIFT;

	return !((copy->from_lba | copy->to_lba | copy->nblocks) & (unit - 1));
}

static bool copy_is_possible(const struct blk_queue *queue, const struct blk_copy *copy)
{
	const struct disk *from = copy->from, *to = copy->to;
	dev_t refused_from = atomic_load_explicit(&to->copy_refused, memory_order_relaxed);

	return queue->copier && from->ops == to->ops && to->ops->copy && from->copy_align &&
	       to->copy_align && !(refused_from && refused_from == from->store.dev) &&
	       !copy_overlaps(copy) && copy_is_aligned(copy);
}

static struct blk_io copy_part(enum blk_op op, const struct blk_copy *copy, uint64_t lba)
{
	return (struct blk_io){
		.op = op, .flags = copy->flags, .lba = lba, .nblocks = copy->nblocks};
}

void blk_copy(struct blk_queue *queue, struct blk_copy *copy)
{
	assert(copy->nblocks && copy->nblocks <= BLK_COPY_MAX);
	copy->queue = queue;
	copy->granted = copy->ended = 0;
	copy->message = (struct message){.run = copy_carry_out};
	copy->read = copy_part(BLK_READ, copy, copy->from_lba);
	copy->write = copy_part(BLK_WRITE, copy, copy->to_lba);
	copy->read.era = copy->from_era;
	copy->write.era = copy->to_era;
	copy->read.done = copy_read_ended;
	copy->write.done = copy_write_ended;
	copy->status = copy_is_possible(queue, copy) ? BLK_OK : BLK_ENOTSUP;
	if (copy->status != BLK_OK) {
		copy->done(copy);
		return;
	}
	blk_submit_pair(queue, copy->from, &copy->read, copy_read_granted, copy->to, &copy->write,
			copy_write_granted);
}
