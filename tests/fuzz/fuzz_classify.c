/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The classifier over any bytes: reads nothing behind them and claims nothing that is not there. */
#include "stgt/classify.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as the input, so that ASan sees a read behind it. */
	uint8_t *frame = malloc(size ? size : 1);
	struct stgt_class class;

	require(frame != NULL);
	memcpy(frame, data, size);
	stgt_classify(frame, frame + size, &class);
	require(class.proto < STGT_PROTOS);
	require(class.tags <= CLASSIFY_TAGS_MAX);
	require(class.vlan <= 0xffffff);
	if (class.proto != STGT_PROTO_NONE) {
		require(class.offset == 14 + 4 * class.tags && class.offset <= size);
		require(class.tags == 2 || class.vlan <= WIRE_VID_MASK);
	}
	if (class.proto == STGT_PROTO_AOE)
		require(class.truncated == (size - class.offset < sizeof(struct wire_aoe)));
	else
		require(!class.truncated && !class.aoe_shelf && !class.aoe_command);
	free(frame);
	return 0;
}
