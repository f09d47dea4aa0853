/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each initiator asked of each export of a port, and how long it took: a table of fixed size
 * of the pairs that occur. When it is full, newcomers are counted together, as their export's
 * `others`, until a pair has been silent for so long that nobody misses it. Its numbers then go to
 * its export's `silent` and not to `others`, where they would look like something that happens now.
 *
 * Time is read once for all replies of a worker's turn, not once a reply: a reply waits here for
 * aoe_port_stamp(). The port's thread only.
 */
#ifndef STGT_AOE_PAIRS_H
#define STGT_AOE_PAIRS_H

#include "aoe/initiator.h"

#define AOE_PAIRS	   2048u
#define AOE_PAIR_BUCKETS   2048u
#define AOE_PAIR_SILENT_NS (600ull * 1000 * 1000 * 1000)

struct aoe_served;

struct aoe_pair {
	struct aoe_served *served; /* NULL: nobody's */
	uint64_t initiator;	   /* its nexus.id */
	uint8_t mac[WIRE_MAC_LEN]; /* all 0: an export's `others`, which are in no table */
	uint64_t heard_ns;
	unsigned int inflight; /* requests and replies that point here */
	struct lu_op_stats ops[LU_OPS];
	struct list bucket;
	struct list recent;
};

/* A request that was answered and not stamped yet. */
struct aoe_replied {
	struct aoe_pair *pair;
	uint64_t taken_ns;
	uint32_t bytes;
	uint8_t op;
	bool failed;
};

struct aoe_pairs {
	struct aoe_pair *all;
	unsigned int used; /* the first so many were used once */
	struct list buckets[AOE_PAIR_BUCKETS];
	struct list recent; /* nobody's, then least recently heard first */
	struct aoe_replied *replied;
	unsigned int nreplied, replied_max;
};

/* For a port of `requests`. 0 or -ENOMEM. */
int aoe_pairs_init(struct aoe_pairs *pairs, unsigned int requests);
void aoe_pairs_fini(struct aoe_pairs *pairs);

/*
 * The initiator's pair with the export, or the export's `others`, for one request more, until
 * aoe_pair_replied() or aoe_pair_put().
 */
struct aoe_pair *aoe_pair_get(struct aoe_pairs *pairs, struct aoe_initiator *initiator,
			      struct aoe_served *served, uint64_t now_ns);
/* The request ends without an answer and is not counted. */
void aoe_pair_put(struct aoe_pair *pair);
/* The request, whose pair this ends the use of, is being answered. */
void aoe_pair_replied(struct aoe_pairs *pairs, const struct aoe_replied *replied);

/* The export is no longer this port's. */
void aoe_pairs_forget(struct aoe_pairs *pairs, const struct aoe_served *served);

#endif
