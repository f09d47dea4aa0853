/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "initiator/aoe_initiator_impl.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define S  (1000 * MS)

#define TARGETS_DEFAULT 16
#define FRAMES_DEFAULT	1024
#define FRAMES_MAX	65536
#define WINDOW_DEFAULT	64
#define RTT_START	(250 * MS)
#define RTO_MIN		(100 * MS)
#define RTO_MAX		(60 * S)
#define DEAD		(180 * S)

#define ATA_STATUS_FAILED 0xa9 /* BSY, DF, DRQ, ERR: what the Linux driver takes for a failure */

static void config_defaults(struct initiator_config *config)
{
	if (!config->targets_max)
		config->targets_max = TARGETS_DEFAULT;
	if (!config->frames_max)
		config->frames_max = FRAMES_DEFAULT;
	if (!config->window_max)
		config->window_max = WINDOW_DEFAULT;
	if (!config->rtt_start_ns)
		config->rtt_start_ns = RTT_START;
	if (!config->rto_min_ns)
		config->rto_min_ns = RTO_MIN;
	if (!config->rto_max_ns)
		config->rto_max_ns = RTO_MAX;
	if (!config->dead_ns)
		config->dead_ns = DEAD;
}

static int config_check(const struct initiator_config *config, struct error *err)
{
	unsigned int i;

	if (!config->nports || config->nports > INITIATOR_PORTS_MAX)
		return error_set(err, EINVAL, "an initiator has 1 to %d ports, not %u",
				 INITIATOR_PORTS_MAX, config->nports);
	if (config->frames_max > FRAMES_MAX)
		return error_set(err, EINVAL, "%u frames in flight: at most %d", config->frames_max,
				 FRAMES_MAX);
	for (i = 0; i < config->nports; i++) {
		if (config->ports[i].mtu < INITIATOR_HEADER_LEN + INITIATOR_SECTOR)
			return error_set(err, EINVAL, "port %u: no sector fits an MTU of %u", i,
					 config->ports[i].mtu);
	}
	return 0;
}

int initiator_open(const struct initiator_config *config, struct initiator **out, struct error *err)
{
	struct initiator *ini;
	unsigned int i;
	int ret;

	ret = config_check(config, err);
	if (ret)
		return ret;
	ini = calloc(1, sizeof(*ini));
	if (!ini)
		return error_set(err, ENOMEM, "no memory for an initiator");
	ini->config = *config;
	config_defaults(&ini->config);
	list_init(&ini->free_frames);
	ini->targets = calloc(ini->config.targets_max, sizeof(*ini->targets));
	ini->frames = calloc(ini->config.frames_max, sizeof(*ini->frames));
	if (!ini->targets || !ini->frames ||
	    tag_ring_open(&ini->tags, ini->config.frames_max, config->first_tag)) {
		initiator_close(ini);
		return error_set(err, ENOMEM, "no memory for an initiator's %u frames",
				 config->frames_max);
	}
	for (i = 0; i < ini->config.frames_max; i++)
		list_add_tail(&ini->free_frames, &ini->frames[i].link);
	*out = ini;
	return 0;
}

/* Ends every request of the target; they may be submitted again, elsewhere, from done. */
static void requests_fail(struct initiator *ini, struct target *target, int result)
{
	struct list failed;

	list_init(&failed);
	frames_drop(ini, target);
	list_splice_tail(&failed, &target->sent);
	list_splice_tail(&failed, &target->waiting);
	while (!list_empty(&failed)) {
		struct initiator_io *io =
			container_of(list_pop(&failed), struct initiator_io, link);

		io->frames = 0;
		io->result = result;
		io->done(io);
	}
}

void initiator_close(struct initiator *ini)
{
	unsigned int i;

	if (!ini)
		return;
	for (i = 0; i < ini->ntargets; i++) {
		ini->targets[i].public.state = INITIATOR_DOWN;
		requests_fail(ini, &ini->targets[i], -ECANCELED);
	}
	tag_ring_close(&ini->tags);
	free(ini->frames);
	free(ini->targets);
	free(ini);
}

