/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Right configuration files: what is read from them, and that what is printed reads the same. */
#include "base/cleanup.h"
#include "config_text.h"
#include "fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const char everything[] =
	"disks:\n"
	"  - { name: vol0, file: \"/srv/a b,c.img\", size: 64GiB, cache: writeback, prealloc: yes, "
	"soft_threshold: 75 }\n"
	"  - name: vol1\n"
	"    block: /dev/vg0/vol1\n"
	"    direct: off\n"
	"    ro: on\n"
	"    serial: \"0,1\"\n"
	"    wwn: 0x50014EE2b5a1c2d3\n"
	"    cache: writethrough\n"
	"  - { name: \"on\", ram: 1536, block_size: 4096 }\n"
	"  - { name: 7.10, null: 10T, block_size: 512, removable: on, thin: no, "
	"logical_block_size: 512 }\n"
	"interfaces:\n"
	"  - { name: eth1, xdp: native, busy_poll: 50 }\n"
	"  - { name: eth2, xdp: zerocopy, flood_guard: 200000 }\n"
	"  - { name: eth3.5, xdp: generic }\n"
	"aoe:\n"
	"  - { interface: eth1, address: 7.1, disk: vol0, allow: [any/ro, 12:34:56:00:00:01, 02:00:00:00:00:01/deny] }\n"
	"  - interfaces: [eth2, eth1]\n"
	"    address: \"7.2\"\n"
	"    vlan: 100.50\n"
	"    disk: vol1\n"
	"    allow:\n"
	"      - any\n"
	"    enabled: false\n"
	"  - { interfaces: [eth3.5], address: \"7.2\", vlan: 5, disk: \"on\", allow: [any] }\n"
	"iscsi:\n"
	"  - name: iqn.2026-11.org.example:disks\n"
	"    alias: \"the \\u00fc disks\"\n"
	"    portals: [192.0.2.1, \"[2001:db8::1]:3261\", \"192.0.2.1:3262,65535\"]\n"
	"    allow: [\"iqn.2026-11.org.example:a*/ro\", \"iqn.2026-11.org.example:b/lun=3/lun=0/lun=4\", any]\n"
	"    luns:\n"
	"      - { lun: 7, disk: vol1, ro: true }\n"
	"      - { lun: 0, disk: vol0 }\n"
	"    chap: { user: joe, secret: \"se cret,se\", mutual: { user: disks, secret_file: /etc/s } }\n"
	"  - { name: eui.02004567a425678d, portals: [0.0.0.0], allow: [any] }\n"
	"discovery_chap: { user: jim, secret_file: /etc/t }\n"
	"alua:\n"
	"  - { group: 65535, state: active/nonoptimized, preferred: on, implicit: yes }\n"
	"  - { group: 1, state: active/optimized }\n"
	"limits:\n"
	"  - { initiator: 12:34:56:00:00:01, iops: 1000, bytes: 100M }\n"
	"  - { initiator: 12:34:56:00:00:02, bytes: 7 }\n"
	"  - { initiator: any, iops: 1000000000, bytes: 1024T }\n"
	"exporter: { listen: \"[::1]:9464\" }\n"
	"log: { level: debug, to: journal }\n"
	"state_dir: /var/lib/x\n"
	"socket: \"/run/\\u00fc b.sock\"\n";

