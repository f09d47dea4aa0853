/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network interfaces of the caller's network namespace: what they are, what of their offloads
 * concerns us, and when they change. By ioctl and netlink: /sys may show another namespace.
 *
 * Control thread, except that a monitor may be read by whichever thread owns it.
 */
#ifndef STGT_XDP_NETIF_H
#define STGT_XDP_NETIF_H

#include "base/error.h"
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct netif {
	char name[IF_NAMESIZE];
	unsigned int ifindex;
	uint8_t mac[6];
	unsigned int mtu;
	unsigned int rx_queues; /* the channels that receive, at least 1 */
	char driver[32];	/* empty when the interface has none */
	bool up;
	uint64_t netns; /* inode of the network namespace, as abi.h's struct stgt_port */
};

/* 0, or -EINVAL for what the kernel takes for no interface's name, nor we for a file's. */
int netif_name_check(const char *name, struct error *err);

/* -ENODEV: no such interface; -EINVAL: a name that cannot be one, or not Ethernet. */
int netif_query(const char *name, struct netif *out, struct error *err);

/*
 * Whether the interface takes VLAN tags (802.1Q or 802.1ad) out of received frames, as
 * `ethtool -k`. 1 on, 0 off, -EOPNOTSUPP when it has no such offload, or negative errno.
 */
int netif_rxvlan_get(const struct netif *netif);
/* Turns both off, or on again; 0 once read back so. -EOPNOTSUPP when the driver will not. */
int netif_rxvlan_set(const struct netif *netif, bool on);

/* Whether an XDP program can ask the driver for a stripped tag (NETDEV_XDP_RX_METADATA_VLAN_TAG).
 */
bool netif_has_vlan_metadata(const struct netif *netif);

/* What became of an interface, as the kernel says it. */
struct netif_event {
	unsigned int ifindex;
	bool gone; /* deleted or moved to another namespace; the rest is not valid */
	char name[IF_NAMESIZE];
	bool up; /* administratively up and with carrier */
	unsigned int mtu;
	uint8_t mac[6];
};

/* A non-blocking socket that is readable when an interface changed, or negative errno. */
int netif_monitor_open(void);

/*
 * Calls `changed` for each waiting event. 0, or -ENOBUFS when the kernel dropped events: query the
 * interfaces anew. Events repeat what did not change; compare.
 */
int netif_monitor_read(int fd, void (*changed)(void *ctx, const struct netif_event *event),
		       void *ctx);

#endif
