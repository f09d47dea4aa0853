/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a configuration file: refused with a line, or accepted; what is accepted prints as
 * a file that is accepted, says the same, and prints the same. When its secrets stand in files of
 * ours, below SECRETS, it is loaded as the daemon would: then they are there, none is that of both
 * ends, and none of them is printed.
 */
#include "base/log.h"
#include "config/config.h"
#include "kept.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define DIRECTORY_FD 900 /* a path that is the same in every process */
#define SECRETS	     "/proc/self/fd/900"

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

/* ---- secrets in files ---- */

static const struct {
	const char *name, *text;
	mode_t mode;
} secret_files[] = {
	{"host", "a secret of hosts\n", 0600},
	{"disk", "a secret of disks\r\nmore\n", 0640},
	{"seen", "a secret of nobody\n", 0644},
	{"short", "shortly", 0600},
	{"empty", "\n", 0600},
};

static void write_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
	int fd = openat(DIRECTORY_FD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && !fchmod(fd, mode));
	close(fd);
}

/* Once in a process. */
static void write_secrets(void)
{
	char longest[300];
	int fd;

	if (fcntl(DIRECTORY_FD, F_GETFD) >= 0)
		return;
	log_set_level(LOG_ERR);
	fd = open(kept_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert(fd >= 0 && dup3(fd, DIRECTORY_FD, O_CLOEXEC) == DIRECTORY_FD);
	close(fd);
	for (size_t i = 0; i < sizeof(secret_files) / sizeof(secret_files[0]); i++)
		write_file(secret_files[i].name, secret_files[i].text, strlen(secret_files[i].text),
			   secret_files[i].mode);
	memset(longest, 'x', sizeof(longest));
	write_file("long", longest, sizeof(longest), 0600);
}

static bool is_ours(const struct config_account *account)
{
	return !account->secret_file || !strncmp(account->secret_file, SECRETS, strlen(SECRETS));
}

/* There are files, and no others than ours: a fuzzer opens no device. */
static bool has_our_files(const struct config *config)
{
	const struct config_chap *chap = &config->discovery_chap;
	bool ours = is_ours(&chap->initiator) && is_ours(&chap->target);
	bool any = chap->initiator.secret_file || chap->target.secret_file;

	for (unsigned int i = 0; i < config->niscsi; i++) {
		chap = &config->iscsi[i].chap;
		ours = ours && is_ours(&chap->initiator) && is_ours(&chap->target);
		any = any || chap->initiator.secret_file || chap->target.secret_file;
	}
	return ours && any;
}

static void check_account(const struct config_account *account, const char *yaml)
{
	require(!account->user || (account->secret && *account->secret));
	require(!account->secret || !strpbrk(account->secret, "\r\n") || !account->secret_file);
	if (account->secret_file && !strncmp(account->secret, "a secret of", 11))
		require(!strstr(yaml, account->secret));
}

static void check_chap(const struct config_chap *chap, const char *yaml)
{
	check_account(&chap->initiator, yaml);
	check_account(&chap->target, yaml);
	require(!chap->target.user || strcmp(chap->initiator.secret, chap->target.secret));
}

static void check_loaded(const uint8_t *data, size_t size)
{
	struct config *config;
	char *problems, *yaml;
	struct error err;

	write_file("config", data, size, 0600);
	if (config_load(SECRETS "/config", &config, &problems, &err)) {
		require(problems && strstr(err.text, "secret"));
		free(problems);
		return;
	}
	require(!config_save(config, &yaml));
	/* What the input says itself may be printed. */
	if (!memmem(data, size, "a secret of", 11)) {
		check_chap(&config->discovery_chap, yaml);
		for (unsigned int i = 0; i < config->niscsi; i++)
			check_chap(&config->iscsi[i].chap, yaml);
	}
	free(yaml);
	config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	char *problems;
	struct error err;

	if (!config_parse((const char *)data, size, "fuzz", &config, &problems, &err)) {
		require(!problems);
		check_accepted(config);
		write_secrets();
		if (has_our_files(config))
			check_loaded(data, size);
		config_free(config);
	} else {
		require(!strncmp(err.text, "fuzz:", 5));
		require(problems && problems[strlen(problems) - 1] == '\n');
	}
	free(problems);
	return 0;
}
