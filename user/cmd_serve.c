/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `stgt-xdp serve`: iSCSI targets in the foreground, as the command line says. */
#include "cmd.h"
#include "control/control.h"
#include "serve_args.h"
#include "service/service.h"

#include <stdio.h>

static const char serve_help[] =
	"usage: stgt-xdp serve --iscsi IQN [--portal ADDR[:PORT][,GROUP]]... --lun N=DISK...\n"
	"                      --allow LIST|any [--chap FILE] [--iscsi IQN ...]... [OPTION...]\n"
	"\n"
	"Serves iSCSI targets until interrupted. The options behind --iscsi are that target's.\n"
	"\n"
	"  --iscsi IQN             a target's name, as iqn.2026-11.org.example:disks\n"
	"  --portal ADDR[:PORT][,GROUP]\n"
	"                          where it is reached (0.0.0.0:3260); an IPv6 address in brackets.\n"
	"                          Portals of one GROUP (1) are one target port, in the target port\n"
	"                          group of that number\n"
	"  --lun N=DISK            logical unit N, from 0 to 255\n"
	"  --allow LIST|any        who may log in: names of initiators, `*` in them stands for\n"
	"                          anything, with /ro read-only, with /lun=N[-M] some units only;\n"
	"                          the first that fits holds\n"
	"  --chap FILE             initiators prove who they are. FILE holds a line NAME SECRET, and\n"
	"                          perhaps another for what the target proves to them\n"
	"  --alua GROUP=STATE[,preferred][,implicit]\n"
	"                          a target port group is active/optimized (what it is otherwise),\n"
	"                          active/nonoptimized, standby, unavailable, offline or\n"
	"                          transitioning; implicit: initiators cannot set it\n"
	"  --state-dir DIR         where units keep what they must remember\n"
	"                          (" STATE_DIR_DEFAULT ")\n"
	"  --exporter ADDR:PORT    metrics for Prometheus and a status page, over HTTP\n"
	"  --socket PATH           control socket (" CONTROL_DEFAULT ")\n"
	"\n"
	"DISK: PATH | file:PATH | block:DEV | ram:SIZE | null:SIZE, then options:\n"
	"  ,ro  ,size=SIZE  ,prealloc  ,cache=writethrough|writeback  ,direct=on|off\n"
	"  ,block_size=512|4096  ,serial=TEXT  ,wwn=HEX  ,removable  ,thin=on|off\n"
	"  ,logical_block_size=512|4096  ,soft_threshold=PERCENT|off\n"
	"  ,key_file=PATH\n"
	"\n"
	"SIGHUP reads the sizes of the disks anew; SIGINT and SIGTERM end it.\n";

static int add_target(struct target *target, const struct serve_target *asked, struct error *err)
{
	const struct iscsi_request request = {
		.name = asked->name,
		.portals = asked->portals,
		.nportals = asked->nportals,
		.access = {.rules = asked->rules, .nrules = asked->nrules, .auth = asked->auth},
		.luns = asked->luns,
		.nluns = asked->nluns,
	};

	return target_add_iscsi(target, &request, err);
}

static int fill(struct target *target, const void *ctx, struct error *err)
{
	const struct serve_args *args = ctx;
	int ret = 0;

	for (unsigned int i = 0; i < args->ngroups && !ret; i++)
		ret = target_set_alua(target, args->groups[i].number, args->groups[i].access, err);
	for (unsigned int i = 0; i < args->ntargets && !ret; i++)
		ret = add_target(target, &args->targets[i], err);
	return ret;
}

static int serve(const struct serve_args *args, struct error *err)
{
	const struct service_foreground what = {
		.state_dir = args->state_dir,
		.socket = args->socket,
		.beside = "iscsi",
		.exporter = args->exporter,
		.fill = fill,
		.ctx = args,
	};

	return service_foreground(&what, err);
}

int cmd_serve(int argc, char **argv)
{
	struct serve_args args;
	struct error err;
	int ret = serve_args_parse(argc, argv, &args, &err), status = EXIT_DONE;

	if (ret)
		status = cmd_not_read("serve", ret, serve_help, &err);
	else if (serve(&args, &err))
		status = cmd_failed("serve", &err);
	serve_args_fini(&args);
	return status;
}
