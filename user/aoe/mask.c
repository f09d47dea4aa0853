/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AoE command 2: the list of MACs that the export listens to (AoEr11 3.3). */
#include "aoe/port.h"

#include "aoe/mac.h"

#include <string.h>

/* As many directives as a run takes, all that a request can announce. */
_Static_assert(ARENA_FRAME_SIZE - ARENA_PAYLOAD >= UINT8_MAX * sizeof(struct wire_aoe_directive),
	       "directives fit the smallest run");

static void mask_append(struct aoe_request *request, unsigned int count)
{
	const struct wire_aoe_mask mask = {
		.command = request->subcommand,
		.error = request->mask_error,
		.count = (uint8_t)count,
	};

	request->payload_len = count * (uint32_t)sizeof(struct wire_aoe_directive);
	aoe_request_append(request, &mask, sizeof(mask));
}

/* The list, as far as a frame takes it. */
static void mask_reply_list(struct aoe_request *request)
{
	uint8_t *payload = aoe_request_payload(request);
	struct aoe_export *export = aoe_request_export(request);
	const struct aoe_settings *settings = aoe_export_lock(export);
	uint32_t most = aoe_request_room(request) / sizeof(struct wire_aoe_directive);
	unsigned int count = settings->masks.count < most ? settings->masks.count : most;

	for (unsigned int i = 0; i < count; i++) {
		struct wire_aoe_directive entry = {.command = AOE_MASK_NOP};

		memcpy(entry.mac, settings->masks.macs[i], WIRE_MAC_LEN);
		memcpy(payload + i * sizeof(entry), &entry, sizeof(entry));
	}
	aoe_export_unlock(export);
	mask_append(request, count);
	aoe_request_reply(request);
}

static void mask_refuse(struct aoe_request *request, enum aoe_error error, enum aoe_reason reason)
{
	aoe_request_fail(request, error, reason);
	mask_append(request, 0);
	aoe_request_reply(request);
}

/* One directive on the list; 0 or what is wrong with it. */
static uint8_t mask_direct(struct aoe_macs *list, const struct wire_aoe_directive *directive)
{
	switch (directive->command) {
	case AOE_MASK_NOP:
		return 0;
	case AOE_MASK_ADD:
		/* Nobody could ever answer for such an address, and everybody be locked out. */
		if (!mac_is_station(directive->mac))
			return AOE_MASK_UNSPECIFIED;
		return aoe_macs_add(list, directive->mac) ? 0 : AOE_MASK_FULL;
	case AOE_MASK_DELETE:
		aoe_macs_delete(list, directive->mac);
		return 0;
	default:
		return AOE_MASK_BAD_DIRECTIVE;
	}
}

/* In order up to the first that fails; those before it hold. */
static void mask_apply(struct aoe_change *change, struct aoe_settings *settings)
{
	struct aoe_request *request = aoe_request_of_change(change);
	const uint8_t *payload = aoe_request_payload(request);

	for (unsigned int i = 0; i < request->argument; i++) {
		struct wire_aoe_directive directive;

		memcpy(&directive, payload + i * sizeof(directive), sizeof(directive));
		request->mask_error = mask_direct(&settings->masks, &directive);
		if (request->mask_error) {
			request->mask_index = (uint8_t)i;
			return;
		}
	}
}

static void mask_changed(struct aoe_change *change, int result)
{
	struct aoe_request *request = aoe_request_of_change(change);

	if (result) {
		request->mask_error = 0;
		mask_refuse(request, AOE_ERR_UNAVAILABLE, AOE_REFUSED_UNAVAILABLE);
	} else if (request->mask_error) {
		mask_append(request, request->mask_index);
		request->payload_len = 0;
		aoe_count(request->port, AOE_REFUSED_DIRECTIVE);
		aoe_request_reply(request);
	} else {
		mask_reply_list(request);
	}
}

void aoe_mask_start(struct aoe_request *request, const struct aoe_frame *frame)
{
	struct wire_aoe_mask asked;

	aoe_frame_copy(frame, 0, &asked, sizeof(asked));
	request->subcommand = asked.command;
	request->argument = asked.count;
	request->mask_error = 0;
	request->served->stats.queries++;
	if (asked.command == AOE_MASK_READ)
		mask_reply_list(request);
	else if (asked.command != AOE_MASK_EDIT ||
		 !aoe_frame_copy(frame, sizeof(asked), aoe_request_payload(request),
				 asked.count * (uint32_t)sizeof(struct wire_aoe_directive)))
		mask_refuse(request, AOE_ERR_ARGUMENT, AOE_REFUSED_ARGUMENT);
	else if (request->access != STGT_ACCESS_RW)
		mask_refuse(request, AOE_ERR_UNAVAILABLE, AOE_REFUSED_READ_ONLY);
	else
		aoe_request_change(request, mask_apply, mask_changed);
}
