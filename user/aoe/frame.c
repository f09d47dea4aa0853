/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

int aoe_frame_read(const struct arena *arena, const struct sgl *data, struct aoe_frame *out)
{
	uint32_t len = data->len < sizeof(out->head) ? data->len : sizeof(out->head);

	out->arena = arena;
	out->data = data;
	sgl_copy_out(arena, data, 0, out->head, len);
	stgt_classify(out->head, out->head + len, &out->class);
	out->body = out->class.offset + (uint32_t)sizeof(struct wire_aoe);
	return out->class.proto == STGT_PROTO_AOE && !out->class.truncated ? 0 : -EBADMSG;
}

bool aoe_frame_copy(const struct aoe_frame *frame, uint32_t off, void *to, uint32_t len)
{
	uint32_t left = aoe_frame_body_len(frame);

	if (off > left || len > left - off)
		return false;
	sgl_copy_out(frame->arena, frame->data, frame->body + off, to, len);
	return true;
}

int aoe_frame_spans(const struct aoe_frame *frame, uint32_t off, struct span *spans,
		    unsigned int max, uint32_t *len)
{
	uint64_t skip = (uint64_t)frame->body + off;
	unsigned int n = 0;

	*len = 0;
	for (uint32_t i = 0; i < frame->data->nspans; i++) {
		const struct span *span = &frame->data->spans[i];

		if (skip >= span->len) {
			skip -= span->len;
			continue;
		}
		if (n == max)
			return -E2BIG;
		spans[n].addr = span->addr + (uint32_t)skip;
		spans[n].len = span->len - (uint32_t)skip;
		*len += spans[n++].len;
		skip = 0;
	}
	return (int)n;
}

static uint32_t head_put_aoe(uint8_t *head, uint32_t at, uint16_t shelf, uint8_t slot,
			     uint8_t command, __be32 tag)
{
	const struct wire_aoe aoe = {
		.ver_flags = AOE_VERSION << 4 | AOE_FLAG_RESPONSE,
		.shelf = htobe16(shelf),
		.slot = slot,
		.command = command,
		.tag = tag,
	};

	memcpy(head + at, &aoe, sizeof(aoe));
	return at + (uint32_t)sizeof(aoe);
}

uint32_t aoe_frame_answer(const struct aoe_frame *frame, const uint8_t mac[WIRE_MAC_LEN],
			  uint16_t shelf, uint8_t slot, uint8_t head[AOE_HEADER_MAX])
{
	struct wire_aoe asked;

	memcpy(&asked, frame->head + frame->class.offset, sizeof(asked));
	memcpy(head, frame->head, frame->class.offset);
	memcpy(head, aoe_frame_eth(frame)->src, WIRE_MAC_LEN);
	memcpy(head + WIRE_MAC_LEN, mac, WIRE_MAC_LEN);
	return head_put_aoe(head, frame->class.offset, shelf, slot, asked.command, asked.tag);
}

/* Appends a 16-bit big-endian value. */
static uint32_t head_put_be16(uint8_t *head, uint32_t at, uint16_t value)
{
	head[at] = (uint8_t)(value >> 8);
	head[at + 1] = (uint8_t)value;
	return at + 2;
}

uint32_t aoe_frame_announce(uint32_t vlan, const uint8_t mac[WIRE_MAC_LEN], uint16_t shelf,
			    uint8_t slot, uint8_t command, uint8_t head[AOE_HEADER_MAX])
{
	uint32_t at = 2 * WIRE_MAC_LEN;

	memset(head, 0xff, WIRE_MAC_LEN);
	memcpy(head + WIRE_MAC_LEN, mac, WIRE_MAC_LEN);
	if (aoe_vlan_tags(vlan) == 2) {
		at = head_put_be16(head, at, WIRE_TYPE_8021AD);
		at = head_put_be16(head, at, (uint16_t)(vlan >> 12));
	}
	if (vlan) {
		at = head_put_be16(head, at, WIRE_TYPE_8021Q);
		at = head_put_be16(head, at, vlan & WIRE_VID_MASK);
	}
	at = head_put_be16(head, at, WIRE_TYPE_AOE);
	return head_put_aoe(head, at, shelf, slot, command, 0);
}

void aoe_frame_set_error(uint8_t *head, uint32_t len, uint8_t error)
{
	uint8_t *aoe = head + len - sizeof(struct wire_aoe);

	aoe[offsetof(struct wire_aoe, ver_flags)] |= AOE_FLAG_ERROR;
	aoe[offsetof(struct wire_aoe, error)] = error;
}
