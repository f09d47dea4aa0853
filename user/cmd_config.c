/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp config`: the configuration file looked at before it is applied, and what runs in its
 * form.
 */
#include "base/cleanup.h"
#include "cmd.h"
#include "config/config.h"
#include "control/control.h"
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char config_help[] =
	"usage: stgt-xdp config check FILE\n"
	"       stgt-xdp config diff FILE [--socket PATH]\n"
	"       stgt-xdp config show [--socket PATH]\n"
	"\n"
	"  check   is the file right? Every mistake is a line with file, line and field\n"
	"  diff    what a reload with the file would change, a step a line\n"
	"  show    the daemon's running configuration, in the file's form\n"
	"\n"
	"  --socket PATH   the daemon's control socket (" CONTROL_DEFAULT ")\n";

struct config_args {
	const char *verb;
	const char *file;
	const char *socket;
};

/* A file that is wrong: its mistakes, a line each. One that cannot be read: a failure. */
static int load_file(const char *path, struct config **config)
{
	_cleanup_free_ char *problems = NULL;
	struct error err;
	int ret = config_load(path, config, &problems, &err);

	if (!ret)
		return EXIT_DONE;
	if (!problems)
		return cmd_failed("config", &err);
	fputs(problems, stderr);
	return EXIT_USAGE;
}

static json_t *ask_server(const char *socket, struct error *err)
{
	json_t *request = json_pack("{s:i, s:s}", "version", CONTROL_VERSION, "command", "config");
	json_t *answer;
	int code;

	answer = control_call(socket, request, &code, err);
	json_decref(request);
	if (!answer && (code == -ENOENT || code == -ECONNREFUSED))
		error_set(err, -code,
			  "no daemon answers on %s; start one with 'stgt-xdp daemon --config FILE'",
			  socket);
	if (answer && !json_is_string(json_object_get(answer, "yaml"))) {
		error_set(err, EPROTO, "the server's answer has no configuration in it");
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

static void print_count(unsigned int n, const char *what, const char *after)
{
	printf("%u %s%s%s", n, what, n == 1 ? "" : "s", after);
}

static int config_verb_check(const struct config_args *args)
{
	struct config *config;
	int ret = load_file(args->file, &config);

	if (ret)
		return ret;
	printf("%s: ", args->file);
	print_count(config->ndisks, "disk", ", ");
	print_count(config->ninterfaces, "interface", ", ");
	print_count(config->naoe, "AoE export", ", ");
	print_count(config->niscsi, "iSCSI target", ", ");
	print_count(config->nlimits, "limit", "\n");
	config_free(config);
	return cmd_finish_output("config");
}

static int config_verb_show(const struct config_args *args)
{
	struct error err;
	json_t *answer = ask_server(args->socket, &err);

	if (!answer)
		return cmd_failed("config", &err);
	fputs(json_string_value(json_object_get(answer, "yaml")), stdout);
	json_decref(answer);
	return cmd_finish_output("config");
}

/* What the server says beside the text: how large disks are, and which lists are not one. */
static void note_rest(struct config *running, const json_t *answer)
{
	const json_t *sizes = json_object_get(answer, "sizes"), *address;
	struct aoe_address addr;
	struct config_aoe *aoe;
	size_t i;

	for (unsigned int d = 0; d < running->ndisks; d++) {
		const json_t *bytes = json_object_get(sizes, running->disks[d].name);

		running->disks[d].bytes = (uint64_t)json_integer_value(bytes);
	}
	json_array_foreach (json_object_get(answer, "lists_differ"), i, address) {
		const char *text = json_string_value(address);

		if (!text || aoe_address_parse(text, &addr, NULL))
			continue;
		aoe = config_find_aoe(running, &addr);
		if (aoe)
			aoe->acl_differs = true;
	}
}

static int print_steps(const struct config *running, const struct config *wanted)
{
	struct config_step *steps;
	unsigned int nsteps;
	struct error err;

	if (config_diff(running, wanted, &steps, &nsteps, &err))
		return cmd_failed("config", &err);
	for (unsigned int i = 0; i < nsteps; i++)
		puts(steps[i].text);
	config_steps_free(steps, nsteps);
	return cmd_finish_output("config");
}

static int config_verb_diff(const struct config_args *args)
{
	struct config *wanted = NULL, *running = NULL;
	int ret = load_file(args->file, &wanted);
	const char *yaml;
	struct error err;
	json_t *answer;

	if (ret)
		return ret;
	answer = ask_server(args->socket, &err);
	yaml = json_string_value(json_object_get(answer, "yaml"));
	if (yaml)
		config_parse(yaml, strlen(yaml), "the server's configuration", &running, NULL,
			     &err);
	if (running)
		note_rest(running, answer);
	ret = running ? print_steps(running, wanted) : cmd_failed("config", &err);
	json_decref(answer);
	config_free(running);
	config_free(wanted);
	return ret;
}

static const struct config_verb {
	const char *name;
	bool takes_file;
	int (*run)(const struct config_args *args);
} config_verbs[] = {
	{"check", true, config_verb_check},
	{"diff", true, config_verb_diff},
	{"show", false, config_verb_show},
};

#define CONFIG_VERBS (sizeof(config_verbs) / sizeof(config_verbs[0]))

static int run_verb(struct config_args *args, int argc, char **argv)
{
	int words = argc - optind;

	if (!words)
		return cmd_usage("config", "check, diff or show is wanted");
	for (size_t i = 0; i < CONFIG_VERBS; i++) {
		const struct config_verb *verb = &config_verbs[i];

		if (strcmp(argv[optind], verb->name))
			continue;
		if (words != 1 + verb->takes_file)
			return cmd_usage("config", "%s wants %s", verb->name,
					 verb->takes_file ? "one file" : "no other word");
		args->file = argv[optind + 1];
		return verb->run(args);
	}
	return cmd_usage("config", "unknown word: %s", argv[optind]);
}

int cmd_config(int argc, char **argv)
{
	struct config_args args = {.socket = CONTROL_DEFAULT};
	const struct option_to options[] = {{"socket", .text = &args.socket}, {.name = NULL}};
	struct error err;
	int ret = options_read(argc, argv, options, &err);

	if (ret)
		return cmd_not_read("config", ret, config_help, &err);
	return run_verb(&args, argc, argv);
}
