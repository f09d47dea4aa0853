/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `stgt-xdp attach`: serve in the foreground what the command line says. */
#include "attach_args.h"
#include "base/cleanup.h"
#include "cmd.h"
#include "control/control.h"
#include "handover.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char attach_help[] =
	"usage: stgt-xdp attach IFACE... --aoe [VLAN:]SHELF.SLOT=DISK... --allow LIST|any\n"
	"                       [IFACE... --aoe ... --allow ...]... [OPTION...]\n"
	"\n"
	"Serves disks on network interfaces until interrupted. An interface named after an\n"
	"export begins a new group with exports of its own. Where a daemon runs, it is asked to\n"
	"serve them, and the command returns.\n"
	"\n"
	"  --aoe [VLAN:]SHELF.SLOT=DISK  export DISK over AoE at this address (VLAN 1-4094, or\n"
	"                          OUTER.INNER for two tags)\n"
	"  --allow LIST|any        who may use the exports before it: MAC[/ro],... or any[/ro]\n"
	"  --xdp MODE              auto (default), zerocopy, native or generic\n"
	"  --busy-poll[=USEC]      spin so long after the last frame before sleeping (1000)\n"
	"  --flood-guard FRAMES    drop what one initiator sends beyond so many frames a second\n"
	"  --state-dir DIR         where exports keep what they must remember\n"
	"                          (" STATE_DIR_DEFAULT ")\n"
	"  --exporter ADDR:PORT    metrics for Prometheus and a status page, over HTTP\n"
	"  --socket PATH           control socket (" CONTROL_DEFAULT ")\n"
	"\n"
	"DISK: PATH | file:PATH | block:DEV | ram:SIZE | null:SIZE, then options:\n"
	"  ,ro  ,size=SIZE  ,prealloc  ,cache=writethrough|writeback  ,direct=on|off\n"
	"  ,block_size=512|4096  ,serial=TEXT  ,wwn=HEX  ,soft_threshold=PERCENT|off\n"
	"  ,key_file=PATH\n"
	"\n"
	"SIGHUP reads the sizes of the disks anew; SIGINT and SIGTERM end it.\n";

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

static int fill(struct target *target, const void *ctx, struct error *err)
{
	const struct attach_args *args = ctx;
	int ret = 0;

	for (unsigned int g = 0; g < args->ngroups && !ret; g++)
		ret = serve_group(target, &args->groups[g], err);
	return ret;
}

static int serve(const struct attach_args *args, struct error *err)
{
	const struct service_foreground what = {
		.state_dir = args->state_dir,
		.socket = args->socket,
		.beside = args->groups[0].interfaces[0].name,
		.exporter = args->exporter,
		.fill = fill,
		.ctx = args,
	};

	return service_foreground(&what, err);
}

/* A daemon of this network namespace goes on with it; else this process serves. */
static int serve_somewhere(const struct attach_args *args, struct error *err)
{
	pid_t daemon;
	int ret = handover(args, &daemon, err);

	if (ret > 0) {
		printf("served by the daemon, process %d\n", (int)daemon);
		return 0;
	}
	return ret ? ret : serve(args, err);
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
	} else if (serve_somewhere(&args, &err)) {
		status = cmd_failed("attach", &err);
	}
	attach_args_fini(&args);
	return status;
}
