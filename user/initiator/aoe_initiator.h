/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An AoE initiator's protocol half (AoEr11), by the rules of the Linux driver: discovery, IDENTIFY,
 * READ and WRITE, tags, retransmission, window, several paths to a target.
 *
 * A pure state machine: frames leave through ops->send, come in by initiator_rx(), time is a
 * parameter (nanoseconds of any clock that never goes back). No system call, no clock, no thread:
 * one thread at a time may use an initiator. Memory is allocated by initiator_open() only, so what
 * a network sends cannot make it grow.
 *
 * The caller owns the loop:
 *
 *	initiator_open(&config, &ini, &err);
 *	initiator_discover(ini);                          once, and now and then
 *	for (;;) {
 *		wait for a frame or until initiator_deadline(ini);
 *		initiator_rx(ini, port, frags, n, now);   for every frame
 *		initiator_tick(ini, now);
 *	}
 *
 * Callbacks run inside the call that caused them (rx, tick, submit, close) and may submit.
 */
#ifndef STGT_AOE_INITIATOR_H
#define STGT_AOE_INITIATOR_H

#include "base/error.h"
#include "base/list.h"
#include "stgt/wire/aoe.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define INITIATOR_SECTOR    512u
#define INITIATOR_PORTS_MAX 8
#define INITIATOR_PATHS_MAX 8
/* Every AoE ATA frame's headers: Ethernet, AoE, ATA. */
#define INITIATOR_HEADER_LEN \
	(sizeof(struct wire_eth) + sizeof(struct wire_aoe) + sizeof(struct wire_aoe_ata))

struct initiator;
struct initiator_target;

struct initiator_ops {
	/*
	 * Sends one frame out of `port`: `header` is the initiator's and valid during the call,
	 * `payload` (NULL unless a write) is the request's own memory. A frame that cannot be sent
	 * may be dropped: it counts as lost. May not call back into the initiator.
	 */
	void (*send)(void *ctx, unsigned int port, const void *header, size_t header_len,
		     const void *payload, size_t payload_len);
	/*
	 * The target came up, changed its size or configuration, or went down (see target->state).
	 * Optional.
	 */
	void (*target_changed)(void *ctx, const struct initiator_target *target);
};

/* A local Ethernet interface. */
struct initiator_port {
	uint8_t mac[WIRE_MAC_LEN];
	unsigned int mtu; /* bytes behind the Ethernet header */
};

/* Zero means the default, which is the Linux driver's. */
struct initiator_config {
	const struct initiator_ops *ops;
	void *ctx; /* for ops */
	struct initiator_port ports[INITIATOR_PORTS_MAX];
	unsigned int nports;
	unsigned int targets_max; /* 16; further ones are ignored */
	unsigned int frames_max;  /* 1024; most ATA commands in flight, all targets together */
	unsigned int window_max;  /* 64; per path, whatever the target's buffer count */
	uint64_t rtt_start_ns;	  /* 250 ms; the first time-out is 66 times this: 16.5 s */
	uint64_t rto_min_ns;	  /* 100 ms; bounds of 2 * rttavg + 8 * rttdev */
	uint64_t rto_max_ns;	  /* 60 s */
	uint64_t dead_ns;	  /* 180 s without an answer to a request: the target is down */
	uint32_t first_tag;	  /* a random one keeps an earlier process's replies away */
};

enum initiator_state {
	INITIATOR_NEW,	/* seen in discovery, IDENTIFY under way */
	INITIATOR_UP,	/* takes requests */
	INITIATOR_DOWN, /* stopped answering; a configuration response brings it back */
};

/* One way to a target: a local port and a MAC address of the target's. */
struct initiator_path {
	unsigned int port;
	uint8_t mac[WIRE_MAC_LEN];
	unsigned int buffers;	/* as advertised */
	unsigned int sectors;	/* most a frame: the least of advertised and what the MTU holds */
	unsigned int limit;	/* of the window: min(buffers, window_max) */
	unsigned int window;	/* frames allowed in flight */
	unsigned int in_flight; /* frames now in flight */
	unsigned int
		threshold;    /* below it the window grows by one a reply, above by one a window */
	unsigned int replies; /* since it last grew, above the threshold */
};

