/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The target's parts, for the files of this module only. */
#ifndef STGT_TARGET_INTERNAL_H
#define STGT_TARGET_INTERNAL_H

#include "base/list.h"
#include "target/target.h"
#include "worker/worker.h"

struct target_export {
	struct list link;
	struct aoe_address addr;
	struct disk *disk;
	struct lu lu;
	struct state *state;
	struct ata_device *ata;
	struct aoe_export *aoe;
};

struct target_interface {
	struct list link;
	struct netif netif;
	struct interface_request request; /* its name is netif.name */
	struct steer *steer;
	struct worker **workers; /* one per RX queue */
	unsigned int nworkers;
	struct target_export **exports;
	struct aoe_export **aoe_exports; /* the same, as workers take them */
	unsigned int nexports;
};

struct target {
	struct target_options options;
	struct mailbox mailbox;
	int monitor;
	struct list disks;
	struct list exports;
	struct list interfaces;
};

/* Attaches and starts; on failure nothing of `interface` is left but its memory. */
int target_interface_start(struct target *target, struct target_interface *interface,
			   struct error *err);
void target_interface_stop(struct target *target, struct target_interface *interface);
/* Runs `fn` on every worker of the interface, one after the other. */
void target_interface_run(struct target_interface *interface,
			  void (*fn)(const struct worker_view *view, void *arg), void *arg);
void target_interface_announce(struct target_interface *interface);
/* Follows what the kernel says changed: MTU, MAC. */
void target_interface_changed(struct target_interface *interface, const struct netif_event *event);

#endif
