/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/schema.h"

#include "aoe/limit.h"

#include <stddef.h>
#include <string.h>

#define DISKS_MAX      4096
#define INTERFACES_MAX 256
#define EXPORTS_MAX    4096
#define PORTALS_MAX    64
#define RULES_MAX      4096
#define GROUPS_MAX     256

#define COUNT(words) (sizeof(words) / sizeof((words)[0]) - 1)

/* What other programs write for true and false is taken as well. */
const cyaml_strval_t schema_switches[] = {
	{"true", FILE_ON}, {"false", FILE_OFF}, {"yes", FILE_ON}, {"no", FILE_OFF},
	{"on", FILE_ON},   {"off", FILE_OFF},	{NULL, 0},
};

const cyaml_strval_t schema_caches[] = {
	{"writethrough", DISK_WRITETHROUGH},
	{"writeback", DISK_WRITEBACK},
	{NULL, 0},
};

/* As schema_switches, so that all switches take the same words. */
const cyaml_strval_t schema_thin[] = {
	{"on", DISK_THIN_ON},
	{"off", DISK_THIN_OFF},
	{"true", DISK_THIN_ON},
	{"false", DISK_THIN_OFF},
	{"yes", DISK_THIN_ON},
	{"no", DISK_THIN_OFF},
	{NULL, 0},
};

const cyaml_strval_t schema_xdp_modes[] = {
	{"auto", STEER_AUTO},
	{"zerocopy", STEER_ZEROCOPY},
	{"native", STEER_NATIVE},
	{"generic", STEER_GENERIC},
	{NULL, 0},
};

const cyaml_strval_t schema_log_levels[] = {
	{"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
	{"info", LOG_INFO}, {"debug", LOG_DEBUG},     {NULL, 0},
};

const cyaml_strval_t schema_log_targets[] = {
	{"auto", CONFIG_LOG_AUTO},
	{"stderr", CONFIG_LOG_STDERR},
	{"journal", CONFIG_LOG_JOURNAL},
	{NULL, 0},
};

const char *schema_word(const cyaml_strval_t *words, int64_t value)
{
	while (words->str && words->val != value)
		words++;
	return words->str;
}

/* ---- the shape --------------------------------------------------------------------------- */

/* A list or mapping whose key is there and empty, because all in it is commented out, is fine. */
#define MAY_BE_EMPTY (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER_NULL_STR)
#define A_WORD_OF    (CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT)

#define TEXT(key, flags, structure, member) \
	CYAML_FIELD_STRING_PTR(key, flags, structure, member, 0, CYAML_UNLIMITED)
#define WORD(key, structure, member, words) \
	CYAML_FIELD_ENUM(key, A_WORD_OF, structure, member, words, COUNT(words))

static const cyaml_schema_value_t text_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t disk_fields[] = {
	TEXT("name", CYAML_FLAG_DEFAULT, struct file_disk, name),
	TEXT("file", CYAML_FLAG_OPTIONAL, struct file_disk, store[DISK_FILE]),
	TEXT("block", CYAML_FLAG_OPTIONAL, struct file_disk, store[DISK_BLOCK]),
	TEXT("ram", CYAML_FLAG_OPTIONAL, struct file_disk, store[DISK_RAM]),
	TEXT("null", CYAML_FLAG_OPTIONAL, struct file_disk, store[DISK_NULL]),
	TEXT("size", CYAML_FLAG_OPTIONAL, struct file_disk, size),
	WORD("ro", struct file_disk, read_only, schema_switches),
	WORD("prealloc", struct file_disk, prealloc, schema_switches),
	WORD("cache", struct file_disk, cache, schema_caches),
	WORD("direct", struct file_disk, direct, schema_switches),
	TEXT("block_size", CYAML_FLAG_OPTIONAL, struct file_disk, block_size),
	TEXT("serial", CYAML_FLAG_OPTIONAL, struct file_disk, serial),
	TEXT("wwn", CYAML_FLAG_OPTIONAL, struct file_disk, wwn),
	WORD("removable", struct file_disk, removable, schema_switches),
	WORD("thin", struct file_disk, thin, schema_thin),
	TEXT("logical_block_size", CYAML_FLAG_OPTIONAL, struct file_disk, logical_block_size),
	TEXT("soft_threshold", CYAML_FLAG_OPTIONAL, struct file_disk, soft_threshold),
	TEXT("key_file", CYAML_FLAG_OPTIONAL, struct file_disk, key_file),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t disk_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_disk, disk_fields),
};

static const cyaml_schema_field_t interface_fields[] = {
	TEXT("name", CYAML_FLAG_DEFAULT, struct file_interface, name),
	WORD("xdp", struct file_interface, xdp, schema_xdp_modes),
	TEXT("busy_poll", CYAML_FLAG_OPTIONAL, struct file_interface, busy_poll),
	TEXT("flood_guard", CYAML_FLAG_OPTIONAL, struct file_interface, flood_guard),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t interface_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_interface, interface_fields),
};

