/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames in flight: cutting requests into them, sending, and finding them lost. */
#include "initiator/aoe_initiator_impl.h"

#include <endian.h>
#include <string.h>

#define ATA_READ_28   0x20
#define ATA_READ_48   0x24
#define ATA_WRITE_28  0x30
#define ATA_WRITE_48  0x34
#define ATA_IDENTIFY  0xec
#define DEVICE_28     0xe0 /* the high nibble of lba3 in 28-bit commands, as initiators set it */
#define DEVICE_OBS    0xa0 /* the same without the LBA bit */
#define LBA28_HIGH(x) ((x)&0x0f)

struct ata_frame {
	struct wire_eth eth;
	struct wire_aoe aoe;
	struct wire_aoe_ata ata;
} __attribute__((packed));

static void taskfile_fill(struct wire_aoe_ata *ata, const struct frame_in_flight *frame)
{
	const struct initiator_io *io = frame->io;
	uint64_t lba = io->lba + frame->offset;
	unsigned int i;

	memset(ata, 0, sizeof(*ata));
	ata->count = frame->sectors;
	if (io == &target_of(io->target)->identify) {
		ata->command = ATA_IDENTIFY;
		ata->lba[3] = DEVICE_OBS;
		return;
	}
	for (i = 0; i < sizeof(ata->lba); i++)
		ata->lba[i] = lba >> (8 * i);
	if (io->target->lba48) {
		ata->command = io->write ? ATA_WRITE_48 : ATA_READ_48;
		ata->aflags = AOE_ATA_LBA48;
	} else {
		ata->command = io->write ? ATA_WRITE_28 : ATA_READ_28;
		ata->lba[3] = LBA28_HIGH(ata->lba[3]) | DEVICE_28;
	}
	if (io->write)
		ata->aflags |= AOE_ATA_WRITE;
}

static void frame_send(struct initiator *ini, struct frame_in_flight *frame, uint64_t now_ns)
{
	const struct initiator_io *io = frame->io;
	struct initiator_path *path = frame->path;
	const void *payload = NULL;
	size_t payload_len = 0;
	struct ata_frame out = {
		.eth.type = htobe16(WIRE_TYPE_AOE),
		.aoe = {.ver_flags = AOE_VERSION << 4,
			.shelf = htobe16(io->target->shelf),
			.slot = io->target->slot,
			.command = AOE_CMD_ATA},
	};

	frame->tag = tag_ring_get(&ini->tags, frame, now_ns);
	frame->sent_ns = now_ns;
	memcpy(out.eth.dst, path->mac, WIRE_MAC_LEN);
	memcpy(out.eth.src, ini->config.ports[path->port].mac, WIRE_MAC_LEN);
	out.aoe.tag = htobe32(frame->tag);
	taskfile_fill(&out.ata, frame);
	if (io->write) {
		payload = (const uint8_t *)io->data + (size_t)frame->offset * INITIATOR_SECTOR;
		payload_len = (size_t)frame->sectors * INITIATOR_SECTOR;
	}
	path->in_flight++;
	list_add_tail(&target_of(io->target)->in_flight, &frame->link);
	ini->stats.sent++;
	ini->config.ops->send(ini->config.ctx, path->port, &out, sizeof(out), payload, payload_len);
}

/* Round robin over the paths that have room. */
static struct initiator_path *path_pick(struct target *target)
{
	unsigned int i;

	for (i = 0; i < target->public.npaths; i++) {
		struct initiator_path *path;

		if (target->next_path >= target->public.npaths)
			target->next_path = 0;
		path = &target->public.paths[target->next_path++];
		if (path_has_room(path))
			return path;
	}
	return NULL;
}

/* The next part of the oldest waiting request, or NULL when no frame is free for it. */
static struct frame_in_flight *frame_cut(struct initiator *ini, struct target *target,
					 uint64_t now_ns)
{
	struct initiator_io *io = container_of(target->waiting.next, struct initiator_io, link);
	struct frame_in_flight *frame;

	if (list_empty(&ini->free_frames)) {
		ini->starved = true;
		return NULL;
	}
	frame = container_of(list_pop(&ini->free_frames), struct frame_in_flight, link);
	frame->io = io;
	frame->offset = io->cut;
	frame->sectors = io->sectors - io->cut;
	if (frame->sectors > target->public.frame_sectors)
		frame->sectors = target->public.frame_sectors;
	frame->first_ns = now_ns;
	io->cut += frame->sectors;
	io->frames++;
	if (io->cut == io->sectors) {
		list_del(&io->link);
		list_add_tail(&target->sent, &io->link);
	}
	return frame;
}

void frames_pump(struct initiator *ini, struct target *target, uint64_t now_ns)
{
	while (!list_empty(&target->resend) || !list_empty(&target->waiting)) {
		struct initiator_path *path = path_pick(target);
		struct frame_in_flight *frame;

		if (!path)
			return;
		if (!list_empty(&target->resend)) {
			frame = container_of(list_pop(&target->resend), struct frame_in_flight,
					     link);
			ini->stats.retransmits++;
		} else {
			frame = frame_cut(ini, target, now_ns);
			if (!frame)
				return;
		}
		frame->path = path;
		frame_send(ini, frame, now_ns);
	}
}

void frames_answered(struct initiator *ini, struct frame_in_flight *frame, uint64_t now_ns)
{
	rtt_sample(frame->io->target, now_ns - frame->sent_ns);
	path_reply(frame->path);
	frame->path->in_flight--;
	tag_ring_put(&ini->tags, frame->tag);
	frame->io->frames--;
	list_del(&frame->link);
	list_add_head(&ini->free_frames, &frame->link);
}

void frames_drop(struct initiator *ini, struct target *target)
{
	struct frame_in_flight *frame;

	list_for_each_entry (frame, &target->in_flight, link) {
		frame->path->in_flight--;
		tag_ring_put(&ini->tags, frame->tag);
	}
	list_splice_tail(&ini->free_frames, &target->in_flight);
	list_splice_tail(&ini->free_frames, &target->resend);
}

bool frames_expire(struct initiator *ini, struct target *target, uint64_t now_ns)
{
	uint64_t rto = rtt_timeout(&target->public, ini->config.rto_min_ns, ini->config.rto_max_ns);

	while (!list_empty(&target->in_flight)) {
		struct frame_in_flight *frame =
			container_of(target->in_flight.next, struct frame_in_flight, link);

		if (now_ns - frame->sent_ns < rto)
			return false;
		if (now_ns - frame->first_ns >= ini->config.dead_ns)
			return true;
		path_loss(frame->path);
		frame->path->in_flight--;
		tag_ring_supersede(&ini->tags, frame->tag);
		list_del(&frame->link);
		list_add_tail(&target->resend, &frame->link);
	}
	return false;
}
