/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The iSCSI target (RFC 7143), error recovery level 0, as a pure state machine: bytes of a stream
 * in, bytes out, time as a parameter. It makes no system call, reads no clock and never blocks.
 *
 * iscsi_node: the network entity, with all targets and the table of sessions. Any thread; has a
 * lock. iscsi_target: name, portals, who may log in and how, and a scsi_target for each portal
 * group. iscsi_worker: what belongs to one thread, memory for data, sessions, connections.
 * iscsi_conn: one connection, from accept() on.
 *
 * Sessions take no locks: all connections of a session are with one worker. A login that joins or
 * replaces a session of another worker moves there first (adopt below).
 *
 * Times are in ns of any clock that only grows. Names, keys and secrets are NUL-terminated.
 */
#ifndef STGT_ISCSI_H
#define STGT_ISCSI_H

#include "scsi/scsi.h"

#define ISCSI_NAME_MAX	 223u /* bytes of an initiator's or target's name (RFC 7143 4.2.7.1) */
#define ISCSI_SECRET_MIN 12u  /* RFC 7143 9.2.1: 96 bits */
#define ISCSI_SECRET_MAX 255u
#define ISCSI_PORTAL_MAX 64u /* "[IPv6]:PORT" and its NUL */
#define ISCSI_RUN_FRAMES 16u /* of the worker's arena: runs of 64 KiB */
#define ISCSI_RUN_BYTES	 (ISCSI_RUN_FRAMES * ARENA_FRAME_SIZE)

struct iscsi_node;
struct iscsi_target;
struct iscsi_worker;
struct iscsi_conn;

/* -EINVAL, with what is wrong, for what is no iqn. name in lower case, and no eui. or naa. name. */
int iscsi_name_check(const char *name, struct error *err);
/* As strcmp(), but that the digits of eui. and naa. names have no case (RFC 7143 4.2.7). */
int iscsi_name_compare(const char *a, const char *b);
/*
 * A name, or a pattern in which each `*` stands for any number of characters; `any` is "*". The
 * case of letters makes no difference.
 */
bool iscsi_name_match(const char *pattern, const char *name);

/* ---- who may log in, and how ---- */

struct iscsi_account {
	char name[ISCSI_SECRET_MAX + 1];
	char secret[ISCSI_SECRET_MAX + 1]; /* ISCSI_SECRET_MIN at least, or initiators refuse it */
};

/* CHAP. Without a name of the initiator none is asked for. */
struct iscsi_auth {
	struct iscsi_account initiator; /* what the initiator must know */
	struct iscsi_account target;	/* what we prove when asked (mutual); no name: nothing */
};

struct iscsi_rule {
	char pattern[ISCSI_NAME_MAX + 1]; /* see iscsi_name_match() */
	struct scsi_lun_mask mask;
};

/* The first rule that matches holds; an initiator that none matches is not let in. */
struct iscsi_access {
	const struct iscsi_rule *rules;
	unsigned int nrules;
	struct iscsi_auth auth;
};

/* ---- parameters that are ours to choose ---- */

struct iscsi_settings {
	uint32_t max_recv_segment; /* bytes: what an initiator may send at once */
	uint32_t max_burst;	   /* bytes of a sequence of Data-In or Data-Out */
	uint32_t first_burst;	   /* bytes that may come unsolicited, at most ISCSI_RUN_BYTES */
	uint16_t max_connections;  /* in a session */
	uint16_t queue_depth;	   /* commands in a session, at most ISCSI_QUEUE_MAX */
	bool initial_r2t;	   /* Data-Out only after an R2T */
	bool immediate_data;	   /* data in the PDU of its command */
	bool header_digest;	   /* insist on CRC32C; else the initiator chooses */
	bool data_digest;
	uint64_t nop_interval_ns; /* silence after which we ask; 0: never */
	uint64_t nop_timeout_ns;  /* silence after that which ends the connection */
};

#define ISCSI_QUEUE_MAX 256u

/* What is usual. */
void iscsi_settings_default(struct iscsi_settings *settings);
/* -EINVAL names the one that RFC 7143 13 or a limit of ours forbids. */
int iscsi_settings_check(const struct iscsi_settings *settings, struct error *err);

