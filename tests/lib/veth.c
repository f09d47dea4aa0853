/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "veth.h"
#include "xdp/steer.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int veth_run(int (*tests)(struct veth *veth))
{
	struct veth veth;
	struct error err;
	int status = 1;
	pid_t pid;

	snprintf(veth.near, sizeof(veth.near), "st%dn", getpid());
	snprintf(veth.far, sizeof(veth.far), "st%df", getpid());
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0) {
			perror("unshare");
			_exit(1);
		}
		exit(tests(&veth) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	if (steer_remove_stale(veth.near, &err) < 0)
		fprintf(stderr, "clean-up of %s: %s\n", veth.near, err.text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void shell(const char *fmt, ...)
{
	char command[512];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	rc = system(command);
	if (rc)
		fail_msg("`%s` failed", command);
}

void veth_make(const struct veth *veth, unsigned int mtu)
{
	shell("ip link add %s mtu %u type veth peer name %s mtu %u", veth->near, mtu, veth->far,
	      mtu);
	shell("ip link set %s up && ip link set %s up", veth->near, veth->far);
}

void veth_delete(const struct veth *veth)
{
	shell("ip link del %s", veth->near);
}

int packet_open(const char *name, uint16_t type)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(type));
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(type),
		.sll_ifindex = (int)if_nametoindex(name),
	};

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

void packet_send(int fd, const void *frame, size_t len)
{
	assert_int_equal(send(fd, frame, len, 0), len);
}

size_t packet_receive(int fd, void *frame, size_t size, int timeout_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	struct sockaddr_ll from;
	socklen_t len;
	ssize_t n;

	while (poll(&ready, 1, timeout_ms) == 1) {
		len = sizeof(from);
		n = recvfrom(fd, frame, size, 0, (struct sockaddr *)&from, &len);
		/* Packet sockets also see what their own interface sends. */
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING)
			return (size_t)n;
	}
	return 0;
}

pid_t child_serving(void (*serve)(void *ctx), void *ctx)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		serve(ctx);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

void child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int child_returns(int (*body)(void *ctx), void *ctx)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(body(ctx));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
