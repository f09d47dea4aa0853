/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/aoe.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VLAN_MAX   4094
#define SHELF_MAX  65534
#define SHELF_HOLE 4095 /* "any" of initiators that keep the shelf in 12 bits */
#define SLOT_MAX   254

/* Reads the decimal number at *at, ended by `end`, and steps over both; false otherwise. */
static bool address_number(const char **at, char end, unsigned int *value)
{
	unsigned int digits = 0;

	*value = 0;
	for (; isdigit((unsigned char)**at); (*at)++, digits++) {
		if (digits == 5)
			return false;
		*value = *value * 10 + (unsigned int)(**at - '0');
	}
	if (!digits || **at != end)
		return false;
	if (end)
		(*at)++;
	return true;
}

static int address_parse_vlan(const char *text, const char *colon, uint32_t *vlan,
			      struct error *err)
{
	unsigned int outer = 0, vid;
	const char *at = text;

	if (address_number(&at, '.', &outer)) {
		if (outer < 1 || outer > VLAN_MAX)
			return error_set(err, EINVAL, "VLAN %u in '%s' is not within 1..%d", outer,
					 text, VLAN_MAX);
	} else {
		at = text;
		outer = 0;
	}
	if (!address_number(&at, ':', &vid) || at != colon + 1)
		return error_set(err, EINVAL, "'%.*s' in '%s' is not a VLAN (VID or OUTER.INNER)",
				 (int)(colon - text), text, text);
	if (vid < 1 || vid > VLAN_MAX)
		return error_set(err, EINVAL, "VLAN %u in '%s' is not within 1..%d", vid, text,
				 VLAN_MAX);
	*vlan = outer << 12 | vid;
	return 0;
}

int aoe_address_parse(const char *text, struct aoe_address *addr, struct error *err)
{
	const char *colon = strchr(text, ':');
	const char *at = colon ? colon + 1 : text;
	unsigned int shelf, slot;

	addr->vlan = 0;
	if (colon && address_parse_vlan(text, colon, &addr->vlan, err))
		return -EINVAL;
	if (!address_number(&at, '.', &shelf) || !address_number(&at, '\0', &slot))
		return error_set(err, EINVAL,
				 "'%s' is not an AoE address ([[OUTER.]VLAN:]SHELF.SLOT, like 7.1)",
				 text);
	if (shelf > SHELF_MAX || shelf == SHELF_HOLE)
		return error_set(err, EINVAL, "shelf %u in '%s' cannot be used (0..%d, except %d)",
				 shelf, text, SHELF_MAX, SHELF_HOLE);
	if (slot > SLOT_MAX)
		return error_set(err, EINVAL, "slot %u in '%s' is not within 0..%d", slot, text,
				 SLOT_MAX);
	addr->shelf = (uint16_t)shelf;
	addr->slot = (uint8_t)slot;
	return 0;
}

void aoe_address_format(const struct aoe_address *addr, char text[AOE_ADDRESS_TEXT])
{
	uint32_t outer = addr->vlan >> 12, vid = addr->vlan & WIRE_VID_MASK;

	if (outer)
		snprintf(text, AOE_ADDRESS_TEXT, "%u.%u:%u.%u", outer, vid, addr->shelf,
			 addr->slot);
	else if (vid)
		snprintf(text, AOE_ADDRESS_TEXT, "%u:%u.%u", vid, addr->shelf, addr->slot);
	else
		snprintf(text, AOE_ADDRESS_TEXT, "%u.%u", addr->shelf, addr->slot);
}

bool aoe_address_equal(const struct aoe_address *a, const struct aoe_address *b)
{
	return a->vlan == b->vlan && a->shelf == b->shelf && a->slot == b->slot;
}
