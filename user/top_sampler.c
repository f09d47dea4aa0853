/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top_sampler.h"

#include "base/clock.h"
#include "servers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct top_sampler {
	const char *socket;
	int answered; /* eventfd */
	bool asking;  /* the thread exists */
	pthread_t thread;
	/* The thread's, until it has been joined. */
	struct top_sample *sample;
	struct error err;
};

struct top_sample *top_sample_take(const char *socket, struct error *err)
{
	json_t *stats = servers_ask_all(socket, "stats", err), *status;
	struct top_sample *sample = NULL;
	uint64_t now_ns = clock_now_ns();

	if (!stats)
		return NULL;
	status = servers_ask_all(socket, "status", err);
	if (status) {
		sample = top_sample_new(stats, status, now_ns);
		if (!sample)
			error_set(err, ENOMEM, "out of memory");
	}
	json_decref(status);
	json_decref(stats);
	return sample;
}

static void *sampler_run(void *arg)
{
	struct top_sampler *sampler = arg;

	sampler->sample = top_sample_take(sampler->socket, &sampler->err);
	eventfd_write(sampler->answered, 1);
	return NULL;
}

static void ignore(int signo)
{
}

int top_sampler_open(const char *socket, struct top_sampler **sampler, struct error *err)
{
	/* No SA_RESTART: a call of the thread that waits for a server ends. */
	const struct sigaction action = {.sa_handler = ignore};
	struct top_sampler *new = calloc(1, sizeof(*new));

	if (!new)
		return error_set(err, ENOMEM, "out of memory");
	new->socket = socket;
	new->answered = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (new->answered < 0) {
		free(new);
		return error_set(err, errno, "cannot make an eventfd: %s", strerror(errno));
	}
	sigaction(SIGUSR1, &action, NULL);
	*sampler = new;
	return 0;
}

/* The signal may come right before the call that it is to end: it is sent until it worked. */
static void sampler_interrupt(struct top_sampler *sampler)
{
	struct timespec until;

	do {
		pthread_kill(sampler->thread, SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 20 * 1000 * 1000;
		if (until.tv_nsec >= (long)CLOCK_NS_PER_S) {
			until.tv_nsec -= (long)CLOCK_NS_PER_S;
			until.tv_sec++;
		}
	} while (pthread_timedjoin_np(sampler->thread, NULL, &until));
}

void top_sampler_close(struct top_sampler *sampler)
{
	if (!sampler)
		return;
	if (sampler->asking)
		sampler_interrupt(sampler);
	top_sample_free(sampler->sample);
	close(sampler->answered);
	free(sampler);
}

int top_sampler_ask(struct top_sampler *sampler)
{
	sigset_t all, before;
	int ret;

	if (sampler->asking)
		return 0;
	sampler->sample = NULL;
	/* The terminal's signals are for the thread that draws. */
	sigfillset(&all);
	sigdelset(&all, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&sampler->thread, NULL, sampler_run, sampler);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sampler->asking = !ret;
	return ret ? -EAGAIN : 0;
}

int top_sampler_fd(const struct top_sampler *sampler)
{
	return sampler->answered;
}

struct top_sample *top_sampler_answer(struct top_sampler *sampler, struct error *err)
{
	struct top_sample *sample;
	eventfd_t count;

	eventfd_read(sampler->answered, &count);
	pthread_join(sampler->thread, NULL);
	sampler->asking = false;
	sample = sampler->sample;
	sampler->sample = NULL;
	if (!sample)
		*err = sampler->err;
	return sample;
}
