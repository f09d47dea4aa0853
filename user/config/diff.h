/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef STGT_CONFIG_DIFF_H
#define STGT_CONFIG_DIFF_H

#include "config/index.h"

/* The step's line for people, which the caller frees; NULL when out of memory. */
char *config_step_text(const struct config_step *step, const struct config *wanted);

/* How large a disk that runs is, as far as is known. */
uint64_t config_disk_bytes(const struct config_disk *disk);

#endif
