/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Block I/O: what device models ask of a disk, and all that a backstore sees.
 *
 * A `struct disk` is one store opened once in the process, however many exports, transports and
 * workers use it. blk checks bounds and read-only, keeps overlapping requests in arrival order
 * (overlap.h), and hands what may run to the disk's backstore.
 *
 * Units: addresses and lengths are in sectors of 512 bytes (BLK_SECTOR), whatever block size the
 * disk presents to initiators.
 */
#ifndef STGT_BLK_H
#define STGT_BLK_H

#include "arena/arena.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/ring.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define BLK_SECTOR	 512u
#define BLK_SECTOR_SHIFT 9
#define BLK_MAX_SPANS	 8	      /* of one request's sgl */
#define BLK_TRANSFER_MAX (256u << 10) /* bytes of one request's sgl */

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH, /* everything completed before is durable; no range */
	BLK_UNMAP, /* the range reads as zeroes afterwards or keeps its data; space is freed */
	BLK_WRITE_ZEROES, /* the range reads as zeroes afterwards; see BLK_GIVE_BACK */
	/*
	 * What was written to the disk cannot be read any more, and reads as noise; what reads as
	 * zeroes may go on doing so. No range: it conflicts with every other request. Durable.
	 */
	BLK_CRYPTO_ERASE,
};

enum blk_status {
	BLK_OK,
	BLK_ERANGE,  /* outside the disk: nothing was done */
	BLK_EROFS,   /* a change to a read-only disk: nothing was done */
	BLK_EIO,     /* the medium failed; the range's content is undefined */
	BLK_ENOSPC,  /* no space behind a thin disk; the range's content is undefined */
	BLK_ENOTSUP, /* this backstore cannot do it: nothing was done */
	BLK_ESEALED, /* of another era, see disk_seal(): nothing was done */
};

enum blk_flags {
	BLK_FUA = 1 << 0,   /* durable before `done` */
	BLK_DEDUP = 1 << 1, /* a write that may be a retransmission: see overlap.h */
	/*
	 * WRITE_ZEROES: the range's space is given back where the store can, and none is taken
	 * meanwhile. Otherwise the range has its space afterwards.
	 */
	BLK_GIVE_BACK = 1 << 2,
};

struct disk;
struct blk_queue;
struct bounces;
struct copier; /* copy.h */
struct encryption;

/*
 * One request. The submitter owns it and everything its sgl names until `done`, which runs once, on
 * the queue's thread, possibly before blk_submit() returns.
 */
struct blk_io {
	enum blk_op op;
	unsigned int flags; /* enum blk_flags */
	uint64_t lba;
	uint64_t nblocks; /* 0: done at once, if lba is not outside the disk */
	struct sgl sgl;	  /* READ, WRITE: exactly nblocks sectors, in the queue's arena */
	uint64_t origin;  /* with BLK_DEDUP: who sent it (any value that tells initiators apart) */
	uint32_t era;	  /* disk_era() when what it belongs to began; see disk_seal() */
	/*
	 * NULL, or a request of several steps that execute as one: what was submitted names the
	 * whole range, and by its op whether any step changes it. Puts the next step (op, flags,
	 * lba, nblocks, sgl) in place, within that range or a FLUSH; false: none is left. Called on
	 * the queue's thread, the first time within blk_submit() with at least one step to name,
	 * until then or until a step fails; no conflicting request gets between them.
	 */
	bool (*next)(struct blk_io *io);
	void (*done)(struct blk_io *io);
	enum blk_status status; /* valid in done */
	bool twin;		/* valid in done: an identical write's execution answers this one */

	/* From here on: blk's own while the request is submitted. */
	struct disk *disk;
	struct blk_queue *queue;
	void (*start)(struct blk_io *io); /* NULL: the backstore's submit() */
	struct {
		uint64_t seq;
		uint64_t lba, nblocks; /* as submitted */
		uint32_t blockers;     /* earlier conflicting requests not completed yet */
		bool wide, changes;
		bool entered;	       /* in the table */
		struct list all;       /* disk: every request in arrival order */
		struct list bucket[2]; /* disk: requests by granule, or [0] in the wide list */
		struct list twins;     /* identical writes answered with this one */
	} overlap;
	bool decided;		/* the status is known: only done is left to do */
	struct list ready;	/* queue: may run now */
	struct message message; /* to the queue's thread from another */
	struct ring_event event;
	struct iovec iov[BLK_MAX_SPANS];
	uint8_t step;	   /* backstore: what it is at */
	uint32_t progress; /* backstore: bytes of that done */
	void *bounce;	   /* backstore: a copy of the payload, see bounce.h, or NULL */
};

