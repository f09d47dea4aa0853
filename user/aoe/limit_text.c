/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rate limits as users write them. */
#include "aoe/limit.h"

#include "base/cleanup.h"
#include "base/size.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct word {
	const char *name;
	const char *wants;
	uint64_t most;
	bool size; /* takes a size's suffixes */
} words[] = {
	{"iops=", "iops=N, commands a second from 1 to 1000000000", AOE_LIMIT_IOPS_MAX, false},
	{"bytes=", "bytes=SIZE, bytes a second from 1 to 1024T", AOE_LIMIT_BYTES_MAX, true},
};

#define NWORDS (sizeof(words) / sizeof(words[0]))

static int word_parse(const char *text, uint64_t values[NWORDS], struct error *err)
{
	for (size_t i = 0; i < NWORDS; i++) {
		const struct word *word = &words[i];
		const char *value = text + strlen(word->name);

		if (strncmp(text, word->name, strlen(word->name)) != 0)
			continue;
		if (values[i])
			return error_set(err, EINVAL, "'%s': it is said twice", text);
		if ((!word->size && value[strspn(value, "0123456789")]) ||
		    size_parse(value, &values[i]) || !values[i] || values[i] > word->most)
			return error_set(err, EINVAL, "'%s': wanted is %s", text, word->wants);
		return 0;
	}
	return error_set(err, EINVAL, "'%s' is not known: iops=N and bytes=SIZE are", text);
}

int aoe_limit_parse(const char *text, struct aoe_limit *limit, struct error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	uint64_t values[NWORDS] = {0};
	char *save = NULL;

	if (!copy)
		return error_set(err, ENOMEM, "out of memory");
	for (char *word = strtok_r(copy, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		int ret = word_parse(word, values, err);

		if (ret)
			return ret;
	}
	*limit = (struct aoe_limit){.iops = values[0], .bytes = values[1]};
	if (!limit->iops && !limit->bytes)
		return error_set(err, EINVAL, "a limit wants iops=N, bytes=SIZE or both");
	return 0;
}
