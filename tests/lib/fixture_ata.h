/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An ATA device on a recording disk, and one-line commands for it.
 */
#ifndef STGT_TESTS_FIXTURE_ATA_H
#define STGT_TESTS_FIXTURE_ATA_H

#include "ata/ata.h"
#include "fixture.h"

#define FIXTURE_LIMIT 16u /* sectors in a frame */

struct fixture_ata {
	struct fixture f;
	struct fixture_disk *disk;
	struct lu lu;
	struct ata_device *dev;
	struct fixture_command fc; /* the latest command */
};

/* What the device says after a command. */
struct fixture_answer {
	uint8_t status, error;
	uint16_t count;
	uint64_t lba;
	uint32_t len;
	const uint8_t *data; /* valid until the next command */
};

/* `durable`: the disk has no volatile cache to speak of. `state` may be NULL. */
void fixture_ata_open(struct fixture_ata *fa, uint64_t nblocks, uint64_t stored, bool durable,
		      struct state *state);
void fixture_ata_close(struct fixture_ata *fa);

/* Starts a command in `fc`; `len` bytes of data-out, or none when `data` is NULL. */
void fixture_ata_start(struct fixture_ata *fa, struct fixture_command *fc,
		       const struct ata_taskfile *tf, const void *data, uint32_t len);

/* Runs a command to its end, on a disk that does not hold requests. */
struct fixture_answer fixture_ata_run(struct fixture_ata *fa, const struct ata_taskfile *tf,
				      const void *data, uint32_t len);

#endif
