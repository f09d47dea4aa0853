/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line of `serve`, read into what the target is asked for. --iscsi begins a target; the
 * options behind it are the target's, up to the next.
 */
#ifndef STGT_SERVE_ARGS_H
#define STGT_SERVE_ARGS_H

#include "target/target.h"

struct serve_target {
	const char *name;
	struct iscsi_portal *portals;
	unsigned int nportals;
	struct iscsi_rule *rules;
	unsigned int nrules;
	struct iscsi_auth auth;
	struct lun_request *luns;
	unsigned int nluns;
};

struct serve_group {
	uint16_t number; /* of a target port group */
	struct scsi_access_state access;
};

struct serve_args {
	struct serve_target *targets;
	unsigned int ntargets;
	struct serve_group *groups;
	unsigned int ngroups;
	const char *state_dir;
	const char *exporter; /* ADDR:PORT, or NULL */
	const char *socket;   /* NULL: the default, or a free name beside it */
};

/* 0; 1: --help; or -EINVAL with the wrong word named. serve_args_fini() frees what was read either
 * way. */
int serve_args_parse(int argc, char **argv, struct serve_args *args, struct error *err);
void serve_args_fini(struct serve_args *args);

#endif
