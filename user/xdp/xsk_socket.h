/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What xsk_open.c sets up and xsk.c runs: for those two only. */
#ifndef STGT_XDP_XSK_SOCKET_H
#define STGT_XDP_XSK_SOCKET_H

#include "xdp/xsk.h"
#include <linux/if_xdp.h>
#include <xdp/xsk.h>

/* Linux 6.6 and later; not in older headers. */
#define XSK_BIND_USE_SG		(1u << 4)
#define XSK_PKT_CONTD		(1u << 0) /* xdp_desc.options: the frame goes on in the next */
#define XSK_MAX_TX_SKB_BUDGET	9
#define XSK_SO_PREFER_BUSY_POLL 69
#define XSK_SO_BUSY_POLL_BUDGET 70

struct xsk {
	struct sink sink;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	int fd;
	enum xsk_mode mode;
	uint32_t max_spans;

	/* Descriptors taken from the RX ring: [rx_at, rx_end) wait, `rx_used` are not given back.
	 */
	uint32_t rx_at, rx_end, rx_used;
	uint32_t rx_current; /* descriptors of the frame that is being looked at */
	struct span rx_spans[XSK_MAX_SPANS];
	uint32_t rx_len;
	bool filled; /* since the last kick */

	/* By run: the frames of it that the kernel still has, bit 0 the run's first. */
	uint64_t *tx_outstanding;
	uint32_t tx_unpublished; /* descriptors that the kernel does not see yet */
	uint32_t tx_runs;	 /* sent and not completed */

	struct xsk_stats stats; /* our part */

	struct tap_ring *tap; /* of who watches, most often NULL */
	uint32_t tap_snaplen;
};

/* One frame to the tap, which there is. */
void xsk_tap_frame(struct xsk *xsk, const struct sgl *frame, enum tap_direction direction);

extern const struct sink_ops xsk_sink_ops;

#endif
