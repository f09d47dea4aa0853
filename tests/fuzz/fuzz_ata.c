/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ATA model with hostile registers. The input is a sequence of commands, each 16 bytes:
 * command, feature, count (2), LBA (6), length of data-out in 64-byte units (2), where the data
 * comes from, how it is cut, limit, and whether the disk answers late. Each command must end
 * exactly once.
 */
#include "cursor.h"
#include "fixture_ata.h"
#include <stdlib.h>

#define NBLOCKS	  3000u
#define COMMANDS  32
#define DATA_MAX  (20u * 512u)
#define PIECE_MIN (DATA_MAX / BLK_MAX_SPANS)

static void check(const struct fixture_command *fc)
{
	const struct ata_taskfile *tf = &fc->cmd.ata;

	if (fc->delivered != 1 || !(tf->status & ATA_DRDY))
		abort();
	if (tf->status & ATA_ERR ? fc->cmd.data_in.len || !tf->error : tf->status != ATA_DRDY)
		abort();
}

static void run_one(struct fixture_ata *fa, struct cursor *c)
{
	struct fixture_command *fc = &fa->fc;
	static uint8_t data[DATA_MAX];
	uint32_t len, piece;
	unsigned int limit;
	uint8_t seed;

	fc->cmd.ata = (struct ata_taskfile){.command = cursor_u8(c), .feature = cursor_u8(c)};
	fc->cmd.ata.count = cursor_be16(c);
	fc->cmd.ata.lba = (uint64_t)cursor_be16(c) << 32;
	fc->cmd.ata.lba |= cursor_be32(c);
	len = cursor_be16(c) * 64u % (DATA_MAX + 1);
	seed = cursor_u8(c);
	piece = PIECE_MIN + cursor_u8(c);
	limit = cursor_u8(c) % 18;
	fa->disk->hold = cursor_u8(c) & 1;
	memset(data, seed, sizeof(data));
	/* Ranges of TRIM that are worth a try: the input itself. */
	if (seed & 1 && cursor_left(c))
		memcpy(data, c->at, cursor_left(c) < 512 ? cursor_left(c) : 512);
	fc->delivered = 0;
	fixture_command_data(fc, data, len, piece);
	ata_execute(fa->dev, &fc->cmd, limit);
	while (!fc->delivered && !list_empty(&fa->disk->held))
		fixture_disk_release(fa->disk);
	check(fc);
	fa->disk->requests = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct cursor c = cursor_over(input, size);
	struct fixture_ata fa;
	int i;

	fixture_ata_open(&fa, NBLOCKS, NBLOCKS, size & 1, NULL);
	for (i = 0; i < COMMANDS && cursor_left(&c); i++)
		run_one(&fa, &c);
	fixture_ata_close(&fa);
	return 0;
}
