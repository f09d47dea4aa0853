/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a configuration file: refused with a line, or accepted; what is accepted prints as
 * a file that is accepted, says the same, and prints the same.
 */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

static void require_same(const struct config *a, const struct config *b)
{
	struct config_step *steps;
	unsigned int nsteps;

	require(!config_diff(a, b, &steps, &nsteps, NULL));
	require(nsteps == 0);
	config_steps_free(steps, nsteps);
}

static void check_disks(const struct config *config)
{
	for (unsigned int i = 0; i < config->ndisks; i++) {
		char *text = config_disk_text(&config->disks[i].spec);
		struct disk_spec spec;

		require(text && !disk_spec_parse(text, &spec, NULL));
		require(config_disk_spec_equal(&spec, &config->disks[i].spec));
		disk_spec_fini(&spec);
		free(text);
	}
}

static void check_accepted(const struct config *config)
{
	struct config *again, *copy = config_copy(config), *empty = config_new();
	struct config_step *steps;
	unsigned int nsteps;
	char *yaml, *yaml_again;

	require(copy && empty);
	require(!config_check(config, NULL, NULL));
	check_disks(config);
	require(!config_save(config, &yaml));
	require(!config_parse(yaml, strlen(yaml), "again", &again, NULL, NULL));
	require(!config_save(again, &yaml_again));
	require(!strcmp(yaml, yaml_again));
	require_same(config, again);
	require_same(again, copy);
	require(!config_diff(empty, config, &steps, &nsteps, NULL));
	config_steps_free(steps, nsteps);
	free(yaml);
	free(yaml_again);
	config_free(again);
	config_free(copy);
	config_free(empty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	char *problems;
	struct error err;

	if (!config_parse((const char *)data, size, "fuzz", &config, &problems, &err)) {
		require(!problems);
		check_accepted(config);
		config_free(config);
	} else {
		require(!strncmp(err.text, "fuzz:", 5));
		require(problems && problems[strlen(problems) - 1] == '\n');
	}
	free(problems);
	return 0;
}
