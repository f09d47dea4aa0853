/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A frame in, a verdict out: the steering program by BPF_PROG_TEST_RUN. */
#include "arena/arena.h"
#include "bpf/steer.skel.h"
#include "veth.h"
#include "xdp/xsk.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OURS                           \
	{                              \
		0x02, 0, 0, 0, 0, 0x01 \
	}
#define OTHERS                         \
	{                              \
		0x02, 0, 0, 0, 0, 0x99 \
	}
#define BROADCAST                                  \
	{                                          \
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff \
	}
#define MULTICAST                            \
	{                                    \
		0x01, 0x80, 0xc2, 0, 0, 0x21 \
	}

#define WRITER                         \
	{                              \
		0x02, 0, 0, 0, 1, 0x0a \
	} /* rw on 7.1 */
#define READER                         \
	{                              \
		0x02, 0, 0, 0, 1, 0x0c \
	} /* ro on 7.1 */
#define BANNED                         \
	{                              \
		0x02, 0, 0, 0, 1, 0x0b \
	} /* deny on 7.1 */
#define OUTCAST                        \
	{                              \
		0x02, 0, 0, 0, 1, 0x0d \
	} /* deny on 7.2, which admits all others */
#define STRANGER                       \
	{                              \
		0x02, 0, 0, 0, 1, 0x0e \
	} /* on no list */

/* Verdict "none": not of our protocols, so passed and not counted. */
#define UNCOUNTED STGT_VERDICTS

#define MAX_FRAME 9018

struct shape {
	const char *name;
	uint8_t dst[6], src[6];
	uint32_t tags[3]; /* TPID << 16 | TCI, 0 ends */
	uint16_t type;	  /* 0: AoE */
	uint8_t flags;
	uint16_t shelf;
	uint8_t slot;
	unsigned int verdict;
	uint32_t len; /* 0: 60 */
};

struct rig {
	struct steer_bpf *skel;
	struct steer_maps maps;
	struct arena arena;
	struct xsk *xsk;
};

static const struct veth *veth;

static size_t put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return 2;
}

static uint32_t build(const struct shape *shape, uint8_t frame[MAX_FRAME])
{
	uint32_t len = shape->len ? shape->len : 60;
	size_t at = 12;
	int i;

	memset(frame, 0, MAX_FRAME);
	memcpy(frame, shape->dst, 6);
	memcpy(frame + 6, shape->src, 6);
	for (i = 0; i < 3 && shape->tags[i]; i++) {
		at += put16(frame + at, (uint16_t)(shape->tags[i] >> 16));
		at += put16(frame + at, (uint16_t)shape->tags[i]);
	}
	at += put16(frame + at, shape->type ? shape->type : WIRE_TYPE_AOE);
	frame[at] = (uint8_t)(AOE_VERSION << 4 | shape->flags);
	put16(frame + at + 2, shape->shelf);
	frame[at + 4] = shape->slot;
	return len;
}

/* Runs the program over the frame and returns the XDP action; the frame must come out as it was. */
static unsigned int run(struct rig *rig, const uint8_t *frame, uint32_t len)
{
	static uint8_t out[MAX_FRAME];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(rig->skel->progs.stgt_steer), &opts), 0);
	assert_int_equal(opts.data_size_out, len);
	assert_memory_equal(out, frame, len);
	return opts.retval;
}

static unsigned int proto_of(const struct shape *shape)
{
	switch (shape->type) {
	case WIRE_TYPE_FCOE:
		return STGT_PROTO_FCOE;
	case WIRE_TYPE_FIP:
		return STGT_PROTO_FIP;
	default:
		return STGT_PROTO_AOE;
	}
}

