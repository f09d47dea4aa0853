/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bench_port.h"
#include "tests/bench/recv.skel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define RX_FRAMES  4096
#define RUN_FRAMES 3 /* 512 + 17 sectors and some */

static int recv_attach(struct bench_port *port, struct error *err)
{
	__u32 queue = 0;
	int fd = xsk_fd(port->xsk);

	port->recv = recv_bpf__open_and_load();
	if (!port->recv)
		return error_set(err, errno, "cannot load the receiving program: %s",
				 strerror(errno));
	if (bpf_map__update_elem(port->recv->maps.xsks, &queue, sizeof(queue), &fd, sizeof(fd), 0))
		return error_set(err, errno, "cannot register the socket: %s", strerror(errno));
	port->link = bpf_program__attach_xdp(port->recv->progs.recv, (int)port->netif.ifindex);
	if (!port->link)
		return error_set(err, errno, "cannot attach to %s: %s", port->netif.name,
				 strerror(errno));
	return 0;
}

int bench_port_open(struct bench_port *port, const char *ifname, unsigned int runs, bool spin,
		    struct error *err)
{
	const struct arena_config config = {
		.rx_frames = RX_FRAMES, .runs = runs, .run_frames = RUN_FRAMES};
	struct xsk_config xsk = {.netif = &port->netif, .request = STEER_AUTO};
	int ret;

	memset(port, 0, sizeof(*port));
	port->spin = spin;
	ret = netif_query(ifname, &port->netif, err);
	if (ret)
		return ret;
	ret = arena_open(&port->arena, &config, err);
	if (ret)
		return ret;
	ret = xsk_open(&xsk, &port->arena, &port->xsk, err);
	if (!ret)
		ret = recv_attach(port, err);
	if (ret) {
		bench_port_close(port);
		return ret;
	}
	xsk_fill(port->xsk);
	return 0;
}

void bench_port_close(struct bench_port *port)
{
	bpf_link__destroy(port->link);
	recv_bpf__destroy(port->recv);
	if (port->xsk)
		xsk_close(port->xsk);
	arena_close(&port->arena);
}

static void frame_sent(struct tx *tx)
{
	struct bench_frame *frame = container_of(tx, struct bench_frame, tx);

	list_add_head(frame->free, &frame->link);
}

void bench_frames_init(struct bench_port *port, struct bench_frame *frames, unsigned int n,
		       struct list *free)
{
	unsigned int i;

	list_init(free);
	for (i = 0; i < n; i++) {
		frames[i].free = free;
		frames[i].tx.run = arena_run_get(&port->arena);
		frames[i].tx.done = frame_sent;
		list_add_tail(free, &frames[i].link);
	}
}

void *bench_frame_header(struct bench_port *port, struct bench_frame *frame, size_t header_len)
{
	return arena_ptr(&port->arena, frame->tx.run + ARENA_PAYLOAD - (uint32_t)header_len);
}

void bench_frame_send(struct bench_port *port, struct bench_frame *frame, size_t header_len,
		      size_t len)
{
	struct sink *sink = xsk_sink(port->xsk);

	frame->tx.addr = frame->tx.run + ARENA_PAYLOAD - (uint32_t)header_len;
	frame->tx.len = (uint32_t)len;
	sink->ops->send(sink, &frame->tx);
}

void bench_port_turn(struct bench_port *port, bool idle, uint64_t timeout_ns)
{
	struct pollfd pfd = {.fd = xsk_fd(port->xsk), .events = POLLIN};
	struct timespec timeout = {(time_t)(timeout_ns / 1000000000),
				   (long)(timeout_ns % 1000000000)};

	xsk_fill(port->xsk);
	if (xsk_kick(port->xsk))
		pfd.events |= POLLOUT;
	if (idle && !port->spin)
		ppoll(&pfd, 1, timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);
}

uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}