/* ---- node and targets: control thread ---- */

struct iscsi_portal {
	/*
	 * "ADDR:PORT" or "[ADDR]:PORT", as SendTargets shows it. The addresses 0.0.0.0 and [::] are
	 * shown as the one that the initiator connected to, if that is of the same family, or not.
	 */
	char address[ISCSI_PORTAL_MAX];
	uint16_t group; /* portal group tag, from 1 */
};

/* What a portal group of a target is in SCSI: a target port (RFC 7143 4.4.2). */
struct iscsi_port {
	uint16_t group;		  /* portal group tag */
	struct scsi_target *scsi; /* outlives the target */
};

struct iscsi_target_config {
	const char *name;		    /* the IQN; copied */
	const char *alias;		    /* for people; copied, or NULL */
	const struct iscsi_portal *portals; /* copied */
	unsigned int nportals;
	const struct iscsi_port *ports; /* one for every group of the portals; copied */
	unsigned int nports;
	struct iscsi_settings settings;
	struct iscsi_access access; /* copied */
};

/* 0 or -ENOMEM. A node is closed when it has neither targets nor workers. */
int iscsi_node_open(struct iscsi_node **node, struct error *err);
void iscsi_node_close(struct iscsi_node *node);

/* What discovery sessions have to prove; NULL: nothing, which is what a new node asks. Copied. */
void iscsi_node_set_discovery_auth(struct iscsi_node *node, const struct iscsi_auth *auth);

/* Serves a target from now on. -EEXIST: its name is taken; -EINVAL, -ENOMEM. */
int iscsi_target_open(struct iscsi_node *node, const struct iscsi_target_config *config,
		      struct iscsi_target **target, struct error *err);
/* Nobody finds the target any more; sessions stay until iscsi_worker_leave_target(). */
void iscsi_target_hide(struct iscsi_target *target);
/* After iscsi_worker_leave_target() has ended on every worker. */
void iscsi_target_close(struct iscsi_target *target);
const char *iscsi_target_name(const struct iscsi_target *target);
/* One more, before portals of its group are set. 0 or -ENOMEM. */
int iscsi_target_add_port(struct iscsi_target *target, const struct iscsi_port *port);

/* Hold for logins from now on; sessions that are there keep what they have. 0 or -ENOMEM. */
int iscsi_target_set_access(struct iscsi_target *target, const struct iscsi_access *access);
int iscsi_target_set_portals(struct iscsi_target *target, const struct iscsi_portal *portals,
			     unsigned int nportals);
/* Sends who logs in elsewhere: "ADDR:PORT[,GROUP]", or NULL for no longer (RFC 7143 11.13.5). */
int iscsi_target_set_redirect(struct iscsi_target *target, const char *address, bool permanent);
/* The rule that holds for an initiator now; false: it is not let in. */
bool iscsi_target_allows(struct iscsi_target *target, const char *initiator,
			 struct scsi_lun_mask *mask);

/* ---- workers: their own thread ---- */

/* What a connection asks of who moves its bytes. Never called for one that is not open. */
struct iscsi_conn_ops {
	/* iscsi_conn_output() has something; not called again before it had nothing. */
	void (*output)(struct iscsi_conn *conn);
	/* iscsi_conn_want() said ISCSI_WANT_NOTHING and now says something else. */
	void (*input)(struct iscsi_conn *conn);
	/*
	 * The connection is over, and what iscsi_conn_output() still gives is sent first if
	 * `polite`. End all transfers, then call iscsi_conn_close(); not from within this call.
	 * After a polite call another may follow that is not: the rest could not be sent in time.
	 */
	void (*hang_up)(struct iscsi_conn *conn, bool polite);
	/*
	 * The login has to go on with another worker: end all transfers (no byte is wanted, none is
	 * to be sent), and on that worker's thread call iscsi_conn_adopt(). Bytes that
	 * iscsi_conn_input() did not take go along. Not from within this call.
	 */
	void (*adopt)(struct iscsi_conn *conn, struct iscsi_worker *to);
	/*
	 * Bytes that the initiator has sent, and taken, on this connection since its beginning, as
	 * far as is known below; they may be more or fewer than we have seen.
	 */
	uint64_t (*moved)(struct iscsi_conn *conn);
	/* One line for the administrator; priority as in <syslog.h>. */
	void (*log)(struct iscsi_conn *conn, int priority, const char *text);
	/* `len` bytes that nobody can guess, for CHAP. False: there are none, logins fail. */
	bool (*random)(struct iscsi_worker *worker, uint8_t *bytes, size_t len);
};