/* The frame gets its verdict's action, and that verdict's counter and no other moves. */
static void check(struct rig *rig, const struct shape *shape, unsigned int verdict)
{
	static const unsigned int actions[] = {
		[STGT_REDIRECT] = 4,   [STGT_PASS_IDLE] = 2, [STGT_PASS_FOREIGN] = 2,
		[STGT_PASS_SHORT] = 2, [STGT_DROP_ACL] = 1,  [STGT_DROP_FLOOD] = 1,
		[UNCOUNTED] = 2,
	};
	struct stgt_counter before[STGT_PROTOS][STGT_VERDICTS];
	struct stgt_counter after[STGT_PROTOS][STGT_VERDICTS];
	uint8_t frame[MAX_FRAME];
	uint32_t len = build(shape, frame);
	unsigned int action, p, v;

	assert_int_equal(steer_counters_read(&rig->maps, before), 0);
	action = run(rig, frame, len);
	if (action != actions[verdict])
		fail_msg("%s: action %u, not %u", shape->name, action, actions[verdict]);
	assert_int_equal(steer_counters_read(&rig->maps, after), 0);
	for (p = 0; p < STGT_PROTOS; p++) {
		for (v = 0; v < STGT_VERDICTS; v++) {
			uint64_t hits = p == proto_of(shape) && v == verdict;

			if (after[p][v].frames - before[p][v].frames != hits ||
			    after[p][v].bytes - before[p][v].bytes != hits * len)
				fail_msg("%s: counter %u/%s moved by %llu frames", shape->name, p,
					 steer_verdict_name(v),
					 (unsigned long long)(after[p][v].frames -
							      before[p][v].frames));
		}
	}
}

/* ---- set-up -----------------------------------------------------------------------------------
 */

static void export_add(struct rig *rig, uint32_t vlan, uint32_t address)
{
	struct stgt_export_key key = {STGT_PROTO_AOE, vlan, address};
	struct stgt_export value = {};

	assert_int_equal(bpf_map_update_elem(rig->maps.exports, &key, &value, BPF_ANY), 0);
}

static void acl_add(struct rig *rig, uint32_t vlan, uint32_t address, const uint8_t mac[6],
		    enum stgt_access access)
{
	struct stgt_acl_key key = {.proto = STGT_PROTO_AOE, .vlan = vlan, .address = address};
	struct stgt_acl value = {access};

	memcpy(key.mac, mac, 6);
	assert_int_equal(bpf_map_update_elem(rig->maps.acl, &key, &value, BPF_ANY), 0);
}

static void port_put(struct rig *rig, uint64_t flood_guard)
{
	struct stgt_port port = {
		.abi_version = STGT_ABI_VERSION, .mac = OURS, .flood_guard = flood_guard};
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(rig->maps.port, &zero, &port, BPF_ANY), 0);
}

static void configure(struct rig *rig)
{
	static const uint8_t any[6] = BROADCAST;

	port_put(rig, 0);
	export_add(rig, 0, 7 << 8 | 1);
	acl_add(rig, 0, 7 << 8 | 1, (uint8_t[])WRITER, STGT_ACCESS_RW);
	acl_add(rig, 0, 7 << 8 | 1, (uint8_t[])READER, STGT_ACCESS_RO);
	acl_add(rig, 0, 7 << 8 | 1, (uint8_t[])BANNED, STGT_ACCESS_DENY);
	export_add(rig, 0, 7 << 8 | 2);
	acl_add(rig, 0, 7 << 8 | 2, any, STGT_ACCESS_RW);
	acl_add(rig, 0, 7 << 8 | 2, (uint8_t[])OUTCAST, STGT_ACCESS_DENY);
	export_add(rig, 5, 7 << 8 | 1);
	acl_add(rig, 5, 7 << 8 | 1, any, STGT_ACCESS_RO);
	export_add(rig, 100 << 12 | 5, 7 << 8 | 3);
	acl_add(rig, 100 << 12 | 5, 7 << 8 | 3, any, STGT_ACCESS_RW);
	/* An export without a list admits nobody. */
	export_add(rig, 6, 9 << 8 | 1);
}

static void xsk_put(struct rig *rig)
{
	uint32_t queue = 0;
	int fd = xsk_fd(rig->xsk);

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(rig->skel->maps.xsks), &queue, &fd, 0), 0);
}

