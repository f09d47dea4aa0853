/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/lines.h"

#include "config/config.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 8  /* ours needs four */
#define KEYS_MAX  64 /* in one mapping; each is compared with those before it */

/* A value: the document, a mapping's value or a list's entry. Indices are into the array; 0 is
 * none, because that is the document itself. */
struct line_node {
	char *key; /* NULL: an entry of a list, or the document */
	unsigned int line;
	unsigned int next, child, last_child, nchildren;
};

struct config_lines {
	char *name;
	struct line_node *nodes;
	unsigned int nnodes, room;
	bool empty;
};

struct line_level {
	unsigned int node;
	bool mapping;
};

struct line_reader {
	struct config_lines *lines;
	const char *text;
	size_t len;
	struct line_level levels[DEPTH_MAX];
	unsigned int depth;
	char *key; /* read, and its value is next */
	unsigned int key_line;
	unsigned int documents;
	struct error *err;
};

static int reader_error(const struct line_reader *reader, size_t line, const char *what)
{
	return error_set(reader->err, EINVAL, "%s:%zu: %s", reader->lines->name, line, what);
}

static int reader_no_memory(const struct line_reader *reader)
{
	return error_set(reader->err, ENOMEM, "out of memory");
}

static int add_node(struct line_reader *reader, unsigned int line)
{
	struct config_lines *lines = reader->lines;
	unsigned int parent = reader->depth ? reader->levels[reader->depth - 1].node : 0;
	unsigned int mine = lines->nnodes;

	if (mine == lines->room) {
		unsigned int room = lines->room ? 2 * lines->room : 256;
		struct line_node *grown = reallocarray(lines->nodes, room, sizeof(*grown));

		if (!grown)
			return reader_no_memory(reader);
		lines->nodes = grown;
		lines->room = room;
	}
	lines->nnodes++;
	lines->nodes[mine] = (struct line_node){.key = reader->key, .line = line};
	if (reader->key)
		lines->nodes[mine].line = reader->key_line;
	reader->key = NULL;
	if (!reader->depth)
		return 0;
	if (lines->nodes[parent].child)
		lines->nodes[lines->nodes[parent].last_child].next = mine;
	else
		lines->nodes[parent].child = mine;
	lines->nodes[parent].last_child = mine;
	lines->nodes[parent].nchildren++;
	return 0;
}

static bool key_is_expected(const struct line_reader *reader)
{
	return reader->depth && reader->levels[reader->depth - 1].mapping && !reader->key;
}

static int read_key(struct line_reader *reader, const char *text, size_t line)
{
	const struct config_lines *lines = reader->lines;
	const struct line_node *mapping = &lines->nodes[reader->levels[reader->depth - 1].node];

	if (mapping->nchildren == KEYS_MAX)
		return reader_error(reader, line, "there are too many keys in one mapping");
	for (unsigned int i = mapping->child; i; i = lines->nodes[i].next)
		if (!strcmp(lines->nodes[i].key, text))
			return error_set(reader->err, EINVAL,
					 "%s:%zu: the key '%.64s' stands here twice, first on "
					 "line %u",
					 lines->name, line, text, lines->nodes[i].line);
	reader->key = strdup(text);
	reader->key_line = (unsigned int)line;
	return reader->key ? 0 : reader_no_memory(reader);
}

static int read_scalar(struct line_reader *reader, const yaml_event_t *event, size_t line)
{
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.anchor)
		return reader_error(reader, line, "anchors (&) are not allowed");
	if (event->data.scalar.tag)
		return reader_error(reader, line, "tags (!) are not allowed");
	if (strlen(text) != event->data.scalar.length)
		return reader_error(reader, line, "a text has a NUL byte in it");
	if (key_is_expected(reader))
		return read_key(reader, text, line);
	if (!reader->depth)
		reader->lines->empty = event->data.scalar.length == 0;
	return add_node(reader, (unsigned int)line);
}

static int begin_collection(struct line_reader *reader, bool mapping, bool anchor, bool tag,
			    size_t line)
{
	int ret;

	if (anchor)
		return reader_error(reader, line, "anchors (&) are not allowed");
	if (tag)
		return reader_error(reader, line, "tags (!) are not allowed");
	if (key_is_expected(reader))
		return reader_error(reader, line,
				    "a key must be a word: quote a value that begins with [ or {");
	if (reader->depth == DEPTH_MAX)
		return reader_error(reader, line, "lists and mappings are nested too deeply");
	if (!reader->depth)
		reader->lines->empty = false;
	ret = add_node(reader, (unsigned int)line);
	if (ret)
		return ret;
	reader->levels[reader->depth++] =
		(struct line_level){.node = reader->lines->nnodes - 1, .mapping = mapping};
	return 0;
}

static int read_event(struct line_reader *reader, const yaml_event_t *event)
{
	size_t line = event->start_mark.line + 1;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (reader->documents++)
			return reader_error(reader, line, "a second document begins; one is read");
		return 0;
	case YAML_ALIAS_EVENT:
		return reader_error(reader, line, "aliases (*) are not allowed");
	case YAML_SCALAR_EVENT:
		return read_scalar(reader, event, line);
	case YAML_SEQUENCE_START_EVENT:
		return begin_collection(reader, false, event->data.sequence_start.anchor,
					event->data.sequence_start.tag, line);
	case YAML_MAPPING_START_EVENT:
		return begin_collection(reader, true, event->data.mapping_start.anchor,
					event->data.mapping_start.tag, line);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		reader->depth--;
		return 0;
	default:
		return 0;
	}
}