static const char as_printed[] =
	"disks:\n"
	"- {name: vol0, file: \"/srv/a b,c.img\", size: 64GiB, prealloc: true, cache: writeback, "
	"soft_threshold: 75%}\n"
	"- {name: vol1, block: /dev/vg0/vol1, ro: true, cache: writethrough, direct: off, "
	"serial: \"0,1\", wwn: \"50014ee2b5a1c2d3\"}\n"
	"- {name: \"on\", ram: 1536, block_size: 4096}\n"
	"- {name: \"7.10\", null: 10TiB, block_size: 512, removable: true, thin: off, "
	"logical_block_size: 512}\n"
	"interfaces:\n"
	"- {name: eth1, xdp: native, busy_poll: 50}\n"
	"- {name: eth2, xdp: zerocopy, flood_guard: 200000}\n"
	"- {name: eth3.5, xdp: generic}\n"
	"aoe:\n"
	"- {interface: eth1, address: \"7.1\", disk: vol0, allow: [\"02:00:00:00:00:01/deny\", "
	"\"12:34:56:00:00:01\", any/ro]}\n"
	"- {interfaces: [eth1, eth2], address: \"7.2\", vlan: \"100.50\", disk: vol1, allow: [any], "
	"enabled: false}\n"
	"- {interface: eth3.5, address: \"7.2\", vlan: 5, disk: \"on\", allow: [any]}\n"
	"iscsi:\n"
	"- {name: \"iqn.2026-11.org.example:disks\", alias: \"the \303\274 disks\", "
	"portals: [\"192.0.2.1:3260\", \"[2001:db8::1]:3261\", \"192.0.2.1:3262,65535\"], "
	"allow: [\"iqn.2026-11.org.example:a*/ro\", "
	"\"iqn.2026-11.org.example:b/lun=0/lun=3-4\", any], "
	"luns: [{lun: 7, disk: vol1, ro: true}, {lun: 0, disk: vol0}], "
	"chap: {user: \"joe\", secret: \"se cret,se\", mutual: {user: \"disks\", secret_file: "
	"/etc/s}}}\n"
	"- {name: \"eui.02004567a425678d\", allow: [any]}\n"
	"discovery_chap: {user: \"jim\", secret_file: /etc/t}\n"
	"alua:\n"
	"- {group: 65535, state: active/nonoptimized, preferred: true, implicit: true}\n"
	"- {group: 1}\n"
	"limits:\n"
	"- {initiator: \"12:34:56:00:00:01\", iops: 1000, bytes: 100MiB}\n"
	"- {initiator: \"12:34:56:00:00:02\", bytes: 7}\n"
	"- {initiator: any, iops: 1000000000, bytes: 1024TiB}\n"
	"exporter: {listen: \"[::1]:9464\"}\n"
	"log: {level: debug, to: journal}\n"
	"state_dir: /var/lib/x\n"
	"socket: \"/run/\303\274 b.sock\"\n";

static void assert_same(const struct config *a, const struct config *b)
{
	struct config_step *steps;
	unsigned int nsteps;
	struct error err;

	assert_int_equal(config_diff(a, b, &steps, &nsteps, &err), 0);
	if (nsteps)
		fail_msg("differs: %s", steps[0].text);
	config_steps_free(steps, nsteps);
}

static void test_reads_every_key(void **state)
{
	static const uint8_t listed[6] = {0x12, 0x34, 0x56, 0, 0, 1}, stranger[6] = {2},
			     shut_out[6] = {2, 0, 0, 0, 0, 1};
	struct config *config = config_of(everything);
	const struct disk_spec *spec = &config->disks[1].spec;
	const struct config_aoe *aoe = config->aoe;

	assert_int_equal(config->ndisks, 4);
	assert_string_equal(config->disks[0].name, "vol0");
	assert_int_equal(config->disks[0].spec.kind, DISK_FILE);
	assert_string_equal(config->disks[0].spec.path, "/srv/a b,c.img");
	assert_int_equal(config->disks[0].spec.size, 64ull << 30);
	assert_int_equal(config->disks[0].spec.cache, DISK_WRITEBACK);
	assert_true(config->disks[0].spec.prealloc);
	assert_int_equal(config->disks[0].spec.direct, -1);
	assert_int_equal(spec->kind, DISK_BLOCK);
	assert_int_equal(spec->direct, 0);
	assert_true(spec->read_only);
	assert_string_equal(spec->serial, "0,1");
	assert_int_equal(spec->wwn, 0x50014ee2b5a1c2d3);
	assert_int_equal(config->disks[2].spec.size, 1536);
	assert_int_equal(config->disks[2].spec.thin, DISK_THIN_DEFAULT);
	assert_true(config->disks[3].spec.removable);
	assert_int_equal(config->disks[3].spec.thin, DISK_THIN_OFF);
	assert_int_equal(config->disks[3].spec.logical_block, 512);
	assert_int_equal(config->interfaces[0].busy_poll_us, 50);
	assert_int_equal(config->interfaces[0].flood_guard, 0);
	assert_int_equal(config->interfaces[1].xdp, STEER_ZEROCOPY);
	assert_int_equal(config->interfaces[1].flood_guard, 200000);
	assert_int_equal(aoe_acl_lookup(&aoe[0].acl, listed), STGT_ACCESS_RW);
	assert_int_equal(aoe_acl_lookup(&aoe[0].acl, stranger), STGT_ACCESS_RO);
	assert_int_equal(aoe_acl_lookup(&aoe[0].acl, shut_out), STGT_ACCESS_DENY);
	assert_true(aoe[0].enabled);
	assert_int_equal(aoe[1].addr.vlan, 100 << 12 | 50);
	assert_string_equal(aoe[1].interfaces[0], "eth1");
	assert_string_equal(aoe[1].interfaces[1], "eth2");
	assert_false(aoe[1].enabled);
	assert_int_equal(aoe[2].addr.vlan, 5);
	assert_int_equal(config->limits[0].iops, 1000);
	assert_int_equal(config->limits[0].bytes, 100 << 20);
	assert_int_equal(config->limits[1].iops, 0);
	assert_int_equal(config->log_level, LOG_DEBUG);
	assert_int_equal(config->log_to, CONFIG_LOG_JOURNAL);
	assert_string_equal(config->state_dir, "/var/lib/x");
	config_free(config);
}

