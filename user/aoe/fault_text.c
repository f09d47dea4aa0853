/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fault rules as users write them. */
#include "aoe/fault.h"

#include "aoe/mac.h"
#include "ata/taskfile.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS ", \t"

/* A whole number at `*text`, which is moved behind it. */
static bool number_parse(const char **text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*value = strtoull(*text, &end, 10);
	*text = end;
	return !errno;
}

static bool delay_parse(const char *text, struct aoe_fault *fault)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"", 1000000}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
	uint64_t value;

	if (!number_parse(&text, &value) || !value)
		return false;
	fault->kind = AOE_FAULT_DELAY;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (value > AOE_FAULT_DELAY_MAX_NS / units[i].ns)
			return false;
		fault->delay_ns = value * units[i].ns;
		return true;
	}
	return false;
}

static bool error_parse(const char *text, struct aoe_fault *fault)
{
	fault->kind = AOE_FAULT_ERROR;
	fault->error = strcmp(text, "abrt") == 0 ? ATA_ABRT : ATA_UNC;
	return !*text || strcmp(text, "unc") == 0 || strcmp(text, "abrt") == 0;
}

static bool drop_parse(const char *text, struct aoe_fault *fault)
{
	fault->kind = AOE_FAULT_DROP;
	return !*text;
}

static const struct {
	const char *name;
	unsigned int ops;
} ops[] = {
	{"any", AOE_FAULT_ANY},
	{"read", AOE_FAULT_READ},
	{"write", AOE_FAULT_WRITE},
	{"flush", AOE_FAULT_FLUSH},
};

static bool op_parse(const char *text, struct aoe_fault *fault)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(text, ops[i].name) != 0)
			continue;
		fault->ops = ops[i].ops;
		return true;
	}
	return false;
}

static bool initiator_parse(const char *text, struct aoe_fault *fault)
{
	fault->by_mac = true;
	return mac_parse(text, strlen(text), fault->mac) && mac_is_station(fault->mac);
}

static bool lba_parse(const char *text, struct aoe_fault *fault)
{
	fault->ranged = true;
	if (!number_parse(&text, &fault->first))
		return false;
	fault->last = fault->first;
	if (*text == '-' && (text++, !number_parse(&text, &fault->last)))
		return false;
	return !*text && fault->first <= fault->last;
}

static bool every_parse(const char *text, struct aoe_fault *fault)
{
	return number_parse(&text, &fault->every) && !*text && fault->every;
}

static bool count_parse(const char *text, struct aoe_fault *fault)
{
	return number_parse(&text, &fault->count) && !*text && fault->count;
}

/* Up to four decimals: millionths. */
static bool percent_parse(const char *text, struct aoe_fault *fault)
{
	uint64_t whole, part = 0, unit = 10000;

	if (!number_parse(&text, &whole) || whole > 100)
		return false;
	if (*text == '.')
		for (text++; isdigit((unsigned char)*text) && unit > 1; text++)
			part += (uint64_t)(*text - '0') * (unit /= 10);
	if (strcmp(text, "%") == 0)
		text++;
	part += whole * 10000;
	fault->chance = (uint32_t)part;
	return !*text && part && part <= AOE_FAULT_CERTAIN;
}

static const struct word {
	const char *name;
	bool (*parse)(const char *text, struct aoe_fault *fault);
	const char *wants;
	bool kind; /* says what happens; one of them is wanted */
	bool bare; /* means something without a value */
} words[] = {
	{"delay", delay_parse, "delay=TIME: 200, 200ms, 500us or 2s, at most 600s", true, false},
	{"error", error_parse, "error, error=unc or error=abrt", true, true},
	{"drop", drop_parse, "drop, without a value", true, true},
	{"op", op_parse, "op=read, op=write, op=flush or op=any", false, false},
	{"initiator", initiator_parse, "initiator=MAC, the address of one station", false, false},
	{"lba", lba_parse, "lba=SECTOR or lba=FIRST-LAST", false, false},
	{"every", every_parse, "every=N, from 1", false, false},
	{"percent", percent_parse, "percent=P, over 0 and at most 100", false, false},
	{"count", count_parse, "count=N, from 1", false, false},
};

#define NWORDS (sizeof(words) / sizeof(words[0]))

