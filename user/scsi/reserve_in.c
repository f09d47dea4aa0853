/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PERSISTENT RESERVE IN (SPC-5 6.16): what registrations and reservations there are. */
#include "scsi/reserve.h"

#include <stdlib.h>
#include <string.h>

#define HEADER		8u
#define RESERVATION_LEN 16u
#define STATUS_LEN	24u /* of a full status descriptor without its TransportID */
#define R_HOLDER	0x01

/* REPORT CAPABILITIES */
#define CRH    0x10 /* RESERVE(6) of a registrant is tolerated: SPC-5 5.14.3 */
#define SIP_C  0x08
#define ATP_C  0x04
#define PTPL_C 0x01
#define TMV    0x80 /* the mask of types is valid */
#define ALLOWS 0x10 /* TEST UNIT READY is allowed */
#define PTPL_A 0x01

static uint32_t put_keys(const struct scsi_device *dev, const struct scsi_pr_table *table,
			 uint8_t *out)
{
	for (unsigned int i = 0; i < table->n; i++)
		put_be64(out + HEADER + 8 * i, table->list[i].key);
	return 8 * table->n;
}

static uint32_t put_reservation(const struct scsi_device *dev, const struct scsi_pr_table *table,
				uint8_t *out)
{
	if (!table->type)
		return 0;
	put_be64(out + HEADER, scsi_pr_type_all(table->type) ? 0 : table->list[table->holder].key);
	out[HEADER + 13] = (uint8_t)table->type;
	return RESERVATION_LEN;
}

static uint32_t put_full_status(const struct scsi_device *dev, const struct scsi_pr_table *table,
				uint8_t *out)
{
	uint8_t *at = out + HEADER;

	for (unsigned int i = 0; i < table->n; i++) {
		const struct scsi_registration *r = &table->list[i];

		put_be64(at, r->key);
		if (scsi_pr_holds(table, (int)i)) {
			at[12] = R_HOLDER;
			at[13] = (uint8_t)table->type;
		}
		put_be16(at + 18, scsi_pr_port_locked(dev, r));
		put_be32(at + 20, r->id_len);
		memcpy(at + STATUS_LEN, r->id, r->id_len);
		at += STATUS_LEN + r->id_len;
	}
	return (uint32_t)(at - out - HEADER);
}

/* Everything that begins with the generation and a length. */
static void list_in(struct scsi_device *dev, struct command *cmd,
		    uint32_t (*put)(const struct scsi_device *dev,
				    const struct scsi_pr_table *table, uint8_t *out))
{
	const struct scsi_reservations *r = dev->reservations;
	uint32_t len = 0;
	uint8_t *out;

	if (scsi_reserved_simply(dev)) {
		scsi_end(cmd, SCSI_RESERVATION_CONFLICT);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	out = calloc(1, HEADER + RESERVATION_LEN +
				r->current.n * (size_t)(STATUS_LEN + SCSI_TRANSPORT_ID_MAX));
	if (out) {
		len = put(dev, &r->current, out);
		put_be32(out, r->current.generation);
		put_be32(out + 4, len);
	}
	pthread_mutex_unlock(&dev->lock);
	if (!out)
		scsi_end(cmd, SCSI_BUSY);
	else
		scsi_return(cmd, out, HEADER + len, get_be16(cmd->scsi.cdb + 7));
	free(out);
}

void scsi_pr_in_read_keys(struct scsi_device *dev, struct command *cmd)
{
	list_in(dev, cmd, put_keys);
}

void scsi_pr_in_read_reservation(struct scsi_device *dev, struct command *cmd)
{
	list_in(dev, cmd, put_reservation);
}

void scsi_pr_in_read_full_status(struct scsi_device *dev, struct command *cmd)
{
	list_in(dev, cmd, put_full_status);
}

void scsi_pr_in_report_capabilities(struct scsi_device *dev, struct command *cmd)
{
	uint8_t out[8] = {0, 8, CRH | SIP_C | ATP_C, TMV | ALLOWS, 0xea, 0x01};

	if (scsi_reserved_simply(dev)) {
		scsi_end(cmd, SCSI_RESERVATION_CONFLICT);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	if (dev->state)
		out[2] |= PTPL_C;
	if (dev->reservations->current.kept)
		out[3] |= PTPL_A;
	pthread_mutex_unlock(&dev->lock);
	scsi_return(cmd, out, sizeof(out), get_be16(cmd->scsi.cdb + 7));
}
