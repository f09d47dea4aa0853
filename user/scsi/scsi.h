/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SCSI device server (SAM-5, SPC-5, SBC-4): CDBs in, block I/O out. It knows nothing of any
 * transport.
 *
 *	scsi_device	a logical unit: one disk, however many targets and transports show it
 *	scsi_target	a SCSI target port: which units it shows, under which LUNs
 *	scsi_nexus	one initiator port's relation to one target port (SAM-5 4.7)
 *
 * Devices and targets are made by the control thread and shared by workers; a nexus and its
 * commands belong to one worker's thread. What a device shares is behind its lock, which is held
 * for moments and never while a transport's function is called.
 */
#ifndef STGT_SCSI_H
#define STGT_SCSI_H

#include "lu/command.h"
#include "lu/lu.h"
#include "lu/op_stats.h"
#include "state/state.h"

struct scsi_device;
struct scsi_target;
struct scsi_nexus;

/* ---- logical units: control thread ---- */

struct scsi_device_config {
	struct lu *lu;		    /* outlives the device */
	struct state *state;	    /* reservations, saved mode pages; NULL: nothing is kept */
	unsigned int logical_block; /* bytes: 512 or 4096; the disk's rest below it is not shown */
	bool removable;		    /* a medium that can be ejected and loaded */
	bool thin;		    /* provisioned thinly: UNMAP, anchors, GET LBA STATUS */
};

int scsi_device_open(const struct scsi_device_config *config, struct scsi_device **dev,
		     struct error *err);
/*
 * A SANITIZE that another process left unfinished, or a thread that has ended, is in progress to
 * everybody who asks, and waits for a thread to do it again: that of `queue`, which calls
 * scsi_device_resume(). False: there is none, or no memory for it on this thread.
 */
bool scsi_device_unfinished(struct scsi_device *dev);
bool scsi_device_resume(struct scsi_device *dev, struct blk_queue *queue);
/* Where no thread has memory: it goes on, on this one, as soon as some comes free here. False:
 * there is none. */
bool scsi_device_resume_later(struct scsi_device *dev, struct blk_queue *queue);
/*
 * Whether the state of a unit that is not open says that a SANITIZE has not ended, or failed: 1 or
 * 0, or negative errno. Then nobody may have the disk, whatever shows it, but a scsi_device.
 */
int scsi_state_sealed(const char *dir, const char *key, struct error *err);
/*
 * Has what goes on without any command, a SANITIZE, end soon: the unit is about to be closed.
 * `stopped(ctx)` is called, perhaps at once, on any thread, when nothing does. What was left
 * unfinished is remembered as running.
 */
void scsi_device_stop(struct scsi_device *dev, void (*stopped)(void *ctx), void *ctx);
/* No target shows it any more, and it is stopped. */
void scsi_device_close(struct scsi_device *dev);

/* The disk has another size: every nexus is told (2Ah/09h). Any thread. */
void scsi_device_resized(struct scsi_device *dev);
/* The disk has another soft threshold: every nexus is told where that is in a mode page (2Ah/01h).
 * Any thread. */
void scsi_device_threshold_changed(struct scsi_device *dev);
/* The disk has crossed its soft threshold: every nexus is told (38h/07h) where it is thin. Any
 * thread. */
void scsi_device_short_of_space(struct scsi_device *dev);

/*
 * Who has reserved the unit, who is registered, and how many commands that refused:
 * { "type", "reserved_by": who holds RESERVE(6) or (10), or null,
 *   "registrations": [{"initiator", "port", "key", "holder"}], "aptpl": they
 * survive a restart, "conflicts" }.
 */
json_t *scsi_device_reservation(struct scsi_device *dev);

/*
 * What the unit's target port groups are, as REPORT TARGET PORT GROUPS has them:
 * [{ "group", "state", "preferred", "implicit" }].
 */
json_t *scsi_device_access(struct scsi_device *dev);

/* ---- target ports: control thread ---- */

#define SCSI_LUNS_MAX 256u

/* SPC-5 5.16.2: of a target port group, for each of its units. */
enum scsi_access {
	SCSI_ACCESS_OPTIMIZED = 0,
	SCSI_ACCESS_NONOPTIMIZED = 1,
	SCSI_ACCESS_STANDBY = 2,
	SCSI_ACCESS_UNAVAILABLE = 3,
	/* What only the administrator sets. */
	SCSI_ACCESS_OFFLINE = 14,
	SCSI_ACCESS_TRANSITIONING = 15,
};

/* How a group is reached; all zeros is as good as it gets. */
struct scsi_access_state {
	enum scsi_access access;
	bool preferred; /* initiators should choose it among groups that are as good */
	bool implicit;	/* initiators cannot set it */
};

static inline bool scsi_access_equal(struct scsi_access_state a, struct scsi_access_state b)
{
	return a.access == b.access && a.preferred == b.preferred && a.implicit == b.implicit;
}

#define SCSI_GROUP_MAX	 UINT16_MAX /* target port groups are 1 to that */
#define SCSI_GROUP_USUAL 1u	    /* of ports of which nothing else is said */

/* "active/optimized", ... */
const char *scsi_access_name(enum scsi_access access);
/* The same with ",preferred" and ",implicit" behind it, or not. -EINVAL names the words there are.
 */
int scsi_access_parse(const char *text, struct scsi_access_state *state, struct error *err);

/* SPC-5 7.6.1, the protocol identifiers of what there are ports of. */
enum scsi_protocol {
	SCSI_PROTOCOL_FCP = 0,
	SCSI_PROTOCOL_ISCSI = 5,
};

#define SCSI_PORT_NAME_MAX 240u

