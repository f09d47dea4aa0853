/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `stgt-xdp top`: who asks how much of what, now; on the terminal, or as text for scripts.
 */
#include "cmd.h"
#include "options.h"
#include "top_sampler.h"
#include "top_screen.h"
#include "top_text.h"

#include "base/clock.h"
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERVAL_MIN_S 0.1
#define INTERVAL_MAX_S 3600.0

static const char help[] =
	"usage: stgt-xdp top [--interval SEC] [--view VIEW] [--sort ORDER] [--once | --batch N]\n"
	"                    [--socket PATH]\n"
	"\n"
	"Shows what is asked of every process that serves, and how long it takes.\n"
	"\n"
	"  --interval SEC  look again after so many seconds, 0.1 to 3600 (1)\n"
	"  --view VIEW     exports (the default), initiators, pairs or interfaces\n"
	"  --sort ORDER    iops (the default), bytes, latency or name\n"
	"  --batch N       print plain text N times, for scripts\n"
	"  --once          the same as --batch 1\n"
	"\n"
	"Keys: e n p f choose the view, Tab the next one; i b l a sort by IOPS, MB/s, p99 or\n"
	"name; arrows, PgUp, PgDn, Home and End scroll; q ends.\n";

struct arguments {
	struct top_options options;
	unsigned long batch; /* 0: on the terminal */
	bool once;
};

/* The word's place among the names, which `wants` tells, or -EINVAL. */
static int word_parse(const char *word, const char *const *names, const char *wants,
		      struct error *err)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	return error_set(err, EINVAL, "%s: %s", wants, word);
}

static int interval_parse(void *to, const char *word, struct error *err)
{
	uint64_t *ns = to;
	char *end;
	double seconds = strtod(word, &end);

	if (end == word || *end || !(seconds >= INTERVAL_MIN_S && seconds <= INTERVAL_MAX_S))
		return error_set(err, EINVAL, "--interval wants seconds from 0.1 to 3600: %s",
				 word);
	*ns = (uint64_t)(seconds * CLOCK_NS_PER_S);
	return 0;
}

static int batch_parse(void *to, const char *word, struct error *err)
{
	unsigned long *count = to;
	char *end;

	errno = 0;
	*count = strtoul(word, &end, 10);
	if (*word < '0' || *word > '9' || *end || errno || !*count)
		return error_set(err, EINVAL, "--batch wants a number from 1: %s", word);
	return 0;
}

static int view_parse(void *to, const char *word, struct error *err)
{
	int view = word_parse(word, top_view_names,
			      "--view wants exports, initiators, pairs or interfaces", err);

	if (view >= 0)
		*(enum top_view *)to = (enum top_view)view;
	return view < 0 ? view : 0;
}

static int sort_parse(void *to, const char *word, struct error *err)
{
	int sort =
		word_parse(word, top_sort_names, "--sort wants iops, bytes, latency or name", err);

	if (sort >= 0)
		*(enum top_sort *)to = (enum top_sort)sort;
	return sort < 0 ? sort : 0;
}

static int arguments_parse(int argc, char **argv, struct arguments *args, struct error *err)
{
	const struct option_to options[] = {
		{"interval", .read = interval_parse, .to = &args->options.interval_ns},
		{"view", .read = view_parse, .to = &args->options.view},
		{"sort", .read = sort_parse, .to = &args->options.sort},
		{"once", .flag = &args->once},
		{"batch", .read = batch_parse, .to = &args->batch},
		{"socket", .text = &args->options.socket},
		{.name = NULL},
	};
	int ret = options_read_all(argc, argv, options, err);

	if (args->once)
		args->batch = 1;
	return ret;
}

static int batch_print(const struct top_options *options, const struct top_sample *before,
		       const struct top_sample *now, struct error *err)
{
	struct top_layout layout;
	struct top_table table;

	if (top_table_make(&table, before, now, options->view, options->sort))
		return error_set(err, ENOMEM, "out of memory");
	top_text_layout(&layout, &table, options->view, 0);
	top_text_titles(&layout, stdout);
	putchar('\n');
	for (size_t i = 0; i < table.nrows; i++) {
		top_text_row(&layout, &table.rows[i], stdout);
		putchar('\n');
	}
	top_table_free(&table);
	if (fflush(stdout) || ferror(stdout))
		return error_set(err, EIO, "cannot write the table: is the disk full?");
	return 0;
}

/* `before` becomes the callee's. */
static int batch_run(const struct arguments *args, struct top_sample *before, struct error *err)
{
	const struct top_options *options = &args->options;
	uint64_t at_ns = clock_now_ns();
	int ret = 0;

	for (unsigned long n = 0; n < args->batch && !ret; n++) {
		struct top_sample *now;
		struct timespec at;

		at_ns += options->interval_ns;
		at.tv_sec = (time_t)(at_ns / CLOCK_NS_PER_S);
		at.tv_nsec = (long)(at_ns % CLOCK_NS_PER_S);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		now = top_sample_take(options->socket, err);
		if (!now) {
			ret = -EIO;
			break;
		}
		if (n)
			putchar('\n');
		ret = batch_print(options, before, now, err);
		top_sample_free(before);
		before = now;
	}
	top_sample_free(before);
	return ret;
}

int cmd_top(int argc, char **argv)
{
	struct arguments args = {.options = {.interval_ns = CLOCK_NS_PER_S}};
	struct top_sample *first;
	struct error err;
	int ret = arguments_parse(argc, argv, &args, &err);

	if (ret)
		return cmd_not_read("top", ret, help, &err);
	setlocale(LC_CTYPE, "");
	first = top_sample_take(args.options.socket, &err);
	if (!first)
		return cmd_failed("top", &err);
	if (args.batch)
		ret = batch_run(&args, first, &err);
	else
		ret = top_screen_run(&args.options, first, &err);
	return ret ? cmd_failed("top", &err) : EXIT_DONE;
}
