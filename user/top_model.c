/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top_model.h"

#include "base/clock.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MAX 32
#define EXPORT_TEXT 240	    /* an iSCSI name and a LUN */
#define ISCSI	    "iscsi" /* in the place of an interface */

struct counts {
	uint64_t value[TOP_COUNTERS];
	uint64_t buckets[BUCKETS_MAX];
};

/* One thing that a document counts; several are the same one, seen by several queues. */
struct entry {
	const char *interface;
	char export[EXPORT_TEXT]; /* or unit; "": the interface or the initiator as such */
	const char *initiator;	  /* "": the export as such */
	const char *note;
	struct counts counts;
};

struct top_sample {
	json_t *stats, *status; /* whose strings the entries point to */
	uint64_t at_ns;
	double bounds_us[BUCKETS_MAX];
	size_t nbounds;
	uint64_t inflight;
	struct entry *entries;
	size_t nentries, capacity;
	bool failed; /* out of memory */
};

/* ---- from documents to entries ---- */

static uint64_t number(const json_t *object, const char *member)
{
	json_int_t value = json_integer_value(json_object_get(object, member));

	return value > 0 ? (uint64_t)value : 0;
}

static const char *text(const json_t *object, const char *member)
{
	const char *value = json_string_value(json_object_get(object, member));

	return value ? value : "";
}

/* [VLAN:]ADDRESS; a VLAN is a number, or a text when there are two tags. */
static void export_text(const json_t *export, char out[EXPORT_TEXT])
{
	const char *vlans = text(export, "vlan");
	uint64_t vlan = number(export, "vlan");

	if (*vlans)
		snprintf(out, EXPORT_TEXT, "%s:%s", vlans, text(export, "address"));
	else if (vlan)
		snprintf(out, EXPORT_TEXT, "%llu:%s", (unsigned long long)vlan,
			 text(export, "address"));
	else
		snprintf(out, EXPORT_TEXT, "%s", text(export, "address"));
}

/* The next entry, empty but for these; NULL when out of memory. Moves those before it. */
static struct entry *entry_add(struct top_sample *sample, const char *interface, const char *note)
{
	struct entry *entry;

	if (sample->nentries == sample->capacity) {
		size_t capacity = sample->capacity ? 2 * sample->capacity : 64;

		entry = reallocarray(sample->entries, capacity, sizeof(*entry));
		if (!entry) {
			sample->failed = true;
			return NULL;
		}
		sample->entries = entry;
		sample->capacity = capacity;
	}
	entry = &sample->entries[sample->nentries++];
	*entry = (struct entry){.interface = interface, .initiator = "", .note = note};
	return entry;
}

static void counts_add_op(struct counts *counts, const char *name, const json_t *op)
{
	const json_t *buckets = json_object_get(op, "buckets"), *bucket;
	uint64_t count = number(op, "count"), bytes = number(op, "bytes");
	size_t i;

	counts->value[TOP_OPS] += count;
	counts->value[TOP_ERRORS] += number(op, "errors");
	if (strcmp(name, "read") == 0) {
		counts->value[TOP_READS] += count;
		counts->value[TOP_READ_BYTES] += bytes;
	} else if (strcmp(name, "write") == 0) {
		counts->value[TOP_WRITES] += count;
		counts->value[TOP_WRITE_BYTES] += bytes;
	}
	json_array_foreach (buckets, i, bucket) {
		json_int_t n = json_integer_value(bucket);

		if (i < BUCKETS_MAX && n > 0)
			counts->buckets[i] += (uint64_t)n;
	}
}

/* An export of a server that does not tell its initiators apart: no latencies. */
static void counts_add_export(struct counts *counts, const json_t *export)
{
	counts->value[TOP_READS] = number(export, "reads");
	counts->value[TOP_WRITES] = number(export, "writes");
	counts->value[TOP_OPS] = counts->value[TOP_READS] + counts->value[TOP_WRITES] +
				 number(export, "flushes") + number(export, "other");
	counts->value[TOP_READ_BYTES] = number(export, "read_bytes");
	counts->value[TOP_WRITE_BYTES] = number(export, "write_bytes");
	counts->value[TOP_ERRORS] = number(export, "ata_errors");
}

