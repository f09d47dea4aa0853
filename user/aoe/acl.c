/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/aoe.h"
#include "aoe/mac.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int entry_compare(const void *a, const void *b)
{
	const struct aoe_acl_entry *x = a, *y = b;

	return memcmp(x->mac, y->mac, WIRE_MAC_LEN);
}

static bool word_is(const char *word, size_t len, const char *name)
{
	return len == strlen(name) && !strncmp(word, name, len);
}

/* Cuts a trailing "/ro", "/rw" or "/deny" off the word; read-write when there is none. */
static enum stgt_access access_suffix(const char *word, size_t *len)
{
	static const struct {
		const char *text;
		enum stgt_access access;
	} suffixes[] = {
		{"/rw", STGT_ACCESS_RW}, {":rw", STGT_ACCESS_RW},     {"/ro", STGT_ACCESS_RO},
		{":ro", STGT_ACCESS_RO}, {"/deny", STGT_ACCESS_DENY},
	};

	for (unsigned int i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i].text);

		if (*len < n || strncmp(word + *len - n, suffixes[i].text, n))
			continue;
		*len -= n;
		return suffixes[i].access;
	}
	return STGT_ACCESS_RW;
}

static int entry_parse(const char *word, size_t len, struct aoe_acl_entry *entry, struct error *err)
{
	size_t name = len;

	entry->access = access_suffix(word, &name);
	if (word_is(word, name, MAC_ANY_WORD)) {
		memcpy(entry->mac, mac_any, WIRE_MAC_LEN);
		return 0;
	}
	if (!mac_parse(word, name, entry->mac))
		return error_set(
			err, EINVAL,
			"'%.*s' is neither 'any' nor a MAC address (with /ro, /rw or /deny)",
			(int)len, word);
	if (!mac_is_station(entry->mac))
		return error_set(err, EINVAL, "'%.*s' is not the address of one station", (int)len,
				 word);
	return 0;
}

static int acl_check_unique(const struct aoe_acl *acl, struct error *err)
{
	for (unsigned int i = 1; i < acl->count; i++) {
		char text[MAC_TEXT];

		if (entry_compare(&acl->entries[i - 1], &acl->entries[i]))
			continue;
		mac_or_any_format(acl->entries[i].mac, text);
		return error_set(err, EINVAL, "%s is listed twice in the access list", text);
	}
	return 0;
}

int aoe_acl_parse(const char *text, struct aoe_acl *acl, struct error *err)
{
	unsigned int words = 1;
	int ret = 0;

	for (const char *c = text; *c; c++)
		words += *c == ',';
	acl->count = 0;
	acl->entries = calloc(words, sizeof(*acl->entries));
	if (!acl->entries)
		return error_set(err, ENOMEM, "out of memory");
	while (!ret) {
		size_t len = strcspn(text, ",");

		ret = entry_parse(text, len, &acl->entries[acl->count++], err);
		if (!text[len])
			break;
		text += len + 1;
	}
	if (!ret) {
		qsort(acl->entries, acl->count, sizeof(*acl->entries), entry_compare);
		ret = acl_check_unique(acl, err);
	}
	if (ret)
		aoe_acl_fini(acl);
	return ret;
}

bool aoe_acl_entry_format(const struct aoe_acl_entry *entry, char text[AOE_ACL_ENTRY_TEXT])
{
	static const char *const suffixes[] = {
		[STGT_ACCESS_DENY] = "/deny",
		[STGT_ACCESS_RO] = "/ro",
		[STGT_ACCESS_RW] = "",
	};
	char mac[MAC_TEXT];

	mac_or_any_format(entry->mac, mac);
	snprintf(text, AOE_ACL_ENTRY_TEXT, "%s%s", mac, suffixes[entry->access]);
	return mac_is_any(entry->mac);
}

int aoe_acl_copy(const struct aoe_acl *from, struct aoe_acl *to)
{
	to->count = from->count;
	to->entries = calloc(from->count ? from->count : 1, sizeof(*to->entries));
	if (!to->entries)
		return -ENOMEM;
	if (from->count)
		memcpy(to->entries, from->entries, from->count * sizeof(*to->entries));
	qsort(to->entries, to->count, sizeof(*to->entries), entry_compare);
	return 0;
}

void aoe_acl_fini(struct aoe_acl *acl)
{
	free(acl->entries);
	acl->entries = NULL;
	acl->count = 0;
}

bool aoe_acl_equal(const struct aoe_acl *a, const struct aoe_acl *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned int i = 0; i < a->count; i++)
		if (memcmp(a->entries[i].mac, b->entries[i].mac, WIRE_MAC_LEN) ||
		    a->entries[i].access != b->entries[i].access)
			return false;
	return true;
}

enum stgt_access aoe_acl_lookup(const struct aoe_acl *acl, const uint8_t mac[6])
{
	struct aoe_acl_entry key;
	const struct aoe_acl_entry *found;

	if (!acl->count)
		return STGT_ACCESS_DENY;
	memcpy(key.mac, mac, WIRE_MAC_LEN);
	found = bsearch(&key, acl->entries, acl->count, sizeof(key), entry_compare);
	if (found)
		return found->access;
	/* Entries are sorted: the one for everybody else, all ones, is the last. */
	found = &acl->entries[acl->count - 1];
	return mac_is_any(found->mac) ? found->access : STGT_ACCESS_DENY;
}
