/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "load_options.h"
#include "base/size.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
	fprintf(stderr, "usage: aoe_load --iface IFACE --target SHELF.SLOT [options]\n"
			"  --op read|write    what to do (read)\n"
			"  --size BYTES       of a request, up to one frame's payload (4K)\n"
			"  --depth N          requests outstanding, per initiator (32)\n"
			"  --initiators N     each with a MAC address of its own (1)\n"
			"  --range BYTES      stay within the first so many (the whole disk)\n"
			"  --seconds S        to measure, after the warm-up (1)\n"
			"  --spin             never sleep\n"
			"  --json             report as JSON\n");
	return -EINVAL;
}

static int parse_size(const char *text, uint64_t max, uint64_t *out)
{
	return size_parse(text, out) || *out > max ? -EINVAL : 0;
}

static int parse_count(const char *text, unsigned int max, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > max)
		return -EINVAL;
	*out = (unsigned int)n;
	return 0;
}

static int parse_option(int c, const char *text, struct load_options *options)
{
	uint64_t size;
	char end;

	switch (c) {
	case 'i':
		options->iface = text;
		return 0;
	case 't':
		return sscanf(text, "%u.%u%c", &options->shelf, &options->slot, &end) == 2
			       ? 0
			       : -EINVAL;
	case 'o':
		options->write = !strcmp(text, "write");
		return options->write || !strcmp(text, "read") ? 0 : -EINVAL;
	case 's':
		if (parse_size(text, LOAD_SIZE_MAX, &size) || !size || size % 512)
			return -EINVAL;
		options->size = (unsigned int)size;
		return 0;
	case 'd':
		return parse_count(text, LOAD_DEPTH_MAX, &options->depth);
	case 'n':
		return parse_count(text, LOAD_INITIATORS_MAX, &options->initiators);
	case 'r':
		return parse_size(text, UINT64_MAX, &options->range);
	case 'S':
		options->seconds = strtod(text, NULL);
		return options->seconds > 0 ? 0 : -EINVAL;
	case 'p':
		options->spin = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return -EINVAL;
	}
}

int load_options_parse(int argc, char **argv, struct load_options *options)
{
	static const struct option table[] = {
		{"iface", required_argument, NULL, 'i'},
		{"target", required_argument, NULL, 't'},
		{"op", required_argument, NULL, 'o'},
		{"size", required_argument, NULL, 's'},
		{"depth", required_argument, NULL, 'd'},
		{"initiators", required_argument, NULL, 'n'},
		{"range", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 'S'},
		{"spin", no_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	int c;

	*options = (struct load_options){
		.size = 4096, .depth = 32, .initiators = 1, .seconds = 1, .shelf = UINT32_MAX};
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (parse_option(c, optarg, options))
			return usage();
	}
	if (optind != argc || !options->iface || options->shelf == UINT32_MAX ||
	    (options->range && options->range < options->size))
		return usage();
	return 0;
}

void load_report_print(const struct load_options *options, const struct load_report *report)
{
	double iops = (double)report->ops / report->seconds;
	double mbytes = iops * options->size / 1e6;

	if (options->json)
		printf("{\"iops\": %.0f, \"mbytes_per_s\": %.1f, \"mean_us\": %.2f, "
		       "\"p50_us\": %.2f, \"p99_us\": %.2f, \"seconds\": %.3f, \"ops\": %" PRIu64
		       ", \"errors\": %" PRIu64 ", \"retransmits\": %" PRIu64 ", \"late\": %" PRIu64
		       ", \"unsent\": %" PRIu64 ", \"waited_percent\": %.2f}\n",
		       iops, mbytes, report->mean_us, report->p50_us, report->p99_us,
		       report->seconds, report->ops, report->errors, report->retransmits,
		       report->late, report->unsent, report->waited_percent);
	else
		printf("%.0f IOPS, %.1f MB/s, latency %.1f us mean, %.1f p50, %.1f p99; %" PRIu64
		       " errors, %" PRIu64 " retransmits, %" PRIu64 " late, %" PRIu64 " unsent\n",
		       iops, mbytes, report->mean_us, report->p50_us, report->p99_us,
		       report->errors, report->retransmits, report->late, report->unsent);
}
