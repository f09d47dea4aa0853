/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reservations over a restart (APTPL): section "scsi_reservations" of the unit's state.
 *
 *	{ "type": 1, "holder": 0,
 *	  "registrations": [ { "key": "00000000000000ab", "port": "iqn...,t,0x0001",
 *	                        "id": "0500..." } ] }
 *
 * Keys are 16 hexadecimal digits, ports names of target ports, identifiers TransportIDs in
 * hexadecimal.
 */
#include "scsi/reserve.h"

#include "base/hex.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static json_t *registration_describe(const struct scsi_registration *r)
{
	char id[2 * SCSI_TRANSPORT_ID_MAX + 1], key[17];

	snprintf(key, sizeof(key), "%016" PRIx64, r->key);
	hex_format(r->id, r->id_len, id);
	return json_pack("{s:s, s:s, s:s}", "key", key, "port", r->port, "id", id);
}

json_t *scsi_reservations_describe(struct scsi_device *dev)
{
	const struct scsi_pr_table *table = &dev->reservations->staged;
	unsigned int n = table->kept ? table->n : 0;
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++) {
		if (json_array_append_new(list, registration_describe(&table->list[i]))) {
			json_decref(list);
			return NULL;
		}
	}
	/* Fails, giving up `list`, when that is NULL. */
	return json_pack("{s:i, s:i, s:o}", "type", n ? (int)table->type : 0, "holder",
			 table->holder, "registrations", list);
}

static bool registration_load(struct scsi_pr_table *table, const json_t *value)
{
	struct scsi_registration *r = &table->list[table->n];
	const char *key, *port, *id;
	size_t key_len, port_len, id_len;
	uint8_t bytes[sizeof(r->key)];

	if (table->n == SCSI_REGISTRATIONS_MAX ||
	    json_unpack((json_t *)value, "{s:s%, s:s%, s:s%}", "key", &key, &key_len, "port", &port,
			&port_len, "id", &id, &id_len) ||
	    key_len != 2 * sizeof(bytes) || !hex_parse(key, key_len, bytes, sizeof(bytes)) ||
	    port_len >= sizeof(r->port) || !hex_parse(id, id_len, r->id, sizeof(r->id)))
		return false;
	r->key = get_be64(bytes);
	memcpy(r->port, port, port_len + 1);
	r->id_len = (uint16_t)(id_len / 2);
	if (!r->key || !r->id_len ||
	    scsi_transport_id_length(r->id, r->id_len, r->id[0] & 0xf) != r->id_len ||
	    scsi_pr_find_port(table, r->port, r->id, r->id_len) >= 0)
		return false;
	table->n++;
	return true;
}

static bool table_load(struct scsi_pr_table *table, const json_t *section)
{
	json_t *list, *value;
	int type, holder;
	size_t i;

	if (json_unpack((json_t *)section, "{s:i, s:i, s:o}", "type", &type, "holder", &holder,
			"registrations", &list) ||
	    !json_is_array(list))
		return false;
	json_array_foreach (list, i, value)
		if (!registration_load(table, value))
			return false;
	table->kept = table->n != 0;
	table->type = (enum scsi_pr_type)type;
	table->holder = holder;
	return !type || (type > 0 && type <= UINT8_MAX && scsi_pr_type_valid((uint8_t)type) &&
			 holder >= 0 && holder < (int)table->n);
}

int scsi_reservations_load(struct scsi_device *dev, struct error *err)
{
	const json_t *section = state_section(dev->state, SCSI_PR_SECTION);

	if (section && !table_load(&dev->reservations->current, section))
		return error_set(err, EINVAL,
				 "the state's section '" SCSI_PR_SECTION
				 "' is not one that this program writes");
	return 0;
}
