/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets that listen, where another has the address. */
#include "base/listener.h"
#include "between_tries.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Somebody listens on a port of his own. */
struct rig {
	struct sockaddr_in address;
	int fd;
};

static int try_open(struct rig *rig, struct error *err)
{
	return listener_open((struct sockaddr *)&rig->address, sizeof(rig->address), 0, 8,
			     "the portal", err);
}

static void rig_open(struct rig *rig)
{
	socklen_t len = sizeof(rig->address);
	struct error err;

	memset(rig, 0, sizeof(*rig));
	rig->address.sin_family = AF_INET;
	rig->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rig->fd = try_open(rig, &err);
	assert_true(rig->fd >= 0);
	assert_int_equal(getsockname(rig->fd, (struct sockaddr *)&rig->address, &len), 0);
}

static void test_addresses(void **state)
{
	static const char *const wrong[] = {
		"",
		":1",
		"1",
		"127.0.0.1",
		"127.0.0.1:",
		"::1:1",
		"[::1]",
		"[::1]:0",
		"[::1:1",
		"[127.0.0.1]:1",
		"host:1",
		"1.2.3:1",
		"1.2.3.4:+1",
		"1.2.3.4: 1",
		"1.2.3.4:65536",
		"1.2.3.4:x",
		"1.2.3.4:1x",
		"[]:1",
		"[::1%lo]:1",
		"1.2.3.4:99999999999999999999",
	};
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
	socklen_t len = 0;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (listener_address_parse(wrong[i], &address, &len))
			fail_msg("'%s' was taken", wrong[i]);
	assert_true(listener_address_parse("192.0.2.1:3260", &address, &len));
	assert_int_equal(len, sizeof(*in));
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(ntohl(in->sin_addr.s_addr), 0xc0000201);
	assert_int_equal(ntohs(in->sin_port), 3260);
	assert_true(listener_address_parse("[::1]:65535", &address, &len));
	assert_int_equal(len, sizeof(*in6));
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_memory_equal(&in6->sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback));
	assert_int_equal(ntohs(in6->sin6_port), 65535);
	assert_int_equal(in6->sin6_scope_id, 0);
}

static void test_an_address_in_use_is_refused(void **state)
{
	struct error err;
	struct rig rig;

	rig_open(&rig);
	assert_int_equal(try_open(&rig, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "cannot listen on the portal"));
	assert_non_null(strstr(err.text, "ss -ltnp"));
	close(rig.fd);
}

static struct rig late;

static void late_lets_go(void)
{
	close(late.fd);
}

/* As a process that was killed does: the kernel closes what an io_uring held a little later. */
static void test_holder_that_is_about_to_let_go(void **state)
{
	struct error err;
	int fd;

	rig_open(&late);
	between_tries = late_lets_go;
	fd = try_open(&late, &err);
	assert_null(between_tries);
	assert_true(fd >= 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_an_address_in_use_is_refused),
		cmocka_unit_test(test_holder_that_is_about_to_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
