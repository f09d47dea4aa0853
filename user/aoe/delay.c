/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/port.h"

#include <errno.h>
#include <stdlib.h>

int aoe_delays_init(struct aoe_delays *delays, unsigned int requests)
{
	*delays = (struct aoe_delays){.room = requests - requests / 4};
	delays->heap = calloc(requests, sizeof(struct aoe_request *));
	return delays->heap ? 0 : -ENOMEM;
}

void aoe_delays_fini(struct aoe_delays *delays)
{
	free(delays->heap);
}

/* ---- the heap: a request is due no later than the two at twice its place ---- */

static bool due_before(const struct aoe_request *a, const struct aoe_request *b)
{
	if (a->due.at_ns != b->due.at_ns)
		return a->due.at_ns < b->due.at_ns;
	return a->due.seq < b->due.seq;
}

static void heap_up(struct aoe_delays *delays, unsigned int i, struct aoe_request *request)
{
	while (i && due_before(request, delays->heap[(i - 1) / 2])) {
		delays->heap[i] = delays->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	delays->heap[i] = request;
}

static void heap_down(struct aoe_delays *delays, unsigned int i, struct aoe_request *request)
{
	unsigned int child;

	while ((child = 2 * i + 1) < delays->waiting) {
		if (child + 1 < delays->waiting &&
		    due_before(delays->heap[child + 1], delays->heap[child]))
			child++;
		if (!due_before(delays->heap[child], request))
			break;
		delays->heap[i] = delays->heap[child];
		i = child;
	}
	delays->heap[i] = request;
}

static struct aoe_request *heap_pop(struct aoe_delays *delays)
{
	struct aoe_request *first = delays->heap[0];

	delays->waiting--;
	if (delays->waiting)
		heap_down(delays, 0, delays->heap[delays->waiting]);
	return first;
}

/* ---- a request ---- */

bool aoe_delay_has_room(const struct aoe_request *request)
{
	const struct aoe_delays *delays = &request->port->delays;

	return delays->held < delays->room &&
	       request->initiator->held < delays->room - delays->held;
}

void aoe_delay_until(struct aoe_request *request, uint64_t limit_ns, uint64_t fault_ns)
{
	request->due.limit_ns = limit_ns;
	request->due.fault_ns = fault_ns;
	request->due.at_ns = limit_ns > fault_ns ? limit_ns : fault_ns;
	request->port->delays.held++;
	request->initiator->held++;
}

void aoe_delay_reply(struct aoe_request *request)
{
	struct aoe_delays *delays = &request->port->delays;

	request->due.seq = delays->seq++;
	heap_up(delays, delays->waiting++, request);
}

void aoe_delay_forget(struct aoe_request *request)
{
	request->due.at_ns = 0;
	request->port->delays.held--;
	request->initiator->held--;
}

void aoe_delays_change(struct aoe_port *port,
		       void (*change)(struct aoe_request *request, const void *arg),
		       const void *arg)
{
	struct aoe_delays *delays = &port->delays;

	for (unsigned int i = 0; i < port->config.requests; i++) {
		struct aoe_request *request = &port->requests[i];
		struct aoe_due *due = &request->due;

		if (!due->at_ns || !request->served)
			continue;
		change(request, arg);
		due->at_ns = due->limit_ns > due->fault_ns ? due->limit_ns : due->fault_ns;
		if (!due->at_ns)
			aoe_delay_forget(request);
	}
	for (unsigned int i = delays->waiting / 2; i--;)
		heap_down(delays, i, delays->heap[i]);
	aoe_port_run_due(port, 0);
}

/* ---- the port ---- */

static void release_faulty(struct aoe_request *request, const void *arg)
{
	if (aoe_request_export(request) == arg)
		request->due.fault_ns = 0;
}

void aoe_port_release_faulty(struct aoe_port *port, const struct aoe_export *export)
{
	aoe_delays_change(port, release_faulty, export);
}

static void release_leaving(struct aoe_request *request, const void *arg)
{
	if (aoe_request_export(request) == arg)
		request->due.limit_ns = request->due.fault_ns = 0;
}

void aoe_delays_leave(struct aoe_port *port, const struct aoe_export *export)
{
	aoe_delays_change(port, release_leaving, export);
}

static bool is_denied(const struct aoe_request *request, uint64_t now_ns)
{
	struct aoe_port *port = request->port;

	return aoe_access_check(&request->served->access, &port->config.access,
				aoe_export_address(aoe_request_export(request)),
				request->initiator->stats.mac, now_ns) == STGT_ACCESS_DENY;
}

static void release_denied(struct aoe_request *request, const void *arg)
{
	if (aoe_request_export(request) == arg && is_denied(request, request->port->now_ns))
		request->due.limit_ns = request->due.fault_ns = 0;
}

void aoe_port_access_changed(struct aoe_port *port, const struct aoe_export *export)
{
	for (unsigned int i = 0; i < port->nserved; i++)
		if (port->served[i]->export == export)
			port->served[i]->access = (struct aoe_access_cache){};
	aoe_delays_change(port, release_denied, export);
}

uint64_t aoe_port_next_due(const struct aoe_port *port)
{
	return port->delays.waiting ? port->delays.heap[0]->due.at_ns : AOE_NOTHING_DUE;
}

bool aoe_port_run_due(struct aoe_port *port, uint64_t now_ns)
{
	struct aoe_delays *delays = &port->delays;
	bool any = false;

	while (delays->waiting && delays->heap[0]->due.at_ns <= now_ns) {
		struct aoe_request *request = heap_pop(delays);

		/* Whoever was shut out while it waited gets no answer any more. */
		if (is_denied(request, now_ns))
			aoe_request_ignore(request, AOE_IGNORED_ACCESS);
		else
			aoe_request_send(request);
		any = true;
	}
	return any;
}
