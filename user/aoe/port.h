/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A port's inside: its requests, from the frame that asks to the last byte of the answer. Shared by
 * the files that implement the commands; everything here runs on the port's thread.
 */
#ifndef STGT_AOE_PORT_H
#define STGT_AOE_PORT_H

#include "aoe/access.h"
#include "aoe/aoe.h"
#include "aoe/delay.h"
#include "aoe/export.h"
#include "aoe/frame.h"
#include "aoe/initiator.h"
#include "aoe/pairs.h"
#include "aoe/trace.h"

/* An export as this port serves it. */
struct aoe_served {
	struct aoe_export *export;
	struct aoe_faults *faults; /* the export's */
	struct aoe_export_stats stats;
	struct aoe_pair others; /* see pairs.h */
	struct lu_op_stats silent[LU_OPS];
	struct aoe_access_cache access;
	unsigned int sectors;  /* advertised: the most that one frame carries */
	unsigned int inflight; /* requests that point here */

	/* No longer in the port's table; whom to tell when its last request is answered. */
	struct aoe_port *port;
	struct mailbox *leaving_to;
	struct message left;
	void (*gone)(void *ctx);
	void *gone_ctx;
};

struct aoe_request {
	struct aoe_port *port;
	struct aoe_served *served;	 /* NULL once the reply is on its way */
	struct aoe_initiator *initiator; /* NULL: an announcement */
	enum stgt_access access;	 /* what the sender may do */
	struct list free;		 /* in the port's list */
	struct tx tx;			 /* tx.run is the request's from birth to end */
	struct aoe_due due;
	struct aoe_pair *pair; /* command ATA, until the reply; NULL: not counted by pair */
	enum ata_class op;
	uint32_t bytes;		    /* read or written */
	uint64_t taken_ns;	    /* when the frame was */
	uint8_t head[AOE_HEAD_MAX]; /* of the reply; grows by the command's header */
	uint32_t head_len;
	uint32_t shortest;    /* bytes of the reply, at least */
	uint32_t payload_len; /* of the reply, from ARENA_PAYLOAD of the run on */
	bool failed;	      /* the reply says error */
	bool traced;	      /* its steps are followed */

	/* Command ATA. */
	struct command cmd;
	struct wire_aoe_ata ata; /* as received */
	struct span placed;	 /* data-in */
	struct span held[BLK_MAX_SPANS];
	unsigned int nheld; /* data-out: received frames that the request holds */

	/* The other commands; the argument as received is in the run until it is answered. */
	struct aoe_change change;
	uint8_t subcommand;
	uint16_t argument; /* bytes, or list entries */
	uint8_t error;	   /* enum aoe_error, or 0 */
	uint8_t mask_error;
	uint8_t mask_index; /* of the directive that failed */
};

struct aoe_port {
	struct aoe_port_config config;
	struct aoe_request *requests;
	struct list free;
	unsigned int inflight;
	struct aoe_served **served;
	unsigned int nserved;
	struct aoe_initiators initiators;
	struct aoe_limits limits;
	struct aoe_delays delays;
	uint64_t now_ns; /* when the latest frame arrived */
	struct aoe_pairs pairs;
	unsigned int sectors; /* advertised for untagged exports */
	struct aoe_port_stats stats;
	struct aoe_trace *trace; /* NULL: nobody follows requests */
};

/* What serves one AoE command. */
struct aoe_command_ops {
	uint32_t header; /* bytes that must follow the AoE header */
	/* Takes the request over: it is replied to or dropped, now or later. */
	void (*start)(struct aoe_request *request, const struct aoe_frame *frame);
};

void aoe_ata_start(struct aoe_request *request, const struct aoe_frame *frame);
void aoe_config_start(struct aoe_request *request, const struct aoe_frame *frame);
void aoe_mask_start(struct aoe_request *request, const struct aoe_frame *frame);
void aoe_reserve_start(struct aoe_request *request, const struct aoe_frame *frame);

static inline void aoe_count(struct aoe_port *port, enum aoe_reason reason)
{
	port->stats.reasons[reason]++;
}

/* A step of the request, for whoever follows it. */
static inline void aoe_request_trace(struct aoe_request *request, enum aoe_trace_point point)
{
	if (__builtin_expect(request->traced, 0))
		aoe_trace_step(request, point);
}

static inline struct aoe_export *aoe_request_export(const struct aoe_request *request)
{
	return request->served->export;
}

/*
 * There is a free request and a run for it. The port has no more requests than the arena has runs,
 * but a SANITIZE on the same thread may have some of those.
 */
bool aoe_request_available(const struct aoe_port *port);
/* A free request, a run with it, for the export; NULL when there is none. */
struct aoe_request *aoe_request_get(struct aoe_port *port, struct aoe_served *served);

/* The request, on its way to the network or to nowhere, needs its export no more. */
void aoe_request_let_go(struct aoe_request *request);

/* Ends a request without an answer, counted as `reason`. */
void aoe_request_ignore(struct aoe_request *request, enum aoe_reason reason);

/* The reply's head has its Ethernet and AoE header, `len` bytes. */
void aoe_request_set_head(struct aoe_request *request, uint32_t len);

/* Memory for what follows the head of the reply: this long, in the request's run. */
uint8_t *aoe_request_payload(const struct aoe_request *request);
uint32_t aoe_request_room(const struct aoe_request *request);

/* Appends the command's header to the reply's head. */
void aoe_request_append(struct aoe_request *request, const void *header, uint32_t len);

/* Makes the reply an AoE error, counted as `reason`; to be called before anything is appended. */
void aoe_request_fail(struct aoe_request *request, enum aoe_error error, enum aoe_reason reason);

/*
 * Sends head and payload, padded to the shortest frame, once that is due; the request ends when it
 * has left.
 */
void aoe_request_reply(struct aoe_request *request);
/* The last step of that: the finished reply, now. */
void aoe_request_send(struct aoe_request *request);

/* Has the export's settings changed in turn; see struct aoe_change. */
void aoe_request_change(struct aoe_request *request,
			void (*apply)(struct aoe_change *change, struct aoe_settings *settings),
			void (*done)(struct aoe_change *change, int result));
struct aoe_request *aoe_request_of_change(struct aoe_change *change);

/* Appends a configuration response (AoEr11 3.2), its string only if asked for. */
void aoe_config_append(struct aoe_request *request, uint8_t subcommand, bool with_string);

/* Recomputes what is advertised after the MTU changed. */
void aoe_advertise_update(struct aoe_port *port);
/* The MTU below which not one sector fits. */
#define AOE_MTU_MIN 548

#endif
