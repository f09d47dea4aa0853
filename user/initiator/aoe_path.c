/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "initiator/aoe_path.h"

#define RTT_DEV_START 8 /* times the average */
#define RTT_AVG_GAIN  256
#define RTT_DEV_GAIN  8

void path_set_limit(struct initiator_path *path, unsigned int limit)
{
	if (limit == path->limit)
		return;
	path->limit = limit;
	path->window = limit / 2 ? limit / 2 : 1;
	path->threshold = limit;
	path->replies = 0;
}

void path_reply(struct initiator_path *path)
{
	if (path->window >= path->limit)
		return;
	if (path->window < path->threshold) {
		path->window++;
	} else if (path->in_flight == path->window && ++path->replies >= path->window) {
		path->window++;
		path->replies = 0;
	}
}

void path_loss(struct initiator_path *path)
{
	if (path->window > 1)
		path->threshold = path->window / 2;
	path->window = 1;
	path->replies = 0;
}

void rtt_init(struct initiator_target *target, uint64_t start_ns)
{
	target->rtt_avg_ns = start_ns;
	target->rtt_dev_ns = RTT_DEV_START * start_ns;
}

/* `estimate` moves towards `value` by 1/gain of the difference. */
static uint64_t approach(uint64_t estimate, uint64_t value, uint64_t gain)
{
	if (value >= estimate)
		return estimate + (value - estimate) / gain;
	return estimate - (estimate - value) / gain;
}

void rtt_sample(struct initiator_target *target, uint64_t rtt_ns)
{
	uint64_t avg = target->rtt_avg_ns;
	uint64_t off = rtt_ns > avg ? rtt_ns - avg : avg - rtt_ns;

	target->rtt_avg_ns = approach(avg, rtt_ns, RTT_AVG_GAIN);
	target->rtt_dev_ns = approach(target->rtt_dev_ns, off, RTT_DEV_GAIN);
}

uint64_t rtt_timeout(const struct initiator_target *target, uint64_t min_ns, uint64_t max_ns)
{
	uint64_t rto = 2 * target->rtt_avg_ns + 8 * target->rtt_dev_ns;

	if (rto < min_ns)
		return min_ns;
	return rto > max_ns ? max_ns : rto;
}
