/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What single words of the file are, and how they are written. Control thread. */
#ifndef STGT_CONFIG_WORDS_H
#define STGT_CONFIG_WORDS_H

#include "aoe/aoe.h"
#include <stdbool.h>
#include <stdint.h>

/* A decimal number and nothing else, at most `max`. */
bool config_number_parse(const char *text, uint64_t max, uint64_t *value);

/* The shortest way to write a size exactly: "64GiB", "1536". */
#define CONFIG_SIZE_TEXT 24
void config_size_format(uint64_t bytes, char text[CONFIG_SIZE_TEXT]);

/* "5", or "100.5" for two tags; `vlan` as in struct aoe_address. */
#define CONFIG_VLAN_TEXT 16
bool config_vlan_parse(const char *text, uint32_t *vlan);
void config_vlan_format(uint32_t vlan, char text[CONFIG_VLAN_TEXT]);

bool config_text_is_utf8(const char *text);
bool config_is_disk_name(const char *text);
bool config_is_interface_name(const char *text);
bool config_is_serial(const char *text);

#endif