/* The disk behind an export of the stats document, which the status document knows. */
static const char *export_disk(const struct top_sample *sample, const char *interface,
			       const json_t *export)
{
	const json_t *candidate, *name;
	size_t i, n;

	json_array_foreach (json_object_get(sample->status, "exports"), i, candidate) {
		const json_t *interfaces = json_object_get(candidate, "interfaces");

		if (strcmp(text(candidate, "address"), text(export, "address")) ||
		    !json_equal(json_object_get(candidate, "vlan"),
				json_object_get(export, "vlan")))
			continue;
		json_array_foreach (interfaces, n, name) {
			if (json_is_string(name) && !strcmp(json_string_value(name), interface))
				return text(candidate, "disk");
		}
	}
	return "";
}

static void add_export(struct top_sample *sample, const char *interface, const json_t *export)
{
	const json_t *initiators = json_object_get(export, "initiators"), *initiator, *op;
	const char *disk = export_disk(sample, interface, export), *name;
	struct entry *entry = entry_add(sample, interface, disk);
	size_t i;

	if (!entry)
		return;
	export_text(export, entry->export);
	entry->counts.value[TOP_RETRANSMITS] = number(export, "retransmits");
	if (!initiators)
		counts_add_export(&entry->counts, export);
	json_array_foreach (initiators, i, initiator) {
		entry = entry_add(sample, interface, disk);
		if (!entry)
			return;
		export_text(export, entry->export);
		entry->initiator = text(initiator, "mac");
		json_object_foreach (json_object_get(initiator, "ops"), name, op)
			counts_add_op(&entry->counts, name, op);
	}
}

static void add_queue(struct top_sample *sample, const char *interface, const json_t *queue)
{
	const json_t *member;
	size_t i;

	sample->inflight += number(queue, "inflight");
	json_array_foreach (json_object_get(queue, "exports"), i, member) {
		if (*text(member, "address"))
			add_export(sample, interface, member);
	}
	/* Also those who have asked for nothing yet. */
	json_array_foreach (json_object_get(queue, "initiators"), i, member) {
		struct entry *entry = entry_add(sample, interface, "");

		if (entry)
			entry->initiator = text(member, "mac");
	}
}

static const char *interface_mode(const struct top_sample *sample, const char *name)
{
	const json_t *interface;
	size_t i;

	json_array_foreach (json_object_get(sample->status, "interfaces"), i, interface) {
		if (strcmp(text(interface, "name"), name) == 0)
			return text(interface, "xdp_mode");
	}
	return "";
}

static void add_interface(struct top_sample *sample, const json_t *interface)
{
	const char *name = text(interface, "name"), *protocol;
	const json_t *verdicts, *queue;
	struct entry *entry = entry_add(sample, name, interface_mode(sample, name));
	size_t i;

	if (!entry)
		return;
	json_object_foreach (json_object_get(interface, "counters"), protocol, verdicts)
		entry->counts.value[TOP_DENIED] +=
			number(json_object_get(verdicts, "drop-acl"), "frames") +
			number(json_object_get(verdicts, "drop-flood"), "frames");
	json_array_foreach (json_object_get(interface, "queues"), i, queue)
		add_queue(sample, name, queue);
}

/* ---- iSCSI: its units are exports ---- */

/* The disk behind a unit, which the status document knows. */
static const char *lun_disk(const struct top_sample *sample, const char *name, uint64_t number_of)
{
	const json_t *target, *lun;
	size_t t, l;

	json_array_foreach (json_object_get(sample->status, "iscsi"), t, target) {
		if (strcmp(text(target, "name"), name))
			continue;
		json_array_foreach (json_object_get(target, "luns"), l, lun)
			if (number(lun, "lun") == number_of)
				return text(lun, "disk");
	}
	return "";
}

static struct entry *lun_entry(struct top_sample *sample, const char *target, const json_t *lun)
{
	uint64_t n = number(lun, "lun");
	struct entry *entry = entry_add(sample, ISCSI, lun_disk(sample, target, n));

	if (entry)
		snprintf(entry->export, EXPORT_TEXT, "%s/%llu", target, (unsigned long long)n);
	return entry;
}

