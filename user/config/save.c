/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Printing in the file's form, an entry a line. What other programs would take for a number, a time
 * or a truth (7.10, 12:34:56, no) is quoted.
 */
#include "aoe/mac.h"
#include "base/cleanup.h"
#include "blk/space.h"
#include "config/iscsi_words.h"
#include "config/schema.h"
#include "config/words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* The emitter, and whether anything went wrong, asked once at the end. */
#define PORTAL_DEFAULT "0.0.0.0:3260"

struct saver {
	yaml_emitter_t emitter;
	FILE *out;
	int ret;
};

static int saver_write(void *ctx, unsigned char *buffer, size_t size)
{
	return fwrite(buffer, 1, size, ctx) == size;
}

static void emit(struct saver *saver, yaml_event_t *event, int made)
{
	if (!made)
		saver->ret = saver->ret ? saver->ret : -EILSEQ;
	else if (saver->ret)
		yaml_event_delete(event);
	else if (!yaml_emitter_emit(&saver->emitter, event))
		saver->ret = -ENOMEM;
}

static void put_scalar(struct saver *saver, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;

	emit(saver, &event,
	     yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
					  (int)strlen(text), 1, 1, style));
}

static void begin_list(struct saver *saver, yaml_sequence_style_t style)
{
	yaml_event_t event;

	emit(saver, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style));
}

static void end_list(struct saver *saver)
{
	yaml_event_t event;

	emit(saver, &event, yaml_sequence_end_event_initialize(&event));
}