struct initiator_target *initiator_find(struct initiator *ini, uint16_t shelf, uint8_t slot)
{
	unsigned int i;

	for (i = 0; i < ini->ntargets; i++) {
		struct initiator_target *target = &ini->targets[i].public;

		if (target->shelf == shelf && target->slot == slot)
			return target;
	}
	return NULL;
}

void request_queue(struct initiator *ini, struct initiator_io *io, uint64_t now_ns)
{
	struct target *target = target_of(io->target);

	io->result = 0;
	io->ata_status = io->ata_error = 0;
	io->cut = 0;
	io->frames = 0;
	list_add_tail(&target->waiting, &io->link);
	frames_pump(ini, target, now_ns);
}

int initiator_submit(struct initiator *ini, struct initiator_io *io, uint64_t now_ns)
{
	const struct initiator_target *target = io->target;

	if (target->state != INITIATOR_UP)
		return -ENXIO;
	if (!io->sectors || io->lba > target->sectors || io->sectors > target->sectors - io->lba)
		return -EINVAL;
	request_queue(ini, io, now_ns);
	return 0;
}

void initiator_revalidate(struct initiator *ini, struct initiator_target *target, uint64_t now_ns)
{
	if (target->state == INITIATOR_UP)
		discovery_identify(ini, target_of(target), now_ns);
}

size_t reply_copy(const struct reply *reply, size_t off, void *to, size_t len)
{
	size_t copied = 0;
	unsigned int i;

	for (i = 0; i < reply->nfrags && copied < len; i++) {
		const struct iovec *frag = &reply->frags[i];
		size_t n = len - copied;

		if (off >= frag->iov_len) {
			off -= frag->iov_len;
			continue;
		}
		if (n > frag->iov_len - off)
			n = frag->iov_len - off;
		memcpy((uint8_t *)to + copied, (const uint8_t *)frag->iov_base + off, n);
		copied += n;
		off = 0;
	}
	return copied;
}

/* The frame that the reply answers, or NULL: nothing of ours, late, or not from where it went. */
static struct frame_in_flight *reply_match(struct initiator *ini, const struct reply *reply,
					   uint64_t now_ns)
{
	struct tag *tag = tag_ring_lookup(&ini->tags, be32toh(reply->aoe.tag));
	struct initiator_target *known =
		initiator_find(ini, be16toh(reply->aoe.shelf), reply->aoe.slot);
	struct frame_in_flight *frame;

	if (!tag || !known) {
		ini->stats.ignored++;
		return NULL;
	}
	frame = tag->frame;
	if (!frame) {
		ini->stats.late++;
		/* It was only slow: let the estimate know, or the next one times out as well. */
		if (tag->superseded)
			rtt_sample(known, now_ns - tag->sent_ns);
		tag->superseded = false;
		return NULL;
	}
	if (frame->io->target != known || frame->path->port != reply->port ||
	    memcmp(frame->path->mac, reply->eth.src, WIRE_MAC_LEN)) {
		ini->stats.ignored++;
		return NULL;
	}
	return frame;
}

/* Takes over what the reply says; the rest of a failed request is not sent any more. */
static void reply_result(struct initiator *ini, const struct frame_in_flight *frame,
			 const struct reply *reply, const struct wire_aoe_ata *ata)
{
	size_t len = (size_t)frame->sectors * INITIATOR_SECTOR;
	struct initiator_io *io = frame->io;

	if (ata->command & ATA_STATUS_FAILED) {
		ini->stats.ata_errors++;
		io->ata_status = ata->command;
		io->ata_error = ata->feature;
		io->result = -EIO;
	} else if (!io->write && reply->len - INITIATOR_HEADER_LEN < len) {
		io->result = -EPROTO;
	} else if (!io->write && io->data) {
		reply_copy(reply, INITIATOR_HEADER_LEN,
			   (uint8_t *)io->data + (size_t)frame->offset * INITIATOR_SECTOR, len);
	}
	if (io->result && io->cut < io->sectors) {
		io->cut = io->sectors;
		list_del(&io->link);
		list_add_tail(&target_of(io->target)->sent, &io->link);
	}
}

