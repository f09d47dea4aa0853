/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Commands of who watches: they bring memory and last as long as their connection. */
#include "service/internal.h"

#include "aoe/mac.h"
#include "base/cleanup.h"
#include "tap/tap.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static void connection_ended(void *arg)
{
	target_tap_close(arg);
}

/* The tap is the connection's from here on. */
static json_t *hold(struct service *service, struct target_tap *tap, struct error *err)
{
	if (control_server_hold(service->server, connection_ended, tap)) {
		target_tap_close(tap);
		error_set(err, EBUSY, "this connection watches something already");
		return NULL;
	}
	return json_object();
}

json_t *taps_capture(void *ctx, const json_t *request, struct error *err)
{
	struct service *service = ctx;
	const char *interface = request_text(request, "interface", err);
	_cleanup_close_ int memory = control_server_take_fd(service->server);
	unsigned int snaplen;
	struct target_tap *tap;

	if (!interface || request_number(request, "snaplen", &snaplen, err))
		return NULL;
	if (!snaplen || snaplen > TAP_SNAPLEN_MAX)
		snaplen = TAP_SNAPLEN_MAX;
	if (target_capture(service->target, interface, snaplen, memory, &tap, err))
		return NULL;
	return hold(service, tap, err);
}

static int read_lba(const json_t *request, struct aoe_trace_filter *filter, struct error *err)
{
	json_t *lba = json_object_get(request, "lba");
	json_int_t first, last;

	if (!lba)
		return 0;
	if (json_unpack(lba, "[I, I!]", &first, &last) || first < 0 || last < first)
		return error_set(err, EINVAL,
				 "'lba' is two sector numbers, the first and the last");
	filter->by_lba = true;
	filter->first = (uint64_t)first;
	filter->last = (uint64_t)last;
	return 0;
}

static int read_filter(const json_t *request, struct aoe_trace_filter *filter, struct error *err)
{
	const char *mac, *address;

	if (request_optional_text(request, "initiator", &mac, err) ||
	    request_optional_text(request, "export", &address, err))
		return -EINVAL;
	filter->by_mac = mac;
	if (mac && !mac_parse(mac, strlen(mac), filter->mac))
		return error_set(err, EINVAL, "'%s' is not a MAC address", mac);
	filter->by_export = address;
	if (address && aoe_address_parse(address, &filter->export, err))
		return -EINVAL;
	return read_lba(request, filter, err);
}

json_t *taps_trace_on(void *ctx, const json_t *request, struct error *err)
{
	struct service *service = ctx;
	_cleanup_close_ int memory = control_server_take_fd(service->server);
	struct aoe_trace_filter filter = {0};
	struct target_tap *tap;

	if (read_filter(request, &filter, err) ||
	    target_trace(service->target, &filter, memory, &tap, err))
		return NULL;
	return hold(service, tap, err);
}

json_t *taps_trace_off(void *ctx, const json_t *request, struct error *err)
{
	target_traces_end(((struct service *)ctx)->target);
	return json_object();
}
