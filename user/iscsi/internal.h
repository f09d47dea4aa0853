/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the iSCSI target share of workers, sessions, connections and tasks; nobody else
 * includes it. Everything here belongs to one worker's thread.
 */
#ifndef STGT_ISCSI_INTERNAL_H
#define STGT_ISCSI_INTERNAL_H

#include "base/bytes.h"
#include "iscsi/chap.h"
#include "iscsi/node.h"
#include "iscsi/params.h"
#include "iscsi/pool.h"

/* a < b among sequence numbers (RFC 1982). */
static inline bool sn_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* ---- workers: worker.c ---- */

/* A command that was answered and not stamped yet: see count.c. */
struct iscsi_answered {
	struct lu_op_stats *op;
	uint64_t taken_ns, bytes;
	bool failed;
};

#define ISCSI_ANSWERED_MAX 256u

/* While somebody waits for memory: see reclaim.c. */
struct iscsi_reclaim {
	bool watching;
	uint64_t looked; /* the last time */
	uint64_t awake;	 /* since when we have looked in time, and so heard whoever spoke */
	uint64_t all;	 /* bytes that moved of late, of all that have memory */
	uint64_t patience_ns;
};

struct iscsi_worker {
	struct iscsi_worker_config config;
	struct iscsi_pool pool;
	struct list conns; /* oldest first */
	struct list sessions;
	struct list leavings; /* iscsi_worker_leave_target() under way */
	struct list free_tasks;
	unsigned int nconns, nlogins, nfree_tasks;
	uint64_t now;
	uint64_t due; /* no timer ends before */
	struct iscsi_reclaim reclaim;
	struct iscsi_worker_stats stats;
	struct list pasts; /* struct iscsi_past */
	unsigned int nanswered;
	struct iscsi_answered answered[ISCSI_ANSWERED_MAX];
};

/* A timer ends at `at_ns`. */
static inline void iscsi_worker_due_by(struct iscsi_worker *worker, uint64_t at_ns)
{
	if (at_ns < worker->due)
		worker->due = at_ns;
}
/* A session or a connection went: whoever waits for that is told. */
void iscsi_worker_session_gone(struct iscsi_worker *worker);
/* A connection is among the worker's, or is no longer, which may be so already. */
void iscsi_worker_enter(struct iscsi_worker *worker, struct iscsi_conn *conn);
void iscsi_worker_depart(struct iscsi_conn *conn);

/* ---- what is sent: output.c ---- */

#define ISCSI_BATCH_BYTES 4096u
#define ISCSI_BATCH_IOV	  64u

/* Something to send: one PDU or several. */
struct iscsi_tx {
	struct list link; /* in the connection's queue */
	/*
	 * Adds PDUs to the batch; false: the batch is full, call again for the next one. After
	 * true it is out of the queue and may be freed or queued anew.
	 */
	bool (*build)(struct iscsi_conn *conn, struct iscsi_tx *tx);
};

/* A PDU that stands for itself: everything but Data-In, R2T and SCSI Response. */
struct iscsi_reply {
	struct iscsi_tx tx;
	bool counted; /* takes a StatSN */
	bool login;   /* sent without digests, whatever is in force */
	uint8_t bhs[ISCSI_BHS];
	uint32_t len;
	uint8_t data[];
};

/* What is on its way, as the connection's environment sees it. */
struct iscsi_batch {
	uint8_t bytes[ISCSI_BATCH_BYTES]; /* headers, short data, padding, digests */
	uint32_t used;
	struct iovec iov[ISCSI_BATCH_IOV];
	unsigned int niov;
	unsigned int sent;   /* entries gone entirely */
	struct list tasks;   /* whose memory it names */
	struct list replies; /* likewise */
};

/* `len` bytes of data behind a header; ISCSI_NOP_IN and other opcodes. NULL: no memory. */
struct iscsi_reply *iscsi_reply_new(enum iscsi_opcode opcode, uint32_t itt, uint32_t len);
/* Takes the reply over. Without memory (NULL) the connection cannot go on and is dropped. */
void iscsi_conn_reply(struct iscsi_conn *conn, struct iscsi_reply *reply);
void iscsi_conn_queue(struct iscsi_conn *conn, struct iscsi_tx *tx);

