/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int iscsi_node_open(struct iscsi_node **node, struct error *err)
{
	struct iscsi_node *n = calloc(1, sizeof(*n));

	if (!n)
		return error_set(err, ENOMEM, "no memory for iSCSI");
	pthread_mutex_init(&n->lock, NULL);
	list_init(&n->targets);
	list_init(&n->sessions);
	*node = n;
	return 0;
}

void iscsi_node_close(struct iscsi_node *node)
{
	assert(list_empty(&node->targets) && list_empty(&node->sessions));
	pthread_mutex_destroy(&node->lock);
	free(node);
}

void iscsi_node_set_discovery_auth(struct iscsi_node *node, const struct iscsi_auth *auth)
{
	pthread_mutex_lock(&node->lock);
	if (auth)
		node->discovery_auth = *auth;
	else
		memset(&node->discovery_auth, 0, sizeof(node->discovery_auth));
	pthread_mutex_unlock(&node->lock);
}

void iscsi_node_discovery_auth(struct iscsi_node *node, struct iscsi_auth *auth)
{
	pthread_mutex_lock(&node->lock);
	*auth = node->discovery_auth;
	pthread_mutex_unlock(&node->lock);
}

/* ---- targets ---- */

static struct iscsi_target *node_target(struct iscsi_node *node, const char *name)
{
	struct iscsi_target *target;

	list_for_each_entry (target, &node->targets, link)
		if (!iscsi_name_compare(target->name, name))
			return target;
	return NULL;
}

static int target_fill(struct iscsi_target *target, const struct iscsi_target_config *config)
{
	int ret;

	strcpy(target->name, config->name);
	snprintf(target->alias, sizeof(target->alias), "%s", config->alias ? config->alias : "");
	target->settings = config->settings;
	list_init(&target->link);
	ret = iscsi_target_set_access(target, &config->access);
	for (unsigned int i = 0; i < config->nports && !ret; i++)
		ret = iscsi_target_add_port(target, &config->ports[i]);
	return ret ? ret : iscsi_target_set_portals(target, config->portals, config->nportals);
}

int iscsi_target_open(struct iscsi_node *node, const struct iscsi_target_config *config,
		      struct iscsi_target **out, struct error *err)
{
	struct iscsi_target *target;
	bool taken;
	int ret;

	ret = iscsi_name_check(config->name, err);
	if (!ret)
		ret = iscsi_settings_check(&config->settings, err);
	if (ret)
		return ret;
	target = calloc(1, sizeof(*target));
	if (!target)
		return error_set(err, ENOMEM, "no memory for target %s", config->name);
	target->node = node;
	if (target_fill(target, config)) {
		iscsi_target_close(target);
		return error_set(err, ENOMEM, "no memory for target %s", config->name);
	}
	pthread_mutex_lock(&node->lock);
	taken = node_target(node, target->name);
	if (!taken)
		list_add_tail(&node->targets, &target->link);
	pthread_mutex_unlock(&node->lock);
	if (taken) {
		iscsi_target_close(target);
		return error_set(err, EEXIST, "there is a target %s already", config->name);
	}
	*out = target;
	return 0;
}

void iscsi_target_hide(struct iscsi_target *target)
{
	pthread_mutex_lock(&target->node->lock);
	if (list_linked(&target->link))
		list_del(&target->link);
	pthread_mutex_unlock(&target->node->lock);
}

void iscsi_target_close(struct iscsi_target *target)
{
	iscsi_target_hide(target);
	free(target->portals);
	free(target->ports);
	free((void *)target->access.rules);
	free(target);
}

const char *iscsi_target_name(const struct iscsi_target *target)
{
	return target->name;
}

int iscsi_target_add_port(struct iscsi_target *target, const struct iscsi_port *port)
{
	struct iscsi_port *grown;

	pthread_mutex_lock(&target->node->lock);
	grown = reallocarray(target->ports, target->nports + 1, sizeof(*grown));
	if (grown) {
		grown[target->nports++] = *port;
		target->ports = grown;
	}
	pthread_mutex_unlock(&target->node->lock);
	return grown ? 0 : -ENOMEM;
}

/* A copy of `n` things, or NULL; there is one also of none. */
static void *copy_of(const void *things, unsigned int n, size_t size)
{
	void *copy = calloc(n + 1ull, size);

	if (copy && n)
		memcpy(copy, things, n * size);
	return copy;
}

