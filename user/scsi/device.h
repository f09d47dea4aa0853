/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the SCSI device server share; nobody else includes it.
 *
 * An execute function runs on the command's thread, with the task enabled and all general checks
 * passed (unit attention, reservations, read-only, medium). It ends, now or later, in one
 * scsi_end() or one of its kin.
 */
#ifndef STGT_SCSI_DEVICE_H
#define STGT_SCSI_DEVICE_H

#include "base/bytes.h"
#include "scsi/scsi.h"
#include "scsi/sense.h"
#include <pthread.h>

/* ---- the opcode table: opcodes.c ---- */

enum scsi_op_flags {
	SCSI_READS = 1 << 0,   /* data of the medium: shut out by EXCLUSIVE ACCESS */
	SCSI_WRITES = 1 << 1,  /* changes the medium: shut out by any reservation, and read-only */
	SCSI_MEDIUM = 1 << 2,  /* needs a medium that is there and ready */
	SCSI_SHY = 1 << 3,     /* refused under another's reservation although it moves no data */
	SCSI_PAST_UA = 1 << 4, /* executes whatever unit attention is pending, and leaves it */
	SCSI_ANY_LUN = 1 << 5, /* also for a LUN that shows no unit: INQUIRY and its like */
	SCSI_PAST_ALUA = 1 << 6,    /* in every asymmetric access state */
	SCSI_STANDBY = 1 << 7,	    /* in all of them but unavailable */
	SCSI_LOOKS = 1 << 8,	    /* refused, where reading is, although it moves no data */
	SCSI_PAST_RESERVE = 1 << 9, /* also under another's RESERVE(6) or (10) */
	SCSI_ENCRYPTED = 1 << 10,   /* only of a unit that can be given another key */
	SCSI_THIN = 1 << 11,	    /* only of a unit that is provisioned thinly */
	SCSI_REMOVABLE = 1 << 12,   /* only of a unit whose medium can be removed */
};

#define SCSI_ACTION_MASK 0x1f /* of byte 1: the service action */
#define SCSI_NO_ACTION	 0xff

struct scsi_opcode {
	uint8_t opcode;
	uint8_t action; /* service action in the low five bits of byte 1, or SCSI_NO_ACTION */
	uint8_t cdb_len;
	uint16_t flags; /* enum scsi_op_flags */
	const char *name;
	void (*execute)(struct scsi_device *dev, struct command *cmd);
	/* What scsi_memory() says, in bytes; NULL: a list or page, SCSI_LIST_MAX. */
	uint64_t (*memory)(const struct scsi_device *dev, const struct command *cmd);
	/* SPC-5 6.35.3: the bits that are looked at; opcode and action are put in by the report. */
	uint8_t usage[16];
};

/* Parameter lists and pages: one span of what solicit() and place() give. Longer is refused. */
#define SCSI_LIST_MAX (64u << 10)

/* All that there are of an opcode: one, or one for each service action. */
struct scsi_opcode_list {
	const struct scsi_opcode *entries;
	unsigned int n; /* 0: there is no such opcode */
};

extern const struct scsi_opcode_list scsi_opcodes[256]; /* by opcode */

/* The entry for a CDB, or NULL. *known: the opcode exists, with other service actions. */
const struct scsi_opcode *scsi_opcode_find(const uint8_t *cdb, bool *known);
/* Whether the unit (NULL: there is none) has what the command is for. */
bool scsi_opcode_offered(const struct scsi_device *dev, const struct scsi_opcode *entry);

/* ---- units ---- */

/* Unit attentions that wait for one nexus. */
#define SCSI_UA_MAX 8u

