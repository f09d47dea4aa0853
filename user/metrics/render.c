/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/render.h"

#include "metrics/document.h"
#include "metrics/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void document_label_export(struct text *labels, const json_t *export)
{
	const json_t *vlan = json_object_get(export, "vlan");
	char address[64];

	if (json_is_string(vlan))
		snprintf(address, sizeof(address), "%s:%s", json_string_value(vlan),
			 document_text(export, "address"));
	else if (json_integer_value(vlan))
		snprintf(address, sizeof(address), "%lld:%s", (long long)json_integer_value(vlan),
			 document_text(export, "address"));
	else
		snprintf(address, sizeof(address), "%s", document_text(export, "address"));
	text_label(labels, "export", address);
}

/* ---- what the status document says ---- */

static void render_build(const json_t *status, struct text *out)
{
	static const struct metric metric = {"stgt_build_info", "gauge",
					     "The version that serves, always 1."};
	struct series_list list = {.failed = false};
	struct text labels = {.failed = false};

	text_label(&labels, "version", document_text(status, "version"));
	series_add(&list, &labels, 1);
	series_print(&list, &metric, out);
}

static void render_interfaces(const json_t *status, struct text *out)
{
	static const struct metric info = {
		"stgt_interface_info", "gauge",
		"How an interface is served: its XDP mode and what is done about stripped VLAN "
		"tags, always 1."};
	static const struct metric up = {"stgt_interface_up", "gauge",
					 "Whether the interface is up, 1 or 0."};
	static const struct metric mtu = {"stgt_interface_mtu_bytes", "gauge",
					  "MTU of the interface."};
	const json_t *interfaces = json_object_get(status, "interfaces"), *interface;
	struct series_list infos = {.failed = false}, ups = infos, mtus = infos;
	uint64_t bytes;
	size_t i;

	json_array_foreach (interfaces, i, interface) {
		static const char *const members[] = {"mac", "xdp_mode", "vlan"};
		const char *name = document_text(interface, "name");
		struct text labels = {.failed = false};

		text_label(&labels, "interface", name);
		for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++)
			text_label(&labels, members[m], document_text(interface, members[m]));
		series_add(&infos, &labels, 1);
		text_label(&labels, "interface", name);
		series_add(&ups, &labels, json_is_true(json_object_get(interface, "up")));
		if (!document_number(interface, "mtu", &bytes))
			continue;
		text_label(&labels, "interface", name);
		series_add(&mtus, &labels, bytes);
	}
	series_print(&infos, &info, out);
	series_print(&ups, &up, out);
	series_print(&mtus, &mtu, out);
}

static void render_exports(const json_t *status, struct text *out)
{
	static const struct metric info = {"stgt_export_info", "gauge",
					   "The disk behind an export, always 1."};
	static const struct metric size = {"stgt_export_size_bytes", "gauge",
					   "Size of an export as initiators see it."};
	static const struct metric faults = {"stgt_export_fault_rules", "gauge",
					     "Rules that spoil an export's answers on purpose."};
	const json_t *exports = json_object_get(status, "exports"), *export;
	struct series_list infos = {.failed = false}, sizes = infos, rules = infos;
	uint64_t number;
	size_t i;

	json_array_foreach (exports, i, export) {
		struct text labels = {.failed = false};

		document_label_export(&labels, export);
		text_label(&labels, "disk", document_text(export, "disk"));
		text_label(&labels, "cache", document_text(export, "cache"));
		text_label(&labels, "read_only",
			   json_is_true(json_object_get(export, "read_only")) ? "yes" : "no");
		series_add(&infos, &labels, 1);
		if (document_number(export, "size_bytes", &number)) {
			document_label_export(&labels, export);
			series_add(&sizes, &labels, number);
		}
		if (document_number(export, "fault_rules", &number)) {
			document_label_export(&labels, export);
			series_add(&rules, &labels, number);
		}
	}
	series_print(&infos, &info, out);
	series_print(&sizes, &size, out);
	series_print(&rules, &faults, out);
}

/* One disk may be open twice under one name, ram:1M say: the serial number tells them apart. */
static void label_disk(struct text *labels, const json_t *disk)
{
	text_label(labels, "disk", document_text(disk, "name"));
	text_label(labels, "kind", document_text(disk, "kind"));
	text_label(labels, "serial", document_text(disk, "serial"));
}

/* A number of each disk, or of what lies in its member `object`. */
static void render_disk_number(const json_t *status, const struct metric *metric,
			       const char *object, const char *member, struct text *out)
{
	const json_t *disks = json_object_get(status, "disks"), *disk;
	struct series_list list = {.failed = false};
	size_t i;

	json_array_foreach (disks, i, disk) {
		const json_t *where = object ? json_object_get(disk, object) : disk;
		struct text labels = {.failed = false};
		uint64_t value;

		if (json_is_boolean(json_object_get(where, member)))
			value = json_is_true(json_object_get(where, member));
		else if (!document_number(where, member, &value))
			continue;
		label_disk(&labels, disk);
		series_add(&list, &labels, value);
	}
	series_print(&list, metric, out);
}