static int setup(void **state)
{
	static struct rig rig;
	const struct arena_config arena = {.rx_frames = 16, .runs = 1, .run_frames = 1};
	struct netif netif;
	struct xsk_config config = {.netif = &netif, .request = STEER_GENERIC, .generic = true};
	struct error err;

	rig.skel = steer_bpf__open();
	assert_non_null(rig.skel);
	assert_int_equal(steer_bpf__load(rig.skel), 0);
	rig.maps = (struct steer_maps){
		.port = bpf_map__fd(rig.skel->maps.port),
		.exports = bpf_map__fd(rig.skel->maps.exports),
		.acl = bpf_map__fd(rig.skel->maps.acl),
		.counters = bpf_map__fd(rig.skel->maps.counters),
		.initiators = bpf_map__fd(rig.skel->maps.initiators),
	};
	veth_make(veth, 1500);
	if (netif_query(veth->near, &netif, &err) || arena_open(&rig.arena, &arena, &err) ||
	    xsk_open(&config, &rig.arena, &rig.xsk, &err))
		fail_msg("%s", err.text);
	configure(&rig);
	xsk_put(&rig);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	xsk_close(rig->xsk);
	arena_close(&rig->arena);
	steer_bpf__destroy(rig->skel);
	veth_delete(veth);
	return 0;
}

/* ---- tables -----------------------------------------------------------------------------------
 */

#define Q(vid)	((uint32_t)WIRE_TYPE_8021Q << 16 | (vid))
#define AD(vid) ((uint32_t)WIRE_TYPE_8021AD << 16 | (vid))

