/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* READ, WRITE, FLUSH and READ VERIFY: what they transfer, what they refuse, what the store sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "fixture_ata.h"
#include <string.h>

#define STORED 256u
#define ABRT   0x04
#define IDNF   0x10
#define UNC    0x40

struct width {
	uint8_t command;
	bool ext;
};

static const struct width reads[] = {{0x20, false}, {0x21, false}, {0xc8, false}, {0xc9, false},
				     {0x24, true},  {0x25, true},  {0xc4, false}, {0x29, true}};
static const struct width writes[] = {{0x30, false}, {0x31, false}, {0xca, false}, {0xcb, false},
				      {0x34, true},  {0x35, true},  {0x3d, true},  {0xc5, false},
				      {0x39, true},  {0xce, true}};
static const struct width verifies[] = {{0x40, false}, {0x41, false}, {0x42, true}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fixture_answer run(struct fixture_ata *fa, uint8_t command, uint64_t lba,
				 uint16_t count, const void *data, uint32_t len)
{
	struct ata_taskfile tf = {.command = command, .lba = lba, .count = count};

	return fixture_ata_run(fa, &tf, data, len);
}

static void assert_ok(struct fixture_answer a)
{
	assert_int_equal(a.status, 0x40);
	assert_int_equal(a.error, 0);
}

static void assert_error(struct fixture_answer a, uint8_t error)
{
	assert_int_equal(a.status & 0x41, 0x41);
	assert_int_equal(a.error, error);
	assert_int_equal(a.len, 0);
}

/* Every byte tells its place. */
static void pattern(uint8_t *data, uint32_t len, uint8_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		data[i] = (uint8_t)(i / 512 * 7 + i + seed);
}

static void open_disk(struct fixture_ata *fa, uint64_t nblocks)
{
	fixture_ata_open(fa, nblocks, STORED, true, NULL);
	/* READ and WRITE MULTIPLE work as the others do once they are on. */
	assert_ok(run(fa, 0xc6, 0, 16, NULL, 0));
}

static void test_every_read(void **unused)
{
	struct fixture_ata fa;
	uint8_t expected[16 * 512];
	unsigned int i;

	open_disk(&fa, STORED);
	pattern(fa.disk->data, STORED * 512, 1);
	for (i = 0; i < COUNT(reads); i++) {
		struct fixture_answer a = run(&fa, reads[i].command, 7, 16, NULL, 0);

		assert_ok(a);
		assert_int_equal(a.len, sizeof(expected));
		assert_memory_equal(a.data, fa.disk->data + 7 * 512, sizeof(expected));
		/* The last sector, and data that nobody asked for behind a READ. */
		a = run(&fa, reads[i].command, STORED - 1, 1, expected, sizeof(expected));
		assert_ok(a);
		assert_int_equal(a.len, 512);
		assert_memory_equal(a.data, fa.disk->data + (STORED - 1) * 512, 512);
	}
	fixture_ata_close(&fa);
}

static void test_every_write(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[16 * 512];
	unsigned int i;

	open_disk(&fa, STORED);
	for (i = 0; i < COUNT(writes); i++) {
		pattern(data, sizeof(data), (uint8_t)(i * 31));
		assert_ok(run(&fa, writes[i].command, 9, 16, data, sizeof(data)));
		assert_memory_equal(fa.disk->data + 9 * 512, data, sizeof(data));
		assert_ok(run(&fa, writes[i].command, STORED - 1, 1, data, 512));
		assert_memory_equal(fa.disk->data + (STORED - 1) * 512, data, 512);
	}
	fixture_ata_close(&fa);
}

/* What lies behind the sectors asked for (padding) is not written. */
static void test_write_ignores_what_follows(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[4 * 512];

	open_disk(&fa, STORED);
	pattern(data, sizeof(data), 3);
	assert_ok(run(&fa, 0x34, 20, 2, data, sizeof(data)));
	assert_memory_equal(fa.disk->data + 20 * 512, data, 1024);
	memset(data, 0, sizeof(data));
	assert_memory_equal(fa.disk->data + 22 * 512, data, 1024);
	fixture_ata_close(&fa);
}

static void test_write_in_odd_pieces(void **unused)
{
	static const uint32_t pieces[] = {300, 511, 513, 600, 1000, 1535};
	struct fixture_ata fa;
	uint8_t data[1536 + 100];
	unsigned int i;

	open_disk(&fa, STORED);
	for (i = 0; i < COUNT(pieces); i++) {
		pattern(data, sizeof(data), (uint8_t)i);
		fa.fc.cmd.ata = (struct ata_taskfile){.command = 0x34, .lba = 4, .count = 3};
		fa.fc.delivered = 0;
		fixture_command_data(&fa.fc, data, sizeof(data), pieces[i]);
		ata_execute(fa.dev, &fa.fc.cmd, FIXTURE_LIMIT);
		assert_int_equal(fa.fc.delivered, 1);
		assert_int_equal(fa.fc.cmd.ata.status, 0x40);
		assert_memory_equal(fa.disk->data + 4 * 512, data, 1536);
	}
	fixture_ata_close(&fa);
}

/* More pieces than a block request can name. */
static void test_write_in_too_many_pieces(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[512] = {1};

	open_disk(&fa, STORED);
	fa.fc.delivered = 0;
	fa.fc.cmd.ata = (struct ata_taskfile){.command = 0x34, .lba = 4, .count = 1};
	fixture_command_data(&fa.fc, data, sizeof(data), 56);
	ata_execute(fa.dev, &fa.fc.cmd, FIXTURE_LIMIT);
	assert_int_equal(fa.fc.delivered, 1);
	assert_int_equal(fa.fc.cmd.ata.error, ABRT);
	assert_int_equal(fa.disk->requests, 0);
	fixture_ata_close(&fa);
}

static void test_count_zero_and_over_the_limit(void **unused)
{
	static uint8_t data[300 * 512];
	static const uint16_t counts[] = {0, FIXTURE_LIMIT + 1, 255};
	struct fixture_ata fa;
	unsigned int i, j;

	open_disk(&fa, 1000);
	for (j = 0; j < COUNT(counts); j++) {
		for (i = 0; i < COUNT(reads); i++)
			assert_error(run(&fa, reads[i].command, 0, counts[j], NULL, 0), ABRT);
		for (i = 0; i < COUNT(writes); i++)
			assert_error(run(&fa, writes[i].command, 0, counts[j], data, 17 * 512),
				     ABRT);
	}
	/* The high byte belongs to the 48-bit commands only. */
	assert_error(run(&fa, 0x24, 0, 0x0101, NULL, 0), ABRT);
	assert_ok(run(&fa, 0x20, 0, 0x0101, NULL, 0));
	assert_int_equal(fixture_disk_count(fa.disk, BLK_WRITE), 0);
	assert_int_equal(fixture_disk_count(fa.disk, BLK_READ), 1);
	fixture_ata_close(&fa);
}

static void test_write_without_its_data(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[16 * 512];
	unsigned int i;

	open_disk(&fa, STORED);
	memset(data, 0x77, sizeof(data));
	for (i = 0; i < COUNT(writes); i++) {
		assert_error(run(&fa, writes[i].command, 0, 1, NULL, 0), ABRT);
		assert_error(run(&fa, writes[i].command, 0, 1, data, 511), ABRT);
		assert_error(run(&fa, writes[i].command, 0, 16, data, 16 * 512 - 1), ABRT);
	}
	assert_int_equal(fa.disk->requests, 0);
	fixture_ata_close(&fa);
}

static void assert_reach(struct fixture_ata *fa, const struct width *w, uint64_t lba,
			 uint16_t count, bool good)
{
	static uint8_t data[16 * 512];
	unsigned int before = fa->disk->requests;
	struct fixture_answer a = run(fa, w->command, lba, count, data, sizeof(data));

	if (good) {
		assert_ok(a);
		assert_int_equal(fa->disk->log[before].lba, lba);
		return;
	}
	assert_error(a, IDNF);
	assert_int_equal(fa->disk->requests, before);
}

static void assert_edges(struct fixture_ata *fa, const struct width *w, uint64_t end)
{
	assert_reach(fa, w, end - 1, 1, true);
	assert_reach(fa, w, end - 16, 16, true);
	assert_reach(fa, w, end - 1, 2, false);
	assert_reach(fa, w, end - 15, 16, false);
}

static void for_all(void (*check)(struct fixture_ata *fa, const struct width *w),
		    struct fixture_ata *fa)
{
	unsigned int i;

	for (i = 0; i < COUNT(reads); i++)
		check(fa, &reads[i]);
	for (i = 0; i < COUNT(writes); i++)
		check(fa, &writes[i]);
	for (i = 0; i < COUNT(verifies); i++)
		check(fa, &verifies[i]);
}

static void check_end(struct fixture_ata *fa, const struct width *w)
{
	uint64_t nblocks = atomic_load(&fa->disk->disk.nblocks);
	uint64_t reach = w->ext ? 1ull << 48 : 1ull << 28;

	assert_edges(fa, w, nblocks < reach ? nblocks : reach);
	if (nblocks < reach) {
		assert_reach(fa, w, nblocks, 1, false);
		assert_reach(fa, w, reach - 1, 1, false);
		assert_reach(fa, w, reach - 1, 16, false);
	}
}

static void test_end_of_the_disk(void **unused)
{
	static const uint64_t sizes[] = {16,
					 1000,
					 (1ull << 28) - 1,
					 1ull << 28,
					 (1ull << 28) + 1,
					 1ull << 31,
					 (1ull << 31) + 1,
					 (1ull << 32) - 1,
					 (1ull << 32) + 1,
					 (1ull << 48) - 1,
					 1ull << 48,
					 1ull << 50};
	struct fixture_ata fa;
	unsigned int i;

	for (i = 0; i < COUNT(sizes); i++) {
		open_disk(&fa, sizes[i]);
		for_all(check_end, &fa);
		fixture_ata_close(&fa);
	}
}

/* Initiators put 0xe0 or 0xa0 into the byte that holds bits 24 to 31. */
static void check_mask(struct fixture_ata *fa, const struct width *w)
{
	static uint8_t data[512];
	struct fixture_answer a = run(fa, w->command, 0xe0000000ull | 5, 1, data, sizeof(data));

	if (w->ext) {
		assert_error(a, IDNF);
		return;
	}
	assert_ok(a);
	assert_int_equal(fa->disk->log[fa->disk->requests - 1].lba, 5);
	/* Whatever the transport put above. */
	assert_ok(run(fa, w->command, 0xfffff0000000ull | 6, 1, data, sizeof(data)));
	assert_int_equal(fa->disk->log[fa->disk->requests - 1].lba, 6);
}

static void test_28_bit_commands_mask_the_address(void **unused)
{
	struct fixture_ata fa;

	open_disk(&fa, 1000);
	for_all(check_mask, &fa);
	fixture_ata_close(&fa);
}

static void test_shrunk_disk(void **unused)
{
	struct fixture_ata fa;

	open_disk(&fa, 1000);
	assert_ok(run(&fa, 0x24, 999, 1, NULL, 0));
	atomic_store(&fa.disk->disk.nblocks, 500);
	assert_error(run(&fa, 0x24, 999, 1, NULL, 0), IDNF);
	fixture_ata_close(&fa);
}

static void test_errors_of_the_store(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[512] = {0};
	struct fixture_answer a;

	open_disk(&fa, STORED);
	fa.disk->fail[BLK_READ] = BLK_EIO;
	assert_error(run(&fa, 0x24, 0, 1, NULL, 0), UNC);
	assert_error(run(&fa, 0x42, 0, 1, NULL, 0), UNC);
	fa.disk->fail[BLK_WRITE] = BLK_EIO;
	a = run(&fa, 0x34, 0, 1, data, 512);
	assert_error(a, ABRT);
	assert_int_equal(a.status, 0x61); /* device fault */
	fa.disk->fail[BLK_WRITE] = BLK_ENOSPC;
	a = run(&fa, 0x34, 0, 1, data, 512);
	assert_error(a, ABRT);
	assert_int_equal(a.status, 0x61);
	fa.disk->fail[BLK_FLUSH] = BLK_EIO;
	assert_error(run(&fa, 0xe7, 0, 0, NULL, 0), ABRT);
	assert_error(run(&fa, 0xea, 0, 0, NULL, 0), ABRT);
	fixture_ata_close(&fa);
}

static void test_read_only_disk(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[512] = {0};
	unsigned int i;

	open_disk(&fa, STORED);
	fa.disk->disk.read_only = true;
	for (i = 0; i < COUNT(writes); i++)
		assert_error(run(&fa, writes[i].command, 0, 1, data, 512), ABRT);
	assert_ok(run(&fa, 0x24, 0, 1, NULL, 0));
	assert_int_equal(fixture_disk_count(fa.disk, BLK_WRITE), 0);
	fixture_ata_close(&fa);
}

/* A SCSI reservation of the disk, made through another unit of it. */
static void test_what_others_reserved(void **unused)
{
	static uint8_t data[512];
	struct fixture_ata fa;
	struct lu other;

	open_disk(&fa, STORED);
	lu_init(&other, &fa.disk->disk, true);
	lu_exclude(&other, LU_READ_ONLY);
	for (unsigned int i = 0; i < COUNT(writes); i++)
		assert_error(run(&fa, writes[i].command, 0, 1, data, 512), ABRT);
	assert_int_equal(fixture_disk_count(fa.disk, BLK_WRITE), 0);
	assert_ok(run(&fa, 0x24, 0, 1, NULL, 0));
	lu_exclude(&other, LU_EXCLUSIVE);
	for (unsigned int i = 0; i < COUNT(reads); i++)
		assert_error(run(&fa, reads[i].command, 0, 1, NULL, 0), ABRT);
	assert_error(run(&fa, 0x42, 0, 1, NULL, 0), ABRT);
	assert_error(run(&fa, 0x34, 0, 1, data, 512), ABRT);
	/* What was written before can still be made durable; who it is can still be asked. */
	assert_ok(run(&fa, 0xea, 0, 0, NULL, 0));
	assert_ok(run(&fa, 0xec, 0, 0, NULL, 0));
	lu_exclude(&other, LU_OPEN);
	assert_ok(run(&fa, 0x34, 0, 1, data, 512));
	lu_fini(&other);
	fixture_ata_close(&fa);
}

/* By a SANITIZE, of another unit of it. */
static void test_sealed_disk(void **unused)
{
	static uint8_t data[512];
	struct fixture_ata fa;

	open_disk(&fa, STORED);
	disk_seal(&fa.disk->disk);
	for (unsigned int i = 0; i < COUNT(writes); i++)
		assert_error(run(&fa, writes[i].command, 0, 1, data, 512), ABRT);
	for (unsigned int i = 0; i < COUNT(reads); i++)
		assert_error(run(&fa, reads[i].command, 0, 1, NULL, 0), ABRT);
	assert_error(run(&fa, 0x42, 0, 1, NULL, 0), ABRT);
	assert_int_equal(fa.disk->requests, 0);
	assert_ok(run(&fa, 0xea, 0, 0, NULL, 0));
	assert_ok(run(&fa, 0xec, 0, 0, NULL, 0));
	disk_unseal(&fa.disk->disk);
	assert_ok(run(&fa, 0x34, 0, 1, data, 512));
	assert_ok(run(&fa, 0x24, 0, 1, NULL, 0));
	fixture_ata_close(&fa);
}

static void test_writes_say_who_sent_them(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[512] = {0};

	open_disk(&fa, STORED);
	fa.f.nexus.id = 0x1234;
	assert_ok(run(&fa, 0x34, 0, 1, data, 512));
	assert_int_equal(fa.disk->log[0].origin, 0x1234);
	assert_true(fa.disk->log[0].flags & BLK_DEDUP);
	fixture_ata_close(&fa);
}

/* A retransmitted write that is still in flight is executed once and answered twice. */
static void test_retransmission(void **unused)
{
	struct ata_taskfile tf = {.command = 0x34, .lba = 3, .count = 1};
	struct fixture_command again;
	struct fixture_ata fa;
	uint8_t data[512] = {5};

	open_disk(&fa, STORED);
	fixture_command_init(&fa.f, &fa.lu, &again);
	fa.disk->hold = true;
	fixture_ata_start(&fa, &fa.fc, &tf, data, 512);
	fixture_ata_start(&fa, &again, &tf, data, 512);
	assert_int_equal(fa.fc.delivered + again.delivered, 0);
	fixture_disk_release(fa.disk);
	assert_int_equal(fixture_disk_count(fa.disk, BLK_WRITE), 1);
	assert_int_equal(fa.fc.delivered, 1);
	assert_int_equal(again.delivered, 1);
	assert_int_equal(again.cmd.ata.status, 0x40);
	fixture_command_fini(&again);
	fixture_ata_close(&fa);
}

static void test_durability(void **unused)
{
	struct fixture_ata fa;
	uint8_t data[512] = {0};
	unsigned int i;

	for (i = 0; i < COUNT(writes); i++) {
		bool fua = writes[i].command == 0x3d || writes[i].command == 0xce;

		open_disk(&fa, STORED);
		assert_ok(run(&fa, writes[i].command, 0, 1, data, 512));
		assert_true(fa.disk->log[0].flags & BLK_FUA);
		fixture_ata_close(&fa);

		fixture_ata_open(&fa, STORED, STORED, false, NULL);
		assert_ok(run(&fa, 0xc6, 0, 2, NULL, 0));
		assert_ok(run(&fa, writes[i].command, 0, 1, data, 512));
		assert_int_equal(fa.disk->log[0].flags & BLK_FUA, fua ? BLK_FUA : 0);
		fixture_ata_close(&fa);
	}
}

static void test_flush_reaches_the_store_and_waits(void **unused)
{
	static const uint8_t commands[] = {0xe7, 0xea};
	struct fixture_ata fa;
	unsigned int i;

	for (i = 0; i < COUNT(commands); i++) {
		open_disk(&fa, STORED);
		fa.disk->hold = true;
		fixture_ata_start(&fa, &fa.fc, &(struct ata_taskfile){.command = commands[i]}, NULL,
				  0);
		assert_int_equal(fa.disk->requests, 1);
		assert_int_equal(fa.disk->log[0].op, BLK_FLUSH);
		assert_int_equal(fa.fc.delivered, 0);
		fixture_disk_release(fa.disk);
		assert_int_equal(fa.fc.delivered, 1);
		assert_int_equal(fa.fc.cmd.ata.status, 0x40);
		fixture_ata_close(&fa);
	}
}

/* An initiator's way to the one disk. */
struct way {
	struct lu *lu;
	struct ata_device *dev;
	struct nexus nexus;
};

/* The error register after a command of his. */
static uint8_t ask(struct fixture_ata *fa, struct way *way, uint8_t command)
{
	static const uint8_t sector[BLK_SECTOR];
	bool sends = command != 0xea;
	struct ata_taskfile tf = {.command = command, .count = sends};
	struct fixture_ata via = {.dev = way->dev};

	fa->fc.cmd.lu = way->lu;
	fa->fc.cmd.nexus = &way->nexus;
	fixture_ata_start(&via, &fa->fc, &tf, sends ? sector : NULL, sizeof(sector));
	assert_int_equal(fa->fc.delivered, 1);
	return fa->fc.cmd.ata.status & 1 ? fa->fc.cmd.ata.error : 0;
}

/* The store tells a failed write-back once; everybody whose writes it may have lost hears of it. */
static void test_flush_error_is_told_to_all_who_wrote(void **unused)
{
	struct fixture_ata fa;
	struct ata_device *dev;
	struct lu lu;

	open_disk(&fa, STORED);
	fa.disk->disk.spec.cache = DISK_WRITEBACK;
	lu_fini(&fa.lu);
	lu_init(&fa.lu, &fa.disk->disk, true);
	lu_init(&lu, &fa.disk->disk, true);
	assert_int_equal(ata_device_open(&lu, NULL, &dev, NULL), 0);
	{
		/* Two initiators of an export, one of another, and one who only reads. */
		struct way ways[] = {{&fa.lu, fa.dev, {1}},
				     {&fa.lu, fa.dev, {2}},
				     {&lu, dev, {1}},
				     {&fa.lu, fa.dev, {3}}};

		for (unsigned int i = 0; i < 3; i++)
			assert_int_equal(ask(&fa, &ways[i], 0x35), 0);
		fa.disk->fail[BLK_FLUSH] = BLK_EIO;
		assert_int_not_equal(ask(&fa, &ways[0], 0xea), 0);
		fa.disk->fail[BLK_FLUSH] = BLK_OK;
		assert_int_equal(ask(&fa, &ways[0], 0xea), 0);
		for (unsigned int i = 1; i < 3; i++) {
			assert_int_not_equal(ask(&fa, &ways[i], 0xea), 0);
			assert_int_equal(ask(&fa, &ways[i], 0xea), 0);
		}
		assert_int_equal(ask(&fa, &ways[3], 0xea), 0);
		/* A durable write is a flush of its own. */
		fa.disk->fail[BLK_WRITE] = BLK_ENOSPC;
		assert_int_not_equal(ask(&fa, &ways[2], 0x3d), 0);
		fa.disk->fail[BLK_WRITE] = BLK_OK;
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_not_equal(ask(&fa, &ways[i], 0xea), 0);
			assert_int_equal(ask(&fa, &ways[i], 0xea), 0);
		}
		/* One that was not: its own failure, and nobody's else. */
		fa.disk->fail[BLK_WRITE] = BLK_EIO;
		assert_int_not_equal(ask(&fa, &ways[2], 0x35), 0);
		fa.disk->fail[BLK_WRITE] = BLK_OK;
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(ask(&fa, &ways[i], 0xea), 0);
	}
	ata_device_close(dev);
	lu_fini(&lu);
	fixture_ata_close(&fa);
}

