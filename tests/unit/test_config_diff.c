/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a reload would do: which steps, in which order, and nothing else. */
#include "base/cleanup.h"
#include "config_text.h"

#include <errno.h>

#define A "02:00:00:00:00:0a"
#define B "02:00:00:00:00:0b"

#define DISKS  "disks:\n- { name: a, file: /a, size: 1G }\n- { name: b, ram: 1M }\n"
#define FACES  "interfaces:\n- { name: e1 }\n- { name: e2 }\n"
#define AOE    "aoe:\n"
#define EXPORT "- { interface: e1, address: 7.1, disk: a, allow: [any] }\n"
#define OTHER  "- { interfaces: [e1, e2], address: 7.1, vlan: 5, disk: b, allow: [" A "] }\n"
#define BASE   DISKS FACES AOE EXPORT OTHER

/* iSCSI: a target of two units, and what stands behind its name. */
#define IQN    "iqn.2026-11.a:b"
#define LUNS   "luns: [{ lun: 0, disk: a }, { lun: 7, disk: b }]"
#define CHAP   "chap: { user: joe, secret: \"never shown\" }"
#define T(...) DISKS "iscsi:\n- { name: " IQN ", " __VA_ARGS__ " }\n"

static const struct {
	const char *running, *wanted, *steps;
} cases[] = {
	{"", "", ""},
	{BASE, BASE, ""},
	/* The order of lists, and other words for the same, are no change. */
	{BASE,
	 AOE "- { interfaces: [e2, e1], address: \"7.01\", vlan: 5, disk: b, allow: [" A "/rw] }\n"
	     "- { interfaces: [e1], address: \"7.1\", disk: a, allow: [any], enabled: yes }\n"
	     "interfaces:\n- { name: e2, busy_poll: 0 }\n- { name: e1, xdp: auto }\n"
	     "disks:\n- { name: b, ram: 1024K, ro: no }\n- { name: a, file: /a, size: 1024M }\n"
	     "log: { level: info }\n",
	 ""},
	/* From nothing, to nothing. */
	{"", BASE,
	 "disk a: add file:/a,size=1GiB\n"
	 "disk b: add ram:1MiB\n"
	 "interface e1: add, xdp auto\n"
	 "interface e2: add, xdp auto\n"
	 "export 7.1: add a on e1, allow any\n"
	 "export 5:7.1: add b on e1,e2, allow " A "\n"},
	{BASE, "",
	 "export 7.1: remove\n"
	 "export 5:7.1: remove\n"
	 "interface e1: remove\n"
	 "interface e2: remove\n"
	 "disk a: remove\n"
	 "disk b: remove\n"},
	/* Exports. */
	{BASE, DISKS FACES AOE EXPORT, "export 5:7.1: remove\n"},
	{DISKS FACES AOE EXPORT, BASE, "export 5:7.1: add b on e1,e2, allow " A "\n"},
	{BASE,
	 DISKS FACES AOE OTHER "- { interface: e1, address: 7.1, disk: a, allow: [" B "/ro, " A
			       "] }\n",
	 "export 7.1: allow " A "," B "/ro\n"},
	{BASE,
	 DISKS FACES AOE OTHER "- { interface: e1, address: 7.1, disk: a, allow: [any/ro, " A
			       "/deny] }\n",
	 "export 7.1: allow " A "/deny,any/ro\n"},
	{BASE,
	 DISKS FACES AOE OTHER
	 "- { interface: e1, address: 7.1, disk: a, allow: [any], enabled: no }\n",
	 "export 7.1: disable\n"},
	{DISKS FACES AOE OTHER
	 "- { interface: e1, address: 7.1, disk: a, allow: [any], enabled: no }\n",
	 BASE, "export 7.1: enable\n"},
	{BASE,
	 DISKS FACES AOE OTHER "- { interfaces: [e1, e2], address: 7.1, disk: a, allow: [" A
			       "], enabled: no }\n",
	 "export 7.1: serve on e1,e2\n"
	 "export 7.1: allow " A "\n"
	 "export 7.1: disable\n"},
	{BASE, DISKS FACES AOE OTHER "- { interface: e1, address: 7.1, disk: b, allow: [any] }\n",
	 "export 7.1: remove\n"
	 "export 7.1: add b on e1, allow any\n"},
	{BASE,
	 DISKS FACES AOE OTHER
	 "- { interface: e1, address: 7.2, disk: a, allow: [any], enabled: no }\n",
	 "export 7.1: remove\n"
	 "export 7.2: add a on e1, allow any, disabled\n"},
	/* Targets. */
	{T("allow: [any], " LUNS),
	 T("portals: [0.0.0.0], luns: [{ lun: 7, disk: b, ro: no }, { lun: 0, disk: a }], "
	   "allow: [any/lun=0-255]"),
	 ""},
	{DISKS, T("allow: [any/ro], " LUNS ", " CHAP),
	 "target " IQN ": add on 0.0.0.0:3260, LUN 0 a, LUN 7 b, allow any/ro, CHAP as joe\n"},
	{T("allow: [any], " LUNS), DISKS, "target " IQN ": remove\n"},
	/* What a unit remembers holds for AoE from the first moment. */
	{DISKS FACES, T("allow: [any], " LUNS) FACES AOE EXPORT,
	 "target " IQN ": add on 0.0.0.0:3260, LUN 0 a, LUN 7 b, allow any\n"
	 "export 7.1: add a on e1, allow any\n"},
	{T("allow: [any], " LUNS),
	 T("allow: [\"iqn.1:*/lun=0\", any], portals: [192.0.2.1], luns: [{ lun: 1, disk: b }, "
	   "{ lun: 0, disk: a, ro: on }]"),
	 "target " IQN ": remove LUN 0\n"
	 "target " IQN ": remove LUN 7\n"
	 "target " IQN ": do not listen on 0.0.0.0:3260\n"
	 "target " IQN ": add LUN 1 b\n"
	 "target " IQN ": add LUN 0 a ro\n"
	 "target " IQN ": listen on 192.0.2.1:3260\n"
	 "target " IQN ": allow iqn.1:*/lun=0,any\n"},
	{T("allow: [any], " CHAP), T("allow: [any], chap: { user: joe, secret: another }"),
	 "target " IQN ": allow any, CHAP as joe\n"},
	{T("allow: [any], alias: x"), T("allow: [any], alias: y"),
	 "target " IQN ": remove\n"
	 "target " IQN ": add on 0.0.0.0:3260, allow any\n"},
	/* A portal group may come; when one goes, its initiators must, and so the target does. */
	{T("allow: [any], portals: [192.0.2.1]"),
	 T("allow: [any], portals: [192.0.2.1, \"192.0.2.2,2\"]"),
	 "target " IQN ": listen on 192.0.2.1:3260,192.0.2.2:3260,2\n"},
	{T("allow: [any], portals: [192.0.2.1, \"192.0.2.2,2\"]"),
	 T("allow: [any], portals: [192.0.2.1, 192.0.2.2]"),
	 "target " IQN ": remove\n"
	 "target " IQN ": add on 192.0.2.1:3260,192.0.2.2:3260, allow any\n"},
	/* Before a new target wants it; nothing is left to do of the one that stays. */
	{T("allow: [any], portals: [192.0.2.1, 192.0.2.2]"),
	 T("allow: [any], portals: [192.0.2.2]") /* and another */
	 "- { name: " IQN "2, allow: [any], portals: [192.0.2.1] }\n",
	 "target " IQN ": do not listen on 192.0.2.1:3260\n"
	 "target " IQN "2: add on 192.0.2.1:3260, allow any\n"},
	/* Target port groups, which are active/optimized unless something else is said. */
	{"alua:\n- { group: 1 }\n- { group: 2, state: standby }\n- { group: 3, preferred: on }\n",
	 "alua:\n- { group: 3 }\n- { group: 4 }\n- { group: 5, state: offline, preferred: on, implicit: on }\n",
	 "target port group 2: active/optimized\n"
	 "target port group 3: active/optimized\n"
	 "target port group 5: offline, preferred, implicit\n"},
	/* A file that was not read is not another one. */
	{T("allow: [any], chap: { user: joe, secret_file: /s }"),
	 T("allow: [any], chap: { user: joe, secret_file: /s }"), ""},
	{DISKS, DISKS "discovery_" CHAP "\n", "discovery_chap: set\n"},
	{DISKS "discovery_" CHAP "\n", DISKS, "discovery_chap: remove\n"},
	/* A disk that is replaced takes its units along, and no others. */
	{T("allow: [any], " LUNS),
	 "disks:\n- { name: a, file: /a, size: 1G }\n- { name: b, ram: 2M }\n"
	 "iscsi:\n- { name: " IQN ", allow: [any], " LUNS " }\n",
	 "target " IQN ": remove LUN 7\n"
	 "disk b: remove\n"
	 "disk b: add ram:2MiB\n"
	 "target " IQN ": add LUN 7 b\n"},
	/* Disks: what depends on one that is replaced goes and comes with it. */
	{BASE,
	 "disks:\n- { name: a, file: /a, size: 2G }\n- { name: b, ram: 1M }\n" FACES AOE EXPORT
		 OTHER,
	 "disk a: grow to 2GiB\n"},
	{BASE, "disks:\n- { name: a, file: /a }\n- { name: b, ram: 1M }\n" FACES AOE EXPORT OTHER,
	 ""},
	{"disks:\n- { name: a, file: /a }\n",
	 "disks:\n- { name: a, file: /a, soft_threshold: 75% }\n", "disk a: soft_threshold 75%\n"},
	{"disks:\n- { name: a, file: /a, size: 1G, soft_threshold: off }\n",
	 "disks:\n- { name: a, file: /a, size: 2G }\n",
	 "disk a: grow to 2GiB\ndisk a: soft_threshold as usual\n"},
	{"disks:\n- { name: a, file: /a }\n", "disks:\n- { name: a, file: /a, size: 1G }\n",
	 "disk a: grow to 1GiB\n"},
	{BASE,
	 "disks:\n- { name: a, file: /a, size: 1G, ro: yes }\n- { name: b, ram: 1M }\n" FACES AOE
		 EXPORT OTHER,
	 "export 7.1: remove\n"
	 "disk a: remove\n"
	 "disk a: add file:/a,size=1GiB,ro\n"
	 "export 7.1: add a on e1, allow any\n"},
	{BASE,
	 "disks:\n- { name: a, file: /a, size: 1G }\n- { name: b, ram: 2M }\n" FACES AOE EXPORT
		 OTHER,
	 "export 5:7.1: remove\n"
	 "disk b: remove\n"
	 "disk b: add ram:2MiB\n"
	 "export 5:7.1: add b on e1,e2, allow " A "\n"},
	{"disks:\n- { name: a, file: /a }\n", "disks:\n- { name: c, file: /a }\n",
	 "disk a: remove\n"
	 "disk c: add file:/a\n"},
	/* Interfaces: exports stay, and are served there again. */
	{BASE,
	 DISKS "interfaces:\n- { name: e1 }\n- { name: e2, xdp: native, busy_poll: 9 }\n" AOE EXPORT
		 OTHER,
	 "interface e2: remove\n"
	 "interface e2: add, xdp native, busy_poll 9\n"
	 "export 5:7.1: serve on e1,e2\n"},
	{BASE,
	 DISKS "interfaces:\n- { name: e1 }\n" AOE EXPORT
	       "- { interface: e1, address: 7.1, vlan: 5, disk: b, allow: [" A "] }\n",
	 "interface e2: remove\n"
	 "export 5:7.1: serve on e1\n"},
	/* The flood guard changes under the exports that are served there. */
	{BASE,
	 DISKS "interfaces:\n- { name: e1, flood_guard: 900 }\n- { name: e2 }\n" AOE EXPORT OTHER,
	 "interface e1: flood_guard 900\n"},
	{DISKS "interfaces:\n- { name: e1, flood_guard: 900 }\n- { name: e2 }\n" AOE EXPORT OTHER,
	 BASE, "interface e1: flood_guard 0\n"},
	{"interfaces:\n- { name: e1, flood_guard: 900 }\n",
	 "interfaces:\n- { name: e1, flood_guard: 800, xdp: native }\n",
	 "interface e1: remove\n"
	 "interface e1: add, xdp native, flood_guard 800\n"},
	/* The rest. */
	{"limits:\n- { initiator: " A ", iops: 5 }\n- { initiator: " B ", iops: 5 }\n",
	 "limits:\n- { initiator: " B ", iops: 5, bytes: 1M }\n",
	 "limit " A ": remove\n"
	 "limit " B ": 5 iops, 1MiB a second\n"},
	{"", "limits:\n- { initiator: " A ", bytes: 1000 }\n", "limit " A ": 1000 a second\n"},
	{"", "limits:\n- { initiator: " A ", iops: 7 }\n", "limit " A ": 7 iops\n"},
	{"limits:\n- { initiator: any, iops: 5 }\n- { initiator: " A ", iops: 5 }\n",
	 "limits:\n- { initiator: any, iops: 6 }\n- { initiator: " A ", iops: 5 }\n",
	 "limit any: 6 iops\n"},
	{"", "exporter: { listen: \"127.0.0.1:1\" }\n", "exporter: listen on 127.0.0.1:1\n"},
	{"exporter: { listen: \"127.0.0.1:1\" }\n", "", "exporter: stop\n"},
	{"log: { level: debug }\n", "log: { to: stderr }\n", "log: level info, to stderr\n"},
	{"", "state_dir: /s\n", "state_dir, socket: as in the file from the next start on\n"},
	{"socket: /s\n", "socket: /t\nlog: { level: error }\n",
	 "log: level error, to auto\n"
	 "state_dir, socket: as in the file from the next start on\n"},
};

