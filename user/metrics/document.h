/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files that render have in common: reading documents, and labels of their objects. */
#ifndef STGT_METRICS_DOCUMENT_H
#define STGT_METRICS_DOCUMENT_H

#include "metrics/text.h"
#include <jansson.h>

/* A member's text; "" when it is missing or no string. */
static inline const char *document_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

/* A member's number; false, and no change, when it is missing or none, or below zero. */
static inline bool document_number(const json_t *object, const char *member, uint64_t *value)
{
	const json_t *number = json_object_get(object, member);

	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return false;
	*value = (uint64_t)json_integer_value(number);
	return true;
}

/* The label of an export, its address as users write it: [[OUTER.]VLAN:]SHELF.SLOT */
void document_label_export(struct text *labels, const json_t *export);

/*
 * Counters and latencies by interface, export, initiator and operation: `out` gets the metrics of
 * all queues' exports[].initiators[].ops.
 */
void render_pairs(const json_t *stats, struct text *out);

/* iSCSI targets of `status`, counters and sessions of `stats`. */
void render_iscsi(const json_t *status, const json_t *stats, struct text *out);

#endif
