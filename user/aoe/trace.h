/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Following single requests through a port, step by step. Whether a request is followed is decided
 * once, when its headers are known; the steps go to a function of the worker's, which has the
 * clock.
 */
#ifndef STGT_AOE_TRACE_H
#define STGT_AOE_TRACE_H

#include "aoe/aoe.h"

struct aoe_request;

enum aoe_trace_point {
	AOE_TRACE_RECEIVED,  /* the frame was taken from the socket */
	AOE_TRACE_PARSED,    /* it is a request to this export by somebody who may */
	AOE_TRACE_SUBMITTED, /* ATA: handed to the device */
	AOE_TRACE_COMPLETED, /* ATA: the device is done with it */
	AOE_TRACE_SENT,	     /* the reply is in the socket's ring */
	AOE_TRACE_RELEASED,  /* the kernel gave the reply's memory back */
	AOE_TRACE_DROPPED,   /* ended without a reply */
	AOE_TRACE_POINTS,
};

/* One step of one request. Host order; a record of a tap, so its layout is tap/layout.h's business.
 */
struct aoe_step {
	uint64_t ns;	   /* of a step that is past already, or 0: now */
	uint64_t taken_ns; /* when the frame was received */
	uint64_t lba;
	uint32_t vlan; /* as in struct stgt_class */
	uint32_t tag;
	uint16_t shelf;
	uint16_t count; /* sectors, as asked for */
	uint8_t slot;
	uint8_t mac[6];	   /* the initiator's */
	uint8_t point;	   /* enum aoe_trace_point */
	uint8_t command;   /* enum aoe_command */
	uint8_t ata;	   /* the ATA command's code */
	uint8_t op;	   /* enum ata_class */
	uint8_t aoe_error; /* enum aoe_error, or 0 */
	uint8_t status;	   /* ATA status and error, once it is completed; 0 before */
	uint8_t error;
	uint8_t reason; /* enum aoe_reason, of AOE_TRACE_DROPPED */
	uint8_t reserved;
};

_Static_assert(sizeof(struct aoe_step) == 56, "no padding that would have to be cleared");

struct aoe_trace_filter {
	bool by_mac, by_export, by_lba;
	uint8_t mac[6];
	struct aoe_address export;
	uint64_t first, last; /* by_lba: ATA reads and writes that touch a sector of these */
};

struct aoe_trace_config {
	struct aoe_trace_filter filter;
	/* Called on the port's thread. */
	void (*step)(void *ctx, const struct aoe_step *step);
	void *ctx;
};

/* Follows what matches from now on. 0, -EBUSY or -ENOMEM. The port's thread. */
int aoe_port_trace(struct aoe_port *port, const struct aoe_trace_config *config);
/* No longer, requests in flight included. Nothing to end is fine. */
void aoe_port_untrace(struct aoe_port *port);

/* ---- the port's own: see port.h ---- */

struct aoe_frame;

/* A new request of a port that is traced: decides whether it is followed. */
void aoe_trace_begin(struct aoe_request *request, const struct aoe_frame *frame);
/* What a followed request has come to. */
void aoe_trace_step(struct aoe_request *request, enum aoe_trace_point point);
/* It is answered with an AoE error. */
void aoe_trace_failed(struct aoe_request *request, uint8_t error);

/* It is not answered. */
void aoe_trace_ignored(struct aoe_request *request, enum aoe_reason reason);

#endif
