/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Load for iSCSI targets: sessions of libiscsi, each with a fixed number of requests outstanding,
 * on one thread. Or sessions that are idle: --idle logs them in, says so, and keeps them until the
 * standard input ends.
 */
#include "base/size.h"
#include "histogram.h"
#include "waited.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define NAME	      "iqn.2026-11.example:load"
#define SECOND	      1000000000ull
#define WARM_UP	      (SECOND / 5)
#define DRAIN_TIMEOUT (5 * SECOND)
#define EVENTS	      64
#define LOGINS	      3 /* attempts */

struct options {
	const char *url;
	bool write, sequential, idle, spin, json;
	unsigned int size, depth, sessions;
	double seconds;
};

struct request {
	struct session *session;
	struct scsi_iovec iov;
	uint64_t started;
};

struct session {
	struct load *load;
	struct iscsi_context *iscsi;
	struct request *requests;
	int interest;  /* of epoll */
	uint64_t next; /* of a sequence, in requests */
};

struct load {
	struct options options;
	struct session *sessions;
	int epoll, lun;
	uint32_t block;
	uint64_t places; /* of requests on the disk */
	uint64_t now, random, outstanding, errors;
	uint64_t done; /* measured or not */
	bool measuring, stopping;
	struct histogram latency;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t load_random(struct load *load)
{
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return load->random;
}

/* ---- requests ---- */

static void request_start(struct request *request);

static void request_done(struct iscsi_context *iscsi, int status, void *data, void *context)
{
	struct request *request = context;
	struct load *load = request->session->load;

	load->outstanding--;
	load->done++;
	if (status != SCSI_STATUS_GOOD)
		load->errors++;
	else if (load->measuring)
		histogram_add(&load->latency, load->now - request->started);
	scsi_free_scsi_task(data);
	if (!load->stopping && status == SCSI_STATUS_GOOD)
		request_start(request);
}

static uint32_t request_lba(struct session *session)
{
	struct load *load = session->load;
	uint64_t place = load->options.sequential ? session->next++ : load_random(load);

	return (uint32_t)(place % load->places * (load->options.size / load->block));
}

static void request_start(struct request *request)
{
	struct session *session = request->session;
	struct load *load = session->load;
	uint32_t lba = request_lba(session), len = load->options.size;
	struct scsi_task *task;

	request->started = load->now;
	task = load->options.write ? iscsi_write10_iov_task(session->iscsi, load->lun, lba, NULL,
							    len, (int)load->block, 0, 0, 0, 0, 0,
							    request_done, request, &request->iov, 1)
				   : iscsi_read10_iov_task(session->iscsi, load->lun, lba, len,
							   (int)load->block, 0, 0, 0, 0, 0,
							   request_done, request, &request->iov, 1);
	if (task)
		load->outstanding++;
	else
		load->errors++;
}

/* ---- sessions ---- */

static int session_requests(struct session *session)
{
	const struct options *options = &session->load->options;

	session->requests = calloc(options->depth, sizeof(*session->requests));
	for (unsigned int i = 0; session->requests && i < options->depth; i++) {
		struct request *request = &session->requests[i];

		request->session = session;
		request->iov.iov_len = options->size;
		request->iov.iov_base = malloc(options->size);
		if (!request->iov.iov_base)
			return -ENOMEM;
		memset(request->iov.iov_base, (int)load_random(session->load), options->size);
	}
	return session->requests ? 0 : -ENOMEM;
}

static int session_login(struct session *session, unsigned int index)
{
	struct load *load = session->load;
	struct iscsi_url *url;
	int ret;

	session->iscsi = iscsi_create_context(NAME);
	url = session->iscsi ? iscsi_parse_full_url(session->iscsi, load->options.url) : NULL;
	if (!url)
		return -EINVAL;
	load->lun = url->lun;
	iscsi_set_isid_random(session->iscsi, (uint32_t)getpid() & 0xffffff, index & 0xffff);
	iscsi_set_noautoreconnect(session->iscsi, 1);
	iscsi_set_targetname(session->iscsi, url->target);
	iscsi_set_session_type(session->iscsi, ISCSI_SESSION_NORMAL);
	iscsi_set_header_digest(session->iscsi, ISCSI_HEADER_DIGEST_NONE);
	ret = iscsi_full_connect_sync(session->iscsi, url->portal, url->lun);
	iscsi_destroy_url(url);
	return ret ? -EIO : 0;
}

/* On failure says why. On a busy machine libiscsi gives up on a login now and then, whoever
 * answers. */
static int session_open(struct load *load, unsigned int index)
{
	struct session *session = &load->sessions[index];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
	int ret = -EIO;

	session->load = load;
	session->next = load->places / load->options.sessions * index;
	session->interest = EPOLLIN;
	for (int i = 0; i < LOGINS && ret; i++) {
		ret = session_login(session, index);
		if (ret)
			fprintf(stderr, "iscsi_load: session %u: %s\n", index,
				session->iscsi ? iscsi_get_error(session->iscsi) : "no memory");
		if (ret && session->iscsi)
			iscsi_destroy_context(session->iscsi);
	}
	if (!ret)
		ret = session_requests(session);
	return ret ? ret
		   : epoll_ctl(load->epoll, EPOLL_CTL_ADD, iscsi_get_fd(session->iscsi), &event);
}

/* POLLIN and POLLOUT are EPOLLIN and EPOLLOUT. */
static void session_interest(struct session *session)
{
	int want = iscsi_which_events(session->iscsi);
	struct epoll_event event = {.events = (uint32_t)want, .data.ptr = session};

	if (want == session->interest)
		return;
	session->interest = want;
	epoll_ctl(session->load->epoll, EPOLL_CTL_MOD, iscsi_get_fd(session->iscsi), &event);
}

/* What was queued is sent at once, where the socket takes it. */
static void session_service(struct session *session, int events)
{
	int failed = iscsi_service(session->iscsi, events);

	if (!failed && iscsi_which_events(session->iscsi) & POLLOUT)
		failed = iscsi_service(session->iscsi, POLLOUT);
	if (failed) {
		fprintf(stderr, "iscsi_load: %s\n", iscsi_get_error(session->iscsi));
		exit(1);
	}
	session_interest(session);
}

static int load_read_capacity(struct load *load)
{
	struct scsi_task *task =
		iscsi_readcapacity10_sync(load->sessions[0].iscsi, load->lun, 0, 0);
	struct scsi_readcapacity10 *capacity =
		task && task->status == SCSI_STATUS_GOOD ? scsi_datain_unmarshall(task) : NULL;

	if (!capacity)
		return -EIO;
	load->block = capacity->block_size;
	load->places = ((uint64_t)capacity->lba + 1) * load->block / load->options.size;
	scsi_free_scsi_task(task);
	return load->places ? 0 : -EINVAL;
}

static int load_open(struct load *load)
{
	load->random = now_ns() | 1;
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->sessions = calloc(load->options.sessions, sizeof(*load->sessions));
	if (load->epoll < 0 || !load->sessions)
		return -ENOMEM;
	for (unsigned int i = 0; i < load->options.sessions; i++) {
		if (session_open(load, i) || (!i && load_read_capacity(load)))
			return -EIO;
	}
	return 0;
}

/* ---- running ---- */

static void load_until(struct load *load, uint64_t until)
{
	struct epoll_event events[EVENTS];

	while (load->now < until && (load->outstanding || !load->stopping)) {
		int n = epoll_wait(load->epoll, events, EVENTS, load->options.spin ? 0 : 100);

		load->now = now_ns();
		for (int i = 0; i < n; i++)
			session_service(events[i].data.ptr, (int)events[i].events);
	}
}

static void load_start(struct load *load)
{
	load->now = now_ns();
	for (unsigned int i = 0; i < load->options.sessions; i++) {
		for (unsigned int j = 0; j < load->options.depth; j++)
			request_start(&load->sessions[i].requests[j]);
		session_service(&load->sessions[i], POLLOUT);
	}
}

static void load_report(const struct load *load, uint64_t elapsed, uint64_t waited)
{
	const struct histogram *latency = &load->latency;
	double seconds = (double)elapsed / 1e9, iops = (double)latency->count / seconds;
	double p50 = (double)histogram_percentile(latency, 50) / 1e3;
	double p99 = (double)histogram_percentile(latency, 99) / 1e3;
	double mbytes = iops * load->options.size / 1e6;

	if (load->options.json)
		printf("{\"iops\": %.0f, \"mbytes_per_s\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
		       "\"seconds\": %.3f, \"ops\": %" PRIu64 ", \"done\": %" PRIu64
		       ", \"errors\": %" PRIu64 ", \"waited_percent\": %.2f}\n",
		       iops, mbytes, p50, p99, seconds, latency->count, load->done, load->errors,
		       100.0 * (double)waited / (double)elapsed);
	else
		printf("%.0f IOPS, %.1f MB/s, latency %.1f us p50, %.1f p99; %" PRIu64 " errors\n",
		       iops, mbytes, p50, p99, load->errors);
}

static void load_run(struct load *load)
{
	uint64_t started, elapsed, waited;

	load_start(load);
	load_until(load, load->now + WARM_UP);
	load->measuring = true;
	started = load->now;
	waited = waited_ns();
	load_until(load, started + (uint64_t)(load->options.seconds * 1e9));
	load->measuring = false;
	elapsed = load->now - started;
	waited = waited_ns() - waited;
	load->stopping = true;
	load_until(load, load->now + DRAIN_TIMEOUT);
	load_report(load, elapsed, waited);
}

/* Who started this measures meanwhile, and then closes the pipe. Pings are answered. */
static int load_idle(struct load *load)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event))
		return -errno;
	puts("ready");
	fflush(stdout);
	while (epoll_wait(load->epoll, &event, 1, -1) < 1 || event.data.ptr)
		session_service(event.data.ptr, (int)event.events);
	return 0;
}