/* A discovered target. Owned by the initiator until it is closed; read-only for everybody else. */
struct initiator_target {
	enum initiator_state state;
	uint16_t shelf;
	uint8_t slot;
	uint16_t firmware;	    /* version, of the configuration response */
	unsigned int frame_sectors; /* most in one frame on every path; longer requests are split */
	struct initiator_path paths[INITIATOR_PATHS_MAX];
	unsigned int npaths;
	uint8_t config[AOE_CONFIG_MAX]; /* the configuration string */
	unsigned int config_len;
	/* From IDENTIFY DEVICE, once UP */
	uint64_t sectors; /* the size, in 512-byte sectors */
	bool lba48;
	char model[41], serial[21], revision[9]; /* trailing blanks removed */
	/* The estimate that time-outs come from */
	uint64_t rtt_avg_ns, rtt_dev_ns;
};

/*
 * A request, owned by the caller, lent from initiator_submit() until `done`. `data` holds
 * sectors * 512 bytes; for a read it may be NULL, and the bytes are then thrown away. A transport
 * that sends without copying must keep a write's data until its last transmission has left: a
 * retransmitted frame may still be queued when the answer to its twin ends the request.
 */
struct initiator_io {
	struct initiator_target *target;
	bool write;
	uint64_t lba;	  /* sectors of 512 bytes */
	uint32_t sectors; /* at least 1 */
	void *data;
	void (*done)(struct initiator_io *io);
	/*
	 * The result: 0; -EIO: the device reported an error (see ata_*); -EPROTO: a reply without
	 * the data it promised; -ETIMEDOUT: the target went down; -ECANCELED: initiator_close().
	 */
	int result;
	uint8_t ata_status, ata_error; /* registers of the part that failed */
	/* The initiator's own */
	uint32_t cut;	     /* sectors already given to frames */
	unsigned int frames; /* not yet answered */
	struct list link;    /* in the target's requests */
};

struct initiator_stats {
	uint64_t sent;	      /* ATA commands, retransmissions included */
	uint64_t retransmits; /* commands sent again, under a new tag */
	uint64_t replies;     /* that ended a command */
	uint64_t late;	      /* to a command since retransmitted or answered */
	uint64_t ata_errors;  /* replies with an ATA error */
	uint64_t aoe_errors;  /* E-flagged replies: ignored, as the Linux driver does */
	uint64_t ignored;     /* too short, not AoE, not a response, of nobody we know */
};

/* 0 or negative errno (-EINVAL: no port, or an MTU that holds no sector; -ENOMEM). */
int initiator_open(const struct initiator_config *config, struct initiator **ini,
		   struct error *err);
/* Ends every request with -ECANCELED, then frees. NULL is nothing. */
void initiator_close(struct initiator *ini);

/* Broadcasts a configuration query on every port (AoEr11 3.2); targets appear as they answer. */
void initiator_discover(struct initiator *ini);

/* The target with that address, or NULL. Valid until initiator_close(). */
struct initiator_target *initiator_find(struct initiator *ini, uint16_t shelf, uint8_t slot);

/* Asks an UP target for its size again (IDENTIFY DEVICE); target_changed tells of a new one. */
void initiator_revalidate(struct initiator *ini, struct initiator_target *target, uint64_t now_ns);

/*
 * Queues a request; its frames leave as the windows of the target's paths allow. 0, or without
 * taking it: -ENXIO when the target is not UP, -EINVAL when the range is empty or past the end.
 */
int initiator_submit(struct initiator *ini, struct initiator_io *io, uint64_t now_ns);

/* One received Ethernet frame, in `n` fragments, valid during the call. Anything may be in it. */
void initiator_rx(struct initiator *ini, unsigned int port, const struct iovec *frags,
		  unsigned int n, uint64_t now_ns);

/* Retransmits what is overdue; cheap when nothing is. */
void initiator_tick(struct initiator *ini, uint64_t now_ns);

/* When initiator_tick() has something to do next; UINT64_MAX: not before a frame or a request. */
uint64_t initiator_deadline(const struct initiator *ini);

const struct initiator_stats *initiator_stats(const struct initiator *ini);

#endif
