/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copies of frames for whoever watches them. */
#include "xdp/xsk_socket.h"

#include "base/clock.h"
#include <string.h>

void xsk_set_tap(struct xsk *xsk, struct tap_ring *ring, uint32_t snaplen)
{
	xsk->tap = ring;
	xsk->tap_snaplen = snaplen;
}

void xsk_tap_frame(struct xsk *xsk, const struct sgl *frame, enum tap_direction direction)
{
	const struct tap_frame head = {.len = frame->len, .direction = direction};
	uint32_t len = frame->len < xsk->tap_snaplen ? frame->len : xsk->tap_snaplen;
	uint8_t *to = tap_reserve(xsk->tap, clock_now_ns(), (uint32_t)sizeof(head) + len);

	if (!to)
		return;
	memcpy(to, &head, sizeof(head));
	sgl_copy_out(xsk->sink.arena, frame, 0, to + sizeof(head), len);
	tap_commit(xsk->tap);
}
