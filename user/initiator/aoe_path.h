/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much may be in flight and how long to wait: the window of a path and the round-trip estimate
 * of a target. Internal to the initiator.
 */
#ifndef STGT_AOE_PATH_H
#define STGT_AOE_PATH_H

#include "initiator/aoe_initiator.h"

/* A new buffer count: the window starts anew at half of it, but never at nothing. */
void path_set_limit(struct initiator_path *path, unsigned int limit);

/* A reply came, while the frame it answers is still counted in flight. */
void path_reply(struct initiator_path *path);

/* Something was lost: one frame at a time until replies say otherwise. */
void path_loss(struct initiator_path *path);

static inline bool path_has_room(const struct initiator_path *path)
{
	return path->in_flight < path->window;
}

/* The estimate before anything was measured: a deviation of 8 times the average. */
void rtt_init(struct initiator_target *target, uint64_t start_ns);

/* Gains 1/256 for the average and 1/8 for the deviation, the Linux driver's. */
void rtt_sample(struct initiator_target *target, uint64_t rtt_ns);

/* 2 * average + 8 * deviation, within the bounds. */
uint64_t rtt_timeout(const struct initiator_target *target, uint64_t min_ns, uint64_t max_ns);

#endif
