/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A closed-loop load on an AoE target: so many requests at random places always outstanding, on the
 * initiator library over an AF_XDP socket. See usage() for the options.
 */
#include "bench_port.h"
#include "histogram.h"
#include "initiator/aoe_initiator.h"
#include "load_options.h"
#include "waited.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS	       1000000ull
#define SECOND	       (1000 * MS)
#define WARM_UP	       (300 * MS)
#define FIND_TIMEOUT   (5 * SECOND)
#define FIND_AGAIN     (500 * MS)
#define DRAIN_TIMEOUT  (1 * SECOND)
#define RTT_START      (4 * MS) /* the first time-out is 264 ms */
#define DISCOVERY_ROOM 16	/* frames beyond those of the requests */

struct load;

struct request {
	struct initiator_io io;
	struct session *session;
	uint64_t started_ns;
};

/* One initiator: its MAC address ends in its index. */
struct session {
	struct load *load;
	struct initiator *ini;
	struct initiator_target *target;
	struct request *requests;
	unsigned int outstanding;
};

struct load {
	struct load_options options;
	struct bench_port port;
	struct bench_frame *frames;
	struct list free;
	struct session *sessions;
	uint8_t *payload; /* of every write */
	uint64_t random;
	uint64_t now_ns;
	bool stopping;	/* what ends is not started again */
	bool measuring; /* warmed up */
	uint64_t errors, unsent;
	struct histogram latency;
};

static uint64_t load_random(struct load *load)
{
	uint64_t x = load->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	load->random = x;
	return x;
}

/* Every run holds the payload of a write already: a write costs the header, as a read does. */
static void load_send(void *ctx, unsigned int port, const void *header, size_t header_len,
		      const void *payload, size_t payload_len)
{
	struct session *session = ctx;
	struct load *load = session->load;
	struct bench_frame *frame;

	if (list_empty(&load->free)) {
		load->unsent++;
		return;
	}
	frame = container_of(list_pop(&load->free), struct bench_frame, link);
	memcpy(bench_frame_header(&load->port, frame, header_len), header, header_len);
	bench_frame_send(&load->port, frame, header_len, header_len + payload_len);
}

static void request_start(struct request *request)
{
	struct load *load = request->session->load;
	uint32_t sectors = load->options.size / INITIATOR_SECTOR;
	uint64_t range = request->session->target->sectors;

	if (load->options.range && load->options.range / INITIATOR_SECTOR < range)
		range = load->options.range / INITIATOR_SECTOR;
	request->io.lba = load_random(load) % (range / sectors) * sectors;
	request->started_ns = load->now_ns;
	request->session->outstanding++;
	if (initiator_submit(request->session->ini, &request->io, load->now_ns)) {
		request->session->outstanding--;
		load->errors++;
	}
}

static void request_done(struct initiator_io *io)
{
	struct request *request = container_of(io, struct request, io);
	struct load *load = request->session->load;

	request->session->outstanding--;
	if (io->result)
		load->errors++;
	else if (load->measuring)
		histogram_add(&load->latency, load->now_ns - request->started_ns);
	if (!load->stopping)
		request_start(request);
}

/* To the session whose MAC address it is for, or to all. */
static void load_receive(struct load *load, const struct frame_view *view)
{
	struct iovec frags[XSK_MAX_SPANS];
	const uint8_t *dst;
	unsigned int i;

	for (i = 0; i < view->data.nspans; i++) {
		const struct span *span = &view->data.spans[i];

		frags[i] = (struct iovec){arena_ptr(&load->port.arena, span->addr), span->len};
	}
	if (frags[0].iov_len < WIRE_MAC_LEN)
		return;
	dst = frags[0].iov_base;
	for (i = 0; i < load->options.initiators; i++) {
		if (dst[WIRE_MAC_LEN - 1] == i || dst[0] == 0xff)
			initiator_rx(load->sessions[i].ini, 0, frags, view->data.nspans,
				     load->now_ns);
	}
}

static uint64_t load_deadline(struct load *load, uint64_t deadline)
{
	unsigned int i;

	for (i = 0; i < load->options.initiators; i++) {
		uint64_t due = initiator_deadline(load->sessions[i].ini);

		if (due < deadline)
			deadline = due;
	}
	return deadline;
}

/* One turn of the loop, which sleeps until `deadline` when there is nothing to do. */
static void load_turn(struct load *load, uint64_t deadline)
{
	struct frame_view view;
	bool idle = true;
	unsigned int i;

	xsk_complete(load->port.xsk);
	load->now_ns = bench_now();
	while (xsk_rx_peek(load->port.xsk, &view)) {
		load_receive(load, &view);
		xsk_rx_release(load->port.xsk);
		idle = false;
	}
	if (load->now_ns >= load_deadline(load, UINT64_MAX)) {
		for (i = 0; i < load->options.initiators; i++)
			initiator_tick(load->sessions[i].ini, load->now_ns);
	}
	deadline = load_deadline(load, deadline);
	bench_port_turn(&load->port, idle, deadline > load->now_ns ? deadline - load->now_ns : 0);
}

static void load_until(struct load *load, uint64_t deadline)
{
	while (load->now_ns < deadline)
		load_turn(load, deadline);
}

static bool load_outstanding(const struct load *load)
{
	unsigned int i;

	for (i = 0; i < load->options.initiators; i++) {
		if (load->sessions[i].outstanding)
			return true;
	}
	return false;
}

