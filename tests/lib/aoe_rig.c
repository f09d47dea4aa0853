/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe_rig.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t rig_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
const uint8_t rig_host[6] = {0x02, 0, 0, 0, 0, 0x0a};

static void rig_check(int ret, const struct error *err)
{
	if (!ret)
		return;
	fprintf(stderr, "bench: %s\n", err->text);
	abort();
}

static void rig_send(struct sink *sink, struct tx *tx)
{
	struct rig *rig = container_of(sink, struct rig, sink);
	struct rig_frame *frame;

	if (rig->nsent == rig->sent_max) {
		rig->sent_max = rig->sent_max ? 2 * rig->sent_max : 8;
		rig->sent = realloc(rig->sent, rig->sent_max * sizeof(*rig->sent));
		if (!rig->sent)
			abort();
	}
	frame = &rig->sent[rig->nsent++];
	if (tx->len > sizeof(frame->data))
		abort();
	frame->len = tx->len;
	memcpy(frame->data, arena_ptr(&rig->arena, tx->addr), tx->len);
	arena_run_sent(&rig->arena, tx->run, tx);
	rig->tx[rig->ntx++] = tx;
}

static const struct sink_ops rig_sink_ops = {.send = rig_send};

static enum stgt_access rig_access(void *ctx, const struct aoe_address *addr, const uint8_t mac[6])
{
	const struct rig *rig = ctx;

	if (rig->lender)
		rig = rig->lender;
	for (unsigned int i = 0; i < rig->nexports; i++)
		if (aoe_address_equal(aoe_export_address(rig->exports[i].aoe), addr))
			return aoe_acl_lookup(&rig->exports[i].acl, mac);
	return STGT_ACCESS_DENY;
}

static void rig_port_open(struct rig *rig)
{
	struct aoe_port_config port = {
		.sink = &rig->sink,
		.queue = &rig->queue,
		.mailbox = &rig->mailbox,
		.access = {.lookup = rig_access, .ctx = rig},
		.requests = rig->config.requests,
		.mtu = rig->config.mtu,
		.multi_buffer = !rig->config.single_buffer,
	};
	struct error err;

	memcpy(port.mac, rig_mac, sizeof(port.mac));
	rig_check(aoe_port_open(&port, &rig->port, &err), &err);
}

void rig_open(struct rig *rig, const struct rig_config *config)
{
	struct arena_config arena;
	struct error err;

	memset(rig, 0, sizeof(*rig));
	if (config)
		rig->config = *config;
	rig->config.mtu = rig->config.mtu ? rig->config.mtu : 9000;
	rig->config.requests = rig->config.requests ? rig->config.requests : 64;
	rig->config.rx_frames = rig->config.rx_frames ? rig->config.rx_frames : 256;
	rig->config.disk = rig->config.disk ? rig->config.disk : "ram:1M";
	arena = (struct arena_config){
		.rx_frames = rig->config.rx_frames,
		.runs = rig->config.requests,
		.run_frames = rig->config.single_buffer ? 1 : 3,
	};
	rig_check(arena_open(&rig->arena, &arena, &err), &err);
	rig->sink = (struct sink){.ops = &rig_sink_ops, .arena = &rig->arena};
	rig->tx = calloc(rig->config.requests, sizeof(*rig->tx));
	if (!rig->tx || mailbox_open(&rig->mailbox))
		abort();
	list_init(&rig->disks);
	blk_queue_init(&rig->queue, &rig->arena, NULL, &rig->mailbox);
	rig_port_open(rig);
}

void rig_close(struct rig *rig)
{
	rig_tx_complete(rig);
	aoe_port_close(rig->port);
	for (unsigned int i = 0; i < rig->nexports; i++) {
		aoe_export_close(rig->exports[i].aoe);
		aoe_acl_fini(&rig->exports[i].acl);
		ata_device_close(rig->exports[i].ata);
		lu_fini(&rig->exports[i].lu);
		if (!rig->exports[i].disk_lent)
			disk_put(rig->exports[i].disk);
	}
	mailbox_close(&rig->mailbox);
	arena_close(&rig->arena);
	free(rig->tx);
	free(rig->sent);
}

struct rig_export *rig_export_disk(struct rig *rig, const char *address, const char *acl_text,
				   struct state *state, struct disk *disk)
{
	struct rig_export *export = &rig->exports[rig->nexports++];
	struct aoe_address addr;
	struct error err;

	rig_check(aoe_address_parse(address, &addr, &err), &err);
	rig_check(aoe_acl_parse(acl_text, &export->acl, &err), &err);
	export->disk = disk;
	export->disk_lent = true;
	lu_init(&export->lu, export->disk, true);
	rig_check(ata_device_open(&export->lu, NULL, &export->ata, &err), &err);
	rig_check(aoe_export_open(&addr, &export->lu, export->ata, state, &export->aoe, &err),
		  &err);
	if (aoe_port_add(rig->port, export->aoe))
		abort();
	return export;
}

void rig_borrow(struct rig *rig, const struct rig *lender)
{
	rig->lender = lender;
	for (unsigned int i = 0; i < lender->nexports; i++)
		if (aoe_port_add(rig->port, lender->exports[i].aoe))
			abort();
}

struct rig_export *rig_export(struct rig *rig, const char *address, const char *acl,
			      struct state *state)
{
	struct rig_export *export;
	struct disk *disk;
	struct error err;

	rig_check(disk_get(&rig->disks, rig->config.disk, &disk, &err), &err);
	export = rig_export_disk(rig, address, acl, state, disk);
	export->disk_lent = false;
	return export;
}

