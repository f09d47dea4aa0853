/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fixture_ata.h"

#include <assert.h>
#include <string.h>

void fixture_ata_open(struct fixture_ata *fa, uint64_t nblocks, uint64_t stored, bool durable,
		      struct state *state)
{
	memset(fa, 0, sizeof(*fa));
	fixture_open(&fa->f);
	fa->disk = fixture_disk_open(nblocks, stored);
	fa->disk->disk.spec.cache = durable ? DISK_WRITETHROUGH : DISK_WRITEBACK;
	lu_init(&fa->lu, &fa->disk->disk, true);
	assert(!ata_device_open(&fa->lu, state, &fa->dev, NULL));
	fixture_command_init(&fa->f, &fa->lu, &fa->fc);
}

void fixture_ata_close(struct fixture_ata *fa)
{
	fixture_command_fini(&fa->fc);
	ata_device_close(fa->dev);
	lu_fini(&fa->lu);
	fixture_disk_close(fa->disk);
	fixture_close(&fa->f);
}

void fixture_ata_start(struct fixture_ata *fa, struct fixture_command *fc,
		       const struct ata_taskfile *tf, const void *data, uint32_t len)
{
	fc->cmd.ata = *tf;
	fc->delivered = 0;
	fc->places = 0;
	fixture_command_data(fc, data, data ? len : 0, 0);
	ata_execute(fa->dev, &fc->cmd, FIXTURE_LIMIT);
}

struct fixture_answer fixture_ata_run(struct fixture_ata *fa, const struct ata_taskfile *tf,
				      const void *data, uint32_t len)
{
	struct fixture_command *fc = &fa->fc;

	fixture_ata_start(fa, fc, tf, data, len);
	assert(fc->delivered == 1);
	return (struct fixture_answer){
		.status = fc->cmd.ata.status,
		.error = fc->cmd.ata.error,
		.count = fc->cmd.ata.count,
		.lba = fc->cmd.ata.lba,
		.len = fc->cmd.data_in.len,
		.data = fixture_command_reply(fc),
	};
}
