/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int aoe_pairs_init(struct aoe_pairs *pairs, unsigned int requests)
{
	pairs->used = 0;
	pairs->nreplied = 0;
	pairs->replied_max = requests;
	pairs->all = calloc(AOE_PAIRS, sizeof(*pairs->all));
	pairs->replied = calloc(requests, sizeof(*pairs->replied));
	if (!pairs->all || !pairs->replied) {
		aoe_pairs_fini(pairs);
		return -ENOMEM;
	}
	list_init(&pairs->recent);
	for (unsigned int i = 0; i < AOE_PAIR_BUCKETS; i++)
		list_init(&pairs->buckets[i]);
	for (unsigned int i = 0; i < AOE_PAIRS; i++) {
		list_init(&pairs->all[i].bucket);
		list_add_tail(&pairs->recent, &pairs->all[i].recent);
	}
	return 0;
}

void aoe_pairs_fini(struct aoe_pairs *pairs)
{
	free(pairs->replied);
	free(pairs->all);
}

static struct list *bucket_of(struct aoe_pairs *pairs, uint64_t initiator,
			      const struct aoe_served *served)
{
	uint64_t key = initiator ^ (uint64_t)(uintptr_t)served << 16;

	_Static_assert(AOE_PAIR_BUCKETS == 1u << 11, "the hash keeps 11 bits");
	return &pairs->buckets[key * 0x9e3779b97f4a7c15ull >> 53];
}

static void pair_fold(struct aoe_pair *pair)
{
	for (unsigned int op = 0; op < LU_OPS; op++)
		lu_op_add(&pair->served->silent[op], &pair->ops[op]);
}

/* An entry for a new pair; NULL: all are in use. */
static struct aoe_pair *pair_take(struct aoe_pairs *pairs, uint64_t now_ns)
{
	struct aoe_pair *pair = container_of(pairs->recent.next, struct aoe_pair, recent);

	if (pair->served && (pair->inflight || now_ns - pair->heard_ns < AOE_PAIR_SILENT_NS))
		return NULL;
	if (pair->served)
		pair_fold(pair);
	if (pair == &pairs->all[pairs->used])
		pairs->used++;
	list_del(&pair->bucket);
	memset(pair->ops, 0, sizeof(pair->ops));
	return pair;
}

struct aoe_pair *aoe_pair_get(struct aoe_pairs *pairs, struct aoe_initiator *initiator,
			      struct aoe_served *served, uint64_t now_ns)
{
	uint64_t id = initiator->nexus.id;
	struct aoe_pair *pair = initiator->pair;
	struct list *bucket;

	/* Entries are never freed, so the initiator's last one may be looked at, whosever it is. */
	if (pair && pair->served == served && pair->initiator == id)
		goto found;
	bucket = bucket_of(pairs, id, served);
	list_for_each_entry (pair, bucket, bucket)
		if (pair->served == served && pair->initiator == id)
			goto found;
	pair = pair_take(pairs, now_ns);
	if (!pair) {
		served->others.served = served;
		served->others.inflight++;
		return &served->others;
	}
	pair->served = served;
	pair->initiator = id;
	memcpy(pair->mac, initiator->stats.mac, WIRE_MAC_LEN);
	list_add_head(bucket, &pair->bucket);
found:
	initiator->pair = pair;
	pair->heard_ns = now_ns;
	pair->inflight++;
	list_del(&pair->recent);
	list_add_tail(&pairs->recent, &pair->recent);
	return pair;
}

void aoe_pair_put(struct aoe_pair *pair)
{
	pair->inflight--;
}

/* Counts the replies since the last call as given at this time. */
static void pairs_stamp(struct aoe_pairs *pairs, uint64_t now_ns)
{
	for (unsigned int i = 0; i < pairs->nreplied; i++) {
		const struct aoe_replied *reply = &pairs->replied[i];
		uint64_t ns = now_ns > reply->taken_ns ? now_ns - reply->taken_ns : 0;

		lu_op_count(&reply->pair->ops[reply->op], ns, reply->bytes, reply->failed);
		aoe_pair_put(reply->pair);
	}
	pairs->nreplied = 0;
}

void aoe_pair_replied(struct aoe_pairs *pairs, const struct aoe_replied *replied)
{
	/* More replies than requests in one turn: some were sent and ended within it. */
	if (pairs->nreplied == pairs->replied_max)
		pairs_stamp(pairs, replied->taken_ns);
	pairs->replied[pairs->nreplied++] = *replied;
}

void aoe_pairs_forget(struct aoe_pairs *pairs, const struct aoe_served *served)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < pairs->nreplied; i++) {
		if (pairs->replied[i].pair->served == served)
			aoe_pair_put(pairs->replied[i].pair);
		else
			pairs->replied[kept++] = pairs->replied[i];
	}
	pairs->nreplied = kept;
	for (unsigned int i = 0; i < pairs->used; i++) {
		struct aoe_pair *pair = &pairs->all[i];

		if (pair->served != served)
			continue;
		assert(!pair->inflight);
		pair->served = NULL;
		list_del(&pair->bucket);
		list_del(&pair->recent);
		list_add_head(&pairs->recent, &pair->recent);
	}
}

static void pair_copy(struct aoe_pair_stats *to, const struct aoe_served *served,
		      enum aoe_pair_who who, const struct lu_op_stats ops[LU_OPS])
{
	*to = (struct aoe_pair_stats){.export = served->export, .who = who};
	memcpy(to->ops, ops, sizeof(to->ops));
}

unsigned int aoe_port_pairs(const struct aoe_port *port, struct aoe_pair_stats *out,
			    unsigned int max)
{
	const struct aoe_pairs *pairs = &port->pairs;
	unsigned int n = 0;

	for (unsigned int i = 0; i < port->nserved && n < max; i++)
		pair_copy(&out[n++], port->served[i], AOE_PAIR_OTHERS, port->served[i]->others.ops);
	for (unsigned int i = 0; i < port->nserved && n < max; i++)
		pair_copy(&out[n++], port->served[i], AOE_PAIR_SILENT, port->served[i]->silent);
	for (unsigned int i = 0; i < pairs->used && n < max; i++) {
		const struct aoe_pair *pair = &pairs->all[i];

		if (!pair->served || pair->served->leaving_to)
			continue;
		pair_copy(&out[n], pair->served, AOE_PAIR_INITIATOR, pair->ops);
		memcpy(out[n++].mac, pair->mac, sizeof(pair->mac));
	}
	return n;
}

unsigned int aoe_port_pairs_max(const struct aoe_port *port)
{
	return 2 * port->nserved + port->pairs.used;
}

bool aoe_port_unstamped(const struct aoe_port *port)
{
	return port->pairs.nreplied;
}

void aoe_port_stamp(struct aoe_port *port, uint64_t now_ns)
{
	pairs_stamp(&port->pairs, now_ns);
}
