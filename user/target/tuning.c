/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What slows initiators down or spoils their answers on purpose: rate limits, injected faults. */
#include "target/internal.h"

#include "aoe/mac.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Known as long as it is in the target's list, to every worker of every interface. */
struct target_limit {
	struct list link;
	struct aoe_limiter *limiter;
};

static struct target_limit *limit_find(const struct target *target, const uint8_t mac[6])
{
	struct target_limit *limit;

	list_for_each_entry (limit, &target->limits, link) {
		if (memcmp(aoe_limiter_mac(limit->limiter), mac, WIRE_MAC_LEN) == 0)
			return limit;
	}
	return NULL;
}

static void limit_close(struct target_limit *limit)
{
	list_del(&limit->link);
	aoe_limiter_close(limit->limiter);
	free(limit);
}

/* ---- what runs on the workers ---- */

struct limiter_change {
	struct aoe_limiter *limiter;
	int result;
};

static void port_add_limiter(const struct worker_view *view, void *arg)
{
	struct limiter_change *change = arg;

	if (!change->result)
		change->result = aoe_port_add_limiter(view->port, change->limiter);
}

static void port_remove_limiter(const struct worker_view *view, void *arg)
{
	aoe_port_remove_limiter(view->port, arg);
}

static void port_release_limited(const struct worker_view *view, void *arg)
{
	aoe_port_release_limited(view->port, arg);
}

static void port_release_faulty(const struct worker_view *view, void *arg)
{
	aoe_port_release_faulty(view->port, arg);
}

static void run_everywhere(struct target *target,
			   void (*fn)(const struct worker_view *view, void *arg), void *arg)
{
	struct target_interface *interface;

	list_for_each_entry (interface, &target->interfaces, link)
		target_interface_run(interface, fn, arg);
}

/* ---- limits ---- */

static int limit_check(const struct target *target, const uint8_t mac[6],
		       const struct aoe_limit *limit, struct error *err)
{
	const struct target_limit *other;
	unsigned int n = 0;

	if (!mac_is_station(mac) && !mac_is_any(mac))
		return error_set(err, EINVAL,
				 "a limit is for the address of one station, or for any");
	if (!limit->iops && !limit->bytes)
		return error_set(err, EINVAL, "a limit says how many commands or bytes a second");
	if (limit->iops > AOE_LIMIT_IOPS_MAX || limit->bytes > AOE_LIMIT_BYTES_MAX)
		return error_set(err, EINVAL,
				 "a limit is at most %u commands and %" PRIu64 " bytes a second",
				 AOE_LIMIT_IOPS_MAX, (uint64_t)AOE_LIMIT_BYTES_MAX);
	list_for_each_entry (other, &target->limits, link)
		n++;
	if (n >= AOE_LIMITERS_MAX && !limit_find(target, mac))
		return error_set(err, ENOSPC, "%u initiators have a limit, no more can: clear one",
				 n);
	return 0;
}

static int limit_add(struct target *target, const uint8_t mac[6], const struct aoe_limit *rates,
		     struct error *err)
{
	struct target_limit *limit = calloc(1, sizeof(*limit));
	struct limiter_change change = {.limiter = limit ? aoe_limiter_open(mac) : NULL};

	if (!change.limiter) {
		free(limit);
		return error_set(err, ENOMEM, "out of memory");
	}
	limit->limiter = change.limiter;
	aoe_limiter_set(limit->limiter, rates);
	list_add_tail(&target->limits, &limit->link);
	run_everywhere(target, port_add_limiter, &change);
	if (!change.result)
		return 0;
	run_everywhere(target, port_remove_limiter, limit->limiter);
	limit_close(limit);
	return error_set(err, -change.result, "cannot limit an initiator: %s",
			 strerror(-change.result));
}

int target_set_limit(struct target *target, const uint8_t mac[6], const struct aoe_limit *limit,
		     struct error *err)
{
	int ret = limit_check(target, mac, limit, err);
	struct target_limit *known = limit_find(target, mac);
	struct aoe_limiter_stats stats;

	if (ret)
		return ret;
	if (!known)
		return limit_add(target, mac, limit, err);
	aoe_limiter_stats(known->limiter, &stats);
	if (stats.limit.iops == limit->iops && stats.limit.bytes == limit->bytes)
		return 0;
	aoe_limiter_set(known->limiter, limit);
	run_everywhere(target, port_release_limited, (void *)aoe_limiter_mac(known->limiter));
	return 0;
}

