/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The exporter without a service around it, where there are no descriptors left. */
#include "metrics/exporter.h"

#include "base/listener.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST "GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"

static const struct exporter_ops no_documents;

struct rig {
	struct exporter *exporter;
	struct sockaddr_in address;
};

static int setup(void **state)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct rig *rig = calloc(1, sizeof(*rig));
	socklen_t len = sizeof(rig->address);
	int fd = listener_open((struct sockaddr *)&any, sizeof(any), 0, 16, "a port", NULL);

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&rig->address, &len))
		return -1;
	*state = rig;
	return exporter_open(fd, &no_documents, NULL, &rig->exporter, NULL);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	exporter_close(rig->exporter);
	free(rig);
	return 0;
}

/* One turn of its loop; false: nothing was there to be done in this time. */
static bool turn(struct rig *rig, int wait_ms)
{
	struct pollfd pfd = {.fd = exporter_fd(rig->exporter), .events = POLLIN};
	int limit = exporter_timeout_ms(rig->exporter), n;

	n = poll(&pfd, 1, limit >= 0 && limit < wait_ms ? limit : wait_ms);
	exporter_dispatch(rig->exporter);
	return n > 0;
}

static int dial(struct rig *rig, int fd)
{
	assert_int_equal(connect(fd, (struct sockaddr *)&rig->address, sizeof(rig->address)), 0);
	return fd;
}

/* What comes on the connection, however long the kernel takes to bring it; few turns are enough. */
static ssize_t hear(struct rig *rig, int fd, void *answer, size_t size)
{
	unsigned int turns = 0;
	ssize_t n;

	while ((n = recv(fd, answer, size, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		turns += turn(rig, 100);
		assert_true(turns < 50);
	}
	return n;
}

static void turn_until_quiet(struct rig *rig)
{
	unsigned int turns = 0;

	while (turn(rig, 100))
		assert_true(++turns < 50);
}

static void test_client_without_a_descriptor_is_turned_away(void **state)
{
	struct rig *rig = *state;
	int fds[3], next;
	struct rlimit usual, none;
	char answer[1024];
	ssize_t n;

	for (int i = 0; i < 3; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
	next = dup(fds[0]);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = (struct rlimit){(rlim_t)next, usual.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 2; i++) {
		dial(rig, fds[i]);
		n = hear(rig, fds[i], answer, sizeof(answer));
		assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
		turn_until_quiet(rig);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	dial(rig, fds[2]);
	assert_int_equal(send(fds[2], REQUEST, strlen(REQUEST), 0), strlen(REQUEST));
	n = hear(rig, fds[2], answer, sizeof(answer) - 1);
	assert_true(n > 0);
	answer[n] = '\0';
	assert_non_null(strstr(answer, " 200 "));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_client_without_a_descriptor_is_turned_away,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