/* Lets every session find the target; -ENXIO when it does not answer. */
static int load_find(struct load *load, struct error *err)
{
	const struct load_options *options = &load->options;
	uint64_t give_up = bench_now() + FIND_TIMEOUT;
	unsigned int i, up = 0;

	load->now_ns = bench_now();
	while (up < options->initiators && load->now_ns < give_up) {
		for (i = 0; i < options->initiators; i++)
			initiator_discover(load->sessions[i].ini);
		load_until(load, load->now_ns + FIND_AGAIN / 10);
		for (i = up = 0; i < options->initiators; i++) {
			struct session *session = &load->sessions[i];

			session->target =
				initiator_find(session->ini, options->shelf, options->slot);
			up += session->target && session->target->state == INITIATOR_UP;
		}
	}
	if (up < options->initiators)
		return error_set(err, ENXIO, "no target %u.%u answers on %s", options->shelf,
				 options->slot, load->port.netif.name);
	if (load->sessions[0].target->sectors < options->size / INITIATOR_SECTOR)
		return error_set(err, EINVAL, "the disk is smaller than a request");
	return 0;
}

static int session_open(struct load *load, unsigned int index, struct error *err)
{
	static const struct initiator_ops ops = {.send = load_send};
	const struct load_options *options = &load->options;
	struct session *session = &load->sessions[index];
	struct initiator_config config = {
		.ops = &ops,
		.ctx = session,
		.nports = 1,
		.ports = {{.mac = {2, 0xae, 0, 0, 0, (uint8_t)index}, .mtu = load->port.netif.mtu}},
		.targets_max = 1,
		.window_max = options->depth,
		.frames_max = options->depth,
		.rtt_start_ns = RTT_START,
		.first_tag = (uint32_t)load_random(load),
	};
	unsigned int i;

	session->load = load;
	session->requests = calloc(options->depth, sizeof(*session->requests));
	if (!session->requests)
		return error_set(err, ENOMEM, "no memory for %u requests", options->depth);
	for (i = 0; i < options->depth; i++) {
		session->requests[i].session = session;
		session->requests[i].io = (struct initiator_io){
			.write = options->write,
			.sectors = options->size / INITIATOR_SECTOR,
			.data = options->write ? load->payload : NULL,
			.done = request_done,
		};
	}
	return initiator_open(&config, &session->ini, err);
}

static void frames_fill(struct load *load, unsigned int n)
{
	unsigned int i;

	bench_frames_init(&load->port, load->frames, n, &load->free);
	for (i = 0; load->options.write && i < n; i++)
		memcpy(bench_frame_header(&load->port, &load->frames[i], 0), load->payload,
		       load->options.size);
}

static int load_open(struct load *load, struct error *err)
{
	const struct load_options *options = &load->options;
	unsigned int frames = 2 * options->initiators * options->depth + DISCOVERY_ROOM;
	unsigned int i;
	int ret;

	load->random = bench_now() | 1;
	load->frames = calloc(frames, sizeof(*load->frames));
	load->sessions = calloc(options->initiators, sizeof(*load->sessions));
	load->payload = malloc(options->size);
	if (!load->frames || !load->sessions || !load->payload)
		return error_set(err, ENOMEM, "no memory for %u frames", frames);
	for (i = 0; i < options->size; i++)
		load->payload[i] = (uint8_t)load_random(load);
	ret = bench_port_open(&load->port, options->iface, frames, options->spin, err);
	if (ret)
		return ret;
	frames_fill(load, frames);
	for (i = 0; i < options->initiators && !ret; i++)
		ret = session_open(load, i, err);
	return ret;
}

static void load_start(struct load *load)
{
	unsigned int i, j;

	for (i = 0; i < load->options.initiators; i++) {
		struct session *session = &load->sessions[i];

		for (j = 0; j < load->options.depth; j++) {
			session->requests[j].io.target = session->target;
			request_start(&session->requests[j]);
		}
	}
}

static void load_report(const struct load *load, uint64_t elapsed_ns, uint64_t waited)
{
	const struct histogram *latency = &load->latency;
	struct load_report report = {
		.seconds = (double)elapsed_ns / 1e9,
		.ops = latency->count,
		.mean_us = latency->count ? (double)latency->sum / (double)latency->count / 1e3 : 0,
		.p50_us = (double)histogram_percentile(latency, 50) / 1e3,
		.p99_us = (double)histogram_percentile(latency, 99) / 1e3,
		.waited_percent = 100.0 * (double)waited / (double)elapsed_ns,
		.errors = load->errors,
		.unsent = load->unsent,
	};
	unsigned int i;

	for (i = 0; i < load->options.initiators; i++) {
		const struct initiator_stats *stats = initiator_stats(load->sessions[i].ini);

		report.retransmits += stats->retransmits;
		report.late += stats->late;
		report.errors += stats->aoe_errors;
	}
	load_report_print(&load->options, &report);
}

int main(int argc, char **argv)
{
	struct load *load = calloc(1, sizeof(*load));
	struct error err;
	uint64_t started, waited;

	if (!load || load_options_parse(argc, argv, &load->options))
		return 2;
	if (load_open(load, &err) || load_find(load, &err)) {
		fprintf(stderr, "aoe_load: %s\n", err.text);
		return 1;
	}
	load_start(load);
	load_until(load, load->now_ns + WARM_UP);
	load->measuring = true;
	started = load->now_ns;
	waited = waited_ns();
	load_until(load, started + (uint64_t)(load->options.seconds * 1e9));
	load->measuring = false;
	load_report(load, load->now_ns - started, waited_ns() - waited);
	/* A request cut off in the middle would be a write that nobody waits for. */
	load->stopping = true;
	started = load->now_ns;
	while (load_outstanding(load) && load->now_ns < started + DRAIN_TIMEOUT)
		load_turn(load, started + DRAIN_TIMEOUT);
	return 0;
}