/* A worker's side of block I/O: what backstores submit through. One thread. */
struct blk_queue {
	struct arena *arena;
	struct ring *ring;	 /* NULL: only backstores that need none (mem, null) */
	struct mailbox *mailbox; /* of the thread, for requests that another thread releases */
	struct copier *copier;	 /* NULL: copies are not the stores' */
	struct list ready;	 /* requests to start */
	bool running;		 /* blk_queue_run() is on the stack */
	uint32_t inflight;	 /* submitted and not done */
	bool closing;		 /* see blk_queue_stop() */
	uint32_t lent_long;	 /* the arena's runs that a SANITIZE has to its end */
	uint64_t bounces;	 /* payloads that could not go straight from or to the arena */
	struct bounces *buffers; /* see bounce.h; NULL where no backstore copies */
	/* Bytes that device models copied: the stores did, or reading and writing did. */
	uint64_t copied_by_store, copied_by_memory;
};

void blk_queue_init(struct blk_queue *queue, struct arena *arena, struct ring *ring,
		    struct mailbox *mailbox);
/*
 * For a queue with a ring: opens its arena and its ring, and gives it buffers. 0 or negative errno
 * with `err` set and nothing left. The thread that will use it.
 */
int blk_queue_open(struct blk_queue *queue, const struct arena_config *memory,
		   unsigned int ring_entries, struct error *err);
void blk_queue_close(struct blk_queue *queue);
/* The thread, which calls this, is to end: nothing long goes on, nor waits for memory. */
void blk_queue_stop(struct blk_queue *queue);

enum disk_cache {
	DISK_CACHE_DEFAULT, /* what the transport's durability asks for */
	DISK_WRITETHROUGH,
	DISK_WRITEBACK,
};

enum disk_kind {
	DISK_FILE,
	DISK_BLOCK,
	DISK_RAM,
	DISK_NULL,
};

enum disk_thin {
	DISK_THIN_DEFAULT, /* if the store gives space back */
	DISK_THIN_OFF,
	DISK_THIN_ON,
};

/* A disk as its administrator describes it; what 0, NULL or "default" mean is said per field. */
struct disk_spec {
	enum disk_kind kind;
	char *path; /* file, block */
	/*
	 * Bytes; 0: as it is. A file is created sparse or grown to it; of an open one that has more
	 * it says how many.
	 */
	uint64_t size;
	bool read_only;
	bool prealloc; /* take all the space when opened; files and memory only */
	enum disk_cache cache;
	int direct;	     /* -1: off for files, on for block devices */
	uint32_t block_size; /* 512 or 4096, presented as the physical block; 0: the backstore's own
			      */
	char serial[21];     /* empty: derived from what is stored, stable over restarts */
	uint64_t wwn;	     /* NAA; 0: derived likewise */
	/* What SCSI initiators see; ATA has neither. */
	bool removable;		/* a medium that can be ejected and loaded */
	enum disk_thin thin;	/* whether space can be given back, and asked about */
	uint32_t logical_block; /* 512 or 4096; 0: 512 */
	/*
	 * Of a file: how full its file system may be, in percent, before initiators and the log are
	 * told; 0: 90; negative: as full as it likes. See space.h.
	 */
	int soft_threshold;
	char *key_file; /* files and block devices: encrypted with the key in it; or NULL */
};

struct backstore_ops;
struct disk_room;
struct overlap;

/* A file's device and inode, a block device's number (ino 0), or all 0: shared with nobody. */
struct disk_store {
	dev_t dev;
	ino_t ino;
};

struct disk {
	char *name;	      /* the words that the administrator used */
	unsigned int ordinal; /* tells open disks of the same words apart: 0 for the first */
	struct disk_spec spec;
	const struct backstore_ops *ops;
	_Atomic uint64_t nblocks;      /* capacity in sectors; changes at disk_resize() */
	_Atomic uint32_t flush_errors; /* flushes and durable changes that failed: see lu/lu.h */
	uint32_t physical_block;       /* bytes */
	/*
	 * Bytes of one WRITE that are there wholly or not at all after a power cut, wherever it
	 * begins; 0: an aligned physical block.
	 */
	uint32_t atomic_max;
	bool read_only;
	bool writeback; /* completed writes may be volatile until a flush */
	bool can_unmap;
	bool can_crypto_erase;
	/*
	 * Bytes that copies by the store begin and end at, a power of two; 0: it must not copy. A
	 * store may let both share one place then, so that a later write takes space; and it copies
	 * what is stored, whatever the disk makes of that.
	 */
	uint32_t copy_align;
	_Atomic dev_t copy_refused; /* the store that it last refused to copy from; 0: none */
	char serial[21];	    /* NUL terminated, printable ASCII */
	uint64_t wwn;
	atomic_uint exclusion;	 /* see lu.h */
	_Atomic uint32_t era;	 /* see disk_era() */
	struct disk_room *space; /* how full its file system is, see space.h; NULL: unknown */
	bool undone;		 /* see disk_undo() */
	uint32_t atom; /* sectors that the backstore can only rewrite together: see overlap.h */
	struct overlap *overlap;
	struct encryption *encryption; /* NULL: the store holds what was written */
	struct disk_store store;
	unsigned int refs;
	struct list link; /* in the target's table of disks */
};

