/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp disk|export|acl|initiator|session|alua|limit|fault VERB ...` and `reload`: what changes
 * while it is served, one table entry a verb.
 */
#include "aoe/aoe.h"
#include "base/cleanup.h"
#include "cmd.h"
#include "options.h"
#include "report_text.h"
#include "scsi/scsi.h"
#include "servers.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 3

/* Options besides --socket and --json. */
enum verb_takes {
	TAKES_NONE,
	TAKES_PLACES, /* --interface and --allow, which must be there */
	TAKES_TARGET, /* --allow, --portal and --ro */
};

/* A verb: its words become members of the request. A verb without a command shows a table. */
struct verb {
	const char *name;
	const char *command;
	const char *words[WORDS_MAX]; /* in upper case in the usage */
	unsigned int optional;	      /* so many of the last words may be missing */
	enum verb_takes takes;
	const char *summary;
};

#define VERBS_MAX 7

struct object {
	const char *name;
	const char *list; /* what `list` shows: a member of the status document */
	const char *also; /* another one, if there is anything in it */
	struct verb verbs[VERBS_MAX];
};

static const struct object disk = {
	"disk",
	"disks",
	NULL,
	{{"add", "disk-add", {"name", "disk"}, 0, TAKES_NONE, "open a disk under a name"},
	 {"remove", "disk-remove", {"name"}, 0, TAKES_NONE, "close a disk that is not exported"},
	 {"resize",
	  "disk-resize",
	  {"name", "size"},
	  1,
	  TAKES_NONE,
	  "make a file larger, or see how large the disk has become"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show all disks"}},
};

static const struct object export = {
	"export",
	"exports",
	"iscsi",
	{{"add",
	  "export-add",
	  {"address", "disk"},
	  0,
	  TAKES_PLACES,
	  "export a disk that has a name"},
	 {"iscsi",
	  "iscsi-add",
	  {"target", "lun", "disk"},
	  0,
	  TAKES_TARGET,
	  "show a disk that has a name as a unit of an iSCSI target, which is made if\n"
	  "        --allow LIST says who may use it"},
	 {"remove",
	  "export-remove",
	  {"address", "lun"},
	  1,
	  TAKES_NONE,
	  "end an export, or an iSCSI target (its IQN is its address), or one LUN of it"},
	 {"enable", "export-enable", {"address"}, 0, TAKES_NONE, "let it answer again"},
	 {"disable", "export-disable", {"address"}, 0, TAKES_NONE, "keep it, silent"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show all exports, and iSCSI targets"}},
};

static const struct object acl = {
	"acl",
	"acl",
	"iscsi",
	{{"allow",
	  "acl-allow",
	  {"address", "list"},
	  0,
	  TAKES_NONE,
	  "let initiators use an export or target: MAC[/ro],... or NAME[/ro][/lun=N],..., or any"},
	 {"deny", "acl-deny", {"address", "list"}, 0, TAKES_NONE, "shut initiators out"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show who may use what"}},
};

static const struct object initiator = {
	"initiator",
	"initiators",
	NULL,
	{{"evict",
	  "initiator-evict",
	  {"mac"},
	  0,
	  TAKES_NONE,
	  "shut an initiator out of every export"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show the initiators seen"}},
};

static const struct object session = {
	"session",
	"sessions",
	NULL,
	{{"close",
	  "session-close",
	  {"tsih"},
	  0,
	  TAKES_NONE,
	  "end an iSCSI session; its initiator may log in again"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show all iSCSI sessions"}},
};

static int check_access(const char *text, struct error *err)
{
	struct scsi_access_state access;

	return scsi_access_parse(text, &access, err);
}

static const struct object alua = {
	"alua",
	"alua",
	NULL,
	{{"set",
	  "alua-set",
	  {"group", "state"},
	  0,
	  TAKES_NONE,
	  "a target port group is active/optimized, active/nonoptimized, standby, unavailable,\n"
	  "        offline or transitioning; preferred and implicit may stand behind it"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show all target port groups"}},
};

static int check_limit(const char *text, struct error *err)
{
	struct aoe_limit limit;

	return aoe_limit_parse(text, &limit, err);
}

static const struct object limit = {
	"limit",
	"limits",
	NULL,
	{{"set",
	  "limit-set",
	  {"mac", "limit"},
	  0,
	  TAKES_NONE,
	  "answer an initiator (any: each without a limit of its own) no faster than\n"
	  "        iops=N, bytes=SIZE or both a second"},
	 {"clear", "limit-clear", {"mac"}, 0, TAKES_NONE, "end an initiator's limit"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show all limits"}},
};

static int check_rule(const char *text, struct error *err)
{
	struct aoe_fault fault;

	return aoe_fault_parse(text, &fault, err);
}

static const struct object fault = {
	"fault",
	"faults",
	NULL,
	{{"add",
	  "fault-add",
	  {"address", "rule"},
	  0,
	  TAKES_NONE,
	  "spoil answers on purpose: delay=TIME, error[=unc|abrt] or drop, then\n"
	  "        initiator=MAC, op=read|write|flush|any, lba=FIRST[-LAST], every=N, percent=P,\n"
	  "        count=N"},
	 {"clear",
	  "fault-clear",
	  {"address"},
	  1,
	  TAKES_NONE,
	  "end all faults of an export, or all"},
	 {"list", NULL, {NULL}, 0, TAKES_NONE, "show all faults"}},
};

/* Commands whose last word may be several: joined by commas they must please a parser. */
static const struct phrase {
	const char *command;
	int (*check)(const char *text, struct error *err);
} phrases[] = {
	{"alua-set", check_access},
	{"limit-set", check_limit},
	{"fault-add", check_rule},
};

static const struct phrase *phrase_find(const struct verb *verb)
{
	for (size_t i = 0; verb->command && i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (strcmp(phrases[i].command, verb->command) == 0)
			return &phrases[i];
	return NULL;
}

static const struct object log_object = {
	"log",
	NULL,
	NULL,
	{{"level",
	  "log-level",
	  {"level"},
	  0,
	  TAKES_NONE,
	  "how much is logged: error, warning, notice, info or debug"}},
};

struct live_args {
	const char *socket;
	const char *allow;
	json_t *interfaces, *portals;
	bool json, read_only;
};

static unsigned int most_words(const struct verb *verb)
{
	unsigned int n = 0;

	while (n < WORDS_MAX && verb->words[n])
		n++;
	return n;
}

static void print_usage_line(const struct object *object, const struct verb *verb, FILE *out)
{
	fprintf(out, "  stgt-xdp %s %s", object->name, verb->name);
	for (unsigned int w = 0; w < most_words(verb); w++) {
		bool optional = w + verb->optional >= most_words(verb);

		fputs(optional ? " [" : " ", out);
		for (const char *c = verb->words[w]; *c; c++)
			fputc(*c - 'a' + 'A', out);
		if (optional)
			fputc(']', out);
	}
	if (verb->takes == TAKES_PLACES)
		fputs(" --interface IFACE... --allow LIST", out);
	if (verb->takes == TAKES_TARGET)
		fputs(" [--allow LIST] [--portal ADDR[:PORT][,GROUP]]... [--ro]", out);
	fprintf(out, "%s\n        %s\n", verb->command ? "" : " [--json]", verb->summary);
}

static void print_help(const struct object *object)
{
	printf("usage:\n");
	for (unsigned int v = 0; v < VERBS_MAX && object->verbs[v].name; v++)
		print_usage_line(object, &object->verbs[v], stdout);
	printf("\n  --socket PATH   the server's control socket\n");
}

static int add_name(void *names, const char *value, struct error *err)
{
	json_array_append_new(names, json_string(value));
	return 0;
}

/* As options_read(); the lists of args are the caller's also after a failure. */
static int live_args_parse(int argc, char **argv, struct live_args *args, struct error *err)
{
	json_t *interfaces = json_array(), *portals = json_array();
	const struct option_to options[] = {
		{"socket", .text = &args->socket},
		{"allow", .text = &args->allow},
		{"interface", .read = add_name, .to = interfaces},
		{"portal", .read = add_name, .to = portals},
		{"ro", .flag = &args->read_only},
		{"json", .flag = &args->json},
		{.name = NULL},
	};

	*args = (struct live_args){.interfaces = interfaces, .portals = portals};
	return options_read(argc, argv, options, err);
}

/* ---- lists ---- */

/* The access lists of all exports, an entry a row, as the maps have them. */
static json_t *acl_rows(const json_t *status)
{
	json_t *rows = json_array(), *one, *entry;
	size_t i, j;

	json_array_foreach (json_object_get(status, "exports"), i, one) {
		json_array_foreach (json_object_get(one, "allow"), j, entry) {
			json_t *row = json_copy(entry);

			json_object_set(row, "address", json_object_get(one, "address"));
			json_object_set(row, "vlan", json_object_get(one, "vlan"));
			json_array_append_new(rows, row);
		}
	}
	return rows;
}

/* `command` is what was typed: `sessions` is `session list`. */
static int show_list(const char *command, const struct object *object, const struct live_args *args)
{
	struct error err;
	json_t *status = servers_ask_all(args->socket, "status", &err), *list, *also;

	if (!status)
		return cmd_failed(command, &err);
	json_object_set_new(status, "acl", acl_rows(status));
	also = object->also ? json_object_get(status, object->also) : NULL;
	if (args->json) {
		list = json_pack("{s:O}", object->list, json_object_get(status, object->list));
		if (also)
			json_object_set(list, object->also, also);
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(list);
	} else {
		report_print_list(status, object->list, stdout);
		if (json_array_size(also))
			report_print_list(status, object->also, stdout);
	}
	json_decref(status);
	return cmd_finish_output(command);
}

/* ---- changes ---- */

/* To the process that can do it, or to every one. */
static int send_request(const char *name, const char *socket, json_t *request, bool all)
{
	struct error err;
	json_t *answer = all ? servers_send_all(socket, request, &err)
			     : servers_send(socket, request, NULL, &err);

	json_decref(request);
	json_decref(answer);
	return answer ? EXIT_DONE : cmd_failed(name, &err);
}

/* The words from the `from`th on as one, joined by commas. NULL: out of memory. */
static char *join_words(int nwords, char **words, unsigned int from)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (int w = (int)from; w < nwords; w++)
		fprintf(out, "%s%s", w > (int)from ? "," : "", words[w]);
	fclose(out);
	return text;
}

static void add_target_words(json_t *request, const struct live_args *args)
{
	if (args->allow)
		json_object_set_new(request, "allow", json_string(args->allow));
	if (json_array_size(args->portals))
		json_object_set(request, "portals", args->portals);
	if (args->read_only)
		json_object_set_new(request, "ro", json_true());
}

/* An option that was given and means nothing to the verb, or NULL: who gave it meant something. */
static const char *option_not_taken(const struct verb *verb, const struct live_args *args)
{
	if (args->json && verb->command)
		return "--json";
	if (args->allow && verb->takes == TAKES_NONE)
		return "--allow";
	if (json_array_size(args->interfaces) && verb->takes != TAKES_PLACES)
		return "--interface";
	if (json_array_size(args->portals) && verb->takes != TAKES_TARGET)
		return "--portal";
	return args->read_only && verb->takes != TAKES_TARGET ? "--ro" : NULL;
}

static int run_verb(const struct object *object, const struct verb *verb,
		    const struct live_args *args, int nwords, char **words)
{
	const char *not_taken = option_not_taken(verb, args);
	const struct phrase *phrase = phrase_find(verb);
	_cleanup_free_ char *joined = NULL;
	const unsigned int most = most_words(verb);
	struct error err;
	json_t *request;

	if (not_taken)
		return cmd_usage(object->name, "%s takes no %s", verb->name, not_taken);
	if (phrase && (unsigned int)nwords >= most) {
		joined = join_words(nwords, words, most - 1);
		if (!joined) {
			error_set(&err, ENOMEM, "out of memory");
			return cmd_failed(object->name, &err);
		}
		if (phrase->check(joined, &err))
			return cmd_usage(object->name, "%s", err.text);
		words[most - 1] = joined;
		nwords = (int)most;
	}
	if ((unsigned int)nwords > most)
		return cmd_usage(object->name, "unexpected word: %s", words[most]);
	if ((unsigned int)nwords + verb->optional < most)
		return cmd_usage(object->name, "%s wants the %s", verb->name, verb->words[nwords]);
	if (!verb->command)
		return show_list(object->name, object, args);
	if (verb->takes == TAKES_PLACES && (!args->allow || !json_array_size(args->interfaces)))
		return cmd_usage(object->name, "%s wants --interface and --allow", verb->name);
	request = json_pack("{s:s}", "command", verb->command);
	for (int w = 0; w < nwords; w++)
		json_object_set_new(request, verb->words[w], json_string(words[w]));
	if (verb->takes == TAKES_PLACES) {
		json_object_set_new(request, "allow", json_string(args->allow));
		json_object_set(request, "interfaces", args->interfaces);
	}
	if (verb->takes == TAKES_TARGET)
		add_target_words(request, args);
	/* An initiator may come to any process, and an export or a group be in several. */
	return send_request(object->name, args->socket, request,
			    object == &alua || object == &limit || object == &fault);
}

static int run_object(const struct object *object, int argc, char **argv)
{
	const struct verb *verb = object->verbs;
	struct live_args args;
	struct error err;
	int status, ret = live_args_parse(argc, argv, &args, &err);

	if (ret < 0) {
		status = cmd_usage(object->name, "%s", err.text);
	} else if (ret) {
		print_help(object);
		status = EXIT_DONE;
	} else if (optind == argc) {
		status = cmd_usage(object->name, "a verb is missing");
	} else {
		while (verb < object->verbs + VERBS_MAX && verb->name &&
		       strcmp(verb->name, argv[optind]))
			verb++;
		if (verb == object->verbs + VERBS_MAX || !verb->name)
			status = cmd_usage(object->name, "unknown verb: %s", argv[optind]);
		else
			status =
				run_verb(object, verb, &args, argc - optind - 1, argv + optind + 1);
	}
	json_decref(args.interfaces);
	json_decref(args.portals);
	return status;
}

int cmd_disk(int argc, char **argv)
{
	return run_object(&disk, argc, argv);
}

int cmd_export(int argc, char **argv)
{
	return run_object(&export, argc, argv);
}

int cmd_acl(int argc, char **argv)
{
	return run_object(&acl, argc, argv);
}

int cmd_initiator(int argc, char **argv)
{
	return run_object(&initiator, argc, argv);
}

int cmd_session(int argc, char **argv)
{
	return run_object(&session, argc, argv);
}

int cmd_sessions(int argc, char **argv)
{
	static const char help[] = "usage: stgt-xdp sessions [--json] [--socket PATH]\n\n"
				   "Shows all iSCSI sessions; 'stgt-xdp session close' ends one.\n";
	struct live_args args = {.socket = NULL};
	const struct option_to options[] = {
		{"json", .flag = &args.json},
		{"socket", .text = &args.socket},
		{.name = NULL},
	};
	struct error err;
	int ret = options_read_all(argc, argv, options, &err);

	return ret ? cmd_not_read("sessions", ret, help, &err)
		   : show_list("sessions", &session, &args);
}

int cmd_alua(int argc, char **argv)
{
	return run_object(&alua, argc, argv);
}

int cmd_limit(int argc, char **argv)
{
	return run_object(&limit, argc, argv);
}

int cmd_fault(int argc, char **argv)
{
	return run_object(&fault, argc, argv);
}

int cmd_log(int argc, char **argv)
{
	return run_object(&log_object, argc, argv);
}

int cmd_reload(int argc, char **argv)
{
	static const char help[] =
		"usage: stgt-xdp reload [--socket PATH]\n\n"
		"Has the daemon read its configuration file again and apply what changed.\n";
	const char *socket = NULL;
	const struct option_to options[] = {{"socket", .text = &socket}, {.name = NULL}};
	struct error err;
	int ret = options_read_all(argc, argv, options, &err);

	if (ret)
		return cmd_not_read("reload", ret, help, &err);
	return send_request("reload", socket, json_pack("{s:s}", "command", "reload"), false);
}
