/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/series.h"

#include <stdlib.h>
#include <string.h>

void series_add(struct series_list *list, struct text *labels, uint64_t value)
{
	size_t size = list->size ? list->size * 2 : 64, len;
	struct series *grown;
	char *text = text_take(labels, &len);

	if (!text) {
		list->failed = true;
		return;
	}
	if (list->count == list->size) {
		grown = reallocarray(list->all, size, sizeof(*grown));
		if (!grown) {
			free(text);
			list->failed = true;
			return;
		}
		list->all = grown;
		list->size = size;
	}
	list->all[list->count++] = (struct series){text, value};
}

static int series_compare(const void *a, const void *b)
{
	return strcmp(((const struct series *)a)->labels, ((const struct series *)b)->labels);
}

void metric_head(struct text *out, const struct metric *metric)
{
	text_put(out, "# HELP ");
	text_put(out, metric->name);
	text_put(out, " ");
	text_put(out, metric->help);
	text_put(out, "\n# TYPE ");
	text_put(out, metric->name);
	text_put(out, " ");
	text_put(out, metric->type);
	text_put(out, "\n");
}

void series_print(struct series_list *list, const struct metric *metric, struct text *out)
{
	out->failed |= list->failed;
	if (list->count) {
		metric_head(out, metric);
		qsort(list->all, list->count, sizeof(*list->all), series_compare);
	}
	for (size_t i = 0; i < list->count; i++) {
		uint64_t value = list->all[i].value;

		while (i + 1 < list->count && !series_compare(&list->all[i], &list->all[i + 1])) {
			free(list->all[i++].labels);
			value += list->all[i].value;
		}
		text_put(out, metric->name);
		if (*list->all[i].labels) {
			text_put(out, "{");
			text_put(out, list->all[i].labels);
			text_put(out, "}");
		}
		text_put(out, " ");
		text_number(out, value);
		text_put(out, "\n");
		free(list->all[i].labels);
	}
	free(list->all);
	*list = (struct series_list){.failed = false};
}
