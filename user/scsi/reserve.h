/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reservations (SPC-5 5.14, SPC-2 5.5): what the files that make, tell and keep them share.
 *
 * A registration belongs to an initiator port and a target port, by their names: it outlives the
 * nexus and, with APTPL, the process, in which the target port may have another number. RESERVE(6)
 * and (10) belong to a nexus and end with it.
 */
#ifndef STGT_SCSI_RESERVE_H
#define STGT_SCSI_RESERVE_H

#include "scsi/device.h"

#define SCSI_REGISTRATIONS_MAX 256u

/* SPC-5 6.16.3.4; 0: there is no reservation. */
enum scsi_pr_type {
	SCSI_PR_NONE = 0,
	SCSI_PR_WRITE_EXCLUSIVE = 1,
	SCSI_PR_EXCLUSIVE_ACCESS = 3,
	SCSI_PR_WRITE_EXCLUSIVE_REGISTRANTS = 5,
	SCSI_PR_EXCLUSIVE_ACCESS_REGISTRANTS = 6,
	SCSI_PR_WRITE_EXCLUSIVE_ALL = 7,
	SCSI_PR_EXCLUSIVE_ACCESS_ALL = 8,
};

struct scsi_registration {
	uint64_t key;
	char port[SCSI_PORT_NAME_MAX]; /* the target port's name */
	uint16_t id_len;
	uint8_t id[SCSI_TRANSPORT_ID_MAX]; /* of the initiator port */
};

struct scsi_pr_table {
	uint32_t generation;
	enum scsi_pr_type type;
	int holder; /* whose the reservation is; of "all registrants" it is everybody's */
	bool kept;  /* over a restart: APTPL */
	unsigned int n;
	struct scsi_registration list[SCSI_REGISTRATIONS_MAX];
};

/*
 * `current` changes behind the unit's lock, and by the command only whose turn it is (changes.c),
 * which therefore reads it without.
 */
struct scsi_reservations {
	struct scsi_pr_table current, staged;
	struct scsi_it_l *simple; /* RESERVE(6) or (10), or NULL; behind the unit's lock */
};

bool scsi_pr_type_valid(uint8_t type);
/* Every registrant holds it. */
bool scsi_pr_type_all(enum scsi_pr_type type);
/* Registrants may do what the holder may. */
bool scsi_pr_type_registrants(enum scsi_pr_type type);

/* The registration of a nexus, or -1. */
int scsi_pr_find(const struct scsi_pr_table *table, const struct scsi_nexus *nexus);
bool scsi_pr_holds(const struct scsi_pr_table *table, int i);
int scsi_pr_find_port(const struct scsi_pr_table *table, const char *port, const uint8_t *id,
		      uint32_t id_len);
/* Registers, or gives a registration another key. -ENOSPC: there are too many. */
int scsi_pr_add(struct scsi_pr_table *table, uint64_t key, const char *port, const uint8_t *id,
		uint32_t id_len);
/* The relative identifier of a port that shows the unit now; 0: none. The unit's lock is held. */
uint16_t scsi_pr_port_locked(const struct scsi_device *dev, const struct scsi_registration *r);
/* Ends the reservation, too, if it was this one's, or everybody's and there is nobody left. */
void scsi_pr_remove(struct scsi_pr_table *table, unsigned int i);
void scsi_pr_copy(struct scsi_pr_table *to, const struct scsi_pr_table *from);

/*
 * The bytes of the TransportID (SPC-5 7.6.4) that `at` begins with, of at most `len`; 0: it is not
 * one of the protocol.
 */
uint32_t scsi_transport_id_length(const uint8_t *at, uint32_t len, uint8_t protocol);

/* The length of the initiator's name in an iSCSI one, from its fifth byte on. */
size_t scsi_transport_id_name(const uint8_t *id, uint32_t len);

/* Who is shut out now, of the nexuses and of those outside SCSI. The unit's lock is held. */
void scsi_reservations_enforce_locked(struct scsi_device *dev);

/* RESERVE(6) or (10) is in force: SPC-2 5.5.1 has all that is persistent refused meanwhile. */
bool scsi_reserved_simply(struct scsi_device *dev);

/* reserve_state.c */
#define SCSI_PR_SECTION "scsi_reservations"
json_t *scsi_reservations_describe(struct scsi_device *dev);
int scsi_reservations_load(struct scsi_device *dev, struct error *err);

#endif