struct iscsi_worker_config {
	struct iscsi_node *node;
	struct blk_queue *queue; /* its arena's runs (ISCSI_RUN_FRAMES long) are all for us */
	const struct iscsi_conn_ops *ops;
	void *ctx;		 /* the environment's own */
	unsigned int max_conns;	 /* more are refused; */
	unsigned int max_logins; /* of them not logged in: the oldest makes room for a new one */
};

/* -EINVAL: runs of another size, or fewer than one command may take. -ENOMEM. */
int iscsi_worker_open(const struct iscsi_worker_config *config, struct iscsi_worker **worker,
		      struct error *err);
/* Only when iscsi_worker_busy() is false. */
void iscsi_worker_close(struct iscsi_worker *worker);
void *iscsi_worker_ctx(const struct iscsi_worker *worker);
struct blk_queue *iscsi_worker_queue(const struct iscsi_worker *worker);
/* There is a connection, or a session whose commands have not all ended. */
bool iscsi_worker_busy(const struct iscsi_worker *worker);

/*
 * A target that leaves a worker. The worker's until `gone` is called, on its thread, perhaps before
 * the call returns: then no session of the target is left there.
 */
struct iscsi_leaving {
	struct list link;
	const struct iscsi_target *target; /* NULL: all */
	void (*gone)(struct iscsi_leaving *leaving);
};
/*
 * Asks the target's initiators to log out (asynchronous message) and closes its sessions `grace_ns`
 * later, or sooner when they went. Needs iscsi_worker_tick().
 */
void iscsi_worker_leave_target(struct iscsi_worker *worker, struct iscsi_leaving *leaving,
			       uint64_t now_ns, uint64_t grace_ns);
/* Closes the sessions of initiators that iscsi_target_allows() something else now. */
void iscsi_worker_recheck_target(struct iscsi_worker *worker, struct iscsi_target *target);
/* Closes a session by its TSIH at once. -ENOENT: not here. */
int iscsi_worker_close_session(struct iscsi_worker *worker, uint16_t tsih);

/* Timers of the worker and of all its connections. When the next is due; UINT64_MAX: never. */
uint64_t iscsi_worker_next_due(const struct iscsi_worker *worker);
void iscsi_worker_tick(struct iscsi_worker *worker, uint64_t now_ns);

struct iscsi_worker_stats {
	uint64_t conns, conns_refused;
	uint64_t logins, logins_failed; /* normal and discovery; failed: by status, or no answer */
	uint64_t logins_denied;		/* of the failed: authentication or access */
	uint64_t logouts, sessions_lost;
	uint64_t header_digest_errors, data_digest_errors;
	uint64_t rejects, protocol_errors;
	uint64_t commands, read_bytes, write_bytes;
	uint64_t status[256]; /* answered commands by SCSI status */
	uint64_t tmf[16];     /* by function (RFC 7143 11.5.1) */
	uint64_t memory_waits, task_set_full;
	uint64_t copied_by_store, copied_by_memory; /* bytes: see struct blk_queue */
};
const struct iscsi_worker_stats *iscsi_worker_stats(struct iscsi_worker *worker);

struct iscsi_session_report {
	char initiator[ISCSI_NAME_MAX + 1];
	char alias[ISCSI_NAME_MAX + 1];
	char target[ISCSI_NAME_MAX + 1]; /* empty: discovery */
	uint8_t isid[6];
	uint16_t tsih;
	unsigned int conns;
	char peer[ISCSI_PORTAL_MAX], local[ISCSI_PORTAL_MAX]; /* of the oldest connection */
	bool header_digest, data_digest, chap;
	unsigned int inflight;	    /* commands */
	uint64_t since_ns, last_ns; /* logged in; last PDU received */
	uint64_t commands, reads, writes, read_bytes, write_bytes,
		errors; /* errors: CHECK CONDITION */
};
/* Copies at most `max` and returns how many sessions there are. */
unsigned int iscsi_worker_sessions(const struct iscsi_worker *worker,
				   struct iscsi_session_report *out, unsigned int max);