static void render_disks(const json_t *status, struct text *out)
{
	static const struct {
		struct metric metric;
		const char *object, *member;
	} numbers[] = {
		{{"stgt_disk_size_bytes", "gauge", "Size of a disk."}, NULL, "size_bytes"},
		{{"stgt_disk_used_bytes", "gauge", "What a disk's file takes of its file system."},
		 "space",
		 "used_bytes"},
		{{"stgt_disk_free_bytes", "gauge",
		  "What is free in the file system that a disk's file is in."},
		 "space",
		 "free_bytes"},
		{{"stgt_disk_short_of_space", "gauge",
		  "Whether that has crossed the disk's soft threshold, 1 or 0."},
		 "space",
		 "short"},
		{{"stgt_disk_file_lost", "gauge",
		  "Whether a disk's file was deleted, replaced or cut short, 1 or 0."},
		 NULL,
		 "file_lost"},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		render_disk_number(status, &numbers[i].metric, numbers[i].object, numbers[i].member,
				   out);
}

/* ---- what the XDP program counted ---- */

static void render_steered(const json_t *stats, struct text *out)
{
	static const struct metric metrics[] = {
		{"stgt_xdp_frames_total", "counter",
		 "Frames of storage protocols by what the XDP program did with them."},
		{"stgt_xdp_bytes_total", "counter", "Bytes of those frames."},
	};
	static const char *const members[] = {"frames", "bytes"};
	const json_t *interfaces = json_object_get(stats, "interfaces"), *interface;
	const json_t *verdicts, *counter;
	const char *protocol, *verdict;
	size_t i;

	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		struct series_list list = {.failed = false};

		json_array_foreach (interfaces, i, interface) {
			json_t *counters = json_object_get(interface, "counters");

			json_object_foreach (counters, protocol, verdicts)
				json_object_foreach ((json_t *)verdicts, verdict, counter) {
					struct text labels = {.failed = false};
					uint64_t value;

					if (!document_number(counter, members[m], &value))
						continue;
					text_label(&labels, "interface",
						   document_text(interface, "name"));
					text_label(&labels, "protocol", protocol);
					text_label(&labels, "verdict", verdict);
					series_add(&list, &labels, value);
				}
		}
		series_print(&list, &metrics[m], out);
	}
}

/* ---- the queues' counters ---- */

/*
 * A number in a queue's document: in `object` of it (NULL: the queue itself), called `member`
 * (NULL: every member of the object). With `label` it has this label, whose value is `text` (NULL:
 * the member's name).
 */
struct queue_number {
	const char *object, *member;
	const char *label, *text;
};

#define PLAIN(object, member)              \
	{                                  \
		object, member, NULL, NULL \
	}
#define NAMED(object, member, label)        \
	{                                   \
		object, member, label, NULL \
	}
#define EACH(object, label)               \
	{                                 \
		object, NULL, label, NULL \
	}

/* A metric out of the queues' documents. */
struct queue_metric {
	struct metric metric;
	bool by_queue; /* has the label "queue" */
	struct queue_number numbers[5];
};

static const struct queue_metric queue_metrics[] = {
	{{"stgt_received_frames_total", "counter", "Frames taken from an interface's sockets."},
	 true,
	 {PLAIN("socket", "rx_frames")}},
	{{"stgt_sent_frames_total", "counter", "Frames given to an interface's sockets."},
	 true,
	 {PLAIN("socket", "tx_frames")}},
	{{"stgt_dropped_frames_total", "counter",
	  "Received frames lost at the socket, by reason: the target was too slow (rx_ring_full), "
	  "the kernel had no place for them (rx_dropped), they came in too many pieces "
	  "(rx_too_many_spans)."},
	 true,
	 {NAMED("socket", "rx_dropped", "reason"), NAMED("socket", "rx_ring_full", "reason"),
	  NAMED("socket", "rx_too_many_spans", "reason")}},
	{{"stgt_socket_errors_total", "counter",
	  "Events at the socket by kind; all but rx_fill_ring_empty, which is load, are errors."},
	 true,
	 {NAMED("socket", "rx_fill_ring_empty", "kind"),
	  NAMED("socket", "rx_invalid_descs", "kind"), NAMED("socket", "tx_invalid_descs", "kind"),
	  NAMED("socket", "tx_stray_completions", "kind")}},
	{{"stgt_ring_entries", "gauge", "Frames in the rings shared with the kernel."},
	 true,
	 {EACH("rings", "ring")}},
	{{"stgt_buffers", "gauge",
	  "Buffers of a queue by kind: frames to receive into, and runs for replies."},
	 true,
	 {{"memory", "frames", "kind", "frame"}, {"memory", "runs", "kind", "run"}}},
	{{"stgt_buffers_free", "gauge", "Buffers of a queue that nothing uses, by kind."},
	 true,
	 {{"memory", "frames_free", "kind", "frame"}, {"memory", "runs_free", "kind", "run"}}},
	{{"stgt_inflight_requests", "gauge", "Requests at the disks."},
	 true,
	 {PLAIN(NULL, "inflight")}},
	{{"stgt_bounces_total", "counter",
	  "Requests whose payload was copied, because the disk's alignment asks for it."},
	 false,
	 {PLAIN(NULL, "bounces")}},
	{{"stgt_aoe_announcements_total", "counter", "Announcements of exports."},
	 false,
	 {PLAIN("aoe", "announcements")}},
	{{"stgt_aoe_exceptions_total", "counter",
	  "AoE frames that were ignored, refused, aborted or delayed, by reason."},
	 false,
	 {EACH("reasons", "reason")}},
};

