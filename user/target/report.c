/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The documents behind `status --json` and `stats --json`; stgt-xdp(8) describes their members. */
#include "target/internal.h"

#include "aoe/mac.h"
#include "base/clock.h"
#include "base/json_text.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 0 untagged, VID, or "OUTER.INNER" for two tags. */
static json_t *vlan_json(uint32_t vlan)
{
	if (vlan >> 12)
		return json_sprintf("%u.%u", vlan >> 12, vlan & WIRE_VID_MASK);
	return json_integer(vlan);
}

static json_t *address_json(const struct aoe_address *addr)
{
	return json_sprintf("%u.%u", addr->shelf, addr->slot);
}

static const char *access_name(enum stgt_access access)
{
	static const char *const names[] = {
		[STGT_ACCESS_DENY] = "deny",
		[STGT_ACCESS_RO] = "ro",
		[STGT_ACCESS_RW] = "rw",
	};

	return names[access];
}

static const char *proto_name(uint32_t proto)
{
	static const char *const names[STGT_PROTOS] = {
		[STGT_PROTO_NONE] = "none",
		[STGT_PROTO_AOE] = "aoe",
		[STGT_PROTO_FCOE] = "fcoe",
		[STGT_PROTO_FIP] = "fip",
	};

	return proto < STGT_PROTOS ? names[proto] : "unknown";
}

/* ---- status ---- */

struct port_facts {
	unsigned int sectors, buffers;
};

static void read_port_facts(const struct worker_view *view, void *arg)
{
	struct port_facts *facts = arg;

	facts->sectors = aoe_port_sectors(view->port);
	facts->buffers = aoe_port_buffers(view->port);
}

static json_t *interface_status(const struct target_interface *interface)
{
	const struct netif *netif = &interface->netif;
	json_t *queues = json_array();
	struct port_facts facts = {0};
	char mac[MAC_TEXT];

	for (unsigned int q = 0; q < interface->nworkers; q++) {
		struct worker *worker = interface->workers[q];

		json_array_append_new(queues, json_pack("{s:i, s:s}", "queue",
							(int)worker_queue(worker), "xdp_mode",
							xsk_mode_name(worker_xsk_mode(worker))));
	}
	worker_run(interface->workers[0], read_port_facts, &facts);
	mac_format(netif->mac, mac);
	return json_pack("{s:o, s:i, s:s, s:i, s:b, s:I, s:s, s:s, s:i, s:i, s:i, s:i, s:o}",
			 "name", json_text(netif->name), "ifindex", (int)netif->ifindex, "mac", mac,
			 "mtu", (int)netif->mtu, "up", netif->up, "netns", (json_int_t)netif->netns,
			 "xdp_mode",
			 steer_attached(interface->steer)
				 ? xsk_mode_name(worker_xsk_mode(interface->workers[0]))
				 : "none",
			 "vlan", steer_vlan_name(steer_vlan(interface->steer)), "aoe_sectors",
			 (int)facts.sectors, "aoe_buffers", (int)facts.buffers, "flood_guard",
			 (int)interface->request.flood_guard, "pid", (int)getpid(), "queues",
			 queues);
}

static json_t *acl_status(const struct aoe_acl *acl)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	json_t *list = json_array();

	for (unsigned int i = 0; i < acl->count; i++) {
		const struct aoe_acl_entry *entry = &acl->entries[i];
		char mac[MAC_TEXT];

		if (memcmp(entry->mac, everybody, sizeof(everybody)) == 0)
			strcpy(mac, "any");
		else
			mac_format(entry->mac, mac);
		json_array_append_new(list, json_pack("{s:s, s:s}", "mac", mac, "access",
						      access_name(entry->access)));
	}
	return list;
}

/* A configuration string is any bytes: printable ASCII stands for itself, the rest as \xNN. */
static json_t *config_json(const struct aoe_export_settings *settings)
{
	char text[AOE_CONFIG_MAX * 4 + 1];
	char *out = text;

	for (unsigned int i = 0; i < settings->config_len; i++) {
		uint8_t c = settings->config[i];

		if (c >= 0x20 && c < 0x7f && c != '\\')
			*out++ = (char)c;
		else
			out += sprintf(out, "\\x%02x", c);
	}
	*out = '\0';
	return json_string(text);
}

static json_t *export_status(const struct target *target, const struct target_export *export,
			     struct target_access *access)
{
	const struct aoe_acl acl = target_access_of(access, export, NULL);
	const struct target_interface *interface;
	struct aoe_export_settings settings;
	json_t *interfaces = json_array();

