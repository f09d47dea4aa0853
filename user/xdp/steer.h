/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steering program of one interface: loaded, attached, pinned, and what it is told.
 *
 * The process that holds a `struct steer` serves the interface: it owns the lock
 * /run/stgt-xdp/IFACE.lock, the program's link and the pins below STGT_BPFFS/IFACE/. A process that
 * is killed leaves link and pins behind, with no socket in `xsks`, so that every frame goes to the
 * kernel; the next steer_open() takes them over.
 *
 * Everything here is for the control thread. Reading maps: steer_maps.h.
 */
#ifndef STGT_XDP_STEER_H
#define STGT_XDP_STEER_H

#include "stgt/abi.h"
#include "xdp/netif.h"
#include "xdp/steer_maps.h"

/* What the administrator asked for with --xdp. */
enum steer_request {
	STEER_AUTO,	/* the fastest that works */
	STEER_ZEROCOPY, /* native, and the sockets must be zero-copy */
	STEER_NATIVE,	/* in the driver; sockets zero-copy or not */
	STEER_GENERIC,	/* in the network core: any driver, slow */
};

/* -EINVAL, naming the words there are. */
int steer_request_parse(const char *text, enum steer_request *request, struct error *err);
/* The word for it. */
const char *steer_request_name(enum steer_request request);

/* How VLAN tags that the interface takes out of frames are dealt with. */
enum steer_vlan {
	STEER_VLAN_KFUNC,      /* the program reads the tag and puts it back into the frame */
	STEER_VLAN_RXVLAN_OFF, /* we turned the offload off; steer_close() turns it on again */
	STEER_VLAN_IN_FRAME,   /* the interface takes none out */
	STEER_VLAN_BLIND,      /* tags may be missing: VLANs cannot be told apart, nor be served */
};

/* "metadata", "rxvlan-off", "in-frame", "blind" */
const char *steer_vlan_name(enum steer_vlan vlan);

struct steer;

/*
 * Loads and attaches the program, native where the request and the driver allow, and pins link and
 * maps. `exports`, `acl` and `xsks` are empty afterwards; `counters` and `initiators` are those of
 * the process that was killed, where it was of our STGT_ABI_VERSION. On error nothing is left
 * behind.
 *
 *	-EPERM	    the process lacks privileges
 *	-EBUSY	    another process serves the interface, or it runs somebody else's XDP program
 *	-EEXIST	    an interface of that name is served in another network namespace
 *	-EOPNOTSUPP the driver cannot do what was asked for
 */
int steer_open(const struct netif *netif, enum steer_request request, struct steer **steer,
	       struct error *err);

/* Detaches, removes the pins, restores rxvlan and releases the lock. The interface may be gone. */
void steer_close(struct steer *steer);

/*
 * What `stgt-xdp detach` does when no process serves `name`: removes a killed process's link and
 * pins. 1 when there was something to remove, 0 when not; -EBUSY with the process's id when one is
 * alive, -EINVAL for what cannot be an interface's name.
 */
int steer_remove_stale(const char *name, struct error *err);

/* The program runs in the network core rather than the driver. */
bool steer_generic(const struct steer *steer);
enum steer_vlan steer_vlan(const struct steer *steer);
/* Link and pins were taken over from a process that was killed. */
bool steer_taken_over(const struct steer *steer);

/*
 * Frames still meet the program. The kernel tells nobody when somebody takes it off the interface
 * (`bpftool link detach`).
 */
bool steer_attached(const struct steer *steer);

/* Borrowed until steer_close(). */
const struct steer_maps *steer_maps(const struct steer *steer);

/* 0 or negative errno: -E2BIG when the map is full. Deleting what is not there is no error. */
int steer_export_set(struct steer *steer, const struct stgt_export_key *key, uint32_t flags);
int steer_export_del(struct steer *steer, const struct stgt_export_key *key);
int steer_acl_set(struct steer *steer, const struct stgt_acl_key *key, enum stgt_access access);
int steer_acl_del(struct steer *steer, const struct stgt_acl_key *key);

/* Frames of RX queue `queue` go to the AF_XDP socket `fd` from now on, or to the kernel again. */
int steer_xsk_set(struct steer *steer, unsigned int queue, int fd);
int steer_xsk_clear(struct steer *steer, unsigned int queue);

/* The interface was renamed: pins and lock go with it. On failure they stay; all else goes on. */
int steer_rename(struct steer *steer, const char *name);

/* The interface's MAC address changed. */
int steer_port_update(struct steer *steer, const uint8_t mac[6]);

/*
 * How many frames a second any one initiator may send; those beyond are dropped before anything
 * else is done with them. 0, which is what steer_open() begins with: any number.
 */
#define STEER_FLOOD_GUARD_MAX 10000000u
int steer_flood_guard_set(struct steer *steer, unsigned int frames);

#endif
