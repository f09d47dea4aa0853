/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a received frame to the commands it asks of our exports. */
#include "aoe/port.h"

#include "aoe/mac.h"

#include <errno.h>
#include <string.h>

static const struct aoe_command_ops commands[] = {
	[AOE_CMD_ATA] = {sizeof(struct wire_aoe_ata), aoe_ata_start},
	[AOE_CMD_CONFIG] = {sizeof(struct wire_aoe_config), aoe_config_start},
	[AOE_CMD_MASK] = {sizeof(struct wire_aoe_mask), aoe_mask_start},
	[AOE_CMD_RESERVE] = {sizeof(struct wire_aoe_reserve), aoe_reserve_start},
};

static const struct aoe_command_ops *command_ops(uint8_t command)
{
	return command < sizeof(commands) / sizeof(commands[0]) ? &commands[command] : NULL;
}

/* AOE_REASONS when the frame is a request that somebody at this port's address may answer. */
static enum aoe_reason frame_check(const struct aoe_port *port, const struct aoe_frame *frame)
{
	const struct wire_eth *eth = aoe_frame_eth(frame);

	if (frame->class.aoe_ver_flags & AOE_FLAG_RESPONSE)
		return AOE_IGNORED_RESPONSE;
	if (!mac_is_group(eth->dst) && memcmp(eth->dst, port->config.mac, WIRE_MAC_LEN))
		return AOE_IGNORED_ADDRESS;
	if (!mac_is_station(eth->src))
		return AOE_IGNORED_SOURCE;
	return AOE_REASONS;
}

static bool served_matches(const struct aoe_served *served, const struct stgt_class *class)
{
	const struct aoe_address *addr = aoe_export_address(served->export);

	return class->vlan == addr->vlan &&
	       (class->aoe_shelf == addr->shelf || class->aoe_shelf == AOE_SHELF_ANY) &&
	       (class->aoe_slot == addr->slot || class->aoe_slot == AOE_SLOT_ANY);
}

/*
 * The mask list holds for every command, the one that edits it included (AoEr11 3.3: the server
 * ignores who is not listed). Whoever locked himself out asks a listed station to repair it, or
 * the target's administrator to edit the state file while the export is stopped.
 */
static enum stgt_access sender_access(struct aoe_port *port, struct aoe_served *served,
				      const uint8_t src[WIRE_MAC_LEN], uint64_t now_ns)
{
	enum stgt_access access = aoe_access_check(&served->access, &port->config.access,
						   aoe_export_address(served->export), src, now_ns);

	if (access == STGT_ACCESS_DENY) {
		aoe_count(port, AOE_IGNORED_ACCESS);
	} else if (!aoe_export_listens(served->export, src)) {
		aoe_count(port, AOE_IGNORED_MASKED);
		access = STGT_ACCESS_DENY;
	}
	return access;
}

/* One export's part of the frame. */
static void served_rx(struct aoe_port *port, struct aoe_served *served,
		      const struct aoe_frame *frame, uint64_t now_ns)
{
	const struct aoe_address *addr = aoe_export_address(served->export);
	const struct aoe_command_ops *ops = command_ops(frame->class.aoe_command);
	bool version_known = frame->class.aoe_ver_flags >> 4 == AOE_VERSION;
	const uint8_t *src = aoe_frame_eth(frame)->src;
	enum stgt_access access = sender_access(port, served, src, now_ns);
	struct aoe_request *request;

	if (access == STGT_ACCESS_DENY)
		return;
	if (version_known && ops && aoe_frame_body_len(frame) < ops->header) {
		aoe_count(port, AOE_IGNORED_SHORT);
		return;
	}
	request = aoe_request_get(port, served);
	if (!request) {
		aoe_count(port, AOE_IGNORED_BUSY);
		return;
	}
	request->access = access;
	request->taken_ns = now_ns;
	request->initiator = aoe_initiator_heard(&port->initiators, src, frame->class.vlan, now_ns);
	request->initiator->inflight++;
	request->initiator->stats.requests++;
	aoe_request_set_head(request, aoe_frame_answer(frame, port->config.mac, addr->shelf,
						       addr->slot, request->head));
	if (__builtin_expect(port->trace != NULL, 0))
		aoe_trace_begin(request, frame);
	if (version_known && ops) {
		ops->start(request, frame);
		return;
	}
	if (version_known)
		aoe_request_fail(request, AOE_ERR_COMMAND, AOE_REFUSED_COMMAND);
	else
		aoe_request_fail(request, AOE_ERR_VERSION, AOE_REFUSED_VERSION);
	aoe_request_reply(request);
}

/* Index of the next export from `i` on that the frame is for; port->nserved when there is none. */
static unsigned int served_next(const struct aoe_port *port, const struct aoe_frame *frame,
				unsigned int i)
{
	while (i < port->nserved && !served_matches(port->served[i], &frame->class))
		i++;
	return i;
}

int aoe_port_rx(struct aoe_port *port, const struct frame_view *view, uint64_t now_ns)
{
	struct aoe_frame frame;
	enum aoe_reason reason;
	unsigned int i;

	if (aoe_frame_read(port->config.sink->arena, &view->data, &frame))
		reason = AOE_IGNORED_SHORT;
	else
		reason = frame_check(port, &frame);
	if (reason != AOE_REASONS) {
		port->stats.rx_frames++;
		aoe_count(port, reason);
		return 0;
	}
	i = served_next(port, &frame, 0);
	if (i == port->nserved) {
		port->stats.rx_frames++;
		aoe_count(port, AOE_IGNORED_ADDRESS);
		return 0;
	}
	if (!aoe_request_available(port))
		return -EAGAIN;
	port->now_ns = now_ns;
	port->stats.rx_frames++;
	for (; i < port->nserved; i = served_next(port, &frame, i + 1))
		served_rx(port, port->served[i], &frame, now_ns);
	return 0;
}
