/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replies that wait: a request is executed in its turn as always, only its finished answer is held
 * until a time. Rate limits and injected delays both rest on this.
 *
 * Execution is never put off, because a command that waited would run after later ones of other
 * initiators: an old write, sent twice, could land on newer data whose sender was answered. So
 * what bounds the requests that one sender may tie up is a share. Whose share is used up has his
 * frames ignored on arrival, before anything is done, as AoE lets a server do with messages beyond
 * its buffers (AoEr11 3.2); he sends them again. Three quarters of the port's requests may wait,
 * and each sender may have as many as are left for others: one alone half of them, two a third
 * each.
 *
 * The port's thread only.
 */
#ifndef STGT_AOE_DELAY_H
#define STGT_AOE_DELAY_H

#include <stdbool.h>
#include <stdint.h>

struct aoe_export;
struct aoe_port;
struct aoe_request;

/* Of a request; all 0 when its reply does not wait. */
struct aoe_due {
	uint64_t at_ns; /* the later of the two */
	uint64_t limit_ns, fault_ns;
	uint64_t seq; /* finished so many replies after the first: orders those due together */
};

/* Of a port. */
struct aoe_delays {
	struct aoe_request **heap; /* finished replies, the next due first */
	unsigned int waiting;	   /* in the heap */
	unsigned int held;	   /* requests that have a due time, those that execute too */
	unsigned int room;	   /* the most of them */
	uint64_t seq;
};

/* For a port of so many requests. 0 or -ENOMEM. */
int aoe_delays_init(struct aoe_delays *delays, unsigned int requests);
void aoe_delays_fini(struct aoe_delays *delays);

/* True while the request's initiator has some of its share left. */
bool aoe_delay_has_room(const struct aoe_request *request);

/* Has the request's reply wait until both times, either of which may be 0; not both. */
void aoe_delay_until(struct aoe_request *request, uint64_t limit_ns, uint64_t fault_ns);

/* Takes the finished reply until it is due. */
void aoe_delay_reply(struct aoe_request *request);

/* The request ends, or waits no more. */
void aoe_delay_forget(struct aoe_request *request);

/*
 * Lets go of what waits for a reason that is no more: `change` sets the times of its concern to 0.
 * Called for every request that has a due time; what has none left is sent at once.
 */
void aoe_delays_change(struct aoe_port *port,
		       void (*change)(struct aoe_request *request, const void *arg),
		       const void *arg);

/* The export is served no longer: all that waits of it is sent at once. */
void aoe_delays_leave(struct aoe_port *port, const struct aoe_export *export);

#endif
