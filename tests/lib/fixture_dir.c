/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fixture.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

char *fixture_dir_make(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	assert(asprintf(&dir, "%s/stgt-test-XXXXXX", tmp ? tmp : "/tmp") > 0);
	assert(mkdtemp(dir));
	return dir;
}

static int dir_entry_remove(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

void fixture_dir_remove(char *dir)
{
	assert(!nftw(dir, dir_entry_remove, 8, FTW_DEPTH | FTW_PHYS));
	free(dir);
}
