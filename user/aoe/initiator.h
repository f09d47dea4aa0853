/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The initiators that a port has heard: a table of fixed size, the least recently heard of which
 * makes room for a new one. One with requests in flight stays. The port's thread only.
 */
#ifndef STGT_AOE_INITIATOR_H
#define STGT_AOE_INITIATOR_H

#include "aoe/aoe.h"

#define AOE_INITIATORS	      1024u /* in the table, or as many as may have requests in flight */
#define AOE_INITIATOR_BUCKETS 1024u

struct aoe_pair;

struct aoe_initiator {
	struct nexus nexus;
	struct aoe_pair *pair; /* its last one; see pairs.h */
	struct aoe_initiator_stats stats;
	unsigned int inflight; /* requests that point here */
	unsigned int held;     /* of those, the ones whose reply is to wait */
	struct list bucket;
	struct list recent;
};

struct aoe_initiators {
	struct aoe_initiator *all;
	unsigned int size;
	unsigned int used; /* the first so many; an entry once used never goes back */
	struct list buckets[AOE_INITIATOR_BUCKETS];
	struct list recent; /* never used ones, then least recently heard first */
};

/* For a port of `requests`. 0 or -ENOMEM. */
int aoe_initiators_init(struct aoe_initiators *table, unsigned int requests);
void aoe_initiators_fini(struct aoe_initiators *table);

/*
 * The initiator with this MAC on this VLAN, known from now on at the latest. Never NULL: the table
 * is larger than the number of requests that can hold on to an entry.
 */
struct aoe_initiator *aoe_initiator_heard(struct aoe_initiators *table,
					  const uint8_t mac[WIRE_MAC_LEN], uint32_t vlan,
					  uint64_t now_ns);

#endif
