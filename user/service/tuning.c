/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The control socket's commands for rate limits, injected faults and access states. */
#include "service/internal.h"

#include "aoe/mac.h"
#include <errno.h>
#include <string.h>

static int request_mac(const json_t *request, uint8_t mac[WIRE_MAC_LEN], struct error *err)
{
	const char *text = request_text(request, "mac", err);

	if (!text)
		return -EINVAL;
	if (strcmp(text, MAC_ANY_WORD) == 0) {
		memcpy(mac, mac_any, WIRE_MAC_LEN);
		return 0;
	}
	if (!mac_parse(text, strlen(text), mac))
		return error_set(err, EINVAL, "'%s' is neither 'any' nor a MAC address", text);
	if (!mac_is_station(mac))
		return error_set(err, EINVAL, "'%s' is not the address of one station", text);
	return 0;
}

json_t *tuning_limit_set(void *ctx, const json_t *request, struct error *err)
{
	const char *text = request_text(request, "limit", err);
	struct service *service = ctx;
	struct aoe_limit limit;
	uint8_t mac[WIRE_MAC_LEN];

	if (!text || request_mac(request, mac, err) || aoe_limit_parse(text, &limit, err) ||
	    target_set_limit(service->target, mac, &limit, err))
		return NULL;
	return json_object();
}

json_t *tuning_limit_clear(void *ctx, const json_t *request, struct error *err)
{
	struct service *service = ctx;
	uint8_t mac[WIRE_MAC_LEN];

	if (request_mac(request, mac, err) || target_clear_limit(service->target, mac, err))
		return NULL;
	return json_object();
}

json_t *tuning_alua_set(void *ctx, const json_t *request, struct error *err)
{
	const char *text = request_text(request, "state", err);
	struct scsi_access_state access;
	struct service *service = ctx;
	unsigned int group;

	if (!text || request_count(request, "group", SCSI_GROUP_MAX, &group, err) ||
	    scsi_access_parse(text, &access, err))
		return NULL;
	if (!target_has_group(service->target, (uint16_t)group)) {
		error_set(err, ENOENT, "no portal is in group %u", group);
		return NULL;
	}
	return target_set_alua(service->target, (uint16_t)group, access, err) ? NULL
									      : json_object();
}

json_t *tuning_fault_add(void *ctx, const json_t *request, struct error *err)
{
	const char *rule = request_text(request, "rule", err);
	struct service *service = ctx;
	struct aoe_address addr;

	if (!rule || request_address(request, &addr, err) ||
	    target_fault_add(service->target, &addr, rule, err))
		return NULL;
	return json_object();
}

json_t *tuning_fault_clear(void *ctx, const json_t *request, struct error *err)
{
	struct service *service = ctx;
	struct aoe_address addr;
	const char *text;

	if (request_optional_text(request, "address", &text, err) ||
	    (text && request_address(request, &addr, err)) ||
	    target_fault_clear(service->target, text ? &addr : NULL, err))
		return NULL;
	return json_object();
}
