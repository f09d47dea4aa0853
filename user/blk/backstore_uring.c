/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files and block devices through the queue's io_uring. A request is a few steps, one submission at
 * a time; uring_done() decides what follows.
 */
#include "base/clock.h"
#include "base/log.h"
#include "blk/bounce.h"
#include "blk/encryption.h"
#include "blk/uring_disk.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

/* Not named by the oldest supported liburing; fixed by the kernel's ABI. */
#define URING_OP_READV_FIXED  60
#define URING_OP_WRITEV_FIXED 61

#define URING_INLINE_MAX   65536u	  /* bytes */
#define URING_INLINE_SLOW  2000000u	  /* ns that an inline write may take */
#define URING_INLINE_PAUSE 1000000000u	  /* ns through the ring after one that took longer */
#define URING_WARN_PAUSE   10000000000ull /* ns between two logged failures of a disk */

enum uring_step {
	STEP_READ,  /* the payload, or the blocks around it */
	STEP_FILL,  /* the blocks that a write will change in part */
	STEP_WRITE, /* the payload, or the blocks around it */
	STEP_ZERO,  /* zeroes without giving up space */
	STEP_PUNCH, /* a hole */
	STEP_SYNC,
	STEPS,
};

static const char *const uring_step_names[STEPS] = {
	[STEP_READ] = "read",	  [STEP_FILL] = "read before a partial write",
	[STEP_WRITE] = "write",	  [STEP_ZERO] = "write of zeroes",
	[STEP_PUNCH] = "discard", [STEP_SYNC] = "flush",
};

static void uring_issue(struct blk_io *io);

static void uring_warn(struct blk_io *io, int code)
{
	struct uring_disk *u = uring_disk(io->disk);
	uint64_t now = clock_now_ns(), after = atomic_load(&u->warn_after), unlogged;

	/* A broken disk fails every request: one line speaks for those of the next seconds. */
	if (now < after ||
	    !atomic_compare_exchange_strong(&u->warn_after, &after, now + URING_WARN_PAUSE)) {
		atomic_fetch_add(&u->unlogged, 1);
		return;
	}
	unlogged = atomic_exchange(&u->unlogged, 0);
	log_warning("disk '%s': %s at sector %llu failed: %s", u->disk.name,
		    uring_step_names[io->step], (unsigned long long)io->lba, strerror(code));
	if (unlogged)
		log_warning("disk '%s': %llu requests failed since the last such line",
			    u->disk.name, (unsigned long long)unlogged);
}

static void uring_end(struct blk_io *io, enum blk_status status)
{
	if (io->bounce)
		bounce_put(io);
	blk_complete(io, status);
}

static void uring_fail(struct blk_io *io, int code)
{
	uring_warn(io, code);
	uring_end(io, code == ENOSPC || code == EDQUOT ? BLK_ENOSPC : BLK_EIO);
}

static void uring_go(struct blk_io *io, enum uring_step step)
{
	io->step = step;
	io->progress = 0;
	uring_issue(io);
}

/* What is left of the transfer, as memory; returns the number of pieces. */
static unsigned int uring_iov(struct blk_io *io)
{
	uint32_t skip = io->progress;
	unsigned int n = 0;

	if (io->bounce) {
		io->iov[0] = (struct iovec){.iov_base = (uint8_t *)io->bounce + skip,
					    .iov_len = uring_extent(io).len - skip};
		return 1;
	}
	for (uint32_t i = 0; i < io->sgl.nspans; i++) {
		const struct span *span = &io->sgl.spans[i];
		uint8_t *at = arena_ptr(io->queue->arena, span->addr);

		if (skip < span->len)
			io->iov[n++] =
				(struct iovec){.iov_base = at + skip, .iov_len = span->len - skip};
		skip -= skip < span->len ? skip : span->len;
	}
	return n;
}

