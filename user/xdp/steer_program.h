/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The steering program before it is attached, and what a killed process left. For steer.c. */
#ifndef STGT_XDP_STEER_PROGRAM_H
#define STGT_XDP_STEER_PROGRAM_H

#include "stgt/abi.h"
#include "xdp/netif.h"
#include "xdp/steer_maps.h"
#include <stdbool.h>

struct bpf_object;

/* What a process that was killed left for the interface; -1 for what is not there. */
struct steer_leftover {
	int link;	      /* attached to `ifindex`, by the program `prog_id` */
	unsigned int ifindex; /* 0: the interface is gone */
	unsigned int prog_id;
	int counters, initiators; /* of our STGT_ABI_VERSION: we can go on with them */
	bool has_port;
	struct stgt_port port; /* of another version: what stands before flood_guard */
};

/* Reads the pins; never fails: what cannot be read is not there. */
void steer_leftover_open(const char *name, struct steer_leftover *left);
void steer_leftover_close(struct steer_leftover *left);

struct steer_variant {
	bool generic;
	bool read_tag; /* bound to the interface, reads stripped tags from the driver */
};

struct steer_program {
	struct bpf_object *object; /* NULL: none is loaded. It owns what follows. */
	int fd;
	struct steer_maps maps;
	int xsks;
};

/*
 * Loads the program for `netif`; counters and initiators are the leftover's where it has them. On
 * error (negative errno, `err` set) `program` holds nothing.
 */
int steer_program_load(const struct netif *netif, const struct steer_variant *variant,
		       const struct steer_leftover *left, struct steer_program *program,
		       struct error *err);
void steer_program_close(struct steer_program *program);

/*
 * What runs on the interface now: the program's id or 0, and whether in the network core. Negative
 * errno.
 */
int steer_program_query(unsigned int ifindex, unsigned int *prog_id, bool *generic);

#endif
