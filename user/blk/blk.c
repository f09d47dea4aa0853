/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/backstore.h"
#include "blk/bounce.h"
#include "blk/overlap.h"

void blk_queue_init(struct blk_queue *queue, struct arena *arena, struct ring *ring,
		    struct mailbox *mailbox)
{
	*queue = (struct blk_queue){.arena = arena, .ring = ring, .mailbox = mailbox};
	list_init(&queue->ready);
}

static void blk_finish(struct blk_io *io)
{
	io->queue->inflight--;
	io->done(io);
}

/*
 * Starts what is ready, one after the other. Backstores may complete a request before submit
 * returns, which makes others ready, and `done` may submit more: all of that only lengthens the
 * list, so the stack does not grow with the number of requests.
 */
static void blk_queue_run(struct blk_queue *queue)
{
	if (queue->running)
		return;
	queue->running = true;
	while (!list_empty(&queue->ready)) {
		struct blk_io *io = container_of(list_pop(&queue->ready), struct blk_io, ready);

		if (io->decided)
			blk_finish(io);
		else if (io->start)
			io->start(io);
		else
			io->disk->ops->submit(io->disk, io);
	}
	queue->running = false;
}

static void blk_message_run(struct message *msg)
{
	struct blk_io *io = container_of(msg, struct blk_io, message);

	list_add_tail(&io->queue->ready, &io->ready);
	blk_queue_run(io->queue);
}

/* Lets `io` go on, on the thread of its own queue; `here` is the queue of this thread. */
static void blk_release(struct blk_queue *here, struct blk_io *io)
{
	if (io->queue == here || !io->queue->mailbox)
		list_add_tail(&here->ready, &io->ready);
	else
		mailbox_post(io->queue->mailbox, &io->message);
}

static bool blk_has_range(const struct blk_io *io)
{
	return io->op != BLK_FLUSH && io->op != BLK_CRYPTO_ERASE;
}

static enum blk_status blk_check(const struct disk *disk, const struct blk_io *io)
{
	uint64_t capacity = atomic_load_explicit(&disk->nblocks, memory_order_relaxed);

	if (io->op == BLK_FLUSH)
		return BLK_OK;
	if (blk_has_range(io) && !blk_in_range(io->lba, io->nblocks, capacity))
		return BLK_ERANGE;
	if (io->op != BLK_READ && disk->read_only)
		return BLK_EROFS;
	if ((io->op == BLK_UNMAP && !disk->can_unmap) ||
	    (io->op == BLK_CRYPTO_ERASE && !disk->can_crypto_erase))
		return BLK_ENOTSUP;
	return BLK_OK;
}

static uint64_t spans_len(const struct sgl *sgl)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < sgl->nspans; i++)
		len += sgl->spans[i].len;
	return len;
}

/* A promise of the device model, whatever came over the wire. */
static void blk_assert_step(const struct blk_io *io)
{
	if (io->op == BLK_READ || io->op == BLK_WRITE)
		assert(io->sgl.nspans <= BLK_MAX_SPANS && spans_len(&io->sgl) == io->sgl.len &&
		       io->sgl.len == io->nblocks << BLK_SECTOR_SHIFT &&
		       io->sgl.len <= BLK_TRANSFER_MAX);
	if (blk_has_range(io) && io->overlap.entered)
		assert(io->lba >= io->overlap.lba &&
		       blk_in_range(io->lba - io->overlap.lba, io->nblocks, io->overlap.nblocks));
}

static bool blk_next(struct blk_io *io)
{
	return io->next && io->next(io);
}

static void blk_prepare(struct disk *disk, struct blk_queue *queue, struct blk_io *io)
{
	io->disk = disk;
	io->queue = queue;
	io->start = NULL;
	io->twin = false;
	io->bounce = NULL;
	io->message.run = blk_message_run;
	queue->inflight++;
	io->status = blk_check(disk, io);
}

static void blk_refuse(struct blk_io *io)
{
	io->status = BLK_ESEALED;
	io->decided = true;
}

/* False: it has to wait. */
static bool blk_enter(struct blk_io *io)
{
	enum overlap_verdict verdict = overlap_enter(io->disk->overlap, io);

	if (verdict == OVERLAP_REFUSED) {
		blk_refuse(io);
		return true;
	}
	/* The table has the whole from now on; the backstore gets one step at a time. */
	blk_next(io);
	blk_assert_step(io);
	return verdict == OVERLAP_RUN;
}

void blk_submit(struct disk *disk, struct blk_queue *queue, struct blk_io *io)
{
	blk_prepare(disk, queue, io);
	io->decided = io->status != BLK_OK || (blk_has_range(io) && !io->nblocks);
	if (!io->decided && !blk_enter(io))
		return;
	list_add_tail(&queue->ready, &io->ready);
	blk_queue_run(queue);
}

void blk_submit_pair(struct blk_queue *queue, struct disk *disk_a, struct blk_io *a,
		     void (*start_a)(struct blk_io *io), struct disk *disk_b, struct blk_io *b,
		     void (*start_b)(struct blk_io *io))
{
	enum overlap_verdict verdicts[2] = {OVERLAP_RUN, OVERLAP_RUN};

	blk_prepare(disk_a, queue, a);
	blk_prepare(disk_b, queue, b);
	a->start = start_a;
	b->start = start_b;
	if (a->status == BLK_OK)
		a->status = b->status;
	b->status = a->status;
	a->decided = b->decided = a->status != BLK_OK;
	if (!a->decided)
		overlap_enter_pair(disk_a->overlap, a, disk_b->overlap, b, verdicts);
	if (verdicts[0] == OVERLAP_REFUSED) {
		blk_refuse(a);
		blk_refuse(b);
	}
	if (verdicts[0] != OVERLAP_WAIT)
		list_add_tail(&queue->ready, &a->ready);
	if (verdicts[1] != OVERLAP_WAIT)
		list_add_tail(&queue->ready, &b->ready);
	blk_queue_run(queue);
}

/* What failed may have been another's data, which the store will not tell again. */
static bool blk_lost_data(const struct blk_io *io, enum blk_status status)
{
	return (status == BLK_EIO || status == BLK_ENOSPC) &&
	       (io->op == BLK_FLUSH || (io->op != BLK_READ && io->flags & BLK_FUA));
}

void blk_complete(struct blk_io *io, enum blk_status status)
{
	struct blk_queue *queue = io->queue;
	struct list runnable, twins;

	if (blk_lost_data(io, status))
		atomic_fetch_add(&io->disk->flush_errors, 1);
	if (status == BLK_OK && blk_next(io)) {
		blk_assert_step(io);
		list_add_tail(&queue->ready, &io->ready);
		blk_queue_run(queue);
		return;
	}
	list_init(&runnable);
	list_init(&twins);
	overlap_leave(io->disk->overlap, io, &runnable, &twins);
	while (!list_empty(&twins)) {
		struct blk_io *twin = container_of(list_pop(&twins), struct blk_io, ready);

		twin->status = status;
		twin->decided = true;
		blk_release(queue, twin);
	}
	while (!list_empty(&runnable))
		blk_release(queue, container_of(list_pop(&runnable), struct blk_io, ready));
	io->status = status;
	blk_finish(io);
	blk_queue_run(queue);
}
