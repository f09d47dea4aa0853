/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The classifier that BPF and the engine share: a table of frames and what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stgt/classify.h"
#include <stdlib.h>
#include <string.h>

#define MACS 12
#define AOE  "\x88\xa2\x10\x00\x12\x34\x56\x01\xde\xad\xbe\xef"

static const struct {
	const char *name;
	const char *bytes; /* from the first EtherType on */
	unsigned int len;
	struct stgt_class expected;
} frames[] = {
#define FRAME(name_, bytes_, ...)                  \
	{                                          \
		name_, bytes_, sizeof(bytes_) - 1, \
		{                                  \
			__VA_ARGS__                \
		}                                  \
	}
	FRAME("untagged", AOE, .proto = STGT_PROTO_AOE, .aoe_ver_flags = 0x10, .aoe_shelf = 0x1234,
	      .aoe_slot = 0x56, .aoe_command = 1, .offset = 14),
	FRAME("802.1Q", "\x81\x00\xe0\x05" AOE, .proto = STGT_PROTO_AOE, .tags = 1,
	      .aoe_ver_flags = 0x10, .aoe_shelf = 0x1234, .aoe_slot = 0x56, .aoe_command = 1,
	      .offset = 18, .vlan = 5),
	FRAME("802.1ad alone", "\x88\xa8\x00\x05" AOE, .proto = STGT_PROTO_AOE, .tags = 1,
	      .aoe_ver_flags = 0x10, .aoe_shelf = 0x1234, .aoe_slot = 0x56, .aoe_command = 1,
	      .offset = 18, .vlan = 5),
	FRAME("priority tag", "\x81\x00\xe0\x00" AOE, .proto = STGT_PROTO_AOE, .tags = 1,
	      .aoe_ver_flags = 0x10, .aoe_shelf = 0x1234, .aoe_slot = 0x56, .aoe_command = 1,
	      .offset = 18, .vlan = 0),
	FRAME("QinQ", "\x88\xa8\x00\x64\x81\x00\x00\x05" AOE, .proto = STGT_PROTO_AOE, .tags = 2,
	      .aoe_ver_flags = 0x10, .aoe_shelf = 0x1234, .aoe_slot = 0x56, .aoe_command = 1,
	      .offset = 22, .vlan = 100 << 12 | 5),
	FRAME("priority tag inside", "\x88\xa8\x00\x64\x81\x00\x60\x00" AOE,
	      .proto = STGT_PROTO_AOE, .tags = 2, .aoe_ver_flags = 0x10, .aoe_shelf = 0x1234,
	      .aoe_slot = 0x56, .aoe_command = 1, .offset = 22, .vlan = 100),
	FRAME("largest VIDs", "\x88\xa8\xff\xff\x81\x00\xff\xff" AOE, .proto = STGT_PROTO_AOE,
	      .tags = 2, .aoe_ver_flags = 0x10, .aoe_shelf = 0x1234, .aoe_slot = 0x56,
	      .aoe_command = 1, .offset = 22, .vlan = 0xffffff),
	FRAME("three tags", "\x81\x00\x00\x01\x81\x00\x00\x02\x81\x00\x00\x03" AOE, .tags = 2,
	      .offset = 22, .vlan = 1 << 12 | 2),
	FRAME("FCoE", "\x89\x06", .proto = STGT_PROTO_FCOE, .offset = 14),
	FRAME("FIP, tagged", "\x81\x00\x00\x07\x89\x14", .proto = STGT_PROTO_FIP, .tags = 1,
	      .offset = 18, .vlan = 7),
	FRAME("IPv4", "\x08\x00\x45", .offset = 14),
};

static void test_frames(void **state)
{
	for (unsigned int i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint8_t data[64] = {0};
		struct stgt_class class;

		memcpy(data + MACS, frames[i].bytes, frames[i].len);
		stgt_classify(data, data + MACS + frames[i].len, &class);
		if (memcmp(&class, &frames[i].expected, sizeof(class)))
			fail_msg("%s is read wrongly", frames[i].name);
	}
}

/* Cut anywhere, no byte behind the end is read (ASan watches) and nothing is made up. */
static void test_cut_frames(void **state)
{
	for (unsigned int i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		for (unsigned int len = 0; len < MACS + frames[i].len; len++) {
			uint8_t *data = calloc(1, len ? len : 1);
			struct stgt_class class;

			if (len > MACS)
				memcpy(data + MACS, frames[i].bytes, len - MACS);
			stgt_classify(data, data + len, &class);
			if (class.proto == STGT_PROTO_AOE)
				assert_true(class.truncated);
			assert_int_equal(class.aoe_shelf, 0);
			assert_int_equal(class.aoe_slot, 0);
			free(data);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_cut_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
