/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steps from one configuration to another: disks, interfaces, exports, limits, log; those of
 * iSCSI are in apply_iscsi.c. Each is noted in the running configuration once it is done.
 */
#include "service/internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the running configuration becomes ---- */

void service_drop_interface(struct config_aoe *aoe, const char *name)
{
	unsigned int i = 0;

	while (i < aoe->ninterfaces && strcmp(aoe->interfaces[i], name))
		i++;
	if (i == aoe->ninterfaces)
		return;
	/* `name` may be this very text. */
	free(aoe->interfaces[i]);
	aoe->ninterfaces--;
	memmove(&aoe->interfaces[i], &aoe->interfaces[i + 1],
		(aoe->ninterfaces - i) * sizeof(char *));
}

static int note_disk(struct config *running, const struct config_disk *wanted)
{
	struct config_disk *disk = config_add_disk(running);

	if (!disk)
		return -ENOMEM;
	disk->name = strdup(wanted->name);
	if (!disk->name || config_disk_spec_copy(&wanted->spec, &disk->spec))
		return -ENOMEM;
	return 0;
}

static int note_interface(struct config *running, const struct config_interface *wanted)
{
	struct config_interface *interface = config_add_interface(running);

	if (!interface)
		return -ENOMEM;
	interface->name = strdup(wanted->name);
	interface->xdp = wanted->xdp;
	interface->busy_poll_us = wanted->busy_poll_us;
	interface->flood_guard = wanted->flood_guard;
	return interface->name ? 0 : -ENOMEM;
}

void service_note_no_interface(struct config *running, const char *name)
{
	for (unsigned int i = 0; i < running->naoe; i++)
		service_drop_interface(&running->aoe[i], name);
	if (config_find_interface(running, name))
		config_remove_interface(running, config_find_interface(running, name));
}

void service_interface_renamed(void *ctx, const char *from, const char *to)
{
	struct service *service = ctx;
	struct config *running = service->running;
	struct config_interface *interface = running ? config_find_interface(running, from) : NULL;
	char *name = interface ? strdup(to) : NULL;

	if (!name)
		return;
	/* One of that name that is noted is gone: the kernel gives it to one at a time. */
	service_note_no_interface(running, to);
	interface = config_find_interface(running, from);
	free(interface->name);
	interface->name = name;
	for (unsigned int i = 0; i < running->naoe; i++) {
		struct config_aoe *aoe = &running->aoe[i];

		if (config_aoe_has_interface(aoe, from) && !config_aoe_add_interface(aoe, to))
			service_drop_interface(aoe, from);
	}
}

static int note_export(struct config *running, const struct config_aoe *wanted)
{
	struct config_aoe *aoe = config_add_aoe(running);
	int ret = 0;

	if (!aoe)
		return -ENOMEM;
	aoe->addr = wanted->addr;
	aoe->enabled = wanted->enabled;
	aoe->acl_differs = wanted->acl_differs;
	aoe->disk = strdup(wanted->disk);
	if (!aoe->disk || aoe_acl_copy(&wanted->acl, &aoe->acl))
		return -ENOMEM;
	for (unsigned int i = 0; i < wanted->ninterfaces && !ret; i++)
		ret = config_aoe_add_interface(aoe, wanted->interfaces[i]);
	return ret;
}

static int noted(int ret, struct error *err)
{
	return ret ? error_set(err, -ret, "out of memory") : 0;
}

/* ---- the steps ---- */

static int do_remove_export(struct service *s, const struct config_step *step,
			    const struct config *config, struct error *err)
{
	const struct aoe_address addr = step->running_aoe->addr;
	int ret = target_remove_export(s->target, &addr, err);

	if (!ret)
		config_remove_aoe(s->running, config_find_aoe(s->running, &addr));
	return ret;
}

static int do_remove_interface(struct service *s, const struct config_step *step,
			       const struct config *config, struct error *err)
{
	const char *name = step->running_interface->name;
	int ret = target_remove_interface(s->target, name, err);

	/* One that went away by itself is gone all the same. */
	if (ret && ret != -ENODEV)
		return ret;
	service_note_no_interface(s->running, name);
	return 0;
}

static int do_remove_disk(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err)
{
	const char *name = step->running_disk->name;
	int ret;

	if (target_settle_disk(s->target, name, s->settle_until_ns))
		log_warning("requests to disk %s do not end", name);
	if (s->undoing)
		target_undo_disk(s->target, name);
	ret = target_remove_disk(s->target, name, err);
	if (!ret)
		config_remove_disk(s->running, config_find_disk(s->running, name));
	return ret;
}

static int do_add_disk(struct service *s, const struct config_step *step,
		       const struct config *config, struct error *err)
{
	const struct config_disk *wanted = step->wanted_disk;
	_cleanup_free_ char *text = config_disk_text(&wanted->spec);
	int ret;

	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	ret = target_add_disk(s->target, wanted->name, text, err);
	return ret ? ret : noted(note_disk(s->running, wanted), err);
}

