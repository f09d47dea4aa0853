/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AoE command 0: an ATA taskfile to the export's device, and its registers back (AoEr11 3.1). */
#include "aoe/port.h"

#include "aoe/mac.h"

#include <errno.h>
#include <string.h>

#define LBA28_MAX 0x0fffffffu /* what the registers of a 28 bit command hold */

/* `make bench` builds the program without it too, and shows what it costs. */
#ifndef AOE_COUNT_PAIRS
#define AOE_COUNT_PAIRS 1
#endif

static struct aoe_request *request_of(struct command *cmd)
{
	return container_of(cmd, struct aoe_request, cmd);
}

static int ata_place(struct command *cmd, uint32_t len, struct sgl *data_in)
{
	struct aoe_request *request = request_of(cmd);
	uint32_t room = arena_run_payload(request->port->config.sink->arena);

	if (len > room || len > request->served->sectors * BLK_SECTOR)
		return -EMSGSIZE;
	request->placed = (struct span){.addr = request->tx.run + ARENA_PAYLOAD, .len = len};
	*data_in = (struct sgl){.spans = &request->placed, .nspans = 1, .len = len};
	return 0;
}

static void ata_registers_in(const struct wire_aoe_ata *wire, struct ata_taskfile *tf)
{
	*tf = (struct ata_taskfile){
		.command = wire->command,
		.feature = wire->feature,
		.count = wire->count,
	};
	for (unsigned int i = 0; i < sizeof(wire->lba); i++)
		tf->lba |= (uint64_t)wire->lba[i] << 8 * i;
}

static void ata_registers_out(const struct ata_taskfile *tf, struct wire_aoe_ata *wire)
{
	wire->feature = tf->error;
	wire->command = tf->status;
	wire->count = (uint8_t)tf->count;
	for (unsigned int i = 0; i < sizeof(wire->lba); i++)
		wire->lba[i] = (uint8_t)(tf->lba >> 8 * i);
}

static void ata_count_done(struct aoe_request *request)
{
	struct aoe_export_stats *stats = &request->served->stats;
	struct aoe_initiator_stats *initiator = &request->initiator->stats;
	const struct ata_taskfile *tf = &request->cmd.ata;

	switch (ata_command_class(request->ata.command)) {
	case ATA_CLASS_READ:
		stats->reads++;
		request->bytes = request->payload_len;
		stats->read_bytes += request->payload_len;
		initiator->read_bytes += request->payload_len;
		break;
	case ATA_CLASS_WRITE:
		stats->writes++;
		if (tf->status & ATA_ERR)
			break;
		request->bytes = request->ata.count * BLK_SECTOR;
		stats->write_bytes += request->ata.count * BLK_SECTOR;
		initiator->write_bytes += request->ata.count * BLK_SECTOR;
		if (request->cmd.io.twin) {
			stats->retransmits++;
			initiator->retransmits++;
		}
		break;
	case ATA_CLASS_FLUSH:
		stats->flushes++;
		break;
	case ATA_CLASS_OTHER:
		stats->other++;
		break;
	}
}

/* Says which of the rules of a frame a refused READ or WRITE broke, if it broke one of those. */
static void ata_count_error(struct aoe_request *request)
{
	struct aoe_port *port = request->port;
	enum ata_class class = ata_command_class(request->ata.command);
	unsigned int count = request->ata.count;

	request->failed = true;
	request->served->stats.ata_errors++;
	if (request->cmd.ata.error != ATA_ABRT)
		return;
	if (class != ATA_CLASS_READ && class != ATA_CLASS_WRITE)
		return;
	if (!count || count > request->served->sectors)
		aoe_count(port, AOE_ABORTED_COUNT);
	else if (class == ATA_CLASS_WRITE && request->cmd.data_out.len < count * BLK_SECTOR)
		aoe_count(port, AOE_ABORTED_DATA);
	else if (class == ATA_CLASS_WRITE && request->cmd.lu->disk->read_only)
		aoe_count(port, AOE_ABORTED_READ_ONLY);
}

/* Received payload goes back to the network card as soon as the medium has it. */
static void ata_release_frames(struct aoe_request *request)
{
	struct arena *arena = request->port->config.sink->arena;

	while (request->nheld)
		arena_frame_put(arena, request->held[--request->nheld].addr);
}

