/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration file (stgt-xdp.yaml(5)) as data: read, checked, printed and compared. It knows
 * nothing of what runs; whoever applies it keeps a `struct config` of what was applied.
 *
 * Control thread only. A `struct config` owns all that hangs on it, down to every string and list;
 * whoever changes one by hand keeps to that (config_add_*(), config_remove_*()), and asks
 * config_check() afterwards.
 */
#ifndef STGT_CONFIG_H
#define STGT_CONFIG_H

#include "aoe/aoe.h"
#include "base/error.h"
#include "blk/blk.h"
#include "iscsi/iscsi.h"
#include "xdp/steer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <syslog.h>

#define CONFIG_FILE_MAX	     (1u << 20) /* bytes; a longer file is refused */
#define CONFIG_NAME_MAX	     64		/* a disk's name, with its NUL */
#define CONFIG_BUSY_POLL_MAX 10000000u	/* microseconds */
#define CONFIG_PROBLEMS_MAX  100u	/* no more are listed for one file */

/* `name` is 1 to 63 of letters, digits, '.', '_', '-', the first none of '.' and '-'. */
struct config_disk {
	char *name;
	struct disk_spec spec; /* paths are absolute */
	uint64_t bytes;	       /* only of what runs: how large it is; 0: not known */
};

struct config_interface {
	char *name;
	enum steer_request xdp;
	unsigned int busy_poll_us; /* 0: never */
	unsigned int flood_guard;  /* frames a second, STEER_FLOOD_GUARD_MAX at most; 0: off */
};

/* An AoE export. Its address (with the VLAN) is what tells it from others. */
struct config_aoe {
	struct aoe_address addr;
	char *disk;	   /* a disk's name */
	char **interfaces; /* names, sorted, none twice */
	unsigned int ninterfaces;
	struct aoe_acl acl;
	/* Only of what runs: its interfaces have different lists, and `acl` is what any grants. */
	bool acl_differs;
	bool enabled;
};

/* A name and what proves it. `secret` is in the file itself, or read from `secret_file`. */
struct config_account {
	char *user; /* NULL: nobody is asked */
	char *secret;
	char *secret_file; /* absolute, or NULL */
};

struct config_chap {
	struct config_account initiator; /* what initiators prove to us */
	struct config_account target;	 /* what we prove to them when asked */
};

struct config_lun {
	uint16_t lun;
	char *disk; /* a disk's name */
	bool read_only;
};

/* An iSCSI target. */
struct config_iscsi {
	char *name;  /* the IQN */
	char *alias; /* for people; NULL: none */
	struct iscsi_portal *portals;
	unsigned int nportals;
	struct iscsi_rule *rules; /* who may log in; the first that fits holds */
	unsigned int nrules;
	struct config_lun *luns;
	unsigned int nluns;
	struct config_chap chap;
};

/* How good a target port group is; of one that is not listed all zeros. */
struct config_alua {
	uint16_t group;
	struct scsi_access_state access;
};

/* What one initiator may do in a second, over all exports. */
struct config_limit {
	uint8_t mac[6]; /* mac_any: each that has no limit of its own */
	uint64_t iops;	/* 0: as many as it likes */
	uint64_t bytes; /* 0: as many as it likes */
};

enum config_log_to {
	CONFIG_LOG_AUTO, /* the journal when started by it, else stderr */
	CONFIG_LOG_STDERR,
	CONFIG_LOG_JOURNAL,
};

#define CONFIG_LOG_LEVEL_DEFAULT LOG_INFO

struct config_lines;

struct config {
	struct config_disk *disks;
	unsigned int ndisks;
	struct config_interface *interfaces;
	unsigned int ninterfaces;
	struct config_aoe *aoe;
	unsigned int naoe;
	struct config_iscsi *iscsi;
	unsigned int niscsi;
	struct config_chap discovery_chap; /* what asking for iSCSI targets takes */
	struct config_alua *alua;
	unsigned int nalua;
	struct config_limit *limits;
	unsigned int nlimits;
	char *listen;  /* of the exporter, config_listen_parse() takes it; NULL: no exporter */
	int log_level; /* of <syslog.h>: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */
	enum config_log_to log_to;
	char *state_dir; /* absolute; NULL: not said */
	char *socket;	 /* absolute; NULL: not said */
	/* Where the fields stand in the file, for messages; NULL when it was read from none. */
	struct config_lines *lines;
};

/* ---- reading and printing ---------------------------------------------------------------- */

/* An empty configuration with the defaults, or NULL when out of memory. */
struct config *config_new(void);
void config_free(struct config *config); /* NULL is fine */

