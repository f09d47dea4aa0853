/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AoE command 3: the list of MACs that the export is reserved for (AoEr11 3.4). */
#include "aoe/port.h"

#include <string.h>

static void reserve_append(struct aoe_request *request, unsigned int count)
{
	const struct wire_aoe_reserve reserve = {
		.command = request->subcommand,
		.count = (uint8_t)count,
	};

	request->payload_len = count * WIRE_MAC_LEN;
	aoe_request_append(request, &reserve, sizeof(reserve));
}

/* The list, as far as a frame takes it. */
static void reserve_reply_list(struct aoe_request *request)
{
	struct aoe_export *export = aoe_request_export(request);
	const struct aoe_settings *settings = aoe_export_lock(export);
	uint32_t most = aoe_request_room(request) / WIRE_MAC_LEN;
	unsigned int count = settings->reserves.count < most ? settings->reserves.count : most;

	memcpy(aoe_request_payload(request), settings->reserves.macs, count * WIRE_MAC_LEN);
	aoe_export_unlock(export);
	reserve_append(request, count);
	aoe_request_reply(request);
}

static void reserve_refuse(struct aoe_request *request, enum aoe_error error,
			   enum aoe_reason reason)
{
	aoe_request_fail(request, error, reason);
	reserve_append(request, 0);
	aoe_request_reply(request);
}

/* The reply's head is made already: its destination is who asks. */
static const uint8_t *sender(const struct aoe_request *request)
{
	return request->head + offsetof(struct wire_eth, dst);
}

static void reserve_apply(struct aoe_change *change, struct aoe_settings *settings)
{
	struct aoe_request *request = aoe_request_of_change(change);
	const uint8_t *macs = aoe_request_payload(request);
	struct aoe_macs *list = &settings->reserves;

	if (request->subcommand == AOE_RESERVE_SET && list->count &&
	    !aoe_macs_has(list, sender(request))) {
		request->error = AOE_ERR_RESERVED;
		return;
	}
	list->count = 0;
	for (unsigned int i = 0; i < request->argument; i++)
		aoe_macs_add(list, macs + i * WIRE_MAC_LEN);
}

static void reserve_changed(struct aoe_change *change, int result)
{
	struct aoe_request *request = aoe_request_of_change(change);

	if (result) {
		reserve_refuse(request, AOE_ERR_UNAVAILABLE, AOE_REFUSED_UNAVAILABLE);
		return;
	}
	/* Whoever finds the export reserved is told for whom. */
	if (request->error)
		aoe_request_fail(request, AOE_ERR_RESERVED, AOE_REFUSED_RESERVED);
	reserve_reply_list(request);
}

void aoe_reserve_start(struct aoe_request *request, const struct aoe_frame *frame)
{
	struct wire_aoe_reserve asked;

	aoe_frame_copy(frame, 0, &asked, sizeof(asked));
	request->subcommand = asked.command;
	request->argument = asked.count;
	request->served->stats.queries++;
	if (asked.command == AOE_RESERVE_READ)
		reserve_reply_list(request);
	else if (asked.command > AOE_RESERVE_FORCE ||
		 !aoe_frame_copy(frame, sizeof(asked), aoe_request_payload(request),
				 asked.count * (uint32_t)WIRE_MAC_LEN))
		reserve_refuse(request, AOE_ERR_ARGUMENT, AOE_REFUSED_ARGUMENT);
	else if (request->access != STGT_ACCESS_RW)
		reserve_refuse(request, AOE_ERR_UNAVAILABLE, AOE_REFUSED_READ_ONLY);
	else
		aoe_request_change(request, reserve_apply, reserve_changed);
}
