/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For a program that saves thousands of times, during which nobody takes the power away: on a slow
 * or busy disk it would take minutes.
 */
#ifndef STGT_TESTS_NO_SYNC_H
#define STGT_TESTS_NO_SYNC_H

/* libc's for the whole program. */
int fsync(int fd)
{
	return 0;
}

#endif
