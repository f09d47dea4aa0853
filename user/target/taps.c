/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who watches: copies of an interface's frames, the steps of requests. */
#include "target/internal.h"

#include "base/clock.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct target_tap {
	struct list link; /* in the target's */
	struct target *target;
	struct tap *tap;
	bool traces;			    /* steps of requests, not frames */
	struct target_interface *interface; /* whose frames; NULL: not served any more */
};

static bool tap_watches(const struct target_tap *tap, const struct target_interface *interface)
{
	return tap->traces || tap->interface == interface;
}

static struct target_tap *tap_find(const struct target *target,
				   const struct target_interface *interface)
{
	struct target_tap *tap;

	list_for_each_entry (tap, &target->taps, link) {
		if (tap->traces == !interface && tap->interface == interface)
			return tap;
	}
	return NULL;
}

static int tap_new(struct target *target, int fd, unsigned int rings,
		   struct target_interface *interface, struct target_tap **out, struct error *err)
{
	struct target_tap *tap = calloc(1, sizeof(*tap));
	int ret;

	if (!tap)
		return error_set(err, ENOMEM, "out of memory");
	ret = tap_open(fd, rings, &tap->tap, err);
	if (ret) {
		free(tap);
		return ret;
	}
	tap->target = target;
	tap->traces = !interface;
	tap->interface = interface;
	list_add_tail(&target->taps, &tap->link);
	*out = tap;
	return 0;
}

/* ---- frames ---- */

struct tap_change {
	struct tap *tap; /* NULL: none from now on */
	unsigned int ring;
	uint32_t snaplen;
};

static void set_tap(const struct worker_view *view, void *arg)
{
	struct tap_change *change = arg;

	xsk_set_tap(view->xsk, change->tap ? tap_ring(change->tap, change->ring++) : NULL,
		    change->snaplen);
}

int target_capture(struct target *target, const char *name, uint32_t snaplen, int fd,
		   struct target_tap **tap, struct error *err)
{
	struct target_interface *interface = target_interface_find(target, name);
	struct tap_change change = {.snaplen = snaplen};
	int ret;

	if (!interface)
		return error_set(err, ENODEV, "%s is not served here", name);
	if (tap_find(target, interface))
		return error_set(err, EBUSY, "%s is being captured already", name);
	ret = tap_new(target, fd, interface->nworkers, interface, tap, err);
	if (ret)
		return ret;
	change.tap = (*tap)->tap;
	target_interface_run(interface, set_tap, &change);
	return 0;
}

/* ---- steps ---- */

static void put_step(void *ctx, const struct aoe_step *step)
{
	uint64_t ns = step->ns ? step->ns : clock_now_ns();
	struct aoe_step *to = tap_reserve(ctx, ns, sizeof(*step));

	if (!to)
		return;
	*to = *step;
	tap_commit(ctx);
}

struct trace_change {
	struct tap *tap;
	unsigned int ring;
	struct aoe_trace_config config;
	int result;
};

static void start_trace(const struct worker_view *view, void *arg)
{
	struct trace_change *change = arg;

	change->config.ctx = tap_ring(change->tap, change->ring++);
	if (!change->result)
		change->result = aoe_port_trace(view->port, &change->config);
}

static void end_trace(const struct worker_view *view, void *arg)
{
	aoe_port_untrace(view->port);
}

int target_trace(struct target *target, const struct aoe_trace_filter *filter, int fd,
		 struct target_tap **tap, struct error *err)
{
	struct trace_change change = {.config = {.filter = *filter, .step = put_step}};
	struct target_interface *interface;
	unsigned int workers = 0;
	int ret;

	if (filter->by_export && !target_export_find(target, &filter->export))
		return target_no_export(&filter->export, err);
	if (tap_find(target, NULL))
		return error_set(err, EBUSY,
				 "requests are being traced already: 'stgt-xdp trace off' ends it");
	list_for_each_entry (interface, &target->interfaces, link)
		workers += interface->nworkers;
	if (!workers)
		return error_set(err, ENODEV, "no interface is served");
	ret = tap_new(target, fd, workers, NULL, tap, err);
	if (ret)
		return ret;
	change.tap = (*tap)->tap;
	list_for_each_entry (interface, &target->interfaces, link)
		target_interface_run(interface, start_trace, &change);
	if (!change.result)
		return 0;
	target_tap_close(*tap);
	return error_set(err, -change.result, "cannot trace: %s", strerror(-change.result));
}

void target_traces_end(struct target *target)
{
	struct target_tap *tap;

	list_for_each_entry (tap, &target->taps, link) {
		if (tap->traces)
			tap_end(tap->tap);
	}
}

/* ---- both ---- */

void target_tap_close(struct target_tap *tap)
{
	struct tap_change none = {.tap = NULL};
	struct target_interface *interface;

	list_for_each_entry (interface, &tap->target->interfaces, link) {
		if (tap_watches(tap, interface))
			target_interface_run(interface, tap->traces ? end_trace : set_tap, &none);
	}
	list_del(&tap->link);
	tap_end(tap->tap);
	tap_close(tap->tap);
	free(tap);
}

void target_taps_leave(struct target *target, struct target_interface *interface)
{
	const struct target_interface *other;
	struct target_tap *tap;
	bool others = false;

	list_for_each_entry (other, &target->interfaces, link)
		others |= other != interface;
	list_for_each_entry (tap, &target->taps, link) {
		if (tap->interface == interface || (tap->traces && !others))
			tap_end(tap->tap);
		if (tap->interface == interface)
			tap->interface = NULL;
	}
}

json_t *target_taps_json(const struct target *target)
{
	const struct target_tap *tap;
	json_t *list = json_array();

	list_for_each_entry (tap, &target->taps, link) {
		json_t *one = json_pack("{s:s}", "kind", tap->traces ? "trace" : "capture");

		if (tap->interface)
			json_object_set_new(one, "interface",
					    json_string(tap->interface->netif.name));
		json_array_append_new(list, one);
	}
	return list;
}
