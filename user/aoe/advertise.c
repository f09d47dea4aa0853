/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a port promises its initiators (AoEr11 3.2), and how it tells them unasked. */
#include "aoe/port.h"

#include "base/log.h"

#define SECTORS_MAX 16u
#define BUFFERS_MIN 16u
#define BUFFERS_MAX 64u

/* Of an untagged frame. Initiators count the Ethernet header in, though the MTU does not. */
#define ATA_HEAD (sizeof(struct wire_eth) + sizeof(struct wire_aoe) + sizeof(struct wire_aoe_ata))

_Static_assert(AOE_MTU_MIN == ATA_HEAD + BLK_SECTOR, "one sector");

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* The most sectors in one frame on this port behind so many VLAN tags; at least 1. */
static unsigned int advertised_sectors(const struct aoe_port *port, unsigned int tags)
{
	const struct aoe_port_config *config = &port->config;
	size_t head = ATA_HEAD + tags * sizeof(struct wire_vlan);
	unsigned int sectors = SECTORS_MAX;

	sectors = config->mtu < AOE_MTU_MIN
			  ? 1
			  : least(sectors, (unsigned int)((config->mtu - ATA_HEAD) / BLK_SECTOR));
	if (!config->multi_buffer)
		sectors = least(sectors, (unsigned int)((ARENA_RX_SINGLE - head) / BLK_SECTOR));
	sectors = least(sectors, arena_run_payload(config->sink->arena) / BLK_SECTOR);
	/* Whole 4 KiB blocks, so that a file system's block is not cut in two frames. */
	return sectors > 8 ? sectors & ~7u : sectors;
}

void aoe_advertise_update(struct aoe_port *port)
{
	if (port->config.mtu < AOE_MTU_MIN)
		log_warning("an MTU of %u carries no AoE sector: it must be at least %d",
			    port->config.mtu, AOE_MTU_MIN);
	port->sectors = advertised_sectors(port, 0);
	for (unsigned int i = 0; i < port->nserved; i++) {
		struct aoe_served *served = port->served[i];

		served->sectors = advertised_sectors(
			port, aoe_vlan_tags(aoe_export_address(served->export)->vlan));
	}
}

unsigned int aoe_port_sectors(const struct aoe_port *port)
{
	return port->sectors;
}

unsigned int aoe_port_buffers(const struct aoe_port *port)
{
	unsigned int share = port->config.requests / 16;

	return share < BUFFERS_MIN ? BUFFERS_MIN : least(share, BUFFERS_MAX);
}

void aoe_port_set_mtu(struct aoe_port *port, unsigned int mtu)
{
	port->config.mtu = mtu;
	aoe_advertise_update(port);
}

static void announce_export(struct aoe_port *port, struct aoe_served *served)
{
	const struct aoe_address *addr = aoe_export_address(served->export);
	struct aoe_request *request = aoe_request_get(port, served);

	if (!request) {
		port->stats.announcements_lost++;
		return;
	}
	aoe_request_set_head(request,
			     aoe_frame_announce(addr->vlan, port->config.mac, addr->shelf,
						addr->slot, AOE_CMD_CONFIG, request->head));
	aoe_config_append(request, AOE_CONFIG_READ, true);
	port->stats.announcements++;
	aoe_request_reply(request);
}

void aoe_port_announce(struct aoe_port *port)
{
	for (unsigned int i = 0; i < port->nserved; i++)
		announce_export(port, port->served[i]);
}

void aoe_port_announce_export(struct aoe_port *port, const struct aoe_export *export)
{
	for (unsigned int i = 0; i < port->nserved; i++)
		if (port->served[i]->export == export)
			announce_export(port, port->served[i]);
}
