/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;
	const char *summary;
} subcommands[] = {
	{"attach", cmd_attach, "IFACE... --aoe [VLAN:]SHELF.SLOT=DISK --allow LIST|any",
	 "serve disks on network interfaces until interrupted"},
	{"detach", cmd_detach, "IFACE", "stop serving on an interface"},
	{"status", cmd_status, "[--json]", "show interfaces, exports, disks and initiators"},
	{"stats", cmd_stats, "[--json]", "show counters"},
};

#define NSUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void print_help(void)
{
	printf("usage: stgt-xdp COMMAND [ARGUMENT...]\n\n");
	for (size_t i = 0; i < NSUBCOMMANDS; i++)
		printf("  %s %s\n        %s\n", subcommands[i].name, subcommands[i].synopsis,
		       subcommands[i].summary);
	printf("\n'stgt-xdp COMMAND --help' tells more; so does the manual page stgt-xdp(8).\n");
}

int cmd_failed(const char *command, const struct error *err)
{
	fprintf(stderr, "stgt-xdp %s: %s\n", command, err->text);
	return EXIT_FAILED;
}

int cmd_usage(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "stgt-xdp %s: ", command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see 'stgt-xdp %s --help')\n", command);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		fprintf(stderr, "stgt-xdp: a command is missing (see 'stgt-xdp --help')\n");
		return EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_help();
		return EXIT_DONE;
	}
	if (strcmp(name, "--version") == 0) {
		printf("stgt-xdp %s\n", STGT_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < NSUBCOMMANDS; i++)
		if (strcmp(name, subcommands[i].name) == 0)
			return subcommands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "stgt-xdp: unknown command: %s (see 'stgt-xdp --help')\n", name);
	return EXIT_USAGE;
}
