/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What initiators asked of the units of iSCSI targets: the largest part of iSCSI in `stats`. */
#include "target/internal.h"

#include "base/json_text.h"
#include <stdlib.h>
#include <string.h>

/* What the workers copy, into memory made before. */
struct gathered {
	struct iscsi_lun_report *all;
	unsigned int n, max;
};

static void luns_measure(struct iscsi_worker *worker, void *arg)
{
	struct gathered *gathered = arg;

	gathered->max += iscsi_worker_luns(worker, NULL, 0);
}

/* Who came since the room was measured is left out. */
static void luns_take(struct iscsi_worker *worker, void *arg)
{
	struct gathered *gathered = arg;
	unsigned int room = gathered->max - gathered->n, n;

	n = iscsi_worker_luns(worker, gathered->all + gathered->n, room);
	gathered->n += n < room ? n : room;
}

static int place_compare(const struct iscsi_lun_report *a, const struct iscsi_lun_report *b)
{
	int order = strcmp(a->target, b->target);

	return order ? order : a->lun - b->lun;
}

static int report_compare(const void *a, const void *b)
{
	const struct iscsi_lun_report *left = a, *right = b;
	int order = place_compare(left, right);

	return order ? order : strcmp(left->initiator, right->initiator);
}

/* Adds equal ones up: an initiator may have several sessions. Returns how many are left. */
static unsigned int reports_merge(struct iscsi_lun_report *all, unsigned int n)
{
	unsigned int kept = 0;

	qsort(all, n, sizeof(*all), report_compare);
	for (unsigned int i = 0; i < n; i++) {
		if (kept && !report_compare(&all[kept - 1], &all[i]))
			iscsi_lun_stats_add(&all[kept - 1].stats, &all[i].stats);
		else
			all[kept++] = all[i];
	}
	return kept;
}

/* Those of one unit, of which there are `n`. */
static json_t *lun_json(const struct iscsi_lun_report *reports, unsigned int n, json_t *zero)
{
	json_t *initiators = json_array(), *silent = NULL;
	uint64_t conflicts = 0, attentions = 0;

	for (unsigned int i = 0; i < n; i++) {
		json_t *ops = target_ops_report(reports[i].stats.ops, zero);

		conflicts += reports[i].stats.conflicts;
		attentions += reports[i].stats.attentions;
		if (*reports[i].initiator)
			json_array_append_new(initiators, json_pack("{s:o, s:o}", "name",
								    json_text(reports[i].initiator),
								    "ops", ops));
		else
			silent = ops;
	}
	return json_pack("{s:i, s:I, s:I, s:o, s:o}", "lun", (int)reports->lun, "conflicts",
			 (json_int_t)conflicts, "attentions", (json_int_t)attentions, "initiators",
			 initiators, "silent", silent ? silent : json_object());
}

static json_t *targets_json(const struct iscsi_lun_report *all, unsigned int n)
{
	json_t *targets = json_array(), *luns = NULL, *zero = json_integer(0);
	unsigned int end;

	for (unsigned int i = 0; i < n; i = end) {
		for (end = i + 1; end < n && !place_compare(&all[i], &all[end]);)
			end++;
		if (!i || strcmp(all[i - 1].target, all[i].target)) {
			luns = json_array();
			json_array_append_new(targets,
					      json_pack("{s:o, s:o}", "name",
							json_text(all[i].target), "luns", luns));
		}
		json_array_append_new(luns, lun_json(&all[i], end - i, zero));
	}
	json_decref(zero);
	return targets;
}

json_t *target_luns_stats_json(const struct target *target)
{
	struct gathered gathered = {.n = 0};
	json_t *targets;

	tcp_server_each(target->tcp, luns_measure, &gathered);
	gathered.all = calloc(gathered.max + 1ul, sizeof(*gathered.all));
	if (gathered.all)
		tcp_server_each(target->tcp, luns_take, &gathered);
	targets = targets_json(gathered.all, reports_merge(gathered.all, gathered.n));
	free(gathered.all);
	return targets;
}
