/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replays tests/golden/CASE.in.pcap and compares what leaves with CASE.out.pcap, byte for byte.
 * `--update` writes the outputs instead; see make_requests.py for how they are reviewed. Runs in
 * the top directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aoe_rig.h"
#include "pcap.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUTS "tests/golden/*.in.pcap"
/* An identity of its own, so that answers do not depend on how one is made up. */
#define DISK "ram:1M,serial=GOLDEN-0001,wwn=0x5000000000000001"

static void rig_start(struct rig *rig)
{
	const struct rig_config config = {.disk = DISK};

	rig_open(rig, &config);
	rig_export(rig, "7.1", "any", NULL);
	rig_export(rig, "7.2", "02:00:00:00:00:0a,02:00:00:00:00:0b/ro", NULL);
	rig_export(rig, "5:7.1", "any", NULL);
	rig_export(rig, "100.5:7.1", "any", NULL);
}

/* `CASE.in.pcap` to `CASE.out.pcap`. */
static void output_path(const char *input, char *path, size_t size)
{
	snprintf(path, size, "%.*s.out.pcap", (int)(strlen(input) - strlen(".in.pcap")), input);
}

/* Calls `each` for every frame that leaves while the input is replayed. */
static void replay(const char *path, void (*each)(const struct pcap_frame *frame, void *ctx),
		   void *ctx)
{
	static struct pcap_frame in, out;
	static struct rig_frame frame;
	struct pcap pcap;
	struct rig rig;
	int ret;

	assert_true(pcap_open(&pcap, path));
	rig_start(&rig);
	while ((ret = pcap_read(&pcap, &in)) > 0) {
		rig.now = in.ns;
		frame.len = in.len;
		memcpy(frame.data, in.data, in.len);
		assert_int_equal(rig_rx(&rig, &frame), 0);
		while (rig_take(&rig, &frame)) {
			out.ns = in.ns;
			out.len = frame.len;
			memcpy(out.data, frame.data, frame.len);
			each(&out, ctx);
		}
	}
	assert_int_equal(ret, 0);
	assert_true(rig_idle(&rig));
	rig_close(&rig);
	pcap_close(&pcap);
}

struct expected {
	const char *path;
	struct pcap pcap;
	unsigned int frames;
};

static void compare(const struct pcap_frame *frame, void *ctx)
{
	static struct pcap_frame want;
	struct expected *expected = ctx;

	expected->frames++;
	if (pcap_read(&expected->pcap, &want) != 1)
		fail_msg("%s ends before frame %u", expected->path, expected->frames);
	if (want.len != frame->len || want.ns != frame->ns)
		fail_msg("%s: frame %u is of %u bytes at %llu ns, not %u at %llu", expected->path,
			 expected->frames, frame->len, (unsigned long long)frame->ns, want.len,
			 (unsigned long long)want.ns);
	for (uint32_t i = 0; i < frame->len; i++)
		if (frame->data[i] != want.data[i])
			fail_msg("%s: frame %u, byte %u is %02x, not %02x", expected->path,
				 expected->frames, i, frame->data[i], want.data[i]);
}

static void test_case(void **state)
{
	static struct pcap_frame rest;
	const char *input = *state;
	char path[256];
	struct expected expected = {.path = path};

	output_path(input, path, sizeof(path));
	if (!pcap_open(&expected.pcap, path))
		fail_msg("%s is missing: make it with --update", path);
	replay(input, compare, &expected);
	if (pcap_read(&expected.pcap, &rest) != 0)
		fail_msg("%s has more than the %u frames sent", path, expected.frames);
	pcap_close(&expected.pcap);
}

static void record(const struct pcap_frame *frame, void *ctx)
{
	assert_true(pcap_write(ctx, frame));
}

static void update_case(void **state)
{
	char path[256];
	struct pcap pcap;

	output_path(*state, path, sizeof(path));
	assert_true(pcap_create(&pcap, path));
	replay(*state, record, &pcap);
	pcap_close(&pcap);
}

int main(int argc, char **argv)
{
	bool update = argc > 1 && !strcmp(argv[1], "--update");
	struct CMUnitTest *tests;
	glob_t inputs;
	int ret;

	if (glob(INPUTS, 0, NULL, &inputs)) {
		fprintf(stderr, "no %s here\n", INPUTS);
		return 1;
	}
	tests = calloc(inputs.gl_pathc, sizeof(*tests));
	if (!tests)
		return 1;
	for (size_t i = 0; i < inputs.gl_pathc; i++)
		tests[i] = (struct CMUnitTest){
			.name = inputs.gl_pathv[i],
			.test_func = update ? update_case : test_case,
			.initial_state = inputs.gl_pathv[i],
		};
	ret = _cmocka_run_group_tests("golden", tests, inputs.gl_pathc, NULL, NULL);
	free(tests);
	globfree(&inputs);
	return ret;
}