	list_for_each_entry (interface, &target->interfaces, link) {
		if (target_interface_serves(interface, export))
			json_array_append_new(interfaces, json_text(interface->netif.name));
	}
	aoe_export_settings(export->aoe, &settings);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:b, s:s, s:b, s:o, s:b, s:o, s:i, s:i}",
			 "protocol", "aoe", "address", address_json(&export->addr), "vlan",
			 vlan_json(export->addr.vlan), "interfaces", interfaces, "disk",
			 json_text(export->named ? export->named->name : export->disk->name),
			 "size_bytes",
			 (json_int_t)(atomic_load(&export->disk->nblocks) * BLK_SECTOR),
			 "read_only", export->disk->read_only, "cache",
			 export->lu.durable ? "writethrough" : "writeback", "write_cache_enabled",
			 atomic_load(&export->lu.write_cache), "allow", acl_status(&acl), "enabled",
			 export->enabled, "config_string", config_json(&settings), "masked_macs",
			 (int)settings.masks, "reserved_macs", (int)settings.reserves);
}

static json_t *disk_status(const struct disk *disk)
{
	static const char *const kinds[] = {
		[DISK_FILE] = "file",
		[DISK_BLOCK] = "block",
		[DISK_RAM] = "ram",
		[DISK_NULL] = "null",
	};
	return json_pack("{s:o, s:s, s:I, s:i, s:b, s:b, s:s, s:o}", "name", json_text(disk->name),
			 "kind", kinds[disk->spec.kind], "size_bytes",
			 (json_int_t)(atomic_load(&disk->nblocks) * BLK_SECTOR), "physical_block",
			 (int)disk->physical_block, "read_only", disk->read_only, "thin",
			 disk->can_unmap, "serial", disk->serial, "wwn",
			 json_sprintf("%016llx", (unsigned long long)disk->wwn));
}

struct initiators_report {
	const struct target_interface *interface;
	json_t *list;
	uint64_t now_ns;
};

static void initiator_status(void *ctx, const struct stgt_initiator_key *key,
			     const struct stgt_initiator *value)
{
	struct initiators_report *report = ctx;
	double idle = 0;
	char mac[MAC_TEXT];

	if (report->now_ns > value->last_seen_ns)
		idle = (double)(report->now_ns - value->last_seen_ns) / 1e9;
	mac_format(key->mac, mac);
	json_array_append_new(report->list,
			      json_pack("{s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:f}", "mac", mac,
					"interface", json_text(report->interface->netif.name),
					"vlan", vlan_json(key->vlan), "protocol",
					proto_name(key->proto), "frames", (json_int_t)value->frames,
					"bytes", (json_int_t)value->bytes, "drops",
					(json_int_t)value->drops, "idle_seconds", idle));
}

static json_t *initiators_status(const struct target *target)
{
	struct initiators_report report = {.list = json_array(), .now_ns = clock_now_ns()};

	list_for_each_entry (report.interface, &target->interfaces, link)
		steer_initiators_each(steer_maps(report.interface->steer), initiator_status,
				      &report);
	return report.list;
}

json_t *target_status(struct target *target)
{
	const struct target_interface *interface;
	const struct target_export *export;
	json_t *interfaces = json_array(), *exports = json_array(), *disks = json_array();
	struct target_access *access = target_access_read(target);
	const struct disk *disk;

	list_for_each_entry (interface, &target->interfaces, link)
		json_array_append_new(interfaces, interface_status(interface));
	list_for_each_entry (export, &target->exports, link)
		json_array_append_new(exports, export_status(target, export, access));
	target_access_free(access);
	list_for_each_entry (disk, &target->disks, link)
		json_array_append_new(disks, disk_status(disk));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version", STGT_VERSION,
			 "interfaces", interfaces, "exports", exports, "disks", disks, "initiators",
			 initiators_status(target), "limits", target_limits_json(target), "faults",
			 target_faults_json(target), "taps", target_taps_json(target));
}

/* ---- stats ---- */

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
		json_object_set_new(protocols, proto_name(p), verdicts);
	}
	return protocols;
}

static json_t *socket_stats(const struct worker_view *view)
{
	struct xsk_stats s = {0};

	xsk_stats(view->xsk, &s);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rx_frames",
			 (json_int_t)s.rx_frames, "tx_frames", (json_int_t)s.tx_frames,
			 "rx_dropped", (json_int_t)s.rx_dropped, "rx_ring_full",
			 (json_int_t)s.rx_ring_full, "rx_fill_ring_empty",
			 (json_int_t)s.rx_fill_ring_empty, "rx_invalid_descs",
			 (json_int_t)s.rx_invalid_descs, "tx_invalid_descs",
			 (json_int_t)s.tx_invalid_descs, "rx_too_many_spans",
			 (json_int_t)s.rx_too_many_spans, "tx_stray_completions",
			 (json_int_t)s.tx_stray_completions);
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
			 address_json(addr), "vlan", vlan_json(addr->vlan), "reads",
			 (json_int_t)s->reads, "read_bytes", (json_int_t)s->read_bytes, "writes",
			 (json_int_t)s->writes, "write_bytes", (json_int_t)s->write_bytes,
			 "flushes", (json_int_t)s->flushes, "other", (json_int_t)s->other,
			 "queries", (json_int_t)s->queries, "ata_errors", (json_int_t)s->ata_errors,
			 "retransmits", (json_int_t)s->retransmits);
}

