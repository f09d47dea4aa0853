/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report_text.h"

#include "base/cleanup.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A member as text: strings and numbers as they are, arrays joined with commas. */
static void print_value(FILE *out, const json_t *value)
{
	const char *separator = "";
	const json_t *item;
	size_t i;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		fputs(json_string_length(value) ? json_string_value(value) : "-", out);
		break;
	case JSON_INTEGER:
		fprintf(out, "%lld", (long long)json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(out, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		fputs("yes", out);
		break;
	case JSON_FALSE:
		fputs("no", out);
		break;
	case JSON_ARRAY:
		if (!json_array_size(value))
			fputc('-', out);
		json_array_foreach (value, i, item) {
			fputs(separator, out);
			print_value(out, item);
			separator = ",";
		}
		break;
	case JSON_OBJECT: /* an access list's entry */
		print_value(out, json_object_get(value, "mac"));
		fputc('/', out);
		print_value(out, json_object_get(value, "access"));
		break;
	default:
		fputc('-', out);
	}
}

static char *value_text(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	print_value(out, value);
	fclose(out);
	return text;
}

struct column {
	const char *title;
	const char *member;
};

/* An array of objects as a table whose columns are as wide as their widest cell. */
static void print_table(FILE *out, const char *title, const struct column *columns, size_t n,
			const json_t *rows)
{
	const json_t *row;
	size_t i;

	fprintf(out, "%s\n", title);
	if (!json_array_size(rows))
		fprintf(out, "  none\n");
	for (size_t line = 0; line <= json_array_size(rows) && json_array_size(rows); line++) {
		for (size_t c = 0; c < n; c++) {
			_cleanup_free_ char *cell = NULL;
			size_t width = strlen(columns[c].title);

			json_array_foreach (rows, i, row) {
				_cleanup_free_ char *other =
					value_text(json_object_get(row, columns[c].member));

				if (other && strlen(other) > width)
					width = strlen(other);
			}
			row = line ? json_array_get(rows, line - 1) : NULL;
			cell = row ? value_text(json_object_get(row, columns[c].member))
				   : strdup(columns[c].title);
			fprintf(out, "  %-*s", c + 1 < n ? (int)width : 0, cell ? cell : "");
		}
		fputc('\n', out);
	}
}

#define TABLE(out, title, columns, rows) \
	print_table(out, title, columns, sizeof(columns) / sizeof((columns)[0]), rows)

void report_print_status(const json_t *document, FILE *out)
{
	static const struct column interfaces[] = {
		{"NAME", "name"},
		{"XDP", "xdp_mode"},
		{"VLAN TAGS", "vlan"},
		{"MTU", "mtu"},
		{"SECTORS", "aoe_sectors"},
		{"BUFFERS", "aoe_buffers"},
		{"UP", "up"},
		{"MAC", "mac"},
		{"PID", "pid"},
	};
	static const struct column exports[] = {
		{"PROTO", "protocol"},	      {"VLAN", "vlan"},	   {"ADDRESS", "address"},
		{"BYTES", "size_bytes"},      {"RO", "read_only"}, {"CACHE", "cache"},
		{"INTERFACES", "interfaces"}, {"ALLOW", "allow"},  {"DISK", "disk"},
	};
	static const struct column disks[] = {
		{"KIND", "kind"},     {"BYTES", "size_bytes"}, {"RO", "read_only"},
		{"SERIAL", "serial"}, {"NAME", "name"},
	};
	static const struct column initiators[] = {
		{"MAC", "mac"},		  {"INTERFACE", "interface"}, {"VLAN", "vlan"},
		{"FRAMES", "frames"},	  {"BYTES", "bytes"},	      {"DROPS", "drops"},
		{"IDLE", "idle_seconds"},
	};

	TABLE(out, "interfaces", interfaces, json_object_get(document, "interfaces"));
	TABLE(out, "exports", exports, json_object_get(document, "exports"));
	TABLE(out, "disks", disks, json_object_get(document, "disks"));
	TABLE(out, "initiators", initiators, json_object_get(document, "initiators"));
}

/* What tells an array's member from the others; NULL when only its place does. */
static const char *member_name(const json_t *member)
{
	static const char *const keys[] = {"name", "address", "mac"};
	const char *name = NULL;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !name; i++)
		name = json_string_value(json_object_get(member, keys[i]));
	return name;
}

/* Counters that are not zero, one a line, named by their path in the document. */
static void print_counters(FILE *out, const json_t *value, const char *path)
{
	const char *key;
	const json_t *member;
	char below[256];
	size_t i;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		json_object_foreach ((json_t *)value, key, member) {
			snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", key);
			print_counters(out, member, below);
		}
		break;
	case JSON_ARRAY:
		json_array_foreach (value, i, member) {
			const char *name = member_name(member);

			/* A histogram's bucket says nothing without its bounds. */
			if (json_is_integer(member))
				break;

			if (name)
				snprintf(below, sizeof(below), "%s[%s]", path, name);
			else
				snprintf(below, sizeof(below), "%s[%zu]", path, i);
			print_counters(out, member, below);
		}
		break;
	case JSON_INTEGER:
		if (json_integer_value(value))
			fprintf(out, "%-64s %lld\n", path, (long long)json_integer_value(value));
		break;
	default:
		break;
	}
}

void report_print_stats(const json_t *document, FILE *out)
{
	print_counters(out, json_object_get(document, "interfaces"), "interfaces");
}