/* One piece or several, from the registered arena where the kernel can, into one submission. */
static void uring_prep_transfer(struct io_uring_sqe *sqe, struct blk_io *io, bool write)
{
	const struct ring *ring = io->queue->ring;
	const struct uring_disk *u = uring_disk(io->disk);
	uint64_t off = uring_extent(io).off + io->progress;
	unsigned int n = uring_iov(io);
	bool fixed = ring->fixed_buffer && !io->bounce;

	if (n == 1)
		io_uring_prep_rw(fixed ? (write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED)
				       : (write ? IORING_OP_WRITE : IORING_OP_READ),
				 sqe, u->fd, io->iov[0].iov_base, (unsigned int)io->iov[0].iov_len,
				 off);
	else if (fixed && ring->vectored_fixed)
		io_uring_prep_rw(write ? URING_OP_WRITEV_FIXED : URING_OP_READV_FIXED, sqe, u->fd,
				 io->iov, n, off);
	else
		io_uring_prep_rw(write ? IORING_OP_WRITEV : IORING_OP_READV, sqe, u->fd, io->iov, n,
				 off);
	if (write && (io->flags & BLK_FUA))
		sqe->rw_flags = RWF_DSYNC;
}

/* The range of a hole: inside the request's, cut to what the store can free. */
static bool uring_hole(const struct blk_io *io, uint64_t *off, uint64_t *len)
{
	uint64_t align = uring_disk(io->disk)->punch_align;
	uint64_t first = io->lba << BLK_SECTOR_SHIFT;
	uint64_t last = first + (io->nblocks << BLK_SECTOR_SHIFT);

	if (io->op == BLK_UNMAP) {
		first = (first + align - 1) & ~(align - 1);
		last &= ~(align - 1);
	}
	*off = first;
	*len = last > first ? last - first : 0;
	return *len;
}

static void uring_prep_fallocate(struct io_uring_sqe *sqe, struct blk_io *io, int mode)
{
	uint64_t off, len;

	uring_hole(io, &off, &len);
	io_uring_prep_fallocate(sqe, uring_disk(io->disk)->fd, mode | FALLOC_FL_KEEP_SIZE,
				(off_t)off, (off_t)len);
}

/* Zeroes by a hole, which takes no space, or by blocks of zeroes. */
static enum uring_step uring_zeroes(const struct blk_io *io)
{
	return io->flags & BLK_GIVE_BACK ? STEP_PUNCH : STEP_ZERO;
}

/*
 * The other way, where the store does not know the first one; false: there is none. A disk that was
 * promised its space does not lose it by zeroes.
 */
static bool uring_zeroes_again(struct blk_io *io)
{
	if (io->op != BLK_WRITE_ZEROES || io->step != uring_zeroes(io) ||
	    (io->step == STEP_ZERO && uring_keeps_space(&io->disk->spec)))
		return false;
	uring_go(io, io->step == STEP_ZERO ? STEP_PUNCH : STEP_ZERO);
	return true;
}

static void uring_done(struct ring_event *ev, int res, unsigned int flags);

static void uring_issue(struct blk_io *io)
{
	struct io_uring_sqe *sqe = ring_sqe(io->queue->ring, &io->event);

	io->event.done = uring_done;
	switch ((enum uring_step)io->step) {
	case STEP_READ:
	case STEP_FILL:
		uring_prep_transfer(sqe, io, false);
		break;
	case STEP_WRITE:
		uring_prep_transfer(sqe, io, true);
		break;
	case STEP_ZERO:
		uring_prep_fallocate(sqe, io, FALLOC_FL_ZERO_RANGE);
		break;
	case STEP_PUNCH:
		uring_prep_fallocate(sqe, io, FALLOC_FL_PUNCH_HOLE);
		break;
	case STEP_SYNC:
	case STEPS:
		io_uring_prep_fsync(sqe, uring_disk(io->disk)->fd, IORING_FSYNC_DATASYNC);
		break;
	}
}

/* False: more of the transfer is on its way, or it failed. */
static bool uring_transferred(struct blk_io *io, uint32_t n)
{
	if (!n) {
		/* The end of the file inside the disk: somebody truncated it. */
		uring_fail(io, EIO);
		return false;
	}
	io->progress += n;
	if (io->progress < uring_extent(io).len) {
		uring_issue(io);
		return false;
	}
	return true;
}

