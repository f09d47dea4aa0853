/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The document behind `status --json`; stgt-xdp(8) describes its members. */
#include "target/internal.h"

#include "aoe/mac.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "blk/space.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

json_t *target_vlan_json(uint32_t vlan)
{
	if (vlan >> 12)
		return json_sprintf("%u.%u", vlan >> 12, vlan & WIRE_VID_MASK);
	return json_integer(vlan);
}

json_t *target_address_json(const struct aoe_address *addr)
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

const char *target_proto_name(uint32_t proto)
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
		bool answers = worker_ask(worker, read_port_facts, &facts);

		json_array_append_new(queues, json_pack("{s:i, s:s, s:b}", "queue",
							(int)worker_queue(worker), "xdp_mode",
							xsk_mode_name(worker_xsk_mode(worker)),
							"answers", answers));
	}
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
			     struct target_access *access, enum target_detail detail)
{
	const struct target_interface *interface;
	struct aoe_export_settings settings;
	json_t *interfaces = json_array(), *allow = NULL;

	list_for_each_entry (interface, &target->interfaces, link) {
		if (target_interface_serves(interface, export))
			json_array_append_new(interfaces, json_text(interface->netif.name));
	}
	if (detail == TARGET_FULL) {
		const struct aoe_acl acl = target_access_of(access, export, NULL);

		allow = acl_status(&acl);
	}
	aoe_export_settings(export->aoe, &settings);
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:I, s:b, s:s, s:b, s:o*, s:b, s:o, s:i, s:i, s:i}",
		"protocol", "aoe", "address", target_address_json(&export->addr), "vlan",
		target_vlan_json(export->addr.vlan), "interfaces", interfaces, "disk",
		json_text(export->named ? export->named->name : export->disk->name), "size_bytes",
		(json_int_t)(atomic_load(&export->disk->nblocks) * BLK_SECTOR), "read_only",
		export->disk->read_only, "cache", export->lu.durable ? "writethrough" : "writeback",
		"write_cache_enabled", atomic_load(&export->lu.write_cache), "allow", allow,
		"enabled", export->enabled, "config_string", config_json(&settings), "masked_macs",
		(int)settings.masks, "reserved_macs", (int)settings.reserves, "fault_rules",
		(int)aoe_faults_count(aoe_export_faults(export->aoe)));
}

/* NULL: its store does not say. */
static json_t *space_status(const struct disk *disk)
{
	const struct disk_room *space = disk->space;

	if (!space)
		return NULL;
	return json_pack("{s:I, s:I, s:I, s:b}", "used_bytes",
			 (json_int_t)atomic_load(&space->used), "free_bytes",
			 (json_int_t)atomic_load(&space->free), "threshold_bytes",
			 (json_int_t)disk_space_threshold(disk), "short", atomic_load(&space->low));
}

/* What the configuration calls it: nothing on a command line. */
static json_t *disk_names(const struct target *target, const struct disk *disk)
{
	const struct target_disk *named;
	json_t *names = json_array();

	list_for_each_entry (named, &target->named, link)
		if (named->disk == disk)
			json_array_append_new(names, json_text(named->name));
	return names;
}

/* NULL: it is none. */
static json_t *file_lost(const struct disk *disk)
{
	return disk->space ? json_boolean(atomic_load(&disk->space->loss) != FILE_HERE) : NULL;
}

static json_t *disk_status(const struct target *target, const struct disk *disk)
{
	static const char *const kinds[] = {
		[DISK_FILE] = "file",
		[DISK_BLOCK] = "block",
		[DISK_RAM] = "ram",
		[DISK_NULL] = "null",
	};

	return json_pack("{s:o, s:o, s:s, s:I, s:i, s:b, s:b, s:b, s:s, s:o, s:o*, s:o*}", "name",
			 json_text(disk->name), "names", disk_names(target, disk), "kind",
			 kinds[disk->spec.kind], "size_bytes",
			 (json_int_t)(atomic_load(&disk->nblocks) * BLK_SECTOR), "physical_block",
			 (int)disk->physical_block, "read_only", disk->read_only, "thin",
			 disk->can_unmap, "encrypted", disk->encryption != NULL, "serial",
			 disk->serial, "wwn",
			 json_sprintf("%016llx", (unsigned long long)disk->wwn), "space",
			 space_status(disk), "file_lost", file_lost(disk));
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
	json_array_append_new(
		report->list,
		json_pack("{s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:f}", "mac", mac, "interface",
			  json_text(report->interface->netif.name), "vlan",
			  target_vlan_json(key->vlan), "protocol", target_proto_name(key->proto),
			  "frames", (json_int_t)value->frames, "bytes", (json_int_t)value->bytes,
			  "drops", (json_int_t)value->drops, "idle_seconds", idle));
}

static json_t *initiators_status(const struct target *target)
{
	struct initiators_report report = {.list = json_array(), .now_ns = clock_now_ns()};

	list_for_each_entry (report.interface, &target->interfaces, link)
		steer_initiators_each(steer_maps(report.interface->steer), initiator_status,
				      &report);
	return report.list;
}

/* What is in a brief status, too. `access` is for a full one; NULL where it could not be read. */
static json_t *served_status(const struct target *target, struct target_access *access,
			     enum target_detail detail)
{
	const struct target_interface *interface;
	const struct target_export *export;
	json_t *interfaces = json_array(), *exports = json_array(), *disks = json_array();
	const struct disk *disk;

	list_for_each_entry (interface, &target->interfaces, link)
		json_array_append_new(interfaces, interface_status(interface));
	list_for_each_entry (export, &target->exports, link)
		json_array_append_new(exports, export_status(target, export, access, detail));
	list_for_each_entry (disk, &target->disks, link)
		json_array_append_new(disks, disk_status(target, disk));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "version", STGT_VERSION, "interfaces",
			 interfaces, "exports", exports, "disks", disks, "iscsi",
			 target_iscsi_json(target), "alua", target_alua_json(target));
}

json_t *target_status(struct target *target, enum target_detail detail)
{
	struct target_access *access;
	json_t *status;

	if (detail == TARGET_BRIEF)
		return served_status(target, NULL, detail);
	access = target_access_read(target);
	status = served_status(target, access, detail);
	target_access_free(access);
	json_object_set_new(status, "initiators", initiators_status(target));
	json_object_set_new(status, "sessions", target_sessions_json(target));
	json_object_set_new(status, "limits", target_limits_json(target));
	json_object_set_new(status, "faults", target_faults_json(target));
	json_object_set_new(status, "taps", target_taps_json(target));
	return status;
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
	target_iscsi_summary(target, separator, out);
	fclose(out);
	return text;
}
