/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Wrong configuration files: every mistake is told with file, line and field. */
#include "base/cleanup.h"
#include "config_text.h"

#include <errno.h>

#define ISCSI  "iscsi:\n"
#define TARGET ISCSI "  - name: iqn.2026-11.a:b\n"
#define DISK   "disks:\n  - { name: d, ram: 1M }\n"  /* lines 1, 2 */
#define FACE   "interfaces:\n  - { name: e }\n"	     /* lines 3, 4, behind DISK */
#define EXPORT "aoe:\n  - { interface: e, disk: d, " /* lines 5, 6, behind both */
#define A      "02:00:00:00:00:0a"
#define LIMIT  "limits:\n  - { initiator: " A ", "
#define LONG20 "abcdefghijklmnopqrst"

static const struct refused {
	const char *text;
	unsigned int line;
	const char *field; /* "": of the text, not of a field */
	const char *words;
} refused[] = {
	/* No YAML, or more of it than is wanted. */
	{"a: [\n", 2, "", "this is not YAML"},
	{"a: b: c\n", 1, "", "mapping values are not allowed"},
	{"disks:\n\t- a\n", 2, "", "not with tabs"},
	{"disks:\n- name: a\n  \tram: 1M\n", 3, "", "not with tabs"},
	{"disks:\n- name: a\n\tram: 1M", 3, "", "not with tabs"},
	{"disks:\n- name: a\n    ram: 1M\n", 3, "", "indented too far"},
	{"disks:\n- name:a\n  ram: 1M\n", 3, "", "a blank missing"},
	{"disks:\n  - name: a\n ram: 1M\n", 3, "", "indented like those"},
	{"disks:\n  - \"\n", 3, "", "end of stream"},
	{"a: 1\n\xff: 2\n", 2, "", "UTF-8"},
	{"a: 1\n# \xc3(\n", 2, "", "UTF-8"},
	{"a: 1\n# \xed\xa0\x80\n", 2, "", "Unicode"},
	{"a: 1\nb: \x01\n", 2, "", "control characters"},
	{"a: 1\nb: \"\\0\"\n", 2, "", "NUL"},
	{"a: &x b\n", 1, "", "anchors"},
	{"a: 1\nb: &x [ *x ]\n", 2, "", "anchors"},
	{"a: 1\nb: &x { c: *x }\n", 2, "", "anchors"},
	{"a: *x\n", 1, "", "aliases"},
	{"a: 1\nb: !!binary YQ==\n", 2, "", "tags"},
	{"a: ! []\n", 1, "", "tags"},
	{"a: !x {}\n", 1, "", "tags"},
	{"socket: /a\nstate_dir: /b\nsocket: /c\n", 3, "", "'socket' stands here twice"},
	{"disks:\n  - { name: d,\n      ram: 1M,\n      name: e }\n", 4, "", "first on line 2"},
	{"? [a]\n: b\n", 1, "", "quote a value"},
	{"{}\n---\n{}\n", 2, "", "second document"},
	{"a: [[[[[[[[[[]]]]]]]]]]\n", 1, "", "nested too deeply"},

	/* Messages are for terminals. */
	{"\"a\\e[31m\\nb\": 1\n", 1, "a?[31m", "no such key"},
	{"\"\\e]0;x\": 1\n\"\\e]0;x\": 1\n", 2, "", "'?]0;x' stands here twice"},
	{"disks:\n- { name: a, ram: 1M, ro: \"\\e[2J\" }\n", 2, "disks[0].ro", "'?[2J' is none"},
	{"state_dir: \"\\x9b2J\"\n", 1, "state_dir", "'??2J' is not"},

	/* The shape. */
	{"- a\n", 1, "", "keys and values"},
	{"nothing\n", 1, "", "keys and values"},
	{DISK "fcoe: []\n", 3, "fcoe", "no such key; there are disks, interfaces, aoe"},
	{"disks: { name: d }\n", 1, "disks", "must be a list"},
	{"disks: d\n", 1, "disks", "must be a list"},
	{"disks:\n  - d\n", 2, "disks[0]", "keys and values"},
	{DISK "  - { ram: 1M }\n", 3, "disks[1].name", "missing"},
	{DISK "  - name: x\n    ram: 1M\n    colour: red\n", 5, "disks[1].colour", "no such key"},
	{DISK "  - name: x\n    file: [/x]\n", 4, "disks[1].file", "one value"},
	{DISK "  - name: x\n    ram: 1M\n    ro: maybe\n", 5, "disks[1].ro", "'maybe' is none of"},
	{DISK "  - name: x\n    ram: 1M\n    ro: 1\n", 5, "disks[1].ro", "true, false"},
	{DISK "  - name: x\n    ram: 1M\n    cache:\n", 5, "disks[1].cache", "writethrough"},
	{DISK "  - name: x\n    ram: 1M\n    cache: 1\n", 5, "disks[1].cache", "'1' is none of"},
	{DISK FACE "  - { name: f, xdp: offload }\n", 5, "interfaces[1].xdp", "auto, zerocopy"},
	{DISK FACE "  - { xdp: auto }\n", 5, "interfaces[1].name", "missing"},
	{DISK FACE EXPORT "allow: [any] }\n", 6, "aoe[0].address", "missing"},
	{DISK FACE "aoe:\n  - { interface: e, address: 7.1 }\n", 6, "aoe[0].disk", "missing"},
	{DISK FACE EXPORT "address: 7.1, allow: any }\n", 6, "aoe[0].allow", "must be a list"},
	{DISK FACE EXPORT "address: 7.1, allow: [any, [x]] }\n", 6, "aoe[0].allow[1]", "one value"},
	{"limits:\n  - { iops: 1 }\n", 2, "limits[0].initiator", "missing"},
	{"exporter: {}\n", 1, "exporter.listen", "missing"},
	{"exporter: on\n", 1, "exporter", "keys and values"},
	{"\n\nlog: { level: loud }\n", 3, "log.level", "error, warning, notice, info, debug"},
	{"log:\n  to: /var/log/x\n", 2, "log.to", "auto, stderr, journal"},
	{"log:\n  file: x\n", 2, "log.file", "there are level, to"},
	{"state_dir: [a]\n", 1, "state_dir", "one value"},

	/* Disks. */
	{DISK "  - { name: x }\n", 3, "disks[1].file", "no store"},
	{DISK "  - name: x\n    file: /x\n    null: 1M\n", 5, "disks[1].null", "already: file"},
	{DISK "  - { name: d, ram: 2M }\n", 3, "disks[1].name", "already: disks[0]"},
	{DISK "  - { name: \"a b\", ram: 2M }\n", 3, "disks[1].name", "'a b'"},
	{DISK "  - { name: \"\", ram: 2M }\n", 3, "disks[1].name", "is no name"},
	{DISK "  - { name: -x, ram: 2M }\n", 3, "disks[1].name", "'-x'"},
	{DISK "  - { name: \"a\\nb\", ram: 2M }\n", 3, "disks[1].name", "'a?b'"},
	{DISK "  - { name: x, ram: lots }\n", 3, "disks[1].ram", "'lots' is not a size"},
	{DISK "  - { name: x, ram: 1000 }\n", 3, "disks[1].ram", "multiple of 512"},
	{DISK "  - { name: x, null: 0 }\n", 3, "disks[1].null", "above 0"},
	{DISK "  - { name: x, null: 9999999T }\n", 3, "disks[1].null", "too large"},
	{DISK "  - { name: x, null: 99999999999999999999 }\n", 3, "disks[1].null", "too large"},
	{DISK "  - { name: x, ram: -1 }\n", 3, "disks[1].ram", "'-1'"},
	{DISK "  - name: x\n    file: /x\n    size: 64GB\n", 5, "disks[1].size", "'64GB'"},
	{DISK "  - name: x\n    file: /x\n    size:\n", 5, "disks[1].size", "not a size"},
	{DISK "  - name: x\n    ram: 1M\n    size: 1M\n", 5, "disks[1].size", "already given"},
	{DISK "  - name: x\n    block: /x\n    size: 1M\n", 5, "disks[1].size", "its own size"},
	{DISK "  - { name: x, file: vol.img }\n", 3, "disks[1].file", "absolute"},
	{DISK "  - { name: x, block: \"\" }\n", 3, "disks[1].block", "absolute"},
	{DISK "  - name: x\n    ram: 1M\n    direct: on\n", 5, "disks[1].direct", "direct I/O"},
	{DISK "  - name: x\n    null: 1M\n    prealloc: on\n", 5, "disks[1].prealloc",
	 "take space"},
	{DISK "  - name: x\n    ram: 1M\n    block_size: 1024\n", 5, "disks[1].block_size", "4096"},
	{DISK "  - name: x\n    ram: 1M\n    logical_block_size: 520\n", 5,
	 "disks[1].logical_block_size", "'520' is no block size"},
	{DISK "  - name: x\n    ram: 1M\n    logical_block_size: 4096\n    block_size: 512\n", 6,
	 "disks[1].block_size", "less than logical_block_size"},
	{DISK "  - name: x\n    file: /x\n    soft_threshold: 100%\n", 5, "disks[1].soft_threshold",
	 "write 1% to 99%, or off"},
	{DISK "  - name: x\n    ram: 1M\n    soft_threshold: 50%\n", 5, "disks[1].soft_threshold",
	 "only files"},
	{DISK "  - name: x\n    ram: 1M\n    key_file: /k\n", 5, "disks[1].key_file",
	 "only files and block devices"},
	{DISK "  - name: x\n    file: /x\n    key_file: k\n", 5, "disks[1].key_file", "absolute"},
	{"disks:\n  - { name: a, file: /x, key_file: /k }\n"
	 "  - { name: b, file: /y, ro: true, key_file: /k }\n",
	 3, "disks[1].key_file", "the key of disk a already"},
	{DISK "  - name: x\n    ram: 1M\n    serial: " LONG20 "u\n", 5, "disks[1].serial", "20"},
	{DISK "  - name: x\n    ram: 1M\n    wwn: 12\n", 5, "disks[1].wwn", "16 hexadecimal"},
	{DISK "  - name: x\n    ram: 1M\n    wwn: \"0000000000000000\"\n", 5, "disks[1].wwn",
	 "not all 0"},
	{"disks:\n  - { name: a, file: /x }\n  - { name: b, file: /x, ro: true }\n", 3,
	 "disks[1].file", "the store of disk a already"},

	/* iSCSI targets. */
	{DISK ISCSI "  - { name: disks, allow: [any] }\n", 4, "iscsi[0].name", "\"disks\""},
	{DISK ISCSI "  - { name: iqn.2026-11.a:b }\n", 4, "iscsi[0].allow", "nobody may use"},
	{DISK ISCSI "  - { name: iqn.2026-11.a:b, allow: [any] }\n"
		    "  - { name: iqn.2026-11.a:b, allow: [any] }\n",
	 5, "iscsi[1].name", "already: iscsi[0]"},
	{DISK ISCSI "  - { name: naa.52004567BA64678D, allow: [any] }\n"
		    "  - { name: eui.02004567A425678D, allow: [any] }\n"
		    "  - { name: naa.52004567ba64678d, allow: [any] }\n",
	 6, "iscsi[2].name", "already: iscsi[0]"},
	{DISK TARGET "    allow: [any, host]\n", 5, "iscsi[0].allow[1]", "\"host\""},
	{DISK TARGET "    allow: [any/lun=256]\n", 5, "iscsi[0].allow[0]", "N from 0 to 255"},
	{DISK TARGET "    allow: [any]\n    portals: [1.2.3.4, host]\n", 6, "iscsi[0].portals[1]",
	 "'host' is no portal"},
	{DISK TARGET "    allow: [any]\n    portals: [1.2.3.4, 1.2.3.4:3260]\n", 6,
	 "iscsi[0].portals", "1.2.3.4:3260 is listed twice"},
	{DISK TARGET "    allow: [any]\n    portals: [1.2.3.4, \"1.2.3.4,2\"]\n", 6,
	 "iscsi[0].portals", "1.2.3.4:3260 is listed twice"},
	{DISK TARGET "    allow: [any]\n    portals: [1.2.3.4, \"1.2.3.5,0\"]\n", 6,
	 "iscsi[0].portals[1]", "the portal group, 1 to 65535"},
	{DISK TARGET "    allow: [any]\n    portals: [\"1.2.3.5,65536\"]\n", 6,
	 "iscsi[0].portals[0]", "the portal group, 1 to 65535"},
	{DISK TARGET "    allow: [any]\n    portals: [\"1.2.3.5,\"]\n", 6, "iscsi[0].portals[0]",
	 "the portal group, 1 to 65535"},
	{DISK ISCSI "  - { name: iqn.2026-11.a:b, allow: [any], portals: [\"1.2.3.4,2\"] }\n"
		    "  - { name: iqn.2026-11.a:c, allow: [any], portals: [\"1.2.3.4,2\"] }\n"
		    "  - { name: iqn.2026-11.a:d, allow: [any], portals: [\"1.2.3.4\"] }\n",
	 6, "iscsi[2].portals", "1.2.3.4:3260 is in group 2 for iscsi[1]"},
	{"alua:\n  - { state: standby }\n", 2, "alua[0].group", "missing"},
	{"alua:\n  - { group: 0 }\n", 2, "alua[0].group", "'0' is no target port group"},
	{"alua:\n  - { group: 65536 }\n", 2, "alua[0].group", "1 to 65535"},
	{"alua:\n  - { group: 1 }\n  - { group: 2 }\n  - { group: 1, state: standby }\n", 4,
	 "alua[2].group", "listed already: alua[0]"},
	{"alua:\n  - group: 1\n    state: optimized\n", 3, "alua[0].state",
	 "'optimized' is no access state: active/optimized, "},
	{"alua:\n  - group: 1\n    state: \"standby,preferred\"\n", 3, "alua[0].state",
	 "preferred: yes"},
	{"alua:\n  - group: 1\n    preferred: 2\n", 3, "alua[0].preferred", ""},
	{DISK TARGET "    allow: [any]\n    luns:\n    - { lun: 0, disk: d }\n"
		     "    - { lun: 256, disk: d }\n",
	 8, "iscsi[0].luns[1].lun", "'256' is no LUN"},
	{DISK TARGET "    allow: [any]\n    luns:\n    - { lun: 3, disk: d }\n"
		     "    - { lun: 3, disk: d }\n",
	 8, "iscsi[0].luns[1].lun", "a LUN 3 already"},
	{DISK TARGET
	 "    allow: [any]\n    luns:\n    - { lun: 3, disk: d }\n    - { lun: 2, disk: none }\n",
	 8, "iscsi[0].luns[1].disk", "LUN 2: there is no disk 'none'"},
	{DISK TARGET "    allow: [any]\n    chap: { user: joe }\n", 6, "iscsi[0].chap.secret",
	 "secret or secret_file"},
	{DISK TARGET "    allow: [any]\n    chap: { user: joe, secret: a, secret_file: /b }\n", 6,
	 "iscsi[0].chap.secret_file", "keep one"},
	{DISK TARGET "    allow: [any]\n    chap: { user: joe, secret_file: b }\n", 6,
	 "iscsi[0].chap.secret_file", "absolute"},
	{DISK TARGET "    allow: [any]\n    chap:\n      user: joe\n      secret: abc\n"
		     "      mutual: { user: me, secret: abc }\n",
	 9, "iscsi[0].chap.mutual.secret", "another than"},
	{"discovery_chap: { secret: a }\n", 1, "discovery_chap.user", "missing"},
	{"discovery_chap: { user: a }\n", 1, "discovery_chap.secret", "secret_file"},

	/* Interfaces. */
	{DISK FACE "  - { name: e }\n", 5, "interfaces[1].name", "already: interfaces[0]"},
	{DISK FACE "  - { name: an-interface-too-long }\n", 5, "interfaces[1].name",
	 "no interface name"},
	{DISK FACE "  - { name: a/b }\n", 5, "interfaces[1].name", "'a/b'"},
	{DISK FACE "  - { name: f, busy_poll: -5 }\n", 5, "interfaces[1].busy_poll", "'-5'"},
	{DISK FACE "  - { name: f, busy_poll: 0x10 }\n", 5, "interfaces[1].busy_poll", "'0x10'"},
	{DISK FACE "  - { name: f, busy_poll: 10000001 }\n", 5, "interfaces[1].busy_poll",
	 "10000000"},
	{DISK FACE "  - { name: f, busy_poll: 4294967297 }\n", 5, "interfaces[1].busy_poll",
	 "10000000"},

	{DISK FACE "  - { name: f, flood_guard: many }\n", 5, "interfaces[1].flood_guard",
	 "'many'"},
	{DISK FACE "  - { name: f, flood_guard: 10000001 }\n", 5, "interfaces[1].flood_guard",
	 "10000000"},

	/* Exports. */
	{DISK FACE EXPORT "address: 7.1 }\n", 6, "aoe[0].allow", "nobody may use the export"},
	{DISK FACE EXPORT "address: 7.1, allow: [] }\n", 6, "aoe[0].allow", "nobody may"},
	{DISK FACE EXPORT "address: 7.1, allow: [all] }\n", 6, "aoe[0].allow[0]", "'all'"},
	{DISK FACE EXPORT "address: 7.1,\n allow: [any,\n 02:00:00:00:00] }\n", 8,
	 "aoe[0].allow[1]", "neither 'any' nor a MAC"},
	{DISK FACE EXPORT "address: 7.1, allow: [\"any," A "\"] }\n", 6, "aoe[0].allow[0]",
	 "an entry of its own"},
	{DISK FACE EXPORT "address: 7.1, allow: [" A ", " A "/ro] }\n", 6, "aoe[0].allow",
	 A " is listed twice"},
	{DISK FACE EXPORT "address: 7.1, allow: [01:00:5e:00:00:01] }\n", 6, "aoe[0].allow[0]",
	 "one station"},
	{DISK FACE EXPORT "address: 7, allow: [any] }\n", 6, "aoe[0].address", "'7' is not an AoE"},
	{DISK FACE EXPORT "address: 4095.1, allow: [any] }\n", 6, "aoe[0].address", "shelf 4095"},
	{DISK FACE EXPORT "address: 7.255, allow: [any] }\n", 6, "aoe[0].address", "slot 255"},
	{DISK FACE EXPORT "address: \"5:7.1\", allow: [any] }\n", 6, "aoe[0].address", "key vlan"},
	{DISK FACE EXPORT "address: 7.1, vlan: 4095, allow: [any] }\n", 6, "aoe[0].vlan", "'4095'"},
	{DISK FACE EXPORT "address: 7.1, vlan: 0, allow: [any] }\n", 6, "aoe[0].vlan", "1 to 4094"},
	{DISK FACE EXPORT "address: 7.1, vlan: 1.2.3, allow: [any] }\n", 6, "aoe[0].vlan",
	 "'1.2.3'"},
	{DISK FACE EXPORT "address: 7.1, allow: [any] }\n"
			  "  - { interface: e, disk: d, address: 7.01, allow: [any] }\n",
	 7, "aoe[1].address", "7.1 is taken already: aoe[0]"},
	{DISK FACE "aoe:\n  - { disk: d, address: 7.1, allow: [any] }\n", 6, "aoe[0].interface",
	 "on no interface"},
	{DISK FACE "aoe:\n  - { interfaces: [], disk: d, address: 7.1, allow: [any] }\n", 6,
	 "aoe[0].interfaces", "on no interface"},
	{DISK FACE "aoe:\n  - { interface: f, disk: d, address: 7.1, allow: [any] }\n", 6,
	 "aoe[0].interface", "no interface 'f'"},
	{DISK FACE
	 "aoe:\n  - disk: d\n    address: 7.1\n    allow: [any]\n    interfaces: [e, f]\n",
	 9, "aoe[0].interfaces", "no interface 'f'"},
	{DISK FACE "aoe:\n  - { interfaces: [e, e], disk: d, address: 7.1, allow: [any] }\n", 6,
	 "aoe[0].interfaces[1]", "named twice"},
	{DISK FACE EXPORT "interfaces: [e], address: 7.1, allow: [any] }\n", 6, "aoe[0].interfaces",
	 "keep one"},
	{DISK FACE "aoe:\n  - { interface: e, disk: x, address: 7.1, allow: [any] }\n", 6,
	 "aoe[0].disk", "no disk 'x'"},

	/* The rest. */
	{"limits:\n  - { initiator: all, iops: 1 }\n", 2, "limits[0].initiator",
	 "neither 'any' nor a MAC"},
	{"limits:\n  - { initiator: \"ff:ff:ff:ff:ff:ff\", iops: 1 }\n", 2, "limits[0].initiator",
	 "one station"},
	{LIMIT "iops: 0 }\n", 2, "limits[0].iops", "'0' is no number from 1"},
	{LIMIT "iops: 1000000001 }\n", 2, "limits[0].iops", "1000000000"},
	{LIMIT "bytes: 1MB }\n", 2, "limits[0].bytes", "'1MB'"},
	{LIMIT "bytes: 0 }\n", 2, "limits[0].bytes", "from 1 to 1024T"},
	{LIMIT "bytes: 1025T }\n", 2, "limits[0].bytes", "from 1 to 1024T"},
	{"limits:\n  - { initiator: any, iops: 1 }\n  - { initiator: any, iops: 2 }\n", 3,
	 "limits[1].initiator", "already: limits[0]"},
	{"limits:\n  - { initiator: " A " }\n", 2, "limits[0].iops", "no limit"},
	{LIMIT "iops: 1 }\n  - { initiator: 02:00:00:00:00:0A, iops: 2 }\n", 3,
	 "limits[1].initiator", "already: limits[0]"},
	{"exporter: { listen: 9464 }\n", 1, "exporter.listen", "127.0.0.1:9464"},
	{"exporter: { listen: \"localhost:9464\" }\n", 1, "exporter.listen", "localhost"},
	{"exporter: { listen: \"127.0.0.1:0\" }\n", 1, "exporter.listen", "127.0.0.1:0"},
	{"exporter: { listen: \"127.0.0.1:65536\" }\n", 1, "exporter.listen", "65536"},
	{"exporter: { listen: \"::1:9464\" }\n", 1, "exporter.listen", "[::1]:9464"},
	{"\nstate_dir: lib\n", 2, "state_dir", "absolute"},
	{"\nsocket: control.sock\n", 2, "socket", "absolute"},
	{"socket: /" LONG20 LONG20 LONG20 LONG20 LONG20 LONG20 "\n", 1, "socket", "107 bytes"},
};