static void uring_step_done(struct blk_io *io, uint32_t res)
{
	switch ((enum uring_step)io->step) {
	case STEP_READ:
		if (!uring_transferred(io, res))
			return;
		if (!uring_read_finish(io)) {
			uring_fail(io, EIO);
			return;
		}
		break;
	case STEP_FILL:
		if (!uring_transferred(io, res))
			return;
		if (uring_bounce_fill(io))
			uring_go(io, STEP_WRITE);
		else
			uring_fail(io, EIO);
		return;
	case STEP_WRITE:
		if (!uring_transferred(io, res))
			return;
		break;
	case STEP_ZERO:
	case STEP_PUNCH:
		if (io->flags & BLK_FUA) {
			uring_go(io, STEP_SYNC);
			return;
		}
		break;
	case STEP_SYNC:
	case STEPS:
		break;
	}
	uring_end(io, BLK_OK);
}

static void uring_done(struct ring_event *ev, int res, unsigned int flags)
{
	struct blk_io *io = container_of(ev, struct blk_io, event);
	bool unknown = (res == -EOPNOTSUPP || res == -EINVAL) &&
		       (io->step == STEP_ZERO || io->step == STEP_PUNCH);

	if (res >= 0)
		uring_step_done(io, (uint32_t)res);
	else if (res == -EINTR || res == -EAGAIN)
		uring_issue(io);
	else if (!unknown)
		uring_fail(io, -res);
	else if (!uring_zeroes_again(io))
		uring_end(io, BLK_ENOTSUP);
}

/*
 * A small write to the page cache is a copy, which a plain system call does at once, while many
 * filesystems make io_uring hand every buffered write to a kernel thread at several times the cost.
 * But the same call sleeps when the kernel throttles writers or must first read the page. So: write
 * right here for as long as that is quick; after one slow write, go through the ring for a second,
 * where waiting costs this thread nothing. Short or failed writes go on through the ring as well,
 * which knows what to do about them.
 */
static bool uring_write_inline(struct uring_disk *u, struct blk_io *io)
{
	struct uring_extent whole = uring_extent(io);
	uint64_t before, after;
	unsigned int n;
	ssize_t ret;

	if (u->offset_align || (io->flags & BLK_FUA) || whole.len > URING_INLINE_MAX)
		return false;
	before = clock_now_ns();
	if (before < atomic_load_explicit(&u->inline_after, memory_order_relaxed))
		return false;
	n = uring_iov(io);
	ret = pwritev(u->fd, io->iov, (int)n, (off_t)whole.off);
	after = clock_now_ns();
	if (after - before > URING_INLINE_SLOW)
		atomic_store_explicit(&u->inline_after, after + URING_INLINE_PAUSE,
				      memory_order_relaxed);
	if (ret > 0)
		io->progress = (uint32_t)ret;
	return io->progress == whole.len;
}

static void uring_submit_write(struct uring_disk *u, struct blk_io *io)
{
	io->step = STEP_WRITE;
	if (io->bounce && uring_bounce_partial(io)) {
		uring_go(io, STEP_FILL);
		return;
	}
	if (io->bounce && !uring_bounce_fill(io))
		uring_fail(io, EIO);
	else if (uring_write_inline(u, io))
		uring_end(io, BLK_OK);
	else
		uring_issue(io);
}

static void uring_submit(struct disk *disk, struct blk_io *io)
{
	struct uring_disk *u = uring_disk(disk);
	bool transfer = io->op == BLK_READ || io->op == BLK_WRITE;
	uint64_t off, len;

	io->progress = 0;
	if (transfer && uring_is_copied(io)) {
		if (!bounce_get(io))
			return;
		io->queue->bounces += !uring_direct_fits(io);
	}
	switch (io->op) {
	case BLK_READ:
		uring_go(io, STEP_READ);
		break;
	case BLK_WRITE:
		uring_submit_write(u, io);
		break;
	case BLK_FLUSH:
		uring_go(io, STEP_SYNC);
		break;
	case BLK_UNMAP:
		if (uring_hole(io, &off, &len))
			uring_go(io, STEP_PUNCH);
		else
			uring_end(io, BLK_OK);
		break;
	case BLK_WRITE_ZEROES:
		uring_go(io, uring_zeroes(io));
		break;
	case BLK_CRYPTO_ERASE:
		encryption_erase(io);
		break;
	}
}

const struct backstore_ops backstore_uring = {
	.name = "uring",
	.instance = sizeof(struct uring_disk),
	.open = uring_open,
	.close = uring_close,
	.unmake = uring_unmake,
	.size = uring_size,
	.grow = uring_grow,
	.mapped = uring_mapped,
	.copy = uring_copy,
	.submit = uring_submit,
};
