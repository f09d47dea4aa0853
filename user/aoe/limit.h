/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rate limits: how many ATA commands a second an initiator (a MAC) gets answered, and how many
 * bytes of data they carry.
 *
 * A limiter keeps a clock for each of the two that every command moves on by what it costs; the
 * command's answer waits until where the clock stood (delay.h). A clock never stands further back
 * than the burst, so whoever was silent has at most so much at once. Commands sent again cost
 * again. Questions about configuration and lists cost nothing.
 *
 * One limiter serves all ports: what the initiator sends to several interfaces and queues is
 * counted together, under a lock held for a moment and taken for this initiator's commands only.
 *
 * The limiter of mac_any holds each initiator that has none of its own to its limit, every one by
 * itself: their clocks stand in a table of fixed size. When there is no room in it, the initiator
 * whose clocks stand furthest back makes some. As long as that is at least the burst behind, which
 * it is for whoever was silent that long, nothing is forgotten that would count.
 */
#ifndef STGT_AOE_LIMIT_H
#define STGT_AOE_LIMIT_H

#include "base/error.h"
#include "stgt/wire/eth.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AOE_LIMIT_BURST_NS 50000000u
/* Beyond what any network carries, and small enough for the arithmetic. */
#define AOE_LIMIT_IOPS_MAX  1000000000u
#define AOE_LIMIT_BYTES_MAX (1ull << 50)
/* Limiters of a process. */
#define AOE_LIMITERS_MAX 4096u
/* Initiators that a limit for any of them keeps apart: so many sets, by a hash of the MAC. */
#define AOE_LIMIT_SETS	    256u
#define AOE_LIMIT_SET_ROOMS 16u

/* A second; 0: as many as there are. */
struct aoe_limit {
	uint64_t iops;
	uint64_t bytes;
};

/*
 * A limit as users write it: `iops=N`, `bytes=SIZE` or both, separated by commas or blanks. -EINVAL
 * names the wrong word.
 */
int aoe_limit_parse(const char *text, struct aoe_limit *limit, struct error *err);

/* One initiator's, or that of any. */
struct aoe_limiter;

struct aoe_limiter_stats {
	struct aoe_limit limit;
	uint64_t requests; /* counted against the limit since it was set */
	uint64_t delayed;  /* of those, the ones whose answer had to wait */
};

/* NULL: out of memory. Control thread; the ports have let go of it before it is closed. */
struct aoe_limiter *aoe_limiter_open(const uint8_t mac[WIRE_MAC_LEN]);
void aoe_limiter_close(struct aoe_limiter *limiter);
const uint8_t *aoe_limiter_mac(const struct aoe_limiter *limiter);

/* From now on; at most the two maxima. Any thread, like those below. */
void aoe_limiter_set(struct aoe_limiter *limiter, const struct aoe_limit *limit);
void aoe_limiter_stats(struct aoe_limiter *limiter, struct aoe_limiter_stats *out);

/*
 * A command of `mac` with so many bytes of data arrives: the time at which it may be answered, or 0
 * when that is not after `now_ns`.
 */
uint64_t aoe_limiter_charge(struct aoe_limiter *limiter, const uint8_t mac[WIRE_MAC_LEN],
			    uint32_t bytes, uint64_t now_ns);

/* ---- a port's limiters, sorted by MAC; its thread only ---- */

struct aoe_limits {
	struct aoe_limiter **limiters;
	unsigned int count;
};

void aoe_limits_fini(struct aoe_limits *limits);
/* The one that holds for it: its own, else that of any, else NULL. */
struct aoe_limiter *aoe_limits_of(const struct aoe_limits *limits, const uint8_t mac[WIRE_MAC_LEN]);

#endif
