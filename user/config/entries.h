/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this module share about single entries. */
#ifndef STGT_CONFIG_ENTRIES_H
#define STGT_CONFIG_ENTRIES_H

#include "config/index.h"
#include "config/problems.h"

void config_iscsi_fini(struct config_iscsi *iscsi);
bool config_iscsi_access_equal(const struct config_iscsi *a, const struct config_iscsi *b);
bool config_portals_equal(const struct iscsi_portal *a, const struct iscsi_portal *b);
/* No portal group goes, which is a target port with initiators. */
bool config_iscsi_groups_stay(const struct config_iscsi *before, const struct config_iscsi *after);

/* check_iscsi.c: config_check_sense() for targets. 0 or -ENOMEM. */
int config_check_iscsi(const struct config_index *index, struct config_problems *problems);

#endif
