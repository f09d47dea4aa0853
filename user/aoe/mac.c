/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/mac.h"

#include "base/hex.h"
#include <string.h>

const uint8_t mac_any[WIRE_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

bool mac_parse(const char *text, size_t len, uint8_t mac[WIRE_MAC_LEN])
{
	if (len != MAC_TEXT - 1)
		return false;
	for (unsigned int i = 0; i < WIRE_MAC_LEN; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || (i < WIRE_MAC_LEN - 1 && text[2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void mac_format(const uint8_t mac[WIRE_MAC_LEN], char text[MAC_TEXT])
{
	for (unsigned int i = 0; i < WIRE_MAC_LEN; i++) {
		hex_format(&mac[i], 1, &text[3 * i]);
		text[3 * i + 2] = i < WIRE_MAC_LEN - 1 ? ':' : '\0';
	}
}

void mac_or_any_format(const uint8_t mac[WIRE_MAC_LEN], char text[MAC_TEXT])
{
	if (mac_is_any(mac))
		memcpy(text, MAC_ANY_WORD, sizeof(MAC_ANY_WORD));
	else
		mac_format(mac, text);
}

bool mac_is_any(const uint8_t mac[WIRE_MAC_LEN])
{
	return !memcmp(mac, mac_any, WIRE_MAC_LEN);
}

bool mac_is_station(const uint8_t mac[WIRE_MAC_LEN])
{
	static const uint8_t zero[WIRE_MAC_LEN];

	return !mac_is_group(mac) && memcmp(mac, zero, WIRE_MAC_LEN);
}