/* A nexus and a unit (SAM-5 I_T_L nexus). Behind the unit's lock but for what never changes. */
struct scsi_it_l {
	struct scsi_device *dev;  /* constant */
	struct scsi_nexus *nexus; /* constant */
	uint16_t lun;		  /* constant */
	bool read_only;		  /* constant */
	struct list link;	  /* in the unit's */
	struct list nexus_link;	  /* in the nexus's; the nexus's thread */
	uint16_t ua[SCSI_UA_MAX]; /* asc << 8 | ascq, oldest first */
	uint8_t nua;
	atomic_bool attention;		  /* nua != 0, for looking without the lock */
	unsigned int tasks;		  /* not ended; the nexus's thread, with the next two */
	bool leaving;			  /* hidden or closed: freed with its last task */
	struct scsi_lun_removal *removal; /* whoever waits for that, or NULL */
	struct list copies;		  /* struct scsi_copy; the nexus's thread */
	atomic_uint access;		  /* enum scsi_access */
	atomic_bool implicit;		  /* which the initiator cannot set */
	atomic_uint excluded;		  /* from what others' reservations: reserve.c */
	bool prevents_removal;		  /* PREVENT ALLOW MEDIUM REMOVAL */
};

struct scsi_reservations; /* reserve.c: persistent registrations and RESERVE(6), (10) */
struct scsi_modes;	  /* mode.h: the mode pages' values */

/* One that has ended: SPC-5 7.3.20. */
struct scsi_self_test {
	uint8_t code, result;
	uint16_t hours; /* since the unit was opened */
	uint64_t lba;	/* that could not be read; all ones: all could */
};

#define SCSI_SELF_TESTS 20u /* that the log keeps */

struct scsi_device {
	struct lu *lu;
	struct state *state;
	unsigned int block_shift; /* of the logical block: 9 or 12 */
	bool removable, thin;

	pthread_mutex_t lock; /* for what follows */
	struct list it_ls;
	struct list tasks;	 /* every one, in the order they came */
	unsigned int unruly;	 /* how many of them are not SIMPLE */
	unsigned int dormant;	 /* how many wait for others to end */
	uint64_t abortions;	 /* counts up */
	struct list abort_waits; /* struct abort_wait, tasks.c */
	struct list shown;	 /* struct scsi_lun of every target port that shows it */
	struct scsi_reservations *reservations;
	struct scsi_modes *modes;
	struct scsi_self_test self_tests[SCSI_SELF_TESTS];
	unsigned int nself_tests; /* that ever were: the next one's place */
	uint64_t since_ns;	  /* when it was opened; constant */
	bool changing;		  /* a command changes what is remembered: changes.c */
	struct list changes;	  /* commands that wait for their turn to */

	_Atomic uint64_t conflicts;		    /* commands that a reservation refused */
	_Atomic uint64_t read_errors, write_errors; /* of the medium: log.c */

	struct scsi_sanitize *sanitize;	     /* at work: sanitize.c */
	struct scsi_sanitize *sanitize_left; /* by another process or thread: waits for one */
	void (*stopped)(void *ctx);	     /* waits for the end of `sanitize`; or NULL */
	void *stopped_ctx;

	/* To look at without the lock. */
	atomic_uint sanitize_state;	   /* enum scsi_sanitize_state */
	atomic_uint sanitize_progress;	   /* of 65536 */
	atomic_bool sanitize_unrestricted; /* the one that failed may be left */
	atomic_bool sanitize_stop;	   /* the unit goes */
	atomic_bool loaded;		   /* the medium, of a removable unit */
	atomic_bool descriptor_sense;	   /* Control mode page, D_SENSE */
	atomic_bool tell_aborted;	   /* Control mode page, TAS */
	atomic_bool write_protected;	   /* Control mode page, SWP */
};

struct scsi_nexus {
	struct scsi_target *target;
	struct scsi_nexus_config config;
	uint8_t transport_id[SCSI_TRANSPORT_ID_MAX];
	struct list link; /* in the target's; behind its lock */
	struct list it_ls;
	struct scsi_it_l *by_lun[SCSI_LUNS_MAX];
	unsigned int messages; /* on their way here; behind the target's lock */
	bool closing;
	unsigned int busy; /* commands and task management that have not ended */
	void (*closed)(void *ctx);
	void *ctx;
};

struct scsi_lun {
	struct scsi_device *dev; /* NULL: none */
	bool read_only;
	struct scsi_target *target;
	struct list link; /* in the unit's `shown`; behind the unit's lock, with what follows */
	struct scsi_access_state access;
	uint8_t access_reason; /* why that is: SPC-5's status code */
};

