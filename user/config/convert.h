/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the file's words to a configuration, and what is wrong with the sense of either. */
#ifndef STGT_CONFIG_CONVERT_H
#define STGT_CONFIG_CONVERT_H

#include "config/problems.h"
#include "config/schema.h"

/*
 * Takes texts out of `file` into `config`, which is empty, and reads numbers, sizes, addresses and
 * lists. What is wrong joins `problems`. 0 or -ENOMEM.
 */
int config_convert(struct file_config *file, struct config *config,
		   struct config_problems *problems);

/* The rest: what config_check() looks at, but for fields that are known as wrong. 0 or -ENOMEM. */
int config_check_sense(const struct config *config, struct config_problems *problems);

/* convert_iscsi.c: the same for iSCSI alone. */
int config_convert_iscsi(struct file_config *file, struct config *config,
			 struct config_problems *problems);

/* secrets.c: reads what `secret_file` names. 0 or -ENOMEM; other mistakes are in `problems`. */
int config_secrets_load(struct config *config, struct config_problems *problems);
/* check_iscsi.c: the two secrets must differ; `i` is the target's index, -1 for discovery. */
void config_check_secrets(const struct config_chap *chap, int i, struct config_problems *problems);
/* Warns of secrets that are too short, each with its line. */
void config_secrets_weigh(const struct config *config);
/* A secret stands in the configuration itself. */
bool config_has_secret(const struct config *config);

#endif
