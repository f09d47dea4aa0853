/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames over a veth pair: through the program into the arena, and out of the arena. */
#include "stgt/wire/aoe.h"
#include "veth.h"
#include "xdp/xsk.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RX_FRAMES  64
#define RUNS	   100
#define RUN_FRAMES 3
#define MAX_FRAME  9018
#define WAIT_MS	   10000 /* at most; a busy machine takes its time */

static struct veth *veth;

struct rig {
	struct netif netif;
	struct steer *steer;
	struct arena arena;
	struct xsk *xsk;
	int far; /* the network's end, AoE only */
};

/* ---- set-up -----------------------------------------------------------------------------------
 */

static void export_add(struct rig *rig, uint32_t vlan)
{
	const struct stgt_export_key key = {STGT_PROTO_AOE, vlan, 7 << 8 | 1};
	struct stgt_acl_key any = {STGT_PROTO_AOE, vlan, 7 << 8 | 1, {}, 0};

	memset(any.mac, 0xff, sizeof(any.mac));
	assert_int_equal(steer_export_set(rig->steer, &key, 0), 0);
	assert_int_equal(steer_acl_set(rig->steer, &any, STGT_ACCESS_RW), 0);
}

static void rig_open(struct rig *rig, enum steer_request request)
{
	const struct arena_config arena = {RX_FRAMES, RUNS, RUN_FRAMES};
	struct xsk_config config = {.netif = &rig->netif, .request = request};
	struct error err;

	if (netif_query(veth->near, &rig->netif, &err) ||
	    steer_open(&rig->netif, request, &rig->steer, &err) ||
	    arena_open(&rig->arena, &arena, &err))
		fail_msg("%s", err.text);
	config.generic = steer_generic(rig->steer);
	if (xsk_open(&config, &rig->arena, &rig->xsk, &err))
		fail_msg("%s", err.text);
	export_add(rig, 0);
	assert_int_equal(xsk_fill(rig->xsk), RX_FRAMES);
	xsk_kick(rig->xsk);
	assert_int_equal(steer_xsk_set(rig->steer, 0, xsk_fd(rig->xsk)), 0);
	rig->far = packet_open(veth->far, WIRE_TYPE_AOE);
}

static int setup(void **state)
{
	static struct rig rig;

	veth_make(veth, 9000);
	rig_open(&rig, STEER_AUTO);
	*state = &rig;
	return 0;
}

static int setup_generic(void **state)
{
	static struct rig rig;

	veth_make(veth, 9000);
	rig_open(&rig, STEER_GENERIC);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	close(rig->far);
	xsk_close(rig->xsk);
	arena_close(&rig->arena);
	steer_close(rig->steer);
	veth_delete(veth);
	return 0;
}

/* ---- frames -----------------------------------------------------------------------------------
 */

/* An AoE frame to 7.1 whose bytes behind the header tell their place; `salt` tells frames apart. */
static void frame_make(const struct rig *rig, uint8_t *frame, size_t len, uint8_t salt)
{
	static const uint8_t head[18] = {0, 0, 0, 0,	0,    0,    2, 0, 0,
					 0, 0, 9, 0x88, 0xa2, 0x10, 0, 0, 7};
	size_t i;

	for (i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + (i >> 8) + salt);
	memcpy(frame, head, sizeof(head));
	memcpy(frame, rig->netif.mac, 6);
	frame[18] = 1;
}

static bool wait_readable(struct rig *rig, int timeout_ms)
{
	struct pollfd ready = {.fd = xsk_fd(rig->xsk), .events = POLLIN};

	return poll(&ready, 1, timeout_ms) == 1;
}

/* The next frame, still unreleased; there may be others before it that are only counted. */
static void receive(struct rig *rig, struct frame_view *view)
{
	while (!xsk_rx_peek(rig->xsk, view))
		assert_true(wait_readable(rig, WAIT_MS));
}

static void assert_view(struct rig *rig, const struct frame_view *view, const uint8_t *frame,
			size_t len)
{
	static uint8_t got[MAX_FRAME + 8];

	assert_int_equal(view->data.len, len);
	sgl_copy_out(&rig->arena, &view->data, 0, got, (uint32_t)len);
	assert_memory_equal(got, frame, len);
}

static void finish(struct rig *rig)
{
	xsk_rx_release(rig->xsk);
	xsk_fill(rig->xsk);
	xsk_kick(rig->xsk);
}

struct sent {
	struct tx tx;
	unsigned int done;
};

