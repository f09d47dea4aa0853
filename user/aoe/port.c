/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const reason_names[AOE_REASONS] = {
	[AOE_IGNORED_SHORT] = "ignored_short",
	[AOE_IGNORED_RESPONSE] = "ignored_response",
	[AOE_IGNORED_ADDRESS] = "ignored_address",
	[AOE_IGNORED_SOURCE] = "ignored_source",
	[AOE_IGNORED_ACCESS] = "ignored_access",
	[AOE_IGNORED_MASKED] = "ignored_masked",
	[AOE_IGNORED_BROADCAST_WRITE] = "ignored_broadcast_write",
	[AOE_IGNORED_CONFIG_TEST] = "ignored_config_test",
	[AOE_IGNORED_BUSY] = "ignored_busy",
	[AOE_IGNORED_SHARE] = "ignored_share",
	[AOE_REFUSED_VERSION] = "refused_version",
	[AOE_REFUSED_COMMAND] = "refused_command",
	[AOE_REFUSED_ARGUMENT] = "refused_argument",
	[AOE_REFUSED_CONFIG_PRESENT] = "refused_config_present",
	[AOE_REFUSED_RESERVED] = "refused_reserved",
	[AOE_REFUSED_UNAVAILABLE] = "refused_unavailable",
	[AOE_REFUSED_READ_ONLY] = "refused_read_only",
	[AOE_REFUSED_DIRECTIVE] = "refused_directive",
	[AOE_ABORTED_COUNT] = "aborted_count",
	[AOE_ABORTED_DATA] = "aborted_data",
	[AOE_ABORTED_READ_ONLY] = "aborted_read_only",
	[AOE_FAULT_DELAYED] = "fault_delay",
	[AOE_FAULT_FAILED] = "fault_error",
	[AOE_FAULT_DROPPED] = "fault_drop",
};

const char *aoe_reason_name(enum aoe_reason reason)
{
	return reason_names[reason];
}

int aoe_port_open(const struct aoe_port_config *config, struct aoe_port **out, struct error *err)
{
	struct aoe_port *port;

	if (config->mtu < AOE_MTU_MIN)
		return error_set(err, EINVAL,
				 "an MTU of %u carries no AoE sector: set it to at least %d",
				 config->mtu, AOE_MTU_MIN);
	if (!config->requests || config->requests > config->sink->arena->config.runs)
		return error_set(err, EINVAL, "%u requests do not fit an arena of %u runs",
				 config->requests, config->sink->arena->config.runs);
	port = calloc(1, sizeof(*port));
	if (!port)
		return error_set(err, ENOMEM, "out of memory");
	port->config = *config;
	list_init(&port->free);
	port->requests = calloc(config->requests, sizeof(*port->requests));
	if (!port->requests)
		goto out_port;
	if (aoe_delays_init(&port->delays, config->requests))
		goto out_requests;
	if (aoe_initiators_init(&port->initiators, config->requests))
		goto out_delays;
	if (aoe_pairs_init(&port->pairs, config->requests))
		goto out_initiators;
	for (unsigned int i = 0; i < config->requests; i++)
		list_add_tail(&port->free, &port->requests[i].free);
	aoe_advertise_update(port);
	*out = port;
	return 0;
out_initiators:
	aoe_initiators_fini(&port->initiators);
out_delays:
	aoe_delays_fini(&port->delays);
out_requests:
	free(port->requests);
out_port:
	free(port);
	return error_set(err, ENOMEM, "no memory for %u requests", config->requests);
}

void aoe_port_close(struct aoe_port *port)
{
	if (!port)
		return;
	assert(!aoe_port_inflight(port));
	for (unsigned int i = 0; i < port->nserved; i++)
		free(port->served[i]);
	free(port->served);
	free(port->trace);
	aoe_limits_fini(&port->limits);
	aoe_pairs_fini(&port->pairs);
	aoe_initiators_fini(&port->initiators);
	aoe_delays_fini(&port->delays);
	free(port->requests);
	free(port);
}

unsigned int aoe_port_inflight(const struct aoe_port *port)
{
	return port->inflight;
}

void aoe_port_set_mac(struct aoe_port *port, const uint8_t mac[6])
{
	memcpy(port->config.mac, mac, WIRE_MAC_LEN);
}

int aoe_port_add(struct aoe_port *port, struct aoe_export *export)
{
	struct aoe_served **table, *served;

	for (unsigned int i = 0; i < port->nserved; i++)
		if (aoe_address_equal(aoe_export_address(port->served[i]->export),
				      aoe_export_address(export)))
			return -EEXIST;
	table = realloc(port->served, (port->nserved + 1) * sizeof(struct aoe_served *));
	if (!table)
		return -ENOMEM;
	port->served = table;
	served = calloc(1, sizeof(*served));
	if (!served)
		return -ENOMEM;
	served->export = export;
	served->faults = aoe_export_faults(export);
	port->served[port->nserved++] = served;
	aoe_advertise_update(port);
	return 0;
}

/* On the thread of whoever asked for the removal. */
static void served_gone(struct message *msg)
{
	struct aoe_served *served = container_of(msg, struct aoe_served, left);

	served->gone(served->gone_ctx);
	free(served);
}

static void served_left(struct aoe_served *served)
{
	aoe_pairs_forget(&served->port->pairs, served);
	served->left.run = served_gone;
	mailbox_post(served->leaving_to, &served->left);
}

static void served_ended(struct message *msg)
{
	struct aoe_served *served = container_of(msg, struct aoe_served, left);

	served->port->inflight--;
	served_left(served);
}

/*
 * The last request of an export that leaves ends in the midst of its disk's or its export's code:
 * they may be freed only once that has returned, which a message to ourselves waits for.
 */
void aoe_request_let_go(struct aoe_request *request)
{
	struct aoe_served *served = request->served;
	struct aoe_port *port = request->port;

	request->served = NULL;
	if (--served->inflight || !served->leaving_to)
		return;
	port->inflight++;
	served->left.run = served_ended;
	mailbox_post(port->config.mailbox, &served->left);
}

int aoe_port_remove(struct aoe_port *port, const struct aoe_export *export, struct mailbox *mailbox,
		    void (*gone)(void *ctx), void *ctx)
{
	struct aoe_served *served;
	unsigned int i = 0;

	while (i < port->nserved && port->served[i]->export != export)
		i++;
	if (i == port->nserved)
		return -ENOENT;
	served = port->served[i];
	port->nserved--;
	memmove(&port->served[i], &port->served[i + 1],
		(port->nserved - i) * sizeof(port->served[0]));
	aoe_delays_leave(port, export);
	served->port = port;
	served->leaving_to = mailbox;
	served->gone = gone;
	served->gone_ctx = ctx;
	if (!served->inflight)
		served_left(served);
	return 0;
}

const struct aoe_port_stats *aoe_port_stats(const struct aoe_port *port)
{
	return &port->stats;
}

const struct aoe_export_stats *aoe_port_export_stats(const struct aoe_port *port, unsigned int i,
						     struct aoe_export **export)
{
	if (i >= port->nserved)
		return NULL;
	*export = port->served[i]->export;
	return &port->served[i]->stats;
}

unsigned int aoe_port_exports(const struct aoe_port *port)
{
	return port->nserved;
}

const struct aoe_initiator_stats *aoe_port_initiator(const struct aoe_port *port, unsigned int i)
{
	return i < port->initiators.used ? &port->initiators.all[i].stats : NULL;
}

unsigned int aoe_port_initiators(const struct aoe_port *port)
{
	return port->initiators.used;
}
