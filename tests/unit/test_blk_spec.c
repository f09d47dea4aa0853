/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DISK as users write it. */
#include "blk/blk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_good(void **state)
{
	static const struct {
		const char *text;
		struct disk_spec spec;
	} good[] = {
		{"/srv/x.img", {.kind = DISK_FILE, .path = "/srv/x.img", .direct = -1}},
		{"x", {.kind = DISK_FILE, .path = "x", .direct = -1}},
		{"odd:name", {.kind = DISK_FILE, .path = "odd:name", .direct = -1}},
		{"ramdisk", {.kind = DISK_FILE, .path = "ramdisk", .direct = -1}},
		{"file:ram:1", {.kind = DISK_FILE, .path = "ram:1", .direct = -1}},
		{"file:/a,ro", {.kind = DISK_FILE, .path = "/a", .read_only = true, .direct = -1}},
		{"/a,prealloc", {.kind = DISK_FILE, .path = "/a", .prealloc = true, .direct = -1}},
		{"ram:1M,prealloc",
		 {.kind = DISK_RAM, .size = 1 << 20, .prealloc = true, .direct = -1}},
		{"/a,,b", {.kind = DISK_FILE, .path = "/a,b", .direct = -1}},
		{"/a,,", {.kind = DISK_FILE, .path = "/a,", .direct = -1}},
		{"/a,,,ro", {.kind = DISK_FILE, .path = "/a,", .read_only = true, .direct = -1}},
		{"/a,,,,,ro", {.kind = DISK_FILE, .path = "/a,,", .read_only = true, .direct = -1}},
		{"/a,size=64GiB",
		 {.kind = DISK_FILE, .path = "/a", .size = 64ull << 30, .direct = -1}},
		{"/a,size=512", {.kind = DISK_FILE, .path = "/a", .size = 512, .direct = -1}},
		{"/a,cache=writeback,direct=on",
		 {.kind = DISK_FILE, .path = "/a", .cache = DISK_WRITEBACK, .direct = 1}},
		{"/a,direct=off,cache=writethrough",
		 {.kind = DISK_FILE, .path = "/a", .cache = DISK_WRITETHROUGH, .direct = 0}},
		{"block:/dev/x,block_size=512",
		 {.kind = DISK_BLOCK, .path = "/dev/x", .block_size = 512, .direct = -1}},
		{"ram:512M,block_size=4096",
		 {.kind = DISK_RAM, .size = 512ull << 20, .block_size = 4096, .direct = -1}},
		{"/a,removable,thin=off,logical_block_size=4096",
		 {.kind = DISK_FILE,
		  .path = "/a",
		  .removable = true,
		  .thin = DISK_THIN_OFF,
		  .logical_block = 4096,
		  .direct = -1}},
		{"/a,thin=on,logical_block_size=512,block_size=4096",
		 {.kind = DISK_FILE,
		  .path = "/a",
		  .thin = DISK_THIN_ON,
		  .logical_block = 512,
		  .block_size = 4096,
		  .direct = -1}},
		{"/a,soft_threshold=75%",
		 {.kind = DISK_FILE, .path = "/a", .soft_threshold = 75, .direct = -1}},
		{"/a,soft_threshold=1",
		 {.kind = DISK_FILE, .path = "/a", .soft_threshold = 1, .direct = -1}},
		{"/a,soft_threshold=off",
		 {.kind = DISK_FILE, .path = "/a", .soft_threshold = -1, .direct = -1}},
		{"/a,key_file=/k,,1,ro",
		 {.kind = DISK_FILE,
		  .path = "/a",
		  .read_only = true,
		  .key_file = "/k,1",
		  .direct = -1}},
		{"null:1T,ro",
		 {.kind = DISK_NULL, .size = 1ull << 40, .read_only = true, .direct = -1}},
		{"null:1T,serial=a b=c,,~",
		 {.kind = DISK_NULL, .size = 1ull << 40, .serial = "a b=c,~", .direct = -1}},
		{"null:1K,serial=12345678901234567890",
		 {.kind = DISK_NULL, .size = 1024, .serial = "12345678901234567890", .direct = -1}},
		{"null:1K,wwn=50014ee2b5c7d9a1",
		 {.kind = DISK_NULL, .size = 1024, .wwn = 0x50014ee2b5c7d9a1, .direct = -1}},
		{"null:1K,wwn=0x50014EE2B5C7D9A1",
		 {.kind = DISK_NULL, .size = 1024, .wwn = 0x50014ee2b5c7d9a1, .direct = -1}},
	};

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct disk_spec *want = &good[i].spec;
		struct disk_spec got;
		struct error err = {""};

		print_message("%s\n", good[i].text);
		assert_int_equal(disk_spec_parse(good[i].text, &got, &err), 0);
		assert_int_equal(got.kind, want->kind);
		if (want->path)
			assert_string_equal(got.path, want->path);
		else
			assert_null(got.path);
		if (want->key_file)
			assert_string_equal(got.key_file, want->key_file);
		else
			assert_null(got.key_file);
		assert_true(got.size == want->size);
		assert_int_equal(got.read_only, want->read_only);
		assert_int_equal(got.prealloc, want->prealloc);
		assert_int_equal(got.cache, want->cache);
		assert_int_equal(got.direct, want->direct);
		assert_int_equal(got.block_size, want->block_size);
		assert_string_equal(got.serial, want->serial);
		assert_true(got.wwn == want->wwn);
		assert_int_equal(got.removable, want->removable);
		assert_int_equal(got.thin, want->thin);
		assert_int_equal(got.logical_block, want->logical_block);
		assert_int_equal(got.soft_threshold, want->soft_threshold);
		disk_spec_fini(&got);
	}
}

