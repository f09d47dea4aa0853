/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Telling systemd that the service lives (WatchdogSec=), and only then. */
#include "service/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define PATIENCE_USEC (600 * 1000000ull)

int watchdog_open(struct error *err)
{
	struct itimerspec every = {0};
	uint64_t usec;
	int fd;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return -1;
	usec /= 2;
	every.it_interval.tv_sec = every.it_value.tv_sec = (time_t)(usec / 1000000);
	every.it_interval.tv_nsec = every.it_value.tv_nsec = (long)(usec % 1000000) * 1000;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

void watchdog_pat(int fd, struct target *target)
{
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	/* While a worker hangs systemd hears nothing, and starts us anew in the end. */
	if (target_probe(target))
		sd_notify(0, "WATCHDOG=1");
}

void watchdog_be_patient(bool patient)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	sd_notifyf(0, "WATCHDOG=1\nWATCHDOG_USEC=%llu",
		   (unsigned long long)(patient ? PATIENCE_USEC : usec));
}