static void test_prints_what_reads_the_same(void **state)
{
	struct config *config = config_of(everything), *again, *copy = config_copy(config);
	_cleanup_free_ char *text = NULL, *text_again = NULL, *text_copy = NULL;

	assert_int_equal(config_save(config, &text), 0);
	assert_string_equal(text, as_printed);
	again = config_of(text);
	assert_same(config, again);
	assert_int_equal(config_save(again, &text_again), 0);
	assert_string_equal(text_again, text);
	assert_int_equal(config_save(copy, &text_copy), 0);
	assert_string_equal(text_copy, text);
	config_free(config);
	config_free(again);
	config_free(copy);
}

/* As editors of other systems leave it. */
static void test_marks_and_line_ends(void **state)
{
	static const char *const texts[] = {
		"\xef\xbb\xbf"
		"disks:\n- { name: a, ram: 1M }\ninterfaces: [{ name: e }]\n",
		"disks:\r\n- { name: a, ram: 1M }\r\ninterfaces: [{ name: e }]\r\n",
		"\xef\xbb\xbf"
		"disks:\r- { name: a, ram: 1M }\rinterfaces: [{ name: e }]",
		"disks:\n- name: |-\n    a\n  ram: >-\n    1M\ninterfaces: [{ 'name': \"e\" }]\n...\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config *config = config_of(texts[i]);
		_cleanup_free_ char *text = NULL;

		assert_int_equal(config_save(config, &text), 0);
		assert_string_equal(text,
				    "disks:\n- {name: a, ram: 1MiB}\ninterfaces:\n- {name: e}\n");
		config_free(config);
	}
}

static void test_nothing_is_fine(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"# nothing\n",
		"---\n",
		"{}",
		"\xef\xbb\xbf# with a byte order mark\n",
		"disks:\n  # none\ninterfaces: []\naoe: ~\nlimits: null\nexporter:\nlog: {}\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config *config = config_of(texts[i]), *empty = config_new();
		_cleanup_free_ char *text = NULL;

		assert_same(config, empty);
		assert_null(config->listen);
		assert_int_equal(config->log_level, CONFIG_LOG_LEVEL_DEFAULT);
		assert_int_equal(config_save(config, &text), 0);
		assert_string_equal(text, "{}\n");
		config_free(config);
		config_free(empty);
	}
}

/* The target opens what the command line's parser makes of the text. */
static void test_disk_texts(void **state)
{
	struct config *config = config_of(everything);

	for (unsigned int i = 0; i < config->ndisks; i++) {
		_cleanup_free_ char *text = config_disk_text(&config->disks[i].spec);
		struct disk_spec spec, copy;
		struct error err;

		if (disk_spec_parse(text, &spec, &err))
			fail_msg("%s", err.text);
		assert_true(config_disk_spec_equal(&spec, &config->disks[i].spec));
		assert_int_equal(config_disk_spec_copy(&spec, &copy), 0);
		assert_true(config_disk_spec_equal(&spec, &copy));
		disk_spec_fini(&spec);
		disk_spec_fini(&copy);
	}
	config_free(config);
}

static void test_entries_come_and_go(void **state)
{
	static const char want[] = "disks:\n- {name: b, ram: 1MiB}\n";
	struct config *config = config_of("disks:\n- { name: a, ram: 1M }\n");
	struct config_disk *disk = config_add_disk(config);
	_cleanup_free_ char *text = NULL;
	struct config_aoe *aoe;

	disk->name = strdup("b");
	assert_int_equal(config_disk_spec_copy(&config->disks[0].spec, &disk->spec), 0);
	config_remove_disk(config, config_find_disk(config, "a"));
	assert_null(config_find_disk(config, "a"));
	aoe = config_add_aoe(config);
	assert_int_equal(config_aoe_add_interface(aoe, "e2"), 0);
	assert_int_equal(config_aoe_add_interface(aoe, "e1"), 0);
	assert_int_equal(config_aoe_add_interface(aoe, "e2"), -EEXIST);
	assert_string_equal(aoe->interfaces[0], "e1");
	assert_true(config_aoe_has_interface(aoe, "e2"));
	config_remove_aoe(config, config_find_aoe(config, &aoe->addr));
	config_add_interface(config)->name = strdup("e1");
	config_remove_interface(config, config_find_interface(config, "e1"));
	config_add_limit(config)->mac[0] = 2;
	config_remove_limit(config, config_find_limit(config, (const uint8_t[6]){2}));
	assert_int_equal(config_check(config, NULL, NULL), 0);
	assert_int_equal(config_save(config, &text), 0);
	assert_string_equal(text, want);
	config_free(config);
}