struct scsi_target_config {
	uint16_t relative_port;		 /* SPC-5 relative target port identifier, from 1 */
	uint16_t group;			 /* target port group: ports whose access state is one */
	struct scsi_access_state access; /* what that is for units that come */
	enum scsi_protocol protocol;
	/* The port's, at most SCSI_PORT_NAME_MAX with its NUL: "iqn...,t,0x0001"; copied. */
	const char *port_name;
	const char *device_name; /* the target device's; copied */
};

int scsi_target_open(const struct scsi_target_config *config, struct scsi_target **target,
		     struct error *err);
void scsi_target_close(struct scsi_target *target);

/*
 * Shows and hides units while commands run: every nexus that may see the LUN gets REPORTED LUNS
 * DATA HAS CHANGED.
 * -EEXIST, -ENOENT. Removal ends the commands of the unit through this target, and returns at once:
 * `gone(ctx)` is called, perhaps before that, on any thread, when none is left.
 */
int scsi_target_add_lun(struct scsi_target *target, uint16_t lun, struct scsi_device *dev,
			bool read_only);
int scsi_target_remove_lun(struct scsi_target *target, uint16_t lun, void (*gone)(void *ctx),
			   void *ctx);

/*
 * The port's group, for all units that the port shows, has another access state: initiators are
 * told (2Ah/06h). They may set it, too (SET TARGET PORT GROUPS).
 */
void scsi_target_set_access(struct scsi_target *target, struct scsi_access_state access);

/* ---- nexuses and commands: the worker's thread ---- */

/* What of the target an initiator may see: bit n of the mask is LUN n. */
struct scsi_lun_mask {
	uint64_t visible[SCSI_LUNS_MAX / 64];
	uint64_t read_only[SCSI_LUNS_MAX / 64];
};

#define SCSI_TRANSPORT_ID_MAX 264u

struct scsi_nexus_config {
	struct nexus *nexus; /* the transport's, outlives this; its id tells initiators apart */
	struct blk_queue *queue;
	/* SPC-5 7.6.4, as PERSISTENT RESERVE IN returns it; a multiple of four bytes. Copied. */
	const uint8_t *transport_id;
	uint32_t transport_id_len;
	struct scsi_lun_mask mask;
};

/* Begins with a POWER ON, RESET, OR BUS DEVICE RESET OCCURRED on every unit. 0 or -ENOMEM. */
int scsi_nexus_open(struct scsi_target *target, const struct scsi_nexus_config *config,
		    struct scsi_nexus **nexus);
/*
 * The initiator is gone: its commands end without delivery, RESERVE(6) and (10) are released,
 * persistent registrations stay. `closed(ctx)` is called, perhaps at once, on this thread, when no
 * command is left; then the nexus is freed.
 */
void scsi_nexus_close(struct scsi_nexus *nexus, void (*closed)(void *ctx), void *ctx);

/*
 * The memory a command takes: the most bytes that place() and solicit() will be asked to provide
 * at one time. The transport has them at hand before it executes the command, so that nothing has
 * to wait half way. Reads the in-fields of cmd->scsi, and finds out what command it is: for
 * scsi_execute(), before which this is always called. At most SCSI_MEMORY_MAX.
 */
#define SCSI_PIECE_MAX	BLK_TRANSFER_MAX /* bytes moved by one block request */
#define SCSI_MEMORY_MAX (2 * SCSI_PIECE_MAX)
uint32_t scsi_memory(const struct scsi_nexus *nexus, struct command *cmd);

/*
 * Executes cmd->scsi, whose in-fields are set, as are ops and queue. Ends in one
 * cmd->ops->deliver(), perhaps before it returns; or, when the command is aborted, in one
 * cmd->ops->drop().
 */
void scsi_execute(struct scsi_nexus *nexus, struct command *cmd);

/* What an executed command does to the medium, for counters. */
enum lu_op scsi_command_op(const struct command *cmd);

/* Whether the 8 bytes of a LUN show this nexus a unit, and its number. */
bool scsi_nexus_shows(const struct scsi_nexus *nexus, uint64_t lun, uint16_t *number);

/* SAM-5 7: task management. */
enum scsi_tmf_function {
	SCSI_ABORT_TASK,
	SCSI_ABORT_TASK_SET,
	SCSI_CLEAR_TASK_SET,
	SCSI_LU_RESET,
	SCSI_TARGET_RESET, /* all units of the target port */
	SCSI_QUERY_TASK,
	SCSI_QUERY_TASK_SET,
	SCSI_QUERY_UNIT_ATTENTION,
};

enum scsi_tmf_response {
	SCSI_TMF_COMPLETE,
	SCSI_TMF_SUCCEEDED, /* of a query: yes */
	SCSI_TMF_NO_TASK,
	SCSI_TMF_NO_LUN,
	SCSI_TMF_REJECTED,
};

/* One request, embedded in what waits for it. */
struct scsi_tmf {
	enum scsi_tmf_function function;
	uint64_t lun;
	struct command *task; /* ABORT TASK, QUERY TASK: as the transport found it, or NULL */
	/* Out: all affected commands have ended, on this thread. Perhaps before the call returns.
	 */
	void (*done)(struct scsi_tmf *tmf);
	/*
	 * Whether a command of the same nexus was sent after the request, and so is not affected,
	 * or NULL: none was. Called under the unit's lock.
	 */
	bool (*spares)(const struct scsi_tmf *tmf, const struct command *cmd);
	enum scsi_tmf_response response;
	/* The device server's own. */
	struct scsi_nexus *nexus;
	struct message message;
	atomic_uint waiting; /* units with commands that have to end, and the call itself */
};

void scsi_task_management(struct scsi_nexus *nexus, struct scsi_tmf *tmf);

#endif