/* What sessions that are over asked for belongs to nobody, as an export's `silent` does. */
static void add_lun(struct top_sample *sample, const char *target, const json_t *lun)
{
	struct entry *entry = lun_entry(sample, target, lun);
	const json_t *initiator, *op;
	const char *name;
	size_t i;

	json_array_foreach (json_object_get(lun, "initiators"), i, initiator) {
		entry = entry ? lun_entry(sample, target, lun) : NULL;
		if (!entry)
			return;
		entry->initiator = text(initiator, "name");
		json_object_foreach (json_object_get(initiator, "ops"), name, op)
			counts_add_op(&entry->counts, name, op);
	}
}

static void add_iscsi(struct top_sample *sample, const json_t *iscsi)
{
	const json_t *target, *lun, *session;
	size_t t, l;

	if (!iscsi || !entry_add(sample, ISCSI, ""))
		return;
	json_array_foreach (json_object_get(iscsi, "targets"), t, target)
		json_array_foreach (json_object_get(target, "luns"), l, lun)
			add_lun(sample, text(target, "name"), lun);
	json_array_foreach (json_object_get(iscsi, "sessions"), t, session)
		sample->inflight += number(session, "inflight");
}

/* ---- samples ---- */

static size_t units(const json_t *status)
{
	const json_t *target;
	size_t n = 0, i;

	json_array_foreach (json_object_get(status, "iscsi"), i, target)
		n += json_array_size(json_object_get(target, "luns"));
	return n;
}

struct top_sample *top_sample_new(json_t *stats, json_t *status, uint64_t now_ns)
{
	struct top_sample *sample = calloc(1, sizeof(*sample));
	const json_t *member;
	size_t i;

	if (!sample)
		return NULL;
	sample->stats = json_incref(stats);
	sample->status = json_incref(status);
	sample->at_ns = now_ns;
	json_array_foreach (json_object_get(stats, "latency_bounds_us"), i, member) {
		if (i < BUCKETS_MAX - 1 && json_is_number(member))
			sample->bounds_us[sample->nbounds++] = json_number_value(member);
	}
	json_array_foreach (json_object_get(stats, "interfaces"), i, member) {
		if (*text(member, "name"))
			add_interface(sample, member);
	}
	add_iscsi(sample, json_object_get(stats, "iscsi"));
	if (sample->failed) {
		top_sample_free(sample);
		return NULL;
	}
	return sample;
}

void top_sample_free(struct top_sample *sample)
{
	if (!sample)
		return;
	json_decref(sample->stats);
	json_decref(sample->status);
	free(sample->entries);
	free(sample);
}

/* ---- from entries to groups: one for each row of a view, in the order of their names ---- */

struct group {
	struct top_name name;
	const char *note;
	struct counts counts;
};

struct groups {
	struct group *all;
	size_t count;
};

struct named_entry {
	struct top_name name;
	const struct entry *entry;
};

static int compare_names(const struct top_name *a, const struct top_name *b)
{
	int order = strverscmp(a->export, b->export);

	if (!order)
		order = strcmp(a->initiator, b->initiator);
	return order ? order : strverscmp(a->interface, b->interface);
}

static int compare_entries(const void *a, const void *b)
{
	return compare_names(&((const struct named_entry *)a)->name,
			     &((const struct named_entry *)b)->name);
}

static int compare_groups(const void *a, const void *b)
{
	return compare_names(&((const struct group *)a)->name, &((const struct group *)b)->name);
}

/*
 * Beside the views: the smallest things that are counted. Only these can be compared with what they
 * were before; the sums of a view fall when an export goes.
 */
#define PARTS TOP_VIEWS

/* The name of the row that the part belongs to; false when it belongs to none. */
static bool row_name(const struct top_name *part, enum top_view view, struct top_name *name)
{
	bool exports = view == TOP_EXPORTS || view == TOP_PAIRS;
	bool initiators = view == TOP_INITIATORS || view == TOP_PAIRS;

	*name = *part;
	if (view == PARTS)
		return true;
	if (!exports)
		name->export = "";
	if (!initiators)
		name->initiator = "";
	return (!exports || *name->export) && (!initiators || *name->initiator);
}

static bool entry_name(const struct entry *entry, enum top_view view, struct top_name *name)
{
	const struct top_name part = {entry->export, entry->initiator, entry->interface};

	return row_name(&part, view, name);
}

