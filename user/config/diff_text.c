/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/mac.h"
#include "base/cleanup.h"
#include "blk/space.h"
#include "config/diff.h"
#include "config/iscsi_words.h"
#include "config/schema.h"
#include "config/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void put_export(FILE *out, const struct config_aoe *aoe)
{
	char address[AOE_ADDRESS_TEXT];

	aoe_address_format(&aoe->addr, address);
	fprintf(out, "export %s: ", address);
}

static void put_interfaces(FILE *out, const struct config_aoe *aoe)
{
	for (unsigned int i = 0; i < aoe->ninterfaces; i++)
		fprintf(out, "%s%s", i ? "," : "", aoe->interfaces[i]);
}

static void put_allow(FILE *out, const struct aoe_acl *acl)
{
	char text[AOE_ACL_ENTRY_TEXT];

	fputs("allow ", out);
	for (unsigned int i = 0; i < acl->count; i++) {
		aoe_acl_entry_format(&acl->entries[i], text);
		fprintf(out, "%s%s", i ? "," : "", text);
	}
}

static void put_export_step(FILE *out, const struct config_step *step)
{
	const struct config_aoe *wanted = step->wanted_aoe;

	put_export(out, wanted ? wanted : step->running_aoe);
	switch (step->kind) {
	case CONFIG_REMOVE_EXPORT:
		fprintf(out, "remove");
		break;
	case CONFIG_ADD_EXPORT:
		fprintf(out, "add %s on ", wanted->disk);
		put_interfaces(out, wanted);
		fputs(", ", out);
		put_allow(out, &wanted->acl);
		fputs(wanted->enabled ? "" : ", disabled", out);
		break;
	case CONFIG_EXPORT_INTERFACES:
		fputs("serve on ", out);
		put_interfaces(out, wanted);
		break;
	case CONFIG_EXPORT_ACL:
		put_allow(out, &wanted->acl);
		break;
	default:
		fputs(wanted->enabled ? "enable" : "disable", out);
		break;
	}
}

static void put_portal(FILE *out, const char *separator, const struct iscsi_portal *portal)
{
	char text[CONFIG_PORTAL_TEXT];

	config_portal_format(portal, text);
	fprintf(out, "%s%s", separator, text);
}

static void put_target_portals(FILE *out, const struct config_iscsi *iscsi)
{
	for (unsigned int i = 0; i < iscsi->nportals; i++)
		put_portal(out, i ? "," : "", &iscsi->portals[i]);
}

static void put_closed_portals(FILE *out, const struct config_iscsi *running,
			       const struct config_iscsi *wanted)
{
	const char *separator = "";

	for (unsigned int i = 0; i < running->nportals; i++) {
		if (config_iscsi_has_portal(wanted, &running->portals[i]))
			continue;
		put_portal(out, separator, &running->portals[i]);
		separator = ",";
	}
}

/* Secrets are nobody's business in a log. */
static void put_target_access(FILE *out, const struct config_iscsi *iscsi)
{
	fputs("allow ", out);
	for (unsigned int i = 0; i < iscsi->nrules; i++) {
		_cleanup_free_ char *rule = config_rule_text(&iscsi->rules[i]);

		fprintf(out, "%s%s", i ? "," : "", rule ? rule : "");
	}
	if (iscsi->chap.initiator.user)
		fprintf(out, ", CHAP as %s", iscsi->chap.initiator.user);
	if (iscsi->chap.target.user)
		fputs(", mutual", out);
}

static void put_lun(FILE *out, const struct config_lun *lun)
{
	fprintf(out, "LUN %u %s%s", lun->lun, lun->disk, lun->read_only ? " ro" : "");
}

static void put_target_step(FILE *out, const struct config_step *step)
{
	const struct config_iscsi *wanted = step->wanted_iscsi;

	fprintf(out, "target %s: ", wanted ? wanted->name : step->running_iscsi->name);
	switch (step->kind) {
	case CONFIG_REMOVE_TARGET:
		fputs("remove", out);
		break;
	case CONFIG_REMOVE_LUN:
		fprintf(out, "remove LUN %u", step->lun->lun);
		break;
	case CONFIG_ADD_LUN:
		fputs("add ", out);
		put_lun(out, step->lun);
		break;
	case CONFIG_CLOSE_PORTALS:
		fputs("do not listen on ", out);
		put_closed_portals(out, step->running_iscsi, wanted);
		break;
	case CONFIG_TARGET_PORTALS:
		fputs("listen on ", out);
		put_target_portals(out, wanted);
		break;
	case CONFIG_TARGET_ACCESS:
		put_target_access(out, wanted);
		break;
	default:
		fputs("add on ", out);
		put_target_portals(out, wanted);
		for (unsigned int i = 0; i < wanted->nluns; i++) {
			fputs(", ", out);
			put_lun(out, &wanted->luns[i]);
		}
		fputs(", ", out);
		put_target_access(out, wanted);
		break;
	}
}

