/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp attach`: serve in the foreground. This thread becomes the control thread: it waits for
 * signals, control connections, the link monitor and the workers' requests.
 */
#include "attach_args.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cmd.h"
#include "control/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

static const char attach_help[] =
	"usage: stgt-xdp attach IFACE... --aoe [VLAN:]SHELF.SLOT=DISK... --allow LIST|any\n"
	"                       [IFACE... --aoe ... --allow ...]... [OPTION...]\n"
	"\n"
	"Serves disks on network interfaces until interrupted. An interface named after an\n"
	"export begins a new group with exports of its own.\n"
	"\n"
	"  --aoe [VLAN:]SHELF.SLOT=DISK  export DISK over AoE at this address (VLAN 1-4094, or\n"
	"                          OUTER.INNER for two tags)\n"
	"  --allow LIST|any        who may use the exports before it: MAC[/ro],... or any[/ro]\n"
	"  --xdp MODE              auto (default), zerocopy, native or generic\n"
	"  --busy-poll[=USEC]      spin so long after the last frame before sleeping (1000)\n"
	"  --state-dir DIR         where exports keep what they must remember\n"
	"                          (" STATE_DIR_DEFAULT ")\n"
	"  --socket PATH           control socket (" CONTROL_DEFAULT ")\n"
	"\n"
	"DISK: PATH | file:PATH | block:DEV | ram:SIZE | null:SIZE, then options:\n"
	"  ,ro  ,size=SIZE  ,prealloc  ,cache=writethrough|writeback  ,direct=on|off\n"
	"  ,block_size=512|4096  ,serial=TEXT  ,wwn=HEX\n"
	"\n"
	"SIGHUP reads the sizes of the disks anew; SIGINT and SIGTERM end it.\n";

struct attach {
	struct target *target;
	struct control_server *server;
	int signals;
	bool stop; /* asked to */
	bool lost; /* the last interface went away */
};

static json_t *attach_status(void *ctx, const json_t *request, struct error *err)
{
	return target_status(((struct attach *)ctx)->target);
}

static json_t *attach_stats(void *ctx, const json_t *request, struct error *err)
{
	return target_stats(((struct attach *)ctx)->target);
}

static json_t *attach_detach(void *ctx, const json_t *request, struct error *err)
{
	const char *name = json_string_value(json_object_get(request, "interface"));
	struct attach *attach = ctx;

	if (!name) {
		error_set(err, EINVAL, "detach wants an interface");
		return NULL;
	}
	if (target_remove_interface(attach->target, name, err))
		return NULL;
	attach->stop = target_interfaces(attach->target) == 0;
	return json_object();
}

static const struct control_command attach_commands[] = {
	{"status", attach_status},
	{"stats", attach_stats},
	{"detach", attach_detach},
	{NULL, NULL},
};

/* From here on the signals are read, not delivered; workers inherit the mask. */
static int open_signals(struct error *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write beyond RLIMIT_FSIZE is an I/O error, not our end */
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "cannot wait for signals: %s", strerror(errno));
	return fd;
}

/* Every export takes descriptors; the soft limit is there for programs that use select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int serve_group(struct target *target, const struct attach_group *group, struct error *err)
{
	_cleanup_free_ struct target_export **exports = calloc(group->nexports, sizeof(*exports));
	int ret = 0;

	if (!exports)
		return error_set(err, ENOMEM, "out of memory");
	for (unsigned int i = 0; i < group->nexports && !ret; i++)
		ret = target_add_export(target, &group->exports[i], &exports[i], err);
	for (unsigned int i = 0; i < group->ninterfaces && !ret; i++)
		ret = target_add_interface(target, &group->interfaces[i], exports, group->nexports,
					   err);
	return ret;
}

/*
 * Without --socket: the default path, or, when another process answers there, a path beside it that
 * is named after the first interface. `status` finds both.
 */
static int open_server(const struct attach_args *args, struct attach *attach, struct error *err)
{
	const char *path = args->socket ? args->socket : CONTROL_DEFAULT;
	int ret = control_server_open(path, attach_commands, attach, &attach->server, err);
	char beside[sizeof(CONTROL_DIR) + 64];

	if (ret != -EADDRINUSE || args->socket)
		return ret;
	snprintf(beside, sizeof(beside), CONTROL_DIR "/control-%s.sock",
		 args->groups[0].interfaces[0].name);
	return control_server_open(beside, attach_commands, attach, &attach->server, err);
}

static void handle_signals(struct attach *attach)
{
	struct signalfd_siginfo info;

	while (read(attach->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			target_refresh_disks(attach->target);
		else
			attach->stop = true;
	}
}

static void control_loop(struct attach *attach)
{
	struct pollfd fds[3 + 1 + CONTROL_CLIENTS];

	while (!attach->stop && !attach->lost) {
		unsigned int n = 3;

		fds[0] = (struct pollfd){.fd = attach->signals, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = target_mailbox(attach->target)->eventfd,
					 .events = POLLIN};
		fds[2] = (struct pollfd){.fd = target_monitor_fd(attach->target), .events = POLLIN};
		n += control_server_pollfds(attach->server, fds + n);
		if (poll(fds, n, -1) < 0)
			continue;
		if (fds[0].revents)
			handle_signals(attach);
		if (fds[1].revents)
			mailbox_drain(target_mailbox(attach->target));
		if (fds[2].revents)
			target_monitor_dispatch(attach->target);
		control_server_dispatch(attach->server, fds + 3, n - 3);
		attach->lost = !attach->stop && target_interfaces(attach->target) == 0;
	}
}

static void say_ready(struct target *target)
{
	_cleanup_free_ char *summary = target_summary(target);

	printf("ready: %s\n", summary ? summary : "");
	fflush(stdout);
	sd_notifyf(0, "READY=1\nSTATUS=%s", summary ? summary : "");
}

/* Serves until told to stop. 0 or negative errno with `err` set; everything is undone either way.
 */
static int serve(const struct attach_args *args, struct error *err)
{
	const struct target_options options = {.state_dir = args->state_dir};
	struct attach attach = {.signals = open_signals(err)};
	int ret;

	if (attach.signals < 0)
		return attach.signals;
	raise_descriptor_limit();
	ret = target_open(&options, &attach.target, err);
	if (ret)
		goto out_signals;
	for (unsigned int g = 0; g < args->ngroups && !ret; g++)
		ret = serve_group(attach.target, &args->groups[g], err);
	if (!ret)
		ret = open_server(args, &attach, err);
	if (ret)
		goto out_target;
	say_ready(attach.target);
	control_loop(&attach);
	sd_notify(0, "STOPPING=1");
	control_server_close(attach.server);
	if (attach.lost)
		ret = error_set(err, ENODEV, "no interface is left to serve on");
out_target:
	target_close(attach.target);
out_signals:
	close(attach.signals);
	return ret;
}

int cmd_attach(int argc, char **argv)
{
	struct attach_args args;
	struct error err;
	int status = EXIT_DONE;

	if (attach_args_parse(argc, argv, &args, &err)) {
		status = cmd_usage("attach", "%s", err.text);
	} else if (args.help) {
		fputs(attach_help, stdout);
	} else if (serve(&args, &err)) {
		status = cmd_failed("attach", &err);
	}
	attach_args_fini(&args);
	return status;
}