static int word_parse(const char *text, struct aoe_fault *fault, unsigned int *seen,
		      struct error *err)
{
	size_t len = strcspn(text, "=");

	for (unsigned int i = 0; i < NWORDS; i++) {
		const struct word *word = &words[i];

		if (strlen(word->name) != len || strncmp(text, word->name, len) != 0)
			continue;
		if (*seen & 1u << i)
			return error_set(err, EINVAL, "'%s' is said twice", word->name);
		*seen |= 1u << i;
		if (text[len] == '=' ? !text[len + 1] : !word->bare)
			return error_set(err, EINVAL, "'%s': wanted is %s", text, word->wants);
		if (!word->parse(text + len + (text[len] == '='), fault))
			return error_set(err, EINVAL, "'%s': wanted is %s", text, word->wants);
		return 0;
	}
	return error_set(err, EINVAL,
			 "'%s' is not known: delay=TIME, error or drop, and initiator=, op=, "
			 "lba=, every=, percent=, count= are",
			 text);
}

static int check_whole(const struct aoe_fault *fault, unsigned int seen, struct error *err)
{
	unsigned int kinds = 0;

	for (unsigned int i = 0; i < NWORDS; i++)
		kinds += words[i].kind && seen & 1u << i;
	if (kinds != 1)
		return error_set(err, EINVAL,
				 "a rule says one of delay=TIME, error and drop; write several "
				 "rules for several of them");
	if (fault->ranged && fault->ops == AOE_FAULT_FLUSH)
		return error_set(err, EINVAL, "a flush has no sectors: leave out op= or lba=");
	return 0;
}

int aoe_fault_parse(const char *text, struct aoe_fault *fault, struct error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	unsigned int seen = 0;
	char *save = NULL;

	if (!copy)
		return error_set(err, ENOMEM, "out of memory");
	*fault = (struct aoe_fault){
		.ops = AOE_FAULT_ANY,
		.every = 1,
		.chance = AOE_FAULT_CERTAIN,
	};
	for (char *word = strtok_r(copy, SEPARATORS, &save); word;
	     word = strtok_r(NULL, SEPARATORS, &save)) {
		int ret = word_parse(word, fault, &seen, err);

		if (ret)
			return ret;
	}
	return check_whole(fault, seen, err);
}

/* ---- and back ---- */

static void format_kind(const struct aoe_fault *fault, FILE *out)
{
	switch (fault->kind) {
	case AOE_FAULT_DELAY:
		if (fault->delay_ns % 1000000)
			fprintf(out, "delay=%" PRIu64 "us", fault->delay_ns / 1000);
		else
			fprintf(out, "delay=%" PRIu64 "ms", fault->delay_ns / 1000000);
		break;
	case AOE_FAULT_ERROR:
		fprintf(out, "error=%s", fault->error == ATA_UNC ? "unc" : "abrt");
		break;
	case AOE_FAULT_DROP:
		fprintf(out, "drop");
		break;
	}
}

void aoe_fault_format(const struct aoe_fault *fault, char text[AOE_FAULT_TEXT])
{
	FILE *out = fmemopen(text, AOE_FAULT_TEXT, "w");

	*text = '\0';
	if (!out)
		return;
	format_kind(fault, out);
	if (fault->by_mac) {
		char mac[MAC_TEXT];

		mac_format(fault->mac, mac);
		fprintf(out, ",initiator=%s", mac);
	}
	for (size_t i = 1; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (fault->ops == ops[i].ops)
			fprintf(out, ",op=%s", ops[i].name);
	if (fault->ranged && fault->first == fault->last)
		fprintf(out, ",lba=%" PRIu64, fault->first);
	else if (fault->ranged)
		fprintf(out, ",lba=%" PRIu64 "-%" PRIu64, fault->first, fault->last);
	if (fault->every > 1)
		fprintf(out, ",every=%" PRIu64, fault->every);
	if (fault->chance % 10000)
		fprintf(out, ",percent=%u.%04u", fault->chance / 10000, fault->chance % 10000);
	else if (fault->chance < AOE_FAULT_CERTAIN)
		fprintf(out, ",percent=%u", fault->chance / 10000);
	if (fault->count)
		fprintf(out, ",count=%" PRIu64, fault->count);
	fclose(out);
}
