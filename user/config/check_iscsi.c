/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/convert.h"
#include "config/entries.h"
#include "config/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_TEXT 64

/* `of` is what the account stands in: "discovery_chap", or "chap" of the target i. */
static void account_problem(struct config_problems *problems, int i, const char *of,
			    const char *key, const char *what)
{
	char field[FIELD_TEXT];

	snprintf(field, sizeof(field), "%s.%s", of, key);
	config_problem_add(problems, i < 0 ? FIELD_TOP(field) : FIELD_OF("iscsi", i, field), "%s",
			   what);
}

static void check_account(const struct config_account *account, int i, const char *of,
			  struct config_problems *problems)
{
	if (!*account->user || strlen(account->user) > ISCSI_SECRET_MAX)
		account_problem(problems, i, of, "user", "use 1 to 255 characters");
	if (account->secret_file && *account->secret_file != '/')
		account_problem(problems, i, of, "secret_file", "it is not an absolute path");
	if (!account->secret && !account->secret_file)
		account_problem(problems, i, of, "secret", "say secret or secret_file");
	else if (account->secret &&
		 (!*account->secret || strlen(account->secret) > ISCSI_SECRET_MAX))
		account_problem(problems, i, of, "secret", "use 12 to 255 characters");
}

static void check_chap(const struct config_chap *chap, int i, const char *of, const char *mutual,
		       struct config_problems *problems)
{
	if (!chap->initiator.user)
		return;
	check_account(&chap->initiator, i, of, problems);
	if (!chap->target.user)
		return;
	check_account(&chap->target, i, mutual, problems);
	config_check_secrets(chap, i, problems);
}

void config_check_secrets(const struct config_chap *chap, int i, struct config_problems *problems)
{
	const char *key = chap->target.secret_file ? "secret_file" : "secret";

	/* RFC 7143 9.2.1: who hears one must not be able to give the other's answers. */
	if (chap->target.secret && chap->initiator.secret &&
	    !strcmp(chap->target.secret, chap->initiator.secret))
		account_problem(problems, i, i < 0 ? "discovery_chap.mutual" : "chap.mutual", key,
				"it must be another than the initiators' secret");
}

static void check_portals(const struct config_iscsi *iscsi, unsigned int i,
			  struct config_problems *problems)
{
	for (unsigned int k = 1; k < iscsi->nportals; k++)
		for (unsigned int j = 0; j < k; j++)
			if (!strcmp(iscsi->portals[j].address, iscsi->portals[k].address))
				config_problem_add(problems, FIELD_OF("iscsi", i, "portals"),
						   "%s is listed twice", iscsi->portals[k].address);
}

struct portal_at {
	const struct iscsi_portal *portal;
	unsigned int target;
};

static int compare_portals(const void *a, const void *b)
{
	const struct portal_at *x = a, *y = b;
	int ret = strcmp(x->portal->address, y->portal->address);

	return ret ? ret : (x->target > y->target) - (x->target < y->target);
}

/* Who connects has not said yet which target he wants: a portal is in one group for all. */
static int check_groups(const struct config *config, struct config_problems *problems)
{
	unsigned int total = 0, n = 0;
	struct portal_at *all;

	for (unsigned int i = 0; i < config->niscsi; i++)
		total += config->iscsi[i].nportals;
	all = calloc(total + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->niscsi; i++)
		for (unsigned int k = 0; k < config->iscsi[i].nportals; k++)
			all[n++] = (struct portal_at){&config->iscsi[i].portals[k], i};
	qsort(all, n, sizeof(*all), compare_portals);
	for (unsigned int k = 1; k < n; k++)
		if (!strcmp(all[k - 1].portal->address, all[k].portal->address) &&
		    all[k - 1].target != all[k].target &&
		    all[k - 1].portal->group != all[k].portal->group)
			config_problem_add(problems, FIELD_OF("iscsi", all[k].target, "portals"),
					   "%s is in group %u for iscsi[%u]: say the same group",
					   all[k].portal->address, all[k - 1].portal->group,
					   all[k - 1].target);
	free(all);
	return 0;
}

static void check_alua(const struct config *config, struct config_problems *problems)
{
	for (unsigned int i = 1; i < config->nalua; i++)
		for (unsigned int k = 0; k < i; k++) {
			struct config_field field = FIELD_OF("alua", i, "group");

			if (config->alua[i].group != config->alua[k].group ||
			    config_problem_known(problems, field))
				continue;
			config_problem_add(problems, field, "group %u is listed already: alua[%u]",
					   config->alua[i].group, k);
		}
}

static void check_luns(const struct config_index *index, const struct config_iscsi *iscsi,
		       unsigned int i, struct config_problems *problems)
{
	char field[FIELD_TEXT];

	for (unsigned int k = 0; k < iscsi->nluns; k++) {
		if (config_index_disk(index, iscsi->luns[k].disk))
			continue;
		snprintf(field, sizeof(field), "luns[%u].disk", k);
		config_problem_add(problems, FIELD_OF("iscsi", i, field),
				   "LUN %u: there is no disk '%.64s' under disks",
				   iscsi->luns[k].lun, iscsi->luns[k].disk);
	}
}

static void check_target(const struct config_index *index, const struct config_iscsi *iscsi,
			 unsigned int i, struct config_problems *problems)
{
	struct config_field allow = FIELD_OF("iscsi", i, "allow");
	struct error err;

	if (iscsi_name_check(iscsi->name, &err))
		config_problem_add(problems, FIELD_OF("iscsi", i, "name"), "%s", err.text);
	if (iscsi->alias &&
	    (strlen(iscsi->alias) > ISCSI_SECRET_MAX || !config_text_is_utf8(iscsi->alias)))
		config_problem_add(problems, FIELD_OF("iscsi", i, "alias"),
				   "use at most 255 bytes of UTF-8");
	if (!iscsi->nrules && !config_problem_known(problems, allow))
		config_problem_add(problems, allow,
				   "nobody may use the target: list initiators, or any");
	check_portals(iscsi, i, problems);
	check_luns(index, iscsi, i, problems);
	check_chap(&iscsi->chap, (int)i, "chap", "chap.mutual", problems);
}

int config_check_iscsi(const struct config_index *index, struct config_problems *problems)
{
	const struct config *config = index->config;

	for (unsigned int i = 0; i < config->niscsi; i++)
		check_target(index, &config->iscsi[i], i, problems);
	for (unsigned int i = 1; i < config->niscsi; i++)
		if (!iscsi_name_compare(index->iscsi[i - 1]->name, index->iscsi[i]->name))
			config_problem_add(
				problems,
				FIELD_OF("iscsi", index->iscsi[i] - config->iscsi, "name"),
				"there is a target %.64s already: iscsi[%td]",
				index->iscsi[i]->name, index->iscsi[i - 1] - config->iscsi);
	check_chap(&config->discovery_chap, -1, "discovery_chap", "discovery_chap.mutual",
		   problems);
	check_alua(config, problems);
	return check_groups(config, problems);
}
