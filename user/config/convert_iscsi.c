/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* iSCSI targets, from the file's texts. */
#include "base/cleanup.h"
#include "config/convert.h"
#include "config/iscsi_words.h"
#include "config/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTAL_DEFAULT "0.0.0.0"

static int convert_portals(const struct file_iscsi *file, unsigned int i,
			   struct config_iscsi *iscsi, struct config_problems *problems)
{
	struct error err;

	iscsi->portals = calloc(file->portals_count + 1, sizeof(*iscsi->portals));
	if (!iscsi->portals)
		return -ENOMEM;
	for (unsigned int k = 0; k < file->portals_count; k++)
		if (config_portal_parse(file->portals[k], &iscsi->portals[iscsi->nportals], &err))
			config_problem_add(problems, FIELD_ITEM("iscsi", i, "portals", k), "%s",
					   err.text);
		else
			iscsi->nportals++;
	if (!file->portals_count)
		config_portal_parse(PORTAL_DEFAULT, &iscsi->portals[iscsi->nportals++], &err);
	return 0;
}

static int convert_rules(const struct file_iscsi *file, unsigned int i, struct config_iscsi *iscsi,
			 struct config_problems *problems)
{
	struct error err;

	iscsi->rules = calloc(file->allow_count + 1, sizeof(*iscsi->rules));
	if (!iscsi->rules)
		return -ENOMEM;
	for (unsigned int k = 0; k < file->allow_count; k++)
		if (config_rule_parse(file->allow[k], &iscsi->rules[iscsi->nrules], &err))
			config_problem_add(problems, FIELD_ITEM("iscsi", i, "allow", k), "%s",
					   err.text);
		else
			iscsi->nrules++;
	return 0;
}

static int convert_luns(const struct file_iscsi *file, unsigned int i, struct config_iscsi *iscsi,
			struct config_problems *problems)
{
	char field[32];
	uint64_t number;

	for (unsigned int k = 0; k < file->luns_count; k++) {
		const struct file_lun *lun = &file->luns[k];
		int ret = 0;

		snprintf(field, sizeof(field), "luns[%u].lun", k);
		if (config_number_parse(lun->lun, SCSI_LUNS_MAX - 1, &number))
			ret = config_iscsi_add_lun(iscsi, (uint16_t)number, lun->disk,
						   lun->read_only == FILE_ON);
		else
			config_problem_add(problems, FIELD_OF("iscsi", i, field),
					   "'%.40s' is no LUN: write 0 to %u", lun->lun,
					   SCSI_LUNS_MAX - 1);
		if (ret == -EEXIST)
			config_problem_add(problems, FIELD_OF("iscsi", i, field),
					   "there is a LUN %s already", lun->lun);
		else if (ret)
			return ret;
	}
	return 0;
}

/* One of them is enough, and two might differ. */
static void check_secrets(const char *secret, const char *secret_file, struct config_field field,
			  struct config_problems *problems)
{
	if (secret && secret_file)
		config_problem_add(problems, field, "there is secret as well: keep one of them");
}

static void convert_chap(struct file_chap *file, int i, struct config_chap *chap,
			 struct config_problems *problems)
{
	const char *at = i < 0 ? "discovery_chap" : "iscsi";

	if (!file)
		return;
	check_secrets(file->secret, file->secret_file,
		      FIELD_OF(at, i, i < 0 ? "secret_file" : "chap.secret_file"), problems);
	if (file->mutual)
		check_secrets(file->mutual->secret, file->mutual->secret_file,
			      FIELD_OF(at, i,
				       i < 0 ? "mutual.secret_file" : "chap.mutual.secret_file"),
			      problems);
	chap->initiator.user = cleanup_steal(file->user);
	chap->initiator.secret = cleanup_steal(file->secret);
	chap->initiator.secret_file = cleanup_steal(file->secret_file);
	if (!file->mutual)
		return;
	chap->target.user = cleanup_steal(file->mutual->user);
	chap->target.secret = cleanup_steal(file->mutual->secret);
	chap->target.secret_file = cleanup_steal(file->mutual->secret_file);
}

static void convert_alua(const struct file_alua *file, unsigned int i, struct config_alua *alua,
			 struct config_problems *problems)
{
	struct error err;
	uint64_t group;

	if (config_number_parse(file->group, SCSI_GROUP_MAX, &group) && group)
		alua->group = (uint16_t)group;
	else
		config_problem_add(problems, FIELD_OF("alua", i, "group"),
				   "'%.40s' is no target port group: write 1 to %u", file->group,
				   SCSI_GROUP_MAX);
	if (file->state && scsi_access_parse(file->state, &alua->access, &err))
		config_problem_add(problems, FIELD_OF("alua", i, "state"), "%s", err.text);
	else if (alua->access.preferred || alua->access.implicit)
		config_problem_add(problems, FIELD_OF("alua", i, "state"),
				   "write preferred: yes or implicit: yes beside it");
	alua->access.preferred = file->preferred == FILE_ON;
	alua->access.implicit = file->implicit == FILE_ON;
}

int config_convert_iscsi(struct file_config *file, struct config *config,
			 struct config_problems *problems)
{
	for (unsigned int i = 0; i < file->iscsi_count; i++) {
		struct config_iscsi *iscsi = config_add_iscsi(config);

		if (!iscsi)
			return -ENOMEM;
		iscsi->name = cleanup_steal(file->iscsi[i].name);
		iscsi->alias = cleanup_steal(file->iscsi[i].alias);
		convert_chap(file->iscsi[i].chap, (int)i, &iscsi->chap, problems);
		if (convert_portals(&file->iscsi[i], i, iscsi, problems) ||
		    convert_rules(&file->iscsi[i], i, iscsi, problems) ||
		    convert_luns(&file->iscsi[i], i, iscsi, problems))
			return -ENOMEM;
	}
	for (unsigned int i = 0; i < file->alua_count; i++) {
		struct config_alua *alua = config_add_alua(config);

		if (!alua)
			return -ENOMEM;
		convert_alua(&file->alua[i], i, alua, problems);
	}
	convert_chap(file->discovery_chap, -1, &config->discovery_chap, problems);
	return 0;
}