static json_t *initiators_stats(const struct aoe_port *port)
{
	const struct aoe_initiator_stats *s;
	json_t *list = json_array();
	char mac[MAC_TEXT];

	for (unsigned int i = 0; (s = aoe_port_initiator(port, i)); i++) {
		mac_format(s->mac, mac);
		json_array_append_new(
			list, json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "mac", mac, "vlan",
					vlan_json(s->vlan), "requests", (json_int_t)s->requests,
					"read_bytes", (json_int_t)s->read_bytes, "write_bytes",
					(json_int_t)s->write_bytes, "errors", (json_int_t)s->errors,
					"retransmits", (json_int_t)s->retransmits));
	}
	return list;
}

static json_t *rings_stats(const struct worker_view *view)
{
	struct xsk_levels levels;

	xsk_levels(view->xsk, &levels);
	return json_pack("{s:I, s:I, s:I, s:I}", "rx", (json_int_t)levels.rx, "fill",
			 (json_int_t)levels.fill, "tx", (json_int_t)levels.tx, "completion",
			 (json_int_t)levels.completion);
}

static json_t *memory_stats(const struct arena *arena)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "frames", (json_int_t)arena->config.rx_frames,
			 "frames_free", (json_int_t)arena->nfree_frames, "runs",
			 (json_int_t)arena->config.runs, "runs_free",
			 (json_int_t)arena->nfree_runs);
}

struct queue_report {
	unsigned int queue;
	json_t *document;
	json_t *exports; /* in the document */
	struct target_pairs pairs;
};

/* Runs on the worker, whose counters these are. */
static void queue_stats(const struct worker_view *view, void *arg)
{
	struct queue_report *report = arg;
	const struct aoe_port_stats *stats = aoe_port_stats(view->port);
	const struct aoe_export_stats *s;
	struct aoe_export *export;

	report->exports = json_array();
	for (unsigned int i = 0; (s = aoe_port_export_stats(view->port, i, &export)); i++)
		json_array_append_new(report->exports, export_stats(s, export));
	report->document =
		json_pack("{s:i, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:o}, s:I, s:I, s:o, s:o}",
			  "queue", (int)report->queue, "socket", socket_stats(view), "rings",
			  rings_stats(view), "memory", memory_stats(view->blk->arena), "aoe",
			  "rx_frames", (json_int_t)stats->rx_frames, "tx_frames",
			  (json_int_t)stats->tx_frames, "announcements",
			  (json_int_t)stats->announcements, "reasons", reasons_stats(stats),
			  "inflight", (json_int_t)view->blk->inflight, "bounces",
			  (json_int_t)view->blk->bounces, "exports", report->exports, "initiators",
			  initiators_stats(view->port));
	target_pairs_take(&report->pairs, view->port);
}

static json_t *queues_stats(const struct target_interface *interface)
{
	json_t *queues = json_array();

	for (unsigned int q = 0; q < interface->nworkers; q++) {
		struct queue_report report = {.queue = q};

		worker_run(interface->workers[q], queue_stats, &report);
		target_pairs_report(&report.pairs, report.exports);
		json_array_append_new(queues, report.document);
	}
	return queues;
}

json_t *target_stats(struct target *target)
{
	struct target_interface *interface;
	json_t *interfaces = json_array();

	list_for_each_entry (interface, &target->interfaces, link) {
		json_array_append_new(interfaces, json_pack("{s:o, s:o, s:o}", "name",
							    json_text(interface->netif.name),
							    "counters", counters_stats(interface),
							    "queues", queues_stats(interface)));
	}
	return json_pack("{s:s, s:o, s:o}", "version", STGT_VERSION, "latency_bounds_us",
			 target_latency_bounds(), "interfaces", interfaces);
}

/* ---- the ready line ---- */

char *target_summary(const struct target *target)
{
	const struct target_interface *interface;
	const char *separator = "";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	list_for_each_entry (interface, &target->interfaces, link) {
		fprintf(out, "%s%s (%s) serves", separator, interface->netif.name,
			xsk_mode_name(worker_xsk_mode(interface->workers[0])));
		for (unsigned int i = 0; i < interface->nexports; i++) {
			char address[AOE_ADDRESS_TEXT];

			aoe_address_format(&interface->exports[i]->addr, address);
			fprintf(out, "%s %s", i ? "," : "", address);
		}
		separator = "; ";
	}
	fclose(out);
	return text;
}
