/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The target's parts, for the files of this module only. */
#ifndef STGT_TARGET_INTERNAL_H
#define STGT_TARGET_INTERNAL_H

#include "base/list.h"
#include "target/target.h"
#include "tcp/tcp.h"
#include "worker/worker.h"
#include <stdio.h>

/* A disk with a name of its own: open for as long as the name exists. */
struct target_disk {
	struct list link;
	char *name;
	struct disk *disk;
};

struct target_export {
	struct list link; /* in the target's exports, or in those that are leaving */
	struct aoe_address addr;
	struct target_disk *named; /* NULL: the disk was opened for this export */
	struct disk *disk;
	struct lu lu;
	struct state *state;
	struct ata_device *ata;
	struct aoe_export *aoe;
	struct target_unit *unit; /* of a disk that is not to be had, for a SANITIZE; or NULL */
	struct aoe_acl acl;	  /* as last asked for or found; the truth is in the maps */
	bool enabled;		  /* answered at all */
	bool closing;		  /* is closed once no worker has it */
	unsigned int leaving;	  /* workers that were told to let go and have not */
};

/* A disk as SCSI initiators see it. */
struct target_unit {
	struct list link;
	struct target *target;
	struct message stopped; /* nothing goes on in it any more */
	struct disk *disk;
	struct lu lu;
	struct state *state;
	struct scsi_device *device;
	unsigned int users;   /* LUNs that show it */
	unsigned int leaving; /* of them, that hide it and whose last command has not ended */
};

struct target_iscsi {
	struct list link;
	struct iscsi_port *ports; /* for each portal group that the target ever had */
	unsigned int nports;
	struct iscsi_target *target;
	struct iscsi_portal *portals; /* that are listened on for it */
	unsigned int nportals;
	struct iscsi_rule *rules; /* who may log in */
	unsigned int nrules;
	struct target_unit *units[SCSI_LUNS_MAX]; /* by LUN */
	bool read_only[SCSI_LUNS_MAX];
	struct tcp_leave *leave; /* for its end */
	unsigned int holders;	 /* units that are being hidden, sessions that are left */
	bool closing;		 /* is closed once there are none */
};

struct target_interface {
	struct list link;
	struct netif netif;
	struct interface_request request; /* its name is netif.name */
	struct steer *steer;
	int acl; /* the map's descriptor for the workers, which outlive the program */
	struct worker **workers; /* one per RX queue */
	unsigned int nworkers;
	struct target_export **exports;
	unsigned int nexports;
};

struct target {
	struct target_options options;
	struct mailbox mailbox;
	int monitor;
	bool closing;
	struct list disks;   /* struct disk: every one that is open */
	struct list named;   /* struct target_disk */
	struct list exports; /* struct target_export */
	struct list leaving; /* exports that were removed, with requests in flight */
	struct list interfaces;
	struct list units;	   /* struct target_unit */
	struct list iscsi;	   /* struct target_iscsi */
	struct list iscsi_leaving; /* those that were removed, with sessions or commands left */
	struct iscsi_auth discovery;
	struct iscsi_node *node; /* NULL until there is an iSCSI target, as is the next */
	struct tcp_server *tcp;
	uint16_t ports;	     /* SCSI target ports that there ever were */
	struct list watches; /* see space.c */
	struct list groups;  /* see ports.c */
	struct list limits;  /* see tuning.c */
	struct list taps;    /* see taps.c */
};

/* ---- disks.c ---- */

struct target_disk *target_disk_find(const struct target *target, const char *name);
bool target_disk_is_named(const struct target *target, const struct disk *disk);
void target_disk_close(struct target_disk *disk);

/* Opens a disk by its name, or by DISK as the command line spells it; disk_put() it. */
int target_disk_open(struct target *target, const char *words, struct disk **disk,
		     struct error *err);

/* ---- units.c ---- */

/* The unit of a disk, by its name or by DISK, with one more user. */
int target_unit_get(struct target *target, const char *words, struct target_unit **unit,
		    struct error *err);
