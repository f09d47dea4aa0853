/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The document behind `stats --json`; stgt-xdp(8) describes its members. A worker only copies its
 * numbers, into memory made for them before: what it does for a reader, it does for no initiator.
 */
#include "target/internal.h"

#include "aoe/mac.h"
#include "base/json_text.h"
#include <stdlib.h>
#include <string.h>

/* ---- a queue's numbers ---- */

struct export_numbers {
	const struct aoe_export *export;
	struct aoe_export_stats stats;
};

struct queue_numbers {
	struct xsk_stats socket;
	struct xsk_levels rings;
	unsigned int frames, frames_free, runs, runs_free;
	unsigned int inflight;
	uint64_t bounces;
	struct aoe_port_stats port;
	struct export_numbers *exports;
	struct aoe_initiator_stats *initiators;
	struct aoe_pair_stats *pairs;
	unsigned int nexports, ninitiators, npairs;
	unsigned int exports_max, initiators_max, pairs_max; /* that there is room for */
};

/* How much room is needed. Runs on the worker. */
static void numbers_measure(const struct worker_view *view, void *arg)
{
	struct queue_numbers *numbers = arg;

	numbers->exports_max = aoe_port_exports(view->port);
	numbers->initiators_max = aoe_port_initiators(view->port);
	numbers->pairs_max = aoe_port_pairs_max(view->port);
}

static void port_take(struct queue_numbers *numbers, const struct aoe_port *port)
{
	const struct aoe_initiator_stats *initiator;
	const struct aoe_export_stats *stats;
	struct aoe_export *export;
	unsigned int n;

	numbers->port = *aoe_port_stats(port);
	for (n = 0; n < numbers->exports_max && (stats = aoe_port_export_stats(port, n, &export));
	     n++)
		numbers->exports[n] = (struct export_numbers){export, *stats};
	numbers->nexports = n;
	for (n = 0; n < numbers->initiators_max && (initiator = aoe_port_initiator(port, n)); n++)
		numbers->initiators[n] = *initiator;
	numbers->ninitiators = n;
	numbers->npairs = aoe_port_pairs(port, numbers->pairs, numbers->pairs_max);
}

/* Runs on the worker, whose numbers these are. Who is heard only now is left out. */
static void numbers_take(const struct worker_view *view, void *arg)
{
	struct queue_numbers *numbers = arg;
	const struct arena *arena = view->blk->arena;

	xsk_stats(view->xsk, &numbers->socket);
	xsk_levels(view->xsk, &numbers->rings);
	numbers->frames = arena->config.rx_frames;
	numbers->frames_free = arena->nfree_frames;
	numbers->runs = arena->config.runs;
	numbers->runs_free = arena->nfree_runs;
	numbers->inflight = view->blk->inflight;
	numbers->bounces = view->blk->bounces;
	port_take(numbers, view->port);
}

/* Written to once, so that the worker does not wait for the kernel to find pages. */
static void *room_for(unsigned int *n, size_t size)
{
	void *room = reallocarray(NULL, *n + 1ull, size);

	if (room)
		memset(room, 0xff, *n * size);
	else
		*n = 0;
	return room;
}

/* False when the worker does not answer. Without memory for them, lists are empty. */
static bool numbers_read(struct worker *worker, enum target_detail detail,
			 struct queue_numbers *numbers)
{
	*numbers = (struct queue_numbers){.frames = 0};
	if (!worker_ask(worker, numbers_measure, numbers))
		return false;
	if (detail == TARGET_BRIEF)
		numbers->initiators_max = 0;
	numbers->exports = room_for(&numbers->exports_max, sizeof(*numbers->exports));
	numbers->initiators = room_for(&numbers->initiators_max, sizeof(*numbers->initiators));
	numbers->pairs = room_for(&numbers->pairs_max, sizeof(*numbers->pairs));
	return worker_ask(worker, numbers_take, numbers);
}

static void numbers_free(struct queue_numbers *numbers)
{
	free(numbers->exports);
	free(numbers->initiators);
	free(numbers->pairs);
}

/* ---- the document ---- */

static json_t *counters_stats(const struct target_interface *interface)
{
	struct stgt_counter counters[STGT_PROTOS][STGT_VERDICTS] = {0};
	json_t *protocols = json_object();

	steer_counters_read(steer_maps(interface->steer), counters);
	for (unsigned int p = STGT_PROTO_AOE; p < STGT_PROTOS; p++) {
		json_t *verdicts = json_object();

		for (unsigned int v = 0; v < STGT_VERDICTS; v++)
			json_object_set_new(verdicts, steer_verdict_name(v),
					    json_pack("{s:I, s:I}", "frames",
						      (json_int_t)counters[p][v].frames, "bytes",
						      (json_int_t)counters[p][v].bytes));
		json_object_set_new(protocols, target_proto_name(p), verdicts);
	}
	return protocols;
}

