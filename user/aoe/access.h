/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a port knows of who may use an export: answers of its access source, remembered for a
 * moment, because asking costs a system call. The port's thread only.
 */
#ifndef STGT_AOE_ACCESS_H
#define STGT_AOE_ACCESS_H

#include "aoe/aoe.h"

/*
 * How old an answer may be. A sender that was shut out is stopped by the XDP program at once; what
 * may come so late is the change between reading and writing, and somebody let in.
 */
#define AOE_ACCESS_FRESH_NS 10000000u
#define AOE_ACCESS_CACHED   64u

struct aoe_access_cache {
	struct aoe_access_answer {
		uint64_t asked_ns; /* 0: never */
		uint8_t mac[6];
		uint8_t access; /* enum stgt_access */
	} answers[AOE_ACCESS_CACHED];
};

/* What `mac` may do with the export at `addr`, as the source says or said a moment ago. */
enum stgt_access aoe_access_check(struct aoe_access_cache *cache,
				  const struct aoe_access_source *source,
				  const struct aoe_address *addr, const uint8_t mac[6],
				  uint64_t now_ns);

#endif
