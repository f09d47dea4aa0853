/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "serve_args.h"

#include "base/cleanup.h"
#include "cmd.h"
#include "config/config.h"
#include "config/iscsi_words.h"
#include "options.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAP_LINE (2 * (ISCSI_SECRET_MAX + 2))

enum serve_option {
	OPT_ISCSI = OPTION_FIRST,
	OPT_PORTAL,
	OPT_LUN,
	OPT_ALLOW,
	OPT_CHAP,
	OPT_EXPORTER,
	OPT_STATE_DIR,
	OPT_SOCKET,
	OPT_HELP,
};

static const struct option serve_options[] = {
	{"iscsi", required_argument, NULL, OPT_ISCSI},
	{"portal", required_argument, NULL, OPT_PORTAL},
	{"lun", required_argument, NULL, OPT_LUN},
	{"allow", required_argument, NULL, OPT_ALLOW},
	{"chap", required_argument, NULL, OPT_CHAP},
	{"exporter", required_argument, NULL, OPT_EXPORTER},
	{"state-dir", required_argument, NULL, OPT_STATE_DIR},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

/* Appends a zeroed element to an array and returns it, or NULL. */
static void *array_grow(void *array, unsigned int *count, size_t size)
{
	char **base = array;
	char *grown = reallocarray(*base, *count + 1, size);

	if (!grown)
		return NULL;
	*base = grown;
	memset(grown + *count * size, 0, size);
	return grown + (*count)++ * size;
}

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static int read_target(struct serve_args *args, const char *name, struct error *err)
{
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

static int read_portal(struct serve_target *target, const char *text, struct error *err)
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

static int check_disk(const char *text, struct error *err)
{
	struct disk_spec spec;
	int ret = disk_spec_parse(text, &spec, err);

	if (!ret)
		disk_spec_fini(&spec);
	return ret;
}

static int read_lun(struct serve_target *target, const char *text, struct error *err)
{
	struct lun_request *lun;
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || *end != '=' || !end[1] || *text == '-' ||
	    number >= SCSI_LUNS_MAX)
		return error_set(err, EINVAL, "--lun %s: N=DISK, N from 0 to %u", text,
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
	return check_disk(lun->disk, err);
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

static int read_allow(struct serve_target *target, const char *list, struct error *err)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	int ret = copy ? 0 : out_of_memory(err);

	while (!ret && (word = strsep(&rest, ",")))
		ret = read_rule(target, word, err);
	return ret;
}

static int read_account(FILE *file, const char *path, struct iscsi_account *account,
			struct error *err)
{
	char line[CHAP_LINE], *name, *secret, *save = NULL;

	if (!fgets(line, sizeof(line), file))
		return 0;
	name = strtok_r(line, " \t\n", &save);
	secret = strtok_r(NULL, " \t\n", &save);
	if (!name || !secret || strlen(name) > ISCSI_SECRET_MAX ||
	    strlen(secret) > ISCSI_SECRET_MAX)
		return error_set(err, EINVAL, "%s: each line is NAME SECRET", path);
	strcpy(account->name, name);
	strcpy(account->secret, secret);
	return 0;
}

/* In a file, as everybody sees a command line. */
static int read_chap(struct serve_target *target, const char *path, struct error *err)
{
	FILE *file = fopen(path, "re");
	int ret;

	if (!file)
		return error_set(err, EINVAL, "%s: %s", path, strerror(errno));
	ret = read_account(file, path, &target->auth.initiator, err);
	if (!ret)
		ret = read_account(file, path, &target->auth.target, err);
	fclose(file);
	if (!ret && !*target->auth.initiator.name)
		return error_set(err, EINVAL, "%s: each line is NAME SECRET", path);
	return ret;
}

static int read_target_option(struct serve_args *args, int option, const char *value,
			      struct error *err)
{
	struct serve_target *target = args->ntargets ? &args->targets[args->ntargets - 1] : NULL;

	if (!target)
		return error_set(err, EINVAL, "--iscsi IQN comes first");
	switch (option) {
	case OPT_PORTAL:
		return read_portal(target, value, err);
	case OPT_LUN:
		return read_lun(target, value, err);
	case OPT_ALLOW:
		return read_allow(target, value, err);
	default:
		return read_chap(target, value, err);
	}
}

static int read_exporter(struct serve_args *args, const char *text, struct error *err)
{
	struct sockaddr_storage address;
	socklen_t len;
	int ret = config_listen_parse(text, &address, &len, err);

	if (ret)
		return error_prefix(err, -ret, "--exporter");
	args->exporter = text;
	return 0;
}

static int read_option(struct serve_args *args, int option, char *const argv[], struct error *err)
{
	switch (option) {
	case OPT_ISCSI:
		return read_target(args, optarg, err);
	case OPT_PORTAL:
	case OPT_LUN:
	case OPT_ALLOW:
	case OPT_CHAP:
		return read_target_option(args, option, optarg, err);
	case OPT_EXPORTER:
		return read_exporter(args, optarg, err);
	case OPT_STATE_DIR:
		args->state_dir = optarg;
		return 0;
	case OPT_SOCKET:
		args->socket = optarg;
		return 0;
	case OPT_HELP:
		args->help = true;
		return 0;
	default:
		return option_error(option, argv, err);
	}
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
			ret = read_portal(target, "0.0.0.0", err);
	}
	return ret;
}

int serve_args_parse(int argc, char **argv, struct serve_args *args, struct error *err)
{
	int option, ret = 0;

	*args = (struct serve_args){.state_dir = STATE_DIR_DEFAULT};
	optind = 0;
	opterr = 0;
	while (!ret && (option = getopt_long(argc, argv, ":", serve_options, NULL)) != -1)
		ret = read_option(args, option, argv, err);
	if (ret || args->help)
		return ret;
	if (optind != argc)
		return error_set(err, EINVAL, "unexpected word: %s", argv[optind]);
	return check(args, err);
}

void serve_args_fini(struct serve_args *args)
{
	for (unsigned int i = 0; i < args->ntargets; i++) {
		free(args->targets[i].portals);
		free(args->targets[i].rules);
		free(args->targets[i].luns);
	}
	free(args->targets);
}