/*
 * Adds a PDU of `bhs` (which gets its data length, and its sequence numbers: a StatSN of its own
 * if `counted`) and `len` bytes of `data`, which are copied, or, if they are more than a few, stay
 * where they are. False, changing nothing: no room.
 */
bool iscsi_batch_pdu(struct iscsi_conn *conn, uint8_t *bhs, const void *data, uint32_t len,
		     bool counted, bool digests);
/* The same with data in the arena, bytes [off, off + len) of spans. */
bool iscsi_batch_data(struct iscsi_conn *conn, uint8_t *bhs, const struct sgl *sgl, uint32_t off,
		      uint32_t len, bool counted);
/* The connection is gone: everything that was queued or on its way is given back. */
void iscsi_output_drop(struct iscsi_conn *conn);

/* CRC32C; begins with, and goes on from, ISCSI_CRC_SEED; iscsi_crc_put() lays it out. */
#define ISCSI_CRC_SEED 0xffffffffu
uint32_t iscsi_crc(uint32_t crc, const void *bytes, size_t len);
void iscsi_crc_put(uint32_t crc, uint8_t digest[ISCSI_DIGEST]);

/* ---- connections: conn.c, input.c ---- */

enum iscsi_conn_state {
	ISCSI_CONN_LOGIN,
	ISCSI_CONN_MOVING, /* logging in; another worker has to adopt it, or a session to go */
	ISCSI_CONN_FULL,
	ISCSI_CONN_LOGOUT, /* logged out, or dropped politely: takes no more requests */
	ISCSI_CONN_DEAD,   /* waits for iscsi_conn_close() */
};

enum iscsi_rx_state {
	ISCSI_RX_HEAD,	/* header, AHS and header digest */
	ISCSI_RX_STUCK, /* the header is there, but no memory for its data */
	ISCSI_RX_DATA,	/* data segment */
	ISCSI_RX_TAIL,	/* padding and data digest */
};

struct iscsi_rx {
	enum iscsi_rx_state state;
	uint8_t head[ISCSI_BHS + ISCSI_AHS_MAX + ISCSI_DIGEST];
	uint32_t got, need; /* of what the state is about */
	uint8_t tail[3 + ISCSI_DIGEST];
	uint32_t len; /* of the data segment */
	uint32_t crc;
	struct iscsi_task
		*task; /* data goes into its memory, from `off` on, as far as there is any */
	uint32_t off;
	uint8_t *buffer; /* or here; NULL both: nowhere */
	uint32_t room;
	uint64_t moved; /* on the connection, when this was last asked for its sake; 0: never */
	bool ignore;	/* the PDU is as if it had not come */
};

struct iscsi_login;
struct iscsi_session;

/* That wait to be sent, and bytes of their data, before requests have to wait too. */
#define ISCSI_REPLIES_MAX	64u
#define ISCSI_REPLIES_BYTES_MAX (256u << 10)

struct iscsi_conn {
	struct iscsi_worker *worker;
	void *ctx;
	struct list link; /* worker's */
	char peer[ISCSI_PORTAL_MAX], local[ISCSI_PORTAL_MAX];
	uint16_t group;
	enum iscsi_conn_state state;
	uint64_t opened, last_rx;
	uint64_t pinged; /* when the answer to a ping was last waited for; 0: none is on its way */
	uint64_t pinged_moved; /* bytes that had moved by then */
	uint64_t drop_at;      /* 0: never */

	struct iscsi_login *login; /* until the full feature phase */
	struct iscsi_session *session;
	struct list session_link;
	struct list tasks; /* allegiant to this connection */
	struct list tmfs;  /* likewise, see tmf.c */
	struct iscsi_params params;
	bool header_digest, data_digest;
	bool chap;
	uint16_t cid;
	uint32_t cmdsn;	      /* the highest it has brought, or an immediate request has named */
	uint32_t asked_cmdsn; /* it was pinged to hear whether it has got there */
	uint32_t stat_sn;
	uint32_t last_ping;	  /* TTT */
	unsigned int owed;	  /* tasks that wait for Data-Out */
	uint64_t brought_at;	  /* when it last brought data of a command */
	uint64_t moved, moved_at; /* see reclaim.c */
	uint64_t seen, looked;	  /* bytes that had moved when it was looked the last time */
	uint64_t active_until;

