/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/iscsi_words.h"

#include "base/cleanup.h"
#include "config/config.h"
#include "config/words.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- portals ---- */

static bool read_group(const char *text, uint16_t *group)
{
	uint64_t number;

	if (!config_number_parse(text, SCSI_GROUP_MAX, &number) || !number)
		return false;
	*group = (uint16_t)number;
	return true;
}

int config_portal_parse(const char *text, struct iscsi_portal *portal, struct error *err)
{
	const int place = (int)strcspn(text, ",");
	const char *colon = memrchr(text, ':', (size_t)place), *bracket = strrchr(text, ']');
	bool has_port = colon && (!bracket || colon > bracket);
	struct sockaddr_storage address;
	socklen_t len;
	int n;

	*portal = (struct iscsi_portal){.group = SCSI_GROUP_USUAL};
	if (text[place] && !read_group(text + place + 1, &portal->group))
		return error_set(err, EINVAL,
				 "'%.64s': behind the comma stands the portal group, 1 to %u", text,
				 SCSI_GROUP_MAX);
	n = snprintf(portal->address, sizeof(portal->address), "%.*s", place, text);
	if (!has_port && n < (int)sizeof(portal->address))
		n += snprintf(portal->address + n, sizeof(portal->address) - (size_t)n, ":%u",
			      CONFIG_ISCSI_PORT);
	if (n >= (int)sizeof(portal->address) ||
	    config_listen_parse(portal->address, &address, &len, NULL))
		return error_set(err, EINVAL,
				 "'%.64s' is no portal: write 192.0.2.1, 192.0.2.1:3260 or "
				 "[2001:db8::1]:3260",
				 text);
	return 0;
}

void config_portal_format(const struct iscsi_portal *portal, char text[CONFIG_PORTAL_TEXT])
{
	int n = snprintf(text, CONFIG_PORTAL_TEXT, "%s", portal->address);

	if (portal->group != SCSI_GROUP_USUAL)
		snprintf(text + n, CONFIG_PORTAL_TEXT - (size_t)n, ",%u", portal->group);
}

/* ---- initiators ---- */

static void lun_set(uint64_t mask[SCSI_LUNS_MAX / 64], unsigned int lun)
{
	mask[lun / 64] |= 1ull << lun % 64;
}

static bool lun_get(const uint64_t mask[SCSI_LUNS_MAX / 64], unsigned int lun)
{
	return mask[lun / 64] & 1ull << lun % 64;
}

/* N or N-M. */
static bool read_luns(const char *text, struct scsi_lun_mask *mask)
{
	unsigned int first, last;
	int end = 0;

	if (sscanf(text, "%3u%n-%3u%n", &first, &end, &last, &end) == 1)
		last = first;
	if (!end || text[end] || *text < '0' || *text > '9' || last < first ||
	    last >= SCSI_LUNS_MAX)
		return false;
	for (unsigned int lun = first; lun <= last; lun++)
		lun_set(mask->visible, lun);
	return true;
}

static int read_initiator(const char *name, struct iscsi_rule *rule, struct error *err)
{
	if (strcmp(name, "any") == 0)
		name = "*";
	if (!*name || strlen(name) > ISCSI_NAME_MAX)
		return error_set(err, EINVAL, "'%.64s' is no initiator's name", name);
	strcpy(rule->pattern, name);
	return strchr(name, '*') ? 0 : iscsi_name_check(name, err);
}

int config_rule_parse(const char *text, struct iscsi_rule *rule, struct error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	bool listed = false, read_only = false;
	int ret;

	*rule = (struct iscsi_rule){.pattern = ""};
	if (!copy)
		return error_set(err, ENOMEM, "out of memory");
	ret = read_initiator(strsep(&rest, "/"), rule, err);
	if (ret)
		return ret;
	while ((word = strsep(&rest, "/"))) {
		if (strcmp(word, "ro") == 0)
			read_only = true;
		else if (strncmp(word, "lun=", 4) == 0 && read_luns(word + 4, &rule->mask))
			listed = true;
		else
			return error_set(err, EINVAL,
					 "'%.64s': behind an initiator stand /ro, /lun=N or "
					 "/lun=N-M, N from 0 to %u",
					 text, SCSI_LUNS_MAX - 1);
	}
	if (!listed)
		memset(rule->mask.visible, 0xff, sizeof(rule->mask.visible));
	if (read_only)
		memset(rule->mask.read_only, 0xff, sizeof(rule->mask.read_only));
	return 0;
}

static void put_luns(FILE *out, const struct scsi_lun_mask *mask)
{
	for (unsigned int lun = 0, last; lun < SCSI_LUNS_MAX; lun = last + 1) {
		last = lun;
		if (!lun_get(mask->visible, lun))
			continue;
		while (last + 1 < SCSI_LUNS_MAX && lun_get(mask->visible, last + 1))
			last++;
		if (lun == 0 && last == SCSI_LUNS_MAX - 1)
			return;
		fprintf(out, "/lun=%u", lun);
		if (last > lun)
			fprintf(out, "-%u", last);
	}
}

char *config_rule_text(const struct iscsi_rule *rule)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(strcmp(rule->pattern, "*") ? rule->pattern : "any", out);
	put_luns(out, &rule->mask);
	if (rule->mask.read_only[0])
		fputs("/ro", out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

bool config_rule_equal(const struct iscsi_rule *a, const struct iscsi_rule *b)
{
	return !strcmp(a->pattern, b->pattern) && !memcmp(&a->mask, &b->mask, sizeof(a->mask));
}
