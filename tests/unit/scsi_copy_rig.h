/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For tests of EXTENDED COPY: a second unit beside the fixture's, parameter lists that are written
 * a descriptor at a time, and a copy that can be looked at while it runs.
 */
#ifndef TESTS_SCSI_COPY_RIG_H
#define TESTS_SCSI_COPY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

#define SECTORS	  8192u
#define THIS_UNIT 0xffff

/* LUN 1 beside the fixture's, with blocks of 4096 bytes. */
static struct fixture_scsi fs;
static struct fixture_disk *other;
static struct lu other_lu;
static struct scsi_device *other_dev;
static bool other_gone;

static uint8_t list[32768], before[SECTORS * 512];
static uint32_t cscds, segments, segments_len;

static inline void note_gone(void *ctx)
{
	other_gone = true;
}

static inline void take_attention(unsigned int n, uint64_t lun)
{
	static const uint8_t test_unit_ready[6];

	fs.fc.cmd.scsi.lun = lun << 48;
	while (fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).key == 6)
		;
	fs.fc.cmd.scsi.lun = 0;
}

static inline int setup_with(bool read_only)
{
	struct scsi_device_config unit = {.lu = &other_lu, .logical_block = 4096};

	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.nblocks = SECTORS});
	fs.disk->disk.wwn = 0x5000000000000001;
	other = fixture_disk_open(SECTORS, SECTORS);
	other->disk.wwn = 0x5000000000000002;
	lu_init(&other_lu, &other->disk, false);
	assert_int_equal(scsi_device_open(&unit, &other_dev, NULL), 0);
	assert_int_equal(scsi_target_add_lun(fs.target, 1, other_dev, read_only), 0);
	fixture_scsi_turn(&fs);
	for (unsigned int n = 0; n < 2; n++) {
		take_attention(n, 0);
		take_attention(n, 1);
	}
	for (uint32_t i = 0; i < sizeof(before); i++)
		before[i] = (uint8_t)(i * 7 + i / 512);
	memcpy(fs.disk->data, before, sizeof(before));
	memset(other->data, 0x99, sizeof(before));
	memset(list, 0, sizeof(list));
	cscds = segments = segments_len = 0;
	other_gone = false;
	return 0;
}

static inline int setup(void **state)
{
	return setup_with(false);
}

static inline int teardown(void **state)
{
	if (!other_gone)
		assert_int_equal(scsi_target_remove_lun(fs.target, 1, note_gone, NULL), 0);
	fixture_scsi_turn(&fs);
	assert_true(other_gone);
	fixture_scsi_close(&fs);
	scsi_device_close(other_dev);
	lu_fini(&other_lu);
	fixture_disk_close(other);
	return 0;
}

/* ---- parameter lists ---- */

static inline void cscd(const struct disk *disk)
{
	uint8_t *at = list + 16 + 32 * cscds++;

	at[0] = 0xe4;
	at[4] = 1;
	at[5] = 3;
	at[7] = 8;
	put_be64(at + 8, disk->wwn);
	put_be16(list + 2, (uint16_t)(32 * cscds));
}

static inline void no_segments(void)
{
	segments = segments_len = 0;
}

static inline uint8_t *segment_of(uint8_t type, uint16_t len, uint16_t from, uint16_t to,
				  uint64_t from_lba, uint64_t to_lba)
{
	uint8_t *at = list + 16 + 32 * cscds + segments_len;

	at[0] = type;
	put_be16(at + 2, (uint16_t)(len - 4));
	put_be16(at + 4, from);
	put_be16(at + 6, to);
	put_be64(at + 12, from_lba);
	put_be64(at + 20, to_lba);
	segments++;
	segments_len += len;
	put_be32(list + 8, segments_len);
	return at;
}

static inline uint8_t *segment(uint16_t from, uint16_t to, uint16_t blocks, uint64_t from_lba,
			       uint64_t to_lba)
{
	uint8_t *at = segment_of(0x02, 28, from, to, from_lba, to_lba);

	put_be16(at + 10, blocks);
	return at;
}

/* So many bytes, from so many behind the blocks on. */
static inline void segment_of_bytes(uint16_t from, uint16_t to, uint32_t bytes, uint64_t from_lba,
				    uint16_t from_off, uint64_t to_lba, uint16_t to_off)
{
	uint8_t *at = segment_of(0x0a, 32, from, to, from_lba, to_lba);

	put_be32(at + 8, bytes);
	put_be16(at + 28, from_off);
	put_be16(at + 30, to_off);
}

static inline uint32_t list_len(void)
{
	return 16 + 32 * cscds + segments_len;
}

static inline void copy_cdb(uint8_t cdb[16], uint32_t len)
{
	memset(cdb, 0, 16);
	cdb[0] = 0x83;
	put_be32(cdb + 10, len);
}

static inline struct fixture_scsi_answer copy_of(uint32_t len)
{
	uint8_t cdb[16];

	copy_cdb(cdb, len);
	return fixture_scsi_run(&fs, 0, cdb, 16, list, len, 0);
}

static inline struct fixture_scsi_answer copy(void)
{
	return copy_of(list_len());
}

static inline struct fixture_scsi_answer results(uint8_t action, uint8_t id)
{
	const uint8_t cdb[16] = {0x84, action, id, [12] = 0x04};

	return fixture_scsi_run(&fs, 0, cdb, 16, NULL, 0, 1024);
}

/* ---- a copy that runs ---- */

static struct fixture_scsi_command running;

static inline void start(void)
{
	uint8_t cdb[16];

	copy_cdb(cdb, list_len());
	memset(&running, 0, sizeof(running));
	fixture_scsi_start(&fs, &running, 0, cdb, 16, list, list_len(), NULL, 0);
}

static inline void tmf_done(struct scsi_tmf *tmf)
{
}

#endif