/*
 * Reads the file at `path`, or `len` bytes at `text` that messages call `name`, and checks it. On
 * success *config is the caller's, and config_check() finds nothing wrong with it.
 *
 * -EINVAL: what the file says is wrong. Every mistake is a line "NAME:LINE: FIELD: what and what to
 * do" in *problems, each with its newline; `problems` may be NULL, else the caller frees. `err`
 * holds the first of them, and how many more there are. A file that is not YAML, or not of the
 * right shape, has one mistake: reading ends there. Other errno (with `err`, *problems NULL): the
 * file cannot be read. Files with secrets in them are read by config_load() only; it warns of
 * what others can read.
 */
int config_load(const char *path, struct config **config, char **problems, struct error *err);
int config_parse(const char *text, size_t len, const char *name, struct config **config,
		 char **problems, struct error *err);

/* Warns when everybody can read a file that has secrets in it. */
void config_secret_mode_warn(const char *path, mode_t mode);
#define CONFIG_SECRET_SHORT \
	"a secret of fewer than 12 characters can be guessed; many initiators refuse it"

/*
 * Everything that is wrong with the sense of it: disks that are missing or named twice, stores with
 * two writers, addresses taken twice, exports that admit nobody, and so on. As config_parse()
 * reports it; without the name and line for what was not read from a file.
 */
int config_check(const struct config *config, char **problems, struct error *err);

/*
 * Prints it in the file's form: what is at its default is left out, lists keep their order. For a
 * config that config_check() accepts, config_parse() of the text gives the same again. *yaml is the
 * caller's. 0, -ENOMEM, or -EILSEQ when a text is no UTF-8.
 */
int config_save(const struct config *config, char **yaml);

/* A copy that shares nothing (and does not know the file), or NULL when out of memory. */
struct config *config_copy(const struct config *config);

/* ---- one by one -------------------------------------------------------------------------- */

/* The DISK text of the command line, which disk_spec_parse() reads as `spec`. Caller frees. */
char *config_disk_text(const struct disk_spec *spec);

/* `to` becomes a copy of its own, for disk_spec_fini(). 0 or -ENOMEM. */
int config_disk_spec_copy(const struct disk_spec *from, struct disk_spec *to);
bool config_disk_spec_equal(const struct disk_spec *a, const struct disk_spec *b);

/* NULL when there is none. A linear search. */
struct config_disk *config_find_disk(const struct config *config, const char *name);
struct config_interface *config_find_interface(const struct config *config, const char *name);
struct config_aoe *config_find_aoe(const struct config *config, const struct aoe_address *addr);
struct config_iscsi *config_find_iscsi(const struct config *config, const char *name);
struct config_lun *config_find_lun(const struct config_iscsi *iscsi, unsigned int lun);
bool config_iscsi_has_portal(const struct config_iscsi *iscsi, const struct iscsi_portal *portal);
struct config_limit *config_find_limit(const struct config *config, const uint8_t mac[6]);
struct config_alua *config_find_alua(const struct config *config, unsigned int group);

/*
 * A new last entry with the defaults, for the caller to fill in with what the config then owns;
 * NULL when out of memory. Pointers to other entries of the list are stale afterwards.
 */
struct config_disk *config_add_disk(struct config *config);
struct config_interface *config_add_interface(struct config *config);
struct config_aoe *config_add_aoe(struct config *config);
struct config_iscsi *config_add_iscsi(struct config *config);
struct config_limit *config_add_limit(struct config *config);
struct config_alua *config_add_alua(struct config *config);

/* Frees the entry, which must be one of the config's list; later ones move up. */
void config_remove_disk(struct config *config, struct config_disk *disk);
void config_remove_interface(struct config *config, struct config_interface *interface);
void config_remove_aoe(struct config *config, struct config_aoe *aoe);
void config_remove_iscsi(struct config *config, struct config_iscsi *iscsi);
void config_remove_limit(struct config *config, struct config_limit *limit);
void config_remove_alua(struct config *config, struct config_alua *alua);

/* A new last LUN. 0, -EEXIST or -ENOMEM. Its removal frees it. */
int config_iscsi_add_lun(struct config_iscsi *iscsi, uint16_t number, const char *disk,
			 bool read_only);
void config_iscsi_remove_lun(struct config_iscsi *iscsi, struct config_lun *lun);
/*
 * The rule is what holds from now on for those that its pattern names: it stands before the first
 * that would hold for them else, and instead of one for the same pattern. 0 or -ENOMEM.
 */
int config_iscsi_allow(struct config_iscsi *iscsi, const struct iscsi_rule *rule);
/* No rule has that pattern any more. The one that lets those in all the same, or NULL. */
const struct iscsi_rule *config_iscsi_deny(struct config_iscsi *iscsi, const char *pattern);