/* name, destination, source, tags, EtherType, flags, shelf, slot, verdict, length */
static const struct shape frames[] = {
	{"writer", OURS, WRITER, {}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"reader", OURS, READER, {}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"banned", OURS, BANNED, {}, 0, 0, 7, 1, STGT_DROP_ACL, 0},
	{"stranger", OURS, STRANGER, {}, 0, 0, 7, 1, STGT_DROP_ACL, 0},
	{"anybody", OURS, STRANGER, {}, 0, 0, 7, 2, STGT_REDIRECT, 0},
	{"outcast", OURS, OUTCAST, {}, 0, 0, 7, 2, STGT_DROP_ACL, 0},

	{"to broadcast", BROADCAST, WRITER, {}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"to multicast", MULTICAST, WRITER, {}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"to another host", OTHERS, WRITER, {}, 0, 0, 7, 1, STGT_PASS_FOREIGN, 0},
	{"banned to another host", OTHERS, BANNED, {}, 0, 0, 7, 1, STGT_PASS_FOREIGN, 0},
	{"other shelf", OURS, WRITER, {}, 0, 0, 8, 1, STGT_PASS_FOREIGN, 0},
	{"other slot", OURS, WRITER, {}, 0, 0, 7, 9, STGT_PASS_FOREIGN, 0},
	{"shelf and slot apart", OURS, WRITER, {}, 0, 0, 0x0107, 0, STGT_PASS_FOREIGN, 0},
	{"response", OURS, WRITER, {}, 0, AOE_FLAG_RESPONSE, 7, 1, STGT_PASS_FOREIGN, 0},
	{"response, banned", OURS, BANNED, {}, 0, AOE_FLAG_RESPONSE, 7, 1, STGT_PASS_FOREIGN, 0},

	{"any.any", BROADCAST, STRANGER, {}, 0, 0, 0xffff, 0xff, STGT_REDIRECT, 0},
	{"any.any, outcast", BROADCAST, OUTCAST, {}, 0, 0, 0xffff, 0xff, STGT_PASS_FOREIGN, 0},
	{"7.any", BROADCAST, STRANGER, {}, 0, 0, 7, 0xff, STGT_REDIRECT, 0},
	{"8.any", BROADCAST, STRANGER, {}, 0, 0, 8, 0xff, STGT_PASS_FOREIGN, 0},
	{"any.1, writer", BROADCAST, WRITER, {}, 0, 0, 0xffff, 1, STGT_REDIRECT, 0},
	{"any.1, stranger", BROADCAST, STRANGER, {}, 0, 0, 0xffff, 1, STGT_PASS_FOREIGN, 0},
	{"any.9", BROADCAST, WRITER, {}, 0, 0, 0xffff, 9, STGT_PASS_FOREIGN, 0},
	{"any.any, response", BROADCAST, WRITER, {}, 0, 8, 0xffff, 0xff, STGT_PASS_FOREIGN, 0},

	{"VLAN 5", OURS, STRANGER, {Q(5)}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"VLAN 5, priority 7", OURS, STRANGER, {Q(0xe005)}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"VLAN 5 by 802.1ad", OURS, STRANGER, {AD(5)}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"untagged export from VLAN 5", OURS, STRANGER, {Q(5)}, 0, 0, 7, 2, STGT_PASS_FOREIGN, 0},
	{"VLAN 5's export from VLAN 4", OURS, WRITER, {Q(4)}, 0, 0, 7, 1, STGT_PASS_FOREIGN, 0},
	{"priority tag", OURS, STRANGER, {Q(0x6000)}, 0, 0, 7, 2, STGT_REDIRECT, 0},
	{"QinQ", OURS, STRANGER, {AD(100), Q(5)}, 0, 0, 7, 3, STGT_REDIRECT, 0},
	{"QinQ the other way", OURS, STRANGER, {AD(5), Q(100)}, 0, 0, 7, 3, STGT_PASS_FOREIGN, 0},
	{"priority tag, VLAN 5", OURS, STRANGER, {Q(0), Q(5)}, 0, 0, 7, 1, STGT_REDIRECT, 0},
	{"three tags", OURS, STRANGER, {AD(1), Q(2), Q(5)}, 0, 0, 7, 1, UNCOUNTED, 0},
	{"any.any on VLAN 5", BROADCAST, STRANGER, {Q(5)}, 0, 0, 0xffff, 0xff, STGT_REDIRECT, 0},
	{"any.any on VLAN 6",
	 BROADCAST,
	 STRANGER,
	 {Q(6)},
	 0,
	 0,
	 0xffff,
	 0xff,
	 STGT_PASS_FOREIGN,
	 0},
	{"any.any on VLAN 8", BROADCAST, WRITER, {Q(8)}, 0, 0, 0xffff, 0xff, STGT_PASS_FOREIGN, 0},

	{"jumbo", OURS, WRITER, {}, 0, 0, 7, 1, STGT_REDIRECT, 9014},
	{"jumbo, banned", OURS, BANNED, {}, 0, 0, 7, 1, STGT_DROP_ACL, 9014},

	{"FCoE", OURS, WRITER, {}, WIRE_TYPE_FCOE, 0, 0, 0, STGT_PASS_FOREIGN, 0},
	{"FIP", MULTICAST, WRITER, {}, WIRE_TYPE_FIP, 0, 0, 0, STGT_PASS_FOREIGN, 0},
	{"FCoE on VLAN 5", OURS, WRITER, {Q(5)}, WIRE_TYPE_FCOE, 0, 0, 0, STGT_PASS_FOREIGN, 0},
	{"IPv4", OURS, WRITER, {}, 0x0800, 0, 7, 1, UNCOUNTED, 0},
	{"IPv6", MULTICAST, BANNED, {}, 0x86dd, 0, 7, 1, UNCOUNTED, 0},
	{"ARP", BROADCAST, BANNED, {}, 0x0806, 0, 7, 1, UNCOUNTED, 0},
	{"IPv4 on VLAN 5", OURS, WRITER, {Q(5)}, 0x0800, 0, 7, 1, UNCOUNTED, 0},
	{"802.3 length", OURS, WRITER, {}, 0x0026, 0, 7, 1, UNCOUNTED, 0},
};

#define NFRAMES (sizeof(frames) / sizeof(frames[0]))

static void every_frame_gets_its_verdict(void **state)
{
	size_t i;

	for (i = 0; i < NFRAMES; i++)
		check(*state, &frames[i], frames[i].verdict);
}

