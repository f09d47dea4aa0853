/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The file's shape, as libcyaml loads it: which keys there are, which are lists, which words some
 * of them take. Numbers, sizes and addresses are texts here; convert.c reads them.
 */
#ifndef STGT_CONFIG_SCHEMA_H
#define STGT_CONFIG_SCHEMA_H

#include "config/config.h"
#include "config/lines.h"
#include <cyaml/cyaml.h>
#include <stdint.h>

/* What a switch says. */
enum file_switch {
	FILE_UNSAID,
	FILE_OFF,
	FILE_ON,
};

struct file_disk {
	char *name;
	char *store[4]; /* by enum disk_kind */
	char *size;
	enum file_switch read_only, prealloc, direct;
	enum disk_cache cache;
	char *block_size, *serial, *wwn;
	enum file_switch removable;
	enum disk_thin thin;
	char *logical_block_size, *soft_threshold, *key_file;
};

struct file_interface {
	char *name;
	enum steer_request xdp;
	char *busy_poll, *flood_guard;
};

struct file_aoe {
	char *interface;
	char **interfaces;
	unsigned int interfaces_count;
	char *address, *vlan, *disk;
	char **allow;
	unsigned int allow_count;
	enum file_switch enabled;
};

struct file_account {
	char *user, *secret, *secret_file;
};

struct file_chap {
	char *user, *secret, *secret_file;
	struct file_account *mutual;
};

struct file_lun {
	char *lun, *disk;
	enum file_switch read_only;
};

struct file_iscsi {
	char *name, *alias;
	char **portals;
	unsigned int portals_count;
	char **allow;
	unsigned int allow_count;
	struct file_lun *luns;
	unsigned int luns_count;
	struct file_chap *chap;
};

struct file_alua {
	char *group, *state;
	enum file_switch preferred, implicit;
};

struct file_limit {
	char *initiator, *iops, *bytes;
};

struct file_exporter {
	char *listen;
};

struct file_log {
	int level; /* 0: unsaid */
	enum config_log_to to;
};

struct file_config {
	struct file_disk *disks;
	unsigned int disks_count;
	struct file_interface *interfaces;
	unsigned int interfaces_count;
	struct file_aoe *aoe;
	unsigned int aoe_count;
	struct file_iscsi *iscsi;
	unsigned int iscsi_count;
	struct file_chap *discovery_chap;
	struct file_alua *alua;
	unsigned int alua_count;
	struct file_limit *limits;
	unsigned int limits_count;
	struct file_exporter *exporter;
	struct file_log *log;
	char *state_dir, *socket;
};

/* The words of a kind: an array that ends with a NULL word. */
extern const cyaml_strval_t schema_switches[]; /* enum file_switch */
extern const cyaml_strval_t schema_caches[];
extern const cyaml_strval_t schema_thin[];
extern const cyaml_strval_t schema_xdp_modes[];
extern const cyaml_strval_t schema_log_levels[];
extern const cyaml_strval_t schema_log_targets[];

/* The whole file. */
extern const cyaml_schema_value_t schema_config;

/* The first word for `value`, or NULL. */
const char *schema_word(const cyaml_strval_t *words, int64_t value);

/*
 * Loads a text that config_lines_read() let pass. -EINVAL with `err` complete. schema_free() when
 * done; *file is NULL when the text is empty.
 */
int schema_load(const char *text, size_t len, const struct config_lines *lines,
		struct file_config **file, struct error *err);
void schema_free(struct file_config *file);

#endif
