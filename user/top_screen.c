/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top_screen.h"

#include "base/clock.h"
#include "top_sampler.h"
#include "top_text.h"

#include <errno.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

/*
 * Lines above the table's rows: what it is, the sum, what goes wrong, a blank, the titles. A screen
 * with less than ROOMY_LINES does without the first and the blank, for the sake of the rows.
 */
#define HEAD_LINES  5
#define HEAD_SPARED 2
#define ROOMY_LINES 10
#define FOOT_LINES  1
#define ESCAPE_MS   25

/* After so long without an answer the screen says so. */
#define SLOW_NS (2ull * CLOCK_NS_PER_S)

struct screen {
	const struct top_options *options;
	enum top_view view;
	enum top_sort sort;
	size_t nrows;	 /* of the table that was drawn last */
	size_t scrolled; /* rows above those shown */
	struct top_sampler *sampler;
	struct top_sample *before, *now; /* before: NULL until there are two */
	time_t at;			 /* when the last answer came */
	bool failing;			 /* since then */
	bool asking;			 /* since asked_ns */
	uint64_t asked_ns;
	struct error err;
	uint64_t next_ns;   /* when to ask again */
	sigset_t wait_mask; /* what may interrupt the waiting: the change of size */
	int signals;	    /* signalfd */
	SCREEN *terminal;
	bool done;
};

/* ---- drawing ---- */

static bool is_waiting(const struct screen *screen)
{
	return screen->asking && clock_now_ns() - screen->asked_ns > SLOW_NS;
}

/* What the table says may be so no longer. */
static bool is_stale(const struct screen *screen)
{
	return screen->failing || is_waiting(screen);
}

static bool is_roomy(void)
{
	return LINES >= ROOMY_LINES;
}

/* The titles are the last of them. */
static int head_lines(void)
{
	return is_roomy() ? HEAD_LINES : HEAD_LINES - HEAD_SPARED;
}

static int rows_shown(void)
{
	int other_lines = head_lines() + FOOT_LINES;

	return LINES > other_lines ? LINES - other_lines : 0;
}

/* The last page is a full one. */
static void screen_limit_scroll(struct screen *screen)
{
	size_t shown = (size_t)rows_shown();
	size_t most = screen->nrows > shown ? screen->nrows - shown : 0;

	if (screen->scrolled > most)
		screen->scrolled = most;
}

/* Text made of parts; the stream's end draws it, as much as the line holds. */
struct line {
	char *text;
	size_t size;
	FILE *out;
};

static FILE *line_begin(struct line *line)
{
	line->text = NULL;
	line->out = open_memstream(&line->text, &line->size);
	return line->out;
}

static void line_draw(struct line *line, int y)
{
	fclose(line->out);
	mvaddnstr(y, 0, line->text, (int)top_text_fit(line->text, COLS));
	free(line->text);
}

