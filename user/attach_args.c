/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "attach_args.h"

#include "base/array.h"
#include "cmd.h"
#include "config/words.h"
#include "options.h"
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* How long --busy-poll spins after the last frame when no time is given. */
#define BUSY_POLL_DEFAULT_US 1000
#define BUSY_POLL_MAX_US     10000000

enum attach_option {
	OPT_AOE = OPTION_FIRST,
	OPT_ALLOW,
	OPT_XDP,
	OPT_BUSY_POLL,
	OPT_FLOOD_GUARD,
	OPT_EXPORTER,
	OPT_STATE_DIR,
	OPT_SOCKET,
	OPT_HELP,
};

static const struct option attach_options[] = {
	{"aoe", required_argument, NULL, OPT_AOE},
	{"allow", required_argument, NULL, OPT_ALLOW},
	{"xdp", required_argument, NULL, OPT_XDP},
	{"busy-poll", optional_argument, NULL, OPT_BUSY_POLL},
	{"flood-guard", required_argument, NULL, OPT_FLOOD_GUARD},
	{"exporter", required_argument, NULL, OPT_EXPORTER},
	{"state-dir", required_argument, NULL, OPT_STATE_DIR},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static struct attach_group *current_group(struct attach_args *args)
{
	return args->ngroups ? &args->groups[args->ngroups - 1] : NULL;
}

static int read_interface(struct attach_args *args, const char *name, struct error *err)
{
	struct attach_group *group = current_group(args);
	struct interface_request *interface;

	if (!*name || strlen(name) >= IFNAMSIZ || strchr(name, '/'))
		return error_set(err, EINVAL, "not an interface name: '%s'", name);
	if (!group || group->nexports)
		group = array_grow(&args->groups, &args->ngroups, sizeof(*args->groups));
	if (!group)
		return out_of_memory(err);
	interface = array_grow(&group->interfaces, &group->ninterfaces, sizeof(*interface));
	if (!interface)
		return out_of_memory(err);
	interface->name = name;
	return 0;
}

static int read_export(struct attach_args *args, const char *text, struct error *err)
{
	struct attach_group *group = current_group(args);
	const char *disk = strchr(text, '=');
	struct export_request *request;
	char address[AOE_ADDRESS_TEXT];

	if (!group)
		return error_set(err, EINVAL, "--aoe %s stands before any interface", text);
	if (!disk || !disk[1] || (size_t)(disk - text) >= sizeof(address))
		return error_set(err, EINVAL, "--aoe wants [VLAN:]SHELF.SLOT=DISK, not '%s'", text);
	request = array_grow(&group->exports, &group->nexports, sizeof(*request));
	if (!request)
		return out_of_memory(err);
	memcpy(address, text, (size_t)(disk - text));
	address[disk - text] = '\0';
	request->disk = disk + 1;
	return aoe_address_parse(address, &request->addr, err)
		       ? -EINVAL
		       : disk_spec_check(request->disk, err);
}

static int read_allow(struct attach_args *args, const char *list, struct error *err)
{
	struct attach_group *group = current_group(args);

	if (!group || group->nallowed == group->nexports)
		return error_set(err, EINVAL, "--allow %s stands before the export it is for",
				 list);
	for (; group->nallowed < group->nexports; group->nallowed++) {
		int ret = aoe_acl_parse(list, &group->exports[group->nallowed].acl, err);

		if (ret)
			return ret;
	}
	return 0;
}

/* `wants` is the option and what it counts. */
static int read_number(const char *text, const char *wants, unsigned int max, unsigned int *number,
		       struct error *err)
{
	uint64_t value;

	if (!config_number_parse(text, max, &value) || !value)
		return error_set(err, EINVAL, "%s from 1 up to %u, not '%s'", wants, max, text);
	*number = (unsigned int)value;
	return 0;
}

static int read_busy_poll(const char *text, unsigned int *us, struct error *err)
{
	*us = BUSY_POLL_DEFAULT_US;
	return text ? read_number(text, "--busy-poll wants microseconds", BUSY_POLL_MAX_US, us, err)
		    : 0;
}

/* A word that is no option's. Those with a value that may be missing want it behind a '='. */
static int read_word(struct attach_args *args, char **argv, struct error *err)
{
	const char *before = argv[optind - 2];
	uint64_t number;

	if (strcmp(before, "--busy-poll") == 0 && config_number_parse(optarg, UINT32_MAX, &number))
		return error_set(err, EINVAL, "write %s=%s, without a blank", before, optarg);
	return read_interface(args, optarg, err);
}

static int read_option(struct attach_args *args, int option, char **argv, struct error *err)
{
	const char *value = optarg;

	switch (option) {
	case 1:
		return read_word(args, argv, err);
	case OPT_AOE:
		return read_export(args, value, err);
	case OPT_ALLOW:
		return read_allow(args, value, err);
	case OPT_XDP:
		return steer_request_parse(value, &args->xdp, err);
	case OPT_BUSY_POLL:
		return read_busy_poll(value, &args->busy_poll_us, err);
	case OPT_FLOOD_GUARD:
		return read_number(value, "--flood-guard wants frames a second",
				   STEER_FLOOD_GUARD_MAX, &args->flood_guard, err);
	case OPT_EXPORTER:
		return option_exporter(&args->exporter, value, err);
	case OPT_STATE_DIR:
		args->state_dir = value;
		return 0;
	case OPT_SOCKET:
		args->socket = value;
		return 0;
	case OPT_HELP:
		args->help = true;
		return 0;
	default:
		return option_error(option, argv, err);
	}
}

static bool is_repeated(const struct attach_args *args, const struct export_request *export)
{
	for (unsigned int g = 0; g < args->ngroups; g++)
		for (unsigned int i = 0; i < args->groups[g].nexports; i++) {
			const struct export_request *other = &args->groups[g].exports[i];

			if (other == export)
				return false;
			if (aoe_address_equal(&other->addr, &export->addr))
				return true;
		}
	return false;
}

static int check_repeats(const struct attach_args *args, const struct attach_group *group,
			 struct error *err)
{
	char address[AOE_ADDRESS_TEXT];

	for (unsigned int i = 0; i < group->nexports; i++) {
		if (!is_repeated(args, &group->exports[i]))
			continue;
		aoe_address_format(&group->exports[i].addr, address);
		return error_set(err, EINVAL, "%s is exported twice", address);
	}
	return 0;
}

/*
 * What holds only once everything was read; xdp, busy_poll and flood_guard hold for every
 * interface.
 */
static int attach_args_finish(struct attach_args *args, struct error *err)
{
	if (!args->ngroups)
		return error_set(err, EINVAL, "an interface is missing");
	for (unsigned int g = 0; g < args->ngroups; g++) {
		struct attach_group *group = &args->groups[g];

		if (!group->nexports)
			return error_set(err, EINVAL, "no export for %s: add --aoe SHELF.SLOT=DISK",
					 group->interfaces[0].name);
		if (group->nallowed < group->nexports)
			return error_set(err, EINVAL,
					 "export %u.%u has no access list: add --allow MAC,... or "
					 "--allow any",
					 group->exports[group->nallowed].addr.shelf,
					 group->exports[group->nallowed].addr.slot);
		if (check_repeats(args, group, err))
			return -EINVAL;
		for (unsigned int i = 0; i < group->ninterfaces; i++) {
			group->interfaces[i].xdp = args->xdp;
			group->interfaces[i].busy_poll_us = args->busy_poll_us;
			group->interfaces[i].flood_guard = args->flood_guard;
		}
	}
	return 0;
}

int attach_args_parse(int argc, char **argv, struct attach_args *args, struct error *err)
{
	int option, ret = 0;

	*args = (struct attach_args){.state_dir = STATE_DIR_DEFAULT, .xdp = STEER_AUTO};
	optind = 0; /* getopt starts anew; '-' delivers interfaces in order, as option 1 */
	opterr = 0;
	while (!ret && (option = getopt_long(argc, argv, "-:", attach_options, NULL)) != -1)
		ret = read_option(args, option, argv, err);
	/* What stands behind `--`. */
	for (int i = optind; !ret && i < argc; i++)
		ret = read_interface(args, argv[i], err);
	if (!ret && !args->help)
		ret = attach_args_finish(args, err);
	return ret;
}

void attach_args_fini(struct attach_args *args)
{
	for (unsigned int g = 0; g < args->ngroups; g++) {
		struct attach_group *group = &args->groups[g];

		for (unsigned int e = 0; e < group->nexports; e++)
			aoe_acl_fini(&group->exports[e].acl);
		free(group->exports);
		free(group->interfaces);
	}
	free(args->groups);
}