/* Puts [from, to) of the frame into received arena frames; the number of spans. */
static unsigned int rig_fragment(struct rig *rig, const struct rig_frame *frame, uint32_t from,
				 uint32_t to, struct span *spans)
{
	unsigned int n = 0;

	while (from < to) {
		uint32_t len = to - from < ARENA_RX_CAPACITY ? to - from : ARENA_RX_CAPACITY;
		uint32_t addr = arena_fill_get(&rig->arena);

		if (addr == ARENA_NONE)
			abort();
		arena_frame_received(&rig->arena, addr);
		addr += ARENA_RX_OFFSET;
		memcpy(arena_ptr(&rig->arena, addr), frame->data + from, len);
		spans[n++] = (struct span){.addr = addr, .len = len};
		from += len;
	}
	return n;
}

int rig_rx_cut(struct rig *rig, const struct rig_frame *frame, const uint32_t *cuts,
	       unsigned int ncuts)
{
	struct span spans[64];
	struct frame_view view = {.data = {.spans = spans, .len = frame->len}};
	uint32_t from = 0;
	unsigned int n = 0;
	int ret;

	for (unsigned int i = 0; i < ncuts && n < 32; i++) {
		uint32_t to = cuts[i] < frame->len ? cuts[i] : frame->len;

		if (to <= from)
			continue;
		n += rig_fragment(rig, frame, from, to, spans + n);
		from = to;
	}
	n += rig_fragment(rig, frame, from, frame->len, spans + n);
	view.data.nspans = n;
	ret = aoe_port_rx(rig->port, &view, rig->now);
	for (unsigned int i = 0; i < n; i++)
		arena_frame_put(&rig->arena, spans[i].addr);
	if (!rig->config.keep_tx)
		rig_tx_complete(rig);
	return ret;
}

int rig_rx(struct rig *rig, const struct rig_frame *frame)
{
	return rig_rx_cut(rig, frame, NULL, 0);
}

void rig_tx_complete(struct rig *rig)
{
	while (rig->ntx) {
		struct tx *tx = rig->tx[--rig->ntx];
		void *owner;

		if (!arena_run_completed(&rig->arena, tx->run, &owner) || owner != tx)
			abort();
		tx->done(tx);
	}
}

bool rig_take(struct rig *rig, struct rig_frame *frame)
{
	if (rig->taken == rig->nsent) {
		rig->taken = rig->nsent = 0;
		return false;
	}
	frame->len = rig->sent[rig->taken].len;
	memcpy(frame->data, rig->sent[rig->taken++].data, frame->len);
	return true;
}

bool rig_idle(const struct rig *rig)
{
	return !aoe_port_inflight(rig->port) && !rig->queue.inflight &&
	       rig->arena.nfree_frames == rig->arena.config.rx_frames &&
	       rig->arena.nfree_runs == rig->arena.config.runs;
}

void rig_put(struct rig_frame *frame, const void *data, uint32_t len)
{
	if (len > sizeof(frame->data) - frame->len)
		abort();
	if (len)
		memcpy(frame->data + frame->len, data, len);
	frame->len += len;
}

void rig_put_be16(struct rig_frame *frame, uint16_t value)
{
	const uint16_t be = htobe16(value);

	rig_put(frame, &be, sizeof(be));
}

void rig_eth(struct rig_frame *frame, const uint8_t dst[6], const uint8_t src[6], uint32_t vlan)
{
	frame->len = 0;
	rig_put(frame, dst, 6);
	rig_put(frame, src, 6);
	if (vlan >> 12) {
		rig_put_be16(frame, WIRE_TYPE_8021AD);
		rig_put_be16(frame, (uint16_t)(vlan >> 12));
	}
	if (vlan) {
		rig_put_be16(frame, WIRE_TYPE_8021Q);
		rig_put_be16(frame, vlan & WIRE_VID_MASK);
	}
	rig_put_be16(frame, WIRE_TYPE_AOE);
}

void rig_aoe(struct rig_frame *frame, uint16_t shelf, uint8_t slot, uint8_t command, uint32_t tag)
{
	const struct wire_aoe aoe = {
		.ver_flags = AOE_VERSION << 4,
		.shelf = htobe16(shelf),
		.slot = slot,
		.command = command,
		.tag = htobe32(tag),
	};

	rig_put(frame, &aoe, sizeof(aoe));
}

void rig_ata(struct rig_frame *frame, const struct rig_ata *ata)
{
	struct wire_aoe_ata wire = {
		.aflags = ata->aflags,
		.feature = ata->feature,
		.count = ata->count,
		.command = ata->command,
	};

	for (unsigned int i = 0; i < 6; i++)
		wire.lba[i] = (uint8_t)(ata->lba >> 8 * i);
	rig_put(frame, &wire, sizeof(wire));
}

void rig_config(struct rig_frame *frame, uint8_t subcommand, const void *string, uint16_t len)
{
	const struct wire_aoe_config config = {
		.ver_command = AOE_VERSION << 4 | subcommand,
		.length = htobe16(len),
	};

	rig_put(frame, &config, sizeof(config));
	rig_put(frame, string, len);
}

bool rig_read(const struct rig_frame *frame, struct rig_reply *reply)
{
	if (frame->len < WIRE_ETH_MIN)
		return false;
	stgt_classify(frame->data, frame->data + frame->len, &reply->class);
	if (reply->class.proto != STGT_PROTO_AOE || reply->class.truncated ||
	    !(reply->class.aoe_ver_flags & AOE_FLAG_RESPONSE))
		return false;
	reply->eth = (const struct wire_eth *)frame->data;
	memcpy(&reply->aoe, frame->data + reply->class.offset, sizeof(reply->aoe));
	reply->tag = be32toh(reply->aoe.tag);
	reply->body = frame->data + reply->class.offset + sizeof(reply->aoe);
	reply->body_len = frame->len - reply->class.offset - (uint32_t)sizeof(reply->aoe);
	return true;
}
