/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the control socket understands, one table entry a command (docs/control-protocol.md). */
#include "service/internal.h"

#include "aoe/mac.h"
#include "base/cleanup.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/size.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A command of the form "do it, and say nothing": its answer. */
static json_t *done(int ret)
{
	return ret ? NULL : json_object();
}

/* ---- looking ---- */

/* Who answers: `attach` looks for a daemon of its own network namespace. */
static json_t *server_status(const struct service *service)
{
	struct stat netns = {0};
	json_t *server;

	stat("/proc/self/ns/net", &netns);
	server = json_pack("{s:i, s:I, s:b}", "pid", (int)getpid(), "netns",
			   (json_int_t)netns.st_ino, "daemon", service->config_path != NULL);
	if (service->config_path)
		json_object_set_new(server, "config", json_text(service->config_path));
	return json_pack("[o]", server);
}

json_t *service_status(const struct service *service)
{
	json_t *status = target_status(service->target, TARGET_FULL);

	json_object_set_new(status, "servers", server_status(service));
	return status;
}

static json_t *run_status(void *ctx, const json_t *request, struct error *err)
{
	return service_status(ctx);
}

static json_t *run_stats(void *ctx, const json_t *request, struct error *err)
{
	return target_stats(((struct service *)ctx)->target, TARGET_FULL);
}

/* What the file's form has no words for, and a comparison needs. */
static json_t *config_sizes(const struct config *running)
{
	json_t *sizes = json_object();

	for (unsigned int i = 0; i < running->ndisks; i++)
		json_object_set_new(sizes, running->disks[i].name,
				    json_integer((json_int_t)running->disks[i].bytes));
	return sizes;
}

static json_t *config_differing(const struct config *running)
{
	json_t *addresses = json_array();
	char text[AOE_ADDRESS_TEXT];

	for (unsigned int i = 0; i < running->naoe; i++) {
		if (!running->aoe[i].acl_differs)
			continue;
		aoe_address_format(&running->aoe[i].addr, text);
		json_array_append_new(addresses, json_string(text));
	}
	return addresses;
}

static json_t *run_config(void *ctx, const json_t *request, struct error *err)
{
	struct config *running = service_running(ctx);
	_cleanup_free_ char *yaml = NULL;
	int ret;

	if (!running) {
		error_set(err, EOPNOTSUPP,
			  "this process is no daemon: only a daemon has a "
			  "configuration");
		return NULL;
	}
	ret = config_save(running, &yaml);
	if (ret) {
		error_set(err, -ret, "cannot print the configuration: %s", strerror(-ret));
		return NULL;
	}
	return json_pack("{s:s, s:o, s:o}", "yaml", yaml, "sizes", config_sizes(running),
			 "lists_differ", config_differing(running));
}

/* ---- the whole ---- */

static json_t *run_reload(void *ctx, const json_t *request, struct error *err)
{
	struct service *service = ctx;

	/* `reload` goes on to the next server: the daemon may be behind a later socket. */
	if (!service->config_path) {
		error_set(err, EOPNOTSUPP, "no daemon runs that follows a configuration file");
		return NULL;
	}
	return done(service_reload(service, err));
}

static json_t *run_attach(void *ctx, const json_t *request, struct error *err)
{
	return edit_attach(ctx, request, err);
}

static json_t *run_detach(void *ctx, const json_t *request, struct error *err)
{
	const char *name = request_text(request, "interface", err);
	struct service *service = ctx;

	if (!name)
		return NULL;
	if (service->running)
		return edit_detach(service, name, err);
	if (target_remove_interface(service->target, name, err))
		return NULL;
	service->stop = target_idle(service->target);
	return json_object();
}

/* ---- disks ---- */

static json_t *run_disk_add(void *ctx, const json_t *request, struct error *err)
{
	return edit_disk_add(ctx, request, err);
}

static json_t *run_disk_remove(void *ctx, const json_t *request, struct error *err)
{
	return edit_disk_remove(ctx, request, err);
}

/* Without a size: the store has changed by itself. */
static json_t *run_disk_resize(void *ctx, const json_t *request, struct error *err)
{
	const char *name = request_text(request, "name", err);
	struct service *service = ctx;
	uint64_t size = 0;
	const char *text;

	if (!name || request_optional_text(request, "size", &text, err))
		return NULL;
	if (text && size_parse(text, &size)) {
		error_set(err, EINVAL, "'%s' is not a size: write a number and K, M, G or T", text);
		return NULL;
	}
	return done(target_resize_disk(service->target, name, size, err));
}

/* ---- exports ---- */

static json_t *run_export_add(void *ctx, const json_t *request, struct error *err)
{
	return edit_export_add(ctx, request, err);
}

static json_t *run_export_remove(void *ctx, const json_t *request, struct error *err)
{
	return edit_export_remove(ctx, request, err);
}

static json_t *export_enable(struct service *service, const json_t *request, bool enabled,
			     struct error *err)
{
	struct aoe_address addr;

	if (request_address(request, &addr, err))
		return NULL;
	return done(target_enable_export(service->target, &addr, enabled, err));
}

static json_t *run_export_enable(void *ctx, const json_t *request, struct error *err)
{
	return export_enable(ctx, request, true, err);
}

static json_t *run_export_disable(void *ctx, const json_t *request, struct error *err)
{
	return export_enable(ctx, request, false, err);
}

