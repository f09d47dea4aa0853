/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SCSI unit on a recording disk, shown as LUN 0 of a target port, two initiators that see it, and
 * one-line commands. One thread: what commands post to themselves runs when the fixture says.
 */
#ifndef STGT_TESTS_FIXTURE_SCSI_H
#define STGT_TESTS_FIXTURE_SCSI_H

#include "fixture.h"
#include "scsi/scsi.h"
#include "scsi/sense.h"

#define FIXTURE_SCSI_NEXUSES 3u
#define FIXTURE_SCSI_DATA    (2u << 20)

struct fixture_scsi_config {
	uint64_t nblocks;	    /* sectors of 512 bytes; 0: 4096 */
	unsigned int logical_block; /* 0: 512 */
	bool thin, removable, read_only;
	struct state *state;
	uint16_t relative_port;			      /* of the target port; 0: 1 */
	bool fibre_channel;			      /* the target port is of that, not of iSCSI */
	const char *initiators[FIXTURE_SCSI_NEXUSES]; /* at most 19 bytes; NULL: "a", "b", "c" */
};

/* A command as its initiator sees it. */
struct fixture_scsi_command {
	struct command cmd;
	struct fixture_scsi *fs;
	const uint8_t *out; /* data-out, all of it */
	uint8_t *in;	    /* data-in as it came */
	uint32_t in_got;
	uint32_t runs[2][BLK_MAX_SPANS], nruns[2]; /* for data-in, and for data-out */
	struct span spans[2][BLK_MAX_SPANS];
	uint32_t took[2], announced; /* bytes: each may have most, and what scsi_memory() said */
	bool hold_out; /* data-out does not come until fixture_scsi_answer_solicit() */
	void (*waiting)(struct command *cmd); /* in solicit() */
	uint32_t wait_off, wait_len;
	void (*placing)(void); /* called in place(): what happens on another thread just then */
	unsigned int delivered, dropped;
};

struct fixture_scsi {
	struct arena arena;
	struct mailbox mailbox;
	struct blk_queue queue;
	struct fixture_disk *disk;
	struct lu lu;
	struct scsi_device *dev;
	struct scsi_target *target;
	struct nexus transport[FIXTURE_SCSI_NEXUSES];
	struct scsi_nexus *nexus[FIXTURE_SCSI_NEXUSES];
	struct fixture_scsi_command fc; /* the latest of fixture_scsi_run() */
	uint8_t in[FIXTURE_SCSI_DATA];
};

/* What a unit remembers, and the directory that it is in. */
struct fixture_scsi_kept {
	char *dir;
	struct state *state;
};

/* What the unit says after a command. */
struct fixture_scsi_answer {
	uint8_t status, key;
	uint16_t asc;
	uint64_t wanted;
	uint32_t len;
	const uint8_t *data;  /* valid until the next command */
	const uint8_t *sense; /* the same */
};

/* The nexuses' first unit attentions are taken. */
void fixture_scsi_open(struct fixture_scsi *fs, const struct fixture_scsi_config *config);
/* Checks that everything was given back. */
void fixture_scsi_close(struct fixture_scsi *fs);

/* Opens a nexus anew that was closed, with any target port; its unit attentions wait. */
void fixture_scsi_nexus_open(struct fixture_scsi *fs, unsigned int n, struct scsi_target *target,
			     const char *initiator);

/* A unit that remembers, in a directory of its own. `writer` as state_open() takes it. */
void fixture_scsi_open_kept(struct fixture_scsi *fs, struct fixture_scsi_kept *kept,
			    struct mailbox *writer);
void fixture_scsi_close_kept(struct fixture_scsi *fs, struct fixture_scsi_kept *kept);
/* Closes the unit and opens it again with what it remembers. */
void fixture_scsi_restart(struct fixture_scsi *fs, struct fixture_scsi_kept *kept);

/* The next process's, after this one was killed: with what the file says, if there is one. */
void fixture_scsi_open_next(struct fixture_scsi *next, struct fixture_scsi_kept *next_kept,
			    const struct fixture_scsi_kept *kept);

/* Has every save fail, as the directory is a file; and be possible again. */
void fixture_scsi_kept_block(struct fixture_scsi_kept *kept, bool block);

/* Runs the messages that wait. */
void fixture_scsi_turn(struct fixture_scsi *fs);

/*
 * Starts a command of nexus `n`. The initiator sends `out_len` bytes and takes `in_len`. `in` is
 * the caller's and has room for that.
 */
void fixture_scsi_start(struct fixture_scsi *fs, struct fixture_scsi_command *fc, unsigned int n,
			const uint8_t *cdb, uint8_t cdb_len, const void *out, uint32_t out_len,
			void *in, uint32_t in_len);
/* The data-out that a command holds out for comes. */
void fixture_scsi_answer_solicit(struct fixture_scsi_command *fc);
/* Gives back what an ended command holds. */
void fixture_scsi_end(struct fixture_scsi_command *fc);

/* Runs a command to its end, on a disk that does not hold requests. */
struct fixture_scsi_answer fixture_scsi_run(struct fixture_scsi *fs, unsigned int n,
					    const uint8_t *cdb, uint8_t cdb_len, const void *out,
					    uint32_t out_len, uint32_t in_len);

/* What an ended command's status and sense data say. */
struct fixture_scsi_answer fixture_scsi_answer_of(const struct fixture_scsi_command *fc);

#endif