static void assert_refused(const struct refused *bad, size_t len)
{
	_cleanup_free_ char *problems = NULL, *place = NULL;
	struct config *config;
	struct error err;
	int ret = config_parse(bad->text, len, "t.yaml", &config, &problems, &err);

	assert_true(asprintf(&place, "t.yaml:%u: %s%s", bad->line, bad->field,
			     *bad->field ? ": " : "") > 0);
	if (!ret)
		fail_msg("accepted:\n%s", bad->text);
	assert_int_equal(ret, -EINVAL);
	if (strncmp(problems, place, strlen(place)) || !strstr(problems, bad->words))
		fail_msg("says %swants %s%s\n%s", problems, place, bad->words, bad->text);
	/* One mistake is one line, and what the log of a daemon says is that line. */
	if (strchr(problems, '\n') != problems + strlen(problems) - 1)
		fail_msg("more than one line:\n%s", problems);
	assert_int_equal(strncmp(problems, err.text, strlen(problems) - 1), 0);
	assert_int_equal(strlen(err.text), strlen(problems) - 1);
}

static void test_every_mistake_has_line_and_field(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_refused(&refused[i], strlen(refused[i].text));
}

static void test_nul_bytes(void **state)
{
	static const struct refused nul = {"a: 1\nb: \0x\n", 2, "", "NUL"};

	assert_refused(&nul, 11);
}

