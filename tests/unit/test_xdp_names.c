/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Words that are no interface's name never become paths. */
#include "fixture.h"
#include "xdp/steer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_only_names_are_names(void **state)
{
	static const char *const good[] = {"eth0", "enp1s0f1np1", "a", "br-lan", "eth0.5", "..."};
	static const char *const bad[] = {"",	       ".",   "..",   "/",	"../eth0",
					  "eth0/link", "a b", "a\tb", "eth0:1", "sixteen-letters!"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(netif_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (netif_name_check(bad[i], NULL) != -EINVAL)
			fail_msg("`%s` passes for a name", bad[i]);
}

/* `stgt-xdp detach` removes what is pinned under a name: only that, whatever it is given. */
static void test_detach_stays_in_its_folder(void **state)
{
	char *dir = fixture_dir_make();
	char victim[128], name[160];
	struct error err;

	snprintf(victim, sizeof(victim), "%s/victim", dir);
	close(open(victim, O_CREAT | O_WRONLY, 0600));
	snprintf(name, sizeof(name), "../../../../../..%s", dir);
	assert_int_equal(steer_remove_stale(name, &err), -EINVAL);
	assert_non_null(strstr(err.text, name));
	assert_int_equal(access(victim, F_OK), 0);
	fixture_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_names_are_names),
		cmocka_unit_test(test_detach_stays_in_its_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
