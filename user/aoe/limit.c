/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/limit.h"

#include "aoe/mac.h"
#include "aoe/port.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Something that is paid for at so many units a second. */
struct limit_clock {
	uint64_t rate; /* 0: free */
	uint64_t at_ns;
	uint64_t rest; /* of the division by the rate, so that no rounding adds up */
};

/* What one initiator has used up. */
struct limit_account {
	uint8_t mac[WIRE_MAC_LEN]; /* all 0: nobody's */
	struct limit_clock commands, bytes;
};

/* The accounts that one lock is for. */
struct limit_set {
	pthread_mutex_t lock; /* of what follows */
	struct aoe_limiter_stats stats;
	struct limit_account *accounts;
};

struct aoe_limiter {
	uint8_t mac[WIRE_MAC_LEN];
	unsigned int nsets, rooms; /* accounts of each set */
	struct limit_account *accounts;
	struct limit_set sets[];
};

struct aoe_limiter *aoe_limiter_open(const uint8_t mac[WIRE_MAC_LEN])
{
	unsigned int nsets = mac_is_any(mac) ? AOE_LIMIT_SETS : 1;
	unsigned int rooms = mac_is_any(mac) ? AOE_LIMIT_SET_ROOMS : 1;
	struct aoe_limiter *limiter =
		calloc(1, sizeof(*limiter) + nsets * sizeof(limiter->sets[0]));
	struct limit_account *accounts = calloc((size_t)nsets * rooms, sizeof(*accounts));

	if (!limiter || !accounts) {
		free(limiter);
		free(accounts);
		return NULL;
	}
	memcpy(limiter->mac, mac, WIRE_MAC_LEN);
	limiter->nsets = nsets;
	limiter->rooms = rooms;
	limiter->accounts = accounts;
	for (unsigned int i = 0; i < nsets; i++) {
		pthread_mutex_init(&limiter->sets[i].lock, NULL);
		limiter->sets[i].accounts = &accounts[i * rooms];
	}
	return limiter;
}

void aoe_limiter_close(struct aoe_limiter *limiter)
{
	if (!limiter)
		return;
	for (unsigned int i = 0; i < limiter->nsets; i++)
		pthread_mutex_destroy(&limiter->sets[i].lock);
	free(limiter->accounts);
	free(limiter);
}

const uint8_t *aoe_limiter_mac(const struct aoe_limiter *limiter)
{
	return limiter->mac;
}

void aoe_limiter_set(struct aoe_limiter *limiter, const struct aoe_limit *limit)
{
	for (unsigned int i = 0; i < limiter->nsets; i++) {
		struct limit_set *set = &limiter->sets[i];

		pthread_mutex_lock(&set->lock);
		set->stats = (struct aoe_limiter_stats){.limit = *limit};
		memset(set->accounts, 0, limiter->rooms * sizeof(set->accounts[0]));
		pthread_mutex_unlock(&set->lock);
	}
}

void aoe_limiter_stats(struct aoe_limiter *limiter, struct aoe_limiter_stats *out)
{
	*out = (struct aoe_limiter_stats){};
	for (unsigned int i = 0; i < limiter->nsets; i++) {
		struct limit_set *set = &limiter->sets[i];

		pthread_mutex_lock(&set->lock);
		out->limit = set->stats.limit;
		out->requests += set->stats.requests;
		out->delayed += set->stats.delayed;
		pthread_mutex_unlock(&set->lock);
	}
}

static struct limit_set *limiter_set_of(struct aoe_limiter *limiter,
					const uint8_t mac[WIRE_MAC_LEN])
{
	uint64_t key = 0;

	if (limiter->nsets == 1)
		return &limiter->sets[0];
	for (unsigned int i = 0; i < WIRE_MAC_LEN; i++)
		key = key << 8 | mac[i];
	_Static_assert(AOE_LIMIT_SETS == 1u << 8, "the hash keeps 8 bits");
	return &limiter->sets[key * 0x9e3779b97f4a7c15ull >> 56];
}

static uint64_t account_at(const struct limit_account *account)
{
	return account->commands.at_ns > account->bytes.at_ns ? account->commands.at_ns
							      : account->bytes.at_ns;
}

/* The initiator's account; a new one takes the place of the one that stands furthest back. */
static struct limit_account *set_account(struct limit_set *set, unsigned int rooms,
					 const uint8_t mac[WIRE_MAC_LEN])
{
	struct limit_account *last = set->accounts;

	for (unsigned int i = 0; i < rooms; i++) {
		struct limit_account *account = &set->accounts[i];

		if (!memcmp(account->mac, mac, WIRE_MAC_LEN))
			return account;
		if (account_at(account) < account_at(last))
			last = account;
	}
	*last = (struct limit_account){
		.commands.rate = set->stats.limit.iops,
		.bytes.rate = set->stats.limit.bytes,
	};
	memcpy(last->mac, mac, WIRE_MAC_LEN);
	return last;
}

