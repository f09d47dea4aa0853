/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading the steering program's maps: by the process that serves the interface, and through the
 * pins by any other, as whoever looks at what bpftool shows (`status` asks the process).
 *
 * Any thread. Iterating reads maps that change meanwhile: an entry may be missed or
 * come twice.
 */
#ifndef STGT_XDP_STEER_MAPS_H
#define STGT_XDP_STEER_MAPS_H

#include "base/error.h"
#include "stgt/abi.h"

/* File descriptors of the maps by name. */
struct steer_maps {
	int port, exports, acl, counters, initiators;
};

/*
 * Opens the maps that are pinned for `name`. -ENOENT: the interface is not served; -EPROTO: pinned
 * by a version of the program that this one cannot read. On error nothing is open.
 */
int steer_maps_open(const char *name, struct steer_maps *maps, struct error *err);
void steer_maps_close(struct steer_maps *maps);

/* Calls `found` for each interface that has pins, served or left behind; 0 or negative errno. */
int steer_maps_list(void (*found)(void *ctx, const char *name), void *ctx);

int steer_port_read(const struct steer_maps *maps, struct stgt_port *port);

/* Summed over the CPUs. 0 or negative errno. */
int steer_counters_read(const struct steer_maps *maps,
			struct stgt_counter counters[STGT_PROTOS][STGT_VERDICTS]);

/* "redirect", "pass-idle", "pass-foreign", "pass-short", "drop-acl", "drop-flood" */
const char *steer_verdict_name(enum stgt_verdict verdict);

/* Each entry, in no order; 0 or negative errno. */
int steer_exports_each(const struct steer_maps *maps,
		       void (*entry)(void *ctx, const struct stgt_export_key *key,
				     const struct stgt_export *value),
		       void *ctx);
/*
 * What the list of key's export says of key's MAC, or of everybody when it is not listed: exactly
 * what the program does with it. STGT_ACCESS_DENY also when the map cannot be read.
 */
enum stgt_access steer_acl_lookup(const struct steer_maps *maps, const struct stgt_acl_key *key);
/* The entry itself, whatever somebody wrote there. 0, -ENOENT or another negative errno. */
int steer_acl_get(const struct steer_maps *maps, const struct stgt_acl_key *key,
		  struct stgt_acl *value);
int steer_acl_each(const struct steer_maps *maps,
		   void (*entry)(void *ctx, const struct stgt_acl_key *key,
				 const struct stgt_acl *value),
		   void *ctx);
/* Counters summed over the CPUs, last_seen_ns the latest. */
int steer_initiators_each(const struct steer_maps *maps,
			  void (*entry)(void *ctx, const struct stgt_initiator_key *key,
					const struct stgt_initiator *value),
			  void *ctx);

#endif
