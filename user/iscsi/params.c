/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/params.h"

#include "stgt/wire/iscsi.h"
#include <errno.h>
#include <string.h>

enum param_kind {
	PARAM_LIST,	/* the first of theirs that we know */
	PARAM_MIN,	/* the smaller number */
	PARAM_MAX,	/* the larger number */
	PARAM_AND,	/* Yes when both say so */
	PARAM_OR,	/* Yes when one says so */
	PARAM_DECLARED, /* a number that each side has of its own */
};

#define FIRST ISCSI_PHASE_LEADING
#define LOGIN (ISCSI_PHASE_LEADING | ISCSI_PHASE_JOINING)
#define ALL   (LOGIN | ISCSI_PHASE_FULL)

struct param_rule {
	const char *key;
	enum param_kind kind;
	uint8_t phases;
	bool discovery; /* means something there */
	uint32_t low, high, def;
	const char *words[3]; /* of lists: the values 0, 1, 2 */
};

#define SIZES 512, ISCSI_DATA_LIMIT
#define DIGESTS                  \
	{                        \
		"None", "CRC32C" \
	}
#define REPORTINGS                         \
	{                                  \
		"RFC3720", "ResponseFence" \
	}

/* RFC 7143 13.1 to 13.24, RFC 7144 for iSCSIProtocolLevel */
static const struct param_rule param_rules[ISCSI_PARAMS] = {
	[ISCSI_HEADER_DIGEST] = {"HeaderDigest", PARAM_LIST, LOGIN, true, 0, 1, 0, DIGESTS},
	[ISCSI_DATA_DIGEST] = {"DataDigest", PARAM_LIST, LOGIN, true, 0, 1, 0, DIGESTS},
	[ISCSI_MAX_CONNECTIONS] = {"MaxConnections", PARAM_MIN, FIRST, false, 1, 65535, 1, {}},
	[ISCSI_INITIAL_R2T] = {"InitialR2T", PARAM_OR, FIRST, false, 0, 1, 1, {}},
	[ISCSI_IMMEDIATE_DATA] = {"ImmediateData", PARAM_AND, FIRST, false, 0, 1, 1, {}},
	[ISCSI_MAX_RECV] = {"MaxRecvDataSegmentLength", PARAM_DECLARED, ALL, true, SIZES, 8192, {}},
	[ISCSI_MAX_BURST] = {"MaxBurstLength", PARAM_MIN, FIRST, false, SIZES, 262144, {}},
	[ISCSI_FIRST_BURST] = {"FirstBurstLength", PARAM_MIN, FIRST, false, SIZES, 65536, {}},
	[ISCSI_TIME2WAIT] = {"DefaultTime2Wait", PARAM_MAX, FIRST, true, 0, 3600, 2, {}},
	[ISCSI_TIME2RETAIN] = {"DefaultTime2Retain", PARAM_MIN, FIRST, true, 0, 3600, 20, {}},
	[ISCSI_MAX_R2T] = {"MaxOutstandingR2T", PARAM_MIN, FIRST, false, 1, 65535, 1, {}},
	[ISCSI_PDU_IN_ORDER] = {"DataPDUInOrder", PARAM_OR, FIRST, false, 0, 1, 1, {}},
	[ISCSI_SEQUENCE_IN_ORDER] = {"DataSequenceInOrder", PARAM_OR, FIRST, false, 0, 1, 1, {}},
	[ISCSI_RECOVERY_LEVEL] = {"ErrorRecoveryLevel", PARAM_MIN, FIRST, true, 0, 2, 0, {}},
	[ISCSI_TASK_REPORTING] = {"TaskReporting", PARAM_LIST, FIRST, false, 0, 1, 0, REPORTINGS},
	[ISCSI_PROTOCOL_LEVEL] = {"iSCSIProtocolLevel", PARAM_MIN, FIRST, false, 0, 31, 1, {}},
};

