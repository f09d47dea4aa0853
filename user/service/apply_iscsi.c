/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The steps of a change that are about iSCSI targets (see apply.c). */
#include "service/internal.h"

#include "base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* Lengths are config_check()'s. */
static void account_of(const struct config_account *from, struct iscsi_account *to)
{
	snprintf(to->name, sizeof(to->name), "%s", from->user ? from->user : "");
	snprintf(to->secret, sizeof(to->secret), "%s", from->secret ? from->secret : "");
}

static struct iscsi_auth auth_of(const struct config_chap *chap)
{
	struct iscsi_auth auth = {};

	account_of(&chap->initiator, &auth.initiator);
	account_of(&chap->target, &auth.target);
	return auth;
}

static struct iscsi_access access_of(const struct config_iscsi *iscsi)
{
	return (struct iscsi_access){
		.rules = iscsi->rules,
		.nrules = iscsi->nrules,
		.auth = auth_of(&iscsi->chap),
	};
}

static int note_target(struct service *s, const struct config_iscsi *wanted, struct error *err)
{
	struct config_iscsi *iscsi = config_add_iscsi(s->running);

	return iscsi && !config_iscsi_copy(wanted, iscsi) ? 0 : out_of_memory(err);
}

int service_remove_target(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err)
{
	const char *name = step->running_iscsi->name;
	int ret = target_remove_iscsi(s->target, name, err);

	if (!ret)
		config_remove_iscsi(s->running, config_find_iscsi(s->running, name));
	return ret;
}

/* A disk that was some other unit until now may have to end what it was asked for there. */
static void settle_unit(struct service *s, const char *disk)
{
	if (target_settle_unit(s->target, disk, s->settle_until_ns))
		log_warning("requests to disk %s do not end", disk);
}

int service_add_target(struct service *s, const struct config_step *step,
		       const struct config *config, struct error *err)
{
	const struct config_iscsi *wanted = step->wanted_iscsi;
	struct lun_request *luns = calloc(wanted->nluns + 1, sizeof(*luns));
	struct iscsi_request request = {
		.name = wanted->name,
		.alias = wanted->alias,
		.portals = wanted->portals,
		.nportals = wanted->nportals,
		.may_come = service_addresses_may_come(s),
		.access = access_of(wanted),
		.luns = luns,
		.nluns = wanted->nluns,
	};
	int ret;

	if (!luns)
		return out_of_memory(err);
	for (unsigned int i = 0; i < wanted->nluns; i++) {
		luns[i] = (struct lun_request){
			.lun = wanted->luns[i].lun,
			.disk = wanted->luns[i].disk,
			.read_only = wanted->luns[i].read_only,
		};
		settle_unit(s, luns[i].disk);
	}
	ret = target_add_iscsi(s->target, &request, err);
	free(luns);
	return ret ? ret : note_target(s, wanted, err);
}

int service_remove_lun(struct service *s, const struct config_step *step,
		       const struct config *config, struct error *err)
{
	struct config_iscsi *now = config_find_iscsi(s->running, step->running_iscsi->name);
	int ret = target_remove_lun(s->target, now->name, step->lun->lun, err);

	if (!ret)
		config_iscsi_remove_lun(now, config_find_lun(now, step->lun->lun));
	return ret;
}

int service_add_lun(struct service *s, const struct config_step *step, const struct config *config,
		    struct error *err)
{
	struct config_iscsi *now = config_find_iscsi(s->running, step->wanted_iscsi->name);
	const struct lun_request request = {
		.lun = step->lun->lun,
		.disk = step->lun->disk,
		.read_only = step->lun->read_only,
	};
	int ret;

	settle_unit(s, request.disk);
	ret = target_add_lun(s->target, now->name, &request, err);
	if (ret)
		return ret;
	return config_iscsi_add_lun(now, request.lun, request.disk, request.read_only)
		       ? out_of_memory(err)
		       : 0;
}

/* `portals` is the running configuration's afterwards, or freed. */
static int set_portals(struct service *s, struct config_iscsi *now, struct iscsi_portal *portals,
		       unsigned int n, struct error *err)
{
	int ret = target_set_portals(s->target, now->name, portals, n,
				     service_addresses_may_come(s), err);

	if (ret) {
		free(portals);
		return ret;
	}
	free(now->portals);
	now->portals = portals;
	now->nportals = n;
	return 0;
}

int service_close_portals(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err)
{
	const struct config_iscsi *wanted = step->wanted_iscsi;
	struct config_iscsi *now = config_find_iscsi(s->running, wanted->name);
	struct iscsi_portal *left = calloc(now->nportals, sizeof(*left));
	unsigned int n = 0;

	if (!left)
		return out_of_memory(err);
	for (unsigned int i = 0; i < now->nportals; i++)
		if (config_iscsi_has_portal(wanted, &now->portals[i]))
			left[n++] = now->portals[i];
	return set_portals(s, now, left, n, err);
}

int service_target_portals(struct service *s, const struct config_step *step,
			   const struct config *config, struct error *err)
{
	const struct config_iscsi *wanted = step->wanted_iscsi;
	struct config_iscsi *now = config_find_iscsi(s->running, wanted->name);
	struct iscsi_portal *portals = calloc(wanted->nportals, sizeof(*portals));

	if (!portals)
		return out_of_memory(err);
	memcpy(portals, wanted->portals, wanted->nportals * sizeof(*portals));
	return set_portals(s, now, portals, wanted->nportals, err);
}

int service_target_access(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err)
{
	const struct config_iscsi *wanted = step->wanted_iscsi;
	struct config_iscsi *now = config_find_iscsi(s->running, wanted->name);
	const struct iscsi_access access = access_of(wanted);
	struct iscsi_rule *rules = calloc(wanted->nrules, sizeof(*rules));
	int ret;

	if (!rules)
		return out_of_memory(err);
	memcpy(rules, wanted->rules, wanted->nrules * sizeof(*rules));
	ret = target_set_access(s->target, wanted->name, &access, err);
	if (ret) {
		free(rules);
		return ret;
	}
	free(now->rules);
	now->rules = rules;
	now->nrules = wanted->nrules;
	config_chap_fini(&now->chap);
	return config_chap_copy(&wanted->chap, &now->chap) ? out_of_memory(err) : 0;
}

static int note_alua(struct config *running, uint16_t group, struct scsi_access_state access)
{
	struct config_alua *now = config_find_alua(running, group);

	if (!now)
		now = config_add_alua(running);
	if (!now)
		return -ENOMEM;
	*now = (struct config_alua){group, access};
	return 0;
}

int service_set_alua(struct service *s, const struct config_step *step, const struct config *config,
		     struct error *err)
{
	const struct config_alua *wanted = step->wanted_alua;
	const uint16_t group = wanted ? wanted->group : step->running_alua->group;
	struct scsi_access_state access = {.access = SCSI_ACCESS_OPTIMIZED};
	int ret;

	if (wanted)
		access = wanted->access;
	ret = target_set_alua(s->target, group, access, err);
	if (ret)
		return ret;
	return note_alua(s->running, group, access) ? out_of_memory(err) : 0;
}

int service_discovery_chap(struct service *s, const struct config_step *step,
			   const struct config *config, struct error *err)
{
	const struct iscsi_auth auth = auth_of(&config->discovery_chap);

	target_set_discovery_auth(s->target, &auth);
	config_chap_fini(&s->running->discovery_chap);
	return config_chap_copy(&config->discovery_chap, &s->running->discovery_chap)
		       ? out_of_memory(err)
		       : 0;
}