static bool is_indented_by_tab(const struct line_reader *reader, size_t line)
{
	const char *end = reader->text + reader->len, *c = reader->text;

	while (c && --line) {
		c = memchr(c, '\n', (size_t)(end - c));
		c = c ? c + 1 : NULL;
	}
	while (c && c < end && *c == ' ')
		c++;
	return c && c < end && *c == '\t';
}

/* What to do about it, which the parser's words do not say to who does not know YAML well. */
static const char *parser_hint(const struct line_reader *reader, const char *problem, size_t line)
{
	static const struct {
		const char *problem, *hint;
	} hints[] = {
		{"mapping values are not allowed",
		 ": is this line indented too far, or a blank missing behind a ':'?"},
		{"did not find expected key", ": is this line indented like those it belongs to?"},
	};

	if (is_indented_by_tab(reader, line))
		return ": indent with blanks, not with tabs";
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strstr(problem, hints[i].problem))
			return hints[i].hint;
	return "";
}

/* The parser failed: its own words, and where. Bytes that are no text are only known by offset. */
static int parser_error(const struct line_reader *reader, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "";
	size_t line = parser->problem_mark.line + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return reader_no_memory(reader);
	if (parser->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < parser->problem_offset; i++)
			line += reader->text[i] == '\n';
	}
	return error_set(reader->err, EINVAL, "%s:%zu: this is not YAML: %s%s%s%s",
			 reader->lines->name, line, parser->context ? parser->context : "",
			 parser->context ? ", " : "", problem, parser_hint(reader, problem, line));
}

static int read_events(struct line_reader *reader)
{
	yaml_parser_t parser;
	bool end = false;
	int ret = 0;

	if (!yaml_parser_initialize(&parser))
		return reader_no_memory(reader);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)reader->text, reader->len);
	while (!ret && !end) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			ret = parser_error(reader, &parser);
			break;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		ret = read_event(reader, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return ret;
}

int config_lines_read(const char *text, size_t len, const char *name, struct config_lines **lines,
		      struct error *err)
{
	struct line_reader reader = {.text = text, .len = len, .err = err};
	const char *nul;
	int ret;

	if (len > CONFIG_FILE_MAX)
		return error_set(err, EINVAL, "%s:1: it is longer than %u bytes", name,
				 CONFIG_FILE_MAX);
	reader.lines = calloc(1, sizeof(*reader.lines));
	if (!reader.lines)
		return error_set(err, ENOMEM, "out of memory");
	reader.lines->empty = true;
	reader.lines->name = strdup(name);
	nul = len ? memchr(text, '\0', len) : NULL;
	if (!reader.lines->name) {
		ret = reader_no_memory(&reader);
	} else if (nul) {
		size_t line = 1;

		for (const char *c = text; c < nul; c++)
			line += *c == '\n';
		ret = reader_error(&reader, line, "there is a NUL byte");
	} else {
		ret = read_events(&reader);
	}
	free(reader.key);
	if (ret)
		config_lines_free(reader.lines);
	else
		*lines = reader.lines;
	return ret;
}

void config_lines_free(struct config_lines *lines)
{
	if (!lines)
		return;
	for (unsigned int i = 0; i < lines->nnodes; i++)
		free(lines->nodes[i].key);
	free(lines->nodes);
	free(lines->name);
	free(lines);
}

const char *config_lines_name(const struct config_lines *lines)
{
	return lines->name;
}

bool config_lines_empty(const struct config_lines *lines)
{
	return lines->empty;
}

static unsigned int find_key(const struct config_lines *lines, unsigned int node, const char *key,
			     size_t len)
{
	unsigned int i;

	for (i = lines->nodes[node].child; i; i = lines->nodes[i].next)
		if (lines->nodes[i].key && strlen(lines->nodes[i].key) == len &&
		    !memcmp(lines->nodes[i].key, key, len))
			break;
	return i;
}

static unsigned int find_entry(const struct config_lines *lines, unsigned int node,
			       unsigned long index)
{
	unsigned int i = lines->nodes[node].child;

	if (i && lines->nodes[i].key)
		return 0;
	while (i && index--)
		i = lines->nodes[i].next;
	return i;
}

/* The node at the end of the path, or the last that is there; *all: the former. */
static unsigned int find_path(const struct config_lines *lines, const char *path, bool *all)
{
	unsigned int node = 0;

	*all = true;
	while (*path) {
		unsigned int found;
		char *end;

		if (*path == '[') {
			found = find_entry(lines, node, strtoul(path + 1, &end, 10));
			path = *end ? end + 1 : end;
		} else {
			size_t len = strcspn(path, ".[");

			found = find_key(lines, node, path, len);
			path += len;
		}
		if (!found) {
			*all = false;
			break;
		}
		node = found;
		path += *path == '.';
	}
	return node;
}

unsigned int config_lines_find(const struct config_lines *lines, const char *path)
{
	bool all;

	return lines->nnodes ? lines->nodes[find_path(lines, path, &all)].line : 1;
}

bool config_lines_has(const struct config_lines *lines, const char *path)
{
	bool all = false;

	if (lines->nnodes)
		find_path(lines, path, &all);
	return all;
}