/* ---- iSCSI ---- */

static json_t *run_iscsi_add(void *ctx, const json_t *request, struct error *err)
{
	return edit_iscsi_add(ctx, request, err);
}

static json_t *run_session_close(void *ctx, const json_t *request, struct error *err)
{
	struct service *service = ctx;
	unsigned int tsih;

	if (request_count(request, "tsih", UINT16_MAX, &tsih, err) ||
	    target_close_session(service->target, (uint16_t)tsih, err))
		return NULL;
	log_notice("session %u: ended by an administrator", tsih);
	return json_object();
}

/* ---- log ---- */

/* Until the file is loaded again. */
static json_t *run_log_level(void *ctx, const json_t *request, struct error *err)
{
	const char *text = request_text(request, "level", err);
	struct service *service = ctx;
	int level;

	if (!text || config_log_level_parse(text, &level, err))
		return NULL;
	log_set_level(level);
	if (service->running)
		service->running->log_level = level;
	return json_object();
}

/* ---- access ---- */

/* Every word of the list, with the same access for all when `deny` says so. */
static json_t *acl_change(struct service *service, const json_t *request, bool deny,
			  struct error *err)
{
	const char *list = request_text(request, "list", err);
	const char *name = list ? request_text(request, "address", err) : NULL;
	struct aoe_address addr;
	struct aoe_acl acl;
	int ret;

	if (name && !iscsi_name_check(name, NULL))
		return edit_iscsi_access(service, name, list, deny, err);
	if (!name || request_address(request, &addr, err) || aoe_acl_parse(list, &acl, err))
		return NULL;
	for (unsigned int i = 0; i < acl.count && deny; i++)
		acl.entries[i].access = STGT_ACCESS_DENY;
	ret = target_acl_change(service->target, &addr, &acl, err);
	aoe_acl_fini(&acl);
	return done(ret);
}

static json_t *run_acl_allow(void *ctx, const json_t *request, struct error *err)
{
	return acl_change(ctx, request, false, err);
}

static json_t *run_acl_deny(void *ctx, const json_t *request, struct error *err)
{
	return acl_change(ctx, request, true, err);
}

struct eviction {
	struct aoe_acl_entry entry;
	struct aoe_address *addresses;
	size_t n, room;
	bool no_memory;
};

static void evict_collect(void *ctx, const struct target_found *found)
{
	struct eviction *eviction = ctx;

	if (aoe_acl_lookup(found->acl, eviction->entry.mac) == STGT_ACCESS_DENY)
		return;
	if (eviction->n == eviction->room) {
		size_t room = eviction->room ? 2 * eviction->room : 16;
		struct aoe_address *more = realloc(eviction->addresses, room * sizeof(*more));

		if (!more) {
			eviction->no_memory = true;
			return;
		}
		eviction->addresses = more;
		eviction->room = room;
	}
	eviction->addresses[eviction->n++] = *found->addr;
}

/* Out of every export that admits it, now; its frames are dropped by the XDP program. */
static json_t *run_initiator_evict(void *ctx, const json_t *request, struct error *err)
{
	struct eviction eviction = {.entry.access = STGT_ACCESS_DENY};
	const struct aoe_acl denied = {.entries = &eviction.entry, .count = 1};
	const char *mac = request_text(request, "mac", err);
	struct service *service = ctx;
	struct error each;
	int ret = 0;

	if (!mac)
		return NULL;
	if (!mac_parse(mac, strlen(mac), eviction.entry.mac)) {
		error_set(err, EINVAL, "'%s' is not a MAC address", mac);
		return NULL;
	}
	target_exports_each(service->target, evict_collect, &eviction);
	if (eviction.no_memory)
		ret = error_set(err, ENOMEM, "out of memory: some exports admit it still");
	/* One that fails must not leave the others open. */
	for (size_t i = 0; i < eviction.n; i++) {
		if (!target_acl_change(service->target, &eviction.addresses[i], &denied, &each) ||
		    ret)
			continue;
		ret = -EIO;
		*err = each;
	}
	free(eviction.addresses);
	return ret ? NULL : json_pack("{s:I}", "exports", (json_int_t)eviction.n);
}

const struct control_command service_commands[] = {
	{"status", run_status},
	{"stats", run_stats},
	{"config", run_config},
	{"reload", run_reload},
	{"attach", run_attach},
	{"detach", run_detach},
	{"disk-add", run_disk_add},
	{"disk-remove", run_disk_remove},
	{"disk-resize", run_disk_resize},
	{"export-add", run_export_add},
	{"export-remove", run_export_remove},
	{"export-enable", run_export_enable},
	{"export-disable", run_export_disable},
	{"iscsi-add", run_iscsi_add},
	{"session-close", run_session_close},
	{"log-level", run_log_level},
	{"acl-allow", run_acl_allow},
	{"acl-deny", run_acl_deny},
	{"initiator-evict", run_initiator_evict},
	{"alua-set", tuning_alua_set},
	{"limit-set", tuning_limit_set},
	{"limit-clear", tuning_limit_clear},
	{"fault-add", tuning_fault_add},
	{"fault-clear", tuning_fault_clear},
	{"capture", taps_capture},
	{"trace-on", taps_trace_on},
	{"trace-off", taps_trace_off},
	{NULL, NULL},
};