/*
 * The same of a disk that nobody may have, as a SANITIZE has not ended or has failed; of others
 * *unit is NULL.
 */
int target_unit_get_sealed(struct target *target, struct disk *disk, struct target_unit **unit,
			   struct error *err);
/*
 * A SANITIZE that did not end goes on, on the queue's thread, which this is called on: if there is
 * memory for it, or when there is. Nothing where there is none, or no longer.
 */
void target_unit_resume(struct target_unit *unit, struct blk_queue *queue);
void target_unit_resume_later(struct target_unit *unit, struct blk_queue *queue);
/* A user's LUN does not show it any more; its commands may go on until target_unit_put(). */
void target_unit_leave(struct target_unit *unit);
void target_unit_put(struct target_unit *unit);
/* Some LUN shows the disk; or none does, and the last commands have not ended. */
bool target_disk_shown(const struct target *target, const struct disk *disk);
bool target_disk_leaving(const struct target *target, const struct disk *disk);
/* Tells initiators. */
void target_units_resized(struct target *target, const struct disk *disk);
void target_unit_threshold_changed(struct target *target, const struct disk *disk);
void target_unit_short_of_space(struct target *target, const struct disk *disk);

/* ---- space.c ---- */

/* Has somebody look, from now on, how full the disk's file system is. */
void target_space_watch(struct target *target, const struct disk *disk);
/* Does not wait for a file system that hangs. */
void target_space_close(struct target *target);

/* ---- ports.c ---- */

/*
 * Ports for the groups of these portals that have none yet; they show the units that there are. 0,
 * or negative errno with `err` set, and ports that were made may stay.
 */
int target_ports_open(struct target *target, struct target_iscsi *iscsi, const char *name,
		      const struct iscsi_portal *portals, unsigned int nportals, struct error *err);
/* Nobody is logged in, and no unit shown. */
void target_ports_close(struct target_iscsi *iscsi);
/* Shows its unit through all of them. 0 or negative errno: hide it then. */
int target_ports_show(struct target_iscsi *iscsi, uint16_t lun);
/*
 * Hides its unit, which is in use until the last command through them has ended. 0 or -ENOMEM: some
 * port goes on showing it.
 */
int target_ports_hide(struct target *target, struct target_iscsi *iscsi, uint16_t lun);
json_t *target_alua_json(const struct target *target);
void target_alua_close(struct target *target);

/* ---- iscsi.c, report_iscsi.c ---- */

/* Runs one of the two on the iSCSI workers, if there are any and the unit's SANITIZE has not ended.
 */
void target_iscsi_ask(struct target *target, struct target_unit *unit,
		      void (*fn)(struct target_unit *unit, struct blk_queue *queue));
/* One of its holders has let go. */
void target_iscsi_put(struct target_iscsi *iscsi);
void target_iscsi_close_all(struct target *target);
void target_iscsi_summary(const struct target *target, const char *separator, FILE *out);
json_t *target_iscsi_json(const struct target *target);
json_t *target_sessions_json(const struct target *target);
/* NULL: no iSCSI is served. */
json_t *target_iscsi_stats_json(const struct target *target);
/* Where iSCSI is served: what was asked of each unit of each target. */
json_t *target_luns_stats_json(const struct target *target);

/* ---- exports.c ---- */

struct target_export *target_export_find(const struct target *target,
					 const struct aoe_address *addr);
void target_export_close(struct target_export *export);
/* Lets go of the unit that it has, if it has one. */
void target_export_leave_unit(struct target_export *export);
/*
 * The unit of a disk that is not to be had has gone; an export of it takes another one, and goes on
 * with what that left.
 */
void target_exports_take_unit(struct target *target, struct disk *disk);
/* A worker that was told to let go of the export (ctx) has. */
void target_export_left(void *ctx);
/* Runs what workers send, waiting for it. 0, or -ETIMEDOUT once it is too late to wait. */
int target_await_mail(struct target *target, uint64_t deadline_ns);
/* -ENOENT with `err` set. */
int target_no_export(const struct aoe_address *addr, struct error *err);

