/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/fault.h"

#include <errno.h>
#include <string.h>

void aoe_faults_init(struct aoe_faults *faults)
{
	*faults = (struct aoe_faults){.random = 0x9e3779b97f4a7c15ull};
	pthread_mutex_init(&faults->lock, NULL);
}

void aoe_faults_fini(struct aoe_faults *faults)
{
	pthread_mutex_destroy(&faults->lock);
}

int aoe_faults_add(struct aoe_faults *faults, const struct aoe_fault *fault)
{
	int ret = -ENOSPC;

	pthread_mutex_lock(&faults->lock);
	if (faults->count < AOE_FAULTS) {
		faults->rules[faults->count++] = *fault;
		atomic_store(&faults->any, true);
		ret = 0;
	}
	pthread_mutex_unlock(&faults->lock);
	return ret;
}

void aoe_faults_clear(struct aoe_faults *faults)
{
	pthread_mutex_lock(&faults->lock);
	faults->count = 0;
	atomic_store(&faults->any, false);
	pthread_mutex_unlock(&faults->lock);
}

unsigned int aoe_faults_list(struct aoe_faults *faults, struct aoe_fault out[AOE_FAULTS])
{
	unsigned int count;

	pthread_mutex_lock(&faults->lock);
	count = faults->count;
	memcpy(out, faults->rules, count * sizeof(*out));
	pthread_mutex_unlock(&faults->lock);
	return count;
}

unsigned int aoe_faults_count(struct aoe_faults *faults)
{
	unsigned int count;

	pthread_mutex_lock(&faults->lock);
	count = faults->count;
	pthread_mutex_unlock(&faults->lock);
	return count;
}

/* xorshift64* */
static uint32_t random_below(uint64_t *state, uint32_t bound)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545f4914f6cdd1dull >> 32) * bound >> 32);
}

static bool rule_meets(const struct aoe_fault *rule, const struct aoe_fault_command *command)
{
	if (!(rule->ops & command->op))
		return false;
	if (rule->by_mac && memcmp(rule->mac, command->mac, WIRE_MAC_LEN))
		return false;
	if (!rule->ranged)
		return true;
	return command->nblocks && command->lba <= rule->last &&
	       rule->first < command->lba + command->nblocks;
}

static bool rule_fires(struct aoe_faults *faults, struct aoe_fault *rule)
{
	if (++rule->met % rule->every)
		return false;
	if (rule->chance < AOE_FAULT_CERTAIN &&
	    random_below(&faults->random, AOE_FAULT_CERTAIN) >= rule->chance)
		return false;
	rule->fired++;
	return true;
}

static void remove_spent(struct aoe_faults *faults)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < faults->count; i++) {
		struct aoe_fault *rule = &faults->rules[i];

		if (!rule->count || rule->fired < rule->count)
			faults->rules[n++] = *rule;
	}
	faults->count = n;
	atomic_store(&faults->any, n != 0);
}

void aoe_faults_meet(struct aoe_faults *faults, const struct aoe_fault_command *command,
		     struct aoe_faulty *out)
{
	bool spent = false;

	*out = (struct aoe_faulty){.sector = command->lba};
	pthread_mutex_lock(&faults->lock);
	for (unsigned int i = 0; i < faults->count && !out->drop && !out->error; i++) {
		struct aoe_fault *rule = &faults->rules[i];

		if (!rule_meets(rule, command) || !rule_fires(faults, rule))
			continue;
		spent |= rule->fired == rule->count;
		switch (rule->kind) {
		case AOE_FAULT_DELAY:
			out->delay_ns += rule->delay_ns;
			break;
		case AOE_FAULT_ERROR:
			out->error = rule->error;
			if (rule->ranged && rule->first > command->lba)
				out->sector = rule->first;
			break;
		case AOE_FAULT_DROP:
			out->drop = true;
			break;
		}
	}
	if (spent)
		remove_spent(faults);
	pthread_mutex_unlock(&faults->lock);
}
