/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scsi/sense.h"

#include "base/bytes.h"
#include <string.h>

#define FIXED_CURRENT	  0x70
#define FIXED_LEN	  18u
#define DESCRIPTOR_HEADER 8u
#define INFORMATION_LEN	  12u
#define KEY_SPECIFIC_LEN  8u

static bool has_key_specific(const struct scsi_sense *sense)
{
	return sense->has_field || sense->has_progress;
}

/* SPC-5 4.5.2.4: SKSV, and the pointer to a field or how far an operation is. */
static void put_key_specific(const struct scsi_sense *sense, uint8_t out[3])
{
	if (sense->has_field) {
		out[0] = (uint8_t)(0x80 | (sense->in_list ? 0 : 0x40) |
				   (sense->bit < 8 ? 0x08 | sense->bit : 0));
		put_be16(out + 1, sense->field);
	} else {
		out[0] = 0x80;
		put_be16(out + 1, sense->progress);
	}
}

static uint8_t format_fixed(const struct scsi_sense *sense, uint8_t *out)
{
	bool fits = sense->has_information && sense->information <= UINT32_MAX;

	memset(out, 0, FIXED_LEN);
	out[0] = FIXED_CURRENT | (fits ? 0x80 : 0);
	out[2] = (uint8_t)sense->key;
	if (fits)
		put_be32(out + 3, (uint32_t)sense->information);
	out[7] = FIXED_LEN - 8;
	put_be16(out + 12, sense->asc);
	if (has_key_specific(sense))
		put_key_specific(sense, out + 15);
	return FIXED_LEN;
}

static uint8_t format_descriptor(const struct scsi_sense *sense, uint8_t *out)
{
	uint8_t *at = out + DESCRIPTOR_HEADER;

	memset(out, 0, DESCRIPTOR_HEADER + INFORMATION_LEN + KEY_SPECIFIC_LEN);
	out[0] = SCSI_SENSE_DESCRIPTOR;
	out[1] = (uint8_t)sense->key;
	put_be16(out + 2, sense->asc);
	if (sense->has_information) {
		at[1] = INFORMATION_LEN - 2;
		at[2] = 0x80;
		put_be64(at + 4, sense->information);
		at += INFORMATION_LEN;
	}
	if (has_key_specific(sense)) {
		at[0] = 0x02;
		at[1] = KEY_SPECIFIC_LEN - 2;
		put_key_specific(sense, at + 4);
		at += KEY_SPECIFIC_LEN;
	}
	out[7] = (uint8_t)(at - out - DESCRIPTOR_HEADER);
	return (uint8_t)(at - out);
}

uint8_t scsi_sense_format(const struct scsi_sense *sense, bool descriptor, uint8_t *out)
{
	return descriptor ? format_descriptor(sense, out) : format_fixed(sense, out);
}
