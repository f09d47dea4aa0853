/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one process serves: disks, AoE exports with the interfaces (a worker per RX queue) that they
 * are reached through, and iSCSI targets with their portals. The only module that knows them all;
 * service/ speaks to it for the command line, the configuration file and the control socket.
 *
 * Control thread only.
 */
#ifndef STGT_TARGET_H
#define STGT_TARGET_H

#include "aoe/trace.h"
#include "base/error.h"
#include "base/mailbox.h"
#include "iscsi/iscsi.h"
#include "xdp/steer.h"
#include <jansson.h>

struct target;
struct target_export;

struct target_options {
	const char *state_dir; /* where exports keep what they must remember */
	/* An interface was renamed; from target_monitor_dispatch(). May be NULL. */
	void (*renamed)(void *ctx, const char *from, const char *to);
	void *ctx;
};

/* An AoE export as asked for; everything is copied. */
struct export_request {
	struct aoe_address addr;
	const char *disk; /* the name of a disk, or DISK as the command line spells it */
	struct aoe_acl acl;
	bool disabled; /* known, but silent */
};

/* An interface as asked for. */
struct interface_request {
	const char *name;
	enum steer_request xdp;
	unsigned int busy_poll_us; /* spin so long after the last frame before sleeping; 0: never */
	unsigned int flood_guard;  /* frames a second of one initiator; 0: any number */
};

int target_open(const struct target_options *options, struct target **target, struct error *err);
/* Whether an export could remember anything now: 0 or negative errno. */
int target_state_check(const struct target *target, struct error *err);
/* Detaches every interface, waits for what is in flight, closes the disks. */
void target_close(struct target *target);

/*
 * Disks with names. `text` is DISK as the command line spells it. -EEXIST, -ENOENT; -EBUSY when a
 * disk to be removed is exported. Resizing with size 0 looks at the store's size anew; initiators
 * are told. Another soft threshold (blk/space.h) holds from then on.
 */
int target_add_disk(struct target *target, const char *name, const char *text, struct error *err);
int target_remove_disk(struct target *target, const char *name, struct error *err);
/* Before an opening is undone, of one disk or all (NULL): files made for it go too, if blank. */
void target_undo_disk(struct target *target, const char *name);
/* True when some disk has the store open, by whatever path. */
bool target_has_store(struct target *target, const struct disk_spec *spec);
/* `soft_threshold` as in struct disk_spec. */
int target_set_threshold(struct target *target, const char *name, int soft_threshold,
			 struct error *err);
/* `name`: of a disk that has one, or the words that another was opened with; `size` in bytes. */
int target_resize_disk(struct target *target, const char *name, uint64_t size, struct error *err);

/*
 * Opens the export's disk and state; *export is for target_add_interface() and may be NULL. -EEXIST
 * when the address is served already.
 */
int target_add_export(struct target *target, const struct export_request *request,
		      struct target_export **export, struct error *err);

/*
 * Everything below works while exports are in use; I/O on others is not held up. Requests of a
 * removed export that are in flight end first: until then its disk is in use and its address is not
 * free. target_settle_*() wait for that, until clock_now_ns() says so: 0 or -ETIMEDOUT.
 */
int target_remove_export(struct target *target, const struct aoe_address *addr, struct error *err);
/* `acl` is who may use it on that interface from now on, and nobody else. */
int target_bind_export(struct target *target, const struct aoe_address *addr, const char *interface,
		       const struct aoe_acl *acl, struct error *err);
int target_unbind_export(struct target *target, const struct aoe_address *addr,
			 const char *interface, struct error *err);
/* A disabled export does not answer. */
int target_enable_export(struct target *target, const struct aoe_address *addr, bool enabled,
			 struct error *err);
int target_settle_address(struct target *target, const struct aoe_address *addr,
			  uint64_t deadline_ns);
int target_settle_disk(struct target *target, const char *name, uint64_t deadline_ns);
/* Until the disk of that name can be shown as a LUN again: what goes on by itself ends first. */
int target_settle_unit(struct target *target, const char *disk, uint64_t deadline_ns);

/*
 * The export's access list, on every interface or on one; or entries of it, added or changed. After
 * a failure (-E2BIG: there is no room) the list is what it was, but for target_acl_set_on().
 */
