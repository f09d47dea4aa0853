/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp detach IFACE`: asks the process that serves it; cleans up after one that was killed.
 */
#include "cmd.h"
#include "options.h"
#include "servers.h"
#include "xdp/steer.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

static const char detach_help[] =
	"usage: stgt-xdp detach IFACE [--socket PATH]\n"
	"\n"
	"Stops serving on an interface; its process ends with its last one.\n"
	"After a crash, removes the XDP program and maps left behind.\n";

/* 0, or negative errno: the interface was neither served nor left over. */
static int detach(const char *socket, const char *interface, struct error *err)
{
	json_t *request = json_pack("{s:s, s:s}", "command", "detach", "interface", interface);
	bool nobody = true;
	json_t *answer = servers_send(socket, request, &nobody, err);
	struct error stale;
	int ret;

	json_decref(request);
	json_decref(answer);
	if (answer)
		return 0;
	ret = steer_remove_stale(interface, &stale);
	if (ret > 0)
		return 0;
	if (!nobody)
		return -EIO; /* with the server's words */
	if (ret < 0)
		return error_set(err, -ret, "%s", stale.text);
	return error_set(err, ENODEV, "%s is not being served", interface);
}

int cmd_detach(int argc, char **argv)
{
	const char *socket = NULL;
	const struct option_to options[] = {{"socket", .text = &socket}, {.name = NULL}};
	struct error err;
	int ret = options_read(argc, argv, options, &err);

	if (ret)
		return cmd_not_read("detach", ret, detach_help, &err);
	if (optind + 1 != argc)
		return cmd_usage("detach", "one interface is wanted");
	if (detach(socket, argv[optind], &err))
		return cmd_failed("detach", &err);
	return EXIT_DONE;
}