static void begin_mapping(struct saver *saver, yaml_mapping_style_t style)
{
	yaml_event_t event;

	emit(saver, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
}

static void end_mapping(struct saver *saver)
{
	yaml_event_t event;

	emit(saver, &event, yaml_mapping_end_event_initialize(&event));
}

static void put_key(struct saver *saver, const char *key)
{
	put_scalar(saver, key, YAML_PLAIN_SCALAR_STYLE);
}

/* A word of ours: it needs no quotes. */
static void put_word(struct saver *saver, const char *key, const char *word)
{
	put_key(saver, key);
	put_scalar(saver, word, YAML_PLAIN_SCALAR_STYLE);
}

static void put_quoted(struct saver *saver, const char *key, const char *text)
{
	put_key(saver, key);
	put_scalar(saver, text, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

/* Letters and what paths are made of, beginning with a letter or a slash, and no word of YAML's. */
static yaml_scalar_style_t name_style(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char *const words[] = {"y",   "n",	   "yes",   "no",  "on",
					    "off", "true", "false", "null"};
	size_t len = strlen(text);

	if (!len || (!strchr(letters, *text) && *text != '/') ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") !=
		    len)
		return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(text, words[i]))
			return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	return YAML_PLAIN_SCALAR_STYLE;
}

static void put_name(struct saver *saver, const char *key, const char *text)
{
	put_key(saver, key);
	put_scalar(saver, text, name_style(text));
}

static void put_number(struct saver *saver, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_word(saver, key, text);
}

static void put_size(struct saver *saver, const char *key, uint64_t bytes)
{
	char text[CONFIG_SIZE_TEXT];

	config_size_format(bytes, text);
	put_word(saver, key, text);
}

/* ---- the entries ------------------------------------------------------------------------- */

static void save_disk(struct saver *saver, const struct config_disk *disk)
{
	const struct disk_spec *spec = &disk->spec;
	char wwn[17], threshold[DISK_SPACE_TEXT];

	begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
	put_name(saver, "name", disk->name);
	if (spec->kind == DISK_FILE || spec->kind == DISK_BLOCK)
		put_name(saver, spec->kind == DISK_FILE ? "file" : "block", spec->path);
	else
		put_size(saver, spec->kind == DISK_RAM ? "ram" : "null", spec->size);
	if (spec->kind == DISK_FILE && spec->size)
		put_size(saver, "size", spec->size);
	if (spec->read_only)
		put_word(saver, "ro", "true");
	if (spec->prealloc)
		put_word(saver, "prealloc", "true");
	if (spec->cache)
		put_word(saver, "cache", schema_word(schema_caches, spec->cache));
	if (spec->direct >= 0)
		put_word(saver, "direct", spec->direct ? "on" : "off");
	if (spec->block_size)
		put_number(saver, "block_size", spec->block_size);
	if (spec->serial[0])
		put_quoted(saver, "serial", spec->serial);
	snprintf(wwn, sizeof(wwn), "%016" PRIx64, spec->wwn);
	if (spec->wwn)
		put_quoted(saver, "wwn", wwn);
	if (spec->removable)
		put_word(saver, "removable", "true");
	if (spec->thin)
		put_word(saver, "thin", schema_word(schema_thin, spec->thin));
	if (spec->logical_block)
		put_number(saver, "logical_block_size", spec->logical_block);
	disk_space_format(spec->soft_threshold, threshold);
	if (spec->soft_threshold)
		put_word(saver, "soft_threshold", threshold);
	if (spec->key_file)
		put_name(saver, "key_file", spec->key_file);
	end_mapping(saver);
}

static void save_interface(struct saver *saver, const struct config_interface *interface)
{
	begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
	put_name(saver, "name", interface->name);
	if (interface->xdp != STEER_AUTO)
		put_word(saver, "xdp", schema_word(schema_xdp_modes, interface->xdp));
	if (interface->busy_poll_us)
		put_number(saver, "busy_poll", interface->busy_poll_us);
	if (interface->flood_guard)
		put_number(saver, "flood_guard", interface->flood_guard);
	end_mapping(saver);
}

static void save_allow(struct saver *saver, const struct aoe_acl *acl)
{
	put_key(saver, "allow");
	begin_list(saver, YAML_FLOW_SEQUENCE_STYLE);
	for (unsigned int i = 0; i < acl->count; i++) {
		char text[AOE_ACL_ENTRY_TEXT];
		bool any = aoe_acl_entry_format(&acl->entries[i], text);

		put_scalar(saver, text,
			   any ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	}
	end_list(saver);
}

static void save_export(struct saver *saver, const struct config_aoe *aoe)
{
	struct aoe_address untagged = aoe->addr;
	char address[AOE_ADDRESS_TEXT], vlan[CONFIG_VLAN_TEXT];

	untagged.vlan = 0;
	aoe_address_format(&untagged, address);
	config_vlan_format(aoe->addr.vlan, vlan);
	begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
	if (aoe->ninterfaces == 1) {
		put_name(saver, "interface", aoe->interfaces[0]);
	} else {
		put_key(saver, "interfaces");
		begin_list(saver, YAML_FLOW_SEQUENCE_STYLE);
		for (unsigned int i = 0; i < aoe->ninterfaces; i++)
			put_scalar(saver, aoe->interfaces[i], name_style(aoe->interfaces[i]));
		end_list(saver);
	}
	put_quoted(saver, "address", address);
	if (strchr(vlan, '.'))
		put_quoted(saver, "vlan", vlan);
	else if (aoe->addr.vlan)
		put_word(saver, "vlan", vlan);
	put_name(saver, "disk", aoe->disk);
	save_allow(saver, &aoe->acl);
	if (!aoe->enabled)
		put_word(saver, "enabled", "false");
	end_mapping(saver);
}

static void save_account(struct saver *saver, const struct config_account *account)
{
	put_quoted(saver, "user", account->user);
	if (account->secret_file)
		put_name(saver, "secret_file", account->secret_file);
	else
		put_quoted(saver, "secret", account->secret);
}

static void save_chap(struct saver *saver, const char *key, const struct config_chap *chap)
{
	if (!chap->initiator.user)
		return;
	put_key(saver, key);
	begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
	save_account(saver, &chap->initiator);
	if (chap->target.user) {
		put_key(saver, "mutual");
		begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
		save_account(saver, &chap->target);
		end_mapping(saver);
	}
	end_mapping(saver);
}

static void save_portals(struct saver *saver, const struct config_iscsi *iscsi)
{
	char text[CONFIG_PORTAL_TEXT];

	config_portal_format(&iscsi->portals[0], text);
	if (iscsi->nportals == 1 && !strcmp(text, PORTAL_DEFAULT))
		return;
	put_key(saver, "portals");
	begin_list(saver, YAML_FLOW_SEQUENCE_STYLE);
	for (unsigned int i = 0; i < iscsi->nportals; i++) {
		config_portal_format(&iscsi->portals[i], text);
		put_scalar(saver, text, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	}
	end_list(saver);
}

static void save_rules(struct saver *saver, const struct config_iscsi *iscsi)
{
	put_key(saver, "allow");
	begin_list(saver, YAML_FLOW_SEQUENCE_STYLE);
	for (unsigned int i = 0; i < iscsi->nrules; i++) {
		_cleanup_free_ char *text = config_rule_text(&iscsi->rules[i]);

		if (text)
			put_scalar(saver, text, name_style(text));
		else
			saver->ret = -ENOMEM;
	}
	end_list(saver);
}

static void save_luns(struct saver *saver, const struct config_iscsi *iscsi)
{
	put_key(saver, "luns");
	begin_list(saver, YAML_FLOW_SEQUENCE_STYLE);
	for (unsigned int i = 0; i < iscsi->nluns; i++) {
		const struct config_lun *lun = &iscsi->luns[i];

		begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
		put_number(saver, "lun", lun->lun);
		put_name(saver, "disk", lun->disk);
		if (lun->read_only)
			put_word(saver, "ro", "true");
		end_mapping(saver);
	}
	end_list(saver);
}

static void save_target(struct saver *saver, const struct config_iscsi *iscsi)
{
	begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
	put_quoted(saver, "name", iscsi->name);
	if (iscsi->alias)
		put_quoted(saver, "alias", iscsi->alias);
	save_portals(saver, iscsi);
	save_rules(saver, iscsi);
	if (iscsi->nluns)
		save_luns(saver, iscsi);
	save_chap(saver, "chap", &iscsi->chap);
	end_mapping(saver);
}

static void save_alua(struct saver *saver, const struct config_alua *alua)
{
	begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
	put_number(saver, "group", alua->group);
	if (alua->access.access != SCSI_ACCESS_OPTIMIZED)
		put_word(saver, "state", scsi_access_name(alua->access.access));
	if (alua->access.preferred)
		put_word(saver, "preferred", "true");
	if (alua->access.implicit)
		put_word(saver, "implicit", "true");
	end_mapping(saver);
}

static void save_limit(struct saver *saver, const struct config_limit *limit)
{
	char mac[MAC_TEXT];

	mac_or_any_format(limit->mac, mac);
	begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
	if (mac_is_any(limit->mac))
		put_word(saver, "initiator", mac);
	else
		put_quoted(saver, "initiator", mac);
	if (limit->iops)
		put_number(saver, "iops", limit->iops);
	if (limit->bytes)
		put_size(saver, "bytes", limit->bytes);
	end_mapping(saver);
}

/* ---- the whole --------------------------------------------------------------------------- */

static void save_lists(struct saver *saver, const struct config *config)
{
	if (config->ndisks) {
		put_key(saver, "disks");
		begin_list(saver, YAML_BLOCK_SEQUENCE_STYLE);
		for (unsigned int i = 0; i < config->ndisks; i++)
			save_disk(saver, &config->disks[i]);
		end_list(saver);
	}
	if (config->ninterfaces) {
		put_key(saver, "interfaces");
		begin_list(saver, YAML_BLOCK_SEQUENCE_STYLE);
		for (unsigned int i = 0; i < config->ninterfaces; i++)
			save_interface(saver, &config->interfaces[i]);
		end_list(saver);
	}
	if (config->naoe) {
		put_key(saver, "aoe");
		begin_list(saver, YAML_BLOCK_SEQUENCE_STYLE);
		for (unsigned int i = 0; i < config->naoe; i++)
			save_export(saver, &config->aoe[i]);
		end_list(saver);
	}
	if (config->niscsi) {
		put_key(saver, "iscsi");
		begin_list(saver, YAML_BLOCK_SEQUENCE_STYLE);
		for (unsigned int i = 0; i < config->niscsi; i++)
			save_target(saver, &config->iscsi[i]);
		end_list(saver);
	}
	save_chap(saver, "discovery_chap", &config->discovery_chap);
	if (config->nalua) {
		put_key(saver, "alua");
		begin_list(saver, YAML_BLOCK_SEQUENCE_STYLE);
		for (unsigned int i = 0; i < config->nalua; i++)
			save_alua(saver, &config->alua[i]);
		end_list(saver);
	}
	if (config->nlimits) {
		put_key(saver, "limits");
		begin_list(saver, YAML_BLOCK_SEQUENCE_STYLE);
		for (unsigned int i = 0; i < config->nlimits; i++)
			save_limit(saver, &config->limits[i]);
		end_list(saver);
	}
}

static void save_rest(struct saver *saver, const struct config *config)
{
	bool level = config->log_level != CONFIG_LOG_LEVEL_DEFAULT;

	if (config->listen) {
		put_key(saver, "exporter");
		begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
		put_quoted(saver, "listen", config->listen);
		end_mapping(saver);
	}
	if (level || config->log_to) {
		put_key(saver, "log");
		begin_mapping(saver, YAML_FLOW_MAPPING_STYLE);
		if (level)
			put_word(saver, "level", config_log_level_name(config->log_level));
		if (config->log_to)
			put_word(saver, "to", schema_word(schema_log_targets, config->log_to));
		end_mapping(saver);
	}
	if (config->state_dir)
		put_name(saver, "state_dir", config->state_dir);
	if (config->socket)
		put_name(saver, "socket", config->socket);
}

static void save_document(struct saver *saver, const struct config *config)
{
	yaml_event_t event;

	emit(saver, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(saver, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	begin_mapping(saver, YAML_BLOCK_MAPPING_STYLE);
	save_lists(saver, config);
	save_rest(saver, config);
	end_mapping(saver);
	emit(saver, &event, yaml_document_end_event_initialize(&event, 1));
	emit(saver, &event, yaml_stream_end_event_initialize(&event));
}

int config_save(const struct config *config, char **yaml)
{
	_cleanup_free_ char *text = NULL;
	struct saver saver = {.ret = 0};
	size_t size;

	saver.out = open_memstream(&text, &size);
	if (!saver.out)
		return -ENOMEM;
	if (yaml_emitter_initialize(&saver.emitter)) {
		yaml_emitter_set_output(&saver.emitter, saver_write, saver.out);
		yaml_emitter_set_width(&saver.emitter, -1);
		yaml_emitter_set_unicode(&saver.emitter, 1);
		save_document(&saver, config);
		yaml_emitter_delete(&saver.emitter);
	} else {
		saver.ret = -ENOMEM;
	}
	if (fclose(saver.out) && !saver.ret)
		saver.ret = -ENOMEM;
	if (!saver.ret)
		*yaml = cleanup_steal(text);
	return saver.ret;
}
