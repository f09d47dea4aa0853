/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tests of device models and transports stand on: an arena with a queue, a disk that records
 * what it is asked for, and a transport that records what it delivers. One thread; everything that
 * fails in here fails the test.
 */
#ifndef STGT_TESTS_FIXTURE_H
#define STGT_TESTS_FIXTURE_H

#include "blk/backstore.h"
#include "lu/command.h"
#include "lu/lu.h"

/* ---- a disk that remembers its requests ---- */

#define FIXTURE_LOG 4096u

struct fixture_request {
	enum blk_op op;
	unsigned int flags;
	uint64_t lba, nblocks;
	uint64_t origin;
};

struct fixture_disk {
	struct disk disk;
	uint8_t *data; /* the first `stored` sectors; behind them reads give zeroes */
	uint64_t stored;
	struct fixture_request log[FIXTURE_LOG]; /* as requests reached the store; then anew */
	unsigned int requests;
	enum blk_status fail[BLK_CRYPTO_ERASE + 1]; /* what requests of each kind end with */
	bool hold;				    /* requests wait for fixture_disk_release() */
	struct list held;
};

/* `stored` sectors of memory in a disk of `nblocks`. */
struct fixture_disk *fixture_disk_open(uint64_t nblocks, uint64_t stored);
void fixture_disk_close(struct fixture_disk *disk);
/* Ends all held requests, oldest first. */
void fixture_disk_release(struct fixture_disk *disk);
/* Ends one of them, `which` modulo how many there are. False: there is none. */
bool fixture_disk_release_one(struct fixture_disk *disk, unsigned int which);
/* Every byte of these sectors is `byte`. */
bool fixture_disk_is(const struct fixture_disk *disk, uint32_t lba, uint32_t nblocks, uint8_t byte);
/* How many requests of this kind there were. */
unsigned int fixture_disk_count(const struct fixture_disk *disk, enum blk_op op);

/* ---- the worker's side ---- */

struct fixture {
	struct arena arena;
	struct mailbox mailbox;
	struct blk_queue queue;
	struct nexus nexus;
};

void fixture_open(struct fixture *f);
/* Checks that everything was given back. */
void fixture_close(struct fixture *f);

/* ---- a transport ---- */

struct fixture_command {
	struct command cmd;
	struct fixture *fixture;
	uint32_t in, out; /* runs: where data-in lands, where data-out came in */
	struct span in_span;
	struct span out_spans[BLK_MAX_SPANS + 2];
	unsigned int places;	/* calls of place() */
	unsigned int delivered; /* calls of deliver(): 1 once the command ended */
};

void fixture_command_init(struct fixture *f, struct lu *lu, struct fixture_command *fc);
void fixture_command_fini(struct fixture_command *fc);
/* Sets data-out, cut in pieces of `piece` bytes (0: one piece). */
void fixture_command_data(struct fixture_command *fc, const void *data, uint32_t len,
			  uint32_t piece);
/* The bytes that the reply carries. */
const uint8_t *fixture_command_reply(const struct fixture_command *fc);

/* A directory of its own below $TMPDIR; fixture_dir_remove() takes away what is in it, too. */
char *fixture_dir_make(void);
void fixture_dir_remove(char *dir);

#endif