/* What was asked of a unit of a target. */
struct iscsi_lun_stats {
	struct lu_op_stats
		ops[LU_OPS]; /* errors: CHECK CONDITION but for attentions, miscompares */
	uint64_t conflicts;  /* RESERVATION CONFLICT */
	uint64_t attentions; /* unit attentions that were told */
};

/* Any thread. */
void iscsi_lun_stats_add(struct iscsi_lun_stats *to, const struct iscsi_lun_stats *from);

struct iscsi_lun_report {
	char target[ISCSI_NAME_MAX + 1];
	char initiator[ISCSI_NAME_MAX + 1]; /* of one session; empty: of all that are over */
	uint16_t lun;
	struct iscsi_lun_stats stats;
};
/* Copies at most `max` and returns how many there are. */
unsigned int iscsi_worker_luns(struct iscsi_worker *worker, struct iscsi_lun_report *out,
			       unsigned int max);
/* Whether there are answers that wait for this, and: they are given now. */
bool iscsi_worker_unstamped(const struct iscsi_worker *worker);
void iscsi_worker_stamp(struct iscsi_worker *worker, uint64_t now_ns);

/* ---- connections: their worker's thread ---- */

struct iscsi_conn_config {
	struct iscsi_worker *worker;
	void *ctx;	   /* the environment's own */
	const char *peer;  /* "ADDR:PORT"; copied */
	const char *local; /* the address that was connected to; copied */
	uint16_t group;	   /* portal group tag of the portal */
};

/* -EAGAIN: there are too many; -ENOMEM. */
int iscsi_conn_open(const struct iscsi_conn_config *config, uint64_t now_ns,
		    struct iscsi_conn **conn);
void *iscsi_conn_ctx(const struct iscsi_conn *conn);
struct iscsi_worker *iscsi_conn_worker(const struct iscsi_conn *conn);
/*
 * No transfer of its bytes is under way, nor will be; at any time, asked to hang up or not. The
 * connection must not be used any more. Its commands may still be executing: iscsi_worker_busy().
 */
void iscsi_conn_close(struct iscsi_conn *conn);
/* See adopt above. The connection belongs to `worker` from now on. */
void iscsi_conn_adopt(struct iscsi_conn *conn, struct iscsi_worker *worker, uint64_t now_ns);

enum iscsi_want_kind {
	ISCSI_WANT_NOTHING, /* wait for ops->input */
	ISCSI_WANT_BYTES,   /* as many as there are, for iscsi_conn_input() */
	ISCSI_WANT_DIRECT,  /* into `iov`, for iscsi_conn_landed() */
};

#define ISCSI_WANT_IOV 8

struct iscsi_want {
	enum iscsi_want_kind kind;
	struct iovec iov[ISCSI_WANT_IOV]; /* arena memory that stays until it landed */
	unsigned int niov;
	uint32_t len; /* bytes in iov: any number from 1 on may land at a time */
};

/* Where the next bytes of the stream belong. */
void iscsi_conn_want(struct iscsi_conn *conn, struct iscsi_want *want);

/*
 * The next `len` bytes of the stream. Returns how many were taken: fewer when memory is waited for
 * or the connection is over; offer the rest when ops->input is called. The bytes are copied.
 */
size_t iscsi_conn_input(struct iscsi_conn *conn, const void *bytes, size_t len, uint64_t now_ns);
/* `n` bytes came to where iscsi_conn_want() said, which is void now. */
void iscsi_conn_landed(struct iscsi_conn *conn, uint32_t n, uint64_t now_ns);

/*
 * What to send: fills at most `max` (4 at least) entries of `iov` and returns how many, 0 for
 * nothing. One batch at a time: it stays valid, and the same is returned, less what was sent,
 * until iscsi_conn_sent() has been told of all its bytes.
 */
unsigned int iscsi_conn_output(struct iscsi_conn *conn, struct iovec *iov, unsigned int max);
void iscsi_conn_sent(struct iscsi_conn *conn, size_t n, uint64_t now_ns);

#endif
