/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/initiator.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int aoe_initiators_init(struct aoe_initiators *table, unsigned int requests)
{
	table->size = requests < AOE_INITIATORS ? AOE_INITIATORS : requests + 1;
	table->used = 0;
	table->all = calloc(table->size, sizeof(*table->all));
	if (!table->all)
		return -ENOMEM;
	list_init(&table->recent);
	for (unsigned int i = 0; i < AOE_INITIATOR_BUCKETS; i++)
		list_init(&table->buckets[i]);
	for (unsigned int i = 0; i < table->size; i++) {
		list_init(&table->all[i].bucket);
		list_add_tail(&table->recent, &table->all[i].recent);
	}
	return 0;
}

void aoe_initiators_fini(struct aoe_initiators *table)
{
	free(table->all);
}

/* The MAC over the VLAN folded to 16 bits (a QinQ pair has 24). */
static uint64_t nexus_id(const uint8_t mac[WIRE_MAC_LEN], uint32_t vlan)
{
	uint64_t id = 0;

	for (unsigned int i = 0; i < WIRE_MAC_LEN; i++)
		id = id << 8 | mac[i];
	return id << 16 | ((vlan ^ vlan >> 8) & 0xffff);
}

static struct list *bucket_of(struct aoe_initiators *table, uint64_t id)
{
	_Static_assert(AOE_INITIATOR_BUCKETS == 1u << 10, "the hash keeps 10 bits");
	return &table->buckets[id * 0x9e3779b97f4a7c15ull >> 54];
}

static struct aoe_initiator *initiator_evict(struct aoe_initiators *table)
{
	struct aoe_initiator *it;

	list_for_each_entry (it, &table->recent, recent)
		if (!it->inflight)
			break;
	assert(&it->recent != &table->recent);
	if (it == &table->all[table->used])
		table->used++;
	list_del(&it->bucket);
	return it;
}

struct aoe_initiator *aoe_initiator_heard(struct aoe_initiators *table,
					  const uint8_t mac[WIRE_MAC_LEN], uint32_t vlan,
					  uint64_t now_ns)
{
	uint64_t id = nexus_id(mac, vlan);
	struct list *bucket = bucket_of(table, id);
	struct aoe_initiator *it;

	list_for_each_entry (it, bucket, bucket)
		if (it->nexus.id == id)
			goto found;
	it = initiator_evict(table);
	it->nexus.id = id;
	memset(&it->stats, 0, sizeof(it->stats));
	memcpy(it->stats.mac, mac, WIRE_MAC_LEN);
	it->stats.vlan = vlan;
	list_add_head(bucket, &it->bucket);
found:
	it->stats.last_seen_ns = now_ns;
	list_del(&it->recent);
	list_add_tail(&table->recent, &it->recent);
	return it;
}