	struct iscsi_rx rx;
	bool idle;	 /* iscsi_conn_want() said ISCSI_WANT_NOTHING */
	struct list out; /* struct iscsi_tx */
	unsigned int nreplies;
	uint32_t reply_bytes;
	bool waiting;	/* MOVING: has looked since the last session went */
	bool announced; /* ops->output was called and has not found the end yet */
	struct iscsi_batch batch;

	/* Text negotiation of the full feature phase. */
	struct iscsi_text text_in, text_out;
	uint32_t text_ttt;
	size_t text_sent;
};

void iscsi_conn_log(struct iscsi_conn *conn, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Over at once: a protocol error or a timeout. Its session goes with it. `why` is for the log. */
void iscsi_conn_drop(struct iscsi_conn *conn, const char *why);
/* Over when all that is queued has been sent. */
void iscsi_conn_finish(struct iscsi_conn *conn);
/* Leaves its session, which goes on without it: its commands end untold. */
void iscsi_conn_retire(struct iscsi_conn *conn, bool polite);
/* What kept iscsi_conn_want() from wanting may be gone. */
void iscsi_conn_wake(struct iscsi_conn *conn);
/* The connection may take PDUs. */
static inline bool iscsi_conn_open_for_requests(const struct iscsi_conn *conn)
{
	return conn->state == ISCSI_CONN_LOGIN || conn->state == ISCSI_CONN_FULL;
}
/* The PDU in rx is rejected with a reason (RFC 7143 11.17.1). */
void iscsi_conn_reject(struct iscsi_conn *conn, const uint8_t *bhs, uint8_t reason);
/* A PDU of the stream may be taken in now. */
bool iscsi_input_open(const struct iscsi_conn *conn);
/* Memory has come for the data of the header that waits. */
void iscsi_input_resume(struct iscsi_conn *conn);
/* The connection is gone: what was arriving never will. */
void iscsi_input_drop(struct iscsi_conn *conn);
/* When the connection's next timer ends. */
uint64_t iscsi_conn_due(const struct iscsi_conn *conn);
void iscsi_conn_tick(struct iscsi_conn *conn);

/* ---- login: login.c ---- */

int iscsi_login_begin(struct iscsi_conn *conn);
void iscsi_login_end(struct iscsi_conn *conn);
/* A whole login request. */
void iscsi_login_request(struct iscsi_conn *conn, const uint8_t *bhs, const uint8_t *data,
			 uint32_t len);
/* All was said; or the connection is with the right worker now, or the session in its way has gone.
 */
void iscsi_login_finish(struct iscsi_conn *conn);
/* Whether it is the target that is being logged in to. */
bool iscsi_login_concerns(const struct iscsi_conn *conn, const struct iscsi_target *target);

/* ---- sessions: session.c ---- */

#define ISCSI_TASK_BUCKETS   64u
#define ISCSI_IMMEDIATE_MAX  16u /* immediate commands in a session at one time */
#define ISCSI_TMF_MAX	     64u /* task management functions that wait for commands to end */
#define ISCSI_HELD_BYTES_MAX (256u << 10) /* of requests that came before their turn */

/* A request that came before its turn. */
struct iscsi_held {
	struct list link; /* by CmdSN */
	uint32_t cmdsn;
	bool immediate;		 /* has no number of its own: is about those before this one */
	struct iscsi_conn *conn; /* NULL: only fills its place, or see iscsi_session_bar() */
	struct iscsi_task *task;
	uint32_t len;
	uint8_t bhs[ISCSI_BHS];
	uint8_t data[];
};

struct iscsi_session {
	struct iscsi_session_id id;
	struct iscsi_worker *worker;
	struct iscsi_target *target; /* NULL: discovery */
	struct list link;	     /* worker's */
	struct list conns;
	unsigned int nconns;
	char alias[ISCSI_NAME_MAX + 1];
	struct nexus nexus;
	struct scsi_nexus *scsi;    /* NULL: discovery, or closed */
	struct scsi_lun_mask mask;  /* what its initiator was allowed at login */
	struct iscsi_params params; /* of the leading connection */
	uint32_t queue_depth;

	uint32_t exp_cmdsn, max_cmdsn;
	struct list held;
	struct list tasks[ISCSI_TASK_BUCKETS]; /* by ITT */
	unsigned int ntasks;		       /* not immediate, not answered */
	unsigned int nimmediate;	       /* immediate, not answered */
	unsigned int ntmfs;
	struct iscsi_share share; /* of the worker's memory */
	unsigned int nlive;	  /* tasks and task management that hold on to the session */
	struct list ready;	  /* tasks to execute, in order */
	uint32_t last_ttt;
	bool dispatching;

	bool registered; /* the node knows it: nobody else can have its place */
	bool closing;
	bool settling; /* it is being closed: not to be freed meanwhile */
	bool revoked;  /* its initiator may do something else now: to be closed */
	bool nexus_closed;
	uint64_t since, last;
	struct {
		uint64_t commands, reads, writes, read_bytes, write_bytes, errors;
	} count;
	struct iscsi_lun_stats *luns[SCSI_LUNS_MAX]; /* NULL: nothing was asked of it */
};

/* 0, -EEXIST as iscsi_node_register(), -ENOSPC, -ENOMEM. The connection leads it. */
int iscsi_session_open(struct iscsi_conn *conn, const struct iscsi_session_id *id,
		       const struct iscsi_admission *admission, struct iscsi_session **session,
		       struct iscsi_worker **there);
void iscsi_session_join(struct iscsi_session *session, struct iscsi_conn *conn);
void iscsi_session_leave(struct iscsi_session *session, struct iscsi_conn *conn);
/* Ends all its connections and commands; it is freed when the last has ended. */
void iscsi_session_close(struct iscsi_session *session);
/* Something that held on to it has gone. */
void iscsi_session_put(struct iscsi_session *session);
struct iscsi_session *iscsi_session_find(struct iscsi_worker *worker, uint16_t tsih);
/* The session on this worker that is the same I_T nexus. */
struct iscsi_session *iscsi_session_twin(struct iscsi_worker *worker,
					 const struct iscsi_session_id *id);
/* What a response says: moves MaxCmdSN up as far as it may. */
void iscsi_session_window(struct iscsi_session *session);
/* A request's number lies in the window and has not come yet. */
bool iscsi_session_expects(const struct iscsi_session *session, uint32_t cmdsn);
/*
 * A whole request that is not immediate: executes it and those that waited for it, or holds it
 * until its turn.
 */
void iscsi_session_deliver(struct iscsi_session *session, struct iscsi_conn *conn,
			   const uint8_t *bhs, const uint8_t *data, uint32_t len,
			   struct iscsi_task *task);
/* A request that was numbered before this one may still come without being sent twice. */
bool iscsi_session_awaits(const struct iscsi_session *session, uint32_t cmdsn);
/*
 * An immediate request: holds it as long as iscsi_session_awaits() what was numbered before it.
 * False: no memory, or too many wait already.
 */
bool iscsi_session_postpone(struct iscsi_session *session, struct iscsi_conn *conn,
			    const uint8_t *bhs);
/* Executes those that await nothing more: a connection has brought something, or has left. */
void iscsi_session_review(struct iscsi_session *session);
/*
 * An immediate request that ends commands of a unit: those that were numbered before it and have
 * not come are ended when they come. False as above.
 */
bool iscsi_session_bar(struct iscsi_session *session, const uint8_t *bhs);
/* SAM-5 4.6: of one unit, whose number each addressing method writes in its own way. */
bool iscsi_session_same_unit(const struct iscsi_session *session, uint64_t lun, uint64_t other);
/* RFC 7143 11.5.5: a request that was aborted before it came counts as received. */
bool iscsi_session_fill(struct iscsi_session *session, uint32_t cmdsn);
/* What came on a connection before its turn is as if it had not come. */
void iscsi_session_forget(struct iscsi_session *session, const struct iscsi_conn *conn);
/* The connections that take requests. */
unsigned int iscsi_session_open_conns(const struct iscsi_session *session);

/* ---- requests: request.c, text requests: discovery.c, task management: tmf.c ---- */

/* Executes a whole request in its turn. */
void iscsi_request(struct iscsi_conn *conn, const uint8_t *bhs, const uint8_t *data, uint32_t len,
		   struct iscsi_task *task);
void iscsi_text_request(struct iscsi_conn *conn, const uint8_t *bhs, const uint8_t *data,
			uint32_t len);
void iscsi_tmf_request(struct iscsi_conn *conn, const uint8_t *bhs);
/* One that iscsi_session_postpone() held: waits no longer. */
void iscsi_tmf_resume(struct iscsi_conn *conn, const uint8_t *bhs);
/* The connection leaves its session: what it asked for goes on, and nobody is told. */
void iscsi_tmf_orphan_all(struct iscsi_conn *conn);
void iscsi_conn_ping(struct iscsi_conn *conn);
void iscsi_conn_async(struct iscsi_conn *conn, enum iscsi_async_event event, uint16_t parameter1,
		      uint16_t parameter2, uint16_t parameter3);

/* ---- tasks ---- */

#define ISCSI_TASK_RUNS	 (SCSI_MEMORY_MAX / ISCSI_RUN_BYTES + 1)
#define ISCSI_TASK_SPANS BLK_MAX_SPANS

/*
 * How long an initiator may leave us with memory for a command whose next PDU of data does not
 * come; its answers to pings do not count. Nor, for the longer time, does data of other commands.
 */
#define ISCSI_STALL_NS	   30000000000ull
#define ISCSI_STALL_MAX_NS (10 * ISCSI_STALL_NS)

enum iscsi_task_state {
	ISCSI_TASK_ARRIVING,  /* its PDU is not whole yet, or came before its turn */
	ISCSI_TASK_READY,     /* in the session's ready list */
	ISCSI_TASK_EXECUTING, /* the device server's */
	ISCSI_TASK_ANSWERING, /* its response is queued or on its way */
	ISCSI_TASK_OVER,      /* only what pins it is left */
};

struct iscsi_task {
	struct command cmd;
	struct iscsi_session *session;
	struct iscsi_conn *conn; /* NULL: nobody to answer */
	struct list bucket;	 /* session's; also the worker's free list */
	struct list conn_link;
	struct list ready;
	struct list batch; /* in the batch that names its memory */
	enum iscsi_task_state state;
	uint32_t itt, cmdsn;
	bool immediate;
	bool counted; /* among the session's tasks */
	uint8_t flags;
	uint32_t expected; /* Expected Data Transfer Length */
	unsigned int pins; /* what else looks at it: transfers, aborts */
	uint64_t heard;	   /* when data last came for it, or was asked for */
	uint64_t asked;	   /* when its initiator was given the turn: to send, or to take, data */
	uint64_t taken;	   /* when its command came */

	uint32_t runs[ISCSI_TASK_RUNS];
	unsigned int nruns;
	bool reserved; /* runs are there, or none are needed */
	struct iscsi_waiter waiter;

	/* Data-out. What came unsolicited lies at the start of the memory. */
	uint32_t first;		     /* bytes of it */
	bool unsolicited;	     /* more of it is to come */
	bool receiving;		     /* counted in conn->owed */
	uint32_t data_sn_out;	     /* of the next Data-Out of this sequence */
	uint32_t want_off, want_len; /* what the device server solicited */
	uint32_t want_got;	     /* of it, in memory */
	uint32_t base;		     /* where in memory byte want_off lies */
	uint32_t r2t_off, r2t_len;   /* the sequence under way; r2t_len 0: none */
	uint32_t received;	     /* of the sequence */
	uint32_t ttt;		     /* of the sequence; those behind it have the next ones */
	uint32_t r2ts;		     /* outstanding: R2Ts sent whose sequences are not whole */
	void (*solicited)(struct command *cmd); /* NULL: nothing is wanted */
	struct span out_spans[ISCSI_TASK_SPANS];

	/* Data-in. */
	uint32_t in_off;  /* bytes given to tx before */
	uint32_t in_sent; /* bytes of cmd.data_in that are in PDUs */
	uint32_t in_burst;
	bool in_built; /* all of it is in PDUs */
	void (*pushed)(struct command *cmd);
	bool final; /* the status goes with it */
	struct span in_spans[ISCSI_TASK_SPANS];

	uint32_t data_sn; /* of Data-In and R2T */
	struct iscsi_tx tx, r2t_tx;
	bool full;    /* there is no memory for it: TASK SET FULL */
	bool spoiled; /* a digest was wrong: it fails once all that was asked for has come */
	bool failed;  /* by the transport: CHECK CONDITION, whatever the device server says */
	uint8_t failed_key;
	uint16_t failed_asc;
	struct scsi_tmf abort;
	bool aborting;
};

/* ---- their memory and life: task.c ---- */

/* NULL: no memory. */
struct iscsi_task *iscsi_task_new(struct iscsi_conn *conn, const uint8_t *bhs);
struct iscsi_task *iscsi_task_find(struct iscsi_session *session, uint32_t itt);
/* `len` bytes of its memory from `off` on; the spans are at most ISCSI_TASK_SPANS. */
unsigned int iscsi_task_spans(const struct iscsi_task *task, uint32_t off, uint32_t len,
			      struct span *spans);
static inline uint32_t iscsi_task_room(const struct iscsi_task *task)
{
	return task->nruns * ISCSI_RUN_BYTES;
}
void iscsi_task_pin(struct iscsi_task *task);
void iscsi_task_unpin(struct iscsi_task *task);
/* It takes no room in the session's window any more. */
void iscsi_task_uncount(struct iscsi_task *task);
/* Data has come for it, or is expected from now on: see ISCSI_STALL_NS. */
void iscsi_task_heard(struct iscsi_task *task);
/* Whether the connection owes it data. */
void iscsi_task_receiving(struct iscsi_task *task, bool receiving);
/* Nothing of it is to be done any more; what looks at it may be left. */
void iscsi_task_over(struct iscsi_task *task);
/* The task gets no further and nobody is told; at any time before its answer is queued. */
void iscsi_task_abort(struct iscsi_task *task);
/* Its connection goes: whatever becomes of it, nobody is told. */
void iscsi_task_orphan(struct iscsi_task *task);
/*
 * The transport ends it with CHECK CONDITION and that sense data (RFC 7143 11.4.7.2), once the
 * device server has let go of it. One that is still arriving is answered when it is whole.
 */
void iscsi_task_fail(struct iscsi_task *task, uint8_t key, uint16_t asc);
/* Memory for all that the command needs; false: it waits, and `granted` will be called. */
bool iscsi_task_reserve(struct iscsi_task *task, void (*granted)(struct iscsi_waiter *waiter));

/* ---- their data and answers: task_data.c ---- */

extern const struct transport_ops iscsi_task_ops;

/* Its data-in and its answer, or its R2Ts, as iscsi_tx has it. */
bool iscsi_task_build(struct iscsi_conn *conn, struct iscsi_tx *tx);
bool iscsi_task_build_r2t(struct iscsi_conn *conn, struct iscsi_tx *tx);
/* The batch that named its memory is gone, and so is that pin. */
void iscsi_task_sent(struct iscsi_task *task);
/* The answer stands in cmd.scsi: queues it. */
void iscsi_task_answer(struct iscsi_task *task);
/* More of the data-out has arrived. */
void iscsi_task_data_arrived(struct iscsi_task *task);
/* The last of the unsolicited data has: the connection owes it nothing for now. */
void iscsi_task_data_ends(struct iscsi_task *task);

/* ---- what arrives: command.c ---- */

/* Executes what is ready in the session, as far as there is memory. */
void iscsi_session_dispatch(struct iscsi_session *session);
/* What is ended between the two frees memory that starts nothing until the second. */
void iscsi_session_pause(struct iscsi_session *session);
void iscsi_session_go_on(struct iscsi_session *session);

/*
 * The header of a SCSI Command or Data-Out has come: says in conn->rx where its data goes. False:
 * it waits for memory, and iscsi_input_resume() follows.
 */
bool iscsi_command_header(struct iscsi_conn *conn);
bool iscsi_data_header(struct iscsi_conn *conn);
/* Its data has come, with a bad digest or a good one. */
void iscsi_data_whole(struct iscsi_conn *conn, bool good);
/* A SCSI Command in its turn. */
void iscsi_command_whole(struct iscsi_task *task);

/* ---- memory that others wait for: reclaim.c ---- */

/* Somebody begins to wait. */
void iscsi_reclaim_watch(struct iscsi_worker *worker);
void iscsi_reclaim_tick(struct iscsi_worker *worker);

/* ---- counters: count.c ---- */

/* A command of the session that is being answered; `bytes` were transferred. */
void iscsi_count_answer(const struct iscsi_task *task, uint64_t bytes);
/* The session goes. */
void iscsi_count_end(struct iscsi_session *session);
/* The target goes, or all do (NULL). */
void iscsi_count_forget(struct iscsi_worker *worker, const struct iscsi_target *target);

/* Also in sense.h's numbering: RFC 7143 11.4.7.2. */
#define ISCSI_ASC_UNEXPECTED_DATA  0x0c0c
#define ISCSI_ASC_INCORRECT_AMOUNT 0x0c0d
#define ISCSI_ASC_CRC_ERROR	   0x4705

#endif