int target_acl_set(struct target *target, const struct aoe_address *addr, const struct aoe_acl *acl,
		   struct error *err);
int target_acl_set_on(struct target *target, const struct aoe_address *addr, const char *interface,
		      const struct aoe_acl *acl, struct error *err);
int target_acl_change(struct target *target, const struct aoe_address *addr,
		      const struct aoe_acl *entries, struct error *err);

/*
 * What administrators may have changed past whoever set it up: borrowed for the call. The lists are
 * read from the maps, and hold for interfaces that the exports come to later, too.
 */
struct target_found {
	const struct aoe_address *addr;
	const struct aoe_acl *acl;
	bool acl_differs; /* from interface to interface: `acl` is what any of them grants */
	bool enabled;
};
void target_exports_each(struct target *target,
			 void (*found)(void *ctx, const struct target_found *export), void *ctx);
void target_disks_each(struct target *target,
		       void (*found)(void *ctx, const char *name, const struct disk *disk),
		       void *ctx);

/*
 * The access lists as the maps of all interfaces have them now, to be put back after a change that
 * failed. NULL: out of memory. target_access_on() borrows one; false: the interface was not there.
 */
struct target_access;
struct target_access *target_access_read(const struct target *target);
bool target_access_on(const struct target_access *access, const char *interface,
		      const struct aoe_address *addr, struct aoe_acl *acl);
void target_access_free(struct target_access *access);
/* Takes out of the maps what was written for addresses that are not served there. */
void target_access_sweep(struct target *target);

/* True when every worker answers. */
bool target_probe(struct target *target);

/*
 * Attaches to the interface, serves `exports` there and announces them. On failure the interface is
 * as it was. The exports stay the target's.
 */
int target_add_interface(struct target *target, const struct interface_request *request,
			 struct target_export *const *exports, unsigned int nexports,
			 struct error *err);

/* Detaches: new frames pass to the kernel at once, what is in flight ends. -ENODEV: not ours. */
int target_remove_interface(struct target *target, const char *name, struct error *err);
/* It has no interface and no iSCSI target: nobody reaches it. */
bool target_idle(const struct target *target);
/* By its name, which may have changed since it was added, or by its index. */
bool target_has_interface(const struct target *target, const char *name);
bool target_has_ifindex(const struct target *target, unsigned int ifindex);
/* Lets go of interfaces that somebody took our program off: they are to be added again. */
void target_drop_detached(struct target *target);

/* Another flood guard from the next frame on, STEER_FLOOD_GUARD_MAX at most. -ENODEV: not ours. */
int target_set_flood_guard(struct target *target, const char *name, unsigned int frames,
			   struct error *err);

/* Reads the size of every disk anew and announces what changed. */
void target_refresh_disks(struct target *target);

/*
 * Descriptors the control loop waits on for reading, and what to call when they are readable: the
 * mailbox (workers' requests to save state) and the link monitor.
 */
struct mailbox *target_mailbox(struct target *target);
int target_monitor_fd(const struct target *target);
void target_monitor_dispatch(struct target *target);

/* One line for the ready message: what is served where. Caller frees. */
char *target_summary(const struct target *target);

/* ---- iSCSI ---- */

struct lun_request {
	uint16_t lun;
	const char *disk; /* the name of a disk, or DISK as the command line spells it */
	bool read_only;
};

/* An iSCSI target as asked for; everything is copied. */
struct iscsi_request {
	const char *name;  /* the IQN */
	const char *alias; /* for people, or NULL */
	const struct iscsi_portal *portals;
	unsigned int nportals;
	bool may_come; /* a portal's address: LISTENER_MAY_COME */
	struct iscsi_access access;
	const struct lun_request *luns;
	unsigned int nluns;
};

/*
 * Opens the disks, and then listens. Removing asks initiators to log out and returns; what they do
 * not end is ended soon after. -EEXIST, -ENOENT. LUNs come and go under running commands. The disks
 * of what was removed are in use until the last command has ended: target_settle_disk().
 */
