/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp status` and `stgt-xdp stats`: the servers' documents, as JSON or as tables.
 */
#include "cmd.h"
#include "options.h"
#include "report_text.h"
#include "servers.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

static const char status_help[] =
	"usage: stgt-xdp status [--json] [--socket PATH]\n"
	"\n"
	"Shows interfaces, exports, disks and initiators of every process "
	"that serves.\n";

static const char stats_help[] = "usage: stgt-xdp stats [--json] [--socket PATH]\n"
				 "\n"
				 "Shows the counters of every process that serves.\n";

/* One report: the server's command, and how it is printed for people. */
struct report {
	const char *name;
	const char *help;
	void (*print)(const json_t *document, FILE *out);
};

enum report_option {
	OPT_JSON = OPTION_FIRST,
	OPT_SOCKET,
	OPT_HELP,
};

static int report_run(const struct report *report, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, OPT_JSON},
		{"socket", required_argument, NULL, OPT_SOCKET},
		{"help", no_argument, NULL, OPT_HELP},
		{NULL, 0, NULL, 0},
	};
	const char *socket = NULL;
	bool json = false;
	struct error err;
	json_t *document;
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == OPT_HELP) {
			fputs(report->help, stdout);
			return EXIT_DONE;
		}
		if (option == OPT_JSON) {
			json = true;
		} else if (option == OPT_SOCKET) {
			socket = optarg;
		} else {
			option_error(option, argv, &err);
			return cmd_usage(report->name, "%s", err.text);
		}
	}
	if (optind != argc)
		return cmd_usage(report->name, "unexpected word: %s", argv[optind]);
	document = servers_ask_all(socket, report->name, &err);
	if (!document)
		return cmd_failed(report->name, &err);
	if (json) {
		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		report->print(document, stdout);
	}
	json_decref(document);
	if (fflush(stdout) || ferror(stdout)) {
		error_set(&err, EIO, "cannot write the report: is the disk full?");
		return cmd_failed(report->name, &err);
	}
	return EXIT_DONE;
}

int cmd_status(int argc, char **argv)
{
	static const struct report report = {"status", status_help, report_print_status};

	return report_run(&report, argc, argv);
}

int cmd_stats(int argc, char **argv)
{
	static const struct report report = {"stats", stats_help, report_print_stats};

	return report_run(&report, argc, argv);
}
