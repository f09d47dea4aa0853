/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One command's life between a transport and a device model.
 *
 * The transport embeds `struct command` in its own request (aoe_request, iscsi_task), fills the
 * first part and calls the device model's execute function. The model asks for memory through
 * transport_ops.place, runs block I/O through `io`, leaves its result in the union and calls
 * transport_ops.deliver exactly once. Wire tags never enter it.
 *
 * Everything runs on the thread of `queue`.
 */
#ifndef STGT_LU_COMMAND_H
#define STGT_LU_COMMAND_H

#include "ata/taskfile.h"
#include "blk/blk.h"
#include "scsi/cdb.h"
#include "state/state.h"

struct command;
struct lu;

/* The relation of one initiator port to one target port (SAM-5 4.7, "I_T nexus"). */
struct nexus {
	uint64_t id; /* tells initiators of one transport apart; for AoE the MAC and VLAN */
};

struct transport_ops {
	/*
	 * Says where `len` bytes of data-in must land, as spans of the queue's arena that stay
	 * valid until the command is freed. 0, or -EMSGSIZE when the transport's reply cannot carry
	 * so much.
	 */
	int (*place)(struct command *cmd, uint32_t len, struct sgl *data_in);
	/*
	 * The result is complete: send it. The model does not touch the command afterwards; the
	 * transport frees it once the last transmission has ended.
	 */
	void (*deliver)(struct command *cmd);
	/*
	 * From here on: only transports of SCSI, where data does not come along with the command.
	 *
	 * Brings bytes [off, off + len) of the data-out into memory and calls `done`, perhaps at
	 * once, with cmd->data_out naming them. What was there before is lost.
	 */
	void (*solicit)(struct command *cmd, uint32_t off, uint32_t len,
			void (*done)(struct command *cmd));
	/*
	 * Sends cmd->data_in, which is not the last of the data-in, and calls `done`, perhaps at
	 * once, when its memory may be used anew. deliver() sends what data_in names then.
	 */
	void (*push)(struct command *cmd, void (*done)(struct command *cmd));
	/*
	 * The command was aborted while it waits in solicit() or push(): `done` is called soon, and
	 * nothing is fetched or sent any more.
	 */
	void (*cancel)(struct command *cmd);
	/* Instead of deliver(): the command was aborted and has ended; nobody is told. */
	void (*drop)(struct command *cmd);
};

/* The device model's own between execute and deliver; transports leave it alone. */
struct command_model {
	void *device;
	unsigned int limit; /* sectors that one reply of the transport carries */
	/* A command that takes several block requests, one after the other. */
	bool (*submit)(struct command *cmd); /* the next one; false: none is left */
	void (*finish)(struct command *cmd); /* all ended, or `status` is the first failure */
	uint64_t next, left;		     /* where it, or a list of ranges, is */
	enum blk_status status;
	bool stepping, stepped;		  /* keeps requests that end at once from nesting */
	struct span spans[BLK_MAX_SPANS]; /* the part of data_out or data_in that io.sgl names */
	/* A command that ends once a setting is saved. */
	struct list waiting; /* its turn */
	struct state_save save;
};

struct command {
	const struct transport_ops *ops;
	struct nexus *nexus;
	struct lu *lu;
	struct blk_queue *queue;
	struct sgl data_out; /* what came with the command; its frames are held until deliver */
	struct sgl data_in;  /* set by the model through place(); len is what the reply carries */
	struct blk_io io;
	struct command_model model;
	union {
		struct ata_taskfile
			ata; /* in: the registers as sent; out: as the device leaves them */
		struct scsi_command scsi;
	};
};

#endif
