/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top_text.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <wchar.h>

#define NUMBER_TEXT 32
#define DISK_MIN    10

const char *const top_view_names[TOP_VIEWS + 1] = {
	[TOP_EXPORTS] = "exports",
	[TOP_INITIATORS] = "initiators",
	[TOP_PAIRS] = "pairs",
	[TOP_INTERFACES] = "interfaces",
};

const char *const top_sort_names[TOP_SORTS + 1] = {
	[TOP_BY_IOPS] = "iops",
	[TOP_BY_BYTES] = "bytes",
	[TOP_BY_LATENCY] = "latency",
	[TOP_BY_NAME] = "name",
};

/* ---- columns ---- */

enum kind {
	EXPORT,
	INITIATOR,
	INTERFACE,
	IOPS,
	READS,
	WRITES,
	READ_MB,
	WRITE_MB,
	P50,
	P99,
	ERRORS,
	DISK,
	MODE,
	KINDS,
};

#define EVERY_VIEW ((1u << TOP_VIEWS) - 1)

/* In the order in which they stand in a line. */
static const struct column {
	const char *title;
	const char *plain_title; /* where it differs */
	int width;		 /* 0: that of its longest text */
	int rank;		 /* of equals all or none; the lowest where there is little room */
	unsigned int views;	 /* bits: where it is shown */
} columns[KINDS] = {
	[EXPORT] = {"EXPORT", NULL, 0, 0, 1u << TOP_EXPORTS | 1u << TOP_PAIRS},
	[INITIATOR] = {"INITIATOR", NULL, 0, 0, 1u << TOP_INITIATORS | 1u << TOP_PAIRS},
	[INTERFACE] = {"INTERFACE", NULL, 0, 4, EVERY_VIEW},
	[IOPS] = {"IOPS", NULL, 8, 1, EVERY_VIEW},
	[READS] = {"r/s", NULL, 8, 7, EVERY_VIEW},
	[WRITES] = {"w/s", NULL, 8, 7, EVERY_VIEW},
	[READ_MB] = {"rMB/s", NULL, 8, 3, EVERY_VIEW},
	[WRITE_MB] = {"wMB/s", NULL, 8, 3, EVERY_VIEW},
	[P50] = {"p50", "p50_us", 8, 5, EVERY_VIEW},
	[P99] = {"p99", "p99_us", 8, 2, EVERY_VIEW},
	[ERRORS] = {"err/s", NULL, 8, 8, EVERY_VIEW},
	[DISK] = {"DISK", NULL, 0, 6, 1u << TOP_EXPORTS | 1u << TOP_PAIRS},
	[MODE] = {"XDP", NULL, 0, 6, 1u << TOP_INTERFACES},
};

#define RANK_MAX 8

static bool is_text(enum kind kind)
{
	return !columns[kind].width;
}

static const char *text_of(const struct top_row *row, enum kind kind)
{
	const char *text = kind == EXPORT      ? row->name.export
			   : kind == INITIATOR ? row->name.initiator
			   : kind == INTERFACE ? row->name.interface
					       : row->note;

	return *text ? text : "-";
}

/* ---- text of any origin ---- */

/* The next character and its columns; what cannot be shown becomes a question mark. */
static size_t next_char(const char *text, mbstate_t *state, wchar_t *c, int *width)
{
	size_t n = mbrtowc(c, text, strlen(text), state);

	if (n == 0 || n > MB_LEN_MAX) {
		memset(state, 0, sizeof(*state));
		n = 1;
		*c = L'?';
	}
	*width = wcwidth(*c);
	if (*width < 0) {
		*c = L'?';
		*width = 1;
	}
	return n;
}

static int text_width(const char *text)
{
	mbstate_t state = {0};
	int total = 0, width;
	wchar_t c;

	while (*text) {
		text += next_char(text, &state, &c, &width);
		total += width;
	}
	return total;
}

size_t top_text_fit(const char *text, int width)
{
	const char *at = text;
	mbstate_t state = {0};
	int taken;
	wchar_t c;

	while (*at) {
		size_t n = next_char(at, &state, &c, &taken);

		if (taken > width)
			break;
		width -= taken;
		at += n;
	}
	return (size_t)(at - text);
}