int target_add_iscsi(struct target *target, const struct iscsi_request *request, struct error *err);
int target_remove_iscsi(struct target *target, const char *name, struct error *err);
/* As long as no other portal is in the way, those that stay are not interrupted. */
int target_set_portals(struct target *target, const char *name, const struct iscsi_portal *portals,
		       unsigned int nportals, bool may_come, struct error *err);
/* Sessions of initiators that may do something else now end soon, and may log in again if they may.
 */
int target_set_access(struct target *target, const char *name, const struct iscsi_access *access,
		      struct error *err);
/* What asking for targets takes; also for those that are added later. */
void target_set_discovery_auth(struct target *target, const struct iscsi_auth *auth);
/* By its TSIH, as status has it. -ENOENT, -EBUSY. Its initiator may log in again. */
int target_close_session(struct target *target, uint16_t tsih, struct error *err);
int target_add_lun(struct target *target, const char *name, const struct lun_request *request,
		   struct error *err);
int target_remove_lun(struct target *target, const char *name, uint16_t lun, struct error *err);

/*
 * How good a target port group is (SPC-5 5.16): of all ports that are in it, for all their units,
 * whatever initiators have set before; also for ports that come. A portal group of an iSCSI target
 * is in the target port group of the same number. -ENOMEM.
 */
int target_set_alua(struct target *target, uint16_t group, struct scsi_access_state access,
		    struct error *err);
/* Whether any port is in the group. */
bool target_has_group(const struct target *target, uint16_t group);
/* The groups that are not active/optimized without preference, as was set last. */
void target_alua_each(const struct target *target,
		      void (*found)(void *ctx, uint16_t group, struct scsi_access_state access),
		      void *ctx);

/*
 * Rate limits, for initiators by their MAC, over all interfaces and exports; until the process
 * ends. mac_any: for each that has none of its own. The same limit again changes nothing, another
 * one starts anew. -EINVAL, -ENOSPC (AOE_LIMITERS_MAX are there); -ENOENT when there is none to
 * clear. Answers that wait for a limit that is gone are sent at once.
 */
int target_set_limit(struct target *target, const uint8_t mac[6], const struct aoe_limit *limit,
		     struct error *err);
int target_clear_limit(struct target *target, const uint8_t mac[6], struct error *err);
void target_limits_each(const struct target *target,
			void (*found)(void *ctx, const uint8_t mac[6],
				      const struct aoe_limit *limit),
			void *ctx);

/*
 * Faults that are injected on purpose; until the export is removed. `text` is one rule as in
 * aoe/fault.h. -EINVAL, -ENOENT, -ENOSPC. Clearing (all exports when `addr` is NULL) sends at once
 * what waits.
 */
int target_fault_add(struct target *target, const struct aoe_address *addr, const char *text,
		     struct error *err);
int target_fault_clear(struct target *target, const struct aoe_address *addr, struct error *err);

/* What status says of them: arrays, caller owns. */
json_t *target_limits_json(const struct target *target);
json_t *target_faults_json(const struct target *target);

/*
 * Watching: copies of all frames of an interface, or the steps of requests that match on the
 * interfaces that there are, into memory that the watcher brought (tap/tap.h); `fd` stays the
 * caller's. -ENODEV, -ENOENT; -EBUSY: one at a time for an interface, and one trace. Whoever asked
 * closes the tap; what it watches may end before, which its watcher is told.
 */
struct target_tap;
int target_capture(struct target *target, const char *interface, uint32_t snaplen, int fd,
		   struct target_tap **tap, struct error *err);
int target_trace(struct target *target, const struct aoe_trace_filter *filter, int fd,
		 struct target_tap **tap, struct error *err);
void target_tap_close(struct target_tap *tap);
/* Tells who traces that it is over; the taps are to be closed as ever. */
void target_traces_end(struct target *target);
json_t *target_taps_json(const struct target *target);

/*
 * The documents behind `status --json` and `stats --json` (docs/stgt-xdp.8.scd); caller owns. The
 * brief ones lack what may be long and no metric is made of: in `status` lists of access,
 * initiators, limits, faults and taps, in `stats` the initiators of queues.
 */
enum target_detail {
	TARGET_FULL,
	TARGET_BRIEF
};
json_t *target_status(struct target *target, enum target_detail detail);
json_t *target_stats(struct target *target, enum target_detail detail);

#endif
