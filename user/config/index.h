/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A configuration's entries sorted by what tells them apart; those of the same name stand in the
 * file's order. Valid for as long as the configuration is not changed.
 */
#ifndef STGT_CONFIG_INDEX_H
#define STGT_CONFIG_INDEX_H

#include "config/config.h"

struct config_index {
	const struct config *config;
	const struct config_disk **disks;	    /* by name */
	const struct config_interface **interfaces; /* by name */
	const struct config_aoe **aoe;		    /* by VLAN and address */
	const struct config_iscsi **iscsi;	    /* by name */
	const struct config_limit **limits;	    /* by MAC */
};

/* 0 or -ENOMEM; config_index_fini() in either case. */
int config_index_build(struct config_index *index, const struct config *config);
void config_index_fini(struct config_index *index);

/* NULL when there is none. */
const struct config_disk *config_index_disk(const struct config_index *index, const char *name);
const struct config_interface *config_index_interface(const struct config_index *index,
						      const char *name);
const struct config_aoe *config_index_aoe(const struct config_index *index,
					  const struct aoe_address *addr);
const struct config_iscsi *config_index_iscsi(const struct config_index *index, const char *name);
const struct config_limit *config_index_limit(const struct config_index *index,
					      const uint8_t mac[6]);

#endif