static void put_interface_step(FILE *out, const struct config_step *step)
{
	const struct config_interface *wanted = step->wanted_interface;

	if (!wanted) {
		fprintf(out, "interface %s: remove", step->running_interface->name);
		return;
	}
	fprintf(out, "interface %s: ", wanted->name);
	if (step->kind == CONFIG_FLOOD_GUARD) {
		fprintf(out, "flood_guard %u", wanted->flood_guard);
		return;
	}
	fprintf(out, "add, xdp %s", schema_word(schema_xdp_modes, wanted->xdp));
	if (wanted->busy_poll_us)
		fprintf(out, ", busy_poll %u", wanted->busy_poll_us);
	if (wanted->flood_guard)
		fprintf(out, ", flood_guard %u", wanted->flood_guard);
}

static void put_disk_step(FILE *out, const struct config_step *step)
{
	const struct config_disk *wanted = step->wanted_disk;
	_cleanup_free_ char *disk = wanted ? config_disk_text(&wanted->spec) : NULL;
	char size[CONFIG_SIZE_TEXT], has[CONFIG_SIZE_TEXT], threshold[DISK_SPACE_TEXT];

	if (!wanted) {
		fprintf(out, "disk %s: remove", step->running_disk->name);
	} else if (step->kind == CONFIG_GROW_DISK) {
		config_size_format(wanted->spec.size, size);
		fprintf(out, "disk %s: grow to %s", wanted->name, size);
	} else if (step->kind == CONFIG_SET_THRESHOLD) {
		disk_space_format(wanted->spec.soft_threshold, threshold);
		fprintf(out, "disk %s: soft_threshold %s", wanted->name,
			wanted->spec.soft_threshold ? threshold : "as usual");
	} else if (step->kind == CONFIG_KEEP_DISK) {
		config_size_format(wanted->spec.size, size);
		config_size_format(config_disk_bytes(step->running_disk), has);
		fprintf(out, "disk %s: keep its %s, as files never shrink: size %s is too small",
			wanted->name, has, size);
	} else {
		fprintf(out, "disk %s: add %s", wanted->name, disk ? disk : "");
	}
}

static void put_alua_step(FILE *out, const struct config_step *step)
{
	const struct config_alua *wanted = step->wanted_alua;
	struct scsi_access_state access = {.access = SCSI_ACCESS_OPTIMIZED};

	if (wanted)
		access = wanted->access;
	fprintf(out, "target port group %u: %s%s%s",
		wanted ? wanted->group : step->running_alua->group, scsi_access_name(access.access),
		access.preferred ? ", preferred" : "", access.implicit ? ", implicit" : "");
}

static void put_limit_step(FILE *out, const struct config_step *step)
{
	const struct config_limit *limit = step->wanted_limit;
	char mac[MAC_TEXT], size[CONFIG_SIZE_TEXT];

	mac_or_any_format(limit ? limit->mac : step->running_limit->mac, mac);
	fprintf(out, "limit %s: ", mac);
	if (!limit)
		fputs("remove", out);
	else if (limit->iops)
		fprintf(out, "%" PRIu64 " iops%s", limit->iops, limit->bytes ? ", " : "");
	if (limit && limit->bytes) {
		config_size_format(limit->bytes, size);
		fprintf(out, "%s a second", size);
	}
}

static void put_step(FILE *out, const struct config_step *step, const struct config *wanted)
{
	switch (step->kind) {
	case CONFIG_REMOVE_EXPORT:
	case CONFIG_ADD_EXPORT:
	case CONFIG_EXPORT_INTERFACES:
	case CONFIG_EXPORT_ACL:
	case CONFIG_EXPORT_ENABLED:
		put_export_step(out, step);
		break;
	case CONFIG_REMOVE_TARGET:
	case CONFIG_REMOVE_LUN:
	case CONFIG_ADD_TARGET:
	case CONFIG_ADD_LUN:
	case CONFIG_CLOSE_PORTALS:
	case CONFIG_TARGET_PORTALS:
	case CONFIG_TARGET_ACCESS:
		put_target_step(out, step);
		break;
	case CONFIG_DISCOVERY_CHAP:
		fputs(wanted->discovery_chap.initiator.user ? "discovery_chap: set"
							    : "discovery_chap: remove",
		      out);
		break;
	case CONFIG_SET_ALUA:
		put_alua_step(out, step);
		break;
	case CONFIG_REMOVE_INTERFACE:
	case CONFIG_ADD_INTERFACE:
	case CONFIG_FLOOD_GUARD:
		put_interface_step(out, step);
		break;
	case CONFIG_REMOVE_DISK:
	case CONFIG_ADD_DISK:
	case CONFIG_GROW_DISK:
	case CONFIG_SET_THRESHOLD:
	case CONFIG_KEEP_DISK:
		put_disk_step(out, step);
		break;
	case CONFIG_REMOVE_LIMIT:
	case CONFIG_SET_LIMIT:
		put_limit_step(out, step);
		break;
	case CONFIG_EXPORTER:
		fprintf(out, "exporter: %s%s", wanted->listen ? "listen on " : "stop",
			wanted->listen ? wanted->listen : "");
		break;
	case CONFIG_LOG:
		fprintf(out, "log: level %s, to %s", config_log_level_name(wanted->log_level),
			schema_word(schema_log_targets, wanted->log_to));
		break;
	case CONFIG_RESTART:
		fputs("state_dir, socket: as in the file from the next start on", out);
		break;
	}
}

char *config_step_text(const struct config_step *step, const struct config *wanted)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_step(out, step, wanted);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
