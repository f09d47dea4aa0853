/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Single words as the control socket, the command line and the configuration bring them: the first
 * byte chooses whose parser reads the rest. It is refused with a reason, or accepted; what is
 * accepted can be written, is accepted again, and is written the same.
 */
#include "aoe/aoe.h"
#include "aoe/fault.h"
#include "aoe/limit.h"
#include "aoe/mac.h"
#include "base/size.h"
#include "blk/blk.h"
#include "config/config.h"
#include "config/iscsi_words.h"
#include "config/words.h"
#include "scsi/scsi.h"

#include <stdlib.h>
#include <string.h>

#define WORD_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

/* Each: the word as it is written, which the caller frees; NULL: refused. */

static char *refused(int ret, const struct error *err)
{
	require(ret < 0 && err->text[0]);
	return NULL;
}

static char *disk(const char *text, struct error *err)
{
	struct disk_spec spec;
	int ret = disk_spec_parse(text, &spec, err);
	char *again;

	if (ret)
		return refused(ret, err);
	again = config_disk_text(&spec);
	disk_spec_fini(&spec);
	return again;
}

static char *rule(const char *text, struct error *err)
{
	struct iscsi_rule rule;
	int ret = config_rule_parse(text, &rule, err);

	if (ret)
		return refused(ret, err);
	iscsi_name_match(rule.pattern, "iqn.2026-11.example:host");
	return config_rule_text(&rule);
}

static char *portal(const char *text, struct error *err)
{
	struct iscsi_portal portal;
	char again[CONFIG_PORTAL_TEXT];
	int ret = config_portal_parse(text, &portal, err);

	if (ret)
		return refused(ret, err);
	config_portal_format(&portal, again);
	return strdup(again);
}

static char *address(const char *text, struct error *err)
{
	struct aoe_address address;
	char again[AOE_ADDRESS_TEXT];
	int ret = aoe_address_parse(text, &address, err);

	if (ret)
		return refused(ret, err);
	aoe_address_format(&address, again);
	return strdup(again);
}

static char *fault(const char *text, struct error *err)
{
	struct aoe_fault fault;
	char again[AOE_FAULT_TEXT];
	int ret = aoe_fault_parse(text, &fault, err);

	if (ret)
		return refused(ret, err);
	require(fault.every && fault.chance <= AOE_FAULT_CERTAIN);
	aoe_fault_format(&fault, again);
	return strdup(again);
}

static char *limit(const char *text, struct error *err)
{
	struct aoe_limit limit;
	int ret = aoe_limit_parse(text, &limit, err);

	if (ret)
		return refused(ret, err);
	require(limit.iops <= AOE_LIMIT_IOPS_MAX && limit.bytes <= AOE_LIMIT_BYTES_MAX);
	return strdup(text);
}

static char *access_state(const char *text, struct error *err)
{
	struct scsi_access_state state;
	int ret = scsi_access_parse(text, &state, err);
	char *again;

	if (ret)
		return refused(ret, err);
	require(asprintf(&again, "%s%s%s", scsi_access_name(state.access),
			 state.preferred ? ",preferred" : "",
			 state.implicit ? ",implicit" : "") > 0);
	return again;
}

static char *acl(const char *text, struct error *err)
{
	struct aoe_acl acl;
	int ret = aoe_acl_parse(text, &acl, err);

	if (ret)
		return refused(ret, err);
	aoe_acl_lookup(&acl, (const uint8_t[WIRE_MAC_LEN]){2, 0, 0, 0, 0, 1});
	aoe_acl_fini(&acl);
	return strdup(text);
}

static char *name(const char *text, struct error *err)
{
	int ret = iscsi_name_check(text, err);

	if (ret)
		return refused(ret, err);
	require(strlen(text) <= ISCSI_NAME_MAX && iscsi_name_match(text, text));
	return strdup(text);
}

static char *size_word(const char *text, struct error *err)
{
	char again[CONFIG_SIZE_TEXT];
	uint64_t bytes;

	if (size_parse(text, &bytes))
		return NULL;
	config_size_format(bytes, again);
	return strdup(again);
}

static char *vlan(const char *text, struct error *err)
{
	char again[CONFIG_VLAN_TEXT];
	uint32_t tags;

	if (!config_vlan_parse(text, &tags))
		return NULL;
	config_vlan_format(tags, again);
	return strdup(again);
}

static char *mac(const char *text, struct error *err)
{
	uint8_t bytes[WIRE_MAC_LEN];
	char again[MAC_TEXT];

	if (!mac_parse(text, strlen(text), bytes))
		return NULL;
	mac_format(bytes, again);
	return strdup(again);
}

static char *listen_word(const char *text, struct error *err)
{
	struct sockaddr_storage address;
	socklen_t len;
	int ret = config_listen_parse(text, &address, &len, err);

	return ret ? refused(ret, err) : strdup(text);
}

static char *(*const parsers[])(const char *text, struct error *err) = {
	disk, rule, portal,    address, fault, limit,	    access_state,
	acl,  name, size_word, vlan,	mac,   listen_word,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[WORD_MAX + 1], *(*parse)(const char *text, struct error *err), *once, *twice;
	struct error err = {};

	if (!size || size > WORD_MAX)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	parse = parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))];
	once = parse(text, &err);
	if (!once)
		return 0;
	twice = parse(once, &err);
	require(twice && !strcmp(once, twice));
	free(once);
	free(twice);
	return 0;
}