/* As much of it as `max` columns hold; how many it took. */
static int print_text(const char *text, int max, FILE *out)
{
	mbstate_t in = {0}, state = {0};
	char bytes[MB_LEN_MAX];
	int total = 0, width;
	wchar_t c;

	while (*text) {
		size_t n;

		text += next_char(text, &in, &c, &width);
		if (total + width > max)
			break;
		n = wcrtomb(bytes, c, &state);
		if (n != (size_t)-1)
			fwrite(bytes, 1, n, out);
		total += width;
	}
	return total;
}

/* ---- numbers ---- */

/* Two digits behind the point for small ones, none for large ones, so that all are short. */
static void format_rate(double rate, char text[NUMBER_TEXT])
{
	snprintf(text, NUMBER_TEXT, "%.*f",
		 rate == 0 || rate >= 1000 ? 0
		 : rate >= 100		   ? 1
					   : 2,
		 rate);
}

static void format_duration(double us, char text[NUMBER_TEXT])
{
	if (us < 1000)
		snprintf(text, NUMBER_TEXT, "%.0fus", us);
	else if (us < 1e6)
		snprintf(text, NUMBER_TEXT, "%.*fms", us < 1e4 ? 1 : 0, us / 1e3);
	else
		snprintf(text, NUMBER_TEXT, "%.*fs", us < 1e7 ? 1 : 0, us / 1e6);
}

static void format_percentile(const struct top_table *table, double us, bool plain,
			      char text[NUMBER_TEXT])
{
	double shown = isinf(us) ? table->beyond_us : us;
	char *number = text;

	if (us < 0) {
		strcpy(text, "-");
		return;
	}
	if (isinf(us))
		*number++ = '>';
	if (plain)
		snprintf(number, NUMBER_TEXT - 1, "%.0f", shown);
	else
		format_duration(shown, number);
}

static double rate_of(const struct top_row *row, enum kind kind)
{
	switch (kind) {
	case IOPS:
		return row->rate[TOP_OPS];
	case READS:
		return row->rate[TOP_READS];
	case WRITES:
		return row->rate[TOP_WRITES];
	case READ_MB:
		return row->rate[TOP_READ_BYTES] / 1e6;
	case WRITE_MB:
		return row->rate[TOP_WRITE_BYTES] / 1e6;
	default:
		return row->rate[TOP_ERRORS];
	}
}

static void format_number(const struct top_layout *layout, const struct top_row *row,
			  enum kind kind, char text[NUMBER_TEXT])
{
	if (!row->measured)
		strcpy(text, "-");
	else if (kind == P50 || kind == P99)
		format_percentile(layout->table, kind == P50 ? row->p50_us : row->p99_us,
				  layout->plain, text);
	else
		format_rate(rate_of(row, kind), text);
}

/* ---- lines ---- */

/* What a column wants; the last one takes all that is left. */
static int column_width(const struct top_table *table, enum kind kind)
{
	int width = columns[kind].width;

	if (!is_text(kind))
		return width;
	if (kind == DISK)
		return DISK_MIN;
	width = text_width(columns[kind].title);
	for (size_t i = 0; i < table->nrows; i++) {
		int text = text_width(text_of(&table->rows[i], kind));

		if (text > width)
			width = text;
	}
	return width;
}

void top_text_layout(struct top_layout *layout, const struct top_table *table, enum top_view view,
		     int width)
{
	int left = width ? width : INT_MAX, widths[KINDS] = {0};

	*layout = (struct top_layout){.table = table, .plain = !width, .width = width};
	for (int rank = 0; rank <= RANK_MAX; rank++) {
		int wanted[KINDS] = {0}, sum = 0;

		for (enum kind kind = 0; kind < KINDS; kind++) {
			if (columns[kind].rank != rank || !(columns[kind].views & 1u << view))
				continue;
			wanted[kind] = column_width(table, kind);
			sum += wanted[kind] + 1; /* and a blank */
		}
		/* Better cut what the row is than not to tell; the first column has no blank. */
		if (rank > 0 && sum - 1 > left)
			continue;
		left -= sum;
		for (enum kind kind = 0; kind < KINDS; kind++)
			widths[kind] += wanted[kind];
	}
	for (enum kind kind = 0; kind < KINDS; kind++) {
		if (!widths[kind])
			continue;
		layout->columns[layout->ncolumns].kind = kind;
		layout->columns[layout->ncolumns++].width = kind == DISK ? 0 : widths[kind];
	}
}

