/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `stgt-xdp daemon`: serve what a configuration file says, and follow it. */
#include "cmd.h"
#include "control/control.h"
#include "options.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_DEFAULT "/etc/stgt-xdp/stgt-xdp.yaml"

static const char daemon_help[] =
	"usage: stgt-xdp daemon [--config FILE] [--state-dir DIR] [--socket PATH]\n"
	"\n"
	"Serves what the configuration file says, see stgt-xdp.yaml(5), until SIGTERM. SIGHUP or\n"
	"'stgt-xdp reload' reads the file again and applies what has changed.\n"
	"\n"
	"  --config FILE    (" CONFIG_DEFAULT ")\n"
	"  --state-dir DIR  where exports keep what they must remember, before what the file\n"
	"                   says (" STATE_DIR_DEFAULT ")\n"
	"  --socket PATH    control socket, before what the file says (" CONTROL_DEFAULT ")\n";

struct daemon_args {
	const char *config;
	const char *state_dir;
	const char *socket;
};

static int daemon_args_parse(int argc, char **argv, struct daemon_args *args, struct error *err)
{
	const struct option_to options[] = {
		{"config", .text = &args->config},
		{"state-dir", .text = &args->state_dir},
		{"socket", .text = &args->socket},
		{.name = NULL},
	};

	*args = (struct daemon_args){.config = CONFIG_DEFAULT};
	return options_read_all(argc, argv, options, err);
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

static int serve(const struct daemon_args *args, const struct config *config, struct error *err)
{
	const struct service_options options = {
		.state_dir = first_of(args->state_dir, config->state_dir, STATE_DIR_DEFAULT),
		.config_path = args->config,
	};
	struct service *service;
	int ret = service_open(&options, &service, err);

	if (ret)
		return ret;
	/* The socket first: it tells whether another daemon serves already. */
	ret = service_listen(service, first_of(args->socket, config->socket, NULL), NULL, err);
	if (!ret)
		ret = service_apply(service, config, err);
	if (!ret)
		ret = service_run(service, err);
	service_close(service);
	return ret;
}

int cmd_daemon(int argc, char **argv)
{
	struct daemon_args args;
	struct config *config;
	char *problems = NULL;
	struct error err;
	int ret = daemon_args_parse(argc, argv, &args, &err);

	if (ret)
		return cmd_not_read("daemon", ret, daemon_help, &err);
	ret = config_load(args.config, &config, &problems, &err);
	if (ret == -EINVAL && problems) {
		fputs(problems, stderr);
		free(problems);
		return EXIT_USAGE;
	}
	if (ret)
		return cmd_failed("daemon", &err);
	ret = serve(&args, config, &err);
	config_free(config);
	return ret ? cmd_failed("daemon", &err) : EXIT_DONE;
}
