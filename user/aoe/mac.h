/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ethernet addresses as text and as what they may stand for. */
#ifndef STGT_AOE_MAC_H
#define STGT_AOE_MAC_H

#include "stgt/wire/eth.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_TEXT 18 /* "00:11:22:33:44:55" and its NUL */

/* Where a list may speak of everybody whom it does not name: "any", all ones. */
#define MAC_ANY_WORD "any"
extern const uint8_t mac_any[WIRE_MAC_LEN];

/* Exactly `len` characters at `text`, six pairs of hex digits between colons; else false. */
bool mac_parse(const char *text, size_t len, uint8_t mac[WIRE_MAC_LEN]);
void mac_format(const uint8_t mac[WIRE_MAC_LEN], char text[MAC_TEXT]);

/* The same, or "any" for mac_any. */
void mac_or_any_format(const uint8_t mac[WIRE_MAC_LEN], char text[MAC_TEXT]);

/* True when the address can be one station's: not a group address, not zero. */
bool mac_is_station(const uint8_t mac[WIRE_MAC_LEN]);

static inline bool mac_is_group(const uint8_t mac[WIRE_MAC_LEN])
{
	return mac[0] & 1;
}

bool mac_is_any(const uint8_t mac[WIRE_MAC_LEN]);

#endif
