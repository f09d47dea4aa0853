/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;
	const char *summary;
} subcommands[] = {
	{"attach", cmd_attach, "IFACE... --aoe [VLAN:]SHELF.SLOT=DISK --allow LIST|any",
	 "serve disks on network interfaces until interrupted"},
	{"serve", cmd_serve,
	 "--iscsi IQN [--portal ADDR[:PORT][,GROUP]] --lun N=DISK --allow LIST|any",
	 "serve iSCSI targets until interrupted"},
	{"config", cmd_config, "check FILE | diff FILE | show",
	 "look at a configuration before it is applied, or at the running one"},
	{"detach", cmd_detach, "IFACE", "stop serving on an interface"},
	{"status", cmd_status, "[--json]",
	 "show interfaces, exports, targets, disks and initiators"},
	{"stats", cmd_stats, "[--json]", "show counters"},
	{"top", cmd_top, "[--interval SEC] [--once | --batch N]", "watch who asks for how much"},
	{"capture", cmd_capture, "IFACE FILE", "write the frames to a pcapng file"},
	{"trace", cmd_trace, "on [--initiator MAC] [--export ADDRESS] [--lba FIRST-LAST] | off",
	 "print the steps of single requests"},
	{"daemon", cmd_daemon, "[--config FILE]", "serve what a configuration file says"},
	{"reload", cmd_reload, "", "have the daemon read its configuration file again"},
	{"disk", cmd_disk, "add|remove|resize|list ...", "change the daemon's disks"},
	{"export", cmd_export, "add|iscsi|remove|enable|disable|list ...",
	 "change what is exported"},
	{"acl", cmd_acl, "allow|deny|list ...", "change who may use an export"},
	{"initiator", cmd_initiator, "evict|list ...", "show or shut out initiators"},
	{"sessions", cmd_sessions, "[--json]", "show iSCSI sessions"},
	{"session", cmd_session, "close|list ...", "end an iSCSI session"},
	{"alua", cmd_alua, "set|list ...", "change how good target port groups are"},
	{"log", cmd_log, "level LEVEL", "change how much is logged"},
	{"limit", cmd_limit, "set|clear|list ...", "limit how fast initiators are answered"},
	{"fault", cmd_fault, "add|clear|list ...", "spoil answers on purpose, for tests"},
};

#define NSUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void print_help(void)
{
	printf("usage: stgt-xdp COMMAND [ARGUMENT...]\n\n");
	for (size_t i = 0; i < NSUBCOMMANDS; i++)
		printf("  %s%s%s\n        %s\n", subcommands[i].name,
		       *subcommands[i].synopsis ? " " : "", subcommands[i].synopsis,
		       subcommands[i].summary);
	printf("\n'stgt-xdp COMMAND --help' tells more; so does the manual page stgt-xdp(8).\n");
}

/*
 * Who starts us may have closed them. What is opened next, a disk even, would get their numbers,
 * and what is printed would be written into it: so that it fails as it did, in their places.
 */
static bool fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode) != fd)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!fill_standard_descriptors()) {
		fprintf(stderr, "stgt-xdp: cannot open /dev/null: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
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
