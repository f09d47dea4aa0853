/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line of `attach`, read into what the target is asked for.
 *
 * Words are read in order. An interface named after an export begins a new group; exports belong to
 * the group they stand in, and --allow holds for the exports of the group before it that have no
 * list yet.
 */
#ifndef STGT_ATTACH_ARGS_H
#define STGT_ATTACH_ARGS_H

#include "target/target.h"

struct attach_group {
	struct interface_request *interfaces;
	unsigned int ninterfaces;
	struct export_request *exports;
	unsigned int nexports;
	unsigned int nallowed; /* of the exports, how many have their list */
};

struct attach_args {
	struct attach_group *groups;
	unsigned int ngroups;
	const char *state_dir;
	const char *exporter; /* ADDR:PORT, or NULL */
	const char *socket;   /* NULL: the default, or a free name beside it */
	enum steer_request xdp;
	unsigned int busy_poll_us;
	unsigned int flood_guard;
	bool help;
};

/* 0, or -EINVAL with the wrong word named. attach_args_fini() frees what was read either way. */
int attach_args_parse(int argc, char **argv, struct attach_args *args, struct error *err);
void attach_args_fini(struct attach_args *args);

#endif
