/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loading by libcyaml, whose complaint is several lines of log: what is wrong, then from the inside
 * out where. They are gathered, and told again as one line that names file, line and field.
 */
#include "config/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TRACE_MAX 8
#define WORD_MAX  64

struct trace_step {
	char key[WORD_MAX]; /* empty: an entry of a list */
	unsigned int index;
};

/* libcyaml's complaint. steps[] is the path, the innermost first. */
struct trace {
	char what[512];
	struct trace_step steps[TRACE_MAX];
	unsigned int nsteps;
	bool in_mapping; /* the innermost is a mapping and not yet one of its fields */
};

static void trace_line(struct trace *trace, const char *line)
{
	struct trace_step *step = &trace->steps[trace->nsteps];
	struct trace_step read = {.key = ""};

	if (!trace->what[0]) {
		snprintf(trace->what, sizeof(trace->what), "%s", line);
		trace->what[strcspn(trace->what, "\n")] = '\0';
	} else if (!strncmp(line, "  in mapping (", 14)) {
		trace->in_mapping = true;
	} else if (trace->nsteps < TRACE_MAX &&
		   (sscanf(line, "  in mapping field '%63[^']'", read.key) == 1 ||
		    sscanf(line, "  in sequence entry '%u'", &read.index) == 1)) {
		*step = read;
		trace->nsteps++;
	}
}

static void trace_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, args);
	trace_line(ctx, line);
}

/* What follows `words` in the complaint, or NULL. */
static const char *trace_after(const struct trace *trace, const char *words)
{
	const char *found = strstr(trace->what, words);

	return found ? found + strlen(words) : NULL;
}

static void trace_path(const struct trace *trace, const char *last, char *path, size_t size)
{
	size_t n = 0;

	path[0] = '\0';
	for (unsigned int i = trace->nsteps; i-- && n < size;) {
		const struct trace_step *step = &trace->steps[i];

		/* Entries are counted from 1 there. */
		if (step->key[0])
			n += (size_t)snprintf(path + n, size - n, "%s%s", n ? "." : "", step->key);
		else
			n += (size_t)snprintf(path + n, size - n, "[%u]", step->index - 1);
	}
	if (last && n < size)
		snprintf(path + n, size - n, "%s%.63s", n ? "." : "", last);
}

static const cyaml_schema_value_t *field_schema(const cyaml_schema_value_t *mapping,
						const char *key)
{
	const cyaml_schema_field_t *field = mapping->mapping.fields;

	while (field->key && strcmp(field->key, key))
		field++;
	return &field->value;
}

/* The schema of what the path leads to; the path came from walking it. */
static const cyaml_schema_value_t *trace_schema(const struct trace *trace)
{
	const cyaml_schema_value_t *schema = &schema_config;

	for (unsigned int i = trace->nsteps; i--;)
		schema = trace->steps[i].key[0] ? field_schema(schema, trace->steps[i].key)
						: schema->sequence.entry;
	return schema;
}

static void list_keys(const cyaml_schema_value_t *schema, char *text, size_t size)
{
	size_t n = 0;

	for (const cyaml_schema_field_t *f = schema->mapping.fields; f->key && n < size; f++)
		n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", f->key);
}

static void list_words(const cyaml_schema_value_t *schema, char *text, size_t size)
{
	size_t n = 0;

	for (uint32_t i = 0; i < schema->enumeration.count && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "",
				      schema->enumeration.strings[i].str);
}

static void say_value(const struct trace *trace, const cyaml_schema_value_t *schema, char *text,
		      size_t size)
{
	const char *value = trace_after(trace, " value: ");
	char words[128] = "";

	switch (schema->type) {
	case CYAML_ENUM:
		list_words(schema, words, sizeof(words));
		snprintf(text, size, "'%.64s' is none of %s", value ? value : "", words);
		break;
	case CYAML_SEQUENCE:
		snprintf(text, size, "this must be a list: [ ... ], or a line with '- ' for each");
		break;
	case CYAML_MAPPING:
		snprintf(text, size, "this must be keys and values: { key: value, ... }");
		break;
	default:
		snprintf(text, size, "this must be one value");
		break;
	}
}

static int trace_error(struct trace *trace, cyaml_err_t code, const struct config_lines *lines,
		       struct error *err)
{
	const cyaml_schema_value_t *schema;
	char path[160], what[320], keys[160] = "";
	const char *last = NULL;

	/* The field that was read last is not the one that is missing, nor the entry too many. */
	if (trace->nsteps && ((code == CYAML_ERR_MAPPING_FIELD_MISSING && trace->steps[0].key[0] &&
			       !trace->in_mapping) ||
			      code == CYAML_ERR_SEQUENCE_ENTRIES_MAX))
		memmove(trace->steps, trace->steps + 1, --trace->nsteps * sizeof(trace->steps[0]));
	schema = trace_schema(trace);
	if (code == CYAML_ERR_INVALID_KEY) {
		last = trace_after(trace, "Unexpected key: ");
		list_keys(schema, keys, sizeof(keys));
		snprintf(what, sizeof(what), "there is no such key; there are %s", keys);
	} else if (code == CYAML_ERR_MAPPING_FIELD_MISSING) {
		last = trace_after(trace, "mapping field: ");
		snprintf(what, sizeof(what), "this is missing");
	} else if (code == CYAML_ERR_SEQUENCE_ENTRIES_MAX) {
		snprintf(what, sizeof(what), "there are more than %u", schema->sequence.max);
	} else {
		say_value(trace, schema, what, sizeof(what));
	}
	trace_path(trace, last, path, sizeof(path));
	return error_set(err, EINVAL, "%s:%u: %s%s%s", config_lines_name(lines),
			 config_lines_find(lines, path), path, path[0] ? ": " : "", what);
}

static cyaml_config_t loader(struct trace *trace)
{
	return (cyaml_config_t){
		.log_fn = trace_log,
		.log_ctx = trace,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
	};
}

int schema_load(const char *text, size_t len, const struct config_lines *lines,
		struct file_config **file, struct error *err)
{
	struct trace trace = {.what = ""};
	cyaml_config_t config = loader(&trace);
	cyaml_err_t ret;

	*file = NULL;
	if (config_lines_empty(lines))
		return 0;
	ret = cyaml_load_data((const uint8_t *)text, len, &config, &schema_config,
			      (cyaml_data_t **)file, NULL);
	if (ret == CYAML_ERR_OOM)
		return error_set(err, ENOMEM, "out of memory");
	return ret == CYAML_OK ? 0 : trace_error(&trace, ret, lines, err);
}

void schema_free(struct file_config *file)
{
	struct trace trace = {.what = ""};
	cyaml_config_t config = loader(&trace);

	cyaml_free(&config, &schema_config, file, 0);
}