void iscsi_params_init(struct iscsi_params *params, const struct iscsi_settings *settings)
{
	memset(params, 0, sizeof(*params));
	for (unsigned int i = 0; i < ISCSI_PARAMS; i++)
		params->ours[i] = params->value[i] = param_rules[i].def;
	params->ours[ISCSI_HEADER_DIGEST] = params->ours[ISCSI_DATA_DIGEST] = ISCSI_DIGEST_CRC32C;
	params->insists[0] = settings->header_digest;
	params->insists[1] = settings->data_digest;
	params->ours[ISCSI_MAX_CONNECTIONS] = settings->max_connections;
	params->ours[ISCSI_INITIAL_R2T] = settings->initial_r2t;
	params->ours[ISCSI_IMMEDIATE_DATA] = settings->immediate_data;
	params->ours[ISCSI_MAX_RECV] = settings->max_recv_segment;
	params->ours[ISCSI_MAX_BURST] = settings->max_burst;
	params->ours[ISCSI_FIRST_BURST] = settings->first_burst;
	params->ours[ISCSI_TIME2RETAIN] = 0; /* recovery level 0: what is lost is lost */
	params->ours[ISCSI_MAX_R2T] = ISCSI_R2T_WINDOW;
	params->ours[ISCSI_TASK_REPORTING] = 1;
	params->ours[ISCSI_PROTOCOL_LEVEL] = 2;
}

static const struct param_rule *param_find(const char *key, unsigned int *param)
{
	for (*param = 0; *param < ISCSI_PARAMS; (*param)++)
		if (!strcmp(key, param_rules[*param].key))
			return &param_rules[*param];
	return NULL;
}

static bool param_insisted(const struct iscsi_params *params, unsigned int param)
{
	return param <= ISCSI_DATA_DIGEST && params->insists[param - ISCSI_HEADER_DIGEST];
}

/* The first word of the list that we know and may choose. */
static bool param_choose(const struct iscsi_params *params, unsigned int param, const char *list,
			 uint32_t *value)
{
	const struct param_rule *rule = &param_rules[param];
	const char *word;
	size_t len;

	while (iscsi_text_word(&list, &word, &len))
		for (uint32_t i = 0; i <= rule->high; i++)
			if (iscsi_text_is(word, len, rule->words[i]) &&
			    (!param_insisted(params, param) || i == params->ours[param])) {
				*value = i;
				return true;
			}
	return false;
}

/* What they said as a number; false when it is none that may be said. */
static bool param_read(const struct iscsi_params *params, unsigned int param, const char *value,
		       uint32_t *number)
{
	const struct param_rule *rule = &param_rules[param];
	bool yes;

	switch (rule->kind) {
	case PARAM_LIST:
		return param_choose(params, param, value, number);
	case PARAM_AND:
	case PARAM_OR:
		if (!iscsi_text_boolean(value, &yes))
			return false;
		*number = yes;
		return true;
	default:
		return iscsi_text_number(value, rule->high, number) && *number >= rule->low;
	}
}

static uint32_t param_result(enum param_kind kind, uint32_t ours, uint32_t theirs)
{
	switch (kind) {
	case PARAM_MIN:
		return ours < theirs ? ours : theirs;
	case PARAM_MAX:
		return ours > theirs ? ours : theirs;
	case PARAM_AND:
		return ours && theirs;
	case PARAM_OR:
		return ours || theirs;
	default:
		return theirs;
	}
}

static void param_say(unsigned int param, uint32_t value, struct iscsi_text *out)
{
	const struct param_rule *rule = &param_rules[param];

	switch (rule->kind) {
	case PARAM_LIST:
		iscsi_text_put(out, rule->key, rule->words[value]);
		break;
	case PARAM_AND:
	case PARAM_OR:
		iscsi_text_put(out, rule->key, value ? "Yes" : "No");
		break;
	default:
		iscsi_text_put_number(out, rule->key, value);
	}
}

/* The bursts depend on one another (RFC 7143 13.14). */
static void param_bound(struct iscsi_params *params)
{
	if (params->value[ISCSI_FIRST_BURST] > params->value[ISCSI_MAX_BURST])
		params->value[ISCSI_FIRST_BURST] = params->value[ISCSI_MAX_BURST];
}