/* The lines of the steps, which must come in the order of their kinds. */
static char *steps_between(const struct config *running, const struct config *wanted)
{
	struct config_step *steps;
	unsigned int nsteps;
	struct error err;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (config_diff(running, wanted, &steps, &nsteps, &err))
		fail_msg("%s", err.text);
	out = open_memstream(&text, &size);
	for (unsigned int i = 0; i < nsteps; i++) {
		fprintf(out, "%s\n", steps[i].text);
		if (i)
			assert_true(steps[i - 1].kind <= steps[i].kind);
	}
	fclose(out);
	config_steps_free(steps, nsteps);
	return text;
}

static void test_steps(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *running = config_of(cases[i].running);
		struct config *wanted = config_of(cases[i].wanted);
		_cleanup_free_ char *text = steps_between(running, wanted);

		if (strcmp(text, cases[i].steps))
			fail_msg("%s\nto\n%s\nis\n%swants\n%s", cases[i].running, cases[i].wanted,
				 text, cases[i].steps);
		config_free(running);
		config_free(wanted);
	}
}

/* Every step leads to the entries it is about, in the config it is for. */
static void test_steps_point_into_the_configs(void **state)
{
	struct config *running = config_of(BASE);
	struct config *wanted =
		config_of("disks:\n- { name: a, file: /a, size: 2G }\n" FACES AOE
			  "- { interface: e1, address: 7.1, disk: a, allow: [" A "] }\n");
	struct config_step *steps;
	unsigned int nsteps;

	assert_int_equal(config_diff(running, wanted, &steps, &nsteps, NULL), 0);
	assert_int_equal(nsteps, 4);
	assert_int_equal(steps[0].kind, CONFIG_REMOVE_EXPORT);
	assert_ptr_equal(steps[0].running_aoe, &running->aoe[1]);
	assert_null(steps[0].wanted_aoe);
	assert_int_equal(steps[1].kind, CONFIG_REMOVE_DISK);
	assert_ptr_equal(steps[1].running_disk, &running->disks[1]);
	assert_int_equal(steps[2].kind, CONFIG_GROW_DISK);
	assert_ptr_equal(steps[2].running_disk, &running->disks[0]);
	assert_ptr_equal(steps[2].wanted_disk, &wanted->disks[0]);
	assert_int_equal(steps[3].kind, CONFIG_EXPORT_ACL);
	assert_ptr_equal(steps[3].running_aoe, &running->aoe[0]);
	assert_ptr_equal(steps[3].wanted_aoe, &wanted->aoe[0]);
	config_steps_free(steps, nsteps);
	config_free(running);
	config_free(wanted);
}