static void pump_all(struct initiator *ini, uint64_t now_ns)
{
	unsigned int i;

	ini->starved = false;
	for (i = 0; i < ini->ntargets; i++)
		frames_pump(ini, &ini->targets[i], now_ns);
}

static void rx_ata(struct initiator *ini, const struct reply *reply, uint64_t now_ns)
{
	struct wire_aoe_ata ata;
	struct frame_in_flight *frame;
	struct initiator_io *io;
	struct target *target;

	if (reply_copy(reply, INITIATOR_HEADER_LEN - sizeof(ata), &ata, sizeof(ata)) <
	    sizeof(ata)) {
		ini->stats.ignored++;
		return;
	}
	frame = reply_match(ini, reply, now_ns);
	if (!frame)
		return;
	io = frame->io;
	target = target_of(io->target);
	reply_result(ini, frame, reply, &ata);
	frames_answered(ini, frame, now_ns);
	ini->stats.replies++;
	if (!io->frames && io->cut == io->sectors) {
		list_del(&io->link);
		io->done(io);
	}
	if (ini->starved)
		pump_all(ini, now_ns);
	else
		frames_pump(ini, target, now_ns);
}

void initiator_rx(struct initiator *ini, unsigned int port, const struct iovec *frags,
		  unsigned int n, uint64_t now_ns)
{
	struct reply reply = {.port = port, .frags = frags, .nfrags = n};
	unsigned int i;

	for (i = 0; i < n; i++)
		reply.len += frags[i].iov_len;
	if (port >= ini->config.nports ||
	    reply_copy(&reply, 0, &reply.eth, sizeof(reply.eth)) < sizeof(reply.eth) ||
	    reply_copy(&reply, sizeof(reply.eth), &reply.aoe, sizeof(reply.aoe)) <
		    sizeof(reply.aoe) ||
	    reply.eth.type != htobe16(WIRE_TYPE_AOE) || reply.aoe.ver_flags >> 4 != AOE_VERSION ||
	    !(reply.aoe.ver_flags & AOE_FLAG_RESPONSE)) {
		ini->stats.ignored++;
		return;
	}
	if (reply.aoe.ver_flags & AOE_FLAG_ERROR) {
		ini->stats.aoe_errors++;
		return;
	}
	if (reply.aoe.command == AOE_CMD_ATA)
		rx_ata(ini, &reply, now_ns);
	else if (reply.aoe.command == AOE_CMD_CONFIG)
		discovery_rx(ini, &reply, now_ns);
	else
		ini->stats.ignored++;
}

void initiator_tick(struct initiator *ini, uint64_t now_ns)
{
	unsigned int i;

	if (now_ns < initiator_deadline(ini))
		return;
	for (i = 0; i < ini->ntargets; i++) {
		struct target *target = &ini->targets[i];

		if (frames_expire(ini, target, now_ns)) {
			target->public.state = INITIATOR_DOWN;
			requests_fail(ini, target, -ETIMEDOUT);
			discovery_notify(ini, target);
		}
	}
	pump_all(ini, now_ns);
}

uint64_t initiator_deadline(const struct initiator *ini)
{
	uint64_t deadline = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < ini->ntargets; i++) {
		const struct target *target = &ini->targets[i];
		const struct frame_in_flight *oldest;
		uint64_t due;

		if (list_empty(&target->in_flight))
			continue;
		oldest = container_of(target->in_flight.next, struct frame_in_flight, link);
		due = oldest->sent_ns +
		      rtt_timeout(&target->public, ini->config.rto_min_ns, ini->config.rto_max_ns);
		if (due < deadline)
			deadline = due;
	}
	return deadline;
}

const struct initiator_stats *initiator_stats(const struct initiator *ini)
{
	return &ini->stats;
}
