/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What initiators set on an export (AoEr11 3.2 to 3.4): its configuration string, the list of MACs
 * that it listens to and the list of MACs that it is reserved for. Plain values: whoever shares
 * them brings the lock.
 */
#ifndef STGT_AOE_SETTINGS_H
#define STGT_AOE_SETTINGS_H

#include "base/error.h"
#include "stgt/wire/aoe.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AOE_MACS_MAX 255

_Static_assert(AOE_MASK_MAX == AOE_MACS_MAX && AOE_RESERVE_MAX == AOE_MACS_MAX, "one list type");

struct aoe_macs {
	unsigned int count;
	uint8_t macs[AOE_MACS_MAX][WIRE_MAC_LEN];
};

struct aoe_settings {
	unsigned int config_len;
	uint8_t config[AOE_CONFIG_MAX];
	struct aoe_macs masks;
	struct aoe_macs reserves;
};

bool aoe_macs_has(const struct aoe_macs *list, const uint8_t mac[WIRE_MAC_LEN]);

/* Adds the MAC unless it is there; false when the list is full. */
bool aoe_macs_add(struct aoe_macs *list, const uint8_t mac[WIRE_MAC_LEN]);

/* Takes the MAC out if it is there. */
void aoe_macs_delete(struct aoe_macs *list, const uint8_t mac[WIRE_MAC_LEN]);

bool aoe_settings_equal(const struct aoe_settings *a, const struct aoe_settings *b);

/*
 * The state file's section "aoe": {"config": hex digits, "masks": [MAC...], "reserves": [MAC...]}.
 * Saving yields a new reference, or NULL when memory is short. Loading takes absent members for
 * empty; -EINVAL names the member that makes no sense.
 */
json_t *aoe_settings_save(const struct aoe_settings *settings);
int aoe_settings_load(const json_t *section, struct aoe_settings *settings, struct error *err);

#endif