/* ---- interface.c ---- */

struct target_interface *target_interface_find(const struct target *target, const char *name);
/* Attaches and starts; on failure nothing of `interface` is left but its memory. */
int target_interface_start(struct target *target, struct target_interface *interface,
			   struct error *err);
void target_interface_stop(struct target *target, struct target_interface *interface);
/* Runs `fn` on every worker of the interface, one after the other. */
void target_interface_run(struct target_interface *interface,
			  void (*fn)(const struct worker_view *view, void *arg), void *arg);
/* Sets the flood guard. */
int target_interface_guard(struct target_interface *interface, unsigned int frames,
			   struct error *err);
/* One export, or all (NULL). */
void target_interface_announce(struct target_interface *interface,
			       const struct target_export *export);
/* Follows what the kernel says changed: MTU, MAC; or its name. */
void target_interface_changed(struct target_interface *interface, const struct netif_event *event);
void target_interface_renamed(struct target_interface *interface, const char *name);

/* ---- serving.c: an export on an interface ---- */

bool target_interface_serves(const struct target_interface *interface,
			     const struct target_export *export);
/* Makes the export one of the interface's: access list, workers, program, announcement. */
int target_serve(struct target *target, struct target_interface *interface,
		 struct target_export *export, const struct aoe_acl *acl, struct error *err);
/* The reverse. In-flight requests end later: export->leaving counts the workers they are on. */
void target_unserve(struct target *target, struct target_interface *interface,
		    struct target_export *export);
/*
 * The unit's SANITIZE that ended early, with another process or the thread that it was on, goes on
 * where the disk is served: over an interface, or on an iSCSI worker. And those of all units.
 */
void target_resume_unit(struct target *target, struct target_unit *unit);
void target_serving_resume(struct target *target);
/* Answered again, or silent, with all else as it is. */
int target_serving_start(struct target *target, struct target_interface *interface,
			 struct target_export *export, struct error *err);
void target_serving_stop(struct target *target, struct target_interface *interface,
			 struct target_export *export);

/* ---- tuning.c ---- */

/* Has the workers of a new interface know all limits. 0 or negative errno. */
int target_limits_apply(struct target *target, struct target_interface *interface);
/* Once no interface is left. */
void target_limits_close(struct target *target);

/* ---- taps.c ---- */

/* The interface's workers have ended, and with them what there is to watch. */
void target_taps_leave(struct target *target, struct target_interface *interface);

/* ---- access.c ---- */

/* The worker's side: what the interface's map says. */
struct aoe_access_source target_access_source(struct target_interface *interface);
/* Adds the list's entries to what the map says of the export. 0 or negative errno. */
int target_access_add(struct target_interface *interface, const struct target_export *export,
		      const struct aoe_acl *acl);
void target_access_erase(struct target_interface *interface, const struct target_export *export);

/*
 * The export's list, sorted; borrowed until the next call. Where its interfaces have lists that
 * differ
 * (*differ, which may be NULL), it is what any of them grants.
 */
struct aoe_acl target_access_of(struct target_access *access, const struct target_export *export,
				bool *differ);

/* ---- report.c ---- */

/* 0 untagged, VID, or "OUTER.INNER" for two tags. */
json_t *target_vlan_json(uint32_t vlan);
json_t *target_address_json(const struct aoe_address *addr);
const char *target_proto_name(uint32_t proto);

/* ---- report_pairs.c ---- */

/* Adds what aoe_port_pairs() gave to the documents of the port's exports, in the port's order. */
void target_pairs_report(const struct aoe_pair_stats *pairs, unsigned int npairs, json_t *exports);
json_t *target_latency_bounds(void);
/* Operations by name, those that there were; `zero` is what most buckets hold: one for all. */
json_t *target_ops_report(const struct lu_op_stats ops[LU_OPS], json_t *zero);

#endif