static void sent_done(struct tx *tx)
{
	((struct sent *)tx)->done++;
}

/* Sends a frame whose header ends where a read's payload begins, as AoE replies do. */
static void send_frame(struct rig *rig, struct sent *sent, const uint8_t *frame, size_t len)
{
	struct sink *sink = xsk_sink(rig->xsk);

	memset(sent, 0, sizeof(*sent));
	sent->tx.run = arena_run_get(&rig->arena);
	assert_int_not_equal(sent->tx.run, ARENA_NONE);
	sent->tx.addr = sent->tx.run + ARENA_RX_OFFSET;
	sent->tx.len = (uint32_t)len;
	sent->tx.done = sent_done;
	memcpy(arena_ptr(&rig->arena, sent->tx.addr), frame, len);
	sink->ops->send(sink, &sent->tx);
}

static void complete_all(struct rig *rig)
{
	int tries;

	for (tries = 0; xsk_tx_pending(rig->xsk) && tries < WAIT_MS; tries++) {
		xsk_kick(rig->xsk);
		if (!xsk_complete(rig->xsk))
			poll(NULL, 0, 1);
	}
	assert_int_equal(xsk_tx_pending(rig->xsk), 0);
}

/* ---- receive ----------------------------------------------------------------------------------
 */

static const size_t lengths[] = {
	60, 1024 + 36, 1514, ARENA_RX_CAPACITY, ARENA_RX_CAPACITY + 1, 4132, 7240, 7241, 9014};

#define NLENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void frames_of_every_size_come_in(void **state)
{
	struct rig *rig = *state;
	uint8_t frame[MAX_FRAME];
	struct frame_view view;
	size_t i;

	assert_true(xsk_multi_buffer(rig->xsk));
	/* More frames than the fill ring has: they go round. */
	for (i = 0; i < NLENGTHS * 30; i++) {
		size_t len = lengths[i % NLENGTHS];

		frame_make(rig, frame, len, (uint8_t)i);
		packet_send(rig->far, frame, len);
		receive(rig, &view);
		assert_view(rig, &view, frame, len);
		assert_int_equal(view.data.spans[0].addr % ARENA_FRAME_SIZE, ARENA_RX_OFFSET);
		assert_int_equal(view.data.nspans,
				 (len + ARENA_RX_CAPACITY - 1) / ARENA_RX_CAPACITY);
		finish(rig);
	}
	assert_int_equal(rig->arena.nfree_frames, 0);
}

static void an_unreleased_frame_comes_again(void **state)
{
	struct rig *rig = *state;
	uint8_t first[200], second[300];
	struct frame_view view, again;
	struct span held;
	unsigned int i;

	frame_make(rig, first, sizeof(first), 1);
	frame_make(rig, second, sizeof(second), 2);
	packet_send(rig->far, first, sizeof(first));
	packet_send(rig->far, second, sizeof(second));
	receive(rig, &view);
	assert_view(rig, &view, first, sizeof(first));
	assert_true(xsk_rx_peek(rig->xsk, &again));
	assert_int_equal(again.data.spans[0].addr, view.data.spans[0].addr);
	/* What is held stays as it is while other frames come. */
	held = view.data.spans[0];
	arena_frame_hold(&rig->arena, held.addr);
	finish(rig);
	for (i = 0; i < 2 * RX_FRAMES; i++) {
		if (i)
			packet_send(rig->far, second, sizeof(second));
		receive(rig, &view);
		assert_view(rig, &view, second, sizeof(second));
		finish(rig);
	}
	assert_memory_equal(arena_ptr(&rig->arena, held.addr), first, sizeof(first));
	arena_frame_put(&rig->arena, held.addr);
}

/* On a busy machine a kernel thread hands on what was sent, and the last frames come late. */
static void wait_dropped(struct rig *rig, uint64_t frames)
{
	struct xsk_stats stats = {0};
	int tries;

	for (tries = 0; stats.rx_dropped < frames && tries < WAIT_MS; tries++) {
		if (tries)
			poll(NULL, 0, 1);
		assert_int_equal(xsk_stats(rig->xsk, &stats), 0);
	}
}

