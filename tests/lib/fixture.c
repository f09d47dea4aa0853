/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fixture.h"

#include "blk/overlap.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RUN_FRAMES 17u /* 64 KiB of payload and more */

static struct fixture_disk *fixture_disk(struct disk *disk)
{
	return container_of(disk, struct fixture_disk, disk);
}

static void disk_copy(struct fixture_disk *fd, struct blk_io *io, uint64_t sector)
{
	uint32_t off = (uint32_t)sector * BLK_SECTOR;
	uint64_t lba = io->lba + sector;
	static const uint8_t zeroes[BLK_SECTOR];
	uint8_t *stored = lba < fd->stored ? fd->data + lba * BLK_SECTOR : NULL;

	if (io->op == BLK_READ)
		sgl_copy_in(io->queue->arena, &io->sgl, off, stored ? stored : zeroes, BLK_SECTOR);
	else if (io->op == BLK_WRITE && stored)
		sgl_copy_out(io->queue->arena, &io->sgl, off, stored, BLK_SECTOR);
	else if (io->op != BLK_WRITE && stored)
		memset(stored, 0, BLK_SECTOR);
}

static void disk_finish(struct fixture_disk *fd, struct blk_io *io)
{
	uint64_t i;

	if (fd->fail[io->op] == BLK_OK && io->op != BLK_FLUSH)
		for (i = 0; i < io->nblocks; i++)
			disk_copy(fd, io, i);
	blk_complete(io, fd->fail[io->op]);
}

static void disk_submit(struct disk *disk, struct blk_io *io)
{
	struct fixture_disk *fd = fixture_disk(disk);

	fd->log[fd->requests++ % FIXTURE_LOG] = (struct fixture_request){
		.op = io->op,
		.flags = io->flags,
		.lba = io->lba,
		.nblocks = io->nblocks,
		.origin = io->origin,
	};
	if (fd->hold)
		list_add_tail(&fd->held, &io->ready);
	else
		disk_finish(fd, io);
}

static const struct backstore_ops fixture_ops = {
	.name = "fixture",
	.instance = sizeof(struct fixture_disk),
	.submit = disk_submit,
};

struct fixture_disk *fixture_disk_open(uint64_t nblocks, uint64_t stored)
{
	struct fixture_disk *fd = calloc(1, sizeof(*fd));

	assert(fd);
	fd->stored = stored;
	fd->data = calloc(stored + 1, BLK_SECTOR);
	fd->disk.ops = &fixture_ops;
	fd->disk.nblocks = nblocks;
	fd->disk.physical_block = 4096;
	fd->disk.writeback = true;
	fd->disk.can_unmap = true;
	fd->disk.wwn = 0x5123456789abcdefull;
	strcpy(fd->disk.serial, "FIXTURE0001");
	fd->disk.overlap = overlap_open(1);
	assert(fd->data && fd->disk.overlap);
	list_init(&fd->held);
	return fd;
}

void fixture_disk_close(struct fixture_disk *fd)
{
	assert(list_empty(&fd->held));
	overlap_close(fd->disk.overlap);
	free(fd->data);
	free(fd);
}

void fixture_disk_release(struct fixture_disk *fd)
{
	struct list now;

	list_init(&now);
	list_splice_tail(&now, &fd->held);
	while (!list_empty(&now))
		disk_finish(fd, container_of(list_pop(&now), struct blk_io, ready));
}

bool fixture_disk_release_one(struct fixture_disk *fd, unsigned int which)
{
	unsigned int n = 0;
	struct list *link;

	for (link = fd->held.next; link != &fd->held; link = link->next)
		n++;
	if (!n)
		return false;
	link = fd->held.next;
	for (which %= n; which; which--)
		link = link->next;
	list_del(link);
	disk_finish(fd, container_of(link, struct blk_io, ready));
	return true;
}

bool fixture_disk_is(const struct fixture_disk *disk, uint32_t lba, uint32_t nblocks, uint8_t byte)
{
	for (uint32_t i = 0; i < nblocks * BLK_SECTOR; i++)
		if (disk->data[lba * BLK_SECTOR + i] != byte)
			return false;
	return true;
}

unsigned int fixture_disk_count(const struct fixture_disk *fd, enum blk_op op)
{
	unsigned int i, n = 0;

	assert(fd->requests <= FIXTURE_LOG);
	for (i = 0; i < fd->requests; i++)
		n += fd->log[i].op == op;
	return n;
}

void fixture_open(struct fixture *f)
{
	static const struct arena_config config = {
		.rx_frames = 8, .runs = 16, .run_frames = RUN_FRAMES};

	memset(f, 0, sizeof(*f));
	assert(!arena_open(&f->arena, &config, NULL));
	assert(!mailbox_open(&f->mailbox));
	blk_queue_init(&f->queue, &f->arena, NULL, &f->mailbox);
	f->nexus.id = 0x020000000001ull;
}

void fixture_close(struct fixture *f)
{
	assert(!f->queue.inflight);
	assert(f->arena.nfree_runs == f->arena.config.runs);
	mailbox_close(&f->mailbox);
	arena_close(&f->arena);
}

static int command_place(struct command *cmd, uint32_t len, struct sgl *data_in)
{
	struct fixture_command *fc = container_of(cmd, struct fixture_command, cmd);

	fc->places++;
	if (len > arena_run_payload(&fc->fixture->arena))
		return -EMSGSIZE;
	fc->in_span = (struct span){fc->in + ARENA_PAYLOAD, len};
	*data_in = (struct sgl){&fc->in_span, 1, len};
	return 0;
}

static void command_deliver(struct command *cmd)
{
	struct fixture_command *fc = container_of(cmd, struct fixture_command, cmd);

	fc->delivered++;
}

static const struct transport_ops fixture_transport = {
	.place = command_place,
	.deliver = command_deliver,
};

void fixture_command_init(struct fixture *f, struct lu *lu, struct fixture_command *fc)
{
	memset(fc, 0, sizeof(*fc));
	fc->fixture = f;
	fc->in = arena_run_get(&f->arena);
	fc->out = arena_run_get(&f->arena);
	assert(fc->in != ARENA_NONE && fc->out != ARENA_NONE);
	memset(arena_ptr(&f->arena, fc->in), 0xee, RUN_FRAMES * ARENA_FRAME_SIZE);
	fc->cmd.ops = &fixture_transport;
	fc->cmd.nexus = &f->nexus;
	fc->cmd.lu = lu;
	fc->cmd.queue = &f->queue;
}

void fixture_command_fini(struct fixture_command *fc)
{
	arena_run_put(&fc->fixture->arena, fc->in);
	arena_run_put(&fc->fixture->arena, fc->out);
}

/* A gap between the pieces shows who copies over a piece's end. */
void fixture_command_data(struct fixture_command *fc, const void *data, uint32_t len,
			  uint32_t piece)
{
	uint32_t n = 0, done = 0, at = fc->out;

	while (done < len) {
		uint32_t now = piece && piece < len - done ? piece : len - done;

		assert(n < BLK_MAX_SPANS + 2);
		assert(at + now <= fc->out + RUN_FRAMES * ARENA_FRAME_SIZE);
		memcpy(arena_ptr(&fc->fixture->arena, at), (const uint8_t *)data + done, now);
		fc->out_spans[n++] = (struct span){at, now};
		done += now;
		at += now + 64;
	}
	fc->cmd.data_out = (struct sgl){fc->out_spans, n, len};
}

const uint8_t *fixture_command_reply(const struct fixture_command *fc)
{
	return arena_ptr(&fc->fixture->arena, fc->in_span.addr);
}
