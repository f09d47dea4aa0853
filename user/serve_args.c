/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "serve_args.h"

#include "cmd.h"
#include "options.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT "3260"
#define CHAP_LINE    (2 * (ISCSI_SECRET_MAX + 2))

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
	target = array_grow(&args->targets, &args->ntargets, sizeof(*args->targets));
	if (!target)
		return out_of_memory(err);
	target->name = name;
	return 0;
}

/* ADDR, ADDR:PORT, [ADDR], [ADDR]:PORT; whether it is an address is found out on listening. */
static int read_portal(struct serve_target *target, const char *text, struct error *err)
{
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
	bool has_port = colon && (!bracket || colon > bracket);
	struct iscsi_portal *portal =
		array_grow(&target->portals, &target->nportals, sizeof(*portal));
	int n;

	if (!portal)
		return out_of_memory(err);
	portal->group = 1;
	n = snprintf(portal->address, sizeof(portal->address), "%s%s", text,
		     has_port ? "" : ":" PORT_DEFAULT);
	if (n >= (int)sizeof(portal->address))
		return error_set(err, EINVAL, "--portal %s: ADDR[:PORT] or [ADDR][:PORT]", text);
	return 0;
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
	lun = array_grow(&target->luns, &target->nluns, sizeof(*lun));
	if (!lun)
		return out_of_memory(err);
	lun->lun = (uint16_t)number;
	lun->disk = end + 1;
	return 0;
}

static int read_rule(struct serve_target *target, const char *word, size_t len, struct error *err)
{
	bool read_only = len > 3 && strncmp(word + len - 3, "/ro", 3) == 0;
	struct iscsi_rule *rule = array_grow(&target->rules, &target->nrules, sizeof(*rule));

	if (!rule)
		return out_of_memory(err);
	if (read_only)
		len -= 3;
	if (!len || len > ISCSI_NAME_MAX)
		return error_set(err, EINVAL, "--allow: names of initiators, as iqn...[/ro]");
	memcpy(rule->pattern, word, len);
	if (strcmp(rule->pattern, "any") == 0)
		strcpy(rule->pattern, "*");
	memset(rule->mask.visible, 0xff, sizeof(rule->mask.visible));
	if (read_only)
		memset(rule->mask.read_only, 0xff, sizeof(rule->mask.read_only));
	return 0;
}

static int read_allow(struct serve_target *target, const char *list, struct error *err)
{
	int ret = 0;

	for (const char *word = list; word && !ret;) {
		const char *comma = strchr(word, ',');

		ret = read_rule(target, word, comma ? (size_t)(comma - word) : strlen(word), err);
		word = comma ? comma + 1 : NULL;
	}
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
		args->exporter = optarg;
		return 0;
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
