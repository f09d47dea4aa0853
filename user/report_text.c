/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report_text.h"

#include "base/cleanup.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void print_value(FILE *out, const json_t *value);

/* A LUN of an iSCSI target, or an access list's entry. */
static void print_object(FILE *out, const json_t *value)
{
	bool lun = json_object_get(value, "lun");

	print_value(out, json_object_get(value, lun ? "lun" : "mac"));
	fputc(lun ? '=' : '/', out);
	print_value(out, json_object_get(value, lun ? "disk" : "access"));
}

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
	case JSON_OBJECT:
		print_object(out, value);
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
	const char *member; /* its path, as "space.short" */
};

/* Below a list it is the first that is not true, if there is one: one queue that hangs tells. */
static const json_t *member_at(const json_t *object, const char *path)
{
	size_t len = strcspn(path, "."), i;
	const json_t *member = json_object_getn(object, path, len), *item, *found = NULL;

	if (!path[len])
		return member;
	if (!json_is_array(member))
		return member_at(member, path + len + 1);
	json_array_foreach (member, i, item) {
		found = member_at(item, path + len + 1);
		if (!json_is_true(found))
			break;
	}
	return found;
}

/* The widest cell of a column, its title included. */
static size_t column_width(const struct column *column, const json_t *rows)
{
	size_t width = strlen(column->title), i;
	const json_t *row;

	json_array_foreach (rows, i, row) {
		_cleanup_free_ char *cell = value_text(member_at(row, column->member));

		if (cell && strlen(cell) > width)
			width = strlen(cell);
	}
	return width;
}

#define COLUMNS_MAX 12

struct table {
	const char *name; /* the member of the document, and the title */
	struct column columns[COLUMNS_MAX];
};