static void draw_title(const struct screen *screen, const struct top_table *table)
{
	char clock[16], text[80];
	struct tm tm;

	localtime_r(&screen->at, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	attron(A_BOLD);
	mvaddstr(0, 0, "stgt-xdp top");
	attroff(A_BOLD);
	if (getcurx(stdscr) + 2 + (int)strlen(clock) <= COLS)
		printw("  %s", clock);
	snprintf(text, sizeof(text), "%zu interface%s, %zu export%s, %zu initiator%s",
		 table->interfaces, table->interfaces == 1 ? "" : "s", table->exports,
		 table->exports == 1 ? "" : "s", table->initiators,
		 table->initiators == 1 ? "" : "s");
	if (getcurx(stdscr) + 2 + (int)strlen(text) <= COLS)
		mvaddstr(0, COLS - (int)strlen(text), text);
}

static void draw_head(const struct screen *screen, const struct top_table *table)
{
	int sum_line = is_roomy() ? 1 : 0;
	struct line line;

	if (is_roomy())
		draw_title(screen, table);
	if (line_begin(&line)) {
		if (table->total.measured)
			top_text_total(table, line.out);
		else
			fputs("measuring ...", line.out);
		line_draw(&line, sum_line);
	}
	if (line_begin(&line)) {
		if (is_waiting(screen))
			fputs("waiting for the servers' answer", line.out);
		else if (screen->failing)
			fprintf(line.out, "no answer, trying again: %s", screen->err.text);
		else if (table->total.measured)
			top_text_trouble(table, line.out);
		if (is_stale(screen))
			attron(A_REVERSE | A_BOLD);
		line_draw(&line, sum_line + 1);
		attroff(A_REVERSE | A_BOLD);
	}
}

/* A key of the last line; the ones in force stand out. */
static void draw_key(const char *key, const char *what, bool chosen)
{
	/* Nothing is better than half of it. */
	if (getcurx(stdscr) + (int)(strlen(key) + 1 + strlen(what)) >= COLS)
		return;
	attron(A_BOLD);
	addstr(key);
	attroff(A_BOLD);
	addch(' ');
	if (chosen)
		attron(A_REVERSE);
	addstr(what);
	attroff(A_REVERSE);
	addch(' ');
}

static void draw_foot(const struct screen *screen)
{
	move(LINES - 1, 0);
	draw_key("q", "quit", false);
	addch(' ');
	draw_key("e", "exports", screen->view == TOP_EXPORTS);
	draw_key("n", "initiators", screen->view == TOP_INITIATORS);
	draw_key("p", "pairs", screen->view == TOP_PAIRS);
	draw_key("f", "interfaces", screen->view == TOP_INTERFACES);
	addch(' ');
	draw_key("i", "IOPS", screen->sort == TOP_BY_IOPS);
	draw_key("b", "MB/s", screen->sort == TOP_BY_BYTES);
	draw_key("l", "p99", screen->sort == TOP_BY_LATENCY);
	draw_key("a", "name", screen->sort == TOP_BY_NAME);
}

static void draw_table(struct screen *screen, const struct top_table *table)
{
	size_t shown = (size_t)rows_shown();
	struct top_layout layout;
	struct line line;

	screen->nrows = table->nrows;
	screen_limit_scroll(screen);
	top_text_layout(&layout, table, screen->view, COLS);
	if (shown && line_begin(&line)) {
		top_text_titles(&layout, line.out);
		line_draw(&line, head_lines() - 1);
		mvchgat(head_lines() - 1, 0, -1, A_BOLD | A_UNDERLINE, 0, NULL);
	}
	if (is_stale(screen))
		attron(A_DIM);
	for (size_t i = 0; i < shown && screen->scrolled + i < table->nrows; i++) {
		if (!line_begin(&line))
			break;
		top_text_row(&layout, &table->rows[screen->scrolled + i], line.out);
		line_draw(&line, head_lines() + (int)i);
	}
	attroff(A_DIM);
}

static void screen_draw(struct screen *screen)
{
	struct top_table table;

	if (top_table_make(&table, screen->before, screen->now, screen->view, screen->sort))
		return;
	erase();
	draw_head(screen, &table);
	draw_table(screen, &table);
	draw_foot(screen);
	move(LINES - 1, COLS - 1);
	refresh();
	top_table_free(&table);
}

/* ---- keys ---- */

static void screen_show(struct screen *screen, enum top_view view)
{
	screen->view = view;
	screen->scrolled = 0;
}

static void screen_sort(struct screen *screen, enum top_sort sort)
{
	screen->sort = sort;
	screen->scrolled = 0;
}

static void screen_scroll(struct screen *screen, int rows)
{
	if (rows < 0 && screen->scrolled < (size_t)-rows)
		screen->scrolled = 0;
	else
		screen->scrolled += (size_t)rows;
	screen_limit_scroll(screen);
}

static void screen_scroll_key(struct screen *screen, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		screen_scroll(screen, -1);
		break;
	case KEY_DOWN:
	case 'j':
		screen_scroll(screen, 1);
		break;
	case KEY_PPAGE:
		screen_scroll(screen, -rows_shown());
		break;
	case KEY_NPAGE:
	case ' ':
		screen_scroll(screen, rows_shown());
		break;
	case KEY_HOME:
		screen->scrolled = 0;
		break;
	case KEY_END:
		screen->scrolled = screen->nrows;
		screen_limit_scroll(screen);
		break;
	}
}

static void screen_key(struct screen *screen, int key)
{
	static const struct {
		int key;
		enum top_view view;
	} views[] = {
		{'e', TOP_EXPORTS},
		{'n', TOP_INITIATORS},
		{'p', TOP_PAIRS},
		{'f', TOP_INTERFACES},
	};
	static const struct {
		int key;
		enum top_sort sort;
	} sorts[] = {
		{'i', TOP_BY_IOPS},
		{'b', TOP_BY_BYTES},
		{'l', TOP_BY_LATENCY},
		{'a', TOP_BY_NAME},
	};

	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (views[i].key == key)
			screen_show(screen, views[i].view);
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
		if (sorts[i].key == key)
			screen_sort(screen, sorts[i].sort);
	if (key == '\t')
		screen_show(screen, (screen->view + 1) % TOP_VIEWS);
	if (key == 'q' || key == 'Q')
		screen->done = true;
	screen_scroll_key(screen, key);
}

