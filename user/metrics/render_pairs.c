/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests: of AoE by interface, export, initiator and operation, of iSCSI by target, LUN and
 * operation. By far the most lines of a scrape: the labels of a series are made once for all its
 * lines.
 */
#include "metrics/document.h"
#include "metrics/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOUNDS_MAX 31u /* of a histogram; more in the document are left out */

#define LINE_REST 80u /* of a line, beside its labels: name, bound and number */

struct bounds {
	unsigned int count;
	struct text le[BOUNDS_MAX + 1]; /* `,le="0.01"} `, the last for +Inf */
};

struct pair_series {
	char *labels;
	uint64_t count, bytes, errors, latency_ns;
	uint64_t buckets[BOUNDS_MAX + 1]; /* not cumulative */
};

struct pair_list {
	struct pair_series *all;
	size_t count, size;
	unsigned int buckets; /* of each */
	bool failed;
};

/* ---- from the document ---- */

static void bounds_read(const json_t *stats, struct bounds *bounds)
{
	const json_t *list = json_object_get(stats, "latency_bounds_us");

	*bounds = (struct bounds){.count = (unsigned int)json_array_size(list)};
	if (bounds->count > BOUNDS_MAX)
		bounds->count = BOUNDS_MAX;
	for (unsigned int i = 0; i <= bounds->count; i++) {
		struct text *le = &bounds->le[i];

		text_put(le, ",le=\"");
		if (i < bounds->count)
			text_decimal(le, (uint64_t)json_integer_value(json_array_get(list, i)), 6);
		else
			text_put(le, "+Inf");
		text_put(le, "\"} ");
	}
}

static void bounds_free(struct bounds *bounds)
{
	for (unsigned int i = 0; i <= bounds->count; i++)
		free(bounds->le[i].data);
}

static struct pair_series *pair_append(struct pair_list *list)
{
	size_t size = list->size ? list->size * 2 : 64;
	struct pair_series *grown;

	if (list->count == list->size) {
		grown = reallocarray(list->all, size, sizeof(*grown));
		if (!grown) {
			list->failed = true;
			return NULL;
		}
		list->all = grown;
		list->size = size;
	}
	return &list->all[list->count];
}

static void pair_add(struct pair_list *list, struct text *labels, const json_t *op)
{
	const json_t *buckets = json_object_get(op, "buckets");
	struct pair_series *pair = pair_append(list);
	size_t len;

	if (!pair) {
		free(labels->data);
		return;
	}
	memset(pair, 0, sizeof(*pair));
	document_number(op, "bytes", &pair->bytes);
	document_number(op, "errors", &pair->errors);
	document_number(op, "latency_ns", &pair->latency_ns);
	for (unsigned int i = 0; i < list->buckets; i++)
		pair->buckets[i] = (uint64_t)json_integer_value(json_array_get(buckets, i));
	pair->labels = text_take(labels, &len);
	if (pair->labels)
		list->count++;
	else
		list->failed = true;
}

static void pairs_of_export(struct pair_list *list, const json_t *interface, const json_t *export)
{
	const json_t *initiator;
	struct text prefix = {.failed = false};
	const char *operation;
	json_t *op;
	size_t i;

	text_label(&prefix, "interface", document_text(interface, "name"));
	document_label_export(&prefix, export);
	json_array_foreach (json_object_get(export, "initiators"), i, initiator)
		json_object_foreach (json_object_get(initiator, "ops"), operation, op) {
			struct text labels = {.failed = prefix.failed};

			text_putn(&labels, prefix.data, prefix.len);
			text_label(&labels, "initiator", document_text(initiator, "mac"));
			text_label(&labels, "operation", operation);
			pair_add(list, &labels, op);
		}
	free(prefix.data);
}

/* All initiators of a unit, those that are gone included, are one series. */
static void pairs_of_lun(struct pair_list *list, const char *target, const json_t *lun)
{
	const json_t *initiator;
	uint64_t number = 0;
	char text[24];
	size_t i;

	document_number(lun, "lun", &number);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	for (i = 0; i <= json_array_size(json_object_get(lun, "initiators")); i++) {
		const char *operation;
		json_t *ops, *op;

		initiator = json_array_get(json_object_get(lun, "initiators"), i);
		ops = initiator ? json_object_get(initiator, "ops")
				: json_object_get(lun, "silent");
		json_object_foreach (ops, operation, op) {
			struct text labels = {.failed = false};

			text_label(&labels, "target", target);
			text_label(&labels, "lun", text);
			text_label(&labels, "operation", operation);
			pair_add(list, &labels, op);
		}
	}
}

static void luns_read(const json_t *stats, struct pair_list *list)
{
	const json_t *targets = json_object_get(json_object_get(stats, "iscsi"), "targets");
	const json_t *target, *lun;
	size_t t, l;

	json_array_foreach (targets, t, target)
		json_array_foreach (json_object_get(target, "luns"), l, lun)
			pairs_of_lun(list, document_text(target, "name"), lun);
}

static void pairs_read(const json_t *stats, struct pair_list *list)
{
	const json_t *interfaces = json_object_get(stats, "interfaces"), *interface, *queue,
		     *export;
	size_t i, q, e;

	json_array_foreach (interfaces, i, interface)
		json_array_foreach (json_object_get(interface, "queues"), q, queue)
			json_array_foreach (json_object_get(queue, "exports"), e, export)
				pairs_of_export(list, interface, export);
}