static void test_all_mistakes_are_listed(void **state)
{
	static const char text[] = "disks:\n"
				   "  - { name: a, ram: 1 }\n"
				   "  - { name: a, file: x, wwn: 1 }\n"
				   "aoe:\n"
				   "  - interface: e\n"
				   "    address: 7.x\n"
				   "    disk: b\n"
				   "log: { level: info }\n"
				   "state_dir: x\n";
	static const char want[] =
		"t.yaml:2: disks[0].ram: size '1' is not a multiple of 512 bytes above 0\n"
		"t.yaml:3: disks[1].wwn: '1' is no WWN: write 16 hexadecimal digits, not all 0\n"
		"t.yaml:3: disks[1].file: 'x' is not an absolute path\n"
		"t.yaml:3: disks[1].name: there is a disk a already: disks[0]\n"
		"t.yaml:5: aoe[0].interface: there is no interface 'e' under interfaces: add it\n"
		"t.yaml:5: aoe[0].allow: nobody may use the export: list MAC addresses, or any\n"
		"t.yaml:6: aoe[0].address: '7.x' is not an AoE address ([[OUTER.]VLAN:]SHELF.SLOT, "
		"like 7.1)\n"
		"t.yaml:7: aoe[0].disk: there is no disk 'b' under disks\n"
		"t.yaml:9: state_dir: 'x' is not an absolute path\n";
	_cleanup_free_ char *problems = NULL;
	struct config *config;
	struct error err;

	assert_int_equal(config_parse(text, strlen(text), "t.yaml", &config, &problems, &err),
			 -EINVAL);
	assert_string_equal(problems, want);
	assert_non_null(strstr(err.text, "disks[0].ram"));
	assert_non_null(strstr(err.text, "(and 8 more)"));
}

