/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For tests of reservations: the commands, a line each, and what is looked at after them. */
#ifndef TESTS_SCSI_RESERVE_RIG_H
#define TESTS_SCSI_RESERVE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <string.h>

enum {
	REGISTER,
	RESERVE,
	RELEASE,
	CLEAR,
	PREEMPT,
	PREEMPT_AND_ABORT,
	IGNORE,
	MOVE
};

#define APTPL	  0x01
#define ALL_TG_PT 0x04
#define SPEC_I_PT 0x08

static struct fixture_scsi fs;

static inline int setup(void **state)
{
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){});
	return 0;
}

static inline int teardown(void **state)
{
	fixture_scsi_close(&fs);
	return 0;
}

/* ---- commands ---- */

static inline struct fixture_scsi_answer out_list(unsigned int n, uint8_t action, uint8_t type,
						  const uint8_t *list, uint32_t len)
{
	uint8_t cdb[10] = {0x5f, action, type};

	put_be32(cdb + 5, len);
	return fixture_scsi_run(&fs, n, cdb, 10, list, len, 0);
}

static inline struct fixture_scsi_answer out(unsigned int n, uint8_t action, uint8_t type,
					     uint64_t key, uint64_t action_key, uint8_t flags)
{
	uint8_t list[24] = {};

	put_be64(list, key);
	put_be64(list + 8, action_key);
	list[20] = flags;
	return out_list(n, action, type, list, sizeof(list));
}

static inline void enroll(unsigned int n, uint64_t key)
{
	assert_int_equal(out(n, REGISTER, 0, 0, key, 0).status, SCSI_GOOD);
}

static inline struct fixture_scsi_answer in(uint8_t action, uint16_t alloc)
{
	uint8_t cdb[10] = {0x5e, action};

	put_be16(cdb + 7, alloc);
	return fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, alloc);
}

static inline void assert_keys(unsigned int n, const uint64_t *keys)
{
	struct fixture_scsi_answer a = in(0, 512);

	assert_int_equal(get_be32(a.data + 4), 8 * n);
	assert_int_equal(a.len, 8 + 8 * n);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(get_be64(a.data + 8 + 8 * i), keys[i]);
}

static inline uint32_t generation(void)
{
	return get_be32(in(0, 8).data);
}

static inline void assert_reserved(uint8_t type, uint64_t key)
{
	struct fixture_scsi_answer a = in(1, 64);

	assert_int_equal(get_be32(a.data + 4), type ? 16 : 0);
	if (!type)
		return;
	assert_int_equal(get_be64(a.data + 8), key);
	assert_int_equal(a.data[21], type);
}

static inline uint8_t six(unsigned int n, uint8_t opcode)
{
	const uint8_t cdb[6] = {opcode};

	return fixture_scsi_run(&fs, n, cdb, 6, NULL, 0, 0).status;
}

static inline uint16_t attention_of(unsigned int n)
{
	static const uint8_t test_unit_ready[6];

	return fixture_scsi_run(&fs, n, test_unit_ready, 6, NULL, 0, 0).asc;
}

static inline uint8_t read_by(unsigned int n)
{
	static const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};

	return fixture_scsi_run(&fs, n, cdb, 10, NULL, 0, 512).status;
}

static inline uint8_t write_by(unsigned int n)
{
	static const uint8_t block[512];
	static const uint8_t cdb[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1};

	return fixture_scsi_run(&fs, n, cdb, 10, block, 512, 0).status;
}

static inline void managed(struct scsi_tmf *tmf)
{
}

static inline void reset_unit(void)
{
	struct scsi_tmf tmf = {.function = SCSI_LU_RESET, .done = managed};

	scsi_task_management(fs.nexus[0], &tmf);
	fixture_scsi_turn(&fs);
	for (unsigned int n = 0; n < FIXTURE_SCSI_NEXUSES; n++)
		if (fs.nexus[n])
			attention_of(n);
}

#endif