int iscsi_target_set_access(struct iscsi_target *target, const struct iscsi_access *access)
{
	struct iscsi_rule *rules = copy_of(access->rules, access->nrules, sizeof(*rules));
	const void *old;

	if (!rules)
		return -ENOMEM;
	pthread_mutex_lock(&target->node->lock);
	old = target->access.rules;
	target->access = *access;
	target->access.rules = rules;
	pthread_mutex_unlock(&target->node->lock);
	free((void *)old);
	return 0;
}

int iscsi_target_set_portals(struct iscsi_target *target, const struct iscsi_portal *portals,
			     unsigned int nportals)
{
	struct iscsi_portal *copy = copy_of(portals, nportals, sizeof(*copy)), *old;

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&target->node->lock);
	old = target->portals;
	target->portals = copy;
	target->nportals = nportals;
	pthread_mutex_unlock(&target->node->lock);
	free(old);
	return 0;
}

int iscsi_target_set_redirect(struct iscsi_target *target, const char *address, bool permanent)
{
	if (address && strlen(address) >= sizeof(target->redirect))
		return -EINVAL;
	pthread_mutex_lock(&target->node->lock);
	strcpy(target->redirect, address ? address : "");
	target->redirect_permanent = permanent;
	pthread_mutex_unlock(&target->node->lock);
	return 0;
}

static const struct iscsi_rule *target_rule(const struct iscsi_target *target,
					    const char *initiator)
{
	for (unsigned int i = 0; i < target->access.nrules; i++)
		if (iscsi_name_match(target->access.rules[i].pattern, initiator))
			return &target->access.rules[i];
	return NULL;
}

bool iscsi_target_allows(struct iscsi_target *target, const char *initiator,
			 struct scsi_lun_mask *mask)
{
	const struct iscsi_rule *rule;

	pthread_mutex_lock(&target->node->lock);
	rule = target_rule(target, initiator);
	if (rule)
		*mask = rule->mask;
	pthread_mutex_unlock(&target->node->lock);
	return rule;
}

static bool target_has_group(const struct iscsi_target *target, uint16_t group)
{
	for (unsigned int i = 0; i < target->nportals; i++)
		if (target->portals[i].group == group)
			return true;
	return false;
}

static struct scsi_target *target_port(const struct iscsi_target *target, uint16_t group)
{
	for (unsigned int i = 0; i < target->nports; i++)
		if (target->ports[i].group == group)
			return target->ports[i].scsi;
	return NULL;
}

static uint16_t target_admit(struct iscsi_target *target, const char *initiator, uint16_t group,
			     struct iscsi_admission *admission)
{
	const struct iscsi_rule *rule = target_rule(target, initiator);

	if (!rule)
		return ISCSI_LOGIN_AUTHORIZATION;
	if (target->redirect[0]) {
		strcpy(admission->redirect, target->redirect);
		return target->redirect_permanent ? ISCSI_LOGIN_MOVED_PERMANENTLY
						  : ISCSI_LOGIN_MOVED_TEMPORARILY;
	}
	admission->scsi = target_port(target, group);
	if (!target_has_group(target, group) || !admission->scsi)
		return ISCSI_LOGIN_NOT_FOUND;
	admission->target = target;
	admission->mask = rule->mask;
	admission->auth = target->access.auth;
	return ISCSI_LOGIN_SUCCESS;
}

uint16_t iscsi_node_admit(struct iscsi_node *node, const char *name, const char *initiator,
			  uint16_t group, struct iscsi_admission *admission)
{
	struct iscsi_target *target;
	uint16_t status = ISCSI_LOGIN_NOT_FOUND;

	memset(admission, 0, sizeof(*admission));
	pthread_mutex_lock(&node->lock);
	target = node_target(node, name);
	if (target)
		status = target_admit(target, initiator, group, admission);
	pthread_mutex_unlock(&node->lock);
	return status;
}

/* ---- sessions ---- */

bool iscsi_session_same(const struct iscsi_session_id *a, const struct iscsi_session_id *b)
{
	return a->target == b->target && a->group == b->group &&
	       !memcmp(a->isid, b->isid, sizeof(a->isid)) && !strcmp(a->initiator, b->initiator);
}