struct scsi_target {
	struct scsi_target_config config;
	pthread_mutex_t lock; /* for what follows; taken before a unit's */
	struct list nexuses;
	struct scsi_lun luns[SCSI_LUNS_MAX];
};

static inline struct scsi_device *scsi_device_of(const struct command *cmd)
{
	return cmd->scsi.it_l->dev;
}

/* So many logical blocks in sectors. */
static inline uint64_t scsi_sectors(const struct scsi_device *dev, uint64_t blocks)
{
	return blocks << (dev->block_shift - BLK_SECTOR_SHIFT);
}

static inline struct command *scsi_command_of(struct blk_io *io)
{
	return container_of(io, struct command, io);
}

/* Logical blocks of the unit. */
static inline uint64_t scsi_capacity(const struct scsi_device *dev)
{
	return atomic_load_explicit(&dev->lu->disk->nblocks, memory_order_relaxed) >>
	       (dev->block_shift - BLK_SECTOR_SHIFT);
}

/* Logical blocks of a physical one: one at least. */
static inline uint32_t scsi_physical_blocks(const struct scsi_device *dev)
{
	uint32_t blocks = dev->lu->disk->physical_block >> dev->block_shift;

	return blocks ? blocks : 1;
}

/* Where WRITE ATOMIC may begin, and how long it may be, in logical blocks: medium.c. */
struct scsi_atomic {
	uint32_t alignment, max;
};

/* ---- how a command ends: execute.c ---- */

/* With what stands in cmd->scsi and cmd->data_in. */
void scsi_end(struct command *cmd, enum scsi_status status);
void scsi_good(struct command *cmd);
/* CHECK CONDITION with that sense data; nothing more is transferred. */
void scsi_fail(struct command *cmd, struct scsi_sense sense);
/* As block I/O ended: good, or the sense data that says why, with the failed `lba`. */
void scsi_end_io(struct command *cmd, enum blk_status status, uint64_t lba);
/* The first `alloc` bytes of `len` as data-in. */
void scsi_return(struct command *cmd, const void *data, uint32_t len, uint32_t alloc);

/* The same with nothing but a key and a code. */
void scsi_refuse(struct command *cmd, enum scsi_key key, uint16_t asc);
/* Shorthand for what is wrong with the CDB at `byte`, and its most significant bit (0 to 7). */
void scsi_bad_cdb(struct command *cmd, unsigned int byte, unsigned int bit);
/* The same of a parameter list: INVALID FIELD IN PARAMETER LIST. */
void scsi_bad_list(struct command *cmd, unsigned int byte, unsigned int bit);

/*
 * Fetches a parameter list of `len` bytes, at most SCSI_LIST_MAX, and calls `done`, which finds it
 * in scsi_list(). Ends the command instead when the initiator does not send so much (1Ah/00).
 */
void scsi_fetch_list(struct command *cmd, uint32_t len, void (*done)(struct command *cmd));
const uint8_t *scsi_list(const struct command *cmd);

/* cmd->ops->solicit() and push(); `resume` is not called for what was aborted meanwhile. */
void scsi_solicit(struct command *cmd, uint32_t off, uint32_t len,
		  void (*resume)(struct command *cmd));
void scsi_push(struct command *cmd, void (*resume)(struct command *cmd));

/* ---- task set, tasks.c ---- */

/* Into the unit's set. True: it may start now; otherwise scsi_start() is called when it may. */
bool scsi_task_enter(struct command *cmd);
/*
 * Out of the set, at its end. False: a message is under way to the command's thread, which will
 * call scsi_finish() instead.
 */
bool scsi_task_leave(struct command *cmd);
/* Whether it was aborted: then it has only to end. On its thread. */
bool scsi_task_aborted(const struct command *cmd);

/*
 * Aborts one task, those of a nexus, or all (NULL). Where TAS is set, initiators see TASK ABORTED,
 * but not `own`, who asked for it, perhaps by a `tmf` that spares some of its tasks. The unit's
 * lock is held, for all of these.
 */
