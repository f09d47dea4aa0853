/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `stgt-xdp capture IFACE FILE`: what the program's sockets receive and send, as pcapng. */
#include "cmd.h"
#include "options.h"
#include "tap/pcapng.h"
#include "watching.h"
#include "watching_output.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CAPTURE_MEMORY (17u << 20) /* a ring of 16 MiB, or as much in smaller ones */

static const char capture_help[] =
	"usage: stgt-xdp capture IFACE FILE [OPTION...]\n"
	"\n"
	"Writes the frames that are steered to the program, and those it sends, to a\n"
	"pcapng file ('-': standard output) until SIGINT. Other programs do not see\n"
	"these frames.\n"
	"\n"
	"  --count N       end after so many frames\n"
	"  --seconds N     end after so much time\n"
	"  --snaplen N     keep so many bytes of a frame (default: all)\n"
	"  --socket PATH   the server's control socket\n";

struct capture {
	const char *interface;
	const char *path;
	uint32_t snaplen;
	FILE *file;
};

static int capture_seen(void *ctx, const struct tap_record *record, uint64_t ns)
{
	struct capture *capture = ctx;
	struct tap_frame head;

	if (record->len < sizeof(head))
		return -EPROTO;
	memcpy(&head, record->data, sizeof(head));
	return pcapng_frame(capture->file,
			    &(struct pcapng_frame){
				    .ns = ns,
				    .data = (const uint8_t *)record->data + sizeof(head),
				    .captured = record->len - (uint32_t)sizeof(head),
				    .len = head.len,
				    .queue = record->ring,
				    .inbound = head.direction == TAP_RECEIVED,
			    });
}

static int capture_pause(void *ctx)
{
	return fflush(((struct capture *)ctx)->file) ? -errno : 0;
}

static int capture_cannot_write(const struct capture *capture, int error, struct error *err)
{
	return error_set(err, error, "cannot write %s: %s", capture->path, strerror(error));
}

static int capture_begin(void *ctx, struct error *err)
{
	struct capture *capture = ctx;
	int ret;

	capture->file = watching_output_open(capture->path);
	if (!capture->file)
		return capture_cannot_write(capture, errno, err);
	ret = pcapng_begin(capture->file, capture->interface, capture->snaplen);
	return ret ? capture_cannot_write(capture, -ret, err) : 0;
}

/* Also after a failure, but never behind half a block. */
static int capture_end(struct capture *capture, const struct pcapng_totals *totals,
		       struct error *err)
{
	int ret = ferror(capture->file) ? -EIO : pcapng_end(capture->file, totals);

	if (fclose(capture->file) && !ret)
		ret = -errno;
	return ret ? capture_cannot_write(capture, -ret, err) : 0;
}

static void capture_report(const struct capture *capture, const struct watching_result *result)
{
	if (result->end == WATCHING_OVER)
		fprintf(stderr, "%s is not served any more\n", capture->interface);
	fprintf(stderr, "%" PRIu64 " frames captured, %" PRIu64 " lost for lack of room\n",
		result->seen, result->lost);
}

static int capture_run(struct capture *capture, const struct watching_args *args, struct error *err)
{
	const struct watcher watcher = {capture_begin, capture_seen, capture_pause, capture};
	struct pcapng_totals totals = {.begin_ns = watching_now_ns()};
	json_t *request = json_pack("{s:s, s:s, s:I}", "command", "capture", "interface",
				    capture->interface, "snaplen", (json_int_t)capture->snaplen);
	struct watching_result result;
	int ret = watching_run(args, request, &watcher, &result, err);
	struct error late;

	json_decref(request);
	totals.end_ns = watching_now_ns();
	totals.seen = result.seen + result.lost;
	totals.lost = result.lost;
	if (capture->file && capture_end(capture, &totals, &late) && !ret) {
		*err = late;
		return -EIO;
	}
	if (ret)
		return ret;
	capture_report(capture, &result);
	if (result.end == WATCHING_ALONE)
		return error_set(err, ECONNRESET, "the server has died");
	return 0;
}

/* As options_read(). */
static int capture_parse(int argc, char **argv, struct capture *capture, struct watching_args *args,
			 struct error *err)
{
	uint64_t snaplen = TAP_SNAPLEN_MAX;
	const struct option_to options[] = {
		{"count", .read = watching_number, .to = &args->count},
		{"seconds", .read = watching_number, .to = &args->seconds},
		{"snaplen", .read = watching_number, .to = &snaplen},
		{"socket", .text = &args->socket},
		{.name = NULL},
	};
	int ret = options_read(argc, argv, options, err);

	if (ret)
		return ret;
	if (snaplen > TAP_SNAPLEN_MAX)
		return error_set(err, EINVAL, "--snaplen wants %u at the most", TAP_SNAPLEN_MAX);
	if (optind + 2 != argc)
		return error_set(err, EINVAL, "an interface and a file are wanted");
	capture->interface = argv[optind];
	capture->path = argv[optind + 1];
	capture->snaplen = (uint32_t)snaplen;
	return 0;
}

int cmd_capture(int argc, char **argv)
{
	struct watching_args args = {.memory = CAPTURE_MEMORY};
	struct capture capture = {.file = NULL};
	struct error err;
	int ret = capture_parse(argc, argv, &capture, &args, &err);

	if (ret)
		return cmd_not_read("capture", ret, capture_help, &err);
	ret = capture_run(&capture, &args, &err);
	return ret ? cmd_failed("capture", &err) : EXIT_DONE;
}
