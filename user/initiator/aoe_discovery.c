/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is there: configuration queries, paths, IDENTIFY DEVICE. */
#include "initiator/aoe_initiator_impl.h"

#include <endian.h>
#include <string.h>

#define SECTORS_UNSAID 2 /* what a sector count of zero stands for */

/* IDENTIFY DEVICE words (ACS-3 7.12) */
#define WORD_SERIAL	10 /* 10 words */
#define WORD_REVISION	23 /* 4 words */
#define WORD_MODEL	27 /* 20 words */
#define WORD_SECTORS_28 60
#define WORD_SUPPORTED	83
#define WORD_ENABLED	86
#define WORD_SECTORS_48 100
#define BIT_LBA48	(1u << 10)

struct config_frame {
	struct wire_eth eth;
	struct wire_aoe aoe;
	struct wire_aoe_config config;
} __attribute__((packed));

void initiator_discover(struct initiator *ini)
{
	struct config_frame out = {
		.eth.dst = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		.eth.type = htobe16(WIRE_TYPE_AOE),
		.aoe = {.ver_flags = AOE_VERSION << 4,
			.shelf = htobe16(AOE_SHELF_ANY),
			.slot = AOE_SLOT_ANY,
			.command = AOE_CMD_CONFIG},
	};
	unsigned int i;

	for (i = 0; i < ini->config.nports; i++) {
		memcpy(out.eth.src, ini->config.ports[i].mac, WIRE_MAC_LEN);
		ini->config.ops->send(ini->config.ctx, i, &out, sizeof(out), NULL, 0);
	}
}

void discovery_notify(struct initiator *ini, const struct target *target)
{
	if (ini->config.ops->target_changed)
		ini->config.ops->target_changed(ini->config.ctx, &target->public);
}

static struct target *target_get(struct initiator *ini, uint16_t shelf, uint8_t slot)
{
	struct initiator_target *known = initiator_find(ini, shelf, slot);
	struct target *target;

	if (known)
		return target_of(known);
	if (ini->ntargets == ini->config.targets_max)
		return NULL;
	target = &ini->targets[ini->ntargets++];
	target->owner = ini;
	target->public.shelf = shelf;
	target->public.slot = slot;
	target->public.state = INITIATOR_NEW;
	rtt_init(&target->public, ini->config.rtt_start_ns);
	list_init(&target->waiting);
	list_init(&target->sent);
	list_init(&target->in_flight);
	list_init(&target->resend);
	return target;
}

static struct initiator_path *path_get(struct initiator_target *target, unsigned int port,
				       const uint8_t mac[WIRE_MAC_LEN])
{
	struct initiator_path *path;
	unsigned int i;

	for (i = 0; i < target->npaths; i++) {
		path = &target->paths[i];
		if (path->port == port && !memcmp(path->mac, mac, WIRE_MAC_LEN))
			return path;
	}
	if (target->npaths == INITIATOR_PATHS_MAX)
		return NULL;
	path = &target->paths[target->npaths++];
	path->port = port;
	memcpy(path->mac, mac, WIRE_MAC_LEN);
	return path;
}

static void path_update(struct initiator *ini, struct initiator_target *target,
			struct initiator_path *path, const struct wire_aoe_config *config)
{
	/* The Linux driver's sum, which counts the Ethernet header to the MTU. */
	unsigned int holds =
		(ini->config.ports[path->port].mtu - INITIATOR_HEADER_LEN) / INITIATOR_SECTOR;
	unsigned int sectors = config->sectors ? config->sectors : SECTORS_UNSAID;
	unsigned int limit = be16toh(config->buffers);
	unsigned int i;

	path->buffers = limit;
	if (limit > ini->config.window_max)
		limit = ini->config.window_max;
	path_set_limit(path, limit ? limit : 1);
	path->sectors = sectors < holds ? sectors : holds;
	target->firmware = be16toh(config->firmware);
	target->frame_sectors = path->sectors;
	for (i = 0; i < target->npaths; i++) {
		if (target->paths[i].sectors < target->frame_sectors)
			target->frame_sectors = target->paths[i].sectors;
	}
}

void discovery_rx(struct initiator *ini, const struct reply *reply, uint64_t now_ns)
{
	const size_t at = sizeof(reply->eth) + sizeof(reply->aoe);
	uint16_t shelf = be16toh(reply->aoe.shelf);
	struct initiator_path *path;
	struct wire_aoe_config config;
	struct target *target;
	size_t len;

	if (reply_copy(reply, at, &config, sizeof(config)) < sizeof(config))
		goto ignore;
	len = be16toh(config.length);
	if (shelf == AOE_SHELF_ANY || reply->aoe.slot == AOE_SLOT_ANY || len > AOE_CONFIG_MAX ||
	    reply->len - at - sizeof(config) < len)
		goto ignore;
	target = target_get(ini, shelf, reply->aoe.slot);
	if (!target)
		goto ignore;
	path = path_get(&target->public, reply->port, reply->eth.src);
	if (!path)
		goto ignore;
	path_update(ini, &target->public, path, &config);
	target->public.config_len = len;
	reply_copy(reply, at + sizeof(config), target->public.config, len);
	if (target->public.state != INITIATOR_UP)
		discovery_identify(ini, target, now_ns);
	else
		discovery_notify(ini, target);
	return;
ignore:
	ini->stats.ignored++;
}

static uint16_t word(const uint8_t *data, unsigned int i)
{
	return data[2 * i] | data[2 * i + 1] << 8;
}

/* A string lies in its words with the bytes of each swapped, padded with blanks. */
static void identify_string(const uint8_t *data, char *to, unsigned int first, unsigned int words)
{
	unsigned int i, len = 2 * words;

	for (i = 0; i < len; i++)
		to[i] = data[(2 * first + i) ^ 1];
	while (len && (to[len - 1] == ' ' || !to[len - 1]))
		len--;
	to[len] = '\0';
}

static uint64_t identify_number(const uint8_t *data, unsigned int first, unsigned int words)
{
	uint64_t value = 0;

	while (words--)
		value = value << 16 | word(data, first + words);
	return value;
}

static void identify_done(struct initiator_io *io)
{
	struct target *target = target_of(io->target);
	struct initiator_target *public = &target->public;
	const uint8_t *data = target->identify_data;

	target->identifying = false;
	/* Not this time: the next configuration response tries again. */
	if (io->result)
		return;
	public->lba48 = word(data, WORD_SUPPORTED) & word(data, WORD_ENABLED) & BIT_LBA48;
	public->sectors = public->lba48 ? identify_number(data, WORD_SECTORS_48, 4)
					: identify_number(data, WORD_SECTORS_28, 2);
	identify_string(data, public->serial, WORD_SERIAL, 10);
	identify_string(data, public->revision, WORD_REVISION, 4);
	identify_string(data, public->model, WORD_MODEL, 20);
	public->state = INITIATOR_UP;
	discovery_notify(target->owner, target);
}

void discovery_identify(struct initiator *ini, struct target *target, uint64_t now_ns)
{
	if (target->identifying)
		return;
	target->identifying = true;
	target->identify = (struct initiator_io){
		.target = &target->public,
		.sectors = 1,
		.data = target->identify_data,
		.done = identify_done,
	};
	request_queue(ini, &target->identify, now_ns);
}
