/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reservations as the document of `status` shows them. */
#include "scsi/reserve.h"

#include "base/hex.h"
#include "base/json_text.h"
#include <inttypes.h>
#include <string.h>

static const char *const types[] = {
	[SCSI_PR_NONE] = "none",
	[SCSI_PR_WRITE_EXCLUSIVE] = "write exclusive",
	[SCSI_PR_EXCLUSIVE_ACCESS] = "exclusive access",
	[SCSI_PR_WRITE_EXCLUSIVE_REGISTRANTS] = "write exclusive, registrants only",
	[SCSI_PR_EXCLUSIVE_ACCESS_REGISTRANTS] = "exclusive access, registrants only",
	[SCSI_PR_WRITE_EXCLUSIVE_ALL] = "write exclusive, all registrants",
	[SCSI_PR_EXCLUSIVE_ACCESS_ALL] = "exclusive access, all registrants",
};

/* An iSCSI initiator's name; of other protocols the TransportID in hexadecimal. */
static json_t *initiator_json(const uint8_t *id, uint32_t len)
{
	char text[2 * SCSI_TRANSPORT_ID_MAX + 1];

	if ((id[0] & 0xf) == SCSI_PROTOCOL_ISCSI && len > 4)
		snprintf(text, sizeof(text), "%.*s", (int)scsi_transport_id_name(id, len), id + 4);
	else
		hex_format(id, len, text);
	return json_text(text);
}

static json_t *registration_json(const struct scsi_device *dev, unsigned int i)
{
	const struct scsi_pr_table *table = &dev->reservations->current;
	const struct scsi_registration *r = &table->list[i];
	char key[19];

	snprintf(key, sizeof(key), "0x%016" PRIx64, r->key);
	return json_pack("{s:o, s:i, s:s, s:b}", "initiator", initiator_json(r->id, r->id_len),
			 "port", (int)scsi_pr_port_locked(dev, r), "key", key, "holder",
			 scsi_pr_holds(table, (int)i));
}

json_t *scsi_device_reservation(struct scsi_device *dev)
{
	const struct scsi_reservations *r = dev->reservations;
	json_t *list = json_array(), *holder = json_null();
	const char *type;
	bool kept;

	pthread_mutex_lock(&dev->lock);
	kept = r->current.kept;
	type = r->simple ? "RESERVE" : types[r->current.type];
	if (r->simple)
		holder = initiator_json(r->simple->nexus->transport_id,
					r->simple->nexus->config.transport_id_len);
	for (unsigned int i = 0; i < r->current.n; i++)
		json_array_append_new(list, registration_json(dev, i));
	pthread_mutex_unlock(&dev->lock);
	return json_pack("{s:s, s:o, s:o, s:b, s:I}", "type", type, "reserved_by", holder,
			 "registrations", list, "aptpl", kept, "conflicts",
			 (json_int_t)atomic_load(&dev->conflicts));
}