int target_clear_limit(struct target *target, const uint8_t mac[6], struct error *err)
{
	struct target_limit *limit = limit_find(target, mac);
	char text[MAC_TEXT];

	if (!limit) {
		mac_or_any_format(mac, text);
		return error_set(err, ENOENT, "%s has no limit", text);
	}
	run_everywhere(target, port_remove_limiter, limit->limiter);
	limit_close(limit);
	return 0;
}

int target_limits_apply(struct target *target, struct target_interface *interface)
{
	const struct target_limit *limit;
	struct limiter_change change = {0};

	list_for_each_entry (limit, &target->limits, link) {
		change.limiter = limit->limiter;
		target_interface_run(interface, port_add_limiter, &change);
	}
	return change.result;
}

void target_limits_close(struct target *target)
{
	struct target_limit *limit, *next;

	list_for_each_entry_safe (limit, next, &target->limits, link)
		limit_close(limit);
}

json_t *target_limits_json(const struct target *target)
{
	const struct target_limit *limit;
	json_t *list = json_array();

	list_for_each_entry (limit, &target->limits, link) {
		struct aoe_limiter_stats stats;
		char mac[MAC_TEXT];

		aoe_limiter_stats(limit->limiter, &stats);
		mac_or_any_format(aoe_limiter_mac(limit->limiter), mac);
		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:I, s:I, s:I}", "mac", mac, "iops",
						(json_int_t)stats.limit.iops, "bytes_per_second",
						(json_int_t)stats.limit.bytes, "requests",
						(json_int_t)stats.requests, "delayed",
						(json_int_t)stats.delayed));
	}
	return list;
}

void target_limits_each(const struct target *target,
			void (*found)(void *ctx, const uint8_t mac[6],
				      const struct aoe_limit *limit),
			void *ctx)
{
	const struct target_limit *limit;

	list_for_each_entry (limit, &target->limits, link) {
		struct aoe_limiter_stats stats;

		aoe_limiter_stats(limit->limiter, &stats);
		found(ctx, aoe_limiter_mac(limit->limiter), &stats.limit);
	}
}

/* ---- faults ---- */

int target_fault_add(struct target *target, const struct aoe_address *addr, const char *text,
		     struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct aoe_fault fault;
	int ret = aoe_fault_parse(text, &fault, err);

	if (ret)
		return ret;
	if (!export)
		return target_no_export(addr, err);
	if (aoe_faults_add(aoe_export_faults(export->aoe), &fault))
		return error_set(err, ENOSPC,
				 "the export has %u fault rules, no more can be: "
				 "clear them",
				 AOE_FAULTS);
	return 0;
}

static void export_clear_faults(struct target *target, struct target_export *export)
{
	aoe_faults_clear(aoe_export_faults(export->aoe));
	run_everywhere(target, port_release_faulty, export->aoe);
}

int target_fault_clear(struct target *target, const struct aoe_address *addr, struct error *err)
{
	struct target_export *export;

	if (addr) {
		export = target_export_find(target, addr);
		if (!export)
			return target_no_export(addr, err);
		export_clear_faults(target, export);
		return 0;
	}
	list_for_each_entry (export, &target->exports, link)
		export_clear_faults(target, export);
	return 0;
}

static void export_faults_json(const struct target_export *export, json_t *list)
{
	struct aoe_fault rules[AOE_FAULTS];
	unsigned int n = aoe_faults_list(aoe_export_faults(export->aoe), rules);
	char address[AOE_ADDRESS_TEXT];

	aoe_address_format(&export->addr, address);
	for (unsigned int i = 0; i < n; i++) {
		char text[AOE_FAULT_TEXT];

		aoe_fault_format(&rules[i], text);
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "export", address,
						      "rule", text, "met", (json_int_t)rules[i].met,
						      "fired", (json_int_t)rules[i].fired));
	}
}

json_t *target_faults_json(const struct target *target)
{
	const struct target_export *export;
	json_t *list = json_array();

	list_for_each_entry (export, &target->exports, link)
		export_faults_json(export, list);
	return list;
}
