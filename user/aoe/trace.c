/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/port.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LBA28_MAX 0x0fffffffu

struct aoe_trace {
	struct aoe_trace_config config;
	struct aoe_step steps[]; /* by request: what is known of it */
};

int aoe_port_trace(struct aoe_port *port, const struct aoe_trace_config *config)
{
	struct aoe_trace *trace;

	if (port->trace)
		return -EBUSY;
	trace = calloc(1, sizeof(*trace) + port->config.requests * sizeof(trace->steps[0]));
	if (!trace)
		return -ENOMEM;
	trace->config = *config;
	port->trace = trace;
	return 0;
}

void aoe_port_untrace(struct aoe_port *port)
{
	for (unsigned int i = 0; i < port->config.requests; i++)
		port->requests[i].traced = false;
	free(port->trace);
	port->trace = NULL;
}

static struct aoe_step *step_of(const struct aoe_request *request)
{
	const struct aoe_port *port = request->port;

	return &port->trace->steps[request - port->requests];
}

static void put_ata(struct aoe_step *step, const struct aoe_frame *frame)
{
	struct wire_aoe_ata ata;

	/* Its length is checked, unless the request is about to be refused. */
	if (!aoe_frame_copy(frame, 0, &ata, sizeof(ata)))
		return;
	step->ata = ata.command;
	step->op = (uint8_t)ata_command_class(ata.command);
	step->count = ata.count;
	for (unsigned int i = 0; i < sizeof(ata.lba); i++)
		step->lba |= (uint64_t)ata.lba[i] << 8 * i;
	if (!(ata.aflags & AOE_ATA_LBA48))
		step->lba &= LBA28_MAX;
}

static bool touches(const struct aoe_step *step, uint64_t first, uint64_t last)
{
	if (step->command != AOE_CMD_ATA ||
	    (step->op != ATA_CLASS_READ && step->op != ATA_CLASS_WRITE))
		return false;
	return step->lba <= last && (step->lba >= first || first - step->lba < step->count);
}

static bool matches(const struct aoe_trace_filter *filter, const struct aoe_step *step)
{
	const struct aoe_address address = {step->vlan, step->shelf, step->slot};

	if (filter->by_mac && memcmp(filter->mac, step->mac, sizeof(step->mac)))
		return false;
	if (filter->by_export && !aoe_address_equal(&filter->export, &address))
		return false;
	return !filter->by_lba || touches(step, filter->first, filter->last);
}

void aoe_trace_begin(struct aoe_request *request, const struct aoe_frame *frame)
{
	const struct aoe_address *address = aoe_export_address(aoe_request_export(request));
	struct aoe_step *step = step_of(request);
	struct wire_aoe aoe;

	memcpy(&aoe, frame->head + frame->class.offset, sizeof(aoe));
	*step = (struct aoe_step){
		.taken_ns = request->taken_ns,
		.vlan = address->vlan,
		.shelf = address->shelf,
		.slot = address->slot,
		.tag = be32toh(aoe.tag),
		.command = aoe.command,
	};
	memcpy(step->mac, aoe_frame_eth(frame)->src, sizeof(step->mac));
	if (aoe.command == AOE_CMD_ATA)
		put_ata(step, frame);
	if (!matches(&request->port->trace->config.filter, step))
		return;
	request->traced = true;
	step->ns = request->taken_ns;
	aoe_trace_step(request, AOE_TRACE_RECEIVED);
	step->ns = 0;
	aoe_trace_step(request, AOE_TRACE_PARSED);
}

void aoe_trace_step(struct aoe_request *request, enum aoe_trace_point point)
{
	const struct aoe_trace_config *config = &request->port->trace->config;
	struct aoe_step *step = step_of(request);

	if (step->command == AOE_CMD_ATA && point >= AOE_TRACE_COMPLETED &&
	    point != AOE_TRACE_DROPPED) {
		step->status = request->cmd.ata.status;
		step->error = request->cmd.ata.error;
	}
	step->point = (uint8_t)point;
	config->step(config->ctx, step);
	if (point == AOE_TRACE_RELEASED || point == AOE_TRACE_DROPPED)
		request->traced = false;
}

void aoe_trace_failed(struct aoe_request *request, uint8_t error)
{
	step_of(request)->aoe_error = error;
}

void aoe_trace_ignored(struct aoe_request *request, enum aoe_reason reason)
{
	step_of(request)->reason = (uint8_t)reason;
	aoe_trace_step(request, AOE_TRACE_DROPPED);
}