/* The end of the text, which tells files apart, where the whole has no room; columns used. */
static int print_end(const char *text, int max, FILE *out)
{
	static const char mark[] = "..";
	mbstate_t state = {0};
	int over = text_width(text) - max, width;
	wchar_t c;

	if (over <= 0)
		return print_text(text, max, out);
	over += (int)strlen(mark);
	while (*text && over > 0) {
		text += next_char(text, &state, &c, &width);
		over -= width;
	}
	width = print_text(mark, max, out);
	return width + print_text(text, max - width, out);
}

/* Returns the columns used, at most `left`. */
static int print_cell(const char *text, int width, bool number, int left, FILE *out)
{
	int pad = width - text_width(text), used = 0;

	pad = pad < 0 ? 0 : pad > left ? left : pad;
	if (!width)
		return print_end(text, left, out);
	if (number)
		used += fprintf(out, "%*s", pad, "");
	used += print_text(text, left - used, out);
	if (!number && used + pad <= left)
		used += fprintf(out, "%*s", pad, "");
	return used;
}

/* No row: the titles. */
static void print_line(const struct top_layout *layout, const struct top_row *row, FILE *out)
{
	int left = layout->width ? layout->width : INT_MAX;

	for (int i = 0; i < layout->ncolumns && left > 0; i++) {
		enum kind kind = layout->columns[i].kind;
		const struct column *column = &columns[kind];
		const char *text = column->title;
		char number[NUMBER_TEXT];

		if (row && is_text(kind)) {
			text = text_of(row, kind);
		} else if (row) {
			format_number(layout, row, kind, number);
			text = number;
		} else if (layout->plain && column->plain_title) {
			text = column->plain_title;
		}
		if (i)
			left -= fprintf(out, " ");
		left -= print_cell(text, layout->columns[i].width, !is_text(kind), left, out);
	}
}

void top_text_titles(const struct top_layout *layout, FILE *out)
{
	print_line(layout, NULL, out);
}

void top_text_row(const struct top_layout *layout, const struct top_row *row, FILE *out)
{
	print_line(layout, row, out);
}

void top_text_total(const struct top_table *table, FILE *out)
{
	const struct top_row *total = &table->total;
	char iops[NUMBER_TEXT], reads[NUMBER_TEXT], writes[NUMBER_TEXT], p50[NUMBER_TEXT],
		p99[NUMBER_TEXT];

	format_rate(total->rate[TOP_OPS], iops);
	format_rate(total->rate[TOP_READ_BYTES] / 1e6, reads);
	format_rate(total->rate[TOP_WRITE_BYTES] / 1e6, writes);
	format_percentile(table, total->p50_us, false, p50);
	format_percentile(table, total->p99_us, false, p99);
	fprintf(out, "%s IOPS, %s MB/s read, %s MB/s written, p50 %s, p99 %s", iops, reads, writes,
		p50, p99);
}

void top_text_trouble(const struct top_table *table, FILE *out)
{
	const struct top_row *total = &table->total;
	char errors[NUMBER_TEXT], retransmits[NUMBER_TEXT], denied[NUMBER_TEXT];

	format_rate(total->rate[TOP_ERRORS], errors);
	format_rate(total->rate[TOP_RETRANSMITS], retransmits);
	format_rate(total->rate[TOP_DENIED], denied);
	fprintf(out, "%llu in flight, %s errors/s, %s retransmits/s, %s frames/s denied",
		(unsigned long long)table->inflight, errors, retransmits, denied);
}