/* A text of `head` and then `n` times `body`. */
static char *repeated(const char *head, const char *body, unsigned int n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs(head, out);
	while (n--)
		fputs(body, out);
	fclose(out);
	return text;
}

static void test_too_much(void **state)
{
	static const struct {
		const char *head, *body;
		unsigned int n;
		const char *words;
	} cases[] = {
		{"", "# a line\n", CONFIG_FILE_MAX / 9 + 1, "t.yaml:1: it is longer than 1048576"},
		{"disks:\n", "- { name: x, ram: 1M }\n", 4097, "disks: there are more than 4096"},
		{"interfaces:\n", "- { name: x }\n", 257, "interfaces: there are more than 256"},
		{"a: ", "[", 100000, "t.yaml:1: lists and mappings are nested too deeply"},
		{"a: ", "{ a: ", 100000, "t.yaml:1: lists and mappings are nested too deeply"},
		{"interfaces:\n", "- { name: x }\n", 256, "\nand 155 more\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *text = repeated(cases[i].head, cases[i].body, cases[i].n);
		_cleanup_free_ char *problems = NULL;
		struct config *config;

		assert_int_equal(config_parse(text, strlen(text), "t.yaml", &config, &problems,
					      NULL),
				 -EINVAL);
		if (!strstr(problems, cases[i].words))
			fail_msg("%.200s lacks %s", problems, cases[i].words);
	}
}

static void test_many_keys(void **state)
{
	_cleanup_free_ char *problems = NULL, *text = NULL;
	struct config *config;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (unsigned int i = 0; i < 50000; i++)
		fprintf(out, "k%u: 1\n", i);
	fclose(out);
	assert_int_equal(config_parse(text, size, "t.yaml", &config, &problems, NULL), -EINVAL);
	assert_non_null(strstr(problems, "too many keys"));
}

/* What never was in a file has no line. */
static void test_check_without_a_file(void **state)
{
	struct config *config = config_of(DISK FACE EXPORT "address: 7.1, allow: [any] }\n");
	_cleanup_free_ char *problems = NULL, *yaml = NULL;

	config->interfaces[0].busy_poll_us = CONFIG_BUSY_POLL_MAX + 1;
	config->interfaces[0].flood_guard = STEER_FLOOD_GUARD_MAX + 1;
	config->disks[0].spec.size = 100;
	config_remove_disk(config, config_find_disk(config, "d"));
	aoe_acl_fini(&config->aoe[0].acl);
	assert_int_equal(config_check(config, &problems, NULL), -EINVAL);
	assert_string_equal(problems,
			    "interfaces[0].busy_poll: it is above 10000000 microseconds\n"
			    "interfaces[0].flood_guard: it is above 10000000 frames a second\n"
			    "aoe[0].allow: nobody may use the export: list MAC addresses, or any\n"
			    "aoe[0].disk: there is no disk 'd' under disks\n");
	config->socket = strdup("/run/\xff");
	assert_int_equal(config_save(config, &yaml), -EILSEQ);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_mistake_has_line_and_field),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_all_mistakes_are_listed),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_check_without_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