static void short_frames_go_to_the_kernel(void **state)
{
	struct shape plain = {"cut", OURS, WRITER, {}, 0, 0, 7, 1, 0, 0};
	struct shape tagged = {"cut, tagged", OURS, WRITER, {Q(5)}, 0, 0, 7, 1, 0, 0};
	struct shape twice = {"cut, QinQ", OURS, WRITER, {AD(100), Q(5)}, 0, 0, 7, 3, 0, 0};

	for (plain.len = 14; plain.len < 24; plain.len++)
		check(*state, &plain, STGT_PASS_SHORT);
	check(*state, &plain, STGT_REDIRECT);
	for (tagged.len = 14; tagged.len < 18; tagged.len++)
		check(*state, &tagged, UNCOUNTED);
	for (; tagged.len < 28; tagged.len++)
		check(*state, &tagged, STGT_PASS_SHORT);
	check(*state, &tagged, STGT_REDIRECT);
	for (twice.len = 14; twice.len < 22; twice.len++)
		check(*state, &twice, UNCOUNTED);
	for (; twice.len < 32; twice.len++)
		check(*state, &twice, STGT_PASS_SHORT);
	check(*state, &twice, STGT_REDIRECT);
}

static void without_a_socket_everything_passes(void **state)
{
	struct rig *rig = *state;
	uint32_t queue = 0;
	size_t i;

	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(rig->skel->maps.xsks), &queue), 0);
	for (i = 0; i < NFRAMES; i++)
		check(rig, &frames[i], frames[i].verdict == UNCOUNTED ? UNCOUNTED : STGT_PASS_IDLE);
	xsk_put(rig);
}

/* ---- initiators -------------------------------------------------------------------------------
 */

struct wanted {
	struct stgt_initiator_key key;
	struct stgt_initiator value;
	unsigned int found, total;
};

static void wanted_visit(void *ctx, const struct stgt_initiator_key *key,
			 const struct stgt_initiator *value)
{
	struct wanted *wanted = ctx;

	wanted->total++;
	if (memcmp(key, &wanted->key, sizeof(*key)))
		return;
	wanted->value = *value;
	wanted->found++;
}

static struct wanted initiator(struct rig *rig, const uint8_t mac[6], uint32_t vlan)
{
	struct wanted wanted = {.key = {.proto = STGT_PROTO_AOE, .vlan = vlan}};

	memcpy(wanted.key.mac, mac, 6);
	assert_int_equal(steer_initiators_each(&rig->maps, wanted_visit, &wanted), 0);
	return wanted;
}

static void initiators_are_told_apart(void **state)
{
	static const struct shape steps[] = {
		{"new", OURS, {2, 0, 0, 0, 2, 1}, {}, 0, 0, 7, 2, STGT_REDIRECT, 60},
		{"more", OURS, {2, 0, 0, 0, 2, 1}, {}, 0, 0, 7, 2, STGT_REDIRECT, 1514},
		{"refused", OURS, {2, 0, 0, 0, 2, 1}, {}, 0, 0, 7, 1, STGT_DROP_ACL, 60},
		{"by VLAN", OURS, {2, 0, 0, 0, 2, 1}, {Q(5)}, 0, 0, 7, 1, STGT_REDIRECT, 64},
		{"foreign", OURS, {2, 0, 0, 0, 2, 1}, {}, 0, 0, 8, 1, STGT_PASS_FOREIGN, 60},
		{"unknown", OURS, {2, 0, 0, 0, 2, 2}, {}, 0, 0, 7, 1, STGT_DROP_ACL, 60},
	};
	struct rig *rig = *state;
	struct wanted known;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		check(rig, &steps[i], steps[i].verdict);
	known = initiator(rig, (uint8_t[]){2, 0, 0, 0, 2, 1}, 0);
	assert_int_equal(known.found, 1);
	assert_int_equal(known.value.frames, 2);
	assert_int_equal(known.value.bytes, 60 + 1514);
	assert_int_equal(known.value.drops, 1);
	assert_true(known.value.last_seen_ns > 0);
	known = initiator(rig, (uint8_t[]){2, 0, 0, 0, 2, 1}, 5);
	assert_int_equal(known.value.frames, 1);
	assert_int_equal(known.value.bytes, 64);
	assert_int_equal(known.value.drops, 0);
	assert_int_equal(initiator(rig, (uint8_t[]){2, 0, 0, 0, 2, 2}, 0).found, 0);
}

