/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One interface served: program attached, a worker per RX queue, and what it is told. */
#include "target/internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/*
 * Requests in flight that the workers of an interface have memory for. An initiator may keep 64
 * (aoe.ko's most), so one queue has room for sixteen of them; more share it without loss, by
 * back-pressure in the RX ring. Frames without IP all land on one queue unless rules spread them,
 * so even one of many queues has room for a few initiators.
 */
#define INTERFACE_REQUESTS 2048u
#define QUEUE_REQUESTS_MIN 256u
#define QUEUE_REQUESTS_MAX 1024u

static unsigned int queue_requests(unsigned int queues)
{
	unsigned int share = INTERFACE_REQUESTS / queues;

	if (share > QUEUE_REQUESTS_MAX)
		return QUEUE_REQUESTS_MAX;
	return share < QUEUE_REQUESTS_MIN ? QUEUE_REQUESTS_MIN : share;
}

static int interface_start_workers(struct target *target, struct target_interface *interface,
				   struct error *err)
{
	interface->workers = calloc(interface->netif.rx_queues, sizeof(struct worker *));
	if (!interface->workers)
		return error_set(err, ENOMEM, "out of memory");
	for (unsigned int q = 0; q < interface->netif.rx_queues; q++) {
		const struct worker_config config = {
			.netif = &interface->netif,
			.queue = q,
			.xdp = interface->request.xdp,
			.generic = steer_generic(interface->steer),
			.requests = queue_requests(interface->netif.rx_queues),
			.busy_poll_us = interface->request.busy_poll_us,
			.access = target_access_source(interface),
		};
		int ret = worker_open(&config, &interface->workers[q], err);

		if (ret)
			return ret;
		interface->nworkers++;
	}
	return 0;
}

static void interface_stop_workers(struct target *target, struct target_interface *interface)
{
	while (interface->nworkers)
		worker_close(interface->workers[--interface->nworkers], &target->mailbox);
	free(interface->workers);
	interface->workers = NULL;
}

int target_interface_guard(struct target_interface *interface, unsigned int frames,
			   struct error *err)
{
	int ret = steer_flood_guard_set(interface->steer, frames);

	if (ret)
		return error_set(err, -ret, "cannot write the port map of %s: %s",
				 interface->netif.name, strerror(-ret));
	interface->request.flood_guard = frames;
	return 0;
}

/* From here on frames of the exports that are added come. */
static int interface_steer(struct target_interface *interface, struct error *err)
{
	int ret = 0;

	for (unsigned int q = 0; q < interface->nworkers && !ret; q++)
		ret = steer_xsk_set(interface->steer, q, worker_xsk_fd(interface->workers[q]));
	if (ret)
		return error_set(err, -ret, "cannot fill the maps of %s: %s", interface->netif.name,
				 strerror(-ret));
	return 0;
}

int target_interface_start(struct target *target, struct target_interface *interface,
			   struct error *err)
{
	int ret;

	if (interface->netif.rx_queues > STGT_MAX_QUEUES)
		return error_set(err, E2BIG,
				 "%s has %u RX queues, at most %u can be served: "
				 "ethtool -L %s combined %u",
				 interface->netif.name, interface->netif.rx_queues, STGT_MAX_QUEUES,
				 interface->netif.name, STGT_MAX_QUEUES);
	ret = steer_open(&interface->netif, interface->request.xdp, &interface->steer, err);
	if (ret)
		return ret;
	interface->acl = fcntl(steer_maps(interface->steer)->acl, F_DUPFD_CLOEXEC, 0);
	if (interface->acl < 0)
		ret = error_set(err, errno, "cannot keep a map open: %s", strerror(errno));
	else
		ret = interface_start_workers(target, interface, err);
	if (!ret && target_limits_apply(target, interface))
		ret = error_set(err, ENOMEM, "out of memory");
	if (!ret && interface->request.flood_guard)
		ret = target_interface_guard(interface, interface->request.flood_guard, err);
	if (!ret)
		ret = interface_steer(interface, err);
	if (ret) {
		target_interface_stop(target, interface);
		return ret;
	}
	if (steer_taken_over(interface->steer))
		log_notice("%s: took over from a process that did not end cleanly",
			   interface->netif.name);
	if (steer_vlan(interface->steer) == STEER_VLAN_BLIND)
		log_warning("%s: VLAN tags are invisible here; untagged exports answer on every "
			    "VLAN",
			    interface->netif.name);
	if (!interface->netif.up)
		log_warning("%s is down; it is served once it is up (ip link set %s up)",
			    interface->netif.name, interface->netif.name);
	return 0;
}

void target_interface_stop(struct target *target, struct target_interface *interface)
{
	/* First the program: what comes from now on is the kernel's. */
	steer_close(interface->steer);
	interface_stop_workers(target, interface);
	target_taps_leave(target, interface);
	cleanup_close(&interface->acl);
}

void target_interface_run(struct target_interface *interface,
			  void (*fn)(const struct worker_view *view, void *arg), void *arg)
{
	for (unsigned int q = 0; q < interface->nworkers; q++)
		worker_run(interface->workers[q], fn, arg);
}

static void announce_all(const struct worker_view *view, void *arg)
{
	aoe_port_announce(view->port);
}

static void announce_one(const struct worker_view *view, void *arg)
{
	aoe_port_announce_export(view->port, arg);
}

void target_interface_announce(struct target_interface *interface,
			       const struct target_export *export)
{
	/* All queues transmit to the same network: one announcement is enough. */
	if (interface->nworkers)
		worker_run(interface->workers[0], export ? announce_one : announce_all,
			   export ? export->aoe : NULL);
}

static void set_mtu(const struct worker_view *view, void *arg)
{
	aoe_port_set_mtu(view->port, *(unsigned int *)arg);
}

static void set_mac(const struct worker_view *view, void *arg)
{
	aoe_port_set_mac(view->port, arg);
}

void target_interface_renamed(struct target_interface *interface, const char *name)
{
	char *now = interface->netif.name;
	int ret = steer_rename(interface->steer, name);

	log_warning("interface %s is now called %s: change its name in the configuration, too", now,
		    name);
	if (ret)
		log_warning("the pins of %s stay under the name %s: %s", name, now, strerror(-ret));
	memmove(now, name, strlen(name) + 1);
}

void target_interface_changed(struct target_interface *interface, const struct netif_event *event)
{
	struct netif *netif = &interface->netif;
	bool mtu = event->mtu != netif->mtu;
	bool mac = memcmp(event->mac, netif->mac, sizeof(netif->mac)) != 0;
	bool came_up = event->up && !netif->up;

	netif->up = event->up;
	if (mtu) {
		netif->mtu = event->mtu;
		target_interface_run(interface, set_mtu, &netif->mtu);
	}
	if (mac) {
		memcpy(netif->mac, event->mac, sizeof(netif->mac));
		target_interface_run(interface, set_mac, netif->mac);
		steer_port_update(interface->steer, netif->mac);
	}
	if (mtu || mac || came_up)
		target_interface_announce(interface, NULL);
}
