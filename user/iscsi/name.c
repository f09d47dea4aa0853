/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* iSCSI names (RFC 7143 4.2.7), settings and patterns. */
#include "iscsi/iscsi.h"

#include "stgt/wire/iscsi.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static bool hex_digits(const char *text, size_t n)
{
	return strlen(text) == n && strspn(text, "0123456789abcdefABCDEF") == n;
}

/* iqn.YYYY-MM.REVERSED.DOMAIN[:ANYTHING] */
static bool iqn_legal(const char *name)
{
	static const char form[] = "iqn.dddd-dd.";

	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' && i >= 4 ? !isdigit((unsigned char)name[i])
					     : name[i] != form[i])
			return false;
	return name[sizeof(form) - 1];
}

int iscsi_name_check(const char *name, struct error *err)
{
	size_t len = strlen(name);

	if (len > ISCSI_NAME_MAX)
		return error_set(err, EINVAL, "an iSCSI name has at most %u bytes, not %zu",
				 ISCSI_NAME_MAX, len);
	if (!strncmp(name, "eui.", 4) && hex_digits(name + 4, 16))
		return 0;
	if (!strncmp(name, "naa.", 4) && (hex_digits(name + 4, 16) || hex_digits(name + 4, 32)))
		return 0;
	if (!iqn_legal(name))
		return error_set(err, EINVAL,
				 "\"%s\" is no iSCSI name: say iqn.YYYY-MM.DOMAIN:NAME, "
				 "eui.16-HEX-DIGITS or naa.HEX-DIGITS",
				 name);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		/*
		 * RFC 3722 lets nothing but letters, digits, '-', '.' and ':' pass; hosts in the
		 * field have more. Beyond ASCII is UTF-8. A comma would end the name in a
		 * TransportID.
		 */
		if (c < 0x80 && (!isgraph(c) || isupper(c) || strchr(",*\"", c)))
			return error_set(
				err, EINVAL,
				"\"%s\" is no iSCSI name: it has a character that may not be "
				"in one; after iqn. come lower case letters, digits, '-', '.' "
				"and ':'",
				name);
	}
	return 0;
}

int iscsi_name_compare(const char *a, const char *b)
{
	return strcasecmp(a, b);
}

bool iscsi_name_match(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;

	if (!strcmp(pattern, "any"))
		return true;
	/* What the last star stands for grows until the rest fits: no recursion, no blow-up. */
	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			from = name;
		} else if (tolower((unsigned char)*pattern) == tolower((unsigned char)*name)) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

void iscsi_settings_default(struct iscsi_settings *settings)
{
	*settings = (struct iscsi_settings){
		.max_recv_segment = 256u << 10,
		.max_burst = 16776192, /* what initiators ask for */
		.first_burst = ISCSI_RUN_BYTES,
		.max_connections = 4,
		.queue_depth = 128,
		.initial_r2t = true,
		.immediate_data = true,
		.nop_interval_ns = 15000000000ull,
		/* Hosts stop for that long, as virtual machines that are moved or saved. */
		.nop_timeout_ns = 60000000000ull,
	};
}

int iscsi_settings_check(const struct iscsi_settings *settings, struct error *err)
{
	if (settings->max_recv_segment < 512 || settings->max_recv_segment > ISCSI_DATA_LIMIT)
		return error_set(err, EINVAL, "max_recv_segment is from 512 to 16777215, not %u",
				 settings->max_recv_segment);
	if (settings->max_burst < 512 || settings->max_burst > ISCSI_DATA_LIMIT)
		return error_set(err, EINVAL, "max_burst is from 512 to 16777215, not %u",
				 settings->max_burst);
	if (settings->first_burst < 512 || settings->first_burst > ISCSI_RUN_BYTES ||
	    settings->first_burst > settings->max_burst)
		return error_set(err, EINVAL,
				 "first_burst is from 512 to %u and at most max_burst, not %u",
				 ISCSI_RUN_BYTES, settings->first_burst);
	if (!settings->max_connections || settings->max_connections > 32)
		return error_set(err, EINVAL, "max_connections is from 1 to 32, not %u",
				 settings->max_connections);
	if (!settings->queue_depth || settings->queue_depth > ISCSI_QUEUE_MAX)
		return error_set(err, EINVAL, "queue_depth is from 1 to %u, not %u",
				 ISCSI_QUEUE_MAX, settings->queue_depth);
	return 0;
}