void scsi_task_abort_locked(struct scsi_device *dev, struct command *cmd, bool told);
void scsi_tasks_abort_locked(struct scsi_device *dev, const struct scsi_it_l *it_l,
			     const struct scsi_it_l *own, const struct scsi_tmf *tmf);
/* Aborts those of a nexus, which are told or not, whatever TAS says. */
void scsi_tasks_end_locked(struct scsi_device *dev, const struct scsi_it_l *it_l, bool told);
/* tmf->waiting counts one more until every task aborted so far has ended. False: no memory. */
bool scsi_abort_wait_locked(struct scsi_device *dev, struct scsi_tmf *tmf);

/* ---- task management, tmf.c ---- */

/* One less to wait for; any thread. */
void scsi_tmf_unit_done(struct scsi_tmf *tmf);

/* ---- commands, execute.c ---- */

/* The task is enabled: checks, and executes. */
void scsi_start(struct command *cmd);
/* The task has left the set: delivers or drops it. */
void scsi_finish(struct command *cmd);
/* Whether this nexus cannot write, for whatever reason. */
bool scsi_write_protected(const struct scsi_it_l *it_l);
/* Whether there is a medium that is good, and a way to it: what a command of another unit asks of
 * this one. */
bool scsi_unit_reachable(const struct scsi_it_l *it_l);

/* ---- nexuses, nexus.c ---- */

/* The unit that the 8 bytes of a LUN show this nexus, or NULL. */
struct scsi_it_l *scsi_nexus_unit(const struct scsi_nexus *nexus, uint64_t lun);
/* A command of `it_l` (or none) begins. */
void scsi_nexus_begin(struct scsi_nexus *nexus, struct scsi_it_l *it_l);
/* What began has ended; both may be gone afterwards. */
void scsi_nexus_end(struct scsi_nexus *nexus, struct scsi_it_l *it_l);

/* ---- pieces.c: the commands that move data, a piece after the other ---- */

#define SCSI_PROTECT_BITS 0xe0 /* of byte 1: there is no protection information */

/*
 * Takes READ's or WRITE's CDB apart, of 6 to 16 bytes: lba, blocks, wanted and total are set,
 * nothing has moved. False, with the command ended: it cannot be.
 */
bool scsi_transfer_begin(struct scsi_device *dev, struct command *cmd);
/* No more than is sent. False, with the command ended: that is no number of whole blocks. */
bool scsi_limit_to_data_out(struct scsi_device *dev, struct command *cmd);
/* scsi->piece becomes the size of the piece at scsi->moved; and its data-out is fetched. */
void scsi_piece_next(struct scsi_command *scsi);
void scsi_piece_solicit(struct command *cmd, void (*fetched)(struct command *cmd));
/* Memory for it in data_in. False, with the command ended: there is none. */
bool scsi_piece_place(struct command *cmd);
/* scsi_write_flags(), and what the CDB's FUA says. */
unsigned int scsi_piece_write_flags(struct command *cmd);
/* The block request for it; with `next` of several steps, from step 0. */
void scsi_piece_submit(struct command *cmd, enum blk_op op, unsigned int flags,
		       const struct sgl *sgl, bool (*next)(struct blk_io *io),
		       void (*done)(struct blk_io *io));
/* Its request failed: the command ends, with the first of its blocks named. */
void scsi_piece_failed(struct command *cmd);

/* A request whose flags, range and list are set. `next` may be NULL. */
void scsi_submit(struct scsi_device *dev, struct command *cmd, enum blk_op op,
		 bool (*next)(struct blk_io *io), void (*done)(struct blk_io *io));

/* ---- medium.c ---- */

