/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is registered, who holds a reservation, and what that keeps others from. A nexus's share of
 * it is worked out when something changes, so that a command looks at one number.
 */
#include "scsi/reserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* In scsi_it_l.excluded: what a nexus must not do. */
#define EXCLUDED_WRITES	    1u
#define EXCLUDED_READS	    2u
#define EXCLUDED_EVERYTHING 4u

#define TRANSPORT_ID_FIXED 24u
#define ISCSI_ISID	   ",i,0x" /* between an initiator's name and its ISID */

/* ---- types ---- */

bool scsi_pr_type_valid(uint8_t type)
{
	return type <= SCSI_PR_EXCLUSIVE_ACCESS_ALL && 1u << type & 0x1ea;
}

bool scsi_pr_type_all(enum scsi_pr_type type)
{
	return type == SCSI_PR_WRITE_EXCLUSIVE_ALL || type == SCSI_PR_EXCLUSIVE_ACCESS_ALL;
}

bool scsi_pr_type_registrants(enum scsi_pr_type type)
{
	return type >= SCSI_PR_WRITE_EXCLUSIVE_REGISTRANTS;
}

static bool excludes_reads(enum scsi_pr_type type)
{
	return type == SCSI_PR_EXCLUSIVE_ACCESS || type == SCSI_PR_EXCLUSIVE_ACCESS_REGISTRANTS ||
	       type == SCSI_PR_EXCLUSIVE_ACCESS_ALL;
}

/* ---- TransportIDs ---- */

uint32_t scsi_transport_id_length(const uint8_t *at, uint32_t len, uint8_t protocol)
{
	uint32_t size = TRANSPORT_ID_FIXED;

	if (len < TRANSPORT_ID_FIXED || (at[0] & 0xf) != protocol)
		return 0;
	if (protocol == SCSI_PROTOCOL_ISCSI) {
		size = 4u + get_be16(at + 2);
		if (size < TRANSPORT_ID_FIXED || size > len || size % 4 || at[0] >> 6 > 1 ||
		    !memchr(at + 4, 0, size - 4))
			return 0;
	}
	return size <= SCSI_TRANSPORT_ID_MAX ? size : 0;
}

size_t scsi_transport_id_name(const uint8_t *id, uint32_t len)
{
	size_t n = strnlen((const char *)id + 4, len - 4);
	const uint8_t *isid = memmem(id + 4, n, ISCSI_ISID, strlen(ISCSI_ISID));

	return isid ? (size_t)(isid - id - 4) : n;
}

/* How well two TransportIDs fit. */
enum fit {
	FIT_NOT,
	FIT_NAME, /* one of them is without an ISID, and means every port of the initiator */
	FIT_PORT,
};

/* What follows an iSCSI initiator's name: its ISID, if there is one. */
static const char *isid_of(const uint8_t *id, uint32_t len, size_t *n)
{
	size_t name = scsi_transport_id_name(id, len);

	*n = strnlen((const char *)id + 4, len - 4) - name;
	return (const char *)id + 4 + name;
}

static enum fit fit_iscsi(const struct scsi_registration *r, const uint8_t *id, uint32_t len)
{
	size_t n = scsi_transport_id_name(r->id, r->id_len), a_len, b_len;
	const char *a = isid_of(r->id, r->id_len, &a_len), *b = isid_of(id, len, &b_len);

	if (n != scsi_transport_id_name(id, len) ||
	    strncasecmp((const char *)r->id + 4, (const char *)id + 4, n))
		return FIT_NOT;
	if (!a_len != !b_len)
		return FIT_NAME;
	return a_len == b_len && !strncasecmp(a, b, a_len) ? FIT_PORT : FIT_NOT;
}

static enum fit fit_of(const struct scsi_registration *r, const uint8_t *id, uint32_t len)
{
	if (r->id[0] % 16 == SCSI_PROTOCOL_ISCSI && id[0] % 16 == SCSI_PROTOCOL_ISCSI)
		return fit_iscsi(r, id, len);
	return r->id_len == len && !memcmp(r->id, id, len) ? FIT_PORT : FIT_NOT;
}

/* ---- the table ---- */

int scsi_pr_find_port(const struct scsi_pr_table *table, const char *port, const uint8_t *id,
		      uint32_t id_len)
{
	enum fit best = FIT_NOT;
	int found = -1;

	for (unsigned int i = 0; i < table->n; i++) {
		const struct scsi_registration *r = &table->list[i];
		enum fit fit = strcmp(r->port, port) ? FIT_NOT : fit_of(r, id, id_len);

		if (fit <= best)
			continue;
		best = fit;
		found = (int)i;
	}
	return found;
}

int scsi_pr_find(const struct scsi_pr_table *table, const struct scsi_nexus *nexus)
{
	return scsi_pr_find_port(table, nexus->target->config.port_name, nexus->transport_id,
				 nexus->config.transport_id_len);
}

bool scsi_pr_holds(const struct scsi_pr_table *table, int i)
{
	return table->type && i >= 0 && (scsi_pr_type_all(table->type) || table->holder == i);
}

int scsi_pr_add(struct scsi_pr_table *table, uint64_t key, const char *port, const uint8_t *id,
		uint32_t id_len)
{
	int i = scsi_pr_find_port(table, port, id, id_len);
	struct scsi_registration *r;

	if (i < 0 && table->n == SCSI_REGISTRATIONS_MAX)
		return -ENOSPC;
	r = &table->list[i < 0 ? (int)table->n++ : i];
	r->key = key;
	if (i >= 0)
		return 0;
	snprintf(r->port, sizeof(r->port), "%s", port);
	r->id_len = (uint16_t)id_len;
	memcpy(r->id, id, id_len);
	return 0;
}

