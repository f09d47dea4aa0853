/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "handover.h"

#include "base/cleanup.h"
#include "cmd.h"
#include "config/config.h"
#include "control/control.h"
#include "servers.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The process on the socket, if it is a daemon of our own network namespace; else 0. */
static pid_t find_daemon(const char *socket)
{
	json_t *status = servers_ask_all(socket, "status", NULL), *server;
	struct stat netns = {0};
	pid_t pid = 0;
	size_t i;

	stat("/proc/self/ns/net", &netns);
	json_array_foreach (json_object_get(status, "servers"), i, server) {
		if (json_is_true(json_object_get(server, "daemon")) &&
		    json_integer_value(json_object_get(server, "netns")) ==
			    (json_int_t)netns.st_ino)
			pid = (pid_t)json_integer_value(json_object_get(server, "pid"));
	}
	json_decref(status);
	return pid;
}

static char *acl_text(const struct aoe_acl *acl)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (unsigned int i = 0; out && i < acl->count; i++) {
		char entry[AOE_ACL_ENTRY_TEXT];

		aoe_acl_entry_format(&acl->entries[i], entry);
		fprintf(out, "%s%s", i ? "," : "", entry);
	}
	if (out)
		fclose(out);
	return text;
}

/* The same file for a process with another working directory than `here`. */
static void path_make_absolute(const char *here, char **path)
{
	char *absolute;

	if (!*path || (*path)[0] == '/' || asprintf(&absolute, "%s/%s", here, *path) < 0)
		return;
	free(*path);
	*path = absolute;
}

/* The DISK with paths that mean the same to a process with another working directory. */
static char *disk_text(const char *words)
{
	_cleanup_free_ char *here = getcwd(NULL, 0);
	struct disk_spec spec;
	char *text;

	if (!here || disk_spec_parse(words, &spec, NULL))
		return NULL;
	path_make_absolute(here, &spec.path);
	path_make_absolute(here, &spec.key_file);
	text = config_disk_text(&spec);
	disk_spec_fini(&spec);
	return text;
}

static json_t *export_json(const struct export_request *request)
{
	_cleanup_free_ char *disk = disk_text(request->disk);
	_cleanup_free_ char *allow = acl_text(&request->acl);
	char address[AOE_ADDRESS_TEXT];

	aoe_address_format(&request->addr, address);
	return json_pack("{s:s, s:s, s:s}", "address", address, "disk", disk ? disk : request->disk,
			 "allow", allow ? allow : "");
}

static json_t *group_json(const struct attach_group *group)
{
	json_t *interfaces = json_array(), *exports = json_array();

	for (unsigned int i = 0; i < group->ninterfaces; i++)
		json_array_append_new(interfaces, json_string(group->interfaces[i].name));
	for (unsigned int i = 0; i < group->nexports; i++)
		json_array_append_new(exports, export_json(&group->exports[i]));
	return json_pack("{s:o, s:o, s:s, s:i, s:i}", "interfaces", interfaces, "exports", exports,
			 "xdp", steer_request_name(group->interfaces[0].xdp), "busy_poll",
			 (int)group->interfaces[0].busy_poll_us, "flood_guard",
			 (int)group->interfaces[0].flood_guard);
}

int handover(const struct attach_args *args, pid_t *pid, struct error *err)
{
	const char *socket = args->socket ? args->socket : CONTROL_DEFAULT;
	json_t *groups, *request, *answer;

	*pid = find_daemon(socket);
	if (!*pid)
		return 0;
	/* What is of a whole process is the daemon's to say. */
	if (strcmp(args->state_dir, STATE_DIR_DEFAULT) || args->exporter)
		return error_set(err, EINVAL,
				 "a daemon serves here (process %d), with its own %s: leave out %s",
				 (int)*pid, args->exporter ? "exporter" : "state directory",
				 args->exporter ? "--exporter" : "--state-dir");
	groups = json_array();
	for (unsigned int g = 0; g < args->ngroups; g++)
		json_array_append_new(groups, group_json(&args->groups[g]));
	request = json_pack("{s:s, s:o}", "command", "attach", "groups", groups);
	answer = servers_send(socket, request, NULL, err);
	json_decref(request);
	json_decref(answer);
	return answer ? 1 : -EIO;
}
