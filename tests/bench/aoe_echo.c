/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The limit of the design: answers AoE commands with frames of the right size and no storage work,
 * over the same socket code as the target.
 *
 *	aoe_echo [--spin] IFACE SHELF.SLOT SECTORS
 *
 * Runs until it is killed; a line `ready` tells that it serves.
 */
#include "bench_port.h"
#include "stgt/wire/aoe.h"

#include <endian.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLIES	    1024
#define BUFFERS	    64
#define MAX_SECTORS 16
#define SECTOR	    512

#define ATA_IDENTIFY 0xec
#define ATA_DRDY     0x40

struct request {
	struct wire_eth eth;
	struct wire_aoe aoe;
	union {
		struct wire_aoe_ata ata;
		struct wire_aoe_config config;
	};
} __attribute__((packed));

#define CONFIG_LEN \
	(sizeof(struct wire_eth) + sizeof(struct wire_aoe) + sizeof(struct wire_aoe_config))

struct echo {
	struct bench_port port;
	unsigned int shelf, slot;
	uint64_t sectors;
	struct bench_frame replies[REPLIES];
	struct list free;
};

/* As much of IDENTIFY DEVICE as tells the size; the frame's other payload is whatever was there. */
static void identify_fill(const struct echo *echo, uint8_t *data)
{
	unsigned int i;

	memset(data, 0, SECTOR);
	data[2 * 83 + 1] = data[2 * 86 + 1] = 1 << 2; /* 48-bit addresses */
	for (i = 0; i < 8; i++)
		data[2 * 100 + i] = (uint8_t)(echo->sectors >> (8 * i));
}

/* Fills the reply's part behind the AoE header; returns the frame's length, 0 for no reply. */
static size_t reply_fill(const struct echo *echo, struct request *reply)
{
	uint8_t *data = (uint8_t *)(reply + 1);

	if (reply->aoe.command == AOE_CMD_CONFIG) {
		reply->config = (struct wire_aoe_config){.buffers = htobe16(BUFFERS),
							 .sectors = MAX_SECTORS,
							 .ver_command = AOE_VERSION << 4};
		return WIRE_ETH_MIN;
	}
	if (reply->aoe.command != AOE_CMD_ATA || reply->ata.count > MAX_SECTORS)
		return 0;
	if (reply->ata.command == ATA_IDENTIFY)
		identify_fill(echo, data);
	reply->ata.command = ATA_DRDY;
	reply->ata.feature = 0;
	if (reply->ata.aflags & AOE_ATA_WRITE)
		return WIRE_ETH_MIN;
	return sizeof(*reply) + (size_t)reply->ata.count * SECTOR;
}

static void answer(struct echo *echo, const struct frame_view *view)
{
	const struct span *first = &view->data.spans[0];
	const struct request *request = arena_ptr(&echo->port.arena, first->addr);
	struct bench_frame *frame;
	struct request *reply;
	size_t len;

	if (first->len < CONFIG_LEN || request->aoe.ver_flags & AOE_FLAG_RESPONSE ||
	    (request->aoe.command == AOE_CMD_ATA && first->len < sizeof(*request)))
		return;
	frame = container_of(list_pop(&echo->free), struct bench_frame, link);
	reply = bench_frame_header(&echo->port, frame, sizeof(*reply));
	memcpy(reply, request, sizeof(*reply));
	memcpy(reply->eth.dst, request->eth.src, WIRE_MAC_LEN);
	memcpy(reply->eth.src, echo->port.netif.mac, WIRE_MAC_LEN);
	reply->aoe.ver_flags |= AOE_FLAG_RESPONSE;
	reply->aoe.shelf = htobe16((uint16_t)echo->shelf);
	reply->aoe.slot = (uint8_t)echo->slot;
	len = reply_fill(echo, reply);
	if (len)
		bench_frame_send(&echo->port, frame, sizeof(*reply), len);
	else
		list_add_head(&echo->free, &frame->link);
}

static void serve(struct echo *echo)
{
	struct xsk *xsk = echo->port.xsk;

	for (;;) {
		struct frame_view view;
		bool idle = true;

		xsk_complete(xsk);
		while (!list_empty(&echo->free) && xsk_rx_peek(xsk, &view)) {
			answer(echo, &view);
			xsk_rx_release(xsk);
			idle = false;
		}
		bench_port_turn(&echo->port, idle, UINT64_MAX);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"spin", no_argument, NULL, 's'}, {0}};
	struct echo *echo = calloc(1, sizeof(*echo));
	bool spin = false;
	struct error err;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 's')
			return 2;
		spin = true;
	}
	if (!echo || argc - optind != 3 ||
	    sscanf(argv[optind + 1], "%u.%u", &echo->shelf, &echo->slot) != 2 ||
	    sscanf(argv[optind + 2], "%" SCNu64, &echo->sectors) != 1) {
		fprintf(stderr, "usage: aoe_echo [--spin] IFACE SHELF.SLOT SECTORS\n");
		return 2;
	}
	if (bench_port_open(&echo->port, argv[optind], REPLIES, spin, &err)) {
		fprintf(stderr, "aoe_echo: %s\n", err.text);
		return 1;
	}
	bench_frames_init(&echo->port, echo->replies, REPLIES, &echo->free);
	printf("ready %s\n", xsk_mode_name(xsk_mode(echo->port.xsk)));
	fflush(stdout);
	serve(echo);
	return 0;
}
