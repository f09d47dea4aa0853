/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "options.h"

#include "config/config.h"
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>

int option_error(int option, char *const argv[], struct error *err)
{
	if (option == ':')
		return error_set(err, EINVAL, "%s wants a value", argv[optind - 1]);
	/* A word of several letters is passed only after its last one. */
	if (optopt > 0 && optopt < OPTION_FIRST)
		return error_set(err, EINVAL, "unknown option: -%c", optopt);
	return error_set(err, EINVAL, "unknown option: %s", argv[optind - 1]);
}

static int option_take(const struct option_to *option, struct error *err)
{
	if (option->read)
		return option->read(option->to, optarg, err);
	if (option->flag)
		*option->flag = true;
	else
		*option->text = optarg;
	return 0;
}

/* Values are OPTION_FIRST + the place in `options`; --help's is behind the last. */
static int longs_fill(struct option longs[OPTIONS_MAX + 2], const struct option_to *options)
{
	int n = 0;

	for (; options[n].name; n++) {
		assert(n < OPTIONS_MAX);
		longs[n] = (struct option){options[n].name,
					   options[n].flag ? no_argument : required_argument, NULL,
					   OPTION_FIRST + n};
	}
	longs[n] = (struct option){"help", no_argument, NULL, OPTION_FIRST + n};
	longs[n + 1] = (struct option){NULL, 0, NULL, 0};
	return OPTION_FIRST + n;
}

int options_read(int argc, char **argv, const struct option_to *options, struct error *err)
{
	struct option longs[OPTIONS_MAX + 2];
	int help = longs_fill(longs, options), option, ret = 0;

	optind = 0;
	opterr = 0;
	while (!ret && (option = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (option == help)
			return 1;
		ret = option < OPTION_FIRST ? option_error(option, argv, err)
					    : option_take(&options[option - OPTION_FIRST], err);
	}
	return ret;
}

int options_read_all(int argc, char **argv, const struct option_to *options, struct error *err)
{
	int ret = options_read(argc, argv, options, err);

	if (!ret && optind != argc)
		return error_set(err, EINVAL, "unexpected word: %s", argv[optind]);
	return ret;
}

int option_exporter(void *to, const char *value, struct error *err)
{
	struct sockaddr_storage address;
	socklen_t len;
	int ret = config_listen_parse(value, &address, &len, err);

	if (ret)
		return error_prefix(err, -ret, "--exporter");
	*(const char **)to = value;
	return 0;
}