static void test_listen_addresses(void **state)
{
	struct sockaddr_storage addr;
	socklen_t len;

	assert_int_equal(config_listen_parse("127.0.0.1:9464", &addr, &len, NULL), 0);
	assert_int_equal(addr.ss_family, AF_INET);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	assert_int_equal(((struct sockaddr_in *)&addr)->sin_port, htons(9464));
	assert_int_equal(((struct sockaddr_in *)&addr)->sin_addr.s_addr, htonl(0x7f000001));
	assert_int_equal(config_listen_parse("[::]:1", &addr, &len, NULL), 0);
	assert_int_equal(addr.ss_family, AF_INET6);
	assert_int_equal(((struct sockaddr_in6 *)&addr)->sin6_port, htons(1));
}

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(f);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	return text;
}

static void test_the_example_is_right(void **state)
{
	struct config *config = NULL;
	struct error err;

	if (config_load("docs/examples/stgt-xdp.yaml", &config, NULL, &err))
		fail_msg("%s", err.text);
	assert_int_equal(config->naoe, 4);
	config_free(config);
}

/* The manual page's literal block is the example. */
static void test_the_manual_has_the_example(void **state)
{
	_cleanup_free_ char *page = read_text("docs/stgt-xdp.yaml.5.scd");
	_cleanup_free_ char *example = read_text("docs/examples/stgt-xdp.yaml");
	char *block = strstr(page, "\n```\n");

	assert_non_null(block);
	block += 5;
	assert_non_null(strstr(block, "```\n"));
	*strstr(block, "```\n") = '\0';
	assert_string_equal(block, example);
}

/* Files that are none, or none that ends: refused without waiting. */
static void test_files_that_cannot_be_read(void **state)
{
	_cleanup_free_ char *dir = fixture_dir_make();
	_cleanup_free_ char *pipe = NULL;
	const struct {
		const char *path;
		int ret;
	} cases[] = {
		{"/nonexistent/stgt-xdp.yaml", -ENOENT},
		{"/tmp", -EISDIR},
		{"/dev/zero", -ENXIO},
		{pipe, -ENXIO},
	};

	assert_true(asprintf(&pipe, "%s/pipe", dir) > 0);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *path = cases[i].path ? cases[i].path : pipe;
		struct config *config;
		char *problems;
		struct error err;

		assert_int_equal(config_load(path, &config, &problems, &err), cases[i].ret);
		assert_null(problems);
		assert_non_null(strstr(err.text, path));
	}
	fixture_dir_remove(cleanup_steal(dir));
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

#define EXPORTS 256

static char *large_text(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "interfaces: [{ name: eth1 }, { name: eth2 }]\ndisks:\n");
	for (unsigned int i = 0; i < EXPORTS; i++)
		fprintf(out, "  - { name: vol%u, file: /srv/vol%u.img, size: 64GiB }\n", i, i);
	fprintf(out, "aoe:\n");
	for (unsigned int i = 0; i < EXPORTS; i++)
		fprintf(out,
			"  - { interfaces: [eth1, eth2], address: \"%u.%u\", disk: vol%u, "
			"allow: [02:00:00:00:00:01, 02:00:00:00:00:02/ro] }\n",
			i / 16, i % 16, i);
	fclose(out);
	return text;
}

static void test_many_exports(void **state)
{
	_cleanup_free_ char *text = large_text();
	double start = now_ms(), parsed, checked, compared;
	struct config *config = config_of(text), *empty = config_new();
	struct config_step *steps;
	unsigned int nsteps;

	parsed = now_ms();
	assert_int_equal(config_check(config, NULL, NULL), 0);
	checked = now_ms();
	assert_int_equal(config_diff(empty, config, &steps, &nsteps, NULL), 0);
	compared = now_ms();
	assert_int_equal(nsteps, 2 * EXPORTS + 2);
	print_message("%d exports: parse %.1f ms, check %.1f ms, diff %.1f ms\n", EXPORTS,
		      parsed - start, checked - parsed, compared - checked);
	config_steps_free(steps, nsteps);
	config_free(config);
	config_free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_every_key),
		cmocka_unit_test(test_prints_what_reads_the_same),
		cmocka_unit_test(test_marks_and_line_ends),
		cmocka_unit_test(test_nothing_is_fine),
		cmocka_unit_test(test_disk_texts),
		cmocka_unit_test(test_entries_come_and_go),
		cmocka_unit_test(test_listen_addresses),
		cmocka_unit_test(test_the_example_is_right),
		cmocka_unit_test(test_the_manual_has_the_example),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_many_exports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