static const struct table tables[] = {
	{"interfaces",
	 {{"NAME", "name"},
	  {"XDP", "xdp_mode"},
	  {"VLAN TAGS", "vlan"},
	  {"MTU", "mtu"},
	  {"SECTORS", "aoe_sectors"},
	  {"BUFFERS", "aoe_buffers"},
	  {"GUARD", "flood_guard"},
	  {"UP", "up"},
	  {"ANSWERS", "queues.answers"},
	  {"MAC", "mac"},
	  {"PID", "pid"}}},
	{"exports",
	 {{"PROTO", "protocol"},
	  {"VLAN", "vlan"},
	  {"ADDRESS", "address"},
	  {"BYTES", "size_bytes"},
	  {"RO", "read_only"},
	  {"CACHE", "cache"},
	  {"ON", "enabled"},
	  {"INTERFACES", "interfaces"},
	  {"ALLOW", "allow"},
	  {"DISK", "disk"}}},
	{"disks",
	 {{"KIND", "kind"},
	  {"BYTES", "size_bytes"},
	  {"RO", "read_only"},
	  {"SHORT", "space.short"},
	  {"LOST", "file_lost"},
	  {"SERIAL", "serial"},
	  {"NAME", "names"},
	  {"DISK", "name"}}},
	{"acl",
	 {{"VLAN", "vlan"}, {"ADDRESS", "address"}, {"INITIATOR", "mac"}, {"ACCESS", "access"}}},
	{"initiators",
	 {{"MAC", "mac"},
	  {"INTERFACE", "interface"},
	  {"VLAN", "vlan"},
	  {"FRAMES", "frames"},
	  {"BYTES", "bytes"},
	  {"DROPS", "drops"},
	  {"IDLE", "idle_seconds"}}},
	{"limits",
	 {{"MAC", "mac"},
	  {"IOPS", "iops"},
	  {"BYTES/S", "bytes_per_second"},
	  {"REQUESTS", "requests"},
	  {"DELAYED", "delayed"}}},
	{"iscsi",
	 {{"TARGET", "name"}, {"PORTALS", "portals"}, {"LUNS", "luns"}, {"ALLOW", "allow"}}},
	{"alua",
	 {{"GROUP", "group"},
	  {"STATE", "state"},
	  {"PREFERRED", "preferred"},
	  {"IMPLICIT", "implicit"}}},
	{"sessions",
	 {{"TSIH", "tsih"},
	  {"INITIATOR", "initiator"},
	  {"TARGET", "target"},
	  {"PEER", "peer"},
	  {"CONNECTIONS", "connections"},
	  {"CHAP", "chap"},
	  {"INFLIGHT", "inflight"},
	  {"COMMANDS", "commands"},
	  {"ERRORS", "errors"},
	  {"READ", "read_bytes"},
	  {"WRITTEN", "write_bytes"}}},
	{"reservations",
	 {{"TARGET", "target"},
	  {"LUN", "lun"},
	  {"INITIATOR", "initiator"},
	  {"KEY", "key"},
	  {"APTPL", "aptpl"},
	  {"HOLDS", "holds"}}},
	{"faults", {{"EXPORT", "export"}, {"MET", "met"}, {"FIRED", "fired"}, {"RULE", "rule"}}},
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static void print_row(FILE *out, const struct table *table, const size_t *widths, const json_t *row)
{
	for (size_t c = 0; c < COLUMNS_MAX && table->columns[c].title; c++) {
		const struct column *column = &table->columns[c];
		bool last = c + 1 == COLUMNS_MAX || !column[1].title;
		_cleanup_free_ char *cell = row ? value_text(member_at(row, column->member)) : NULL;

		fprintf(out, "  %-*s", last ? 0 : (int)widths[c],
			cell  ? cell
			: row ? ""
			      : column->title);
	}
	fputc('\n', out);
}

/* An array of objects as a table whose columns are as wide as their widest cell. */
static void print_table(FILE *out, const struct table *table, const json_t *rows)
{
	size_t widths[COLUMNS_MAX] = {0}, i;
	const json_t *row;

	fprintf(out, "%s\n", table->name);
	if (!json_array_size(rows)) {
		fprintf(out, "  none\n");
		return;
	}
	for (size_t c = 0; c < COLUMNS_MAX && table->columns[c].title; c++)
		widths[c] = column_width(&table->columns[c], rows);
	print_row(out, table, widths, NULL);
	json_array_foreach (rows, i, row)
		print_row(out, table, widths, row);
}

/* The lists of exports show the access lists; what not everybody uses is shown if it is there. */
static bool table_in_status(const struct table *table, const json_t *rows)
{
	static const char *const rare[] = {"limits", "faults",	 "iscsi",
					   "alua",   "sessions", "reservations"};

	for (size_t i = 0; i < sizeof(rare) / sizeof(rare[0]); i++)
		if (strcmp(table->name, rare[i]) == 0)
			return json_array_size(rows) != 0;
	return strcmp(table->name, "acl") != 0;
}

static void reservation_row(json_t *rows, const json_t *target, const json_t *lun,
			    const json_t *registration, bool holds)
{
	const json_t *reservation = json_object_get(lun, "reservation");
	json_t *row = json_object();

	json_object_set(row, "target", json_object_get(target, "name"));
	json_object_set(row, "lun", json_object_get(lun, "lun"));
	json_object_set(row, "initiator", json_object_get(registration, "initiator"));
	json_object_set(row, "key", json_object_get(registration, "key"));
	json_object_set(row, "aptpl", json_object_get(reservation, "aptpl"));
	if (holds)
		json_object_set(row, "holds", json_object_get(reservation, "type"));
	json_array_append_new(rows, row);
}

/* Who is registered with which unit, and what the reservation's holders hold. */
static json_t *reservation_rows(const json_t *document)
{
	const json_t *target, *lun, *one;
	json_t *rows = json_array();
	size_t t, l, i;

	json_array_foreach (json_object_get(document, "iscsi"), t, target) {
		json_array_foreach (json_object_get(target, "luns"), l, lun) {
			const json_t *reservation = json_object_get(lun, "reservation");
			json_t *by = json_object_get(reservation, "reserved_by");
			json_t *simple = json_object();

			json_object_set(simple, "initiator", by);
			if (json_is_string(by))
				reservation_row(rows, target, lun, simple, true);
			json_decref(simple);
			json_array_foreach (json_object_get(reservation, "registrations"), i, one)
				reservation_row(rows, target, lun, one,
						json_is_true(json_object_get(one, "holder")));
		}
	}
	return rows;
}

void report_print_status(const json_t *document, FILE *out)
{
	json_t *reservations = reservation_rows(document);

	for (size_t t = 0; t < TABLES; t++) {
		const json_t *rows = strcmp(tables[t].name, "reservations") == 0
					     ? reservations
					     : json_object_get(document, tables[t].name);

		if (table_in_status(&tables[t], rows))
			print_table(out, &tables[t], rows);
	}
	json_decref(reservations);
}

void report_print_list(const json_t *document, const char *name, FILE *out)
{
	for (size_t t = 0; t < TABLES; t++)
		if (strcmp(tables[t].name, name) == 0)
			print_table(out, &tables[t], json_object_get(document, name));
}

/* What tells an array's member from the others; NULL when only its place does. */
static const json_t *member_id(const json_t *member)
{
	static const char *const keys[] = {"name", "address", "mac", "tsih", "lun", "queue"};
	const json_t *id = NULL;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		id = json_object_get(member, keys[i]);
		if (json_is_string(id) || json_is_integer(id))
			return id;
	}
	return NULL;
}

/* Room for the names of a target and an initiator, and for what stands around them. */
#define PATH_TEXT 640

/* Counters that are not zero, one a line, named by their path in the document. */
static void print_counters(FILE *out, const json_t *value, const char *path)
{
	const char *key;
	const json_t *member;
	char below[PATH_TEXT];
	size_t i;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		json_object_foreach ((json_t *)value, key, member) {
			if (member == member_id(value))
				continue;
			snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", key);
			print_counters(out, member, below);
		}
		break;
	case JSON_ARRAY:
		json_array_foreach (value, i, member) {
			const json_t *id = member_id(member);

			/* A histogram's bucket says nothing without its bounds. */
			if (json_is_integer(member))
				break;

			if (json_is_string(id))
				snprintf(below, sizeof(below), "%s[%s]", path,
					 json_string_value(id));
			else
				snprintf(below, sizeof(below), "%s[%zu]", path,
					 id ? (size_t)json_integer_value(id) : i);
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
	print_counters(out, json_object_get(document, "iscsi"), "iscsi");
}