static const cyaml_schema_field_t aoe_fields[] = {
	TEXT("interface", CYAML_FLAG_OPTIONAL, struct file_aoe, interface),
	CYAML_FIELD_SEQUENCE("interfaces", MAY_BE_EMPTY, struct file_aoe, interfaces, &text_schema,
			     0, INTERFACES_MAX),
	TEXT("address", CYAML_FLAG_DEFAULT, struct file_aoe, address),
	TEXT("vlan", CYAML_FLAG_OPTIONAL, struct file_aoe, vlan),
	TEXT("disk", CYAML_FLAG_DEFAULT, struct file_aoe, disk),
	CYAML_FIELD_SEQUENCE("allow", MAY_BE_EMPTY, struct file_aoe, allow, &text_schema, 0,
			     STGT_MAX_ACL),
	WORD("enabled", struct file_aoe, enabled, schema_switches),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t aoe_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_aoe, aoe_fields),
};

static const cyaml_schema_field_t account_fields[] = {
	TEXT("user", CYAML_FLAG_DEFAULT, struct file_account, user),
	TEXT("secret", CYAML_FLAG_OPTIONAL, struct file_account, secret),
	TEXT("secret_file", CYAML_FLAG_OPTIONAL, struct file_account, secret_file),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t chap_fields[] = {
	TEXT("user", CYAML_FLAG_DEFAULT, struct file_chap, user),
	TEXT("secret", CYAML_FLAG_OPTIONAL, struct file_chap, secret),
	TEXT("secret_file", CYAML_FLAG_OPTIONAL, struct file_chap, secret_file),
	CYAML_FIELD_MAPPING_PTR("mutual", MAY_BE_EMPTY, struct file_chap, mutual, account_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t lun_fields[] = {
	TEXT("lun", CYAML_FLAG_DEFAULT, struct file_lun, lun),
	TEXT("disk", CYAML_FLAG_DEFAULT, struct file_lun, disk),
	WORD("ro", struct file_lun, read_only, schema_switches),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t lun_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_lun, lun_fields),
};

static const cyaml_schema_field_t iscsi_fields[] = {
	TEXT("name", CYAML_FLAG_DEFAULT, struct file_iscsi, name),
	TEXT("alias", CYAML_FLAG_OPTIONAL, struct file_iscsi, alias),
	CYAML_FIELD_SEQUENCE("portals", MAY_BE_EMPTY, struct file_iscsi, portals, &text_schema, 0,
			     PORTALS_MAX),
	CYAML_FIELD_SEQUENCE("allow", MAY_BE_EMPTY, struct file_iscsi, allow, &text_schema, 0,
			     RULES_MAX),
	CYAML_FIELD_SEQUENCE("luns", MAY_BE_EMPTY, struct file_iscsi, luns, &lun_schema, 0,
			     SCSI_LUNS_MAX),
	CYAML_FIELD_MAPPING_PTR("chap", MAY_BE_EMPTY, struct file_iscsi, chap, chap_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t iscsi_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_iscsi, iscsi_fields),
};

static const cyaml_schema_field_t alua_fields[] = {
	TEXT("group", CYAML_FLAG_DEFAULT, struct file_alua, group),
	TEXT("state", CYAML_FLAG_OPTIONAL, struct file_alua, state),
	WORD("preferred", struct file_alua, preferred, schema_switches),
	WORD("implicit", struct file_alua, implicit, schema_switches),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t alua_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_alua, alua_fields),
};

static const cyaml_schema_field_t limit_fields[] = {
	TEXT("initiator", CYAML_FLAG_DEFAULT, struct file_limit, initiator),
	TEXT("iops", CYAML_FLAG_OPTIONAL, struct file_limit, iops),
	TEXT("bytes", CYAML_FLAG_OPTIONAL, struct file_limit, bytes),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t limit_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_limit, limit_fields),
};

static const cyaml_schema_field_t exporter_fields[] = {
	TEXT("listen", CYAML_FLAG_DEFAULT, struct file_exporter, listen),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
	WORD("level", struct file_log, level, schema_log_levels),
	WORD("to", struct file_log, to, schema_log_targets),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_SEQUENCE("disks", MAY_BE_EMPTY, struct file_config, disks, &disk_schema, 0,
			     DISKS_MAX),
	CYAML_FIELD_SEQUENCE("interfaces", MAY_BE_EMPTY, struct file_config, interfaces,
			     &interface_schema, 0, INTERFACES_MAX),
	CYAML_FIELD_SEQUENCE("aoe", MAY_BE_EMPTY, struct file_config, aoe, &aoe_schema, 0,
			     EXPORTS_MAX),
	CYAML_FIELD_SEQUENCE("iscsi", MAY_BE_EMPTY, struct file_config, iscsi, &iscsi_schema, 0,
			     EXPORTS_MAX),
	CYAML_FIELD_MAPPING_PTR("discovery_chap", MAY_BE_EMPTY, struct file_config, discovery_chap,
				chap_fields),
	CYAML_FIELD_SEQUENCE("alua", MAY_BE_EMPTY, struct file_config, alua, &alua_schema, 0,
			     GROUPS_MAX),
	CYAML_FIELD_SEQUENCE("limits", MAY_BE_EMPTY, struct file_config, limits, &limit_schema, 0,
			     AOE_LIMITERS_MAX),
	CYAML_FIELD_MAPPING_PTR("exporter", MAY_BE_EMPTY, struct file_config, exporter,
				exporter_fields),
	CYAML_FIELD_MAPPING_PTR("log", MAY_BE_EMPTY, struct file_config, log, log_fields),
	TEXT("state_dir", CYAML_FLAG_OPTIONAL, struct file_config, state_dir),
	TEXT("socket", CYAML_FLAG_OPTIONAL, struct file_config, socket),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t schema_config = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file_config, config_fields),
};