static void counts_add(struct counts *sum, const struct counts *counts)
{
	for (size_t i = 0; i < TOP_COUNTERS; i++)
		sum->value[i] += counts->value[i];
	for (size_t i = 0; i < BUCKETS_MAX; i++)
		sum->buckets[i] += counts->buckets[i];
}

/* 0 or -ENOMEM; the caller frees groups->all. No sample: no groups. */
static int groups_make(struct groups *groups, const struct top_sample *sample, enum top_view view)
{
	size_t max = sample ? sample->nentries : 0, n = 0;
	struct named_entry *named = calloc(max + 1, sizeof(*named));

	groups->count = 0;
	groups->all = calloc(max + 1, sizeof(*groups->all));
	if (!named || !groups->all) {
		free(named);
		free(groups->all);
		groups->all = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < max; i++) {
		named[n].entry = &sample->entries[i];
		if (entry_name(named[n].entry, view, &named[n].name))
			n++;
	}
	qsort(named, n, sizeof(*named), compare_entries);
	for (size_t i = 0; i < n; i++) {
		const struct entry *entry = named[i].entry;
		struct group *group = &groups->all[groups->count];

		if (i && compare_entries(&named[i - 1], &named[i]) == 0) {
			group--;
		} else {
			*group = (struct group){.name = named[i].name, .note = ""};
			groups->count++;
		}
		/* Initiators have none, and an interface's stands in its first entry. */
		if (!*group->note && (view != TOP_INTERFACES || !*entry->export) &&
		    view != TOP_INITIATORS)
			group->note = entry->note;
		counts_add(&group->counts, &entry->counts);
	}
	free(named);
	return 0;
}

static struct group *groups_find(const struct groups *groups, const struct top_name *name)
{
	const struct group key = {.name = *name};

	return bsearch(&key, groups->all, groups->count, sizeof(key), compare_groups);
}

/* ---- from two groups to a row ---- */

/* What was counted since; nothing when a counter went backwards. */
static struct counts counts_since(const struct counts *now, const struct counts *before)
{
	struct counts since = *now;

	for (size_t i = 0; i < TOP_COUNTERS; i++)
		if (__builtin_sub_overflow(now->value[i], before->value[i], &since.value[i]))
			return (struct counts){0};
	for (size_t i = 0; i < BUCKETS_MAX; i++)
		if (__builtin_sub_overflow(now->buckets[i], before->buckets[i], &since.buckets[i]))
			return (struct counts){0};
	return since;
}

static double percentile(const struct top_sample *sample, const uint64_t *buckets, double fraction)
{
	double total = 0, rank, below = 0;

	for (size_t i = 0; i < BUCKETS_MAX; i++)
		total += (double)buckets[i];
	if (total == 0)
		return -1;
	rank = fraction * total;
	for (size_t i = 0; i < sample->nbounds; i++) {
		double low = i ? sample->bounds_us[i - 1] : 0, n = (double)buckets[i];

		if (n > 0 && below + n >= rank)
			return low + (sample->bounds_us[i] - low) * (rank - below) / n;
		below += n;
	}
	return INFINITY;
}

static void row_measure(struct top_row *row, const struct top_sample *sample,
			const struct counts *since, double seconds)
{
	row->measured = true;
	for (size_t i = 0; i < TOP_COUNTERS; i++)
		row->rate[i] = (double)since->value[i] / seconds;
	row->p50_us = percentile(sample, since->buckets, 0.5);
	row->p99_us = percentile(sample, since->buckets, 0.99);
}

/* Both samples, by their parts. */
struct comparison {
	const struct top_sample *sample; /* the later one */
	double seconds;			 /* between them; 0 when there is only one */
	struct groups before, now;
	struct groups interfaces_before;
};

/* Whether the interface's counters can be compared: what is new on it has counted from 0. */
static bool is_known(const struct comparison *compared, const char *interface)
{
	const struct top_name name = {"", "", interface};

	return compared->seconds > 0 && groups_find(&compared->interfaces_before, &name);
}

static struct counts part_since(const struct comparison *compared, const struct group *part)
{
	const struct group *before = groups_find(&compared->before, &part->name);

	return before ? counts_since(&part->counts, &before->counts) : part->counts;
}