/* ---- the loop ---- */

static void screen_take_answer(struct screen *screen)
{
	struct top_sample *sample = top_sampler_answer(screen->sampler, &screen->err);

	screen->asking = false;
	screen->failing = !sample;
	if (!sample)
		return;
	top_sample_free(screen->before);
	screen->before = screen->now;
	screen->now = sample;
	screen->at = time(NULL);
}

static void screen_ask(struct screen *screen)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns < screen->next_ns)
		return;
	if (!screen->asking && !top_sampler_ask(screen->sampler)) {
		screen->asking = true;
		screen->asked_ns = now_ns;
	}
	screen->next_ns += screen->options->interval_ns;
	/* A server that is slower than that is not asked faster afterwards. */
	if (screen->next_ns < now_ns)
		screen->next_ns = now_ns + screen->options->interval_ns;
}

static void screen_wait(struct screen *screen)
{
	struct pollfd fds[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = screen->signals, .events = POLLIN},
		{.fd = top_sampler_fd(screen->sampler), .events = POLLIN},
	};
	uint64_t now_ns = clock_now_ns(), left_ns;
	struct timespec left;
	int key;

	left_ns = screen->next_ns > now_ns ? screen->next_ns - now_ns : 0;
	left.tv_sec = (time_t)(left_ns / CLOCK_NS_PER_S);
	left.tv_nsec = (long)(left_ns % CLOCK_NS_PER_S);
	if (ppoll(fds, sizeof(fds) / sizeof(fds[0]), &left, &screen->wait_mask) < 0)
		fds[0].revents = fds[1].revents = fds[2].revents = 0;
	/* Also where the wait was interrupted: a change of size comes as a key. */
	while ((key = getch()) != ERR)
		screen_key(screen, key);
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL) || fds[1].revents)
		screen->done = true;
	if (fds[2].revents)
		screen_take_answer(screen);
}

/* The signals that end it come through a descriptor; the terminal is restored as after q. */
static int screen_open_signals(struct screen *screen, struct error *err)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};
	sigset_t set;

	sigemptyset(&set);
	pthread_sigmask(SIG_BLOCK, NULL, &screen->wait_mask);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaddset(&set, ends[i]);
		sigaddset(&screen->wait_mask, ends[i]);
	}
	screen->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen->signals < 0)
		return error_set(err, errno, "cannot make a signalfd: %s", strerror(errno));
	/* SIGWINCH only while waiting, so that none comes between looking for it and waiting. */
	sigaddset(&set, SIGWINCH);
	sigdelset(&screen->wait_mask, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return 0;
}

/* Known, and able to move its cursor: "dumb" is not. */
static bool terminal_can_show(void)
{
	int status;
	bool can;

	if (setupterm(NULL, STDOUT_FILENO, &status) != OK)
		return false;
	can = cursor_address;
	del_curterm(cur_term);
	return can;
}

static int screen_open(struct screen *screen, struct error *err)
{
	int ret;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return error_set(err, ENOTTY,
				 "this is no terminal; --once and --batch N need none");
	ret = screen_open_signals(screen, err);
	if (ret)
		return ret;
	screen->terminal = terminal_can_show() ? newterm(NULL, stdout, stdin) : NULL;
	if (!screen->terminal)
		return error_set(err, ENOTTY,
				 "the terminal '%s' is not known, or cannot move its cursor; set "
				 "TERM, or use --batch N",
				 getenv("TERM") ? getenv("TERM") : "");
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	return 0;
}

static void screen_close(struct screen *screen)
{
	if (screen->terminal) {
		endwin();
		delscreen(screen->terminal);
	}
	if (screen->signals >= 0)
		close(screen->signals);
	top_sampler_close(screen->sampler);
	top_sample_free(screen->before);
	top_sample_free(screen->now);
}

int top_screen_run(const struct top_options *options, struct top_sample *first, struct error *err)
{
	struct screen screen = {
		.options = options,
		.view = options->view,
		.sort = options->sort,
		.now = first,
		.at = time(NULL),
		.signals = -1,
	};
	int ret = top_sampler_open(options->socket, &screen.sampler, err);

	/* Nobody waits long for the first rates. */
	screen.next_ns =
		clock_now_ns() +
		(options->interval_ns < CLOCK_NS_PER_S ? options->interval_ns : CLOCK_NS_PER_S);
	if (!ret)
		ret = screen_open(&screen, err);
	while (!ret && !screen.done) {
		screen_draw(&screen);
		screen_wait(&screen);
		screen_ask(&screen);
	}
	screen_close(&screen);
	return ret;
}
