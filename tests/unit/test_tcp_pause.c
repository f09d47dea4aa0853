/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A worker that was stopped for long, as with the machine it runs on: time went by, bytes came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "base/listener.h"
#include "stgt/wire/iscsi.h"
#include "tcp/internal.h"
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAUSE_S 40 /* longer than a login may take */

static const char login[] = "InitiatorName=iqn.2026-11.example:host\0SessionType=Discovery";

static struct mailbox mailbox;
static struct iscsi_node *node;
static struct tcp_server *server;
static struct sockaddr_storage address;
static int host, ours; /* the two ends of a connection */
static atomic_bool stopped;
static _Thread_local bool stops; /* the worker's */
static _Thread_local time_t late_s;

static void host_login(void)
{
	uint8_t pdu[ISCSI_BHS + sizeof(login) + 3] = {ISCSI_LOGIN | ISCSI_IMMEDIATE, 0x87};
	size_t len = ISCSI_BHS + ((sizeof(login) + 3) & ~3u);

	put_be24(pdu + ISCSI_AT_DATA_LENGTH, sizeof(login));
	pdu[ISCSI_LOGIN_AT_ISID] = 0x80;
	memcpy(pdu + ISCSI_BHS, login, sizeof(login));
	assert_int_equal(write(host, pdu, len), len);
}

/* In the place of libc's. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	int ret;

	if (stops && atomic_exchange(&stopped, false)) {
		host_login();
		late_s = PAUSE_S;
	}
	ret = (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec += late_s;
	return ret;
}

static void worker_connect(struct iscsi_worker *worker, void *arg)
{
	stops = true;
	tcp_conn_open(iscsi_worker_ctx(worker), ours, &address, 1);
}

static int setup(void **state)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct tcp_server_config config = {.workers = 1, .memory_mib = 4};
	int fd = listener_open((struct sockaddr *)&any, sizeof(any), 0, 16, "a port", NULL);
	socklen_t len = sizeof(address);

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &len))
		return -1;
	host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(host, (struct sockaddr *)&address, len))
		return -1;
	ours = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	close(fd);
	if (ours < 0 || mailbox_open(&mailbox) || iscsi_node_open(&node, NULL))
		return -1;
	config.node = node;
	return tcp_server_open(&config, &server, NULL);
}

static int teardown(void **state)
{
	tcp_server_close(server, &mailbox);
	iscsi_node_close(node);
	mailbox_close(&mailbox);
	close(host);
	return 0;
}

static void test_what_came_meanwhile_is_heard_first(void **state)
{
	uint8_t bhs[ISCSI_BHS];

	/* On a busy machine it may take longer than who asks waits. */
	while (!tcp_server_each(server, worker_connect, NULL))
		;
	atomic_store(&stopped, true);
	while (!tcp_server_probe(server))
		;
	assert_int_equal(recv(host, bhs, sizeof(bhs), MSG_WAITALL), sizeof(bhs));
	assert_int_equal(bhs[ISCSI_AT_OPCODE], ISCSI_LOGIN_RESPONSE);
	assert_int_equal(get_be16(bhs + ISCSI_LOGIN_AT_STATUS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_came_meanwhile_is_heard_first, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
