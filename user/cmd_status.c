/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp status` and `stgt-xdp stats`: the servers' documents, as JSON or as tables.
 */
#include "cmd.h"
#include "options.h"
#include "report_text.h"
#include "servers.h"

#include <stdio.h>

static const char status_help[] =
	"usage: stgt-xdp status [--json] [--socket PATH]\n"
	"\n"
	"Shows interfaces, exports, targets, disks and initiators of every process "
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

static int report_run(const struct report *report, int argc, char **argv)
{
	const char *socket = NULL;
	bool json = false;
	const struct option_to options[] = {
		{"json", .flag = &json},
		{"socket", .text = &socket},
		{.name = NULL},
	};
	struct error err;
	json_t *document;
	int ret = options_read_all(argc, argv, options, &err);

	if (ret)
		return cmd_not_read(report->name, ret, report->help, &err);
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
	return cmd_finish_output(report->name);
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
