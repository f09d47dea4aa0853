/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The log on standard error, while nobody reads that. */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2], standard_error;

/* Standard error is a pipe without room. */
static int setup(void **state)
{
	if (pipe(ends) || fcntl(ends[1], F_SETFL, O_NONBLOCK))
		return -1;
	while (write(ends[1], "", 1) == 1)
		;
	standard_error = dup(STDERR_FILENO);
	return fcntl(ends[1], F_SETFL, 0) || dup2(ends[1], STDERR_FILENO) < 0;
}

static void restore(void)
{
	dup2(standard_error, STDERR_FILENO);
	close(standard_error);
	close(ends[1]);
}

/* Newer libcs' exit() waits for the stream, and the service would not end. */
static void test_standard_error_is_nobodys_while_a_line_hangs(void **state)
{
	char text[64] = "", c = '\0';
	bool is_free;
	size_t len = 0;

	log_configure(LOG_WARNING, LOG_TO_STDERR);
	log_start();
	log_warning("line %d", 1);
	is_free = !ftrylockfile(stderr);
	if (is_free)
		funlockfile(stderr);
	/* What is in the pipe makes room, and then there is the line. */
	while (c != '\n' && len + 1 < sizeof(text) && read(ends[0], &c, 1) == 1)
		if (c)
			text[len++] = c;
	log_stop();
	restore();
	close(ends[0]);
	assert_true(is_free);
	assert_string_equal(text, "stgt-xdp: line 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_standard_error_is_nobodys_while_a_line_hangs, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
