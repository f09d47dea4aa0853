/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lines of `stgt-xdp top`, for the screen and for scripts. They hold printable characters only,
 * whatever a disk is called, in the encoding that setlocale() chose. One thread at a time.
 */
#ifndef STGT_TOP_TEXT_H
#define STGT_TOP_TEXT_H

#include "top_model.h"
#include <stdio.h>

#define TOP_COLUMNS_MAX 16

/*
 * Which columns a table is shown with. The screen leaves out what finds no room, the least
 * important first, and cuts the last column; scripts get all in full, and times in microseconds.
 */
struct top_layout {
	const struct top_table *table;
	bool plain; /* for scripts */
	int width;  /* of a line; 0: no limit */
	int ncolumns;
	struct {
		unsigned int kind;
		int width; /* 0: to the end of the line */
	} columns[TOP_COLUMNS_MAX];
};

/* The words that choose and name a view or an order; NULL after the last. */
extern const char *const top_view_names[TOP_VIEWS + 1];
extern const char *const top_sort_names[TOP_SORTS + 1];

/* `width` 0 is for scripts. The table stays the caller's and outlives the layout. */
void top_text_layout(struct top_layout *layout, const struct top_table *table, enum top_view view,
		     int width);

/* One line without its newline, never wider than the layout. */
void top_text_titles(const struct top_layout *layout, FILE *out);
void top_text_row(const struct top_layout *layout, const struct top_row *row, FILE *out);

/* How many of the text's bytes take at most `width` columns. */
size_t top_text_fit(const char *text, int width);

/* The sum of all: what it does, and what goes wrong. Not cut. */
void top_text_total(const struct top_table *table, FILE *out);
void top_text_trouble(const struct top_table *table, FILE *out);

#endif