static int pair_compare(const void *a, const void *b)
{
	const struct pair_series *pa = a, *pb = b;

	return strcmp(pa->labels, pb->labels);
}

/* Adds equal ones up: an initiator's requests may come over several queues. */
static void pairs_merge(struct pair_list *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->all, list->count, sizeof(*list->all), pair_compare);
	for (size_t i = 0; i < list->count; i++) {
		struct pair_series *pair = &list->all[i], *to = &list->all[kept ? kept - 1 : 0];

		if (!kept || pair_compare(to, pair)) {
			list->all[kept++] = *pair;
			continue;
		}
		to->bytes += pair->bytes;
		to->errors += pair->errors;
		to->latency_ns += pair->latency_ns;
		for (unsigned int b = 0; b < list->buckets; b++)
			to->buckets[b] += pair->buckets[b];
		free(pair->labels);
	}
	list->count = kept;
	for (size_t i = 0; i < kept; i++)
		for (unsigned int b = 0; b < list->buckets; b++)
			list->all[i].count += list->all[i].buckets[b];
}

/* ---- to text ---- */

/* `name`{`labels`} `value`, the latter in units of 10^-digits. */
static void print_line(struct text *out, const char *name, const struct pair_series *pair,
		       uint64_t value, unsigned int digits)
{
	text_put(out, name);
	text_put(out, "{");
	text_put(out, pair->labels);
	text_put(out, "} ");
	text_decimal(out, value, digits);
	text_put(out, "\n");
}

/* What the requests of one protocol are called. */
struct family {
	struct metric duration, bytes, errors;
	const char *bucket, *sum, *count; /* lines of `duration`; the first with its brace */
};

static void print_histogram(struct text *out, const struct family *family,
			    const struct pair_series *pair, const struct bounds *bounds)
{
	size_t labels = strlen(pair->labels), name = strlen(family->bucket);
	uint64_t below = 0;

	for (unsigned int i = 0; i <= bounds->count; i++) {
		below += pair->buckets[i];
		text_putn(out, family->bucket, name);
		text_putn(out, pair->labels, labels);
		text_putn(out, bounds->le[i].data, bounds->le[i].len);
		text_number(out, below);
		text_putn(out, "\n", 1);
	}
	print_line(out, family->sum, pair, pair->latency_ns, 9);
	print_line(out, family->count, pair, pair->count, 0);
}

/* About what the lines of all pairs take; rather more than less. */
static size_t pairs_size(const struct pair_list *list)
{
	size_t longest = 0;

	for (size_t i = 0; i < list->count; i++) {
		size_t len = strlen(list->all[i].labels);

		longest = len > longest ? len : longest;
	}
	return list->count * (list->buckets + 4) * (longest + LINE_REST);
}

static void print_family(struct text *out, const struct family *family,
			 const struct pair_list *list, const struct bounds *bounds)
{
	metric_head(out, &family->duration);
	for (size_t i = 0; i < list->count; i++)
		print_histogram(out, family, &list->all[i], bounds);
	metric_head(out, &family->bytes);
	for (size_t i = 0; i < list->count; i++)
		print_line(out, family->bytes.name, &list->all[i], list->all[i].bytes, 0);
	metric_head(out, &family->errors);
	for (size_t i = 0; i < list->count; i++)
		print_line(out, family->errors.name, &list->all[i], list->all[i].errors, 0);
}

static void render_family(const json_t *stats, const struct family *family,
			  void (*read)(const json_t *stats, struct pair_list *list),
			  struct text *out)
{
	struct pair_list list = {.failed = false};
	struct bounds bounds;

	bounds_read(stats, &bounds);
	list.buckets = bounds.count + 1;
	read(stats, &list);
	pairs_merge(&list);
	for (unsigned int i = 0; i <= bounds.count; i++)
		list.failed |= bounds.le[i].failed;
	out->failed |= list.failed;
	text_reserve(out, pairs_size(&list));
	if (list.count && !out->failed)
		print_family(out, family, &list, &bounds);
	for (size_t i = 0; i < list.count; i++)
		free(list.all[i].labels);
	free(list.all);
	bounds_free(&bounds);
}

#define FAMILY(name, what, duration)                                                    \
	{                                                                               \
		{name "_duration_seconds", "histogram", duration},                      \
			{name "_bytes_total", "counter",                                \
			 "Bytes that " what " requests read or wrote."},                \
			{name "_errors_total", "counter",                               \
			 what " requests answered with an error."},                     \
			name "_duration_seconds_bucket{", name "_duration_seconds_sum", \
			name "_duration_seconds_count"                                  \
	}

void render_pairs(const json_t *stats, struct text *out)
{
	static const struct family ata =
		FAMILY("stgt_request", "ATA",
		       "Time from taking an ATA request's frame to handing its reply to the "
		       "socket.");
	static const struct family scsi =
		FAMILY("stgt_iscsi_request", "SCSI",
		       "Time from a SCSI command's arrival to handing its answer to the socket.");

	render_family(stats, &ata, pairs_read, out);
	render_family(stats, &scsi, luns_read, out);
}
