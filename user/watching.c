/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "watching.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "servers.h"
#include "watching_output.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

/* The server makes no system call to wake us. */
#define LOOK_AGAIN_MS 5
#define BURST	      4096 /* records between two looks around */

struct watching {
	const struct watching_args *args;
	const struct watcher *watcher;
	struct tap_watch *watch;
	int conn, signals;
	uint64_t wall_ns; /* add to CLOCK_MONOTONIC */
	uint64_t until_ns;
	uint64_t last_ns; /* what came until then is still wanted; 0: there is no end in sight */
	bool hung_up;	  /* the server did */
	struct watching_result *result;
};

int watching_number(void *to, const char *text, struct error *err)
{
	uint64_t *value = to;
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *value && *value <= UINT32_MAX)
		return 0;
	return error_set(err, EINVAL, "'%s' is no number, or too large", text);
}

uint64_t watching_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Signals are read from here on: what was seen is to be finished properly. */
static int open_signals(void)
{
	sigset_t set;

	watching_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* True when the person or the time says to end. */
static bool look_around(struct watching *w, int patience_ms)
{
	struct pollfd fds[] = {
		{.fd = w->signals, .events = POLLIN},
		{.fd = w->conn, .events = POLLIN},
	};

	w->result->end = WATCHING_ENOUGH;
	if (w->until_ns && clock_now_ns() >= w->until_ns)
		return true;
	if (poll(fds, 2, patience_ms) <= 0)
		return false;
	w->hung_up = fds[1].revents;
	w->result->end = WATCHING_SIGNAL;
	return fds[0].revents;
}

/* True when nothing comes after what is there. It says so before it hangs up, unless it dies. */
static bool is_over(struct watching *w)
{
	bool hung_up = w->hung_up;

	w->result->end = tap_watch_ended(w->watch) ? WATCHING_OVER : WATCHING_ALONE;
	return hung_up || w->result->end == WATCHING_OVER;
}

static bool is_enough(const struct watching *w)
{
	return w->args->count && w->result->seen >= w->args->count;
}

static int cannot_write(int ret, struct error *err)
{
	if (ret == -EINTR)
		return error_set(err, EINTR, "ended before all was read: the rest is lost");
	return error_set(err, -ret, "cannot write: %s", strerror(-ret));
}

/* Hands over what is there, but at most a burst. How many, or negative errno. */
static int drain(struct watching *w, struct error *err)
{
	struct tap_record record;
	int n, ret;

	for (n = 0; n < BURST && !is_enough(w); n++) {
		ret = tap_watch_next(w->watch, &record);
		if (ret < 0)
			return error_set(err, EPROTO, "what the server wrote makes no sense");
		if (!ret || (w->last_ns && record.ns > w->last_ns))
			break;
		ret = w->watcher->seen(w->watcher->ctx, &record, record.ns + w->wall_ns);
		tap_watch_done(w->watch, &record);
		if (ret)
			return cannot_write(ret, err);
		w->result->seen++;
	}
	ret = w->watcher->pause(w->watcher->ctx);
	return ret ? cannot_write(ret, err) : n;
}

static int watch_on(struct watching *w, struct error *err)
{
	bool over = false;
	int n = 0;

	do {
		if (!over && !w->last_ns) {
			over = is_over(w);
			if (!over && look_around(w, n ? 0 : LOOK_AGAIN_MS))
				w->last_ns = clock_now_ns();
		}
		n = drain(w, err);
		if (n < 0)
			return n;
	} while (!is_enough(w) && (n == BURST || (!over && !w->last_ns)));
	if (is_enough(w))
		w->result->end = WATCHING_ENOUGH;
	return 0;
}

static int watch_memory(struct watching *w, json_t *request, struct error *err)
{
	_cleanup_close_ int signals = open_signals(), conn = -1;
	json_t *answer;
	int ret;

	if (signals < 0)
		return error_set(err, errno, "cannot wait for signals: %s", strerror(errno));
	w->wall_ns = watching_now_ns() - clock_now_ns();
	answer = servers_hold(w->args->socket, request, tap_watch_fd(w->watch), &conn, err);
	if (!answer)
		return -EIO;
	json_decref(answer);
	ret = w->watcher->begin(w->watcher->ctx, err);
	if (ret)
		return ret;
	w->signals = signals;
	w->conn = conn;
	if (w->args->seconds)
		w->until_ns = clock_now_ns() + w->args->seconds * CLOCK_NS_PER_S;
	ret = watch_on(w, err);
	w->result->lost = tap_watch_lost(w->watch);
	return ret;
}

int watching_run(const struct watching_args *args, json_t *request, const struct watcher *watcher,
		 struct watching_result *result, struct error *err)
{
	struct watching w = {.args = args, .watcher = watcher, .result = result};
	int ret;

	*result = (struct watching_result){0};
	ret = tap_watch_open(args->memory, &w.watch, err);
	if (ret)
		return ret;
	ret = watch_memory(&w, request, err);
	tap_watch_close(w.watch);
	return ret;
}
