/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Faults that an administrator injects into an export to see how its initiators bear them: answers
 * that are late, that say error, or that do not come.
 *
 * An export has a list of rules. A command that reads, writes or flushes meets them in order: each
 * delay that fires adds up, the first error or drop that fires decides and is the last. A command
 * that is failed or dropped is not executed. All other commands (IDENTIFY, SMART, configuration)
 * meet no rule, so that the disk stays found.
 */
#ifndef STGT_AOE_FAULT_H
#define STGT_AOE_FAULT_H

#include "base/error.h"
#include "stgt/wire/eth.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum aoe_fault_kind {
	AOE_FAULT_DELAY, /* executed in its turn, answered later */
	AOE_FAULT_ERROR,
	AOE_FAULT_DROP,
};

enum aoe_fault_op {
	AOE_FAULT_READ = 1 << 0,
	AOE_FAULT_WRITE = 1 << 1,
	AOE_FAULT_FLUSH = 1 << 2,
	AOE_FAULT_ANY = AOE_FAULT_READ | AOE_FAULT_WRITE | AOE_FAULT_FLUSH,
};

#define AOE_FAULT_CERTAIN      1000000u /* the chance of what always fires */
#define AOE_FAULT_DELAY_MAX_NS (600ull * 1000000000u)
#define AOE_FAULTS	       32u /* rules of an export */

struct aoe_fault {
	enum aoe_fault_kind kind;
	uint64_t delay_ns;
	uint8_t error;	  /* ATA error register */
	unsigned int ops; /* enum aoe_fault_op */
	bool by_mac;	  /* meets only commands of `mac` */
	uint8_t mac[WIRE_MAC_LEN];
	bool ranged;	      /* meets only what touches first..last, so no flush */
	uint64_t first, last; /* sectors of 512 bytes, both included */
	uint64_t every;	      /* fires at every Nth command that it meets; 1: at each */
	uint32_t chance;      /* and then so many times in a million */
	uint64_t count;	      /* goes away after it fired so often; 0: stays */

	/* Not parsed: what it has done. */
	uint64_t met, fired;
};

/*
 * One rule as users write it, words separated by commas or blanks: `delay=TIME` (ms unless it ends
 * in us, ms or s), `error`, `error=unc`, `error=abrt` or `drop`, and any of `initiator=MAC`,
 * `op=read|write|flush|any`, `lba=SECTOR` or `lba=FIRST-LAST`, `every=N`, `percent=P` (with
 * decimals if need be), `count=N`. -EINVAL names the wrong word.
 */
int aoe_fault_parse(const char *text, struct aoe_fault *fault, struct error *err);
/* The same words back, without those that say nothing. */
#define AOE_FAULT_TEXT 224
void aoe_fault_format(const struct aoe_fault *fault, char text[AOE_FAULT_TEXT]);

/* The rules of one export, shared by its workers. Any thread. */
struct aoe_faults {
	atomic_bool any;      /* there are rules */
	pthread_mutex_t lock; /* of what follows */
	unsigned int count;
	struct aoe_fault rules[AOE_FAULTS];
	uint64_t random; /* the same numbers every time: a test that failed fails again */
};

void aoe_faults_init(struct aoe_faults *faults);
void aoe_faults_fini(struct aoe_faults *faults);
/* Appends. -ENOSPC: AOE_FAULTS are there. */
int aoe_faults_add(struct aoe_faults *faults, const struct aoe_fault *fault);
void aoe_faults_clear(struct aoe_faults *faults);
/* Copies the rules as they are; their number. */
unsigned int aoe_faults_list(struct aoe_faults *faults, struct aoe_fault out[AOE_FAULTS]);

/* Their number. */
unsigned int aoe_faults_count(struct aoe_faults *faults);

/* False: no rule is there, and aoe_faults_meet() has nothing to say. Costs next to nothing. */
static inline bool aoe_faults_any(const struct aoe_faults *faults)
{
	return atomic_load_explicit(&faults->any, memory_order_relaxed);
}

struct aoe_faulty {
	uint64_t delay_ns;
	bool drop;
	uint8_t error;	 /* ATA error register, or 0 */
	uint64_t sector; /* with an error: the first that the rule's range has of the command's */
};

/* A command that meets rules; a flush has no sectors. */
struct aoe_fault_command {
	const uint8_t *mac; /* the initiator's */
	enum aoe_fault_op op;
	uint64_t lba;
	uint32_t nblocks;
};

/* What befalls it. */
void aoe_faults_meet(struct aoe_faults *faults, const struct aoe_fault_command *command,
		     struct aoe_faulty *out);

#endif
