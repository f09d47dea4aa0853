/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/limit.h"

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

struct aoe_limiter {
	uint8_t mac[WIRE_MAC_LEN];
	pthread_mutex_t lock; /* of what follows */
	struct aoe_limiter_stats stats;
	struct limit_clock commands, bytes;
};

struct aoe_limiter *aoe_limiter_open(const uint8_t mac[WIRE_MAC_LEN])
{
	struct aoe_limiter *limiter = calloc(1, sizeof(*limiter));

	if (!limiter)
		return NULL;
	memcpy(limiter->mac, mac, WIRE_MAC_LEN);
	pthread_mutex_init(&limiter->lock, NULL);
	return limiter;
}

void aoe_limiter_close(struct aoe_limiter *limiter)
{
	if (!limiter)
		return;
	pthread_mutex_destroy(&limiter->lock);
	free(limiter);
}

const uint8_t *aoe_limiter_mac(const struct aoe_limiter *limiter)
{
	return limiter->mac;
}

void aoe_limiter_set(struct aoe_limiter *limiter, const struct aoe_limit *limit)
{
	pthread_mutex_lock(&limiter->lock);
	limiter->stats = (struct aoe_limiter_stats){.limit = *limit};
	limiter->commands = (struct limit_clock){.rate = limit->iops};
	limiter->bytes = (struct limit_clock){.rate = limit->bytes};
	pthread_mutex_unlock(&limiter->lock);
}

void aoe_limiter_stats(struct aoe_limiter *limiter, struct aoe_limiter_stats *out)
{
	pthread_mutex_lock(&limiter->lock);
	*out = limiter->stats;
	pthread_mutex_unlock(&limiter->lock);
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

uint64_t aoe_limiter_charge(struct aoe_limiter *limiter, uint32_t bytes, uint64_t now_ns)
{
	uint64_t commands_ns, bytes_ns, due_ns;

	pthread_mutex_lock(&limiter->lock);
	commands_ns = clock_charge(&limiter->commands, 1, now_ns);
	bytes_ns = clock_charge(&limiter->bytes, bytes, now_ns);
	due_ns = commands_ns > bytes_ns ? commands_ns : bytes_ns;
	limiter->stats.requests++;
	limiter->stats.delayed += due_ns > now_ns;
	pthread_mutex_unlock(&limiter->lock);
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

struct aoe_limiter *aoe_limits_find(const struct aoe_limits *limits,
				    const uint8_t mac[WIRE_MAC_LEN])
{
	unsigned int i = limits_place(limits, mac);

	if (i == limits->count || memcmp(limits->limiters[i]->mac, mac, WIRE_MAC_LEN) != 0)
		return NULL;
	return limits->limiters[i];
}

int aoe_port_add_limiter(struct aoe_port *port, struct aoe_limiter *limiter)
{
	struct aoe_limits *limits = &port->limits;
	unsigned int i = limits_place(limits, limiter->mac);
	struct aoe_limiter **limiters;

	if (aoe_limits_find(limits, limiter->mac))
		return -EEXIST;
	limiters = realloc(limits->limiters, (limits->count + 1) * sizeof(struct aoe_limiter *));
	if (!limiters)
		return -ENOMEM;
	limits->limiters = limiters;
	memmove(&limiters[i + 1], &limiters[i], (limits->count - i) * sizeof(struct aoe_limiter *));
	limiters[i] = limiter;
	limits->count++;
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
	if (memcmp(request->initiator->stats.mac, arg, WIRE_MAC_LEN) == 0)
		request->due.limit_ns = 0;
}

void aoe_port_release_limited(struct aoe_port *port, const uint8_t mac[WIRE_MAC_LEN])
{
	aoe_delays_change(port, release_limited, mac);
}
