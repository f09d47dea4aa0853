/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live commands that change a daemon's iSCSI targets (see edit.c). */
#include "service/internal.h"

#include "base/cleanup.h"
#include "config/iscsi_words.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORTAL_DEFAULT "0.0.0.0"

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static int add_rule(struct config_iscsi *iscsi, const struct iscsi_rule *rule, struct error *err)
{
	struct iscsi_rule *grown = reallocarray(iscsi->rules, iscsi->nrules + 1, sizeof(*grown));

	if (!grown)
		return out_of_memory(err);
	iscsi->rules = grown;
	grown[iscsi->nrules++] = *rule;
	return 0;
}

static int allow_rule(struct config_iscsi *iscsi, const struct iscsi_rule *rule, struct error *err)
{
	return config_iscsi_allow(iscsi, rule) ? out_of_memory(err) : 0;
}

static int deny_rule(struct config_iscsi *iscsi, const struct iscsi_rule *rule, struct error *err)
{
	const struct iscsi_rule *left = config_iscsi_deny(iscsi, rule->pattern);
	_cleanup_free_ char *text = left ? config_rule_text(left) : NULL;

	if (left)
		return error_set(err, EEXIST,
				 "%s would be let in by %s still: allow those whom you mean, and "
				 "deny that",
				 rule->pattern, text ? text : "another");
	if (!iscsi->nrules)
		return error_set(err, EINVAL,
				 "nobody would be left on the list: allow others first, or remove "
				 "the target");
	return 0;
}

/* Each rule of a list as the command line has it. */
static int each_rule(struct config_iscsi *iscsi, const char *list,
		     int (*fn)(struct config_iscsi *, const struct iscsi_rule *, struct error *),
		     struct error *err)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	struct iscsi_rule rule;
	int ret = copy ? 0 : out_of_memory(err);

	while (!ret && (word = strsep(&rest, ","))) {
		ret = config_rule_parse(word, &rule, err);
		if (!ret)
			ret = fn(iscsi, &rule, err);
	}
	return ret;
}

static int set_rules(struct config_iscsi *iscsi, const char *list, struct error *err)
{
	free(iscsi->rules);
	iscsi->rules = NULL;
	iscsi->nrules = 0;
	return each_rule(iscsi, list, add_rule, err);
}

static int set_portals(struct config_iscsi *iscsi, const json_t *portals, struct error *err)
{
	size_t n = json_array_size(portals);
	int ret = 0;

	free(iscsi->portals);
	iscsi->nportals = 0;
	iscsi->portals = calloc(n + 1, sizeof(*iscsi->portals));
	if (!iscsi->portals)
		return out_of_memory(err);
	for (size_t i = 0; i < n && !ret; i++)
		ret = config_portal_parse(json_string_value(json_array_get(portals, i)),
					  &iscsi->portals[iscsi->nportals++], err);
	if (!n)
		ret = config_portal_parse(PORTAL_DEFAULT, &iscsi->portals[iscsi->nportals++], err);
	return ret;
}

/* The target of that name, made if there is none. */
static int find_target(struct config *config, const char *name, struct config_iscsi **iscsi,
		       struct error *err)
{
	int ret = iscsi_name_check(name, err);

	if (ret)
		return ret;
	*iscsi = config_find_iscsi(config, name);
	if (*iscsi)
		return 0;
	*iscsi = config_add_iscsi(config);
	if (!*iscsi || !((*iscsi)->name = strdup(name)))
		return out_of_memory(err);
	return set_portals(*iscsi, NULL, err);
}

/* A unit of a target, which is made for it if need be; who may use it, and where it is reached. */
static int add_unit(struct config *config, const json_t *request, struct error *err)
{
	const char *name = request_text(request, "target", err), *allow;
	const char *disk = name ? request_text(request, "disk", err) : NULL;
	bool read_only = json_is_true(json_object_get(request, "ro"));
	const json_t *portals = json_object_get(request, "portals");
	struct config_iscsi *iscsi;
	unsigned int lun;
	int ret;

	if (!disk || request_optional_text(request, "allow", &allow, err) ||
	    request_count(request, "lun", SCSI_LUNS_MAX - 1, &lun, err) ||
	    (portals && !request_texts(request, "portals", err)))
		return -EINVAL;
	ret = find_target(config, name, &iscsi, err);
	if (!ret && !iscsi->nrules && !allow)
		return error_set(err, EINVAL,
				 "there is no target %s: a new one wants 'allow' (--allow LIST)",
				 name);
	if (!ret && allow)
		ret = set_rules(iscsi, allow, err);
	if (!ret && json_array_size(portals))
		ret = set_portals(iscsi, portals, err);
	if (ret)
		return ret;
	ret = config_iscsi_add_lun(iscsi, (uint16_t)lun, disk, read_only);
	if (ret == -EEXIST)
		return error_set(err, EEXIST, "%s has a LUN %u already", name, lun);
	return ret ? out_of_memory(err) : 0;
}

json_t *edit_iscsi_add(struct service *service, const json_t *request, struct error *err)
{
	struct config *copy = edit_begin(service, err);

	return copy ? edit_end(service, copy, add_unit(copy, request, err), err) : NULL;
}

static int remove_unit(struct config_iscsi *iscsi, unsigned int number, struct error *err)
{
	struct config_lun *lun = config_find_lun(iscsi, number);

	if (!lun)
		return error_set(err, ENOENT, "%s has no LUN %u", iscsi->name, number);
	config_iscsi_remove_lun(iscsi, lun);
	return 0;
}

json_t *edit_iscsi_remove(struct service *service, const char *name, const json_t *request,
			  struct error *err)
{
	bool unit = json_object_get(request, "lun");
	struct config_iscsi *iscsi;
	unsigned int lun = 0;
	struct config *copy;
	int ret = 0;

	if (unit && request_count(request, "lun", SCSI_LUNS_MAX - 1, &lun, err))
		return NULL;
	copy = edit_begin(service, err);
	if (!copy)
		return NULL;
	iscsi = config_find_iscsi(copy, name);
	if (!iscsi)
		ret = error_set(err, ENOENT, "there is no target %s", name);
	else if (unit)
		ret = remove_unit(iscsi, lun, err);
	else
		config_remove_iscsi(copy, iscsi);
	return edit_end(service, copy, ret, err);
}

json_t *edit_iscsi_access(struct service *service, const char *name, const char *list, bool deny,
			  struct error *err)
{
	struct config *copy = edit_begin(service, err);
	struct config_iscsi *iscsi;
	int ret;

	if (!copy)
		return NULL;
	iscsi = config_find_iscsi(copy, name);
	ret = iscsi ? each_rule(iscsi, list, deny ? deny_rule : allow_rule, err)
		    : error_set(err, ENOENT, "there is no target %s", name);
	return edit_end(service, copy, ret, err);
}
