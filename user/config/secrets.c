/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Secrets that stand in files of their own. */
#include "base/cleanup.h"
#include "base/log.h"
#include "config/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void config_secret_mode_warn(const char *path, mode_t mode)
{
	if (mode & S_IROTH)
		log_warning("%s: everybody can read the secrets in it: chmod o= it", path);
}

/* The first line; with what is wrong when there is none. */
static const char *read_secret(const char *path, char secret[ISCSI_SECRET_MAX + 2])
{
	/* O_NONBLOCK: opening a pipe that nobody writes to would wait. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	n = read(fd, secret, ISCSI_SECRET_MAX + 1);
	if (n < 0)
		return strerror(errno);
	secret[n] = '\0';
	secret[strcspn(secret, "\r\n")] = '\0';
	if (!*secret)
		return "there is no secret in it";
	if (strlen(secret) > ISCSI_SECRET_MAX)
		return "its first line is longer than 255 characters";
	config_secret_mode_warn(path, st.st_mode);
	return NULL;
}

static int load_account(struct config_account *account, struct config_field field,
			struct config_problems *problems)
{
	char secret[ISCSI_SECRET_MAX + 2];
	const char *wrong;

	if (!account->secret_file)
		return 0;
	wrong = read_secret(account->secret_file, secret);
	if (wrong) {
		config_problem_add(problems, field, "%s: %s", account->secret_file, wrong);
		return 0;
	}
	account->secret = strdup(secret);
	explicit_bzero(secret, sizeof(secret));
	return account->secret ? 0 : -ENOMEM;
}

int config_secrets_load(struct config *config, struct config_problems *problems)
{
	int ret = load_account(&config->discovery_chap.initiator,
			       FIELD_TOP("discovery_chap.secret_file"), problems);

	if (!ret)
		ret = load_account(&config->discovery_chap.target,
				   FIELD_TOP("discovery_chap.mutual.secret_file"), problems);
	config_check_secrets(&config->discovery_chap, -1, problems);
	for (unsigned int i = 0; i < config->niscsi && !ret; i++) {
		struct config_chap *chap = &config->iscsi[i].chap;

		ret = load_account(&chap->initiator, FIELD_OF("iscsi", i, "chap.secret_file"),
				   problems);
		if (!ret)
			ret = load_account(&chap->target,
					   FIELD_OF("iscsi", i, "chap.mutual.secret_file"),
					   problems);
		config_check_secrets(chap, (int)i, problems);
	}
	return ret;
}

/* ---- short ones -------------------------------------------------------------------------- */

static void weigh_account(const struct config_account *account, int i, const char *of,
			  struct config_problems *weak)
{
	const char *key = account->secret_file ? "secret_file" : "secret";
	char field[sizeof("discovery_chap.mutual.secret_file")];

	if (!account->secret || strlen(account->secret) >= ISCSI_SECRET_MIN)
		return;
	snprintf(field, sizeof(field), "%s.%s", of, key);
	config_problem_add(weak, i < 0 ? FIELD_TOP(field) : FIELD_OF("iscsi", i, field),
			   CONFIG_SECRET_SHORT);
}

void config_secrets_weigh(const struct config *config)
{
	struct config_problems *weak = malloc(sizeof(*weak));

	if (!weak)
		return;
	config_problems_init(weak, config->lines);
	weigh_account(&config->discovery_chap.initiator, -1, "discovery_chap", weak);
	weigh_account(&config->discovery_chap.target, -1, "discovery_chap.mutual", weak);
	for (unsigned int i = 0; i < config->niscsi; i++) {
		weigh_account(&config->iscsi[i].chap.initiator, (int)i, "chap", weak);
		weigh_account(&config->iscsi[i].chap.target, (int)i, "chap.mutual", weak);
	}
	for (unsigned int i = 0; i < weak->count; i++)
		log_warning("%s", weak->list[i].text);
	config_problems_fini(weak);
	free(weak);
}

static bool chap_has_secret(const struct config_chap *chap)
{
	return (chap->initiator.secret && !chap->initiator.secret_file) ||
	       (chap->target.secret && !chap->target.secret_file);
}

bool config_has_secret(const struct config *config)
{
	bool has = chap_has_secret(&config->discovery_chap);

	for (unsigned int i = 0; i < config->niscsi; i++)
		has |= chap_has_secret(&config->iscsi[i].chap);
	return has;
}