/* Ten thousand made-up senders that no list admits leave the table of initiators alone. */
static void strangers_evict_nobody(void **state)
{
	struct shape shape = {"flood", OURS, STRANGER, {}, 0, 0, 7, 1, STGT_DROP_ACL, 0};
	struct rig *rig = *state;
	uint8_t frame[MAX_FRAME];
	unsigned int before, i;

	check(rig, &frames[0], STGT_REDIRECT);
	before = initiator(rig, (uint8_t[])WRITER, 0).total;
	for (i = 0; i < 10000; i++) {
		put16(shape.src + 2, (uint16_t)(0x4000 + i));
		run(rig, frame, build(&shape, frame));
	}
	assert_int_equal(initiator(rig, (uint8_t[])WRITER, 0).found, 1);
	assert_int_equal(initiator(rig, (uint8_t[])WRITER, 0).total, before);
}

/* ---- the flood guard --------------------------------------------------------------------------
 */

static const struct shape flooder = {"flooder", OURS, {2, 0, 0, 0, 3, 1}, {}, 0, 0, 7, 2, 0, 0};

/* A bucket is a CPU's own: the test's frames must all meet the same. */
static void stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* How many of the frames go to the engine. */
static unsigned int admitted(struct rig *rig, const struct shape *shape, unsigned int many)
{
	uint8_t frame[MAX_FRAME];
	uint32_t len = build(shape, frame);
	unsigned int n = 0;

	while (many--)
		n += run(rig, frame, len) == 4; /* XDP_REDIRECT */
	return n;
}

/* Runs frames until one is admitted; no more than the seconds may pass. */
static bool is_admitted_within(struct rig *rig, const struct shape *shape, unsigned int seconds)
{
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + seconds;
	do {
		if (admitted(rig, shape, 1))
			return true;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec <= end);
	return false;
}

static void a_flood_is_cut_off(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 3, 1};
	struct shape other = flooder, tagged = flooder, refused = flooder, ssh = flooder;
	struct rig *rig = *state;
	struct wanted known;

	stay_on_one_cpu();
	assert_int_equal(admitted(rig, &flooder, 5000), 5000);
	/* One frame a second: 64 are saved up. */
	port_put(rig, 1);
	assert_int_equal(admitted(rig, &flooder, 64), 64);
	check(rig, &flooder, STGT_DROP_FLOOD);
	check(rig, &flooder, STGT_DROP_FLOOD);
	known = initiator(rig, mac, 0);
	assert_int_equal(known.value.frames, 5064);
	assert_int_equal(known.value.drops, 2);
	/* Nobody else has less for it, and neither has the flooder's other VLAN. */
	other.src[5] = 2;
	assert_int_equal(admitted(rig, &other, 64), 64);
	tagged.tags[0] = Q(5);
	tagged.slot = 1;
	assert_int_equal(admitted(rig, &tagged, 64), 64);
	/* Other verdicts and other protocols are as they were. */
	refused.slot = 1;
	check(rig, &refused, STGT_DROP_ACL);
	ssh.type = 0x0800;
	check(rig, &ssh, UNCOUNTED);
	port_put(rig, 0);
	assert_int_equal(admitted(rig, &flooder, 5000), 5000);
}

static void the_allowance_comes_back(void **state)
{
	struct shape shape = flooder;
	struct rig *rig = *state;

	stay_on_one_cpu();
	shape.src[5] = 3;
	port_put(rig, 1);
	assert_in_range(admitted(rig, &shape, 100), 64, 65);
	assert_true(is_admitted_within(rig, &shape, 3));
	/* A minute's worth is used up in advance: a higher rate forgives it. */
	port_put(rig, 100000);
	assert_true(is_admitted_within(rig, &shape, 1));
	/* An eighth of a second's worth, once that has passed. */
	usleep(125000);
	assert_int_equal(admitted(rig, &shape, 12500), 12500);
	port_put(rig, 0);
}

static int tests(struct veth *pair)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(every_frame_gets_its_verdict),
		cmocka_unit_test(short_frames_go_to_the_kernel),
		cmocka_unit_test(without_a_socket_everything_passes),
		cmocka_unit_test(initiators_are_told_apart),
		cmocka_unit_test(strangers_evict_nobody),
		cmocka_unit_test(a_flood_is_cut_off),
		cmocka_unit_test(the_allowance_comes_back),
	};

	veth = pair;
	return cmocka_run_group_tests(all, setup, teardown);
}

int main(void)
{
	return veth_run(tests);
}