/* A burst beyond the fill ring is lost and counted; what comes afterwards is received. */
static void a_full_arena_recovers(void **state)
{
	struct rig *rig = *state;
	uint8_t frame[100];
	struct frame_view view;
	struct xsk_stats stats;
	unsigned int i, got = 0;

	frame_make(rig, frame, sizeof(frame), 3);
	for (i = 0; i < RX_FRAMES + 10; i++)
		packet_send(rig->far, frame, sizeof(frame));
	wait_dropped(rig, 10);
	while (xsk_rx_peek(rig->xsk, &view)) {
		xsk_rx_release(rig->xsk);
		got++;
	}
	assert_int_equal(got, RX_FRAMES);
	assert_int_equal(xsk_stats(rig->xsk, &stats), 0);
	assert_int_equal(stats.rx_frames, RX_FRAMES);
	assert_int_equal(stats.rx_dropped, 10);
	assert_int_equal(xsk_fill(rig->xsk), RX_FRAMES);
	xsk_kick(rig->xsk);
	packet_send(rig->far, frame, sizeof(frame));
	receive(rig, &view);
	assert_view(rig, &view, frame, sizeof(frame));
	finish(rig);
}

static void frames_of_too_many_pieces_are_counted(void **state)
{
	struct rig *rig = *state;
	struct xsk_config config = {.netif = &rig->netif, .spans = 2};
	uint8_t frame[MAX_FRAME];
	struct frame_view view;
	struct xsk_stats stats;
	struct error err;

	xsk_close(rig->xsk);
	arena_close(&rig->arena);
	if (arena_open(&rig->arena, &(struct arena_config){RX_FRAMES, 1, 1}, &err) ||
	    xsk_open(&config, &rig->arena, &rig->xsk, &err))
		fail_msg("%s", err.text);
	xsk_fill(rig->xsk);
	assert_int_equal(steer_xsk_set(rig->steer, 0, xsk_fd(rig->xsk)), 0);
	frame_make(rig, frame, 9014, 1);
	packet_send(rig->far, frame, 9014);
	packet_send(rig->far, frame, 5000);
	receive(rig, &view);
	assert_view(rig, &view, frame, 5000);
	finish(rig);
	assert_int_equal(xsk_stats(rig->xsk, &stats), 0);
	assert_int_equal(stats.rx_too_many_spans, 1);
	assert_int_equal(stats.rx_frames, 1);
	assert_int_equal(rig->arena.nfree_frames, 0);
}

/* ---- transmit ---------------------------------------------------------------------------------
 */

static void frames_of_every_size_go_out(void **state)
{
	struct rig *rig = *state;
	uint8_t frame[MAX_FRAME], got[MAX_FRAME];
	struct sent sent;
	size_t i;

	for (i = 0; i < NLENGTHS * 30; i++) {
		size_t len = lengths[i % NLENGTHS];

		frame_make(rig, frame, len, (uint8_t)i);
		send_frame(rig, &sent, frame, len);
		assert_false(xsk_kick(rig->xsk));
		assert_int_equal(packet_receive(rig->far, got, sizeof(got), WAIT_MS), len);
		assert_memory_equal(got, frame, len);
		complete_all(rig);
		assert_int_equal(sent.done, 1);
		arena_run_put(&rig->arena, sent.tx.run);
	}
}

