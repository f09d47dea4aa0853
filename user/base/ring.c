/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/ring.h"

#include <errno.h>

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#endif
#ifndef IORING_SQ_TASKRUN
#define IORING_SQ_TASKRUN (1U << 2)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

/* Not named by the oldest supported liburing; fixed by the kernel's ABI. */
#define RING_OP_WRITEV_FIXED 61

static bool ring_has_op(struct ring *ring, int op)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
	bool has;

	if (!probe)
		return false;
	has = op <= probe->last_op && (probe->ops[op].flags & IO_URING_OP_SUPPORTED);
	io_uring_free_probe(probe);
	return has;
}

int ring_open(struct ring *ring, unsigned int entries)
{
	static const unsigned int flags[] = {
		/* Linux 6.1 */
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, /* Linux 5.19 */
		0,
	};
	int ret = -EINVAL;

	for (unsigned int i = 0; i < sizeof(flags) / sizeof(flags[0]) && ret == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = flags[i] | IORING_SETUP_CQSIZE,
			.cq_entries = entries * 4,
		};

		ret = io_uring_queue_init_params(entries, &ring->uring, &params);
	}
	if (ret)
		return ret;
	ring->fixed_buffer = false;
	ring->vectored_fixed = ring_has_op(ring, RING_OP_WRITEV_FIXED);
	return 0;
}

void ring_close(struct ring *ring)
{
	io_uring_queue_exit(&ring->uring);
}

int ring_register_buffer(struct ring *ring, void *base, size_t len)
{
	const struct iovec whole = {.iov_base = base, .iov_len = len};
	int ret = io_uring_register_buffers(&ring->uring, &whole, 1);

	ring->fixed_buffer = ret == 0;
	return ret;
}

struct io_uring_sqe *ring_sqe(struct ring *ring, struct ring_event *ev)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	while (!sqe) {
		io_uring_submit(&ring->uring);
		sqe = io_uring_get_sqe(&ring->uring);
	}
	/* The prep helpers leave user_data alone. */
	io_uring_sqe_set_data(sqe, ev);
	return sqe;
}

static unsigned int ring_reap(struct ring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned int n = 0;

	while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
		struct ring_event *ev = io_uring_cqe_get_data(cqe);
		unsigned int flags = cqe->flags;
		int res = cqe->res;

		/* Seen first: `done` may submit, and submitting may need the space. */
		io_uring_cqe_seen(&ring->uring, cqe);
		if (ev)
			ev->done(ev, res, flags);
		n++;
	}
	return n;
}

bool ring_pending(struct ring *ring)
{
	const unsigned int wants = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;

	return io_uring_sq_ready(&ring->uring) || io_uring_cq_ready(&ring->uring) ||
	       (__atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED) & wants);
}

unsigned int ring_run(struct ring *ring)
{
	io_uring_submit_and_get_events(&ring->uring);
	return ring_reap(ring);
}

unsigned int ring_wait(struct ring *ring, uint64_t timeout_ns)
{
	struct __kernel_timespec limit = {
		.tv_sec = (long long)(timeout_ns / 1000000000u),
		.tv_nsec = (long long)(timeout_ns % 1000000000u),
	};
	struct io_uring_cqe *cqe;

	if (timeout_ns)
		io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &limit, NULL);
	else
		io_uring_submit_and_wait(&ring->uring, 1);
	return ring_reap(ring);
}
