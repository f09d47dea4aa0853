/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/problems.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_TEXT 128
#define WHAT_TEXT 384

void config_problems_init(struct config_problems *problems, const struct config_lines *lines)
{
	problems->lines = lines;
	problems->count = problems->more = 0;
	problems->no_memory = false;
}

void config_problems_fini(struct config_problems *problems)
{
	for (unsigned int i = 0; i < problems->count; i++) {
		free(problems->list[i].path);
		free(problems->list[i].text);
	}
	problems->count = 0;
}

static void field_format(const struct config_field *field, char path[PATH_TEXT])
{
	int n = snprintf(path, PATH_TEXT, "%s", field->list);

	if (field->index >= 0)
		n += snprintf(path + n, PATH_TEXT - (size_t)n, "[%d]", field->index);
	if (field->field)
		n += snprintf(path + n, PATH_TEXT - (size_t)n, ".%s", field->field);
	if (field->item >= 0)
		snprintf(path + n, PATH_TEXT - (size_t)n, "[%d]", field->item);
}

/* What a file says may be any text: a message stays on its line, and is no order to a terminal. */
static void clean_line(char *line)
{
	for (unsigned char *c = (unsigned char *)line; *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
		/* U+0080 to U+009F */
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

void config_problem_add(struct config_problems *problems, struct config_field field,
			const char *fmt, ...)
{
	struct config_problem *problem = &problems->list[problems->count];
	char path[PATH_TEXT], what[WHAT_TEXT];
	va_list ap;
	int n;

	if (problems->count == CONFIG_PROBLEMS_MAX) {
		problems->more++;
		return;
	}
	field_format(&field, path);
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	clean_line(what);
	*problem = (struct config_problem){.order = problems->count};
	problem->path = strdup(path);
	if (problems->lines) {
		problem->line = config_lines_find(problems->lines, path);
		n = asprintf(&problem->text, "%s:%u: %s: %s", config_lines_name(problems->lines),
			     problem->line, path, what);
	} else {
		n = asprintf(&problem->text, "%s: %s", path, what);
	}
	if (n < 0 || !problem->path) {
		free(problem->path);
		if (n >= 0)
			free(problem->text);
		problems->no_memory = true;
		return;
	}
	problems->count++;
}

bool config_problem_known(const struct config_problems *problems, struct config_field field)
{
	char path[PATH_TEXT];
	size_t len;

	if (!problems->count)
		return false;
	field_format(&field, path);
	len = strlen(path);
	for (unsigned int i = 0; i < problems->count; i++) {
		const char *known = problems->list[i].path;

		if (!strncmp(known, path, len) &&
		    (!known[len] || known[len] == '.' || known[len] == '['))
			return true;
	}
	return false;
}

static int problem_compare(const void *a, const void *b)
{
	const struct config_problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int print_list(const struct config_problems *problems, char **text)
{
	size_t size;
	FILE *out = open_memstream(text, &size);

	if (!out)
		return -ENOMEM;
	for (unsigned int i = 0; i < problems->count; i++)
		fprintf(out, "%s\n", problems->list[i].text);
	if (problems->more)
		fprintf(out, "and %u more\n", problems->more);
	if (fclose(out)) {
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	return 0;
}

int config_problems_report(struct config_problems *problems, char **text, struct error *err)
{
	unsigned int others = problems->count + problems->more - 1;

	if (text)
		*text = NULL;
	if (problems->no_memory)
		return error_set(err, ENOMEM, "out of memory");
	if (!problems->count)
		return 0;
	qsort(problems->list, problems->count, sizeof(problems->list[0]), problem_compare);
	if (text && print_list(problems, text))
		return error_set(err, ENOMEM, "out of memory");
	if (others)
		return error_set(err, EINVAL, "%s (and %u more)", problems->list[0].text, others);
	return error_set(err, EINVAL, "%s", problems->list[0].text);
}

int config_problems_one(char **text, int ret, struct error *err)
{
	clean_line(err->text);
	if (text && ret == -EINVAL && asprintf(text, "%s\n", err->text) < 0) {
		*text = NULL;
		return -ENOMEM;
	}
	return ret;
}