/*
 * Parses DISK as the command line spells it: PATH | file:PATH | block:DEV | ram:SIZE | null:SIZE,
 * each with ",opt=value" options (ro, prealloc, size=, cache=, direct=, block_size=, serial=,
 * wwn=, removable, thin=, logical_block_size=, soft_threshold=, key_file=). SIZE takes K, M, G,
 * T and KiB, MiB, GiB, TiB, all powers of 1024. A comma in a path is written ",,". -EINVAL with the
 * offending word named. disk_spec_fini() frees what it holds.
 */
int disk_spec_parse(const char *text, struct disk_spec *spec, struct error *err);
void disk_spec_fini(struct disk_spec *spec);
/* Whether it can be parsed, for who keeps the text. */
int disk_spec_check(const char *text, struct error *err);

/*
 * Opens the store and takes its lock (a second writer in any process is refused with -EBUSY).
 * `disks` is the list of open disks: a spec that names a store already open yields that disk with
 * one more reference, or -EBUSY when the options differ. Control thread. disk_put() drops one.
 */
int disk_get(struct list *disks, const char *text, struct disk **disk, struct error *err);
void disk_put(struct disk *disk);
/*
 * What the disk was opened for is undone: a file that its opening made goes with the last
 * disk_put(), if nothing was ever written to it. Control thread.
 */
void disk_undo(struct disk *disk);
/* True when `spec` names the store of an open disk, by whatever path. Control thread. */
bool disk_is_open(struct list *disks, const struct disk_spec *spec);
/* One more reference to a disk that is open. Control thread. */
struct disk *disk_hold(struct disk *disk);

/*
 * Makes a file `size` bytes large, which must not be less than it has; disk_resize() then says so.
 * -EOPNOTSUPP for what is no file, -EINVAL for a size that cannot be.
 */
int disk_grow(struct disk *disk, uint64_t size, struct error *err);

/*
 * Whether the sector at `lba` takes space in the store, and in *n how many from there on, at most
 * `limit`, are alike: one at least. Any thread.
 */
bool disk_mapped(struct disk *disk, uint64_t lba, uint64_t limit, uint64_t *n);

/*
 * A disk is sealed while, or because, its content is not to be had: it is being replaced as a
 * whole. Then it refuses requests, other than flushes, but those of the era that disk_seal()
 * returned, which is known to whoever sealed it. What came before that is ordered before those, as
 * ever; and what began before and comes only when the disk is open again, is of a past era and
 * refused as well. Any thread; any number of seals is lifted by one disk_unseal(), and only the
 * last one's era gets past.
 */
uint32_t disk_seal(struct disk *disk);
void disk_unseal(struct disk *disk);
bool disk_sealed(struct disk *disk);
/* For a request, or the first of several, of somebody who did not seal the disk. Any thread. */
static inline uint32_t disk_era(const struct disk *disk)
{
	return atomic_load_explicit(&disk->era, memory_order_acquire);
}

/* Reads the store's size anew. 1: it changed, 0: it did not, negative errno. Control thread. */
int disk_resize(struct disk *disk, struct error *err);

/*
 * Fills in disk, queue and the rest of blk's own fields and runs the request; never fails: what
 * cannot be done is said by io->status in io->done.
 */
void blk_submit(struct disk *disk, struct blk_queue *queue, struct blk_io *io);

/*
 * Two requests that enter their disks' tables as one, so that whoever conflicts with both comes
 * before both or after both; they must not conflict with each other. For copy.c: instead of the
 * backstore each is handed to its `start` once it may run. When one of them is refused, both end
 * with its status.
 */
void blk_submit_pair(struct blk_queue *queue, struct disk *disk_a, struct blk_io *a,
		     void (*start_a)(struct blk_io *io), struct disk *disk_b, struct blk_io *b,
		     void (*start_b)(struct blk_io *io));

/* Backstores call this once a request has ended, on its queue's thread. */
void blk_complete(struct blk_io *io, enum blk_status status);

/* The range check of every layer: true when [lba, lba + n) lies within `capacity`. */
static inline bool blk_in_range(uint64_t lba, uint64_t n, uint64_t capacity)
{
	return lba <= capacity && n <= capacity - lba;
}

#endif