void scsi_test_unit_ready(struct scsi_device *dev, struct command *cmd);
void scsi_read(struct scsi_device *dev, struct command *cmd);
void scsi_write(struct scsi_device *dev, struct command *cmd);
void scsi_write_atomic(struct scsi_device *dev, struct command *cmd);
struct scsi_atomic scsi_atomic_limits(const struct scsi_device *dev);
void scsi_synchronize_cache(struct scsi_device *dev, struct command *cmd);
void scsi_read_capacity_10(struct scsi_device *dev, struct command *cmd);
void scsi_read_capacity_16(struct scsi_device *dev, struct command *cmd);
uint64_t scsi_transfer_memory(const struct scsi_device *dev, const struct command *cmd);
/* The LBA and number of blocks of a CDB of 6, 10, 12 or 16 bytes of READ's and WRITE's layout. */
void scsi_cdb_extent(const struct scsi_command *scsi, uint64_t *lba, uint64_t *blocks);
/* False, with the command ended: it reaches beyond the unit. */
bool scsi_extent_ok(struct scsi_device *dev, struct command *cmd, uint64_t lba, uint64_t blocks);
/* The same of scsi->lba and blocks, which are all transferred: no transport counts more bytes. */
#define SCSI_TRANSFER_MAX UINT32_MAX
bool scsi_transfer_ok(struct scsi_device *dev, struct command *cmd);

/* BLK_FUA or 0: what a change by this command must carry. To be asked before it is submitted. */
unsigned int scsi_write_flags(struct command *cmd);
/* The same of a change to another unit. */
unsigned int scsi_write_flags_to(struct scsi_device *dev, struct command *cmd);
/* What the initiator is told of the flush that ended: see lu_flush_ended(). */
enum blk_status scsi_flush_status(struct command *cmd);
/* Submits a FLUSH for a command that does something more in `done`. */
void scsi_flush(struct scsi_device *dev, struct command *cmd, void (*done)(struct blk_io *io));

/* ---- provisioning.c: room for a thin unit, SBC-4 4.7.3.7 ---- */

/* Whether there is anything to say of it. */
bool scsi_has_thresholds(const struct scsi_device *dev);
/* A threshold set has so many logical blocks, as a power of two; 0: there are no thresholds. */
uint8_t scsi_threshold_exponent(const struct scsi_device *dev);
/* Bytes as threshold sets. */
uint32_t scsi_threshold_sets(const struct scsi_device *dev, uint64_t bytes);
#define SCSI_THRESHOLD_AT 16u /* where the mode page's one descriptor is */

/* ---- block_pages.c: VPD pages B0 to B2, without their headers ---- */

uint16_t scsi_vpd_block_limits(struct scsi_device *dev, const struct scsi_nexus *nexus,
			       uint8_t *out);
uint16_t scsi_vpd_block_characteristics(struct scsi_device *dev, const struct scsi_nexus *nexus,
					uint8_t *out);
uint16_t scsi_vpd_provisioning(struct scsi_device *dev, const struct scsi_nexus *nexus,
			       uint8_t *out);

/* ---- compare.c ---- */

#define SCSI_CAW_MAX (128u << 10) /* bytes that COMPARE AND WRITE compares */
void scsi_verify(struct scsi_device *dev, struct command *cmd);
void scsi_write_and_verify(struct scsi_device *dev, struct command *cmd);
void scsi_orwrite(struct scsi_device *dev, struct command *cmd);
void scsi_compare_and_write(struct scsi_device *dev, struct command *cmd);
uint64_t scsi_compare_memory(const struct scsi_device *dev, const struct command *cmd);
uint64_t scsi_verify_memory(const struct scsi_device *dev, const struct command *cmd);
uint64_t scsi_caw_memory(const struct scsi_device *dev, const struct command *cmd);

/* ---- same.c ---- */

#define SCSI_UNMAP_RANGES 256u /* in one list */
void scsi_write_same(struct scsi_device *dev, struct command *cmd);
void scsi_unmap(struct scsi_device *dev, struct command *cmd);
uint64_t scsi_same_memory(const struct scsi_device *dev, const struct command *cmd);

/* ---- medium_state.c ---- */

void scsi_start_stop_unit(struct scsi_device *dev, struct command *cmd);
void scsi_prevent_allow(struct scsi_device *dev, struct command *cmd);
void scsi_get_lba_status(struct scsi_device *dev, struct command *cmd);
void scsi_read_defect_data(struct scsi_device *dev, struct command *cmd);
void scsi_pre_fetch(struct scsi_device *dev, struct command *cmd);

/* ---- sanitize.c, sanitize_state.c ---- */

