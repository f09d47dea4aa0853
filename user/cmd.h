/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The subcommands. Each runs with its own name as argv[0] and returns an exit status.
 */
#ifndef STGT_CMD_H
#define STGT_CMD_H

#include "base/error.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* one line on stderr said what and what to do */
	EXIT_USAGE = 2,	 /* wrong usage */
};

#define STATE_DIR_DEFAULT "/var/lib/stgt-xdp"

int cmd_attach(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_daemon(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_disk(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_acl(int argc, char **argv);
int cmd_initiator(int argc, char **argv);
int cmd_session(int argc, char **argv);
int cmd_sessions(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_alua(int argc, char **argv);
int cmd_limit(int argc, char **argv);
int cmd_fault(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_capture(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_top(int argc, char **argv);

/* Prints one line, "stgt-xdp COMMAND: TEXT", on stderr and returns the status. */
int cmd_failed(const char *command, const struct error *err);
/* What options_read() returned, if it was not 0: prints the help or what is wrong. */
int cmd_not_read(const char *command, int ret, const char *help, const struct error *err);
/* The same for wrong usage, with where the help is behind the text. */
int cmd_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Once all is printed on stdout: whether it arrived, as an exit status. */
int cmd_finish_output(const char *command);

#endif