static bool node_tsih_used(const struct iscsi_node *node, uint16_t tsih)
{
	const struct iscsi_session_id *id;

	list_for_each_entry (id, &node->sessions, link)
		if (id->tsih == tsih)
			return true;
	return false;
}

static bool node_tsih(struct iscsi_node *node, uint16_t *tsih)
{
	for (unsigned int i = 0; i <= UINT16_MAX; i++)
		if (++node->last_tsih && !node_tsih_used(node, node->last_tsih)) {
			*tsih = node->last_tsih;
			return true;
		}
	return false;
}

static int node_register(struct iscsi_node *node, struct iscsi_session_id *id,
			 struct iscsi_worker **there)
{
	const struct iscsi_session_id *other;

	if (id->target)
		list_for_each_entry (other, &node->sessions, link)
			if (iscsi_session_same(other, id)) {
				*there = other->worker;
				return -EEXIST;
			}
	if (!node_tsih(node, &id->tsih))
		return -ENOSPC;
	id->nexus = ++node->last_nexus;
	list_add_tail(&node->sessions, &id->link);
	return 0;
}

int iscsi_node_register(struct iscsi_node *node, struct iscsi_session_id *id,
			struct iscsi_worker **there)
{
	int ret;

	pthread_mutex_lock(&node->lock);
	ret = node_register(node, id, there);
	pthread_mutex_unlock(&node->lock);
	return ret;
}

void iscsi_node_unregister(struct iscsi_node *node, struct iscsi_session_id *id)
{
	pthread_mutex_lock(&node->lock);
	list_del(&id->link);
	pthread_mutex_unlock(&node->lock);
}

struct iscsi_worker *iscsi_node_find(struct iscsi_node *node, const struct iscsi_session_id *id)
{
	struct iscsi_worker *worker = NULL;
	const struct iscsi_session_id *other;

	pthread_mutex_lock(&node->lock);
	list_for_each_entry (other, &node->sessions, link)
		if (other->tsih == id->tsih && iscsi_session_same(other, id))
			worker = other->worker;
	pthread_mutex_unlock(&node->lock);
	return worker;
}

/* ---- discovery ---- */

static bool portal_is_wild(const struct iscsi_portal *portal)
{
	return !strncmp(portal->address, "0.0.0.0:", 8) || !strncmp(portal->address, "[::]:", 5);
}

/* A wildcard address of IPv4 for who connected over IPv6, or the reverse: nothing to be told. */
static bool portal_is_nameless(const struct iscsi_portal *portal, const char *local)
{
	return portal_is_wild(portal) && (portal->address[0] == '[') != (local[0] == '[');
}

/* The wildcard addresses name no place to connect to: there stands the one that was used. */
static void list_portal(const struct iscsi_portal *portal, const char *local,
			struct iscsi_text *out)
{
	const char *colon = strrchr(portal->address, ':'), *end = strrchr(local, ':');
	char text[2 * ISCSI_PORTAL_MAX + 8];

	if (portal_is_wild(portal) && end)
		snprintf(text, sizeof(text), "%.*s%s,%u", (int)(end - local), local, colon,
			 portal->group);
	else
		snprintf(text, sizeof(text), "%s,%u", portal->address, portal->group);
	iscsi_text_put(out, "TargetAddress", text);
}

/* One that has no address to tell is left out: without any it would be sought at this one. */
static void list_target(const struct iscsi_target *target, const char *local,
			struct iscsi_text *out)
{
	bool named = false;

	for (unsigned int i = 0; i < target->nportals; i++) {
		if (portal_is_nameless(&target->portals[i], local))
			continue;
		if (!named)
			iscsi_text_put(out, "TargetName", target->name);
		named = true;
		list_portal(&target->portals[i], local, out);
	}
}

void iscsi_node_list(struct iscsi_node *node, const char *name, const char *initiator,
		     const char *local, struct iscsi_text *out)
{
	const struct iscsi_target *target;

	pthread_mutex_lock(&node->lock);
	list_for_each_entry (target, &node->targets, link)
		if ((!name || !iscsi_name_compare(name, target->name)) &&
		    target_rule(target, initiator))
			list_target(target, local, out);
	pthread_mutex_unlock(&node->lock);
}
