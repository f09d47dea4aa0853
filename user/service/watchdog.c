/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Telling systemd that the service lives (WatchdogSec=), and only then. */
#include "service/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define PATIENCE_USEC (600 * 1000000ull)
#define USUAL	      2	 /* so often is systemd told in the time that it waits */
#define AGAIN	      16 /* and so often is a worker asked that was silent */

static void watchdog_arm(int fd, unsigned int often)
{
	struct itimerspec next = {0};
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	usec /= often;
	next.it_value.tv_sec = (time_t)(usec / 1000000);
	next.it_value.tv_nsec = (long)(usec % 1000000) * 1000;
	timerfd_settime(fd, 0, &next, NULL);
}

int watchdog_open(struct error *err)
{
	int fd;

	if (sd_watchdog_enabled(0, NULL) <= 0)
		return -1;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd >= 0)
		watchdog_arm(fd, USUAL);
	return fd;
}

void watchdog_pat(int fd, struct target *target)
{
	uint64_t expirations;
	bool answered;

	if (read(fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	/*
	 * While a worker hangs systemd hears nothing, and starts us anew in the end. One that was
	 * busy for a moment answers before that.
	 */
	answered = target_probe(target);
	if (answered)
		sd_notify(0, "WATCHDOG=1");
	watchdog_arm(fd, answered ? USUAL : AGAIN);
}

void watchdog_be_patient(bool patient)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	sd_notifyf(0, "WATCHDOG=1\nWATCHDOG_USEC=%llu",
		   (unsigned long long)(patient ? PATIENCE_USEC : usec));
}
