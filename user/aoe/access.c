/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/access.h"

#include <string.h>

static struct aoe_access_answer *answer_slot(struct aoe_access_cache *cache, const uint8_t mac[6])
{
	/* The last bytes tell one station from another; which of them differ varies. */
	uint32_t low = (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];

	return &cache->answers[(low * 2654435761u) >> 26 & (AOE_ACCESS_CACHED - 1)];
}

enum stgt_access aoe_access_check(struct aoe_access_cache *cache,
				  const struct aoe_access_source *source,
				  const struct aoe_address *addr, const uint8_t mac[6],
				  uint64_t now_ns)
{
	struct aoe_access_answer *answer = answer_slot(cache, mac);

	if (answer->asked_ns && now_ns - answer->asked_ns < AOE_ACCESS_FRESH_NS &&
	    !memcmp(answer->mac, mac, sizeof(answer->mac)))
		return answer->access;
	memcpy(answer->mac, mac, sizeof(answer->mac));
	answer->access = (uint8_t)source->lookup(source->ctx, addr, mac);
	answer->asked_ns = now_ns;
	return answer->access;
}
