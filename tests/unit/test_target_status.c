/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The documents of status and stats, as far as no interface is needed for them. */
#include "fixture.h"
#include "target/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *member(const json_t *document, const char *list, const char *name)
{
	const json_t *first = json_array_get(json_object_get(document, list), 0);

	return json_string_value(json_object_get(first, name));
}

/* A file's name may be any bytes, JSON holds UTF-8 only: the export is shown all the same. */
static void test_disk_of_any_name_is_shown(void **state)
{
	char *dir = fixture_dir_make();
	char disk[128], shown[128];
	struct export_request request = {.addr = {.shelf = 7, .slot = 1}, .disk = disk};
	struct target_options options = {.state_dir = dir};
	struct target_export *export;
	struct target *target;
	struct error err;
	json_t *status;

	snprintf(disk, sizeof(disk), "%s/gr\xfc\xdf.img,size=1M", dir);
	snprintf(shown, sizeof(shown), "%s/gr\\xfc\\xdf.img", dir);
	assert_int_equal(aoe_acl_parse("any", &request.acl, &err), 0);
	assert_int_equal(target_open(&options, &target, &err), 0);
	assert_int_equal(target_add_export(target, &request, &export, &err), 0);
	status = target_status(target, TARGET_FULL);
	assert_non_null(status);
	assert_non_null(strstr(member(status, "exports", "disk"), shown));
	assert_non_null(strstr(member(status, "disks", "name"), shown));
	assert_string_equal(member(status, "exports", "address"), "7.1");
	assert_non_null(
		json_object_get(json_array_get(json_object_get(status, "exports"), 0), "allow"));
	json_decref(status);
	status = target_status(target, TARGET_BRIEF);
	assert_non_null(strstr(member(status, "exports", "disk"), shown));
	assert_null(
		json_object_get(json_array_get(json_object_get(status, "exports"), 0), "allow"));
	assert_null(json_object_get(status, "initiators"));
	json_decref(status);
	target_close(target);
	aoe_acl_fini(&request.acl);
	fixture_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk_of_any_name_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
