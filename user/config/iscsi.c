/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* iSCSI targets as entries of a configuration. */
#include "config/config.h"
#include "config/entries.h"
#include "config/iscsi_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- CHAP -------------------------------------------------------------------------------- */

static void account_fini(struct config_account *account)
{
	free(account->user);
	if (account->secret)
		explicit_bzero(account->secret, strlen(account->secret));
	free(account->secret);
	free(account->secret_file);
}

void config_chap_fini(struct config_chap *chap)
{
	account_fini(&chap->initiator);
	account_fini(&chap->target);
	*chap = (struct config_chap){};
}

static bool copy_text(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool account_copy(const struct config_account *from, struct config_account *to)
{
	return copy_text(from->user, &to->user) && copy_text(from->secret, &to->secret) &&
	       copy_text(from->secret_file, &to->secret_file);
}

int config_chap_copy(const struct config_chap *from, struct config_chap *to)
{
	return account_copy(&from->initiator, &to->initiator) &&
			       account_copy(&from->target, &to->target)
		       ? 0
		       : -ENOMEM;
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool account_equal(const struct config_account *a, const struct config_account *b)
{
	bool unread = a->secret_file && (!a->secret || !b->secret);

	return text_equal(a->user, b->user) && text_equal(a->secret_file, b->secret_file) &&
	       (unread || text_equal(a->secret, b->secret));
}

bool config_chap_equal(const struct config_chap *a, const struct config_chap *b)
{
	return account_equal(&a->initiator, &b->initiator) && account_equal(&a->target, &b->target);
}

/* ---- targets ----------------------------------------------------------------------------- */

void config_iscsi_fini(struct config_iscsi *iscsi)
{
	for (unsigned int i = 0; i < iscsi->nluns; i++)
		free(iscsi->luns[i].disk);
	free(iscsi->luns);
	free(iscsi->rules);
	free(iscsi->portals);
	free(iscsi->name);
	free(iscsi->alias);
	config_chap_fini(&iscsi->chap);
}

/* One more than there are, so that none is no failure. */
static bool copy_array(const void *from, unsigned int n, size_t size, void *to)
{
	void *copy = calloc(n + 1, size);

	if (copy && n)
		memcpy(copy, from, n * size);
	*(void **)to = copy;
	return copy;
}

int config_iscsi_copy(const struct config_iscsi *from, struct config_iscsi *to)
{
	int ret;

	if (!copy_text(from->name, &to->name) || !copy_text(from->alias, &to->alias) ||
	    !copy_array(from->portals, from->nportals, sizeof(*from->portals), &to->portals) ||
	    !copy_array(from->rules, from->nrules, sizeof(*from->rules), &to->rules))
		return -ENOMEM;
	to->nportals = from->nportals;
	to->nrules = from->nrules;
	ret = config_chap_copy(&from->chap, &to->chap);
	for (unsigned int i = 0; i < from->nluns && !ret; i++)
		ret = config_iscsi_add_lun(to, from->luns[i].lun, from->luns[i].disk,
					   from->luns[i].read_only);
	return ret;
}

struct config_lun *config_find_lun(const struct config_iscsi *iscsi, unsigned int lun)
{
	for (unsigned int i = 0; i < iscsi->nluns; i++)
		if (iscsi->luns[i].lun == lun)
			return &iscsi->luns[i];
	return NULL;
}

int config_iscsi_add_lun(struct config_iscsi *iscsi, uint16_t number, const char *disk,
			 bool read_only)
{
	struct config_lun lun = {.lun = number, .read_only = read_only};
	struct config_lun *grown;

	if (config_find_lun(iscsi, number))
		return -EEXIST;
	lun.disk = strdup(disk);
	grown = lun.disk ? reallocarray(iscsi->luns, iscsi->nluns + 1, sizeof(*grown)) : NULL;
	if (!grown) {
		free(lun.disk);
		return -ENOMEM;
	}
	grown[iscsi->nluns++] = lun;
	iscsi->luns = grown;
	return 0;
}

void config_iscsi_remove_lun(struct config_iscsi *iscsi, struct config_lun *lun)
{
	size_t after = (size_t)(iscsi->luns + iscsi->nluns - (lun + 1));

	free(lun->disk);
	memmove(lun, lun + 1, after * sizeof(*lun));
	iscsi->nluns--;
}

static void remove_rules(struct config_iscsi *iscsi, const char *pattern)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < iscsi->nrules; i++)
		if (iscsi_name_compare(iscsi->rules[i].pattern, pattern) != 0)
			iscsi->rules[kept++] = iscsi->rules[i];
	iscsi->nrules = kept;
}

/* Of a pattern, the rule that fits all that it fits; or the end of the rules. */
static struct iscsi_rule *first_for(const struct config_iscsi *iscsi, const char *pattern)
{
	struct iscsi_rule *rule = iscsi->rules, *end = rule + iscsi->nrules;

	while (rule < end && !iscsi_name_match(rule->pattern, pattern))
		rule++;
	return rule;
}

int config_iscsi_allow(struct config_iscsi *iscsi, const struct iscsi_rule *rule)
{
	struct iscsi_rule *grown, *at;

	remove_rules(iscsi, rule->pattern);
	grown = reallocarray(iscsi->rules, iscsi->nrules + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	iscsi->rules = grown;
	at = first_for(iscsi, rule->pattern);
	memmove(at + 1, at, (size_t)(grown + iscsi->nrules++ - at) * sizeof(*at));
	*at = *rule;
	return 0;
}

const struct iscsi_rule *config_iscsi_deny(struct config_iscsi *iscsi, const char *pattern)
{
	const struct iscsi_rule *left;

	remove_rules(iscsi, pattern);
	left = first_for(iscsi, pattern);
	return left < iscsi->rules + iscsi->nrules ? left : NULL;
}

bool config_iscsi_access_equal(const struct config_iscsi *a, const struct config_iscsi *b)
{
	bool equal = a->nrules == b->nrules && config_chap_equal(&a->chap, &b->chap);

	for (unsigned int i = 0; i < a->nrules && equal; i++)
		equal = config_rule_equal(&a->rules[i], &b->rules[i]);
	return equal;
}

static bool has_group(const struct config_iscsi *iscsi, uint16_t group)
{
	for (unsigned int i = 0; i < iscsi->nportals; i++)
		if (iscsi->portals[i].group == group)
			return true;
	return false;
}

bool config_iscsi_groups_stay(const struct config_iscsi *before, const struct config_iscsi *after)
{
	for (unsigned int i = 0; i < before->nportals; i++)
		if (!has_group(after, before->portals[i].group))
			return false;
	return true;
}

bool config_portals_equal(const struct iscsi_portal *a, const struct iscsi_portal *b)
{
	return a->group == b->group && !strcmp(a->address, b->address);
}

bool config_iscsi_has_portal(const struct config_iscsi *iscsi, const struct iscsi_portal *portal)
{
	for (unsigned int i = 0; i < iscsi->nportals; i++)
		if (config_portals_equal(&iscsi->portals[i], portal))
			return true;
	return false;
}