static void ata_reply(struct aoe_request *request)
{
	/* aoeping takes a SMART reply only with a sector behind its registers, needed or not. */
	if (request->cmd.ata.command == ATA_SMART && !request->payload_len) {
		memset(aoe_request_payload(request), 0, BLK_SECTOR);
		request->payload_len = BLK_SECTOR;
	}
	ata_registers_out(&request->cmd.ata, &request->ata);
	aoe_request_append(request, &request->ata, sizeof(request->ata));
	aoe_request_reply(request);
}

static void ata_deliver(struct command *cmd)
{
	struct aoe_request *request = request_of(cmd);

	aoe_request_trace(request, AOE_TRACE_COMPLETED);
	request->payload_len = cmd->data_in.len;
	if (cmd->ata.status & ATA_ERR)
		ata_count_error(request);
	ata_count_done(request);
	ata_release_frames(request);
	ata_reply(request);
}

static const struct transport_ops ata_transport = {
	.place = ata_place,
	.deliver = ata_deliver,
};

/* Aborts the command without asking the device. */
static void ata_abort(struct aoe_request *request)
{
	request->cmd.ata.status = ATA_DRDY | ATA_ERR;
	request->cmd.ata.error = ATA_ABRT;
	ata_reply(request);
}

static void ata_refuse(struct aoe_request *request, enum aoe_reason reason)
{
	request->failed = true;
	request->served->stats.ata_errors++;
	aoe_count(request->port, reason);
	ata_abort(request);
}

/* Takes the payload as it lies in the received frames; false when it lies in too many pieces. */
static bool ata_hold_payload(struct aoe_request *request, const struct aoe_frame *frame)
{
	struct arena *arena = request->port->config.sink->arena;
	uint32_t len;
	int n = aoe_frame_spans(frame, sizeof(struct wire_aoe_ata), request->held, BLK_MAX_SPANS,
				&len);

	if (n < 0)
		return false;
	for (request->nheld = 0; request->nheld < (unsigned int)n; request->nheld++)
		arena_frame_hold(arena, request->held[request->nheld].addr);
	request->cmd.data_out =
		(struct sgl){.spans = request->held, .nspans = (uint32_t)n, .len = len};
	return true;
}

static bool addressed_to_many(const struct aoe_frame *frame)
{
	return frame->class.aoe_shelf == AOE_SHELF_ANY || frame->class.aoe_slot == AOE_SLOT_ANY ||
	       mac_is_group(aoe_frame_eth(frame)->dst);
}

static void ata_execute_request(struct aoe_request *request)
{
	struct command *cmd = &request->cmd;

	cmd->ops = &ata_transport;
	cmd->nexus = &request->initiator->nexus;
	cmd->lu = aoe_export_lu(aoe_request_export(request));
	cmd->queue = request->port->config.queue;
	aoe_request_trace(request, AOE_TRACE_SUBMITTED);
	ata_execute(aoe_export_ata(aoe_request_export(request)), cmd, request->served->sectors);
}

/* ---- rate limits and injected faults ---- */

static bool ata_is_tampered_with(const struct aoe_request *request)
{
	return request->port->limits.count || aoe_faults_any(request->served->faults);
}

static uint32_t ata_data_sectors(const struct aoe_request *request)
{
	unsigned int count = request->ata.count;

	switch (ata_command_class(request->ata.command)) {
	case ATA_CLASS_READ:
	case ATA_CLASS_WRITE:
		return count < request->served->sectors ? count : request->served->sectors;
	default:
		return 0;
	}
}

/* IDENTIFY and its like never are, so that the disk stays found. */
static bool ata_may_be_spoiled(const struct aoe_request *request)
{
	return aoe_faults_any(request->served->faults) &&
	       ata_command_class(request->ata.command) != ATA_CLASS_OTHER;
}

