/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "serve_args.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cmd.h"
#include "config/config.h"
#include "config/iscsi_words.h"
#include "options.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHAP_LINE (2 * (ISCSI_SECRET_MAX + 2))

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static int read_target(void *to, const char *name, struct error *err)
{
	struct serve_args *args = to;
	struct serve_target *target;
	int ret = iscsi_name_check(name, err);

	if (ret)
		return ret;
	for (unsigned int i = 0; i < args->ntargets; i++)
		if (strcmp(args->targets[i].name, name) == 0)
			return error_set(err, EINVAL, "--iscsi %s: it is given twice", name);
	target = array_grow(&args->targets, &args->ntargets, sizeof(*args->targets));
	if (!target)
		return out_of_memory(err);
	target->name = name;
	return 0;
}

/* The one that options are of now; NULL with `err` set: there is none yet. */
static struct serve_target *current_target(struct serve_args *args, struct error *err)
{
	if (args->ntargets)
		return &args->targets[args->ntargets - 1];
	error_set(err, EINVAL, "--iscsi IQN comes first");
	return NULL;
}

static int add_portal(struct serve_target *target, const char *text, struct error *err)
{
	struct iscsi_portal *portal =
		array_grow(&target->portals, &target->nportals, sizeof(*portal));
	int ret;

	if (!portal)
		return out_of_memory(err);
	ret = config_portal_parse(text, portal, err);
	for (unsigned int i = 0; i + 1 < target->nportals && !ret; i++)
		if (strcmp(target->portals[i].address, portal->address) == 0)
			return error_set(err, EINVAL, "--portal %s: it is given twice", text);
	return ret ? error_prefix(err, -ret, "--portal") : 0;
}

static int read_portal(void *to, const char *text, struct error *err)
{
	struct serve_target *target = current_target(to, err);

	return target ? add_portal(target, text, err) : -EINVAL;
}

static int read_lun(void *to, const char *text, struct error *err)
{
	struct serve_target *target = current_target(to, err);
	struct lun_request *lun;
	char *end;
	unsigned long number;

	if (!target)
		return -EINVAL;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || *end != '=' || !end[1] || *text == '-' ||
	    number >= SCSI_LUNS_MAX)
		return error_set(err, EINVAL, "--lun %s: write N=DISK, N from 0 to %u", text,
				 SCSI_LUNS_MAX - 1);
	for (unsigned int i = 0; i < target->nluns; i++)
		if (target->luns[i].lun == number)
			return error_set(err, EINVAL, "--lun %s: there is a LUN %lu already", text,
					 number);
	lun = array_grow(&target->luns, &target->nluns, sizeof(*lun));
	if (!lun)
		return out_of_memory(err);
	lun->lun = (uint16_t)number;
	lun->disk = end + 1;
	return disk_spec_check(lun->disk, err);
}

static int read_rule(struct serve_target *target, const char *word, struct error *err)
{
	struct iscsi_rule *rule = array_grow(&target->rules, &target->nrules, sizeof(*rule));
	int ret;

	if (!rule)
		return out_of_memory(err);
	ret = config_rule_parse(word, rule, err);
	return ret ? error_prefix(err, -ret, "--allow") : 0;
}

static int read_allow(void *to, const char *list, struct error *err)
{
	struct serve_target *target = current_target(to, err);
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	int ret = copy ? 0 : out_of_memory(err);

	if (!target)
		return -EINVAL;
	while (!ret && (word = strsep(&rest, ",")))
		ret = read_rule(target, word, err);
	return ret;
}

static int read_account(FILE *file, const char *path, unsigned int number,
			struct iscsi_account *account, struct error *err)
{
	char line[CHAP_LINE], *name, *secret, *save = NULL;

	if (!fgets(line, sizeof(line), file))
		return ferror(file) ? error_set(err, EINVAL, "--chap: cannot read %s: %s", path,
						strerror(errno))
				    : 0;
	name = strtok_r(line, " \t\n", &save);
	secret = strtok_r(NULL, " \t\n", &save);
	if (!name || !secret || strtok_r(NULL, " \t\n", &save) || strlen(name) > ISCSI_SECRET_MAX ||
	    strlen(secret) > ISCSI_SECRET_MAX)
		return error_set(err, EINVAL,
				 "%s: each line is NAME SECRET, with no blanks in either", path);
	strcpy(account->name, name);
	strcpy(account->secret, secret);
	if (strlen(secret) < ISCSI_SECRET_MIN)
		log_warning("%s:%u: " CONFIG_SECRET_SHORT, path, number);
	return 0;
}