/* `to` is empty before, and the caller's even when memory runs out. 0 or -ENOMEM. */
int config_iscsi_copy(const struct config_iscsi *from, struct config_iscsi *to);
int config_chap_copy(const struct config_chap *from, struct config_chap *to);
void config_chap_fini(struct config_chap *chap);
/* Secrets of files are compared where both are known. */
bool config_chap_equal(const struct config_chap *a, const struct config_chap *b);

/* Adds an interface's name at its sorted place. 0, -EEXIST or -ENOMEM. */
int config_aoe_add_interface(struct config_aoe *aoe, const char *name);
bool config_aoe_has_interface(const struct config_aoe *aoe, const char *name);

/* ADDRESS:PORT, [ADDRESS]:PORT for IPv6; numbers, not names. -EINVAL says what is wrong. */
int config_listen_parse(const char *text, struct sockaddr_storage *addr, socklen_t *len,
			struct error *err);

/* "error", "warning", ... of a syslog priority, and back (-EINVAL names the words there are). */
const char *config_log_level_name(int level);
int config_log_level_parse(const char *text, int *level, struct error *err);

/* ---- differences ------------------------------------------------------------------------- */

/* In the order in which they are to be done. */
enum config_step_kind {
	CONFIG_REMOVE_EXPORT,
	CONFIG_REMOVE_TARGET,
	CONFIG_REMOVE_LUN,    /* of a target that stays */
	CONFIG_CLOSE_PORTALS, /* those that are not wanted: another target may want them */
	/* Exports that stay are no longer served there. */
	CONFIG_REMOVE_INTERFACE,
	CONFIG_REMOVE_DISK, /* no export that is left names it */
	CONFIG_ADD_DISK,
	CONFIG_GROW_DISK,     /* a file is made longer, to wanted_disk->spec.size */
	CONFIG_SET_THRESHOLD, /* wanted_disk->spec.soft_threshold */
	CONFIG_KEEP_DISK,     /* a file has more than that: nothing to do, as none is ever shrunk */
	/* Serves no export yet: those that stay follow as CONFIG_EXPORT_INTERFACES. */
	CONFIG_ADD_INTERFACE,
	CONFIG_SET_ALUA, /* of a target port group; without `wanted` to what is usual */
	/* Before exports: what a unit remembers may shut AoE's initiators out of its disk. */
	CONFIG_ADD_TARGET, /* with all that it has */
	CONFIG_ADD_LUN,
	CONFIG_ADD_EXPORT, /* on all its interfaces, with its list, enabled or not */
	/* Serve it on the wanted interfaces, and no others; where it is served already stays. */
	CONFIG_EXPORT_INTERFACES,
	CONFIG_EXPORT_ACL,
	CONFIG_EXPORT_ENABLED,
	CONFIG_TARGET_PORTALS,
	CONFIG_TARGET_ACCESS, /* list and CHAP */
	CONFIG_DISCOVERY_CHAP,
	CONFIG_FLOOD_GUARD, /* of an interface that stays */
	CONFIG_REMOVE_LIMIT,
	CONFIG_SET_LIMIT, /* new or changed */
	CONFIG_EXPORTER,  /* `listen` of both configs: NULL is none */
	CONFIG_LOG,	  /* level or destination */
	CONFIG_RESTART,	  /* state_dir or socket: holds from the next start on; nothing to do */
};

/*
 * One step. The entries it is about are in the configs compared, which must stay as they are for as
 * long as steps are used: `running` is NULL for what is added, `wanted` for what is removed.
 */
struct config_step {
	enum config_step_kind kind;
	union {
		const struct config_aoe *running_aoe;
		const struct config_interface *running_interface;
		const struct config_disk *running_disk;
		const struct config_iscsi *running_iscsi;
		const struct config_limit *running_limit;
		const struct config_alua *running_alua;
	};
	union {
		const struct config_aoe *wanted_aoe;
		const struct config_interface *wanted_interface;
		const struct config_disk *wanted_disk;
		const struct config_iscsi *wanted_iscsi;
		const struct config_limit *wanted_limit;
		const struct config_alua *wanted_alua;
	};
	const struct config_lun *lun; /* that comes or goes; else NULL */
	char *text;		      /* for people: "disk vol0: add file:/srv/vol0.img" */
};

/*
 * What turns `running` into `wanted` and touches nothing else, in an order that works (both as
 * config_check() accepts them). What cannot be changed in place is removed and added again, with
 * the exports that depend on it. No steps: there is nothing to do. config_steps_free() when done.
 * 0, -ENOMEM, or -EINVAL: a file that is read-only would have to grow.
 */
int config_diff(const struct config *running, const struct config *wanted,
		struct config_step **steps, unsigned int *nsteps, struct error *err);
void config_steps_free(struct config_step *steps, unsigned int nsteps);

#endif