static void ata_meet_faults(struct aoe_request *request, struct aoe_faulty *faulty)
{
	static const enum aoe_fault_op ops[] = {
		[ATA_CLASS_READ] = AOE_FAULT_READ,
		[ATA_CLASS_WRITE] = AOE_FAULT_WRITE,
		[ATA_CLASS_FLUSH] = AOE_FAULT_FLUSH,
	};
	struct aoe_port *port = request->port;
	struct aoe_fault_command command = {
		.mac = request->initiator->stats.mac,
		.lba = request->cmd.ata.lba,
		.nblocks = ata_data_sectors(request),
	};

	*faulty = (struct aoe_faulty){};
	if (!ata_may_be_spoiled(request))
		return;
	command.op = ops[ata_command_class(request->ata.command)];
	if (!(request->ata.aflags & AOE_ATA_LBA48))
		command.lba &= LBA28_MAX;
	aoe_faults_meet(request->served->faults, &command, faulty);
	if (faulty->drop)
		return;
	if (faulty->error)
		aoe_count(port, AOE_FAULT_FAILED);
	if (faulty->delay_ns)
		aoe_count(port, AOE_FAULT_DELAYED);
}

/* The device's answer to a sector that is broken, without asking the device. */
static void ata_fail(struct aoe_request *request, const struct aoe_faulty *faulty)
{
	request->cmd.ata.lba = faulty->sector;
	request->cmd.ata.status = ATA_DRDY | ATA_ERR;
	request->cmd.ata.error = faulty->error;
	request->failed = true;
	request->served->stats.ata_errors++;
	ata_release_frames(request);
	ata_reply(request);
}

/*
 * A command of a limited initiator or to an export with faults. Whatever waits is the answer: the
 * command is executed now or not at all (see delay.h).
 */
static void ata_tamper(struct aoe_request *request)
{
	struct aoe_port *port = request->port;
	struct aoe_limiter *limiter = aoe_limits_of(&port->limits, request->initiator->stats.mac);
	struct aoe_faulty faulty;
	uint64_t limit_ns = 0, fault_ns = 0;

	if ((limiter || ata_may_be_spoiled(request)) && !aoe_delay_has_room(request)) {
		aoe_request_ignore(request, AOE_IGNORED_SHARE);
		return;
	}
	ata_meet_faults(request, &faulty);
	if (faulty.drop) {
		aoe_request_ignore(request, AOE_FAULT_DROPPED);
		return;
	}
	if (limiter)
		limit_ns = aoe_limiter_charge(limiter, request->initiator->stats.mac,
					      ata_data_sectors(request) * BLK_SECTOR, port->now_ns);
	if (faulty.delay_ns)
		fault_ns = port->now_ns + faulty.delay_ns;
	if (limit_ns || fault_ns)
		aoe_delay_until(request, limit_ns, fault_ns);
	if (faulty.error)
		ata_fail(request, &faulty);
	else
		ata_execute_request(request);
}

void aoe_ata_start(struct aoe_request *request, const struct aoe_frame *frame)
{
	const uint8_t *src = aoe_frame_eth(frame)->src;
	struct wire_aoe_ata *ata = &request->ata;
	bool writes;

	aoe_frame_copy(frame, 0, ata, sizeof(*ata));
	writes = ata_command_writes(ata->command, ata->feature);
	if (writes && addressed_to_many(frame)) {
		aoe_request_ignore(request, AOE_IGNORED_BROADCAST_WRITE);
		return;
	}
	request->op = ata_command_class(ata->command);
	if (AOE_COUNT_PAIRS)
		request->pair = aoe_pair_get(&request->port->pairs, request->initiator,
					     request->served, request->taken_ns);
	ata_registers_in(ata, &request->cmd.ata);
	request->cmd.data_out = (struct sgl){};
	if (ata->command != ATA_IDENTIFY_DEVICE &&
	    aoe_export_reserved(aoe_request_export(request), src)) {
		/* The registers say it too, for initiators that look at nothing else. */
		aoe_request_fail(request, AOE_ERR_RESERVED, AOE_REFUSED_RESERVED);
		ata_abort(request);
	} else if (writes && request->access != STGT_ACCESS_RW) {
		ata_refuse(request, AOE_ABORTED_READ_ONLY);
	} else if (writes && !ata_hold_payload(request, frame)) {
		ata_refuse(request, AOE_ABORTED_DATA);
	} else if (__builtin_expect(ata_is_tampered_with(request), 0)) {
		ata_tamper(request);
	} else {
		ata_execute_request(request);
	}
}