/* Where the clock stood before it was moved on by `units`. */
static uint64_t clock_charge(struct limit_clock *clock, uint64_t units, uint64_t now_ns)
{
	uint64_t earliest = now_ns > AOE_LIMIT_BURST_NS ? now_ns - AOE_LIMIT_BURST_NS : 0;
	uint64_t due_ns, cost;

	if (!clock->rate)
		return 0;
	if (clock->at_ns < earliest) {
		clock->at_ns = earliest;
		clock->rest = 0;
	}
	due_ns = clock->at_ns;
	cost = units * CLOCK_NS_PER_S + clock->rest;
	clock->at_ns += cost / clock->rate;
	clock->rest = cost % clock->rate;
	return due_ns;
}

uint64_t aoe_limiter_charge(struct aoe_limiter *limiter, const uint8_t mac[WIRE_MAC_LEN],
			    uint32_t bytes, uint64_t now_ns)
{
	struct limit_set *set = limiter_set_of(limiter, mac);
	uint64_t commands_ns, bytes_ns, due_ns;
	struct limit_account *account;

	pthread_mutex_lock(&set->lock);
	account = set_account(set, limiter->rooms, mac);
	commands_ns = clock_charge(&account->commands, 1, now_ns);
	bytes_ns = clock_charge(&account->bytes, bytes, now_ns);
	due_ns = commands_ns > bytes_ns ? commands_ns : bytes_ns;
	set->stats.requests++;
	set->stats.delayed += due_ns > now_ns;
	pthread_mutex_unlock(&set->lock);
	return due_ns > now_ns ? due_ns : 0;
}

/* ---- a port's ---- */

void aoe_limits_fini(struct aoe_limits *limits)
{
	free(limits->limiters);
}

/* Where the MAC's limiter is, or where it would have to be. */
static unsigned int limits_place(const struct aoe_limits *limits, const uint8_t mac[WIRE_MAC_LEN])
{
	unsigned int from = 0, to = limits->count;

	while (from < to) {
		unsigned int middle = from + (to - from) / 2;

		if (memcmp(limits->limiters[middle]->mac, mac, WIRE_MAC_LEN) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* NULL when the MAC has none of its own. */
static struct aoe_limiter *limits_find(const struct aoe_limits *limits,
				       const uint8_t mac[WIRE_MAC_LEN])
{
	unsigned int i = limits_place(limits, mac);

	if (i == limits->count || memcmp(limits->limiters[i]->mac, mac, WIRE_MAC_LEN) != 0)
		return NULL;
	return limits->limiters[i];
}

struct aoe_limiter *aoe_limits_of(const struct aoe_limits *limits, const uint8_t mac[WIRE_MAC_LEN])
{
	struct aoe_limiter *own = limits_find(limits, mac), *last;

	if (own || !limits->count)
		return own;
	/* They are sorted: the one for any, all ones, is the last. */
	last = limits->limiters[limits->count - 1];
	return mac_is_any(last->mac) ? last : NULL;
}

int aoe_port_add_limiter(struct aoe_port *port, struct aoe_limiter *limiter)
{
	struct aoe_limits *limits = &port->limits;
	unsigned int i = limits_place(limits, limiter->mac);
	struct aoe_limiter **limiters;

	if (limits_find(limits, limiter->mac))
		return -EEXIST;
	limiters = realloc(limits->limiters, (limits->count + 1) * sizeof(struct aoe_limiter *));
	if (!limiters)
		return -ENOMEM;
	limits->limiters = limiters;
	memmove(&limiters[i + 1], &limiters[i], (limits->count - i) * sizeof(struct aoe_limiter *));
	limiters[i] = limiter;
	limits->count++;
	/* What waits for the limit of any does not for the new one. */
	aoe_port_release_limited(port, limiter->mac);
	return 0;
}

void aoe_port_remove_limiter(struct aoe_port *port, struct aoe_limiter *limiter)
{
	struct aoe_limits *limits = &port->limits;
	unsigned int i = limits_place(limits, limiter->mac);

	if (i == limits->count || limits->limiters[i] != limiter)
		return;
	limits->count--;
	memmove(&limits->limiters[i], &limits->limiters[i + 1],
		(limits->count - i) * sizeof(struct aoe_limiter *));
	aoe_port_release_limited(port, limiter->mac);
}

static void release_limited(struct aoe_request *request, const void *arg)
{
	const uint8_t *mac = request->initiator->stats.mac;

	if (mac_is_any(arg) ? !limits_find(&request->port->limits, mac)
			    : !memcmp(mac, arg, WIRE_MAC_LEN))
		request->due.limit_ns = 0;
}

void aoe_port_release_limited(struct aoe_port *port, const uint8_t mac[WIRE_MAC_LEN])
{
	aoe_delays_change(port, release_limited, mac);
}
