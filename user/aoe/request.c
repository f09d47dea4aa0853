/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/port.h"

#include <string.h>

bool aoe_request_available(const struct aoe_port *port)
{
	return !list_empty(&port->free) && port->config.sink->arena->nfree_runs;
}

struct aoe_request *aoe_request_get(struct aoe_port *port, struct aoe_served *served)
{
	struct aoe_request *request;

	if (!aoe_request_available(port))
		return NULL;
	request = container_of(list_pop(&port->free), struct aoe_request, free);
	request->tx.run = arena_run_get(port->config.sink->arena);
	request->port = port;
	request->served = served;
	request->initiator = NULL;
	request->pair = NULL;
	request->bytes = 0;
	request->payload_len = 0;
	request->failed = false;
	request->traced = false;
	request->nheld = 0;
	request->error = 0;
	port->inflight++;
	served->inflight++;
	return request;
}

static void request_end(struct aoe_request *request)
{
	struct aoe_port *port = request->port;

	for (unsigned int i = 0; i < request->nheld; i++)
		arena_frame_put(port->config.sink->arena, request->held[i].addr);
	arena_run_put(port->config.sink->arena, request->tx.run);
	if (request->due.at_ns)
		aoe_delay_forget(request);
	if (request->initiator)
		request->initiator->inflight--;
	if (request->pair)
		aoe_pair_put(request->pair);
	port->inflight--;
	if (request->served)
		aoe_request_let_go(request);
	/* The last one used is the one whose memory is warm. */
	list_add_head(&port->free, &request->free);
}

void aoe_request_ignore(struct aoe_request *request, enum aoe_reason reason)
{
	aoe_count(request->port, reason);
	if (__builtin_expect(request->traced, 0))
		aoe_trace_ignored(request, reason);
	request_end(request);
}

/* A frame is of full length without its tags, which whoever takes them off does not pad. */
void aoe_request_set_head(struct aoe_request *request, uint32_t len)
{
	request->head_len = len;
	request->shortest = WIRE_ETH_MIN + len - sizeof(struct wire_eth) - sizeof(struct wire_aoe);
}

uint8_t *aoe_request_payload(const struct aoe_request *request)
{
	return arena_ptr(request->port->config.sink->arena, request->tx.run + ARENA_PAYLOAD);
}

uint32_t aoe_request_room(const struct aoe_request *request)
{
	const struct aoe_port *port = request->port;
	uint32_t run = arena_run_payload(port->config.sink->arena);
	/* The MTU counts what follows the Ethernet header; tags are part of that header. */
	uint32_t aoe = sizeof(struct wire_aoe) + sizeof(struct wire_aoe_ata);
	uint32_t mtu = port->config.mtu > aoe ? port->config.mtu - aoe : 0;

	return mtu < run ? mtu : run;
}

void aoe_request_append(struct aoe_request *request, const void *header, uint32_t len)
{
	assert(len <= sizeof(request->head) - request->head_len);
	memcpy(request->head + request->head_len, header, len);
	request->head_len += len;
}

void aoe_request_fail(struct aoe_request *request, enum aoe_error error, enum aoe_reason reason)
{
	aoe_frame_set_error(request->head, request->head_len, (uint8_t)error);
	request->failed = true;
	if (__builtin_expect(request->traced, 0))
		aoe_trace_failed(request, (uint8_t)error);
	aoe_count(request->port, reason);
}

static void request_sent(struct tx *tx)
{
	struct aoe_request *request = container_of(tx, struct aoe_request, tx);

	aoe_request_trace(request, AOE_TRACE_RELEASED);
	request_end(request);
}

static void request_count_reply(struct aoe_request *request)
{
	const struct aoe_replied replied = {
		.pair = request->pair,
		.taken_ns = request->taken_ns,
		.bytes = request->bytes,
		.op = (uint8_t)request->op,
		.failed = request->failed,
	};

	request->pair = NULL;
	aoe_pair_replied(&request->port->pairs, &replied);
}

void aoe_request_send(struct aoe_request *request)
{
	struct sink *sink = request->port->config.sink;

	if (request->pair)
		request_count_reply(request);
	request->port->stats.tx_frames++;
	aoe_request_trace(request, AOE_TRACE_SENT);
	/* A link that is down may keep the reply for ever; the export must not wait for that. */
	aoe_request_let_go(request);
	sink->ops->send(sink, &request->tx);
}

void aoe_request_reply(struct aoe_request *request)
{
	struct aoe_port *port = request->port;
	uint8_t *payload = aoe_request_payload(request);
	uint32_t len = request->head_len + request->payload_len;

	memcpy(payload - request->head_len, request->head, request->head_len);
	if (len < request->shortest) {
		memset(payload + request->payload_len, 0, request->shortest - len);
		len = request->shortest;
	}
	if (request->initiator && request->failed)
		request->initiator->stats.errors++;
	request->tx.addr = request->tx.run + ARENA_PAYLOAD - request->head_len;
	request->tx.len = len;
	request->tx.done = request_sent;
	if (__builtin_expect(request->due.at_ns > port->now_ns, 0))
		aoe_delay_reply(request);
	else
		aoe_request_send(request);
}

struct aoe_request *aoe_request_of_change(struct aoe_change *change)
{
	return container_of(change, struct aoe_request, change);
}

void aoe_request_change(struct aoe_request *request,
			void (*apply)(struct aoe_change *change, struct aoe_settings *settings),
			void (*done)(struct aoe_change *change, int result))
{
	request->change.mailbox = request->port->config.mailbox;
	request->change.apply = apply;
	request->change.done = done;
	aoe_export_change(aoe_request_export(request), &request->change);
}