uint16_t scsi_pr_port_locked(const struct scsi_device *dev, const struct scsi_registration *r)
{
	const struct scsi_lun *lun;

	list_for_each_entry (lun, &dev->shown, link)
		if (!strcmp(lun->target->config.port_name, r->port))
			return lun->target->config.relative_port;
	return 0;
}

void scsi_pr_remove(struct scsi_pr_table *table, unsigned int i)
{
	table->n--;
	memmove(&table->list[i], &table->list[i + 1], (table->n - i) * sizeof(table->list[0]));
	if (!table->n || (!scsi_pr_type_all(table->type) && table->holder == (int)i))
		table->type = SCSI_PR_NONE;
	/* Of what is everybody's the next one is as good, and there is always one. */
	if (table->holder == (int)i)
		table->holder = 0;
	else if (table->holder > (int)i)
		table->holder--;
}

void scsi_pr_copy(struct scsi_pr_table *to, const struct scsi_pr_table *from)
{
	memcpy(to, from, offsetof(struct scsi_pr_table, list) + from->n * sizeof(from->list[0]));
}

/* ---- what is enforced ---- */

static unsigned int excluded_of(const struct scsi_reservations *r, const struct scsi_it_l *it_l)
{
	const struct scsi_pr_table *table = &r->current;
	int i;

	if (r->simple)
		return r->simple->nexus != it_l->nexus ? EXCLUDED_EVERYTHING : 0;
	if (!table->type)
		return 0;
	i = scsi_pr_find(table, it_l->nexus);
	if (scsi_pr_holds(table, i) || (i >= 0 && scsi_pr_type_registrants(table->type)))
		return 0;
	return EXCLUDED_WRITES | (excludes_reads(table->type) ? EXCLUDED_READS : 0);
}

void scsi_reservations_admit_locked(struct scsi_it_l *it_l)
{
	atomic_store(&it_l->excluded, excluded_of(it_l->dev->reservations, it_l));
}

static void enforce_outside(struct scsi_device *dev)
{
	const struct scsi_reservations *r = dev->reservations;
	enum lu_exclusion outside = LU_OPEN;

	if (r->simple || excludes_reads(r->current.type))
		outside = LU_EXCLUSIVE;
	else if (r->current.type)
		outside = LU_READ_ONLY;
	lu_exclude(dev->lu, outside);
}

void scsi_reservations_enforce_locked(struct scsi_device *dev)
{
	struct scsi_it_l *it_l;

	list_for_each_entry (it_l, &dev->it_ls, link)
		scsi_reservations_admit_locked(it_l);
	enforce_outside(dev);
}

/* SBC-4 table 13, SPC-5 table 68: of some commands only what they would change is refused. */
static bool harmless(const uint8_t *cdb)
{
	switch (cdb[0]) {
	case 0x1b: /* START STOP UNIT that starts */
		return cdb[4] & 0x01 && !(cdb[4] & 0xf0);
	case 0x1e: /* PREVENT ALLOW MEDIUM REMOVAL that allows */
		return !(cdb[4] & 0x03);
	default:
		return false;
	}
}

bool scsi_reservation_conflicts(const struct command *cmd)
{
	return scsi_reservation_excludes(cmd->scsi.it_l, cmd->scsi.opcode->flags) &&
	       !harmless(cmd->scsi.cdb);
}

bool scsi_reservation_excludes(const struct scsi_it_l *it_l, unsigned int flags)
{
	unsigned int excluded = atomic_load_explicit(&it_l->excluded, memory_order_relaxed);

	if (!excluded)
		return false;
	if (excluded & EXCLUDED_EVERYTHING)
		return !(flags & (SCSI_ANY_LUN | SCSI_PAST_RESERVE));
	return flags & (SCSI_WRITES | SCSI_SHY) ||
	       (excluded & EXCLUDED_READS && flags & (SCSI_READS | SCSI_LOOKS));
}

bool scsi_reserved_simply(struct scsi_device *dev)
{
	bool reserved;

	pthread_mutex_lock(&dev->lock);
	reserved = dev->reservations->simple != NULL;
	pthread_mutex_unlock(&dev->lock);
	return reserved;
}

void scsi_reservations_forget_locked(struct scsi_it_l *it_l)
{
	if (it_l->dev->reservations->simple != it_l)
		return;
	it_l->dev->reservations->simple = NULL;
	scsi_reservations_enforce_locked(it_l->dev);
}

void scsi_reservations_reset_locked(struct scsi_device *dev)
{
	dev->reservations->simple = NULL;
	scsi_reservations_enforce_locked(dev);
}

/* ---- life ---- */

int scsi_reservations_open(struct scsi_device *dev, struct error *err)
{
	int ret = 0;

	/* Of its many pages only those that are used are ever touched. */
	dev->reservations = calloc(1, sizeof(*dev->reservations));
	if (!dev->reservations)
		return error_set(err, ENOMEM, "out of memory");
	if (dev->state)
		ret = scsi_reservations_load(dev, err);
	scsi_reservations_enforce_locked(dev);
	return ret;
}

void scsi_reservations_close(struct scsi_device *dev)
{
	if (dev->reservations)
		lu_exclude(dev->lu, LU_OPEN);
	free(dev->reservations);
}