static json_t *socket_stats(const struct xsk_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rx_frames",
			 (json_int_t)s->rx_frames, "tx_frames", (json_int_t)s->tx_frames,
			 "rx_dropped", (json_int_t)s->rx_dropped, "rx_ring_full",
			 (json_int_t)s->rx_ring_full, "rx_fill_ring_empty",
			 (json_int_t)s->rx_fill_ring_empty, "rx_invalid_descs",
			 (json_int_t)s->rx_invalid_descs, "tx_invalid_descs",
			 (json_int_t)s->tx_invalid_descs, "rx_too_many_spans",
			 (json_int_t)s->rx_too_many_spans, "tx_stray_completions",
			 (json_int_t)s->tx_stray_completions);
}

static json_t *rings_stats(const struct xsk_levels *levels)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "rx", (json_int_t)levels->rx, "fill",
			 (json_int_t)levels->fill, "tx", (json_int_t)levels->tx, "completion",
			 (json_int_t)levels->completion);
}

static json_t *memory_stats(const struct queue_numbers *numbers)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "frames", (json_int_t)numbers->frames,
			 "frames_free", (json_int_t)numbers->frames_free, "runs",
			 (json_int_t)numbers->runs, "runs_free", (json_int_t)numbers->runs_free);
}

static json_t *reasons_stats(const struct aoe_port_stats *stats)
{
	json_t *reasons = json_object();

	for (unsigned int r = 0; r < AOE_REASONS; r++)
		json_object_set_new(reasons, aoe_reason_name(r),
				    json_integer((json_int_t)stats->reasons[r]));
	return reasons;
}

static json_t *export_stats(const struct aoe_export_stats *s, const struct aoe_export *export)
{
	const struct aoe_address *addr = aoe_export_address(export);

	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "address",
			 target_address_json(addr), "vlan", target_vlan_json(addr->vlan), "reads",
			 (json_int_t)s->reads, "read_bytes", (json_int_t)s->read_bytes, "writes",
			 (json_int_t)s->writes, "write_bytes", (json_int_t)s->write_bytes,
			 "flushes", (json_int_t)s->flushes, "other", (json_int_t)s->other,
			 "queries", (json_int_t)s->queries, "ata_errors", (json_int_t)s->ata_errors,
			 "retransmits", (json_int_t)s->retransmits);
}

static json_t *exports_stats(const struct queue_numbers *numbers)
{
	json_t *exports = json_array();

	for (unsigned int i = 0; i < numbers->nexports; i++)
		json_array_append_new(exports, export_stats(&numbers->exports[i].stats,
							    numbers->exports[i].export));
	target_pairs_report(numbers->pairs, numbers->npairs, exports);
	return exports;
}

static json_t *initiators_stats(const struct queue_numbers *numbers)
{
	json_t *list = json_array();
	char mac[MAC_TEXT];

	for (unsigned int i = 0; i < numbers->ninitiators; i++) {
		const struct aoe_initiator_stats *s = &numbers->initiators[i];

		mac_format(s->mac, mac);
		json_array_append_new(list, json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "mac",
						      mac, "vlan", target_vlan_json(s->vlan),
						      "requests", (json_int_t)s->requests,
						      "read_bytes", (json_int_t)s->read_bytes,
						      "write_bytes", (json_int_t)s->write_bytes,
						      "errors", (json_int_t)s->errors,
						      "retransmits", (json_int_t)s->retransmits));
	}
	return list;
}

static json_t *queue_stats(unsigned int queue, const struct queue_numbers *numbers,
			   enum target_detail detail)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:o}, s:I, s:I, s:o, s:o*}",
			 "queue", (int)queue, "socket", socket_stats(&numbers->socket), "rings",
			 rings_stats(&numbers->rings), "memory", memory_stats(numbers), "aoe",
			 "rx_frames", (json_int_t)numbers->port.rx_frames, "tx_frames",
			 (json_int_t)numbers->port.tx_frames, "announcements",
			 (json_int_t)numbers->port.announcements, "reasons",
			 reasons_stats(&numbers->port), "inflight", (json_int_t)numbers->inflight,
			 "bounces", (json_int_t)numbers->bounces, "exports", exports_stats(numbers),
			 "initiators", detail == TARGET_BRIEF ? NULL : initiators_stats(numbers));
}

static json_t *queues_stats(const struct target_interface *interface, enum target_detail detail)
{
	json_t *queues = json_array();

	for (unsigned int q = 0; q < interface->nworkers; q++) {
		struct queue_numbers numbers;

		if (numbers_read(interface->workers[q], detail, &numbers))
			json_array_append_new(queues, queue_stats(q, &numbers, detail));
		numbers_free(&numbers);
	}
	return queues;
}

json_t *target_stats(struct target *target, enum target_detail detail)
{
	struct target_interface *interface;
	json_t *interfaces = json_array();

	list_for_each_entry (interface, &target->interfaces, link) {
		json_array_append_new(interfaces,
				      json_pack("{s:o, s:o, s:o}", "name",
						json_text(interface->netif.name), "counters",
						counters_stats(interface), "queues",
						queues_stats(interface, detail)));
	}
	return json_pack("{s:s, s:o, s:o, s:o*}", "version", STGT_VERSION, "latency_bounds_us",
			 target_latency_bounds(), "interfaces", interfaces, "iscsi",
			 target_iscsi_stats_json(target));
}