/* Every error repeats the disk and names the word at fault. */
static void test_bad(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{"", "path is empty"},
		{",ro", "path is empty"},
		{"file:", "path is empty"},
		{"block:,ro", "path is empty"},
		{"ram:", "''"},
		{"ram:0", "'0'"},
		{"ram:1000", "'1000'"},
		{"ram:12Q", "'12Q'"},
		{"null:-1", "'-1'"},
		{"null:16777216T", "'16777216T'"},
		{"null:8388608T", "'8388608T'"},
		{"/a,", "''"},
		{"/a,rw", "'rw'"},
		{"/a,Size=1G", "'Size'"},
		{"/a,ro=1", "'ro'"},
		{"/a,ro,ro", "'ro' is given twice"},
		{"/a,size=1G,size=2G", "'size' is given twice"},
		{"/a,size", "size="},
		{"/a,size=", "''"},
		{"/a,size=1G1", "'1G1'"},
		{"/a,size=513", "'513'"},
		{"ram:1G,size=2G", "already given"},
		{"block:/dev/x,size=1G", "block device"},
		{"/a,prealloc=on", "'prealloc' takes no value"},
		{"null:1G,prealloc", "prealloc"},
		{"block:/dev/x,prealloc", "prealloc"},
		{"/a,cache=none", "cache=none"},
		{"/a,direct=maybe", "direct=maybe"},
		{"/a,direct", "direct="},
		{"ram:1G,direct=on", "direct=on"},
		{"/a,block_size=1024", "block_size=1024"},
		{"/a,removable=yes", "'removable' takes no value"},
		{"/a,thin=maybe", "thin=maybe"},
		{"/a,thin", "thin="},
		{"/a,logical_block_size=1024", "logical_block_size=1024"},
		{"/a,soft_threshold=0%", "soft_threshold=0%"},
		{"/a,soft_threshold=100%", "soft_threshold=100%"},
		{"/a,soft_threshold=9%9", "soft_threshold=9%9"},
		{"/a,soft_threshold=-5", "soft_threshold=-5"},
		{"/a,soft_threshold=on", "soft_threshold=on"},
		{"ram:1M,soft_threshold=50%", "only files"},
		{"/a,logical_block_size=4096,block_size=512", "block_size=512"},
		{"/a,key_file=", "key_file="},
		{"/a,key_file=/k,size=7", "'7'"},
		{"ram:1G,key_file=/k", "key_file=/k"},
		{"/a,serial=", "serial="},
		{"/a,serial=123456789012345678901", "serial=123456789012345678901"},
		{"/a,serial=caf\xc3\xa9", "serial=caf"},
		{"/a,serial=a\tb", "serial=a"},
		{"/a,wwn=1234", "wwn=1234"},
		{"/a,wwn=0x0000000000000000", "wwn=0x0"},
		{"/a,wwn=5001-ee2b5c7d9a1", "wwn=5001-"},
		{"/a,wwn=0x50014ee2b5c7d9a1f", "wwn=0x5"},
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {""};
		struct disk_spec spec;

		assert_int_equal(disk_spec_parse(bad[i].text, &spec, &err), -EINVAL);
		print_message("%s\n", err.text);
		assert_non_null(strstr(err.text, bad[i].text));
		assert_non_null(strstr(err.text, bad[i].word));
		assert_null(spec.path);
		assert_null(spec.key_file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