static void assert_verified(struct fixture_ata *fa, uint64_t lba, uint64_t sectors)
{
	uint64_t next = lba;
	unsigned int i;

	for (i = 0; i < fa->disk->requests; i++) {
		assert_int_equal(fa->disk->log[i].op, BLK_READ);
		assert_int_equal(fa->disk->log[i].lba, next);
		assert_true(fa->disk->log[i].nblocks <= FIXTURE_LIMIT);
		next += fa->disk->log[i].nblocks;
	}
	assert_int_equal(next, lba + sectors);
}

static void test_verify_reads_all_and_returns_nothing(void **unused)
{
	static const struct {
		uint8_t command;
		uint16_t count;
		uint64_t sectors;
	} cases[] = {{0x40, 1, 1},   {0x40, 16, 16}, {0x41, 17, 17},	 {0x40, 255, 255},
		     {0x40, 0, 256}, {0x42, 3, 3},   {0x42, 1000, 1000}, {0x42, 0, 65536}};
	struct fixture_ata fa;
	unsigned int i;

	for (i = 0; i < COUNT(cases); i++) {
		struct fixture_answer a;

		open_disk(&fa, 100000);
		a = run(&fa, cases[i].command, 77, cases[i].count, NULL, 0);
		assert_ok(a);
		assert_int_equal(a.len, 0);
		assert_verified(&fa, 77, cases[i].sectors);
		fixture_ata_close(&fa);
	}
}