void scsi_sanitize_overwrite(struct scsi_device *dev, struct command *cmd);
void scsi_sanitize_erase(struct scsi_device *dev, struct command *cmd);
void scsi_sanitize_crypto(struct scsi_device *dev, struct command *cmd);
void scsi_sanitize_exit(struct scsi_device *dev, struct command *cmd);
/* Whether the command has to wait for the end of one, or is refused as one failed. */
bool scsi_sanitize_refuses(const struct command *cmd, struct scsi_sense *sense);
/* What a command is told whose requests the disk refused, as it was sealed for one. */
struct scsi_sense scsi_sanitize_sense(struct scsi_device *dev);
/* Whether there is something that REQUEST SENSE tells. */
bool scsi_sanitize_tells(struct scsi_device *dev, struct scsi_sense *sense);
/* With what the state says, which the disk is sealed by or not: before anybody looks at the unit.
 */
int scsi_sanitize_load(struct scsi_device *dev, struct error *err);

/* ---- diagnose.c ---- */

void scsi_send_diagnostic(struct scsi_device *dev, struct command *cmd);
void scsi_receive_diagnostic(struct scsi_device *dev, struct command *cmd);
uint64_t scsi_diagnose_memory(const struct scsi_device *dev, const struct command *cmd);

/* ---- inquiry.c, vpd.c, luns.c ---- */

#define SCSI_VPD_MAX 1024u /* bytes of a page without its header */

void scsi_inquiry(struct scsi_device *dev, struct command *cmd);
/* `peripheral`: the first byte of every page. */
void scsi_inquiry_vpd(struct scsi_device *dev, struct command *cmd, uint8_t peripheral);
void scsi_request_sense(struct scsi_device *dev, struct command *cmd);
void scsi_report_luns(struct scsi_device *dev, struct command *cmd);
/* Whether this is one of the unit's designators (SPC-5 7.7.6), as page 83h has them. */
bool scsi_designates(const struct scsi_device *dev, const uint8_t *designator);

/* ---- third-party copy, copy.c, copy_list.c, copy_results.c ---- */

void scsi_extended_copy(struct scsi_device *dev, struct command *cmd);
uint64_t scsi_copy_memory(const struct scsi_device *dev, const struct command *cmd);
void scsi_copy_status(struct scsi_device *dev, struct command *cmd);
void scsi_copy_parameters(struct scsi_device *dev, struct command *cmd);
void scsi_copy_failed_segment(struct scsi_device *dev, struct command *cmd);
/* Forgets what is remembered of copies that have ended: the oldest ones, or all. */
void scsi_copies_trim(struct scsi_it_l *it_l);
void scsi_copies_forget(struct scsi_it_l *it_l);
uint16_t scsi_vpd_third_party_copy(struct scsi_device *dev, const struct scsi_nexus *nexus,
				   uint8_t *out);

/* ---- changes that may be kept, changes.c ---- */

/* What comes of a change: GOOD, CHECK CONDITION with sense data, or another status. */
struct scsi_verdict {
	uint8_t status; /* enum scsi_status */
	struct scsi_sense sense;
	bool keep; /* it has to be saved first; only where there is a state */
};

struct scsi_change {
	const char *section; /* of the unit's state */
	/* Makes what shall be, or says in the verdict, which is GOOD, why not. */
	void (*stage)(struct scsi_device *dev, struct command *cmd, struct scsi_verdict *verdict);
	/* The section with what was staged; NULL: no memory. */
	json_t *(*describe)(struct scsi_device *dev);
	/* Makes it valid. True: that is all, and the command ends with GOOD. */
	bool (*commit)(struct scsi_device *dev, struct command *cmd);
	/* Otherwise: ends the command, now or later. */
	void (*finish)(struct scsi_device *dev, struct command *cmd);
};

/* The command's turn comes when all changes before it have been committed or refused. */
void scsi_change_start(struct scsi_device *dev, struct command *cmd,
		       const struct scsi_change *change);
/* Shorthands for verdicts; see scsi_bad_cdb() and scsi_bad_list(). */
void scsi_verdict_refuse(struct scsi_verdict *verdict, uint16_t asc);
void scsi_verdict_bad_cdb(struct scsi_verdict *verdict, unsigned int byte, unsigned int bit);
void scsi_verdict_bad_list(struct scsi_verdict *verdict, unsigned int byte, unsigned int bit);

