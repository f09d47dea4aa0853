/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `stgt-xdp trace on|off`: the steps of requests, a line each. */
#include "cmd.h"
#include "options.h"
#include "servers.h"
#include "trace_text.h"
#include "watching.h"
#include "watching_output.h"

#include "aoe/mac.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_MEMORY ((4u << 20) + (1u << 20)) /* some 50,000 steps */

static const char trace_help[] =
	"usage: stgt-xdp trace on [--initiator MAC] [--export ADDRESS] [--lba FIRST[-LAST]]\n"
	"                         [--count N] [--seconds N] [--socket PATH]\n"
	"       stgt-xdp trace off [--socket PATH]\n"
	"\n"
	"Prints a line for every step of the requests that match, until SIGINT.\n"
	"\n"
	"  --initiator MAC    of this initiator\n"
	"  --export ADDRESS   to this export, [VLAN:]SHELF.SLOT\n"
	"  --lba FIRST-LAST   reads and writes of one of these sectors of 512 bytes\n"
	"  --count N          end after so many lines\n"
	"  --seconds N        end after so much time\n"
	"  --socket PATH      the server's control socket\n"
	"\n"
	"'off' ends a trace that somebody else has on.\n";

struct trace_lines {
	FILE *out;
};

static int trace_begin(void *ctx, struct error *err)
{
	struct trace_lines *lines = ctx;

	lines->out = watching_output_open("-");
	return lines->out ? 0 : error_set(err, errno, "cannot write: %s", strerror(errno));
}

static int trace_seen(void *ctx, const struct tap_record *record, uint64_t ns)
{
	const struct trace_lines *lines = ctx;
	char line[TRACE_TEXT];
	struct aoe_step step;

	if (record->len != sizeof(step))
		return -EPROTO;
	memcpy(&step, record->data, sizeof(step));
	trace_text(&step, record->ns - step.taken_ns, ns, line);
	return fprintf(lines->out, "%s\n", line) < 0 ? -errno : 0;
}

static int trace_pause(void *ctx)
{
	return fflush(((const struct trace_lines *)ctx)->out) ? -errno : 0;
}

static int trace_on(const struct watching_args *args, json_t *request)
{
	struct trace_lines lines = {.out = NULL};
	const struct watcher watcher = {trace_begin, trace_seen, trace_pause, &lines};
	struct watching_result result;
	struct error err;
	int ret;

	json_object_set_new(request, "command", json_string("trace-on"));
	ret = watching_run(args, request, &watcher, &result, &err);
	if (lines.out)
		fclose(lines.out);
	if (ret)
		return cmd_failed("trace", &err);
	if (result.lost)
		fprintf(stderr, "%" PRIu64 " lines lost for lack of room\n", result.lost);
	if (result.end == WATCHING_OVER)
		fprintf(stderr, "the trace was ended by the server\n");
	if (result.end != WATCHING_ALONE)
		return EXIT_DONE;
	error_set(&err, ECONNRESET, "the server has died");
	return cmd_failed("trace", &err);
}

static int trace_off(const struct watching_args *args, json_t *request)
{
	struct error err;
	json_t *answer;

	if (json_object_size(request) || args->count || args->seconds)
		return cmd_usage("trace", "off takes no option but --socket");
	json_object_set_new(request, "command", json_string("trace-off"));
	answer = servers_send_all(args->socket, request, &err);
	json_decref(answer);
	return answer ? EXIT_DONE : cmd_failed("trace", &err);
}

/* FIRST or FIRST-LAST. */
static int parse_lba(void *request, const char *text, struct error *err)
{
	uint64_t first, last;
	char *end = (char *)text;

	errno = 0;
	first = last = strtoull(text, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		last = strtoull(end + 1, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || last < first || last > INT64_MAX)
		return error_set(err, EINVAL, "'%s' is not FIRST-LAST, two sector numbers", text);
	json_object_set_new(request, "lba",
			    json_pack("[I, I]", (json_int_t)first, (json_int_t)last));
	return 0;
}

static int parse_initiator(void *request, const char *text, struct error *err)
{
	uint8_t mac[WIRE_MAC_LEN];

	if (!mac_parse(text, strlen(text), mac))
		return error_set(err, EINVAL, "'%s' is not a MAC address", text);
	json_object_set_new(request, "initiator", json_string(text));
	return 0;
}

static int parse_export(void *request, const char *text, struct error *err)
{
	struct aoe_address address;

	if (aoe_address_parse(text, &address, err))
		return -EINVAL;
	json_object_set_new(request, "export", json_string(text));
	return 0;
}

/* As options_read(). */
static int trace_parse(int argc, char **argv, struct watching_args *args, json_t *request,
		       struct error *err)
{
	const struct option_to options[] = {
		{"initiator", .read = parse_initiator, .to = request},
		{"export", .read = parse_export, .to = request},
		{"lba", .read = parse_lba, .to = request},
		{"count", .read = watching_number, .to = &args->count},
		{"seconds", .read = watching_number, .to = &args->seconds},
		{"socket", .text = &args->socket},
		{.name = NULL},
	};

	return options_read(argc, argv, options, err);
}

int cmd_trace(int argc, char **argv)
{
	struct watching_args args = {.memory = TRACE_MEMORY};
	json_t *request = json_object();
	struct error err;
	int status, ret = trace_parse(argc, argv, &args, request, &err);

	if (ret) {
		status = cmd_not_read("trace", ret, trace_help, &err);
	} else if (optind + 1 != argc) {
		status = cmd_usage("trace", "on or off is wanted");
	} else if (strcmp(argv[optind], "on") == 0) {
		status = trace_on(&args, request);
	} else if (strcmp(argv[optind], "off") == 0) {
		status = trace_off(&args, request);
	} else {
		status = cmd_usage("trace", "on or off is wanted, not '%s'", argv[optind]);
	}
	json_decref(request);
	return status;
}