/* The same through a store that answers later, one request at a time. */
static void test_verify_waits_for_the_store(void **unused)
{
	struct fixture_ata fa;
	unsigned int i;

	open_disk(&fa, 1000);
	fa.disk->hold = true;
	fixture_ata_start(&fa, &fa.fc, &(struct ata_taskfile){.command = 0x42, .count = 40}, NULL,
			  0);
	for (i = 1; i <= 3; i++) {
		assert_int_equal(fa.disk->requests, i);
		assert_int_equal(fa.fc.delivered, 0);
		fixture_disk_release(fa.disk);
	}
	assert_int_equal(fa.fc.delivered, 1);
	assert_int_equal(fa.fc.cmd.ata.status, 0x40);
	assert_verified(&fa, 0, 40);
	fixture_ata_close(&fa);
}

static void test_verify_stops_at_an_error(void **unused)
{
	struct fixture_ata fa;

	open_disk(&fa, 1000);
	fa.disk->fail[BLK_READ] = BLK_EIO;
	assert_error(run(&fa, 0x42, 0, 100, NULL, 0), UNC);
	assert_int_equal(fa.disk->requests, 1);
	fixture_ata_close(&fa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_read),
		cmocka_unit_test(test_every_write),
		cmocka_unit_test(test_write_ignores_what_follows),
		cmocka_unit_test(test_write_in_odd_pieces),
		cmocka_unit_test(test_write_in_too_many_pieces),
		cmocka_unit_test(test_count_zero_and_over_the_limit),
		cmocka_unit_test(test_write_without_its_data),
		cmocka_unit_test(test_end_of_the_disk),
		cmocka_unit_test(test_28_bit_commands_mask_the_address),
		cmocka_unit_test(test_shrunk_disk),
		cmocka_unit_test(test_errors_of_the_store),
		cmocka_unit_test(test_read_only_disk),
		cmocka_unit_test(test_what_others_reserved),
		cmocka_unit_test(test_sealed_disk),
		cmocka_unit_test(test_writes_say_who_sent_them),
		cmocka_unit_test(test_retransmission),
		cmocka_unit_test(test_durability),
		cmocka_unit_test(test_flush_reaches_the_store_and_waits),
		cmocka_unit_test(test_flush_error_is_told_to_all_who_wrote),
		cmocka_unit_test(test_verify_reads_all_and_returns_nothing),
		cmocka_unit_test(test_verify_waits_for_the_store),
		cmocka_unit_test(test_verify_stops_at_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