/* Copy mode sends so many descriptors a call: one kick sends all the same. */
static void one_kick_sends_every_run(void **state)
{
	static struct sent sent[RUNS];
	struct rig *rig = *state;
	uint8_t frame[MAX_FRAME], got[MAX_FRAME];
	struct xsk_stats stats;
	unsigned int i;
	int size = 16 << 20;

	/* Room for all of them at either end: a slow receiver is another test's matter. */
	setsockopt(rig->far, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(xsk_fd(rig->xsk), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	for (i = 0; i < RUNS; i++) {
		frame_make(rig, frame, 9014, (uint8_t)i);
		send_frame(rig, &sent[i], frame, 9014);
	}
	assert_int_equal(arena_run_get(&rig->arena), ARENA_NONE);
	assert_true(xsk_needs_wakeup(rig->xsk));
	assert_false(xsk_kick(rig->xsk));
	assert_false(xsk_needs_wakeup(rig->xsk));
	for (i = 0; i < RUNS; i++) {
		frame_make(rig, frame, 9014, (uint8_t)i);
		assert_int_equal(packet_receive(rig->far, got, sizeof(got), WAIT_MS), 9014);
		assert_memory_equal(got, frame, 9014);
	}
	complete_all(rig);
	for (i = 0; i < RUNS; i++) {
		assert_int_equal(sent[i].done, 1);
		arena_run_put(&rig->arena, sent[i].tx.run);
	}
	assert_int_equal(xsk_stats(rig->xsk, &stats), 0);
	assert_int_equal(stats.tx_frames, RUNS);
	assert_int_equal(stats.tx_stray_completions, 0);
	assert_int_equal(stats.tx_invalid_descs, 0);
}

/* ---- tags that the sender's offload keeps out of the frame -------------------------------------
 */

/*
 * A bridge takes the outer tag of what it forwards into the packet's metadata, where a veth with
 * txvlan leaves it: the served end then gets the frame without it. Returns a socket behind it.
 */
static int bridge_make(const char *txvlan)
{
	shell("ip link add br0 type bridge && ip link add port type veth peer name host");
	shell("ip link set port master br0 && ip link set %s master br0", veth->far);
	shell("ethtool -K %s txvlan %s tx-vlan-stag-hw-insert %s >/dev/null", veth->far, txvlan,
	      txvlan);
	shell("ip link set br0 up && ip link set port up && ip link set host up");
	/* The kernel's own time after both ends of the link are up. */
	shell("timeout 10 sh -c 'until ip -d link show port | grep -q \"state forwarding\"; do "
	      "sleep 0.01; done'");
	return packet_open("host", WIRE_TYPE_AOE);
}

static void bridge_delete(int fd)
{
	close(fd);
	shell("ip link del host && ip link del br0");
}

static size_t tagged_make(struct rig *rig, uint8_t *frame, const uint8_t *tags, size_t tags_len)
{
	uint8_t plain[200];

	frame_make(rig, plain, sizeof(plain), 5);
	memcpy(frame, plain, 12);
	memcpy(frame + 12, tags, tags_len);
	memcpy(frame + 12 + tags_len, plain + 12, sizeof(plain) - 12);
	return sizeof(plain) + tags_len;
}

static const char *const txvlan[] = {"on", "off"};

static void the_engine_sees_tags(void **state)
{
	static const uint8_t tags[][8] = {
		{0x81, 0, 0, 5},
		{0x81, 0, 0xe0, 5},
		{0x88, 0xa8, 0, 5},
		{0x88, 0xa8, 0, 100, 0x81, 0, 0, 5},
	};
	struct rig *rig = *state;
	struct frame_view view;
	uint8_t frame[208];
	int offload, fd;
	size_t i, len;

	assert_int_equal(steer_vlan(rig->steer), STEER_VLAN_KFUNC);
	export_add(rig, 5);
	export_add(rig, 100 << 12 | 5);
	for (offload = 0; offload < 2; offload++) {
		fd = bridge_make(txvlan[offload]);
		for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
			len = tagged_make(rig, frame, tags[i], tags[i][4] ? 8 : 4);
			packet_send(fd, frame, len);
			receive(rig, &view);
			assert_view(rig, &view, frame, len);
			finish(rig);
		}
		bridge_delete(fd);
	}
}

static uint64_t passed_foreign(const struct rig *rig)
{
	struct stgt_counter counters[STGT_PROTOS][STGT_VERDICTS];

	assert_int_equal(steer_counters_read(steer_maps(rig->steer), counters), 0);
	return counters[STGT_PROTO_AOE][STGT_PASS_FOREIGN].frames;
}

/* A frame of VLAN 6 is not for the untagged export, wherever its tag is kept. */
static void stripped_tags_keep_vlans_apart(void **state)
{
	static const uint8_t six[] = {0x81, 0, 0, 6};
	struct rig *rig = *state;
	struct frame_view view;
	uint8_t frame[208];
	int offload, fd, tries;
	uint64_t before;
	size_t len;

	for (offload = 0; offload < 2; offload++) {
		fd = bridge_make(txvlan[offload]);
		before = passed_foreign(rig);
		len = tagged_make(rig, frame, six, sizeof(six));
		packet_send(fd, frame, len);
		for (tries = 0; passed_foreign(rig) == before && tries < WAIT_MS; tries++)
			poll(NULL, 0, 1);
		assert_int_equal(passed_foreign(rig), before + 1);
		assert_false(xsk_rx_peek(rig->xsk, &view));
		bridge_delete(fd);
	}
}

/* ---- the rest of the interface -----------------------------------------------------------------
 */

static void the_kernel_keeps_the_rest(void **state)
{
	struct rig *rig = *state;
	int kernel = packet_open(veth->near, 0x0800), far = packet_open(veth->far, 0x0800);
	uint8_t frame[100], got[200];
	struct frame_view view;

	frame_make(rig, frame, sizeof(frame), 1);
	frame[12] = 0x08;
	frame[13] = 0;
	packet_send(far, frame, sizeof(frame));
	assert_int_equal(packet_receive(kernel, got, sizeof(got), WAIT_MS), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	assert_false(xsk_rx_peek(rig->xsk, &view));
	close(kernel);
	close(far);
}

static void without_socket_frames_go_to_the_kernel(void **state)
{
	struct rig *rig = *state;
	int kernel = packet_open(veth->near, WIRE_TYPE_AOE);
	uint8_t frame[100], got[200];
	struct frame_view view;

	frame_make(rig, frame, sizeof(frame), 1);
	packet_send(rig->far, frame, sizeof(frame));
	receive(rig, &view);
	finish(rig);
	assert_int_equal(packet_receive(kernel, got, sizeof(got), 0), 0);
	assert_int_equal(steer_xsk_clear(rig->steer, 0), 0);
	packet_send(rig->far, frame, sizeof(frame));
	assert_int_equal(packet_receive(kernel, got, sizeof(got), WAIT_MS), sizeof(frame));
	close(kernel);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static void modes_are_named_as_they_are(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(xsk_mode(rig->xsk), XSK_COPY_SG);
	assert_string_equal(xsk_mode_name(xsk_mode(rig->xsk)), "copy+sg");
	assert_ptr_equal(xsk_sink(rig->xsk)->arena, &rig->arena);
}

static void generic_mode_is_named(void **state)
{
	struct rig *rig = *state;

	assert_string_equal(xsk_mode_name(xsk_mode(rig->xsk)), "generic+sg");
}

static void zerocopy_is_not_faked(void **state)
{
	struct rig *rig = *state;
	struct xsk_config config = {.netif = &rig->netif, .request = STEER_ZEROCOPY};
	struct xsk *xsk;
	struct error err;

	xsk_close(rig->xsk);
	assert_int_equal(xsk_open(&config, &rig->arena, &xsk, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "cannot do zero-copy"));
	config.request = STEER_NATIVE;
	config.busy_poll = true;
	assert_int_equal(xsk_open(&config, &rig->arena, &rig->xsk, &err), 0);
	xsk_busy_poll(rig->xsk);
}

static void hold_queue(void *ctx)
{
	struct rig *rig = ctx;
	struct xsk_config config = {.netif = &rig->netif};
	struct xsk *xsk;

	if (xsk_open(&config, &rig->arena, &xsk, NULL))
		_exit(1);
}

/* The queue of a process that ends a moment later is waited for. */
static void a_busy_queue_is_waited_for(void **state)
{
	struct rig *rig = *state;
	struct xsk_config config = {.netif = &rig->netif};
	struct error err;
	pid_t holder, killer;

	xsk_close(rig->xsk);
	holder = child_serving(hold_queue, rig);
	killer = fork();
	if (killer == 0) {
		usleep(300000);
		kill(holder, SIGKILL);
		_exit(0);
	}
	if (xsk_open(&config, &rig->arena, &rig->xsk, &err))
		fail_msg("%s", err.text);
	child_kill(killer);
	child_kill(holder);
}

static void a_held_queue_is_refused(void **state)
{
	struct rig *rig = *state;
	struct xsk_config config = {.netif = &rig->netif};
	struct xsk *xsk;
	struct error err;

	assert_int_equal(xsk_open(&config, &rig->arena, &xsk, &err), -EBUSY);
	assert_non_null(strstr(err.text, "another process"));
}

static int tests(struct veth *pair)
{
#define ON_VETH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define GENERIC(test)                                                  \
	{                                                              \
		"generic: " #test, test, setup_generic, teardown, NULL \
	}
	const struct CMUnitTest all[] = {
		ON_VETH(modes_are_named_as_they_are),
		ON_VETH(frames_of_every_size_come_in),
		ON_VETH(an_unreleased_frame_comes_again),
		ON_VETH(a_full_arena_recovers),
		ON_VETH(frames_of_too_many_pieces_are_counted),
		ON_VETH(frames_of_every_size_go_out),
		ON_VETH(one_kick_sends_every_run),
		ON_VETH(the_engine_sees_tags),
		ON_VETH(stripped_tags_keep_vlans_apart),
		ON_VETH(the_kernel_keeps_the_rest),
		ON_VETH(without_socket_frames_go_to_the_kernel),
		ON_VETH(zerocopy_is_not_faked),
		ON_VETH(a_busy_queue_is_waited_for),
		ON_VETH(a_held_queue_is_refused),
		GENERIC(generic_mode_is_named),
		GENERIC(frames_of_every_size_come_in),
		GENERIC(frames_of_every_size_go_out),
	};

	veth = pair;
	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return veth_run(tests);
}