/* ---- reservations, reserve*.c ---- */

/* With what the state says was to be kept. */
int scsi_reservations_open(struct scsi_device *dev, struct error *err);
void scsi_reservations_close(struct scsi_device *dev);
/* Whether another's reservation refuses the command. */
bool scsi_reservation_conflicts(const struct command *cmd);
/* The same of what has enum scsi_op_flags, whatever command it is done for. */
bool scsi_reservation_excludes(const struct scsi_it_l *it_l, unsigned int flags);
/* A nexus comes, goes; the unit is reset. The unit's lock is held. */
void scsi_reservations_admit_locked(struct scsi_it_l *it_l);
void scsi_reservations_forget_locked(struct scsi_it_l *it_l);
void scsi_reservations_reset_locked(struct scsi_device *dev);
void scsi_pr_in_read_keys(struct scsi_device *dev, struct command *cmd);
void scsi_pr_in_read_reservation(struct scsi_device *dev, struct command *cmd);
void scsi_pr_in_report_capabilities(struct scsi_device *dev, struct command *cmd);
void scsi_pr_in_read_full_status(struct scsi_device *dev, struct command *cmd);
void scsi_pr_out(struct scsi_device *dev, struct command *cmd);
void scsi_reserve_simple(struct scsi_device *dev, struct command *cmd);

/* ---- log pages, log.c ---- */

/* The medium failed; any thread. */
void scsi_log_error(struct scsi_device *dev, bool write);
void scsi_log_sense(struct scsi_device *dev, struct command *cmd);
void scsi_log_select(struct scsi_device *dev, struct command *cmd);

/* ---- asymmetric access, alua.c ---- */

/* The additional sense code with which the access state refuses the command; 0: it does not. */
uint16_t scsi_alua_refuses(const struct command *cmd);
/* A port shows the unit: in the state of its group there, if that has one. Locked likewise. */
void scsi_alua_show_locked(struct scsi_device *dev, struct scsi_lun *lun);
/* A nexus comes. The unit's lock is held. */
void scsi_alua_admit_locked(struct scsi_it_l *it_l);
void scsi_report_target_port_groups(struct scsi_device *dev, struct command *cmd);
void scsi_set_target_port_groups(struct scsi_device *dev, struct command *cmd);

/* ---- mode parameters, mode_pages.c, mode_sense.c, mode_select.c ---- */

/* With what the state says was saved. */
int scsi_modes_open(struct scsi_device *dev, struct error *err);
void scsi_modes_close(struct scsi_device *dev);
/* Back to what was saved: a reset. The unit's lock is held. */
void scsi_modes_reset_locked(struct scsi_device *dev);
void scsi_mode_sense(struct scsi_device *dev, struct command *cmd);
void scsi_mode_select(struct scsi_device *dev, struct command *cmd);

/* ---- what there is, supported.c ---- */

void scsi_report_opcodes(struct scsi_device *dev, struct command *cmd);
void scsi_report_tmfs(struct scsi_device *dev, struct command *cmd);

/* ---- unit attentions, attention.c ---- */

/* For every nexus of the unit but `except` (NULL: none). The unit's lock is held. */
void scsi_attend_locked(struct scsi_device *dev, const struct scsi_it_l *except, uint16_t what);
void scsi_attend(struct scsi_device *dev, const struct scsi_it_l *except, uint16_t what);
/* For one. The unit's lock is held. */
void scsi_attend_one_locked(struct scsi_it_l *it_l, uint16_t what);
/* Takes the oldest; false when there is none. */
bool scsi_attention_take(struct scsi_it_l *it_l, uint16_t *what);
/* Takes the oldest that says that the unit began anew (29h). */
bool scsi_attention_take_reset(struct scsi_it_l *it_l, uint16_t *what);
/* Takes one that says this, if it is there. */
void scsi_attention_drop(struct scsi_it_l *it_l, uint16_t what);
/* The sense data that tells it. */
struct scsi_sense scsi_attention_sense(uint16_t what);

#endif