static int do_grow_disk(struct service *s, const struct config_step *step,
			const struct config *config, struct error *err)
{
	const struct config_disk *wanted = step->wanted_disk;
	int ret = target_resize_disk(s->target, wanted->name, wanted->spec.size, err);

	if (!ret)
		config_find_disk(s->running, wanted->name)->spec.size = wanted->spec.size;
	return ret;
}

static int do_set_threshold(struct service *s, const struct config_step *step,
			    const struct config *config, struct error *err)
{
	const struct config_disk *wanted = step->wanted_disk;
	int ret = target_set_threshold(s->target, wanted->name, wanted->spec.soft_threshold, err);

	if (!ret)
		config_find_disk(s->running, wanted->name)->spec.soft_threshold =
			wanted->spec.soft_threshold;
	return ret;
}

/* Its step says all there is to say. */
static int do_keep_disk(struct service *s, const struct config_step *step,
			const struct config *config, struct error *err)
{
	return 0;
}

static int do_add_interface(struct service *s, const struct config_step *step,
			    const struct config *config, struct error *err)
{
	const struct config_interface *wanted = step->wanted_interface;
	const struct interface_request request = {
		.name = wanted->name,
		.xdp = wanted->xdp,
		.busy_poll_us = wanted->busy_poll_us,
		.flood_guard = wanted->flood_guard,
	};
	int ret = target_add_interface(s->target, &request, NULL, 0, err);

	return ret ? ret : noted(note_interface(s->running, wanted), err);
}

/*
 * Who may use an export on an interface. Lists that differed come back as they were: what any of
 * them granted, granted everywhere, would be more than anybody asked for.
 */
static struct aoe_acl list_on(const struct service *s, const struct config_aoe *wanted,
			      const char *interface)
{
	struct aoe_acl before;

	if (wanted->acl_differs && s->lists &&
	    target_access_on(s->lists, interface, &wanted->addr, &before))
		return before;
	return wanted->acl;
}

static int bind_export(struct service *s, const struct config_aoe *wanted, const char *interface,
		       struct error *err)
{
	const struct aoe_acl acl = list_on(s, wanted, interface);

	return target_bind_export(s->target, &wanted->addr, interface, &acl, err);
}

static int do_add_export(struct service *s, const struct config_step *step,
			 const struct config *config, struct error *err)
{
	const struct config_aoe *wanted = step->wanted_aoe;
	const struct export_request request = {
		.addr = wanted->addr,
		.disk = wanted->disk,
		.acl = wanted->acl,
		.disabled = !wanted->enabled,
	};
	int ret;

	if (!config_find_disk(s->running, wanted->disk))
		return error_set(err, ENOENT, "disk %s is not open", wanted->disk);
	if (target_settle_address(s->target, &wanted->addr, s->settle_until_ns))
		log_warning("requests to a removed export do not end");
	ret = target_add_export(s->target, &request, NULL, err);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < wanted->ninterfaces && !ret; i++)
		ret = bind_export(s, wanted, wanted->interfaces[i], err);
	if (ret)
		target_remove_export(s->target, &wanted->addr, NULL);
	return ret ? ret : noted(note_export(s->running, wanted), err);
}

static int do_interfaces(struct service *s, const struct config_step *step,
			 const struct config *config, struct error *err)
{
	const struct config_aoe *wanted = step->wanted_aoe;
	struct config_aoe *now = config_find_aoe(s->running, &wanted->addr);
	int ret = 0;

	for (unsigned int i = 0; i < wanted->ninterfaces && !ret; i++) {
		if (config_aoe_has_interface(now, wanted->interfaces[i]))
			continue;
		ret = bind_export(s, wanted, wanted->interfaces[i], err);
		if (!ret)
			ret = noted(config_aoe_add_interface(now, wanted->interfaces[i]), err);
	}
	for (unsigned int i = now->ninterfaces; i-- > 0 && !ret;) {
		if (config_aoe_has_interface(wanted, now->interfaces[i]))
			continue;
		ret = target_unbind_export(s->target, &wanted->addr, now->interfaces[i], err);
		if (!ret)
			service_drop_interface(now, now->interfaces[i]);
	}
	return ret;
}

/* The way back to lists that differ. */
static int set_lists(struct service *s, const struct config_aoe *wanted, struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; i < wanted->ninterfaces && !ret; i++) {
		const char *interface = wanted->interfaces[i];
		const struct aoe_acl acl = list_on(s, wanted, interface);

		ret = target_acl_set_on(s->target, &wanted->addr, interface, &acl, err);
	}
	return ret;
}

static int do_acl(struct service *s, const struct config_step *step, const struct config *config,
		  struct error *err)
{
	const struct config_aoe *wanted = step->wanted_aoe;
	struct config_aoe *now = config_find_aoe(s->running, &wanted->addr);
	int ret = wanted->acl_differs ? set_lists(s, wanted, err)
				      : target_acl_set(s->target, &wanted->addr, &wanted->acl, err);

	if (ret)
		return ret;
	aoe_acl_fini(&now->acl);
	now->acl_differs = wanted->acl_differs;
	return noted(aoe_acl_copy(&wanted->acl, &now->acl), err);
}