static void test_read_only_file_does_not_grow(void **state)
{
	struct config *running = config_of("disks:\n- { name: a, file: /a, size: 1G, ro: on }\n");
	struct config *wanted = config_of("disks:\n- { name: a, file: /a, size: 2G, ro: on }\n");
	struct config_step *steps;
	unsigned int nsteps;
	struct error err;

	assert_int_equal(config_diff(running, wanted, &steps, &nsteps, &err), -EINVAL);
	assert_non_null(strstr(err.text, "disk a: it is read-only"));
	config_free(running);
	config_free(wanted);
}

/* What the file says is compared with what the disk has, said or not. */
static void test_files_never_shrink(void **state)
{
	static const struct {
		const char *running;
		uint64_t bytes;
		const char *steps;
	} files[] = {
		{"- { name: a, file: /a, size: 2G }\n", 0,
		 "disk a: keep its 2GiB, as files never shrink: size 1GiB is too small"},
		{"- { name: a, file: /a }\n", 2ull << 30,
		 "disk a: keep its 2GiB, as files never shrink: size 1GiB is too small"},
		{"- { name: a, file: /a }\n", 1ull << 30, NULL},
		{"- { name: a, file: /a, size: 512M }\n", 1ull << 30, NULL},
		{"- { name: a, file: /a }\n", 1ull << 29, "disk a: grow to 1GiB"},
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_free_ char *text = NULL;
		struct config *running, *wanted;
		struct config_step *steps;
		unsigned int nsteps;

		assert_true(asprintf(&text, "disks:\n%s", files[i].running) > 0);
		running = config_of(text);
		running->disks[0].bytes = files[i].bytes;
		wanted = config_of("disks:\n- { name: a, file: /a, size: 1G }\n");
		assert_int_equal(config_diff(running, wanted, &steps, &nsteps, NULL), 0);
		assert_int_equal(nsteps, files[i].steps != NULL);
		if (nsteps)
			assert_string_equal(steps[0].text, files[i].steps);
		config_steps_free(steps, nsteps);
		config_free(running);
		config_free(wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_steps_point_into_the_configs),
		cmocka_unit_test(test_read_only_file_does_not_grow),
		cmocka_unit_test(test_files_never_shrink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