static void load_close(struct load *load)
{
	for (unsigned int i = 0; i < load->options.sessions; i++) {
		struct session *session = &load->sessions[i];

		iscsi_logout_sync(session->iscsi);
		iscsi_destroy_context(session->iscsi);
		for (unsigned int j = 0; j < load->options.depth; j++)
			free(session->requests[j].iov.iov_base);
		free(session->requests);
	}
	free(load->sessions);
	close(load->epoll);
}

/* ---- options ---- */

static int parse_count(const char *text, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*out = (unsigned int)n;
	return *end || !n || n > 65535 ? -EINVAL : 0;
}

static int parse_option(int c, const char *text, struct options *options)
{
	uint64_t size;

	switch (c) {
	case 'o':
		options->write = !strcmp(text, "write");
		return options->write || !strcmp(text, "read") ? 0 : -EINVAL;
	case 's':
		if (size_parse(text, &size) || !size || size % 512 || size > 16 << 20)
			return -EINVAL;
		options->size = (unsigned int)size;
		return 0;
	case 'd':
		return parse_count(text, &options->depth);
	case 'n':
		return parse_count(text, &options->sessions);
	case 'S':
		options->seconds = strtod(text, NULL);
		return options->seconds > 0 ? 0 : -EINVAL;
	case 'q':
		options->sequential = true;
		return 0;
	case 'i':
		options->idle = true;
		return 0;
	case 'p':
		options->spin = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int usage(void)
{
	fprintf(stderr,
		"usage: iscsi_load [options] iscsi://ADDR:PORT/IQN/LUN\n"
		"  --op read|write  what to do (read)\n"
		"  --size BYTES     of a request (4K)\n"
		"  --depth N        requests outstanding, per session (32)\n"
		"  --sessions N     (1)\n"
		"  --sequential     each session one after the other, not at random places\n"
		"  --seconds S      to measure, after the warm-up (1)\n"
		"  --idle           log in, print \"ready\", and nothing until stdin ends\n"
		"  --spin           never sleep\n"
		"  --json           report as JSON\n");
	return 2;
}

static int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {
		{"op", required_argument, NULL, 'o'},
		{"size", required_argument, NULL, 's'},
		{"depth", required_argument, NULL, 'd'},
		{"sessions", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 'S'},
		{"sequential", no_argument, NULL, 'q'},
		{"idle", no_argument, NULL, 'i'},
		{"spin", no_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	int c;

	*options = (struct options){.size = 4096, .depth = 32, .sessions = 1, .seconds = 1};
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (parse_option(c, optarg, options))
			return -EINVAL;
	}
	options->url = argv[optind];
	return optind + 1 == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct load *load = calloc(1, sizeof(*load));

	if (!load || options_parse(argc, argv, &load->options))
		return usage();
	if (load_open(load))
		return 1;
	if (!load->options.idle)
		load_run(load);
	else if (load_idle(load))
		return 1;
	load_close(load);
	free(load);
	return 0;
}