static int do_enabled(struct service *s, const struct config_step *step,
		      const struct config *config, struct error *err)
{
	const struct config_aoe *wanted = step->wanted_aoe;
	int ret = target_enable_export(s->target, &wanted->addr, wanted->enabled, err);

	if (!ret)
		config_find_aoe(s->running, &wanted->addr)->enabled = wanted->enabled;
	return ret;
}

static int do_flood_guard(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err)
{
	const struct config_interface *wanted = step->wanted_interface;
	int ret = target_set_flood_guard(s->target, wanted->name, wanted->flood_guard, err);

	/* One that went away by itself gets it when it comes back. */
	if (ret && ret != -ENODEV)
		return ret;
	config_find_interface(s->running, wanted->name)->flood_guard = wanted->flood_guard;
	return 0;
}

static int do_remove_limit(struct service *s, const struct config_step *step,
			   const struct config *config, struct error *err)
{
	const uint8_t *mac = step->running_limit->mac;
	struct config_limit *now = config_find_limit(s->running, mac);
	int ret = target_clear_limit(s->target, mac, err);

	/* One that was cleared by hand is gone all the same. */
	if (ret && ret != -ENOENT)
		return ret;
	if (now)
		config_remove_limit(s->running, now);
	return 0;
}

static int do_set_limit(struct service *s, const struct config_step *step,
			const struct config *config, struct error *err)
{
	const struct config_limit *wanted = step->wanted_limit;
	const struct aoe_limit limit = {.iops = wanted->iops, .bytes = wanted->bytes};
	struct config_limit *now;
	int ret = target_set_limit(s->target, wanted->mac, &limit, err);

	if (ret)
		return ret;
	now = config_find_limit(s->running, wanted->mac);
	if (!now)
		now = config_add_limit(s->running);
	if (!now)
		return noted(-ENOMEM, err);
	*now = *wanted;
	return 0;
}

static int note_text(char **running, const char *wanted)
{
	char *copy = wanted ? strdup(wanted) : NULL;

	if (wanted && !copy)
		return -ENOMEM;
	free(*running);
	*running = copy;
	return 0;
}

static int do_exporter(struct service *s, const struct config_step *step,
		       const struct config *config, struct error *err)
{
	int ret = service_export(s, config->listen, err);

	return ret ? ret : noted(note_text(&s->running->listen, config->listen), err);
}

static int do_log(struct service *s, const struct config_step *step, const struct config *config,
		  struct error *err)
{
	static const enum log_to places[] = {
		[CONFIG_LOG_AUTO] = LOG_TO_AUTO,
		[CONFIG_LOG_STDERR] = LOG_TO_STDERR,
		[CONFIG_LOG_JOURNAL] = LOG_TO_JOURNAL,
	};

	log_configure(config->log_level, places[config->log_to]);
	s->running->log_level = config->log_level;
	s->running->log_to = config->log_to;
	return 0;
}

/* Where state and socket are cannot change while they are there. */
static int do_restart(struct service *s, const struct config_step *step,
		      const struct config *config, struct error *err)
{
	int ret = note_text(&s->running->state_dir, config->state_dir);

	return noted(ret ? ret : note_text(&s->running->socket, config->socket), err);
}

int (*const service_steps[])(struct service *s, const struct config_step *step,
			     const struct config *config, struct error *err) = {
	[CONFIG_REMOVE_EXPORT] = do_remove_export,
	[CONFIG_REMOVE_INTERFACE] = do_remove_interface,
	[CONFIG_REMOVE_DISK] = do_remove_disk,
	[CONFIG_ADD_DISK] = do_add_disk,
	[CONFIG_GROW_DISK] = do_grow_disk,
	[CONFIG_SET_THRESHOLD] = do_set_threshold,
	[CONFIG_KEEP_DISK] = do_keep_disk,
	[CONFIG_ADD_INTERFACE] = do_add_interface,
	[CONFIG_ADD_EXPORT] = do_add_export,
	[CONFIG_EXPORT_INTERFACES] = do_interfaces,
	[CONFIG_EXPORT_ACL] = do_acl,
	[CONFIG_EXPORT_ENABLED] = do_enabled,
	[CONFIG_REMOVE_TARGET] = service_remove_target,
	[CONFIG_REMOVE_LUN] = service_remove_lun,
	[CONFIG_CLOSE_PORTALS] = service_close_portals,
	[CONFIG_SET_ALUA] = service_set_alua,
	[CONFIG_ADD_TARGET] = service_add_target,
	[CONFIG_ADD_LUN] = service_add_lun,
	[CONFIG_TARGET_PORTALS] = service_target_portals,
	[CONFIG_TARGET_ACCESS] = service_target_access,
	[CONFIG_DISCOVERY_CHAP] = service_discovery_chap,
	[CONFIG_FLOOD_GUARD] = do_flood_guard,
	[CONFIG_REMOVE_LIMIT] = do_remove_limit,
	[CONFIG_SET_LIMIT] = do_set_limit,
	[CONFIG_EXPORTER] = do_exporter,
	[CONFIG_LOG] = do_log,
	[CONFIG_RESTART] = do_restart,
};