/* The initiators' account, then perhaps the target's, then nothing. */
static int read_accounts(FILE *file, const char *path, struct iscsi_auth *auth, struct error *err)
{
	int ret = read_account(file, path, 1, &auth->initiator, err);

	if (!ret)
		ret = read_account(file, path, 2, &auth->target, err);
	if (ret)
		return ret;
	if (!*auth->initiator.name)
		return error_set(err, EINVAL, "%s: it is empty: write a line NAME SECRET", path);
	if (fgetc(file) != EOF)
		return error_set(
			err, EINVAL,
			"%s: a line for initiators and one for the target are all there may be",
			path);
	/* RFC 7143 9.2.1, as the configuration file has it. */
	if (strcmp(auth->initiator.secret, auth->target.secret) == 0)
		return error_set(err, EINVAL,
				 "%s: the second secret must be another than the first", path);
	return 0;
}

/* In a file, as everybody sees a command line. */
static int read_chap(void *to, const char *path, struct error *err)
{
	struct serve_target *target = current_target(to, err);
	struct stat st;
	FILE *file;
	int ret;

	if (!target)
		return -EINVAL;
	file = fopen(path, "re");
	if (!file)
		return error_set(err, EINVAL, "--chap: cannot open %s: %s", path, strerror(errno));
	ret = read_accounts(file, path, &target->auth, err);
	if (!ret && !fstat(fileno(file), &st))
		config_secret_mode_warn(path, st.st_mode);
	fclose(file);
	return ret;
}

static int read_alua(void *to, const char *text, struct error *err)
{
	struct serve_args *args = to;
	struct serve_group *group;
	unsigned long number;
	char *end;
	int ret;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || *end != '=' || *text == '-' || !number ||
	    number > SCSI_GROUP_MAX)
		return error_set(err, EINVAL, "--alua %s: write GROUP=STATE, GROUP from 1 to %u",
				 text, SCSI_GROUP_MAX);
	for (unsigned int i = 0; i < args->ngroups; i++)
		if (args->groups[i].number == number)
			return error_set(err, EINVAL, "--alua %s: group %lu is given already", text,
					 number);
	group = array_grow(&args->groups, &args->ngroups, sizeof(*group));
	if (!group)
		return out_of_memory(err);
	group->number = (uint16_t)number;
	ret = scsi_access_parse(end + 1, &group->access, err);
	return ret ? error_prefix(err, -ret, "--alua") : 0;
}

static int check(struct serve_args *args, struct error *err)
{
	int ret = 0;

	if (!args->ntargets)
		return error_set(err, EINVAL, "nothing to serve: --iscsi IQN is missing");
	for (unsigned int i = 0; i < args->ntargets && !ret; i++) {
		struct serve_target *target = &args->targets[i];

		if (!target->nluns)
			return error_set(err, EINVAL, "%s has no unit: --lun N=DISK is missing",
					 target->name);
		if (!target->nrules)
			return error_set(err, EINVAL,
					 "nobody may use %s: --allow LIST or --allow any is "
					 "missing",
					 target->name);
		if (!target->nportals)
			ret = add_portal(target, "0.0.0.0", err);
	}
	return ret;
}

int serve_args_parse(int argc, char **argv, struct serve_args *args, struct error *err)
{
	const struct option_to options[] = {
		{"iscsi", .read = read_target, .to = args},
		{"portal", .read = read_portal, .to = args},
		{"lun", .read = read_lun, .to = args},
		{"allow", .read = read_allow, .to = args},
		{"chap", .read = read_chap, .to = args},
		{"alua", .read = read_alua, .to = args},
		{"exporter", .read = option_exporter, .to = &args->exporter},
		{"state-dir", .text = &args->state_dir},
		{"socket", .text = &args->socket},
		{},
	};
	int ret;

	*args = (struct serve_args){.state_dir = STATE_DIR_DEFAULT};
	ret = options_read_all(argc, argv, options, err);
	return ret ? ret : check(args, err);
}

void serve_args_fini(struct serve_args *args)
{
	for (unsigned int i = 0; i < args->ntargets; i++) {
		free(args->targets[i].portals);
		free(args->targets[i].rules);
		free(args->targets[i].luns);
	}
	free(args->targets);
	free(args->groups);
}
