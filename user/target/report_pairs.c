/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The largest part of `stats`: what each initiator asked of each export. */
#include "target/internal.h"

#include "aoe/mac.h"
#include <stdlib.h>
#include <string.h>

/* `zero` is what most buckets hold: one for all of them. */
static json_t *op_report(const struct lu_op_stats *op, uint64_t count, json_t *zero)
{
	json_t *report = json_object(), *buckets = json_array();

	for (unsigned int i = 0; i <= LU_LATENCY_BOUNDS; i++)
		json_array_append_new(buckets, op->latency[i]
						       ? json_integer((json_int_t)op->latency[i])
						       : json_incref(zero));
	json_object_set_new_nocheck(report, "count", json_integer((json_int_t)count));
	json_object_set_new_nocheck(report, "errors", json_integer((json_int_t)op->errors));
	json_object_set_new_nocheck(report, "bytes", json_integer((json_int_t)op->bytes));
	json_object_set_new_nocheck(report, "latency_ns", json_integer((json_int_t)op->latency_ns));
	json_object_set_new_nocheck(report, "buckets", buckets);
	return report;
}

json_t *target_ops_report(const struct lu_op_stats ops[LU_OPS], json_t *zero)
{
	json_t *report = json_object();

	for (enum lu_op op = 0; op < LU_OPS; op++) {
		uint64_t count = 0;

		for (unsigned int i = 0; i <= LU_LATENCY_BOUNDS; i++)
			count += ops[op].latency[i];
		if (count)
			json_object_set_new_nocheck(report, lu_op_name(op),
						    op_report(&ops[op], count, zero));
	}
	return report;
}

static void pair_report(const struct aoe_pair_stats *pair, json_t *export, json_t *zero)
{
	json_t *ops = target_ops_report(pair->ops, zero), *initiator;
	char mac[MAC_TEXT];

	if (pair->who == AOE_PAIR_SILENT) {
		json_object_set_new_nocheck(export, "silent", ops);
		return;
	}
	if (!json_object_size(ops)) {
		json_decref(ops);
		return;
	}
	mac_format(pair->mac, mac);
	initiator = json_object();
	json_object_set_new_nocheck(initiator, "mac",
				    json_string(pair->who == AOE_PAIR_OTHERS ? "other" : mac));
	json_object_set_nocheck(initiator, "vlan", json_object_get(export, "vlan"));
	json_object_set_new_nocheck(initiator, "ops", ops);
	json_array_append_new(json_object_get(export, "initiators"), initiator);
}

/* Where an export's document is among those of its port. */
struct place {
	const struct aoe_export *export;
	size_t at;
};

static int place_compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct place *)a)->export;
	uintptr_t y = (uintptr_t)((const struct place *)b)->export;

	return x < y ? -1 : x > y;
}

void target_pairs_report(const struct aoe_pair_stats *pairs, unsigned int npairs, json_t *exports)
{
	size_t nexports = json_array_size(exports), e;
	struct place *places = calloc(nexports + 1, sizeof(*places));
	json_t *zero = json_integer(0), *export;

	json_array_foreach (exports, e, export)
		json_object_set_new(export, "initiators", json_array());
	/* The first pairs are those of the exports themselves, in their order. */
	for (e = 0; places && e < nexports && e < npairs; e++)
		places[e] = (struct place){pairs[e].export, e};
	if (places)
		qsort(places, e, sizeof(*places), place_compare);
	for (unsigned int i = 0; places && i < npairs; i++) {
		const struct place wanted = {.export = pairs[i].export};
		const struct place *found =
			bsearch(&wanted, places, e, sizeof(*places), place_compare);

		if (found)
			pair_report(&pairs[i], json_array_get(exports, found->at), zero);
	}
	json_decref(zero);
	free(places);
}

json_t *target_latency_bounds(void)
{
	json_t *bounds = json_array();

	for (unsigned int i = 0; i < LU_LATENCY_BOUNDS; i++)
		json_array_append_new(bounds, json_integer(lu_latency_bounds_us[i]));
	return bounds;
}