static void add_number(struct series_list *list, const struct queue_metric *metric,
		       const struct queue_number *number, const json_t *interface,
		       const json_t *queue, const char *member, const json_t *value)
{
	struct text labels = {.failed = false}, text = {.failed = false};

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return;
	text_label(&labels, "interface", document_text(interface, "name"));
	if (metric->by_queue) {
		uint64_t q = 0;
		char *digits;
		size_t len;

		document_number(queue, "queue", &q);
		text_number(&text, q);
		digits = text_take(&text, &len);
		text_label(&labels, "queue", digits ? digits : "");
		free(digits);
	}
	if (number->label)
		text_label(&labels, number->label, number->text ? number->text : member);
	series_add(list, &labels, (uint64_t)json_integer_value(value));
}

static void add_queue(struct series_list *list, const struct queue_metric *metric,
		      const json_t *interface, const json_t *queue)
{
	const struct queue_number *number = metric->numbers;
	const char *member;
	json_t *value;

	for (; number->object || number->member; number++) {
		const json_t *object = queue;

		/* The one that lies deeper. */
		if (number->object && strcmp(number->object, "reasons") == 0)
			object = json_object_get(queue, "aoe");
		if (number->object)
			object = json_object_get(object, number->object);
		if (number->member)
			add_number(list, metric, number, interface, queue, number->member,
				   json_object_get(object, number->member));
		else
			json_object_foreach ((json_t *)object, member, value)
				add_number(list, metric, number, interface, queue, member, value);
	}
}

static void render_queues(const json_t *stats, struct text *out)
{
	const json_t *interfaces = json_object_get(stats, "interfaces"), *interface, *queue;
	size_t i, q;

	for (size_t m = 0; m < sizeof(queue_metrics) / sizeof(queue_metrics[0]); m++) {
		struct series_list list = {.failed = false};

		json_array_foreach (interfaces, i, interface)
			json_array_foreach (json_object_get(interface, "queues"), q, queue)
				add_queue(&list, &queue_metrics[m], interface, queue);
		series_print(&list, &queue_metrics[m].metric, out);
	}
}

/* ---- counters of exports ---- */

static void render_export_counters(const json_t *stats, struct text *out)
{
	static const struct {
		struct metric metric;
		const char *member;
	} metrics[] = {
		{{"stgt_retransmits_total", "counter",
		  "Writes that were answered by the execution of an identical one under way."},
		 "retransmits"},
		{{"stgt_queries_total", "counter", "AoE configuration, mask and reserve commands."},
		 "queries"},
	};
	const json_t *interfaces = json_object_get(stats, "interfaces"), *interface, *queue,
		     *export;
	size_t i, q, e;

	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		struct series_list list = {.failed = false};

		json_array_foreach (interfaces, i, interface)
			json_array_foreach (json_object_get(interface, "queues"), q, queue)
				json_array_foreach (json_object_get(queue, "exports"), e, export) {
					struct text labels = {.failed = false};
					uint64_t value;

					if (!document_number(export, metrics[m].member, &value))
						continue;
					text_label(&labels, "interface",
						   document_text(interface, "name"));
					document_label_export(&labels, export);
					series_add(&list, &labels, value);
				}
		series_print(&list, &metrics[m].metric, out);
	}
}

char *metrics_render(const json_t *status, const json_t *stats, size_t *len)
{
	struct text out = {.failed = false};

	render_build(status, &out);
	render_interfaces(status, &out);
	render_exports(status, &out);
	render_disks(status, &out);
	render_steered(stats, &out);
	render_queues(stats, &out);
	render_export_counters(stats, &out);
	render_pairs(stats, &out);
	render_iscsi(status, stats, &out);
	return text_take(&out, len);
}
