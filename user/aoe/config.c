/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* AoE command 1: what the export offers, and its configuration string (AoEr11 3.2). */
#include "aoe/port.h"

#include <string.h>

#define FIRMWARE 0x0001 /* of the target's AoE side; rises when what initiators see changes */

void aoe_config_append(struct aoe_request *request, uint8_t subcommand, bool with_string)
{
	struct wire_aoe_config config = {
		.buffers = htobe16((uint16_t)aoe_port_buffers(request->port)),
		.firmware = htobe16(FIRMWARE),
		.sectors = (uint8_t)request->served->sectors,
		.ver_command = (uint8_t)(AOE_VERSION << 4 | subcommand),
	};

	if (with_string) {
		struct aoe_export *export = aoe_request_export(request);
		const struct aoe_settings *settings = aoe_export_lock(export);
		uint32_t room = aoe_request_room(request);

		request->payload_len = settings->config_len < room ? settings->config_len : room;
		memcpy(aoe_request_payload(request), settings->config, request->payload_len);
		aoe_export_unlock(export);
	}
	config.length = htobe16((uint16_t)request->payload_len);
	aoe_request_append(request, &config, sizeof(config));
}

static void config_reply(struct aoe_request *request)
{
	aoe_config_append(request, request->subcommand, true);
	aoe_request_reply(request);
}

static void config_refuse(struct aoe_request *request, enum aoe_error error, enum aoe_reason reason)
{
	aoe_request_fail(request, error, reason);
	aoe_config_append(request, request->subcommand, false);
	aoe_request_reply(request);
}

static void config_read(struct aoe_request *request)
{
	config_reply(request);
}

static void config_test(struct aoe_request *request)
{
	struct aoe_export *export = aoe_request_export(request);
	const struct aoe_settings *settings = aoe_export_lock(export);
	unsigned int len = request->argument;
	bool same = (request->subcommand == AOE_CONFIG_TEST ? len == settings->config_len
							    : len <= settings->config_len) &&
		    !memcmp(settings->config, aoe_request_payload(request), len);

	aoe_export_unlock(export);
	if (same) {
		config_reply(request);
		return;
	}
	aoe_request_ignore(request, AOE_IGNORED_CONFIG_TEST);
}

static void config_apply(struct aoe_change *change, struct aoe_settings *settings)
{
	struct aoe_request *request = aoe_request_of_change(change);
	const uint8_t *string = aoe_request_payload(request);
	unsigned int len = request->argument;

	if (request->subcommand == AOE_CONFIG_SET && settings->config_len &&
	    (settings->config_len != len || memcmp(settings->config, string, len))) {
		request->error = AOE_ERR_CONFIG_PRESENT;
		return;
	}
	memcpy(settings->config, string, len);
	settings->config_len = len;
}

static void config_changed(struct aoe_change *change, int result)
{
	struct aoe_request *request = aoe_request_of_change(change);

	if (result) {
		config_refuse(request, AOE_ERR_UNAVAILABLE, AOE_REFUSED_UNAVAILABLE);
		return;
	}
	/* Whoever finds the string taken is told by whom. */
	if (request->error)
		aoe_request_fail(request, AOE_ERR_CONFIG_PRESENT, AOE_REFUSED_CONFIG_PRESENT);
	config_reply(request);
}

static void config_set(struct aoe_request *request)
{
	if (request->access != STGT_ACCESS_RW)
		config_refuse(request, AOE_ERR_UNAVAILABLE, AOE_REFUSED_READ_ONLY);
	else
		aoe_request_change(request, config_apply, config_changed);
}

static void (*const subcommands[])(struct aoe_request *request) = {
	[AOE_CONFIG_READ] = config_read,	[AOE_CONFIG_TEST] = config_test,
	[AOE_CONFIG_TEST_PREFIX] = config_test, [AOE_CONFIG_SET] = config_set,
	[AOE_CONFIG_FORCE] = config_set,
};

void aoe_config_start(struct aoe_request *request, const struct aoe_frame *frame)
{
	struct wire_aoe_config asked;

	aoe_frame_copy(frame, 0, &asked, sizeof(asked));
	request->subcommand = asked.ver_command & 0x0f;
	/* A read's string is not looked at: a well-known tool sends 1024 bytes of rubbish in it. */
	request->argument = request->subcommand == AOE_CONFIG_READ ? 0 : be16toh(asked.length);
	request->served->stats.queries++;
	if (request->subcommand >= sizeof(subcommands) / sizeof(subcommands[0]) ||
	    request->argument > AOE_CONFIG_MAX ||
	    !aoe_frame_copy(frame, sizeof(asked), aoe_request_payload(request),
			    request->argument)) {
		config_refuse(request, AOE_ERR_ARGUMENT, AOE_REFUSED_ARGUMENT);
		return;
	}
	subcommands[request->subcommand](request);
}