static int comparison_make(struct comparison *compared, const struct top_sample *before,
			   const struct top_sample *now)
{
	*compared = (struct comparison){.sample = now};
	if (before && now->at_ns > before->at_ns)
		compared->seconds = (double)(now->at_ns - before->at_ns) / CLOCK_NS_PER_S;
	if (groups_make(&compared->before, before, PARTS) ||
	    groups_make(&compared->now, now, PARTS) ||
	    groups_make(&compared->interfaces_before, before, TOP_INTERFACES))
		return -ENOMEM;
	return 0;
}

static void comparison_free(struct comparison *compared)
{
	free(compared->before.all);
	free(compared->now.all);
	free(compared->interfaces_before.all);
}

/* Adds what each part counted since to the group it belongs to, and to the total. */
static void groups_add_since(struct groups *groups, const struct comparison *compared,
			     enum top_view view, struct counts *total)
{
	for (size_t i = 0; i < groups->count; i++)
		groups->all[i].counts = (struct counts){0};
	for (size_t i = 0; i < compared->now.count; i++) {
		const struct group *part = &compared->now.all[i];
		struct counts since;
		struct top_name name;

		if (!is_known(compared, part->name.interface))
			continue;
		since = part_since(compared, part);
		counts_add(total, &since);
		if (row_name(&part->name, view, &name))
			counts_add(&groups_find(groups, &name)->counts, &since);
	}
}

/* ---- the table ---- */

static double sort_value(const struct top_row *row, enum top_sort sort)
{
	switch (sort) {
	case TOP_BY_IOPS:
		return row->rate[TOP_OPS];
	case TOP_BY_BYTES:
		return row->rate[TOP_READ_BYTES] + row->rate[TOP_WRITE_BYTES];
	case TOP_BY_LATENCY:
		return row->p99_us;
	default:
		return 0;
	}
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const enum top_sort *sort = arg;
	const struct top_row *left = a, *right = b;
	double l = sort_value(left, *sort), r = sort_value(right, *sort);

	if (l != r)
		return l > r ? -1 : 1;
	return compare_names(&left->name, &right->name);
}

static void rows_make(struct top_table *table, const struct comparison *compared,
		      struct groups *groups, enum top_view view)
{
	struct counts total = {0};

	groups_add_since(groups, compared, view, &total);
	table->total =
		(struct top_row){.name = {"", "", ""}, .note = "", .p50_us = -1, .p99_us = -1};
	if (compared->seconds > 0)
		row_measure(&table->total, compared->sample, &total, compared->seconds);
	for (size_t i = 0; i < groups->count; i++) {
		const struct group *group = &groups->all[i];
		struct top_row *row = &table->rows[table->nrows++];

		*row = (struct top_row){
			.name = group->name, .note = group->note, .p50_us = -1, .p99_us = -1};
		if (is_known(compared, group->name.interface))
			row_measure(row, compared->sample, &group->counts, compared->seconds);
	}
}

int top_table_make(struct top_table *table, const struct top_sample *before,
		   const struct top_sample *now, enum top_view view, enum top_sort sort)
{
	struct comparison compared;
	struct groups groups = {NULL, 0};
	int ret = comparison_make(&compared, before, now);

	*table = (struct top_table){
		.inflight = now->inflight,
		.beyond_us = now->nbounds ? now->bounds_us[now->nbounds - 1] : 0,
		.interfaces = json_array_size(json_object_get(now->status, "interfaces")),
		.exports = json_array_size(json_object_get(now->status, "exports")) +
			   units(now->status),
		.initiators = json_array_size(json_object_get(now->status, "initiators")) +
			      json_array_size(json_object_get(now->status, "sessions")),
	};
	if (!ret)
		ret = groups_make(&groups, now, view);
	if (!ret)
		table->rows = calloc(groups.count + 1, sizeof(*table->rows));
	if (table->rows)
		rows_make(table, &compared, &groups, view);
	else
		ret = -ENOMEM;
	comparison_free(&compared);
	free(groups.all);
	if (!ret)
		qsort_r(table->rows, table->nrows, sizeof(*table->rows), compare_rows, &sort);
	return ret;
}

void top_table_free(struct top_table *table)
{
	free(table->rows);
	table->rows = NULL;
	table->nrows = 0;
}