/* Their answer to an offer of ours has to be what the rule makes of both. */
static int param_answered(struct iscsi_params *params, unsigned int param, const char *value)
{
	const struct param_rule *rule = &param_rules[param];
	uint32_t number;

	params->offered &= ~(1u << param);
	if (!param_read(params, param, value, &number))
		return -EPROTO;
	if (rule->kind != PARAM_LIST &&
	    param_result(rule->kind, params->ours[param], number) != number)
		return -EPROTO;
	params->theirs[param] = params->value[param] = number;
	param_bound(params);
	return 1;
}

/*
 * RFC 7143 13.25: keys of the past, which have to be known. They get No, where Reject is allowed as
 * well, because some initiators take Reject for a failure.
 */
static bool param_past(const char *key, struct iscsi_text *answer)
{
	if (!strcmp(key, "IFMarker") || !strcmp(key, "OFMarker"))
		iscsi_text_put(answer, key, "No");
	else if (!strcmp(key, "IFMarkInt") || !strcmp(key, "OFMarkInt"))
		iscsi_text_put(answer, key, "Reject");
	else
		return false;
	return true;
}

static int param_declared(struct iscsi_params *params, unsigned int param, const char *value,
			  struct iscsi_text *answer)
{
	uint32_t number;

	if (!param_read(params, param, value, &number)) {
		iscsi_text_put(answer, param_rules[param].key, "Reject");
		return 1;
	}
	params->theirs[param] = params->value[param] = number;
	return 1;
}

int iscsi_params_negotiate(struct iscsi_params *params, enum iscsi_phase phase, bool discovery,
			   const char *key, const char *value, struct iscsi_text *answer)
{
	unsigned int param;
	const struct param_rule *rule = param_find(key, &param);
	uint32_t number;

	if (!rule)
		return param_past(key, answer);
	if (params->offered & 1u << param)
		return param_answered(params, param, value);
	if (phase == ISCSI_PHASE_FULL && rule->phases & ISCSI_PHASE_FULL)
		return param_declared(params, param, value, answer);
	if (!(rule->phases & phase)) {
		iscsi_text_put(answer, key, "Reject");
		return 1;
	}
	if (params->said & 1u << param)
		return -EPROTO;
	params->said |= 1u << param;
	if (rule->kind == PARAM_DECLARED)
		return param_declared(params, param, value, answer);
	if (discovery && !rule->discovery) {
		iscsi_text_put(answer, key, "Irrelevant");
		return 1;
	}
	if (!param_read(params, param, value, &number)) {
		iscsi_text_put(answer, key, "Reject");
		return 1;
	}
	params->theirs[param] = number;
	params->value[param] = param_result(rule->kind, params->ours[param], number);
	param_bound(params);
	param_say(param, params->value[param], answer);
	return 1;
}

bool iscsi_params_offer(struct iscsi_params *params, struct iscsi_text *out)
{
	bool any = false;

	for (unsigned int i = 0; i < ISCSI_PARAMS; i++) {
		const struct param_rule *rule = &param_rules[i];
		bool suits = param_result(rule->kind, params->ours[i], rule->def) == rule->def ||
			     i == ISCSI_TIME2RETAIN;

		if (param_insisted(params, i))
			suits = false;
		if (suits || rule->kind == PARAM_DECLARED || params->said & 1u << i)
			continue;
		params->said |= 1u << i;
		params->offered |= 1u << i;
		param_say(i, params->ours[i], out);
		any = true;
	}
	return any;
}

bool iscsi_params_refused(const struct iscsi_params *params)
{
	for (unsigned int i = ISCSI_HEADER_DIGEST; i <= ISCSI_DATA_DIGEST; i++)
		if (param_insisted(params, i) && params->said & ~params->offered & 1u << i &&
		    params->value[i] != params->ours[i])
			return true;
	return false;
}

bool iscsi_params_settled(const struct iscsi_params *params)
{
	for (unsigned int i = ISCSI_HEADER_DIGEST; i <= ISCSI_DATA_DIGEST; i++)
		if (param_insisted(params, i) && params->value[i] != params->ours[i])
			return false;
	return !params->offered;
}
